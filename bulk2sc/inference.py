"""Draws of lines, and the intervals that all comparisons share."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

MIN_LINES = 4  # of each class; fewer give no interval
DEFINED = 0.95  # share of draws with a value, below which there is no interval


def line_weights(lines: Iterable[str], *, n_draws: int = 2000, seed: int = 0) -> np.ndarray:
    """Draw whole lines with replacement: how often each row counts, since rows of a line are replicates.

    Parameters
    ----------
    lines
        The line of each row; may be empty.
    n_draws, seed
        Number of draws, and the seed: the same lines and seed give the same draws, so what is computed from
        them is paired.

    Returns
    -------
    Array (1 + n_draws, n_rows): once each, then the draws.
    """
    names, member = np.unique(np.asarray(list(lines), str), return_inverse=True)
    if not len(names):
        return np.ones((1 + n_draws, 0))
    times = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), n_draws)
    return np.vstack([np.ones(len(member)), times[:, member]])


class Evidence(NamedTuple):
    """What a number of lines can show at most.

    Attributes
    ----------
    floor
        Smallest two-sided p-value of an exact permutation of the lines.
    sizes
        Number of lines, or of the lines of each class; none given: as many as one likes.
    """

    floor: float = 0.0
    sizes: tuple[int, ...] = ()

    @property
    def df(self) -> float:
        """Degrees of freedom of a spread over lines: n - 1, of two classes Welch's for equal spreads."""
        n = np.asarray(self.sizes, float)
        if not len(n):
            return np.inf
        return float((1 / n).sum() ** 2 / (1 / (n**2 * (n - 1))).sum()) if n.min() > 1 else 0.0

    @property
    def inflation(self) -> float:
        """What the spread of draws lacks: their variance divides by the number of lines, not by one less."""
        n = min(self.sizes, default=np.inf)
        return float(np.sqrt(1 / (1 - 1 / n))) if n > 1 else np.nan

    def widened(self, deviation: ArrayLike) -> np.ndarray:
        """Return the deviation, in standard errors of the draws, that is as rare as this one of a normal."""
        return self.inflation * stats.t.isf(stats.norm.sf(deviation), self.df)

    @property
    def too_little(self) -> bool:
        """Whether no arrangement could reach p < .05, or a class has fewer than four lines."""
        return self.floor >= 0.05 or min(self.sizes, default=MIN_LINES) < MIN_LINES


def bootstrap_interval(draws: np.ndarray, known: Evidence) -> tuple[float, float]:
    """Return the 95 % interval of a value from its bootstrap draws of whole lines.

    Percentiles of few lines are too narrow. They are moved outwards, to where a t interval would end if draws
    were normal (the expanded percentile interval of Hesterberg 2015, doi:10.1080/00031305.2015.1089789), and
    stay within the range of the value.

    Parameters
    ----------
    draws
        Array (n_draws,).
    known
        What the lines can show; as much as one likes gives the 2.5 and 97.5 % points.

    Returns
    -------
    tuple
        low, high; NaN where the lines show too little, or more than one draw in twenty is not defined.
    """
    draws = np.asarray(draws, float)
    defined = draws[~np.isnan(draws)]
    if known.too_little or len(defined) < DEFINED * len(draws):
        return np.nan, np.nan
    tail = stats.norm.sf(known.widened(stats.norm.isf(0.025)))
    return tuple(np.quantile(defined, [tail, 1 - tail]))
