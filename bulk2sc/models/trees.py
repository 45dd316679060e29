"""Trees on the scaled genes themselves: one, many side by side, many in a row.

What scikit-learn has grown is kept as plain arrays, and cells are scored from them.
"""

from pathlib import Path

import numpy as np
from anndata import AnnData
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from bulk2sc.models.base import FOLDS, ArrayModel, Model, labelled_lines, read_arrays, scaled, write_arrays

# What "tuned XGBoost" chooses from; among equals the first.
GRID = {"max_depth": [1, 3, 5], "learning_rate": [0.05, 0.2]}


class DecisionTree(ArrayModel):
    """One decision tree; a leaf scores the share of its training lines that are sensitive.

    Parameters
    ----------
    min_samples_leaf
        Least number of lines in a leaf; with scikit-learn's default, 1, every score is 0 or 1.
    seed
        Seed of the choice between splits that are equally good.
    """

    name = "DT"

    def __init__(self, *, min_samples_leaf: int = 5, seed: int = 0):
        self.min_samples_leaf = min_samples_leaf
        self.seed = seed

    def _fit(self, bulk: AnnData, cells: AnnData) -> None:
        tree = DecisionTreeClassifier(min_samples_leaf=self.min_samples_leaf, random_state=self.seed)
        self.arrays_ = stacked([_of_sklearn(tree.fit(*labelled_lines(bulk)))])

    def _score(self, cells: AnnData) -> np.ndarray:
        return sum_of_leaves(self.arrays_, scaled(cells))


class RandomForest(ArrayModel):
    """Random forest: the mean score of trees grown on resampled lines, sqrt(n_genes) genes at each split.

    Parameters
    ----------
    n_estimators
        Number of trees, each grown until its leaves are pure, as scikit-learn does by default.
    seed
        Seed of the resampling.
    """

    name = "RF"

    def __init__(self, *, n_estimators: int = 500, seed: int = 0):
        self.n_estimators = n_estimators
        self.seed = seed

    def _fit(self, bulk: AnnData, cells: AnnData) -> None:
        forest = RandomForestClassifier(self.n_estimators, random_state=self.seed, n_jobs=1)
        self.arrays_ = stacked([_of_sklearn(tree) for tree in forest.fit(*labelled_lines(bulk))])

    def _score(self, cells: AnnData) -> np.ndarray:
        return sum_of_leaves(self.arrays_, scaled(cells)) / len(self.arrays_["roots"])


class GradientBoosting(ArrayModel):
    """Gradient-boosted trees in the histogram form.

    Parameters
    ----------
    n_estimators, max_depth, learning_rate
        Number and depth of the trees and the weight of each: the defaults of scikit-learn's exact form.
    bins
        Bins that each gene is cut into, at most 255: fewer are faster.
    """

    name = "GB"

    def __init__(
        self, *, n_estimators: int = 100, max_depth: int = 3, learning_rate: float = 0.1, bins: int = 255
    ):
        self.n_estimators = n_estimators
        self.max_depth = max_depth
        self.learning_rate = learning_rate
        self.bins = bins

    def _fit(self, bulk: AnnData, cells: AnnData) -> None:
        settings = {"max_depth": self.max_depth, "learning_rate": self.learning_rate, "max_bins": self.bins}
        boosted = HistGradientBoostingClassifier(
            max_iter=self.n_estimators, early_stopping=False, **settings
        ).fit(*labelled_lines(bulk))
        trees = stacked([_of_histogram(tree.nodes) for (tree,) in boosted._predictors])
        self.arrays_ = trees | {"start": boosted._baseline_prediction.ravel()}

    def _score(self, cells: AnnData) -> np.ndarray:
        return expit(self.arrays_["start"] + sum_of_leaves(self.arrays_, scaled(cells)))


class XGBoost(Model):
    """Gradient-boosted trees.

    Parameters
    ----------
    n_estimators, max_depth, learning_rate
        Number and depth of the trees and the weight of each.
    subsample, colsample_bytree
        Share of lines and of genes that each tree sees.
    bins
        Bins that each gene is cut into: fewer are faster.
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
        bins: int = 256,
        seed: int = 0,
    ):
        self.n_estimators = n_estimators
        self.max_depth = max_depth
        self.learning_rate = learning_rate
        self.subsample = subsample
        self.colsample_bytree = colsample_bytree
        self.bins = bins
        self.seed = seed

    def _fit(self, bulk: AnnData, cells: AnnData) -> None:
        self.trees_ = self._classifier().fit(*labelled_lines(bulk))

    def _classifier(self) -> XGBClassifier:
        settings = self.get_params()
        seed, bins = settings.pop("seed"), settings.pop("bins")
        return XGBClassifier(n_jobs=1, random_state=seed, max_bin=bins, **settings)

    def _score(self, cells: AnnData) -> np.ndarray:
        return self.trees_.predict_proba(scaled(cells))[:, 1]

    def _write(self, folder: Path) -> None:
        self.trees_.save_model(folder / "trees.json")

    def _read(self, folder: Path) -> None:
        self.trees_ = XGBClassifier(n_jobs=1)
        self.trees_.load_model(folder / "trees.json")


class TunedXGBoost(XGBoost):
    """Gradient-boosted trees whose depth and learning rate are chosen on bulk lines.

    Of the pairs in `GRID` the one with the highest mean AUROC in a 5-fold cross-validation over the labelled
    lines is fitted on all of them.

    Parameters
    ----------
    n_estimators
        Number of trees.
    subsample, colsample_bytree
        Share of lines and of genes that each tree sees.
    bins
        Number of bins that genes are cut into: enough for some hundred lines, and four times as fast as 256.
    seed
        Seed of the sampling and of the folds.

    Attributes
    ----------
    chosen_
        The chosen settings by name.
    """

    name = "tuned XGBoost"
    swept = GRID

    def __init__(
        self,
        *,
        n_estimators: int = 150,
        subsample: float = 0.8,
        colsample_bytree: float = 0.1,
        bins: int = 32,
        seed: int = 0,
    ):
        self.n_estimators = n_estimators
        self.subsample = subsample
        self.colsample_bytree = colsample_bytree
        self.bins = bins
        self.seed = seed

    def _fit(self, bulk: AnnData, cells: AnnData) -> None:
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=self.seed)
        search = GridSearchCV(self._classifier(), self.swept, scoring="roc_auc", cv=folds).fit(
            *labelled_lines(bulk)
        )
        self.trees_, self.chosen_ = search.best_estimator_, search.best_params_

    def _write(self, folder: Path) -> None:
        super()._write(folder)
        write_arrays(folder, **self.chosen_)

    def _read(self, folder: Path) -> None:
        super()._read(folder)
        self.chosen_ = {name: value.item() for name, value in read_arrays(folder).items()}


# ---------------------------------------------------------------------------------------- trees as arrays


def stacked(trees: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Join the nodes of trees into one array a field; ``roots`` are the places where trees begin.

    Parameters
    ----------
    trees
        Of each tree, one entry a node, the root first: ``left`` and ``right``, the numbers of its children
        (``left`` is -1 in leaves), ``feature`` and ``threshold`` (left where not above), and ``value``.
    """
    sizes = [len(tree["left"]) for tree in trees]
    roots = np.cumsum([0, *sizes[:-1]])
    joined = {field: np.concatenate([tree[field] for tree in trees]) for field in trees[0]}
    shift = np.repeat(roots, sizes)
    for child in ("left", "right"):
        joined[child] = np.where(joined["left"] < 0, -1, joined[child] + shift)
    return joined | {"roots": roots}


def sum_of_leaves(trees: dict[str, np.ndarray], X: np.ndarray) -> np.ndarray:
    """Return the sum over trees, as `stacked` joins them, of the value of each row's leaf (n_rows,)."""
    total, rows = np.zeros(len(X)), np.arange(len(X))
    for root in trees["roots"]:
        node = np.full(len(X), root)
        while (inner := trees["left"][node] >= 0).any():
            goes_left = X[rows, trees["feature"][node]] <= trees["threshold"][node]
            child = np.where(goes_left, trees["left"][node], trees["right"][node])
            node = np.where(inner, child, node)
        total += trees["value"][node]
    return total


def _of_sklearn(fitted: DecisionTreeClassifier) -> dict[str, np.ndarray]:
    tree = fitted.tree_
    return {
        "left": tree.children_left,
        "right": tree.children_right,
        "feature": tree.feature,
        "threshold": tree.threshold,
        "value": tree.value[:, 0, 1],  # the share of the second class, sensitive
    }


def _of_histogram(nodes: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "left": np.where(nodes["is_leaf"], -1, nodes["left"].astype(int)),
        "right": nodes["right"].astype(int),
        "feature": nodes["feature_idx"],
        "threshold": nodes["num_threshold"],
        "value": nodes["value"],
    }
