"""What attributions to pathways show."""

from collections.abc import Mapping
from math import comb

import pandas as pd

from bulk2sc.prose.words import interval, listing, percent, share_with_interval


def contrast(p: pd.Series, n_sensitive: int, n_resistant: int) -> str:
    """Say which dimensions are attributed differently in sensitive and resistant lines.

    Parameters
    ----------
    p
        p-value by dimension, corrected by Holm's method; NaN where a side has no line.
    """
    sides = f"{n_sensitive} sensitive and {n_resistant} resistant lines"
    if p.isna().any():
        return f"There are {sides}: nothing to compare."
    if 2 / comb(n_sensitive + n_resistant, n_sensitive) > 0.05:
        return f"There are {sides}: too few for any difference to be clear."
    clear = p[p < 0.05]
    if clear.empty:
        return f"Between {sides}, none of the {len(p)} dimensions is attributed clearly differently."
    differ = (
        f"{len(clear)} of the {len(p)} dimensions {'is' if len(clear) == 1 else 'are'} attributed differently"
    )
    named = listing([f"{name} ({value:.2g})" for name, value in clear.items()])
    return f"Between {sides}, {differ} (corrected p): {named}."


def free_share(share: Mapping[str, float], n_free: int, n: int, leading: int, top: int) -> str:
    """Say how much of the attribution falls on free dimensions; `share` has value, low and high."""
    fair = n_free / n
    verdict = "about their share of the dimensions"
    if share["low"] > fair:
        verdict = "more than their share of the dimensions"
    elif share["high"] < fair:
        verdict = "less than their share of the dimensions"
    return (
        f"The {n_free} free dimensions hold {share_with_interval(share)} of the attribution, {verdict}, "
        f"which is {percent(fair)}. "
        f"{leading} of them {'is' if leading == 1 else 'are'} among the first {top}."
    )


def association(first: str, second: str, row: Mapping[str, float]) -> str:
    """Say whether two things rise together; `row` is a rank correlation with low and high."""
    found = interval(row["value"], row["low"], row["high"])
    if row["low"] > 0:
        return f"{second[0].upper()}{second[1:]} rises with {first}: Spearman's correlation is {found}."
    if row["high"] < 0:
        return f"{second[0].upper()}{second[1:]} falls with {first}: Spearman's correlation is {found}."
    return f"No clear relation between {first} and {second}: Spearman's correlation is {found}."


def agreement(name: str, correlation: float, common: float, top: int) -> str:
    """Say how far another ranking agrees: rank correlation, and how many of the first `top` are in both."""
    degree = (
        "largely agrees" if correlation > 0.8 else "agrees in part" if correlation > 0.4 else "hardly agrees"
    )
    return (
        f"The ranking from {name} {degree}: rank correlation {correlation:.2f}, "
        f"{common:.0f} of the first {top} in common."
    )
