"""What methods make of exposure to a drug."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from bulk2sc.pl.look import NEUTRAL


def exposures(table: pd.DataFrame, questions: Sequence[str], methods: Sequence[str]) -> np.ndarray:
    """Draw the AUROC of every method for each question, the sizes of the shift in shades.

    Parameters
    ----------
    table
        method, seed (the simulated drug), shift, question, value, low, high, as `exposure.judge` returns it.
    questions
        From left to right, a panel each.
    methods
        From top to bottom.

    Returns
    -------
    Array of matplotlib Axes (questions,). A point is one simulated drug at one size of the shift, with its
    interval over cell lines. Drugs of one size lie next to each other, in the order of their seeds.
    """
    runs = table[["shift", "seed"]].drop_duplicates().sort_values(["shift", "seed"])
    places = dict(
        zip(map(tuple, runs.to_numpy()), (np.arange(len(runs)) + 0.5) / len(runs) * 0.8 - 0.4, strict=True)
    )
    sizes = runs["shift"].unique()
    shades = dict(zip(sizes, sns.color_palette("viridis_r", len(sizes)), strict=True))
    size = (2.6 * len(questions) + 1.2, len(methods) * max(0.42, 0.09 * len(runs)) + 1.3)
    figure, axes = plt.subplots(1, len(questions), figsize=size, sharex=True, sharey=True, squeeze=False)
    for ax, question in zip(axes[0], questions, strict=True):
        asked = table[(table["question"] == question) & table["method"].isin(methods)]
        for shift, rows in asked.groupby("shift"):
            y = rows["method"].map(list(methods).index) + [places[shift, seed] for seed in rows["seed"]]
            ax.hlines(y, rows["low"], rows["high"], color=shades[shift], linewidth=1)
            ax.scatter(rows["value"], y, s=14, color=shades[shift], label=f"shift {shift:g}", zorder=3)
        for row in range(0, len(methods), 2):
            ax.axhspan(row - 0.5, row + 0.5, color=NEUTRAL, alpha=0.1, linewidth=0)
        ax.axvline(0.5, color="black", linestyle="--", linewidth=0.8)
        ax.set_title("\n".join(question.split(", ")), fontsize="medium")
        ax.set(xlabel="AUROC", xlim=(-0.02, 1.02), ylim=(len(methods) - 0.5, -0.5))
    ax.set_yticks(range(len(methods)), list(methods))
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=len(shades))
    return axes[0]
