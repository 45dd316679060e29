"""Methods compared."""

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
    if autoencoder.name in fitted and models.Pretrained.serves(autoencoder, seed=part):
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
    arms = [trials.Arm(name, *pair, make) for name, make in simple.items()]
    return trials.run(arms, seed=part, k=pair[0].uns["labels"]["k"])["lines"]
