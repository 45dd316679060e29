"""Experiments on settings and on pathways: what the shared autoencoder is, one thing at a time."""

from bulk2sc.artefacts import artefact
from bulk2sc.errors import Bulk2scError
from bulk2sc.makers.model import mask, pair


def mask_of(lines, *, resource: str, **settings):
    """Build the mask of paired lines; an error names the resource.

    Raises
    ------
    Bulk2scError
        If no pathway is left.
    """
    try:
        return mask((lines, None), resource=resource, **settings)
    except Bulk2scError as error:
        raise Bulk2scError(f"gene sets '{resource}': {error}") from error


@artefact("sweep.tables", upto="experiments", each="seeds")
def sweep(
    bulk,
    labelled,
    autoencoder,
    *,
    part: int,
    sweep_min_genes: list[int] = [2, 4, 6, 8, 10, 15, 20, 30],  # noqa: B006
    sweep_hvg: list[int] = [500, 1000, 1500, 2000, 2500, 3000, 4000, 5000],  # noqa: B006
    sweep_dropout: list[float] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9],  # noqa: B006
    seeds: list[int] = [0, 1, 2, 3, 4],  # noqa: B006
    schedule: str = "pretrain-then-classify",
    resource: str = "go_cc",
    min_pathway_genes: int = 10,
    max_pathway_genes: int = 1000,
    n_free: int = 5,
    pool: int = 0,
):
    """Move three settings of the autoencoder, one at a time around what its artefact has, with one seed."""
    import pandas as pd

    from bulk2sc.experiments import hyperparameters, paired, trials

    swept = {"min_pathway_genes": sweep_min_genes, "n_hvg": sweep_hvg, "dropout": sweep_dropout}
    hyperparameters.check(swept, len(bulk.var_names.intersection(labelled.var_names)))
    settings = autoencoder.set_params(schedule=schedule).get_params()
    base = {"min_pathway_genes": min_pathway_genes, "dropout": settings["dropout"]}
    base["n_hvg"] = settings["mask"].shape[1]
    variants = hyperparameters.variants(
        hyperparameters.grid(base, swept),
        lambda n: pair(bulk, labelled, n_hvg=n, pool=pool),
        lambda lines, n: mask_of(
            lines, resource=resource, min_pathway_genes=n, max_pathway_genes=max_pathway_genes, n_free=n_free
        ),
        base,
        settings,
    )
    shapes: list[dict] = []
    found = trials.run(
        paired.noting_shapes(variants, shapes, seed=part), seed=part, k=bulk.uns["labels"]["k"]
    )
    return found | {"shapes": pd.DataFrame(shapes).assign(seed=part)}


@artefact("resources.tables", upto="experiments", each="seeds")
def resources(
    pair,
    autoencoder,
    *,
    part: int,
    compared_resources: list[str] = ["go_cc", "reactome", "hallmark", "go_bp", "go_mf"],  # noqa: B006
    seeds: list[int] = [0, 1, 2, 3, 4],  # noqa: B006
    schedule: str = "pretrain-then-classify",
    resource: str = "go_cc",
    min_pathway_genes: int = 10,
    max_pathway_genes: int = 1000,
    n_free: int = 5,
):
    """Compare gene sets as masks of the autoencoder, with random sets of the same sizes, with one seed."""
    import pandas as pd

    from bulk2sc.experiments import paired, trials
    from bulk2sc.experiments import resources as experiment

    lines, cells = pair
    bounds = {"min_pathway_genes": min_pathway_genes, "max_pathway_genes": max_pathway_genes}
    masks = {
        name: mask_of(lines, resource=name, n_free=n_free, **bounds)
        for name in dict.fromkeys(compared_resources)
    }
    settings = autoencoder.set_params(schedule=schedule).get_params()
    variants = experiment.variants(masks, lines, cells, resource, settings)
    shapes: list[dict] = []
    found = trials.run(
        paired.noting_shapes(variants, shapes, seed=part), seed=part, k=lines.uns["labels"]["k"]
    )
    return found | {"shapes": pd.DataFrame(shapes).assign(seed=part)}
