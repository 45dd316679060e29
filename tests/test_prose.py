"""Numbers that sentences state, and what decides between them: corrected p, intervals. Not the wording."""

import numpy as np
import pandas as pd
import pytest

from bulk2sc import prose

NAN = np.nan
UP, DOWN = {"value": 0.1, "low": 0.05, "high": 0.15}, {"value": -0.1, "low": -0.15, "high": -0.05}


def table(*rows):
    return pd.DataFrame(rows, columns=["method", "seed", "metric", "value", "low", "high"])


def gaps(**rows):
    return pd.DataFrame(rows, index=["value", "low", "high", "p"]).T


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


def test_better_or_worse_than_a_constant_answer_goes_by_the_interval():
    said = prose.above_chance(
        table(
            ("good", -1, "auroc", 0.7, 0.6, 0.8),
            ("bad", -1, "auroc", 0.3, 0.2, 0.4),
            ("unclear", -1, "auroc", 0.6, 0.4, 0.8),
        )
    )
    better, worse = said.split("Worse")
    assert "good" in better and "bad" in worse and "unclear" not in said


def test_degenerate_runs_are_counted_and_constant_answers_left_out():
    rows = table(*(("SVM", seed, "degenerate", seed, NAN, NAN) for seed in (0, 1)))
    said = prose.degenerate(pd.concat([rows, table(("all sensitive", 0, "degenerate", 1.0, NAN, NAN))]))
    assert "SVM (1 of 2 runs)" in said and "all sensitive (" not in said


@pytest.mark.parametrize(("p", "clear"), [(0.04, True), (0.06, False)])
def test_what_is_not_clear_after_correction_is_not_called_clear(p, clear):
    row = gaps(a=(0.1, 0.05, 0.15, p))
    assert ("no step changes" not in prose.added(row, "cells")) == clear
    assert ("neither schedule" not in prose.better_schedule(row, "cells")) == clear
    assert ("no difference" not in prose.harder_to_tell(row.assign(auroc=0.7))) == clear
    assert ("no difference" not in prose.parts_that_matter({"a": row.loc["a"]}, {"a": "A"}, "Here")) == clear
    assert ("no rise" not in prose.leakage("ridge", row.loc["a"])) == clear
    tests = row.assign(setting="dropout", setting_value=0.9)
    assert ("None of" not in prose.told_apart(tests)) == clear
    choice = prose.choice("n_hvg", pd.Series([0.7, 0.8], [2, 4]), 2, row.loc["a"])
    assert ("cannot be told apart" not in choice) == clear
    tests = row.rename_axis("first").reset_index()
    assert ("can be told apart" not in prose.told_from("the cells", "chance", tests)) == clear


@pytest.mark.parametrize(
    ("reaching", "n", "clear"), [(3, 99, True), (4, 99, False), (0, 20, True), (0, 19, False)]
)
def test_single_shuffles_must_seldom_reach_a_model_that_is_clear_of_their_mean(reaching, n, clear):
    shuffles = np.r_[np.full(reaching, 0.99), np.linspace(0.2, 0.29, n - reaching)]
    full, mean = {"value": 0.8, "low": 0.7, "high": 0.9}, {"value": 0.5, "low": 0.48, "high": 0.52}
    gap = {"value": 0.3, "low": 0.1, "high": 0.4}
    said = prose.clear_of_shuffled(*(row | {"p": 0.01} for row in (full, mean, gap)), shuffles)
    assert ("is not clear of the shuffled-label control" not in said) == clear


def test_a_contrast_of_few_dimensions_knows_the_smallest_p():
    assert "too few for any" in prose.contrast(pd.Series([0.1, 0.9]), 3, 3)  # 2 / 20
    said = prose.contrast(pd.Series([0.02, 0.9], ["A", "B"]), 4, 4)
    assert "1 of the 2 dimensions" in said and "A (0.02)" in said
