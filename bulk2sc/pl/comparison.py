"""Methods beside each other, with intervals."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bulk2sc import compare, say
from bulk2sc.compare import Draws
from bulk2sc.pl.look import NEUTRAL, RESISTANT, SENSITIVE


def methods(draws: Draws, order: Sequence[str], *, ax: Axes) -> Axes:
    """Draw every method's metric with its interval, its seeds as grey points; .5 is dashed for an AUROC."""
    table, place = compare.levels(draws).set_index("method").reindex(order), np.arange(len(order))
    seeds = draws.seeds[draws.seeds["method"].isin(order)]
    ax.scatter(seeds["value"], seeds["method"].map(list(order).index) + 0.2, s=8, color=NEUTRAL, linewidth=0)
    ax.hlines(place, table["low"], table["high"], color=SENSITIVE, linewidth=2)
    ax.scatter(table["value"], place, s=32, color=SENSITIVE, zorder=3)
    if draws.metric == "auroc":
        ax.axvline(0.5, color="0.5", linestyle="--", linewidth=0.8)
    ax.set(yticks=place, yticklabels=order, ylim=(len(order) - 0.5, -0.5))
    ax.set_xlabel(say.LABELS.get(draws.metric, draws.metric))
    return ax


def differences(table: pd.DataFrame, *, ax: Axes, margin: float = compare.MARGIN) -> Axes:
    """Draw differences with their intervals, a row for each ``label``, a colour for each ``group``.

    The band holds what is practically no difference.

    Parameters
    ----------
    table
        As `compare.differences` returns it for several groups, and a column ``label``.
    """
    labels = list(table["label"].unique())
    groups = list(table["group"].unique())
    ax.axvspan(-margin, margin, color="0.92", zorder=0)
    ax.axvline(0, color="0.5", linewidth=0.8)
    for i, group in enumerate(groups):
        rows = table[table["group"] == group]
        y = rows["label"].map(labels.index) + 0.22 * (i - (len(groups) - 1) / 2)
        colour = (SENSITIVE, RESISTANT, NEUTRAL)[i]
        ax.hlines(y, rows["low"], rows["high"], color=colour, linewidth=2)
        ax.scatter(rows["difference"], y, s=26, color=colour, label=group, zorder=3)
    ax.set(yticks=range(len(labels)), yticklabels=labels, ylim=(len(labels) - 0.5, -0.5))
    ax.locator_params(axis="x", nbins=5)
    return ax
