"""Several data sets and drugs beside each other, as in Fig. 3 of the paper."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import stats

from bulk2sc import evaluate, inference


def with_answers(scores: pd.DataFrame, cells: AnnData, *, study: str) -> dict[str, pd.DataFrame]:
    """Return what `judge` needs of one data set.

    Parameters
    ----------
    scores
        As `evaluate.score_methods` returns it.
    cells
        With ``obs["cell_line"]`` and ``obs["truth"]``.
    study
        Name of the data set.

    Returns
    -------
    dict
        ``scores``: study and the columns given. ``cells``: study, cell, cell_line and truth.
    """
    known = cells.obs[["cell_line", "truth"]].rename_axis("cell").reset_index()
    return {"scores": scores.assign(study=study), "cells": known.assign(study=study)}


def judge(tables: dict[str, pd.DataFrame], *, n_draws: int = 1000) -> pd.DataFrame:
    """Judge every method on every data set: the rows of `evaluate.judge`, with a column ``study``.

    Parameters
    ----------
    tables
        Those of `with_answers`, of all data sets.
    n_draws
        Bootstrap draws over cell lines.
    """
    scores, known = (tables[name].astype({"cell": str}) for name in ("scores", "cells"))
    found = []
    for study, of_study in scores.groupby("study", sort=False):
        cells = AnnData(obs=known[known["study"] == study].set_index("cell"))
        found.append(evaluate.judge(of_study, cells, n_draws=n_draws).assign(study=study))
    return pd.concat(found, ignore_index=True)


def shared_lines(known: pd.DataFrame) -> float:
    """Return the largest share of their judged cell lines that two data sets have in common.

    Data sets of the same lines are one experiment and not two, whatever drug they are asked about.

    Parameters
    ----------
    known
        The table ``cells`` of `with_answers`, of all data sets.
    """
    judged = known.dropna(subset="truth").groupby("study")["cell_line"].agg(set)
    shares = [len(a & b) / min(len(a), len(b)) for a, b in combinations(judged, 2)]
    return max(shares, default=0.0)


def means(table: pd.DataFrame, *, shared: float = 0.0) -> pd.DataFrame:
    """Average metrics over data sets, with a 95 % t interval: data sets are the unit, however many cells.

    Parameters
    ----------
    table
        Rows of `evaluate.judge` with a column ``study``; the means over seeds (seed -1) count.
    shared
        As `shared_lines` returns it; from `inference.DEPENDENT` on there is no interval.

    Returns
    -------
    DataFrame
        method, metric, mean, low, high (NaN for fewer than three data sets; no metric exceeds 1) and n, the
        data sets with a value.
    """
    groups = table[table["seed"] == -1].groupby(["method", "metric"], sort=False)["value"]
    found = groups.agg(mean="mean", sd="std", n="count").reset_index()
    enough = found["n"].where((found["n"] >= 3) & (shared < inference.DEPENDENT))
    half = inference.t_half(found["sd"] / np.sqrt(enough), enough)
    found["low"], found["high"] = found["mean"] - half, np.minimum(found["mean"] + half, 1)
    return found.drop(columns="sd")


def differences(
    table: pd.DataFrame, pairs: Sequence[tuple[str, str]], *, metric: str = "auroc", shared: float = 0.0
) -> pd.DataFrame:
    """Compare pairs of methods by paired t tests over data sets, corrected for the number of pairs.

    Parameters
    ----------
    table, shared
        As for `means`.
    pairs
        All comparisons that are made.

    Returns
    -------
    DataFrame
        Indexed by ``first`` and ``second``: value (mean of first minus second), low, high (95 % t interval),
        p, ``holm`` (p corrected by Holm's method) and n, the data sets that have both; all but value and n
        are NaN for fewer than three data sets, where the difference is the same in all, or where the data
        sets are of the same lines.
    """
    rows = table[(table["seed"] == -1) & (table["metric"] == metric)]
    wide = rows.pivot(index="study", columns="method", values="value")
    index = pd.MultiIndex.from_tuples(pairs, names=["first", "second"])
    rows = [_paired_t((wide[a] - wide[b]).dropna(), tested=shared < inference.DEPENDENT) for a, b in pairs]
    found = pd.DataFrame(rows, index, columns=["value", "low", "high", "p", "n"])
    return found.assign(holm=inference.holm(found["p"]))


def _paired_t(gaps: pd.Series, *, tested: bool) -> dict[str, float]:
    """Test whether differences (n,) are 0 on average: value, low, high, p, n."""
    untold = {"value": gaps.mean(), "low": np.nan, "high": np.nan, "p": np.nan, "n": len(gaps)}
    if not tested or len(gaps) < 3 or np.ptp(gaps) < 1e-12:
        return untold
    test = stats.ttest_1samp(gaps, 0)
    low, high = test.confidence_interval()
    return untold | {"low": low, "high": high, "p": test.pvalue}


def beside_each_other(table: pd.DataFrame, metric: str, methods: list[str]) -> pd.DataFrame:
    """Return one metric as methods x data sets, with the mean over data sets in the last column."""
    rows = table[(table["seed"] == -1) & (table["metric"] == metric)]
    wide = rows.pivot(index="method", columns="study", values="value")
    wide = wide.reindex(index=methods, columns=table["study"].unique()).rename_axis(columns=None)
    return wide.assign(mean=wide.mean(axis=1))
