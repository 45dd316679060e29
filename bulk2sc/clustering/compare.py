"""Compare clusterings of the same cells, and ask what each of them finds where there is nothing."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import stats

from bulk2sc.clustering.attention_ae import attention_ae
from bulk2sc.clustering.communities import communities, kmeans, principal_components
from bulk2sc.clustering.deep_cluster import deep_cluster
from bulk2sc.clustering.graph_ae import graph_ae
from bulk2sc.clustering.measures import agreement, permute_genes, silhouette

# What may be known of a cell, by column of obs.
KNOWN = {
    "cell line": "cell_line",
    "planted kind": "planted",
    "arm": "treated",
    "response": "response",
    "sample": "sample",
}
KEYS = ["data", "method", "metric", "stage"]


@dataclass(frozen=True)
class Method:
    """A way to cluster, and where it leaves its code.

    Attributes
    ----------
    run
        Called with cells and the keyword ``seed``; returns a copy with `obs["cluster"]`.
    code
        Key of obsm: the space in which the method clusters.
    before
        Key of obsm: the code before it was trained to be clustered, for methods that do so.
    """

    run: Callable[..., AnnData]
    code: str = "X_pca"
    before: str = ""


def methods(*, n_hvg: int = 2500, max_epochs: int = 200, max_cluster_epochs: int = 100) -> dict[str, Method]:
    """
    Return the clusterings of Table S2 by name.

    Parameters
    ----------
    n_hvg
        Number of highly variable genes that a network reads.
    max_epochs
        Most epochs in which a network learns its code.
    max_cluster_epochs
        Most epochs of the stage that follows: of clustering, or of the graph autoencoder.
    """
    network = {"n_hvg": n_hvg, "max_epochs": max_epochs}
    deep = network | {"max_cluster_epochs": max_cluster_epochs}
    graph = network | {"max_graph_epochs": max_cluster_epochs}
    return {
        "Leiden": Method(communities),
        "Louvain": Method(partial(communities, method="louvain")),
        "k-means": Method(kmeans),
        "scDeepCluster": Method(partial(deep_cluster, **deep), "X_deep_cluster", "X_deep_cluster_stage1"),
        "graph AE": Method(partial(graph_ae, **graph), "X_graph_ae", "X_graph_ae_stage1"),
        "AttentionAE-sc": Method(partial(attention_ae, **deep), "X_attention_ae", "X_attention_ae_stage1"),
    }


def known(cells: AnnData) -> dict[str, pd.Series]:
    """Return what is known of the cells and tells at least two groups apart, by name."""
    columns = {name: cells.obs[column] for name, column in KNOWN.items() if column in cells.obs}
    return {name: values for name, values in columns.items() if values.nunique() > 1}


def compare(
    cells: AnnData, truth: Mapping[str, Sequence], methods: Mapping[str, Method], *, seeds: Iterable[int]
) -> pd.DataFrame:
    """
    Cluster the same cells with every method and seed, and measure the outcome.

    Parameters
    ----------
    cells
        (n_cells, n_genes), X log-normalised, `layers["counts"]`.
    truth
        Groups known of the cells, by name; may be empty.
    methods
        As `methods` returns them.
    seeds
        One run each. They vary the method and not the cells.

    Returns
    -------
    Tidy: method, seed, metric, stage, value. Metrics: ``ARI, <name>`` and ``NMI, <name>`` for each truth;
    ``ASW, PCA-50``, in a space no method was trained in; ``ASW, own code``; ``clusters``; ``seconds`` of
    processor time. The stage is ``before`` for the width of the final clusters in the code before it was
    trained for clusters, else ``after``. With one cluster, ASW is NaN.
    """
    reference = principal_components(cells).obsm["X_pca"]
    rows = []
    for seed in seeds:
        for name, method in methods.items():
            start = time.process_time()
            clustered = method.run(cells, seed=seed)
            seconds = time.process_time() - start
            found = measure(clustered, method, reference, truth) | {("seconds", "after"): seconds}
            rows += [(name, seed, *key, value) for key, value in found.items()]
    return pd.DataFrame(rows, columns=["method", "seed", "metric", "stage", "value"])


def measure(
    clustered: AnnData, method: Method, reference: np.ndarray, truth: Mapping[str, Sequence]
) -> dict[tuple[str, str], float]:
    """Return every measure of one clustering by (metric, stage); see `compare`."""
    labels = clustered.obs["cluster"]
    found = {}
    for name, groups in truth.items():
        found |= {(f"{index}, {name}", "after"): value for index, value in agreement(labels, groups).items()}
    found["ASW, PCA-50", "after"] = silhouette(reference, labels)
    if method.before:
        found["ASW, own code", "before"] = silhouette(clustered.obsm[method.before], labels)
    found["ASW, own code", "after"] = silhouette(clustered.obsm[method.code], labels)
    found["clusters", "after"] = labels.nunique()
    return found


def compare_parts(
    parts: Mapping[str, AnnData], methods: Mapping[str, Method], *, n_seeds: int, n_permuted: int
) -> pd.DataFrame:
    """
    Compare on several sets of cells, and on the first with its genes permuted.

    Parameters
    ----------
    parts
        Cells by name, all of them first.
    n_seeds
        Runs of each method on each set.
    n_permuted
        Permutations of the first set, one run of each method on each.

    Returns
    -------
    As `compare`, with a column ``data``: the name of the set, or ``genes permuted``.
    """
    tables = [
        compare(cells, known(cells), methods, seeds=range(n_seeds)).assign(data=name)
        for name, cells in parts.items()
    ]
    everything = next(iter(parts.values()))
    for seed in range(n_permuted):
        nothing = permute_genes(everything, seed=seed)
        tables.append(compare(nothing, {}, methods, seeds=[seed]).assign(data="genes permuted"))
    return pd.concat(tables, ignore_index=True)


def at_most(cells: AnnData, n: int) -> AnnData:
    """Return all cells, or `n` of them drawn evenly, whatever they are, always the same."""
    if cells.n_obs <= n:
        return cells.copy()
    return cells[np.sort(np.random.default_rng(0).choice(cells.n_obs, n, replace=False))].copy()


def parts(cells: AnnData) -> dict[str, AnnData]:
    """
    Return all cells and, where samples are the same lines measured again, each sample by itself.

    That is so where no cell was treated and every sample holds several cell lines: such samples differ by
    their protocol, and what separates them is a batch effect.
    """
    together = {"all cells": cells}
    if "treated" in cells.obs or not {"sample", "cell_line"} <= set(cells.obs):
        return together
    lines = cells.obs.groupby("sample", observed=True)["cell_line"].nunique()
    if len(lines) < 2 or lines.min() < 2:
        return together
    return together | {name: cells[(cells.obs["sample"] == name).to_numpy()].copy() for name in lines.index}


def over_seeds(table: pd.DataFrame) -> pd.DataFrame:
    """
    Add to every measure its mean over seeds and the 95 % t-interval of that mean.

    The interval says how much the method's own randomness matters; the cells are the same in every run.

    Parameters
    ----------
    table
        As `compare_parts` returns it.

    Returns
    -------
    The rows, and those of the means with the seed -1 and `low` and `high`; NaN where there is one value.
    Values that are NaN are left out of a mean.
    """
    means = table.groupby(KEYS, sort=False)["value"].apply(_mean_interval).unstack().reset_index()
    return pd.concat([table, means.assign(seed=-1)], ignore_index=True)


def _mean_interval(values: pd.Series) -> pd.Series:
    values = values.dropna()
    half = np.nan
    if len(values) > 1:
        half = stats.t.ppf(0.975, len(values) - 1) * values.std() / np.sqrt(len(values))
    mean = values.mean()
    return pd.Series({"value": mean, "low": mean - half, "high": mean + half})
