import itertools

import pytest
import torch
from torch import nn

from bulk2sc import train
from bulk2sc.errors import Bulk2scError


def no_batches():
    return iter([None])


class Scripted(nn.Module):
    """A module whose only weight counts its steps, so that an epoch can be told from its weight."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.modes = []

    def loss(self, batch):
        self.modes.append(("train", self.training, torch.is_grad_enabled()))
        return {"total": -self.weight, "other": torch.tensor(float(len(self.modes)))}

    def validation(self, values):
        def validation_loss():
            self.modes.append(("validation", self.training, torch.is_grad_enabled()))
            return {"watched": torch.tensor(next(values)), "ignored": torch.tensor(0.0)}

        return validation_loss


def weight_after(n_steps, lr=0.1):
    module = Scripted()
    optimiser = torch.optim.Adam(module.parameters(), lr=lr)
    for _ in range(n_steps):
        optimiser.zero_grad()
        module.loss(None)["total"].backward()
        optimiser.step()
    return module.weight.item()


def test_best_epoch_is_restored_and_patience_ends_training():
    module, values = Scripted(), iter([5.0, 3.0, 4.0, 2.0, 2.0, 9.0, 9.0, 1.0])
    history = train.minimise(
        module, no_batches, module.loss, module.validation(values), lr=0.1, patience=3, max_epochs=100
    )
    watched = history.query("split == 'validation' and term == 'watched'")["value"]
    assert watched.tolist() == [5, 3, 4, 2, 2, 9, 9]  # three epochs after the best, an equal one is no better
    assert module.weight.item() == pytest.approx(weight_after(4))
    assert not module.training


@pytest.mark.parametrize("epochs", [0, 2])
def test_max_epochs_ends_training_and_zero_changes_nothing(epochs):
    module = Scripted()
    validation = module.validation(iter([3.0, 2.0, 1.0]))
    history = train.minimise(module, no_batches, module.loss, validation, lr=0.1, max_epochs=epochs)
    assert history["epoch"].nunique() == epochs
    assert module.weight.item() == pytest.approx(weight_after(epochs))


def test_history_holds_means_over_batches():
    module = Scripted()
    history = train.minimise(
        module, lambda: iter([0, 0, 0]), module.loss, module.validation(iter([1.0])), max_epochs=1
    )
    rows = history.set_index(["epoch", "split", "term"])["value"]
    assert rows[1, "train", "other"] == 2  # of 1, 2, 3
    assert list(history.columns) == ["epoch", "split", "term", "value"] and len(history) == 4


@pytest.mark.parametrize("where", ["train", "validation"])
def test_nan_loss_stops_naming_the_learning_rate(where):
    module = nn.Linear(1, 1)
    nan, zero = torch.tensor(float("nan")), torch.tensor(0.0)

    def loss(_):
        return {"total": module.weight.sum() * (nan if where == "train" else zero)}

    with pytest.raises(Bulk2scError, match=r"demo: .*nan.* epoch 1; lower the learning rate lr \(now 0.5\)"):
        train.minimise(
            module,
            no_batches,
            loss,
            lambda: {"total": zero if where == "train" else nan},
            lr=0.5,
            progress="demo",
        )


def test_full_batches_are_adam_with_clipping_and_halving_and_stops_when_told():
    module, twin = nn.Linear(1, 1, bias=False), nn.Parameter(torch.zeros(1, 1))
    nn.init.zeros_(module.weight)

    def loss():
        return {"total": 100 * (module.weight - 3).square().sum()}

    epochs = itertools.count(1)
    history = train.fit_full_batch(
        module, loss, lr=0.1, max_epochs=50, halve_every=4, until=lambda values: next(epochs) == 9
    )
    optimiser = torch.optim.Adam([twin], lr=0.1)
    for epoch in range(9):
        optimiser.param_groups[0]["lr"] = 0.1 / 2 ** (epoch // 4)
        twin.grad = (200 * (twin.detach() - 3)).clamp(-3, 3)  # of norm 3 at most
        optimiser.step()
    torch.testing.assert_close(module.weight, twin, rtol=1e-4, atol=0)
    assert history["epoch"].max() == 9 and not module.training


@pytest.mark.parametrize(
    ("processor", "wanted", "taken"),
    [
        ({"avx512_bf16": True, "amx_bf16": False}, None, True),
        ({"avx512_bf16": False, "amx_bf16": True}, "auto", True),
        ({"avx512_bf16": False, "amx_bf16": False}, None, False),
        ({"architecture": "aarch64"}, None, False),
        ({"avx512_bf16": True, "amx_bf16": True}, "float32", False),
    ],
)
def test_bf16_is_taken_where_the_processor_has_it(monkeypatch, processor, wanted, taken):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: processor, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("BULK2SC_PRECISION", raising=False)
    if wanted:
        monkeypatch.setenv("BULK2SC_PRECISION", wanted)
    assert train.takes_bf16() is taken
