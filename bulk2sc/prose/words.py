"""Numbers, intervals, lists and tables as a reader sees them."""

from collections.abc import Mapping, Sequence

import pandas as pd
from statsmodels.stats.proportion import proportion_confint

LABELS = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "mcc": "Matthews correlation",
    "balanced_accuracy": "balanced accuracy",
    "accuracy": "accuracy",
    "f1": "F1",
    "macro_f1": "macro F1",
    "brier": "Brier score",
    "positive_rate": "positive rate",
    "specificity": "specificity",
    "pearson": "Pearson correlation",
    "explained": "share of variance explained",
    "mixing": "mixing of the domains",
    "ece": "expected calibration error",
    "brier_skill": "Brier skill",
    "domain_auroc": "AUROC of the domain",
    "mmd": "squared MMD",
    "gain": "share of the possible gain",
}


def interval(value: float, low: float, high: float, *, digits: int = 2) -> str:
    """Format an estimate with its 95 % interval: ``0.71 (95 % interval 0.60 to 0.80)``.

    Without an interval, of too few lines or of one fold: ``0.71 (too few for an interval)``.
    """
    if pd.isna(low):
        return f"{value:z.{digits}f} (too few for an interval)"
    return f"{value:z.{digits}f} (95 % interval {low:z.{digits}f} to {high:z.{digits}f})"


def unsigned(gap: Mapping[str, float], *, digits: int = 2) -> str:
    """Format a difference (value, low, high) with its interval by its size, where words say its direction."""
    return interval(abs(gap["value"]), *sorted((abs(gap["low"]), abs(gap["high"]))), digits=digits)


def with_corrected_p(gap: Mapping[str, float], *, digits: int = 3) -> str:
    """Format a difference (value, low, high and, where it was tested, the corrected p), sign and all."""
    text = interval(gap["value"], gap["low"], gap["high"], digits=digits)
    return text if pd.isna(gap.get("p")) else f"{text.removesuffix(')')}, corrected p = {gap['p']:.2g})"


def counted(n: int, one: str) -> str:
    """Format a number of things: ``1 seed``, ``5 seeds``."""
    return f"{n} {one}" if n == 1 else f"{n} {one}s"


def share(hits: int, of: int) -> str:
    """Format a share with Wilson's 95 % interval: ``45 of 50 (90 %, 95 % interval 79 % to 96 %)``."""
    if of == 0:
        return "0 of 0"
    low, high = proportion_confint(hits, of, method="wilson")
    return f"{hits} of {of} ({percent(hits / of)}, 95 % interval {percent(low)} to {percent(high)})"


def percent(value: float) -> str:
    """Format a share: ``45 %``, and ``0.4 %`` or ``99.6 %`` where rounding would hide that it is not all."""
    value = round(value, 9)  # an interval may end a hair below 1
    near_end = 0 < value < 0.0095 or 0.9905 < value < 1
    return f"{100 * value:.{1 if near_end else 0}f} %"


def share_with_interval(row: Mapping[str, float]) -> str:
    """Format a share (value, low, high): ``86 % (95 % interval 75 % to 93 %)``, of few lines ``86 %``."""
    if pd.isna(row["low"]) or row["low"] == row["high"]:
        return percent(row["value"])
    return f"{percent(row['value'])} (95 % interval {percent(row['low'])} to {percent(row['high'])})"


def spread(shares: pd.Series) -> str:
    """Say how shares run over a setting, their index: ``is 92 % throughout``, or between what it lies."""
    lowest, highest = shares.idxmin(), shares.idxmax()
    if shares[highest] - shares[lowest] < 0.005:
        return f"is {percent(shares.iloc[0])} throughout"
    ends = [f"{percent(shares[at])} (at {at:g})" for at in (lowest, highest)]
    return f"lies between {' and '.join(ends)}"


def _cell(name: str, value: object) -> str:
    if pd.isna(value):
        return ""
    return str(value) if name != "seed" else "mean" if value == -1 else f"{value:.0f}"


def written(table: pd.DataFrame) -> pd.DataFrame:
    """Show what `Study.rows` returns: four digits, and no column that is empty or the same on the whole page.

    The seed -1, which marks a mean over seeds or folds, reads ``mean``.
    """
    shown = table.drop(columns=["edition", "chapter", "dataset", "drug"]).replace("", pd.NA)
    shown = shown.dropna(axis=1, how="all")
    names = [name for name in shown if name == "seed" or not pd.api.types.is_numeric_dtype(shown[name])]
    text = {name: [_cell(name, value) for value in shown[name]] for name in names}
    shown = shown.assign(**text)
    return shown.set_index(names).map(lambda value: "" if pd.isna(value) else f"{value:.4g}")


def listing(names: Sequence[str]) -> str:
    """Join names as prose: ``a``, ``a and b``, ``a, b and c``; ``none`` where there is nothing."""
    names = [str(name) for name in names]
    if not names:
        return "none"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def with_intervals(table: pd.DataFrame, metrics: Sequence[str], order: Sequence[str]) -> pd.DataFrame:
    """Return methods x metrics as text, ``0.71 (0.60 to 0.80)``: mean over seeds, and its interval if any.

    What is not known is blank.

    Parameters
    ----------
    table
        Tidy, as `evaluate.judge` returns it.
    """
    mean = table[(table["seed"] == -1) & table["metric"].isin(metrics)]
    text = [
        ("" if pd.isna(r.value) else f"{r.value:z.2f}")
        + ("" if pd.isna(r.low) else f" ({r.low:z.2f} to {r.high:z.2f})")
        for r in mean.itertuples()
    ]
    wide = mean.assign(text=text).pivot(index="method", columns="metric", values="text")
    return wide.loc[list(order), list(metrics)].rename(columns=heading).rename_axis(columns=None)


def heading(metric: str) -> str:
    """Return a metric as a heading, with what stands behind its comma: ``Brier score, as they are``."""
    name, comma, rest = metric.partition(", ")
    return f"{LABELS.get(name, name)}{comma}{rest}"


def rounded(table: pd.DataFrame, *, digits: int = 3) -> pd.DataFrame:
    """Return a table of numbers as text with so many digits, blank where a number is not known."""
    return table.map(lambda value: "" if pd.isna(value) else f"{value:z.{digits}f}")
