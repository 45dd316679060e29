"""What the autoencoder rebuilds, and what its codes hold."""

from collections.abc import Mapping

import numpy as np

from bulk2sc.prose.words import interval, listing

NEVER_BOTH_DOMAINS = (
    "with lines kept whole, no part of the data has both domains to learn from and to test on."
)


def separation(code: str, row: Mapping[str, float]) -> str:
    """Say whether bulk and cells can be told apart by a code; `row` is the AUROC with low and high."""
    if np.isnan(row["value"]):
        return f"Whether the domains can be told apart in the {code} cannot be judged: {NEVER_BOTH_DOMAINS}"
    found = interval(row["value"], row["low"], row["high"])
    if row["low"] > 0.95:
        return f"The {code} keeps the domains separate: AUROC {found}."
    if row["low"] > 0.5:
        return f"In the {code} the domains can be told apart: AUROC {found}."
    return f"In the {code} the domains cannot clearly be told apart: AUROC {found}."


def mixed(mixing: Mapping[str, float], low: float, *views: str) -> str:
    """Say whether domains are mixed in some views; `low` is the lower end of what chance gives."""
    clauses = []
    for view in views:
        value = mixing[view]
        words = "as if at random" if value >= low else "in part" if value >= 0.5 else "poorly"
        clauses.append(f"on the {view}, the domains mix {words} ({value:.2f})")
    text = listing(clauses)
    return f"{text[0].upper()}{text[1:]}, mean of both sides."


def own_places(means: Mapping[str, float], low: float, high: float, n: int) -> str:
    """Say in which views cells find their own line among `n`; guessing gives `low`, the best, to `high`."""
    if n < 2:
        return (
            f"{'None' if n == 0 else 'Only one'} of the lines of these cells has a bulk profile, so there is "
            "no place to be found."
        )
    guessing = f"Guessing would give a mean place between {low:.1f} and {high:.1f} in 95 % of all cases."
    found = [f"{view} ({mean:.1f})" for view, mean in means.items() if mean < low]
    lost = [f"{view} ({mean:.1f})" for view, mean in means.items() if mean >= low]
    if not found:
        nowhere = (
            f"Cells do not find their own line among {n} better than guessing in any view: {listing(lost)}."
        )
        return f"{guessing} {nowhere}"
    text = f"{guessing} Cells find their own line among {n} better than guessing by {listing(found)}"
    return f"{text}, not by {listing(lost)}." if lost else f"{text}."
