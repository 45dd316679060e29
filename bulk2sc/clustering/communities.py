"""Cluster on principal components: communities of the neighbour graph, or k-means."""

import random
import warnings

import igraph
import numpy as np
import pandas as pd
import scanpy as sc
from anndata import AnnData
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from bulk2sc.clustering.measures import silhouette
from bulk2sc.errors import Bulk2scError

N_NEIGHBORS = 15


def leiden(
    cells: AnnData, *, resolution: float = 1.0, n_hvg: int = 2000, n_pcs: int = 50, seed: int = 0
) -> AnnData:
    """
    Cluster cells: variable genes, principal components, 15 nearest neighbours, Leiden; and a UMAP.

    Parameters
    ----------
    cells
        (n_cells, n_genes), X log-normalised.
    resolution
        Higher values give more clusters.
    n_hvg
        Number of highly variable genes.
    n_pcs
        Number of principal components, as far as cells and genes allow.
    seed
        Of every step.

    Returns
    -------
    A copy with `obs["cluster"]` (categorical), `obsm["X_pca"]` and `obsm["X_umap"]`.

    Raises
    ------
    Bulk2scError
        If there are fewer than three cells, or no gene varies.
    """
    return umap(communities(cells, resolution=resolution, n_hvg=n_hvg, n_pcs=n_pcs, seed=seed), seed=seed)


def communities(
    cells: AnnData,
    *,
    method: str = "leiden",
    resolution: float = 1.0,
    n_hvg: int = 2000,
    n_pcs: int = 50,
    seed: int = 0,
) -> AnnData:
    """
    Cluster cells as `leiden` does, without the UMAP.

    Parameters and errors are those of `leiden`; `method` is ``leiden`` or ``louvain``, whose resolution is
    always 1.
    """
    return group(
        principal_components(cells, n_hvg=n_hvg, n_pcs=n_pcs, seed=seed),
        "X_pca",
        method=method,
        resolution=resolution,
        seed=seed,
    )


def kmeans(cells: AnnData, *, max_k: int = 30, n_hvg: int = 2000, n_pcs: int = 50, seed: int = 0) -> AnnData:
    """
    Cluster cells by k-means on principal components, with the k from 2 to `max_k` of the highest ASW there.

    Returns
    -------
    A copy with `obs["cluster"]` and `obsm["X_pca"]`; one cluster where no k gives an ASW.

    Raises
    ------
    Bulk2scError
        As for `leiden`.
    """
    cells = principal_components(cells, n_hvg=n_hvg, n_pcs=n_pcs, seed=seed)
    code = cells.obsm["X_pca"]
    best, labels = -np.inf, np.zeros(cells.n_obs, int)
    for k in range(2, min(max_k, cells.n_obs - 1) + 1):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct cells than clusters
            candidate = KMeans(k, n_init=4, random_state=seed).fit_predict(code)
        width = silhouette(code, candidate)
        if width > best:
            best, labels = width, candidate
    cells.obs["cluster"] = as_clusters(labels)
    return cells


def principal_components(cells: AnnData, *, n_hvg: int = 2000, n_pcs: int = 50, seed: int = 0) -> AnnData:
    """Return a copy with `obsm["X_pca"]` of the variable genes; parameters and errors as for `leiden`."""
    refuse_unclusterable(cells)
    cells = cells.copy()
    sc.pp.highly_variable_genes(cells, n_top_genes=min(n_hvg, cells.n_vars), flavor="seurat")
    n_pcs = min(n_pcs, cells.n_obs - 1, int(cells.var["highly_variable"].sum()) - 1)
    sc.pp.pca(cells, n_comps=n_pcs, random_state=seed)
    return cells


def group(
    cells: AnnData, code: str, *, method: str = "leiden", resolution: float = 1.0, seed: int = 0
) -> AnnData:
    """
    Cluster cells by the communities of their neighbour graph on a code they have.

    Parameters
    ----------
    cells
        With `obsm[code]`.
    method, resolution, seed
        As for `communities`.

    Returns
    -------
    A copy with `obs["cluster"]` and the graph of 15 neighbours.
    """
    cells = neighbours(cells, code, seed=seed)
    if method == "louvain":
        cells.obs["cluster"] = as_clusters(_louvain(cells.obsp["connectivities"], seed))
        return cells
    options = {"flavor": "igraph", "n_iterations": 2, "directed": False, "random_state": seed}
    sc.tl.leiden(cells, resolution=resolution, key_added="cluster", **options)
    return cells


def community_labels(code: np.ndarray, *, resolution: float = 1.0, seed: int = 0) -> np.ndarray:
    """Return what `group` finds by Leiden on a code (n_cells, n_dimensions), as int (n_cells,) from 0."""
    cells = AnnData(sparse.csr_matrix((len(code), 1), dtype="float32"), obsm={"X_code": code})
    return group(cells, "X_code", resolution=resolution, seed=seed).obs["cluster"].cat.codes.to_numpy(int)


def neighbours(cells: AnnData, code: str, *, seed: int = 0) -> AnnData:
    """Return a copy with scanpy's graph of 15 neighbours on `obsm[code]`."""
    cells = cells.copy()
    sc.pp.neighbors(cells, n_neighbors=N_NEIGHBORS, use_rep=code, random_state=seed)
    return cells


def umap(cells: AnnData, *, seed: int = 0) -> AnnData:
    """Return a copy with `obsm["X_umap"]`, drawn from the graph of `neighbours`."""
    cells = cells.copy()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Graph is not fully connected")  # well separated cells
        sc.tl.umap(cells, random_state=seed)
    return cells


def as_clusters(labels: np.ndarray) -> pd.Categorical:
    """Return numbers as categories ``0``, ``1``, ..., the largest cluster first."""
    sizes = (
        pd.Series(labels).value_counts(sort=False).sort_index().sort_values(ascending=False, kind="stable")
    )
    names = {label: str(i) for i, label in enumerate(sizes.index)}
    return pd.Categorical([names[label] for label in labels], categories=list(names.values()))


def refuse_unclusterable(cells: AnnData) -> None:
    """Raise where there is nothing to cluster: fewer than three cells, or cells that are all alike."""
    if cells.n_obs < 3:
        raise Bulk2scError(f"clustering: there are {cells.n_obs} cells; give at least three.")
    if (cells.X.max(axis=0) - cells.X.min(axis=0)).sum() == 0:
        raise Bulk2scError(
            f"clustering: X is the same in all {cells.n_obs} cells; give cells that differ in some gene."
        )


def _louvain(connectivities: sparse.spmatrix, seed: int) -> list[int]:
    """Return communities by the multilevel algorithm of Blondel et al. (2008)."""
    graph = igraph.Graph.Weighted_Adjacency(connectivities, mode="undirected")
    igraph.set_random_number_generator(random.Random(seed))  # noqa: S311
    try:
        return graph.community_multilevel(weights="weight").membership
    finally:
        igraph.set_random_number_generator(random)
