"""Group cells by expression, and measure how well the groups agree with something known."""

import warnings

import numpy as np
import pandas as pd
import scanpy as sc
from anndata import AnnData
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score


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
    """
    cells = cells.copy()
    n_hvg = min(n_hvg, cells.n_vars)
    sc.pp.highly_variable_genes(cells, n_top_genes=n_hvg, flavor="seurat")
    n_pcs = min(n_pcs, cells.n_obs - 1, int(cells.var["highly_variable"].sum()) - 1)
    sc.pp.pca(cells, n_comps=n_pcs, random_state=seed)
    sc.pp.neighbors(cells, n_neighbors=15, random_state=seed)
    sc.tl.leiden(
        cells,
        resolution=resolution,
        key_added="cluster",
        flavor="igraph",
        n_iterations=2,
        directed=False,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Graph is not fully connected")  # well separated cells
        sc.tl.umap(cells, random_state=seed)
    return cells


def agreement(labels, truth) -> dict[str, float]:
    """
    Compare two groupings of the same cells.

    Parameters
    ----------
    labels, truth
        (n_cells,) groups of any type; cells for which either is missing are left out.

    Returns
    -------
    Adjusted Rand index (``ARI``; 0 expected by chance, 1 equal) and normalised mutual information (``NMI``; 0
    to 1).
    """
    labels, truth = pd.factorize(np.asarray(labels))[0], pd.factorize(np.asarray(truth))[0]
    known = (labels >= 0) & (truth >= 0)
    labels, truth = labels[known], truth[known]
    return {
        "ARI": float(adjusted_rand_score(truth, labels)),
        "NMI": float(normalized_mutual_info_score(truth, labels)),
    }


def permuted_agreement(labels, truth, *, n: int = 200, seed: int = 0) -> pd.DataFrame:
    """
    Return the agreement that chance gives: `n` rows of `agreement` after shuffling `labels` over the cells.

    Parameters
    ----------
    labels, truth
        As for `agreement`.
    n
        Number of permutations.
    seed
        Of the permutations.
    """
    rng = np.random.default_rng(seed)
    return pd.DataFrame([agreement(rng.permutation(np.asarray(labels)), truth) for _ in range(n)])
