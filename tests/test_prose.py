"""Numbers that sentences state, and what decides between them: corrected p, intervals. Not the wording."""

import numpy as np
import pandas as pd
import pytest

from bulk2sc import prose

NAN = np.nan
UP, DOWN = {"value": 0.1, "low": 0.05, "high": 0.15}, {"value": -0.1, "low": -0.15, "high": -0.05}


def table(*rows):
    return pd.DataFrame(rows, columns=["method", "seed", "metric", "value", "low", "high"])


# ---------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (prose.listing([]), "none"),
        (prose.listing(list("abc")), "a, b and c"),
        (prose.percent(0.004), "0.4 %"),
        (prose.percent(0.996), "99.6 %"),
        (prose.percent(1 - 1e-12), "100 %"),
        (prose.share(45, 50), "45 of 50 (90 %, 95 % interval 79 % to 96 %)"),  # Wilson's
        (prose.share(0, 0), "0 of 0"),
        (prose.interval(-0.001, -0.002, 0.01), "0.00 (95 % interval 0.00 to 0.01)"),  # zero has no sign
    ],
)
def test_numbers_in_words(said, expected):
    assert said == expected


def test_tables_show_means_with_intervals_and_leave_out_what_is_not_known():
    rows = table(("a", -1, "auroc", 0.7, 0.6, 0.8), ("a", 0, "auroc", 0.9, NAN, NAN))
    rows = pd.concat([rows, table(("b", -1, "auroc", 0.5, 0.5, 0.5), ("c", -1, "auroc", NAN, NAN, NAN))])
    shown = prose.with_intervals(rows, ["auroc"], ["b", "a", "c"])["AUROC"].to_dict()
    assert shown == {"b": "0.50 (0.50 to 0.50)", "a": "0.70 (0.60 to 0.80)", "c": ""}
    numbers = prose.rounded(pd.DataFrame({"a": [0.12349, NAN]}))
    assert numbers["a"].tolist() == ["0.123", ""]


def test_written_drops_what_is_the_same_or_empty_and_names_the_mean():
    rows = pd.DataFrame({"metric": ["f1", "f1"], "value": [0.123456, NAN], "seed": [0, -1], "high": NAN})
    shown = prose.written(rows.assign(method="LR", edition="e", chapter="c", dataset="d", drug="Cisplatin"))
    assert list(shown) == ["value"] and list(shown["value"]) == ["0.1235", ""]
    assert list(shown.index.get_level_values("seed")) == ["0", "mean"]


# ---------------------------------------------------------------------------------------- decisions


@pytest.mark.parametrize(
    ("gap", "decision"),
    [
        (UP, "ahead"),
        (DOWN, "behind"),
        (UP | {"p": 0.04}, "ahead"),
        (UP | {"p": 0.05}, "cannot be told apart"),
        (UP | {"low": -0.01}, "cannot be told apart"),
        (UP | {"low": NAN, "high": NAN}, "too few"),
        ({"value": NAN, "low": NAN, "high": NAN}, "needs answers of both classes"),
    ],
)
def test_a_difference_needs_its_interval_and_the_correction(gap, decision):
    assert decision in prose.difference("a", "b", gap)


def test_degenerate_runs_are_counted_and_constant_answers_left_out():
    rows = table(*(("SVM", seed, "degenerate", seed, NAN, NAN) for seed in (0, 1)))
    said = prose.degenerate(pd.concat([rows, table(("all sensitive", 0, "degenerate", 1.0, NAN, NAN))]))
    assert "SVM (1 of 2 runs)" in said and "all sensitive (" not in said


@pytest.mark.parametrize("question", ["estimated", "skill", "entropy"])
def test_sides_of_zero(question):
    rows = pd.DataFrame({"method": ["u", "d", "x"], "value": [1, -1, 0], "low": [0.5, -1.5, -1]})
    rows = rows.assign(high=[1.5, -0.5, 1], p=[0.04, 0.04, 0.9])
    above, below, unclear = prose.sides(rows, question).split(". ")
    assert above.endswith("u (+1.000)") and below.endswith("d (-1.000)") and unclear.endswith("x (+0.000).")
    assert len(prose.sides(rows.assign(p=0.06), question).split(". ")) == 1


def test_a_contrast_of_few_dimensions_knows_the_smallest_p():
    assert "too few for any" in prose.contrast(pd.Series([0.1, 0.9]), 3, 3)  # 2 / 20
    said = prose.contrast(pd.Series([0.02, 0.9], ["A", "B"]), 4, 4)
    assert "1 of the 2 dimensions" in said and "A (0.02)" in said
