"""A linear layer whose weights keep to a mask of pathways, without products of what the mask leaves out."""

import warnings
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

DENSE = 0.12  # share of ones from which on products with all places are hardly slower; at .03, three times
with warnings.catch_warnings(action="ignore"):  # torch says once that compressed rows are in beta
    torch.eye(1).to_sparse_csr()


class Places(NamedTuple):
    """Where a mask (n_genes, n_latent) is 1, row by row, and the same of its transpose (compressed rows)."""

    flat: Tensor  # place in the flattened mask
    row_starts: Tensor
    column: Tensor
    row_starts_of_transpose: Tensor
    column_of_transpose: Tensor
    order_of_transpose: Tensor  # of `flat`


def places(mask: Tensor) -> Places:
    """Return where `mask` is not 0."""
    row, column = mask.nonzero(as_tuple=True)
    order = torch.argsort(column * len(mask) + row)
    starts = [
        F.pad(torch.bincount(of, minlength=n).cumsum(0), (1, 0))
        for of, n in zip((row, column), mask.shape, strict=True)
    ]
    return Places(row * mask.shape[1] + column, starts[0], column, starts[1], row[order], order)


class MaskedLinear(nn.Linear):
    """A linear layer ``z (W * M) + b``: a latent dimension reaches only the genes of its pathway (Eq. 8, 9).

    `mask` is M, of shape (n_latent, n_genes), 0 or 1. Where few of its places are 1, products on the CPU take
    these only; in bf16, and on other devices, they take all.
    """

    def __init__(self, mask: Tensor):
        super().__init__(*mask.shape)
        self.register_buffer("mask", mask.T.contiguous(), persistent=False)
        few = mask.count_nonzero() < DENSE * mask.numel()
        self._places = places(self.mask) if few and torch.backends.mkl.is_available() else None

    def forward(self, z: Tensor) -> Tensor:
        """Decode codes (n, n_latent) into genes (n, n_genes)."""
        plain = z.ndim == 2 and z.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
        if self._places is not None and plain:
            return _SparseProduct.apply(z, self.weight, self._places) + self.bias
        return F.linear(z, self.weight * self.mask, self.bias)


class _SparseProduct(torch.autograd.Function):
    """``z (W * M)`` for W * M (n_genes, n_latent) given by its places; other weights have a gradient of 0."""

    @staticmethod
    def forward(ctx, z: Tensor, weight: Tensor, at: Places) -> Tensor:
        values = weight.take(at.flat)
        ctx.save_for_backward(z, values)
        ctx.at, ctx.shape = at, weight.shape
        return (_compressed(at.row_starts, at.column, values, weight.shape) @ z.T).T

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        (z, values), at, by_gene = ctx.saved_tensors, ctx.at, gradient.T.contiguous()
        turned = _compressed(
            at.row_starts_of_transpose,
            at.column_of_transpose,
            values[at.order_of_transpose],
            ctx.shape[::-1],
        )
        nothing = _compressed(at.row_starts, at.column, torch.zeros_like(values), ctx.shape)
        of_weight = torch.zeros(ctx.shape, dtype=values.dtype)
        of_weight.view(-1)[at.flat] = torch.sparse.sampled_addmm(nothing, by_gene, z).values()
        return (turned @ by_gene).T, of_weight, None


def _compressed(starts: Tensor, column: Tensor, values: Tensor, shape: tuple[int, int]) -> Tensor:
    return torch.sparse_csr_tensor(starts, column, values, shape, check_invariants=False)
