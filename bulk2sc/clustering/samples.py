"""Cluster each sample by itself and join what belongs together: for samples that differ by their protocol."""

from collections.abc import Callable, Mapping
from itertools import combinations

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse
from scipy.sparse.csgraph import connected_components


def by_sample(cells: AnnData, *, run: Callable[..., AnnData], by: str = "sample", seed: int = 0) -> AnnData:
    """
    Cluster every sample by itself, then join clusters of different samples that are each other's nearest.

    A batch effect moves all cells of a sample, so it cannot part cells within one. Samples need not hold the
    same kinds of cells: a cluster without a counterpart elsewhere stays alone.

    Parameters
    ----------
    cells
        (n_cells, n_genes), X log-normalised.
    run
        A clustering: called with cells and the keyword ``seed``, returns them with `obs["cluster"]`.
    by
        Column of obs that names the sample.
    seed
        Of the clustering.

    Returns
    -------
    A copy with `obs["cluster"]`, and with `obs["within"]`: the clusters of each sample before joining.
    """
    rows = {name: np.flatnonzero(cells.obs[by] == name) for name in cells.obs[by].unique()}
    labels = {
        name: run(cells[at].copy(), seed=seed).obs["cluster"].to_numpy(str) for name, at in rows.items()
    }
    profiles = {
        (sample, cluster): np.asarray(cells.X[at[labels[sample] == cluster]].mean(axis=0)).ravel()
        for sample, at in rows.items()
        for cluster in np.unique(labels[sample])
    }
    joined = join(profiles)
    found, within = np.empty(cells.n_obs, int), np.empty(cells.n_obs, object)
    for sample, at in rows.items():
        within[at] = labels[sample]
        found[at] = [joined[sample, cluster] for cluster in labels[sample]]
    cells = cells.copy()
    cells.obs["cluster"] = pd.Categorical(found.astype(str))
    cells.obs["within"] = within
    return cells


def join(profiles: Mapping[tuple[str, str], np.ndarray]) -> dict[tuple[str, str], int]:
    """
    Give one number to clusters of two samples that are most correlated with each other.

    Parameters
    ----------
    profiles
        Mean expression (n_genes,) by sample and cluster.

    Returns
    -------
    Numbers from 0 by sample and cluster; a chain of mutual nearest clusters has one number.
    """
    keys = list(profiles)
    samples = np.array([sample for sample, _ in keys])
    alike = np.corrcoef(np.stack(list(profiles.values())))
    same = np.zeros(alike.shape, bool)
    for first, second in combinations(np.unique(samples), 2):
        a, b = np.flatnonzero(samples == first), np.flatnonzero(samples == second)
        nearest, back = alike[np.ix_(a, b)].argmax(axis=1), alike[np.ix_(a, b)].argmax(axis=0)
        mutual = back[nearest] == np.arange(len(a))
        same[a[mutual], b[nearest[mutual]]] = True
    numbers = connected_components(sparse.csr_matrix(same), directed=False)[1]
    return dict(zip(keys, numbers.tolist(), strict=True))
