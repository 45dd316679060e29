"""What the quality of a cell's measurement says about its answer: confounding, not prediction."""

import numpy as np
import pandas as pd
from anndata import AnnData
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

COVARIATES = {
    "library size": "total_counts",
    "genes detected": "n_genes_by_counts",
    "% mitochondrial": "pct_counts_mt",
}
FITTED = "all of them, fitted to the answers"
FOLDS = 5


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
    known = cells.obs[against].notna().to_numpy()
    X, y = _values(cells)[known], cells.obs[against].to_numpy(float)[known]
    lines = cells.obs["cell_line"].astype(str).to_numpy()[known]
    folds = _folds(y, lines, seed) if X.shape[1] else []
    if not folds:
        return _table(FITTED, cells.obs_names[:0], pd.Series(dtype=float))
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced"))
    score = np.full(cells.n_obs, 0.5)
    score[known] = cross_val_predict(model, X, y, cv=folds, method="predict_proba")[:, 1]
    return _table(FITTED, cells.obs_names, score)


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
