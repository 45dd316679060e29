import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bulk2sc.datasets.genes import gene_sets
from bulk2sc.datasets.made_up import made_up_bulk
from bulk2sc.datasets.simulate import CYCLE, CYCLE_SIZE, LOG2_PER_Z, PHASES, PLANTED_MARKERS, simulate
from bulk2sc.errors import Bulk2scError

SETTINGS = {"drug": "Cisplatin", "n_lines_per_tail": 6, "n_cells": 3000}


@pytest.fixture(scope="module")
def bulk():
    return made_up_bulk()


@pytest.fixture(scope="module")
def cells(bulk):
    return simulate(bulk, **SETTINGS)


@pytest.fixture(scope="module")
def unshifted(bulk):
    """The same experiment with a drug that changes nothing."""
    return simulate(bulk, **SETTINGS, shift=0)


def tumour(cells):
    """Good cells of lines, without the mitochondrial genes."""
    return cells[cells.obs["truth"].notna(), ~cells.var["mt"]]


def share(cells, keep=slice(None)):
    """Relative expression, normalised on the genes to keep only."""
    counts = cells.layers["counts"].toarray()
    return counts / counts[:, keep].sum(1, keepdims=True)


def log2_ratio(cells, group, other, keep=slice(None)):
    """Per gene log2 ratio of the mean expression of two groups, every line having the same weight."""
    expression = pd.DataFrame(share(cells, keep), index=cells.obs_names)
    by_line = [
        expression[mask].groupby(cells.obs["cell_line"][mask], observed=True).mean()
        for mask in (group, other)
    ]
    a, b = (mean.mean().to_numpy() for mean in by_line)
    return np.log2(a / b)


# --- lines, truth, proportions


def test_form(cells, bulk, tmp_path):
    assert cells.shape == (3000, 613)
    assert list(cells.obs) == ["cell_line", "sample", "treated", "planted", "truth", "clone", "cycle"]
    assert cells.uns["simulated"] and cells.uns["simulation"]["drug"] == "Cisplatin"
    counts = cells.layers["counts"]
    assert (
        counts.format == "csr" and counts.dtype == np.float32 and (counts.data == counts.data.round()).all()
    )
    assert counts.data.min() >= 1 and (cells.X != counts).nnz == 0
    assert cells.obs_names.is_unique and list(cells.var_names[:600]) == list(bulk.var_names)
    cells.write_h5ad(tmp_path / "cells.h5ad")
    back = ad.read_h5ad(tmp_path / "cells.h5ad")
    pd.testing.assert_frame_equal(back.obs, cells.obs)
    assert list(back.uns["held_out"]) == cells.uns["held_out"]


def test_truth_is_the_tail_of_the_line(cells, bulk):
    auc = pd.Series(bulk.obsm["auc"][:, 0], bulk.obs_names)
    low, high = auc.quantile([0.3, 0.7])
    of_cell = cells.obs["cell_line"].astype(str).map(auc)
    assert (of_cell[cells.obs["truth"] == 1] <= low).all()
    assert (of_cell[cells.obs["truth"] == 0] >= high).all()
    assert set(cells.obs["planted"][cells.obs["truth"].isna()]) == {"normal", "low_quality", "doublet"}


def test_held_out_lines_are_balanced_and_drawn_at_random(cells, bulk):
    auc = pd.Series(bulk.obsm["auc"][:, 0], bulk.obs_names).dropna()
    held_out = cells.uns["held_out"]
    assert len(set(held_out)) == 12 and (auc[held_out] < auc.median()).sum() == 6
    assert set(held_out) == set(cells.obs["cell_line"]) - {"normal"}
    extreme = set(auc.nsmallest(6).index) | set(auc.nlargest(6).index)
    assert set(held_out) != extreme
    assert set(simulate(bulk, **SETTINGS | {"seed": 1}).uns["held_out"]) != set(held_out)


def test_a_sample_is_not_a_line(cells):
    table = pd.crosstab(cells.obs["cell_line"], cells.obs["sample"])
    assert list(table) == ["control_1", "control_2", "treated_1", "treated_2"]
    assert (table > 0).all(axis=None)
    assert (cells.obs["treated"] == cells.obs["sample"].astype(str).str.startswith("treated")).all()


@pytest.mark.parametrize("hidden, surviving, normal, low", [(0.15, 0.15, 0.08, 0.05), (0.3, 0.05, 0.2, 0.1)])
def test_planted_proportions(bulk, hidden, surviving, normal, low):
    settings = {"hidden_resistant": hidden, "surviving_sensitive": surviving}
    settings |= {"normal": normal, "low_quality": low}
    obs = simulate(bulk, **SETTINGS, **settings).obs
    line_cells = obs[obs["cell_line"] != "normal"]
    resistant = set(obs["cell_line"][obs["truth"] == 0])
    is_resistant = line_cells["cell_line"].isin(resistant)
    assert is_resistant[~line_cells["treated"]].mean() == pytest.approx(hidden, abs=0.001)
    assert 1 - is_resistant[line_cells["treated"]].mean() == pytest.approx(surviving, abs=0.001)
    assert (obs["cell_line"] == "normal").mean() == pytest.approx(normal, abs=0.001)
    assert (obs["planted"] == "low_quality").mean() == pytest.approx(low, abs=0.001)
    assert obs["treated"].mean() == pytest.approx(0.5, abs=0.001)
    expected = {
        "sensitive": (1, False),
        "hidden_resistant": (0, False),
        "resistant": (0, True),
        "surviving_sensitive": (1, True),
    }
    for planted, (truth, treated) in expected.items():
        group = obs[obs["planted"] == planted]
        assert len(group) and (group["truth"] == truth).all() and (group["treated"] == treated).all()


# --- expression


def test_expression_is_two_to_the_2_2_z(bulk):
    cells = tumour(simulate(bulk, **SETTINGS | {"n_cells": 6000}, shift=0, depth=20_000))
    line = cells.uns["held_out"][0]
    mean = share(cells[(cells.obs["cell_line"] == line)]).mean(0)
    steady = ~cells.var_names.isin(set().union(*(gene_sets("hallmark")[name] for name in CYCLE.values())))
    slope = stats.linregress(bulk[line].X[0, steady], np.log2(mean[steady] + 1e-9)).slope
    assert slope == pytest.approx(2.2, abs=0.05)


def test_cell_cycle(unshifted):
    cells = tumour(unshifted)
    phase = cells.obs["cycle"]
    np.testing.assert_allclose(
        phase.value_counts(normalize=True)[list(PHASES)], list(PHASES.values()), atol=0.04
    )
    assert stats.chi2_contingency(pd.crosstab(phase, cells.obs["truth"])).pvalue > 0.001
    hallmark = {p: set(gene_sets("hallmark")[name]) for p, name in CYCLE.items()}
    for p in CYCLE:
        ratio = pd.Series(log2_ratio(cells, phase == p, phase == "G1"), cells.var_names)
        planted = cells.var_names.isin(hallmark[p])
        gained = ratio[planted].median() - ratio[~planted].median()
        assert gained == pytest.approx(LOG2_PER_Z * CYCLE_SIZE, abs=0.1)


# --- the drug's effect


def drug_shift(cells):
    return cells.uns["shift"]["z"].reindex(cells.var_names).fillna(0)


@pytest.mark.parametrize("size", [0.25, 1.0])
def test_shift_has_the_asked_size_whatever_the_truth(bulk, size):
    cells = simulate(bulk, **SETTINGS, shift=size, hidden_resistant=0.5, surviving_sensitive=0.5)
    cells = tumour(cells)
    planted = drug_shift(cells).to_numpy()
    treated = cells.obs["treated"]
    for truth in (0, 1):
        mine = cells.obs["truth"] == truth
        ratio = log2_ratio(cells, mine & treated, mine & ~treated, keep=planted == 0)
        assert np.median(ratio[planted > 0]) == pytest.approx(LOG2_PER_Z * size, abs=0.15)
        assert np.median(ratio[planted < 0]) == pytest.approx(-LOG2_PER_Z * size, abs=0.15)
        assert np.median(ratio[planted == 0]) == pytest.approx(0, abs=0.06)


def test_shift_knows_nothing_of_the_response(cells, bulk):
    shuffled = bulk.copy()
    shuffled.obsm["auc"] = np.random.default_rng(1).permutation(bulk.obsm["auc"])
    other = simulate(shuffled, **SETTINGS)
    assert other.uns["held_out"] != cells.uns["held_out"]
    pd.testing.assert_series_equal(drug_shift(other), drug_shift(cells))


# --- normal cells, low quality


def test_normal_cells_show_their_markers(cells):
    good = cells[~cells.obs["planted"].isin(["low_quality", "doublet"])]
    expression = pd.DataFrame(share(good), index=good.obs_names, columns=good.var_names)
    kind = good.obs["clone"].astype(str).where(good.obs["planted"] == "normal", "tumour")
    assert set(kind) == {*PLANTED_MARKERS, "tumour"}
    for cell_type, markers in PLANTED_MARKERS.items():
        level = expression[list(markers)].mean(axis=1).groupby(kind).mean()
        assert level.idxmax() == cell_type
        assert level[cell_type] > 20 * level.drop([cell_type, "tumour"]).max()
    assert {"KDR", "ENG", "TEK"} <= set(PLANTED_MARKERS["endothelial"]) and not {"PECAM1", "VWF"} & set(
        good.var_names
    )


def test_quality_control_has_something_to_find(cells, bulk):
    mt = cells.var["mt"].to_numpy()
    assert mt.sum() == 13 and all(name.startswith("MT-") for name in cells.var_names[mt])
    assert not bulk.var_names.str.startswith("MT-").any()
    counts = cells.layers["counts"].toarray()
    mito, total = counts[:, mt].sum(1) / counts.sum(1), counts[:, ~mt].sum(1)
    low = (cells.obs["planted"] == "low_quality").to_numpy()
    assert np.median(mito[low]) == pytest.approx(0.4, abs=0.05) and np.median(mito[~low]) == pytest.approx(
        0.05, abs=0.01
    )
    assert (mito[~low] < 0.15).mean() > 0.99 and (mito[low] > 0.15).mean() > 0.95
    assert np.median(total[low]) < 0.3 * np.median(total[~low])


# --- doublets


def test_a_doublet_has_a_larger_depth(bulk):
    deep = SETTINGS | {"depth": 50_000, "low_quality": 0, "normal": 0, "doublets": 0.3, "shift": 0}
    cells = simulate(bulk, **deep)
    double = (cells.obs["planted"] == "doublet").to_numpy()
    totals = np.asarray(cells.X.sum(axis=1)).ravel()
    assert np.mean(totals[double]) / np.mean(totals[~double]) == pytest.approx(1.5, abs=0.05)


# --- seed, errors


def test_the_seed_decides(cells, bulk):
    again = simulate(bulk, **SETTINGS)
    assert (again.X != cells.X).nnz == 0
    pd.testing.assert_frame_equal(again.obs, cells.obs)
    other = simulate(bulk, **SETTINGS, seed=1)
    assert (other.X != cells.X).nnz > 0 and (drug_shift(other) != drug_shift(cells)).any()


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"drug": "cisplatine"}, r"Unknown drug 'cisplatine'.*Did you mean 'Cisplatin'"),
        (
            {"n_lines_per_tail": 30},
            r"Cisplatin: 1\d\d lines.*\(k=0.3\) has 3\d.*n_lines_per_tail=30.*lower it to 1\d",
        ),
        ({"k": 0.05}, r"Cisplatin: .*tail \(k=0.05\) has 6, .*raise k"),
        ({"k": 0.5}, "k is 0.5, it must be between 0 and 0.5"),
        ({"measure": "ic50"}, "measure is ic50, it must be auc or ln_ic50"),
        ({"n_lines_per_tail": 1}, "n_lines_per_tail is 1, it must be at least 2"),
        ({"n_cells": 50}, "n_cells is 50, it must be at least 120"),
        ({"normal": 1.2}, "normal is 1.2, it must be from 0 to below 1"),
        ({"hidden_resistant": -0.1}, "hidden_resistant is -0.1"),
        ({"doublets": 1}, "doublets is 1, it must be from 0 to below 1"),
        ({"doublets": 0.96}, "doublets is 0.96, it must be below 1 together with low_quality=0.05"),
        ({"depth": 0}, "depth is 0, it must be above 0"),
    ],
)
def test_errors(bulk, wrong, message):
    with pytest.raises(Bulk2scError, match=message):
        simulate(bulk, **SETTINGS | wrong)


# --- real lines


def test_zero_share_and_depth_are_those_of_10x(gdsc):
    cells = simulate(gdsc, drug="Cisplatin", depth=2000)
    counts = tumour(cells).layers["counts"]
    assert 0.85 <= 1 - counts.nnz / np.prod(counts.shape) <= 0.87
    assert counts.sum(1).mean() == pytest.approx(2000, rel=0.05)
