"""What the clustering networks share: their input, the loss of counts, and the training that gathers cells.

Counts are zero-inflated negative binomial (ZINB). log-gamma, the dear part of their likelihood, cancels where
a count is zero; it is taken at the others alone. Soft clusters are those of Xie, Girshick & Farhadi 2016
(proceedings.mlr.press/v48/xieb16.html).
"""

import os
import re
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import scanpy as sc
import torch
from anndata import AnnData
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from bulk2sc import train
from bulk2sc.clustering.classic import refuse_unclusterable
from bulk2sc.errors import Bulk2scError
from bulk2sc.pp import zscore

CGROUPS, OWN_CGROUP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")  # version 2; Linux only
STANDARDISING = 6  # floats for each cell and gene while genes are z-scored: the peak of most methods
ROWS = 128  # cells decoded at a time
TOLERANCE = 1e-3  # share of cells: with fewer that change cluster, training ends
MIN_EPOCHS = 20  # well separated clusters change no label from the start, and would never be sharpened


# ------------------------------------------------------------------------------------------------ the input


def inputs(
    cells: AnnData, *, name: str, n_hvg: int, hidden: int, with_counts: bool = True
) -> tuple[Tensor, sparse.csr_matrix | None]:
    """
    Return z-scores (n_cells, n_genes) of the variable genes, and their counts.

    Parameters
    ----------
    cells
        X log-normalised, and ``layers["counts"]``.
    name
        Of the method, for errors.
    n_hvg
        Number of highly variable genes; all genes where there are no more.
    hidden
        About how many numbers a cell takes in training, beside these.
    with_counts
        False for a method that reads none.

    Raises
    ------
    Bulk2scError
        If there are fewer than three cells or all are alike, if counts are missing, negative or not whole, or
        if there is less memory than training takes.
    """
    refuse_unclusterable(cells)
    counts = whole_counts(cells, name) if with_counts else None
    genes = np.arange(cells.n_vars)
    if n_hvg < cells.n_vars:
        found = sc.pp.highly_variable_genes(cells, n_top_genes=n_hvg, flavor="seurat", inplace=False)
        genes = np.flatnonzero(found["highly_variable"])
    counts = counts[:, genes] if with_counts else None
    floats = cells.n_obs * (STANDARDISING * len(genes) + hidden) + (3 * counts.nnz if with_counts else 0)
    need, have = 4 * floats / 1e9, available() / 1e9
    if need > have:
        raise Bulk2scError(
            f"{name}: {cells.n_obs} cells x {len(genes)} genes need about {need:.1f} GB of memory, there are "
            f"{have:.1f} GB here; give fewer cells or a lower n_hvg"
        )
    return torch.from_numpy(zscore(cells.X[:, genes])), counts


def available() -> int:
    """Return the bytes of memory of this machine, or those of its container or job where these are fewer."""
    own = re.search(r"^0::/(.*)$", OWN_CGROUP.read_text(), re.MULTILINE) if OWN_CGROUP.is_file() else None
    folder = CGROUPS / own[1] if own else CGROUPS
    files = [each / "memory.max" for each in (folder, *folder.parents) if each.is_relative_to(CGROUPS)]
    limits = [file.read_text().strip() for file in files if file.is_file()]
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([machine, *(int(limit) for limit in limits if limit.isdigit())])


def whole_counts(cells, name: str) -> sparse.csr_matrix:
    """
    Return ``layers["counts"]`` of `cells` as CSR without stored zeros.

    Raises
    ------
    Bulk2scError
        If the layer is missing, or its values are negative or not whole; `name` is the method that asks.
    """
    if "counts" not in cells.layers:
        raise Bulk2scError(
            f'{name} models raw counts and there is no layers["counts"]; give counts there or use leiden'
        )
    counts = sparse.csr_matrix(cells.layers["counts"], dtype=np.float32, copy=True)
    counts.eliminate_zeros()
    wrong = (counts.data < 0) | (counts.data != np.floor(counts.data))
    if wrong.any():
        raise Bulk2scError(
            f'{name}: layers["counts"] holds {wrong.sum()} values that are negative or not whole '
            f"(such as {counts.data[wrong][0]:g}); give raw counts"
        )
    return counts


# -------------------------------------------------------------------------------------------------- counts


def zinb_loss(mean: Tensor, dispersion: Tensor, logit: Tensor, positions: Tensor, values: Tensor) -> Tensor:
    """
    Return the mean negative log-likelihood of counts that are zero-inflated negative binomial.

    A count is 0 with probability pi = sigmoid(logit), else negative binomial with variance mean + mean^2 /
    dispersion (Eraslan et al. 2019, doi:10.1038/s41467-018-07931-2).

    Parameters
    ----------
    mean, dispersion
        (n, n_genes), positive.
    logit
        (n, n_genes), any number.
    positions, values
        Where counts are not zero, and these counts, as `nonzeros` gives them.

    Returns
    -------
    Scalar, differentiable; the mean is over all n x n_genes entries.
    """
    log_ratio = torch.log1p(mean / dispersion)  # log((dispersion + mean) / dispersion)
    contrary = -logit
    at_zero = F.softplus(contrary) - F.softplus(contrary - dispersion * log_ratio)
    mean, dispersion, logit, log_ratio, replaced = (
        matrix.flatten()[positions] for matrix in (mean, dispersion, logit, log_ratio, at_zero)
    )
    gammas = torch.lgamma(dispersion) + torch.lgamma(values + 1) - torch.lgamma(dispersion + values)
    powers = (dispersion + values) * log_ratio - values * torch.log(mean / dispersion)
    above_zero = gammas + powers + F.softplus(logit)
    return (at_zero.sum() + (above_zero - replaced).sum()) / at_zero.numel()


def nonzeros(counts: sparse.csr_matrix) -> tuple[Tensor, Tensor]:
    """Return where counts (n, n_genes) are not zero in the flattened matrix, int64, and these, float32."""
    entries = sparse.coo_matrix(counts)
    positions = entries.row.astype(np.int64) * counts.shape[1] + entries.col
    return torch.from_numpy(positions), torch.from_numpy(entries.data.astype(np.float32))


def size_factors(counts: sparse.csr_matrix) -> Tensor:
    """Return each cell's total count over the median of all, (n, 1); 1 for a cell without counts."""
    totals = np.asarray(counts.sum(axis=1), dtype=np.float32).reshape(-1, 1)
    totals[totals == 0] = np.median(totals[totals > 0])
    return torch.from_numpy(totals / np.median(totals))


class ZINBDecoder(nn.Module):
    """
    Three linear heads that turn a hidden layer into mean, dispersion and dropout of every gene.

    Parameters
    ----------
    n_hidden, n_genes
        Widths of the hidden layer and of the output.
    """

    def __init__(self, n_hidden: int, n_genes: int):
        super().__init__()
        self.mean = nn.Linear(n_hidden, n_genes)
        self.dispersion = nn.Linear(n_hidden, n_genes)
        self.dropout = nn.Linear(n_hidden, n_genes)

    def forward(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return mean (before size factors), dispersion and logit of the dropout, each (n, n_genes)."""
        mean = self.mean(hidden).clamp(-11.5, 9.2).exp()  # from 1e-5 to 1e4
        dispersion = F.softplus(self.dispersion(hidden)).clamp(1e-4, 1e3)
        return mean, dispersion, self.dropout(hidden)


class ZINBReconstruction:
    """
    Loss of decoding all cells, some rows at a time: n x n_genes activations never exist at once.

    Parameters
    ----------
    counts
        (n, n_genes) raw counts, CSR.
    rows
        Cells decoded at a time.
    """

    def __init__(self, counts: sparse.csr_matrix, rows: int = ROWS):
        self.n, self.factors = counts.shape[0], size_factors(counts)
        parts = [slice(start, start + rows) for start in range(0, self.n, rows)]
        self.chunks = [(part, self.factors[part], *nonzeros(counts[part])) for part in parts]

    def __call__(self, decoder: nn.Module, hidden: Tensor) -> Tensor:
        """Return the loss of all cells, from rows (n, n_hidden) that `decoder` turns into parameters."""

        def chunk_loss(rows: Tensor, *chunk: Tensor) -> Tensor:
            factors, positions, values = (tensor.to(rows.device) for tensor in chunk)
            mean, dispersion, logit = decoder(rows)
            return len(rows) / self.n * zinb_loss(factors * mean, dispersion, logit, positions, values)

        return sum_of_parts(chunk_loss, ((hidden[part], *chunk) for part, *chunk in self.chunks))


def sum_of_parts(loss: Callable[..., Tensor], parts: Iterable[tuple[Tensor, ...]]) -> Tensor:
    """Return the sum of a loss over its parts, whose activations are made again on the way back."""
    each = (checkpoint(loss, *part, use_reentrant=False, preserve_rng_state=False) for part in parts)
    return sum(each)


# -------------------------------------------------------------------------------------------- soft clusters


def assignment(codes: Tensor, centres: Tensor) -> Tensor:
    """
    Return the soft assignment Q of cells to clusters: Student's t-kernel of the distance, rows add up to 1.

    q_ij is proportional to 1 / (1 + ||z_i - mu_j||^2).

    Parameters
    ----------
    codes
        (n, n_latent).
    centres
        (n_clusters, n_latent).

    Returns
    -------
    (n, n_clusters), differentiable.
    """
    kernel = 1 / (1 + (codes.unsqueeze(1) - centres).square().sum(dim=2))
    return kernel / kernel.sum(dim=1, keepdim=True)


def sharpened(q: Tensor) -> Tensor:
    """Return the target P, (n, n_clusters), without gradient: p_ij ~ q_ij^2 / sum_i q_ij, rows sum to 1."""
    q = q.detach()
    weight = q.square() / q.sum(dim=0)
    return weight / weight.sum(dim=1, keepdim=True)


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
        Of the training. It ends before where less than 0.1 % of the cells change cluster from one epoch to
        the next, though not before 20.
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
        kl, now = F.kl_div(q.log(), sharpened(q), reduction="batchmean"), q.argmax(dim=1)
        changed, last = (now != last).float().mean(), now
        return {"total": kl + sum(terms.values()), "KL": kl} | terms | {"changed": changed}

    def settled(values: dict[str, float]) -> bool:
        return epoch >= MIN_EPOCHS and values["changed"] < TOLERANCE

    history = train.fit_full_batch(
        module, loss, lr=lr, max_epochs=max_epochs, until=settled, progress=progress
    )
    with torch.no_grad():
        nearest = assignment(encode()[0], module.centres).argmax(dim=1).cpu().numpy()
    return np.unique(nearest, return_inverse=True)[1], history
