"""From bulk to cells by an autoencoder: its training in two schedules, and the classifier on its code."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

from bulk2sc import train
from bulk2sc.errors import Bulk2scError, did_you_mean
from bulk2sc.models.base import Model, labels, read_arrays, scaled, write_arrays
from bulk2sc.models.heads import (
    DRUGS_AT_ONCE,
    DrugClassifiers,
    Lines,
    StackedClassifiers,
    fit_stack,
    lines_x_drugs,
)
from bulk2sc.models.losses import WEIGHTS, autoencoder_loss, cross_entropy
from bulk2sc.models.networks import new_classifier

SCHEDULES = ("pretrain-then-classify", "joint")
# Share of the autoencoder's loss beside the cross-entropy in the joint schedule.
JOINT_AUTOENCODER_WEIGHT = 0.1


def one_pass(rows: Tensor, others: Tensor, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield shuffled batches of `rows`, nearly equal in size, each with as many random `others`."""
    n_batches = -(-len(rows) // batch_size)
    for batch in rows[torch.randperm(len(rows))].chunk(n_batches):
        yield batch, others[torch.randint(len(others), (len(batch),))]


@dataclass
class Task:
    """What a schedule trains, and on what, so that a further stage can go on with it."""

    module: nn.Module  # all that is trained
    encoder: nn.Module  # the part of it whose code the classifier reads
    x: Tensor  # bulk lines above cells
    batches: Callable[[], Iterator[tuple[Tensor, Tensor]]]  # of one epoch: rows of lines, rows of cells
    loss: Callable[[tuple[Tensor, Tensor]], dict[str, Tensor]]  # of a batch; the first term is minimised
    validation_loss: Callable[[], dict[str, Tensor]]  # the first term is watched


class AutoencoderModel(Model):
    """An autoencoder of bulk lines and cells whose code a classifier reads.

    Subclasses build the network in `_network`; a stage that follows its training goes into `_adapt`.

    Parameters
    ----------
    mask
        Pathways x genes, as `bulk2sc.pathways.pathway_mask` makes it; its rows are as many as the code has
        dimensions. Methods without a decoder of pathways use no more of it: all have codes of one width.
    hidden
        Width of the hidden layers.
    dropout
        Dropout on the hidden layers, in [0, 1).
    batch_norm
        BatchNorm on the hidden layers.
    weights
        What each term of the loss counts, ``"text"`` or ``"code"``: `losses.WEIGHTS`.
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
    history_
        Loss curves, one row per ``stage``, ``epoch``, ``split``, ``term``, with its ``value``.
    autoencoder_, classifier_
        The fitted torch modules, in eval mode.
    """

    learns_from_cells = True

    def __init__(
        self,
        *,
        mask: pd.DataFrame,
        hidden: int = 512,
        dropout: float = 0.1,
        batch_norm: bool = False,
        weights: str = "text",
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
        self.schedule = schedule
        self.lr = lr
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.patience = patience
        self.validation = validation
        self.seed = seed

    def pretrain(self, bulk: AnnData, cells: AnnData) -> "AutoencoderModel":
        """Train the autoencoder without labels (Eq. 11); call `fit_classifier` afterwards, once per drug.

        Parameters and errors are those of `fit`, but bulk needs no labels.
        """
        bulk, cells = self._prepare(bulk, cells)
        self._pretrain(bulk, cells)
        return self

    def fit_classifier(self, bulk: AnnData) -> "AutoencoderModel":
        """Train a new classifier on the fixed shared codes of labelled lines (Eq. 12-15).

        The encoder is not changed, so one pretrained model serves any number of drugs.
        """
        bulk = self._align(bulk)
        y = labels(bulk)
        labelled = np.flatnonzero(~np.isnan(y))
        with train.seeded(self.seed):
            classifier = new_classifier(len(self.mask)).to(self._device)
            fitting, held_out = self._split(labelled, stratify=y[labelled])
            codes, y = self._codes(scaled(bulk, "bulk")), torch.from_numpy(y).to(self._device)
            history = train.minimise(
                classifier,
                lambda: (fitting[batch] for batch in self._batches(len(fitting))),
                lambda batch: {"cross-entropy": cross_entropy(classifier(codes[batch]), y[batch])},
                lambda: {"cross-entropy": cross_entropy(classifier(codes[held_out]), y[held_out])},
                **self._optimisation("classifier"),
            )
        self.classifier_ = classifier
        kept = self.history_[self.history_["stage"] != "classifier"]
        self.history_ = pd.concat([kept, history.assign(stage="classifier")[kept.columns]], ignore_index=True)
        return self

    def fit_classifiers(self, bulk: AnnData, responses: pd.DataFrame) -> DrugClassifiers:
        """Train the classifiers of many drugs on the fixed shared codes, batched; the model is not changed.

        Each is the classifier that `fit_classifier` trains for the drug: the same initial weights, held-out
        lines and early stopping. A pass over the lines has as many batches as the drug with most lines needs.

        Parameters
        ----------
        bulk
            Lines with ``layers["scaled"]``.
        responses
            Lines of `bulk` (in any order) x drugs: 1 sensitive, 0 resistant, NaN not labelled.

        Returns
        -------
        DrugClassifiers
            Its ``score(adata)`` gives P(sensitive), (n_obs, n_drugs).

        Raises
        ------
        Bulk2scError
            If a line is missing in `responses`, or a drug's labels are not those that `fit` takes.
        """
        bulk = self._align(bulk)
        codes, y = self._codes(scaled(bulk, "bulk")), lines_x_drugs(bulk, responses)
        stacks, losses = [], []
        for first in range(0, y.shape[1], DRUGS_AT_ONCE):
            some = y[:, first : first + DRUGS_AT_ONCE]
            with train.seeded(self.seed):
                stack = StackedClassifiers(new_classifier(len(self.mask)), some.shape[1]).to(self._device)
                fitting, held_out = self._split_each(some)
                parts = stack, codes, fitting, held_out, partial(self._batches, len(fitting.y.T))
                losses.append(fit_stack(*parts, **self._optimisation("classifiers")))
            stacks.append(stack)
        loss = pd.Series(torch.cat(losses).cpu(), responses.columns, name="validation_loss")
        return DrugClassifiers(lambda adata: self._codes(scaled(self._align(adata), "data")), stacks, loss)

    def encode(self, adata: AnnData) -> np.ndarray:
        """Return the shared code (Eq. 2) of cells or lines, float32 (n_obs, n_latent)."""
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

            task = Task(autoencoder, autoencoder.shared, x, batches, loss, validation_loss)
            history = self._train(task, "pretraining")
        self._keep(autoencoder, history)

    def _fit_jointly(self, bulk: AnnData, cells: AnnData) -> None:
        y = labels(bulk)
        with train.seeded(self.seed):
            autoencoder, x = self._new_autoencoder(), self._stack(bulk, cells)
            classifier = new_classifier(len(self.mask)).to(self._device)
            labelled = np.flatnonzero(~np.isnan(y))
            _, held_out = self._split(labelled, stratify=y[labelled])
            bulk_rows = torch.from_numpy(np.setdiff1d(np.arange(bulk.n_obs), held_out.cpu())).to(self._device)
            cell_rows = torch.arange(bulk.n_obs, len(x), device=self._device)
            y = torch.from_numpy(y).to(self._device)

            def batches() -> Iterator[tuple[Tensor, Tensor]]:
                return one_pass(bulk_rows, cell_rows, self.batch_size)

            def loss(pair: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
                lines, batch = pair[0], x[torch.cat(pair)]
                outputs = autoencoder(batch, len(lines))
                terms = autoencoder_loss(outputs, batch, len(lines), WEIGHTS[self.weights])
                entropy = cross_entropy(classifier(outputs.shared[: len(lines)]), y[lines])
                total = entropy + JOINT_AUTOENCODER_WEIGHT * terms.pop("total")
                return {"total": total, "cross-entropy": entropy} | terms

            def validation_loss() -> dict[str, Tensor]:
                logit = classifier(autoencoder.shared(x[held_out]))
                return {"cross-entropy": cross_entropy(logit, y[held_out])}

            both = nn.ModuleList([autoencoder, classifier])
            task = Task(both, autoencoder.shared, x, batches, loss, validation_loss)
            history = self._train(task, "joint")
        self._keep(autoencoder, history)
        self.classifier_ = classifier

    def _train(self, task: Task, stage: str) -> pd.DataFrame:
        """Train the modules of `task`, then adapt them; return the loss curves of both stages."""
        parts = task.module, task.batches, task.loss, task.validation_loss
        history = train.minimise(*parts, bf16=True, **self._optimisation(stage))
        return pd.concat([history.assign(stage=stage), self._adapt(task)], ignore_index=True)

    def _adapt(self, task: Task) -> pd.DataFrame | None:
        """Train further after the schedule's own training; return the loss curves with their stage."""

    def _network(self, mask: np.ndarray) -> nn.Module:
        """Return the untrained network for `mask`, an array (n_latent, n_genes)."""
        raise NotImplementedError

    def _score(self, cells: AnnData) -> np.ndarray:
        with torch.no_grad():
            return torch.sigmoid(self.code_logit(self._codes(scaled(cells)))).cpu().numpy()

    @property
    def _device(self) -> torch.device:
        return train.device()

    @torch.no_grad()
    def _codes(self, X: np.ndarray) -> Tensor:
        return self.autoencoder_.shared(torch.from_numpy(X).to(self._device))

    def _new_autoencoder(self) -> nn.Module:
        """Check the settings and build the network for the genes of the data."""
        for setting, known in (("weights", WEIGHTS), ("schedule", SCHEDULES)):
            value = getattr(self, setting)
            if value not in known:
                raise Bulk2scError(
                    f"{self.name}: {setting}='{value}' is unknown, use one of {', '.join(known)}."
                    + did_you_mean(value, known)
                )
        if self.batch_size < 2:
            raise Bulk2scError(f"{self.name}: batch_size={self.batch_size} must be at least 2, such as 256")
        missing = self.genes_[~pd.Index(self.genes_).isin(self.mask.columns)]
        if len(missing):
            raise Bulk2scError(
                f"{self.name}: the mask lacks {len(missing)} genes of the data "
                f"(such as {', '.join(missing[:3])}); make it from the paired data's genes"
            )
        return self._built()

    def _built(self) -> nn.Module:
        return self._network(self.mask[self.genes_].to_numpy(dtype=np.float32)).to(self._device)

    def _shape(self) -> dict:
        return {name: getattr(self, name) for name in ("hidden", "dropout", "batch_norm")}

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

    def _batches(self, n: int) -> Iterator[Tensor]:
        """Yield the shuffled numbers from 0 to n - 1 in batches."""
        rows = torch.arange(n, device=self._device)
        return (batch for batch, _ in one_pass(rows, rows, self.batch_size))

    def _split_each(self, y: np.ndarray) -> Iterator[Lines]:
        """Split each drug's labelled lines as `fit_classifier` does; `y` is (n_lines, n_drugs)."""
        labelled = [np.flatnonzero(~np.isnan(drug)) for drug in y.T]
        splits = [self._split(rows, stratify=drug[rows]) for rows, drug in zip(labelled, y.T, strict=True)]
        y = torch.from_numpy(y).to(self._device)
        return (Lines.of(part, y) for part in zip(*splits, strict=True))

    def _optimisation(self, progress: str) -> dict:
        settings = {name: getattr(self, name) for name in ("lr", "max_epochs", "patience")}
        return settings | {"progress": f"{self.name} {progress}"}

    def _keep(self, autoencoder: nn.Module, history: pd.DataFrame) -> None:
        """Set the fitted attributes; an older classifier does not belong to a new encoder."""
        self.autoencoder_ = autoencoder
        self.history_ = history[["stage", "epoch", "split", "term", "value"]]
        self.__dict__.pop("classifier_", None)

    def _settings(self) -> dict:
        return self.get_params() | {"mask": None}  # saved with the weights

    def _write(self, folder: Path) -> None:
        modules = nn.ModuleDict({"autoencoder": self.autoencoder_})
        if hasattr(self, "classifier_"):
            modules["classifier"] = self.classifier_
        weights = {name: value.cpu().numpy() for name, value in modules.state_dict().items()}
        mask = self.mask[self.genes_].to_numpy(dtype=np.int8)
        write_arrays(folder, mask=mask, pathways=self.mask.index.to_numpy(dtype=str), **weights)
        self.history_.to_csv(folder / "history.csv", index=False)

    def _read(self, folder: Path) -> None:
        arrays = read_arrays(folder)
        mask = arrays.pop("mask").astype(np.float32)
        self.mask = pd.DataFrame(mask, index=arrays.pop("pathways"), columns=self.genes_)
        self.autoencoder_ = self._built().eval()
        modules = nn.ModuleDict({"autoencoder": self.autoencoder_})
        if any(name.startswith("classifier.") for name in arrays):
            self.classifier_ = new_classifier(len(self.mask)).to(self._device).eval()
            modules["classifier"] = self.classifier_
        modules.load_state_dict({name: torch.from_numpy(value) for name, value in arrays.items()})
        self.history_ = pd.read_csv(folder / "history.csv", float_precision="round_trip")
