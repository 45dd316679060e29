"""The masked layer against its formula, with products that skip what the mask leaves out and without."""

import pytest
import torch
from torch.nn import functional as F

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
