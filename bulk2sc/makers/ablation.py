"""The ladder of Table 3."""

from bulk2sc.artefacts import artefact


@artefact("ablation.tables", upto="experiments", each="seeds")
def ablation(
    pair,
    autoencoder,
    *,
    part: int,
    seeds: list[int] = [0, 1, 2, 3, 4],  # noqa: B006
    ablation_epochs: int = 300,
    ablation_hidden: int = 512,
):
    """Fit every rung in both schedules, seed by seed, set as the autoencoder but for epochs and width."""
    from bulk2sc.experiments import ablation

    settings = autoencoder.get_params() | {"max_epochs": ablation_epochs, "hidden": ablation_hidden}
    return ablation.run(*pair, settings=settings, seed=part, k=pair[0].uns["labels"]["k"])
