"""Sentences that state an outcome, computed from the numbers at hand.

The same chapter is rendered for other drugs and other cells, so what it says must follow from its own
results. Each function returns one or two sentences of Markdown and has a test for every branch.
"""

from bulk2sc.prose.attribution import agreement, association, contrast, free_share
from bulk2sc.prose.calibration import (
    calibrated,
    discrepancy,
    goes_with,
    meets_and_predicts,
    moved,
    sides,
)
from bulk2sc.prose.clustering import (
    compacted,
    cut_short,
    false_clusters,
    joined,
    line_or_sample,
    recovery,
    widest_of_nothing,
    width_of_nothing,
    widths_of_studies,
)
from bulk2sc.prose.comparison import above_chance, best, chosen, degenerate, difference
from bulk2sc.prose.labelling import (
    SWEPT,
    against_table1,
    breaks,
    cells_of_table1,
    effect_of_exclusion,
    finds,
    rule_in_force,
    steps_in_force,
)
from bulk2sc.prose.model import against_components, mixed, own_places, reconstruction, redundancy, separation
from bulk2sc.prose.origin import classes, counts_used, kind_of_expression, origin_of_cells, origin_of_lines
from bulk2sc.prose.published import answers_that_look_at_nothing, flipping_runs, implied_answers
from bulk2sc.prose.quality import expected_doublets, found, spared, uneven
from bulk2sc.prose.resources import plus_minus, told_from
from bulk2sc.prose.tuning import SETTINGS, choice, looking, told_apart
from bulk2sc.prose.words import (
    LABELS,
    interval,
    listing,
    over_runs,
    percent,
    share,
    spread,
    with_intervals,
    written,
)

__all__ = [
    "LABELS",
    "SETTINGS",
    "SWEPT",
    "above_chance",
    "against_components",
    "against_table1",
    "agreement",
    "answers_that_look_at_nothing",
    "association",
    "best",
    "breaks",
    "calibrated",
    "cells_of_table1",
    "choice",
    "chosen",
    "classes",
    "compacted",
    "contrast",
    "counts_used",
    "cut_short",
    "degenerate",
    "difference",
    "discrepancy",
    "effect_of_exclusion",
    "expected_doublets",
    "false_clusters",
    "finds",
    "flipping_runs",
    "found",
    "free_share",
    "goes_with",
    "implied_answers",
    "interval",
    "joined",
    "kind_of_expression",
    "line_or_sample",
    "listing",
    "looking",
    "meets_and_predicts",
    "mixed",
    "moved",
    "origin_of_cells",
    "origin_of_lines",
    "over_runs",
    "own_places",
    "percent",
    "plus_minus",
    "reconstruction",
    "recovery",
    "redundancy",
    "rule_in_force",
    "separation",
    "share",
    "sides",
    "spared",
    "spread",
    "steps_in_force",
    "told_apart",
    "told_from",
    "uneven",
    "widest_of_nothing",
    "width_of_nothing",
    "widths_of_studies",
    "with_intervals",
    "written",
]
