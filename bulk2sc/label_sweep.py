"""How well the labelling finds what was planted, over settings of the simulation and of the clustering."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache

import numpy as np
import pandas as pd
from anndata import AnnData

from bulk2sc import clustering, datasets, inference, labels, pp
from bulk2sc.errors import Bulk2scError, did_you_mean

# What is not varied; the last two are settings of the clustering, the others of the simulation.
BASE = {"depth": 2000, "shift": 0.5, "hidden_resistant": 0.15, "resolution": 1.0, "n_hvg": 2000}


def sweep(
    bulk: AnnData,
    *,
    drug: str,
    vary: Mapping[str, Sequence[float]],
    seeds: Iterable[int],
    n_cells: int = 1200,
    k: float = 0.3,
    min_genes: int = 200,
    progress: Callable[[str], None] = lambda message: None,
) -> pd.DataFrame:
    """
    Simulate, cluster, label and score cells anew for each value of each setting, one setting at a time.

    Parameters
    ----------
    bulk
        Lines to simulate from, as for `datasets.simulate`.
    drug, n_cells, k
        As for `datasets.simulate`; no doublets are planted.
    vary
        Setting -> its values; the settings are those of `BASE`, which holds the others in place.
    seeds
        Of the simulation: each draws other lines and other cells.
    min_genes
        As for `pp.qc_flags`.
    progress
        Called with one line of text after each seed.

    Returns
    -------
    Tidy: setting, value, seed, metric, score. Metrics are those of `labels.score_labels`, and ``arm purity``:
    of the cells, those of the commoner arm of their cluster (0.5 to 1). Where exclusion leaves one class
    only there are no labels to score, and no rows.

    Raises
    ------
    Bulk2scError
        If a setting is unknown, or as `datasets.simulate`.
    """
    for setting in vary:
        if setting not in BASE:
            raise Bulk2scError(
                f"sweep: setting '{setting}' is unknown; use {', '.join(BASE)}." + did_you_mean(setting, BASE)
            )
    rows = []
    for seed in seeds:
        score = _scorer(bulk, drug=drug, seed=seed, n_cells=n_cells, k=k, min_genes=min_genes)
        for setting, values in vary.items():
            for value in values:
                found = score(**BASE | {setting: value})
                rows += [(setting, float(value), seed, metric, number) for metric, number in found.items()]
        progress(f"label sweep: seed {seed} done")
    return pd.DataFrame(rows, columns=["setting", "value", "seed", "metric", "score"])


def _scorer(bulk: AnnData, *, min_genes: int, seed: int, **simulation) -> Callable[..., dict[str, float]]:
    """Return a function of the settings that scores labels; equal settings are computed once."""

    @cache
    def cells(**setting: float) -> AnnData:
        raw = datasets.simulate(bulk, doublets=0, seed=seed, **setting, **simulation)
        flagged = pp.qc_flags(raw, min_genes=min_genes, by="sample")
        return pp.normalise(flagged[flagged.obs["qc_pass"]].copy())

    @cache
    def score(*, resolution: float, n_hvg: int, **setting: float) -> dict[str, float]:
        clustered = clustering.communities(cells(**setting), resolution=resolution, n_hvg=n_hvg, seed=seed)
        try:
            obs = labels.label_cells(clustered, labels.rule_for("simulated"), seed=seed).obs
        except labels.ClassLost:
            return {}
        arms = pd.crosstab(obs["cluster"], obs["treated"])
        return labels.score_labels(obs) | {"arm purity": arms.max(axis=1).sum() / len(obs)}

    return score


def over_seeds(table: pd.DataFrame) -> pd.DataFrame:
    """
    Return the mean over seeds of each metric, with its 95 % t interval, by setting and value.

    The seeds draw other lines, so the interval is one over draws of lines, not over cells. A seed whose score
    is NaN does not count.

    Returns
    -------
    setting, value, metric, mean, low, high (NaN for a single seed; cut at 0 and 1) and n, the seeds counted.
    """
    groups = table.groupby(["setting", "value", "metric"], sort=False)["score"]
    found = groups.agg(mean="mean", sd="std", n="count").reset_index()
    half = inference.t_half(found["sd"] / np.sqrt(found["n"]), found["n"])
    found["low"], found["high"] = (found["mean"] - half).clip(lower=0), (found["mean"] + half).clip(upper=1)
    return found.drop(columns="sd")
