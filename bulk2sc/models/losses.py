"""What the autoencoders and their classifiers minimise."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from bulk2sc.models.networks import Outputs

# How much each term counts: the text (Eq. 7 and 11) and the authors' code differ.
WEIGHTS = {
    "text": {"reconstruction": 1.0, "difference": 0.1, "sparse": 0.1},
    "code": {"reconstruction": 0.1, "difference": 0.1, "sparse": 1.0},
}


def difference_loss(shared: Tensor, private: Tensor) -> Tensor:
    """Return how much two codes of the same rows (n, d) overlap (Eq. 6).

    Rows are divided by their own detached L2 norm; then the mean of the squared entries of ``S^T P`` (d x d),
    divided by n because it grows with the batch.
    """
    n, d = shared.shape
    shared, private = shared.float(), private.float()  # where training takes products in bf16
    S, P = (z / z.norm(dim=1, keepdim=True).detach().clamp_min(1e-6) for z in (shared, private))
    # ||S^T P||^2 = sum(S S^T * P P^T): n x n products, because d x d ones grow with the pathways.
    return ((S @ S.T) * (P @ P.T)).sum(dtype=torch.float32) / (d * d * n)


def autoencoder_loss(
    outputs: Outputs, x: Tensor, n_bulk: int, weights: dict[str, float]
) -> dict[str, Tensor]:
    """Return the terms of Eq. 11 that the network has; ``total``, their weighted sum, is first."""
    terms = {"reconstruction": over_domains(F.mse_loss, outputs.dense, x, n_bulk)}  # Eq. 5
    if outputs.private is not None:
        terms["difference"] = over_domains(difference_loss, outputs.shared, outputs.private, n_bulk)  # Eq. 6
    if outputs.sparse is not None:
        terms["sparse"] = over_domains(F.mse_loss, outputs.sparse, x, n_bulk)  # Eq. 10
    return {"total": sum(weights[name] * term for name, term in terms.items())} | terms


def over_domains(loss: Callable, first: Tensor, second: Tensor, n_bulk: int) -> Tensor:
    """Return the loss between two tensors of a batch, summed over the bulk lines' and the cells' rows."""
    sizes = [n_bulk, len(first) - n_bulk]
    return sum(map(loss, first.split(sizes), second.split(sizes)))


def cross_entropy(logit: Tensor, y: Tensor) -> Tensor:
    """Return the mean cross-entropy (Eq. 15) over the labelled lines; 0 if a batch has none (`y` is NaN)."""
    labelled = ~y.isnan()
    total = F.binary_cross_entropy_with_logits(logit[labelled].float(), y[labelled], reduction="sum")
    return total / labelled.sum().clamp_min(1)
