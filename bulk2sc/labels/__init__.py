"""Who is sensitive and who is resistant: lines by measured response, cells by the rule of their data set."""

from bulk2sc.labels.answer import answer
from bulk2sc.labels.cells import (
    INTRINSIC,
    ClassLost,
    label_cells,
    mark_intrinsic_resistance,
    mark_normal_cells,
)
from bulk2sc.labels.identify import STRANGER, identity, leave_out_strangers
from bulk2sc.labels.lines import (
    MIN_LINES,
    label_bulk,
    ranked_response,
    respond,
    response_of,
    tails,
    truth_from_lines,
)
from bulk2sc.labels.rules import MARKERS, Rule, read_rule, rule_for
