import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

from bulk2sc import prose
from bulk2sc import published as pub
from bulk2sc.errors import Bulk2scError


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
    row = pub.implied(pub.full_model(printed).head(1), *counts).iloc[0]
    assert (row["accuracy"], row["f1"]) == (0.726, 0.841)
    assert -0.06 < row["mcc_lowest"] < row["mcc_highest"] < 0.06 and row["called_sensitive"] > 0.98


def test_what_is_left_of_the_mean_without_cisplatin():
    five, table1 = pub.published("five_sets").set_index("method"), pub.published("table1")
    model = pub.full_model(pub.published("cisplatin")).iloc[0]
    rest = pub.mean_of_others(five.loc["the paper's model"], model[["accuracy", "f1"]], len(table1))
    assert rest["accuracy"] == pytest.approx(0.6535) and rest["f1"] == pytest.approx(0.63475)
    others = pub.constant_answers(table1[table1["cells_source"] != "GSE117872"])
    text = prose.without_one_set(rest, others, "the model", one="cisplatin")
    assert text == (
        "Without cisplatin, the means of the model are about 0.654 accuracy, above the 0.598 of the better "
        "constant of each data set left, and 0.635 F1, above the 0.591 of *all sensitive*."
    )
    assert "0.500 accuracy, not above the 0.598" in (
        low := prose.without_one_set(rest * 0 + 0.5, others, "the model", one="cisplatin")
    )
    assert "0.500 F1, not above the 0.591" in low


def test_two_tables_disagree_about_the_same_model():
    printed, counts = printed_and_counts()
    twice = pub.full_model(printed)
    assert twice["accuracy"].tolist() == [0.726, 0.713]
    text = prose.twice_printed(twice, counts)
    assert "different scores: 0.726 / 0.841 (Table 2, GO) and 0.713 / 0.831 (Table 3, share AE +" in text
    assert text.endswith("about 17 of 1302 cells.")
    rounded = twice.assign(accuracy=[0.713, 0.7130], f1=[0.831, 0.8308])
    assert "twice, with the same scores: 0.713" in prose.twice_printed(rounded, counts)


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


def test_flips_between_constant_answers():
    assert pub.share_of_flips(0.75, 3, 1) == pytest.approx((1, 6 / 7))
    assert pub.share_of_flips(0.5, 3, 1) == pytest.approx((0.5, 3 / 7))
    assert pub.share_of_flips(0.9, 3, 1)[0] > 1
    assert np.isnan(pub.share_of_flips(0.5, 2, 2)[0])


def test_every_published_data_set_is_one_of_the_editions():
    assert pub.published("cisplatin")[["accuracy", "f1"]].to_numpy().max() < 1
    assert len(pub.published("five_sets")) == 7
    with pytest.raises(Bulk2scError, match="no table 'table9'; there are table1, five_sets, cisplatin"):
        pub.published("table9")


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
