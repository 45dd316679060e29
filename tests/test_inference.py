"""Intervals, by hand and by scipy."""

import numpy as np
import pytest
from scipy import stats

from bulk2sc import inference


def test_intervals_are_percentiles_of_many_lines_and_wider_of_few():
    draws, many = np.random.default_rng(0).normal(0, 1, 200_000), inference.Evidence()
    assert inference.bootstrap_interval(draws, many) == pytest.approx(np.quantile(draws, [0.025, 0.975]))
    # Draws of the mean of n values have a variance of (n - 1) / n of what a t interval takes.
    n = 10
    low, high = inference.bootstrap_interval(draws, inference.Evidence(0, (n,)))
    half = stats.t.ppf(0.975, n - 1) * np.sqrt(n / (n - 1))
    assert high == pytest.approx(half, abs=0.05) and low == pytest.approx(-half, abs=0.05)
    assert inference.bootstrap_interval(np.clip(draws, 0, 1), inference.Evidence(0, (4, 4))) == (0, 1)
    assert np.isnan(inference.bootstrap_interval(draws, inference.Evidence(0.05, (9, 9)))).all()
    assert np.isnan(inference.bootstrap_interval(np.array([np.nan, *np.ones(18)]), many)).all()
