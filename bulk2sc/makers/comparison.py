"""Methods compared, and compared anew on other data sets and drugs."""

from typing import Any

from bulk2sc.artefacts import artefact

COMPARED = [
    "shared AE",
    "LR",
    "SVM",
    "DT",
    "RF",
    "GB",
    "XGBoost",
    "tuned XGBoost",
    "ridge",
    "ridge CV",
    "signature",
    "mean effect",
    "all sensitive",
    "all resistant",
]


@artefact("scores.csv.gz", upto="evaluate", each="n_seeds")
def scores(
    pair,
    autoencoder,
    *,
    part: int,
    schedule: str = "pretrain-then-classify",
    methods: list[str] = COMPARED,
    n_seeds: int = 3,
):
    """Score the cells with every method, seed by seed; the shared autoencoder is set as its artefact was.

    A method without randomness is fitted once, with seed 0. What is pretrained with the part's seed goes on.
    """
    from bulk2sc import evaluate, models

    settings = autoencoder.set_params(schedule=schedule).get_params()
    fitted = [method for method in methods if part == 0 or models.takes(method, "seed")]
    makers = models.makers(fitted, **settings)
    if autoencoder.name in fitted and autoencoder.seed == part and schedule != "joint":
        makers[autoencoder.name] = lambda seed: models.Pretrained(autoencoder)
    return evaluate.score_methods(*pair, methods=makers, seeds=[part])


@artefact("left_out_lines.csv.gz", upto="experiments", each="baseline_folds")
def left_out_lines(
    pair,
    *,
    part: int,
    methods: list[str] = COMPARED,
    baseline_folds: int = 5,
):
    """Score the lines that a fold leaves out with every simple method: on these one of them may be chosen.

    Methods that learn from the cells, such as the shared autoencoder, take a hundred times as long: their own
    settings are judged on lines left out in the experiments on them.
    """
    from bulk2sc import models
    from bulk2sc.experiments import trials

    simple = models.makers([method for method in methods if not models.learns_from_cells(method)])
    variants = [trials.Variant(name, *pair, make) for name, make in simple.items()]
    return trials.run(variants, seed=part, k=pair[0].uns["labels"]["k"])["lines"]


def of_data_set(settings: dict[str, Any], part: str) -> dict[str, Any]:
    """Return the settings of a data set and its drug, such as ``GSE117872: Cisplatin``."""
    source, _, drug = part.rpartition(": ")
    return {"cells_source": source, "drug": drug, "n_seeds": settings["study_seeds"]}


def of_drug(settings: dict[str, Any], part: str) -> dict[str, Any]:
    """Return the settings of another drug, with cells of the study's kind."""
    size = {"n_seeds": settings["study_seeds"], "n_cells": settings["study_cells"]}
    return size | {"cells_source": settings["cells_source"], "drug": part}


@artefact("study_scores.tables", upto="experiments", each="studies", apart=of_data_set)
def study_scores(
    pair,
    scores,
    *,
    part: str,
    studies: dict[str, str] = {},  # noqa: B006
    study_seeds: int = 2,
):
    """Fit every method anew on each data set: its scores, and the lines and answers of the cells."""
    from bulk2sc.experiments import data_sets

    return data_sets.with_answers(scores, pair[1], study=part)


@artefact("drug_scores.tables", upto="experiments", each="study_drugs", apart=of_drug)
def drug_scores(
    pair,
    scores,
    *,
    part: str,
    study_drugs: list[str] = [],  # noqa: B006
    study_seeds: int = 2,
    study_cells: int = 600,
):
    """Fit every method anew for each drug: its scores, and the lines and answers of the cells."""
    from bulk2sc.experiments import data_sets

    return data_sets.with_answers(scores, pair[1], study=part)
