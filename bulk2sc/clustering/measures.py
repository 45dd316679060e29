"""Measure clusters: against what is known of the cells, by their shape, and against chance."""

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score, silhouette_score

from bulk2sc import pp
from bulk2sc.errors import Bulk2scError

MOST_CELLS = 5000  # beyond, the silhouette is taken over a sample: its cost is quadratic


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
