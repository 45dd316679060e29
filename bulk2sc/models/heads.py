"""Classifiers of many drugs on one fixed code, trained side by side as one batched model.

The weights of the drugs' classifiers are stacked, (n_drugs, n_in, n_out), so that a step is a few batched
products. What is minimised is the *sum* of the drugs' losses and Adam treats every weight by itself: each
classifier learns exactly as if it were the only one, and stops when its own validation says so.
"""

import copy
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from bulk2sc.errors import Bulk2scError
from bulk2sc.models.base import checked
from bulk2sc.pp import blind

DRUGS_AT_ONCE = 32  # more do not fit the processor's cache, and take longer each
ROWS_AT_ONCE = 512  # when scoring


class StackedClassifiers(nn.Module):
    """Copies of a classifier (Eq. 12 and 13), one a drug, each with its own weights."""

    def __init__(self, classifier: nn.Sequential, n_drugs: int):
        super().__init__()
        layers = [layer for layer in classifier if isinstance(layer, nn.Linear)]
        self.weights = nn.ParameterList(layer.weight.detach().T.repeat(n_drugs, 1, 1) for layer in layers)
        self.biases = nn.ParameterList(layer.bias.detach().repeat(n_drugs, 1, 1) for layer in layers)

    def forward(self, z: Tensor) -> Tensor:
        """Return logits (n_drugs, n) of the codes (n_drugs, n, n_latent) that each drug reads."""
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            z = torch.baddbmm(bias, z.relu() if i else z, weight)
        return z.squeeze(2)

    def of_all(self, z: Tensor) -> Tensor:
        """Return logits (n, n_drugs) of codes (n, n_latent) that every drug reads."""
        shared = (rows.expand(len(self.biases[0]), -1, -1) for rows in z.split(ROWS_AT_ONCE))
        return torch.cat([self(rows).T for rows in shared])


@dataclass
class Lines:
    """Labelled lines of each drug; drugs with fewer are filled up with a line whose label is NaN."""

    rows: Tensor  # of the codes (n_drugs, n)
    y: Tensor  # 1 sensitive, 0 resistant, NaN not labelled (n_drugs, n)

    @classmethod
    def of(cls, chosen: list[Tensor], y: Tensor) -> "Lines":
        """Make them from each drug's chosen rows and the labels (n_lines, n_drugs)."""
        per_drug = [y[rows, drug] for drug, rows in enumerate(chosen)]
        pad = nn.utils.rnn.pad_sequence
        return cls(pad(chosen, batch_first=True), pad(per_drug, batch_first=True, padding_value=math.nan))

    def __getitem__(self, key) -> "Lines":
        return Lines(self.rows[key], self.y[key])


def lines_x_drugs(bulk: AnnData, responses: pd.DataFrame) -> np.ndarray:
    """Return checked `responses` in the order of the lines of `bulk`, float32 (n_lines, n_drugs).

    Raises
    ------
    Bulk2scError
        If a line is missing, values other than 1, 0 and NaN are found, or a drug has too few lines.
    """
    missing = bulk.obs_names.difference(responses.index)
    if len(missing):
        raise Bulk2scError(
            f"responses: {len(missing)} lines of the bulk data are missing (such as "
            f"{', '.join(missing[:3])}); give each a row, NaN where it is not labelled"
        )
    y = responses.loc[bulk.obs_names].to_numpy(dtype=np.float32)
    for drug, column in zip(responses.columns, y.T, strict=True):
        checked(column, f"responses: '{drug}'")
    return y


def cross_entropy(logit: Tensor, y: Tensor) -> Tensor:
    """Return each drug's mean cross-entropy (Eq. 15) over its labelled lines: (n_drugs, n) -> (n_drugs,)."""
    labelled = ~y.isnan()
    loss = F.binary_cross_entropy_with_logits(logit, y.nan_to_num(), labelled.float(), reduction="none")
    return loss.sum(1) / labelled.sum(1).clamp_min(1)


def fit_stack(
    stack: StackedClassifiers,
    codes: Tensor,
    fitting: Lines,
    held_out: Lines,
    batches: Callable[[], Iterable[Tensor]],
    *,
    lr: float,
    max_epochs: int,
    patience: int,
    progress: str,
) -> Tensor:
    """Train every drug's classifier with early stopping of its own, and leave each its best weights.

    Parameters
    ----------
    stack
        Trained in place.
    codes
        Of all lines (n_lines, n_latent).
    fitting, held_out
        Each drug's lines to learn from and to watch.
    batches
        Called once an epoch; gives the columns of `fitting` in each of the epoch's batches.
    lr, max_epochs, patience, progress
        As of `train.minimise`; a drug whose watched loss has not improved for `patience` epochs leaves.

    Returns
    -------
    Tensor
        The lowest loss on the held-out lines of each drug (n_drugs,).

    Raises
    ------
    Bulk2scError
        If the loss becomes NaN or infinite.
    """
    best = copy.deepcopy(stack)
    optimiser = torch.optim.Adam(stack.parameters(), lr=lr, fused=True)
    drugs = torch.arange(len(fitting.y), device=codes.device)  # those that still learn
    best_loss, best_epoch = torch.full_like(fitting.y[:, 0], math.inf), torch.zeros_like(drugs)
    for epoch in tqdm(range(1, max_epochs + 1), desc=progress, unit="epoch", leave=False, disable=None):
        for columns in batches():
            batch = fitting[drugs[:, None], columns]
            loss = cross_entropy(stack(codes[batch.rows]), batch.y).sum()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        with torch.no_grad():
            watched = cross_entropy(stack(codes[held_out.rows[drugs]]), held_out.y[drugs])
        if not watched.isfinite().all():
            raise Bulk2scError(
                f"{progress}: the validation loss was {watched.max():g} in epoch {epoch}; "
                f"lower the learning rate lr (now {lr:g}) or look for extreme values in layers['scaled']"
            )
        better = watched < best_loss[drugs]
        best_loss[drugs[better]], best_epoch[drugs[better]] = watched[better], epoch
        for kept, weight in zip(best.parameters(), stack.parameters(), strict=True):
            kept.data[drugs[better]] = weight.data[better]
        going = better | (epoch - best_epoch[drugs] < patience)
        if not going.all():
            drugs = drugs[going]
            optimiser = narrowed(stack, optimiser, going)
        if not len(drugs):
            break
    stack.weights, stack.biases = best.weights, best.biases
    return best_loss


def narrowed(stack: StackedClassifiers, optimiser: torch.optim.Adam, going: Tensor) -> torch.optim.Adam:
    """Keep the drugs of `stack` that are `going` (n_drugs,); return an optimiser with their moments."""
    before = list(stack.parameters())
    for parameters in (stack.weights, stack.biases):
        for i, weight in enumerate(parameters):
            parameters[i] = nn.Parameter(weight.data[going])
    smaller = torch.optim.Adam(stack.parameters(), **optimiser.defaults)
    for old, new in zip(before, stack.parameters(), strict=True):
        moments = {name: optimiser.state[old][name][going] for name in ("exp_avg", "exp_avg_sq")}
        smaller.state[new] = optimiser.state[old] | moments
    return smaller


class DrugClassifiers:
    """Fitted classifiers of many drugs that read one encoder's code; `AutoencoderModel.fit_classifiers`.

    Attributes
    ----------
    drugs
        Names of the drugs.
    validation_loss
        Cross-entropy on each drug's held-out lines, a Series by drug.
    """

    def __init__(self, encode: Callable[[AnnData], Tensor], stacks: list, validation_loss: pd.Series):
        self.encode = encode
        self.stacks = stacks
        self.validation_loss = validation_loss
        self.drugs = validation_loss.index

    @torch.no_grad()
    def score(self, adata: AnnData) -> pd.DataFrame:
        """Return P(sensitive) of cells or lines for every drug, (n_obs, n_drugs), in [0, 1].

        Raises
        ------
        Bulk2scError
            If ``layers["scaled"]`` or genes of the model are missing.
        """
        z = self.encode(blind(adata))
        logits = torch.cat([stack.of_all(z) for stack in self.stacks], dim=1)
        return pd.DataFrame(torch.sigmoid(logits).cpu().numpy(), adata.obs_names, self.drugs)
