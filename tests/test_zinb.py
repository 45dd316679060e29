import numpy as np
import pytest
import torch
from anndata import AnnData
from scipy import sparse, stats

from bulk2sc.clustering import zinb
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
    positions, values = zinb.nonzeros(sparse.csr_matrix(counts))
    found = zinb.zinb_loss(*parameters, positions, values.double())
    expected = plain_loss(counts, *parameters)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=0)
    torch.testing.assert_close(
        torch.autograd.grad(found, parameters),
        torch.autograd.grad(expected, parameters),
        rtol=1e-8,
        atol=1e-10,
    )


def test_without_inflation_it_is_scipys_negative_binomial(example):
    counts, (mean, dispersion, logit) = example
    mean, dispersion = mean.detach(), dispersion.detach()
    p = (dispersion / (dispersion + mean)).numpy()
    expected = -stats.nbinom.logpmf(counts, dispersion.numpy(), p).mean()
    positions, values = zinb.nonzeros(sparse.csr_matrix(counts))
    never = torch.full_like(logit, -60.0)
    assert zinb.zinb_loss(mean, dispersion, never, positions, values).item() == pytest.approx(expected)


def test_extreme_parameters_stay_finite():
    counts = sparse.csr_matrix([[0.0, 0.0, 5000.0, 1.0]])
    mean = torch.tensor([[1e-5, 1e5, 1e-5, 1e5]], requires_grad=True)
    dispersion = torch.tensor([[1e-4, 1e3, 1e-4, 1e3]], requires_grad=True)
    logit = torch.tensor([[80.0, -80.0, 80.0, -80.0]], requires_grad=True)
    loss = zinb.zinb_loss(mean, dispersion, logit, *zinb.nonzeros(counts))
    gradients = torch.autograd.grad(loss, [mean, dispersion, logit])
    assert torch.isfinite(loss) and all(torch.isfinite(g).all() for g in gradients)


@pytest.mark.parametrize("rows", [4, 30, 100])
def test_chunks_give_the_loss_and_the_gradients_of_the_whole(example, rows):
    counts = sparse.csr_matrix(example[0])
    torch.manual_seed(0)
    decoder = zinb.ZINBDecoder(5, 7).double()
    hidden = torch.randn(30, 5, dtype=torch.double, requires_grad=True)
    mean, dispersion, logit = decoder(hidden)
    whole = plain_loss(example[0], zinb.size_factors(counts) * mean, dispersion, logit)
    chunked = zinb.ZINBReconstruction(counts, rows=rows)(decoder, hidden)
    torch.testing.assert_close(chunked, whole, rtol=1e-6, atol=0)
    wanted = [hidden, *decoder.parameters()]
    torch.testing.assert_close(
        torch.autograd.grad(3 * chunked, wanted), torch.autograd.grad(3 * whole, wanted), rtol=1e-5, atol=1e-8
    )


def test_size_factors_are_totals_over_their_median_and_one_for_an_empty_cell():
    counts = sparse.csr_matrix(np.array([[1.0, 1], [2, 2], [0, 0], [4, 4]]))
    assert zinb.size_factors(counts).flatten().tolist() == [0.5, 1, 1, 2]


@pytest.mark.parametrize("wrong", [-1.0, 0.5])
def test_counts_that_are_none_are_refused_in_one_line(wrong):
    cells = AnnData(np.zeros((2, 2)), layers={"counts": np.array([[wrong, 1.0], [2, 3]])})
    with pytest.raises(Bulk2scError, match=rf'^a method: layers\["counts"\] holds 1 .*such as {wrong:g}.*$'):
        zinb.whole_counts(cells, "a method")
    with pytest.raises(Bulk2scError, match=r'a method models raw counts and there is no layers\["counts"\]'):
        zinb.whole_counts(AnnData(np.zeros((2, 2))), "a method")
