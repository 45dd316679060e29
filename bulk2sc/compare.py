"""The one rule by which methods are compared: lines are drawn, and one decision follows from the draws.

Cells of a line are replicates, so whole lines are drawn with replacement, the same draws for all methods,
seeds and drugs. All differences of one table share simultaneous 95 % intervals.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from anndata import AnnData

from bulk2sc import evaluate, inference
from bulk2sc.errors import Bulk2scError
from bulk2sc.inference import Evidence

MARGINS = {"auroc": 0.03, "rho": 0.05}  # differences within these are practically none
MARGIN = 0.03  # of every other metric
LIMITS = {"auroc": 1.0, "accuracy": 1.0, "f1": 1.0, "rho": 2.0, "mcc": 2.0}  # no difference is larger
FOLDS = 5  # of the bulk lines, one left out by each seed


class Draws(NamedTuple):
    """A metric of several methods, on all lines and in every draw of lines.

    Attributes
    ----------
    metric
        Its name.
    value
        Mean over seeds on all lines, by method.
    seeds
        Tidy: method, seed, value.
    draws
        Mean over seeds in every draw, (n_draws, n_methods).
    known
        What the lines can show.
    """

    metric: str
    value: pd.Series
    seeds: pd.DataFrame
    draws: pd.DataFrame
    known: Evidence


def _collected(metric: str, found: Mapping[str, tuple[pd.Index, np.ndarray]], known: Evidence) -> Draws:
    """Collect by method the seeds and the values of a metric, (1 + n_draws, n_seeds), first on all lines."""
    single = [
        (method, seed, value)
        for method, (seeds, values) in found.items()
        for seed, value in zip(seeds, values[0], strict=True)
    ]
    means = pd.DataFrame({method: values.mean(axis=1) for method, (_, values) in found.items()})
    draws = means.iloc[1:].reset_index(drop=True)
    seeds = pd.DataFrame(single, columns=["method", "seed", "value"])
    return Draws(metric, means.iloc[0].rename("value"), seeds, draws, known)


def on_cells(
    scores: pd.DataFrame, cells: AnnData, *, against: str = "truth", n_draws: int = 2000, seed: int = 0
) -> dict[str, Draws]:
    """Compute the metrics of `evaluate.weighted_metrics` for every method, in draws of the cells' lines.

    Parameters
    ----------
    scores
        Tidy: method, seed, cell, score, as `evaluate.score_methods` returns it.
    cells
        Cells with `obs[against]` (1, 0, or NaN: not judged) and `obs["cell_line"]`.
    against
        Column of the answers.
    n_draws, seed
        Draws of the judged lines, and their seed.

    Returns
    -------
    dict
        `Draws` by metric. A draw that holds only one class is NaN in all of them.

    Raises
    ------
    Bulk2scError
        If a judged cell has no score.
    """
    answer, lines = cells.obs[against].to_numpy(float), cells.obs["cell_line"].astype(str).to_numpy()
    known, judged = evaluate.evidence(answer, lines), ~np.isnan(answer)
    answer = answer[judged]
    weight = inference.line_weights(lines[judged], n_draws=n_draws, seed=seed)
    sensitive = weight @ answer
    one_class = (sensitive == 0) | (sensitive == weight.sum(axis=1))
    one_class[0] = False
    found: dict[str, dict[str, tuple[pd.Index, np.ndarray]]] = {}
    for method, table in scores.groupby("method", sort=False):
        wide = table.pivot(index="seed", columns="cell", values="score")[cells.obs_names[judged]]
        if wide.isna().to_numpy().any():
            cell = wide.columns[wide.isna().any()][0]
            raise Bulk2scError(f"scores: {method} has none for cell {cell} with some seed; score every cell")
        by_seed = [evaluate.weighted_metrics(answer, score, weight) for score in wide.to_numpy()]
        for metric in by_seed[0]:
            values = np.stack([metrics[metric] for metrics in by_seed], axis=1)
            values[one_class] = np.nan
            found.setdefault(metric, {})[method] = (wide.index, values)
    return {metric: _collected(metric, values, known) for metric, values in found.items()}


def on_lines(
    scores: pd.DataFrame, lines: AnnData, *, folds: int = FOLDS, n_draws: int = 2000, seed: int = 0
) -> Draws:
    """Compute the AUROC on bulk lines left out, in draws of these lines.

    Models of different folds have scores of their own, so a score is taken as its rank among the lines that
    were left out with it.

    Parameters
    ----------
    scores
        Tidy: method, seed, cell (the line), score. A seed leaves out the fold of `evaluate.leave_out_fold`,
        so that as many seeds as there are folds score every line once; of several rounds, all lines common
        to them count.
    lines
        Lines with ``obs["response"]``.
    folds
        In how many parts the lines were left out.
    n_draws, seed
        Draws of the lines, and their seed.
    """
    of_fold = scores.groupby(["method", "seed"], sort=False)["score"]
    rank = (of_fold.rank() - 0.5) / of_fold.transform("size")  # the middle is one half, however large a fold
    ranked = scores.assign(score=rank, seed=scores["seed"] // folds)
    rounds = ranked.groupby("cell")["seed"].nunique()
    common = lines.obs_names[lines.obs_names.isin(rounds.index[rounds == ranked["seed"].nunique()])]
    obs = pd.DataFrame({"truth": lines.obs["response"], "cell_line": lines.obs_names}).loc[common]
    asked = ranked[ranked["cell"].isin(common)]
    return on_cells(asked, AnnData(obs=obs), n_draws=n_draws, seed=seed)["auroc"]


def on_panel(scores: pd.DataFrame, auc: pd.DataFrame, *, n_draws: int = 2000, seed: int = 0) -> Draws:
    """Compute the mean over drugs of Spearman's rho of the lines, in draws of lines joint for all drugs.

    Parameters
    ----------
    scores
        Tidy: method, seed, drug, line, score (higher = more sensitive); the same drugs for every method.
    auc
        Measured AUC (lower = more sensitive), lines x drugs; NaN where a line was not tested.
    n_draws, seed
        Draws of lines, and their seed.

    Raises
    ------
    Bulk2scError
        If a method has no score for a line that was tested.
    """
    lines, drugs = sorted(scores["line"].unique()), list(scores["drug"].unique())
    sensitivity = -auc.reindex(index=lines, columns=drugs).to_numpy(float)
    weight, found = inference.line_weights(lines, n_draws=n_draws, seed=seed), {}
    for method, table in scores.groupby("method", sort=False):
        wide = table.pivot(index="seed", columns=["line", "drug"], values="score")
        wide = wide.reindex(columns=pd.MultiIndex.from_product([lines, drugs]))
        values = wide.to_numpy().reshape(len(wide), len(lines), len(drugs))
        missing = np.argwhere(np.isnan(values).any(axis=0) & ~np.isnan(sensitivity))
        if len(missing):
            line, drug = missing[0]
            raise Bulk2scError(f"panel: {method} has no score of line {lines[line]} for {drugs[drug]}")
        rho = np.stack(
            [weighted_spearman(v, s, weight) for v, s in zip(values.T, sensitivity.T, strict=True)]
        )
        found[method] = (wide.index, np.nanmean(rho, axis=0))
    tested = (~np.isnan(sensitivity)).sum(axis=0)
    return _collected("rho", found, Evidence(sizes=(int(tested.mean()),)))


def weighted_spearman(scores: np.ndarray, sensitivity: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return Spearman's rho where every line counts as often as its weight says, ties sharing their rank.

    Parameters
    ----------
    scores
        Array (n_lines, n_scores).
    sensitivity
        Array (n_lines,); lines with NaN are left out.
    weight
        Array (n_draws, n_lines).

    Returns
    -------
    Array (n_draws, n_scores): 0 where all lines have one score, NaN where they have one sensitivity.
    """
    known = ~np.isnan(sensitivity)
    w = np.asarray(weight, float)[:, known]

    def ranks(x: np.ndarray) -> np.ndarray:  # centred: weight below minus weight above
        return w @ np.sign(x[None, :] - x[:, None])

    wanted = ranks(sensitivity[known])
    size, rho = (w * wanted**2).sum(axis=1), []
    for score in np.round(scores[known], 12).T:  # what differs by rounding alone is a tie
        given = ranks(score)
        norm = np.sqrt((w * given**2).sum(axis=1) * size)
        rho.append(np.divide((w * given * wanted).sum(axis=1), norm, out=np.zeros(len(w)), where=norm > 0))
    return np.where(size > 0, rho, np.nan).T


def levels(draws: Draws | Mapping[str, Draws]) -> pd.DataFrame:
    """Return each method's own value with its 95 % interval: [group,] method, value, low, high."""
    rows = [
        (group, method, value, *inference.bootstrap_interval(found.draws[method], found.known))
        for group, found in _groups(draws)
        for method, value in found.value.items()
    ]
    return _tidy(rows, ["method", "value", "low", "high"], draws)


def differences(
    draws: Draws | Mapping[str, Draws], reference: str | Sequence[tuple[str, str]]
) -> pd.DataFrame:
    """Compare methods by simultaneous 95 % intervals: all of the table hold at once in 95 of 100 studies.

    The intervals reach as far as the largest studentised deviation over the draws does in 95 % of them, moved
    outwards for few lines (`inference.Evidence.widened`).

    Parameters
    ----------
    draws
        As `on_cells` or `on_panel` returns them. A mapping, of drugs or data sets, gives the table a column
        ``group``; its rows are one family.
    reference
        The method that all others are compared with, or the pairs (method, reference) to compare.

    Returns
    -------
    DataFrame
        [group,] method, reference, difference, low, high, verdict (see `decide`).
    """
    rows, deviations = [], []
    for group, found in _groups(draws):
        pairs = reference
        if isinstance(reference, str):
            pairs = [(method, reference) for method in found.value.index if method != reference]
        for method, other in pairs:
            value = found.value[method] - found.value[other]
            gaps = (found.draws[method] - found.draws[other]).round(12).to_numpy()
            error = _error(gaps, found.draws[[method, other]], found.known)
            deviations.append(np.nan_to_num(np.abs(gaps - value) / (error or 1)))
            rows.append((group, method, other, value, error, found))
    farthest = np.quantile(np.max(deviations, axis=0), 0.95) if rows else np.nan
    full = []
    for *row, value, error, found in rows:
        half = error * found.known.widened(farthest) if error else error
        limit = LIMITS.get(found.metric, np.inf)
        low, high = np.clip([value - half, value + half], -limit, limit)
        full.append((*row, value, low, high, decide(low, high, MARGINS.get(found.metric, MARGIN))))
    return _tidy(full, ["method", "reference", "difference", "low", "high", "verdict"], draws)


def decide(low: float, high: float, margin: float) -> str:
    """Return ``higher``, ``lower``, ``practically equal`` or ``not clear``: what an interval allows to say.

    Higher or lower where it excludes 0; else practically equal where it lies within the margin on either
    side; else not clear. Without an interval nothing can be tested.
    """
    if np.isnan(low) or np.isnan(high):
        return "cannot be tested"
    if low > 0 or high < 0:
        return "higher" if low > 0 else "lower"
    return "practically equal" if -margin <= low and high <= margin else "not clear"


def _error(gaps: np.ndarray, draws: pd.DataFrame, known: Evidence) -> float:
    """Return the spread of a difference over draws; NaN where lines or draws say too little.

    Two methods that no draw can move, such as two perfect ones, differ by nothing but for want of lines.
    """
    defined = ~np.isnan(gaps)
    stuck = (draws.max() - draws.min() < 1e-9).all()
    if known.too_little or stuck or defined.mean() < inference.DEFINED:
        return np.nan
    return float(gaps[defined].std(ddof=1))


def _groups(draws: Draws | Mapping[str, Draws]) -> Iterator[tuple[str, Draws]]:
    return iter([("", draws)] if isinstance(draws, Draws) else draws.items())


def _tidy(rows: list[tuple], columns: list[str], draws: Draws | Mapping[str, Draws]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["group", *columns])
    return table.drop(columns="group") if isinstance(draws, Draws) else table
