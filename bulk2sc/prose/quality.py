"""What quality control finds."""

import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from bulk2sc.prose.words import listing, percent, share


def found(name: str, hits: int, of: int, called: int, *, kind: str = "planted") -> str:
    """Say how a filter for some cells fares: how many of them it finds, and what else it takes for them."""
    if of == 0:
        return f"There are no {kind} {name}; the filter called {called} cells."
    text = f"Of the {kind} {name}, {share(hits, of)} were found."
    if called == 0:
        return f"{text} No cell was called."
    return f"{text} Of the cells that the filter called, {share(hits, called)} were {kind} {name}."


def uneven(called: pd.Series, of: pd.Series) -> str:
    """Say which kinds of sound cells the doublet filter takes most of: Wilson's interval above its share."""
    overall = called.sum() / max(of.sum(), 1)
    low = proportion_confint(called.to_numpy(), of.to_numpy(), method="wilson")[0]
    more = [f"{kind} ({percent(called[kind] / of[kind])})" for kind in of.index[low > overall]]
    clause = f"but clearly more of these: {listing(more)}" if more else "of no kind clearly more"
    return f"The doublet filter takes {percent(overall)} of the sound cells, {clause}."


def expected_doublets(known: float, rate: float) -> str:
    """Say what limits the doublets that can be found, given their share and the share that is expected."""
    text = f"They are {percent(known)} of the cells and {percent(rate)} are called, so "
    return text + (
        f"at most {percent(rate / known)} can be found." if known >= rate else "some calls must be wrong."
    )


def spared(called: int, of: int) -> str:
    """Say what calling doublets would cost among cells that are known to be single."""
    return (
        "In this edition doublets are left out by their genotype, so none is sought by content: "
        f"it would cost {share(called, of)} of the cells, all of them single by genotype."
    )
