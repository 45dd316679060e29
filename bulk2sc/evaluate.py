"""Judge scores against answers: metrics, what lines can show, and lines left out of the bulk.

Methods never see the answers of the cells; here they meet the scores. Scores are probabilities of being
sensitive, answers are 1 (sensitive), 0 (resistant) or NaN (not judged).
"""

from collections.abc import Callable, Iterable, Mapping
from math import comb

import numpy as np
import pandas as pd
from anndata import AnnData
from sklearn.model_selection import KFold

from bulk2sc import labels, models, pp
from bulk2sc.errors import Bulk2scError
from bulk2sc.inference import Evidence

DEGENERATE = 0.02
CHUNK = 64  # weightings at once, which fit into a processor's cache
MIXED = 0.1  # share of the smaller class from which on a line has both


def weighted_metrics(answer: np.ndarray, score: np.ndarray, weight: np.ndarray) -> dict[str, np.ndarray]:
    """Compute every metric of the book for many weightings of the same cells at once.

    Parameters
    ----------
    answer, score
        Arrays of shape (n_cells,): 1 or 0, and P(sensitive) in [0, 1].
    weight
        Array of shape (n_weightings, n_cells): how often each cell counts, for example in a bootstrap draw.

    Returns
    -------
    dict
        Arrays of shape (n_weightings,). `accuracy` and `f1` are Eq. 16 and 19 of He et al. (2025); `auroc`,
        `auprc` (average precision), `mcc`, `balanced_accuracy`, `macro_f1` and `brier` are those of
        scikit-learn; ties share a threshold. A metric that needs both classes is NaN where a weighting holds
        only one.
    """
    answer, score = np.asarray(answer, float), np.asarray(score, float)
    weight = np.atleast_2d(np.asarray(weight, float))
    called = (score >= 0.5).astype(float)
    tp, fp = weight @ (called * answer), weight @ (called * (1 - answer))
    fn, tn = weight @ ((1 - called) * answer), weight @ ((1 - called) * (1 - answer))
    total = tp + fp + fn + tn
    parts = [_areas(answer, score, weight[i : i + CHUNK]) for i in range(0, len(weight), CHUNK)]
    auroc, auprc = np.hstack(parts)
    with np.errstate(divide="ignore", invalid="ignore"):
        recall, specificity = tp / (tp + fn), tn / (tn + fp)
        margins = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
        mcc = np.where(margins > 0, (tp * tn - fp * fn) / np.sqrt(np.maximum(margins, 1e-300)), 0.0)
        f1 = np.where(2 * tp + fp + fn > 0, 2 * tp / (2 * tp + fp + fn), 0.0)
        f1_of_resistant = np.where(2 * tn + fp + fn > 0, 2 * tn / (2 * tn + fp + fn), 0.0)
        return {
            "accuracy": (tp + tn) / total,
            "f1": f1,
            "macro_f1": np.where(np.isnan(recall + specificity), np.nan, (f1 + f1_of_resistant) / 2),
            "auroc": auroc,
            "auprc": auprc,
            "mcc": mcc,
            "balanced_accuracy": (recall + specificity) / 2,
            "specificity": specificity,
            "positive_rate": (tp + fp) / total,
            "prevalence": (tp + fn) / total,
            "brier": weight @ (score - answer) ** 2 / total,
        }


def _areas(answer: np.ndarray, score: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the areas under the ROC and precision-recall curves, (n_weightings,) each."""
    if not len(answer):
        return np.full(len(weight), np.nan), np.full(len(weight), np.nan)
    order = np.argsort(-score, kind="stable")
    last_of_tie = np.append(np.diff(score[order]) != 0, True)
    positives = np.cumsum(weight[:, order] * answer[order], axis=1)[:, last_of_tie]
    negatives = np.cumsum(weight[:, order] * (1 - answer[order]), axis=1)[:, last_of_tie]
    start = np.zeros((len(weight), 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        recall = np.hstack([start, positives / positives[:, -1:]])
        fallout = np.hstack([start, negatives / negatives[:, -1:]])
        precision = np.nan_to_num(positives / (positives + negatives))
    auroc = np.sum(np.diff(fallout) * (recall[:, 1:] + recall[:, :-1]) / 2, axis=1)
    auprc = np.sum(np.diff(recall) * precision, axis=1)
    one_class = np.isnan(auroc) | np.isnan(auprc)
    return np.where(one_class, np.nan, auroc), np.where(one_class, np.nan, auprc)


def metrics(answer: np.ndarray, score: np.ndarray) -> dict[str, float]:
    """Compute every metric of the book for one set of cells.

    Parameters
    ----------
    answer
        Array (n_cells,) of 1, 0 or NaN; cells with NaN are not judged.
    score
        Array (n_cells,) of P(sensitive) in [0, 1]; a cell is called sensitive from 0.5 upwards.

    Returns
    -------
    dict
        See `weighted_metrics`, and `degenerate`: 1 where fewer than 2 % or more than 98 % of the cells are
        called.

    Raises
    ------
    Bulk2scError
        If no cell has an answer, or a score is not a number between 0 and 1.
    """
    answer, score = np.asarray(answer, float), np.asarray(score, float)
    known = ~np.isnan(answer)
    if not known.any():
        raise Bulk2scError("metrics: no cell has a known response; scores can be written but not judged")
    if not np.all((score >= 0) & (score <= 1)):
        raise Bulk2scError("metrics: scores must be probabilities between 0 and 1; found other values or NaN")
    answer, score = answer[known], score[known]
    values = {name: float(v[0]) for name, v in weighted_metrics(answer, score, np.ones(len(answer))).items()}
    rate = values["positive_rate"]
    return values | {"degenerate": float(rate < DEGENERATE or rate > 1 - DEGENERATE), "n_cells": len(answer)}


def evidence(answer: np.ndarray, groups: Iterable[str]) -> Evidence:
    """Return what the lines of these cells can show at most.

    The smallest two-sided p-value of an exact permutation of n + m lines of one class each is
    2 / C(n + m, n); with two sensitive and two resistant lines it is 1/3. A line that has cells of both
    classes can only be turned round, which doubles the arrangements; where there are such, pairs are counted.
    """
    classes = class_of_lines(answer, groups)
    sensitive, resistant, both = (int(n.sum()) for n in (classes == 1, classes == 0, classes.isna()))
    floor = min(2 / (comb(sensitive + resistant, sensitive) << both), 1.0)
    return Evidence(floor, (min(sensitive, resistant) + both,) if both else (sensitive, resistant))


def class_of_lines(answer: np.ndarray, groups: Iterable[str]) -> pd.Series:
    """Return the class of each line with an answer: 1, 0, or NaN for a line with cells of both.

    A line counts as both from one cell in ten on; fewer are strays, such as a misplaced cell.
    """
    lines = pd.DataFrame({"answer": np.asarray(answer, float), "line": np.asarray(list(groups), str)})
    share = lines.dropna().groupby("line")["answer"].mean()
    return share.round().where((share < MIXED) | (share > 1 - MIXED))


def score_methods(
    bulk: AnnData,
    cells: AnnData,
    *,
    methods: Mapping[str, Callable[[int], models.Model]],
    seeds: Iterable[int] = (0,),
) -> pd.DataFrame:
    """Fit every method with every seed on the bulk lines and score the cells, in one loop.

    Parameters
    ----------
    bulk, cells
        The pair made by `pp.pair`; `bulk.obs["response"]` is labelled, the answers of the cells are not
        looked at.
    methods
        Name -> function of the seed that returns an unfitted model.
    seeds
        Seeds; a method that has no randomness gives the same scores for each.

    Returns
    -------
    DataFrame
        Tidy scores: method, seed, cell, score (P(sensitive), in [0, 1]).
    """
    tables = []
    for name, make in methods.items():
        for seed in seeds:
            score = make(seed).fit(bulk, cells).score_cells(cells)
            tables.append(
                pd.DataFrame({"method": name, "seed": seed, "cell": cells.obs_names, "score": score})
            )
    columns = ["method", "seed", "cell", "score"]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def scored(model: models.Model, domains: Mapping[str, AnnData]) -> pd.DataFrame:
    """Score several data with one fitted model; tidy: on (the name of the data), cell, score."""
    tables = [
        pd.DataFrame({"on": name, "cell": data.obs_names, "score": model.score_cells(data)})
        for name, data in domains.items()
    ]
    return pd.concat(tables, ignore_index=True)


def leave_out_fold(bulk: AnnData, *, k: float, seed: int, folds: int = 5) -> tuple[AnnData, AnnData]:
    """Return the lines to train on and those left out, fold ``seed % folds`` of the measured lines.

    Tail thresholds and the scaling of genes come from the lines to train on. Seeds 0 to ``folds - 1`` leave
    out every line once; with ``folds`` the lines are divided anew.

    Parameters
    ----------
    bulk
        Lines with `layers["scaled"]`, and `labels.ranked_response` (NaN: not measured, always trained on).
    k
        Fraction of lines in each tail, 0 < k < 0.5.
    """
    measured, (turn, fold) = np.flatnonzero(labels.ranked_response(bulk).notna()), divmod(seed, folds)
    splits = list(KFold(folds, shuffle=True, random_state=turn).split(measured))
    is_test = np.isin(np.arange(bulk.n_obs), measured[splits[fold][1]])
    train, test = bulk[~is_test].copy(), bulk[is_test].copy()
    low, high = labels.tails(labels.ranked_response(train), k)
    for part in (train, test):
        part.obs["response"] = labels.respond(labels.ranked_response(part), low, high)
    return pp.scale_like(train, train), pp.scale_like(test, train)
