import inspect

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from bulk2sc import labels, steps
from bulk2sc.errors import Bulk2scError
from bulk2sc.labels import rules

NAN = np.nan


@pytest.fixture
def bulk():
    """30 lines; Alpha's AUC rises with the number of the line, Beta's falls and 12 lines are untested."""
    lines = [f"L{i:02d}" for i in range(30)]
    alpha = np.arange(30) / 100
    beta = np.where(np.arange(30) < 12, NAN, 1 - alpha)
    tied = np.full(30, 0.5)
    auc = np.stack([alpha, beta, tied], axis=1).astype("float32")
    return AnnData(
        np.zeros((30, 2), "float32"),
        obs=pd.DataFrame(index=lines),
        obsm={"auc": auc, "ln_ic50": -auc},
        uns={"drugs": ["Alpha", "Beta", "Gamma"]},
    )


# --- lines -------------------------------------------------------------------------------------------------


def test_tails_by_hand():
    values = np.random.default_rng(0).permutation(np.arange(100.0))
    assert labels.tails(values, 0.3) == (29.0, 70.0)
    assert labels.tails(values, 0.29) == (28.0, 71.0)  # 0.29 * 100 is 28.999... in floating point
    assert labels.tails(values, 0.305) == (29.0, 70.0)  # a part of a line is rounded down
    assert labels.tails(np.append(values, [NAN, NAN]), 0.3) == (29.0, 70.0)


def test_lines_tied_with_a_threshold_share_its_label():
    values = np.array([0.1] * 4 + [0.2] * 5 + list(np.linspace(0.3, 0.9, 10)) + [1.0])
    response = labels.respond(values, *labels.tails(values, 0.25))  # the fifth lowest is one of five at 0.2
    np.testing.assert_array_equal(response[:9], 1)
    assert (response == 0).sum() == 5


def test_too_few_lines_name_the_drug(bulk):
    with pytest.raises(Bulk2scError, match="Only 18 lines were tested with Beta"):
        labels.label_bulk(bulk, drug="Beta")


def test_tails_that_meet_name_the_drug(bulk):
    with pytest.raises(Bulk2scError, match=r"tails of Gamma meet at 0\.5"):
        labels.label_bulk(bulk, drug="Gamma")


def test_unknown_drug_and_measure_get_suggestions(bulk):
    with pytest.raises(Bulk2scError, match=r"Unknown drug 'alpa'.*Did you mean 'Alpha'"):
        labels.label_bulk(bulk, drug="alpa")
    with pytest.raises(Bulk2scError, match=r"measure 'ic50' is unknown.*Did you mean 'ln_ic50'"):
        labels.label_bulk(bulk, drug="Alpha", measure="ic50")


def test_label_bulk(bulk):
    labelled = labels.label_bulk(bulk, drug="Alpha", k=0.1)
    np.testing.assert_array_equal(np.flatnonzero(labelled.obs["response"] == 1), [0, 1, 2])
    np.testing.assert_array_equal(np.flatnonzero(labelled.obs["response"] == 0), [27, 28, 29])
    assert labelled.obs["response"].isna().sum() == 24
    np.testing.assert_allclose(labelled.obs["auc"], np.arange(30) / 100)
    assert labelled.uns["labels"] == {
        "drug": "Alpha",
        "k": 0.1,
        "measure": "auc",
        "low": pytest.approx(0.02),
        "high": pytest.approx(0.27),
    }
    assert "response" not in bulk.obs


def test_label_bulk_by_ic50_keeps_the_auc(bulk):
    labelled = labels.label_bulk(bulk, drug="Alpha", k=0.1, measure="ln_ic50")
    np.testing.assert_array_equal(np.flatnonzero(labelled.obs["response"] == 1), [27, 28, 29])
    np.testing.assert_allclose(labelled.obs["auc"], np.arange(30) / 100)
    np.testing.assert_allclose(labelled.obs["ln_ic50"], -np.arange(30) / 100)


# --- truth of cells ----------------------------------------------------------------------------------------


def cells_of(lines, **obs):
    names = [f"c{i}" for i in range(len(lines))]
    return AnnData(
        np.zeros((len(lines), 2), "float32"), obs=pd.DataFrame({"cell_line": lines, **obs}, index=names)
    )


def test_truth_is_by_the_other_lines_thresholds(bulk):
    # Held out: L00 L01 L02 L15 L29. The other 25 have tails of 2: low .04 (L03, L04), high .27 (L27, L28).
    cells = cells_of(["L00", "L29", "L15", "L01", "L02", "L00", None, "UNKNOWN"])
    truth = labels.truth_from_lines(cells, bulk, "Alpha", 0.1).obs["truth"]
    np.testing.assert_array_equal(truth, [1, 0, NAN, 1, 1, 1, NAN, NAN])
    assert "truth" not in cells.obs


@pytest.mark.parametrize(("auc", "response"), [(0.079, 1), (0.081, NAN)])
@pytest.mark.parametrize("others", [(-9, -8), (7, 8), (NAN, NAN)])
def test_answers_of_held_out_lines_do_not_move_the_thresholds(bulk, auc, response, others):
    # Without L05, L10 and L28, the eighth lowest of 27 is L08 with 0.08.
    cells = cells_of(pd.Categorical(["L10", "L28"]))
    cells.uns["held_out"] = ["L05", "L10", "L28"]
    bulk.obsm["auc"][[5, 28], 0] = others
    bulk.obsm["auc"][10, 0] = auc
    got = labels.truth_from_lines(cells, bulk, "Alpha", 0.3).obs["truth"].iloc[0]
    np.testing.assert_equal(got, response)


# --- labels of cells ---------------------------------------------------------------------------------------


def test_intrinsic_resistance_by_hand():
    # 8 control, 4 treated. Cluster 0: 1 of 8 against 4 of 4, share 1 / 1.125 = 0.89. Cluster 1: control only.
    obs = pd.DataFrame({"treated": [False] * 8 + [True] * 4, "cluster": list("01111111") + list("0000")})
    assert labels.mark_intrinsic_resistance(obs, dominance=0.8).tolist() == [True] + [False] * 11
    assert not labels.mark_intrinsic_resistance(obs, dominance=0.9).any()


def test_a_mixed_cluster_is_not_dominated_however_unequal_the_samples():
    obs = pd.DataFrame({"treated": [False] * 2 + [True] * 18, "cluster": ["0"] * 20})
    assert not labels.mark_intrinsic_resistance(obs, dominance=0.51).any()
    assert labels.mark_intrinsic_resistance(obs, dominance=0.5).tolist() == [True] * 2 + [False] * 18


@pytest.fixture
def treated_cells():
    """90 cells in three clusters; the third has T-cell markers. 5 control cells lie with treated ones."""
    rng = np.random.default_rng(0)
    genes = ["CD3D", "CD3E", "CD2", "COL1A1", "DCN"] + [f"g{i}" for i in range(195)]
    X = np.log1p(rng.poisson(1.0, size=(90, 200))).astype("float32")
    X[:, :5] = 0
    X[75:, :3] = 3
    X[0, 3] = 5  # one cell with one marker makes no fibroblast cluster
    cluster = ["control"] * 30 + ["treated"] * 45 + ["normal"] * 15
    treated = [False] * 30 + [False] * 5 + [True] * 40 + [True, False, False] * 5
    obs = pd.DataFrame(
        {"cluster": pd.Categorical(cluster), "treated": treated}, index=[f"c{i}" for i in range(90)]
    )
    return AnnData(X, obs=obs, var=pd.DataFrame(index=genes))


def test_labels_in_three_steps(treated_cells):
    labelled = labels.label_cells(treated_cells)
    obs = labelled.obs
    np.testing.assert_array_equal(obs["response_unfiltered"], 1.0 - obs["treated"])
    np.testing.assert_array_equal(obs["response"], [1] * 30 + [NAN] * 5 + [0] * 40 + [NAN] * 15)
    assert obs["label_reason"].value_counts().to_dict() == {
        "control": 30,
        "control, in a cluster of treated cells": 5,
        "treated": 40,
        "normal: T cell": 15,
    }
    assert "response" not in treated_cells.obs


def test_labels_do_not_depend_on_the_truth(treated_cells):
    before = labels.label_cells(treated_cells).obs
    treated_cells.obs["truth"] = np.random.default_rng(0).integers(0, 2, 90)
    after = labels.label_cells(treated_cells).obs
    pd.testing.assert_frame_equal(after[before.columns], before)


def test_without_a_treated_sample_the_response_is_the_truth():
    cells = cells_of(["A", "B", "C"], truth=[1.0, 0.0, NAN])
    obs = labels.label_cells(cells).obs
    np.testing.assert_array_equal(obs["response"], [1, 0, NAN])
    np.testing.assert_array_equal(obs["response_unfiltered"], [1, 0, NAN])
    assert (obs["label_reason"] == "line").all()


def test_cells_of_which_nothing_is_known_have_no_response():
    obs = labels.label_cells(cells_of(["A", "B"])).obs
    assert obs["response"].isna().all() and obs["response_unfiltered"].isna().all()
    assert (obs["label_reason"] == "not named by the rule").all()


def rule_of(**form):
    """A rule of one form: arms by obs["treated"], steps as given."""
    arms = rules.Arms(column="treated", control=["False"], treated=["True"], reference="us")
    return rules.Rule(
        name="ours.yml", text="", title="ours", forms=[rules.Form(about="cells", **{"arms": arms} | form)]
    )


def test_a_rule_without_dominance_and_markers_excludes_nobody(treated_cells):
    obs = labels.label_cells(treated_cells[:, 5:].copy(), rule_of()).obs
    np.testing.assert_array_equal(obs["response"], 1.0 - obs["treated"])
    assert set(obs["label_reason"]) == {"control", "treated"}
    del treated_cells.obs["cluster"]
    labels.label_cells(treated_cells, rule_of())  # clusters decide nothing, so none are needed


def test_literature_goes_before_arm_and_step_1_but_not_before_step_2(treated_cells):
    # c0: control, c31: control among treated, c40: treated, c75: a normal cell; what is said contradicts all.
    said = {"c0": "R", "c31": "R", "c40": "S", "c75": "S"}
    treated_cells.obs["said"] = treated_cells.obs_names.map(said)
    literature = rules.Literature(column="said", sensitive=["S"], resistant=["R"], reference="Somebody 1999")
    rule = rule_of(dominance=0.8, markers=labels.MARKERS, literature=literature)
    obs = labels.label_cells(treated_cells, rule).obs
    np.testing.assert_array_equal(obs.loc[list(said), "response"], [0, 0, 1, NAN])
    np.testing.assert_array_equal(obs.loc[list(said), "response_unfiltered"], [0, 0, 1, 1])
    assert obs.loc[list(said), "label_reason"].tolist() == ["literature: Somebody 1999"] * 3 + [
        "normal: T cell"
    ]
    others = ~obs.index.isin(list(said))
    before = labels.label_cells(treated_cells).obs
    pd.testing.assert_series_equal(obs["response"][others], before["response"][others])


def test_literature_alone_labels_whom_it_names():
    cells = cells_of(["A", "B", "C"], kind=["par", "br", None])
    literature = rules.Literature(column="kind", sensitive=["par"], resistant="others", reference="us")
    obs = labels.label_cells(cells, rule_of(arms=None, literature=literature)).obs
    np.testing.assert_array_equal(obs["response"], [1, 0, NAN])
    np.testing.assert_array_equal(obs["response_unfiltered"], [1, 0, NAN])
    assert obs["label_reason"].tolist() == ["literature: us", "literature: us", "not named by the rule"]


def test_cells_that_the_rule_leaves_out_or_that_lack_a_level_leave_the_data():
    cells = cells_of(list("ABCDE"), day=[0, 14, 0.25, NAN, 0])
    arms = rules.Arms(column="day", control=["0"], treated=["14"], left_out=["0.25"], reference="us")
    labelled = labels.label_cells(cells, rule_of(arms=arms))
    assert labelled.obs["cell_line"].tolist() == ["A", "B", "E"]
    assert labelled.obs["treated"].dtype == bool and labelled.obs["treated"].tolist() == [False, True, False]
    np.testing.assert_array_equal(labelled.obs["response"], [1, 0, 1])
    assert labelled.uns["rule"]["left out"] == 2 and cells.n_obs == 5


# --- bad input ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dominance", [-1, 0.49, 1.01, NAN])
def test_dominance_out_of_range(treated_cells, dominance):
    with pytest.raises(Bulk2scError, match=r"a share that dominates is 0\.5 to 1"):
        labels.label_cells(treated_cells, dominance=dominance)


def test_a_class_that_exclusion_uses_up_is_an_error(treated_cells):
    treated_cells.obs["cluster"] = np.where(treated_cells.obs["treated"], "treated", "control")
    treated_cells.X[:, :3] = np.where(treated_cells.obs["treated"], 0, 3)[:, None]
    message = r"generic.yml, dominance=0.8.*every sensitive cell is excluded \(45 normal: T cell\); raise"
    with pytest.raises(Bulk2scError, match=message):
        labels.label_cells(treated_cells)
    treated_cells.X[:, :3] = 3
    with pytest.raises(Bulk2scError, match=r"every cell is excluded \(90 normal: T cell\)"):
        labels.label_cells(treated_cells)


def test_a_study_labels_as_this_module_does():
    ours = inspect.signature(labels.label_cells).parameters
    studys = inspect.signature(steps.labelled).parameters
    assert {name: studys[name].default for name in ("dominance", "min_score")} == {
        name: ours[name].default for name in ("dominance", "min_score")
    }
