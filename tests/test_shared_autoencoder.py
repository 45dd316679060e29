import numpy as np
import pandas as pd
import planted
import pytest
import torch
from sklearn.metrics import roc_auc_score

from bulk2sc import train
from bulk2sc.errors import Bulk2scError
from bulk2sc.models import load_model
from bulk2sc.models.autoencoder import (
    Autoencoder,
    SharedAutoencoder,
    autoencoder_loss,
    cross_entropy,
    difference_loss,
)

QUICK = {"hidden": 32, "max_epochs": 15, "batch_size": 64}


@pytest.fixture(scope="module")
def data():
    bulk, cells, mask = planted.lines_and_cells()
    return bulk, cells, planted.domain(150, 2, shift=1.0), mask


@pytest.fixture(scope="module")
def fitted(data):
    bulk, cells, _, mask = data
    return SharedAutoencoder(mask=mask, **QUICK).fit(bulk, cells)


# ------------------------------------------------------------------------------------- networks and losses


def test_difference_loss_is_the_formula_of_the_paper():
    S, P = torch.tensor([[3.0, 4.0], [0.0, 2.0]]), torch.tensor([[5.0, 0.0], [0.6, 0.8]])
    # Rows over their norms: (.6, .8), (0, 1) and (1, 0), (.6, .8); S'P = [[.6, 0], [1.4, .8]].
    assert difference_loss(S, P) == pytest.approx((0.6**2 + 1.4**2 + 0.8**2) / 4 / 2, rel=1e-5)


def test_the_gradient_of_the_difference_loss_does_not_pass_through_the_norm():
    S, P = torch.randn(5, 3, requires_grad=True), torch.randn(5, 3)
    difference_loss(S, P).backward()
    norm = S.detach().norm(dim=1, keepdim=True)
    free = S.detach().div(norm).requires_grad_()
    difference = free.T @ (P / P.norm(dim=1, keepdim=True))
    difference.square().mean().div(5).backward()
    assert torch.allclose(S.grad, free.grad / norm, atol=1e-7)


@pytest.mark.parametrize("sparse_relu", [False, True])
def test_stacked_pass_equals_one_pass_per_domain(sparse_relu):
    mask = (torch.rand(6, 20, generator=torch.Generator().manual_seed(0)) < 0.5).float()
    layers = {"hidden": 8, "dropout": 0.0, "batch_norm": False}
    net = Autoencoder(mask, private=True, sparse=True, sparse_relu=sparse_relu, **layers)
    bulk, cells = torch.randn(5, 20), torch.randn(9, 20)
    weights = {"reconstruction": 2.0, "difference": 3.0, "sparse": 5.0}
    terms = autoencoder_loss(net(torch.cat([bulk, cells]), 5), torch.cat([bulk, cells]), 5, weights)
    expected = dict.fromkeys(weights, 0.0)
    net.requires_grad_(False)
    for x, private in ((bulk, net.private_bulk), (cells, net.private_cells)):
        z, p = net.shared(x), private(x)
        decoded = z @ (net.sparse[0].weight.T * mask) + net.sparse[0].bias
        decoded = decoded.clamp_min(0) if sparse_relu else decoded
        expected["reconstruction"] += float((net.dense(torch.cat([p, z], 1)) - x).square().mean())
        expected["difference"] += float(difference_loss(z, p))
        expected["sparse"] += float((decoded - x).square().mean())
    for name, value in expected.items():
        assert terms[name].item() == pytest.approx(value, rel=1e-5)
    assert terms["total"].item() == pytest.approx(sum(weights[n] * v for n, v in expected.items()), rel=1e-5)


def test_cross_entropy_leaves_out_unlabelled_lines():
    logit, nan = torch.tensor([0.0, 2.0, -9.0]), float("nan")
    expected = (np.log(2) + np.log1p(np.exp(-2))) / 2
    assert float(cross_entropy(logit, torch.tensor([0.0, 1.0, nan]))) == pytest.approx(expected)
    assert float(cross_entropy(logit, torch.full((3,), nan))) == 0


# ---------------------------------------------------------------------------------------------- estimator


@pytest.mark.parametrize("schedule", ["pretrain-then-classify", "joint"])
@pytest.mark.parametrize("weights", ["text", "code"])
def test_planted_pathway_is_learnt_from_bulk_and_found_in_new_cells(data, schedule, weights):
    bulk, cells, new_cells, mask = data
    model = SharedAutoencoder(
        mask=mask, weights=weights, schedule=schedule, hidden=64, max_epochs=40, batch_size=64
    )
    score = model.fit(bulk, cells).score_cells(new_cells)
    assert score.shape == (150,) and score.min() >= 0 and score.max() <= 1
    assert roc_auc_score(new_cells.obs["activity"] > 0, score) > 0.9
    stages = ["joint"] if schedule == "joint" else ["pretraining", "classifier"]
    assert list(model.history_["stage"].unique()) == stages


def test_joint_trains_the_encoder_on_response_and_the_classifier_alone_does_not(data, fitted):
    bulk, cells, new_cells, mask = data
    code = fitted.encode(new_cells)
    other = bulk.copy()
    other.obs["response"] = 1 - bulk.obs["response"]
    again = SharedAutoencoder(mask=mask, **QUICK).pretrain(bulk, cells)
    flipped = again.fit_classifier(other)
    assert np.array_equal(flipped.encode(new_cells), code)
    joint = [SharedAutoencoder(mask=mask, schedule="joint", **QUICK).fit(b, cells) for b in (bulk, other)]
    assert not np.allclose(joint[0].encode(new_cells), joint[1].encode(new_cells))


@pytest.mark.skipif(not train.takes_bf16(), reason="bf16 is not taken: this processor has none, or so told")
@pytest.mark.parametrize("schedule", ["pretrain-then-classify", "joint"])
def test_bf16_products_lead_to_the_losses_and_scores_of_float32(data, monkeypatch, schedule):
    bulk, cells, new_cells, mask = data
    model = SharedAutoencoder(mask=mask, schedule=schedule, hidden=64, max_epochs=40, patience=40)
    found = {}
    for precision in ("float32", "auto"):
        monkeypatch.setenv("BULK2SC_PRECISION", precision)
        score = model.fit(bulk, cells).score_cells(new_cells)
        curves = model.history_.query("stage != 'classifier'").set_index(["split", "term", "epoch"])["value"]
        found[precision] = curves, roc_auc_score(new_cells.obs["activity"] > 0, score)
    (curve, auroc), (curve_16, auroc_16) = found["float32"], found["auto"]
    assert not curve.equals(curve_16)  # bf16 was taken
    np.testing.assert_allclose(curve_16, curve, rtol=0.03, atol=0.003)
    assert auroc_16 == pytest.approx(auroc, abs=0.02)


@pytest.mark.parametrize("settings", [{"dropout": 0.5}, {"batch_norm": True}])
def test_a_score_depends_on_nothing_but_its_cell(data, settings):
    bulk, cells, new_cells, mask = data
    model = SharedAutoencoder(mask=mask, **QUICK | {"max_epochs": 3} | settings).fit(bulk, cells)
    score = model.score_cells(new_cells)
    assert np.array_equal(score, model.score_cells(new_cells))
    assert np.allclose(score[:3], model.score_cells(new_cells[:3]), atol=1e-6)
    assert np.allclose(score[::-1], model.score_cells(new_cells[::-1]), atol=1e-6)
    assert np.allclose(score, model.score_cells(new_cells[:, ::-1].copy()), atol=1e-6)


@pytest.mark.parametrize("stage", ["pretrained", "fitted"])
def test_saved_model_is_the_same_model(data, fitted, tmp_path, stage):
    bulk, cells, new_cells, mask = data
    model = fitted if stage == "fitted" else SharedAutoencoder(mask=mask, **QUICK).pretrain(bulk, cells)
    model.save(tmp_path / "model")
    loaded = load_model(str(tmp_path / "model"))
    assert np.array_equal(loaded.encode(new_cells), model.encode(new_cells))
    pd.testing.assert_frame_equal(loaded.history_, model.history_)
    pd.testing.assert_frame_equal(loaded.mask, mask, check_names=False)
    assert {**loaded.get_params(), "mask": 0} == {**model.get_params(), "mask": 0}
    score = loaded.fit_classifier(bulk).score_cells(new_cells)
    assert np.array_equal(score, fitted.score_cells(new_cells))


# ------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr": 1e30}, r"lower the learning rate lr \(now 1e\+30\)"),
        ({"schedule": "join"}, r"schedule='join' is unknown.*Did you mean 'joint'"),
        ({"weights": "txt"}, "weights='txt' is unknown"),
    ],
)
def test_settings_that_cannot_be_are_named(data, settings, message):
    bulk, cells, _, mask = data
    with pytest.raises(Bulk2scError, match=message):
        SharedAutoencoder(**{"mask": mask, **QUICK, **settings}).fit(bulk, cells)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda bulk, cells: cells.layers.pop("scaled"), r"cells: layers.*pp.pair"),
        (lambda bulk, cells: cells.layers["scaled"].__setitem__((3, 3), np.nan), "NaN"),
        (lambda bulk, cells: bulk.obs.pop("response"), r"response.*label_bulk"),
        (lambda bulk, cells: bulk.obs.__setitem__("response", 0.3), "other than 1, 0 and NaN"),
        (
            lambda bulk, cells: cells._inplace_subset_var(cells.var_names[1:]),
            "40 genes, cells have 39, 39 are in both",
        ),
        (lambda bulk, cells: cells._inplace_subset_obs(slice(1)), "1 rows of a domain"),
    ],
)
def test_data_that_cannot_be_learnt_from_are_named(data, change, message):
    bulk, cells, mask = data[0].copy(), data[1].copy(), data[3]
    change(bulk, cells)
    with pytest.raises(Bulk2scError, match=message):
        SharedAutoencoder(mask=mask, **QUICK).fit(bulk, cells)


def test_genes_that_a_model_lacks_are_named(data, fitted):
    with pytest.raises(Bulk2scError, match=r"1 of the model's 40 genes are missing.*G00"):
        fitted.score_cells(data[2][:, 1:].copy())
    with pytest.raises(Bulk2scError, match="mask lacks 1 genes"):
        SharedAutoencoder(mask=data[3].drop(columns="G05"), **QUICK).fit(*data[:2])
