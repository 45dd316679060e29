"""The published sets of cells, from made-up files in the formats in which the real ones are deposited."""

import gzip
import re
import shutil

import anndata as ad
import formats
import numpy as np
import pandas as pd
import pytest

from bulk2sc import datasets, labels, pp
from bulk2sc.datasets import deposits
from bulk2sc.datasets.documented import Unlike
from bulk2sc.errors import Bulk2scError


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
    return datasets.deposit(key)


def counts_of(groups):
    return np.concatenate([table.to_numpy().T for table in formats.made_up_counts(groups).values()])


# By set: numbers of cells by the levels of a column, in the order of the writer, and cell lines.
FOUR = {"451LU_parental": 30, "451LU_resistant": 30}
PLANTED = {
    "GSE117872": ("source_cluster", {"HN120_Sensitive": 35, "HN120_Resistant": 20}, []),
    "GSE131984": ("sample", {"Pre": 60, "Paclitaxel": 50, "JQ1": 20}, ["SUM159PT"]),
    "GSE108394": ("population", {"parental": 60, "resistant": 60}, ["451LU"]),
    "GSE156246-BT474": ("time", {"untreated": 50, "6h": 20, "14d": 50}, ["BT474"]),
    "GSE156246-HCC1419": ("time", {"untreated": 50, "6h": 20, "14d": 50}, ["HCC1419"]),
    "GSE108383": ("sample", {"A375_parental": 30, "A375_resistant": 30} | FOUR, ["451LU", "A375"]),
    "GSE149383-days": ("day", {"0": 40, "1": 10, "2": 10, "4": 10, "9": 25, "11": 25}, ["PC9"]),
    "GSE140440": (
        "sample",
        {"DU145_parental": 30, "DU145_resistant": 30, "PC3_parental": 30, "PC3_resistant": 30},
        ["DU145", "PC3"],
    ),
    "GSE112274": ("population", {"parental": 50, "gefitinib": 40, "holiday": 20}, ["PC9"]),
    "GSE110894": ("sample", {"DMSO": 60, "RESISTANT (1000nM)": 60}, []),
}
AMOUNTS = {"GSE117872": [35, 20, 35, 20, 15], "GSE112274": [50, 40, 20]}  # TPM and FPKM, by group


@pytest.mark.parametrize("key", formats.WRITERS)
def test_what_is_read_is_what_was_written(mirrored, key):
    cells, (column, groups, lines) = mirrored[key], PLANTED[key]
    assert groups.items() <= cells.obs[column].value_counts().to_dict().items()
    assert sorted(cells.obs["cell_line"].dropna().unique()) == lines and cells.obs_names.is_unique
    counts = counts_of(dict(enumerate(AMOUNTS[key])) if key in AMOUNTS else groups)
    expected = pd.DataFrame(counts, columns=formats.genes())[cells.var_names].to_numpy()
    if key in AMOUNTS:  # log1p of parts per 10,000
        expected = np.log1p(1e4 * expected / counts.sum(1, keepdims=True))
        np.testing.assert_allclose(cells.X.toarray(), expected, atol=1e-2)
    elif not key.startswith("GSE156246"):  # which has both lines in one file
        np.testing.assert_array_equal(cells.layers["counts"].toarray(), expected)
    assert ("counts" in cells.layers) == (key not in AMOUNTS)


def test_columns_of_single_sets(mirrored):
    oral, leukaemia = mirrored["GSE117872"].obs, mirrored["GSE110894"]
    assert (oral["source_cluster"].str[:5] == oral["origin"]).all()
    assert set(oral) == {"sample", "cell_line", "patient_id", "origin", "drug_status", "source_cluster"}
    names = {"DMSO": "parental", "RESISTANT (1000nM)": "resistant"}
    assert (leukaemia.obs["sample"].map(names) == leukaemia.obs["population"]).all()
    assert {"EGFR", "MT-ND1"} <= set(leukaemia.var_names)
    assert mirrored["GSE140440"].obs_names[0] == "DU145_parental_GSM4172000"
    assert mirrored["GSE131984"].obs_names[0] == "Pre_AAAAAAAA-1"


def test_days_in_an_archive(written, monkeypatch, tmp_path):
    files = {path.name: path.read_bytes() for path in written["GSE149383-days"]}
    packed = load("GSE149383-days", [formats.write_tar(tmp_path / "RAW.tar", files)], monkeypatch)
    assert packed.obs.equals(load("GSE149383-days", written["GSE149383-days"], monkeypatch).obs)


@pytest.mark.parametrize("annotated", [False, True])
def test_gse140440_as_one_table(monkeypatch, tmp_path, annotated):
    """The matrix that public code reads; the names of its cells may be labels already."""
    table = pd.DataFrame([[1, 2], [2, 0], [1, 0]], ["TP53", "EGFR", "ERBB1"], ["GSM1_PC-3_Res", "GSM2_DU145"])
    matrix, about = tmp_path / "expression.csv", tmp_path / "GSE140440_annotation.txt"
    if annotated:
        about.write_text("GSM2\tDU145\nGSM1\tPC-3 Res\n")
        table.columns = ["GSM1", "GSM2"]
    table.to_csv(matrix)
    cells = load("GSE140440", [matrix, about] if annotated else [matrix], monkeypatch)
    assert cells.obs["sample"].tolist() == ["PC3_resistant", "DU145_parental"]
    np.testing.assert_array_equal(cells[:, ["TP53", "EGFR"]].X.toarray(), [[1, 3], [2, 0]])  # ERBB1 is EGFR


def test_pc9_by_hand(tmp_path, monkeypatch):
    files = {
        "Day11_Erlotinib": "GENE\tAC\tGT\nTP53\t0\t12\nP53\t1\t0\nFOO\t0\t0\n",
        "Day11_control": "GENE\tTTTT\nFOO\t305\n",
    }
    for name, text in files.items():
        (tmp_path / f"{name}.txt.gz").write_bytes(gzip.compress(text.encode()))
    cells = load("GSE149383", [tmp_path / f"{name}.txt.gz" for name in files], monkeypatch)
    assert cells.obs_names.tolist() == ["Day11_Erlotinib_AC", "Day11_Erlotinib_GT", "Day11_control_TTTT"]
    np.testing.assert_array_equal(cells[:, ["TP53", "FOO"]].X.toarray(), [[1, 0], [12, 0], [0, 305]])
    assert (cells.obs["truth"] == 0).all() and (cells.obs["cell_line"] == "PC9").all()


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
    times = deposits.DEPOSITS["GSE156246-BT474"].parts["time"]
    assert {deposits._part(name, times) for name in names} == {time}


@pytest.mark.filterwarnings("ignore:Bulk .* share")  # there are few made-up genes
@pytest.mark.parametrize("key", formats.WRITERS)
def test_each_set_goes_all_the_way(mirrored, gdsc, tmp_path, key):
    """Writing, control, rule and pairing take what the loader returns."""
    mirrored[key].write_h5ad(tmp_path / "raw.h5ad")
    cells = pp.hold_out_own_lines(datasets.read_cells(tmp_path / "raw.h5ad"), gdsc)
    assert set(cells.uns["held_out"]) == set(cells.obs["cell_line"].dropna()) & set(gdsc.obs_names)
    passed = pp.qc_flags(cells, by="sample").obs["qc_pass"]
    assert passed.mean() > 0.8
    cells = pp.normalise(cells[passed].copy())
    cells.obs["cluster"] = "0"
    labelled = labels.label_cells(cells, labels.rule_for(key))
    assert {0.0, 1.0} <= set(labelled.obs["response"].dropna())
    lines = pp.train_lines(gdsc, cells.uns["held_out"])
    assert pp.pair(lines, labelled, n_hvg=300)[1].n_vars == 300


@pytest.mark.parametrize(
    ("key", "file", "old", "new", "expected"),
    [
        ("GSE117872", 1, "cluster", "clusters", r"expected a column 'cluster', found '.*'clusters'"),
        ("GSE117872", 1, "groups", "cell", "expected a column 'groups', found 'cell'"),
        ("GSE117872", 1, "HN1", "OC1", "expected the cells of the matrix, found 0 of 125 .*'OC1"),
        ("GSE117872", 1, "HN120-R-2\t", "HN120-R-1\t", "expected each cell once, found 'HN120-R-1' twice"),
        ("GSE117872", 1, "HN120-R-2\t", "HN120-R-2\t\t\t\t", "expected a table that can be read to its end"),
        ("GSE117872", 0, "\t0.0\t", "\tlow\t", "_TPM.txt.gz: expected numbers, found 'low' in line"),
        ("GSE117872", 0, "\t0.0\t", "\t-1.5\t", "expected counts or abundances, found negative values"),
        ("GSE131984", 1, "orig.ident", "sample", "expected a column 'orig.ident', found 'sample'"),
        ("GSE131984", 1, "Pre", "Before", "expected Pre as sample of some cells, found 'Before', 'JQ1'"),
        ("GSE131984", 0, "\t", " ", "expected columns separated by tabs or commas"),
        ("GSE108383", 0, "A375_sc_br", "A375_xx", r"named as in A375_sc_par_cell_11, found 'A375_xx"),
        ("GSE108383", 0, "451Lu_sc", "WM_sc", r"found 'WM_sc_par_cell_1' \(60 of 120"),
        ("GSE149383-days", 0, "\t0", "\tNA", "expected numbers, found 'NA' in line 2"),
        ("GSE112274", 0, "parental", "untreated", "parental as population of some cells, found 'gefitinib"),
        ("GSE110894", 0, "_", "-", r"expected the cells of the matrix, found 0 of 120"),
        ("GSE110894", 1, "", "", "expected a table that can be read to its end, found"),
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
    assert re.fullmatch(f"{key}: .*bulk2sc fetch {key} --from FILE", str(error.value))


@pytest.mark.parametrize(
    ("in_matrix", "in_table", "places"),
    [
        (["a.1", "b.1"], ["b-1", "a-1"], [1, 0]),
        (["X1.a", "X2.a"], ["2-a", "1-a"], [1, 0]),
        (["a b", "c+d"], ["c.d", "a.b"], [1, 0]),
        (["a-1", "b-1"], ["b-1", "z-1", "a-1"], [2, 0]),
        (["c0", "c1", "c2", "c3"], ["c3", "c1", "zz"], [np.nan, 1, np.nan, 0]),
    ],
)
def test_names_that_r_has_changed_are_matched(in_matrix, in_table, places):
    found = deposits.places_of(pd.Series(in_matrix), pd.DataFrame(index=in_table), "about.txt")
    np.testing.assert_array_equal(found, places)


# --- the study's own files ---------------------------------------------------------------------------------


@pytest.mark.parametrize("key", formats.STUDY_FILES)
def test_the_file_of_the_study_comes_first(written, tmp_path, monkeypatch, key):
    mirror = tmp_path / "both"
    shutil.copytree(written[key][0].parents[1], mirror)
    monkeypatch.setenv("BULK2SC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("BULK2SC_MIRROR", str(formats.write_study_cells(mirror)))
    cells = datasets.load_cells(key, bulk=None, drug="")
    assert cells.obs["sensitive"].value_counts().to_dict() == {"1": 70, "0": 50}
    assert pp.detect_scale(cells) == "log"
    assert cells.obs["cell_line"].dropna().unique().tolist() == PLANTED[key][2]


def an_h5ad(folder, X, **obs):
    obs = pd.DataFrame(obs, index=["c0", "c1"])
    ad.AnnData(np.array(X, "float32"), obs, pd.DataFrame(index=["TP53", "EGFR", "MYC"])).write_h5ad(
        folder / "a.h5ad"
    )
    return folder / "a.h5ad"


LOGS = [[0.5, 1.5, 0], [0, 2.5, 1]]


@pytest.mark.parametrize("labels", [[1, 0], [1.0, 0.0], [True, False], ["1", "0"], pd.Categorical([1, 0])])
@pytest.mark.parametrize(
    ("X", "scale"), [(LOGS, "log"), ([[0, 3, 1], [2, 0, 0]], None), ([[0.5, -1.5, 0], [0, 2, 1]], None)]
)
def test_a_file_of_the_study_keeps_its_values_and_its_label_becomes_text(tmp_path, X, scale, labels):
    cells = deposits.read_study(an_h5ad(tmp_path, X, sensitive=labels, batch=["x", "y"]), line="BT474")
    assert cells.obs["sensitive"].tolist() == ["1", "0"] and cells.obs["sample"].tolist() == ["x", "y"]
    assert list(cells.obs) == ["sample", "cell_line", "sensitive"]
    assert cells.uns.get("scale") == scale
    np.testing.assert_array_equal(cells.X, np.array(X, "float32"))


@pytest.mark.parametrize(
    ("obs", "expected"),
    [
        ({"Sensitive": [1, 0]}, r"expected a column 'sensitive' in obs, found 'Sensitive'"),
        ({}, r"expected a column 'sensitive' in obs, found nothing"),
        ({"sensitive": [1, 2]}, r"expected 1 or 0 in obs\['sensitive'\], found '1', '2'"),
        ({"sensitive": [1, np.nan]}, r"expected 1 or 0 in obs\['sensitive'\], found '1.0', 'nan'"),
    ],
)
def test_a_study_without_its_label_is_refused(tmp_path, obs, expected):
    with pytest.raises(Unlike, match=expected):
        deposits.read_study(an_h5ad(tmp_path, LOGS, **obs), line="PC9")
