"""Single cells: embeddings, composition, clusters."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from bulk2sc.pl.look import OUTLINE, levels


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
