"""Plots of the book. Each takes tidy data and an optional Axes, and returns the Axes."""

from bulk2sc.pl.cells import before_and_after, composition, embedding, quality
from bulk2sc.pl.comparison import by_answer, intervals
from bulk2sc.pl.controls import exposures
from bulk2sc.pl.lines import tails, two_measures
from bulk2sc.pl.look import (
    DEPTH,
    NEUTRAL,
    OUTLINE,
    PLANTED,
    RESISTANT,
    RESPONSE,
    SENSITIVE,
    log_axis,
    response_names,
    short,
    style,
)
from bulk2sc.pl.pathways import mask_picture, mask_sizes, pathway_heatmap, pathway_ranking
from bulk2sc.pl.training import STAGES, loss_curves, stage_legend, stages
from bulk2sc.pl.tuning import by_value
