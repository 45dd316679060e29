"""Logistic regression and a support vector machine on the scaled genes themselves."""

import numpy as np
import sklearn.linear_model
from anndata import AnnData
from scipy.special import expit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import SVC

from bulk2sc.models.base import FOLDS, ArrayModel, labelled_lines, scaled


class LogisticRegression(ArrayModel):
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


class SVM(ArrayModel):
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
