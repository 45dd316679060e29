"""How far the domains of lines and cells are apart, before a model has seen them and in its code."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from anndata import AnnData
from sklearn.decomposition import PCA

from bulk2sc import calibration, evaluate, latent, models

MEASURES = {"domain_auroc": "AUROC of the domain", "mmd": "MMD"}


def before(bulk: AnnData, cells: AnnData, *, width: int) -> dict[str, np.ndarray]:
    """Return what a model starts from, lines above cells: scaled genes, and `width` principal components."""
    genes = np.concatenate([bulk.layers["scaled"], cells.layers["scaled"]])
    components = PCA(min(width, *genes.shape), random_state=0).fit_transform(genes)
    return {"genes": genes, "components": components}


def apart(
    views: Mapping[str, np.ndarray], bulk: AnnData, cells: AnnData, *, seed: int
) -> dict[str, pd.DataFrame]:
    """Measure the distance of the domains in several views of the same rows.

    Parameters
    ----------
    views
        Arrays (n_lines + n_cells, d) by name, lines above cells.
    bulk, cells
        Whose rows they are; `cells.obs["cell_line"]` is the unit that is resampled and kept whole.
    seed
        Noted in the tables. Folds and draws are the same for all seeds and views, so that they are paired.

    Returns
    -------
    dict
        ``auroc``: method (the view), seed, fold, auroc, of `latent.domain_auroc`. ``mmd``: method, seed, and
        the columns of `latent.mmd_draws`.
    """
    is_cell = np.arange(bulk.n_obs + cells.n_obs) >= bulk.n_obs
    lines = np.concatenate([bulk.obs_names, cells.obs["cell_line"].astype(str)])
    areas, draws = [], []
    for name, code in views.items():
        of = {"method": name, "seed": seed}
        found = latent.domain_auroc(code, is_cell, lines).rename_axis("fold").reset_index()
        areas.append(found.assign(**of))
        draws.append(latent.mmd_draws(*latent.line_kernel(code, is_cell, lines)).assign(**of))
    return {"auroc": pd.concat(areas, ignore_index=True), "mmd": pd.concat(draws, ignore_index=True)}


def align(
    bulk: AnnData, cells: AnnData, *, rungs: list[str], settings: dict, seed: int
) -> dict[str, pd.DataFrame]:
    """Fit the rungs with one seed; measure how far their codes are apart, and score the cells.

    Returns
    -------
    dict
        The tables of `apart`, and ``scores``: method, seed, cell, score. The views before any model come with
        seed 0, since they have none.
    """
    views = before(bulk, cells, width=len(settings["mask"])) if seed == 0 else {}
    scores = []
    for rung in rungs:
        model = models.make(rung, **settings | {"seed": seed}).fit(bulk, cells)
        views[rung] = np.concatenate([model.encode(bulk), model.encode(cells)])
        score = {"method": rung, "seed": seed, "cell": cells.obs_names, "score": model.score_cells(cells)}
        scores.append(pd.DataFrame(score))
    return apart(views, bulk, cells, seed=seed) | {"scores": pd.concat(scores, ignore_index=True)}


def differences(folds: pd.DataFrame, draws: pd.DataFrame, pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Compare views by both measures, on the same folds and on the same draws of lines.

    Parameters
    ----------
    folds
        method (the view), fold, auroc: means over seeds.
    draws
        MMD, views x draws, the first of all lines: means over seeds.
    pairs
        Names of views, (first, second).

    Returns
    -------
    DataFrame
        Tidy: first, second, metric (of `MEASURES`), value (first minus second), low, high, and p. All pairs
        by both measures are one family, corrected by Holm's method.
    """
    rows = []
    for first, second in pairs:
        by_auroc = evaluate.fold_difference(folds, first, second, folds=folds["fold"].nunique())
        by_mmd = calibration.against_zero((draws.loc[first] - draws.loc[second]).to_numpy())
        pair = {"first": first, "second": second}
        rows += [pair | {"metric": m, **gap} for m, gap in zip(MEASURES, (by_auroc, by_mmd), strict=True)]
    table = pd.DataFrame(rows).assign(page=0)
    return calibration.corrected(table, draws.shape[1] - 1, ["page"]).drop(columns="page")
