"""The masked layer against its formula, with products that skip what the mask leaves out and without."""

import pytest
import torch
from torch.nn import functional as F

from bulk2sc.models import masked
from bulk2sc.models.masked import MaskedLinear

needs_mkl = pytest.mark.skipif(not torch.backends.mkl.is_available(), reason="this torch has no MKL")


def few(n_latent: int = 40, n_genes: int = 300, share: float = 0.05) -> torch.Tensor:
    """A mask with few ones: a pathway without genes, a gene in no pathway, and a free row of all others."""
    mask = (torch.rand(n_latent, n_genes, generator=torch.Generator().manual_seed(0)) < share).float()
    mask[-1], mask[3], mask[:, 7] = 1.0, 0.0, 0.0
    return mask


def test_masked_weights_and_their_gradients_are_zero_outside_the_mask():
    mask = torch.tensor([[1.0, 0, 0, 1], [0, 1, 1, 0]])
    layer = MaskedLinear(mask)
    effective = torch.autograd.functional.jacobian(layer, torch.zeros(2)).T
    assert (effective[mask == 0] == 0).all() and (effective[mask == 1] != 0).all()
    layer(torch.randn(3, 2)).square().sum().backward()
    assert (layer.weight.grad.T[mask == 0] == 0).all() and (layer.weight.grad.T[mask == 1] != 0).all()


@needs_mkl
@pytest.mark.parametrize("n", [0, 1, 5])
def test_sparse_products_equal_the_formula_in_value_and_gradients(n):
    layer, z = MaskedLinear(few()), torch.randn(n, 40, requires_grad=True)
    assert layer._places is not None
    weight, bias, copy = (t.detach().clone().requires_grad_() for t in (layer.weight, layer.bias, z))
    expected = F.linear(copy, weight * few().T, bias)
    found, target = layer(z), torch.randn(n, 300)
    torch.testing.assert_close(found, expected)
    for output in (found, expected):
        (output - target).square().sum().backward()
    for one, two in ((layer.weight, weight), (layer.bias, bias), (z, copy)):
        torch.testing.assert_close(one.grad, two.grad)
    assert (layer.weight.grad[few().T == 0] == 0).all()


@needs_mkl
def test_gradients_of_sparse_products_are_those_of_finite_differences():
    layer = MaskedLinear(few(24, 60)).double()
    z = torch.randn(3, 24, dtype=torch.float64, requires_grad=True)
    product = masked._SparseProduct.apply
    assert torch.autograd.gradcheck(lambda z, w: product(z, w, layer._places), (z, layer.weight))


@needs_mkl
def test_a_layer_keeps_to_products_with_all_places_where_these_are_faster():
    assert MaskedLinear(few(share=0.3))._places is None
    with torch.autocast("cpu", torch.bfloat16):
        assert MaskedLinear(few())(torch.randn(2, 40)).dtype == torch.bfloat16
    layer, z = MaskedLinear(few()), torch.randn(40)
    torch.testing.assert_close(layer(z), layer(z[None])[0])


@needs_mkl
def test_training_by_sparse_products_is_training_by_all(monkeypatch):
    x = torch.randn(8, 300)

    def trained() -> torch.Tensor:
        torch.manual_seed(0)
        layer, z = MaskedLinear(few()), torch.randn(8, 40)
        optimiser = torch.optim.Adam(layer.parameters(), fused=True)
        for _ in range(20):
            optimiser.zero_grad()
            F.mse_loss(layer(z), x).backward()
            optimiser.step()
        return layer.weight.detach()

    sparse = trained()
    monkeypatch.setattr(masked, "DENSE", 0.0)
    torch.testing.assert_close(sparse, trained(), atol=1e-5, rtol=1e-4)
