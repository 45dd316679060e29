"""Measure codes: how far lines and cells are apart in them."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from sklearn.metrics import euclidean_distances, roc_auc_score
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC


def domain_auroc(
    code: np.ndarray, is_cell: np.ndarray, groups: Iterable[str], *, folds: int = 5, seed: int = 0
) -> pd.Series:
    """Tell bulk from cells by a support vector machine; cell lines are kept whole within a fold.

    Its RBF kernel makes a curved boundary. A straight one is of no use here: domains that are each z-scored
    have equal means, and those of held-out rows then lie opposite to those of the others.

    Parameters
    ----------
    code
        Array (n, d) of lines and cells.
    is_cell
        Bool (n,): the domain.
    groups
        Cell line of each row.
    folds, seed
        Of the cross-validation.

    Returns
    -------
    Series
        AUROC of each fold; 0.5 where the domains cannot be told apart, 1 where they are separate, NaN where a
        fold has only one of them to learn from or to test on.
    """
    splits = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    areas = []
    for train, test in splits.split(code, is_cell, np.asarray(list(groups), str)):
        areas.append(np.nan)
        if len(np.unique(is_cell[test])) == 2 and len(np.unique(is_cell[train])) == 2:
            areas[-1] = roc_auc_score(is_cell[test], _decide(code[train], is_cell[train], code[test]))
    return pd.Series(areas, name="auroc", dtype=float)


def _decide(train: np.ndarray, is_cell: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Return decisions of `StandardScaler` and `SVC`; the kernel as one matrix takes a tenth of the time."""
    scale = StandardScaler().fit(train)
    train, test = scale.transform(train), scale.transform(test)
    gamma = 1 / (train.shape[1] * train.var())
    svm = SVC(kernel="precomputed").fit(rbf_kernel(train, gamma=gamma), is_cell)
    return svm.decision_function(rbf_kernel(test, train, gamma=gamma))


def line_kernel(
    code: np.ndarray, is_cell: np.ndarray, groups: Iterable[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Return how alike lines are, by a Gaussian kernel averaged over all pairs of rows of two lines.

    The kernel is exp(-d^2 / 2 m^2) of the Euclidean distance d, with m the median of d over pairs of rows
    (Gretton et al. 2012). A line is one unit however many rows it has: cells of a line are pseudo-replicates.

    Parameters
    ----------
    code
        Array (n, d) of lines and cells.
    is_cell
        Bool (n,): the domain.
    groups
        Cell line of each row; rows of one line in two domains are two units.

    Returns
    -------
    tuple
        Array (n_units, n_units) in [0, 1], and bool (n_units,): which units are cells.
    """
    units = pd.MultiIndex.from_arrays([np.asarray(is_cell, bool), np.asarray(list(groups), str)])
    member, names = pd.factorize(units)
    squared = euclidean_distances(code, squared=True)
    median = np.median(squared[np.triu_indices_from(squared, k=1)])
    kernel = np.exp(-squared / (2 * median)) if median > 0 else np.ones_like(squared)
    share = np.eye(len(names))[member] / np.bincount(member)[None, :]
    return share.T @ kernel @ share, np.array([unit[0] for unit in names], bool)


def mmd(kernel: np.ndarray, bulk: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Return an unbiased estimate of the squared maximum mean discrepancy (MMD) of two domains.

    How alike units of a domain are, minus how alike units of both are; no unit is compared with itself
    (Gretton et al. 2012, Eq. 3). It is 0 on average where both are drawn from one distribution, so it may be
    negative.

    Parameters
    ----------
    kernel
        Array (n_units, n_units), as `line_kernel` returns it.
    bulk, cells
        Arrays (n_weightings, n_units): how often each unit counts in a domain.

    Returns
    -------
    Array (n_weightings,); NaN where a domain has fewer than two units.
    """
    bulk, cells = (np.atleast_2d(np.asarray(w, float)) for w in (bulk, cells))
    itself = np.diag(kernel)

    def within(w: np.ndarray) -> np.ndarray:
        pairs = w.sum(axis=1) ** 2 - (w**2).sum(axis=1)
        likeness = ((w @ kernel) * w).sum(axis=1) - (w**2) @ itself
        return np.where(pairs > 0, likeness, np.nan) / np.where(pairs > 0, pairs, 1)

    between = ((bulk @ kernel) * cells).sum(axis=1) / (bulk.sum(axis=1) * cells.sum(axis=1))
    return within(bulk) + within(cells) - 2 * between


def mmd_draws(kernel: np.ndarray, is_cell: np.ndarray, *, n_draws: int = 500, seed: int = 0) -> pd.DataFrame:
    """Return the discrepancy of the domains, with resampled lines, and with the domains dealt out at random.

    Parameters
    ----------
    kernel, is_cell
        As `line_kernel` returns them.
    n_draws, seed
        Draws of either kind, and their seed; the same seed makes draws of several codes paired.

    Returns
    -------
    DataFrame
        Columns: draw (-1: all lines), mmd (lines of either domain resampled with replacement), null (domains
        permuted over lines; NaN in draw -1).
    """
    rng = np.random.default_rng(seed)
    sides = []
    for side in (~is_cell, is_cell):
        times = rng.multinomial(side.sum(), side / side.sum(), n_draws)
        sides.append(np.vstack([side, times]))
    dealt = rng.permuted(np.tile(is_cell, (n_draws, 1)), axis=1)
    null = np.append(np.nan, mmd(kernel, ~dealt, dealt))
    return pd.DataFrame({"draw": np.arange(-1, n_draws), "mmd": mmd(kernel, *sides), "null": null})
