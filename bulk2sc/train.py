"""One early-stopped training loop, used by every network of the package; it knows no model."""

import math
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import pandas as pd
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from bulk2sc.errors import Bulk2scError


def device() -> torch.device:
    """Return a GPU where torch finds one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw every torch random number in the block from `seed`; the caller's generator is left as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def keep_threads() -> None:
    """Give torch the threads that ``OMP_NUM_THREADS`` allows: numba, which scanpy calls, resets them."""
    if threads := os.environ.get("OMP_NUM_THREADS"):
        torch.set_num_threads(int(threads))


def takes_bf16() -> bool:
    """Tell whether training may take matrix products in bf16, which some processors do at twice the speed.

    They do with AVX512-BF16 or AMX (torch 2.10 and later can tell). ``BULK2SC_PRECISION=float32`` in the
    environment keeps all products in float32, ``auto`` is the default.

    Raises
    ------
    Bulk2scError
        If the environment has another value.
    """
    wanted = os.environ.get("BULK2SC_PRECISION", "auto")
    if wanted not in ("auto", "float32"):
        raise Bulk2scError(f"BULK2SC_PRECISION={wanted} is unknown; use auto or float32")
    processor = getattr(torch.cpu, "get_capabilities", dict)()
    able = processor.get("avx512_bf16") or processor.get("amx_bf16")
    return bool(able) and wanted == "auto" and device().type == "cpu"


def minimise(
    module: nn.Module,
    batches: Callable[[], Iterable],
    loss: Callable[..., dict[str, Tensor]],
    validation_loss: Callable[[], dict[str, Tensor]],
    *,
    lr: float = 1e-3,
    max_epochs: int = 300,
    patience: int = 20,
    bf16: bool = False,
    progress: str = "training",
) -> pd.DataFrame:
    """Minimise a loss with Adam, stop early, and leave `module` in eval mode with its best weights.

    Parameters
    ----------
    module
        Its parameters are trained in place.
    batches
        Called once an epoch; gives the epoch's batches.
    loss
        Called with each batch; returns named scalar terms of which the **first** is minimised.
    validation_loss
        Called once an epoch in eval mode without gradients; the **first** of its terms is watched.
    lr
        Learning rate of Adam.
    max_epochs, patience
        Stop after `max_epochs`, or when the watched term has not improved for `patience` epochs.
    bf16
        Take the matrix products of the steps in bf16, by torch's autocast, where `takes_bf16`. Weights,
        their updates and validation stay in float32; `loss` gets bf16 from its layers.
    progress
        Name shown on the progress bar (terminals only) and in errors.

    Returns
    -------
    History with the columns ``epoch`` (from 1), ``split`` (``train``: mean over batches, or ``validation``),
    ``term`` and ``value``.

    Raises
    ------
    Bulk2scError
        If the loss becomes NaN or infinite.
    """
    optimiser = torch.optim.Adam(module.parameters(), lr=lr, fused=True)
    step_loss = torch.autocast("cpu", torch.bfloat16)(loss) if bf16 and takes_bf16() else loss
    best, best_epoch, best_weights, rows = math.inf, 0, _copy_of_weights(module), []
    for epoch in tqdm(range(1, max_epochs + 1), desc=progress, unit="epoch", leave=False, disable=None):
        train = _one_epoch(module, batches(), step_loss, optimiser)
        validation = _validate(module, validation_loss)
        for split, terms in (("train", train), ("validation", validation)):
            rows += [(epoch, split, term, value) for term, value in terms.items()]
        minimised, watched = next(iter(train.values())), next(iter(validation.values()))
        if not (math.isfinite(minimised) and math.isfinite(watched)):
            raise Bulk2scError(
                f"{progress}: the loss was {minimised:g} (validation {watched:g}) in epoch {epoch}; "
                f"lower the learning rate lr (now {lr:g}) or look for extreme values in layers['scaled']"
            )
        if watched < best:
            best, best_epoch, best_weights = watched, epoch, _copy_of_weights(module)
        elif epoch - best_epoch >= patience:
            break
    module.load_state_dict(best_weights)
    module.eval()
    return pd.DataFrame(rows, columns=["epoch", "split", "term", "value"])


def _copy_of_weights(module: nn.Module) -> dict[str, Tensor]:
    # state_dict() itself only refers to the weights, which the next step changes.
    return {name: weight.clone() for name, weight in module.state_dict().items()}


@torch.no_grad()
def _validate(module: nn.Module, validation_loss: Callable) -> dict[str, float]:
    module.eval()
    return {term: value.item() for term, value in validation_loss().items()}


def _one_epoch(module: nn.Module, batches: Iterable, loss: Callable, optimiser) -> dict[str, float]:
    """Take one step per batch; return the mean of each term. Values are fetched once, at the end."""
    module.train()
    collected: dict[str, list[Tensor]] = {}
    for batch in batches:
        terms = loss(batch)
        optimiser.zero_grad()
        next(iter(terms.values())).backward()
        optimiser.step()
        for term, value in terms.items():
            collected.setdefault(term, []).append(value.detach())
    return {term: torch.stack(values).mean().item() for term, values in collected.items()}


def fit_full_batch(
    module: nn.Module,
    loss: Callable[[], dict[str, Tensor]],
    *,
    lr: float = 1e-3,
    max_epochs: int = 200,
    halve_every: int | None = None,
    until: Callable[[dict[str, float]], bool] = lambda values: False,
    progress: str = "training",
) -> pd.DataFrame:
    """Minimise a loss over all the data at once, a step an epoch, with Adam; leave `module` in eval mode.

    Parameters
    ----------
    module
        Its parameters are trained in place.
    loss
        Returns named scalar terms of which the **first** is minimised.
    lr, halve_every
        Learning rate of Adam, halved after every so many epochs. Gradients are clipped at a norm of 3.
    max_epochs, until
        Stop after `max_epochs`, or when `until` says so of an epoch's values.
    progress
        Name shown on the progress bar (terminals only) and in errors.

    Returns
    -------
    History with the columns ``epoch`` (from 1), ``term`` and ``value``.

    Raises
    ------
    Bulk2scError
        If the loss becomes NaN or infinite.
    """
    optimiser = torch.optim.Adam(module.parameters(), lr=lr, fused=True)
    keep_threads()
    halving = torch.optim.lr_scheduler.StepLR(optimiser, halve_every or max_epochs + 1, gamma=0.5)
    module.train()
    rows = []
    for epoch in tqdm(range(1, max_epochs + 1), desc=progress, unit="epoch", leave=False, disable=None):
        terms = loss()
        values = {term: value.item() for term, value in terms.items()}
        minimised = next(iter(values.values()))
        if not math.isfinite(minimised):
            raise Bulk2scError(
                f"{progress}: the loss was {minimised:g} in epoch {epoch}; "
                f"lower the learning rate lr (now {lr:g}) or look for extreme values in the data"
            )
        rows += [(epoch, term, value) for term, value in values.items()]
        optimiser.zero_grad()
        next(iter(terms.values())).backward()
        nn.utils.clip_grad_norm_(module.parameters(), 3.0)
        optimiser.step()
        halving.step()
        if until(values):
            break
    module.eval()
    return pd.DataFrame(rows, columns=["epoch", "term", "value"])
