"""P-values and intervals that all comparisons share."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats
from statsmodels.stats.multitest import multipletests

from bulk2sc.errors import Bulk2scError


def t_half(error: ArrayLike, n: ArrayLike) -> np.ndarray:
    """Return half the width of the 95 % t interval of means with these standard errors, of n values each.

    It is NaN for a single value. The arguments may be numbers or arrays of one shape.
    """
    n = np.asarray(n, float)
    return stats.t.ppf(0.975, np.where(n > 1, n - 1, np.nan)) * np.asarray(error, float)


class Evidence(NamedTuple):
    """What a number of lines can show at most.

    Attributes
    ----------
    floor
        Smallest two-sided p-value of an exact permutation of the lines.
    df
        Degrees of freedom of a spread over lines: one less than the lines of the smaller class.
    """

    floor: float = 0.0
    df: float = np.inf

    @property
    def too_little(self) -> bool:
        """Whether no arrangement could reach p < .05, or a class has fewer than four lines."""
        return self.floor > 0.05 or self.df < 3


MANY_LINES = Evidence()  # as much as one likes


def bootstrap_p(value: float, draws: np.ndarray, known: Evidence = MANY_LINES) -> float:
    """Return the two-sided p-value of no difference, from bootstrap draws of whole lines.

    Draws of few lines repeat what these lines happen to show, and all fall on one side of 0 far too often. So
    the p-value is the largest of three: that of the draws, the smallest that the lines can reach, and that of
    the value over the standard deviation of its draws, by the t distribution.

    Parameters
    ----------
    value
        The difference itself.
    draws
        Array (n_draws,); NaN do not count. The p-value is never below one over the number of the others.
    known
        What the lines can show; by default as much as one likes.
    """
    draws = np.asarray(draws, float)[~np.isnan(draws)]
    if not len(draws) or np.isnan(value):
        return np.nan
    sides = 2 * min((draws <= 0).mean(), (draws >= 0).mean())
    spread = draws.std(ddof=1) if len(draws) > 1 else 0.0
    by_t = 2 * stats.t.sf(abs(value) / spread, known.df) if spread > 0 else float(value == 0)
    return float(min(1.0, max(sides, 1 / len(draws), known.floor, by_t)))


def holm(p: pd.Series) -> pd.Series:
    """Correct a family of p-values by Holm's method; NaN are no tests and stay."""
    tested = p.notna()
    corrected = multipletests(p[tested], method="holm")[1] if tested.any() else []
    return pd.Series(corrected, index=p.index[tested], dtype=float).reindex(p.index)


def enough_draws(n_draws: int, n_tests: int) -> None:
    """Refuse so few draws that no `bootstrap_p` could be below .05 once it is corrected for all tests."""
    if n_tests / n_draws >= 0.05:
        raise Bulk2scError(
            f"n_draws is {n_draws}: corrected for {n_tests} comparisons, no p-value could be below .05; "
            f"ask for more than {20 * n_tests}"
        )
