"""Figure 4 and Table 2 in full, on real cells: what the book shows of them in every edition.

Trains every value of the three settings, and every collection of gene sets with its random sets, once a seed,
for fewer epochs and with smaller layers than the edition: half an hour on two cores instead of hours. Seeds
run side by side, and what a killed run has made the next one takes. Kept are scores of methods and their
differences. Run: python benchmarks/grids.py
"""

import argparse
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import pandas as pd
from bulk2sc.study import Study

from bulk2sc import evaluate, notebook
from bulk2sc.experiments import hyperparameters, paired, resources, trials
from bulk2sc.settings import project_root

ARTEFACTS = ("sweep", "resources")
METRICS = ("auroc", "accuracy", "f1")  # the last two are those of the paper's figure
COLUMNS = ["against", "method", "seed", "metric", "value", "low", "high", "holm"]
OF_PAIRS = ["question", "first", "second"]


def make(edition: str, settings: dict, artefact: str, seed: int | None = None) -> str:
    """Make an artefact or one part of it, where it is missing."""
    Study(edition, **settings).read_part(artefact, seed)
    return artefact if seed is None else f"{artefact}, seed {seed}"


def grid_of(study: Study) -> pd.DataFrame:
    """Return the points of the three sweeps: setting, at, method."""
    own = {name: study.settings[name] for name in ("min_pathway_genes", "dropout")}
    own["n_hvg"] = study.read("pair")[0].n_vars
    swept = {"min_pathway_genes": "min_genes", "n_hvg": "hvg", "dropout": "dropout"}
    values = {setting: study.settings[f"sweep_{name}"] for setting, name in swept.items()}
    return hyperparameters.grid(own, values).rename(columns={"value": "at"})


def pairs_of(artefact: str, study: Study, methods: list[str]) -> dict[str, list[tuple[str, str]]]:
    """List the comparisons of a chapter by question."""
    if artefact == "sweep":
        return {"in use": hyperparameters.comparisons(methods)}
    chosen = study.settings["compared_resources"], study.settings["resource"]
    return resources.comparisons(methods, *chosen)


def kept(artefact: str, study: Study) -> pd.DataFrame:
    """Return scores on both grounds, and the differences that the chapter tests, as tidy rows."""
    found, (_, cells) = study.read(artefact), study.read("pair")
    validation = trials.validation(found["lines"])
    judged = evaluate.judge(found["cells"], cells, against="truth")
    methods = [m for m in judged["method"].unique() if m not in trials.CONSTANTS]
    questions = pairs_of(artefact, study, methods)
    names = [name for name, pairs in questions.items() for _ in pairs]
    pairs = [pair for of in questions.values() for pair in of]
    gaps = {"lines left out": paired.on_lines(validation, pairs)}
    if artefact == "resources":  # settings are chosen on lines only
        gaps["truth"] = paired.on_cells(found["cells"], cells, pairs)
    tables = [table.assign(against=g) for g, table in (("lines left out", validation), ("truth", judged))]
    tables = [table[table["metric"].isin(METRICS)] for table in tables]
    tables += [
        paired.tidy(table, ground).assign(question=names, first=table["first"], second=table["second"])
        for ground, table in gaps.items()
    ]
    rows = pd.concat(tables)[[*COLUMNS, *OF_PAIRS]].round(4)
    if artefact == "sweep":  # the settings in use are a point of all three sweeps
        grid = grid_of(study).rename(columns={"method": "of"})
        rows = grid.merge(rows.assign(of=rows["first"].fillna(rows["method"])), how="right", on="of")
        rows = rows.drop(columns=["of", "question"])
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--edition", default="mixology", metavar="NAME", help="whose cells (default: mixology)"
    )
    parser.add_argument(
        "--epochs", type=int, default=15, metavar="N", help="at most, in each phase (default: 15)"
    )
    parser.add_argument(
        "--hidden", type=int, default=128, metavar="N", help="units of a hidden layer (default: 128)"
    )
    parser.add_argument(
        "--cores", type=int, default=os.cpu_count(), metavar="N", help="seeds at the same time"
    )
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent, metavar="FOLDER", help="of the results"
    )
    asked = parser.parse_args()
    os.environ.update(notebook.KERNEL_ENVIRONMENT)
    folder = f"{asked.edition}-{asked.epochs}-{asked.hidden}"
    os.environ["BULK2SC_RESULTS"] = str(project_root() / "_build" / "grids" / folder)
    settings = {"max_epochs": asked.epochs, "hidden": asked.hidden}
    study = Study(asked.edition, **settings)
    missing = [(artefact, seed) for artefact in ARTEFACTS for seed in study.missing(artefact)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(asked.cores, context) as pool:
        pool.submit(make, asked.edition, settings, "autoencoder").result()  # all seeds need it
        for done in as_completed([pool.submit(make, asked.edition, settings, *part) for part in missing]):
            print(done.result(), flush=True)
    for artefact in ARTEFACTS:
        table = kept(artefact, study).assign(edition=asked.edition, drug=study.settings["drug"], **settings)
        table.to_csv(asked.out / f"{artefact}.csv", index=False)
        print(table.query("metric == 'auroc' and seed == -1").to_string())


if __name__ == "__main__":
    main()
