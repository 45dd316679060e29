import gzip
import shutil

import formats
import numpy as np
import pandas as pd
import pytest

from bulk2sc import datasets, labels, pp
from bulk2sc.datasets import more_cells
from bulk2sc.errors import Bulk2scError

SETS = ("GSE108383", "GSE149383-days", "GSE140440", "GSE112274", "GSE110894")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return the files of every set by its key, written once. Do not change them: copy."""
    return formats.write_sets(tmp_path_factory.mktemp("mirror"), SETS)


@pytest.fixture(scope="module")
def mirrored(written, tmp_path_factory):
    """Return every set by its key, fetched from a mirror by the names that the registry knows."""
    return formats.load_sets(written, tmp_path_factory.mktemp("cache"))


def load(key, paths, monkeypatch):
    monkeypatch.setattr(more_cells, "fetch", lambda asked: paths if asked == key else None)
    return datasets.load_cells(key, bulk=None, drug="")


def every_count(groups):
    return np.concatenate([table.to_numpy().T for table in formats.made_up_counts(groups).values()])


def test_gse108383(mirrored):
    cells = mirrored["GSE108383"]
    groups = {"A375_par": 30, "A375_br": 30, "451LU_par": 30, "451LU_br": 30}
    assert cells.obs["sample"].value_counts().to_dict() == groups
    np.testing.assert_array_equal(cells.layers["counts"].toarray(), every_count(groups))
    assert pd.crosstab(cells.obs["cell_line"], cells.obs["population"]).to_dict() == {
        "parental": {"451LU": 30, "A375": 30},
        "resistant": {"451LU": 30, "A375": 30},
    }


@pytest.mark.parametrize("packed", [False, True])
def test_gse149383_days(written, monkeypatch, tmp_path, packed):
    paths = written["GSE149383-days"]
    if packed:
        paths = [formats.write_tar(tmp_path / "RAW.tar", {path.name: path.read_bytes() for path in paths})]
    cells = load("GSE149383-days", paths, monkeypatch)
    groups = {"D0": 40, "D1": 10, "D2": 10, "D4": 10, "D9": 25, "D11": 25}
    assert cells.obs["sample"].value_counts().to_dict() == groups
    assert (cells.obs["sample"] == "D" + cells.obs["day"]).all()
    np.testing.assert_array_equal(cells.layers["counts"].toarray(), every_count(groups))
    assert set(cells.obs["cell_line"]) == {"PC9"} and cells.obs_names.is_unique


GROUPS = {"DU145_parental": 30, "DU145_resistant": 30, "PC3_parental": 30, "PC3_resistant": 30}


def test_gse140440(mirrored):
    cells = mirrored["GSE140440"]
    assert cells.obs["sample"].value_counts().to_dict() == GROUPS
    np.testing.assert_array_equal(cells.layers["counts"].toarray(), every_count(GROUPS))
    assert cells.obs_names[0] == "DU145_parental_GSM4172000"


@pytest.mark.parametrize("annotated", [False, True])
def test_gse140440_as_one_table(monkeypatch, tmp_path, annotated):
    """The matrix that public code reads; the names of its cells may be labels already."""
    table = pd.DataFrame([[1, 2], [3, 0]], ["TP53", "EGFR"], ["GSM1_PC-3_Res", "GSM2_DU145"])
    matrix, about = tmp_path / "expression.csv", tmp_path / "GSE140440_annotation.txt"
    if annotated:
        about.write_text("GSM2\tDU145\nGSM1\tPC-3 Res\n")
        table.columns = ["GSM1", "GSM2"]
    table.to_csv(matrix)
    cells = load("GSE140440", [matrix, about] if annotated else [matrix], monkeypatch)
    assert cells.obs["sample"].tolist() == ["PC3_resistant", "DU145_parental"]
    np.testing.assert_array_equal(cells[:, ["TP53", "EGFR"]].layers["counts"].toarray(), [[1, 3], [2, 0]])


def test_gse112274(mirrored):
    cells = mirrored["GSE112274"]
    assert cells.obs["population"].value_counts().to_dict() == {
        "parental": 50,
        "gefitinib": 40,
        "holiday": 20,
    }
    assert cells.uns["scale"] == "FPKM" and pp.detect_scale(cells) == "log" and not cells.layers
    counts = every_count({"a": 50, "b": 40, "c": 20})
    expected = np.log1p(1e4 * counts / counts.sum(1, keepdims=True))
    np.testing.assert_allclose(cells.X.toarray(), expected, atol=1e-2)


def test_gse110894(mirrored):
    cells = mirrored["GSE110894"]
    names = {"DMSO": "parental", "RESISTANT (1000nM)": "resistant"}
    assert (cells.obs["sample"].map(names) == cells.obs["population"]).all()
    np.testing.assert_array_equal(cells.layers["counts"].toarray(), every_count({"a": 60, "b": 60}))
    assert {"EGFR", "MT-ND1"} <= set(cells.var_names) and cells.obs["cell_line"].isna().all()
    assert cells.obs.groupby("plate").size().to_dict() == {"P1": 60, "P2": 60}


@pytest.mark.filterwarnings("ignore:Bulk .* share")  # there are few made-up genes
@pytest.mark.parametrize("key", SETS)
def test_each_set_goes_all_the_way(mirrored, gdsc, tmp_path, key):
    """The registry finds the files; writing, control, rule and pairing take what the loader returns."""
    mirrored[key].write_h5ad(tmp_path / "raw.h5ad")
    cells = datasets.read_cells(tmp_path / "raw.h5ad")
    cells = pp.hold_out_own_lines(pp.resolve_symbols(pp.check_cells(cells, key)), gdsc)
    assert set(cells.uns["held_out"]) == set(cells.obs["cell_line"].dropna()) & set(gdsc.obs_names)
    passed = pp.qc_flags(cells, by="sample").obs["qc_pass"]
    assert passed.mean() > 0.8
    cells = pp.normalise(cells[passed].copy())
    cells.obs["cluster"] = "0"
    labelled = labels.label_cells(cells, labels.rule_for(key))
    assert {0.0, 1.0} <= set(labelled.obs["response"].dropna())
    lines = pp.train_lines(gdsc, cells.uns["held_out"])
    assert pp.pair(lines, labelled, n_hvg=300)[1].n_vars == 300


def replaced(path, old, new):
    text = path.read_bytes()
    text = gzip.decompress(text) if path.suffix == ".gz" else text
    assert old.encode() in text
    text = text.replace(old.encode(), new.encode())
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)


@pytest.mark.parametrize(
    ("key", "file", "old", "new", "expected"),
    [
        (
            "GSE108383",
            0,
            "A375_sc_br",
            "A375_sc_xx",
            r"cells named as in A375_sc_par_cell_11, found 'A375_sc_xx_c",
        ),
        ("GSE108383", 0, "451Lu_sc", "WM_sc", r"cells named as in .* found 'WM_sc_par_cell_1' \(60 of 120"),
        ("GSE108383", 0, "\t0\t", "\tlow\t", "expected numbers, found in line 2"),
        ("GSE149383-days", 0, "\t0", "\tNA", "expected numbers, found in line 2"),
        (
            "GSE112274",
            0,
            "parental",
            "untreated",
            "'parental' as the second part of .* found gefitinib, holiday, unt",
        ),
        (
            "GSE112274",
            0,
            "PC9_",
            "PC9.",
            r"cells named as in PC9_parental_1, found 'PC9.parental_0_a'|second part",
        ),
        ("GSE110894", 0, "_", "-", r"expected the cells of the matrix, found 0 of 120"),
        ("GSE110894", 1, "", "", "expected an .xlsx sheet, found"),
    ],
)
def test_a_file_of_another_form_is_refused(written, monkeypatch, tmp_path, key, file, old, new, expected):
    paths = [shutil.copy(path, tmp_path / path.name) for path in written[key]]
    if paths[file].suffix == ".xlsx":
        paths[file].write_text("no workbook")
    else:
        replaced(paths[file], old, new)
    with pytest.raises(Bulk2scError, match=expected) as error:
        load(key, paths, monkeypatch)
    assert str(error.value).startswith(f"{key}: ") and "\n" not in str(error.value)
    assert f"bulk2sc fetch {key} --from FILE" in str(error.value)
