"""Softmax attention of all to all, exact, whose weights never exist as a whole.

Weights are made for some queries at a time, few enough for the processor's cache, and made again on the way
back (Dao et al. 2022, doi:10.48550/arXiv.2205.14135). All matrices are features x cells: products with long
rows are several times as fast as those with narrow columns.
"""

from collections.abc import Iterator
from math import log, sqrt

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

WEIGHTS = 2**19  # held at a time: 2 MB


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """
    Return V softmax(Q'K / sqrt(width))' of every head, differentiable once.

    Parameters
    ----------
    query
        (n_heads, width, n).
    key, value
        (n_heads, width, m), of the cells attended to.

    Returns
    -------
    (n_heads, width, n).
    """
    scale = sqrt(query.shape[1]) * log(2)  # the exponential to the base of 2 is the fastest
    return _Attention.apply((query / scale).contiguous(), key.contiguous(), value.contiguous())


class _Attention(torch.autograd.Function):
    """V P' with P = 2^(Q'K) over its row sums."""

    @staticmethod
    def forward(ctx, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        fused, log_total = torch.empty_like(query), torch.empty_like(query[:, :1])

        for head in range(len(query)):
            for rows in _blocks(query, key):
                scores = query[head][:, rows].T @ key[head]
                highest = scores.amax(dim=1)
                weights = scores.sub_(highest[:, None]).exp2_()
                total = weights.sum(dim=1)
                fused[head][:, rows] = value[head] @ weights.T / total
                log_total[head, 0, rows] = highest + total.log2()
        ctx.save_for_backward(query, key, value, fused, log_total)
        return fused

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        query, key, value, fused, log_total = ctx.saved_tensors
        of_query, of_key, of_value = torch.empty_like(query), torch.zeros_like(key), torch.zeros_like(value)
        ones = torch.ones_like(key[:, :1])
        # A row more in a product takes away a number from each row of its result.
        queries, keys = torch.cat([query, -log_total], dim=1), torch.cat([key, ones], dim=1)
        mean = (gradient * fused).sum(dim=1, keepdim=True)
        gradients, values = torch.cat([gradient, -mean], dim=1), torch.cat([value, ones], dim=1)

        for head in range(len(query)):
            for rows in _blocks(query, key):
                weights = (queries[head][:, rows].T @ keys[head]).exp2_()
                of_scores = (gradients[head][:, rows].T @ values[head]).mul_(weights)
                of_value[head] += gradient[head][:, rows] @ weights
                of_key[head] += query[head][:, rows] @ of_scores
                of_query[head][:, rows] = key[head] @ of_scores.T
        return of_query * log(2), of_key * log(2), of_value


def _blocks(query: Tensor, key: Tensor) -> Iterator[slice]:
    """Yield some queries at a time."""
    n, size = query.shape[-1], max(WEIGHTS // key.shape[-1], 16)
    return (slice(start, start + size) for start in range(0, n, size))
