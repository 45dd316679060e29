"""Plots of the book, which take tidy data, and the colours, names and axes that they share."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from bulk2sc import compare, say
from bulk2sc.compare import Draws

SENSITIVE, RESISTANT, NEUTRAL = "#0173b2", "#de8f05", "#949494"
RESPONSE = {"sensitive": SENSITIVE, "resistant": RESISTANT, "not judged": "#d5d5d5"}
OUTLINE = [withStroke(linewidth=1.5, foreground="white")]  # of names: legible, and no box hides points


def style() -> None:
    """Set the look of every figure: white background, colour-blind safe, sharp on screen."""
    sns.set_theme(context="notebook", style="ticks", palette="colorblind", font_scale=0.85)
    plt.rcParams.update({"figure.dpi": 110, "figure.constrained_layout.use": True, "legend.frameon": False})
    plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})


def response_names(response: Sequence[float]) -> pd.Categorical:
    """Turn 1, 0 and NaN into ``sensitive``, ``resistant`` and ``not judged``."""
    names = (
        pd.Series(np.asarray(response, float)).map({1.0: "sensitive", 0.0: "resistant"}).fillna("not judged")
    )
    return pd.Categorical(names, categories=list(RESPONSE))


def log_axis(ax: Axes) -> Axes:
    """Put the x axis on a log scale with plain numbers: powers of ten; on a short axis 2 and 5 as well."""
    ax.set_xscale("log")
    low, high = ax.get_xlim()
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 300 else (1,)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}" if x >= 1 else f"{x:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    return ax


def levels(values: pd.Series) -> list:
    """Return the levels that occur, in the order of a categorical, else sorted."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        present = set(values.dropna())
        return [level for level in values.cat.categories if level in present]
    return sorted(values.dropna().unique(), key=str)


def short(name: str, *, width: int = 46) -> str:
    """Shorten a gene-set name for an axis: no database prefix, no underscores, at most `width` characters."""
    for prefix in ("GOCC_", "GOBP_", "GOMF_", "HALLMARK_", "REACTOME_"):
        name = name.removeprefix(prefix)
    name = name.replace("_", " ").lower()
    return name if len(name) <= width else name[: width - 1].rstrip() + "…"


# --------------------------------------------------------------------------------------------- cells


def embedding(
    coordinates: np.ndarray,
    values: Sequence,
    *,
    title: str,
    palette: dict | str | None = None,
    named: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw cells in two dimensions, coloured by a categorical or numeric value.

    Parameters
    ----------
    coordinates
        Array (n_cells, 2).
    values
        One value a cell; numbers get a continuous scale.
    named
        Write each group's name on its cells, in place of a legend: for more groups than colours. Long names
        of more than ten groups would hide the cells, and are left out.
    """
    ax = ax or plt.subplots(figsize=(4.2, 3.6))[1]
    values = pd.Series(values).reset_index(drop=True)
    numeric = pd.api.types.is_float_dtype(values)
    order = np.random.default_rng(0).permutation(
        len(values)
    )  # so that no group is drawn on top of the others
    many = named and values.nunique() > 10
    palette = palette or ("viridis" if numeric else "husl" if many else "colorblind")
    sns.scatterplot(
        x=coordinates[order, 0],
        y=coordinates[order, 1],
        hue=values.iloc[order].to_numpy(),
        hue_order=None if numeric else levels(values),
        palette=palette,
        s=8,
        linewidth=0,
        ax=ax,
    )
    ax.set(title=title, xticks=[], yticks=[], xlabel="UMAP 1", ylabel="UMAP 2")
    ax.legend(title=None, fontsize="small", markerscale=2, loc="upper left", bbox_to_anchor=(1, 1))
    if named:
        ax.get_legend().remove()
    if named and not (many and values.astype(str).str.len().max() > 3):
        _name_groups(coordinates, values, ax)
    return ax


def _name_groups(coordinates: np.ndarray, values: pd.Series, ax: Axes) -> None:
    """Write each group's name on the cell nearest to the middle of its cells."""
    for name, rows in values.groupby(values, observed=True).groups.items():
        cells = coordinates[rows]
        x, y = cells[np.square(cells - np.median(cells, axis=0)).sum(axis=1).argmin()]
        ax.text(x, y, name, fontsize="xx-small", ha="center", va="center", path_effects=OUTLINE)


def composition(
    rows: Sequence[str], groups: Sequence[str], *, palette: dict | None = None, ax: Axes | None = None
) -> Axes:
    """Draw how many cells of each group a row holds, as stacked bars, the first row on top.

    Parameters
    ----------
    rows, groups
        Of each cell, say its sample and its cell line; rows that are categorical keep their order.
    palette
        Colour by group; its order is that of the stack.
    """
    table = pd.crosstab(np.asarray(rows, str), np.asarray(groups, str))
    table = table.loc[[str(row) for row in levels(pd.Series(rows))]]
    names = [name for name in palette if name in table] if palette else list(table)
    ax = ax or plt.subplots(figsize=(7, 0.32 * len(table) + 1))[1]
    colours = [palette[n] for n in names] if palette else sns.color_palette("colorblind", len(names))
    table = table[names].rename(columns=lambda name: name.replace("_", " "))
    table.plot.barh(stacked=True, color=colours, width=0.75, ax=ax, edgecolor="white", linewidth=0.4)
    ax.legend(title=None, fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
    ax.set(xlabel="cells", ylabel="", ylim=(len(table) - 0.5, -0.5))
    return ax


# ------------------------------------------------------------------------------------------- methods


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
