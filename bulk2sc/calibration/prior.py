"""Correct scores for a share of sensitive cells that is not that of the training (Saerens et al. 2002)."""

import numpy as np
import pandas as pd
from anndata import AnnData

from bulk2sc.calibration.reliability import calibration_error
from bulk2sc.calibration.resampling import Measure

DIFFERENCES = {  # what `prior_shift` measures and 0 is a question for
    f"{metric}, {scores} minus as they are"
    for metric in ("brier", "ece", "accuracy", "f1")
    for scores in ("estimated", "oracle")
} | {"share, estimated minus true"}


def shift_prior(score: np.ndarray, before: np.ndarray | float, after: np.ndarray | float) -> np.ndarray:
    """Correct probabilities learnt where a share `before` is sensitive for cells of which `after` is.

    By Bayes' rule, under the assumption that sensitive cells look alike in both places, and so do resistant
    ones (Saerens et al. 2002, Eq. 2.4).
    """
    sensitive, resistant = score * after / before, (1 - score) * (1 - after) / (1 - before)
    return sensitive / np.maximum(sensitive + resistant, 1e-300)


def estimate_prior(
    score: np.ndarray, weight: np.ndarray, before: float, *, tolerance: float = 1e-4, max_steps: int = 500
) -> np.ndarray:
    """Estimate the share of sensitive cells from their scores alone, (n_weightings,).

    Expectation and maximisation in turn (Saerens et al. 2002): correct the scores for the present share, take
    their mean for the next. After two such steps the limit they point to is tried (Aitken's method), which
    saves most of them. No answer is used.

    Parameters
    ----------
    score
        P(sensitive), (n_cells,).
    weight
        Array (n_weightings, n_cells).
    before
        Share of sensitive lines in the training, in (0, 1), where the steps begin.
    tolerance, max_steps
        Steps end once no share moves more than `tolerance` in one, or after `max_steps` pairs.
    """
    weight = weight / weight.sum(axis=1, keepdims=True)
    share = np.full(len(weight), float(before))
    moving = np.arange(len(weight))

    def step(now: np.ndarray) -> np.ndarray:
        return (weight[moving] * shift_prior(score, before, now[:, None])).sum(axis=1)

    for _ in range(max_steps):
        first = step(share[moving])
        second = step(first)
        move, change = second - first, 2 * first - share[moving] - second
        ahead = share[moving] + (first - share[moving]) ** 2 / np.where(change == 0, np.inf, change)
        share[moving] = np.where((change != 0) & (ahead > 0) & (ahead < 1), ahead, second)
        moving = moving[np.abs(move) > tolerance]
        if not len(moving):
            break
    return share


def prior_shift(before: float) -> Measure:
    """Return the measure of prior shift: scores as they are, corrected by estimate, and by the true share.

    Scores ``estimated`` are corrected by the share that `estimate_prior` finds in all cells, judged or not,
    ``oracle`` by the true share of the judged cells, which no real study has. Metrics are brier, ece,
    accuracy and f1 of each, as ``<metric>, <scores>``, and ``<metric>, <scores> minus as they are``; then
    ``share, true``, ``share, estimated`` and ``share, estimated minus true``. Every draw of lines has its own
    estimate.
    """

    def measure(answer: np.ndarray, score: np.ndarray, weight: np.ndarray) -> dict[str, np.ndarray]:
        known = ~np.isnan(answer)
        judged, kept = answer[known], weight[:, known]
        estimated = estimate_prior(score, weight, before)
        with np.errstate(invalid="ignore"):
            true = kept @ judged / kept.sum(axis=1)
        plain = _effects(judged, np.tile(score[known], (len(weight), 1)), kept)
        values = {"share, true": true, "share, estimated": estimated}
        values["share, estimated minus true"] = estimated - true
        values |= {f"{metric}, as they are": value for metric, value in plain.items()}
        for name, share in (("estimated", estimated), ("oracle", true)):
            corrected = _effects(judged, shift_prior(score[known], before, share[:, None]), kept)
            values |= {f"{metric}, {name}": value for metric, value in corrected.items()}
            values |= {f"{m}, {name} minus as they are": v - plain[m] for m, v in corrected.items()}
        return values

    return measure


def _effects(answer: np.ndarray, score: np.ndarray, weight: np.ndarray) -> dict[str, np.ndarray]:
    """Return what a change of prior can change, for scores (n_weightings, n_cells) of one order.

    All are NaN for weightings without any cell.
    """
    called, total = score >= 0.5, weight.sum(axis=1)
    total = np.where(total > 0, total, np.nan)
    hits, calls, sensitive = (weight * called) @ answer, (weight * called).sum(axis=1), weight @ answer
    return {
        "brier": (weight * (score - answer) ** 2).sum(axis=1) / total,
        "ece": calibration_error(answer, score, weight),
        "accuracy": (total - calls - sensitive + 2 * hits) / total,
        "f1": np.where(total > 0, 2 * hits / np.maximum(calls + sensitive, 1e-300), np.nan),
    }


def thinned(answer: np.ndarray, shares: np.ndarray, weight: np.ndarray | float = 1.0) -> np.ndarray:
    """Return weights (n_weightings, n_cells) by which these shares of the judged cells are sensitive.

    Parameters
    ----------
    answer
        1, 0 and NaN (cells that weigh nothing), (n_cells,).
    shares
        One for each weighting, or a single one for all.
    weight
        Weights to begin with, (n_weightings, n_cells); where they leave one class, those returned are NaN.
    """
    shares, answer = np.asarray(shares, float)[:, None], np.asarray(answer, float)
    sensitive, resistant = weight * (answer == 1), weight * (answer == 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return shares * _of_one(sensitive) + (1 - shares) * _of_one(resistant)


def _of_one(weight: np.ndarray) -> np.ndarray:
    return weight / weight.sum(axis=-1, keepdims=True)


def where_share_is(share: float, measure: Measure) -> Measure:
    """Return a measure of judged cells that are weighted so that this share of them is sensitive.

    Every draw of lines is weighted anew, so that its share is the same; a draw of one class gives NaN. Cells
    that are not judged weigh nothing.
    """

    def weighted(answer: np.ndarray, score: np.ndarray, weight: np.ndarray) -> dict[str, np.ndarray]:
        times = thinned(answer, [share], weight)
        both = ~np.isnan(times).any(axis=1)
        found = measure(answer, score, np.where(both[:, None], times, weight))
        return {name: np.where(both, values, np.nan) for name, values in found.items()}

    return weighted


def estimates_when_thinned(
    scores: pd.DataFrame, cells: AnnData, shares: np.ndarray, before: float, *, against: str = "truth"
) -> pd.DataFrame:
    """Estimate the share of sensitive cells where it is made to be one of `shares` by weighting known cells.

    Returns
    -------
    DataFrame
        Tidy: method, seed, share (true), metric (``share, estimated``), value. Empty without both classes.
    """
    answer = cells.obs[against].to_numpy(float)
    if len(np.unique(answer[~np.isnan(answer)])) < 2:
        return pd.DataFrame(columns=["method", "seed", "share", "metric", "value"])
    weight, rows = thinned(answer, shares), []
    for (method, seed), table in scores.groupby(["method", "seed"], sort=False):
        score = table.set_index("cell")["score"].loc[cells.obs_names].to_numpy()
        found = estimate_prior(score, weight, before)
        rows += [(method, seed, *row) for row in zip(shares, found, strict=True)]
    return pd.DataFrame(rows, columns=["method", "seed", "share", "value"]).assign(metric="share, estimated")
