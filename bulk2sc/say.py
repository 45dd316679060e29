"""Sentences that state an outcome: the author writes five wordings, the one rule picks one."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from bulk2sc.errors import Bulk2scError

LABELS = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "mcc": "Matthews correlation",
    "balanced_accuracy": "balanced accuracy",
    "f1": "F1",
    "macro_f1": "macro F1",
    "brier": "Brier score",
    "positive_rate": "positive rate",
    "pearson": "Pearson correlation",
    "rho": "Spearman's rho",
}


class Number(int):
    """A count that chooses words: ``{n:is|are}`` in a wording reads *is* for one and *are* for any other."""

    def __format__(self, form: str) -> str:
        one, bar, many = form.partition("|")
        return (one if self == 1 else many) if bar else super().__format__(form)


def effects(table: pd.DataFrame, *, higher: str, lower: str, equal: str, unclear: str, untested: str) -> str:
    """Say how methods differ: one sentence for each verdict that occurs, in this order.

    Parameters
    ----------
    table
        As `compare.differences` returns it.
    higher, lower, equal, unclear, untested
        What to say of the rows with this verdict; an empty text says nothing. Filled in are ``{methods}``
        (`listing`); ``{n}``, how many, and ``{n:one|many}``, a word by that number; ``{reference}`` and
        ``{group}``; ``{by}``, the size or the sizes of the differences; ``{low}`` and ``{high}``, the outer
        ends of their intervals; ``{each}``, every method with its difference and interval.

    Raises
    ------
    Bulk2scError
        If a wording asks for something else.
    """
    wordings = {
        "higher": higher,
        "lower": lower,
        "practically equal": equal,
        "not clear": unclear,
        "cannot be tested": untested,
    }
    of = {verdict: rows for verdict, rows in table.groupby("verdict")}
    return " ".join(
        _filled(text, of[verdict]) for verdict, text in wordings.items() if text and verdict in of
    )


def _filled(wording: str, rows: pd.DataFrame) -> str:
    sizes = rows["difference"].abs()
    ends = dict.fromkeys([number(sizes.min()), number(sizes.max())])
    each = [f"{row.method} ({interval(row.difference, row.low, row.high)})" for row in rows.itertuples()]
    known = {
        "methods": listing(rows["method"].unique()),
        "n": Number(rows["method"].nunique()),
        "reference": listing(rows["reference"].unique()),
        "group": listing(rows["group"].unique()) if "group" in rows else "",
        "by": " to ".join(ends),
        "low": number(rows["low"].min()),
        "high": number(rows["high"].max()),
        "each": listing(each),
    }
    try:
        return wording.format_map(known)
    except (KeyError, ValueError, IndexError, AttributeError) as error:
        raise Bulk2scError(f"say: {error} in {wording!r}; known are {', '.join(known)}") from None


def number(value: float, *, digits: int = 2) -> str:
    """Format a number: ``0.71``, and ``not known`` for NaN."""
    return "not known" if pd.isna(value) else f"{value:z.{digits}f}"


def interval(value: float, low: float, high: float, *, digits: int = 2) -> str:
    """Format a value with its 95 % interval: ``0.71, 0.60 to 0.80``; without one the value alone."""
    ends = "" if pd.isna(low) else f", {number(low, digits=digits)} to {number(high, digits=digits)}"
    return number(value, digits=digits) + ends


def counted(n: int, one: str) -> str:
    """Format a number of things: ``1 seed``, ``5 seeds``."""
    return f"{n} {one}" if n == 1 else f"{n} {one}s"


def percent(value: float) -> str:
    """Format a share: ``45 %``, and ``0.4 %`` or ``99.6 %`` where rounding would hide that it is not all."""
    value = round(value, 9)
    if 0 < value < 0.0005 or 0.9995 < value < 1:
        return "less than 0.1 %" if value < 0.5 else "more than 99.9 %"
    near_end = 0 < value < 0.0095 or 0.9905 < value < 1
    return f"{100 * value:.{1 if near_end else 0}f} %"


def share(hits: int, of: int) -> str:
    """Format a share: ``45 of 50 (90 %)``."""
    return f"{hits} of {of}" + (f" ({percent(hits / of)})" if of else "")


def listing(names: Iterable[object]) -> str:
    """Join names as prose: ``a``, ``a and b``, ``a, b and c``; ``none`` where there is nothing."""
    names = [str(name) for name in names]
    if len(names) < 2:
        return names[0] if names else "none"
    return f"{', '.join(names[:-1])} and {names[-1]}"


def table(levels: Mapping[str, pd.DataFrame], order: Sequence[str] | None = None) -> pd.DataFrame:
    """Return methods x metrics as text, ``0.71 (0.60 to 0.80)``; what is not known is blank.

    Parameters
    ----------
    levels
        Tables of `compare.levels` by metric, or by what else heads a column.
    order
        The methods to show; by default those of the first table.
    """
    columns = {
        LABELS.get(name, name): {
            row.method: _cell(row.value, row.low, row.high) for row in found.itertuples()
        }
        for name, found in levels.items()
    }
    shown = pd.DataFrame(columns).rename_axis("method")
    return shown.loc[list(order)] if order is not None else shown


def _cell(value: float, low: float, high: float) -> str:
    if np.isnan(value):
        return ""
    return number(value) + ("" if np.isnan(low) else f" ({number(low)} to {number(high)})")
