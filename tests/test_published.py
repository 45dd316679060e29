import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

from bulk2sc import published as pub


@pytest.mark.parametrize("tp, tn", [(3, 2), (0, 5), (4, 0), (0, 0), (4, 5), (1, 4)])
def test_scores_are_those_of_scikit_learn(tp, tn):
    truth = np.repeat([1, 0], [4, 5])
    calls = np.repeat([1, 0, 0, 1], [tp, 4 - tp, tn, 5 - tn])
    expected = accuracy_score(truth, calls), f1_score(truth, calls), matthews_corrcoef(truth, calls)
    assert pub.scores_of(tp, tn, 4, 5) == pytest.approx(expected)


def test_constant_answers_by_hand():
    table = pd.DataFrame({"cells_source": ["a", "b"], "sensitive": [3, 1], "resistant": [1, 1]})
    found = pub.constant_answers(table)
    assert found["accuracy"].tolist() == [0.75, 0.25, 0.5, 0.5]
    assert found["f1"].tolist() == pytest.approx([6 / 7, 0, 2 / 3, 0])
    ways = pub.means_of_constants(found)
    assert ways["sensitive"].tolist() == ["a, b", "a", "b", ""]
    assert ways["accuracy"].tolist() == [0.625, 0.625, 0.375, 0.375]
    assert ways["f1"].tolist() == pytest.approx([(6 / 7 + 2 / 3) / 2, 3 / 7, 1 / 3, 0])


def test_what_the_paper_prints_of_its_svm_is_the_constant_answer():
    constants = pub.constant_answers(pub.published("table1"))
    cisplatin = constants.iloc[0]
    assert (round(cisplatin["accuracy"], 3), round(cisplatin["f1"], 3)) == (0.730, 0.844)
    ways = pub.means_of_constants(constants).round(3)
    assert len(ways) == 32
    assert ((ways["accuracy"] == 0.604) & (ways["f1"] == 0.302)).sum() == 1
    mean = constants[constants["answer"] == "all sensitive"][["accuracy", "f1"]].mean()
    assert mean.round(3).tolist() == [0.488, 0.641]
    assert ways["accuracy"].max() == 0.624  # the larger class of each data set


def printed_and_counts():
    counts = pub.published("table1").set_index("cells_source").loc["GSE117872", ["sensitive", "resistant"]]
    return pub.published("cisplatin"), counts.astype(int).tolist()


def test_what_the_paper_prints_of_its_model_on_cisplatin_is_no_better_than_chance():
    printed, counts = printed_and_counts()
    assert round(counts[0] / sum(counts), 2) == 0.73
    row = pub.implied(printed[printed["method"] == "GO"], *counts).iloc[0]
    assert (row["accuracy"], row["f1"]) == (0.726, 0.841)
    assert -0.06 < row["mcc_lowest"] < row["mcc_highest"] < 0.06 and row["called_sensitive"] > 0.98


def test_the_matrix_behind_two_scores_is_found():
    accuracy, f1, mcc = pub.scores_of(700, 100, 950, 352)
    found = pub.nearest_matrices(float(accuracy), float(f1), 950, 352)
    assert found.loc[0, ["tp", "tn"]].tolist() == [700, 100]
    assert found.loc[0, "mcc"] == pytest.approx(mcc)
    assert found.loc[0, "positive_rate"] == pytest.approx((700 + 252) / 1302)
    assert found["distance"].is_monotonic_increasing and found["distance"].max() <= 1 / 1302


def test_scores_that_no_matrix_has():
    found = pub.nearest_matrices(0.4545, 0.3393, 950, 352)  # Table 3, adv AE
    assert len(found) == 1 and found["distance"].item() > 0.02


def test_implied_answers_are_those_of_the_nearest_matrices():
    printed = pd.DataFrame(
        {"where": ["here"], "method": ["a"], "accuracy": [0.75], "f1": [6 / 7], "decimals": 3}, [0]
    )
    row = pub.implied(printed, 3, 1).iloc[0]  # all sensitive, or 1 of 4 cells off
    matrices = pub.nearest_matrices(0.75, 6 / 7, 3, 1)
    assert (row["called_sensitive"], row["distance"]) == (1, pytest.approx(0))
    assert (row["mcc_lowest"], row["mcc_highest"]) == (matrices["mcc"].min(), matrices["mcc"].max())


@pytest.mark.parametrize(("within", "kept"), [(0, {(3, 0)}), (1, {(3, 0), (2, 0), (2, 1), (3, 1)})])
def test_matrices_are_kept_within_so_many_cells(within, kept):
    matrices = pub.nearest_matrices(0.75, 6 / 7, 3, 1, within=within)  # printed: all sensitive
    assert set(zip(matrices["tp"], matrices["tn"], strict=True)) == kept
