"""Sentences that state an outcome, computed from the numbers at hand.

The same chapter is rendered for other drugs and other cells, so what it says must follow from its own
results. Each function returns one or two sentences of Markdown.
"""

from bulk2sc.prose.ablation import (
    added,
    beside_table_3,
    better_schedule,
    critic_lost,
    harder_to_tell,
    overfits,
    rung_chosen,
    size_of_ladder,
    spreads,
    under_adversary,
)
from bulk2sc.prose.attribution import agreement, association, contrast, free_share
from bulk2sc.prose.comparison import above_chance, chosen, degenerate, difference
from bulk2sc.prose.controls import (
    calls_of_exposed,
    clear_of_shuffled,
    confounding,
    cost_of_controls,
    leakage,
    mistakes_exposure,
    no_exposure,
    nothing_to_leak,
    parts_that_matter,
    treatment_only,
    unshifted,
    within_samples,
)
from bulk2sc.prose.labelling import cells_of_table1
from bulk2sc.prose.model import against_components, mixed, own_places, reconstruction, redundancy, separation
from bulk2sc.prose.origin import (
    NOT_JUDGED,
    classes,
    judged_cells,
    kind_of_expression,
    origin_of_cells,
    origin_of_lines,
)
from bulk2sc.prose.published import (
    implied_answers,
)
from bulk2sc.prose.quality import expected_doublets, found, spared, uneven
from bulk2sc.prose.resources import plus_minus, told_from
from bulk2sc.prose.tuning import SETTINGS, choice, looking, told_apart
from bulk2sc.prose.words import (
    LABELS,
    counted,
    heading,
    interval,
    listing,
    percent,
    rounded,
    share,
    share_with_interval,
    spread,
    with_intervals,
    written,
)
