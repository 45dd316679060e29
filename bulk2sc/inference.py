"""P-values and intervals that all comparisons share."""

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


def bootstrap_p(gap: np.ndarray) -> float:
    """Return the two-sided p-value of no difference from bootstrap draws of one, (n_draws,).

    Draws that are NaN do not count; it is never below one over the number of the others.
    """
    gap = np.asarray(gap, float)[~np.isnan(gap)]
    if not len(gap):
        return np.nan
    return float(min(1.0, max(2 * min((gap <= 0).mean(), (gap >= 0).mean()), 1 / len(gap))))


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
