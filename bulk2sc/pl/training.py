"""Loss curves."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from bulk2sc.pl.look import NEUTRAL, RESISTANT, SENSITIVE

STAGES = {"pretraining": SENSITIVE, "joint": SENSITIVE, "adversarial": RESISTANT, "classifier": NEUTRAL}


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
