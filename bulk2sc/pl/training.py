"""Loss curves."""

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from bulk2sc.pl.look import NEUTRAL, RESISTANT, SENSITIVE

STAGES = {"pretraining": SENSITIVE, "joint": SENSITIVE, "adversarial": RESISTANT, "classifier": NEUTRAL}


def loss_curves(
    history: pd.DataFrame, *, term: str, stage: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw one term of the loss over epochs, training and validation apart, one line a seed.

    Parameters
    ----------
    history
        Tidy: stage, epoch, split, term, value and optionally seed, as `SharedAutoencoder.history_`.
    """
    ax = ax or plt.subplots(figsize=(4.5, 3))[1]
    rows = history[history["term"] == term]
    if stage is not None:
        rows = rows[rows["stage"] == stage]
    units = {"units": "seed", "estimator": None} if "seed" in rows else {"estimator": None}
    palette = {
        split: colour for split, colour in zip(rows["split"].unique(), (SENSITIVE, RESISTANT), strict=False)
    }
    sns.lineplot(rows, x="epoch", y="value", hue="split", palette=palette, ax=ax, **units)
    ax.get_legend().set_title(None)
    ax.set(title=term, xlabel="epoch", ylabel="loss")
    return ax


def stages(history: pd.DataFrame, *, term: str, ax: Axes | None = None) -> Axes:
    """Draw one term of the loss over all stages that have it, end to end, one line a seed.

    Training is solid, validation dashed; the colour is the stage's (`STAGES`).

    Parameters
    ----------
    history
        Tidy: seed, stage, epoch, split, term, value; stages in their order.
    """
    ax = ax or plt.subplots(figsize=(3, 2.6))[1]
    for _, run in history[history["term"] == term].groupby("seed"):
        start = 0
        for stage, part in run.groupby("stage", sort=False):
            for split, line in part.groupby("split"):
                look = {"color": STAGES[stage], "linestyle": "-" if split == "train" else "--"}
                ax.plot(start + line["epoch"], line["value"], linewidth=0.8, **look)
            start += part["epoch"].max()
    ax.set(xlabel="epoch", ylabel=term)
    ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    return ax


def stage_legend(figure: Figure) -> None:
    """Put the legend of `stages` under a figure of several."""
    colours = {"training of the schedule": "joint", "adversarial stage": "adversarial"}
    handles = [Line2D([], [], color=STAGES[stage], label=label) for label, stage in colours.items()]
    for label, linestyle in {"training": "-", "validation": "--"}.items():
        handles.append(Line2D([], [], color="black", linestyle=linestyle, label=label))
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize="small")
