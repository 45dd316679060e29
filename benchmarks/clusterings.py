"""Six clusterings, at the length of the papers, on several simulated sets of other lines and cells.

Does their order hold? Each set has its own draw of lines, at one of two depths. A set is written once it is
done, and is not clustered again. Run: python benchmarks/clusterings.py [--out FILE]
"""

import argparse
from itertools import product
from pathlib import Path

import pandas as pd

from bulk2sc import datasets, pp
from bulk2sc.clustering import compare

DRUG = "Cisplatin"
DEPTHS = {2000: 200, 500: 100}  # mean UMIs of a good cell: fewest genes of a cell that is kept
KEPT = ("ARI, cell line", "NMI, cell line", "ASW, PCA-50", "ASW, own code", "clusters", "seconds")


def one_set(bulk, *, depth: int, draw: int, n_cells: int) -> pd.DataFrame:
    """Simulate cells, cluster them with every method, and return what `compare.compare` says of them."""
    raw = datasets.simulate(bulk, drug=DRUG, n_cells=n_cells, depth=depth, doublets=0, seed=draw)
    flagged = pp.qc_flags(raw, min_genes=DEPTHS[depth], by="sample")
    cells = pp.with_counts(pp.normalise(flagged[flagged.obs["qc_pass"]].copy()))
    found = compare.compare(cells, compare.known(cells), compare.methods(), seeds=[draw])
    return found[found["metric"].isin(KEPT)].assign(depth=depth, cells=cells.n_obs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=5, metavar="N", help="simulated sets at each depth")
    parser.add_argument("--cells", type=int, default=1200, metavar="N", help="cells of each set")
    parser.add_argument("--out", type=Path, default=Path("clusterings.csv"), metavar="FILE", help="results")
    asked = parser.parse_args()
    bulk = datasets.load_bulk("gdsc2")
    table = pd.read_csv(asked.out) if asked.out.exists() else pd.DataFrame(columns=["depth", "seed"])
    for draw, depth in product(range(asked.draws), DEPTHS):
        if ((table["depth"] == depth) & (table["seed"] == draw)).any():
            continue
        found = one_set(bulk, depth=depth, draw=draw, n_cells=asked.cells)
        table = pd.concat([table, found.round(4)], ignore_index=True) if len(table) else found.round(4)
        table.to_csv(asked.out, index=False)
        print(f"set {draw} at {depth} UMIs done", flush=True)
    ari = table[table["metric"] == "ARI, cell line"]
    print(ari.groupby(["depth", "method"], sort=False)["value"].agg(["mean", "min", "max"]).round(3))


if __name__ == "__main__":
    main()
