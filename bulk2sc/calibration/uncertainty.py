"""Seed ensembles, and whether the most certain calls are the right ones (risk and coverage)."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy.special import entr

from bulk2sc import evaluate, inference
from bulk2sc.calibration.resampling import COLUMNS, against_zero, corrected, with_interval
from bulk2sc.inference import Evidence

KINDS = ("entropy", "spread")


def ensembles(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the mean score of each cell over seeds, and how unsure it is.

    Parameters
    ----------
    scores
        Tidy: method, seed, cell, score.

    Returns
    -------
    DataFrame
        method, cell, score (mean over seeds), spread (standard deviation over seeds; NaN for a method with
        one seed), entropy (of the mean, in bits; 1 at a score of .5).
    """
    table = (
        scores.groupby(["method", "cell"], sort=False)["score"].agg(score="mean", spread="std").reset_index()
    )
    p = table["score"]
    table["entropy"] = (entr(p) + entr(1 - p)) / np.log(2)
    return table.round({"spread": 12, "entropy": 12})  # p and 1 - p are equally unsure


def ensemble_gains(
    scores: pd.DataFrame, cells: AnnData, *, against: str = "truth", n_draws: int = 500
) -> pd.DataFrame:
    """Compare the mean over seeds with single seeds.

    Parameters
    ----------
    scores, cells, against, n_draws
        As in `measured`.

    Returns
    -------
    DataFrame
        Tidy: method, seed (-1), metric, value, low, high, p (as `corrected` leaves it), of ``auroc gain`` and
        ``brier gain``: the metric of the mean minus the mean of theirs. The Brier score of a mean is never
        above the mean of theirs, since squares are convex: only by how much is a question, and it has no p. A
        single seed is its own mean: its gain is 0, and no test.
    """
    answer, names, weight, lines = judged(cells, against, n_draws)
    rows, for_tests = [], lines.among(scores["method"].nunique())
    for method, table in scores.groupby("method", sort=False):
        seeds = table.pivot(index="seed", columns="cell", values="score")[names].to_numpy()
        single = [evaluate.weighted_metrics(answer, s, weight) for s in seeds]
        together = evaluate.weighted_metrics(answer, seeds.mean(axis=0), weight)
        for metric in ("auroc", "brier"):
            gain = together[metric] - np.mean([one[metric] for one in single], axis=0)
            tested = metric == "auroc" and len(seeds) > 1
            summary = against_zero(gain, for_tests) if tested else with_interval(gain, lines)
            rows.append({"method": method, "seed": -1, "metric": f"{metric} gain", **summary})
    return corrected(pd.DataFrame(rows, columns=COLUMNS), n_draws)


def judged(
    cells: AnnData, against: str, n_draws: int = 0
) -> tuple[np.ndarray, pd.Index, np.ndarray, Evidence]:
    """Return answers and names of the judged cells, weights of their lines, and what lines can show."""
    known = cells.obs[cells.obs[against].notna()]
    answer, lines = known[against].to_numpy(float), known["cell_line"].astype(str)
    return (
        answer,
        known.index,
        inference.line_weights(lines, n_draws=n_draws),
        evaluate.evidence(answer, lines),
    )


def rejections(
    scores: pd.DataFrame, cells: AnnData, *, against: str = "truth", n_draws: int = 500
) -> pd.DataFrame:
    """Judge by `risk_coverage` whether the calls of each ensemble are right where it is certain.

    Parameters
    ----------
    scores, cells, against, n_draws
        As in `measured`.

    Returns
    -------
    DataFrame
        Tidy: by (a kind of uncertainty), method, seed (-1), metric (those of `risk_coverage`), value, low,
        high, and p of the gain: by either kind, the methods are one family.
    """
    answer, names, weight, lines = judged(cells, against, n_draws)
    rows, for_tests = [], lines.among(scores["method"].nunique())
    for method, kind, score, uncertainty in _certainties(scores, names):
        for metric, draws in risk_coverage((score >= 0.5) != answer, uncertainty, weight).items():
            summary = against_zero(draws, for_tests) if metric == "gain" else with_interval(draws, lines)
            rows.append({"by": kind, "method": method, "seed": -1, "metric": metric} | summary)
    return corrected(pd.DataFrame(rows, columns=["by", *COLUMNS]), n_draws, ("by", "metric"))


def risk_curves(scores: pd.DataFrame, cells: AnnData, *, against: str = "truth") -> pd.DataFrame:
    """Return the curves of `rejections` at 5, 6, ... 100 % of the cells: method, by, coverage, metric, value.

    The metric is the ``risk``. Within a level of equal uncertainty cells come in random order. Empty where no
    cell is judged.
    """
    answer, names, once, _ = judged(cells, against)
    if names.empty:
        return pd.DataFrame(columns=["method", "by", "coverage", "metric", "value"])
    curves, coverage = [], np.arange(5, 101) / 100
    for method, kind, score, uncertainty in _certainties(scores, names):
        answered, wrong = (part[0] for part in risk_curve((score >= 0.5) != answer, uncertainty, once))
        risk = np.interp(coverage, answered, wrong) / coverage
        curve = {"method": method, "by": kind, "coverage": coverage, "metric": "risk", "value": risk}
        curves.append(pd.DataFrame(curve))
    return pd.concat(curves, ignore_index=True)


def _certainties(scores: pd.DataFrame, cells: pd.Index) -> Iterator[tuple[str, str, np.ndarray, np.ndarray]]:
    """Yield method, kind of uncertainty, mean scores and uncertainty of the cells, where there is one."""
    for method, table in ensembles(scores).groupby("method", sort=False):
        of_cells = table.set_index("cell").loc[cells]
        for kind in KINDS:
            if of_cells[kind].notna().all():
                yield method, kind, of_cells["score"].to_numpy(), of_cells[kind].to_numpy()


def risk_curve(
    error: np.ndarray, uncertainty: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return coverage and errors as cells are answered from the most certain on.

    Parameters
    ----------
    error
        Array (n_cells,): 1 where the call is wrong, 0 where it is right.
    uncertainty
        Array (n_cells,); cells of equal uncertainty are answered together.
    weight
        Array (n_weightings, n_cells).

    Returns
    -------
    tuple
        Coverage, the share of cells answered, and the share of all cells that is answered wrongly; both
        (n_weightings, 1 + n_levels), starting at 0. Risk is the second over the first.
    """
    order = np.argsort(uncertainty, kind="stable")
    starts = np.flatnonzero(np.diff(uncertainty[order], prepend=-np.inf) > 0)
    weight = np.atleast_2d(weight)[:, order]
    levels = np.add.reduceat(weight, starts, axis=1), np.add.reduceat(weight * error[order], starts, axis=1)
    total = weight.sum(axis=1, keepdims=True)
    return tuple(np.hstack([np.zeros_like(total), np.cumsum(level, axis=1) / total]) for level in levels)


def risk_coverage(error: np.ndarray, uncertainty: np.ndarray, weight: np.ndarray) -> dict[str, np.ndarray]:
    """Return the area under the risk-coverage curve, and its place between chance and an oracle.

    Parameters are those of `risk_curve`. Within a level of equal uncertainty cells come in random order.

    Returns
    -------
    dict
        Arrays (n_weightings,): ``aurc``, the mean error rate over all coverages; ``random``, the same where
        cells are answered in random order, which is the error rate; ``oracle``, where all wrong calls come
        last (Geifman et al. 2019); ``gain``, how far `aurc` is from random to oracle: 1 at best, 0 without
        any knowledge, below where the certain cells are the wrong ones. NaN without any cell.
    """
    if not len(error):
        return {name: np.full(len(weight), np.nan) for name in ("aurc", "random", "oracle", "gain")}
    coverage, wrong = risk_curve(error, uncertainty, weight)
    c0, c1, e0 = coverage[:, :-1], coverage[:, 1:], wrong[:, :-1]
    width = c1 - c0
    rate = np.diff(wrong, axis=1) / np.where(width > 0, width, 1)
    # Within a level errors grow in a straight line, e0 + rate (c - c0), and risk is that over c.
    with np.errstate(divide="ignore", invalid="ignore"):
        bend = np.where(c0 > 0, (e0 - rate * c0) * np.log(c1 / c0), 0.0)
    aurc, random = (rate * width + bend).sum(axis=1), wrong[:, -1]
    oracle = random + (1 - random) * np.log(np.maximum(1 - random, 1e-300))
    possible = random - oracle
    gain = np.where(possible > 1e-12, random - aurc, np.nan) / np.where(possible > 1e-12, possible, 1)
    return {"aurc": aurc, "random": random, "oracle": oracle, "gain": gain}
