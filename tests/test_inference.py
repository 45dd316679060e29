"""P-values and intervals, by hand and by scipy."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bulk2sc import inference
from bulk2sc.errors import Bulk2scError


def test_t_interval_is_scipys_and_one_value_has_none():
    values = np.array([0.2, 0.5, 0.9, 0.4])
    low, high = stats.t.interval(0.95, 3, values.mean(), stats.sem(values))
    assert inference.t_half(stats.sem(values), 4) == pytest.approx((high - low) / 2)
    both = inference.t_half([0.1, 0.1], [1, 2])
    assert np.isnan(both[0]) and both[1] == pytest.approx(0.1 * stats.t.ppf(0.975, 1))
    assert np.isnan(inference.t_half(np.nan, 0))


def test_holm_by_hand_and_what_is_no_test_stays():
    p = pd.Series([0.01, np.nan, 0.04, 0.03], index=list("abcd"))
    # The smallest three times, the next two times, and none below the one before.
    corrected = inference.holm(p)
    assert corrected.dropna().to_dict() == pytest.approx({"a": 0.03, "c": 0.06, "d": 0.06})
    assert np.isnan(corrected["b"]) and inference.holm(p[["b"]]).isna().all()


def test_p_of_draws_has_a_floor_a_ceiling_and_no_use_for_nan():
    assert inference.bootstrap_p(1, np.ones(50)) == 1 / 50
    assert inference.bootstrap_p(5, np.array([1.0] * 39 + [-1])) == pytest.approx(0.05)
    assert inference.bootstrap_p(0, np.zeros(5)) == 1
    assert inference.bootstrap_p(1, np.array([np.nan, *np.ones(19)])) == 1 / 19
    assert np.isnan(inference.bootstrap_p(1, np.array([np.nan, *np.ones(18)]))), "too many are not defined"
    assert np.isnan(inference.bootstrap_p(1, np.array([np.nan])))
    assert np.isnan(inference.bootstrap_p(np.nan, np.ones(5)))


def test_p_of_draws_is_no_smaller_than_lines_and_their_spread_allow():
    draws = np.random.default_rng(0).normal(3, 1, 5000)
    few = inference.Evidence(floor=2 / 70, sizes=(4,))
    by_t = 2 * stats.t.sf(3 / (np.sqrt(4 / 3) * draws.std(ddof=1)), 3)
    assert inference.bootstrap_p(3, draws, few) == pytest.approx(by_t) and by_t > 0.05
    assert inference.bootstrap_p(30, draws + 27, few) == 2 / 70
    assert inference.bootstrap_p(3, draws) < 0.01


def test_intervals_are_percentiles_of_many_lines_and_wider_of_few():
    draws = np.random.default_rng(0).normal(0, 1, 200_000)
    assert inference.bootstrap_interval(draws) == pytest.approx(np.quantile(draws, [0.025, 0.975]))
    # Draws of the mean of n values have a variance of (n - 1) / n of what a t interval takes.
    n = 10
    low, high = inference.bootstrap_interval(draws, inference.Evidence(0, (n,)))
    half = stats.t.ppf(0.975, n - 1) * np.sqrt(n / (n - 1))
    assert high == pytest.approx(half, abs=0.05) and low == pytest.approx(-half, abs=0.05)
    assert inference.bootstrap_interval(np.clip(draws, 0, 1), inference.Evidence(0, (4, 4))) == (0, 1)
    assert np.isnan(inference.bootstrap_interval(draws, inference.Evidence(0.05, (9, 9)))).all()
    assert np.isnan(inference.bootstrap_interval(np.array([np.nan, *np.ones(18)]))).all()


def test_a_few_lines_show_too_little_of_many_comparisons():
    five_a_class = inference.Evidence(2 / 252, (5, 5))
    assert five_a_class.among(6) == five_a_class and five_a_class.among(7).too_little
    assert inference.MANY_LINES.among(1000) == inference.MANY_LINES


def test_too_few_draws_are_refused():
    inference.enough_draws(1000, 49)
    with pytest.raises(Bulk2scError, match="n_draws is 1000: corrected for 50 comparisons"):
        inference.enough_draws(1000, 50)
