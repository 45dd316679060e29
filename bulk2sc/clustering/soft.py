"""Soft clusters: centres in a code, Student-t assignment to them, and training that sharpens it.

After Xie, Girshick & Farhadi 2016 (proceedings.mlr.press/v48/xieb16.html).
"""

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
import scanpy as sc
import torch
from anndata import AnnData
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional as F

from bulk2sc import train

TOLERANCE = 1e-3  # share of cells: with fewer that change cluster, training ends
MIN_EPOCHS = 20  # well separated clusters change no label from the start, and would never be sharpened


def assignment(codes: Tensor, centres: Tensor, alpha: float = 1.0) -> Tensor:
    """
    Return the soft assignment Q of cells to clusters: Student's t-kernel of the distance, rows add up to 1.

    q_ij is proportional to (1 + ||z_i - mu_j||^2 / alpha)^(-(alpha + 1) / 2).

    Parameters
    ----------
    codes
        (n, n_latent).
    centres
        (n_clusters, n_latent).
    alpha
        Degrees of freedom, above 0.

    Returns
    -------
    (n, n_clusters), differentiable.
    """
    squared = (codes.unsqueeze(1) - centres).square().sum(dim=2)
    kernel = (1 + squared / alpha) ** (-(alpha + 1) / 2)
    return kernel / kernel.sum(dim=1, keepdim=True)


def sharpened(q: Tensor) -> Tensor:
    """Return the target P, (n, n_clusters), without gradient: p_ij ~ q_ij^2 / sum_i q_ij, rows sum to 1."""
    q = q.detach()
    weight = q.square() / q.sum(dim=0)
    return weight / weight.sum(dim=1, keepdim=True)


def sharpening_loss(q: Tensor) -> Tensor:
    """Return KL(P||Q), mean over cells, of the assignment `q` (n, n_clusters) and its sharpened target."""
    return F.kl_div(q.log(), sharpened(q), reduction="batchmean")


def neighbour_kernel(
    codes: np.ndarray, *, n_neighbors: int, metric: str = "euclidean", seed: int = 0
) -> sparse.csr_matrix:
    """
    Return the Gaussian-kernel similarity of neighbouring cells.

    The kernel is scanpy's, after Haghverdi et al. 2016 (doi:10.1038/nmeth.3971).

    Parameters
    ----------
    codes
        (n, width).
    n_neighbors
        Number of neighbours; at most n - 1 are taken.
    metric
        Of the distance.
    seed
        Of the search for neighbours, which is approximate with many cells.

    Returns
    -------
    (n, n) sparse and symmetric, in [0, 1], 0 for cells that are not neighbours and on the diagonal.
    """
    cells = AnnData(np.asarray(codes, dtype=np.float32))
    n_neighbors = min(n_neighbors, cells.n_obs - 1)
    sc.pp.neighbors(
        cells, n_neighbors=n_neighbors, use_rep="X", method="gauss", metric=metric, random_state=seed
    )
    kernel = sparse.csr_matrix(cells.obsp["connectivities"], dtype=np.float32)
    kernel.data = np.nan_to_num(kernel.data, nan=1.0)  # equal cells: a kernel of width 0
    return kernel.maximum(kernel.T).tocsr()


def leiden_labels(codes: np.ndarray, *, resolution: float, n_neighbors: int, seed: int) -> np.ndarray:
    """Return Leiden clusters, int from 0, of cells' codes (n, n_latent) on their Gaussian-kernel graph."""
    cells = AnnData(np.asarray(codes, dtype=np.float32))
    graph = neighbour_kernel(codes, n_neighbors=n_neighbors, seed=seed)
    settings = {"flavor": "igraph", "n_iterations": 2, "directed": False, "random_state": seed}
    sc.tl.leiden(cells, resolution=resolution, adjacency=graph, **settings)
    return cells.obs["leiden"].to_numpy(dtype=int)


def centres_of(codes: Tensor, labels: np.ndarray) -> Tensor:
    """Return the mean code (n_clusters, n_latent) of every cluster; `labels` are int from 0 without gaps."""
    members = F.one_hot(torch.as_tensor(labels, device=codes.device)).to(codes.dtype)
    return members.T @ codes / members.sum(dim=0).unsqueeze(1)


def sharpen(
    module: nn.Module,
    encode: Callable[[], tuple[Tensor, dict[str, Tensor]]],
    labels: np.ndarray,
    *,
    lr: float = 1e-3,
    max_epochs: int = 100,
    tolerance: float = TOLERANCE,
    progress: str = "clustering",
) -> tuple[np.ndarray, pd.DataFrame]:
    """
    Train a network so that cells gather at cluster centres, from given clusters on; leave it in eval mode.

    Parameters
    ----------
    module
        Its parameters are trained in place, and the centres with them.
    encode
        Returns the codes (n, n_latent) of all cells and further terms of the loss, weighted, by name.
    labels
        (n,) clusters to begin with, int from 0 without gaps; their mean codes are the first centres.
    lr, max_epochs
        Of the training.
    tolerance
        End when a smaller share of the cells changes cluster from one epoch to the next, not before 20.
    progress
        Name shown on the progress bar and in errors.

    Returns
    -------
    Clusters (n,), int from 0 without gaps, and the history: ``epoch``, ``term`` (``KL``, those of `encode`,
    ``changed``: share of cells) and ``value``. With one cluster nothing is trained, and a warning says so.
    """
    if labels.max() == 0:
        warnings.warn(f"{progress}: all cells are one cluster, so there is nothing to sharpen.", stacklevel=2)
        module.eval()
        return labels, pd.DataFrame(columns=["epoch", "term", "value"])
    module.eval()
    with torch.no_grad():
        module.centres = nn.Parameter(centres_of(encode()[0], labels))
    last, epoch = torch.as_tensor(labels, device=module.centres.device), 0

    def loss() -> dict[str, Tensor]:
        nonlocal last, epoch
        epoch += 1
        codes, terms = encode()
        q = assignment(codes, module.centres)
        kl, now = sharpening_loss(q), q.argmax(dim=1)
        changed, last = (now != last).float().mean(), now
        return {"total": kl + sum(terms.values()), "KL": kl} | terms | {"changed": changed}

    def settled(values: dict[str, float]) -> bool:
        return epoch >= MIN_EPOCHS and values["changed"] < tolerance

    history = train.fit_full_batch(
        module, loss, lr=lr, max_epochs=max_epochs, until=settled, progress=progress
    )
    with torch.no_grad():
        nearest = assignment(encode()[0], module.centres).argmax(dim=1).cpu().numpy()
    return np.unique(nearest, return_inverse=True)[1], history
