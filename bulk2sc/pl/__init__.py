"""Plots of the book. Each takes tidy data and an optional Axes, and returns the Axes."""

from bulk2sc.pl.cells import composition, embedding
from bulk2sc.pl.comparison import differences, methods
from bulk2sc.pl.look import (
    NEUTRAL,
    OUTLINE,
    RESISTANT,
    RESPONSE,
    SENSITIVE,
    levels,
    log_axis,
    response_names,
    short,
    style,
)
