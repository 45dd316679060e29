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
# # One space for lines and cells?
#
# ## The idea
#
# Figure 6c of {cite:t}`he2025` is a UMAP {cite:p}`mcinnes2018` of lines and cells on the twelve leading dimensions.
# The paper reads from it that both are "projected into the same low-dimensional space with similar distributions".
#
# Two measures put numbers to that:
#
# - *Mixing*: among the nearest profiles of *other* lines around a cell, the share that are bulk, divided by their share among all. 1 is as if domains were random, 0 complete separation. Cells of the same line do not count, since they are near each other anyway.
# - Mixing is cheap, as an embedding that forgets everything mixes perfectly. So the second measure asks whether a cell lies where its *own line* lies: what share of the other lines have a bulk profile nearer to the line's cells than its own? 0 is perfect, one half is guessing.

# %% tags=["parameters"]
edition: str = "demo"  # edition whose settings and results are used
drug: str = "Cisplatin"  # drug, by its GDSC name
top: int = 12  # leading dimensions to use
n_neighbours: int = 30  # neighbours that are looked at

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import scanpy as sc
from anndata import AnnData
from IPython.display import Markdown
from sklearn.decomposition import PCA
from sklearn.metrics import euclidean_distances
from sklearn.neighbors import NearestNeighbors

from bulk2sc import compare, inference, pl, pp, say
from bulk2sc.book import Study

# %% [markdown]
# ## How it is done
#
# Three views of the same profiles: expression (50 principal components), the whole shared embedding, and its leading dimensions by attribution ({doc}`/notebooks/interpretation/pathway-attribution`).
# Each dimension of the embedding is divided by its standard deviation.

# %%
study = Study(edition, drug=drug)
pl.style()
lines, cells = study.read("pair")
mask, model, attributions = study.read("mask"), study.read("model"), study.read("attributions")
leaders = attributions[mask.index].abs().mean().nlargest(top).index
lead = mask.index.get_indexer(leaders)

# %%
genes = np.concatenate([lines.layers["scaled"], cells.layers["scaled"]])
pca = PCA(min(50, len(genes) - 1), random_state=0).fit(genes)
spread = np.concatenate([model.encode(lines), model.encode(cells)]).std(axis=0).clip(1e-6)
views = {
    "expression": lambda data: pca.transform(data.layers["scaled"]),
    "whole embedding": lambda data: model.encode(data) / spread,
    f"top {top}": lambda data: (model.encode(data) / spread)[:, lead],
}
stacks = {name: np.concatenate([view(lines), view(cells)]) for name, view in views.items()}
line = cells.obs["cell_line"].astype(str)
of_line = np.concatenate([np.full(lines.n_obs, ""), line])  # bulk lines are never left out


# %% [markdown]
# Mixing around every cell:


# %%
def mixing(stack: np.ndarray, leave_out: bool = True) -> np.ndarray:
    ratio = np.full(len(stack), np.nan)
    for one in np.unique(line) if line.nunique() > 1 else []:
        others = (of_line != one) | (not leave_out)
        k, is_bulk = min(n_neighbours, others.sum()), of_line[others] == ""
        search = NearestNeighbors(n_neighbors=k).fit(stack[others])
        near = search.kneighbors(stack[of_line == one], return_distance=False)
        ratio[of_line == one] = is_bulk[near].mean(axis=1) / is_bulk.mean()
    return ratio[lines.n_obs :]


# %% [markdown]
# The lines of the cells left training, but their bulk profiles exist.
# Both sides are centred, since an offset of all cells says nothing about lines.

# %%
bulk = study.read("bulk")
own = pp.scale_like(bulk[bulk.obs_names.isin(line), lines.var_names].copy(), lines)


def nearer(view) -> np.ndarray:
    means = pd.DataFrame(view(cells)).groupby(line.to_numpy()).mean().loc[own.obs_names]
    profiles = view(own)
    distance = euclidean_distances(means - means.mean(), profiles - profiles.mean(axis=0))
    return (distance < np.diag(distance)[:, None]).sum(axis=1) / (len(own) - 1)


# %% [markdown]
# Cells of a line are neighbours of each other, so whole lines are drawn for the intervals ({doc}`/notebooks/evaluation/how-we-compare`).


# %%
def drawn(metric: str, values: pd.DataFrame, groups) -> compare.Draws:
    weight, known = inference.line_weights(groups), inference.Evidence(sizes=(len(set(groups)),))
    means = pd.DataFrame(weight @ values.to_numpy() / weight.sum(axis=1)[:, None], columns=values.columns)
    return compare.Draws(metric, means.iloc[0], pd.DataFrame(), means.iloc[1:], known)


mixed = pd.DataFrame({name: mixing(stack) for name, stack in stacks.items()})
draws = {"mixing around cells": drawn("mixing", mixed, line)}
if len(own) > 1:
    places = pd.DataFrame({name: nearer(view) for name, view in views.items()}, own.obs_names)
    draws["other lines nearer"] = drawn("nearer", places, own.obs_names)
levels, versus = compare.levels(draws), compare.differences(draws, "expression")

# %% [markdown]
# ## What else was found
#
# ### The picture by response
#
# Mixed domains help only if sensitive cells lie with sensitive lines.


# %%
def umap(stack: np.ndarray, seed: int = 0) -> np.ndarray:
    data = AnnData(stack.astype(np.float32))
    sc.pp.neighbors(data, n_neighbors=15, use_rep="X", random_state=seed)
    sc.tl.umap(data, random_state=seed)
    return data.obsm["X_umap"]


# %% tags=["remove-stderr"]
pictures = {name: umap(stacks[name]) for name in (f"top {top}", "whole embedding")}
response = pl.response_names(np.concatenate([lines.obs["response"], cells.obs["truth"]]))
is_cell = of_line != ""
domain = np.where(is_cell, "cells", "lines")

# %% mystnb={"figure": {"caption": "UMAP of lines (small) and cells (large) by measured response of the line, on the leading dimensions and on the whole shared embedding.", "name": "fig-latent-response"}, "image": {"alt": "Two scatter plots of lines and cells in two dimensions, coloured by response."}} tags=["hide-input"]
figure, axes = plt.subplots(1, 2, figsize=(6.4, 3.3))
for ax, (name, xy) in zip(axes, pictures.items(), strict=True):
    for answer in ("not judged", "resistant", "sensitive"):
        rows = response == answer
        size = np.where(is_cell[rows], 14, 4)
        ax.scatter(*xy[rows].T, s=size, color=pl.RESPONSE[answer], alpha=0.6, linewidth=0, label=answer)
    ax.set(title=name, xticks=[], yticks=[])
_ = figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)

# %% [markdown]
# ### What the eye sees
#
# A UMAP keeps neighbours and little else: gaps, sizes and densities are made by the layout. Clouds apart in it are mostly cells of one line, which the eye takes for a gap between domains. The same measure with cells of the own line counted, and on the pictures themselves:

# %%
seen = {}
for name, xy in pictures.items():
    views_of_it = {"in the view": mixed[name], "own line counted": mixing(stacks[name], leave_out=False)}
    seen[name] = views_of_it | {"in its picture": mixing(xy)}
pd.DataFrame(seen).map(np.mean).T.round(2)

# %% [markdown]
# ## What could mislead us
#
# - Mixing is neither needed nor enough for transfer: lines of all tissues need not mix with cells of a few lines.
# - Each domain was z-scored by itself. That removes every constant difference before the encoder starts, and with it any true difference between the cells' tissue and the lines' average.
# - Simulated cells are drawn from the very profile they are asked to find. Real cells were grown and measured elsewhere.
# - The leading dimensions were chosen by the attributions of these cells: they move the prediction, they need not join the domains.
# - A classifier of domains is a stricter judge than neighbours; {doc}`/notebooks/evaluation/calibration` has one.
#
# ```{exercise}
# :label: exercise-seed
# Draw the UMAP of the whole embedding again with another seed. Which statements about the picture survive?
# ```
#
# ````{solution} exercise-seed
# :class: dropdown
# ```python
# for seed in (1, 2):
#     xy = umap(stacks["whole embedding"], seed)
#     pl.embedding(xy, domain, title=f"seed {seed}")
#     print(seed, mixing(xy).mean().round(2))
# ```
# Shape and place of the clouds change. Whether the domains have neighbours in common changes little.
# ````
#
# ```{admonition} Quiz
# :class: dropdown tip
# An embedding mixes lines and cells perfectly. Is it a good one? **Answer:** not yet. A constant embedding mixes perfectly; ask whether cells still find their own line.
# ```

# %% tags=["details", "hide-input"]
study.write("levels", levels)
study.write("differences", versus)
say.table({name: compare.levels(found) for name, found in draws.items()})

# %% tags=["in-short", "remove-input"]
kind = "simulated" if cells.uns.get("simulated") else "real"
at = levels.set_index(["group", "method"])["value"]
cell_side = at["mixing around cells"]
found = "The lines of these cells have no bulk profiles to be found."
if len(own) > 1:
    place = at["other lines nearer"].map(say.percent)
    found = (
        f"Of the other {len(own) - 1} lines, {place['whole embedding']} are nearer to a line's cells than its own bulk profile in the whole embedding, {place[f'top {top}']} in the top {top} and {place['expression']} in expression; "
        + "guessing gives 50 %."
    )
said = "Cells of one line have no other lines to mix with."
if line.nunique() > 1:
    said = f"Around **{kind}** cells, neighbours of other lines are bulk {say.number(cell_side[f'top {top}'])} times as often as at random on the top {top} dimensions, {say.number(cell_side['whole embedding'])} times on the whole embedding and {say.number(cell_side['expression'])} times in expression."
Markdown(
    f"{said} "
    + say.effects(
        versus[versus["group"] == "mixing around cells"],
        higher="On {methods} cells have more bulk neighbours than in expression.",
        lower="On {methods} cells have fewer bulk neighbours than in expression.",
        equal="On {methods} that is practically as in expression.",
        unclear="For {methods} the lines do not decide whether the encoder changes that.",
        untested="The cells come from too few lines for intervals." if line.nunique() > 1 else "",
    )
    + f" {found}"
)

# %% mystnb={"figure": {"caption": "Left: UMAP of lines and cells on the leading dimensions, as in the paper's Figure 6c. Middle and right: mixing around cells (dashed: random domains) and the share of other lines that lie nearer than the own (dashed: guessing), with 95 % intervals over lines.", "name": "fig-latent"}, "image": {"alt": "A scatter plot of lines and cells, and two panels of dots with intervals, one row per view of the data."}} tags=["in-short", "hide-input"]
shown = [name for name, found in draws.items() if found.value.notna().all()]
size = {"figsize": (3 + 1.9 * len(shown), 2.8), "width_ratios": [1.3, *([1] * len(shown))]}
figure, ((ax, *panels),) = plt.subplots(1, 1 + len(shown), squeeze=False, **size)
for name, colour in {"lines": pl.NEUTRAL, "cells": pl.SENSITIVE}.items():
    look = {"s": 7, "color": colour, "alpha": 0.6, "linewidth": 0}
    ax.scatter(*pictures[f"top {top}"][domain == name].T, label=name, **look)
ax.set(title=f"top {top}", xticks=[], yticks=[])
_ = ax.legend(markerscale=2)
for panel, name in zip(panels, shown, strict=True):
    rows = levels[levels["group"] == name]
    panel.hlines(rows["method"], rows["low"], rows["high"], color=pl.SENSITIVE, linewidth=2)
    panel.scatter(rows["value"], rows["method"], s=34, color=pl.SENSITIVE, zorder=3)
    panel.axvline(1 if name.startswith("mixing") else 0.5, color="0.5", linestyle="--", linewidth=0.8)
    panel.set(xlabel=name, xlim=(0, None), ylim=(2.5, -0.5))
for panel in panels[1:]:
    panel.set_yticklabels([])
