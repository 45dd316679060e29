import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from bulk2sc import pp
from bulk2sc.datasets import deposits
from bulk2sc.datasets.matrices import Unlike
from bulk2sc.errors import Bulk2scError


def some_cells(X, names=("TP53", "EGFR", "P53")):
    obs = pd.DataFrame({"sample": "s"}, index=[f"c{i}" for i in range(len(X))])
    return ad.AnnData(
        sparse.csr_matrix(np.array(X, np.float32)), obs=obs, var=pd.DataFrame(index=list(names))
    )


def test_counts_of_one_symbol_are_added_up():
    cells = deposits.finish(some_cells([[1, 2, 3], [0, 0, 4]]), "a.txt")
    assert cells.var_names.tolist() == ["TP53", "EGFR"] and cells.uns["scale"] == "counts"
    for matrix in (cells.X, cells.layers["counts"]):
        np.testing.assert_array_equal(matrix.toarray(), [[4, 2], [4, 0]])
        assert sparse.isspmatrix_csr(matrix) and matrix.dtype == np.float32
    assert not np.shares_memory(cells.X.data, cells.layers["counts"].data)
    assert pp.detect_scale(cells) == "counts"


def test_abundances_become_what_normalise_makes_of_counts():
    counts = np.array([[10, 30, 0], [5, 5, 40]])
    tpm = counts / counts.sum(1, keepdims=True) * 1e6 + np.array([[0.25, 0.75, 0], [0, 0, 0]])
    cells = deposits.finish(some_cells(tpm), "a.txt", unit="TPM")
    assert cells.uns["scale"] == "TPM" and not cells.layers and pp.detect_scale(cells) == "log"
    same = pp.normalise(deposits.finish(some_cells(counts), "a.txt"))
    np.testing.assert_allclose(cells.X.toarray(), same.X.toarray(), rtol=1e-4)
    assert deposits.finish(some_cells(tpm), "a.txt").uns["scale"] == "unknown unit"


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (
            some_cells([[1, -2, 3]]),
            "a.txt: expected counts or abundances, found negative values, the lowest -2",
        ),
        (
            some_cells([[1, 2, 3]], ["Xx1", "Xx2", "Xx3"]),
            "a.txt: expected human genes, found names such as 'Xx1'",
        ),
    ],
)
def test_what_cannot_be_expression_is_refused(cells, expected):
    with pytest.raises(Unlike, match=expected):
        deposits.finish(cells, "a.txt")


@pytest.mark.parametrize(
    ("in_matrix", "in_table"),
    [
        (["a.1", "b.1"], ["b-1", "a-1"]),
        (["X1.a", "X2.a"], ["2-a", "1-a"]),
        (["a b", "c+d"], ["c.d", "a.b"]),
        (["a-1", "b-1"], ["b-1", "z-1", "a-1"]),
    ],
)
def test_names_that_r_has_changed_are_matched(in_matrix, in_table):
    cells = some_cells([[1, 2, 3], [4, 5, 6]])
    cells.obs_names = in_matrix
    about = pd.DataFrame({"value": in_table}, index=in_table)
    kept, rows = deposits.annotate(cells, about, "about.txt")
    plain = [deposits._plain(name) for name in kept.obs_names]
    assert [deposits._plain(name) for name in rows["value"]] == plain and kept.n_obs == 2


def test_cells_that_are_not_in_the_table_are_left_out_unless_they_are_most():
    cells = some_cells([[1, 2, 3]] * 4)
    about = pd.DataFrame({"value": [1, 2, 3]}, index=["c3", "c1", "zz"])
    kept, rows = deposits.annotate(cells, about, "about.txt")
    assert kept.obs_names.tolist() == ["c1", "c3"] and rows["value"].tolist() == [2, 1]
    with pytest.raises(Unlike, match=r"found 1 of 4 \('c0' in the matrix, 'c3' here\)"):
        deposits.annotate(cells, about[:1], "about.txt")


@pytest.mark.parametrize("separator", ["\t", ","])
@pytest.mark.parametrize("index", [None, "id"])
def test_read_about(tmp_path, separator, index):
    table = pd.DataFrame({"id": ["007", "b"], "origin": ["x", "NA"]})
    table.to_csv(tmp_path / "a.txt", sep=separator, index=False)
    about = deposits.read_about(tmp_path / "a.txt", ["origin"], index=index)
    assert about["origin"].to_dict() == {"007": "x", "b": "NA"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "found an empty file"),
        ("id origin\na x\n", "expected columns separated by tabs or commas, found the first line 'id origin"),
        ("id\tOrigin\na\tx\n", "a.txt: expected a column 'origin', found 'id', 'Origin'"),
        ("name\torigin\na\tx\n", "expected a column 'id', found 'name', 'origin'"),
        ("id\torigin\na\tx\na\ty\n", "expected each cell once, found 'a' twice"),
        ("id\torigin\na\tx\nb\ty\tz\tz\n", "expected a table that can be read to its end, found"),
    ],
)
def test_a_table_about_cells_of_another_form_is_refused(tmp_path, text, expected):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(Unlike, match=expected) as error:
        deposits.read_about(tmp_path / "a.txt", ["origin"], index="id")
    assert "\n" not in str(error.value)


def an_h5ad(folder, X, name="a.h5ad", **obs):
    cells = some_cells(X)
    cells.obs = pd.DataFrame(obs, index=cells.obs_names)
    cells.write_h5ad(folder / name)
    return folder / name


LOGS = [[0.5, 1.5, 0], [0, 2.5, 1]]


@pytest.mark.parametrize("labels", [[1, 0], [1.0, 0.0], [True, False], ["1", "0"], pd.Categorical([1, 0])])
def test_the_label_of_the_study_is_text(tmp_path, labels):
    cells = deposits.read_study(an_h5ad(tmp_path, LOGS, sensitive=labels), line="BT474")
    assert cells.obs["sensitive"].tolist() == ["1", "0"]
    assert cells.obs["sample"].tolist() == ["a", "a"] and cells.obs["cell_line"].tolist() == ["BT474"] * 2
    assert list(cells.obs) == ["sample", "cell_line", "sensitive"]


@pytest.mark.parametrize(
    ("X", "scale"),
    [(LOGS, "log"), ([[0, 3, 1], [2, 0, 0]], "counts"), ([[0.5, -1.5, 0], [0, 2, 1]], "z-scores")],
)
def test_the_values_of_the_study_stay_what_they_are(tmp_path, X, scale):
    cells = deposits.read_study(an_h5ad(tmp_path, X, sensitive=[1, 0], batch=["x", "y"]), line=np.nan)
    assert pp.detect_scale(cells) == scale and cells.obs["sample"].tolist() == ["x", "y"]
    total = cells.X.sum() if scale != "counts" else cells.layers["counts"].sum()
    assert total == np.sum(X)


@pytest.mark.parametrize(
    ("obs", "expected"),
    [
        ({"Sensitive": [1, 0]}, r"expected a column 'sensitive' in obs, found 'Sensitive'"),
        ({}, r"expected a column 'sensitive' in obs, found nothing"),
        ({"sensitive": [1, 2]}, r"expected 1 or 0 in obs\['sensitive'\], found '1', '2'"),
        ({"sensitive": ["yes", "no"]}, r"expected 1 or 0 in obs\['sensitive'\], found 'yes', 'no'"),
        ({"sensitive": [1, np.nan]}, r"expected 1 or 0 in obs\['sensitive'\], found '1.0', 'nan'"),
    ],
)
def test_a_study_without_its_label_is_refused(tmp_path, monkeypatch, obs, expected):
    monkeypatch.setattr(deposits, "fetch", lambda key: [an_h5ad(tmp_path, LOGS, **obs)])
    with pytest.raises(Bulk2scError, match=expected) as error:
        deposits.load("GSE1", lambda paths: None)
    assert str(error.value).startswith("GSE1: a.h5ad: ") and "\n" not in str(error.value)
    assert "bulk2sc fetch GSE1 --from FILE" in str(error.value)


def test_the_form_decides_the_reader(tmp_path, monkeypatch):
    paths = [an_h5ad(tmp_path, LOGS, name, sensitive=[1, 0]) for name in ("a.h5ad", "b.h5ad")]
    monkeypatch.setattr(deposits, "fetch", lambda key: paths)
    both = deposits.load("GSE1", lambda paths: None, line="PC9")
    assert both.obs_names.tolist() == ["a_c0", "a_c1", "b_c0", "b_c1"]
    assert both.uns["source_files"] == ["a.h5ad", "b.h5ad"] and both.uns["held_out"] == []
    monkeypatch.setattr(deposits, "fetch", lambda key: [tmp_path / "a.txt"])
    other = deposits.load("GSE1", lambda paths: some_cells([[1, 2, 3]]))
    assert other.n_obs == 1 and other.uns["source_files"] == ["a.txt"]
