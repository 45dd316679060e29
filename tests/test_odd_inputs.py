"""Odd and malformed inputs, 120 drawn by seed: each ends in one line or in the right scores."""

import gzip
import importlib
import os
import pickle
import zipfile

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import small_book
import yaml
from scipy import sparse
from test_own_files import write_10x, write_10x_h5, write_table

from bulk2sc import cli, datasets
from bulk2sc.book import build, notebook
from bulk2sc.errors import Bulk2scError

N_SCORED, N_REFUSED, N_SETTINGS = 36, 43, 41
module = importlib.import_module("bulk2sc.predict")


@pytest.fixture(scope="module")
def clean():
    bulk = datasets.made_up_bulk(n_lines=120, n_genes=400, seed=0)
    cells = datasets.simulate(bulk, drug="Cisplatin", n_cells=100, n_lines_per_tail=5, seed=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "load_bulk", lambda source, seed=0: bulk)
        yield ad.AnnData(cells.layers["counts"].copy(), obs=cells.obs[["sample"]], var=cells.var[[]])


@pytest.fixture(scope="module")
def reference(clean, cache):
    return module.predict_cells(clean, drug="Cisplatin", model="ridge").cells.obs["bulk2sc_score"]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BULK2SC_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("BULK2SC_DEBUG", raising=False)
        patch.delenv("BULK2SC_MIRROR", raising=False)
        yield


# ------------------------------------------------------------------------------------------- what may be odd


def scaled(cells, by):
    X = sparse.csr_matrix(cells.X, dtype="float64")
    X.data = by(X, np.repeat(np.asarray(X.sum(1)).ravel(), np.diff(X.indptr)))
    return X.astype("float32")


VALUES = [
    lambda X, sums: X.data,
    lambda X, sums: X.data + 1e-6,
    lambda X, sums: X.data / sums,
    lambda X, sums: 100 * X.data / sums,
    lambda X, sums: 1e6 * X.data / sums,
    lambda X, sums: np.log1p(X.data),
    lambda X, sums: np.log2(1 + X.data),
    lambda X, sums: np.log1p(1e4 * X.data / sums),
    lambda X, sums: np.log2(1 + 1e6 * X.data / sums),
    lambda X, sums: np.round(np.log1p(1e4 * X.data / sums), 3),
]


def with_features(cells, rng):
    """Add antibodies, peaks, spike-ins or mouse genes."""
    pools = ["CD{}_TotalSeqB", "chr{0}:{0}00-{0}99", "ERCC-000{:02}", "mm10___Gene{}", "ADT_CD{}"]
    pool = pools[rng.integers(len(pools))]
    names = [pool.format(i + 10) for i in range(rng.integers(1, 9))]
    more = sparse.csr_matrix(rng.poisson(50, (cells.n_obs, len(names))), dtype="float32")
    X = sparse.hstack([cells.X, more]).tocsr()
    return ad.AnnData(X, cells.obs.copy(), pd.DataFrame(index=[*cells.var_names, *names]))


def with_other_names(cells, rng):
    """Name genes by Entrez id, in another case of a column, or with a genome before them."""
    kind = rng.integers(3)
    other = cells.copy()
    if kind == 0:
        other.var_names = [f"GRCh38_{name}" for name in cells.var_names]
    elif kind == 1:
        ids = datasets.gene_ids().drop_duplicates("symbol").set_index("symbol")["entrez_id"]
        other.var_names = [ids.get(name, name) for name in cells.var_names]
    else:
        other = other[:, rng.permutation(cells.n_vars)].copy()
    return other


def with_columns(cells, rng):
    """Add columns that mean nothing, of awkward kinds."""
    other, n = cells.copy(), cells.n_obs
    columns = {
        "_index": range(n),
        "index": range(n),
        "bulk2sc_score": ["mine"] * n,
        "mixed": [1, *"x" * (n - 1)],
        "none": [None] * n,
        "truth": rng.permutation(n),
        "when": pd.date_range("2020", periods=n).astype(str),
        "leer zeichen ü": 1.5,
    }
    for name in rng.choice(list(columns), 3, replace=False):
        other.obs[name] = columns[name]
    return datasets.mend(other)[0]


def with_empty_droplets(cells, rng):
    n = int(rng.integers(1, 400))
    empty = sparse.csr_matrix(rng.random((n, cells.n_vars)) < 0.01, dtype="float32")
    X = sparse.vstack([cells.X, empty]).tocsr()
    obs = pd.DataFrame(index=[*cells.obs_names, *(f"empty{i}" for i in range(n))])
    return ad.AnnData(X, obs, cells.var.copy())


def as_h5ad(cells, folder, rng):
    path = folder / "cells.h5ad"
    kind = [sparse.csr_matrix, sparse.csc_matrix, lambda X: X.toarray()][rng.integers(3)]
    ad.AnnData(kind(cells.X), cells.obs, cells.var).write_h5ad(path)
    if rng.random() < 0.3:
        (folder / "cells.h5ad.gz").write_bytes(gzip.compress(path.read_bytes(), 1))
        return folder / "cells.h5ad.gz"
    return path


def as_counts_elsewhere(cells, folder, rng):
    """Write whole counts as 10x or as a table."""
    kind = rng.integers(4)
    if kind == 0:
        return write_10x(cells, folder / "matrix", feature_types=bool(rng.integers(2)))
    if kind == 1:
        return write_10x_h5(cells, folder / "cells.h5")
    name = ["cells.csv", "cells.tsv.gz", "cells.txt"][rng.integers(3)]
    return write_table(cells, folder / name, across=bool(rng.integers(2)))


def predict(path, folder, *options):
    arguments = ["--drug", "Cisplatin", "--model", "ridge", "--out", str(folder / "out.h5ad"), *options]
    return cli.main(["predict", str(path), *arguments])


@pytest.mark.parametrize("seed", range(N_SCORED))
def test_odd_files_get_the_scores_of_clean_counts(seed, clean, reference, tmp_path, capsys):
    rng, given = np.random.default_rng(seed), clean
    for change in (with_features, with_other_names, with_empty_droplets):
        given = change(given, rng) if rng.random() < 0.4 else given
    if rng.random() < 0.3:
        path = as_counts_elsewhere(given, tmp_path, rng)
    else:
        given = with_columns(given, rng) if rng.random() < 0.5 else given.copy()
        given.X = scaled(given, VALUES[rng.integers(len(VALUES))])
        path = as_h5ad(given, tmp_path, rng)
    assert predict(path, tmp_path) == 0, capsys.readouterr().err
    scores = ad.read_h5ad(tmp_path / "out.h5ad").obs["bulk2sc_score"]
    assert scores.notna().sum() == clean.n_obs
    scores = scores[clean.obs_names]
    # A feature that is left out, or an id that is not unique, takes a little of a library with it.
    assert scores.corr(reference, "spearman") > 0.99 and (scores - reference).abs().max() < 0.1


# ------------------------------------------------------------------------------------------- malformed


def changed(cells, **at):
    X = cells.X.toarray()
    for value in at.values():
        X[3, 5] = value
    return ad.AnnData(X, cells.obs, cells.var)


def rewritten(change):
    def write(cells, path, rng):
        cells.write_h5ad(path)
        with h5py.File(path, "r+") as file:
            change(file)

    return write


def renamed(cells, names):
    other = cells.copy()
    other.var_names = names
    return other


def external(file):
    file["uns/x"] = h5py.ExternalLink("/etc/hostname", "/")


def unsound(file):
    del file["X/indptr"]


def out_of_range(file):
    file["X/indices"][0] = 10**6


def too_short(file):
    data = file["X/data"][:-7]
    del file["X/data"]
    file["X/data"] = data


def text_for_numbers(file):
    del file["X"]
    file["X"] = np.array([["a"] * 413] * 100, dtype="S1")


MALFORMED = {
    "cut": lambda c, p, r: (c.write_h5ad(p), os.truncate(p, int(r.integers(1, p.stat().st_size)))),
    "noise": lambda c, p, r: p.write_bytes(r.bytes(int(r.integers(0, 5000)))),
    "text": lambda c, p, r: p.write_text("cell,gene\n1,2\n"),
    "pickle": lambda c, p, r: p.write_bytes(pickle.dumps({"X": 1})),
    "zip": lambda c, p, r: zipfile.ZipFile(p, "w").close(),
    "gzip": lambda c, p, r: p.write_bytes(gzip.compress(b"x")),
    "folder": lambda c, p, r: p.mkdir(),
    "NaN": lambda c, p, r: changed(c, v=np.nan).write_h5ad(p),
    "infinite": lambda c, p, r: changed(c, v=np.inf).write_h5ad(p),
    "negative count": lambda c, p, r: changed(c, v=-1).write_h5ad(p),
    "one cell": lambda c, p, r: c[:1].write_h5ad(p),
    "no cells": lambda c, p, r: c[:0].write_h5ad(p),
    "few genes": lambda c, p, r: c[:, :100].write_h5ad(p),
    "all zero": lambda c, p, r: ad.AnnData(c.X * 0, c.obs, c.var).write_h5ad(p),
    "row numbers": lambda c, p, r: renamed(c, [str(i) for i in range(c.n_vars)]).write_h5ad(p),
    "foreign names": lambda c, p, r: renamed(c, [f"gene{i}" for i in range(c.n_vars)]).write_h5ad(p),
    "mouse": lambda c, p, r: renamed(c, [f"ENSMUSG{i:011}" for i in range(c.n_vars)]).write_h5ad(p),
    "turned": lambda c, p, r: ad.AnnData(c.X.T.tocsr(), c.var, c.obs[[]]).write_h5ad(p),
    "no X": lambda c, p, r: ad.AnnData(obs=c.obs, var=c.var).write_h5ad(p),
    "a link elsewhere": rewritten(external),
    "no indptr": rewritten(unsound),
    "indices out of range": rewritten(out_of_range),
    "data too short": rewritten(too_short),
    "text for numbers": rewritten(text_for_numbers),
    "only empty droplets": lambda c, p, r: ad.AnnData(
        sparse.csr_matrix(r.random(c.shape) < 0.01, dtype="float32"), c.obs, c.var
    ).write_h5ad(p),
}


@pytest.mark.parametrize("seed", range(N_REFUSED))
def test_malformed_files_end_in_one_line(seed, clean, tmp_path, capfd):
    rng, kind = np.random.default_rng(seed), list(MALFORMED)[seed % len(MALFORMED)]
    MALFORMED[kind](clean, tmp_path / "cells.h5ad", rng)
    options = [[], ["--layer", "none"], ["--raw"], ["--gene-column", "none"]][
        rng.integers(4) if seed > 24 else 0
    ]
    assert predict(tmp_path / "cells.h5ad", tmp_path, *options) == 2, kind
    said = capfd.readouterr().err.splitlines()
    assert said[-1].startswith("bulk2sc: error: ") and "Traceback" not in "".join(said), said
    assert len(said[-1]) < 600 and [path.name for path in tmp_path.iterdir()] == ["cells.h5ad"]


# ------------------------------------------------------------------------------------------- settings


EDITIONS = [
    "title: [\n",
    "\t- x",
    "just text",
    "title: Own\n",
    "title: Own\nchapters: [alpha]\nparameters: {k: much}\n",
    "title: Own\nchapters: [alpha]\nparameters: {k: .nan}\n",
    "title: Own\nchapters: [alpha]\nparameters: {n_cells: 1:30}\n",
    "title: Own\nchapters: [alpha]\nparameters: {n_cells: true}\n",
    "title: Own\nchapters: [alpha]\nparameters: {n_cells: 5, n_cells: 6}\n",
    "title: Own\nchapters: [alpha]\nparameters: &a {k: 0.3}\nbudgets: *a\n",
    "title: Own\nchapters: [alpa]\n",
    "title: Own\nchapters: {alpha: 1}\n",
    "title: Own\nchapters: [alpha, [beta]]\n",
    "title: Own\nchapters: [1]\n",
    "title: Own\nchapters: [alpha]\nparametres: {}\n",
    "title: Own\nchapters: [alpha]\nchapter_parameters: {alpha: [1]}\n",
    "title: Own\nchapters: [alpha]\nchapter_parameters: {alpha: {drugg: x}}\n",
    "title: Own\nchapters: [alpha]\nchapter_parameters: {1: {drug: x}}\n",
    "title: Own\nchapters: [alpha]\nbudgets: {alpha: long}\n",
    "title: Own\nchapters: [alpha]\nfull: other\n",
    "title: !!python/object/apply:os.system [echo]\nchapters: [alpha]\n",
    "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
    "title: " + "[" * 5000,
    "title: Own\nchapters: [alpha]\nparameters: {[1]: 2}\n",
    "title: Own\nchapters: [alpha]\nparameters: {cells_reading: {layer: 1}}\n",
]
VALUES_OF_RUN = [
    ("k", "much"),
    ("k", "nan"),
    ("k", "1e999"),
    ("k", "[0.3]"),
    ("k", ""),
    ("k", "true"),
    ("n_cells", "1:30"),
    ("n_cells", "0x10"),
    ("n_cells", "1_0"),
    ("n_cells", "2.0"),
    ("n_cells", "[" * 5000),
    ("n_cells", "!!python/name:os.system"),
    ("n_cells", "three"),
    ("n_cells", "null"),
    ("edition", "other"),
]


@pytest.fixture
def book(tmp_path, monkeypatch):
    monkeypatch.setenv("BULK2SC_ROOT", str(tmp_path))

    def check(planned, slug, given, cores):
        notebook.in_force(slug, planned.chapter(slug).declared, given)
        if given.get("edition", "small") != "small":
            raise Bulk2scError("another edition")
        return planned.chapter(slug).run

    monkeypatch.setattr(build, "run_chapter", check)
    return small_book.write_book(tmp_path)


@pytest.mark.parametrize("seed", range(N_SETTINGS))
def test_settings_end_in_one_line(seed, book, capfd):
    good = seed >= len(EDITIONS) + len(VALUES_OF_RUN)
    if seed < len(EDITIONS):
        (book / "editions" / "odd.yml").write_text(EDITIONS[seed])
        code = cli.main(["params", "alpha", "--edition", "odd"])
    elif not good:
        name, text = VALUES_OF_RUN[seed - len(EDITIONS)]
        chapter = "beta" if name == "n_cells" else "alpha"
        code = cli.main(["run", chapter, "--edition", "small", "-p", name, text])
    else:
        number = int(np.random.default_rng(seed).integers(1, 9999))
        fields = {"parameters": small_book.SMALL["parameters"] | {"n_cells": number}}
        (book / "editions" / "odd.yml").write_text(yaml.safe_dump(small_book.SMALL | fields))
        code = cli.main(["params", "beta", "--edition", "odd"])
        assert f" {number} " in capfd.readouterr().out
    said = capfd.readouterr().err.splitlines()
    assert code == (0 if good else 2) and len(said) == (0 if good else 1), said
    assert good or (said[0].startswith("bulk2sc: error: ") and len(said[0]) < 12_000)
