"""How much defensible preprocessing moves the ranking of real lines: 36 ways on each of two sets of cells.

For ridge 1e4 and for what `bulk_models.py` chooses. Run: python benchmarks/specifications.py (five minutes)
"""

import argparse
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import scanpy as sc
from anndata import AnnData

from bulk2sc import datasets, panel, pp
from bulk2sc.models.all_drugs import CHOSEN, AllDrugs

MODELS = {"ridge 1e4": AllDrugs(penalty=1e4), "chosen": AllDrugs(**CHOSEN)}
OUT = Path(__file__).with_suffix(".csv")
SETS = {"GSE173634": {"min_lines": 20, "min_spread": 0.05}, "GSE118767": {"min_lines": 4, "min_spread": 0.1}}
EACH = "each sample"
IMPOSTOR = "HCC1143"  # its cells are not of that line
CHOICES = {
    "target_sum": (1e4, 1e6, "median"),
    "genes": ("all", "in 1 % of cells", "in 10 % of cells", "2500 variable"),
    "scaled_over": ("judged lines", EACH),
    "line": ("mean score of cells", "score of the pseudobulk"),
}


def normalised(cells: AnnData, target_sum: float | str) -> AnnData:
    cells = AnnData(cells.layers["counts"].copy(), cells.obs.copy(), cells.var[[]].copy())
    sc.pp.normalize_total(cells, target_sum=None if target_sum == "median" else target_sum)
    sc.pp.log1p(cells)
    return cells


def chosen(cells: AnnData, shared: pd.Index, genes: str) -> pd.Index:
    if genes == "2500 variable":
        table = sc.pp.highly_variable_genes(cells[:, shared].copy(), n_top_genes=2500, inplace=False)
        return shared[table["highly_variable"].to_numpy()]
    share = {"all": 0.0, "in 1 % of cells": 0.01, "in 10 % of cells": 0.1}[genes]
    detected = np.asarray((cells[:, shared].X > 0).mean(axis=0)).ravel()
    return shared[(detected > 0) & (detected >= share)]


def scaled(cells: AnnData, over: str, lines: list[str]) -> AnnData:
    """Standardise the genes over the cells of the judged lines, or over all cells of each sample."""
    judged = cells.obs["cell_line"].isin(lines).to_numpy()
    group = cells.obs["sample"].astype(str).to_numpy() if over == EACH else judged
    values = np.zeros(cells.shape, "float32")
    for one in np.unique(group):
        values[group == one] = pp.zscore(cells.X[group == one])
    return AnnData(obs=cells.obs, var=cells.var, layers={"scaled": values})[judged].copy()


def pseudobulks(cells: AnnData, lines: list[str], target_sum: float | str) -> AnnData:
    of = pd.get_dummies(cells.obs["cell_line"])[lines].to_numpy(np.float32)
    sums = AnnData(
        obs=pd.DataFrame({"cell_line": lines, "sample": "all"}, index=lines),
        var=cells.var[[]],
        layers={"counts": of.T @ cells.layers["counts"].toarray()},
    )
    return normalised(sums, target_sum)


def specifications(key: str) -> Iterator[dict]:
    bulk = datasets.load_bulk("gdsc2")
    cells = pp.hold_out_own_lines(datasets.load_cells(key, bulk=bulk, drug=""), bulk)
    held_out = list(cells.uns["held_out"])
    lines = [line for line in held_out if line != IMPOSTOR]
    cells = pp.check_cells(cells)
    training = pp.train_lines(bulk, held_out)
    auc = panel.truth(bulk, lines)[panel.drugs(bulk, lines, **SETS[key]).index]
    shared = pd.Index(sorted(set(bulk.var_names) & set(cells.var_names)))
    for target_sum, genes in product(CHOICES["target_sum"], CHOICES["genes"]):
        logs = normalised(cells, target_sum)
        used = chosen(logs, shared, genes)
        bulk_genes = training[:, used].copy()
        bulk_genes.layers["scaled"] = pp.zscore(bulk_genes.X)
        fitted = {name: model.fit(bulk_genes, auc.columns) for name, model in MODELS.items()}
        for over, line in product(CHOICES["scaled_over"], CHOICES["line"]):
            if line == "mean score of cells":
                samples = scaled(logs[:, used].copy(), over, lines)
            elif over == "judged lines":
                samples = scaled(pseudobulks(cells, lines, target_sum)[:, used].copy(), over, lines)
            else:
                continue  # sums of lines are of no sample
            line_of = samples.obs["cell_line"].astype(str).to_numpy()
            made = {"target_sum": target_sum, "genes": genes, "scaled_over": over, "line": line}
            for name, one in fitted.items():
                rho = one.predict(samples).groupby(line_of).mean().corrwith(auc, method="spearman")
                found = {"model": name, "n_genes": len(used), "rho": rho.mean(), "n_drugs": len(rho)}
                yield {"cells": key, **made, **found}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--out", type=Path, default=OUT, metavar="FILE", help="results (default: %(default)s)"
    )
    out = parser.parse_args().out
    table = pd.DataFrame([row for key in SETS for row in specifications(key)])
    table.round(4).to_csv(out, index=False)
    print(table.groupby(["cells", "model"])["rho"].describe().round(3))


if __name__ == "__main__":
    main()
