"""Anybody's file gives the values of the same cells as clean counts, or one line that says what to do."""

import gzip
import importlib
import os
import pickle
import subprocess
import sys

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from conftest import at_hand
from scipy import sparse
from scipy.io import mmwrite

from bulk2sc import datasets, pp
from bulk2sc.cli import main
from bulk2sc.datasets.values import to_known_scale
from bulk2sc.errors import Bulk2scError

module = importlib.import_module("bulk2sc.predict")


@pytest.fixture(scope="module")
def bulk():
    return datasets.made_up_bulk(n_lines=120, n_genes=400, seed=0)


@pytest.fixture(scope="module")
def clean(bulk):
    """Return cells with nothing but counts in X and the names of genes and cells."""
    cells = datasets.simulate(bulk, drug="Cisplatin", n_cells=240, n_lines_per_tail=6, seed=0)
    return ad.AnnData(cells.layers["counts"].copy(), obs=cells.obs[["sample"]], var=cells.var[[]])


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory, bulk):
    """Keep models away from the user's cache, and let the made-up lines stand for GDSC2."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BULK2SC_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(datasets, "load_bulk", lambda source, seed=0: bulk)
        yield


@pytest.fixture(scope="module")
def reference(clean):
    """Return the clean cells, normalised, as a table."""
    return pp.normalise(pp.resolve_symbols(clean)).to_df()


def agree(checked, reference, rho=0.9999):
    """The checked cells are the reference or, where only z-scores are left, its z-scores."""
    found = (
        pp.normalise(pp.resolve_symbols(checked)).to_df().reindex(columns=reference.columns).dropna(axis=1)
    )
    assert found.shape[1] >= 0.9 * (reference != 0).any().sum(), checked.uns["notes"]
    expected, found = reference[found.columns].to_numpy(), found.to_numpy()
    expected = pp.zscore(expected) if pp.detect_scale(checked) == "z-scores" else expected
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > rho, checked.uns["notes"]
    assert rho < 0.9999 or np.abs(found - expected).max() < 0.02


def with_x(cells, X):
    return ad.AnnData(X, obs=cells.obs.copy(), var=cells.var.copy())


# ------------------------------------------------------------------------------------------------- values


def dense(clean):
    counts = clean.X.toarray().astype("float64")
    return counts, counts / counts.sum(1, keepdims=True)


FORMS = {
    "counts as float64": lambda c, s: (c, "raw counts"),
    "counts off by rounding": lambda c, s: (c + np.where(c, 1e-6, -1e-7), "off by rounding"),
    "log1p without size normalisation": lambda c, s: (np.log1p(c), "counts again"),
    "log2 without size normalisation": lambda c, s: (np.log2(1 + c), "counts again"),
    "log10 without size normalisation": lambda c, s: (np.log10(1 + c), "counts again"),
    "log1p CP10k": lambda c, s: (np.log1p(1e4 * s), "natural logarithms"),
    "log1p CP10k, float16": lambda c, s: (np.log1p(1e4 * s).astype("float16"), "natural logarithms"),
    "log1p CPM": lambda c, s: (np.log1p(1e6 * s), "natural logarithms"),
    "log1p of the median sum": lambda c, s: (np.log1p(s * np.median(c.sum(1))), "natural logarithms"),
    "log2 CPM": lambda c, s: (np.log2(1 + 1e6 * s), "log2"),
    "log2 CP100k": lambda c, s: (np.log2(1 + 1e5 * s), "log2"),
    "shares": lambda c, s: (s, "sums of 1 in"),
    "per cents": lambda c, s: (100 * s, "sums of 100 in"),
    "CP10k": lambda c, s: (1e4 * s, "sums of 10,000 in"),
    "CPM": lambda c, s: (1e6 * s, "sums of 1,000,000 in"),
    "z-scores": lambda c, s: (pp.zscore(np.log1p(1e4 * s)), "z-scores"),
    "centred logarithms": lambda c, s: (
        np.log1p(1e4 * s) - np.log1p(1e4 * s).mean(0),
        "residuals or corrected",
    ),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("wrap", [np.asarray, sparse.csr_matrix])
def test_every_scale_gives_the_values_of_the_counts(form, wrap, clean, reference):
    X, said = FORMS[form](*dense(clean))
    if X.dtype == "float16" and wrap is sparse.csr_matrix:
        return  # there is no such matrix
    found = pp.check_cells(with_x(clean, wrap(X)))
    assert said in found.uns["notes"][0]
    agree(found, reference, 0.999 if X.dtype == "float16" else 0.9999)


LIKE = {  # not the same information, so nearly the same order
    "counts without their background": lambda c, s, rng: np.maximum(c - 0.08 * c.mean(0), 0),
    "fractions of counts below 30": lambda c, s, rng: (
        np.minimum(c, 29) * (1 - 0.03 * rng.beta(1, 6, c.shape))
    ),
    "counts shared out between genes": lambda c, s, rng: c + (c > 0) * (rng.random(c.shape) < 0.1) * 0.37,
    "corrected logarithms with few negatives": lambda c, s, rng: (
        np.log1p(1e4 * s) + rng.normal(0, 0.02, c.shape)
    ),
}


@pytest.mark.parametrize("form", LIKE)
def test_what_others_made_of_counts_gives_nearly_their_values(form, clean, reference):
    found = pp.check_cells(with_x(clean, LIKE[form](*dense(clean), np.random.default_rng(0))))
    said = found.uns["notes"][0]
    assert "z-scores: used" not in said and "off by rounding" not in said
    agree(found, reference, 0.93)


def test_genes_chosen_after_normalising_keep_their_logarithms(clean):
    """Their sums are no longer those of whole cells; multiples of one count tell the logarithm."""
    _, shares = dense(clean)
    some = np.argsort(-np.log1p(1e4 * shares).var(0))[:250]
    for X in (np.log1p(1e4 * shares), np.log2(1 + 1e4 * shares), 1e4 * shares):
        known, found = to_known_scale(X[:, some], "X")
        np.testing.assert_allclose(known, np.log1p(1e4 * shares)[:, some], rtol=1e-4, err_msg=found)


def test_what_cannot_be_told_is_asked_for(clean, reference):
    counts, shares = dense(clean)
    blurred = np.log1p(1e4 * shares) @ (0.9 * np.eye(counts.shape[1]) + 0.1 / counts.shape[1])
    blurred *= np.random.default_rng(0).uniform(0.9, 1.1, (len(blurred), 1))
    given = with_x(clean, blurred)
    with pytest.raises(Bulk2scError, match="--values counts or --values log"):
        pp.check_cells(given)
    agree(pp.check_cells(given, values="log"), reference, 0.9)
    known, _ = to_known_scale(blurred, "X", "counts")
    np.testing.assert_allclose(np.expm1(known).sum(1), 1e4, rtol=1e-4)


@pytest.mark.parametrize(
    ("values", "change", "message"),
    [
        ("z", lambda X: X, "no negative value"),
        ("counts", lambda X: X - 0.5, "no counts values"),
        ("log", lambda X: X - 0.5, "no log values"),
        ("log", lambda X: X, "X holds (whole numbers|values up to .*), which are no logarithms"),
        ("log", lambda X: np.minimum(X, 3), "X holds whole numbers, which are no logarithms"),
        ("", lambda X: np.where(X == X.max(), 1e39, X.astype(float)), "1 infinite or too large values"),
        ("tpm", lambda X: X, "use one of counts, log, z"),
    ],
)
def test_what_the_user_says_must_fit(values, change, message, clean):
    with pytest.raises(Bulk2scError, match=message):
        pp.check_cells(with_x(clean, change(clean.X.toarray())), values=values)


# ------------------------------------------------------------------------------------------------- genes


@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize("drop", [0, 1])
def test_row_numbers_are_no_entrez_ids(start, drop, clean, reference):
    """Also where genes were left out since, so that there are gaps."""
    given = clean[:, ::2].copy() if drop else clean.copy()
    given.var["symbol"] = given.var_names
    given.var_names = [str(start + i * (1 + drop)) for i in range(given.n_vars)]
    with pytest.raises(Bulk2scError, match="are row numbers; known genes are in --gene-column symbol"):
        pp.check_cells(given)
    assert pp.check_cells(given, gene_column="symbol").n_vars > 150
    if not drop:
        agree(pp.check_cells(given, gene_column="symbol"), reference)
    given.var["rank"] = range(given.n_vars)
    with pytest.raises(Bulk2scError, match=r"var\['rank'\] \('0', .*are row numbers; known genes are in"):
        pp.check_cells(given, gene_column="rank")
    del given.var["symbol"], given.var["rank"]
    with pytest.raises(Bulk2scError, match="row numbers; name the column"):
        pp.check_cells(given)


def test_names_that_repeat_in_a_column_are_added_up(clean, reference):
    one = np.random.default_rng(0).binomial(clean.X.toarray().astype(int), 0.4)
    parts = np.hstack([one, clean.X.toarray() - one])
    var = pd.DataFrame({"name": [*clean.var_names] * 2}, [f"id{i}" for i in range(parts.shape[1])])
    given = ad.AnnData(parts, obs=clean.obs, var=var)
    agree(pp.check_cells(given, gene_column="name"), reference)


EXTRA = {
    "antibodies": (["CD3_TotalSeqB", "CD19-TotalSeq-C", "ADT_CD4"], "Antibody Capture"),
    "peaks": (["chr1:10109-10357", "chr2-180730-181481"], "Peaks"),
    "guides": (["sgTP53_1", "sgNT-2"], "CRISPR Guide Capture"),
    "spike-ins": (["ERCC-00002", "ERCC-00171"], "Gene Expression"),
    "another species": (["mm10___Actb", "GRCm38_Gapdh", "ENSMUSG00000000001"], "Gene Expression"),
}


@pytest.mark.parametrize("kind", EXTRA)
@pytest.mark.parametrize("typed", [True, False])
def test_features_that_are_no_human_genes_are_left_out(kind, typed, clean, reference):
    names, feature = EXTRA[kind]
    many = np.random.default_rng(0).poisson(300, (clean.n_obs, len(names)))
    given = ad.AnnData(
        sparse.hstack([clean.X, sparse.csr_matrix(many, dtype="float32")]).tocsr(), obs=clean.obs
    )
    given.var_names = [*clean.var_names, *names]
    if typed:
        given.var["feature_types"] = ["Gene Expression"] * clean.n_vars + [feature] * len(names)
    found = pp.check_cells(given)
    agree(found, reference)
    said = f"features left out, before library sizes are taken: {len(names)}"
    assert any(note.startswith(said) for note in found.uns["notes"])


def test_an_antibody_may_have_the_name_of_a_gene(clean, reference):
    many = sparse.csr_matrix(np.full((clean.n_obs, 1), 500, "float32"))
    given = ad.AnnData(sparse.hstack([clean.X, many]).tocsr(), obs=clean.obs)
    given.var_names = [*clean.var_names, clean.var_names[0]]
    given.var["feature_types"] = ["Gene Expression"] * clean.n_vars + ["Antibody Capture"]
    agree(pp.check_cells(given), reference)


def test_a_mixture_with_mouse_cells_counts_human_genes_alone(clean, reference):
    mouse = np.random.default_rng(0).poisson(20, clean.shape).astype("float32")
    for human, other in (("GRCh38_", "mm10___"), ("hg19_", "mm10_"), ("", "")):
        given = ad.AnnData(np.hstack([clean.X.toarray(), mouse]), obs=clean.obs)
        lower = [name.capitalize() if not other else name for name in clean.var_names]
        given.var_names = [*(human + name for name in clean.var_names), *(other + name for name in lower)]
        given = given[:, ~given.var_names.duplicated()].copy()
        agree(pp.check_cells(given), reference, 0.999)


def test_much_of_unknown_name_is_said(clean):
    given = clean.copy()
    given.var_names = [f"novel{i}" if i % 3 == 0 else name for i, name in enumerate(clean.var_names)]
    assert any("no known human gene" in note for note in pp.check_cells(given).uns["notes"])


# ------------------------------------------------------------------------------------------------- cells


def test_few_cells_are_said(clean):
    how = {"drug": "Cisplatin", "model": "ridge"}
    assert any("only 6 cells" in note for note in module.predict_cells(clean[:6].copy(), **how).notes)
    assert not any("only" in note for note in module.predict_cells(clean[:12].copy(), **how).notes)


def test_barcodes_that_repeat_are_told_apart_by_their_sample(clean, reference):
    given = clean.copy()
    given.obs["donor"] = ["a", "b"] * 120
    given.obs_names = [f"c{i // 2}" for i in range(240)]
    with pytest.raises(Bulk2scError, match=r"repeated names .*--sample"):
        pp.check_cells(given)
    agree(pp.check_cells(given, sample="donor"), reference)
    with pytest.raises(Bulk2scError, match=r"cells: obs: column 'doner' is unknown.*Did you mean 'donor'"):
        pp.check_cells(given, sample="doner")


# ------------------------------------------------------------------------------------------------- matrices


def test_a_layer_and_raw_are_read_when_asked_for_and_hinted_at(clean, reference):
    _, shares = dense(clean)
    X = np.log1p(1e4 * shares)[:, :250]
    given = ad.AnnData(pp.zscore(X), obs=clean.obs, var=clean.var[:250])
    given.raw = clean.copy()
    found = pp.check_cells(given)
    assert any("raw holds whole counts: --raw" in note for note in found.uns["notes"])
    agree(pp.check_cells(given, layer=".raw"), reference)
    other = with_x(clean, pp.zscore(np.log1p(1e4 * shares)))
    other.layers["umi"] = clean.X.copy()
    assert any(
        'layers["umi"] holds whole counts: --layer umi' in n for n in pp.check_cells(other).uns["notes"]
    )
    agree(pp.check_cells(other, layer="umi"), reference)
    with pytest.raises(Bulk2scError, match=r"no layer 'umis'. Its layers: umi. Did you mean 'umi'"):
        pp.check_cells(other, layer="umis")
    with pytest.raises(Bulk2scError, match="has no raw"):
        pp.check_cells(other, layer=".raw")


# ------------------------------------------------------------------------------------------------- formats


def write_10x(cells, folder, feature_types=True):
    folder.mkdir()
    names = [f"{name}\t{name}" + "\tGene Expression" * feature_types for name in cells.var_names]
    for name, lines in (("features" if feature_types else "genes", names), ("barcodes", cells.obs_names)):
        (folder / f"{name}.tsv").write_text("\n".join(lines) + "\n")
    mmwrite(folder / "matrix.mtx", cells.X.T.astype(int))
    if feature_types:
        for file in list(folder.iterdir()):
            file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
            file.unlink()
    return folder


def write_10x_h5(cells, path):
    X = sparse.csr_matrix(cells.X, dtype="int32")
    with h5py.File(path, "w") as file:
        matrix = file.create_group("matrix")
        for name, value in {"data": X.data, "indices": X.indices, "indptr": X.indptr}.items():
            matrix[name] = value
        matrix["shape"], matrix["barcodes"] = X.shape[::-1], np.array(cells.obs_names, "S")
        features = matrix.create_group("features")
        for name in ("id", "name"):
            features[name] = np.array(cells.var_names, "S")
        features["feature_type"] = np.array(["Gene Expression"] * cells.n_vars, "S")
        features["genome"] = np.array(["GRCh38"] * cells.n_vars, "S")
    return path


def write_table(cells, path, across=False):
    table = cells.to_df().astype(int)
    (table if across else table.T).to_csv(path, sep="," if ".csv" in path.name else "\t")
    return path


def write_packed(cells, path):
    cells.write_h5ad(path.with_suffix(""))
    path.write_bytes(gzip.compress(path.with_suffix("").read_bytes(), 1))
    return path


FORMATS = {
    "10x folder": lambda c, d: write_10x(c, d / "filtered"),
    "10x folder of version 2": lambda c, d: write_10x(c, d / "old", feature_types=False),
    "10x matrix": lambda c, d: write_10x(c, d / "one") / "matrix.mtx.gz",
    "10x h5": lambda c, d: write_10x_h5(c, d / "filtered.h5"),
    "h5ad.gz": lambda c, d: write_packed(c, d / "cells.h5ad.gz"),
    "csv, genes in rows": lambda c, d: write_table(c, d / "cells.csv"),
    "csv.gz, genes in columns": lambda c, d: write_table(c, d / "cells.csv.gz", across=True),
    "tsv": lambda c, d: write_table(c, d / "cells.tsv"),
}


@pytest.mark.parametrize("kind", FORMATS)
def test_formats_that_people_have(kind, clean, tmp_path):
    cells = datasets.read_cells(FORMATS[kind](clean, tmp_path))
    assert list(cells.obs_names) == list(clean.obs_names)
    np.testing.assert_array_equal(cells[:, clean.var_names].to_df(), clean.to_df())


def test_the_options_reach_the_cells(clean, tmp_path):
    expected = module.predict_cells(clean, drug="Cisplatin", model="ridge").cells.obs["bulk2sc_score"]
    given = clean.copy()
    given.layers["umi"], given.X = clean.X.copy(), pp.zscore(clean.X)
    given.var["name"], given.var_names = list(clean.var_names), [str(i) for i in range(clean.n_vars)]
    given.write_h5ad(tmp_path / "cells.h5ad")
    arguments = ["predict", str(tmp_path / "cells.h5ad"), "--drug", "Cisplatin", "--model", "ridge"]
    arguments += ["--gene-column", "name", "--layer", "umi", "--values", "counts", "--out"]
    assert main([*arguments, str(tmp_path / "out.h5ad")]) == 0
    scored = ad.read_h5ad(tmp_path / "out.h5ad").obs["bulk2sc_score"]
    np.testing.assert_allclose(scored, expected, atol=1e-4)


def test_cells_without_names_are_no_genes(clean, tmp_path):
    """As pandas numbers them: small Entrez ids are genes too."""
    table = clean.to_df().reset_index(drop=True)
    table.to_csv(tmp_path / "cells.csv")
    cells = datasets.read_cells(tmp_path / "cells.csv")
    assert list(cells.obs_names[:2]) == ["0", "1"]
    np.testing.assert_array_equal(cells.to_df().to_numpy(), table.to_numpy())


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda p: p.write_text("a,b\nx,1\ny,2\n"), "genes must be named on one side"),
        (lambda p: p.write_text("TP53,EGFR\nMYC,1,2\nERBB2,3,4\n"), "genes must be named on one side"),
        (lambda p: p.write_text("just one line"), "cells.csv"),
        (lambda p: p.write_bytes(b""), "cells.csv"),
    ],
)
def test_a_table_without_a_clear_side_of_genes(write, message, tmp_path):
    write(tmp_path / "cells.csv")
    with pytest.raises(Bulk2scError, match=message):
        datasets.read_cells(tmp_path / "cells.csv")


def broken(change):
    """Return what writes an .h5ad file and changes it by h5py."""

    def write(cells, path):
        cells[:5].write_h5ad(path)
        with h5py.File(path, "r+") as file:
            change(file)

    return write


def as_float16(file):
    data = file["X/data"][:].astype("f2")
    del file["X/data"]
    file["X/data"] = data


def with_slash(file):
    file.create_group("layers/a")
    file.copy("X", "layers/a/b")


def enormous(file):
    del file["X"]
    file.create_dataset("X", shape=(5, 4 * 10**14), dtype="f4", chunks=(5, 1000))


def like_loom(file):
    for name in ("row_attrs", "col_attrs"):
        file.create_group(name)


def elsewhere(file):
    file["uns/secret"] = h5py.ExternalLink("/etc/hostname", "/")


def kept_outside(file):
    file.create_dataset("uns/secret", (4,), "u1", external=[("/etc/hostname", 0, 4)])


def virtual(file):
    layout = h5py.VirtualLayout((4,), "u1")
    layout[:] = h5py.VirtualSource("/etc/hostname", "x", (4,), "u1")
    file.create_virtual_dataset("uns/secret", layout)


def unsound(file):
    del file["X/indptr"]


def out_of_range(file):
    file["X/indices"][0] = 10**6


def too_short(file):
    data = file["X/data"][:-7]
    del file["X/data"]
    file["X/data"] = data


CAUSES = {
    "no indptr": (broken(unsound), "cannot be read"),
    "indices out of range": (broken(out_of_range), "cannot be read"),
    "data too short": (broken(too_short), "cannot be read"),
    "a pickle": (lambda c, p: p.write_bytes(pickle.dumps({"X": 1})), "no HDF5 file"),
    "sparse float16": (broken(as_float16), "float16.*astype"),
    "a slash in the name of a layer": (broken(with_slash), "holds a slash.*rename it"),
    "larger than memory": (broken(enormous), "GB of memory, this machine has"),
    "loom": (broken(like_loom), "is a loom file"),
    "a link to another file": (broken(elsewhere), "refused: its 'uns/secret' is kept in another file"),
    "data in another file": (broken(kept_outside), "refused: its 'uns/secret' is kept in another file"),
    "a virtual array": (broken(virtual), "refused: its 'uns/secret' is kept in another file"),
    "cut off": (lambda c, p: (c.write_h5ad(p), os.truncate(p, p.stat().st_size // 2)), "cut off.*copy it"),
    "no HDF5": (lambda c, p: p.write_bytes(b"RDX3\n"), "no HDF5 file"),
    "empty": (lambda c, p: p.write_bytes(b""), "an empty file"),
    "zip": (lambda c, p: p.write_bytes(b"PK\3\4"), "a zip archive"),
    "other HDF5": (lambda c, p: h5py.File(p, "w").close(), "neither an AnnData nor a 10x matrix"),
    "a folder without a matrix": (lambda c, p: p.mkdir(), "must hold one matrix.mtx"),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_why_a_file_cannot_be_read_is_said(cause, clean, tmp_path):
    write, message = CAUSES[cause]
    write(clean, tmp_path / "cells.h5ad")
    with pytest.raises(Bulk2scError, match=message) as error:
        datasets.read_cells(tmp_path / "cells.h5ad")
    assert "\n" not in str(error.value)


def test_a_file_that_another_program_writes_is_said_to_be_locked(clean, tmp_path):
    clean[:5].write_h5ad(tmp_path / "cells.h5ad")
    code = (
        "import sys, bulk2sc.datasets as d\ntry: d.read_cells(sys.argv[1])\nexcept Exception as e: print(e)"
    )
    with h5py.File(tmp_path / "cells.h5ad", "r+"):
        read = [sys.executable, "-c", code, str(tmp_path / "cells.h5ad")]
        said = subprocess.run(read, capture_output=True, text=True, check=True).stdout
    assert "another program has it open" in said


# ------------------------------------------------------------------------------------------------- lines


@pytest.mark.parametrize(
    ("column", "spelt", "named"),
    [
        ("cell_line", lambda key: f"{key}_LUNG", True),
        ("CellLine", lambda key: key.lower(), True),
        ("line", lambda key: f"Made-up-{key[-3:]}", True),
        ("depmap_id", lambda key: f"ACH-{key[-3:]}", False),
        ("orig.ident", lambda key: key, True),
    ],
)
def test_own_training_lines_are_noticed_or_asked_about(column, spelt, named, clean, bulk):
    given = clean.copy()
    given.obs[column] = [spelt(bulk.obs_names[i % 3]) for i in range(240)]
    how = {"drug": "Cisplatin", "model": "ridge"}
    notes = module.predict_cells(given, **how).notes
    own = [note for note in notes if "--exclude-lines MADEUP001,MADEUP002,MADEUP003" in note]
    unknown = [note for note in notes if "no line of the bulk data by this name: ACH-001, ACH-002" in note]
    assert bool(own) == named and bool(unknown) != named
    held = pp.hold_out_own_lines(given, bulk)
    assert len(held.uns["held_out"]) == (3 if named else 0)
    assert ("cell_line" in held.obs) == named
    excluded = module.predict_cells(
        given, **how, exclude_lines=["MADEUP001", "Made-up-002_LUNG", "made.up.003"]
    )
    assert not any("own lines" in note for note in excluded.notes)


def test_nci_lines_are_known_without_nci_and_columns_of_other_things_are_left_alone():
    lines = ["A549", "NCIH1975", "NCIH838", "TT", "C32"]
    assert pp.known_line("H1975", lines) == pp.known_line("NCI-H1975", lines) == "NCIH1975"
    assert pp.known_line("A549_LUNG", lines) == "A549" and pp.known_line("H83", lines) is None
    clusters = pd.DataFrame({"cluster": [f"C{i}" for i in range(40)], "n": range(40)})
    assert pp.own_lines(clusters, lines) == ("", {}, [])


def test_a_line_that_is_not_there_needs_no_excluding(clean):
    with pytest.raises(Bulk2scError, match=r"Unknown cell line 'PC9'.*needs no excluding"):
        module.predict_cells(clean, drug="Cisplatin", exclude_lines=["PC9"])


# ------------------------------------------------------------------------------------------------- writing


def test_columns_that_h5ad_does_not_take_are_renamed_and_noted(clean, tmp_path):
    """As older programs wrote them."""
    given = clean.copy()
    given.obs["_index"], given.obs["a/b"], given.obs["a_b"], given.var["_index"] = range(240), 1, 2, "x"
    given.raw = given.copy()
    mended, notes = datasets.mend(given)
    mended.write_h5ad(tmp_path / "cells.h5ad")
    back = ad.read_h5ad(tmp_path / "cells.h5ad")
    assert list(back.obs) == ["sample", "index_", "a_b_", "a_b"] and list(back.raw.var) == ["index_"]
    assert (back.obs["a_b_"] == 1).all() and "_index" in given.obs, "what was given is not changed"
    assert [note.partition(":")[0] for note in notes[:2]] == ['obs["_index"]', 'obs["a/b"]']
    assert datasets.mend(clean)[1] == []


def test_a_link_is_written_through(clean, tmp_path):
    (tmp_path / "link.h5ad").symlink_to(tmp_path / "real.h5ad")
    datasets.write_cells(clean[:5].copy(), tmp_path / "link.h5ad")
    assert (tmp_path / "link.h5ad").is_symlink() and ad.read_h5ad(tmp_path / "real.h5ad").n_obs == 5


def test_what_cannot_be_written_is_one_line(clean, tmp_path):
    given = clean[:5].copy()
    given.uns["what"] = object()
    with pytest.raises(Bulk2scError, match=r"cannot be written \(No method .*, at '/uns/what'\); remove"):
        datasets.write_cells(given, tmp_path / "out.h5ad")
    assert not list(tmp_path.iterdir())


def test_nothing_is_trained_for_a_file_that_cannot_be_written(clean, tmp_path, monkeypatch):
    clean.write_h5ad(tmp_path / "cells.h5ad")
    monkeypatch.setattr(module, "predict_cells", lambda *_, **__: pytest.fail("trained"))
    for fault in (OSError(30, os.strerror(30)), OSError(28, os.strerror(28))):

        def refuse(*_, fault=fault, **__):
            raise fault

        monkeypatch.setattr(ad.AnnData, "write_h5ad", refuse)
        with pytest.raises(Bulk2scError, match=r"out.h5ad: cannot be written \((Read-only|No space)"):
            module.predict(tmp_path / "cells.h5ad", drug="Cisplatin", out=tmp_path / "out.h5ad")
    assert [path.name for path in tmp_path.iterdir()] == ["cells.h5ad"]


def test_a_cache_that_takes_no_model_is_a_warning(clean, tmp_path, monkeypatch):
    monkeypatch.setenv("BULK2SC_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "models").write_text("in the way, as a read-only folder is")
    said = []
    found = module.predict_cells(clean, drug="Cisplatin", model="ridge", progress=said.append)
    assert found.cells.obs["bulk2sc_score"].notna().all()
    assert any("warning" in line and "cannot be kept" in line for line in said)


# ------------------------------------------------------------------------------------------------- chapters


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Return a study whose cells are a file of one's own, given its content and what to be told of it."""
    from bulk2sc.book import Study

    monkeypatch.setenv("BULK2SC_ROOT", str(tmp_path))
    monkeypatch.delenv("BULK2SC_RESULTS", raising=False)
    (tmp_path / "editions").mkdir()
    (tmp_path / "editions" / "own.yml").write_text("title: Own\nchapters: [a]\n")

    def make(given, file="own.h5ad", **reading):
        given.write_h5ad(tmp_path / file)
        return Study("own", bulk_source="made-up", cells_source=file, cells_reading=reading)

    return make


def test_chapters_read_cells_on_the_same_path(study, clean):
    given = clean.copy()
    given.X = np.log1p(given.X)
    given.var["name"], given.var_names = list(clean.var_names), [str(i) for i in range(clean.n_vars)]
    cells = study(given, gene_column="name").read("raw_cells")
    assert "counts again" in cells.uns["notes"][0]
    np.testing.assert_allclose(cells[:, clean.var_names].layers["counts"].toarray(), clean.X.toarray())


@pytest.mark.parametrize(
    ("column", "given", "expected"),
    [
        ("truth", [True, False], [1, 0]),
        ("truth", ["1", "0"], [1, 0]),
        ("truth", ["Sensitive", "resistant"], [1, 0]),
        ("truth", [1, np.nan], [1, np.nan]),
        ("truth", pd.Categorical(["sensitive", None]), [1, np.nan]),
        ("treated", [1, 0], [True, False]),
        ("treated", ["treated", "Control"], [True, False]),
        ("treated", [True, False], [True, False]),
        ("treated", pd.Categorical(["1", "0"]), [True, False]),
        ("sample", [1, np.nan], ["1.0", "no sample"]),
    ],
)
def test_ones_own_columns_are_brought_to_their_types(column, given, expected):
    obs = datasets.study_columns(pd.DataFrame({column: given}), "own.h5ad")
    np.testing.assert_array_equal(obs[column], expected)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("truth", ["yes", "no"], r"obs\['truth'\] must hold 1 \(sensitive\) or 0, found 'yes', 'no'; rename"),
        ("truth", [2, 3], r"obs\['truth'\] must hold"),
        ("treated", ["day 3", "day 0"], r"obs\['treated'\] must hold True or False, found 'day 3'"),
        ("treated", pd.Categorical(["True", None]), r"obs\['treated'\] must hold True or False, found 'nan'"),
    ],
)
def test_ones_own_columns_of_other_meaning_are_named(study, column, values, message, clean):
    given = clean[:2].copy()
    given.obs[column] = values
    with pytest.raises(Bulk2scError, match=message):
        study(given).read("raw_cells")


# ------------------------------------------------------------------------------------------------- terminal


def test_a_terminal_without_utf8_shows_what_it_can():
    code = "from bulk2sc import cli\nfrom bulk2sc.book import build\n"
    code += "build.run_chapter = lambda *_: print('done …') or exit(0)\n"
    code += "cli.main(['run', 'baselines', '--edition', 'smoke'])"
    environment = os.environ | {"PYTHONIOENCODING": "latin-1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    assert done.stdout.decode("latin-1").splitlines() == ["baselines ?", "done ?"] and not done.stderr


def test_running_out_of_memory_and_a_read_only_checkout_are_one_line(monkeypatch, capsys):
    from bulk2sc.book import build

    monkeypatch.delenv("BULK2SC_DEBUG", raising=False)
    for fault, remedy in (
        (MemoryError(), "give fewer cells"),
        (OSError(30, "Read-only", "x"), "to where you may write"),
    ):

        def fail(*_, fault=fault):
            raise fault

        monkeypatch.setattr(build, "build", fail)
        assert main(["book"]) == 2
        said = capsys.readouterr().err
        assert remedy in said and said.count("\n") == 1


# ------------------------------------------------------------------------------------------------- real cells


@pytest.mark.slow
@pytest.mark.skipif(not at_hand("GSE118767"), reason="GSE118767 is not here: set BULK2SC_MIRROR or fetch it")
def test_forms_of_real_cells_give_their_scores(mixology, gdsc):
    cells = ad.AnnData(mixology.X.copy(), obs=mixology.obs[[]], var=mixology.var[[]])
    counts, shares = dense(cells)
    log = np.log1p(1e4 * shares)
    how = {"drug": "Lapatinib", "model": "ridge", "bulk": gdsc, "exclude_lines": mixology.uns["held_out"]}
    expected = module.predict_cells(cells, **how).cells.obs["bulk2sc_score"]
    forms = {
        "log2 CPM": (np.log2(1 + 1e6 * shares), 0.999),
        "log1p of counts": (np.log1p(counts), 0.999),
        "shares": (shares, 0.999),
        "without background": (np.maximum(counts - 0.05 * counts.mean(0), 0), 0.95),
        "z-scores": (pp.zscore(log), 0.8),
        "centred": (log - log.mean(0), 0.8),
    }
    for form, (X, rho) in forms.items():
        found = module.predict_cells(with_x(cells, sparse.csr_matrix(X.astype("float32"))), **how)
        scores = found.cells.obs["bulk2sc_score"]
        assert scores.corr(expected, "spearman") > rho, (form, found.notes)
        assert ((scores >= 0.5) == (expected >= 0.5)).mean() > (0.9 if rho > 0.9 else 0.75), form
