"""Plots show the numbers they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

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
