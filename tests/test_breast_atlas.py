"""The breast atlas, and files of R that are not what they should be, written here byte by byte."""

import bz2
import gzip
import lzma
import struct
import tracemalloc
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from conftest import at_hand
from scipy import sparse

from bulk2sc import datasets, labels, pp
from bulk2sc.datasets import atlas as module
from bulk2sc.datasets.atlas import OBJECT, read_dgcmatrix
from bulk2sc.errors import Bulk2scError
from bulk2sc.settings import load_edition

ROOT = Path(__file__).parents[1]

HEAD = b"RDX2\nX\n" + struct.pack(">iii", 2, 0x40201, 0x20300)
NULL = struct.pack(">i", 254)
COUNTS = np.array([[3, 0], [0, 1], [2, 7]])  # genes x cells


def item(kind, body=b"", flags=0):
    return struct.pack(">i", kind | flags << 8) + body


def text(value):
    return item(9, struct.pack(">i", len(value)) + value.encode())


def symbol(name):
    return item(1, text(name))


def vector(kind, values):
    if kind == 16:
        body = b"".join(map(text, values))
    else:
        body = (
            b"".join(values) if kind == 19 else np.asarray(values, ">f8" if kind == 14 else ">i4").tobytes()
        )
    return item(kind, struct.pack(">i", len(values)) + body)


def pairs(**entries):
    return b"".join(item(2, symbol(tag) + value, 4) for tag, value in entries.items()) + NULL


def dgcmatrix(**slots):
    matrix = sparse.csc_matrix(COUNTS)
    names = [vector(16, ["ENSG00000141510", "ENSG1", "ENSG00000141736"]), vector(16, ["AU565_A", "MX1_B"])]
    slots = {
        "i": vector(13, matrix.indices),
        "p": vector(13, matrix.indptr),
        "Dim": vector(13, [3, 2]),
        "Dimnames": vector(19, names),
        "x": vector(14, matrix.data),
        "class": vector(16, ["dgCMatrix"]),
    } | slots
    return item(25, pairs(**slots), 3)


@pytest.fixture
def file(tmp_path):
    def write(content):
        path = tmp_path / "test_BC_atlas.rda"
        path.write_bytes(content)
        return path

    return write


@pytest.fixture
def peak():
    """Return a context that fails when its content, errors or not, holds so many MB at once."""

    @contextmanager
    def watch(megabytes):
        import_module("rdata.parser._xdr")  # not what is measured
        tracemalloc.start()
        try:
            yield
        finally:
            top = tracemalloc.get_traced_memory()[1] / 1e6
            tracemalloc.stop()
            assert top < megabytes, f"{top:.0f} MB at once"

    return watch


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_a_matrix_is_read_however_it_is_packed(file, pack):
    counts, genes, cells = read_dgcmatrix(file(pack(HEAD + pairs(**{OBJECT: dgcmatrix()}))))
    np.testing.assert_array_equal(counts.toarray(), COUNTS)
    assert genes[1] == "ENSG1" and cells == ["AU565_A", "MX1_B"]


def test_r_writes_what_rdata_writes_too(file, tmp_path):
    """A file of the library's own: a plain vector, which is refused by its type."""
    rdata = pytest.importorskip("rdata")
    path = tmp_path / "vector.rda"
    rdata.write_rda(path, {OBJECT: np.arange(3.0)})
    with pytest.raises(Bulk2scError, match=r"found one of class REAL"):
        read_dgcmatrix(path)


def test_cells_of_the_loader(file, monkeypatch):
    monkeypatch.setattr(module, "fetch", lambda _: [file(HEAD + pairs(**{OBJECT: dgcmatrix()}))])
    cells = datasets.breast_atlas()
    assert list(cells.var_names) == ["TP53", "ENSG1", "ERBB2"]
    np.testing.assert_array_equal(cells.layers["counts"].toarray(), COUNTS.T)
    assert list(cells.obs["cell_line"]) == ["AU565", "MX1"] and cells.obs["sample"].nunique() == 1
    assert cells.uns["held_out"] == ["AU565"]


ALTREP = item(238, pairs(compact_intseq=NULL) + vector(14, [1e9, 1, 1]) + NULL)
BYTE_CODE = item(21, struct.pack(">i", 2**31 - 1))  # so many repeated places, made before they are read


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (item(3, NULL * 3), "type CLO"),
        (item(5, NULL * 3), "type PROM"),
        (item(6, symbol("system") + NULL), "type LANG"),
        (item(4, struct.pack(">i", 0) + NULL * 4), "type ENV"),
        (ALTREP, "type ALTREP"),
        (BYTE_CODE, "type BCODE"),
        (item(22, NULL * 2), "type EXTPTR"),
        (dgcmatrix(**{"class": vector(16, ["dgTMatrix"])}), "class dgTMatrix"),
        (dgcmatrix(x=item(6, symbol("system") + NULL)), "type LANG"),
        (dgcmatrix(x=vector(14, [3, 2, 1, -7])), "no counts"),
        (dgcmatrix(x=vector(14, [3, 2, 1, 0.5])), "no counts"),
        (dgcmatrix(x=vector(14, [3, 2, 1, np.nan])), "no counts"),
        (dgcmatrix(i=vector(13, [0, 2, 1, 9])), "damaged"),
        (dgcmatrix(p=vector(13, [0, 2, 99])), "damaged"),
        (dgcmatrix(Dimnames=NULL), "damaged"),
        (item(14, struct.pack(">i", 2**31 - 1)), "damaged"),
        (item(16, struct.pack(">i", 2**31 - 1)), "damaged"),
        (item(19, struct.pack(">i", 5_000) + NULL * 5_000), "more than 2,000 objects"),
        (item(19, struct.pack(">i", 1)) * 5_000, "damaged"),  # lists in lists
        (item(99), "damaged"),
    ],
)
def test_anything_else_is_refused_in_one_line(file, value, found, peak, monkeypatch):
    monkeypatch.setattr(module, "MAX_OBJECTS", 2_000)
    path = file(HEAD + pairs(**{OBJECT: value}))
    with pytest.raises(Bulk2scError) as error, peak(20):
        read_dgcmatrix(path)
    message = str(error.value)
    assert "expected in test_BC_atlas.rda: one dgCMatrix" in message and found in message
    assert "\n" not in message and "--from FILE" in message


def test_another_object_is_named(file):
    with pytest.raises(Bulk2scError, match=r"objects named other, test_BC_atlas\."):
        read_dgcmatrix(file(HEAD + pairs(other=NULL, **{OBJECT: dgcmatrix()})))
    with pytest.raises(Bulk2scError, match=r"objects named nothing\."):
        read_dgcmatrix(file(HEAD + NULL))


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_every_truncation_is_refused(file, pack):
    whole = pack(HEAD + pairs(**{OBJECT: dgcmatrix()}))
    # What ends a packed file, its checksum and padding, may go: all of the matrix is there before.
    for length in range(0, len(whole) - (40 if pack is not bytes else 1), 7):
        with pytest.raises(Bulk2scError, match=r"expected in test_BC_atlas\.rda"):
            read_dgcmatrix(file(whole[:length]))


def test_something_after_the_matrix_is_refused(file):
    with pytest.raises(Bulk2scError, match="damaged"):
        read_dgcmatrix(file(HEAD + pairs(**{OBJECT: dgcmatrix()}) + b"more"))


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_bomb_is_not_unpacked(file, pack, peak, monkeypatch):
    monkeypatch.setattr(module, "MAX_BYTES", 1_000_000)
    path = file(pack(HEAD + bytes(30_000_000)))
    with pytest.raises(Bulk2scError, match="more than 1 MB"), peak(20):
        read_dgcmatrix(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04", b"RDA2\nA\n2\n", b"RDX2\nB\n", gzip.compress(bz2.compress(HEAD))],
    ids=["empty", "zip", "ascii", "binary", "packed twice"],  # packed bytes hold the time
)
def test_files_of_other_kinds_are_refused(file, content):
    with pytest.raises(Bulk2scError, match=r"no file that R's save\(\) wrote"):
        read_dgcmatrix(file(content))


@pytest.fixture(scope="module")
def atlas():
    if not at_hand("GSE173634"):
        pytest.skip("GSE173634 is not here: set BULK2SC_MIRROR or run `bulk2sc fetch GSE173634`")
    return datasets.breast_atlas()


def test_the_atlas(atlas, gdsc):
    assert atlas.n_obs == 930 and set(atlas.obs["cell_line"].value_counts()) == {30}
    assert np.median(np.asarray(atlas.X.sum(axis=1))) == 8454
    lines = set(atlas.obs["cell_line"])
    assert lines & set(gdsc.obs_names) == set(atlas.uns["held_out"]) and len(atlas.uns["held_out"]) == 27
    assert lines - set(gdsc.obs_names) == set(module.NOT_IN_GDSC)


def test_known_biology_of_the_atlas(atlas):
    """ERBB2 is amplified in six of the lines; MCF7 and T47D have the oestrogen receptor."""
    share = atlas.to_df().div(atlas.to_df().sum(axis=1), axis=0)
    mean = share.groupby(atlas.obs["cell_line"].to_numpy()).mean()
    assert set(mean["ERBB2"].nlargest(4).index) <= {
        "AU565",
        "BT474",
        "HCC1954",
        "JIMT1",
        "MDAMB361",
        "MDAMB453",
    }
    assert (
        mean.loc[["MCF7", "T47D"], "ESR1"].min() > 10 * mean.loc[["BT549", "HS578T", "HCC38"], "ESR1"].max()
    )


# --- the edition -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ranked():
    """Return the rule of `benchmarks/choose_drug.py`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        return import_module("choose_drug").ranked


def test_the_drug_with_most_lines_in_the_smaller_tail_comes_first(ranked):
    """40 training lines of AUC .30, .31, ..., .69: tails up to .41 and from .58 on."""
    lines = [f"J{i}" for i in range(6)]
    judged = {
        "two each": [0.1, 0.2, 0.5, 0.5, 0.8, 0.9],
        "one and five": [0.1, 0.8, 0.8, 0.8, 0.8, 0.9],
        "also two each": [0.405, 0.4, 0.5, 0.57, 0.585, 0.9],
        "three each, one untested": [0.1, 0.1, 0.1, 0.9, 0.9, np.nan],
        "alike": [0.40, 0.41, 0.45, 0.45, 0.50, 0.50],
    }
    auc = pd.DataFrame(judged, index=lines)
    training = pd.DataFrame(
        {drug: 0.3 + np.arange(40) / 100 for drug in judged}, [f"T{i}" for i in range(40)]
    )
    stranger = pd.DataFrame(0.0, ["S"], list(judged))  # held out, and not judged: it moves no tail
    table = pd.concat([auc, training, stranger])
    bulk = AnnData(np.zeros((len(table), 1)), obs=pd.DataFrame(index=table.index))
    bulk.obsm["auc"], bulk.uns["drugs"] = table.to_numpy(), list(judged)
    found = ranked(bulk, lines, ["S"])
    assert list(found.index) == ["also two each", "two each", "one and five"]
    assert found[["sensitive", "resistant"]].to_numpy().tolist() == [[2, 2], [2, 2], [1, 5]]


@pytest.mark.parametrize("name", ["atlas", "mixology"])
def test_the_drugs_of_an_edition_are_those_of_the_rule(name, gdsc, ranked, request):
    chosen = load_edition(name, ROOT).parameters
    cells = request.getfixturevalue(name)
    judged = sorted(set(cells.obs["cell_line"]) & set(gdsc.obs_names) - {"HCC1143"})
    found = ranked(gdsc, judged, cells.uns["held_out"])
    assert chosen["study_drugs"] == list(found.index[: len(chosen["study_drugs"])])
    assert chosen["drug"] == chosen["study_drugs"][0]


def test_the_atlas_is_allotted_a_quarter_of_an_hour_on_two_cores():
    assert sum(load_edition("atlas", ROOT).budgets.values()) <= 2 * 15 * 60


def test_lines_of_the_atlas_are_nowhere_in_training(atlas, gdsc):
    cells = pp.hold_out_own_lines(pp.resolve_symbols(pp.check_cells(atlas, "atlas")), gdsc)
    cells = labels.truth_from_lines(labels.leave_out_strangers(cells, gdsc), gdsc, "AT13148")
    judged = cells.obs.loc[cells.obs["cell_line"].isin(gdsc.obs_names), "cell_line"]
    assert judged.nunique() == 26 and len(judged) == 780
    training = pp.train_lines(gdsc, cells.uns["held_out"])
    assert training.n_obs == 973 - 27 and not set(training.obs_names) & {*judged, "HCC1143"}
    sides = cells.obs.groupby("cell_line", observed=True)["truth"].first().value_counts()
    assert sides.to_dict() == {1.0: 11, 0.0: 10}
