"""The rungs of Table 3 and the adversaries of some."""

import numpy as np
import pandas as pd
import planted
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from torch import nn

from bulk2sc import train
from bulk2sc.errors import Bulk2scError
from bulk2sc.models import METHODS, adversarial, load_model, make
from bulk2sc.models.autoencoder import Task

RUNGS = ["base AE", "adv AE", "base share AE", "adv share AE", "domain-classifier share AE"]
ADVERSARIAL = ["adv AE", "adv share AE", "domain-classifier share AE"]
each_rung = pytest.mark.parametrize(
    ("name", "schedule"), [*((name, "joint") for name in RUNGS), ("adv share AE", "pretrain-then-classify")]
)
QUICK = {"hidden": 16, "max_epochs": 3, "batch_size": 64}


@pytest.fixture(scope="module")
def data():
    return planted.lines_and_cells()


def test_rungs_have_the_parts_that_their_names_say(data):
    bulk, cells, mask = data
    for name in RUNGS:
        network = make(name, mask=mask, **QUICK | {"max_epochs": 0}).fit(bulk, cells).autoencoder_
        private = {"private_bulk", "private_cells"} if "share" in name else set()
        assert {part for part, _ in network.named_children()} == {"shared", "dense"} | private
        assert network.shared[-1].out_features == len(mask)


@each_rung
def test_planted_signal_is_learnt_from_bulk_and_found_in_cells(data, name, schedule):
    bulk, cells, mask = data
    model = make(name, mask=mask, schedule=schedule, hidden=32, max_epochs=15, batch_size=64).fit(bulk, cells)
    score = model.score_cells(cells)
    assert score.min() >= 0 and score.max() <= 1
    assert roc_auc_score(cells.obs["activity"] > 0, score) > 0.8
    first = ["joint"] if schedule == "joint" else ["pretraining"]
    last = [] if schedule == "joint" else ["classifier"]
    stages = first + ["adversarial"] * (name in ADVERSARIAL) + last
    assert list(model.history_["stage"].unique()) == stages


@each_rung
def test_another_seed_gives_other_numbers_and_saved_models_are_the_same(data, name, schedule, tmp_path):
    bulk, cells, mask = data
    settings = {"mask": mask, "schedule": schedule, **QUICK}
    torch.manual_seed(1)
    before = torch.get_rng_state()
    model = make(name, **settings).fit(bulk, cells)
    assert torch.equal(torch.get_rng_state(), before)
    score = model.score_cells(cells)
    assert not np.allclose(make(name, seed=1, **settings).fit(bulk, cells).score_cells(cells), score)
    model.save(tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert type(loaded) is METHODS[name] and np.array_equal(loaded.score_cells(cells), score)
    pd.testing.assert_frame_equal(loaded.history_, model.history_)
    assert np.array_equal(
        loaded.fit_classifier(bulk).score_cells(cells), model.fit_classifier(bulk).score_cells(cells)
    )


# --------------------------------------------------------------------------------------------- adversaries


def test_gradient_penalty_of_a_linear_critic_is_that_of_its_weights():
    critic = nn.Sequential(nn.Linear(3, 1), nn.Flatten(0))
    weight = torch.tensor([[1.0, 2.0, 2.0]])  # of norm 3
    critic[0].weight = nn.Parameter(weight)
    bulk, cells = torch.randn(6, 3), torch.randn(6, 3)
    penalty = adversarial.gradient_penalty(critic, bulk, cells)
    assert penalty.item() == pytest.approx((3 - 1) ** 2, rel=1e-5)
    penalty.backward()  # d (|w| - 1)^2 / dw = 2 (|w| - 1) w / |w|
    assert torch.allclose(critic[0].weight.grad, 2 * 2 * weight / 3, atol=1e-5)
    terms = adversarial.critic_loss(critic, bulk, cells)
    distance = ((bulk.mean(0) - cells.mean(0)) @ weight[0]).item()
    assert terms["distance"].item() == pytest.approx(distance, abs=1e-5)
    assert terms["critic"].item() == pytest.approx(10 * 4 - distance, rel=1e-5)


def two_gaussians():
    """A task with lines around 0 and cells around (3, 0), whose encoder may move at little other cost."""
    with train.seeded(0):
        x = torch.randn(400, 2)
        x[200:, 0] += 3
    encoder = nn.Linear(2, 2)
    with torch.no_grad():
        encoder.weight.copy_(torch.eye(2))
        encoder.bias.zero_()

    def rebuilt():
        return 0.05 * (encoder(x[:200]) - x[:200]).square().mean()

    def batches():
        yield torch.arange(200), torch.arange(200, 400)

    return Task(encoder, encoder, x, batches, lambda pair: {"total": rebuilt()}, lambda: {"total": rebuilt()})


def test_an_adversary_that_diverges_stops_with_what_to_lower():
    task = two_gaussians()
    message = r"^against it: the loss was \S+ in epoch \d+; lower the learning rate lr \(now 1e\+30\) .*$"
    with train.seeded(0), pytest.raises(Bulk2scError, match=message):
        one_round = adversarial.against_critic(task, 2, 1e30)
        adversarial.train_adversarial(task, one_round, epochs=20, lr=1e30, progress="against it")
    assert not task.module.training


def test_a_round_is_five_steps_of_the_critic_and_one_of_the_encoder(monkeypatch):
    task, stepped = two_gaussians(), []
    inner = adversarial.step
    watched = lambda optimiser, loss: (stepped.append(optimiser), inner(optimiser, loss))  # noqa: E731
    monkeypatch.setattr(adversarial, "step", watched)
    play = adversarial.against_critic(task, 2, 1e-3)
    before = task.encoder.weight.detach().clone()
    play(next(task.batches()))
    assert all(isinstance(optimiser, torch.optim.RMSprop) for optimiser in stepped)
    assert len(stepped) == 6 and len({id(o) for o in stepped[:5]}) == 1 and stepped[5] is not stepped[0]
    assert not torch.equal(task.encoder.weight, before)


@pytest.mark.slow
@pytest.mark.parametrize("name", ADVERSARIAL)
def test_an_adversary_makes_the_codes_of_lines_and_cells_harder_to_tell_apart(data, name):
    bulk, cells, mask = data
    settings = {"mask": mask, "hidden": 32, "max_epochs": 50, "batch_size": 64, "lr": 3e-3}

    def told_apart(name):
        model = make(name, **settings).pretrain(bulk, cells)
        code = np.concatenate([model.encode(bulk), model.encode(cells)])
        is_bulk = np.arange(len(code)) < bulk.n_obs
        decision = cross_val_predict(
            LogisticRegression(max_iter=1000), code, is_bulk, method="decision_function"
        )
        return roc_auc_score(is_bulk, decision)

    assert told_apart(name) < told_apart("base share AE" if "share" in name else "base AE") - 0.05
