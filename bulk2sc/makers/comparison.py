"""Scores of every method."""

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
