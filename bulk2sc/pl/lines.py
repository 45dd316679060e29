"""Bulk lines: their response, and scores by line."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from bulk2sc.pl.look import RESISTANT, RESPONSE, SENSITIVE, response_names


def tails(
    auc: pd.Series, low: float, high: float, *, drug: str, measure: str = "AUC", ax: Axes | None = None
) -> Axes:
    """Draw the distribution of a drug's AUC over cell lines, and its two tails.

    Parameters
    ----------
    auc
        AUC of each line, NaN where untested; lower = more sensitive.
    low, high
        Thresholds: lines at or below `low` are sensitive, at or above `high` resistant.
    drug, measure
        For the axis; another measure than AUC is drawn alike.
    """
    ax = ax or plt.subplots(figsize=(6, 3.2))[1]
    auc = auc.dropna()
    groups = np.select([auc <= low, auc >= high], ["sensitive", "resistant"], "not used")
    palette = {"sensitive": SENSITIVE, "not used": "#d5d5d5", "resistant": RESISTANT}
    bins = np.histogram_bin_edges(auc, 50)
    sns.histplot(
        x=auc, hue=groups, hue_order=list(palette), palette=palette, multiple="stack", bins=bins, ax=ax
    )
    ax.get_legend().set_title(None)
    ax.set(xlabel=f"{measure} of {drug}  (lower = more sensitive)", ylabel="cell lines")
    return ax


def two_measures(
    x: pd.Series, y: pd.Series, response: Sequence[float] | None = None, *, ax: Axes | None = None
) -> Axes:
    """Draw two measures of the same lines against each other, coloured by response where it is given.

    Parameters
    ----------
    x, y
        By line; lines that lack one are left out. Their names label the axes.
    response
        1, 0 or NaN for each line.
    """
    ax = ax or plt.subplots(figsize=(4, 3.4))[1]
    names = response_names(response) if response is not None else None
    palette = RESPONSE if response is not None else None
    sns.scatterplot(
        x=x.to_numpy(), y=y.to_numpy(), hue=names, palette=palette, s=10, linewidth=0, alpha=0.8, ax=ax
    )
    if names is not None:
        ax.legend(title=None, fontsize="small", markerscale=2)
    ax.set(xlabel=x.name, ylabel=y.name)
    return ax
