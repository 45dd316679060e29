"""Baselines on the scaled genes themselves, behind the interface of every method.

What scikit-learn has learnt is kept as plain arrays: cells are scored from them, and they need no pickle.
"""

from pathlib import Path

import numpy as np
import sklearn.linear_model
from anndata import AnnData
from scipy.special import expit, logit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.svm import SVC
from xgboost import XGBClassifier

from bulk2sc.errors import Bulk2scError
from bulk2sc.models.base import Model, labels, read_arrays, scaled, write_arrays

FOLDS = 5
# Least slope of the calibration of a regression, per standard deviation of its predictions.
MIN_SLOPE = 0.01


def labelled_lines(bulk: AnnData) -> tuple[np.ndarray, np.ndarray]:
    """Return scaled genes (n, n_genes) and labels (n,) of the lines of both tails."""
    y = labels(bulk)
    return scaled(bulk, "bulk")[~np.isnan(y)], y[~np.isnan(y)]


class _ArrayModel(Model):
    """A method that is fully described by a few arrays, `arrays_`."""

    def _write(self, folder: Path) -> None:
        write_arrays(folder, **self.arrays_)

    def _read(self, folder: Path) -> None:
        self.arrays_ = read_arrays(folder)


class LogisticRegression(_ArrayModel):
    """Logistic regression with an L2 penalty.

    Parameters
    ----------
    C
        Inverse penalty; scikit-learn's default, 1, is overconfident where genes outnumber lines.
    """

    name = "LR"

    def __init__(self, *, C: float = 0.01):
        self.C = C

    def _fit(self, bulk: AnnData, cells: AnnData) -> None:
        fitted = sklearn.linear_model.LogisticRegression(C=self.C, max_iter=1000).fit(*labelled_lines(bulk))
        self.arrays_ = {"coef": fitted.coef_[0], "intercept": fitted.intercept_[0]}

    def _score(self, cells: AnnData) -> np.ndarray:
        return expit(scaled(cells) @ self.arrays_["coef"] + self.arrays_["intercept"])


class SVM(_ArrayModel):
    """Support vector machine with an RBF kernel; Platt's sigmoid on out-of-fold decisions makes it a score.

    Parameters
    ----------
    C
        Inverse penalty; scikit-learn's default, as is the kernel width 1 / (n_genes x variance).
    seed
        Seed of the folds of the calibration.
    """

    name = "SVM"

    def __init__(self, *, C: float = 1.0, seed: int = 0):
        self.C = C
        self.seed = seed

    def _fit(self, bulk: AnnData, cells: AnnData) -> None:
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=self.seed)
        platt = CalibratedClassifierCV(SVC(C=self.C), method="sigmoid", cv=folds, ensemble=False)
        fitted = platt.fit(*labelled_lines(bulk)).calibrated_classifiers_[0]
        svc, sigmoid = fitted.estimator, fitted.calibrators[0]
        self.arrays_ = {
            "support_vectors": svc.support_vectors_,
            "dual_coef": svc.dual_coef_[0],
            "intercept": svc.intercept_[0],
            "gamma": svc._gamma,
            "platt": np.array([sigmoid.a_, sigmoid.b_]),
        }

    def _score(self, cells: AnnData) -> np.ndarray:
        fitted = self.arrays_
        kernel = rbf_kernel(scaled(cells), fitted["support_vectors"], gamma=float(fitted["gamma"]))
        slope, offset = fitted["platt"]
        return expit(-(slope * (kernel @ fitted["dual_coef"] + fitted["intercept"]) + offset))


class XGBoost(Model):
    """Gradient-boosted trees.

    Parameters
    ----------
    n_estimators, max_depth, learning_rate
        Number and depth of the trees and the weight of each.
    subsample, colsample_bytree
        Share of lines and of genes that each tree sees.
    seed
        Seed of that sampling.
    """

    name = "XGBoost"

    def __init__(
        self,
        *,
        n_estimators: int = 150,
        max_depth: int = 3,
        learning_rate: float = 0.1,
        subsample: float = 0.8,
        colsample_bytree: float = 0.1,
        seed: int = 0,
    ):
        self.n_estimators = n_estimators
        self.max_depth = max_depth
        self.learning_rate = learning_rate
        self.subsample = subsample
        self.colsample_bytree = colsample_bytree
        self.seed = seed

    def _fit(self, bulk: AnnData, cells: AnnData) -> None:
        settings = self.get_params()
        self.trees_ = XGBClassifier(n_jobs=1, random_state=settings.pop("seed"), **settings)
        self.trees_.fit(*labelled_lines(bulk))

    def _score(self, cells: AnnData) -> np.ndarray:
        return self.trees_.predict_proba(scaled(cells))[:, 1]

    def _write(self, folder: Path) -> None:
        self.trees_.save_model(folder / "trees.json")

    def _read(self, folder: Path) -> None:
        self.trees_ = XGBClassifier(n_jobs=1)
        self.trees_.load_model(folder / "trees.json")


class Ridge(_ArrayModel):
    """Ridge regression on the AUC of all tested lines; a logistic calibration makes it a probability.

    The calibration is fitted on out-of-fold predictions of the bulk lines of both tails. Its slope is kept
    positive: without skill, out-of-fold predictions can be reversed by chance; the scores then are nearly
    constant at the base rate and keep the order of the regression.

    Parameters
    ----------
    alpha
        Penalty, on z-scored genes.
    seed
        Seed of the folds of the calibration.
    """

    name = "ridge"

    def __init__(self, *, alpha: float = 2000.0, seed: int = 0):
        self.alpha = alpha
        self.seed = seed

    def predict_auc(self, adata: AnnData) -> np.ndarray:
        """Return the predicted AUC of cells or lines, shape (n_obs,); lower means more sensitive."""
        X = scaled(self._align(adata), "data")
        return X @ self.arrays_["coef"] + self.arrays_["intercept"]

    def _fit(self, bulk: AnnData, cells: AnnData) -> None:
        if "auc" not in bulk.obs:
            raise Bulk2scError("bulk: obs['auc'] is missing; call labels.label_bulk(bulk, drug=...) first")
        auc, y = bulk.obs["auc"].to_numpy(dtype=float), labels(bulk)
        tested = ~np.isnan(auc)
        X, auc, y = scaled(bulk, "bulk")[tested], auc[tested], y[tested]
        ridge = sklearn.linear_model.Ridge(alpha=self.alpha)
        folds = KFold(FOLDS, shuffle=True, random_state=self.seed)
        slope, offset = calibrate(-cross_val_predict(ridge, X, auc, cv=folds), y)
        ridge.fit(X, auc)
        self.arrays_ = {
            "coef": ridge.coef_,
            "intercept": ridge.intercept_,
            "calibration": np.array([slope, offset]),
        }

    def _score(self, cells: AnnData) -> np.ndarray:
        slope, offset = self.arrays_["calibration"]
        return expit(-slope * self.predict_auc(cells) + offset)


def calibrate(decision: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Return slope (> 0), offset such that ``expit(slope * decision + offset)`` is P(y = 1); y may be NaN."""
    mean, sd = decision.mean(), max(decision.std(), 1e-12)
    standardised, known = (decision - mean) / sd, ~np.isnan(y)
    # The default penalty hardly matters to one coefficient, but keeps it finite where tails do not overlap.
    fitted = sklearn.linear_model.LogisticRegression().fit(standardised[known, None], y[known])
    slope, offset = fitted.coef_[0, 0], fitted.intercept_[0]
    if slope < MIN_SLOPE:
        slope, offset = MIN_SLOPE, logit(y[known].mean())
    return slope / sd, offset - slope / sd * mean


class AllSensitive(Model):
    """The constant answer "sensitive", a row of every table."""

    name = "all sensitive"

    def _fit(self, bulk: AnnData, cells: AnnData) -> None:
        """Learn nothing."""

    def _score(self, cells: AnnData) -> np.ndarray:
        return np.ones(cells.n_obs)


class AllResistant(Model):
    """The constant answer "resistant", a row of every table."""

    name = "all resistant"

    def _fit(self, bulk: AnnData, cells: AnnData) -> None:
        """Learn nothing."""

    def _score(self, cells: AnnData) -> np.ndarray:
        return np.zeros(cells.n_obs)
