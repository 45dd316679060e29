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


def test_gradients_are_the_differences_of_the_values():
    assert torch.autograd.gradcheck(attend, drawn(2, n=5, m=4))


def test_single_precision_is_as_close_as_torch_itself():
    query, key, value = (part.detach().float() for part in drawn(8, spread=3.0))
    exact = plain(query.double(), key.double(), value.double())
    torch.testing.assert_close(attend(query, key, value).double(), exact, rtol=1e-5, atol=2e-5)


def test_scores_beyond_what_an_exponential_holds_stay_finite():
    parts = [part.detach().float().requires_grad_() for part in drawn(2, spread=100.0)]
    found = attend(*parts)
    assert torch.isfinite(found).all()
    assert all(torch.isfinite(g).all() for g in torch.autograd.grad(found.sum(), parts))
    torch.testing.assert_close(found, plain(*parts), rtol=1e-3, atol=1e-1)


def test_numbers_are_the_same_with_any_number_of_threads(threads, monkeypatch):
    monkeypatch.setattr(module, "WEIGHTS", 20 * 41)

    def value_and_gradients():
        parts = drawn(8)
        fused = attend(*parts)
        return fused, *torch.autograd.grad(fused.square().sum(), parts)

    one, *others = (threads(n, value_and_gradients) for n in (1, 2, 3))
    for other in others:
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
