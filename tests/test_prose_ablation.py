"""Every branch of the sentences about the ladder of Table 3."""

import numpy as np
import pandas as pd
import pytest

from bulk2sc import prose


def rows(**named):
    """Return a table of value, low, high and p by name."""
    return pd.DataFrame(named, index=["value", "low", "high", "p"]).T


UP, DOWN = (0.1, 0.05, 0.15, 0.01), (-0.2, -0.3, -0.1, 0.02)
UNCLEAR, UNCORRECTED = (0.02, -0.1, 0.2, 0.9), (0.1, 0.01, 0.2, 0.06)
UNKNOWN = (0.1, np.nan, np.nan, np.nan)


@pytest.mark.parametrize(
    ("own", "end"),
    [
        (
            {"max_epochs": 9, "hidden": 8},
            "epochs in each stage, as the edition's own model. In 50 % of the fits",
        ),
        (
            {"max_epochs": 9, "hidden": 16},
            "in each stage, where the edition's own model has 16 and 9. In 50 %",
        ),
    ],
)
def test_size_of_ladder(own, end):
    asked = {"seeds": [0, 1], "ablation_epochs": 9, "ablation_hidden": 8}
    text = prose.size_of_ladder(12, asked | own, 0.5)
    assert "24 fits: 12 models with 2 seeds each, with hidden layers of 8 units and at most 9" in text
    assert end in text
    once = prose.size_of_ladder(12, asked | own | {"ablation_epochs": 1}, 0.5)
    assert "at most 1 epoch in each stage, where" in once


def test_added():
    both = prose.added(rows(a=UP, b=DOWN, c=UNCLEAR), "cells")
    assert (
        "On cells, AUROC rises clearly with a 0.100 (95 % interval 0.050 to 0.150, corrected p = 0.01); "
        "AUROC falls clearly with b -0.200"
    ) in both
    assert "Of 3 steps, 1 cannot be told from no change." in both
    assert "falls" not in prose.added(rows(a=UP), "cells") and "rises" not in prose.added(
        rows(a=DOWN), "cells"
    )
    none = prose.added(rows(a=UNCORRECTED, b=UNCLEAR), "cells")
    assert "no step changes AUROC clearly**, p-values corrected for 2" in none and "is a 0.100" in none
    assert "too few lines" in prose.added(rows(a=UNKNOWN), "cells")


def test_a_bound_near_0_keeps_its_sign():
    low, high = (prose.added(rows(a=(0.014, bound, 0.028, 0.9)), "cells") for bound in (-0.002, 0.002))
    assert "0.014 (95 % interval -0.002 to 0.028" in low and "interval 0.002 to 0.028" in high


def test_better_schedule():
    both = prose.better_schedule(rows(a=UP, b=DOWN, c=UNCLEAR), "cells")
    assert "the joint schedule is clearly better for a 0.100" in both
    assert "the pretrained schedule is clearly better for b -0.200" in both
    assert both.endswith("No difference that is clear: c.")
    none = prose.better_schedule(rows(a=UNCORRECTED, b=(-0.1, -0.2, 0.1, 0.5)), "cells")
    assert none == "On cells, neither schedule is clearly better; the joint mean is higher for a."
    assert "too few lines" in prose.better_schedule(rows(a=UNKNOWN), "cells")


def test_rung_chosen():
    lines = pd.Series({"a": 0.7, "b": 0.8})
    assert "chooses **b** (mean AUROC 0.800" in prose.rung_chosen(lines, lines)
    assert "would have chosen the same (0.800)" in prose.rung_chosen(lines, lines)
    other = prose.rung_chosen(lines, pd.Series({"a": 0.9, "b": 0.6}))
    assert "On the cells it has 0.600, and a has the most, 0.900: that is shown and not used." in other
    assert "could choose nothing: that needs answers of both" in prose.rung_chosen(lines, lines * np.nan)


def test_spreads():
    table = rows(loss=(3.0, 1.5, 6.0, 0), auroc=(0.3, 0.1, 0.9, 0), cells=(1.1, 0.5, 2.0, 0)).drop(
        columns="p"
    )
    text = prose.spreads(table, "adv", "plain")
    assert "adv varies clearly more than plain in loss 3.00 (95 % interval 1.50 to 6.00)" in text
    assert (
        "adv varies clearly less than plain in auroc" in text and "no clear difference in cells 1.10" in text
    )
    assert "less" not in prose.spreads(table.loc[["loss"]], "adv", "plain")
    assert "too few seeds" in prose.spreads(table * np.nan, "adv", "plain")


def test_under_adversary():
    table = rows(a=UP, b=DOWN, c=UNCLEAR)
    text = prose.under_adversary(table)
    assert "it rises for a 0.100" in text and "it falls for b -0.200" in text
    assert "it does not clearly change for c" in text
    assert "falls" not in prose.under_adversary(table.loc[["a"]])
    assert "One seed" in prose.under_adversary(rows(a=UNKNOWN))


@pytest.mark.parametrize(
    ("gap", "words"),
    [
        (UP, "a overfits more than b, by 0.100 (95 % interval 0.050 to 0.150)."),
        (DOWN, "a overfits less than b, by 0.200 (95 % interval 0.100 to 0.300)."),
        (UNCLEAR, "a and b cannot be told apart in overfitting: 0.020"),
        (UNKNOWN, "One seed cannot say"),
    ],
)
def test_overfits(gap, words):
    assert words in prose.overfits(dict(zip(("value", "low", "high"), gap, strict=False)), "a", "b")


def test_critic_lost():
    last = pd.Series([-0.1, 0.0, 2.0, -3.0])
    said = prose.critic_lost({"pretrained": last, "joint": last.abs()})
    assert said == (
        "At the last epoch the estimated distance is negative in 2 of 4 seeds (pretrained) and in 0 of 4 "
        "seeds (joint)."
    )
    assert "negative in 1 of 1 seed (joint)." in prose.critic_lost({"joint": last[:1]})


def test_harder_to_tell():
    table = rows(a=DOWN, b=UP, c=UNCORRECTED).assign(auroc=[0.7, 0.9, 0.8])
    assert prose.harder_to_tell(table) == (
        "AUROC of the domain, with the adversary minus without: "
        "harder to tell apart for a -0.200 (95 % interval -0.300 to -0.100, corrected p = 0.02); "
        "easier to tell apart for b 0.100 (95 % interval 0.050 to 0.150, corrected p = 0.01); "
        "no difference can be shown for c 0.100 (95 % interval 0.010 to 0.200, corrected p = 0.06). "
        "The lowest mean AUROC that is left is 0.70 (a)."
    )
    assert "without: no difference can be shown for c" in prose.harder_to_tell(table.loc[["c"]])
    assert "no difference can be shown" not in prose.harder_to_tell(table.loc[["a"]])
    assert "no difference can be shown for b" in prose.harder_to_tell(table.loc[["b"]].assign(p=0.05))
    assert "One seed" in prose.harder_to_tell(rows(a=UNKNOWN).assign(auroc=0.7))


def test_beside_table_3():
    paper = pd.Series({"a": 0.3, "b": 0.5, "c": 0.7})
    here = {"up": paper + 0.1, "flat": paper * 0 + 0.5, "none": paper * np.nan}
    text = prose.beside_table_3(paper, here)
    assert (
        "up, accuracy runs from 0.40 to 0.80, and the Kendall correlation of its order with the paper's is"
        in text
    )
    assert "is 1.00 (p = 0.33)" in text  # 2 of 3! orders
    assert "flat, all rungs have the same accuracy" in text
    assert "none, no cell has an answer, so there is no accuracy" in text
