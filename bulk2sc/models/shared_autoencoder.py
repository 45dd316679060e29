"""The pathway-guided shared autoencoder with a response classifier (He et al. 2025, section 4).

The private and shared encoders and the dense decoder are in `networks`, Eq. 5-15 in `losses`, the two
schedules of training in `transfer`, the decoder that keeps to pathways in `masked`; this file joins them.
"""

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from torch import Tensor, nn

from bulk2sc.models.masked import MaskedLinear
from bulk2sc.models.networks import Outputs, ShareAutoencoder
from bulk2sc.models.transfer import AutoencoderModel


class Autoencoder(ShareAutoencoder):
    """A shared and two private encoders, a dense decoder of both codes, a sparse one of the shared code."""

    def __init__(self, mask: Tensor, *, hidden: int, dropout: float, batch_norm: bool, sparse_relu: bool):
        n_latent, n_genes = mask.shape
        super().__init__(n_genes, n_latent, hidden=hidden, dropout=dropout, batch_norm=batch_norm)
        self.sparse = nn.Sequential(MaskedLinear(mask), nn.ReLU() if sparse_relu else nn.Identity())

    def forward(self, x: Tensor, n_bulk: int) -> Outputs:
        """Return private and shared codes (n, n_latent), dense and sparse reconstruction (n, n_genes) of `x`.

        The first `n_bulk` rows of `x` are bulk lines, the others cells.
        """
        private, shared = self.private(x, n_bulk), self.shared(x)
        dense = self.dense(torch.cat([private, shared], dim=1))
        return Outputs(private, shared, dense, self.sparse(shared))


class Pretrained:
    """A pretrained autoencoder in the place of a method that is to be fitted: its classifier alone is new.

    Parameters
    ----------
    model
        With its schedule ``"pretrain-then-classify"``, pretrained on the lines and cells that `fit` gets.
    """

    def __init__(self, model: AutoencoderModel):
        self.model = model

    @staticmethod
    def serves(model: AutoencoderModel, *, seed: int) -> bool:
        """Tell whether fitting anew with this seed would give the same."""
        return model.seed == seed and model.schedule == "pretrain-then-classify"

    def fit(self, bulk: AnnData, cells: AnnData) -> AutoencoderModel:
        """Train the classifier; return the model."""
        return self.model.fit_classifier(bulk)


class SharedAutoencoder(AutoencoderModel):
    """Shared autoencoder whose latent dimensions are pathways, and a classifier on its shared code.

    Parameters
    ----------
    mask
        Pathways x genes of 0 and 1 with names, as `bulk2sc.pathways.pathway_mask` makes it; its rows are the
        latent dimensions.
    hidden
        Width of the hidden layers.
    dropout
        Dropout on the hidden layers, in [0, 1).
    batch_norm
        BatchNorm on the hidden layers.
    weights
        ``"text"`` (reconstruction 1, difference 0.1, sparse 0.1) or ``"code"`` (0.1, 0.1, 1.0).
    sparse_relu
        ReLU on the sparse reconstruction, as Eq. 8 and 9 have it; z-scores are negative half the time.
    schedule
        ``"pretrain-then-classify"``: autoencoder first, then the classifier on fixed codes (the text).
        ``"joint"``: cross-entropy + 0.1 x autoencoder loss, all weights together (the authors' code).
    lr, batch_size, max_epochs, patience
        Adam's learning rate, rows per domain in a batch (all of them where there are fewer), and early
        stopping, in either stage.
    validation
        Share held out for early stopping, in (0, 1): of each domain in pretraining (watched: reconstruction),
        of the labelled lines, stratified, for the classifier and the joint schedule (watched: cross-entropy).
    seed
        Seed of splits, initial weights, batches and dropout.

    Attributes
    ----------
    pathways_
        Names of the latent dimensions.
    history_
        Loss curves, one row per ``stage``, ``epoch``, ``split``, ``term``, with its ``value``.
    autoencoder_, classifier_
        The fitted torch modules, in eval mode.
    """

    name = "shared AE"

    def __init__(
        self,
        *,
        mask: pd.DataFrame,
        hidden: int = 512,
        dropout: float = 0.1,
        batch_norm: bool = False,
        weights: str = "text",
        sparse_relu: bool = False,
        schedule: str = "pretrain-then-classify",
        lr: float = 1e-3,
        batch_size: int = 256,
        max_epochs: int = 300,
        patience: int = 20,
        validation: float = 0.1,
        seed: int = 0,
    ):
        super().__init__(
            mask=mask,
            hidden=hidden,
            dropout=dropout,
            batch_norm=batch_norm,
            weights=weights,
            schedule=schedule,
            lr=lr,
            batch_size=batch_size,
            max_epochs=max_epochs,
            patience=patience,
            validation=validation,
            seed=seed,
        )
        self.sparse_relu = sparse_relu

    @property
    def pathways_(self) -> np.ndarray:
        """Names of the latent dimensions."""
        return self.mask.index.to_numpy(dtype=str)

    def _network(self, mask: np.ndarray) -> Autoencoder:
        return Autoencoder(torch.from_numpy(mask), sparse_relu=self.sparse_relu, **self._shape())
