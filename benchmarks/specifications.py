"""How much defensible preprocessing moves the ranking of real lines: 36 ways on each of two sets of cells.

For ridge 1e4 and for what `bulk_models.py` chooses. Run: python benchmarks/specifications.py (five minutes)
"""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import scanpy as sc
import shared
from anndata import AnnData

from bulk2sc import pp
from bulk2sc.models.all_drugs import CHOSEN, AllDrugs

MODELS = {"ridge 1e4": AllDrugs(penalty=1e4), "chosen": AllDrugs(**CHOSEN)}
EACH = "each sample"
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


def chosen(cells: AnnData, of_both: pd.Index, genes: str) -> pd.Index:
    if genes == "2500 variable":
        table = sc.pp.highly_variable_genes(cells[:, of_both].copy(), n_top_genes=2500, inplace=False)
        return of_both[table["highly_variable"].to_numpy()]
    share = {"all": 0.0, "in 1 % of cells": 0.01, "in 10 % of cells": 0.1}[genes]
    detected = np.asarray((cells[:, of_both].X > 0).mean(axis=0)).ravel()
    return of_both[(detected > 0) & (detected >= share)]


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
    _, training, cells, auc = shared.real_cells(key)
    cells, lines = pp.check_cells(cells), list(auc.index)
    genes_of_both = pd.Index(sorted(set(training.var_names) & set(cells.var_names)))
    for target_sum, genes in product(CHOICES["target_sum"], CHOICES["genes"]):
        logs = normalised(cells, target_sum)
        used = chosen(logs, genes_of_both, genes)
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


if __name__ == "__main__":
    table = pd.DataFrame([row for key in shared.SETS for row in specifications(key)])
    table.round(4).to_csv(Path(__file__).with_suffix(".csv"), index=False)
    print(table.groupby(["cells", "model"])["rho"].describe().round(3))
