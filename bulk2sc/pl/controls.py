"""What methods make of exposure to a drug."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bulk2sc.pl.look import NEUTRAL, RESISTANT, SENSITIVE


def exposures(table: pd.DataFrame, questions: Sequence[str], methods: Sequence[str]) -> np.ndarray:
    """Draw the AUROC of every method over the size of the shift, one row of panels a question.

    Parameters
    ----------
    table
        method, seed (the simulated drug), shift, question, value, low, high, as `exposure.judge` returns it.
    questions
        From top to bottom; the first has a colour of its own, as its answer is not response.
    methods
        From left to right.

    Returns
    -------
    Array of Axes (questions, methods). A line is a simulated drug, with its interval over cell lines.
    """
    size = (2.0 * len(methods) + 0.6, 2.3 * len(questions))
    grid = {"sharex": True, "sharey": True, "squeeze": False}
    _, axes = plt.subplots(len(questions), len(methods), figsize=size, **grid)
    shifts = sorted(table["shift"].unique())
    for i, question in enumerate(questions):
        for ax, method in zip(axes[i], methods, strict=True):
            rows = table[(table["question"] == question) & (table["method"] == method)]
            _one_panel(ax, rows, shifts, SENSITIVE if i else RESISTANT)
        axes[i, 0].set_ylabel("\n".join(["AUROC:", *question.split(", ")]), fontsize="small")
    for ax, method in zip(axes[0], methods, strict=True):
        ax.set_title(method)
    for ax in axes[-1]:
        ax.set(xticks=range(len(shifts)), xticklabels=[f"{shift:g}" for shift in shifts], xlabel="shift")
    return axes


def _one_panel(ax: Axes, rows: pd.DataFrame, shifts: list[float], colour: str) -> None:
    ax.axhline(0.5, color="black", linestyle="--", linewidth=0.8)
    drugs = list(rows.groupby("seed"))
    for offset, (_, drug) in zip(np.linspace(-0.2, 0.2, len(drugs)), drugs, strict=True):
        x = drug["shift"].map(shifts.index) + offset
        ax.plot(x, drug["value"], color=NEUTRAL, linewidth=0.7, zorder=1)
        ax.vlines(x, drug["low"], drug["high"], color=colour, linewidth=1, alpha=0.7)
        ax.scatter(x, drug["value"], s=12, color=colour, zorder=3)
    ax.set_ylim(-0.02, 1.02)
