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
        palette=pl.PLANTED,
    )
    assert [text.get_text() for text in ax.get_yticklabels()] == ["s1", "s2"]
    widths = {bars.get_label(): [bar.get_width() for bar in bars] for bars in ax.containers}
    assert widths == {"sensitive": [2, 0], "normal": [1, 0], "low quality": [0, 1]}
    assert ax.get_ylim() == (1.5, -0.5), "the first row is on top"


def test_cells_before_and_after_have_a_panel_for_each_measure_there_is():
    obs = {"sample": ["b", "a"] * 3, "stage": ["before"] * 4 + ["after"] * 2, "pct_counts_mt": range(6)}
    cells = pd.DataFrame(obs)
    assert len(pl.before_and_after(cells[["sample", "stage"]])) == 0
    (alone,) = pl.before_and_after(cells)
    genes, counts, mito = pl.before_and_after(cells.assign(n_genes_by_counts=9, total_counts=99))
    assert [ax.get_xscale() for ax in (genes, counts, mito)] == ["log", "log", "linear"]
    assert "mitochondrial" in alone.get_xlabel() == mito.get_xlabel()
    assert [text.get_text() for text in genes.get_yticklabels()] == ["a", "b"]


def test_named_groups_stand_on_their_cells():
    coordinates = np.array([[0.0, 0], [0, 9], [0, 2], [5, 5]])
    ax = pl.embedding(coordinates, pd.Categorical(["a", "a", "a", "b"]), title="lines", named=True)
    assert {text.get_text(): text.get_position() for text in ax.texts} == {"a": (0, 2), "b": (5, 5)}
    assert ax.get_legend() is None


def test_mask_picture_sorts_rows_and_columns_and_keeps_free_rows_last():
    mask = pd.DataFrame(
        [[0, 0, 1], [0, 1, 1], [1, 1, 1]], index=["SMALL", "LARGE", "free_1"], columns=list("abc")
    )
    x, y = pl.mask_picture(mask).lines[0].get_data()
    assert set(zip(x, y, strict=True)) == {(0, 0), (1, 0), (0, 1), (0, 2), (1, 2), (2, 2)}


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


def test_a_sweep_is_drawn_at_its_values_with_its_seeds_and_intervals():
    points = pd.DataFrame({"setting": ["dropout", "dropout", "n_hvg"], "value": [0.5, 0.1, 500.0]})
    points["method"] = ["dropout 0.5", "as set", "as set"]
    rows = [("as set", -1, 0.8, 0.7, 0.9), ("as set", 0, 0.79, np.nan, np.nan)]
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


def test_every_simulated_drug_is_drawn_at_its_shifts():
    rows = [
        (method, seed, shift, question, 0.1 * seed + 0.2 * shift, 0.0, 1.0)
        for method in ("LR", "SVM")
        for question in ("exposure, a", "response, b")
        for seed in (0, 1)
        for shift in (0.5, 2.0)
    ]
    table = pd.DataFrame(rows, columns=["method", "seed", "shift", "question", "value", "low", "high"])
    axes = pl.exposures(table, ["exposure, a", "response, b"], ["LR", "SVM"])
    assert [ax.get_title() for ax in axes] == ["exposure\na", "response\nb"]
    small, large = axes[1].collections[1::2]  # the points of a size of the shift lie over its intervals
    np.testing.assert_allclose(small.get_offsets()[:, 0], [0.1, 0.2] * 2)
    np.testing.assert_allclose(large.get_offsets()[:, 0], [0.4, 0.5] * 2)
    intervals = np.array([line[:, 0] for line in axes[1].collections[0].get_segments()])
    np.testing.assert_array_equal(intervals, [[0, 1]] * 4)
    heights = [*small.get_offsets()[:2, 1], *large.get_offsets()[:2, 1]]
    assert heights == sorted(set(heights)) and max(map(abs, heights)) < 0.5, "apart, in the row of LR"
    assert [text.get_text() for text in axes[0].get_yticklabels()] == ["LR", "SVM"]
