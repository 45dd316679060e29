"""Which method should `bulk2sc predict` use? Judged on bulk lines by cross-validation and on simulated cells.

No real cell is looked at. For each drug: AUROC on held-out bulk lines (5 folds; not for the shared
autoencoder, whose encoder would have to be trained anew in every fold), and AUROC on cells simulated from
held-out lines, over seeds of the simulation. Run: python benchmarks/default_model.py [--out table.csv]
"""

import argparse
from pathlib import Path

import pandas as pd

from bulk2sc import datasets, evaluate, labels, models, pathways, pp

DRUGS = ["Cisplatin", "Paclitaxel", "PLX-4720", "Lapatinib"]
METHODS = ["ridge", "SVM", "LR", "XGBoost", "shared AE"]
N_HVG = 2500
MAX_EPOCHS = 40


def prepared(bulk, drug, seed):
    raw = datasets.simulate(bulk, drug=drug, n_cells=800, seed=seed)
    flagged = pp.qc_flags(raw)
    cells = pp.normalise(flagged[flagged.obs["qc_pass"]].copy())
    training = labels.label_bulk(pp.train_lines(bulk, raw.uns["held_out"]), drug=drug)
    return pp.pair(training, cells, n_hvg=N_HVG)


def rows_of(bulk, drug, seed):
    lines, cells = prepared(bulk, drug, seed)
    mask = pathways.pathway_mask(datasets.gene_sets("go_cc"), lines.var_names)
    for method in METHODS:

        def make(model_seed, method=method):
            return models.make(method, mask=mask, max_epochs=MAX_EPOCHS, seed=model_seed)

        if seed == 0 and method != "shared AE":
            folds = evaluate.cross_validate(make, lines, cells)
            yield {"method": method, "drug": drug, "on": "bulk lines", "auroc": folds["auroc"].mean()}
        score = make(seed).fit(lines, cells).score_cells(cells)
        found = evaluate.metrics(cells.obs["truth"], score)["auroc"]
        yield {"method": method, "drug": drug, "on": "simulated cells", "auroc": found}
        print(f"{drug}, simulation {seed}, {method}: {found:.3f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulations", type=int, default=3, metavar="N", help="simulations of each drug")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write every value as CSV")
    asked = parser.parse_args()
    bulk = datasets.load_bulk("gdsc2")
    pairs = [(drug, seed) for seed in range(asked.simulations) for drug in DRUGS]
    table = pd.DataFrame([row for drug, seed in pairs for row in rows_of(bulk, drug, seed)])
    if asked.out:
        table.to_csv(asked.out, index=False)
    by_drug = table.pivot_table(index="method", columns=["on", "drug"], values="auroc")
    print(by_drug.round(3).to_string())
    print(table.pivot_table(index="method", columns="on", values="auroc").round(3).to_string())


if __name__ == "__main__":
    main()
