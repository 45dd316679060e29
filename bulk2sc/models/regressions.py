"""Linear predictors of AUC on all tested lines; a logistic calibration makes them probabilities."""

from types import MappingProxyType

import numpy as np
import sklearn.linear_model
from anndata import AnnData
from scipy.special import expit, logit
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict

from bulk2sc.errors import Bulk2scError
from bulk2sc.models.base import FOLDS, ArrayModel, labels, scaled

# Penalties that "ridge CV" chooses from, two a decade.
PENALTIES = np.logspace(2, 6, 9)
# Least slope of the calibration of a regression, per standard deviation of its predictions.
MIN_SLOPE = 0.01


class LinearAUC(ArrayModel):
    """A weight a gene, learnt from the AUC of all tested lines; subclasses choose how, in `_regressor`.

    The calibration is fitted on out-of-fold predictions of the bulk lines of both tails. Its slope is kept
    positive: without skill, out-of-fold predictions can be reversed by chance; the scores then are nearly
    constant at the base rate and keep the order of the regression.
    """

    seed: int

    def _regressor(self, X: np.ndarray, auc: np.ndarray, folds: KFold) -> BaseEstimator:
        """Return an estimator with `fit`, `predict`, `coef_` and `intercept_`, for scikit-learn to fit."""
        raise NotImplementedError

    def _fit(self, bulk: AnnData, cells: AnnData) -> None:
        X, auc, y = tested_lines(bulk)
        folds = KFold(FOLDS, shuffle=True, random_state=self.seed)
        self.arrays_ = {}
        regressor = self._regressor(X, auc, folds)
        slope, offset = calibrate(-cross_val_predict(regressor, X, auc, cv=folds), y)
        regressor.fit(X, auc)
        self.arrays_ |= {
            "coef": regressor.coef_,
            "intercept": regressor.intercept_,
            "calibration": np.array([slope, offset]),
        }

    def _predict(self, cells: AnnData) -> np.ndarray:
        return scaled(cells, "data") @ self.arrays_["coef"] + self.arrays_["intercept"]

    def _score(self, cells: AnnData) -> np.ndarray:
        slope, offset = self.arrays_["calibration"]
        return expit(-slope * self._predict(cells) + offset)


class Ridge(LinearAUC):
    """Ridge regression on AUC with a fixed penalty, calibrated on lines left out of the fit.

    Parameters
    ----------
    alpha
        Penalty, on z-scored genes; the default is the choice of benchmarks/default_model.py.
    seed
        Seed of the folds of the calibration.
    """

    name = "ridge"

    def __init__(self, *, alpha: float = 10_000.0, seed: int = 0):
        self.alpha = alpha
        self.seed = seed

    def _regressor(self, X: np.ndarray, auc: np.ndarray, folds: KFold) -> BaseEstimator:
        return sklearn.linear_model.Ridge(alpha=self.alpha)


class RidgeCV(Ridge):
    """Ridge regression on AUC whose penalty is chosen on bulk lines, calibrated as with a fixed one.

    Of `PENALTIES`, 1e2 to 1e6, the one whose predictions correlate best with AUC, on average over 5 folds of
    the tested lines. The correlation counts and not the error, as the calibration takes care of the scale.

    Parameters
    ----------
    seed
        Seed of the folds.
    """

    name = "ridge CV"
    swept = MappingProxyType({"alpha": PENALTIES})

    def __init__(self, *, seed: int = 0):
        self.seed = seed

    @property
    def alpha_(self) -> float:
        """The chosen penalty."""
        return float(self.arrays_["alpha"])

    def _regressor(self, X: np.ndarray, auc: np.ndarray, folds: KFold) -> BaseEstimator:
        search = GridSearchCV(
            sklearn.linear_model.Ridge(), dict(self.swept), scoring=_correlation, cv=folds, refit=False
        ).fit(X, auc)
        self.arrays_["alpha"] = search.best_params_["alpha"]
        return sklearn.linear_model.Ridge(alpha=self.alpha_)


class Signature(LinearAUC):
    """Minus the sum of a cell's z-scores, each gene weighted by its correlation with AUC over tested lines.

    That is where ridge regression ends with an ever stronger penalty, and the idea of DREEP and Beyondcell:
    a signature of resistance is looked for in each cell.

    Parameters
    ----------
    seed
        Seed of the folds of the calibration.
    """

    name = "signature"

    def __init__(self, *, seed: int = 0):
        self.seed = seed

    def _regressor(self, X: np.ndarray, auc: np.ndarray, folds: KFold) -> BaseEstimator:
        return CorrelationWeights()


class CorrelationWeights(RegressorMixin, BaseEstimator):
    """Weights `coef_` (n_genes,) are Pearson correlations with the target; 0 for a constant gene."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> "CorrelationWeights":
        """Correlate every column of X (n_lines, n_genes) with y (n_lines,)."""
        centred, target = X - X.mean(axis=0, dtype=float), y - y.mean()
        size = np.linalg.norm(centred, axis=0) * np.linalg.norm(target)
        self.coef_ = np.divide(centred.T @ target, size, out=np.zeros(X.shape[1]), where=size > 0)
        self.intercept_ = 0.0
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the weighted sum of each row of X, shape (n_rows,)."""
        return X @ self.coef_


def tested_lines(bulk: AnnData) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return scaled genes (n, n_genes), AUC (n,) and labels (n,) of the lines that the drug was tested on.

    Raises
    ------
    Bulk2scError
        If ``obs["auc"]`` is missing, or `labels` finds fault with the response.
    """
    if "auc" not in bulk.obs:
        raise Bulk2scError("bulk: obs['auc'] is missing; call labels.label_bulk(bulk, drug=...) first")
    auc, y = bulk.obs["auc"].to_numpy(dtype=float), labels(bulk)
    tested = ~np.isnan(auc)
    return scaled(bulk, "bulk")[tested], auc[tested], y[tested]


def _correlation(regressor: BaseEstimator, X: np.ndarray, auc: np.ndarray) -> float:
    return np.corrcoef(regressor.predict(X), auc)[0, 1]


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
