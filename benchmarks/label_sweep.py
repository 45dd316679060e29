"""How well does the labelling find what was planted? Simulated cells of real lines, over settings and seeds.

Varied one at a time: UMIs of a cell, size of the change by treatment, share of hidden resistant cells,
resolution of the clustering, number of variable genes. Each seed draws other lines and other cells.
Run: python benchmarks/label_sweep.py [--out FILE]
"""

import argparse
from pathlib import Path

import pandas as pd

from bulk2sc import datasets, label_sweep

DRUG = "Cisplatin"
MIN_GENES = 30  # cells of 125 UMIs have about 90 genes
VARY = {
    "depth": [125, 250, 500, 1000, 2000, 5000],
    "shift": [0, 0.25, 0.5, 1, 1.5, 2, 3],
    "hidden_resistant": [0.05, 0.1, 0.15, 0.2, 0.25, 0.35],
    "resolution": [0.001, 0.01, 0.1, 1, 10, 30, 100],
    "n_hvg": [500, 1000, 2000, 4000],
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10, metavar="N", help="simulations of each setting")
    parser.add_argument("--cells", type=int, default=1200, metavar="N", help="cells of each simulation")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write every value as CSV")
    asked = parser.parse_args()
    bulk = datasets.load_bulk("gdsc2")
    options = {"n_cells": asked.cells, "min_genes": MIN_GENES, "progress": lambda m: print(m, flush=True)}
    table = label_sweep.sweep(bulk, drug=DRUG, vary=VARY, seeds=range(asked.seeds), **options)
    if asked.out:
        table.assign(drug=DRUG, n_cells=asked.cells).round(4).to_csv(asked.out, index=False)
    summary = label_sweep.over_seeds(table)
    with pd.option_context("display.width", 200):
        wide = summary.pivot_table(index=["setting", "value"], columns="metric", values="mean")
        print(wide.round(3).to_string())


if __name__ == "__main__":
    main()
