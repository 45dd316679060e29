"""Every branch of the sentences on whether the paper's model is worth its cost."""

import numpy as np
import pandas as pd
import pytest

from bulk2sc import prose

NAN = np.nan


def judged(**aurocs):
    rows = [(name, -1, "auroc", *row) for name, row in aurocs.items()]
    return pd.DataFrame(rows, columns=["method", "seed", "metric", "value", "low", "high"])


def gaps(rows, first="shared AE"):
    index = pd.MultiIndex.from_tuples([(first, name) for name in rows], names=["first", "second"])
    return pd.DataFrame(list(rows.values()), index=index, columns=["value", "low", "high", "p", "holm"])


AHEAD, BEHIND = (0.1, 0.05, 0.15, 0.001, 0.004), (-0.1, -0.15, -0.05, 0.001, 0.004)
UNCLEAR, UNCORRECTED = (0.01, -0.05, 0.07, 0.7, 0.7), (0.1, 0.01, 0.2, 0.04, 0.12)
OWN = judged(**{"shared AE": (0.8, 0.7, 0.9)})
OWN = pd.concat([OWN, OWN.assign(metric="accuracy")])


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ({"ridge": AHEAD, "GB": AHEAD}, "**On these cells, shared AE beats ridge and GB.**"),
        (
            {"ridge": UNCLEAR, "GB": AHEAD, "tuned XGBoost": BEHIND},
            "**On these cells, shared AE beats GB, but not ridge and tuned XGBoost.** Its AUROC is 0.80 (95 "
            "% interval 0.70 to 0.90). It is clearly behind tuned XGBoost.",
        ),
        (
            {"ridge": UNCLEAR, "XGBoost": UNCORRECTED},
            "**On these cells, shared AE does not beat ridge regression or boosted trees (ridge and XGBoost)",
        ),
        (
            {"ridge": UNCLEAR, "DT": AHEAD},
            "differences in AUROC, shared AE minus the other: 0.010 (95 % interval -0.050 to 0.070) to ridge "
            "(p = 0.7). P-values are corrected for 2 comparisons, intervals are not, and p is mostly the "
            "stricter of the two.",
        ),
        ({"DT": AHEAD}, "This run does not set shared AE beside ridge regression or boosted trees."),
        (
            {"ridge": (NAN,) * 5},
            "**Nothing here can tell whether shared AE beats anything**: the answers are of one class.",
        ),
        (
            {"ridge": (0.1, NAN, NAN, NAN, NAN)},
            "does not beat ridge regression or boosted trees (ridge).** Its AUROC is 0.80 (95 % interval "
            "0.70 to 0.90). The differences in AUROC, shared AE minus the other: 0.100 (too few for an "
            "interval) to ridge.",
        ),
    ],
)
def test_verdict(rows, words):
    text = prose.verdict(OWN, gaps(rows))
    assert words in text
    assert ("clearly behind" in text) == any(row is BEHIND for row in rows.values())
    assert ("corrected" in text) == any(row[4] == row[4] for name, row in rows.items() if name != "DT")


def test_no_verdict_without_answers():
    text = prose.verdict(OWN.assign(value=NAN), gaps({"ridge": (NAN,) * 5}))
    assert text == "**Nothing here can tell whether shared AE beats anything**: no cell has an answer."


def test_standings():
    table = pd.concat([gaps({"a": AHEAD, "b": BEHIND, "c": UNCORRECTED}), gaps({"a": UNCLEAR}, "ridge")])
    assert prose.standings(table).splitlines() == [
        "- **shared AE** is clearly ahead of a, clearly behind b; it cannot be told apart from c.",
        "- **ridge** is clearly ahead of none, clearly behind none; it cannot be told apart from a.",
    ]
    assert prose.standings(table.head(0)) == "Nothing to compare."


LINES = judged(ridge=(0.8, 0.7, 0.9), LR=(0.7, 0.6, 0.8), GB=(0.9, 0.8, 1.0))


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (
            {"ridge": (0.7, 0.6, 0.8), "LR": (0.6, 0.5, 0.7)},
            "it has 0.70 (95 % interval 0.60 to 0.80). No simple",
        ),
        (
            {"ridge": (0.6, NAN, NAN), "LR": (0.7, 0.6, 0.8)},
            "The cells would have favoured LR, with 0.70 (95 %",
        ),
        ({"ridge": (NAN,) * 3, "LR": (NAN,) * 3}, "; on the cells it has no value."),
    ],
)
def test_best_simple(cells, words):
    text = prose.best_simple("ridge", LINES, judged(**cells), ["ridge", "LR"])
    assert text.startswith(
        "Of the simple methods, bulk lines left out favour **ridge**, with an AUROC of 0.80 (95 % interval"
    )
    assert words in text


@pytest.mark.parametrize(
    ("bulk", "cells", "words"),
    [
        (
            [0.1, 0.2, 0.3],
            [0.5, 0.6, 0.7],
            "a penalty of 10,000 (mean correlation with AUC 0.300); at 1,000, the",
        ),
        ([0.1, 0.2, 0.3], [0.5, 0.6, 0.7], "The AUROC of the cells is highest at the same penalty (0.700)."),
        (
            [0.1, 0.3, 0.2],
            [0.5, 0.6, 0.7],
            "of all that were swept it is the nearest to the fixed one, 2,000.",
        ),
        (
            [0.1, 0.3, 0.2],
            [0.5, 0.6, 0.7],
            "0.600 at the penalty that bulk lines favour; it is highest at 10,000 (",
        ),
        ([0.1, 0.2, 0.3], [NAN] * 3, "the nearest to the fixed one, 2,000, it is 0.200."),
    ],
)
def test_penalty(bulk, cells, words):
    swept = [100.0, 1000.0, 10000.0]
    text = prose.penalty(pd.Series(bulk, swept), pd.Series(cells, swept), 2000.0)
    assert words in text
    assert ("AUROC" in text) == (not np.isnan(cells[0]))


def test_the_nearest_penalty_is_that_on_a_log_scale():
    bulk = pd.Series([0.1, 0.3, 0.2], [100.0, 1000.0, 10000.0])
    text = prose.penalty(bulk, bulk * np.nan, 4000.0)
    assert text.endswith("at 10,000, the nearest to the fixed one, 4,000, it is 0.200.")


def means(n, low=0.6, **aurocs):
    rows = [
        (name, metric, value, low, 0.9, n)
        for name, value in aurocs.items()
        for metric in ("auroc", "accuracy", "f1")
    ]
    return pd.DataFrame(rows, columns=["method", "metric", "mean", "low", "high", "n"])


def test_over_studies():
    found = {"shared AE": 0.7, "ridge": 0.8, "LR": 0.6, "SVM": 0.9, "all sensitive": 0.5}
    over = gaps({"ridge": BEHIND, "LR": UNCORRECTED, "SVM": BEHIND, "GB": AHEAD})
    text = prose.over_studies(means(4, **found), over)
    assert text == (
        "**Over 4 data sets and drugs**, the mean AUROC of shared AE is 0.70 (95 % interval 0.60 to 0.90), "
        "its mean accuracy 0.700 and its mean F1 0.700; simple methods with a higher mean AUROC: ridge and "
        "SVM. By paired t tests over data sets, corrected for 4 comparisons, it is clearly behind ridge and "
        "SVM and clearly ahead of GB. Beside that, the mean accuracy and F1 of constant answers are: *all "
        "sensitive* 0.500 and "
        "0.500."
    )
    untested = gaps({"LR": (0.1, NAN, NAN, NAN, NAN)})
    same = prose.over_studies(means(3, **found), untested, shared=0.8)
    assert "That is not tested: two of these share 80 % of their judged lines." in same
    apart = prose.over_studies(means(2, **found), untested, shared=0.1)
    assert "That is not tested: it takes three data sets that differ." in apart
    few = prose.over_studies(means(2, low=NAN, **found), gaps({"LR": (0.1, NAN, NAN, NAN, NAN)}))
    assert "is 0.70 (too few data sets for an interval)" in few
    assert "higher mean AUROC: none. That is not tested: it takes three data sets that differ." in few
    unknown = prose.over_studies(means(4, **found | {"shared AE": NAN}), over)
    assert "the mean AUROC of shared AE is not known, since every set has answers of one class" in unknown
    alone = prose.over_studies(means(4, **{"all sensitive": 0.5, "all resistant": 0.4}), over.head(0))
    assert alone.startswith(
        "**Over 4 data sets and drugs**, the mean accuracy and F1 of constant answers are: "
    )
    assert prose.over_studies(means(1, **found), over) == "There is one data set: nothing to average."
