import pytest
import torch

from bulk2sc.clustering import attention as module
from bulk2sc.clustering.attention import attend


def plain(query, key, value):
    """The formula, head by head, of matrices features x cells."""
    heads = zip(query, key, value, strict=True)
    return torch.stack([v @ torch.softmax(q.T @ k / q.shape[0] ** 0.5, dim=1).T for q, k, v in heads])


def drawn(width, n=53, m=41, spread=1.0):
    """Query, key and value of 3 heads, in double precision."""
    torch.manual_seed(0)
    shapes = (3, width, n), (3, width, m), (3, width, m)
    return [(spread * torch.randn(shape, dtype=torch.double)).requires_grad_() for shape in shapes]


@pytest.mark.parametrize("width", [1, 2, 8])
@pytest.mark.parametrize("held", [1, 20 * 41, 2**19])
def test_value_and_gradients_are_those_of_the_formula(width, held, monkeypatch):
    monkeypatch.setattr(module, "WEIGHTS", held)  # blocks of 16 queries, of 20, and of all
    parts = drawn(width)
    found, expected = attend(*parts), plain(*parts)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    direction = torch.randn_like(expected)
    torch.testing.assert_close(
        torch.autograd.grad(found, parts, direction),
        torch.autograd.grad(expected, parts, direction),
        rtol=1e-10,
        atol=1e-12,
    )


def test_scores_beyond_what_an_exponential_holds_stay_finite():
    parts = [part.detach().float().requires_grad_() for part in drawn(2, spread=100.0)]
    found = attend(*parts)
    assert torch.isfinite(found).all()
    assert all(torch.isfinite(g).all() for g in torch.autograd.grad(found.sum(), parts))
    torch.testing.assert_close(found, plain(*parts), rtol=1e-3, atol=1e-1)
