"""What happens as a setting moves."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

from bulk2sc import prose
from bulk2sc.pl.look import NEUTRAL, log_axis


def over_settings(
    summary: pd.DataFrame,
    metrics: dict[str, str],
    *,
    dashed: Sequence[str] = (),
    log: Sequence[str] = (),
    base: dict | None = None,
) -> Sequence[Axes]:
    """Draw shares over the values of each setting, one panel a setting, with intervals as bands.

    Parameters
    ----------
    summary
        As `label_sweep.over_seeds` returns it.
    metrics
        Colour by metric.
    dashed
        Metrics drawn as dashed lines with open marks, to share the colour of another.
    log
        Settings on a log scale.
    base
        Setting -> value that it has in the other panels, drawn as a dotted line.
    """
    settings = list(summary["setting"].unique())
    columns = min(3, len(settings))
    shape = (-(-len(settings) // columns), columns)
    figure, axes = plt.subplots(*shape, figsize=(3.2 * columns, 2.6 * shape[0]), sharey=True, squeeze=False)
    for ax, setting in zip(axes.flat, settings, strict=False):
        for metric, colour in metrics.items():
            rows = summary[(summary["setting"] == setting) & (summary["metric"] == metric)]
            ax.fill_between(rows["value"], rows["low"], rows["high"], color=colour, alpha=0.15, linewidth=0)
            look = {"color": colour, "marker": "o", "markersize": 4, "label": metric}
            look |= {"linestyle": "--", "markerfacecolor": "white"} if metric in dashed else {}
            ax.plot(rows["value"], rows["mean"], **look)
        if base:
            ax.axvline(base[setting], color=NEUTRAL, linestyle=":", linewidth=1)
        if setting in log:
            log_axis(ax)
        ax.set(xlabel=prose.SWEPT[setting], ylim=(-0.03, 1.03))
    for ax in axes.flat[len(settings) :]:
        ax.set_axis_off()
    for ax in axes[:, 0]:
        ax.set_ylabel("share of cells")
    handles = axes.flat[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=3, fontsize="small")
    return axes.flat[: len(settings)]
