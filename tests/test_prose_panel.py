"""Every branch of the sentences about the drug panel."""

import pandas as pd
import pytest

from bulk2sc import pl, prose

NAMES = ["method", "input", "value", "low", "high", "null_low", "null_high", "p_best", "n_drugs"]


def judged(*rows):
    table = pd.DataFrame(rows, columns=NAMES)
    ends = {"without_low": table["value"] - 0.1, "without_high": table["value"] + 0.1}
    return table.assign(p=table["p_best"], **ends)


TWO = judged(
    ("a", "cells", 0.2, 0.1, 0.3, -0.3, 0.3, 0.1, 36),
    ("b", "cells", 0.4, 0.3, 0.5, -0.3, 0.3, 0.008, 36),
)


def test_who_is_ahead():
    text = prose.ahead_on_panel(TWO, what="discriminating drugs")
    assert text == (
        "Over 36 discriminating drugs, **b** is ahead with a mean rho of 0.40 (95 % interval 0.30 to 0.50) "
        "over drugs; permuted lines let the best of all methods get as far with p = 0.008. Beyond the 97.5 % "
        "point of its own permuted lines: 1 of 2 methods, constant answers aside, where chance alone would "
        "put 0.1 of them on average."
    )
    assert "get as far with p = 0.0014. " in prose.ahead_on_panel(TWO.assign(p_best=1 / 720), what="drugs")
    nothing = prose.ahead_on_panel(TWO[:0], what="drugs")
    assert nothing == "Over the drugs, only constant answers were asked, which rank nothing."
    nobody = prose.ahead_on_panel(TWO.assign(value=[0.0, -0.1]), what="drugs")
    assert prose.ahead_on_panel(TWO.assign(n_drugs=1), what="named drugs").startswith("Over 1 named drug, ")
    assert nobody.startswith("Over 36 drugs no method ranks the lines better than a constant answer")


def test_the_place_of_a_method():
    assert (
        "**a**, takes place 2 of 2, constant answers aside: 0.20 (95 % interval 0.10 to 0.30), within what"
        in prose.place_on_panel("a", TWO, role="The model")
    )
    assert "place 1 of 2" in (text := prose.place_on_panel("b", TWO, role="The model")) and "beyond" in text
    worst = prose.place_on_panel("a", TWO.assign(value=-0.5), role="The model")
    assert "below what permuted lines reach" in worst
    assert prose.place_on_panel("c", TWO, role="It") == "It, c, is not among the methods."


APART = "**a** cannot be told apart from b by this test: mean rho differs by"


@pytest.mark.parametrize(
    ("value", "low", "high", "p", "words"),
    [
        (
            0.1,
            0.05,
            0.2,
            0.033,
            "**a** beats b: mean rho differs by 0.100 (95 % interval 0.050 to 0.200), corrected p 0.033 by",
        ),
        (-0.1, -0.2, -0.05, 0.03, "**a** does not beat b but is behind it: mean rho differs by -0.100"),
        (0.003, -0.14, 0.15, 1.0, f"{APART} 0.003 (95 % interval -0.140 to 0.150), corrected p 1 by"),
        (0.1, -0.05, 0.2, 0.01, f"{APART} 0.100"),
        (-0.1, -0.2, 0.05, 0.01, f"{APART} -0.100"),
        (0.0, 0.0, 0.0, 1.0, f"{APART} 0.000"),
    ],
)
def test_who_beats_whom(value, low, high, p, words):
    row = {"first": "a", "second": "b", "value": value, "low": low, "high": high, "p_holm": p}
    text = prose.beats_on_panel(row | {"without_low": low, "without_high": high})
    assert text.startswith(words) and text.endswith("by permuted lines.")


@pytest.mark.parametrize(
    ("ends", "without", "where"),
    [
        ((0.05, 0.2), (0.06, 0.12), "ahead of"),
        ((-0.2, -0.05), (-0.12, -0.06), "behind"),
        ((-0.2, -0.05), (-0.12, 0.06), ""),  # one line decides
        ((-0.2, 0.05), (-0.12, -0.06), ""),  # the drugs decide
    ],
)
def test_what_the_permutation_leaves_open_the_interval_and_the_range_may_say(ends, without, where):
    row = {
        "first": "a",
        "second": "b",
        "value": sum(ends) / 2,
        "low": ends[0],
        "high": ends[1],
        "p_holm": 0.7,
    }
    text = prose.beats_on_panel(row | {"without_low": without[0], "without_high": without[1]})
    says = f" By the interval over drugs, and with any one line left out, it is {where} b." if where else ""
    assert text.startswith(APART) and text.endswith(f"corrected p 0.7 by permuted lines.{says}")


def test_how_small_a_p_value_can_be():
    text = prose.reach_of_orders(5, 120, 4)
    assert text == (
        "The 5 lines have 120 orders, so the smallest p-value is 0.0083, and 0.033 after Holm's correction "
        "for 4 comparisons."
    )
    assert prose.reach_of_orders(5, 120, 15).endswith("become clear, however large it is.")
    drawn = prose.reach_of_orders(20, 720, 1)
    assert "The 20 lines are dealt out in 720 orders" in drawn and drawn.endswith("for 1 comparison.")


def test_whether_one_line_decides():
    same = {"without_low": 0.1, "without_high": 0.3}
    assert prose.one_line_decides(same, what="it").endswith(
        "between 0.10 and 0.30: its sign hangs on no single line."
    )
    assert "no single line" in prose.one_line_decides({"without_low": -0.3, "without_high": -0.1}, what="it")
    either = prose.one_line_decides({"without_low": -0.1, "without_high": 0.3}, what="it")
    assert either.endswith("its sign hangs on a single line.")


def test_rivals_that_were_not_run_are_named():
    text = prose.rivals_not_run(["ridge CV", "GB", "XGBoost"], ["shared AE", "ridge CV"])
    assert text == "Named as rivals and not run in this edition: GB and XGBoost."
    assert prose.rivals_not_run(["ridge CV"], ["shared AE", "ridge CV"]) == ""


def test_degenerate_runs_of_the_panel():
    counts = pd.DataFrame({"runs": [36, 12], "same": [3, 0]}, index=["DT", "LR"])
    assert prose.degenerate_on_panel(counts).startswith(
        "Degenerate, that is, one score for the cells of all lines: DT (3 of 36 runs). A run is"
    )
    assert prose.degenerate_on_panel(counts.loc[["LR"]]).startswith("No run is degenerate")


def test_how_methods_are_trained():
    plain = "Every method runs one seed; networks train for at most 40 epochs."
    assert prose.how_trained({}, n_seeds=1, max_epochs=40) == plain
    text = prose.how_trained({"GB": {"bins": 32}, "RF": {"n_estimators": 200}}, n_seeds=3, max_epochs=9)
    assert "run 3 seeds" in text and text.endswith("elsewhere: GB has 32 bins a gene and RF has 200 trees.")


def test_penalties_in_words():
    text = prose.penalties_chosen([100, 1000, 1000, 31622.8], 3162.3, 2000.0)
    assert (
        "between 100 and 31,623, with a median of 1,000; 3 of 4 are below the reference 2,000 and 1 above"
        in text
    )
    assert text.endswith("best on average is 3,162.")


@pytest.mark.parametrize(
    ("top", "words"),
    [
        (-0.1, "ranks nothing (-0.10), so there is no ceiling"),
        (0.1, "0.10 on the lines' own bulk profiles and 0.20 on cells: with few lines that can be chance."),
        (0.2, "**a** reaches 0.20 on the lines' own bulk profiles and 0.20 on cells."),
        (0.5, "**a** reaches 0.50 on the lines' own bulk profiles and 0.20 on cells."),
    ],
)
def test_the_ceiling(top, words):
    table = pd.concat([TWO, judged(("a", "bulk", top, 0, 0, 0, 0, 0, 36))])
    text = prose.ceiling_reached(table, "cells", "bulk", "a")
    assert words in text and ("chance" in text) == (top == 0.1)


def test_better_and_worse_than_a_reference():
    gaps = pd.DataFrame(
        [
            ("a", 0.1, 0.05, 0.2, 0.01),
            ("b", -0.1, -0.2, -0.05, 0.01),
            ("c", 0.1, 0.05, 0.2, 0.3),
            ("d", -0.1, -0.2, 0.1, 0.9),
            ("e", -0.1, -0.2, -0.05, 0.9),
            ("f", -0.1, -0.2, -0.05, 0.9),
        ],
        columns=["first", "value", "low", "high", "p_holm"],
    )
    gaps = gaps.assign(without_low=gaps["low"], without_high=[*gaps["high"][:5], 0.01])
    assert prose.not_beaten(gaps, "r") == (
        "Clearly better than r by this test: a. Clearly worse: b. Ahead of it without being clear: c. Apart "
        "from that test, by the interval over drugs, and with any one line left out, ahead of it: a and c; "
        "behind it: b and e. That takes the lines as given and is not corrected for the number of methods."
    )


def test_tables_of_the_panel():
    both = pd.concat([TWO, judged(("a", "bulk", 0.5, 0, 0, 0, 0, 0, 36))])
    shown = prose.panel_table(both, "cells")
    assert list(shown.index) == ["b", "a"] and shown.loc["a", "bulk"] == 0.5
    assert (
        shown.loc["b", "95 % over drugs"] == "0.30 to 0.50"
        and shown.loc["b", "without a line"] == "0.30 to 0.50"
    )
    gaps = TWO[TWO["method"] == "a"].rename(columns={"method": "first"}).assign(second="b", p_holm=0.5)
    row = prose.gap_table(gaps).loc["a"]
    assert row[["minus", "p (Holm)"]].tolist() == ["b", 0.5]
    assert row["difference"] == "0.200 (0.100 to 0.300)"
    assert row["without a line"] == "{:.3f} to {:.3f}".format(*gaps[["without_low", "without_high"]].iloc[0])
    assert prose.gap_table(pd.DataFrame()).empty


def test_the_forest_is_sorted_and_shows_the_null_the_seeds_and_the_ceiling():
    both = pd.concat([TWO, judged(("a", "bulk", 0.5, 0, 0, 0, 0, 0, 36))]).assign(drugs="drugs")
    seeds = pd.DataFrame({"method": "a", "seed": [0, 1, 0], "input": "cells", "value": [0.2, 0.3, 0.9]})
    seeds["drugs"] = ["drugs", "drugs", "other drugs"]
    ax = pl.panel_forest(both, seeds, "drugs")
    assert ax.get_title() == "36 drugs"
    assert [label.get_text() for label in ax.get_yticklabels()] == ["b", "a"]
    assert [(bar.get_x(), round(bar.get_width(), 6)) for bar in ax.patches] == [(-0.3, 0.6)] * 2
    points, ceiling = (dots.get_offsets().tolist() for dots in ax.collections[-2:])
    assert points == [pytest.approx([0.2, 1.24]), pytest.approx([0.3, 1.24])]
    assert ceiling == [[0.5, 1]]  # in the row of its method


def test_drugs_of_the_heat_map_are_sorted_and_penalties_counted():
    rho = pd.DataFrame({"a": [0.1, 0.9], "b": [0.0, 0.5]}, index=["low", "high"])
    ax = pl.panel_heatmap(rho, ["b", "a"])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["high", "low"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["b", "a"]
    auc = pd.DataFrame({"mild": [0.9, 0.8], "toxic": [0.1, float("nan")]}, index=["x", "y"])
    assert [label.get_text() for label in pl.panel_truth(auc).get_yticklabels()] == ["toxic", "mild"]
    many = pd.DataFrame(0.5, index=["x"], columns=[f"drug {i}" for i in range(61)])
    crowded = pl.panel_truth(many)
    assert (crowded.get_yticks().size, crowded.get_ylabel()) == (0, "61 drugs")
    bars = pl.penalties(pd.Series([100.0, 1000.0, 1000.0]), 2000.0).patches
    assert [(bar.get_x() + bar.get_width() / 2, bar.get_height()) for bar in bars] == [(2, 1), (3, 2)]
