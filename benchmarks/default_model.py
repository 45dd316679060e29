"""Which method should `bulk2sc predict` use? A rule on bulk lines, exposure, and two sets of real cells.

The rule, fixed before its final run. A candidate is a method with or without pooled cells.
1. Bulk lines: AUROC on lines left out (5 folds, four drugs) at most .03 below the best candidate's.
2. Exposure: simulated cells of the same lines, treated and not; of truly sensitive cells at most ten of a
   hundred more are called resistant when treated (shift 2).
3. Real cells decide: the highest mean rho over the two panels (26 breast lines, five lung lines). Of those
   within .01 of the best, single cells go before pooled ones, then the one named first.
Crosswise: what each panel alone would choose is printed with its rho on the other.
Rho and pooling are those that benchmarks/pooling.py kept. Run: python benchmarks/default_model.py
"""

import numpy as np
import pandas as pd

from bulk2sc import datasets, evaluate, exposure, labels, models, pp
from bulk2sc.book import Study

METHODS = {"ridge 1e4": ("ridge", {"alpha": 1e4}), "ridge 2e3": ("ridge", {"alpha": 2e3})}
METHODS |= {name: (name, {}) for name in ("ridge CV", "signature", "SVM")}
ARMS = {"single": 0, "pooled 15": 15}
DRUGS, SEEDS, N_GENES = ["Cisplatin", "Paclitaxel", "PLX-4720", "Lapatinib"], 3, 2500
BELOW_BEST, MORE_CALLED, CLOSE = 0.03, 0.10, 0.01


def on_bulk_lines(bulk, method: str) -> float:
    """Return the mean AUROC on lines left out, over the four drugs."""
    name, settings = METHODS[method]
    found = []
    for drug in DRUGS:
        lines = labels.label_bulk(bulk, drug=drug)
        for fold in range(5):
            training, left_out = evaluate.leave_out_fold(lines, k=0.3, seed=fold)
            score = models.make(name, seed=fold, **settings).fit(training, lines).score_cells(left_out)
            found.append(evaluate.metrics(left_out.obs["response"], score)["auroc"])
    return float(np.mean(found))


def under_exposure(bulk, method: str, k: int) -> float:
    """Return how many more truly sensitive cells are called resistant when treated, mean over drugs."""
    name, settings = METHODS[method]
    labelled = labels.label_bulk(bulk, drug="Cisplatin")
    genes = bulk.var_names[np.argsort(-np.var(bulk.X, axis=0))[:N_GENES]]
    size = {"n_cells": 600, "n_lines_per_tail": 10, "depth": 2000.0, "pool": k}
    about = {"methods": [name], "settings": settings, "shifts": [2.0]}
    scores = [exposure.score(labelled, genes, **about, seed=seed, **size) for seed in range(SEEDS)]
    called = exposure.called_resistant(pd.concat(scores)).iloc[0]
    return float(called["treated"] - called["control"])


def chosen(table: pd.DataFrame, rho: pd.Series) -> str:
    """Return the candidate that the rule chooses by `rho`."""
    fit = table["bulk"] >= table["bulk"].max() - BELOW_BEST
    fit &= table["exposure"] <= MORE_CALLED
    close = rho[fit] >= rho[fit].max() - CLOSE
    order = [f"{method}, {arm}" for arm in ARMS for method in METHODS]
    return min(close.index[close], key=order.index)


if __name__ == "__main__":
    study, bulk = Study("atlas", panel_hvg=0), datasets.load_bulk("gdsc2")
    bulk.layers["scaled"] = pp.zscore(bulk.X)
    kept = study.kept("pooling")
    kept = kept[(kept["metric"] == "rho") & kept["reference"].isna()]
    rho = kept.set_index(["data", "method", "arm"])["value"]
    rows = {}
    for method in METHODS:
        left_out = on_bulk_lines(bulk, method)
        for arm, k in ARMS.items():
            row = {"bulk": left_out, "exposure": under_exposure(bulk, method, k)}
            row |= {data: rho[data, method, arm] for data in ("atlas", "mixology")}
            rows[f"{method}, {arm}"] = row
            print(f"{method}, {arm}", row, flush=True)
    table = pd.DataFrame(rows).T.rename_axis("candidate")
    default = chosen(table, table[["atlas", "mixology"]].mean(axis=1))
    for here, there in (("atlas", "mixology"), ("mixology", "atlas")):
        best = chosen(table, table[here])
        print(f"chosen on {here}: {best}, rho on {there} {table.loc[best, there]:.3f}")
    table["default"] = table.index == default
    study.keep("default_model", table.round(4).reset_index(), reads=["panel"])
    print(table.round(3).to_string(), f"\ndefault: {default}")
