"""A metric over the values of settings."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

from bulk2sc import prose
from bulk2sc.pl.look import NEUTRAL, SENSITIVE


def by_value(
    table: pd.DataFrame,
    points: pd.DataFrame,
    metric: str,
    own: dict[str, float],
    *,
    colour: str = SENSITIVE,
) -> Sequence[Axes]:
    """Draw a metric over the values of each setting: means with intervals, every seed as a point.

    Parameters
    ----------
    table
        Tidy: method, seed (-1 for the mean, which carries the interval), metric, value, low, high.
    points
        Columns setting, value and method, as `experiments.hyperparameters.grid` returns them.
    metric
        Which metric.
    own
        Value in use by setting, drawn as a dotted line.
    colour
        Of means and intervals.
    """
    rows = table[table["metric"] == metric].rename(columns={"value": "score"})
    settings = list(points["setting"].unique())
    _, axes = plt.subplots(1, len(settings), figsize=(3.3 * len(settings), 3), sharey=True, squeeze=False)
    for ax, setting in zip(axes[0], settings, strict=True):
        here = points[points["setting"] == setting].merge(rows, on="method").sort_values("value")
        seeds, mean = here[here["seed"] >= 0], here[here["seed"] == -1]
        ax.axvline(own[setting], color=NEUTRAL, linestyle=":", linewidth=1)
        beside = 0.025 * (here["value"].max() - here["value"].min())
        ax.scatter(seeds["value"] + beside, seeds["score"], s=10, color=NEUTRAL, alpha=0.7, linewidth=0)
        ax.vlines(mean["value"], mean["low"], mean["high"], color=colour, linewidth=2)
        ax.plot(mean["value"], mean["score"], "o-", color=colour, markersize=5, linewidth=1)
        ax.axhline(0.5, color="black", linestyle="--", linewidth=0.8)
        ax.set_xlabel(prose.SETTINGS[setting])
    axes[0, 0].set_ylabel(prose.LABELS.get(metric, metric))
    return axes[0]
