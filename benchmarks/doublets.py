"""How many components does scrublet need for samples of a few hundred cells? Judged on simulated doublets.

No real cell is looked at. For each number of components: share of planted doublets that are called, and of
called cells that are doublets, over seeds of the simulation that no chapter shows.
Run: python benchmarks/doublets.py (some minutes)
"""

from pathlib import Path

import pandas as pd
from sklearn.metrics import roc_auc_score

from bulk2sc import datasets, pp

COMPONENTS = [5, 10, 20, 30]
N_CELLS = [500, 1200, 4000]
SEEDS = range(1, 6)


def rows_of(bulk, n_cells, seed):
    raw = datasets.simulate(bulk, drug="Cisplatin", n_cells=n_cells, seed=seed)
    flagged = pp.qc_flags(raw, by="sample")
    planted = (raw.obs["planted"] == "doublet")[flagged.obs["qc_pass"]]
    for components in COMPONENTS:
        pp.cells.DOUBLET_COMPONENTS = components
        obs = pp.doublets(flagged, by="sample", seed=seed).obs.loc[planted.index]
        found = (obs["doublet"] & planted).sum()
        yield {
            "cells": n_cells,
            "components": components,
            "seed": seed,
            "AUROC": roc_auc_score(planted, obs["doublet_score"]),
            "recall": found / planted.sum(),
            "precision": found / obs["doublet"].sum(),
        }


if __name__ == "__main__":
    bulk = datasets.load_bulk("gdsc2")
    table = pd.DataFrame(row for n in N_CELLS for seed in SEEDS for row in rows_of(bulk, n, seed))
    table.round(3).to_csv(Path(__file__).with_suffix(".csv"), index=False)
    print(table.groupby(["cells", "components"]).mean().drop(columns="seed").round(2).to_string())
