"""The five templates, and the numbers and lists that fill them."""

import numpy as np
import pandas as pd
import pytest

from bulk2sc import compare, say
from bulk2sc.errors import Bulk2scError

WORDINGS = {
    "higher": "H {methods} {n:is|are} {by}.",
    "lower": "L {methods} {n:is|are} {by}.",
    "equal": "E {methods} {low} {high}.",
    "unclear": "U {each}.",
    "untested": "T {n} {methods} {reference}.",
}
ROWS = {
    "higher": ("a", 0.3, 0.1, 0.5),
    "lower": ("b", -0.2, -0.3, -0.1),
    "practically equal": ("c", 0.001, -0.02, 0.02),
    "not clear": ("d", 0.04, -0.1, 0.2),
    "cannot be tested": ("e", 0.1, np.nan, np.nan),
}


def table(*rows):
    """Return what `compare.differences` would, with the verdict that the rule gives."""
    frame = pd.DataFrame(rows, columns=["method", "difference", "low", "high"]).assign(reference="ridge")
    verdict = [compare.decide(row.low, row.high, 0.03) for row in frame.itertuples()]
    return frame.assign(verdict=verdict)


@pytest.mark.parametrize(
    ("verdict", "sentence"),
    [
        ("higher", "H a is 0.30."),
        ("lower", "L b is 0.20."),
        ("practically equal", "E c -0.02 0.02."),
        ("not clear", "U d (0.04, -0.10 to 0.20)."),
        ("cannot be tested", "T 1 e ridge."),
    ],
)
def test_each_verdict_has_its_wording(verdict, sentence):
    found = table(ROWS[verdict])
    assert found["verdict"].item() == verdict
    assert say.effects(found, **WORDINGS) == sentence


def test_verdicts_come_in_order_whatever_the_order_of_the_rows():
    found = say.effects(table(*reversed(ROWS.values())), **WORDINGS)
    assert [word for word in found.split() if word in "HLEUT"] == list("HLEUT")


def test_methods_with_one_verdict_share_a_sentence_and_groups_can_be_named():
    found = table(("a", 0.3, 0.1, 0.5), ("b", 0.2, 0.1, 0.3), ("c", 0.25, 0.05, 0.4))
    assert say.effects(found, **WORDINGS) == "H a, b and c are 0.20 to 0.30."
    grouped = found.assign(group=["x", "y", "x"])
    assert (
        say.effects(grouped, **WORDINGS | {"higher": "{n} {n:wins|win} for {group}"}) == "3 win for x and y"
    )
    pair = table(("a", 0.301, 0.1, 0.5), ("b", 0.299, 0.1, 0.3))
    assert say.effects(pair, **WORDINGS) == "H a and b are 0.30."


def test_an_empty_wording_says_nothing_and_an_unknown_place_is_named():
    assert say.effects(table(ROWS["not clear"]), **WORDINGS | {"unclear": ""}) == ""
    with pytest.raises(Bulk2scError, match="say: 'effect' in"):
        say.effects(table(ROWS["higher"]), **WORDINGS | {"higher": "{effect}"})


def test_numbers_lists_and_shares():
    assert say.number(0.705) == "0.70" and say.number(-0.001) == "0.00" and say.number(np.nan) == "not known"
    assert say.interval(0.5, 0.4, 0.6) == "0.50, 0.40 to 0.60"
    assert say.interval(0.5, np.nan, np.nan) == "0.50"
    assert say.counted(1, "seed") == "1 seed" and say.counted(0, "seed") == "0 seeds"
    assert say.percent(0.45) == "45 %" and say.percent(0.996) == "99.6 %" and say.percent(1) == "100 %"
    assert say.percent(0.9997) == "more than 99.9 %" and say.percent(0.0003) == "less than 0.1 %"
    assert say.share(45, 50) == "45 of 50 (90 %)" and say.share(0, 0) == "0 of 0"
    assert say.listing([]) == "none" and say.listing("abc") == "a, b and c" and say.listing(["a"]) == "a"


def test_a_table_of_levels_has_intervals_where_there_are_some():
    levels = pd.DataFrame(
        {"method": ["a", "b", "c"], "value": [0.7, 0.6, np.nan], "low": [0.6, np.nan, np.nan]}
    ).assign(high=[0.8, np.nan, np.nan])
    shown = say.table({"auroc": levels, "own": levels}, order=["b", "a", "c"])
    assert shown["AUROC"].tolist() == ["0.60", "0.70 (0.60 to 0.80)", ""]
    assert shown.columns.tolist() == ["AUROC", "own"] and shown.index.tolist() == ["b", "a", "c"]
