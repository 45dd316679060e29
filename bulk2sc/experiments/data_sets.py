"""Several data sets and drugs beside each other, as in Fig. 3 of the paper."""

import numpy as np
import pandas as pd
from scipy import stats


def means(table: pd.DataFrame) -> pd.DataFrame:
    """Average metrics over data sets, with a 95 % t interval: data sets are the unit, however many cells.

    Parameters
    ----------
    table
        Rows of `evaluate.judge` with a column ``study``; the means over seeds (seed -1) count.

    Returns
    -------
    DataFrame
        method, metric, mean, low, high (NaN for fewer than three data sets; no metric exceeds 1) and n, the
        data sets with a value.
    """
    groups = table[table["seed"] == -1].groupby(["method", "metric"], sort=False)["value"]
    found = groups.agg(mean="mean", sd="std", n="count").reset_index()
    enough = found["n"].where(found["n"] >= 3)
    half = stats.t.ppf(0.975, enough - 1) * found["sd"] / np.sqrt(enough)
    found["low"], found["high"] = found["mean"] - half, np.minimum(found["mean"] + half, 1)
    return found.drop(columns="sd")


def beside_each_other(table: pd.DataFrame, metric: str, methods: list[str]) -> pd.DataFrame:
    """Return one metric as methods x data sets, with the mean over data sets in the last column."""
    rows = table[(table["seed"] == -1) & (table["metric"] == metric)]
    wide = rows.pivot(index="method", columns="study", values="value")
    wide = wide.reindex(index=methods, columns=table["study"].unique()).rename_axis(columns=None)
    return wide.assign(mean=wide.mean(axis=1))
