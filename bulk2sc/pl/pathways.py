"""Attributions to pathways."""

from collections.abc import Sequence
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from bulk2sc.pl.look import RESISTANT, RESPONSE, SENSITIVE, response_names, short


def pathway_ranking(ranking: pd.DataFrame, *, top: int = 12, ax: Axes | None = None) -> Axes:
    """Draw the pathways with the largest mean absolute attribution (Fig. 6a of He et al. 2025).

    Parameters
    ----------
    ranking
        As `explain.rank_pathways` returns it.
    """
    ax = ax or plt.subplots(figsize=(7, 0.32 * top + 0.8))[1]
    rows = ranking.head(top).iloc[::-1]
    colours = np.where(rows["mean"] > 0, SENSITIVE, RESISTANT)
    ax.barh([short(name) for name in rows.index], rows["mean_abs"], color=colours)
    ax.set(xlabel="mean |integrated gradients|\n(blue: towards sensitive, orange: towards resistant)")
    return ax


def pathway_heatmap(values: pd.DataFrame, response: Sequence[float], *, ax: Axes | None = None) -> Axes:
    """Draw the attributions of single cells, sorted by their answer (Fig. 6b of He et al. 2025).

    Parameters
    ----------
    values
        Attributions (n_cells, n_pathways) of the pathways to show, in order.
    response
        Answer of each cell, 1, 0 or NaN; drawn as a strip of text under the groups.
    """
    ax = ax or plt.subplots(figsize=(8, 0.32 * values.shape[1] + 1.2))[1]
    names = response_names(response)
    order = np.argsort(names.codes, kind="stable")
    limit = np.quantile(np.abs(values.to_numpy()), 0.99)
    shown = values.iloc[order].T.rename(index=short)
    sns.heatmap(
        shown, cmap="vlag_r", center=0, vmin=-limit, vmax=limit, xticklabels=False, ax=ax, rasterized=True
    )
    edges = np.concatenate([[0], np.cumsum(np.bincount(names.codes, minlength=len(RESPONSE)))])
    ax.vlines(edges[1:-1], 0, values.shape[1], color="black", linewidth=0.8)
    present = [(start + end) / 2 for start, end in pairwise(edges) if end > start]
    labels = [name for name, (start, end) in zip(RESPONSE, pairwise(edges), strict=True) if end > start]
    ax.set(xlabel="cells, grouped by their known response", ylabel="")
    ax.set_xticks(present, labels, rotation=0)
    ax.tick_params(axis="x", length=0)
    return ax
