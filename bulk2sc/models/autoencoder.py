"""The pathway-guided shared autoencoder and its classifier (He et al. 2025, section 4), whole in this file.

Networks, losses, and the model with its two schedules of training; the rows of Table 3 that lack some of its
parts are in `adversarial`. A batch is a stack, bulk lines above cells. Equations are those of the paper.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

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

SCHEDULES = ("pretrain-then-classify", "joint")
# How much each term of the loss counts: the text (Eq. 7 and 11) and the authors' code differ.
WEIGHTS = {
    "text": {"reconstruction": 1.0, "difference": 0.1, "sparse": 0.1},
    "code": {"reconstruction": 0.1, "difference": 0.1, "sparse": 1.0},
}
HELD_OUT = 0.1  # share of the rows that tell when to stop
JOINT_AUTOENCODER_WEIGHT = 0.1  # of the autoencoder's loss beside the cross-entropy in the joint schedule


# -------------------------------------------------------------------------------------------------- networks


class MaskedLinear(nn.Linear):
    """The sparse decoder: a latent dimension reaches only the genes of its pathway, by the mask M."""

    def __init__(self, mask: Tensor):
        super().__init__(*mask.shape)  # from n_latent to n_genes; torch keeps weights as (n_genes, n_latent)
        self.register_buffer("mask", mask.T.contiguous(), persistent=False)

    def forward(self, z: Tensor) -> Tensor:
        """Decode codes (n, n_latent) into genes (n, n_genes)."""
        return F.linear(z, self.weight * self.mask, self.bias)  # z (W * M) + b, Eq. 8 and 9


def two_layers(n_in: int, n_out: int, *, hidden: int, dropout: float, batch_norm: bool) -> nn.Sequential:
    """Return ``ReLU(x W1 + b1) W2 + b2`` (Eq. 1-4), optionally with BatchNorm and dropout in between."""
    norm = [nn.BatchNorm1d(hidden)] if batch_norm else []
    return nn.Sequential(
        nn.Linear(n_in, hidden), *norm, nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, n_out)
    )


def new_classifier(n_latent: int) -> nn.Sequential:
    """Return the classifier of Eq. 12 and 13, widths (128, 32, 1), without its sigmoid: it gives logits."""
    widths = [nn.Linear(n_latent, 128), nn.ReLU(), nn.Linear(128, 32), nn.ReLU(), nn.Linear(32, 1)]
    return nn.Sequential(*widths, nn.Flatten(0))


class Outputs(NamedTuple):
    """What an autoencoder makes of a batch: codes (n, n_latent) and reconstructions (n, n_genes)."""

    private: Tensor | None  # None: the network has no private encoders
    shared: Tensor
    dense: Tensor
    sparse: Tensor | None  # None: no decoder of pathways


class Autoencoder(nn.Module):
    """A shared and two private encoders, a dense decoder of both codes, a sparse one of the shared code.

    The shared encoder and the dense decoder run over lines and cells together, so that with BatchNorm their
    statistics are those of the mixture, in training as in prediction.
    """

    def __init__(self, mask: Tensor, *, private: bool, sparse: bool, sparse_relu: bool, **layers):
        super().__init__()
        n_latent, n_genes = mask.shape
        coder = partial(two_layers, **layers)
        self.shared = coder(n_genes, n_latent)
        self.private_bulk = coder(n_genes, n_latent) if private else None
        self.private_cells = coder(n_genes, n_latent) if private else None
        self.dense = coder((1 + private) * n_latent, n_genes)
        relu = nn.ReLU() if sparse_relu else nn.Identity()
        self.sparse = nn.Sequential(MaskedLinear(mask), relu) if sparse else None

    def forward(self, x: Tensor, n_bulk: int) -> Outputs:
        """Return codes and reconstructions of `x`, whose first `n_bulk` rows are bulk lines."""
        private = None
        if self.private_bulk is not None:
            private = torch.cat([self.private_bulk(x[:n_bulk]), self.private_cells(x[n_bulk:])])  # Eq. 1, 3
        shared = self.shared(x)  # Eq. 2
        dense = self.dense(shared if private is None else torch.cat([private, shared], dim=1))  # Eq. 4
        return Outputs(private, shared, dense, None if self.sparse is None else self.sparse(shared))


# ---------------------------------------------------------------------------------------------------- losses


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


def autoencoder_loss(out: Outputs, x: Tensor, n_bulk: int, weights: dict[str, float]) -> dict[str, Tensor]:
    """Return the terms of Eq. 11 that the network has; ``total``, their weighted sum, is first."""

    def over_domains(loss: Callable, first: Tensor, second: Tensor) -> Tensor:
        sizes = [n_bulk, len(x) - n_bulk]
        return sum(map(loss, first.split(sizes), second.split(sizes)))

    terms = {"reconstruction": over_domains(F.mse_loss, out.dense, x)}  # Eq. 5
    if out.private is not None:
        terms["difference"] = over_domains(difference_loss, out.shared, out.private)  # Eq. 6
    if out.sparse is not None:
        terms["sparse"] = over_domains(F.mse_loss, out.sparse, x)  # Eq. 10
    return {"total": sum(weights[name] * term for name, term in terms.items())} | terms


def cross_entropy(logit: Tensor, y: Tensor) -> Tensor:
    """Return the mean cross-entropy (Eq. 15) over the labelled lines; 0 if a batch has none (`y` is NaN)."""
    labelled = ~y.isnan()
    total = F.binary_cross_entropy_with_logits(logit[labelled].float(), y[labelled], reduction="sum")
    return total / labelled.sum().clamp_min(1)


# ------------------------------------------------------------------------------------------------- the model


class Task(NamedTuple):
    """What a schedule trains, and on what, so that an adversary can go on with it."""

    module: nn.Module  # all that is trained
    encoder: nn.Module  # the part of it whose code the classifier reads
    x: Tensor  # bulk lines above cells
    batches: Callable[[], Iterator[tuple[Tensor, Tensor]]]  # of one epoch: rows of lines, rows of cells
    loss: Callable[[tuple[Tensor, Tensor]], dict[str, Tensor]]  # of a batch; the first term is minimised
    validation_loss: Callable[[], dict[str, Tensor]]  # the first term is watched


def one_pass(rows: Tensor, others: Tensor, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield shuffled batches of `rows`, nearly equal in size, each with as many random `others`."""
    n_batches = -(-len(rows) // batch_size)
    for batch in rows[torch.randperm(len(rows))].chunk(n_batches):
        yield batch, others[torch.randint(len(others), (len(batch),))]


class SharedAutoencoder(Model):
    """Shared autoencoder whose latent dimensions are pathways, and a classifier on its shared code.

    Parameters
    ----------
    mask
        Pathways x genes of 0 and 1 with names, as `bulk2sc.pathways.pathway_mask` makes it; its rows are the
        latent dimensions, also of methods without a sparse decoder.
    hidden, dropout, batch_norm
        Width of the hidden layers, the share of them that is dropped in training, BatchNorm or not.
    weights
        ``"text"`` (reconstruction 1, difference 0.1, sparse 0.1) or ``"code"`` (0.1, 0.1, 1.0).
    sparse_relu
        ReLU on the sparse reconstruction, as Eq. 8 and 9 have it; z-scores are negative half the time.
    schedule
        ``"pretrain-then-classify"``: autoencoder first, then the classifier on fixed codes (the text).
        ``"joint"``: cross-entropy + 0.1 x autoencoder loss, all weights together (the authors' code).
    lr, batch_size, max_epochs, patience
        Adam's learning rate, rows per domain in a batch, and early stopping, in either stage, on a tenth held
        out: of each domain in pretraining (watched: reconstruction), of the labelled lines, stratified, for
        the classifier and the joint schedule (watched: cross-entropy).
    seed
        Seed of splits, initial weights, batches and dropout.

    Attributes
    ----------
    history_
        Loss curves, one row per ``stage``, ``epoch``, ``split``, ``term``, with its ``value``.
    autoencoder_, classifier_
        The fitted torch modules, in eval mode.
    """

    name = "shared AE"
    learns_from_cells = True
    private, sparse = True, True  # private encoders, a sparse decoder

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
        seed: int = 0,
    ):
        vars(self).update({name: value for name, value in locals().items() if name != "self"})

    def pretrain(self, bulk: AnnData, cells: AnnData) -> "SharedAutoencoder":
        """Train the autoencoder as `fit` does, without labels (Eq. 11); `fit_classifier` comes after it."""
        self._pretrain(*self._prepare(bulk, cells))
        return self

    def fit_classifier(self, bulk: AnnData) -> "SharedAutoencoder":
        """Train a new classifier on the fixed shared code of labelled lines (Eq. 12-15).

        The encoder is not changed, so one pretrained model serves any number of drugs.
        """
        code, y = self.encode(bulk), labels(bulk)
        labelled = np.flatnonzero(~np.isnan(y))
        with train.seeded(self.seed):
            classifier = new_classifier(len(self.mask)).to(train.device())
            fitting, held_out = self._split(labelled, stratify=y[labelled])
            codes, y = (torch.from_numpy(of_lines).to(train.device()) for of_lines in (code, y))

            def loss(batch: Tensor) -> dict[str, Tensor]:
                return {"cross-entropy": cross_entropy(classifier(codes[batch]), y[batch])}

            def batches() -> Iterator[Tensor]:
                return (batch for batch, _ in one_pass(fitting, fitting, self.batch_size))

            history = self._minimise("classifier", classifier, batches, loss, lambda: loss(held_out))
        self.classifier_ = classifier
        kept = self.history_[self.history_["stage"] != "classifier"]
        self.history_ = pd.concat([kept, history[kept.columns]], ignore_index=True)
        return self

    def encode(self, adata: AnnData) -> np.ndarray:
        """Return the shared code (Eq. 2) of cells or lines, float32 (n_obs, n_latent)."""
        return self._codes(scaled(self._align(adata), "data")).cpu().numpy()

    def code_logit(self, z: Tensor) -> Tensor:
        """Return the logit of P(sensitive), shape (n,), of shared codes (n, n_latent); differentiable."""
        if not hasattr(self, "classifier_"):
            raise Bulk2scError(f"{self.name}: has no classifier yet; call fit_classifier(bulk) first")
        return self.classifier_(z.to(train.device()))

    @property
    def pathways_(self) -> np.ndarray:
        """Names of the latent dimensions."""
        return self.mask.index.to_numpy(dtype=str)

    def held_out(self, n: int) -> np.ndarray:
        """Return which of the `n` rows of a domain pretraining keeps for early stopping, as numbers."""
        return self._split(np.arange(n))[1].cpu().numpy()

    # --------------------------------------------------------------------------- the two schedules

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

            def batches() -> Iterator[tuple[Tensor, Tensor]]:  # one pass over the larger domain
                if len(bulk_rows) >= len(cell_rows):
                    return one_pass(bulk_rows, cell_rows, self.batch_size)
                return ((lines, cells) for cells, lines in one_pass(cell_rows, bulk_rows, self.batch_size))

            def loss(pair: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
                batch, n_bulk = x[torch.cat(pair)], len(pair[0])
                return autoencoder_loss(autoencoder(batch, n_bulk), batch, n_bulk, WEIGHTS[self.weights])

            def validation_loss() -> dict[str, Tensor]:
                terms = loss((bulk_held, cell_held))
                return {"reconstruction": terms.pop("reconstruction")} | terms

            task = Task(autoencoder, autoencoder.shared, x, batches, loss, validation_loss)
            self._train(task, "pretraining")
        self.autoencoder_ = autoencoder
        self.__dict__.pop("classifier_", None)  # an older one does not belong to a new encoder

    def _fit_jointly(self, bulk: AnnData, cells: AnnData) -> None:
        y = labels(bulk)
        with train.seeded(self.seed):
            autoencoder, x = self._new_autoencoder(), self._stack(bulk, cells)
            classifier = new_classifier(len(self.mask)).to(train.device())
            labelled = np.flatnonzero(~np.isnan(y))
            _, held_out = self._split(labelled, stratify=y[labelled])
            bulk_rows = torch.from_numpy(np.setdiff1d(np.arange(bulk.n_obs), held_out.cpu())).to(x.device)
            cell_rows = torch.arange(bulk.n_obs, len(x), device=x.device)
            y = torch.from_numpy(y).to(x.device)

            def batches() -> Iterator[tuple[Tensor, Tensor]]:  # one pass over the lines
                return one_pass(bulk_rows, cell_rows, self.batch_size)

            def loss(pair: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
                lines, batch = pair[0], x[torch.cat(pair)]
                out = autoencoder(batch, len(lines))
                terms = autoencoder_loss(out, batch, len(lines), WEIGHTS[self.weights])
                entropy = cross_entropy(classifier(out.shared[: len(lines)]), y[lines])
                total = entropy + JOINT_AUTOENCODER_WEIGHT * terms.pop("total")
                return {"total": total, "cross-entropy": entropy} | terms

            def validation_loss() -> dict[str, Tensor]:
                logit = classifier(autoencoder.shared(x[held_out]))
                return {"cross-entropy": cross_entropy(logit, y[held_out])}

            both = nn.ModuleList([autoencoder, classifier])
            self._train(Task(both, autoencoder.shared, x, batches, loss, validation_loss), "joint")
        self.autoencoder_, self.classifier_ = autoencoder, classifier

    def _train(self, task: Task, stage: str) -> None:
        """Train the modules of `task`, then adapt them; keep the loss curves of both stages."""
        history = self._minimise(stage, task.module, task.batches, task.loss, task.validation_loss, bf16=True)
        history = pd.concat([history, self._adapt(task)], ignore_index=True)
        self.history_ = history[["stage", "epoch", "split", "term", "value"]]

    def _adapt(self, task: Task) -> pd.DataFrame | None:
        """Train further after the schedule's own training; return the loss curves with their stage."""

    def _new_autoencoder(self) -> Autoencoder:
        """Check the settings and build the network for the genes of the data."""
        for setting, known in (("weights", WEIGHTS), ("schedule", SCHEDULES)):
            value = getattr(self, setting)
            if value not in known:
                use = f"use {' or '.join(known)}.{did_you_mean(value, known)}"
                raise Bulk2scError(f"{self.name}: {setting}='{value}' is unknown, {use}")
        if self.batch_size < 2:
            raise Bulk2scError(f"{self.name}: batch_size={self.batch_size} must be at least 2, such as 256")
        missing = self.genes_[~pd.Index(self.genes_).isin(self.mask.columns)]
        if len(missing):
            some = f"{len(missing)} genes of the data, such as {', '.join(missing[:3])}"
            raise Bulk2scError(f"{self.name}: the mask lacks {some}; make it from the paired data's genes")
        mask = torch.from_numpy(self.mask[self.genes_].to_numpy(dtype=np.float32))
        shape = ("private", "sparse", "sparse_relu", "hidden", "dropout", "batch_norm")
        return Autoencoder(mask, **{name: getattr(self, name) for name in shape}).to(train.device())

    def _stack(self, bulk: AnnData, cells: AnnData) -> Tensor:
        return torch.from_numpy(np.concatenate([scaled(bulk, "bulk"), scaled(cells)])).to(train.device())

    def _split(self, rows: np.ndarray, stratify=None) -> tuple[Tensor, Tensor]:
        """Split `rows` into those to fit on and those held out, at least two."""
        if len(rows) < 4:
            raise Bulk2scError(f"{self.name}: {len(rows)} rows of a domain are too few; give at least 4")
        n = max(2, round(HELD_OUT * len(rows)))
        parts = train_test_split(rows, test_size=n, stratify=stratify, random_state=self.seed)
        return tuple(torch.from_numpy(part).to(train.device()) for part in parts)

    def _minimise(self, stage: str, *parts, **more) -> pd.DataFrame:
        more |= {name: getattr(self, name) for name in ("lr", "max_epochs", "patience")}
        return train.minimise(*parts, progress=f"{self.name} {stage}", **more).assign(stage=stage)

    @torch.no_grad()
    def _codes(self, X: np.ndarray) -> Tensor:
        return self.autoencoder_.shared(torch.from_numpy(X).to(train.device()))

    @torch.no_grad()
    def _score(self, cells: AnnData) -> np.ndarray:
        return torch.sigmoid(self.code_logit(self._codes(scaled(cells)))).cpu().numpy()

    def _settings(self) -> dict:
        return self.get_params() | {"mask": None}  # saved with the weights

    def _modules(self) -> nn.ModuleDict:
        modules = {"autoencoder": self.autoencoder_, "classifier": getattr(self, "classifier_", None)}
        return nn.ModuleDict({name: module for name, module in modules.items() if module is not None})

    def _write(self, folder: Path) -> None:
        weights = {name: value.cpu().numpy() for name, value in self._modules().state_dict().items()}
        write_arrays(
            folder, mask=self.mask[self.genes_].to_numpy(np.int8), pathways=self.pathways_, **weights
        )
        self.history_.to_csv(folder / "history.csv", index=False)

    def _read(self, folder: Path) -> None:
        arrays = read_arrays(folder)
        mask = arrays.pop("mask").astype(np.float32)
        self.mask = pd.DataFrame(mask, index=arrays.pop("pathways"), columns=self.genes_)
        self.autoencoder_ = self._new_autoencoder().eval()
        if any(name.startswith("classifier.") for name in arrays):
            self.classifier_ = new_classifier(len(self.mask)).to(train.device()).eval()
        self._modules().load_state_dict({name: torch.from_numpy(value) for name, value in arrays.items()})
        self.history_ = pd.read_csv(folder / "history.csv", float_precision="round_trip")
