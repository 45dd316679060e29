"""Masks of pathways."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from bulk2sc.pathways import FREE
from bulk2sc.pl.look import SENSITIVE, log_axis


def mask_picture(mask: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw a pathway mask: a dark point where a pathway (row) names a gene (column).

    Large pathways stand on top and much-named genes on the left; free rows stay at the bottom.
    """
    ax = ax or plt.subplots(figsize=(8, 4))[1]
    free = mask.index.str.startswith(FREE)
    rows = np.argsort(np.where(free, np.inf, -mask.sum(axis=1).to_numpy()), kind="stable")
    columns = np.argsort(-mask[~free].sum(axis=0).to_numpy(), kind="stable")
    # As points, thin rows and single genes stay visible where an image would average them away.
    ax.spy(
        mask.to_numpy()[np.ix_(rows, columns)],
        markersize=0.5,
        color=SENSITIVE,
        aspect="auto",
        rasterized=True,
    )
    ax.xaxis.tick_bottom()
    ax.set(xlabel="genes, most often named first", ylabel="pathways, largest first")
    return ax


def mask_sizes(mask: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how many genes each pathway of a mask keeps; free rows are left out."""
    ax = ax or plt.subplots(figsize=(5, 3))[1]
    sizes = mask.sum(axis=1)[~mask.index.str.startswith(FREE)]
    sns.histplot(sizes, bins=40, log_scale=True, color=SENSITIVE, ax=ax)
    ax.set(xlabel="genes of a pathway among the chosen genes (log scale)", ylabel="pathways")
    return log_axis(ax)
