"""Scores against what happened: reliability, the share of sensitive cells, risk and coverage."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

from bulk2sc import prose
from bulk2sc.pl.look import NEUTRAL, RESISTANT, SENSITIVE


def reliability(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the share of sensitive cells against the predicted probability, with intervals.

    Parameters
    ----------
    table
        As `calibration.reliabilities` returns it, of one method: the pool of all seeds, with intervals and a
        grey band of what exactly calibrated scores would show, and thin grey lines of single seeds.
    """
    ax = ax or plt.subplots(figsize=(3.4, 3.2))[1]
    for _, seed in table[table["seed"] >= 0].groupby("seed"):
        ax.plot(seed["score"], seed["value"], ".-", color=NEUTRAL, markersize=3, linewidth=0.6, alpha=0.8)
    table = table[table["seed"] == -1]
    band = table["score"], table["expected_low"], table["expected_high"]
    ax.fill_between(*band, color=NEUTRAL, alpha=0.3, linewidth=0)
    ax.plot([0, 1], [0, 1], "--", color="black", linewidth=0.8)
    ax.vlines(table["score"], table["low"], table["high"], color=SENSITIVE, linewidth=1)
    ax.plot(table["score"], table["value"], "o-", color=SENSITIVE, markersize=4, linewidth=1)
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    ax.set(xlabel="predicted P(sensitive)", ylabel="share sensitive")
    return ax


def expected_by_chance(chance: pd.DataFrame, order: list[str], *, ax: Axes) -> Axes:
    """Add to `intervals` what exactly calibrated scores would reach: a grey bar from 0 to the 95 % point.

    `chance` is by method, as `calibration.chance_errors` returns it.
    """
    ax.barh(range(len(order)), chance["upper"].reindex(order), height=0.7, color=NEUTRAL, alpha=0.3, zorder=0)
    return ax


def thinned(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the estimated share of sensitive cells against the true one, for one method.

    `table` is as `calibration.estimates_when_thinned` returns it; points are seeds, the line is their mean.
    """
    ax = ax or plt.subplots(figsize=(3.2, 3.2))[1]
    ax.plot([0, 1], [0, 1], "--", color="black", linewidth=0.8)
    ax.scatter(table["share"], table["value"], s=10, color=NEUTRAL, alpha=0.7, linewidth=0)
    mean = table.groupby("share")["value"].mean()
    ax.plot(mean.index, mean, "o-", color=SENSITIVE, markersize=4)
    ax.set(xlim=(0, 1), ylim=(-0.02, 1.02), aspect="equal", xlabel="true share", ylabel="estimated share")
    return ax


def risk_coverage(curves: pd.DataFrame, areas: Mapping[str, float], *, ax: Axes | None = None) -> Axes:
    """Draw the error rate among the most certain cells, for one method.

    Parameters
    ----------
    curves
        As `calibration.risk_curves` returns it: the error rate is ``value``.
    areas
        ``random``: the error rate of all cells, from `calibration.rejections`; an oracle's curve follows.
    """
    ax = ax or plt.subplots(figsize=(3.2, 2.6))[1]
    error = areas["random"]
    ax.axhline(error, color="black", linestyle="--", linewidth=0.8, label="random order")
    ax.plot([0, 1 - error, *(x := _grid(1 - error))], [0, 0, *((c - 1 + error) / c for c in x)], ":k")
    ax.lines[-1].set(label="oracle", linewidth=1)
    for kind, colour in (("entropy", SENSITIVE), ("spread", RESISTANT)):
        curve = curves[curves["by"] == kind]
        if len(curve):
            ax.plot(curve["coverage"], curve["value"], color=colour, label=kind)
    ax.set(xlabel="share of cells answered", ylabel="error rate among them", xlim=(0, 1))
    return ax


def _grid(start: float) -> list[float]:
    """Return ten steps from `start` to 1."""
    return [start + (1 - start) * i / 10 for i in range(1, 11)]


def fits(table: pd.DataFrame, x: str, y: str, *, colours: Mapping[str, str], ax: Axes | None = None) -> Axes:
    """Draw one measure of every fit against another; a fit is a method with a seed.

    Parameters
    ----------
    table
        One row a fit: ``method`` and the measures.
    colours
        By method.
    """
    ax = ax or plt.subplots(figsize=(3.6, 3))[1]
    for (method, colour), marker in zip(colours.items(), "osD^vP*X", strict=False):
        of = table[table["method"] == method]
        ax.scatter(of[x], of[y], s=26, color=colour, marker=marker, label=method, alpha=0.85, linewidth=0)
    ax.set(xlabel=prose.LABELS.get(x, x), ylabel=prose.LABELS.get(y, y))
    ax.locator_params(axis="x", nbins=5)  # two panels stand side by side
    return ax
