"""Check, name, filter, normalise, pool and pair the data; each function returns a new AnnData."""

from bulk2sc.datasets.own import check_cells, detect_scale, resolve_symbols
from bulk2sc.pp.cells import doublets, enough_genes, normalise, qc_flags, scale_like, with_counts, zscore
from bulk2sc.pp.lines import hold_out_own_lines, known_line, line_notes, own_lines, train_lines
from bulk2sc.pp.pair import blind, pair
from bulk2sc.pp.pooling import most_neighbours, pool
