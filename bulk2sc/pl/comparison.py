"""Methods beside each other, with intervals."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bulk2sc import compare, prose, say
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


def intervals(
    table: pd.DataFrame,
    metric: str,
    *,
    chance: float | None = None,
    order: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw every method's metric: the mean over seeds with its interval, and every seed as a point.

    Parameters
    ----------
    table
        As `evaluate.judge` returns it.
    metric
        Which metric.
    chance
        Value of a constant answer, drawn as a dashed line.
    order
        Methods from top to bottom; default: as they come.
    """
    ax = ax or plt.subplots(figsize=(5, 0.35 * table["method"].nunique() + 1))[1]
    rows = table[table["metric"] == metric]
    order = list(order if order is not None else rows["method"].unique())
    seeds, mean = rows[rows["seed"] >= 0], rows[rows["seed"] == -1].set_index("method").reindex(order)
    position = np.arange(len(order))
    ax.scatter(
        seeds["value"], seeds["method"].map(order.index) + 0.18, s=10, color=NEUTRAL, alpha=0.7, linewidth=0
    )
    ax.hlines(position, mean["low"], mean["high"], color=SENSITIVE, linewidth=2)
    ax.scatter(mean["value"], position, s=32, color=SENSITIVE, zorder=3)
    if chance is not None:
        ax.axvline(chance, color="black", linestyle="--", linewidth=0.8)
    ax.set(
        yticks=position,
        yticklabels=order,
        xlabel=prose.LABELS.get(metric, metric),
        ylim=(len(order) - 0.5, -0.5),
    )
    return ax


def by_answer(
    table: pd.DataFrame,
    metric: str,
    palette: dict[str, str],
    *,
    chance: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a metric of every method against several answers, with intervals side by side.

    Parameters
    ----------
    table
        Rows of `evaluate.judge` with a column ``against``, the answers' name. Means over seeds carry the
        intervals; single seeds, where there are any, are grey points.
    metric
        Which metric.
    palette
        Colour by answer.
    chance
        Value of a constant answer, drawn as a dashed line.
    """
    ax = ax or plt.subplots(figsize=(5, 3))[1]
    table = table[table["metric"] == metric]
    rows, seeds = table[table["seed"] == -1], table[table["seed"] >= 0]
    methods = list(rows["method"].unique())
    for i, (answer, colour) in enumerate(palette.items()):
        found = rows[rows["against"] == answer].set_index("method").reindex(methods)
        y = np.arange(len(methods)) + (i - (len(palette) - 1) / 2) * 0.22
        of = seeds[seeds["against"] == answer]
        height = of["method"].map(dict(zip(methods, y, strict=True))) + 0.09
        ax.scatter(of["value"], height, s=6, color=NEUTRAL, alpha=0.7, linewidth=0)
        ax.hlines(y, found["low"], found["high"], color=colour, linewidth=1.5)
        ax.scatter(found["value"], y, s=16, color=colour, label=answer, zorder=3)
    if chance is not None:
        ax.axvline(chance, color="black", linestyle="--", linewidth=0.8)
    ax.set(yticks=range(len(methods)), yticklabels=methods, ylim=(len(methods) - 0.5, -0.5))
    ax.set_xlabel(prose.LABELS.get(metric, metric))
    return ax
