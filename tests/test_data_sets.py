"""Several data sets beside each other, worked out by hand."""

import numpy as np
import pandas as pd
import pytest
import small_book
from anndata import AnnData
from scipy.stats import ttest_rel

from bulk2sc import evaluate, pl
from bulk2sc.errors import Bulk2scError
from bulk2sc.experiments import data_sets
from bulk2sc.settings import load_edition
from bulk2sc.study import Study, input_files


@pytest.fixture
def table():
    values = {"A": [0.5, 0.6, 0.7], "B": [0.5, np.nan, 0.9]}
    rows = [(m, -1, "auroc", v, f"set {i}") for m, row in values.items() for i, v in enumerate(row)]
    rows += [("A", 0, "auroc", 0.0, "set 0")]  # a single seed does not count
    return pd.DataFrame(rows, columns=["method", "seed", "metric", "value", "study"])


def test_means_with_t_intervals_over_data_sets(table):
    a, b = data_sets.means(table).to_dict("records")
    assert (a["mean"], a["n"], b["mean"], b["n"]) == (pytest.approx(0.6), 3, pytest.approx(0.7), 2)
    half = (
        4.302653 * 0.1 / np.sqrt(3)
    )  # the t quantile of two degrees of freedom, a standard deviation of 0.1
    assert (a["low"], a["high"]) == (pytest.approx(0.6 - half), pytest.approx(0.6 + half))
    assert np.isnan(b["low"]) and np.isnan(b["high"])


def test_every_data_set_is_drawn_in_its_own_row_and_the_mean_beside(table):
    more = table[table["study"] == "set 1"]
    table = pd.concat([table, *(more.assign(study=f"more {i}") for i in range(9))])
    ax = pl.over_studies(table, data_sets.means(table), "auroc", chance=0.5, order=["B", "A"])
    drawn = {c.get_label(): c.get_offsets() for c in ax.collections if not c.get_label().startswith("_")}
    assert set(drawn) == {"mean", *table["study"]}
    assert drawn["set 2"].tolist() == [[0.9, 0], [0.7, 1]]
    assert drawn["mean"][1, 0] == pytest.approx(0.6)


def test_differences_are_paired_over_data_sets_and_corrected(table):
    c = pd.DataFrame({"method": "C", "seed": -1, "metric": "auroc", "value": [0.4, 0.45, 0.65]})
    d = c.assign(method="D", value=[0.4, 0.5, 0.6])  # A minus 0.1: the same everywhere
    rows = pd.concat([table, c.assign(study=["set 0", "set 1", "set 2"]), d.assign(study=table["study"][:3])])
    found = data_sets.differences(rows, [("A", "C"), ("C", "A"), ("A", "B"), ("A", "D")]).reset_index()
    test = ttest_rel([0.5, 0.6, 0.7], [0.4, 0.45, 0.65])
    assert found["value"].tolist() == pytest.approx([0.1, -0.1, -0.1, 0.1])
    assert found["p"][:2].tolist() == pytest.approx([test.pvalue] * 2)
    assert found.loc[0, ["low", "high"]].tolist() == pytest.approx(list(test.confidence_interval()))
    assert found["holm"][:2].tolist() == pytest.approx([2 * test.pvalue] * 2)  # two could be tested
    assert found["n"].tolist() == [3, 3, 2, 3]
    assert found.loc[2:, ["low", "high", "p", "holm"]].isna().all(axis=None)
    assert data_sets.differences(table, []).empty
    same = data_sets.differences(rows, [("A", "C")], shared=0.5)
    assert same[["low", "high", "p", "holm"]].isna().all(axis=None) and same["value"].notna().all()


def test_data_sets_of_the_same_lines_are_told():
    lines = {"one": "ABCD", "two": "CDEF", "three": "ABCX"}
    tables = [
        pd.DataFrame({"study": s, "cell_line": list(names), "truth": [1, 0, 1, np.nan]})
        for s, names in lines.items()
    ]
    assert data_sets.shared_lines(pd.concat(tables)) == 1.0  # A, B and C are judged in two
    assert data_sets.shared_lines(pd.concat(tables[:2])) == pytest.approx(1 / 3)
    assert data_sets.shared_lines(tables[0]) == 0


def test_data_sets_are_judged_one_by_one_whatever_their_cells_are_called():
    rng, tables, expected = np.random.default_rng(0), [], []
    for study, n in (("a: x", 40), ("b: y", 60)):
        obs = pd.DataFrame({"cell_line": np.tile([*"pqrstuvw"], n)[:n], "truth": np.tile([1.0, 0.0], n)[:n]})
        cells = AnnData(obs=obs.set_index(obs.index.astype(str)))
        scores = pd.DataFrame({"method": "m", "seed": 0, "cell": range(n), "score": rng.random(n)})
        tables.append(data_sets.with_answers(scores, cells, study=study))
        scores = scores.astype({"cell": str})
        expected.append(evaluate.judge(scores, cells, n_draws=30).assign(study=study))
    joined = {name: pd.concat([one[name] for one in tables]) for name in ("scores", "cells")}
    pd.testing.assert_frame_equal(data_sets.judge(joined, n_draws=30), pd.concat(expected, ignore_index=True))


# ------------------------------------------------------------------------------------ made part by part

TINY = {"n_hvg": 200, "resource": "hallmark", "min_pathway_genes": 3, "hidden": 16, "max_epochs": 2}
TINY |= {"methods": ["shared AE", "ridge", "all sensitive"], "study_seeds": 1, "study_cells": 220}
DRUGS = ["Lapatinib", "Cisplatin"]


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("BULK2SC_ROOT", str(tmp_path))
    monkeypatch.delenv("BULK2SC_RESULTS", raising=False)
    small_book.write_book(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_parts_are_what_a_plain_loop_finds(root, monkeypatch):
    of_drugs = Study("small", study_drugs=DRUGS, **TINY).read("drug_scores")
    of_sets = Study("small", studies={"simulated": "Cisplatin"}, n_cells=220, **TINY).read("study_scores")
    monkeypatch.setenv("BULK2SC_RESULTS", str(root / "plain"))
    judged = {}
    for drug in DRUGS:
        plain = Study("small", **TINY | {"drug": drug, "n_cells": 220, "n_seeds": 1})
        judged[drug] = evaluate.judge(plain.read("scores"), plain.read("pair")[1], n_draws=20)
    expected = pd.concat([found.assign(study=drug) for drug, found in judged.items()], ignore_index=True)
    pd.testing.assert_frame_equal(data_sets.judge(of_drugs, n_draws=20), expected)
    alone = judged["Cisplatin"].assign(study="simulated: Cisplatin")
    pd.testing.assert_frame_equal(data_sets.judge(of_sets, n_draws=20), alone)


def test_parts_follow_their_own_data_and_settings_and_nothing_else(root):
    def stamp(part="mine.h5ad: Lapatinib", **settings):
        return Study("small", **TINY | settings).stamp("study_scores", part)

    (root / "mine.h5ad").write_text("one")
    first = stamp()
    assert stamp(drug="Cisplatin", cells_source="mine.h5ad", study_cells=9, n_cells=200) == first
    assert stamp(studies={"other": "Cisplatin"}) == first  # how many others there are
    changed = [
        stamp("mine.h5ad: Cisplatin"),
        stamp("simulated: Lapatinib"),
        stamp(study_seeds=2),
        stamp(k=0.2),
    ]
    (root / "mine.h5ad").write_text("another")
    assert first not in [*changed, stamp()]
    assert input_files({"studies": {"mine.h5ad": "Lapatinib"}}) != {}


def test_data_sets_and_drugs_are_parts_of_a_build(root):
    edition = load_edition("small", root)
    study = Study(edition.name, studies={"a": "x", "b": "x: y"}, study_drugs=["u", "v", "u"])
    assert study.missing("study_scores") == ["a: x", "b: x: y"] and study.missing("drug_scores") == ["u", "v"]
    none = Study("small")
    assert none.missing("study_scores") == none.missing("drug_scores") == []
    with pytest.raises(Bulk2scError, match="'drug_scores' has no part: setting 'study_drugs' lists nothing"):
        none.read("drug_scores")
