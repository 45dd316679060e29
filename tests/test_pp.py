import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from anndata import AnnData
from scipy import sparse
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from bulk2sc import pp
from bulk2sc.errors import Bulk2scError

GENES = ["TP53", "EGFR", "ERBB2", "MYC"]


def frame(X, genes=None, **obs):
    X = np.asarray(X, dtype="float32")
    names = [f"c{i}" for i in range(X.shape[0])]
    genes = genes or [f"g{i:04d}" for i in range(X.shape[1])]
    return AnnData(X, obs=pd.DataFrame(obs, index=names), var=pd.DataFrame(index=genes))


@pytest.fixture
def counts():
    """300 cells, 400 genes; the first 12 genes differ strongly between two halves of the cells."""
    rng = np.random.default_rng(0)
    rate = rng.gamma(1.0, 2.0, size=400) + 0.3
    rates = np.tile(rate, (300, 1))
    rates[:150, :12] *= 1.9
    rates[150:, :12] *= 0.1
    return frame(rng.poisson(rates))


# --- check_cells -------------------------------------------------------------------------------------------


def with_value(value):
    X = np.arange(12, dtype="float32").reshape(3, 4)
    X[1, 2] = value
    return frame(X, GENES)


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        (frame(np.ones((0, 4)), GENES), "no cells"),
        (frame(np.ones((1, 4)), GENES), "one cell"),
        (frame(np.ones((3, 0))), "no genes"),
        (with_value(np.nan), "1 NaN"),
        (with_value(np.inf), "1 infinite"),
        (with_value(-np.inf), "1 infinite"),
        (with_value(-3), "negative whole numbers (lowest -3)"),
        (frame(np.zeros((3, 4)), GENES), "every value is zero"),
        (frame(np.ones((3, 4)), ["A", "B", "A", "C"]), "1 repeated names ('A'); keep one"),
        (AnnData(obs=pd.DataFrame(index=["a", "b"]), var=pd.DataFrame(index=GENES)), "neither X nor"),
    ],
)
def test_bad_cells_are_refused_in_one_line(cells, found):
    with pytest.raises(Bulk2scError) as error:
        pp.check_cells(cells, "mine.h5ad")
    message = str(error.value)
    assert message.startswith("mine.h5ad: ")
    assert found in message
    assert "\n" not in message


def test_a_bad_counts_layer_is_refused_although_X_is_good():
    cells = with_value(1)
    cells.layers["counts"] = with_value(-0.5).X
    with pytest.raises(Bulk2scError, match="negative values"):
        pp.check_cells(cells)
    cells.layers["counts"] = with_value(np.nan).X
    with pytest.raises(Bulk2scError, match=r'layers\["counts"\] holds 1 NaN'):
        pp.check_cells(cells)


@pytest.mark.parametrize("wrap", [np.asarray, sparse.csr_matrix])
def test_all_zero_genes_are_left_out_and_counted(wrap):
    cells = frame([[1, 0, 2, 0], [3, 0, 0, 0]], GENES)
    cells.X = wrap(cells.X)
    kept = pp.check_cells(cells)
    assert list(kept.var_names) == ["TP53", "ERBB2"]
    assert kept.uns["genes"] == {"all_zero": 2}
    assert cells.n_vars == 4, "the input must stay as it was"


# --- detect_scale ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([0, 3, 7], "counts"),
        ([0, 3.5, 7], "log"),
        ([-0.5, 0.2, 1.0], "z-scores"),
        ([-10.0, -0.5, 3.0], "z-scores"),  # clipped at a whole number
    ],
)
@pytest.mark.parametrize("wrap", [np.asarray, sparse.csr_matrix])
def test_scale_is_read_from_the_values(values, scale, wrap):
    cells = frame([values, values])
    cells.X = wrap(cells.X)
    assert pp.detect_scale(cells) == scale


# --- names -------------------------------------------------------------------------------------------------


def test_names_of_any_kind_become_symbols_and_counts_are_summed():
    # ERBB2: symbol, alias HER2, Ensembl id with version, Entrez id.
    cells = frame(
        [[1, 2, 4, 8, 16], [0, 0, 1, 0, 5]], ["ERBB2", "HER2", "ENSG00000141736.13", "2064", "novel"]
    )
    named = pp.resolve_symbols(cells)
    assert list(named.var_names) == ["ERBB2", "novel"]
    np.testing.assert_array_equal(named.X, [[15, 16], [1, 5]])
    assert named.uns["genes"] == {"given": 5, "renamed": 3, "merged": 3, "unknown": 1}
    assert "counts" not in named.layers


@pytest.mark.parametrize("wrap", [np.asarray, sparse.csr_matrix])
def test_logs_of_one_gene_are_those_of_the_summed_amounts(wrap):
    cells = frame(np.log1p([[1.5, 2.5, 0.25], [0.0, 1.0, 0.0]]), ["ERBB2", "HER2", "EGFR"])
    cells.X = wrap(cells.X)
    X = pp.resolve_symbols(cells).X
    X = X.toarray() if sparse.issparse(X) else X
    np.testing.assert_allclose(X, np.log1p([[4.0, 0.25], [1.0, 0.0]]), rtol=1e-6)


def test_counts_layer_is_merged_and_everything_about_cells_stays():
    cells = frame([[0.1, 0.2], [0.3, 0.4]], ["ERBB2", "HER2"], sample=["x", "y"])
    cells.layers["counts"] = sparse.csr_matrix([[1, 2], [3, 4]])
    named = pp.resolve_symbols(cells)
    np.testing.assert_array_equal(named.layers["counts"].toarray(), [[3], [7]])
    np.testing.assert_array_equal(named.X.toarray(), [[3], [7]])
    assert list(named.obs["sample"]) == ["x", "y"]


# --- quality -----------------------------------------------------------------------------------------------


@pytest.fixture
def planted_quality():
    """100 good cells and four bad ones, each in its own way."""
    rng = np.random.default_rng(1)
    X = rng.poisson(1, size=(104, 200))
    X[:, -2:] = 1  # MT-CO1 and ND1: 1 % of the counts
    X[100] = 0
    X[100, :20] = 1  # few genes, small library
    X[101] *= 50  # a large library
    X[102, -2:] = 60  # about 37 % mitochondrial
    X[103] = 0  # nothing
    return frame(X, [f"g{i}" for i in range(198)] + ["MT-CO1", "ND1"])


def test_each_planted_fault_is_named_and_most_good_cells_pass(planted_quality):
    flagged = pp.qc_flags(planted_quality, min_genes=50)
    reasons = flagged.obs["qc_reason"]
    assert flagged.obs["qc_pass"].iloc[:100].mean() >= 0.97  # 5 deviations are 3.4 standard deviations
    assert not flagged.obs["qc_pass"].iloc[100:].any()
    assert reasons.iloc[[0, 101]].tolist() == ["", "large library"]
    assert (reasons.iloc[[100, 103]] == "few genes; small library").all()
    assert "mitochondrial" in reasons["c102"]
    assert flagged.n_obs == planted_quality.n_obs and "qc_pass" not in planted_quality.obs


def test_mitochondrial_genes_are_known_by_every_name():
    names = ["MT-CYB", "CYTB", "COX1", "ND4L", "ENSG00000198888", "mt-Nd1", "PTGS1", "TP53"]
    flagged = pp.qc_flags(frame(np.full((5, len(names)), 2), names), min_genes=1, max_mito=100)
    assert flagged.var["mt"].tolist() == [True] * 6 + [False] * 2


def test_deviations_are_taken_within_a_sample():
    # A sample three times as deep is no outlier in itself, and hides nothing in the shallow one.
    rng = np.random.default_rng(2)
    X = np.vstack([rng.poisson(2, (50, 300)), rng.poisson(40, (10, 300))])
    cells = frame(X, sample=["shallow"] * 50 + ["deep"] * 10)
    together = pp.qc_flags(cells, min_genes=1)
    apart = pp.qc_flags(cells, min_genes=1, by="sample")
    assert not together.obs["qc_pass"].iloc[50:].any()
    assert apart.obs["qc_pass"].iloc[50:].all()


@pytest.mark.parametrize("judge", [pp.qc_flags, pp.doublets])
def test_a_sample_column_that_is_missing_is_named_with_those_that_exist(counts, judge):
    counts.obs["samples"], counts.obs["qc_pass"] = "s", True
    message = "obs: column 'sample' is unknown; it is one of samples, qc_pass.*Did you mean 'samples'"
    with pytest.raises(Bulk2scError, match=message):
        judge(counts, by="sample")


def test_no_cell_passing_is_an_error_with_numbers(counts):
    with pytest.raises(Bulk2scError, match=r"None of 300 cells .*few genes 300.*min_genes=1000"):
        pp.qc_flags(counts, min_genes=1000)


def test_cells_with_the_same_counts_in_other_genes_are_no_outliers():
    X = np.zeros((20, 40))
    for cell in range(20):
        X[cell, (cell + np.arange(10)) % 40] = 3  # library and number of genes are constant
    flagged = pp.qc_flags(frame(X), min_genes=10)
    assert flagged.obs["qc_pass"].all()
    assert flagged.uns["qc"]["library size"] == "applied"


@pytest.mark.parametrize("wrap", [np.asarray, sparse.csr_matrix])
def test_log_values_are_judged_by_genes_and_mitochondrial_share(planted_quality, wrap):
    logged = pp.normalise(planted_quality[:103])  # without the empty cell, which no logarithm has
    del logged.layers["counts"]
    logged.X = wrap(logged.X)
    flagged = pp.qc_flags(logged, min_genes=50)
    of_counts = pp.qc_flags(planted_quality[:103], min_genes=50)
    pd.testing.assert_series_equal(
        flagged.obs["pct_counts_mt"], of_counts.obs["pct_counts_mt"], rtol=1e-4, check_dtype=False
    )
    assert flagged.obs["qc_reason"]["c100"] == "few genes"
    assert flagged.obs["qc_reason"]["c101"] == "", "the library size is lost, and with it this fault"
    assert flagged.obs["qc_reason"]["c102"] == "mitochondrial"
    assert "total_counts" not in flagged.obs
    assert flagged.uns["qc"] == {
        "number of genes": "applied",
        "library size": "not applicable: log values",
        "mitochondrial share": "applied",
        "doublets": "not applicable: log values",
    }
    assert abs(pp.normalise(flagged).X - logged.X).max() == 0


def test_z_scores_all_pass_and_it_is_said():
    cells = frame(np.random.default_rng(0).normal(size=(60, 30)))
    flagged = pp.doublets(pp.qc_flags(cells))
    assert flagged.obs["qc_pass"].all() and not flagged.obs["doublet"].any()
    assert set(flagged.uns["qc"].values()) == {"not applicable: z-scores"}
    np.testing.assert_array_equal(pp.normalise(flagged).X, cells.X)


# --- doublets ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kinds():
    """Two samples of 180 cells of four kinds with genes of their own, and 8 sums of two kinds in each."""
    rng = np.random.default_rng(5)
    rates = np.full((4, 200), 0.4)
    for kind in range(4):
        rates[kind, 40 * kind : 40 * (kind + 1)] = 4.0
    single = rng.poisson(rates[rng.integers(4, size=360)])
    pairs = np.array([rng.choice(4, 2, replace=False) for _ in range(16)])
    double = rng.poisson(0.75 * (rates[pairs[:, 0]] + rates[pairs[:, 1]]))
    cells = frame(np.vstack([single, double]), sample=["a", "b"] * 188)
    cells.obs["double"] = np.arange(376) >= 360
    return pp.qc_flags(cells, min_genes=1, nmads=20, by="sample")


def test_planted_doublets_score_highest_and_are_called(kinds):
    found = pp.doublets(kinds, by="sample", expected_rate=8 / 188)
    assert roc_auc_score(found.obs["double"], found.obs["doublet_score"]) > 0.97
    assert found.obs["doublet"][found.obs["double"]].mean() >= 0.75
    assert found.obs["doublet"].groupby(found.obs["sample"]).sum().max() <= 8
    assert (found.obs["qc_reason"][found.obs["doublet"]] == "doublet").all()
    assert (found.obs["qc_pass"] == ~found.obs["doublet"]).all()
    assert found.uns["qc"]["doublets"] == "applied"
    assert "doublet" not in kinds.obs and kinds.obs["qc_pass"].all()


def test_cells_that_failed_are_not_judged_and_keep_their_reason(kinds):
    failed = kinds.copy()
    failed.obs.loc[failed.obs_names[:5], ["qc_pass", "qc_reason"]] = [False, "few genes"]
    found = pp.doublets(failed, by="sample")
    assert found.obs["doublet_score"][:5].isna().all() and found.obs["doublet_score"][5:].notna().all()
    assert (found.obs["qc_reason"][:5] == "few genes").all()
    alone = pp.doublets(failed[5:].copy(), by="sample")
    np.testing.assert_array_equal(alone.obs["doublet_score"], found.obs["doublet_score"][5:])


def test_a_small_sample_is_left_out_and_it_is_said(kinds):
    few = pp.doublets(kinds[(kinds.obs["sample"] == "a") | (np.arange(376) < 60)].copy(), by="sample")
    assert few.obs["doublet_score"][few.obs["sample"] == "b"].isna().all()
    assert few.obs["doublet_score"][few.obs["sample"] == "a"].notna().all()
    assert few.uns["qc"]["doublets"].startswith("not applied to 1 of 2 samples: fewer than 50 cells")


def test_equal_cells_hold_no_doublet():
    flagged = pp.doublets(pp.qc_flags(frame(np.ones((60, 100))), min_genes=1))
    assert flagged.obs["qc_pass"].all() and not flagged.obs["doublet"].any()


@pytest.mark.parametrize("rate", [0, 0.5, -0.1])
def test_an_impossible_rate_is_refused(kinds, rate):
    with pytest.raises(Bulk2scError, match=f"doublet_rate is {rate}, it must be between 0 and 0.5"):
        pp.doublets(kinds, expected_rate=rate)


# --- scale -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrap", [np.asarray, sparse.csr_matrix])
def test_normalise_by_hand(wrap):
    cells = frame([[1, 3, 0], [2, 2, 4]])
    cells.X = wrap(cells.X)
    normal = pp.normalise(cells)
    X = normal.X.toarray() if sparse.issparse(normal.X) else normal.X
    np.testing.assert_allclose(X, np.log1p([[2500, 7500, 0], [2500, 2500, 5000]]), rtol=1e-6)
    assert normal.X.dtype == np.float32
    kept = normal.layers["counts"]
    np.testing.assert_array_equal(kept.toarray() if sparse.issparse(kept) else kept, [[1, 3, 0], [2, 2, 4]])


def test_zscore_equals_sklearn_in_blocks_too(counts, monkeypatch):
    X = np.log1p(counts.X)
    np.testing.assert_allclose(pp.zscore(X), StandardScaler().fit_transform(X), atol=1e-5)
    monkeypatch.setattr("bulk2sc.pp.cells.BLOCK", X.size // 7)
    np.testing.assert_allclose(pp.zscore(sparse.csr_matrix(X)), StandardScaler().fit_transform(X), atol=1e-5)


def test_constant_genes_become_zero_and_outliers_are_clipped():
    X = np.full((1000, 2), 3.3, dtype="float32")
    X[:, 1] = 0
    X[0, 1] = 1  # 31.6 standard deviations
    scaled = pp.zscore(X)
    assert (scaled[:, 0] == 0).all()
    assert scaled[0, 1] == 10


# --- pair --------------------------------------------------------------------------------------------------


@pytest.fixture
def bulk():
    """60 lines, 500 genes: the 400 of the cells in another order and 100 others."""
    rng = np.random.default_rng(3)
    genes = [f"g{i:04d}" for i in range(500)]
    rng.shuffle(genes)
    return frame(rng.normal(size=(60, 500)) * rng.gamma(2, 1, 500), genes)


def test_pair_gives_same_sorted_genes_and_each_domain_its_own_scale(bulk, counts):
    cells = pp.normalise(counts)
    lines, paired = pp.pair(bulk, cells, n_hvg=0)
    assert list(lines.var_names) == list(paired.var_names) == sorted(counts.var_names)
    for domain in (lines, paired):
        scaled = domain.layers["scaled"]
        assert scaled.dtype == np.float32
        np.testing.assert_allclose(
            scaled, np.clip(StandardScaler().fit_transform(domain.X), -10, 10), atol=1e-5
        )
    np.testing.assert_array_equal(lines[:, "g0007"].X, bulk[:, "g0007"].X)
    assert paired.uns["pair"] == {"bulk": 500, "cells": 400, "shared": 400, "chosen": 400}
    assert "scaled" not in cells.layers and "scaled" not in bulk.layers


def test_variable_genes_are_scanpys_and_find_the_planted_ones(bulk, counts):
    cells = pp.normalise(counts)
    _, paired = pp.pair(bulk, cells, n_hvg=50)
    table = sc.pp.highly_variable_genes(cells, n_top_genes=50, flavor="seurat", inplace=False)
    assert set(paired.var_names) == set(cells.var_names[table["highly_variable"]])
    assert paired.n_vars == 50
    assert len(set(paired.var_names) & set(counts.var_names[:12])) >= 10


def test_too_few_shared_genes_are_refused_with_numbers(bulk, counts):
    cells = pp.normalise(counts)
    mouse = cells.copy()
    mouse.var_names = [name.capitalize() for name in mouse.var_names]
    with pytest.raises(Bulk2scError, match="X holds counts"):
        pp.pair(bulk, counts)
    with pytest.raises(Bulk2scError, match=r"500 genes.*400 genes.*share 0 genes.*first names: G0000"):
        pp.pair(bulk, mouse)
    with pytest.raises(Bulk2scError, match="share 199 genes, fewer than 200"):
        pp.pair(bulk, cells[:, :199].copy())
    with pytest.warns(UserWarning, match="share 200 genes: few"):
        pp.pair(bulk, cells[:, :200].copy(), n_hvg=0)


# --- blind -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lines", [[np.nan] * 2, pd.Categorical([np.nan] * 2), pd.Categorical(["a549", np.nan])]
)
def test_cells_of_no_known_line_hold_out_none(lines):
    """Cells of patients; a file gives back each NaN as another object."""
    bulk = AnnData(np.zeros((1, 2), "float32"), obs=pd.DataFrame(index=["A549"]))
    cells = AnnData(np.zeros((2, 2), "float32"), obs=pd.DataFrame({"cell_line": lines}, index=["a", "b"]))
    held = pp.hold_out_own_lines(cells, bulk)
    assert held.uns["held_out"] == (["A549"] if "a549" in list(lines) else [])
    assert pd.isna(held.obs["cell_line"].iloc[1])


def test_own_lines_leave_training_in_any_spelling():
    bulk = AnnData(np.zeros((3, 2), "float32"), obs=pd.DataFrame(index=["NCIH838", "A549", "PC3"]))
    cells = AnnData(np.zeros((4, 2), "float32"))
    cells.obs["cell_line"] = ["NCI-H838", "a549", "normal", np.nan]
    cells.uns["held_out"] = ["PC3"]
    held = pp.hold_out_own_lines(cells, bulk)
    assert held.uns["held_out"] == ["A549", "NCIH838", "PC3"]
    assert held.obs["cell_line"].astype(object).fillna("").tolist() == ["NCIH838", "A549", "normal", ""]
    assert pp.hold_out_own_lines(AnnData(np.zeros((1, 2), "float32")), bulk).uns["held_out"] == []


def test_constant_genes_stay_at_zero_when_scaled_like_the_training_lines():
    """The mean of 0.1 in float32 is not 0.1: the gene must not seem to vary."""
    training = AnnData(np.full((900, 1), 0.1, "float32"))
    profiles = AnnData(np.array([[0.1], [5.0]], "float32"))
    assert (pp.scale_like(profiles, training).layers["scaled"] == 0).all()


def test_counts_that_stand_in_are_rounded_abundances():
    logs = sparse.csr_matrix(np.log1p([[0.0, 2.0, 3.6], [0.3, 0.0, 0.6]]))
    found = pp.with_counts(AnnData(logs))
    np.testing.assert_array_equal(found.layers["counts"].toarray(), [[0, 2, 4], [0, 0, 1]])
    assert found.uns["counts"] == "stand-in" and found.layers["counts"].nnz == 3
    measured = AnnData(logs, layers={"counts": sparse.csr_matrix(np.eye(2, 3))})
    kept = pp.with_counts(measured)
    assert kept.uns["counts"] == "measured" and kept.layers["counts"].sum() == 2
    with pytest.raises(Bulk2scError, match="z-scores, from which no counts can be told"):
        pp.with_counts(AnnData(np.array([[-0.5, 1.2], [0.5, -1.2]])))
