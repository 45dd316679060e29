"""The networks that the autoencoders are composed of; a batch is a stack of bulk lines above cells."""

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Outputs(NamedTuple):
    """What an autoencoder makes of a batch: codes (n, n_latent) and reconstructions (n, n_genes)."""

    private: Tensor | None  # None: the network has no private encoders
    shared: Tensor
    dense: Tensor
    sparse: Tensor | None = None  # None: no decoder of pathways


def two_layers(n_in: int, n_out: int, *, hidden: int, dropout: float, batch_norm: bool) -> nn.Sequential:
    """Return ``ReLU(x W1 + b1) W2 + b2`` (Eq. 1-4), optionally with BatchNorm and dropout in between."""
    norm = [nn.BatchNorm1d(hidden)] if batch_norm else []
    return nn.Sequential(
        nn.Linear(n_in, hidden), *norm, nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, n_out)
    )


class PlainAutoencoder(nn.Module):
    """One encoder and one dense decoder for both domains, nothing that tells them apart."""

    def __init__(self, n_genes: int, n_latent: int, *, hidden: int, dropout: float, batch_norm: bool):
        super().__init__()
        coder = partial(two_layers, hidden=hidden, dropout=dropout, batch_norm=batch_norm)
        self.shared = coder(n_genes, n_latent)
        self.dense = coder(n_latent, n_genes)

    def forward(self, x: Tensor, n_bulk: int) -> Outputs:
        """Return codes and reconstruction of `x`, whose first `n_bulk` rows are bulk lines."""
        shared = self.shared(x)
        return Outputs(None, shared, self.dense(shared))


class ShareAutoencoder(nn.Module):
    """One encoder shared by both domains, a private one for each, and a dense decoder of both codes.

    What is shared runs once over the whole batch. With BatchNorm its statistics are therefore those of the
    mixture, in training as in prediction.
    """

    def __init__(self, n_genes: int, n_latent: int, *, hidden: int, dropout: float, batch_norm: bool):
        super().__init__()
        coder = partial(two_layers, hidden=hidden, dropout=dropout, batch_norm=batch_norm)
        self.shared = coder(n_genes, n_latent)
        self.private_bulk = coder(n_genes, n_latent)
        self.private_cells = coder(n_genes, n_latent)
        self.dense = coder(2 * n_latent, n_genes)

    def forward(self, x: Tensor, n_bulk: int) -> Outputs:
        """Return codes and reconstruction of `x`, whose first `n_bulk` rows are bulk lines."""
        private, shared = self.private(x, n_bulk), self.shared(x)
        return Outputs(private, shared, self.dense(torch.cat([private, shared], dim=1)))

    def private(self, x: Tensor, n_bulk: int) -> Tensor:
        """Return the private codes (Eq. 1 and 3), each row's by the encoder of its domain."""
        return torch.cat([self.private_bulk(x[:n_bulk]), self.private_cells(x[n_bulk:])])


def new_classifier(n_latent: int) -> nn.Sequential:
    """Return the classifier of Eq. 12 and 13, widths (128, 32, 1), without its sigmoid: it gives logits."""
    widths = [nn.Linear(n_latent, 128), nn.ReLU(), nn.Linear(128, 32), nn.ReLU(), nn.Linear(32, 1)]
    return nn.Sequential(*widths, nn.Flatten(0))


def new_critic(n_latent: int) -> nn.Sequential:
    """Return an adversary, hidden widths (64, 32, 16) as in CODE-AE-ADV: one number a code, no sigmoid."""
    widths = [nn.Linear(n_latent, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU()]
    return nn.Sequential(*widths, nn.Linear(16, 1), nn.Flatten(0))
