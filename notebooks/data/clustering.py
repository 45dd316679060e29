# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     notebook_metadata_filter: kernelspec,jupytext,-all
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What is a cluster worth?
#
# ## The idea
#
# {cite:t}`he2025` leave cells out by their cluster.
# They trust clusters by the {term}`average silhouette width <ASW>`, "above 0.75" in each of five data sets (Fig. 2).
# It compares a cell's mean distance $a$ to its own cluster with $b$, that to the nearest other {cite:p}`rousseeuw1987`:
#
# $$s = \frac{b - a}{\max(a, b)}.$$
#
# But in which space?
# AttentionAE-sc, the paper's method {cite:p}`li2023attentionae`, learns a code $z$ and then trains it to form clusters {cite:p}`xie2016`: assignments $q$ of cells to centres $\mu$ move towards a sharper version of themselves, $p$,
#
# $$q_{ic} \propto \frac{1}{1 + \lVert z_i - \mu_c\rVert^2}, \qquad p_{ic} \propto \frac{q_{ic}^2}{\sum_j q_{jc}}.$$
#
# That pulls cells to their centres. To then measure there how compact clusters are is circular.

# %% tags=["parameters"]
edition: str = "demo"  # edition whose settings and results are used
drug: str = "Cisplatin"  # drug, by its GDSC name
clustering_method: str = "leiden"  # what later chapters use, leiden or attention_ae
clustering_cells: int = 4000  # most cells compared on, drawn evenly
clustering_hvg: int = 2500  # variable genes that a network reads
clustering_attention: str = "exact"  # exact, or landmarks for tens of thousands of cells
clustering_epochs: int = 200  # most epochs in which a network learns its code
cluster_stage_epochs: int = 100  # most epochs of the stage that follows
clustering_seeds: int = 5  # runs of each method
clustering_nulls: int = 5  # runs of each method on permuted genes
studies: dict[str, str] = {}  # data sets to draw as in Fig. 2, each with its drug

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown

from bulk2sc import clustering, pl, pp, say
from bulk2sc.book import Study
from bulk2sc.clustering import compare

# %% tags=["remove-input"]
pl.style()
scale = {"clustering_hvg": clustering_hvg, "clustering_attention": clustering_attention}
scale |= {"clustering_epochs": clustering_epochs, "cluster_stage_epochs": cluster_stage_epochs}
study = Study(edition, drug=drug, clustering_method=clustering_method, **scale)
cells = study.read("cells")

# %% [markdown]
# ## How it is done
#
# | method | space | number of clusters |
# |---|---|---|
# | Leiden {cite:p}`traag2019`, Louvain {cite:p}`blondel2008` | 50 principal components | resolution 1 |
# | k-means | 50 principal components | the widest silhouette, 2 to 30 |
# | scDeepCluster {cite:p}`tian2019deep` | code, trained for clusters | Leiden, resolution 1 |
# | graph AE, after scGNN {cite:p}`wang2021scgnn` | code of the neighbour graph | Leiden, resolution 1 |
# | AttentionAE-sc | code, trained for clusters | Leiden, resolution 0.1 |
#
# No method sees a label; agreement with what is known is measured by the {term}`ARI` {cite:p}`hubert1985`. Each clusters the cells, and the same cells with *permuted genes*: each gene's counts are shuffled over the cells, so that nothing is left to find.


# %%
def cluster(cells, *, method, data, seed, most, n_hvg, attention, epochs, stage_epochs):
    rows = np.sort(np.random.default_rng(0).permutation(cells.n_obs)[:most])
    cells = pp.with_counts(cells[rows].copy())
    if data == "permuted genes":
        cells = clustering.permute_genes(cells, seed=seed)
    trained = {"max_epochs": epochs, "max_cluster_epochs": stage_epochs}
    how, truth = compare.methods(n_hvg=n_hvg, attention=attention, **trained)[method], compare.known(cells)
    if data == "sample by sample":
        found = clustering.by_sample(cells, run=how.run, seed=seed).obs["cluster"]
        return {"ARI, cell line": clustering.agreement(found, truth["cell line"])["ARI"]}
    return compare.measure(how.run(cells, seed=seed), how, truth)


# %%
grid = [
    {"method": method, "data": data, "seed": seed}
    for data, n in {"cells": clustering_seeds, "permuted genes": clustering_nulls}.items()
    for method in compare.methods()
    for seed in range(n)
]

# %% [markdown]
# Where samples hold the same lines, each is also clustered by itself, and clusters that are each other's most correlated are joined.

# %% tags=["hide-input"]
obs, repeats = cells.obs, False
if "treated" not in obs and {"sample", "cell_line"} <= set(obs):
    lines = obs.groupby("sample", observed=True)["cell_line"].nunique()
    repeats = len(lines) > 1 and lines.min() > 1
if repeats:
    twice = {"data": "sample by sample", "seed": 0}
    grid += [{"method": method} | twice for method in ("Leiden", "AttentionAE-sc")]
sizes = {"most": clustering_cells, "n_hvg": clustering_hvg, "attention": clustering_attention}
sizes |= {"epochs": clustering_epochs, "stage_epochs": cluster_stage_epochs}
runs = study.each(cluster, [point | sizes for point in grid]).drop(columns=list(sizes))
truths = list(compare.known(cells))
means = runs.groupby(["data", "method"], sort=False).mean(numeric_only=True).drop(columns="seed")

# %% [markdown]
# ## What else was found
#
# ### Three spaces, and nothing to find
#
# Widths of the same clusters in the method's own code, in that code *before* it was trained for clusters, and in 50 principal components.

# %% tags=["hide-input"]
spaces = {"ASW, own code": "own code", "ASW, code before": "before", "ASW, PCA-50": "PCA"}
columns = spaces | {"clusters": "clusters"}
widths = pd.concat(
    {
        data: means.loc[data].reindex(columns=list(columns)).rename(columns=columns)
        for data in ("cells", "permuted genes")
    },
    axis=1,
)
widths.map(lambda value: "" if pd.isna(value) else f"{value:.2g}" if value >= 2 else f"{value:.2f}")

# %% tags=["remove-input"]
null = widths["permuted genes"]
alone = list(null.index[null["clusters"] <= 1])
text = f"With permuted genes one cluster is right, and {say.listing(alone)} {say.Number(len(alone)):finds|find} it."
Markdown(text)

# %% [markdown]
# ### At the paper's length
#
# Kept: 200 epochs and 100 for clusters, three simulated sets of 20 lines at each depth. Three types of normal cells count as one line here, so that finding every group is an ARI of .95.

# %% tags=["hide-input"]
kept = study.kept("clusterings").rename(columns={"ARI, cell line": "ARI", "ASW, own code": "ASW"})
kept["depth"] = kept["depth"].astype(str) + " counts"
full = kept.pivot_table(["ARI", "ASW"], "method", "depth", sort=False).swaplevel(axis=1)
full = full.sort_index(axis=1, ascending=[True, True]).loc[list(compare.methods())]
full.round(2)

# %% tags=["remove-input"]
Markdown(
    " ".join(
        f"At {depth} AttentionAE-sc has a width of {say.number(at.loc['AttentionAE-sc', 'ASW'])} and an ARI of "
        f"{say.number(at.loc['AttentionAE-sc', 'ARI'])}; Leiden {say.number(at.loc['Leiden', 'ASW'])} and "
        f"{say.number(at.loc['Leiden', 'ARI'])}."
        for depth, at in ((depth, full[depth]) for depth in full.columns.levels[0])
    )
)

# %% [markdown]
# ### The paper's Figure 2

# %% mystnb={"figure": {"caption": "Cells as later chapters have them, by cluster (left; width in its own space) and by label (right).", "name": "fig-figure-2"}, "image": {"alt": "Two scatter plots for each data set: the same cells coloured by cluster and by label."}} tags=["hide-input"]
sets = studies or {study.settings.get("cells_source", "simulated"): drug}
figure, axes = plt.subplots(len(sets), 2, figsize=(6.6, 2.7 * len(sets)), squeeze=False)
for row, (source, its_drug) in zip(axes, sets.items(), strict=True):
    found = study.read("labelled", cells_source=source, drug=its_drug)
    code = found.obsm["X_attention_ae" if "X_attention_ae" in found.obsm else "X_pca"]
    title = f"{source}, ASW {say.number(clustering.silhouette(code, found.obs['cluster']))}"
    clusters, answer = found.obs["cluster"].astype(str), pl.response_names(found.obs["response"])
    pl.embedding(found.obsm["X_umap"], clusters, title=title, named=True, ax=row[0])
    pl.embedding(found.obsm["X_umap"], answer, title="label", palette=pl.RESPONSE, ax=row[1])

# %% tags=["remove-input"]
text = ""
if repeats:
    one_by_one, at_once = means.loc["sample by sample"], means.loc["cells"]
    text = (
        "**Samples are a batch**: clustered sample by sample and joined, "
        + say.listing(
            f"{method} has an ARI with the line of {say.number(value)}, at once {say.number(at_once.loc[method, 'ARI, cell line'])}"
            for method, value in one_by_one["ARI, cell line"].items()
        )
        + "."
    )
Markdown(text) if text else None

# %% [markdown]
# ## What could mislead us
#
# - Lines differ more than the cells of one tumour do. What recovers lines may fail within one origin.
# - Seeds vary the methods, on the same cells.
# - Permuting genes removes *all* structure. It is the easiest null there is.
# - Agreement with arm or sample is no merit: clusters then follow treatment or batch.
#
# ```{exercise}
# :label: exercise-clustering
# Cluster one line by itself. Are there clusters within it, and how would you tell?
# ```
#
# ````{solution} exercise-clustering
# :class: dropdown
# ```python
# one = pp.with_counts(cells[cells.obs["cell_line"] == cells.obs["cell_line"].value_counts().index[0]].copy())
# for each in (one, clustering.permute_genes(one)):
#     found = clustering.communities(each)
#     print(found.obs["cluster"].nunique(), clustering.silhouette(found.obsm["X_pca"], found.obs["cluster"]))
# ```
# Leiden returns several clusters of either. Only where the width is clearly above that of permuted genes is there more than noise, often phases of the cell cycle.
# ````
#
# ```{admonition} Quiz
# :class: dropdown tip
# A network reports clusters with an average silhouette width of .90. What do you ask first? **Answer:** in which space, and how wide its clusters are where there is nothing to find.
# ```

# %% tags=["details", "hide-input"]
study.write("clusterings", runs.round(4))
agreements = [f"{index}, {name}" for name in truths for index in ("ARI", "NMI")]
means.loc["cells"].reindex(columns=agreements).round(2)

# %% [markdown] tags=["details"]
# **Errors of the public code of AttentionAE-sc, put right here**
#
# - the exponent of the Student-t kernel behind $q$ is divided after the power instead of before;
# - the target $p$ is not held fixed, so that it moves with $q$;
# - the network is never switched to evaluation, so codes and clusters contain noise and dropout;
# - the target of the graph loss is a distance where a similarity is meant, which asks neighbours to be unlike;
# - beyond 4,000 cells a sample is drawn that is stratified by the true cell types, which are the answer.
#
# Sizes and weights are the paper's: 2500 variable genes, 2500-256-64-16, eight heads with the query from the graph, a Gaussian kernel over 15 neighbours, ZINB + 0.1 graph loss first, KL + 0.1 ZINB + 0.01 graph loss then.
# Four choices differ from the public code: heads share the width of their layer; the graph has self-loops and is normalised by degree; it is always made from 50 principal components; the second stage takes at least 20 epochs.
# With `clustering_attention` set to `landmarks` cells attend to 512 of them, which puts 100,000 cells within reach; `benchmarks/attention.py` measures it.

# %% tags=["in-short", "remove-input"]
kind = "simulated" if cells.uns.get("simulated") else "real"
here, name = means.loc["cells"], "AttentionAE-sc"
first = f"ARI, {truths[0]}" if truths else ""


def worth(method):
    width = here.loc[method, "ASW, own code"]
    told = (
        "finds one cluster, which has no width" if pd.isna(width) else f"has a width of {say.number(width)}"
    )
    return told + (f" and an ARI of {say.number(here.loc[method, first])}" if first else "")


parts = [f"On **{kind}** cells {name}, the paper's clustering, {worth(name)}; Leiden {worth('Leiden')}"]
parts[0] += f" (ARI: agreement with the {truths[0]}, 1 at best)." if first else "; no grouping is known."
wide = null["own code"]
if wide.notna().any():
    parts.append(
        f"**Where genes are permuted and nothing is left to find, {wide.idxmax()} still reaches {say.number(wide.max())}**, "
        f"and {name} {say.number(wide[name]) if pd.notna(wide[name]) else 'finds one cluster'}."
    )
wider = here.loc[name, "ASW, own code"] > here.loc["Leiden", "ASW, own code"]
if first and wider and here.loc[name, first] < here.loc["Leiden", first]:
    parts.append(
        "The wider clusters agree less with what is known: width alone does not tell right from wrong."
    )
if "counts" not in cells.layers:
    parts.append("The source has no counts: rounded abundances stand in for them.")
if clustering_epochs < 200:
    longer = [f"{say.number(full.loc[name, depth]['ARI'])} at {depth}" for depth in full.columns.levels[0]]
    parts.append(
        f"Networks learn for {clustering_epochs} epochs here; at the paper's 200 its ARI on simulated cells is {say.listing(longer)} (kept run)."
    )
Markdown(" ".join(parts))

# %% mystnb={"figure": {"caption": "Silhouette width on the method's own code, and agreement with what is known of the cells: mean over runs, and single runs (small). Open marks: the same cells with permuted genes. Dashed: the width that the paper reports.", "name": "fig-clusterings"}, "image": {"alt": "Scatter plot, one colour for each clustering: filled marks for the cells, open marks for permuted genes at an agreement of 0."}} tags=["in-short", "hide-input"]
figure, ax = plt.subplots(figsize=(6.5, 3.8))
colours = plt.rcParams["axes.prop_cycle"].by_key()["color"]
height = first or "clusters"
for (method, rows), colour in zip(runs.groupby("method", sort=False), colours, strict=False):
    for data, fill in {"cells": colour, "permuted genes": "white"}.items():
        some, label = rows[rows["data"] == data], method if data == "cells" else None
        ax.scatter(some["ASW, own code"], some[height], s=10, color=colour, alpha=0.4, linewidth=0)
        mean = some[["ASW, own code", height]].mean()
        ax.scatter(*mean, s=60, facecolor=fill, edgecolor=colour, linewidth=1.5, label=label, zorder=3)
ax.axvline(0.75, color="black", linestyle="--", linewidth=0.8)
ax.set(xlabel="average silhouette width, own code", ylabel=height.replace("ARI,", "ARI with the"))
_ = figure.legend(loc="outside right upper")
