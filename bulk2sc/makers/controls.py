"""Controls: what takes a model's skill away, and what looks like skill."""

from bulk2sc.artefacts import artefact
from bulk2sc.makers.comparison import COMPARED


@artefact("controls.tables", upto="experiments", each="seeds")
def controls(
    pair,
    bulk,
    autoencoder,
    *,
    part: int,
    seeds: list[int] = [0, 1, 2, 3, 4],  # noqa: B006
    control_shuffles: int = 20,
):
    """Fit the full model and its controls with one seed, in the schedule that pretrains without labels."""
    from bulk2sc.experiments import controls

    lines, cells = pair
    tested = bulk[~bulk.obs_names.isin(lines.obs_names) & bulk.obs["auc"].notna(), lines.var_names]
    return controls.run(
        lines,
        cells,
        tested.copy(),
        settings=autoencoder.get_params(),
        seed=part,
        k=bulk.uns["labels"]["k"],
        n_shuffles=control_shuffles,
    )


@artefact("exposure.csv.gz", upto="experiments", each="exposure_seeds")
def exposure(
    bulk,
    autoencoder,
    *,
    part: int,
    cells_source: str = "simulated",
    methods: list[str] = COMPARED,
    exposure_seeds: int = 5,
    exposure_shifts: list[float] = [0.0, 0.5, 1.0, 2.0],  # noqa: B006
    exposure_cells: int = 800,
    n_lines_per_tail: int = 10,
    depth: float = 2000.0,
    pool: int = 0,
):
    """Score cells that differ in exposure to one simulated drug; none where the study's cells are real."""
    import pandas as pd

    from bulk2sc.experiments import exposure

    if cells_source != "simulated":
        return pd.DataFrame(columns=exposure.COLUMNS)
    return exposure.score(
        bulk,
        autoencoder.genes_,
        methods=methods,
        settings=autoencoder.get_params(),
        shifts=exposure_shifts,
        seed=part,
        n_cells=exposure_cells,
        n_lines_per_tail=n_lines_per_tail,
        depth=depth,
        pool=pool,
    )
