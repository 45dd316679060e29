"""Zero-inflated negative binomial counts: their loss, cheap where counts are zero and never whole in memory.

log-gamma, the dear part of the likelihood, cancels where a count is zero; it is taken at the others alone.
"""

from collections.abc import Callable

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional as F

from bulk2sc.errors import Bulk2scError

ROWS = 128


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
        self.n, self.factors, self.chunks = counts.shape[0], size_factors(counts), []
        for start in range(0, self.n, rows):
            part = slice(start, min(start + rows, self.n))
            self.chunks.append((part, self.factors[part], *nonzeros(counts[part])))

    def __call__(self, decoder: nn.Module, hidden: Tensor) -> Tensor:
        """
        Return the loss of all cells.

        Parameters
        ----------
        decoder
            Turns rows of `hidden` into mean, dispersion and logit, as `ZINBDecoder` does; every one of its
            parameters must matter to the loss.
        hidden
            (n, n_hidden).
        """
        parameters = list(decoder.parameters())

        def chunk_loss(chunk: tuple, rows: Tensor) -> Tensor:
            part, *tensors = chunk
            factors, positions, values = (tensor.to(rows.device) for tensor in tensors)
            mean, dispersion, logit = decoder(rows)
            share = (part.stop - part.start) / self.n
            return share * zinb_loss(factors * mean, dispersion, logit, positions, values)

        return row_by_row(chunk_loss, self.chunks, hidden, *parameters)


def row_by_row(chunk_loss: Callable, chunks: list[tuple], hidden: Tensor, *parameters: Tensor) -> Tensor:
    """
    Return the sum of a loss over chunks of rows; of a chunk only gradients are kept.

    Parameters
    ----------
    chunk_loss
        Called with a chunk and its rows of `hidden`; returns a scalar that depends on every one of the
        `parameters` and on nothing random.
    chunks
        Tuples of any content whose first element is a slice of rows.
    hidden
        (n, width).
    parameters
        What else the loss is to be differentiated by.
    """
    return _RowByRow.apply(chunk_loss, chunks, hidden, *parameters)


class _RowByRow(torch.autograd.Function):
    """Value and gradients of `row_by_row`, both taken on the way forward."""

    @staticmethod
    def forward(ctx, chunk_loss: Callable, chunks: list, hidden: Tensor, *parameters: Tensor) -> Tensor:
        wanted = any(ctx.needs_input_grad)
        total, of_hidden = hidden.new_zeros(()), torch.zeros_like(hidden)
        sums = [torch.zeros_like(parameter) for parameter in parameters]
        for chunk in chunks:
            rows = hidden[chunk[0]].detach().requires_grad_(wanted)
            with torch.set_grad_enabled(wanted):
                loss = chunk_loss(chunk, rows)
            total += loss.detach()
            if wanted:
                of_hidden[chunk[0]], *grads = torch.autograd.grad(loss, [rows, *parameters])
                for summed, grad in zip(sums, grads, strict=True):
                    summed += grad
        ctx.save_for_backward(of_hidden, *sums)
        return total

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple:
        return None, None, *(gradient * kept for kept in ctx.saved_tensors)
