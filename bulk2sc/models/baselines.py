"""Simple methods: classifiers of scikit-learn and XGBoost on the scaled genes, and constant answers.

XGBoost and skops, which brings torch, are imported where they are used: `predict` does without them.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from anndata import AnnData
from sklearn.base import ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from bulk2sc.models.base import FOLDS, BuiltModel, built, labelled_lines, scaled

# What "tuned XGBoost" chooses from, by the mean AUROC of a cross-validation; among equals the first.
GRID = {"max_depth": [1, 3, 5], "learning_rate": [0.05, 0.2]}
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
        lambda *, C=0.01: LogisticRegression(C=C, max_iter=1000),
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
