"""Plots show the numbers they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection

from bulk2sc import pl


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def test_composition_stacks_the_counts():
    ax = pl.composition(
        ["s1", "s1", "s1", "s2"],
        ["normal", "sensitive", "sensitive", "low_quality"],
        palette={"sensitive": "blue", "normal": "green", "low_quality": "grey"},
    )
    assert [text.get_text() for text in ax.get_yticklabels()] == ["s1", "s2"]
    widths = {bars.get_label(): [bar.get_width() for bar in bars] for bars in ax.containers}
    assert widths == {"sensitive": [2, 0], "normal": [1, 0], "low quality": [0, 1]}
    assert ax.get_ylim() == (1.5, -0.5), "the first row is on top"


def test_named_groups_stand_on_their_cells():
    coordinates = np.array([[0.0, 0], [0, 9], [0, 2], [5, 5]])
    ax = pl.embedding(coordinates, pd.Categorical(["a", "a", "a", "b"]), title="lines", named=True)
    assert {text.get_text(): text.get_position() for text in ax.texts} == {"a": (0, 2), "b": (5, 5)}
    assert ax.get_legend() is None


def test_answers_stand_side_by_side():
    rows = [("LR", -1, "auroc", 0.6, 0.5, 0.7, "by arm"), ("LR", -1, "auroc", 0.8, 0.7, 0.9, "truth")]
    rows += [("SVM", -1, "auroc", 0.9, 0.8, 1.0, "truth"), ("LR", 0, "auroc", 0.1, np.nan, np.nan, "truth")]
    columns = ["method", "seed", "metric", "value", "low", "high", "against"]
    palette = {"by arm": "grey", "truth": "blue"}
    ax = pl.by_answer(pd.DataFrame(rows, columns=columns), "auroc", palette, chance=0.5)
    points = {
        c.get_label(): np.ma.filled(c.get_offsets(), np.nan)
        for c in ax.collections
        if c.get_label() in palette
    }
    np.testing.assert_allclose(points["by arm"][0], [0.6, -0.11])
    np.testing.assert_allclose(points["truth"], [[0.8, 0.11], [0.9, 1.11]])
    assert np.isnan(points["by arm"][1, 0]), "no such answer for this method"
    scatters = [c.get_offsets().tolist() for c in ax.collections if isinstance(c, PathCollection)]
    seeds = [offsets for offsets in scatters if len(offsets) == 1]
    np.testing.assert_allclose(seeds, [[[0.1, 0.2]]], err_msg="the one seed, beside its answer")
    assert [text.get_text() for text in ax.get_yticklabels()] == ["LR", "SVM"]


