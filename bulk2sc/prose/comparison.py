"""Which method is ahead, and which answers are the same for nearly all cells."""

from collections.abc import Mapping, Sequence

import pandas as pd

from bulk2sc.prose.words import LABELS, listing, unsigned, with_corrected_p

CONSTANT = ("all sensitive", "all resistant", "mean effect")  # the same answer for every cell, by design


def difference(first: str, second: str, gap: Mapping[str, float], *, metric: str = "auroc") -> str:
    """Say which of two methods is ahead, given value, low and high.

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
