"""Measures of scores with intervals over cell lines.

A measure takes many weightings of the cells at once (`inference.line_weights`): the first counts each cell
once, the others are draws of whole lines.
"""

from collections.abc import Callable, Collection, Sequence

import numpy as np
import pandas as pd
from anndata import AnnData

from bulk2sc import evaluate, inference
from bulk2sc.inference import MANY_LINES, Evidence

COLUMNS = ["method", "seed", "metric", "value", "low", "high", "p"]
Measure = Callable[[np.ndarray, np.ndarray, np.ndarray], dict[str, np.ndarray]]


def measured(
    scores: pd.DataFrame,
    cells: AnnData,
    measure: Measure,
    *,
    against: str = "truth",
    n_draws: int = 500,
    inflated: Collection[str] = (),
    tested: Collection[str] = (),
) -> pd.DataFrame:
    """Apply a measure to every method and seed, with intervals over cell lines.

    Parameters
    ----------
    scores
        Tidy: method, seed, cell, score, as `evaluate.score_methods` returns it.
    cells
        Cells with `obs[against]` (1, 0, NaN) and `obs["cell_line"]`, the resampling unit.
    measure
        Function of answer (n_cells,) with NaN, score (n_cells,) and weight (n_weightings, n_cells) that
        returns values (n_weightings,) by name.
    n_draws
        Draws of cell lines.
    inflated
        Metrics that cannot be negative and that every draw therefore pushes up: their draws are moved back by
        the mean of that push, and end at 0.
    tested
        Metrics that are held against 0; the methods are one family for each of them.

    Returns
    -------
    DataFrame
        Tidy, as `evaluate.judge` returns it: method, seed (-1 for the mean, which carries the interval),
        metric, value, low, high, and p, of means of what is `tested`, as `corrected` leaves it; without
        interval and p where the lines are too few, of what is `tested` for so many methods.
    """
    answer, lines = cells.obs[against].to_numpy(float), cells.obs["cell_line"].astype(str)
    weight, known = inference.line_weights(lines, n_draws=n_draws), evaluate.evidence(answer, lines)
    for_tests = known.among(scores["method"].nunique())
    rows = []
    for method, table in scores.groupby("method", sort=False):
        wide = table.pivot(index="seed", columns="cell", values="score")[cells.obs_names]
        found = {seed: measure(answer, wide.loc[seed].to_numpy(), weight) for seed in wide.index}
        rows += [
            {"method": method, "seed": seed, "metric": metric, "value": values[0]}
            for seed, by in found.items()
            for metric, values in by.items()
        ]
        for metric in next(iter(found.values())):
            draws = np.mean([by[metric] for by in found.values()], axis=0)
            if metric in inflated and not np.isnan(draws[0]):
                draws[1:] = np.maximum(draws[1:] - np.nanmean(draws[1:]) + draws[0], 0)
            summary = against_zero(draws, for_tests) if metric in tested else with_interval(draws, known)
            rows.append({"method": method, "seed": -1, "metric": metric, **summary})
    return corrected(pd.DataFrame(rows, columns=COLUMNS), n_draws)


def with_interval(draws: np.ndarray, known: Evidence = MANY_LINES) -> dict[str, float]:
    """Return the first of the draws and the interval of `inference.bootstrap_interval`: value, low, high."""
    low, high = inference.bootstrap_interval(draws[1:], known)
    return {"value": float(draws[0]), "low": float(low), "high": float(high)}


def against_zero(draws: np.ndarray, known: Evidence = MANY_LINES) -> dict[str, float]:
    """Return what `with_interval` does of a difference, and the p-value of `inference.bootstrap_p`."""
    draws = np.round(draws, 12)  # what is 0 but for rounding is on neither side
    return with_interval(draws, known) | {"p": inference.bootstrap_p(draws[0], draws[1:], known)}


def corrected(table: pd.DataFrame, n_draws: int, family: Sequence[str] = ("metric",)) -> pd.DataFrame:
    """Correct the p-values of a tidy table by Holm's method, within families that share these columns.

    Raises
    ------
    Bulk2scError
        If so few draws were made that no p-value of a family could be below .05.
    """
    p = table.astype({"p": float}).groupby(list(family), sort=False)["p"]
    inference.enough_draws(n_draws, p.count().max() if len(table) else 0)
    return table.assign(p=p.transform(inference.holm))
