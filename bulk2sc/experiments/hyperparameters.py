"""Settings of the shared autoencoder, moved one at a time (Figure 4 of He et al. 2025)."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
from anndata import AnnData

from bulk2sc import evaluate, models
from bulk2sc.errors import Bulk2scError
from bulk2sc.experiments.trials import Variant, constant_variants

BASE = "as set"  # the variant with the edition's own settings; it belongs to every sweep


def grid(base: Mapping[str, float], swept: Mapping[str, Sequence[float]]) -> pd.DataFrame:
    """List the points of all sweeps: each setting over its values, the others as in `base`.

    Parameters
    ----------
    base
        Value by setting: ``min_pathway_genes``, ``n_hvg`` and ``dropout``.
    swept
        Values by setting. The setting's own value is added, and is one and the same variant in every sweep.

    Returns
    -------
    DataFrame
        Columns setting, value (ascending) and method, the name of the variant.
    """
    rows = [
        (setting, value, BASE if value == base[setting] else f"{setting} {value:g}")
        for setting, values in swept.items()
        for value in sorted({base[setting], *values})
    ]
    return pd.DataFrame(rows, columns=["setting", "value", "method"])


def comparisons(methods: Iterable[str]) -> list[tuple[str, str]]:
    """Pair every other variant with the one in use, each once and in the order of `methods`."""
    return [(method, BASE) for method in dict.fromkeys(methods) if method != BASE]


def check(swept: Mapping[str, Sequence[float]], n_shared: int) -> None:
    """Refuse values that no model can have, before any is fitted.

    Parameters
    ----------
    swept
        Values by setting, as for `grid`.
    n_shared
        Number of genes that lines and cells share.

    Raises
    ------
    Bulk2scError
        If a number of genes is not between 1 and `n_shared`, or a dropout not in [0, 1).
    """
    for setting in ("min_pathway_genes", "n_hvg"):
        for value in swept[setting]:
            if not 1 <= value <= n_shared:
                raise Bulk2scError(
                    f"sweep of {setting}: {value} is not between 1 and {n_shared}, the number of genes that "
                    "lines and cells share; leave it out"
                )
    for value in swept["dropout"]:
        if not 0 <= value < 1:
            raise Bulk2scError(f"sweep of dropout: {value:g} is not in [0, 1); leave it out")


def variants(
    points: pd.DataFrame,
    make_pair: Callable[[int], tuple[AnnData, AnnData]],
    make_mask: Callable[[AnnData, int], pd.DataFrame],
    base: Mapping[str, float],
    settings: Mapping,
) -> Iterator[Variant]:
    """Yield a variant for each point of `grid` once, then the constant answers.

    Parameters
    ----------
    points
        From `grid`.
    make_pair
        Lines and cells, as `pp.pair` makes them, with so many variable genes.
    make_mask
        Pathway mask of paired lines, with at least so many genes a pathway.
    base
        Value by setting, as for `grid`.
    settings
        All other settings of `models.SharedAutoencoder`.

    Raises
    ------
    Bulk2scError
        If a mask has no pathway left, before anything is fitted where the genes are those of the base.
    """
    paired = make_pair(base["n_hvg"])
    bounds = points[points["setting"] == "min_pathway_genes"]
    masks = {bound: make_mask(paired[0], int(bound)) for bound in bounds["value"]}
    for point in points.drop_duplicates("method").itertuples():
        now = {**base, point.setting: point.value}
        lines, cells = make_pair(int(now["n_hvg"])) if point.setting == "n_hvg" else paired
        bound = now["min_pathway_genes"]
        mask = make_mask(lines, int(bound)) if point.setting == "n_hvg" else masks[bound]
        given = {**settings, "mask": mask, "dropout": now["dropout"]}
        make = partial(models.make, models.SharedAutoencoder.name, **given)
        yield Variant(point.method, lines, cells, lambda seed, make=make: make(seed=seed))
    yield from constant_variants(*paired)


def gain_by_looking(
    scores: pd.DataFrame,
    cells: AnnData,
    variants: Sequence[str],
    chosen: str,
    *,
    n_draws: int = 200,
) -> pd.DataFrame:
    """Say what choosing among variants by the answers of the cells would seem to gain, and what it does gain.

    Half of the cell lines are looked at: the variant with the highest mean AUROC over seeds on their cells is
    picked, and compared with `chosen` on the same half and on the other one. This is a warning; no study
    may choose in this way.

    Parameters
    ----------
    scores
        Tidy scores of cells, as `trials.run` returns them.
    cells
        With `obs["truth"]` and `obs["cell_line"]`.
    variants
        Methods to choose among.
    chosen
        The one that was chosen on bulk lines.
    n_draws
        Number of random halves.

    Returns
    -------
    DataFrame
        A row each: ``all``, the best AUROC on all cells minus that of `chosen` (value); ``looked_at`` and
        ``not_looked_at``, the mean gain over halves in which both classes occur on either side (value), and
        the 2.5 and 97.5 % points of these halves (low, high), NaN where `evaluate.too_few_lines`. All are
        NaN where cells with an answer are not of both classes.
    """
    judged = cells[cells.obs["truth"].notna()].obs
    gain = pd.DataFrame(np.nan, ["all", "looked_at", "not_looked_at"], ["value", "low", "high"])
    if judged["truth"].nunique() < 2:
        return gain
    names = dict.fromkeys([chosen, *variants])  # the chosen one first: nobody leaves it for an equal
    everything, looked_at, other = _auroc_of_halves(scores, judged, list(names), n_draws)
    gain.loc["all", "value"] = everything.max() - everything[0]
    usable = ~np.isnan(looked_at + other).any(axis=0)
    if evaluate.too_few_lines(judged["truth"], judged["cell_line"]) or not usable.any():
        return gain
    picked = looked_at[:, usable].argmax(axis=0)
    for name, half in (("looked_at", looked_at[:, usable]), ("not_looked_at", other[:, usable])):
        gains = half[picked, np.arange(len(picked))] - half[0]
        gain.loc[name] = [gains.mean(), *np.quantile(gains, [0.025, 0.975])]
    return gain


def _auroc_of_halves(scores: pd.DataFrame, judged: pd.DataFrame, variants: list[str], n_draws: int):
    """Return AUROCs, means over seeds: (n_variants,) of all lines, (n_variants, n_draws) of either half."""
    lines, member = np.unique(judged["cell_line"].astype(str), return_inverse=True)
    ranks = np.random.default_rng(0).permuted(np.tile(np.arange(len(lines)), (n_draws, 1)), axis=1)
    half = (ranks < len(lines) / 2)[:, member]
    weights = np.vstack([np.ones(len(judged)), half, ~half])
    answer, found = judged["truth"].to_numpy(float), []
    for variant in variants:
        seeds = scores[scores["method"] == variant].pivot(index="seed", columns="cell", values="score")
        scored = seeds[judged.index].to_numpy()
        found.append(
            np.mean([evaluate.weighted_metrics(answer, s, weights)["auroc"] for s in scored], axis=0)
        )
    found = np.array(found)
    return found[:, 0], found[:, 1 : n_draws + 1], found[:, n_draws + 1 :]
