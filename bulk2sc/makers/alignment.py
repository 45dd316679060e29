"""How far lines and cells are apart, before and after training."""

from bulk2sc.artefacts import artefact


@artefact("alignment.tables", upto="experiments", each="alignment_seeds")
def alignment(
    pair,
    autoencoder,
    *,
    part: int,
    schedule: str = "pretrain-then-classify",
    rungs: list[str] = ["shared AE", "base share AE", "adv share AE", "domain-classifier share AE"],  # noqa: B006
    alignment_seeds: int = 5,
    alignment_epochs: int = 300,
    alignment_hidden: int = 512,
):
    """Fit the rungs seed by seed, set as the autoencoder but for epochs and width; compare their domains."""
    from bulk2sc.experiments import alignment

    size = {"max_epochs": alignment_epochs, "hidden": alignment_hidden}
    settings = autoencoder.set_params(schedule=schedule).get_params() | size
    return alignment.align(*pair, rungs=rungs, settings=settings, seed=part)
