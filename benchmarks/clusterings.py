"""Six clusterings, at the length of the papers, on several simulated sets of other lines and cells.

Does their order hold? Each set has its own draw of lines, at one of two depths. A set is written once it is
done, and is not clustered again. Run: python benchmarks/clusterings.py (hours)
"""

from itertools import product
from pathlib import Path

import pandas as pd

from bulk2sc import datasets, pp
from bulk2sc.clustering import compare

OUT = Path(__file__).with_suffix(".csv")
DRUG = "Cisplatin"
DRAWS = (1, 2, 3)  # sets at each depth; the book's own is draw 0
CELLS = 1200  # of each set, before quality control
DEPTHS = {2000: 200, 500: 100}  # mean UMIs of a good cell: fewest genes of a cell that is kept


def one_set(bulk, *, depth: int, draw: int) -> pd.DataFrame:
    """Simulate cells, cluster them with every method, and return what `compare.measure` says of them."""
    raw = datasets.simulate(bulk, drug=DRUG, n_cells=CELLS, depth=depth, doublets=0, seed=draw)
    flagged = pp.qc_flags(raw, min_genes=DEPTHS[depth], by="sample")
    cells = pp.with_counts(pp.normalise(flagged[flagged.obs["qc_pass"]].copy()))
    line = {"cell line": compare.known(cells)["cell line"]}
    about = {"seed": draw, "depth": depth, "cells": cells.n_obs}
    rows = [
        {"method": name} | about | compare.measure(method.run(cells, seed=draw), method, line)
        for name, method in compare.methods().items()
    ]
    return pd.DataFrame(rows)


if __name__ == "__main__":
    bulk = datasets.load_bulk("gdsc2")
    table = pd.read_csv(OUT) if OUT.exists() else pd.DataFrame(columns=["depth", "seed"])
    for draw, depth in product(DRAWS, DEPTHS):
        if ((table["depth"] == depth) & (table["seed"] == draw)).any():
            continue
        found = one_set(bulk, depth=depth, draw=draw)
        table = pd.concat([table, found.round(4)], ignore_index=True) if len(table) else found.round(4)
        table.to_csv(OUT, index=False)
        print(f"set {draw} at {depth} UMIs done", flush=True)
    print(
        table.groupby(["depth", "method"], sort=False)["ARI, cell line"].agg(["mean", "min", "max"]).round(3)
    )
