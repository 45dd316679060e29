"""Colours, names and axes that all figures share."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

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
