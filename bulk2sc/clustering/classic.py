"""Cluster on principal components, all cells at once or sample by sample; measure what clusters are worth."""

import random
import warnings
from collections.abc import Callable, Sequence
from itertools import combinations

import igraph
import numpy as np
import pandas as pd
import scanpy as sc
from anndata import AnnData
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score, silhouette_score

from bulk2sc import pp
from bulk2sc.errors import Bulk2scError

N_NEIGHBORS, N_PCS, N_HVG = 15, 50, 2000
LEIDEN = {"flavor": "igraph", "n_iterations": 2, "directed": False}
MOST_CELLS = 5000  # beyond, the silhouette is taken over a sample: its cost is quadratic


def leiden(cells: AnnData, *, resolution: float = 1.0, seed: int = 0) -> AnnData:
    """
    Cluster cells: variable genes, principal components, 15 nearest neighbours, Leiden; and a UMAP.

    Parameters
    ----------
    cells
        (n_cells, n_genes), X log-normalised.
    resolution
        Higher values give more clusters.
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
    return umap(communities(cells, resolution=resolution, seed=seed), seed=seed)


def communities(cells: AnnData, *, method: str = "leiden", resolution: float = 1.0, seed: int = 0) -> AnnData:
    """
    Cluster cells as `leiden` does, without the UMAP.

    Parameters and errors are those of `leiden`; `method` is ``leiden`` or ``louvain``, whose resolution is
    always 1.
    """
    cells = principal_components(cells, seed=seed)
    return group(cells, "X_pca", method=method, resolution=resolution, seed=seed)


def kmeans(cells: AnnData, *, max_k: int = 30, seed: int = 0) -> AnnData:
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
    cells = principal_components(cells, seed=seed)
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


def principal_components(cells: AnnData, *, seed: int = 0) -> AnnData:
    """Return a copy with `obsm["X_pca"]`, at most 50, of the variable genes; errors as for `leiden`."""
    refuse_unclusterable(cells)
    cells = cells.copy()
    sc.pp.highly_variable_genes(cells, n_top_genes=min(N_HVG, cells.n_vars), flavor="seurat")
    n_pcs = min(N_PCS, cells.n_obs - 1, int(cells.var["highly_variable"].sum()) - 1)
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
    sc.tl.leiden(cells, resolution=resolution, key_added="cluster", random_state=seed, **LEIDEN)
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


# ------------------------------------------------------------------------------------- sample by sample


def by_sample(cells: AnnData, *, run: Callable[..., AnnData], seed: int = 0) -> AnnData:
    """
    Cluster every sample by itself, then join clusters of different samples that are each other's nearest.

    A batch effect moves all cells of a sample, so it cannot part cells within one. Samples need not hold the
    same kinds of cells: a cluster without a counterpart elsewhere stays alone.

    Parameters
    ----------
    cells
        (n_cells, n_genes), X log-normalised, with `obs["sample"]`.
    run
        A clustering: called with cells and the keyword ``seed``, returns them with `obs["cluster"]`.
    seed
        Of the clustering.

    Returns
    -------
    A copy with `obs["cluster"]`.
    """
    sample, within = cells.obs["sample"].to_numpy(str), np.empty(cells.n_obs, object)
    for name in np.unique(sample):
        rows = sample == name
        within[rows] = run(cells[rows].copy(), seed=seed).obs["cluster"].to_numpy(str)
    member, units = pd.factorize(pd.MultiIndex.from_arrays([sample, within]))
    profiles = [np.asarray(cells.X[member == unit].mean(axis=0)).ravel() for unit in range(len(units))]
    joined = join(np.stack(profiles), units.get_level_values(0))
    cells = cells.copy()
    cells.obs["cluster"] = pd.Categorical(joined[member].astype(str))
    return cells


def join(profiles: np.ndarray, samples: Sequence[str]) -> np.ndarray:
    """
    Give one number to clusters of two samples that are most correlated with each other.

    Parameters
    ----------
    profiles
        Mean expression (n_clusters, n_genes).
    samples
        The sample of each cluster.

    Returns
    -------
    Int (n_clusters,) from 0; a chain of mutual nearest clusters has one number.
    """
    samples, alike = np.asarray(samples, str), np.corrcoef(profiles)
    same = np.zeros(alike.shape, bool)
    for first, second in combinations(np.unique(samples), 2):
        a, b = np.flatnonzero(samples == first), np.flatnonzero(samples == second)
        nearest, back = alike[np.ix_(a, b)].argmax(axis=1), alike[np.ix_(a, b)].argmax(axis=0)
        mutual = back[nearest] == np.arange(len(a))
        same[a[mutual], b[nearest[mutual]]] = True
    return connected_components(sparse.csr_matrix(same), directed=False)[1]


# -------------------------------------------------------------------------------------------- measures


def agreement(labels, truth) -> dict[str, float]:
    """
    Compare two groupings of the same cells.

    Parameters
    ----------
    labels, truth
        (n_cells,) groups of any type; cells for which either is missing are left out.

    Returns
    -------
    Adjusted Rand index (``ARI``; 0 expected by chance, 1 equal; Hubert and Arabie 1985) and normalised mutual
    information (``NMI``; 0 to 1).
    """
    labels, truth = pd.factorize(np.asarray(labels))[0], pd.factorize(np.asarray(truth))[0]
    known = (labels >= 0) & (truth >= 0)
    labels, truth = labels[known], truth[known]
    return {
        "ARI": float(adjusted_rand_score(truth, labels)),
        "NMI": float(normalized_mutual_info_score(truth, labels)),
    }


def silhouette(code: np.ndarray, labels) -> float:
    """
    Return the average silhouette width (ASW) of clusters in a space (Rousseeuw 1987).

    Parameters
    ----------
    code
        (n_cells, n_dimensions); distances are Euclidean.
    labels
        (n_cells,) clusters.

    Returns
    -------
    From -1 to 1; NaN where it is not defined: with one cluster, or as many clusters as cells. Of more than
    5,000 cells a fixed random sample is taken.
    """
    codes = pd.factorize(np.asarray(labels))[0]
    if not 2 <= codes.max() + 1 < len(codes):
        return float("nan")
    if len(codes) > MOST_CELLS:
        sample = np.random.default_rng(0).choice(len(codes), MOST_CELLS, replace=False)
        code, codes = code[sample], codes[sample]
    return float(silhouette_score(code, codes))


def permute_genes(cells: AnnData, *, seed: int = 0) -> AnnData:
    """
    Return cells without structure: the counts of each gene shuffled over the cells, normalised again.

    Every gene keeps its distribution and no two genes vary together any more, so there is nothing to find.

    Raises
    ------
    Bulk2scError
        If there is no `layers["counts"]`.
    """
    if "counts" not in cells.layers:
        raise Bulk2scError('permute_genes: there is no layers["counts"]; give cells with their counts.')
    rng = np.random.default_rng(seed)
    counts = sparse.csc_matrix(cells.layers["counts"], copy=True)
    for start, end in zip(counts.indptr[:-1], counts.indptr[1:], strict=True):
        counts.indices[start:end] = rng.permutation(cells.n_obs)[: end - start]
    counts.has_sorted_indices = False
    counts = counts.tocsr()
    shuffled = AnnData(counts, obs=cells.obs.copy(), var=cells.var[[]].copy(), layers={"counts": counts})
    return pp.normalise(shuffled)
