"""What the autoencoder rebuilds, and what its codes hold."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from bulk2sc.prose.words import interval, listing, percent

NEVER_BOTH_DOMAINS = (
    "with lines kept whole, no part of the data has both domains to learn from and to test on."
)


def reconstruction(table: pd.DataFrame) -> str:
    """Say what each reconstruction explains; `table` by method: value, low, high (`latent.explained`)."""
    clauses = []
    for name, row in table.iterrows():
        clause = f"{name} {interval(row['value'], row['low'], row['high'])}"
        if row["low"] <= 0:
            clause += f", {'worse' if row['high'] < 0 else 'not clearly better'} than the mean profile"
        clauses.append(clause)
    return "; ".join(clauses) + "."


def against_components(tables: Mapping[str, pd.DataFrame]) -> str:
    """Say in which domains principal components explain more than the dense decoder.

    Parameters
    ----------
    tables
        By domain, as `reconstruction` takes them.
    """
    behind = [
        domain
        for domain, table in tables.items()
        if table.loc["principal components", "value"] > table.loc["dense decoder", "value"]
    ]
    if not behind:
        return "The dense decoder explains more than principal components of the same width in every domain."
    return (
        f"Principal components of the same width explain more than the dense decoder in {listing(behind)}: "
        "as a means of rebuilding profiles, a network of this size and training is not what the data ask for."
    )


def redundancy(domain: str, row: Mapping[str, float]) -> str:
    """Say whether shared and private codes of a domain are orthogonal, and whether they share content.

    Parameters
    ----------
    row
        ``overlap`` (`latent.overlap`), its range ``shuffled, lowest`` and ``shuffled, highest`` by chance,
        and ``predictable`` (`latent.predictable`).
    """
    lowest, highest = row["shuffled, lowest"], row["shuffled, highest"]
    lower = row["overlap"] < lowest
    where = "below" if lower else "above" if row["overlap"] > highest else "within"
    text = (
        f"In {domain}, the overlap is {row['overlap']:.3f}, {where} the range of shuffled codes "
        f"({lowest:.3f} to {highest:.3f})"
    )
    found = max(row["predictable"], 0)
    if found < 0.1:
        return f"{text}, and next to nothing of the shared code can be predicted from the private one."
    contrast, found = "yet" if lower else "and", percent(found)
    return f"{text}; {contrast} {found} of the shared code can be predicted from the private one."


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
