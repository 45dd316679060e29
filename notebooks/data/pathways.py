# ---
# jupyter:
#   bulk2sc:
#     reads:
#     - bulk
#     - labelled
#     writes:
#     - pair
#     - mask
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
# # Which genes, which pathways?
#
# The model of {cite:t}`he2025` reads two kinds of data through the same genes, and writes through pathways.
# Both choices are made before training: which genes {term}`bulk` and cells share, and which genes each pathway names.
# What is left out here no model can use later.
#
# **You will learn**
#
# - how bulk lines and cells are brought to the same genes and the same scale;
# - how gene sets become the {term}`pathway mask` of the {term}`sparse decoder`, with its {term}`free dimensions`;
# - how much of biology survives the filters, and how much pathways overlap.

# %% tags=["parameters"]
edition: str = "demo"  # edition whose settings and results are used
drug: str = "Cisplatin"  # drug, by its GDSC name
n_hvg: int = 2500  # number of highly variable genes, 0 for all shared genes
resource: str = "go_cc"  # gene sets: go_cc, go_bp, go_mf, reactome or hallmark; _2023: of MSigDB
min_pathway_genes: int = 10  # fewest chosen genes of a pathway that is kept
max_pathway_genes: int = 1000  # most genes, chosen or not, of a pathway that is kept
n_free: int = 5  # rows of ones for what no pathway names

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown

from bulk2sc import datasets, pathways, pl, prose
from bulk2sc.study import Study

pl.style()
choices = {"n_hvg": n_hvg, "resource": resource, "n_free": n_free}
choices |= {"min_pathway_genes": min_pathway_genes, "max_pathway_genes": max_pathway_genes}
study = Study(edition=edition, drug=drug, **choices)
all_bulk = study.read("bulk")
bulk, cells = study.read("pair")
mask = study.read("mask")

# %% tags=["remove-input"]
origin = prose.origin_of_cells(cells.uns, all_bulk.uns, study.settings["cells_source"])
Markdown(f"{prose.origin_of_lines(all_bulk.uns)} {origin}")

# %% [markdown]
# ## The same genes
#
# A gene can be used when both sides measured it under the same name, so names come first: symbols, aliases, Ensembl and Entrez ids are all brought to current symbols.
# Of the shared genes, the paper keeps the most variable ones: 2500, and 3000 for paclitaxel.
# It does not say whether they vary in the cells or in the lines.
# Here they are chosen on the cells that are to be predicted, by dispersion for their mean {cite:p}`wolf2018`, and no label of any cell takes part.
#
# The lines of the cells leave the training data at this point, and the {term}`tails` are taken again from the lines that stay.

# %% tags=["hide-input"]
numbers = cells.uns["pair"]
flow = {
    "genes of the bulk lines": numbers["bulk"],
    "genes of the cells": numbers["cells"],
    "shared": numbers["shared"],
    "chosen": numbers["chosen"],
    "lines": all_bulk.n_obs,
    "lines left for training": bulk.n_obs,
    "of these sensitive": int((bulk.obs["response"] == 1).sum()),
    "of these resistant": int((bulk.obs["response"] == 0).sum()),
    "cells": cells.n_obs,
}
pd.DataFrame({"number": pd.Series(flow, dtype=int)})

# %% mystnb={"figure": {"caption": "Variability of the shared genes: standard deviation over the bulk lines against standard deviation over the cells (log-normalised). Blue: genes chosen on the cells; grey: the others.", "name": "fig-hvg"}, "image": {"alt": "Scatter plot of the variability of genes between lines against their variability between cells; the chosen genes are coloured."}} tags=["hide-input"]
before = study.read("labelled")
shared = before.var_names.intersection(all_bulk.var_names)
X = before[:, shared].X
variability = pd.DataFrame(
    {
        "cells": np.sqrt(np.maximum(X.multiply(X).mean(axis=0) - np.square(X.mean(axis=0)), 0)).A1,
        "lines": all_bulk[bulk.obs_names, shared].X.std(axis=0),
        "chosen": shared.isin(bulk.var_names),
    },
    index=shared,
).sort_values("chosen")
ax = plt.subplots(figsize=(5, 3.6))[1]
colours = np.where(variability["chosen"], pl.SENSITIVE, "#d5d5d5")
ax.scatter(variability["cells"], variability["lines"], c=colours, s=5, linewidth=0, alpha=0.7)
_ = ax.set(xlabel="standard deviation over cells", ylabel="standard deviation over lines")

# %% tags=["remove-input"]
n_chosen = int(variability["chosen"].sum())
most_variable = variability["lines"].nlargest(n_chosen).index
kept = int(variability.loc[most_variable, "chosen"].sum())
Markdown(
    f"{n_chosen} of {len(shared)} shared genes are chosen. Of the {n_chosen} genes that vary most between *lines*, "
    f"{prose.percent(kept / n_chosen)} are among them; a choice at random would keep "
    f"{prose.percent(n_chosen / len(shared))}."
)

# %% [markdown]
# ## The same scale
#
# A microarray value and a logarithm of counts have nothing in common but the gene.
# Each gene is therefore standardised *within its domain*: mean 0 and standard deviation 1 over the training lines, and again over the cells; values beyond 10 are cut.
# The model reads only these, `layers["scaled"]`.
#
# Standardising has a price.
# It says how a cell differs from the other cells of this experiment, and how a line differs from all other lines.
# If all cells of the experiment are of one kind, what they have in common is gone.

# %% mystnb={"figure": {"caption": "Standardised values in lines and cells of three genes: detected in most, in half (or as near as there is), and in few of the cells.", "name": "fig-scaled"}, "image": {"alt": "Three panels with two overlapping histograms each, one of bulk lines and one of cells."}} tags=["hide-input"]
detected = pd.Series(np.asarray((cells.X > 0).mean(axis=0)).ravel(), index=cells.var_names)
examples = [(detected - target).abs().idxmin() for target in (0.95, 0.5, 0.05)]
figure, axes = plt.subplots(1, 3, figsize=(11, 2.8), sharey=True)
for ax, gene in zip(axes, examples, strict=True):
    for name, domain, colour in (("lines", bulk, pl.RESISTANT), ("cells", cells, pl.SENSITIVE)):
        values = np.asarray(domain[:, gene].layers["scaled"]).ravel()
        ax.hist(values, bins=np.arange(-4, 10.1, 0.5), density=True, alpha=0.6, color=colour, label=name)
    ax.set(
        yscale="log",
        title=f"{gene} (in {prose.percent(detected[gene])} of cells)",
        xlabel="standardised expression",
    )
axes[0].set(ylabel="density (log scale)")
_ = axes[2].legend()

# %% [markdown]
# A gene that is rarely detected has two values in cells: a little below zero for *not seen*, and far above for *seen*.
# No rescaling turns that into the smooth curve of bulk.
# It is one of the reasons why an encoder is asked to align the domains.
#
# ## From gene sets to a mask
#
# A {term}`gene set` is a list of genes with a name.
# The paper compares three collections: the Gene Ontology {cite:p}`ashburner2000,go2023`, Reactome {cite:p}`gillespie2022` and the Hallmark sets {cite:p}`liberzon2015`, and keeps the first.
# Its text says only "GO"; the names in its Figure 6, such as GOCC_CASPASE_COMPLEX, are those of the *cellular component* branch, so that branch is the default here.
# A component is a place in the cell or a complex of proteins, and not a pathway in the usual sense of the word.
#
# The mask has a row for each pathway and a column for each gene, and a one where the pathway names the gene (Eq. 8 and after).
# A set enters when it has at most `max_pathway_genes` genes and at least `min_pathway_genes` of them are among the chosen ones.
# The lower bound is the "pathways threshold" of the paper's Figure 4; its best values are 10 for cisplatin and paclitaxel, 4 for lapatinib and 2 for PLX-4720.
# The upper bound is not in the text; it comes from the public code.
# Five rows of ones are added, so that the code has room for what no pathway names.

# %%
sets = datasets.gene_sets(resource)
pathways.summary(mask).rename("number").map("{:.4g}".format).to_frame()

# %% [markdown]
# Of pathways that have the very same chosen genes, "repeated" counts all but one.

# %% mystnb={"figure": {"caption": "The mask: a point where a pathway (row) names a gene (column). The free rows, all ones, are the last.", "name": "fig-mask"}, "image": {"alt": "A large table drawn as points, dense at the upper left and sparse elsewhere, with a few full rows at the bottom."}}
ax = pl.mask_picture(mask)

# %% tags=["remove-input"]
named = mask[~mask.index.str.startswith(pathways.FREE)]
unnamed = int((named.sum(axis=0) == 0).sum())
Markdown(
    f"The shared code has {len(mask)} dimensions: {len(named)} pathways and {len(mask) - len(named)} free ones. "
    f"{unnamed} of the {mask.shape[1]} genes ({prose.percent(unnamed / mask.shape[1])}) are named by no pathway of "
    "the mask and can be rebuilt through the free dimensions alone."
)

# %% [markdown]
# ## Sizes and overlap
#
# Two properties of the mask matter when attributions are read ({doc}`/notebooks/interpretation/pathway-attribution`).
# A large pathway reaches more genes and may attract more attribution for that reason only.
# And pathways that share their genes cannot be told apart by what they write: terms of an ontology are nested by design.
# The right panel gives, for each pathway, the overlap with the one most like it: {abbr}`Jaccard index (genes in both, divided by genes in either)` 1 means the same genes.

# %% mystnb={"figure": {"caption": "Left: chosen genes of a pathway. Right: overlap of each pathway with the one most like it.", "name": "fig-mask-sizes"}, "image": {"alt": "Two histograms over pathways: their number of genes, and their largest Jaccard index with another pathway."}} tags=["hide-input"]
both = named.to_numpy() @ named.to_numpy().T
sizes = np.diag(both)
jaccard = both / (sizes[:, None] + sizes[None, :] - both)
np.fill_diagonal(jaccard, 0)
nearest = pd.Series(jaccard.max(axis=1), index=named.index)
figure, axes = plt.subplots(1, 2, figsize=(9, 2.8))
pl.mask_sizes(mask, ax=axes[0])
axes[1].hist(nearest, bins=np.arange(0, 1.05, 0.05), color=pl.SENSITIVE, edgecolor="white")
_ = axes[1].set(xlabel="Jaccard index with the nearest pathway", ylabel="pathways", xlim=(0, 1))

# %% tags=["remove-input"]
Markdown(
    f"The median pathway has {np.median(sizes):.0f} chosen genes, the largest {sizes.max():.0f}. "
    f"{int((nearest >= 0.5).sum())} of {len(named)} pathways share at least half of their joint genes with another "
    f"one, and {int((nearest == 1).sum())} have exactly the genes of another one."
)

# %% [markdown]
# ## What the bounds and the collection change
#
# The number of pathways is the width of the code, so collections differ in width as well as in content; {doc}`/notebooks/evaluation/pathway-resources` cuts one to the width of another.

# %% tags=["hide-input"]
bounds = [2, 4, 10, 20, 40]
collections = {
    name: datasets.gene_sets(name) for name in dict.fromkeys(["go_cc", "reactome", "hallmark", resource])
}
widths = pd.DataFrame(
    index=pd.Index(bounds, name="min_pathway_genes"), columns=list(collections), dtype=float
)
genes_named = pd.Series(0.0, index=list(collections))
for name, collection in collections.items():
    members = [bulk.var_names.isin(list(s)) for s in collection.values() if len(s) <= max_pathway_genes]
    counts = np.sum(members, axis=1)
    widths[name] = [int((counts >= bound).sum()) for bound in bounds]
    used = np.array(members)[counts >= min_pathway_genes]
    genes_named[name] = used.any(axis=0).mean() if len(used) else 0.0

# %% mystnb={"figure": {"caption": "Pathways in the mask as the lower bound changes, for three collections and the chosen genes of this page.", "name": "fig-min-genes"}, "image": {"alt": "One falling curve for each collection: the number of pathways over the smallest number of chosen genes, on log scales."}} tags=["hide-input"]
ax = widths.replace(0, np.nan).plot(style="o-", logy=True, figsize=(5.5, 3.2))
pl.log_axis(ax).set(xlabel="fewest chosen genes of a pathway", ylabel="pathways")
_ = ax.legend(title=None)

# %% tags=["remove-input"]
Markdown(
    f"At a bound of {min_pathway_genes}, the share of the chosen genes that some pathway names is "
    + prose.listing([f"{prose.percent(value)} for `{name}`" for name, value in genes_named.items()])
    + "."
)

# %% [markdown]
# ## The pathways of the paper's Figure 6
#
# A pathway can be interpreted only if its genes are there.
# For the six components that the paper discusses for lapatinib, this is what is left of them after each filter:

# %% tags=["hide-input"]
figure6 = {
    "GOCC_CASPASE_COMPLEX": "sensitive",
    "GOCC_CULLIN_RING_UBIQUITIN_LIGASE_COMPLEX": "sensitive",
    "GOCC_CALCIUM_CHANNEL_COMPLEX": "resistant",
    "GOCC_ENDOPLASMIC_RETICULUM_LUMEN": "resistant",
    "GOCC_MICROTUBULE": "resistant",
    "GOCC_MICROTUBULE_ORGANIZING_CENTER": "resistant",
}
components = datasets.gene_sets("go_cc")
found = pd.DataFrame({"paper": figure6})
for column, genes in {"in bulk": all_bulk.var_names, "shared": shared, "chosen": bulk.var_names}.items():
    found[column] = [int(genes.isin(components.get(name, [])).sum()) for name in found.index]
found.insert(1, "genes", [len(components.get(name, [])) for name in found.index])
in_mask = found.index.isin(mask.index)
found.assign(**{"in mask": np.where(in_mask, "yes", "no")}).rename(index=pl.short)

# %% tags=["remove-input"]
absent = [pl.short(name) for name in found.index[~found.index.isin(mask.index)]]
Markdown(
    f"Of these six, {len(found) - len(absent)} are in the mask of this page; not in it: {prose.listing(absent)}."
)

# %% [markdown]
# A pathway that is missing here cannot be confirmed or refuted here.
# The GDSC panel that this book uses has about a third of the genes of the official array, which is one reason for such gaps.
#
# ## What to keep in mind
#
# - Genes are chosen on the cells to be predicted. That uses no label, but it means that the model belongs to one data set of cells: other cells, other genes, another mask.
# - The mask ties names to dimensions. It does not make a dimension *mean* its pathway: the encoder that fills it reads all genes, and only the decoder is bound.
# - A mask of the same sizes with genes drawn at random, `pathways.random_mask`, is the control for any claim that the pathways themselves matter.
#
# ```{exercise}
# :label: exercise-pathways
# How many of the genes that no pathway names would gain one if the lower bound were 2? And what does that do to the number of pathways with the same genes as another?
# ```
#
# ````{solution} exercise-pathways
# :class: dropdown
# ```python
# loose = pathways.pathway_mask(sets, bulk.var_names, min_genes=2, max_size=max_pathway_genes, n_free=n_free)
# pd.DataFrame({"this page": pathways.summary(mask), "bound 2": pathways.summary(loose)})
# ```
# Compare the rows "genes in no pathway" and "repeated pathways".
# Small sets name genes that large ones miss, but many of them are reduced to the same two or three genes, and the code gets several dimensions with one and the same row.
# ````
#
# ## What was written
#
# The artefact `pair`, lines for training and cells with the same genes and scale, and the artefact `mask`.
# The numbers of this page are in `pathways.csv`.

# %%
rows = [*flow.items(), *pathways.summary(mask).items()]
rows += [(f"genes named, {name}", value) for name, value in genes_named.items()]
prose.written(study.rows(pd.DataFrame(rows, columns=["metric", "value"]).astype({"value": float})).tail(3))
