# ---
# jupyter:
#   bulk2sc:
#     reads:
#     - pair
#     - mask
#     - model
#     writes:
#     - attributions
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
# # Which pathways does the model use?
#
# Nearly every dimension of the shared code carries the name of a pathway, so a prediction can be split into shares of pathways, and of a few free dimensions that have no name.
# {cite:t}`he2025` do this with {term}`integrated gradients` {cite:p}`sundararajan2017`, rank the pathways (their Figure 6a), draw the twelve first ones cell by cell (Figure 6b), and read biology from the list.
# This chapter repeats the figures and asks how far such a list can be trusted.
#
# **You will learn**
#
# - how integrated gradients share out a prediction, and how to check that nothing is lost;
# - which dimensions lead, how much goes to those without a name, and whether size helps a pathway to lead;
# - how much the ranking depends on the baseline, and whether lines and cells agree on it.

# %% tags=["parameters"]
edition: str = "demo"  # edition whose settings and results are used
drug: str = "Cisplatin"  # drug, by its GDSC name
top: int = 12  # pathways to show
n_draws: int = 1000  # bootstrap draws over cell lines or pathways

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown
from scipy import stats

from bulk2sc import explain, inference, latent, pl, prose
from bulk2sc.study import Study

pl.style()
study = Study(edition=edition, drug=drug)
bulk, cells = study.read("pair")
mask, model = study.read("mask"), study.read("model")

# %% tags=["remove-input"]
Markdown(
    f"{prose.origin_of_lines(bulk.uns)} {prose.origin_of_cells(cells.uns, bulk.uns, study.settings['cells_source'])}"
)

# %% [markdown]
# ## Sharing out a prediction
#
# Let $f$ be the classifier's logit, $z$ the shared code of a cell and $z'$ a baseline code.
# The attribution of dimension $i$ is its way from baseline to cell, times the mean slope met on the straight path between them:
#
# $$ IG_i(z) = (z_i - z'_i) \int_0^1 \frac{\partial f\big(z' + \alpha (z - z')\big)}{\partial z_i}\, d\alpha . $$
#
# The logit is explained and not the probability, whose slope vanishes for cells the model is sure of.
# The integral is a sum over points of the path (`n_steps`), computed by captum {cite:p}`kokhlikyan2020`.
# The paper does not name its baseline; here it is the code of the mean profile, in which every gene has its average.
#
# By {term}`completeness`, the attributions of a cell add up to $f(z) - f(z')$.
# What is missing is the error of the sum.

# %%
attributions = study.read("attributions")
values, missing = attributions[mask.index], attributions["completeness"]
change = values.sum(axis=1) - missing
Markdown(
    f"The logits of the cells differ from that of the mean profile by {change.abs().mean():.2f} on average. "
    f"With {study.settings['n_steps']} points, the attributions miss that by at most {missing.abs().max():.1g}, {prose.percent(missing.abs().max() / change.abs().mean())} "
    f"of the average."
)

# %% [markdown]
# ## The ranking
#
# The paper ranks by the mean absolute attribution over cells.
# Blue bars push the average cell towards sensitive, orange ones towards resistant.

# %% mystnb={"figure": {"caption": "The leading dimensions by mean absolute attribution over all cells.", "name": "fig-pathway-ranking"}, "image": {"alt": "Horizontal bars of mean absolute integrated gradients, one per pathway, coloured by the sign of the mean."}} tags=["hide-input"]
ranking = explain.rank_pathways(values, mask)
_ = pl.pathway_ranking(ranking, top=top)

# %% [markdown]
# How firm is the list?
# Cells of a line are {term}`pseudo-replicates`, so whole cell lines are drawn with replacement and the ranking is made again.
# `kept` is the share of draws in which a dimension stays in the list, and the last two columns hold 95 % of its ranks.

# %% tags=["hide-input"]
lines = cells.obs["cell_line"].astype(str)
weight = inference.line_weights(lines, n_draws=n_draws)[1:]
drawn = pd.DataFrame(weight @ values.abs().to_numpy() / weight.sum(axis=1)[:, None], columns=values.columns)
ranks = drawn.rank(axis=1, ascending=False)
known = inference.Evidence(sizes=(lines.nunique(),))
ends = [inference.bootstrap_interval(ranks[name], known) for name in ranks]
firmness = pd.DataFrame(ends, ranks.columns, ["rank, low", "rank, high"])
firmness.insert(0, "kept", (ranks <= top).mean())
shown = ranking.head(top)[["mean_abs", "mean", "n_genes", "free"]].join(firmness)
shown = shown.round({"mean_abs": 3, "mean": 3, "kept": 2, "rank, low": 0, "rank, high": 0})
shown = shown.astype({"rank, low": "Int64", "rank, high": "Int64"})
shown = shown.assign(free=shown["free"].map({True: "yes", False: "no"})).rename(index=pl.short)
shown.rename(columns={"mean_abs": "mean absolute", "n_genes": "genes"})

# %% [markdown]
# This firmness is about cells only.
# A bar's colour in the figure is the sign of `mean`; where `mean` is small beside the mean absolute value, a dimension pushes some cells one way and some the other, and its colour says little.
# A model trained from another seed may rank quite differently, and nothing on this page measures that.
#
# ## Cell by cell
#
# Does a pathway that leads tell sensitive from resistant cells, or does it push all of them the same way?
# The latter shifts the threshold and separates nothing.
# Cells whose line lies in neither tail, or that belong to no line, are not judged.

# %% mystnb={"figure": {"caption": "Attributions of single cells to the leading dimensions, cells grouped by the measured response of their line. Blue pushes towards sensitive, red towards resistant.", "name": "fig-pathway-heatmap"}, "image": {"alt": "Heat map of attributions, pathways in rows and cells in columns, grouped by response."}} tags=["hide-input"]
leaders = ranking.index[:top]
_ = pl.pathway_heatmap(values[leaders], cells.obs["truth"])

# %%
truth = cells.obs["truth"]
per_line = values[leaders].groupby(cells.obs["cell_line"].astype(str)).mean()
answer = truth.groupby(cells.obs["cell_line"].astype(str)).first().dropna()
sides = {1.0: per_line.loc[answer.index[answer == 1]], 0.0: per_line.loc[answer.index[answer == 0]]}
gap = sides[1.0].mean() - sides[0.0].mean()
contrast = pd.DataFrame(
    {
        "sensitive lines": sides[1.0].mean(),
        "resistant lines": sides[0.0].mean(),
        "difference": gap,
        "p": stats.mannwhitneyu(sides[1.0], sides[0.0]).pvalue if min(map(len, sides.values())) else np.nan,
    }
)
contrast["p (Holm)"] = inference.holm(contrast["p"])

# %% tags=["hide-input"]
table = contrast.round(3).assign(**{p: contrast[p].map("{:.2g}".format) for p in ("p", "p (Holm)")})
table.rename(index=pl.short, columns={"p": "p, uncorrected"})

# %% tags=["remove-input"]
Markdown(prose.contrast(contrast["p (Holm)"].rename(pl.short), len(sides[1.0]), len(sides[0.0])))

# %% [markdown]
# The test compares *lines*, one mean a line, and is corrected for the number of pathways tested (Holm).
# It judges the model's attributions by the truth of the cells; nothing is tuned by it.
#
# ## What goes to dimensions without a name
#
# The free dimensions may write to every gene.
# If they took a large share of the attribution, the names of the others would explain little.
# Their fair share, were all dimensions alike, is their share of the dimensions.

# %%
free = ranking.index[ranking["free"]]
whole = values.abs().sum(axis=1)
share = latent.mean_by_group(
    values[free].abs().sum(axis=1).to_numpy() / whole.to_numpy(),
    cells.obs["cell_line"].astype(str),
    n_draws=n_draws,
)
Markdown(prose.free_share(share, len(free), len(ranking), int((ranking["rank"][free] <= top).sum()), top))

# %% [markdown]
# ## Does size help?
#
# A pathway of many genes gives its dimension more to write and a larger weight in the loss.
# If attribution followed size, a ranking would partly be a list of large pathways.

# %%
named = ranking[~ranking["free"]]
rng = np.random.default_rng(0)
draws = [named.iloc[rng.integers(0, len(named), len(named))] for _ in range(n_draws)]
drawn = [stats.spearmanr(d["n_genes"], d["mean_abs"]).statistic for d in draws]
size = {"value": stats.spearmanr(named["n_genes"], named["mean_abs"]).statistic}
size |= dict(zip(("low", "high"), np.quantile(drawn, [0.025, 0.975]), strict=True))
Markdown(prose.association("the size of a pathway", "the mean absolute attribution", size))

# %% mystnb={"figure": {"caption": "Size of a pathway among the chosen genes against its mean absolute attribution. Orange: free dimensions, which may write to every gene.", "name": "fig-pathway-size"}, "image": {"alt": "Scatter plot of mean absolute attribution against number of genes, both on log scales."}} tags=["hide-input"]
figure, ax = plt.subplots(figsize=(5, 3.2))
for is_free, colour in ((False, pl.SENSITIVE), (True, pl.RESISTANT)):
    rows = ranking[ranking["free"] == is_free]
    ax.scatter(rows["n_genes"], rows["mean_abs"], s=14, color=colour, alpha=0.7, linewidth=0)
ax.set(yscale="log", xlabel="genes of the pathway", ylabel="mean |integrated gradients|")
_ = pl.log_axis(ax)

# %% [markdown]
# Pathways overlap, so they are no independent sample, and the interval (pathways drawn with replacement) is too narrow by an unknown amount.
#
# ## Does the baseline matter?
#
# An attribution answers "compared with what?".
# The mean profile is one answer; a code of zeros, captum's default, is another, and no cell need look like it.
# And the ranking can be made on the training lines, for which the classifier was fitted, in place of the cells.

# %%
zero = explain.integrated_gradients(model, cells, baseline=np.zeros(len(mask), np.float32)).values
on_lines = explain.integrated_gradients(model, bulk).values
others = {"the cells with a zero code": zero, "the training lines with the mean profile": on_lines}
reference = ranking["mean_abs"]
agreement = pd.DataFrame(
    {
        name: {
            "rank correlation": stats.spearmanr(other.abs().mean()[reference.index], reference).statistic,
            f"of the top {top} in common": len(set(leaders) & set(other.abs().mean().nlargest(top).index)),
        }
        for name, other in others.items()
    }
).T.rename_axis("compared with cells, mean profile")
agreement.round(2).astype({f"of the top {top} in common": int})

# %% tags=["remove-input"]
expected = top**2 / len(ranking)
Markdown(
    f"Two random lists of {top} out of {len(ranking)} dimensions would have {expected:.1f} in common. "
    + " ".join(
        prose.agreement(name, *row, top)
        for name, row in zip(agreement.index, agreement.to_numpy(), strict=True)
    )
)

# %% mystnb={"figure": {"caption": "Mean absolute attribution of each dimension over cells against that over training lines.", "name": "fig-lines-and-cells"}, "image": {"alt": "Scatter plot of mean absolute attribution on lines against that on cells, both on log scales."}} tags=["hide-input"]
figure, ax = plt.subplots(figsize=(4, 3.6))
ax.scatter(
    on_lines.abs().mean()[reference.index], reference, s=14, color=pl.SENSITIVE, alpha=0.7, linewidth=0
)
ax.set(yscale="log", xlabel="mean |IG| on training lines", ylabel="mean |IG| on cells")
_ = pl.log_axis(ax)

# %% [markdown]
# ## What to keep in mind
#
# - An attribution explains the *model*. It says what the classifier reads, not what makes a cell resistant; a model without skill has attributions too. Its skill stands in {doc}`/notebooks/evaluation/baselines`.
# - A dimension is named after the genes it may *write*. The encoder fills it from all genes, so a pathway may lead without its genes being different in any cell.
# - Pathways share genes, and one of two similar ones may take all the credit, this or that one from seed to seed.
# - The paper supports its list with literature. Any list of a dozen cellular components finds support; the test would be a list that was predicted beforehand.
#
# ```{exercise}
# :label: exercise-steps
# How many points does the integral need? Recompute the attributions of 100 cells with 2, 8 and 32 steps and compare the largest completeness error.
# ```
#
# ````{solution} exercise-steps
# :class: dropdown
# ```python
# for n_steps in (2, 8, 32):
#     found = explain.integrated_gradients(model, cells[:100], n_steps=n_steps)
#     print(n_steps, found.completeness.abs().max())
# ```
# The classifier is a chain of ReLUs, so along the path its slope is constant but for a few kinks. The error comes from the kinks alone and falls slowly, roughly like the distance between points.
# ````
#
# ## What was written
#
# The attributions of every cell, as the artefact `attributions`, and the ranking as tidy rows, `pathway-attribution.csv`.

# %%
rows = ranking.reset_index().rename(columns={"mean_abs": "value"}).assign(metric="mean absolute attribution")
columns = ["pathway", "metric", "value", "mean", "share", "n_genes", "free", "rank"]
prose.written(study.rows(rows[columns]).head(3))
