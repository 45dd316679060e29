"""Figure 4 and Table 2 in full, on real cells: what the book shows of them in every edition.

Trains every value of the three settings, and every collection of gene sets with its random sets, once a seed,
for fewer epochs and with smaller layers than the edition: half an hour on two cores instead of hours. What a
killed run has made the next one takes. Run: python benchmarks/grids.py
"""

import numpy as np
import pandas as pd

from bulk2sc import evaluate, models, pathways
from bulk2sc.book import Study

SEEDS = range(5)
SWEPT = {
    "min_pathway_genes": [2, 4, 6, 8, 10, 15, 20, 30],
    "n_hvg": [500, 1000, 1500, 2000, 2500, 3000, 4000, 5000],
    "dropout": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9],
}
OWN = {"min_pathway_genes": 10, "n_hvg": 2500, "dropout": 0.1}
NAMES = {"go_cc": "GO:CC", "go_bp": "GO:BP", "go_mf": "GO:MF", "hallmark": "Hallmark", "reactome": "Reactome"}


def fit(pair, mask, *, seed, sets="real", dropout=0.1, hidden, max_epochs):
    """Judge one model on the lines that its seed leaves out, and on the cells."""
    lines, cells = pair
    training, left_out = evaluate.leave_out_fold(lines, k=lines.uns["labels"]["k"], seed=seed)
    used = pathways.random_mask(mask, seed) if sets == "random" else mask
    if sets.startswith("cut to "):
        free = mask.index.str.startswith(pathways.FREE)
        rng, size = np.random.default_rng(seed), int(sets.removeprefix("cut to "))
        rows = np.sort(rng.choice(np.flatnonzero(~free), size, replace=False))
        used = mask.iloc[[*rows, *np.flatnonzero(free)]]
    settings = {"mask": used, "dropout": dropout, "hidden": hidden, "max_epochs": max_epochs}
    model = models.make("shared AE", seed=seed, **settings).fit(training, cells)
    found = {}
    for against, data, column in (("lines left out", left_out, "response"), ("truth", cells, "truth")):
        metrics = evaluate.metrics(data.obs[column], model.score_cells(data))
        found[against] = {name: metrics[name] for name in ("auroc", "accuracy", "f1")}
    return (
        pd.DataFrame(found).rename_axis("metric").melt(ignore_index=False, var_name="against").reset_index()
    )


def sweep(study: Study, training: dict) -> pd.DataFrame:
    """Move one setting at a time."""
    points = [(setting, at) for setting, values in SWEPT.items() for at in values]
    grid = [OWN | {setting: at, "seed": seed} | training for setting, at in points for seed in SEEDS]
    found, names = study.each(fit, grid), [point for point in points for _ in SEEDS]
    rows = len(found) // len(grid)
    for i, name in enumerate(("setting", "at")):
        found[name] = [point[i] for point in names for _ in range(rows)]
    return found.drop(columns=list(OWN))


def resources(study: Study, training: dict) -> pd.DataFrame:
    """Compare collections with random sets of their sizes, and the one in use cut to the smallest."""
    free = study.read("mask", resource="hallmark").index.str.startswith(pathways.FREE)
    names = {(r, "real"): n for r, n in NAMES.items()}
    names |= {(r, "random"): f"random like {n}" for r, n in NAMES.items()}
    names[("go_cc", f"cut to {(~free).sum()}")] = "GO:CC cut like Hallmark"
    grid = [{"resource": r, "sets": sets, "seed": seed} | training for r, sets in names for seed in SEEDS]
    found = study.each(fit, grid)
    return found.assign(method=[names[key] for key in zip(found["resource"], found["sets"], strict=True)])


if __name__ == "__main__":
    study, training = Study("mixology"), {"max_epochs": 15, "hidden": 128}
    about = {"edition": study.edition, "drug": study.settings["drug"]}
    for make in (sweep, resources):
        study.keep(make.__name__, make(study, training).round(4).assign(**about), reads=["pair", "mask"])
