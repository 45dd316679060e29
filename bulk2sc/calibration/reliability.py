"""Do scores mean what they say? Brier score, expected calibration error, reliability plots.

Scores are probabilities of being sensitive, answers are 1 (sensitive), 0 (resistant) or NaN (not judged).
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy.optimize import isotonic_regression

from bulk2sc import evaluate, inference
from bulk2sc.calibration.resampling import Measure, with_interval
from bulk2sc.inference import MANY_LINES, Evidence

BINS = 10
POINT = ["bin", "score", "value", "low", "high", "expected_low", "expected_high"]
INFLATED = ("ece", "miscalibration", "discrimination")  # by every draw of lines, see `measured`


def bins_of(score: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Return the bin of each score, (n,), in at most `bins` bins of equal numbers; ties share a bin."""
    return pd.qcut(pd.Series(score), bins, labels=False, duplicates="drop").fillna(0).to_numpy(int)


def calibration_error(
    answer: np.ndarray, score: np.ndarray, weight: np.ndarray, *, bins: int = BINS
) -> np.ndarray:
    """Return the expected calibration error in bins of equal numbers, (n_weightings,).

    The mean over cells of the distance between mean score and share of sensitive cells in the cell's bin
    (Naeini et al. 2015). It is never negative, so a perfectly calibrated score does not reach 0 either: see
    `calibrated_by_chance`.

    Parameters
    ----------
    answer
        Array (n_cells,) of 1 or 0; or (n_weightings, n_cells).
    score
        P(sensitive), (n_cells,) or (n_weightings, n_cells) in one order; bins are those of the first row.
    weight
        Array (n_weightings, n_cells).
    bins
        Number of bins.

    Weightings without any cell have none: NaN.
    """
    excess = np.asarray(weight, float) * (np.asarray(score, float) - np.asarray(answer, float))
    in_bin = np.eye(bins)[bins_of(np.atleast_2d(score)[0], bins)]
    with np.errstate(invalid="ignore"):
        return np.abs(excess @ in_bin).sum(axis=1) / np.broadcast_to(weight, excess.shape).sum(axis=1)


def calibrated_by_chance(
    score: np.ndarray, groups: Iterable[str], *, bins: int = BINS, n_draws: int = 500, seed: int = 0
) -> np.ndarray:
    """Return the calibration errors, (n_draws,), that these scores would show if they were exactly right.

    Every draw deals one uniform number u to each line, and its cells with a score above u are sensitive. So
    a cell is sensitive as often as its score says, and cells of a line share their fate as far as they can.
    """
    answer = answers_as_scored(score, groups, n_draws=n_draws, seed=seed)
    return calibration_error(answer, score, np.ones_like(answer), bins=bins)


def answers_as_scored(
    score: np.ndarray, groups: Iterable[str], *, n_draws: int = 500, seed: int = 0
) -> np.ndarray:
    """Draw answers, (n_draws, n_cells), for which `score` is calibrated: see `calibrated_by_chance`."""
    names, member = np.unique(np.asarray(list(groups), str), return_inverse=True)
    fate = np.random.default_rng(seed).random((n_draws, len(names)))
    return (fate[:, member] < np.asarray(score)).astype(float)


def chance_errors(
    scores: pd.DataFrame, cells: AnnData, *, against: str = "truth", n_draws: int = 500
) -> pd.DataFrame:
    """Return what calibration error to expect of each method were its scores exactly right.

    Parameters are those of `measured`; the answers only say which cells are judged.

    Returns
    -------
    DataFrame
        By method: expected and upper, mean and 95 % point of `calibrated_by_chance`, both means over seeds;
        NaN where no cell is judged.
    """
    judged = cells.obs[cells.obs[against].notna()]
    rows = {}
    for method, table in scores.groupby("method", sort=False):
        wide = table.pivot(index="seed", columns="cell", values="score")[judged.index]
        errors = [calibrated_by_chance(s, judged["cell_line"], n_draws=n_draws) for s in wide.to_numpy()]
        rows[method] = {"expected": np.mean(errors), "upper": np.quantile(errors, 0.95, axis=1).mean()}
    return pd.DataFrame(rows).T.rename_axis("method")


def decomposition(answer: np.ndarray, score: np.ndarray, weight: np.ndarray) -> dict[str, np.ndarray]:
    """Divide the Brier score: ``brier`` = ``miscalibration`` - ``discrimination`` + ``uncertainty``.

    The scores are recalibrated by isotonic regression on the very cells (Dimitriadis et al. 2021):
    miscalibration is what that gains, discrimination what the recalibrated scores gain over the share of
    sensitive cells, whose own Brier score is the uncertainty. The division is exact and needs no bins, both
    gains are at least 0; with few lines the regression is too good on its own cells, and both are too large.

    Parameters
    ----------
    answer, score, weight
        Arrays (n_cells,), (n_cells,) and (n_weightings, n_cells).

    Returns
    -------
    dict
        Arrays (n_weightings,), NaN for weightings without any cell.
    """
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.diff(score[order], prepend=-np.inf) > 0)  # equal scores stay together
    of_level = np.add.reduceat(weight[:, order], starts, axis=1)
    sensitive = np.add.reduceat((weight * answer)[:, order], starts, axis=1)
    total = weight.sum(axis=1)
    errors = np.array(list(map(_isotonic_error, of_level, sensitive)))
    with np.errstate(invalid="ignore"):
        share, brier, recalibrated = (
            part / total for part in (sensitive.sum(axis=1), weight @ (score - answer) ** 2, errors)
        )
    uncertainty = share * (1 - share)
    return {
        "brier": brier,
        "miscalibration": brier - recalibrated,
        "discrimination": uncertainty - recalibrated,
        "uncertainty": uncertainty,
    }


def _isotonic_error(weight: np.ndarray, sensitive: np.ndarray) -> float:
    """Return the summed squared error of the isotonic fit to levels of score."""
    weight, sensitive = weight[weight > 0], sensitive[weight > 0]
    fitted = isotonic_regression(sensitive / weight, weights=weight).x
    return float(np.sum(weight * fitted**2 - 2 * fitted * sensitive + sensitive))


def calibration(reference: float) -> Measure:
    """Return the measure of calibration: `decomposition`, ``ece``, and ``brier_skill``.

    The skill is 1 - Brier score / that of the constant score `reference`: 0 without skill, 1 at best.
    """

    def measure(answer: np.ndarray, score: np.ndarray, weight: np.ndarray) -> dict[str, np.ndarray]:
        known = ~np.isnan(answer)
        answer, score, weight = answer[known], score[known], weight[:, known]
        found = decomposition(answer, score, weight)
        with np.errstate(invalid="ignore"):
            constant = weight @ (reference - answer) ** 2 / weight.sum(axis=1)
        ece = calibration_error(answer, score, weight)
        return found | {"brier_skill": 1 - found["brier"] / constant, "ece": ece}

    return measure


def reliabilities(
    scores: pd.DataFrame, cells: AnnData, *, against: str = "truth", n_draws: int = 500
) -> pd.DataFrame:
    """Return the points of a reliability plot of every method: of each seed, and of all seeds pooled.

    Parameters are those of `measured`. Pooled, a cell counts once for every seed.

    Returns
    -------
    DataFrame
        Tidy: method, seed (-1 for the pool), metric (``share sensitive``), and the columns of `reliability`,
        whose intervals and chance come with the pool alone. Empty where no cell is judged.
    """
    judged, tables = cells.obs[cells.obs[against].notna()], []
    if judged.empty:
        return pd.DataFrame(columns=["method", "seed", "metric", *POINT], dtype=float)
    lines = evaluate.evidence(judged[against], judged["cell_line"])
    for method, table in scores[scores["cell"].isin(judged.index)].groupby("method", sort=False):
        of = judged.loc[table["cell"]]
        known = table.assign(value=of[against].to_numpy(float))
        pool = known["value"].to_numpy(), known["score"].to_numpy(), of["cell_line"].astype(str)
        tables.append(reliability(*pool, n_draws=n_draws, known=lines).assign(method=method, seed=-1))
        for seed, one in known.groupby("seed"):
            points = one.assign(bin=bins_of(one["score"])).groupby("bin")[["score", "value"]].mean()
            tables.append(points.reset_index().assign(method=method, seed=seed))
    return pd.concat(tables, ignore_index=True).assign(metric="share sensitive")


def reliability(
    answer: np.ndarray,
    score: np.ndarray,
    groups: Iterable[str],
    *,
    bins: int = BINS,
    n_draws: int = 500,
    known: Evidence = MANY_LINES,
) -> pd.DataFrame:
    """Return the points of a reliability plot, with intervals and with what a calibrated score would show.

    Parameters
    ----------
    answer, score, groups
        Of judged cells, (n_cells,): 1 or 0, P(sensitive), cell line.
    known
        What the lines can show: with too little there are no intervals.

    Returns
    -------
    DataFrame
        By bin: score (mean), value (share of sensitive cells), low, high (95 % over lines), expected_low and
        expected_high (middle 95 % of the shares that exactly calibrated scores would give by chance).
    """
    groups, of = list(groups), bins_of(score, bins)
    weight = inference.line_weights(groups, n_draws=n_draws)
    chance, rows = answers_as_scored(score, groups, n_draws=n_draws), []
    for number in np.unique(of):
        inside = of == number
        count = weight[:, inside].sum(axis=1)
        shares = weight[:, inside] @ answer[inside] / np.where(count > 0, count, np.nan)
        low, high = np.quantile(chance[:, inside].mean(axis=1), [0.025, 0.975])
        row = {"bin": number, "score": score[inside].mean(), **with_interval(shares, known)}
        rows.append(row | {"expected_low": low, "expected_high": high})
    return pd.DataFrame(rows)
