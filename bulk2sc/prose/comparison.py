"""Which method is ahead, and whether any is better than a constant answer."""

from collections.abc import Mapping, Sequence

import pandas as pd

from bulk2sc.prose.words import LABELS, listing, unsigned, with_corrected_p

CONSTANT = ("all sensitive", "all resistant", "mean effect")  # the same answer for every cell, by design


def difference(first: str, second: str, gap: Mapping[str, float], *, metric: str = "auroc") -> str:
    """Say which of two methods is ahead, given a row of `evaluate.paired_differences`.

    Where `gap` holds a p-value, corrected for the number of comparisons, it has to be below .05 as well.
    """
    label = LABELS.get(metric, metric)
    if pd.isna(gap["value"]):
        return f"**{first}** and {second} cannot be compared in {label}: it needs answers of both classes."
    size = unsigned(gap, digits=3)
    clear = not gap.get("p", 0) >= 0.05
    if gap["low"] > 0 and clear:
        return f"**{first}** is ahead of {second} by {size} in {label}."
    if gap["high"] < 0 and clear:
        return f"**{first}** is behind {second} by {size} in {label}."
    size = with_corrected_p(gap)
    return f"**{first}** and {second} cannot be told apart here: their {label} differs by {size}."


def above_chance(table: pd.DataFrame, *, metric: str = "auroc", chance: float = 0.5) -> str:
    """Say which methods have an interval clear of the constant answers.

    Parameters
    ----------
    table
        Rows of `evaluate.judge` for the mean over seeds (seed -1).
    """
    rows = table[(table["metric"] == metric) & (table["seed"] == -1)].dropna(subset="value")
    label = LABELS.get(metric, metric)
    if rows.empty:
        return f"There is no {label} to hold against that of a constant answer."
    rows = rows[rows["low"].notna()]
    if rows.empty:
        return f"There are too few lines to say whether any {label} differs from that of a constant answer."
    above, below = rows[rows["low"] > chance]["method"], rows[rows["high"] < chance]["method"]
    if above.empty and below.empty:
        return f"No method's {label} has a 95 % interval clear of {chance:g}, the value of a constant answer."
    text = ""
    if not above.empty:
        text = f"Better than a constant answer in {label}, interval and all: {listing(above)}"
        text += f" (not corrected for the {len(rows)} intervals looked at)." if len(rows) > 1 else "."
    if not below.empty:
        text += f" Worse than a constant answer: {listing(below)}."
    return text.strip()


def degenerate(table: pd.DataFrame, *, constant: Sequence[str] = CONSTANT, of: str = "cells") -> str:
    """Say which runs call nearly every cell, or what else they were judged on, the same.

    `table` is that of `evaluate.judge`, or of `evaluate.over_folds`.
    """
    runs = table[(table["metric"] == "degenerate") & (table["seed"] >= 0) & ~table["method"].isin(constant)]
    flagged = runs[runs["value"] > 0].groupby("method", sort=False).size()
    if flagged.empty:
        told = "No run is degenerate, constant answers aside"
        return f"{told}: each calls between 2 % and 98 % of the {of} sensitive."
    number = runs.groupby("method", sort=False).size()
    names = [f"{method} ({n} of {number[method]} runs)" for method, n in flagged.items()]
    return (
        f"Degenerate, that is, calling under 2 % or over 98 % of the {of} sensitive: {listing(names)}. "
        f"Accuracy and F1 of such a run describe the share of sensitive {of} and not the method."
    )
