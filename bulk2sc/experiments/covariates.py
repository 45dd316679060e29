"""What the quality of a cell's measurement says about its answer: confounding, not prediction."""

import numpy as np
import pandas as pd
from anndata import AnnData
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.preprocessing import scale

from bulk2sc import evaluate

COVARIATES = {
    "library size": "total_counts",
    "genes detected": "n_genes_by_counts",
    "% mitochondrial": "pct_counts_mt",
}
FITTED = "all of them, fitted to the answers"
FOLDS = 5
DEALS = 199


def alone(cells: AnnData) -> pd.DataFrame:
    """Return each covariate as a score, so that `evaluate.judge` takes it for a method.

    Parameters
    ----------
    cells
        With scanpy's quality metrics in obs, as far as the data have them.

    Returns
    -------
    DataFrame
        method (the covariate), seed (0), cell, score: the covariate's rank among the cells, in (0, 1]. An
        AUROC over .5 means that sensitive cells have more of it.
    """
    tables = [_table(name, cells.obs_names, values.rank(pct=True)) for name, values in _values(cells).items()]
    return pd.concat(tables or [_table("", cells.obs_names[:0], pd.Series(dtype=float))], ignore_index=True)


def fitted(cells: AnnData, against: str, seed: int = 0) -> pd.DataFrame:
    """Return out-of-fold scores of a logistic regression of answers on all covariates.

    It sees answers of other cell lines: a measure of how far quality and answer go together, never a method.

    Parameters
    ----------
    cells
        With `obs[against]` (1, 0, NaN) and `obs["cell_line"]`; all cells of a line are in one fold.
    against
        Column of answers.
    seed
        Of the folds.

    Returns
    -------
    DataFrame
        As `alone`, cells without an answer at .5; empty where no covariate is known, or where there are too
        few lines to train and to test on both classes.
    """
    X, y, lines, known = _answered(cells, against)
    found = _out_of_fold(X, y, lines, seed)
    if found is None:
        return _table(FITTED, cells.obs_names[:0], pd.Series(dtype=float))
    score = np.full(cells.n_obs, 0.5)
    score[known] = found
    return _table(FITTED, cells.obs_names, score)


def fitted_p(cells: AnnData, against: str, *, n_deals: int = DEALS, seed: int = 0) -> float:
    """Return how often the regression does as well where answers are dealt out anew among the lines.

    Lines of one class exchange it; a line with both has its answers turned round, or not. With three measures
    and few lines, scores of other lines are off .5 by far more than an interval over lines allows for.

    Returns
    -------
    float
        One-sided p-value, from 1 / (n_deals + 1) to 1; NaN where `fitted` is empty.
    """
    X, y, lines, _ = _answered(cells, against)
    found = _out_of_fold(X, y, lines, seed)
    if found is None:
        return np.nan
    value, rng, as_good = roc_auc_score(y, found), np.random.default_rng(seed), 0
    for _ in range(n_deals):
        dealt = _dealt(y, lines, rng)
        score = _out_of_fold(X, dealt, lines, seed)
        as_good += score is None or roc_auc_score(dealt, score) >= value - 1e-12
    return (1 + as_good) / (1 + n_deals)


def judge(cells: AnnData, against: str, *, n_draws: int = 1000) -> pd.DataFrame:
    """Hold all covariates, alone and fitted, against the answers.

    Returns
    -------
    DataFrame
        As `evaluate.judge` returns it, and p: that of `fitted_p` with the AUROC of the regression.
    """
    table = evaluate.judge(
        pd.concat([alone(cells), fitted(cells, against)]), cells, against=against, n_draws=n_draws
    )
    of_fit = (table["method"] == FITTED) & (table["metric"] == "auroc") & (table["seed"] == -1)
    return table.assign(p=np.where(of_fit, fitted_p(cells, against) if of_fit.any() else np.nan, np.nan))


def _answered(cells: AnnData, against: str) -> tuple[pd.DataFrame, np.ndarray, np.ndarray, np.ndarray]:
    """Return covariates, answers and lines of the cells that have an answer, and which these are."""
    known = cells.obs[against].notna().to_numpy()
    lines = cells.obs["cell_line"].astype(str).to_numpy()[known]
    return _values(cells)[known], cells.obs[against].to_numpy(float)[known], lines, known


def _out_of_fold(X: pd.DataFrame, y: np.ndarray, lines: np.ndarray, seed: int) -> np.ndarray | None:
    """Return P(answer 1) of each cell by a model that has not seen its line; None without folds.

    Covariates are scaled over all cells, which uses no answer and saves a third of the time.
    """
    folds = _folds(y, lines, seed) if X.shape[1] else []
    if not folds:
        return None
    model = LogisticRegression(class_weight="balanced")
    return cross_val_predict(model, scale(X), y, cv=folds, method="predict_proba")[:, 1]


def _dealt(y: np.ndarray, lines: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return answers dealt out anew: exchanged among lines of one class, turned round within the others."""
    old = evaluate.class_of_lines(y, lines)
    whole, both = old.index[old.notna()], old.index[old.isna()]
    turned = dict(zip(whole, rng.permutation(old[whole]) != old[whole], strict=True))
    turned |= dict(zip(both, rng.random(len(both)) < 0.5, strict=True))
    return np.abs(y - pd.Series(lines).map(turned).to_numpy(float))


def _values(cells: AnnData) -> pd.DataFrame:
    """Return log(1 + covariate), cells x those covariates that are known and vary."""
    present = {name: c for name, c in COVARIATES.items() if c in cells.obs and cells.obs[c].nunique() > 1}
    columns = {name: np.log1p(cells.obs[column]) for name, column in present.items()}
    return pd.DataFrame(columns, index=cells.obs_names)


def _folds(y: np.ndarray, lines: np.ndarray, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return folds over lines, or none where some fold would be trained on one class."""
    n = min(FOLDS, *(len(np.unique(lines[y == answer])) for answer in (0, 1)))
    if n < 2:
        return []
    splits = list(StratifiedGroupKFold(n, shuffle=True, random_state=seed).split(y, y, lines))
    return splits if all(len(np.unique(y[train])) == 2 for train, _ in splits) else []


def _table(method: str, names: pd.Index, score: pd.Series | np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"method": method, "seed": 0, "cell": names, "score": np.asarray(score)})
