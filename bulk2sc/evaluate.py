"""Judge scores against answers: metrics, intervals, cross-validation on bulk, and comparison of methods.

Methods never see the answers of the cells; here they meet the scores. Scores are probabilities of being
sensitive, answers are 1 (sensitive), 0 (resistant) or NaN (not judged).
"""

from collections.abc import Callable, Iterable, Mapping
from math import comb

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import stats
from sklearn.model_selection import KFold, RepeatedKFold

from bulk2sc import inference, labels, models, pp
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
    answer, score = _judged(answer, score)
    values = {name: float(v[0]) for name, v in weighted_metrics(answer, score, np.ones(len(answer))).items()}
    rate = values["positive_rate"]
    return values | {"degenerate": float(rate < DEGENERATE or rate > 1 - DEGENERATE), "n_cells": len(answer)}


def _judged(answer: np.ndarray, *scores: np.ndarray) -> tuple[np.ndarray, ...]:
    answer = np.asarray(answer, float)
    known = ~np.isnan(answer)
    if not known.any():
        raise Bulk2scError("metrics: no cell has a known response; scores can be written but not judged")
    for score in scores:
        if not np.all((np.asarray(score) >= 0) & (np.asarray(score) <= 1)):
            raise Bulk2scError(
                "metrics: scores must be probabilities between 0 and 1; found other values or NaN"
            )
    return answer[known], *(np.asarray(score, float)[known] for score in scores)


def bootstrap(
    answer: np.ndarray, scores: np.ndarray, groups: Iterable[str], *, n_draws: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Give 95 % intervals by resampling whole cell lines, since cells of one line are pseudo-replicates.

    Parameters
    ----------
    answer
        Array (n_cells,) of 1, 0 or NaN.
    scores
        Array (n_cells,) or (n_seeds, n_cells); the metric of a draw is the mean over seeds.
    groups
        The independent unit of each cell: its cell line.
    n_draws, seed
        Number of bootstrap draws, and the seed that makes them repeatable. The same seed gives the same draws
        for every method, so differences between methods are paired.

    Returns
    -------
    DataFrame
        Index: metric. Columns: value (all cells), low, high (`inference.bootstrap_interval` of the draws with
        both classes; NaN where there are too few lines for any, see `too_few_lines`).
    """
    draws = bootstrap_draws(answer, scores, groups, n_draws=n_draws, seed=seed)
    point = pd.DataFrame([metrics(answer, s) for s in np.atleast_2d(scores)]).mean()
    known = evidence(answer, groups)
    ends = {metric: inference.bootstrap_interval(draws[metric], known) for metric in draws}
    table = pd.DataFrame.from_dict(ends, orient="index", columns=["low", "high"])
    table.insert(0, "value", point[draws.columns])
    return table.rename_axis("metric")


def bootstrap_draws(
    answer: np.ndarray, scores: np.ndarray, groups: Iterable[str], *, n_draws: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Return the metrics of each bootstrap draw, (n_draws, n_metrics), NaN for draws of one class."""
    few = too_few_lines(answer, groups)
    known = ~np.isnan(np.asarray(answer, float))
    answer, *scores = _judged(answer, *np.atleast_2d(scores))
    weight = inference.line_weights(np.asarray(list(groups), str)[known], n_draws=n_draws, seed=seed)[1:]
    per_seed = [pd.DataFrame(weighted_metrics(answer, score, weight)) for score in scores]
    draws = sum(per_seed) / len(per_seed)
    return draws.where(draws["prevalence"].between(0, 1, inclusive="neither") & (not few))


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


def too_few_lines(answer: np.ndarray, groups: Iterable[str]) -> bool:
    """Tell whether the lines are so few that a bootstrap would pretend to know more (`Evidence`)."""
    return evidence(answer, groups).too_little


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


def judge(
    scores: pd.DataFrame, cells: AnnData, *, against: str = "truth", n_draws: int = 1000
) -> pd.DataFrame:
    """Judge tidy scores of many methods against one column of answers.

    Parameters
    ----------
    scores
        The table that `score_methods` returns.
    cells
        Cells with `obs[against]` (1, 0, NaN) and `obs["cell_line"]`, the resampling unit.
    against
        Which answers: "truth" (the line's own measured response) or "response" (the labels of the labelling
        chapter).
    n_draws
        Bootstrap draws over cell lines.

    Returns
    -------
    DataFrame
        Tidy: method, seed (-1 for the mean over seeds, which carries the interval), metric, value, low, high.
        Without any answer, all values are NaN but those that need none, of all cells: positive_rate and
        degenerate.

    Raises
    ------
    Bulk2scError
        If the column is missing.
    """
    if against not in cells.obs:
        raise Bulk2scError(f"judge: cells have no column obs['{against}']; metrics need known answers")
    answer, groups = cells.obs[against].to_numpy(float), cells.obs["cell_line"].astype(str)
    known, rows = not np.isnan(answer).all(), []
    for method, table in scores.groupby("method", sort=False):
        wide = table.pivot(index="seed", columns="cell", values="score")[cells.obs_names]
        for seed, score in wide.iterrows():
            found = metrics(answer, score.to_numpy()) if known else _without_answers(score.to_numpy())
            rows += [(method, seed, m, v, np.nan, np.nan) for m, v in found.items()]
        if not known:
            rows += [(method, -1, m, v, np.nan, np.nan) for m, v in _without_answers(wide.to_numpy()).items()]
            continue
        interval = bootstrap(answer, wide.to_numpy(), groups, n_draws=n_draws)
        rows += [(method, -1, *row) for row in interval.itertuples()]
    return pd.DataFrame(rows, columns=["method", "seed", "metric", "value", "low", "high"])


def _without_answers(score: np.ndarray) -> dict[str, float]:
    """Return the metrics of scores, (n_cells,) or (n_seeds, n_cells): NaN where they need answers."""
    names = metrics(np.array([1.0, 0.0]), np.array([1.0, 0.0]))
    rates = np.mean(np.atleast_2d(score) >= 0.5, axis=1)
    degenerate = np.mean((rates < DEGENERATE) | (rates > 1 - DEGENERATE))
    told = {"positive_rate": rates.mean(), "degenerate": degenerate, "n_cells": 0}
    return dict.fromkeys(names, np.nan) | told


def cross_validate(
    make: Callable[[int], models.Model],
    bulk: AnnData,
    cells: AnnData,
    *,
    k: float = 0.3,
    folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
) -> pd.DataFrame:
    """Judge a method on bulk lines it has not seen; the only ground on which settings are chosen.

    Tail thresholds and the scaling of genes come from the training folds alone.

    Parameters
    ----------
    make
        Function of the seed that returns an unfitted model.
    bulk, cells
        The pair made by `pp.pair`, with `bulk.obs["auc"]`; tails are cut from the measure that
        `labels.label_bulk` noted. The cells take part as unlabelled input only.
    k
        Fraction of lines in each tail, 0 < k < 0.5.
    folds, repeats, seed
        Repeated K-fold over the lines with a measured AUC; lines without one stay in training.

    Returns
    -------
    DataFrame
        One row a fold: fold, the metrics of `metrics` on the held-out lines in the tails, and `pearson`, the
        correlation of the score with -AUC over all held-out lines.

    Raises
    ------
    Bulk2scError
        If there are fewer than two folds, or more than lines with a measured AUC.
    """
    measured = np.flatnonzero(labels.ranked_response(bulk).notna())
    if not 2 <= folds <= len(measured):
        raise Bulk2scError(f"cross-validation: folds is {folds}; give 2 to {len(measured)}, the lines tested")
    splits = RepeatedKFold(n_splits=folds, n_repeats=repeats, random_state=seed).split(measured)
    rows = []
    for fold, (_, held_out) in enumerate(splits):
        train, test = _refit_fold(bulk, measured[held_out], k)
        score = make(seed + fold).fit(train, cells).score_cells(test)
        rows.append({"fold": fold, **of_lines(test.obs["response"], test.obs["auc"], score)})
    return pd.DataFrame(rows)


def of_lines(answer: np.ndarray, auc: np.ndarray, score: np.ndarray) -> dict[str, float]:
    """Judge the scores of held-out lines (n,): `metrics`, and ``pearson``, the correlation with -AUC."""
    pearson = np.corrcoef(score, -np.asarray(auc))[0, 1] if np.ptp(score) > 0 else np.nan
    return {**metrics(answer, score), "pearson": pearson}


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
    return _refit_fold(bulk, measured[splits[fold][1]], k)


def over_folds(table: pd.DataFrame, *, folds: int) -> pd.DataFrame:
    """Summarise the cross-validation of several methods: every fold, and the mean with an interval.

    Folds are not independent: any two share most of their training lines. The interval is the t interval
    with the variance corrected for that overlap (Nadeau and Bengio 2003), and still a rough one.

    Parameters
    ----------
    table
        Rows of `cross_validate` with a column ``method``; every method has the same folds.
    folds
        Number of folds of one repeat.

    Returns
    -------
    DataFrame
        Tidy, as `judge` returns it: method, seed (the fold; -1 for the mean, which carries the interval),
        metric, value, low, high.
    """
    rows = []
    for method, part in table.groupby("method", sort=False):
        values = part.drop(columns=["method", "n_cells"], errors="ignore").set_index("fold")
        rows += [(method, f, m, v, np.nan, np.nan) for m in values for f, v in values[m].items()]
        rows += [(method, -1, m, *fold_interval(values[m], folds).values()) for m in values]
    return pd.DataFrame(rows, columns=["method", "seed", "metric", "value", "low", "high"])


def fold_difference(
    table: pd.DataFrame, first: str, second: str, *, folds: int, metric: str = "auroc"
) -> dict[str, float]:
    """Compare two methods fold by fold: value (first minus second), low and high, as in `over_folds`, and p.

    The two-sided p-value belongs to the same corrected t statistic; it is NaN with one fold.
    """
    wide = table.pivot(index="fold", columns="method", values=metric)
    gaps = (wide[first] - wide[second]).dropna()
    error, p = _standard_error(gaps, folds), np.nan
    if len(gaps) > 1:
        p = 2 * stats.t.sf(abs(gaps.mean()) / error, len(gaps) - 1) if error > 0 else float(not gaps.any())
    return fold_interval(gaps, folds) | {"p": p}


def fold_interval(values: pd.Series, folds: int) -> dict[str, float]:
    """Return the mean of a metric over folds, with its interval (see `over_folds`): value, low, high."""
    values = values.dropna()
    half = inference.t_half(_standard_error(values, folds), len(values))
    low, high = values.mean() - half, values.mean() + half
    return {"value": values.mean(), "low": low, "high": np.minimum(high, 1)}  # no metric exceeds 1


def _standard_error(values: pd.Series, folds: int) -> float:
    """Return the standard error of a mean over folds, corrected for their overlap as in `over_folds`."""
    return values.std() * np.sqrt(1 / max(len(values), 1) + 1 / (folds - 1))


def _refit_fold(bulk: AnnData, held_out: np.ndarray, k: float) -> tuple[AnnData, AnnData]:
    """Split bulk lines, then label and scale both parts by the training part alone."""
    is_test = np.isin(np.arange(bulk.n_obs), held_out)
    train, test = bulk[~is_test].copy(), bulk[is_test].copy()
    low, high = labels.tails(labels.ranked_response(train), k)
    for part in (train, test):
        part.obs["response"] = labels.respond(labels.ranked_response(part), low, high)
    return pp.scale_like(train, train), pp.scale_like(test, train)
