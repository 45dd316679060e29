import zipfile
from pathlib import Path

import anndata as ad
import bulk_formats as made
import numpy as np
import openpyxl
import pandas as pd
import pytest

from bulk2sc import datasets
from bulk2sc.datasets import official
from bulk2sc.datasets.documented import Unlike

ID = "SANGER_MODEL_ID"
COLUMNS = [ID, "COSMIC_ID", "CELL_LINE_NAME", "DRUG_NAME", "AUC", "LN_IC50"]
GDSC2 = "GDSC2_fitted_dose_response_27Oct23.xlsx"
RMA = "Cell_line_RMA_proc_basalExp.txt.zip"
RNASEQ = "rnaseq_all_20220624.zip"
SOURCES = {"gdsc2-rma": "GDSC2", "gdsc1-rma": "GDSC1", "gdsc2-rnaseq": "GDSC2"}


@pytest.fixture(scope="module")
def mirror(tmp_path_factory) -> Path:
    return made.write_lines(tmp_path_factory.mktemp("mirror"))


@pytest.fixture(scope="module")
def truth() -> ad.AnnData:
    return made.made_up_lines()


def release_of(tmp_path, *rows) -> Path:
    """Write a release, each row of model, COSMIC id, line, drug, AUC and ln IC50."""
    book = openpyxl.Workbook()
    for row in (COLUMNS, *rows):
        book.active.append(row)
    path = tmp_path / GDSC2
    book.save(path)
    return path


def zip_of(tmp_path, name, **tables) -> Path:
    path = tmp_path / name
    with zipfile.ZipFile(path, "w") as archive:
        for number, table in tables.items():
            archive.writestr(number, table)
    return path


# ------------------------------------------------------------------------------------------------ responses


@pytest.mark.parametrize(("line_id", "column"), [(ID, None), ("COSMIC_ID", "cosmic_id")])
def test_responses_are_the_planted_ones(mirror, truth, line_id, column):
    """The file has errors, blanks, a line named by a number, an id as text and repeated measurements."""
    lines = official.read_release(mirror / "gdsc-8.5" / GDSC2, line_id)
    ids = truth.obs[column] if column else truth.obs_names
    assert set(lines.obs_names) == set(ids) and lines.var_names.tolist() == sorted(made.DRUGS)
    lines = lines[list(ids), list(made.DRUGS)]
    assert lines.obs["cell_line"].tolist() == truth.obs["cell_line"].tolist()
    expected = {name: truth.obsm[name].copy() for name in ("auc", "ln_ic50")}
    for values in expected.values():
        values[9::10, list(made.DRUGS).index("Paclitaxel")] = np.nan  # not tested
    np.testing.assert_allclose(lines.X, expected["auc"], rtol=1e-5)
    np.testing.assert_allclose(lines.layers["ln_ic50"], expected["ln_ic50"], rtol=1e-4, atol=1e-5)
    assert lines.X.dtype == lines.layers["ln_ic50"].dtype == np.float32


@pytest.mark.parametrize(
    "row",
    [
        ("M1", 1, "A", "D", "#N/A", 1.0),
        ("M1", 1, "A", "D", 0.9, "#DIV/0!"),
        ("M1", 1, "A", "D", None, 1.0),
        ("M1", 1, "A", "D", 0.9, None),
        ("M1", 1, None, "D", 0.9, 1.0),
        ("M1", 1, "A", "  ", 0.9, 1.0),
        (" ", 1, "A", "D", 0.9, 1.0),
    ],
)
def test_incomplete_rows_are_left_out(tmp_path, row):
    lines = official.read_release(release_of(tmp_path, row, ("M1", 1, "A", "D", 0.2, -1.0)), ID)
    assert lines.obs_names.tolist() == ["M1"] and lines.X.tolist() == [[np.float32(0.2)]]


def test_numbers_as_text(tmp_path):
    """A spreadsheet may hold numbers as text, with separators of thousands; a line is called 697."""
    rows = [("M1", "906,800", 697, "D", "0.25", "1,234.5"), ("M2", 906801, " B ", "D", 0.5, 0.0)]
    lines = official.read_release(release_of(tmp_path, *rows), "COSMIC_ID")
    assert lines.obs_names.tolist() == ["906800", "906801"]
    assert lines.obs["cell_line"].tolist() == ["697", "B"]
    assert lines.X[0, 0] == 0.25 and lines.layers["ln_ic50"][0, 0] == 1234.5


@pytest.mark.parametrize(
    ("auc", "ln_ic50", "message"),
    [
        ("0,85", 1.0, r"AUC to be a number between 0 and 1, found '85.*' in row 3"),  # a decimal comma
        ("high", 1.0, r"AUC to be a number between 0 and 1, found 'high' in row 3"),
        (0.5, "?", r"LN_IC50 to be a number between -inf and inf, found '\?' in row 3"),
    ],
)
def test_wrong_measures_are_an_error(tmp_path, auc, ln_ic50, message):
    path = release_of(tmp_path, ("M1", 1, "A", "D", 0.2, -1.0), ("M2", 2, "B", "D", auc, ln_ic50))
    with pytest.raises(Unlike, match=message):
        official.read_release(path, ID)


def test_other_columns_are_told(tmp_path):
    path = tmp_path / GDSC2
    pd.DataFrame([[1, 2, 3]], columns=["cell_line", "drug", "AUC"]).to_excel(path, index=False)
    expected = rf"{GDSC2}: expected columns SANGER_MODEL_ID, .*LN_IC50, found 'cell_line', 'drug', 'AUC'"
    with pytest.raises(Unlike, match=expected):
        official.read_release(path, ID)


# ----------------------------------------------------------------------------------------------- expression


def test_rma_is_the_planted_expression(mirror, truth):
    """Replicates of two lines lie as much above as below the truth; probes without a symbol are gone."""
    lines = official.read_rma(mirror / "gdsc-rma" / RMA)
    assert lines.obs_names.tolist() == truth.obs["cosmic_id"].tolist() and lines.X.dtype == np.float32
    assert lines.var_names.tolist() == truth.var_names.tolist() == lines.var["original"].tolist()
    np.testing.assert_allclose(lines.X, truth.X, atol=1e-5)


def test_rma_of_release_6_has_ensembl_ids(tmp_path, truth):
    path = tmp_path / "sanger1018_brainarray_ensemblgene_rma.txt.gz"
    made.write_ensembl_rma(path, truth)
    lines = official.read_rma(path)
    assert lines.obs_names.tolist() == truth.obs["cosmic_id"].tolist()  # a name twice is one line
    assert lines.var["original"].str.match(r"ENSG\d+$").all() and lines.n_vars > 0.98 * truth.n_vars
    shared = truth.var_names.intersection(lines.var_names)
    assert len(shared) == lines.n_vars
    np.testing.assert_allclose(lines[:, shared].X, truth[:, shared].X, atol=1e-5)


def test_old_symbols_become_current_and_the_first_of_two_is_kept(tmp_path):
    rows = ["GENE_SYMBOLS\tGENE_title\tDATA.1", "P53\t\t1", "TP53\t\t2", "FOO\t\t3", "\t\t4", "HER2\t\t5"]
    lines = official.read_rma(zip_of(tmp_path, RMA, **{"a_basalExp_b.txt": "\n".join(rows)}))
    assert lines.var["original"].to_dict() == {"TP53": "P53", "ERBB2": "HER2"} and lines.X.tolist() == [
        [1, 5]
    ]


def test_rnaseq_is_the_planted_expression(mirror, truth):
    lines = official.read_passports(mirror / "cell-model-passports" / RNASEQ)
    assert lines.obs_names.tolist() == truth.obs_names.tolist()
    assert lines.var_names.tolist() == truth.var_names.tolist()
    assert np.isnan(lines.X[0, 0]) and np.isnan(lines.X).sum() == 1
    np.testing.assert_allclose(lines.X.ravel()[1:], truth.X.ravel()[1:], atol=2e-3)  # TPM to four decimals


def test_a_member_of_an_archive_is_read_in_place(tmp_path):
    table = "model_id,,M1\nanything,,x\ngene_id,symbol,\nG1,TP53,3\n"
    path = zip_of(tmp_path, RNASEQ, **{"../../out/rnaseq_tpm_1.csv": table})
    before = set(tmp_path.parent.rglob("*"))
    lines = official.read_passports(path)
    assert lines.to_df().to_dict() == {"TP53": {"M1": 2.0}}  # log2(3 + 1)
    assert set(tmp_path.parent.rglob("*")) == before


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("<html>\nGone\n", r"GENE_SYMBOLS and DATA.*, found '<html>'"),
        ("gene\tline\nTP53\t1\n", "found 'gene', 'line'"),
        ("ensembl_gene\tBT-474\n", "found 'ensembl_gene', 'BT-474'"),
        ("GENE_SYMBOLS\tDATA.1\nTP53\thigh\n", "expected a table of numbers, found .*high"),
    ],
)
def test_another_rma_matrix_is_told(tmp_path, table, message):
    with pytest.raises(Unlike, match=message):
        official.read_rma(zip_of(tmp_path, RMA, **{"basalExp.txt": table}))


# --------------------------------------------------------------------------------------------- both together


def tables_of(responses, expression, names):
    """Return responses to one drug, ids and names given, and expression of the genes G1, G2, ..."""
    auc = np.array([[value] for value in responses.values()], np.float32)
    first = ad.AnnData(
        auc, obs=pd.DataFrame({"cell_line": names}, index=list(responses)), layers={"ln_ic50": 2 * auc}
    )
    first.var_names = ["D"]
    second = ad.AnnData(
        np.array(list(expression.values()), np.float32), obs=pd.DataFrame(index=list(expression))
    )
    second.var_names = [f"G{i + 1}" for i in range(second.n_vars)]
    return first, second


def test_join_is_by_id_and_lines_of_one_key_are_left_out():
    """Cells of KMH-2, which has no expression here, must not be given the response of KM-H2."""
    responses = {"1": 0.1, "2": 0.2, "3": 0.3, "4": 0.4, "5": 0.5}
    expression = {"4": [3, 1, 2], "9": [0, 0, 0], "1": [1, 2, 3], "2": [1, 1, 4]}
    names = ["NCI-H838", "KM-H2", "no expression", "BT-474", "KMH-2"]
    bulk = official.join(*tables_of(responses, expression, names))
    assert bulk.obs["cell_line"].to_dict() == {"NCIH838": "NCI-H838", "BT474": "BT-474"}
    root = np.sqrt(1.5)
    np.testing.assert_allclose(bulk.X, [[-root, 0, root], [root, -root, 0]], atol=1e-6)
    np.testing.assert_allclose(bulk.obsm["auc"], [[0.1], [0.4]])
    np.testing.assert_allclose(bulk.obsm["ln_ic50"], [[0.2], [0.8]])
    assert bulk.uns["drugs"].tolist() == ["D"]


def test_genes_that_a_line_lacks_are_left_out():
    """A value missing in a line without response costs no gene."""
    expression = {"1": [1, 2, np.nan, 4], "2": [1, 2, 3, 7], "3": [np.nan, 0, 0, 0]}
    bulk = official.join(*tables_of({"1": 0.1, "2": 0.2}, expression, ["A", "B"]))
    assert bulk.var_names.tolist() == ["G1", "G2", "G4"]
    np.testing.assert_allclose(bulk.X.mean(1), 0, atol=1e-6)


def test_nothing_in_common_is_an_error():
    with pytest.raises(Unlike, match=r"expected lines that have .*\['1'\] and \['2'\]"):
        official.join(*tables_of({"1": 0.1}, {"2": [1, 2]}, ["A"]))
    with pytest.raises(Unlike, match="expected genes that are measured in all 1 lines"):
        official.join(*tables_of({"1": 0.1}, {"1": [np.nan, np.nan]}, ["A"]))


@pytest.mark.parametrize("source", SOURCES)
def test_form_is_that_of_gdsc(mirror, truth, source, monkeypatch, tmp_path):
    """Fetched from a mirror, as a study would."""
    monkeypatch.setenv("BULK2SC_MIRROR", str(mirror))
    monkeypatch.setenv("BULK2SC_CACHE", str(tmp_path))
    bulk = datasets.load_bulk(source)
    assert bulk.n_obs == truth.n_obs - 4 and not {"KMH2", "TT"} & set(bulk.obs_names)
    np.testing.assert_allclose(bulk.X.std(1), 1, atol=1e-5)
    assert list(bulk.uns["drugs"]) == sorted(made.DRUGS) and bulk.uns["release"] == SOURCES[source]
    assert bulk.uns["source"].startswith("gdsc-8.5 and ") and list(bulk.obs) == ["cell_line"]
    assert list(bulk.var) == ["original"] and set(bulk.obsm) == {"auc", "ln_ic50"}
