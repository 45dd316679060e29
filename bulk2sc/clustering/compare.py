"""Compare clusterings of the same cells, and ask what each of them finds where there is nothing."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
import pandas as pd
from anndata import AnnData

from bulk2sc import inference
from bulk2sc.clustering.attention_ae import attention_ae
from bulk2sc.clustering.communities import communities, kmeans, principal_components
from bulk2sc.clustering.deep_cluster import deep_cluster
from bulk2sc.clustering.graph_ae import graph_ae
from bulk2sc.clustering.measures import agreement, permute_genes, silhouette
from bulk2sc.clustering.samples import by_sample

# What may be known of a cell, by column of obs.
KNOWN = {
    "cell line": "cell_line",
    "planted kind": "planted",
    "arm": "treated",
    "response": "response",
    "sample": "sample",
}
PLATE = r"_p\d+$"  # how the name of a sample ends that is one of several plates: celseq2_p1, celseq2_p2
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
    """Return what is known of the cells and tells at least two groups apart, by name."""
    columns = {name: cells.obs[column] for name, column in KNOWN.items() if column in cells.obs}
    if "arm" in columns:
        columns["arm"] = columns["arm"].map({True: "treated", False: "control"})
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
    found = _agreements(labels, truth)
    found["ASW, PCA-50", "after"] = silhouette(reference, labels)
    if method.before:
        found["ASW, own code", "before"] = silhouette(clustered.obsm[method.before], labels)
    found["ASW, own code", "after"] = silhouette(clustered.obsm[method.code], labels)
    found["clusters", "after"] = labels.nunique()
    return found


def _agreements(labels: Sequence, truth: Mapping[str, Sequence]) -> dict[tuple[str, str], float]:
    return {
        (f"{index}, {name}", "after"): value
        for name, groups in truth.items()
        for index, value in agreement(labels, groups).items()
    }


def compare_permuted(cells: AnnData, methods: Mapping[str, Method], *, n: int) -> pd.DataFrame:
    """Return `compare` without truth on `n` permutations of the genes, one run of each method on each."""
    tables = [compare(permute_genes(cells, seed=seed), {}, methods, seeds=[seed]) for seed in range(n)]
    return pd.concat(tables, ignore_index=True)


def compare_parts(
    cells: AnnData,
    truth: Mapping[str, Sequence],
    methods: Mapping[str, Method],
    *,
    seeds: Iterable[int],
    by: str = "sample",
) -> pd.DataFrame:
    """
    Cluster part by part with every method and seed, and measure agreement in each part and in all.

    Parameters are those of `compare`, and `by`: the column of obs that names the part.

    Returns
    -------
    As `compare`, without widths on the own code, with a column ``data``: ``<by> <part>``; or ``all cells``,
    where the method is called ``<method>, <by> by <by>``, for the joined clusters (`by_sample`).
    """
    parts = cells.obs.groupby(by, observed=True).indices
    spaces = {part: principal_components(cells[at].copy()).obsm["X_pca"] for part, at in parts.items()}
    rows = []
    for seed, (name, method) in product(seeds, methods.items()):
        found = by_sample(cells, run=method.run, by=by, seed=seed).obs
        kinds = pd.DataFrame({key: np.asarray(groups, object) for key, groups in truth.items()}, found.index)
        joined = _agreements(found["cluster"], kinds)
        rows += [("all cells", f"{name}, {by} by {by}", seed, *key, value) for key, value in joined.items()]
        for part, at in parts.items():
            labels = found["within"].iloc[at]
            measured = _agreements(labels, kinds.iloc[at])
            measured["ASW, PCA-50", "after"] = silhouette(spaces[part], labels)
            measured["clusters", "after"] = labels.nunique()
            rows += [(f"{by} {part}", name, seed, *key, value) for key, value in measured.items()]
    return pd.DataFrame(rows, columns=["data", "method", "seed", "metric", "stage", "value"])


def at_most(cells: AnnData, n: int) -> AnnData:
    """Return all cells, or `n` of them drawn evenly, whatever they are, always the same."""
    if cells.n_obs <= n:
        return cells.copy()
    return cells[np.sort(np.random.default_rng(0).choice(cells.n_obs, n, replace=False))].copy()


def repeated(cells: AnnData) -> bool:
    """
    Say whether samples are the same kinds of cells measured again: what parts them is then a batch effect.

    That is so where no cell was treated and every one of several samples holds several cell lines.
    """
    if "treated" in cells.obs or not {"sample", "cell_line"} <= set(cells.obs):
        return False
    lines = cells.obs.groupby("sample", observed=True)["cell_line"].nunique()
    return len(lines) > 1 and lines.min() > 1


def origins(cells: AnnData) -> dict[str, pd.Series]:
    """
    Return where repeated cells were measured, by name: ``sample`` and, where coarser, others that it implies.

    Samples that end in a number, ``celseq2_p1``, are plates of one ``experiment``; what stands before the
    number is their ``protocol``, which other experiments may share.
    """
    found = {"sample": cells.obs["sample"].astype(str)}
    for name, ending in {"experiment": " plates", "protocol": ""}.items():
        groups = found["sample"].str.replace(PLATE, ending, regex=True)
        if 1 < groups.nunique() < min(finer.nunique() for finer in found.values()):
            found[name] = groups
    return found


def table_s2(cells: AnnData, methods: Mapping[str, Method], *, n_seeds: int, n_permuted: int) -> pd.DataFrame:
    """
    Compare on all cells, on permuted genes and, where samples are repeated measurements, part by part.

    Returns
    -------
    As `compare`, with a column ``data``: ``all cells``, ``genes permuted`` and, of repeated measurements,
    those of `compare_parts` for samples and for protocols. Clusters of all cells are then also compared with
    the lines of each sample, experiment and protocol taken apart (``ARI, line x sample`` and so on).
    """
    truth, seeds = known(cells), range(n_seeds)
    places = origins(cells) if repeated(cells) else {}
    line = {"cell line": truth["cell line"].astype(object)} if places else {}
    apart = {f"line x {name}": line["cell line"] + ", " + groups for name, groups in places.items()}
    tables = [
        compare(cells, truth | apart, methods, seeds=seeds).assign(data="all cells"),
        compare_permuted(cells, methods, n=n_permuted).assign(data="genes permuted"),
    ]
    placed = cells.copy()
    for name in [name for name in ("sample", "protocol") if name in places]:
        placed.obs[name] = places[name]
        tables.append(compare_parts(placed, line, methods, seeds=seeds, by=name))
    return pd.concat(tables, ignore_index=True)


def over_seeds(table: pd.DataFrame) -> pd.DataFrame:
    """
    Add to every measure its mean over seeds and the 95 % t-interval of that mean.

    The interval says how much runs differ: by the method's own randomness where they share their cells, by
    the cells as well where each seed has its own.

    Parameters
    ----------
    table
        As `table_s2` returns it.

    Returns
    -------
    The rows, and those of the means with the seed -1 and `low` and `high`; NaN where there is one value.
    Values that are NaN are left out of a mean. With two values `low` and `high` are these: an interval of two
    would say nothing.
    """
    means = table.groupby(KEYS, sort=False)["value"].apply(_mean_interval).unstack().reset_index()
    return pd.concat([table, means.assign(seed=-1)], ignore_index=True)


def _mean_interval(values: pd.Series) -> pd.Series:
    values = values.dropna()
    mean, half = values.mean(), float(inference.t_half(values.sem(), len(values)))
    if len(values) == 2:
        half = values.max() - mean
    return pd.Series({"value": mean, "low": mean - half, "high": mean + half})
