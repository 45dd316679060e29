"""Measures of codes against values known by construction."""

import numpy as np
import pandas as pd
import pytest

from bulk2sc import latent

RNG = np.random.default_rng(0)
N, D = 240, 6
DOMAIN = np.arange(N) >= N // 3
LINES = [f"line {i}" for i in np.arange(N) % 24]


@pytest.fixture
def noise():
    return np.random.default_rng(1).normal(size=(N, D))


def test_domains_of_noise_cannot_be_told_apart_and_shifted_ones_can(noise):
    assert latent.domain_auroc(noise, DOMAIN, LINES).mean() == pytest.approx(0.5, abs=0.12)
    shifted = latent.domain_auroc(noise + 3 * DOMAIN[:, None], DOMAIN, LINES)
    assert len(shifted) == 5 and shifted.min() > 0.95


def test_a_line_is_never_on_both_sides_of_a_fold(noise):
    """Groups that determine the domain but carry no general rule cannot be learnt from themselves."""
    lines = [f"{domain} {i % 12}" for i, domain in enumerate(DOMAIN)]
    marks = {line: RNG.normal(size=40) for line in sorted(set(lines))}
    by_line = np.array([marks[line] for line in lines])
    assert latent.domain_auroc(by_line, DOMAIN, lines).mean() < 0.9
    assert latent.domain_auroc(by_line, DOMAIN, [str(i) for i in range(N)]).mean() > 0.9


def test_mmd_by_hand():
    code, is_cell = np.array([[0.0], [1], [3], [3]]), np.array([False, False, True, True])
    kernel, of_cells = latent.line_kernel(code, is_cell, ["a", "b", "c", "d"])
    assert of_cells.tolist() == is_cell.tolist()
    # Distances 1, 3, 3, 2, 2, 0: their squares have the median 4.
    k = lambda d: np.exp(-(d**2) / 8)  # noqa: E731
    np.testing.assert_allclose(kernel[0], [1, k(1), k(3), k(3)])
    expected = k(1) + k(0) - (k(3) + k(2))  # within, within, twice the mean between
    assert latent.mmd(kernel, ~is_cell, is_cell) == pytest.approx([expected])
    assert np.isnan(latent.mmd(kernel, [[1, 1, 0, 0]], [[0, 0, 1, 0]])).all(), "one line has no pair"


def test_draws_of_mmd_find_a_shift_and_no_other(noise):
    lines = [str(i) for i in range(N)]
    same, moved = (
        latent.mmd_draws(*latent.line_kernel(noise + s * DOMAIN[:, None], DOMAIN, lines)) for s in (0, 1)
    )
    assert moved["mmd"][0] > moved["null"].max() and same["mmd"][0] < same["null"].quantile(0.99)
    assert abs(moved["null"].mean()) < 0.01 and np.isnan(moved["null"][0])
    low, high = moved["mmd"][1:].quantile([0.025, 0.975])
    assert low < moved["mmd"][0] < high and low > 0
    pd.testing.assert_frame_equal(same, latent.mmd_draws(*latent.line_kernel(noise, DOMAIN, lines)))
