"""Average each cell with its nearest neighbours, which calms the noise of one cell's few molecules.

scanpy, scikit-learn and pynndescent are imported where they are used, as in `pp`.
"""

import gc
from math import isqrt

import numpy as np
from anndata import AnnData
from scipy import sparse

from bulk2sc.errors import Bulk2scError

N_GENES, N_COMPONENTS = 2000, 30  # in which neighbours are looked for
EXACT = 30_000  # cells of a sample up to which all distances are computed
CHUNK = 250  # cells averaged at a time: sums of sparse rows are nearly dense


def most_neighbours(n_cells: int) -> int:
    """Return how many neighbours `pool` takes at most in a sample of `n_cells`: its square root, minus one.

    A cell with its neighbours is then at most sqrt(n) cells, so their share of the sample falls as it grows.
    With more, cells of a small sample are averaged with cells that differ from them, until all are alike.
    """
    return max(isqrt(n_cells) - 1, 0)


def pool(cells: AnnData, k: int, *, seed: int = 0) -> AnnData:
    """
    Replace each cell's expression by the mean of itself and its nearest neighbours; counts stay as they are.

    Neighbours are near on 30 principal components of the z-scored variable genes. No label is looked at, and
    of obs only ``sample``: cells of one sample never meet those of another.

    Parameters
    ----------
    cells
        (n_cells, n_genes), X log values (`normalise`) or z-scores.
    k
        Neighbours of a cell beside itself, in each sample no more than `most_neighbours`; 0 leaves all cells
        as they are.
    seed
        Of the search in samples of more than 30,000 cells, where neighbours are approximate.

    Returns
    -------
    A copy whose X is the mean, dense (float32). `uns["pool"]` holds ``k``, and ``fewest`` and ``most``, the
    neighbours that the samples allowed.

    Raises
    ------
    Bulk2scError
        If k is negative, or X holds counts.
    """
    if k < 0:
        raise Bulk2scError(f"pool is {k}; give the number of neighbours to average a cell with, or 0.")
    if k == 0:
        return cells.copy()
    values = cells.X.data if sparse.issparse(cells.X) else cells.X
    if np.array_equal(values, np.floor(values)):
        raise Bulk2scError(
            "cells: X holds whole numbers; pool averages log values (pp.normalise) or z-scores."
        )
    name = cells.obs["sample"].astype(str) if "sample" in cells.obs else np.zeros(cells.n_obs)
    samples = [np.flatnonzero(name == one) for one in np.unique(name)]
    used = [min(k, most_neighbours(len(rows))) for rows in samples]
    averaged = np.empty(cells.shape, "float32")
    for rows, near in zip(samples, used, strict=True):
        X = cells.X[rows] if len(samples) > 1 else cells.X
        weights = _weights(X, near, seed)
        for start in range(0, len(rows), CHUNK):
            part = weights[start : start + CHUNK] @ X
            averaged[rows[start : start + CHUNK]] = part.toarray() if sparse.issparse(part) else part
    fields = {f: getattr(cells, f).copy() for f in ("obs", "var", "uns", "obsm", "varm")}
    layers = dict(cells.layers)  # shared, not copied: the largest matrix beside the means
    pooled = AnnData(averaged, layers=layers, **fields)
    pooled.uns["pool"] = {"k": k, "fewest": min(used), "most": max(used)}
    return pooled


def _weights(X, k: int, seed: int) -> sparse.csr_matrix:
    """Return the matrix (n, n) that averages each row with its k nearest."""
    n = X.shape[0]
    near = np.arange(n)[:, None]
    if k:
        near = np.hstack([near, _nearest(_components(X), k, seed)])
    ends = np.arange(0, near.size + 1, k + 1)
    return sparse.csr_matrix((np.full(near.size, 1 / (k + 1), "float32"), near.ravel(), ends), (n, n))


def _components(X) -> np.ndarray:
    """Return principal components of the z-scored genes, the variable ones where there are many."""
    import scanpy as sc

    if X.shape[1] > N_GENES and X.min() >= 0:  # z-scores all vary alike
        table = sc.pp.highly_variable_genes(AnnData(X), n_top_genes=N_GENES, flavor="seurat", inplace=False)
        X = X[:, table["highly_variable"].to_numpy()]
    cells = AnnData(X.toarray() if sparse.issparse(X) else X.astype("float32"))
    sc.pp.scale(cells, max_value=10)
    if not cells.X.any():  # all cells are alike
        return cells.X[:, :1]
    n_comps = min(N_COMPONENTS, min(cells.shape) - 1)
    # Both are exact, so that the order of the cells does not matter; each is fast where the other is slow.
    solver = "arpack" if cells.n_obs <= cells.n_vars else "covariance_eigh"
    sc.pp.pca(cells, n_comps=n_comps, svd_solver=solver)
    return cells.obsm["X_pca"]


def _nearest(code: np.ndarray, k: int, seed: int) -> np.ndarray:
    """Return the k nearest other rows of each row, (n, k)."""
    if len(code) <= EXACT:
        from sklearn.neighbors import NearestNeighbors

        return NearestNeighbors(n_neighbors=k, algorithm="brute").fit(code).kneighbors(return_distance=False)
    from pynndescent import NNDescent

    found = NNDescent(code, n_neighbors=k + 1, random_state=seed).neighbor_graph[0]
    gc.collect()  # the index, which refers to itself, goes before the means are made
    return found[:, 1:]  # a row is the nearest to itself
