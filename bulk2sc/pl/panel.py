"""The drug panel: methods with their null, and drug by drug."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from bulk2sc.panel import CELLS
from bulk2sc.pl.look import NEUTRAL, SENSITIVE


def panel_forest(
    summary: pd.DataFrame, seeds: pd.DataFrame, name: str, *, kind: str = CELLS, ax: Axes | None = None
) -> Axes:
    """Draw every method's mean rho over one set of drugs, best on top, on its permutation null.

    Parameters
    ----------
    summary
        As `panel.judge` returns it: intervals over drugs, null of the lines, all inputs.
    seeds
        As `panel.seed_means` returns it: a point each.
    name
        Of the set of drugs.
    kind
        Input by which methods are sorted and whose intervals and null are drawn; others are open circles.
    """
    table = summary[summary["drugs"] == name]
    rows = table[table["input"] == kind].sort_values("value", ascending=False, kind="stable")
    order = {method: i for i, method in enumerate(rows["method"])}
    ax = ax or plt.subplots(figsize=(7, 0.32 * len(order) + 1.2))[1]
    ax.use_sticky_edges = False  # the ends of the bands stay in sight
    y = np.arange(len(order))
    ax.barh(
        y,
        rows["null_high"] - rows["null_low"],
        left=rows["null_low"],
        height=0.7,
        color=NEUTRAL,
        alpha=0.25,
        label="95 % of the permuted lines",
    )
    ax.hlines(y, rows["low"], rows["high"], color=SENSITIVE, linewidth=2)
    ax.scatter(rows["value"], y, s=34, color=SENSITIVE, zorder=3, label=f"{kind}, interval over drugs")
    points = seeds[(seeds["input"] == kind) & (seeds["drugs"] == name) & seeds["method"].isin(order)]
    ax.scatter(
        points["value"], points["method"].map(order) + 0.24, s=9, color="black", alpha=0.6, linewidth=0
    )
    for other, ceiling in table[table["input"] != kind].groupby("input"):
        where = ceiling["method"].map(order)
        ax.scatter(ceiling["value"], where, s=34, facecolor="none", edgecolor="black", label=other)
    ax.axvline(0, color="black", linestyle="--", linewidth=0.8)
    ax.set(yticks=y, yticklabels=list(order), ylim=(len(order) - 0.5, -0.5), xlabel="mean rho")
    ax.set_title(f"{table['n_drugs'].max():.0f} {name}")
    ax.figure.legend(loc="outside lower center", ncols=3, fontsize="small")
    return ax


def panel_heatmap(rho: pd.DataFrame, methods: Sequence[str], *, ax: Axes | None = None) -> Axes:
    """Draw rho of every drug and method, drugs sorted by their mean over methods.

    Parameters
    ----------
    rho
        Drugs x methods, in [-1, 1].
    methods
        Methods from left to right.
    """
    shown = rho[list(methods)].loc[rho[list(methods)].mean(axis=1).sort_values(ascending=False).index]
    return _over_drugs(shown, ax, cmap="RdBu", vmin=-1, vmax=1, cbar_kws={"label": "rho"})


def panel_truth(auc: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the measured AUC (n_lines, n_drugs), drugs sorted by their mean over lines; untested is white."""
    shown = auc[auc.mean().sort_values().index].T
    return _over_drugs(shown, ax, cmap="viridis", cbar_kws={"label": "AUC"})


def _over_drugs(table: pd.DataFrame, ax: Axes | None, **look) -> Axes:
    """Draw a heat map with a row for each drug; its height has a limit, and many drugs have no names."""
    n_drugs, n_columns = table.shape
    ax = ax or plt.subplots(figsize=(min(8, 0.28 * n_columns + 3.5), 0.17 * min(n_drugs, 60) + 1.8))[1]
    crowded = n_drugs > 60
    sns.heatmap(table, xticklabels=True, yticklabels=not crowded, ax=ax, **look)
    ax.tick_params(
        axis="x", labelsize=8, rotation=90, top=True, labeltop=True, bottom=False, labelbottom=False
    )
    ax.tick_params(axis="y", labelsize=8, rotation=0)
    ax.set(xlabel="", ylabel=f"{n_drugs} drugs" if crowded else "")
    return ax


def penalties(chosen: pd.Series, reference: float, *, ax: Axes | None = None) -> Axes:
    """Draw how many drugs got each of the `chosen` penalties; a dotted line marks the `reference`."""
    ax = ax or plt.subplots(figsize=(5, 2.6))[1]
    counts = chosen.value_counts().sort_index()
    ax.bar(np.log10(counts.index), counts, width=0.3, color=SENSITIVE)
    ax.axvline(np.log10(reference), color="black", linestyle=":", linewidth=1)
    exponents = np.arange(2, 7)
    ax.set(xticks=exponents, xticklabels=[f"$10^{e}$" for e in exponents], xlabel="penalty", ylabel="drugs")
    return ax
