"""The pathway-guided shared autoencoder with a response classifier (He et al. 2025, section 4).

Read from top to bottom: networks, losses, then the estimator with its two schedules.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn import functional as F

from bulk2sc import train
from bulk2sc.errors import Bulk2scError, did_you_mean
from bulk2sc.models.base import Model, labels, read_arrays, scaled, write_arrays

# How much each term counts: the text (Eq. 7 and 11) and the authors' code differ.
WEIGHTS = {
    "text": {"reconstruction": 1.0, "difference": 0.1, "sparse": 0.1},
    "code": {"reconstruction": 0.1, "difference": 0.1, "sparse": 1.0},
}
SCHEDULES = ("pretrain-then-classify", "joint")
# Share of the autoencoder's loss beside the cross-entropy in the joint schedule.
JOINT_AUTOENCODER_WEIGHT = 0.1


# ---------------------------------------------------------------------------------------------- networks


def two_layers(n_in: int, n_out: int, *, hidden: int, dropout: float, batch_norm: bool) -> nn.Sequential:
    """Return ``ReLU(x W1 + b1) W2 + b2`` (Eq. 1-4), optionally with BatchNorm and dropout in between."""
    norm = [nn.BatchNorm1d(hidden)] if batch_norm else []
    return nn.Sequential(
        nn.Linear(n_in, hidden), *norm, nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, n_out)
    )


class MaskedLinear(nn.Linear):
    """A linear layer ``z (W * M) + b``: a latent dimension reaches only the genes of its pathway (Eq. 8, 9).

    `mask` is M, of shape (n_latent, n_genes), 0 or 1.
    """

    def __init__(self, mask: Tensor):
        super().__init__(*mask.shape)
        self.register_buffer("mask", mask.T.contiguous())

    def forward(self, z: Tensor) -> Tensor:
        """Decode codes (n, n_latent) into genes (n, n_genes)."""
        return F.linear(z, self.weight * self.mask, self.bias)


class Autoencoder(nn.Module):
    """One encoder shared by both domains, a private one for each, a dense and a sparse decoder.

    A batch is a stack of bulk lines above cells, so that what is shared runs once over both. With BatchNorm
    the statistics of what is shared are therefore those of the mixture, in training as in prediction.
    """

    def __init__(self, mask: Tensor, *, hidden: int, dropout: float, batch_norm: bool, sparse_relu: bool):
        super().__init__()
        n_latent, n_genes = mask.shape
        coder = partial(two_layers, hidden=hidden, dropout=dropout, batch_norm=batch_norm)
        self.shared = coder(n_genes, n_latent)
        self.private_bulk = coder(n_genes, n_latent)
        self.private_cells = coder(n_genes, n_latent)
        self.dense = coder(2 * n_latent, n_genes)
        self.sparse = nn.Sequential(MaskedLinear(mask), nn.ReLU() if sparse_relu else nn.Identity())

    def forward(self, x: Tensor, n_bulk: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return private and shared codes (n, n_latent), dense and sparse reconstruction (n, n_genes) of `x`.

        The first `n_bulk` rows of `x` are bulk lines, the others cells.
        """
        private = torch.cat([self.private_bulk(x[:n_bulk]), self.private_cells(x[n_bulk:])])
        shared = self.shared(x)
        return private, shared, self.dense(torch.cat([private, shared], dim=1)), self.sparse(shared)


def new_classifier(n_latent: int) -> nn.Sequential:
    """Return the classifier of Eq. 12 and 13, widths (128, 32, 1), without its sigmoid: it gives logits."""
    widths = [nn.Linear(n_latent, 128), nn.ReLU(), nn.Linear(128, 32), nn.ReLU(), nn.Linear(32, 1)]
    return nn.Sequential(*widths, nn.Flatten(0))


# ------------------------------------------------------------------------------------------------ losses


def difference_loss(shared: Tensor, private: Tensor) -> Tensor:
    """Return how much two codes of the same rows (n, d) overlap (Eq. 6).

    Rows are divided by their own detached L2 norm; then the mean of the squared entries of ``S^T P`` (d x d),
    divided by n because it grows with the batch.
    """
    n, d = shared.shape
    S, P = (z / z.norm(dim=1, keepdim=True).detach().clamp_min(1e-6) for z in (shared, private))
    # ||S^T P||^2 = sum(S S^T * P P^T): n x n products, because d x d ones grow with the pathways.
    return ((S @ S.T) * (P @ P.T)).sum() / (d * d * n)


def autoencoder_loss(outputs: tuple[Tensor, ...], x: Tensor, n_bulk: int, weights: dict[str, float]) -> dict:
    """Return the terms of Eq. 11, each summed over both domains; ``total``, their weighted sum, is first."""
    terms = {"reconstruction": 0.0, "difference": 0.0, "sparse": 0.0}
    domains = zip(*(tensor.split([n_bulk, len(x) - n_bulk]) for tensor in (*outputs, x)), strict=True)
    for private, shared, dense, sparse, target in domains:
        terms["reconstruction"] += F.mse_loss(dense, target)  # Eq. 5
        terms["difference"] += difference_loss(shared, private)  # Eq. 6
        terms["sparse"] += F.mse_loss(sparse, target)  # Eq. 10
    return {"total": sum(weights[name] * term for name, term in terms.items())} | terms


def cross_entropy(logit: Tensor, y: Tensor) -> Tensor:
    """Return the mean cross-entropy (Eq. 15) over the labelled lines; 0 if a batch has none (`y` is NaN)."""
    labelled = ~y.isnan()
    total = F.binary_cross_entropy_with_logits(logit[labelled], y[labelled], reduction="sum")
    return total / labelled.sum().clamp_min(1)


def one_pass(rows: Tensor, others: Tensor, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield shuffled batches of `rows`, nearly equal in size, each with as many random `others`."""
    n_batches = -(-len(rows) // batch_size)
    for batch in rows[torch.randperm(len(rows))].chunk(n_batches):
        yield batch, others[torch.randint(len(others), (len(batch),))]


# --------------------------------------------------------------------------------------------- estimator


class SharedAutoencoder(Model):
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
        Adam's learning rate, rows per domain in a batch, and early stopping, in either stage.
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
        self.mask = mask
        self.hidden = hidden
        self.dropout = dropout
        self.batch_norm = batch_norm
        self.weights = weights
        self.sparse_relu = sparse_relu
        self.schedule = schedule
        self.lr = lr
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.patience = patience
        self.validation = validation
        self.seed = seed

    def pretrain(self, bulk: AnnData, cells: AnnData) -> "SharedAutoencoder":
        """Train the autoencoder without labels (Eq. 11); call `fit_classifier` afterwards, once per drug.

        Parameters and errors are those of `fit`, but bulk needs no labels.
        """
        bulk, cells = self._prepare(bulk, cells)
        self._pretrain(bulk, cells)
        return self

    def fit_classifier(self, bulk: AnnData) -> "SharedAutoencoder":
        """Train a new classifier on the fixed shared codes of labelled lines (Eq. 12-15).

        The encoder is not changed, so one pretrained model serves any number of drugs.
        """
        bulk = self._align(bulk)
        y = labels(bulk)
        labelled = np.flatnonzero(~np.isnan(y))
        with train.seeded(self.seed):
            classifier = new_classifier(len(self.pathways_)).to(self._device)
            fitting, held_out = self._split(labelled, stratify=y[labelled])
            codes, y = self._codes(scaled(bulk, "bulk")), torch.from_numpy(y).to(self._device)
            history = train.minimise(
                classifier,
                lambda: (batch for batch, _ in one_pass(fitting, fitting, self.batch_size)),
                lambda batch: {"cross-entropy": cross_entropy(classifier(codes[batch]), y[batch])},
                lambda: {"cross-entropy": cross_entropy(classifier(codes[held_out]), y[held_out])},
                **self._optimisation("classifier"),
            )
        self.classifier_ = classifier
        kept = self.history_[self.history_["stage"] != "classifier"]
        self.history_ = pd.concat([kept, history.assign(stage="classifier")[kept.columns]], ignore_index=True)
        return self

    def encode(self, adata: AnnData) -> np.ndarray:
        """Return the shared code (Eq. 2) of cells or lines, float32 (n_obs, n_latent): `pathways_`."""
        return self._codes(scaled(self._align(adata), "data")).cpu().numpy()

    def held_out(self, n: int) -> np.ndarray:
        """Return which of the `n` rows of a domain pretraining keeps for early stopping, as numbers."""
        return self._split(np.arange(n))[1].cpu().numpy()

    def code_logit(self, z: Tensor) -> Tensor:
        """Return the logit of P(sensitive), shape (n,), of shared codes (n, n_latent); differentiable."""
        if not hasattr(self, "classifier_"):
            raise Bulk2scError(
                f"{self.name}: only pretrained, without a classifier; call fit_classifier(bulk) first"
            )
        return self.classifier_(z.to(self._device))

    def _fit(self, bulk: AnnData, cells: AnnData) -> None:
        if self.schedule == "joint":
            self._fit_jointly(bulk, cells)
        else:
            self._pretrain(bulk, cells)
            self.fit_classifier(bulk)

    def _pretrain(self, bulk: AnnData, cells: AnnData) -> None:
        with train.seeded(self.seed):
            autoencoder, x = self._new_autoencoder(), self._stack(bulk, cells)
            bulk_rows, bulk_held = self._split(np.arange(bulk.n_obs))
            cell_rows, cell_held = self._split(np.arange(bulk.n_obs, len(x)))

            def batches() -> Iterator[tuple[Tensor, Tensor]]:
                if len(bulk_rows) >= len(cell_rows):
                    return one_pass(bulk_rows, cell_rows, self.batch_size)
                return ((lines, cells) for cells, lines in one_pass(cell_rows, bulk_rows, self.batch_size))

            def loss(pair: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
                batch, n_bulk = x[torch.cat(pair)], len(pair[0])
                return autoencoder_loss(autoencoder(batch, n_bulk), batch, n_bulk, WEIGHTS[self.weights])

            def validation_loss() -> dict[str, Tensor]:
                terms = loss((bulk_held, cell_held))
                return {"reconstruction": terms.pop("reconstruction")} | terms

            history = train.minimise(
                autoencoder, batches, loss, validation_loss, **self._optimisation("pretraining")
            )
        self._keep(autoencoder, history, "pretraining")

    def _fit_jointly(self, bulk: AnnData, cells: AnnData) -> None:
        y = labels(bulk)
        with train.seeded(self.seed):
            autoencoder, x = self._new_autoencoder(), self._stack(bulk, cells)
            classifier = new_classifier(len(self.pathways_)).to(self._device)
            labelled = np.flatnonzero(~np.isnan(y))
            _, held_out = self._split(labelled, stratify=y[labelled])
            bulk_rows = torch.from_numpy(np.setdiff1d(np.arange(bulk.n_obs), held_out.cpu())).to(self._device)
            cell_rows = torch.arange(bulk.n_obs, len(x), device=self._device)
            y = torch.from_numpy(y).to(self._device)

            def loss(pair: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
                lines, batch = pair[0], x[torch.cat(pair)]
                outputs = autoencoder(batch, len(lines))
                terms = autoencoder_loss(outputs, batch, len(lines), WEIGHTS[self.weights])
                entropy = cross_entropy(classifier(outputs[1][: len(lines)]), y[lines])
                total = entropy + JOINT_AUTOENCODER_WEIGHT * terms.pop("total")
                return {"total": total, "cross-entropy": entropy} | terms

            history = train.minimise(
                nn.ModuleList([autoencoder, classifier]),
                lambda: one_pass(bulk_rows, cell_rows, self.batch_size),
                loss,
                lambda: {
                    "cross-entropy": cross_entropy(classifier(autoencoder.shared(x[held_out])), y[held_out])
                },
                **self._optimisation("joint training"),
            )
        self._keep(autoencoder, history, "joint")
        self.classifier_ = classifier

    def _score(self, cells: AnnData) -> np.ndarray:
        with torch.no_grad():
            return torch.sigmoid(self.code_logit(self._codes(scaled(cells)))).cpu().numpy()

    @property
    def _device(self) -> torch.device:
        return train.device()

    @torch.no_grad()
    def _codes(self, X: np.ndarray) -> Tensor:
        return self.autoencoder_.shared(torch.from_numpy(X).to(self._device))

    def _new_autoencoder(self) -> Autoencoder:
        """Check the settings and build the network for the genes of the data."""
        for setting, known in (("weights", WEIGHTS), ("schedule", SCHEDULES)):
            value = getattr(self, setting)
            if value not in known:
                raise Bulk2scError(
                    f"{self.name}: {setting}='{value}' is unknown, use one of {', '.join(known)}."
                    + did_you_mean(value, known)
                )
        missing = self.genes_[~pd.Index(self.genes_).isin(self.mask.columns)]
        if len(missing):
            raise Bulk2scError(
                f"{self.name}: the mask lacks {len(missing)} genes of the data "
                f"(such as {', '.join(missing[:3])}); make it from the paired data's genes"
            )
        self.pathways_ = self.mask.index.to_numpy(dtype=str)
        return self._network(self.mask[self.genes_].to_numpy(dtype=np.float32))

    def _network(self, mask: np.ndarray) -> Autoencoder:
        shape = {name: getattr(self, name) for name in ("hidden", "dropout", "batch_norm", "sparse_relu")}
        return Autoencoder(torch.from_numpy(mask), **shape).to(self._device)

    def _stack(self, bulk: AnnData, cells: AnnData) -> Tensor:
        """Return both domains as one matrix, bulk lines above cells."""
        return torch.from_numpy(np.concatenate([scaled(bulk, "bulk"), scaled(cells)])).to(self._device)

    def _split(self, rows: np.ndarray, stratify=None) -> tuple[Tensor, Tensor]:
        """Split `rows` into those to fit on and those held out, at least two."""
        if not 0 < self.validation < 1:
            raise Bulk2scError(
                f"{self.name}: validation={self.validation} must lie between 0 and 1, such as 0.1"
            )
        if len(rows) < 4:
            raise Bulk2scError(
                f"{self.name}: {len(rows)} rows of a domain are too few to train on; give at least 4"
            )
        n = max(2, round(self.validation * len(rows)))
        parts = train_test_split(rows, test_size=n, stratify=stratify, random_state=self.seed)
        return tuple(torch.from_numpy(part).to(self._device) for part in parts)

    def _optimisation(self, progress: str) -> dict:
        settings = {name: getattr(self, name) for name in ("lr", "max_epochs", "patience")}
        return settings | {"progress": f"{self.name} {progress}"}

    def _keep(self, autoencoder: Autoencoder, history: pd.DataFrame, stage: str) -> None:
        """Set the fitted attributes; an older classifier does not belong to a new encoder."""
        self.autoencoder_ = autoencoder
        self.history_ = history.assign(stage=stage)[["stage", "epoch", "split", "term", "value"]]
        self.__dict__.pop("classifier_", None)

    def _settings(self) -> dict:
        return self.get_params() | {"mask": None}  # saved with the weights

    def _write(self, folder: Path) -> None:
        modules = nn.ModuleDict({"autoencoder": self.autoencoder_})
        if hasattr(self, "classifier_"):
            modules["classifier"] = self.classifier_
        weights = {name: value.cpu().numpy() for name, value in modules.state_dict().items()}
        write_arrays(folder, pathways=self.pathways_, **weights)
        self.history_.to_csv(folder / "history.csv", index=False)

    def _read(self, folder: Path) -> None:
        arrays = read_arrays(folder)
        self.pathways_ = arrays.pop("pathways")
        mask = arrays["autoencoder.sparse.0.mask"].T
        self.mask = pd.DataFrame(mask, index=self.pathways_, columns=self.genes_)
        self.autoencoder_ = self._network(np.ascontiguousarray(mask)).eval()
        modules = nn.ModuleDict({"autoencoder": self.autoencoder_})
        if any(name.startswith("classifier.") for name in arrays):
            self.classifier_ = new_classifier(len(self.pathways_)).to(self._device).eval()
            modules["classifier"] = self.classifier_
        modules.load_state_dict({name: torch.from_numpy(value) for name, value in arrays.items()})
        self.history_ = pd.read_csv(folder / "history.csv", float_precision="round_trip")
