"""The published sets of cells, from made-up files in the formats in which the real ones are deposited."""

import gzip
import shutil

import formats
import numpy as np
import pandas as pd
import pytest

from bulk2sc import datasets, labels, pp
from bulk2sc.datasets import deposits, table1
from bulk2sc.errors import Bulk2scError

TABLE1 = tuple(formats.STUDY_FILES)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return the files of every set by its key, written once. Do not change them: copy."""
    return formats.write_sets(tmp_path_factory.mktemp("mirror"), formats.WRITERS)


@pytest.fixture(scope="module")
def mirrored(written, tmp_path_factory):
    """Return every set by its key, fetched from a mirror by the names that the registry knows."""
    return formats.load_sets(written, tmp_path_factory.mktemp("cache"))


def load(key, paths, monkeypatch):
    monkeypatch.setattr(deposits, "fetch", lambda asked: paths if asked == key else None)
    return datasets.load_cells(key, bulk=None, drug="")


def counts_of(groups):
    return np.concatenate([table.to_numpy().T for table in formats.made_up_counts(groups).values()])


# By set: numbers of cells by the levels of a column, in the order of the writer, and cell lines.
PLANTED = {
    "GSE117872": ("source_cluster", {"HN120_Sensitive": 35, "HN120_Resistant": 20}, []),
    "GSE131984": ("sample", {"Pre": 60, "Paclitaxel": 50, "JQ1": 20}, ["SUM159PT"]),
    "GSE108394": ("sample", {"GSM2897333_451LU": 60, "GSM2897334_451LUBR3": 60}, ["451LU"]),
    "GSE156246-BT474": ("time", {"untreated": 50, "6h": 20, "14d": 50}, ["BT474"]),
    "GSE156246-HCC1419": ("time", {"untreated": 50, "6h": 20, "14d": 50}, ["HCC1419"]),
    "GSE108383": (
        "sample",
        {"A375_par": 30, "A375_br": 30, "451LU_par": 30, "451LU_br": 30},
        ["451LU", "A375"],
    ),
    "GSE149383-days": ("day", {"0": 40, "1": 10, "2": 10, "4": 10, "9": 25, "11": 25}, ["PC9"]),
    "GSE140440": (
        "sample",
        {"DU145_parental": 30, "DU145_resistant": 30, "PC3_parental": 30, "PC3_resistant": 30},
        ["DU145", "PC3"],
    ),
    "GSE112274": ("population", {"parental": 50, "gefitinib": 40, "holiday": 20}, ["PC9"]),
    "GSE110894": ("sample", {"DMSO": 60, "RESISTANT (1000nM)": 60}, []),
}


@pytest.mark.parametrize("key", formats.WRITERS)
def test_what_is_read_is_what_was_written(mirrored, key):
    cells, (column, groups, lines) = mirrored[key], PLANTED[key]
    assert groups.items() <= cells.obs[column].value_counts().to_dict().items()
    assert sorted(cells.obs["cell_line"].dropna().unique()) == lines and cells.obs_names.is_unique
    if "counts" in cells.layers and not key.startswith("GSE156246"):  # which has both lines in one file
        np.testing.assert_array_equal(cells.layers["counts"].toarray(), counts_of(groups))
    assert ("counts" in cells.layers) == (key not in ("GSE117872", "GSE112274"))


@pytest.mark.parametrize(
    ("key", "unit", "groups"),
    [
        ("GSE117872", "TPM", {"a": 35, "b": 20, "c": 35, "d": 20, "e": 15}),
        ("GSE112274", "FPKM", {"a": 50, "b": 40, "c": 20}),
    ],
)
def test_amounts_become_logarithms_of_parts_per_10_000(mirrored, key, unit, groups):
    cells, counts = mirrored[key], counts_of(groups)
    assert cells.uns["scale"] == unit and pp.detect_scale(cells) == "log"
    expected = np.log1p(1e4 * counts / counts.sum(1, keepdims=True))
    np.testing.assert_allclose(cells.X.toarray(), expected, atol=1e-2)


def test_columns_of_single_sets(mirrored):
    oral, leukaemia = mirrored["GSE117872"].obs, mirrored["GSE110894"]
    assert (oral["source_cluster"].str[:5] == oral["origin"]).all()
    assert set(oral) == {"sample", "cell_line", "patient_id", "origin", "drug_status", "source_cluster"}
    names = {"DMSO": "parental", "RESISTANT (1000nM)": "resistant"}
    assert (leukaemia.obs["sample"].map(names) == leukaemia.obs["population"]).all()
    assert {"EGFR", "MT-ND1"} <= set(leukaemia.var_names)
    assert mirrored["GSE140440"].obs_names[0] == "DU145_parental_GSM4172000"
    assert mirrored["GSE131984"].obs_names[0] == "Pre_AAAAAAAA-1"


def test_days_in_an_archive(written, mirrored, monkeypatch, tmp_path):
    files = {path.name: path.read_bytes() for path in written["GSE149383-days"]}
    cells = load("GSE149383-days", [formats.write_tar(tmp_path / "RAW.tar", files)], monkeypatch)
    assert cells.obs.equals(mirrored["GSE149383-days"].obs)


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


@pytest.mark.parametrize(
    ("time", "names"),
    [
        ("untreated", ["GSM1_BT474_UT", "BT474_untreated", "BT474-Control", "HCC1419_DMSO", "BT474_0h"]),
        ("6h", ["BT474_6h", "BT474_lapatinib_6_h", "BT474_lap_06h"]),
        ("14d", ["BT474_14d", "BT474_lapatinib_14_days", "BT474_Day14", "BT474_DTP", "HCC1419_persisters"]),
        (None, ["BT474_16h", "BT474_10d", "BT474"]),
    ],
)
def test_time_of_a_sample(time, names):
    assert {table1.time_of(name) for name in names} == {time}


@pytest.mark.filterwarnings("ignore:Bulk .* share")  # there are few made-up genes
@pytest.mark.parametrize("key", formats.WRITERS)
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


@pytest.fixture(scope="module")
def study_mirror(tmp_path_factory, written):
    """Return a mirror with the study's own files beside those of GEO."""
    mirror = tmp_path_factory.mktemp("both")
    shutil.copytree(written[TABLE1[0]][0].parents[1], mirror, dirs_exist_ok=True)
    return formats.write_study_cells(mirror)


@pytest.mark.parametrize("key", TABLE1)
def test_the_file_of_the_study_comes_first(study_mirror, tmp_path, monkeypatch, key):
    monkeypatch.setenv("BULK2SC_CACHE", str(tmp_path))
    monkeypatch.setenv("BULK2SC_MIRROR", str(study_mirror))
    cells = datasets.load_cells(key, bulk=None, drug="")
    assert cells.obs["sensitive"].value_counts().to_dict() == {"1": 70, "0": 50}
    assert pp.detect_scale(cells) == "log" and cells.uns["source_files"] == [formats.STUDY_FILES[key]]
    assert cells.obs["cell_line"].dropna().unique().tolist() == PLANTED[key][2]


@pytest.mark.parametrize(
    ("key", "file", "old", "new", "expected"),
    [
        ("GSE117872", 1, "cluster", "clusters", r"expected a column 'cluster', found '.*'clusters'"),
        ("GSE117872", 1, "groups", "cell", "expected a column 'groups', found 'cell'"),
        ("GSE117872", 1, "HN148\t", "HN200\t", "expected origins HN120, HN137, HN148, found 'HN200"),
        ("GSE117872", 1, "HN1", "OC1", "expected the cells of the matrix, found 0 of 125 .*'OC1"),
        ("GSE117872", 0, "\t0.0\t", "\tlow\t", "_TPM.txt.gz: expected numbers, found in line"),
        ("GSE117872", 0, "\t0.0\t", "\t-1.5\t", "expected counts or abundances, found negative values"),
        ("GSE131984", 1, "orig.ident", "sample", "expected a column 'orig.ident', found 'sample'"),
        (
            "GSE131984",
            1,
            "Pre",
            "Before",
            "expected a level 'Pre' of orig.ident, found 'Before', 'JQ1'",
        ),
        ("GSE131984", 0, "\t", " ", "expected columns separated by tabs or commas"),
        ("GSE108383", 0, "A375_sc_br", "A375_xx", r"named as in A375_sc_par_cell_11, found 'A375_xx"),
        ("GSE108383", 0, "451Lu_sc", "WM_sc", r"found 'WM_sc_par_cell_1' \(60 of 120"),
        ("GSE149383-days", 0, "\t0", "\tNA", "expected numbers, found in line 2"),
        ("GSE112274", 0, "parental", "untreated", "'parental' as the second part of .* found 'gefitinib"),
        ("GSE110894", 0, "_", "-", r"expected the cells of the matrix, found 0 of 120"),
        ("GSE110894", 1, "", "", "expected an .xlsx sheet, found"),
    ],
)
def test_a_file_of_another_form_is_refused(written, monkeypatch, tmp_path, key, file, old, new, expected):
    paths = [shutil.copy(path, tmp_path / path.name) for path in written[key]]
    packed = paths[file].suffix == ".gz"
    content = gzip.decompress(paths[file].read_bytes()) if packed else paths[file].read_bytes()
    changed = content.replace(old.encode(), new.encode()) if old else b"no workbook"
    assert changed != content
    paths[file].write_bytes(gzip.compress(changed) if packed else changed)
    with pytest.raises(Bulk2scError, match=expected) as error:
        load(key, paths, monkeypatch)
    assert str(error.value).startswith(f"{key}: ") and f"bulk2sc fetch {key} --from FILE" in str(error.value)
    assert "\n" not in str(error.value)
