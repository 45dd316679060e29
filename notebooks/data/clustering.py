# ---
# jupyter:
#   bulk2sc:
#     reads:
#     - cells
#     writes:
#     - clustered
#     - clusterings
#   jupytext:
#     formats: ipynb,py:percent
#     notebook_metadata_filter: kernelspec,jupytext,bulk2sc,-all
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
# Before {cite:t}`he2025` label their cells, they cluster them, and leave cells out by their cluster.
# Their evidence that the clusters can be trusted is the {term}`average silhouette width <ASW>`, "above 0.75" in each of five data sets (their Fig. 2), and a comparison with other clusterings (their Table S2).
# This chapter repeats the comparison where the right groups are known, and asks what a silhouette width of 0.75 shows.
#
# **You will learn**
#
# - how six clusterings work, from k-means to the attention network of the paper, and which errors of its public code are put right here;
# - how well each of them recovers what is known of the cells;
# - why a silhouette width taken on a code that was trained for clusters is circular, and how wide it gets where there is nothing to find.

# %% tags=["parameters"]
edition: str = "demo"  # edition whose settings and results are used
clustering_method: str = "leiden"  # what later chapters use, leiden or attention_ae
clustering_cells: int = 4000  # most cells compared on, drawn evenly
clustering_hvg: int = 2500  # variable genes that a network reads
clustering_attention: str = "exact"  # exact, or landmarks for tens of thousands of cells
clustering_epochs: int = 200  # most epochs in which a network learns its code
cluster_stage_epochs: int = 100  # most epochs of the stage that follows
clustering_seeds: int = 5  # runs of each method
clustering_nulls: int = 5  # runs of each method on permuted genes
studies: dict[str, str] = {}  # data sets to draw as in Fig. 2, each with its drug

# %%
import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from bulk2sc import clustering, pl, pp, prose
from bulk2sc.clustering import compare, soft
from bulk2sc.settings import project_root
from bulk2sc.study import Study

# %%
pl.style()
scale = {"clustering_cells": clustering_cells, "clustering_hvg": clustering_hvg}
scale |= {"clustering_attention": clustering_attention}
scale |= {"clustering_epochs": clustering_epochs, "cluster_stage_epochs": cluster_stage_epochs}
runs = {"clustering_seeds": clustering_seeds, "clustering_nulls": clustering_nulls}
study = Study(edition=edition, clustering_method=clustering_method, **scale, **runs)
everything = study.read("cells")
cells = pp.with_counts(compare.at_most(everything, clustering_cells))
known = compare.known(cells)

# %% tags=["remove-input"]
bulk_uns = study.read("bulk").uns
Markdown(
    f"{prose.origin_of_cells(everything.uns, bulk_uns, study.settings['cells_source'])} "
    f"{cells.n_obs} of {everything.n_obs} cells are compared on, drawn without regard to what they are. "
    f"Known of them: {prose.listing(list(known))}. {prose.counts_used(cells.uns['counts'])}Networks read {clustering_hvg} variable genes and learn for "
    f"at most {clustering_epochs} epochs, then {cluster_stage_epochs} more for clusters; the paper has 2500, 200 and 100."
)

# %% [markdown]
# ## Six clusterings
#
# | method | space | clusters | number of clusters |
# |---|---|---|---|
# | Leiden {cite:p}`traag2019` | 50 principal components | communities of the graph of 15 neighbours | resolution 1 |
# | Louvain {cite:p}`blondel2008` | 50 principal components | communities of the same graph | resolution 1 |
# | k-means | 50 principal components | nearest centre | the highest silhouette width, from 2 to 30 |
# | scDeepCluster {cite:p}`tian2019deep` | code of a {term}`ZINB` autoencoder with noise | trained centres | Leiden on the code, resolution 1 |
# | graph AE, in the manner of scGNN {cite:p}`wang2021scgnn` | code of a graph autoencoder | k-means on the code | Leiden on the first code, resolution 1 |
# | AttentionAE-sc {cite:p}`li2023attentionae` | code of 16 dimensions | trained centres | Leiden on the code, resolution 0.1 |
#
# No method is told how many groups there are, and none sees a label.
#
# The graph autoencoder is small: the mixture model of expression, an autoencoder for each cluster, imputation and the repeated rounds of scGNN are left out.
#
# The last three are networks with two stages.
# The first learns a code that rebuilds the data.
# The second, in scDeepCluster and AttentionAE-sc, gathers cells at cluster centres {cite:p}`xie2016`: it moves the soft assignment $Q$ of cells to centres towards a sharper version $P$ of itself.
# In the graph autoencoder the second stage learns a code of the neighbour graph, which draws neighbours together.
#
# AttentionAE-sc joins two branches.
# One is an autoencoder of expression (2500-256-64-16); the other passes expression along the graph of neighbours; attention with eight heads fuses them, the query from the graph, key and value from expression.
# The public code of AttentionAE-sc has errors that are not repeated here:
#
# - the exponent of the Student-t kernel behind $Q$ is divided after the power instead of before;
# - the target $P$ is not held fixed, so that it moves with $Q$;
# - the network is never switched to evaluation, so codes and clusters contain noise and dropout;
# - the target of the graph loss is a distance where a similarity is meant, which asks neighbours to be unlike;
# - beyond 4,000 cells a sample is drawn that is stratified by the true cell types, which are the answer.
#
# Sizes and weights are by default the paper's: 2500 variable genes, eight heads, a code of 16, resolution 0.1, a Gaussian kernel over 15 neighbours, ZINB + 0.1 graph loss in the first stage, KL + 0.1 ZINB + 0.01 graph loss in the second.
# Four choices differ from the public code: heads share the width of their layer, where there each has all of it; the graph has self-loops and is normalised by degree; it is always made from 50 principal components, which the public code does only from 10,000 cells on; and the second stage takes at least 20 epochs, for clusters that lie well apart change no label and would end it before it began.
# The model is read in `bulk2sc/clustering/attention_ae.py`, which takes from `soft.py` the soft clusters and the second stage, from `zinb.py` the distribution of counts, and from `attention.py` the attention that never holds its weights as a whole.
#
# ## What they find
#
# Each code is drawn as a UMAP, with the clusters of the method that uses it and with what is known of the cells.

# %%
methods = compare.methods(
    n_hvg=clustering_hvg,
    attention=clustering_attention,
    max_epochs=clustering_epochs,
    max_cluster_epochs=cluster_stage_epochs,
)
drawn = {name: method for name, method in methods.items() if name not in ("Louvain", "k-means")}
clustered = {name: method.run(cells, seed=0) for name, method in drawn.items()}
umaps = {
    name: clustering.umap(clustering.neighbours(clustered[name], method.code)).obsm["X_umap"]
    for name, method in drawn.items()
}

# %% mystnb={"figure": {"caption": "UMAP of each method's code, coloured by its clusters (numbers stand on the middle of their cells) and by what is known of the cells, as in Fig. 2 of the paper; names of more than ten cell lines are left out. Leiden stands for all that work on principal components.", "name": "fig-clusterings"}, "image": {"alt": "A grid of scatter plots, one row for each method: the same cells in two dimensions, coloured by cluster, cell line and arm or sample."}} tags=["hide-input"]
shown = [name for name in known if name != "planted kind"][:2]
figure, axes = plt.subplots(
    len(drawn), 1 + len(shown), figsize=(2.7 * (1 + len(shown)), 2.4 * len(drawn)), squeeze=False
)
for row, (name, umap) in zip(axes, umaps.items(), strict=True):
    pl.embedding(umap, clustered[name].obs["cluster"].astype(str), title=name, named=True, ax=row[0])
    for ax, title in zip(row[1:], shown, strict=True):
        groups = known[title].astype(str)
        pl.embedding(umap, groups, title=title, named=groups.nunique() > 5, ax=ax)
_ = [ax.set(xlabel="", ylabel="") for ax in axes.ravel()]

# %% [markdown]
# A UMAP of a code that was trained to form clusters shows clusters.
# Whether they are those of the cells is a question for numbers.
#
# ## Do clusters agree with what is known?
#
# The {term}`adjusted Rand index <ARI>` {cite:p}`hubert1985` is 1 where clusters and known groups are equal, and 0 on average for unrelated ones; {term}`NMI` is its cousin from information theory.
# Each method runs with several seeds.
# The intervals are t-intervals of the mean over seeds: **they measure how much a method depends on its own randomness, not what it would do on other cells**, and methods without much randomness have narrow ones.
# Such an interval may reach beyond 1.
# Of two runs the range is given in its place; a value without any stands for one run, or for runs that agree to the digits shown.

# %%
table = compare.over_seeds(study.read("clusterings"))
means = table[table["seed"] == -1]


def mean_of(metric, data="all cells", stage="after"):
    rows = means[(means["metric"] == metric) & (means["data"] == data) & (means["stage"] == stage)]
    return rows.set_index("method")["value"].reindex(list(methods))


# %% tags=["hide-input"]
summary = means[(means["data"] == "all cells") & ~means["metric"].str.contains("line x ")]
spaces = summary["stage"].where(summary["metric"] == "ASW, own code", "")
columns = (summary["metric"] + ", " + spaces).str.removesuffix(", ")
digits = summary["metric"].str.startswith("ARI").map({True: 3, False: 2})  # ARI is held against a bar
text = [prose.over_runs(row, digits=n) for (_, row), n in zip(summary.iterrows(), digits, strict=True)]
wide = summary.assign(column=columns, text=text).pivot(index="method", columns="column", values="text")
order = [name for name in columns.unique() if name not in ("seconds", "clusters")] + ["clusters"]
wide.loc[list(methods), order].fillna("").rename_axis(index=None, columns=None).T

# %% mystnb={"figure": {"caption": "Agreement of clusters with the first of the groupings that are known: mean over seeds with its 95 % interval (blue) and every seed (grey).", "name": "fig-clusterings-ari"}, "image": {"alt": "One row for each method with its adjusted Rand index: a point for each seed, the mean and an interval."}} tags=["hide-input"]
first = next(iter(known), None)
if first is not None:
    whole = table[(table["data"] == "all cells") & table["method"].isin(methods)]
    pl.intervals(whole, f"ARI, {first}", chance=0, order=list(methods))

# %% tags=["remove-input"]
text = (
    "No cell line is known of these cells, so there is no agreement to report with the truth; "
    "agreement with the arm or the sample, where the table has it, says what the clusters follow."
)
if "cell line" in known:
    ending = ", sample by sample"
    joined = means[(means["metric"] == "ARI, cell line") & means["method"].str.endswith(ending)]
    apart = joined.set_index(joined["method"].str.removesuffix(ending))["value"]
    whole = mean_of("ARI, cell line")
    text = prose.recovery("AttentionAE-sc", whole, "cell line", apart=apart if len(apart) else None)
    text += " " + prose.cut_short(clustering_epochs, 200)
Markdown(text)

# %% tags=["remove-input"]
text = ""
if "clone" in cells.obs and "cell line" in known:  # simulated: the type of a normal cell is its clone
    line = known["cell line"].astype(str)
    normal = line == "normal"
    split = line.mask(normal, cells.obs["clone"].astype(str))
    ari = clustering.agreement(split, line)["ARI"]
    text = prose.normal_as_one(ari, normal.sum(), split[normal].nunique())
Markdown(text)

# %% [markdown]
# The *planted kind* of simulated cells (sensitive, hidden resistant and so on) cuts across lines by design, so that no clustering can agree with it well.
# Agreement with *arm* or *sample* is not to be wished for: it says that clusters follow the treatment or the batch.
#
# ### On other cells, and with fewer counts
#
# A method that is good on one set of cells may owe it to that set.
# `benchmarks/clusterings.py` draws other lines than this book and simulates their cells, with 2000 counts each and with 500 (of at least 200 and 100 genes, and without doublets).
# It runs every method once on each set, as the papers have it: 2500 variable genes and the full training.
# The sets are the same in every edition.
# Here, too, normal cells of three types count as one line: a clustering that parts the types stays below 1, and differences near the top can be no more than that.
# The intervals are t-intervals over sets, which differ in lines, cells and the method's seed, so they do say something of other cells of this kind.

# %% mystnb={"figure": {"caption": "Agreement of clusters with the cell line on simulated sets at two depths: mean over sets with its 95 % t-interval (blue; of two sets the range) and every set (grey).", "name": "fig-clusterings-sets"}, "image": {"alt": "Two panels, one a depth, with one row for each method: a point for each simulated set, the mean and an interval along the adjusted Rand index."}} tags=["hide-input"]
kept_sets = project_root() / "benchmarks" / "clusterings.csv"
simulated = pd.read_csv(kept_sets) if kept_sets.exists() else pd.DataFrame(columns=["depth"])
by_depth = {d: compare.over_seeds(rows.assign(data=d)) for d, rows in simulated.groupby("depth")}
if by_depth:
    figure, axes = plt.subplots(1, len(by_depth), figsize=(9, 2.8), sharex=True, sharey=True, squeeze=False)
    for ax, (depth, rows) in zip(axes[0], by_depth.items(), strict=True):
        pl.intervals(rows, "ARI, cell line", chance=0, order=list(methods), ax=ax)
        ax.set_title(f"{depth} counts of a cell")

# %% tags=["remove-input"]
said = []
for depth, rows in by_depth.items():
    of_line = rows[(rows["seed"] == -1) & (rows["metric"] == "ARI, cell line")].set_index("method")["value"]
    n = rows.loc[rows["seed"] >= 0, "seed"].nunique()
    said.append(f"- {n} sets at {depth} counts: {prose.recovery('AttentionAE-sc', of_line, 'cell line')}")
Markdown("\n".join(said) or "They are not among the files of this project.")

# %% tags=["hide-input"]
for depth, rows in by_depth.items():
    mean = rows[rows["seed"] == -1].assign(text=lambda t: t.apply(prose.over_runs, axis=1))
    mean["metric"] += (", " + mean["stage"]).where(mean["metric"] == "ASW, own code", "")
    shown = mean.pivot(index="metric", columns="method", values="text")[list(methods)].fillna("")
    display(Markdown(f"At {depth} counts, mean over sets (95 % interval):"), shown.rename_axis(columns=None))

# %% [markdown]
# ## What does a silhouette width of 0.75 show?
#
# The silhouette of a cell compares its mean distance to the cells of its own cluster with that to the nearest other cluster; {term}`ASW` is the mean over cells {cite:p}`rousseeuw1987`.
# It depends on the space in which distances are taken.
# The paper does not say which space it used; the code of the method is the usual one, and the second stage of the training shrinks clusters in just that space.
# To then measure how compact they are is circular.
#
# Two comparisons make this visible:
#
# - *the same clusters in three spaces*: the code as clustered, the code before it was trained for clusters, and 50 principal components, which no network had a hand in;
# - *the same methods on permuted genes*: the counts of each gene are shuffled over the cells. Every gene keeps its distribution, and no two cells have anything in common any more. The right number of clusters is one, which k-means cannot find: it searches from two on.

# %% mystnb={"figure": {"caption": "Average silhouette width of each method's clusters in three spaces, mean over runs with 95 % interval: the cells (left), and the same with permuted genes (right). For methods on principal components two of the spaces coincide. The dashed line is the width that the paper reports for each data set.", "name": "fig-widths"}, "image": {"alt": "Two panels with one row for each method and a marker for each space, along the average silhouette width; a dashed line at 0.75."}} tags=["hide-input"]
CLAIM = 0.75
figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), sharex=True, sharey=True)
titles = {"all cells": "the cells", "genes permuted": "permuted genes"}
for ax, (data, title) in zip(axes, titles.items(), strict=True):
    rows = means[(means["data"] == data) & means["method"].isin(methods)]
    pl.widths(rows, claim=CLAIM, title=title, ax=ax)
_ = figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize="small")

# %% tags=["remove-input"]
own, nothing = mean_of("ASW, own code"), mean_of("ASW, own code", "genes permuted")
reference = mean_of("ASW, PCA-50", "genes permuted")
before = mean_of("ASW, own code", stage="before")
name = "AttentionAE-sc"
Markdown(
    f"{prose.compacted(before, own)}\n\n"
    f"{prose.width_of_nothing(name, own[name], nothing[name], reference[name], claim=CLAIM)}\n\n"
    f"{prose.widest_of_nothing(nothing, claim=CLAIM)} "
    f"{prose.false_clusters(mean_of('clusters', 'genes permuted'))} "
    f"{prose.few_runs(clustering_nulls, 'permuted genes')}"
)

# %% [markdown]
# ## How does the number of clusters depend on the resolution?
#
# The paper sets Leiden's resolution to 0.1.
# A resolution has no meaning of its own: how many clusters it gives depends on the graph, and so on the code, the number of neighbours and the kernel that weighs them.
# Here are three graphs of the same cells: of neighbours on principal components, as Leiden uses it; of neighbours on the code of AttentionAE-sc after its first stage; and of the same code with a Gaussian kernel, which is what AttentionAE-sc itself cuts.

# %% tags=["hide-input"]
codes = {
    "principal components": clustered["Leiden"].obsm["X_pca"],
    "code of AttentionAE-sc": clustered[name].obsm["X_attention_ae_stage1"],
}


def cut(graph, resolution):
    if graph == "code, Gaussian kernel":
        code = codes["code of AttentionAE-sc"]
        return soft.leiden_labels(code, resolution=resolution, n_neighbors=15, seed=0)
    return clustering.community_labels(codes[graph], resolution=resolution)


# %% tags=["hide-input"]
resolutions = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
sweep = []
for graph in [*codes, "code, Gaussian kernel"]:
    for resolution in resolutions:
        labels = cut(graph, resolution)
        agreement = clustering.agreement(labels, known[first])["ARI"] if first else np.nan
        sweep.append((graph, resolution, labels.max() + 1, agreement))
sweep = pd.DataFrame(sweep, columns=["graph", "resolution", "clusters", "ARI"])

# %% mystnb={"figure": {"caption": "Number of Leiden clusters (left), and their agreement with the first of the groupings that are known (right), over the resolution, on three graphs of the same cells. The dotted line is the paper's 0.1.", "name": "fig-resolution"}, "image": {"alt": "Two panels with one curve for each of three graphs over the resolution: number of clusters and adjusted Rand index."}} tags=["hide-input"]
import seaborn as sns

figure, axes = plt.subplots(1, 2, figsize=(9, 3))
for ax, measure in zip(axes, ("clusters", "ARI"), strict=True):
    sns.lineplot(sweep, x="resolution", y=measure, hue="graph", marker="o", ax=ax, legend=ax is axes[1])
    ax.axvline(0.1, color="black", linestyle=":", linewidth=0.8)
    ax.set(xscale="log", xlabel="resolution (log scale)")
_ = axes[1].legend(title=None, fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))

# %% tags=["remove-input"]
at_paper = sweep[sweep["resolution"] == 0.1].set_index("graph")["clusters"]
Markdown(
    f"At a resolution of 0.1 the clusters number {prose.listing([f'{n} ({graph})' for graph, n in at_paper.items()])}."
)

# %% [markdown]
# ## Are samples a batch?
#
# Where the same lines were measured several times, by other protocols or on other plates, clusters can follow the measurement.
# A batch effect moves all cells of a sample, so it cannot part those within one.
# Each sample is therefore also clustered by itself, and clusters of two samples are joined when their mean profiles are each other's most correlated; a cluster without a counterpart stays alone.
# That uses the sample of a cell, which is known, and not its line.
# The same is done with protocols, where several samples share one.
#
# How far clusters of all cells follow the measurement is seen when lines are taken apart by it: *line x sample* is one group for each line of each sample; plates, whose samples are numbered, are one *experiment*, and what stands before the number is the *protocol*.

# %% tags=["hide-input"]
batches = [data for data in means["data"].unique() if data not in ("all cells", "genes permuted")]
if batches:
    of_line = means[means["metric"].str.endswith((", cell line", "ASW, PCA-50"))].copy()
    of_line["metric"] = of_line["metric"].str.removesuffix(", cell line")
    of_line["text"] = of_line.apply(prose.over_runs, axis=1)
    of_line = of_line[of_line["data"] != "genes permuted"]
    parts = of_line[of_line["method"].isin(methods)]
    wide = parts.pivot(index=["metric", "data"], columns="method", values="text")
    display(wide.reindex(columns=list(methods)).rename_axis(columns=None))

# %% tags=["hide-input"]
if batches:
    display(Markdown("The same, joined to clusters of all cells:"))
    joined = of_line[~of_line["method"].isin(methods)].copy()
    joined[["method", "clustered"]] = joined["method"].str.split(", ", expand=True).to_numpy()
    wide = joined.pivot(index=["metric", "clustered"], columns="method", values="text")
    display(wide[list(methods)].rename_axis(columns=None))

# %% tags=["remove-input"]
text = "These cells have no samples that repeat an experiment, so there is nothing to take apart."
if batches:
    whole = means[(means["data"] == "all cells") & means["metric"].str.startswith("ARI, ")]
    ari = whole.assign(metric=whole["metric"].str.removeprefix("ARI, "))
    ari = ari.pivot(index="method", columns="metric", values="value")
    by = joined[joined["metric"] == "ARI"].set_index(["method", "clustered"])["value"]
    text = "\n".join(
        f"- {prose.why_pooled(m, ari.loc[m].dropna())} "
        + " ".join(
            prose.joined(m, ari.loc[m, "cell line"], value, by=way.split(" by ")[0])
            for way, value in by[m].items()
        )
        for m in ("Leiden", "AttentionAE-sc")
    )
Markdown(text)

# %% [markdown]
# ## Figure 2: every data set of the paper
#
# The figure of the paper shows its clusters of five data sets, each with a silhouette width.
# In an edition that names several data sets, here they are, clustered by the method that later chapters use, beside the label that the cells are given.

# %% tags=["hide-input"]
sets = {source: study.of(source, its_drug).read("labelled") for source, its_drug in studies.items()}


def widths_of(found):
    own = "X_attention_ae" if "X_attention_ae" in found.obsm else "X_pca"
    spaces = {"own code": found.obsm[own], "PCA-50": clustering.principal_components(found).obsm["X_pca"]}
    widths = {f"ASW, {name}": clustering.silhouette(x, found.obs["cluster"]) for name, x in spaces.items()}
    agreement = clustering.agreement(found.obs["cluster"], found.obs["response"])["ARI"]
    sizes = {"cells": found.n_obs, "clusters": found.obs["cluster"].nunique()}
    return sizes | widths | {"ARI with the label": agreement}


figure2 = pd.DataFrame({source: widths_of(found) for source, found in sets.items()}).T
figure2.round(2) if sets else None

# %% mystnb={"figure": {"caption": "UMAP of each data set of the paper, coloured by cluster (left) and by label (right; not judged: excluded).", "name": "fig-figure-2"}, "image": {"alt": "Two scatter plots for each data set: the same cells coloured by cluster and by label."}} tags=["hide-input"]
if sets:
    figure, axes = plt.subplots(len(sets), 2, figsize=(7.5, 2.7 * len(sets)), squeeze=False)
    for row, (source, found) in zip(axes, sets.items(), strict=True):
        umap, cluster = found.obsm["X_umap"], found.obs["cluster"].astype(str)
        pl.embedding(umap, cluster, title=f"{source}: cluster", named=True, ax=row[0])
        names = pl.response_names(found.obs["response"])
        pl.embedding(umap, names, title="label", palette=pl.RESPONSE, ax=row[1])

# %% tags=["remove-input"]
Markdown(prose.widths_of_studies(figure2, claim=CLAIM))

# %% [markdown]
# ## What does it cost?
#
# Seconds of processor time for one clustering of these cells with these settings, the median over seeds.
# Loading of the data and the UMAP do not count.

# %% tags=["hide-input"]
timed = table[(table["metric"] == "seconds") & (table["data"] == "all cells") & (table["seed"] >= 0)]
seconds = timed.groupby("method")["value"].median()[list(methods)]
prose.rounded(seconds.rename("seconds").to_frame().rename_axis(index=None), digits=2)

# %% tags=["remove-input"]
Markdown(
    f"AttentionAE-sc takes {seconds[name] / seconds['Leiden']:.0f} times as long as Leiden. "
    f"Later chapters use the clusters of `{clustering_method}`."
)

# %% [markdown]
# Attention of all cells to all cells takes time that grows with the square of their number; with `clustering_attention` set to `landmarks` cells attend to 512 of them, drawn at random, and the graph loss is estimated on as many.
# That puts 100,000 cells within reach of an ordinary machine, at some loss of exactness.
# `benchmarks/attention.py` measured it on simulated cells and two cores; the numbers are the same in every edition.

# %% tags=["remove-input"]
kept = project_root() / "benchmarks" / "attention.json"
measured = json.loads(kept.read_text()) if kept.exists() else {}
text = f"{prose.gain_of_exact(measured)} {prose.quality_of_exact(measured['quality'])}" if measured else ""
Markdown(text or "The measurement is not among the files of this project.")

# %% [markdown]
# Sums in another order round otherwise, and training carries that on: on another number of threads single runs end in other clusters, so only means are compared.

# %%
grouped = study.read("clustered")

# %% [markdown]
# ## What to keep in mind
#
# - Cell lines differ more than the cells of one tumour do. Whatever recovers lines may still fail to tell resistant from sensitive cells of one origin.
# - The seeds of this page vary the methods on the same cells. They say nothing of other experiments.
# - Permuting genes removes *all* structure, also that of depth. It is the easiest null there is, and a measure that is high on it has no meaning as evidence.
# - Settings are those of the papers, or conventions. None was chosen on the labels of these cells.
#
# ```{exercise}
# :label: exercise-clustering
# Cluster one of the lines by itself with `clustering.leiden`, and compute the silhouette width on principal components with `clustering.silhouette`. Are there clusters within a line, and how would you tell?
# ```
#
# ````{solution} exercise-clustering
# :class: dropdown
# ```python
# one = cells[cells.obs["cell_line"] == cells.obs["cell_line"].value_counts().index[0]].copy()
# for each in (one, clustering.permute_genes(one)):
#     found = clustering.communities(each)
#     print(found.obs["cluster"].nunique(), clustering.silhouette(found.obsm["X_pca"], found.obs["cluster"]))
# ```
# Leiden returns several clusters of either. Only where the width is clearly above that of permuted genes is there more than noise; phases of the cell cycle are a usual reason.
# ````
#
# ## What was written
#
# The artefacts `clusterings`, every measure of every run on this page, and `clustered`, all cells with `obs["cluster"]` by `clustering_method`.
# The means over seeds are in `clustering.csv`.

# %% mystnb={"code_prompt_hide": "Hide the table", "code_prompt_show": "Table: what was written, means over seeds"} tags=["hide-output"]
rows = means.assign(metric=means["metric"].where(means["stage"] == "after", means["metric"] + ", before"))
prose.written(study.rows(rows.drop(columns="stage").rename(columns={"data": "cells"})))
