import inspect
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from anndata import AnnData
from sklearn.metrics import roc_auc_score

from bulk2sc import steps, train
from bulk2sc.book import notebook
from bulk2sc.errors import Bulk2scError
from bulk2sc.models import SharedAutoencoder, load_model
from bulk2sc.models.autoencoder import (
    Autoencoder,
    MaskedLinear,
    autoencoder_loss,
    cross_entropy,
    difference_loss,
)

QUICK = {"hidden": 32, "max_epochs": 15, "batch_size": 64}
GENES = [f"G{i:03d}" for i in range(60)]


def domain(n, seed, shift=0.0):
    """Rows whose first six genes, the first pathway, follow a hidden activity, which is returned too."""
    rng = np.random.default_rng(seed)
    activity = rng.normal(size=n)
    X = rng.normal(size=(n, len(GENES)))
    X[:, :6] = 0.3 * X[:, :6] + activity[:, None] + shift
    X = ((X - X.mean(0)) / X.std(0)).astype(np.float32)
    adata = AnnData(X, obs=pd.DataFrame(index=[f"r{i}" for i in range(n)]), var=pd.DataFrame(index=GENES))
    adata.layers["scaled"] = X
    return adata, activity


@pytest.fixture(scope="module")
def data():
    bulk, activity = domain(160, 0)
    low, high = np.quantile(activity, [0.3, 0.7])
    bulk.obs["response"] = np.select([activity >= high, activity <= low], [1.0, 0.0], np.nan)
    bulk.obs["auc"] = 0.5 - 0.1 * activity
    cells, _ = domain(200, 1, shift=2.0)
    new_cells, hidden = domain(150, 2, shift=2.0)
    mask = np.vstack([np.kron(np.eye(10), np.ones(6)), np.ones((5, 60))]).astype(np.float32)
    names = [f"PATHWAY_{i}" for i in range(10)] + [f"free_{i}" for i in range(1, 6)]
    return bulk, cells, new_cells, hidden, pd.DataFrame(mask, index=names, columns=GENES)


@pytest.fixture(scope="module")
def fitted(data):
    bulk, cells, _, _, mask = data
    return SharedAutoencoder(mask=mask, **QUICK).fit(bulk, cells)


# ------------------------------------------------------------------------------------- networks and losses


def test_difference_loss_is_the_formula_of_the_paper():
    rng = torch.Generator().manual_seed(0)
    S, P = torch.randn(7, 4, generator=rng), torch.randn(7, 4, generator=rng)
    total = 0.0
    for i in range(4):
        for j in range(4):
            total += sum(S[r, i] / S[r].norm() * P[r, j] / P[r].norm() for r in range(7)) ** 2
    assert difference_loss(S, P) == pytest.approx(float(total) / 16 / 7, rel=1e-5)


def test_difference_loss_is_zero_for_codes_that_use_different_rows_and_does_not_pass_through_the_norm():
    S, P = torch.zeros(4, 3), torch.zeros(4, 3)
    S[:2, 0], P[2:, 1] = 1.0, 5.0
    assert difference_loss(S, P) == 0
    S, P = torch.randn(5, 3, requires_grad=True), torch.randn(5, 3)
    difference_loss(S, P).backward()
    norm = S.detach().norm(dim=1, keepdim=True)
    free = S.detach().div(norm).requires_grad_()
    difference = free.T @ (P / P.norm(dim=1, keepdim=True))
    difference.square().mean().div(5).backward()
    assert torch.allclose(S.grad, free.grad / norm, atol=1e-7)


def test_masked_weights_and_their_gradients_are_zero_outside_the_mask():
    mask = torch.tensor([[1.0, 0, 0, 1], [0, 1, 1, 0]])
    layer = MaskedLinear(mask)
    effective = torch.autograd.functional.jacobian(layer, torch.zeros(2)).T
    assert (effective[mask == 0] == 0).all() and (effective[mask == 1] != 0).all()
    layer(torch.randn(3, 2)).square().sum().backward()
    assert (layer.weight.grad.T[mask == 0] == 0).all() and (layer.weight.grad.T[mask == 1] != 0).all()


def test_trained_sparse_decoder_keeps_to_the_mask(fitted):
    mask = torch.from_numpy(fitted.mask.to_numpy())
    effective = torch.autograd.functional.jacobian(fitted.autoencoder_.sparse, torch.zeros(len(mask))).T
    assert ((effective != 0) == (mask == 1)).all()


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
    bulk, cells, new_cells, hidden, mask = data
    model = SharedAutoencoder(
        mask=mask, weights=weights, schedule=schedule, hidden=64, max_epochs=100, batch_size=64
    )
    score = model.fit(bulk, cells).score_cells(new_cells)
    assert score.shape == (150,) and score.min() >= 0 and score.max() <= 1
    assert roc_auc_score(hidden > 0, score) > 0.9
    stages = ["joint"] if schedule == "joint" else ["pretraining", "classifier"]
    assert list(model.history_["stage"].unique()) == stages


def test_joint_loss_is_cross_entropy_plus_a_tenth_of_the_autoencoder(data):
    bulk, cells, _, _, mask = data
    model = SharedAutoencoder(mask=mask, schedule="joint", hidden=8, max_epochs=2).fit(bulk, cells)
    train = model.history_[model.history_["split"] == "train"]
    term = train.pivot_table(index="epoch", columns="term", values="value")
    autoencoder = term["reconstruction"] + 0.1 * term["difference"] + 0.1 * term["sparse"]
    assert np.allclose(term["total"], term["cross-entropy"] + 0.1 * autoencoder, rtol=1e-5)


def test_joint_trains_the_encoder_on_response_and_the_classifier_alone_does_not(data, fitted):
    bulk, cells, new_cells, _, mask = data
    code = fitted.encode(new_cells)
    other = bulk.copy()
    other.obs["response"] = 1 - bulk.obs["response"]
    again = SharedAutoencoder(mask=mask, **QUICK).pretrain(bulk, cells)
    flipped = again.fit_classifier(other)
    assert np.array_equal(flipped.encode(new_cells), code)
    joint = [SharedAutoencoder(mask=mask, schedule="joint", **QUICK).fit(b, cells) for b in (bulk, other)]
    assert not np.allclose(joint[0].encode(new_cells), joint[1].encode(new_cells))


def test_one_pretrained_model_serves_many_drugs(data, fitted):
    bulk, cells, new_cells, _, mask = data
    model = SharedAutoencoder(mask=mask, **QUICK).pretrain(bulk, cells)
    with pytest.raises(Bulk2scError, match="fit_classifier"):
        model.score_cells(new_cells)
    other = bulk.copy()
    other.obs["response"] = 1 - bulk.obs["response"]
    score = model.fit_classifier(other).score_cells(new_cells)
    assert np.corrcoef(score, fitted.score_cells(new_cells))[0, 1] < -0.5
    assert np.array_equal(model.fit_classifier(bulk).score_cells(new_cells), fitted.score_cells(new_cells))
    pd.testing.assert_frame_equal(model.history_, fitted.history_)


def test_pretraining_watches_reconstruction_and_keeps_its_best_epoch(data):
    bulk, cells, _, _, mask = data
    # Little data and a high rate overfit at once, so that the best epoch is not the last.
    few_lines, few_cells = bulk[:30].copy(), cells[:40].copy()
    settings = {"mask": mask, "hidden": 64, "lr": 0.01, "dropout": 0.0, "patience": 8, "validation": 0.3}
    model = SharedAutoencoder(max_epochs=200, **settings).pretrain(few_lines, few_cells)
    watched = model.history_.query("split == 'validation' and term == 'reconstruction'").set_index("epoch")[
        "value"
    ]
    best = watched.idxmin()
    assert watched.index[-1] == best + 8
    stopped = SharedAutoencoder(max_epochs=int(best), **settings).pretrain(few_lines, few_cells)
    assert np.array_equal(model.encode(cells), stopped.encode(cells))


@pytest.mark.parametrize("settings", [{}, {"schedule": "joint"}, {"batch_norm": True}])
def test_same_seed_same_numbers_and_the_callers_generator_is_untouched(data, settings):
    bulk, cells, new_cells, _, mask = data
    settings = {"mask": mask, "hidden": 16, "max_epochs": 3, "batch_size": 64, **settings}
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    first = SharedAutoencoder(**settings).fit(bulk, cells)
    assert torch.equal(torch.rand(3), expected)
    second = SharedAutoencoder(**settings).fit(bulk, cells)
    other = SharedAutoencoder(**settings | {"seed": 1}).fit(bulk, cells)
    assert np.array_equal(first.score_cells(new_cells), second.score_cells(new_cells))
    assert np.array_equal(first.encode(new_cells), second.encode(new_cells))
    assert not np.allclose(first.encode(new_cells), other.encode(new_cells))


@pytest.mark.skipif(not train.takes_bf16(), reason="bf16 is not taken: this processor has none, or so told")
@pytest.mark.parametrize("schedule", ["pretrain-then-classify", "joint"])
def test_bf16_products_lead_to_the_losses_and_scores_of_float32(data, monkeypatch, schedule):
    bulk, cells, new_cells, hidden, mask = data
    model = SharedAutoencoder(mask=mask, schedule=schedule, hidden=64, max_epochs=40, patience=40)
    found = {}
    for precision in ("float32", "auto"):
        monkeypatch.setenv("BULK2SC_PRECISION", precision)
        score = model.fit(bulk, cells).score_cells(new_cells)
        curves = model.history_.query("stage != 'classifier'").set_index(["split", "term", "epoch"])["value"]
        found[precision] = curves, roc_auc_score(hidden > 0, score)
    (curve, auroc), (curve_16, auroc_16) = found["float32"], found["auto"]
    assert not curve.equals(curve_16)  # bf16 was taken
    np.testing.assert_allclose(curve_16, curve, rtol=0.03, atol=0.003)
    assert auroc_16 == pytest.approx(auroc, abs=0.02)


@pytest.mark.parametrize("settings", [{"dropout": 0.5}, {"batch_norm": True}])
def test_a_score_depends_on_nothing_but_its_cell(data, settings):
    bulk, cells, new_cells, _, mask = data
    model = SharedAutoencoder(mask=mask, **QUICK | {"max_epochs": 3} | settings).fit(bulk, cells)
    score = model.score_cells(new_cells)
    assert np.array_equal(score, model.score_cells(new_cells))
    assert np.allclose(score[:3], model.score_cells(new_cells[:3]), atol=1e-6)
    assert np.allclose(score[::-1], model.score_cells(new_cells[::-1]), atol=1e-6)


def test_genes_may_be_in_another_order_and_more(data, fitted):
    new_cells = data[2]
    extra = AnnData(np.ones((150, 1)), obs=new_cells.obs, var=pd.DataFrame(index=["EXTRA"]))
    extra.layers["scaled"] = np.ones((150, 1), dtype=np.float32)
    X = np.hstack([extra.layers["scaled"], new_cells.layers["scaled"][:, ::-1]])
    shuffled = AnnData(X, obs=new_cells.obs, var=pd.DataFrame(index=["EXTRA", *GENES[::-1]]))
    shuffled.layers["scaled"] = X
    assert np.array_equal(fitted.score_cells(shuffled), fitted.score_cells(new_cells))


def test_code_has_named_dimensions_and_leads_to_the_score(data, fitted):
    new_cells, mask = data[2], data[4]
    code = fitted.encode(new_cells)
    assert code.shape == (150, 15) and list(fitted.pathways_) == list(mask.index)
    z = torch.from_numpy(code).requires_grad_()
    logit = fitted.code_logit(z)
    logit.sum().backward()
    assert z.grad.abs().sum() > 0
    assert np.allclose(torch.sigmoid(logit).detach().numpy(), fitted.score_cells(new_cells), atol=1e-6)


@pytest.mark.parametrize("stage", ["pretrained", "fitted"])
def test_saved_model_is_the_same_model(data, fitted, tmp_path, stage):
    bulk, cells, new_cells, _, mask = data
    model = fitted if stage == "fitted" else SharedAutoencoder(mask=mask, **QUICK).pretrain(bulk, cells)
    model.save(tmp_path / "model")
    loaded = load_model(str(tmp_path / "model"))
    assert np.array_equal(loaded.encode(new_cells), model.encode(new_cells))
    pd.testing.assert_frame_equal(loaded.history_, model.history_)
    pd.testing.assert_frame_equal(loaded.mask, mask, check_names=False)
    assert {**loaded.get_params(), "mask": 0} == {**model.get_params(), "mask": 0}
    score = loaded.fit_classifier(bulk).score_cells(new_cells)
    assert np.array_equal(score, fitted.score_cells(new_cells))


def test_steps_and_notebooks_have_the_defaults_of_the_model():
    own = {p.name: p.default for p in inspect.signature(SharedAutoencoder).parameters.values()}
    settings = inspect.signature(steps.autoencoder).parameters.values()
    found = {("step", p.name): p.default for p in settings if p.kind is p.KEYWORD_ONLY}
    for path in (Path(__file__).parents[1] / "notebooks").rglob("*.ipynb"):
        found |= {(path.stem, p.name): p.default for p in notebook.parameters(path) if p.name in own}
    assert len(found) > 12 and all(value == own[name] for (_, name), value in found.items())


# ------------------------------------------------------------------------------------------------- errors


def changed(adata, **columns):
    adata = adata.copy()
    for name, value in columns.items():
        adata.obs[name] = value
    return adata


def test_errors_say_what_to_do(data, fitted):
    bulk, cells, new_cells, _, mask = data

    def fit(lines=bulk, single=cells, **settings):
        return SharedAutoencoder(**{"mask": mask, **QUICK, **settings}).fit(lines, single)

    unscaled = cells.copy()
    del unscaled.layers["scaled"]
    with pytest.raises(Bulk2scError, match=r"cells: layers.*pp.pair"):
        fit(single=unscaled)
    infinite = cells.copy()
    infinite.layers["scaled"][3, 3] = np.nan
    with pytest.raises(Bulk2scError, match="NaN"):
        fit(single=infinite)
    with pytest.raises(Bulk2scError, match="60 genes, cells have 59, 59 are in both"):
        fit(single=cells[:, 1:].copy())
    with pytest.raises(Bulk2scError, match=r"response.*label_bulk"):
        fit(lines=AnnData(bulk.X, var=bulk.var, layers=dict(bulk.layers)))
    with pytest.raises(Bulk2scError, match="160 sensitive and 0 resistant"):
        fit(lines=changed(bulk, response=1.0))
    with pytest.raises(Bulk2scError, match="other than 1, 0 and NaN"):
        fit(lines=changed(bulk, response=0.3))
    with pytest.raises(Bulk2scError, match=r"lower the learning rate lr \(now 1e\+30\)"):
        fit(lr=1e30)
    with pytest.raises(Bulk2scError, match=r"schedule='join' is unknown.*Did you mean 'joint'"):
        fit(schedule="join")
    with pytest.raises(Bulk2scError, match="weights='txt' is unknown"):
        fit(weights="txt")
    with pytest.raises(Bulk2scError, match="validation=0"):
        fit(validation=0)
    with pytest.raises(Bulk2scError, match="mask lacks 1 genes"):
        fit(mask=mask.drop(columns="G005"))
    with pytest.raises(Bulk2scError, match="1 rows of a domain"):
        fit(single=cells[:1].copy())
    with pytest.raises(Bulk2scError, match=r"1 of the model's 60 genes are missing.*G000"):
        fitted.score_cells(new_cells[:, 1:].copy())
    with pytest.raises(Bulk2scError, match="not fitted"):
        SharedAutoencoder(mask=mask).score_cells(new_cells)
