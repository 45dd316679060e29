"""The clusterings of the study's Table S2 by name, and what is measured of each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd
from anndata import AnnData

from bulk2sc.clustering.attention_ae import attention_ae
from bulk2sc.clustering.classic import agreement, communities, kmeans, principal_components, silhouette
from bulk2sc.clustering.deep import deep_cluster, graph_ae

# What may be known of a cell, by column of obs.
KNOWN = {
    "cell line": "cell_line",
    "planted kind": "planted",
    "arm": "treated",
    "response": "response",
    "sample": "sample",
}


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


def methods(
    *, n_hvg: int = 2500, attention: str = "exact", max_epochs: int = 200, max_cluster_epochs: int = 100
) -> dict[str, Method]:
    """
    Return the clusterings of Table S2 by name.

    Parameters
    ----------
    n_hvg
        Number of highly variable genes that a network reads.
    attention
        Of AttentionAE-sc: ``exact``, or ``landmarks`` for very many cells; see `attention_ae`.
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
        "AttentionAE-sc": Method(
            partial(attention_ae, attention=attention, **deep), "X_attention_ae", "X_attention_ae_stage1"
        ),
    }


def known(cells: AnnData) -> dict[str, pd.Series]:
    """Return what is known of the cells and tells at least two groups apart, by name.

    Simulated normal cells are not of one line: their type, `obs["clone"]`, takes its place.
    """
    columns = {name: cells.obs[column] for name, column in KNOWN.items() if column in cells.obs}
    if {"cell_line", "clone"} <= set(cells.obs):
        line, clone = (cells.obs[column].astype(object) for column in ("cell_line", "clone"))
        columns["cell line"] = line.mask(line == "normal", clone)
    return {name: values for name, values in columns.items() if values.nunique() > 1}


def measure(clustered: AnnData, method: Method, truth: Mapping[str, Sequence]) -> dict[str, float]:
    """
    Measure one clustering.

    Parameters
    ----------
    clustered
        What `method.run` returned.
    truth
        Groups known of the cells, by name; may be empty.

    Returns
    -------
    ``ARI, <name>`` and ``NMI, <name>`` for each truth; the average silhouette width on 50 principal
    components, in which no method was trained (``ASW, PCA-50``), on the method's own code (``ASW, own code``)
    and, of the same clusters, on the code before it was trained for them (``ASW, code before``); and
    ``clusters``. With one cluster, ASW is NaN.
    """
    labels = clustered.obs["cluster"]
    found = {
        f"{index}, {name}": value
        for name, groups in truth.items()
        for index, value in agreement(labels, groups).items()
    }
    found["ASW, PCA-50"] = silhouette(principal_components(clustered).obsm["X_pca"], labels)
    if method.before:
        found["ASW, code before"] = silhouette(clustered.obsm[method.before], labels)
    found["ASW, own code"] = silhouette(clustered.obsm[method.code], labels)
    return found | {"clusters": labels.nunique()}
