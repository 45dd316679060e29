"""The loss of counts and the training that gathers cells, which the clustering networks share."""

import numpy as np
import pytest
import torch
from anndata import AnnData
from scipy import sparse, stats
from sklearn.metrics import adjusted_rand_score
from torch import nn

from bulk2sc.clustering import parts
from bulk2sc.errors import Bulk2scError


def plain_loss(counts, mean, dispersion, logit):
    """The textbook formula, with log-gamma at every entry."""
    counts, pi = torch.as_tensor(counts), torch.sigmoid(logit)
    nb = (
        torch.lgamma(counts + dispersion)
        - torch.lgamma(dispersion)
        - torch.lgamma(counts + 1)
        + dispersion * torch.log(dispersion / (dispersion + mean))
        + counts * torch.log(mean / (dispersion + mean))
    )
    likelihood = (1 - pi) * nb.exp() + pi * (counts == 0)
    return -likelihood.log().mean()


@pytest.fixture
def example():
    """Counts of 30 cells and 7 genes, most of them 0, with parameters of double precision."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(rng.choice([0.1, 3.0, 20.0], (30, 7))).astype(float)
    mean, dispersion = (torch.from_numpy(rng.gamma(2.0, 1.0, (30, 7))) for _ in range(2))
    parameters = mean, dispersion, torch.from_numpy(rng.normal(size=(30, 7)))
    return counts, [p.requires_grad_() for p in parameters]


def test_closed_form_and_its_gradients_are_the_textbook_formulas(example):
    counts, parameters = example
    assert 0.2 < (counts == 0).mean() < 0.8
    positions, values = parts.nonzeros(sparse.csr_matrix(counts))
    found, expected = (
        parts.zinb_loss(*parameters, positions, values.double()),
        plain_loss(*example[:1], *parameters),
    )
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=0)
    gradients = (torch.autograd.grad(loss, parameters) for loss in (found, expected))
    torch.testing.assert_close(*gradients, rtol=1e-8, atol=1e-10)


def test_without_inflation_it_is_scipys_negative_binomial(example):
    counts, (mean, dispersion, logit) = example
    mean, dispersion = mean.detach(), dispersion.detach()
    p = (dispersion / (dispersion + mean)).numpy()
    expected = -stats.nbinom.logpmf(counts, dispersion.numpy(), p).mean()
    positions, values = parts.nonzeros(sparse.csr_matrix(counts))
    never = torch.full_like(logit, -60.0)
    assert parts.zinb_loss(mean, dispersion, never, positions, values).item() == pytest.approx(expected)


def test_extreme_parameters_stay_finite():
    counts = sparse.csr_matrix([[0.0, 0.0, 5000.0, 1.0]])
    extremes = [[1e-5, 1e5, 1e-5, 1e5]], [[1e-4, 1e3, 1e-4, 1e3]], [[80.0, -80.0, 80.0, -80.0]]
    parameters = [torch.tensor(values, requires_grad=True) for values in extremes]
    loss = parts.zinb_loss(*parameters, *parts.nonzeros(counts))
    assert torch.isfinite(loss) and all(
        torch.isfinite(g).all() for g in torch.autograd.grad(loss, parameters)
    )


@pytest.mark.parametrize("rows", [4, 100])
def test_parts_give_the_loss_and_the_gradients_of_the_whole(example, rows):
    counts = sparse.csr_matrix(example[0])
    torch.manual_seed(0)
    decoder = parts.ZINBDecoder(5, 7).double()
    hidden = torch.randn(30, 5, dtype=torch.double, requires_grad=True)
    mean, dispersion, logit = decoder(hidden)
    whole = plain_loss(example[0], parts.size_factors(counts) * mean, dispersion, logit)
    found = parts.ZINBReconstruction(counts, rows=rows)(decoder, hidden)
    torch.testing.assert_close(found, whole, rtol=1e-6, atol=0)
    gradients = (torch.autograd.grad(loss, [hidden, *decoder.parameters()]) for loss in (found, whole))
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-8)


def test_size_factors_are_totals_over_their_median_and_one_for_an_empty_cell():
    counts = sparse.csr_matrix(np.array([[1.0, 1], [2, 2], [0, 0], [4, 4]]))
    assert parts.size_factors(counts).flatten().tolist() == [0.5, 1, 1, 2]


@pytest.mark.parametrize("wrong", [-1.0, 0.5])
def test_counts_that_are_none_are_refused_in_one_line(wrong):
    cells = AnnData(np.zeros((2, 2)), layers={"counts": np.array([[wrong, 1.0], [2, 3]])})
    with pytest.raises(Bulk2scError, match=rf'^a method: layers\["counts"\] holds 1 .*such as {wrong:g}.*$'):
        parts.whole_counts(cells, "a method")
    with pytest.raises(Bulk2scError, match=r'a method models raw counts and there is no layers\["counts"\]'):
        parts.whole_counts(AnnData(np.zeros((2, 2))), "a method")


# --------------------------------------------------------------------------------------------- soft clusters


def test_assignment_and_its_target_are_those_worked_out_by_hand():
    codes, centres = torch.tensor([[0.0, 0.0], [3.0, 0.0]]), torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    # kernels 1, 1/2 and 1/10, 1/5
    expected = torch.tensor([[2 / 3, 1 / 3], [1 / 3, 2 / 3]])
    torch.testing.assert_close(parts.assignment(codes, centres), expected)
    q = torch.tensor([[0.5, 0.5], [0.25, 0.75]], requires_grad=True)
    p, weight = parts.sharpened(q), np.array([[0.25 / 0.75, 0.25 / 1.25], [0.0625 / 0.75, 0.5625 / 1.25]])
    np.testing.assert_allclose(p.numpy(), weight / weight.sum(1, keepdims=True), rtol=1e-6)
    assert not p.requires_grad


class Free(nn.Module):
    """A code with no network in front: two groups of 50 cells, not quite apart."""

    def __init__(self):
        super().__init__()
        codes = np.random.default_rng(0).normal(size=(100, 2)) + 4 * TWO[:, None]
        self.codes = nn.Parameter(torch.as_tensor(codes, dtype=torch.float32))

    def encode(self):
        return self.codes, {"other": 0 * self.codes.sum()}


TWO = np.repeat([0, 1], 50)


def test_sharpening_gathers_cells_and_corrects_wrong_labels():
    module, given = Free(), TWO.copy()
    before = module.codes.detach()[:50].std(dim=0).mean()
    given[:10] = 1
    labels, history = parts.sharpen(module, module.encode, given, lr=0.05)
    assert adjusted_rand_score(TWO, labels) > 0.95 > adjusted_rand_score(TWO, given)
    assert module.codes[:50].std(dim=0).mean() < 0.7 * before
    assert not module.training
    assert set(history["term"]) == {"total", "KL", "other", "changed"}


@pytest.mark.parametrize(("most", "epochs"), [(60, 20), (7, 7)])
def test_training_ends_when_no_label_changes_but_not_before_20_epochs(most, epochs):
    module = Free()
    _, history = parts.sharpen(module, module.encode, TWO, lr=1e-4, max_epochs=most)
    assert history["epoch"].max() == epochs


def test_one_cluster_is_returned_with_a_warning():
    module = Free()
    with pytest.warns(UserWarning, match="all cells are one cluster"):
        labels, history = parts.sharpen(module, module.encode, 0 * TWO, progress="x")
    assert (labels == 0).all() and history.empty and not module.training
