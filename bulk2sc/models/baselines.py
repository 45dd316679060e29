"""Simple methods: classifiers of lines of both tails, and linear predictors of AUC on all tested lines.

XGBoost and skops, which brings torch, are imported where they are used: `predict` does without them.
"""

from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

import numpy as np
from anndata import AnnData
from scipy.special import expit, logit
from sklearn import linear_model
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold, cross_val_predict
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from bulk2sc.errors import Bulk2scError
from bulk2sc.models.base import FOLDS, ArrayModel, BuiltModel, built, labelled_lines, labels, scaled

# What "tuned XGBoost" chooses from, by the mean AUROC of a cross-validation; among equals the first.
GRID = {"max_depth": [1, 3, 5], "learning_rate": [0.05, 0.2]}
# Penalties that "ridge CV" chooses from, two a decade.
PENALTIES = np.logspace(2, 6, 9)
# Least slope of the calibration of a regression, per standard deviation of its predictions.
MIN_SLOPE = 0.01
# Types beside scikit-learn's public ones that a saved classifier may consist of; any other is refused.
TRUSTED = [
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.model_selection._split.StratifiedKFold",
    "sklearn.tree._tree.Tree",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
]


def trees(**settings) -> ClassifierMixin:
    """Return boosted trees that each see a share of the lines and of the genes."""
    from xgboost import XGBClassifier

    return XGBClassifier(n_jobs=1, subsample=0.8, colsample_bytree=0.1, **settings)


def folds(seed: int) -> StratifiedKFold:
    """Return the folds of a cross-validation within a method."""
    return StratifiedKFold(FOLDS, shuffle=True, random_state=seed)


# Name -> what it is, and a function of its settings that returns it. Defaults are those of the libraries but
# for the penalty of LR (1 is overconfident where genes outnumber lines), the leaves of DT (with smaller ones,
# scores are 0 and 1), the sampling of XGBoost, and the bins of "tuned XGBoost", which is fitted 31 times.
CLASSIFIERS: dict[str, tuple[str, Callable[..., ClassifierMixin]]] = {
    "LR": (
        "Logistic regression with an L2 penalty",
        lambda *, C=0.01: linear_model.LogisticRegression(C=C, max_iter=1000),
    ),
    "SVM": (
        "Support vector machine with an RBF kernel, made a score by Platt's sigmoid on out-of-fold decisions",
        lambda *, C=1.0, seed=0: CalibratedClassifierCV(SVC(C=C), cv=folds(seed), ensemble=False),
    ),
    "DT": (
        "One decision tree; a leaf scores the share of its training lines that are sensitive",
        lambda *, min_samples_leaf=5, seed=0: DecisionTreeClassifier(
            min_samples_leaf=min_samples_leaf, random_state=seed
        ),
    ),
    "RF": (
        "Random forest: the mean score of trees grown on resampled lines, sqrt(n_genes) genes at each split",
        lambda *, n_estimators=500, seed=0: RandomForestClassifier(n_estimators, random_state=seed),
    ),
    "GB": (
        "Gradient-boosted trees in the histogram form",
        lambda *, n_estimators=100, bins=255: HistGradientBoostingClassifier(
            max_iter=n_estimators, max_depth=3, max_bins=bins, early_stopping=False
        ),
    ),
    "XGBoost": (
        "Gradient-boosted trees",
        lambda *, n_estimators=150, bins=256, seed=0: trees(
            n_estimators=n_estimators, max_depth=3, learning_rate=0.1, max_bin=bins, random_state=seed
        ),
    ),
    "tuned XGBoost": (
        "Gradient-boosted trees whose depth and learning rate are chosen on bulk lines",
        lambda *, n_estimators=150, bins=32, seed=0: GridSearchCV(
            trees(n_estimators=n_estimators, max_bin=bins, random_state=seed),
            GRID,
            scoring="roc_auc",
            cv=folds(seed),
        ),
    ),
    "mean effect": (
        "The share of labelled lines that is sensitive: it knows the drug, nothing of the cell",
        lambda: DummyClassifier(strategy="prior"),
    ),
    "all sensitive": (
        'The constant answer "sensitive", a row of every table',
        lambda: DummyClassifier(strategy="constant", constant=1),
    ),
    "all resistant": (
        'The constant answer "resistant", a row of every table',
        lambda: DummyClassifier(strategy="constant", constant=0),
    ),
}


class Baseline(BuiltModel):
    """A classifier of `CLASSIFIERS`, trained on the scaled genes of the lines of both tails.

    Attributes
    ----------
    classifier_
        As its library has fitted it.
    """

    def _fit(self, bulk: AnnData, cells: AnnData) -> None:
        fitted = self._built().fit(*labelled_lines(bulk))
        self.classifier_ = getattr(fitted, "best_estimator_", fitted)

    def _score(self, cells: AnnData) -> np.ndarray:
        return self.classifier_.predict_proba(scaled(cells))[:, 1]

    def _write(self, folder: Path) -> None:
        import skops.io

        skops.io.dump(self.classifier_, folder / "classifier.skops")

    def _read(self, folder: Path) -> None:
        import skops.io

        self.classifier_ = skops.io.load(folder / "classifier.skops", trusted=TRUSTED)


BASELINES = {
    name: built(Baseline, name, build, __doc__=f"{what}.", swept=GRID if name == "tuned XGBoost" else {})
    for name, (what, build) in CLASSIFIERS.items()
}


# ------------------------------------------------------------------------------------- predictors of AUC


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
        return linear_model.Ridge(alpha=self.alpha)


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
            linear_model.Ridge(), dict(self.swept), scoring=_correlation, cv=folds, refit=False
        ).fit(X, auc)
        self.arrays_["alpha"] = search.best_params_["alpha"]
        return linear_model.Ridge(alpha=self.alpha_)


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
    fitted = linear_model.LogisticRegression().fit(standardised[known, None], y[known])
    slope, offset = fitted.coef_[0, 0], fitted.intercept_[0]
    if slope < MIN_SLOPE:
        slope, offset = MIN_SLOPE, logit(y[known].mean())
    return slope / sd, offset - slope / sd * mean
