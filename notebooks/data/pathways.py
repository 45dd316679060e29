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
# # Which genes, which pathways?
#
# ## The idea
#
# The model of {cite:t}`he2025` reads {term}`bulk` and cells through the same genes, and writes through pathways.
# Both are chosen before training, and what is left out here no model can use later.
#
# *Genes.* Names become current symbols. Of the shared genes the paper keeps the 2,500 or 3,000 most variable, and does not say whether they vary in cells or in lines.
# Here they are chosen on the cells that are to be predicted, for their mean {cite:p}`wolf2018`, without any label.
#
# *Scale.* A microarray value and a logarithm of counts have nothing in common but the gene.
# So each gene is standardised within its domain, over the training lines and again over the cells:
#
# $$x'_{ig} = (x_{ig} - \mu_g) / \sigma_g.$$
#
# *Pathways.* The {term}`pathway mask` $M$ has a row for each pathway and a column for each gene, with a one where the pathway names the gene.
# The {term}`sparse decoder` rebuilds expression from the code $z$ with weights $W$ that exist only there, $\hat x = z\,(W \circ M)$.
# {term}`Free dimensions`, rows of ones, leave room for what no pathway names.

# %% tags=["parameters"]
edition: str = "demo"  # edition whose settings and results are used
drug: str = "Cisplatin"  # drug, by its GDSC name
n_hvg: int = 2500  # number of highly variable genes, 0 for all shared genes
resource: str = "go_cc"  # gene sets: go_cc, go_bp, go_mf, reactome or hallmark; _2023: of MSigDB
min_pathway_genes: int = 10  # fewest chosen genes of a pathway that is kept
max_pathway_genes: int = 1000  # most genes, chosen or not, of a pathway that is kept
n_free: int = 5  # rows of ones for what no pathway names

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown
from scipy import sparse

from bulk2sc import datasets, pl, say
from bulk2sc.book import Study

# %% tags=["remove-input"]
pl.style()
settings = {"n_hvg": n_hvg, "resource": resource, "n_free": n_free}
settings |= {"min_pathway_genes": min_pathway_genes, "max_pathway_genes": max_pathway_genes}
study = Study(edition, drug=drug, **settings)

# %% [markdown]
# ## How it is done
#
# The step `pair` leaves the lines of the cells out of training, takes the {term}`tails` again, and brings lines and cells to the same genes and scale.

# %%
lines, cells = study.read("pair")
numbers = cells.uns["pair"]
pd.Series(
    {name: int(numbers[name]) for name in ("bulk", "cells", "shared", "chosen")}, name="genes"
).to_frame()

# %% [markdown]
# A {term}`gene set` is a list of genes with a name.
# The paper says only "GO" {cite:p}`ashburner2000,go2023`; names in its Figure 6 are of the branch *cellular component*, so that is the default.
# A component is a place in the cell or a complex, not a pathway in the usual sense.
# A set enters if it has at most `max_pathway_genes` genes and at least `min_pathway_genes` of them are chosen:

# %%
sets = datasets.gene_sets(resource)
genes = lines.var_names
members = {name: genes.isin(list(s)) for name, s in sets.items() if len(set(s)) <= max_pathway_genes}
kept = {name: member for name, member in sorted(members.items()) if member.sum() >= min_pathway_genes}
named = pd.DataFrame(kept, index=genes).T.astype(float)
mask = study.read("mask")
print("the step's mask is this one:", (mask.loc[named.index] == named).all(axis=None))
mask.tail(n_free + 2).iloc[:, :6]

# %% [markdown]
# ## What else was found
#
# ### Two values in cells, a smooth curve in lines

# %% mystnb={"figure": {"caption": "Standardised values in lines and cells of three genes: detected in most, in half (or as near as there is), and in few of the cells.", "name": "fig-scaled"}, "image": {"alt": "Three panels with two overlapping histograms each, one of bulk lines and one of cells; the fewer cells detect a gene, the more their values pile up just below zero."}} tags=["hide-input"]
X = cells.X.toarray() if sparse.issparse(cells.X) else cells.X
detected = pd.Series((X > 0).mean(axis=0), index=genes)
figure, axes = plt.subplots(1, 3, figsize=(6.6, 2.5), sharey=True)
for ax, target in zip(axes, (0.95, 0.5, 0.05), strict=True):
    gene = (detected - target).abs().idxmin()
    for name, domain, colour in (("lines", lines, pl.RESISTANT), ("cells", cells, pl.SENSITIVE)):
        values = np.ravel(domain[:, gene].layers["scaled"])
        ax.hist(values, bins=np.arange(-4, 10.1, 0.5), density=True, alpha=0.6, color=colour, label=name)
    ax.set(yscale="log", title=f"{gene}\n(in {say.percent(detected[gene])})", xlabel="standardised")
axes[0].set(ylabel="density (log scale)")
_ = axes[2].legend()

# %% tags=["remove-input"]
before, everything = study.read("labelled"), study.read("bulk")
shared = before.var_names.intersection(everything.var_names)
spread = pd.Series(everything[lines.obs_names, shared].X.std(axis=0), shared)
agree = spread.nlargest(len(genes)).index.isin(genes).mean()
Markdown(
    "A gene that few cells detect is a little below zero where it was not seen and far above where it was. No "
    "rescaling turns that into the curve of bulk, and an encoder is asked to align the two. "
    f"Of the {len(genes)} genes that vary most between *lines*, {say.percent(agree)} are chosen; at random it would "
    f"be {say.percent(len(genes) / len(shared))}."
)

# %% [markdown]
# ### Bounds and collections set the width of the code
#
# The lower bound is the "pathways threshold" of the paper's Figure 4, at best 10 for cisplatin and paclitaxel, 4 for lapatinib and 2 for PLX-4720.
# The upper bound is not in the text; it comes from the public code.

# %% mystnb={"figure": {"caption": "Pathways in the mask as the lower bound changes, for the chosen genes of this page; in brackets the share of these genes that some pathway names at the bound of this page.", "name": "fig-min-genes"}, "image": {"alt": "One falling curve for each collection: the number of pathways over the smallest number of chosen genes, on log scales."}} tags=["hide-input"]
bounds, widths, shares = sorted({2, 4, 10, 20, 40, min_pathway_genes}), {}, {}
for name in dict.fromkeys(["go_cc", "reactome", "hallmark", resource]):
    of = datasets.gene_sets(name).values()
    table = np.array([genes.isin(list(s)) for s in of if len(set(s)) <= max_pathway_genes])
    shares[name] = table[table.sum(axis=1) >= min_pathway_genes].any(axis=0).mean()
    widths[f"{name} ({say.percent(shares[name])})"] = [(table.sum(axis=1) >= bound).sum() for bound in bounds]
widths = pd.DataFrame(widths, index=pd.Index(bounds, name="bound"))
ax = widths.replace(0, np.nan).plot(style="o-", logy=True, figsize=(5.5, 2.9))
pl.log_axis(ax).set(xlabel="fewest chosen genes of a pathway", ylabel="pathways")
_ = ax.legend(title=None)

# %% [markdown]
# ### The pathways of the paper's Figure 6
#
# For the six components that the paper discusses for lapatinib, the genes that each filter leaves.
# What is missing here can be neither confirmed nor refuted here.

# %% tags=["hide-input"]
figure6 = {"CASPASE_COMPLEX": "sensitive", "CULLIN_RING_UBIQUITIN_LIGASE_COMPLEX": "sensitive"}
others = (
    "CALCIUM_CHANNEL_COMPLEX",
    "ENDOPLASMIC_RETICULUM_LUMEN",
    "MICROTUBULE",
    "MICROTUBULE_ORGANIZING_CENTER",
)
figure6 = {f"GOCC_{name}": side for name, side in (figure6 | dict.fromkeys(others, "resistant")).items()}
components = datasets.gene_sets("go_cc")
stages = {"in bulk": everything.var_names, "shared": shared, "chosen": genes}
left = pd.DataFrame({"paper": figure6})
left["genes"] = [len(components.get(name, [])) for name in left.index]
for stage, known in stages.items():
    left[stage] = [int(known.isin(components.get(name, [])).sum()) for name in left.index]
left["in mask"] = np.where(left.index.isin(mask.index), "yes", "no")
left.rename(index=pl.short)

# %% [markdown]
# ## What could mislead us
#
# - Genes are chosen, and scaled, on the cells to be predicted: other cells, other genes, another mask. What all cells of a file have in common is gone.
# - The mask ties names to dimensions. It does not make a dimension *mean* its pathway: the encoder that fills it reads all genes.
# - Collections differ in width as well as in content. {doc}`/notebooks/evaluation/pathway-resources` cuts one to the width of another, and deals genes out at random.
# - Pathways overlap: two dimensions with nearly the same genes can share one signal.
# - The GDSC table of most editions has about a third of the genes of the official array; some pathways fall for that alone.
#
# ```{exercise}
# :label: exercise-pathways
# How many more genes would some pathway name if the lower bound were 2? How many pathways would then have exactly the genes of another?
# ```
#
# ````{solution} exercise-pathways
# :class: dropdown
# ```python
# from bulk2sc import pathways
# loose = pathways.pathway_mask(sets, genes, min_genes=2, max_size=max_pathway_genes, n_free=0)
# both = {"this page": named, "bound 2": loose}
# pd.DataFrame({n: {"genes named": m.any().sum(), "repeated": m.duplicated().sum()} for n, m in both.items()})
# ```
# Small sets name genes that large ones miss, but many are left with the same two or three genes, and the code gets several dimensions with one and the same row.
# ````
#
# ```{admonition} Quiz
# :class: dropdown tip
# A cell has the standardised value -0.2 for a gene. Does it express the gene? **Answer:** probably it was not seen. For a gene that few cells detect, zero counts lie just below the mean.
# ```

# %% tags=["details", "hide-input"]
sizes, overlap = named.sum(axis=1), named.to_numpy() @ named.to_numpy().T
jaccard = overlap / (sizes.to_numpy()[:, None] + sizes.to_numpy() - overlap)
np.fill_diagonal(jaccard, 0)
nearest = pd.Series(jaccard.max(axis=1), named.index)
summary = {f"genes, {name}": numbers[name] for name in ("bulk", "cells", "shared", "chosen")}
summary |= {"lines": everything.n_obs, "lines left for training": lines.n_obs, "cells": cells.n_obs}
summary |= {
    f"lines, {side}": (lines.obs["response"] == v).sum()
    for side, v in {"sensitive": 1, "resistant": 0}.items()
}
summary |= {"pathways": len(named), "free rows": n_free, "genes in no pathway": (~named.any()).sum()}
summary |= {"median genes of a pathway": sizes.median(), "most genes of a pathway": sizes.max()}
summary |= {"share of ones": named.to_numpy().mean(), "repeated pathways": named.duplicated().sum()}
summary |= {"pathways with half of the genes of another": (nearest >= 0.5).sum()}
summary |= {f"genes named, {name}": value for name, value in shares.items()}
summary = pd.Series(summary, dtype=float).rename_axis("metric").rename("value").reset_index()
study.write("widths", widths.rename(columns=lambda name: name.split(" (")[0]).reset_index())
study.write("pathways", summary).round(3)

# %% tags=["details", "hide-input"]
about = pd.DataFrame({"chosen genes": sizes.astype(int), "overlap with the nearest": nearest.round(2)})
about.rename(index=pl.short).sort_values("chosen genes", ascending=False).head(20)

# %% tags=["in-short", "remove-input"]
kind = "simulated" if cells.uns.get("simulated") else "real"
made_up = "made-up" if everything.uns.get("made_up") else "real"
present = int((left["in mask"] == "yes").sum())
Markdown(
    f"Lines ({made_up}) and **{kind}** cells share {numbers['shared']} genes, of which {len(genes)} are chosen. "
    f"`{resource}` gives {len(named)} pathways with {sizes.median():.0f} chosen genes each (median); "
    f"**{say.percent((~named.any()).mean())} of the chosen genes are in none**, and only {n_free} free dimensions of the sparse decoder can "
    f"write to them. {say.share(int((nearest >= 0.5).sum()), len(named))} pathways share at least half of their joint genes with "
    f"another. Of the six components of the paper's Figure 6, {present or 'none'} {'is' if present == 1 else 'are'} left."
)

# %% mystnb={"figure": {"caption": "The mask: a point where a pathway (row) names a gene (column). The largest pathways are on top, the genes named most often on the left; genes on the right are named by none. The last rows, all ones, are free.", "name": "fig-mask"}, "image": {"alt": "A large table drawn as points, dense at the upper left and sparse elsewhere, empty on the right but for a few full rows at the bottom."}} tags=["in-short", "hide-input"]
rows = [*sizes.sort_values(ascending=False, kind="stable").index, *mask.index.difference(named.index)]
columns = named.sum().sort_values(ascending=False, kind="stable").index
ax = plt.subplots(figsize=(6.2, 3.4))[1]
ax.spy(mask.loc[rows, columns].to_numpy(), markersize=0.5, color=pl.SENSITIVE, aspect="auto", rasterized=True)
ax.xaxis.tick_bottom()
if (unnamed := int((~named.any()).sum())) > 0.15 * len(columns):
    ax.text(
        len(columns) - unnamed / 2, len(named) / 2, "genes that no\npathway names", ha="center", color="0.4"
    )
_ = ax.set(xlabel="genes, most often named first", ylabel="pathways, largest first")
