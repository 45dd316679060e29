"""Every branch of the sentences on settings, and the figure of sweeps."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from bulk2sc import pl, prose

MEANS = pd.Series([0.7, 0.8, 0.75], index=[2, 4, 10])
NAN = np.nan


@pytest.mark.parametrize(
    ("own", "gap", "words"),
    [
        (4, None, "between 0.700 (at 2) and 0.800 (at 4). The lines choose 4, the value in use."),
        (
            10,
            (0.05, 0.01, 0.09, 0.03),
            "choose 4 over 10, the value in use, by 0.050 (95 % interval 0.010 to 0.090): a diff",
        ),
        (10, (0.05, 0.01, 0.09, 0.06), "the two **cannot be told apart**."),
        (10, (0.05, -0.01, 0.11, 0.03), "the two **cannot be told apart**."),
        (10, (-0.0001, NAN, NAN, NAN), "by 0.000 with one seed"),
        (10, (0.05, NAN, NAN, NAN), "by 0.050 with one seed, which tells nothing."),
    ],
)
def test_choice(own, gap, words):
    gap = gap and dict(zip(("value", "low", "high", "p"), gap, strict=True))
    text = prose.choice("min_pathway_genes", MEANS, own, gap)
    assert text.startswith("**Fewest genes of a pathway**: ") and words in text


@pytest.mark.parametrize(
    ("p", "words"),
    [
        ((0.2, 1.0), "None of 2 other values can be told apart"),
        ((0.01, 1.0), "Of 2 other values, 1 can be told apart from the one in use on lines left out, after"),
        (
            (0.01, 0.02),
            "correction: dropout 0.9 (worse by 0.100) and number of variable genes 500 (better by 0.050).",
        ),
        ((NAN, NAN), "With one seed none of 2 other values can be tested"),
    ],
)
def test_told_apart(p, words):
    rows = [("dropout", 0.9, -0.1, p[0]), ("n_hvg", 500, 0.05, p[1])]
    tests = pd.DataFrame(rows, columns=["setting", "setting_value", "value", "p"])
    assert words in prose.told_apart(tests)


@pytest.mark.parametrize(
    ("picked", "looked_at", "other", "words"),
    [
        (4, NAN, NAN, "the cells would choose 4 as well. There are too few lines to say"),
        (2, NAN, NAN, "would choose 2 instead of 4 and look 0.040 better. There are too few lines"),
        (
            2,
            0.05,
            0.02,
            "looks better there by 0.050 (95 % of halves 0.040 to 0.060); on the other half this is left of "
            "it: 0.020 (95 % of halves 0.010 to 0.030).",
        ),
        (2, 0.05, -0.01, "on the other half nothing of it is left: -0.010 (95 % of halves -0.020 to 0.000)."),
        (2, 0.05, -0.0003, "nothing of it is left: 0.000 (95 % of halves -0.010 to 0.010)."),
        (2, 0.05, 0.0004, "nothing of it is left: 0.000 (95 %"),
        (4, 0.0004, 0.0, "choose 4 as well. Looking at half of the lines would gain nothing even there."),
        (
            4,
            0.05,
            0.0,
            "choose 4 as well. Chosen on half of the lines, the best value looks better there by 0.050 (95 %",
        ),
    ],
)
def test_looking(picked, looked_at, other, words):
    means = pd.Series({"all": 0.04, "looked_at": looked_at, "not_looked_at": other})
    gain = pd.DataFrame({"value": means, "low": means - 0.01, "high": means + 0.01})
    assert words in prose.looking("dropout", picked, 4, gain)


def test_looking_at_cells_without_answers():
    gain = pd.DataFrame(NAN, ["all", "looked_at", "not_looked_at"], ["value", "low", "high"])
    assert "the cells could choose nothing" in prose.looking("dropout", 4, 4, gain)


def test_a_sweep_is_drawn_at_its_values_with_its_seeds_and_intervals():
    points = pd.DataFrame({"setting": ["dropout", "dropout", "n_hvg"], "value": [0.5, 0.1, 500.0]})
    points["method"] = ["dropout 0.5", "as set", "as set"]
    rows = [("as set", -1, 0.8, 0.7, 0.9), ("as set", 0, 0.79, NAN, NAN)]
    rows += [("dropout 0.5", -1, 0.6, 0.5, 0.7), ("all sensitive", -1, 0.5, 0.5, 0.5)]
    table = pd.DataFrame(rows, columns=["method", "seed", "value", "low", "high"]).assign(metric="auroc")
    dropout, genes = pl.by_value(table, points, "auroc", {"dropout": 0.1, "n_hvg": 500})
    means = dropout.lines[1].get_xydata()
    np.testing.assert_allclose(means, [[0.1, 0.8], [0.5, 0.6]])
    assert dropout.lines[0].get_xdata()[0] == 0.1, "the value in use"
    np.testing.assert_allclose(
        dropout.collections[0].get_offsets(), [[0.11, 0.79]], err_msg="beside the interval"
    )
    segments = sorted(map(np.ndarray.tolist, dropout.collections[1].get_segments()))
    np.testing.assert_allclose(segments, [[[0.1, 0.7], [0.1, 0.9]], [[0.5, 0.5], [0.5, 0.7]]])
    assert (dropout.get_xlabel(), genes.get_xlabel()) == ("dropout", "number of variable genes")
    plt.close("all")
