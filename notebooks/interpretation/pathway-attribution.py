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
# # Which pathways does the model use?
#
# ## The idea
#
# Nearly every shared dimension carries the name of a pathway, so a prediction can be split into shares of pathways.
# {cite:t}`he2025` do this with {term}`integrated gradients` {cite:p}`sundararajan2017`, rank the pathways and read biology from the list (their Figure 6a).
# This page repeats the figure and asks whether another fit, or a model that learnt nothing, would give the same list.
#
# Let $f$ be the classifier's logit, $z$ the embedding of a cell and $z'$ a baseline, here the embedding of the mean profile.
# Dimension $i$ gets its way from baseline to cell, times the mean slope on the straight path:
#
# $$ IG_i(z) = (z_i - z'_i) \int_0^1 \frac{\partial f\big(z' + \alpha (z - z')\big)}{\partial z_i}\, d\alpha . $$
#
# By {term}`completeness`, the attributions of a cell add up to $f(z) - f(z')$.

# %% tags=["parameters"]
edition: str = "demo"  # edition whose settings and results are used
drug: str = "Cisplatin"  # drug, by its GDSC name
top: int = 12  # leading dimensions to look at
n_seeds: int = 3  # models, and classifiers of one encoder, that are compared

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
import torch
from IPython.display import Markdown
from scipy import stats

from bulk2sc import compare, explain, pl, say
from bulk2sc.book import Study
from bulk2sc.pathways import FREE

# %% [markdown]
# ## How it is done

# %%
study = Study(edition, drug=drug)
pl.style()
lines, cells = study.read("pair")
mask, model = study.read("mask"), study.read("model")
attributions = study.read("attributions")
values = attributions[mask.index]


# %% [markdown]
# The attributions come from captum {cite:p}`kokhlikyan2020`. By hand, the integral is a sum over points of the path:


# %%
def by_hand(z: torch.Tensor, baseline: torch.Tensor, n_steps: int = 64) -> torch.Tensor:
    slopes = torch.zeros_like(z)
    for alpha, weight in zip(*np.polynomial.legendre.leggauss(n_steps), strict=True):
        point = (baseline + (alpha + 1) / 2 * (z - baseline)).requires_grad_()
        slopes += weight / 2 * torch.autograd.grad(model.code_logit(point).sum(), point)[0]
    return (z - baseline) * slopes


# %%
mean_profile = lines[:1].copy()
mean_profile.layers["scaled"] = np.zeros((1, lines.n_vars), np.float32)
z, baseline = (torch.from_numpy(model.encode(data)) for data in (cells, mean_profile))
apart = np.abs(by_hand(z, baseline).numpy() - values.to_numpy()).max()
missing, change = attributions["completeness"], values.sum(axis=1) - attributions["completeness"]
print(f"by hand and by captum: at most {apart:.1g} apart")
print(
    f"sums miss f(z) - f(z') by at most {missing.abs().max():.1g}; its mean size is {change.abs().mean():.2f}"
)

# %% [markdown]
# The paper ranks by the mean absolute attribution over cells. The mean itself tells the direction.

# %%
ranking = pd.DataFrame({"mean absolute": values.abs().mean(), "mean": values.mean()})
ranking = ranking.assign(genes=mask.sum(axis=1).astype(int), free=mask.index.str.startswith(FREE))
ranking = ranking.rename_axis("pathway").sort_values("mean absolute", ascending=False)
leaders = ranking.index[:top]
named = ranking.index[~ranking["free"]]

# %% [markdown]
# ### Would another model give the same list?
#
# Whole models are trained with other seeds. Then only the classifier is trained anew, on the same encoder: with another seed, and with the labels of the lines permuted, so that there is nothing to learn.


# %%
def other_model(attributions, mask, *, seed):
    return attributions[mask.index].abs().mean().rename("size").rename_axis("pathway").reset_index()


def other_classifier(pair, autoencoder, *, response, seed_of_classifier):
    lines = pair[0].copy()
    if response == "permuted":
        rng = np.random.default_rng(seed_of_classifier)
        lines.obs["response"] = rng.permutation(lines.obs["response"])
    model = autoencoder.set_params(seed=seed_of_classifier).fit_classifier(lines)
    found = explain.integrated_gradients(model, pair[1]).values
    return found.abs().mean().rename("size").rename_axis("pathway").reset_index()


# %%
again = range(1, max(n_seeds, 2))
asked = {"response": ["measured", "permuted"], "seed_of_classifier": again}
models, classifiers = study.each(other_model, {"seed": again}), study.each(other_classifier, asked)
of_lines = explain.integrated_gradients(model, lines).values
from_zero = explain.integrated_gradients(model, cells, baseline=np.zeros(len(mask), np.float32)).values

# %% [markdown]
# Free dimensions have no meaning that two models could share, so only named ones are compared.

# %% tags=["hide-input"]
lists = {("another seed", s): part.set_index("pathway")["size"] for s, part in models.groupby("seed")}
for (response, s), part in classifiers.groupby(["response", "seed_of_classifier"]):
    kind = "same encoder, " + ("another seed" if response == "measured" else "permuted labels")
    lists[kind, s] = part.set_index("pathway")["size"]
lists["ranked on training lines", 0] = of_lines.abs().mean()
lists["baseline of zeros", 0] = from_zero.abs().mean()
first = ranking.loc[named, "mean absolute"]
shared = pd.DataFrame(
    [
        {
            "list": name,
            "seed": seed,
            "in common": len(set(first.index[:top]) & set(sizes[named].nlargest(top).index)),
            "rank correlation": stats.spearmanr(sizes[named], first).statistic,
        }
        for (name, seed), sizes in lists.items()
    ]
)
shared = shared.sort_values(["list", "seed"])
expected = top**2 / len(named)

# %% [markdown]
# ## What else was found
#
# ### Do the leaders separate sensitive from resistant cells?
#
# A dimension that pushes all cells the same way shifts the threshold and separates nothing.
# So each leader is asked to rank the cells alone, by its attribution. The intervals are simultaneous over all of them ({doc}`/notebooks/evaluation/how-we-compare`).

# %%
tidy = values[leaders].rename_axis(index="cell", columns="method").stack().rename("score").reset_index()
chance = tidy[tidy["method"] == leaders[0]].assign(method="no skill", score=0.0)
draws = compare.on_cells(pd.concat([tidy, chance]).assign(seed=0), cells)["auroc"]
skill = compare.differences(draws, reference="no skill").set_index("method")

# %% mystnb={"figure": {"caption": "Left: attributions of single cells to the leading dimensions (blue: towards sensitive, red: towards resistant), cells grouped by the measured response of their line. Right: AUROC of each dimension's attribution alone, with simultaneous 95 % intervals; dashed: no skill.", "name": "fig-pathway-heatmap"}, "image": {"alt": "Heat map of attributions, dimensions in rows and cells in columns, beside a panel of AUROC with an interval for each dimension."}} tags=["hide-input"]
response = pl.response_names(cells.obs["truth"])
order = np.argsort(response.codes, kind="stable")
shown = values[leaders].iloc[order].T.rename(index=lambda name: pl.short(name, width=26))
limit = np.quantile(np.abs(shown.to_numpy()), 0.99)
size = {"figsize": (6.8, 0.3 * len(leaders) + 1), "width_ratios": (2, 1)}
figure, (ax, side) = plt.subplots(1, 2, sharey=True, **size)
look = {"cmap": "vlag_r", "center": 0, "vmin": -limit, "vmax": limit, "rasterized": True}
sns.heatmap(shown, xticklabels=False, cbar=False, ax=ax, **look)
counts = pd.Series(response).value_counts(sort=False)
ends = counts.cumsum()
ax.vlines(ends[:-1], 0, len(leaders), color="black", linewidth=0.8)
there = counts > 0
ax.set_xticks((ends - counts / 2)[there], counts.index[there], rotation=0)
ax.set(xlabel="", ylabel="")
rows, place = skill.loc[leaders], np.arange(len(leaders)) + 0.5
side.hlines(
    place, (0.5 + rows["low"]).clip(0), (0.5 + rows["high"]).clip(upper=1), color=pl.SENSITIVE, linewidth=2
)
side.scatter(0.5 + rows["difference"], place, s=24, color=pl.SENSITIVE, zorder=3)
side.axvline(0.5, color="0.5", linestyle="--", linewidth=0.8)
side.set_xlabel("AUROC")
_ = side.tick_params(left=False)

# %% tags=["remove-input"]
separating = skill.index[skill["verdict"] == "higher"]
untested = (skill["verdict"] == "cannot be tested").all()
Markdown(
    "Without labels of both classes, or with fewer than four lines a side, nothing can be said."
    if untested
    else f"{len(separating) or 'None'} of the {top} clearly {'ranks' if len(separating) == 1 else 'rank'} sensitive cells above resistant ones."
)

# %% [markdown]
# ### Names and sizes
#
# The {term}`free dimensions` may write to every gene. The more of the attribution they hold, the less the names of the others explain.

# %% tags=["remove-input"]
free = ranking.index[ranking["free"]]
share = ranking.loc[free, "mean absolute"].sum() / ranking["mean absolute"].sum()
size = stats.spearmanr(ranking.loc[named, "genes"], first).statistic
Markdown(
    f"The {len(free)} free dimensions, {say.percent(len(free) / len(ranking))} of all, hold {say.percent(share)} of the attribution. "
    f"Among named ones, attribution {'hardly follows' if abs(size) < 0.3 else 'rises with' if size > 0 else 'falls with'} the number of genes: Spearman's rho is {say.number(size)}."
)

# %% [markdown]
# ## What could mislead us
#
# - An attribution explains the *model*, not what makes a cell resistant. A model without skill has attributions too.
# - A dimension is named after the genes it may *write*. The encoder fills it from all genes, so a pathway may lead without its genes differing in any cell.
# - Pathways share genes: one of two similar ones may take all the credit, this or that one from seed to seed. Longer training than that of this edition may steady the list.
# - The paper supports its list with literature. Any dozen cellular components find support; a test would be a list predicted beforehand.
#
# ```{exercise}
# :label: exercise-steps
# How many points does the integral need? Compute the attributions of 100 cells by hand with 2, 8 and 32 points and compare the largest error of completeness.
# ```
#
# ````{solution} exercise-steps
# :class: dropdown
# ```python
# change = (model.code_logit(z[:100]) - model.code_logit(baseline)).detach()
# for n_steps in (2, 8, 32):
#     print(n_steps, (by_hand(z[:100], baseline, n_steps).sum(1) - change).abs().max().item())
# ```
# The classifier is a chain of ReLUs, so along the path its slope is constant but for a few kinks. The error comes from the kinks alone and falls slowly, roughly like the distance between points.
# ````
#
# ```{admonition} Quiz
# :class: dropdown tip
# Two models predict equally well and rank pathways differently. Which list is right? **Answer:** both explain their own model. What the two lists share is all that the data support.
# ```

# %% tags=["details", "hide-input"]
study.write("ranking", ranking.reset_index())
study.write("lists", shared)
study.write("separation", skill.reset_index())
ranking.head(top).join(skill[["difference", "low", "high", "verdict"]]).rename(index=pl.short).round(3)

# %% tags=["in-short", "remove-input"]
kind = "simulated" if cells.uns.get("simulated") else "real"
unnamed = [rank for rank, name in enumerate(leaders, 1) if name in free]
leading = next((i for i, name in enumerate(leaders) if name not in free), top)
mean = shared.groupby("list")["in common"].mean()
Markdown(
    f"{len(unnamed) or 'None'} of the {top} leading dimensions {'has' if len(unnamed) == 1 else 'have'} no name"
    + (f", among them the first {leading}. " if leading > 1 else ". ")
    + f"Another seed gives {'another' if mean['another seed'] < (top + expected) / 2 else 'much the same'} list: of the {top} leading *named* dimensions it shares {mean['another seed']:.1f}, as against {expected:.1f} of two random lists. "
    f"On the same encoder, a new classifier shares {mean['same encoder, another seed']:.1f}, and one trained on permuted labels {mean['same encoder, permuted labels']:.1f}. "
    + (
        f"{len(separating) or 'None'} of the {top} leaders clearly {'ranks' if len(separating) == 1 else 'rank'} sensitive **{kind}** cells above resistant ones."
        if not untested
        else f"Whether the leaders separate these **{kind}** cells, lines or labels are too few to tell."
    )
)

# %% mystnb={"figure": {"caption": "Above: the leading dimensions by mean absolute attribution over all cells; orange ones have no name. Below: how many of the leading named dimensions other lists share, each dot one model; dashed: two random lists.", "name": "fig-pathway-ranking"}, "image": {"alt": "Above, horizontal bars of mean absolute attribution, one per dimension. Below, a dot for each other list by the number of leading dimensions in common."}} tags=["in-short", "hide-input"]
size = {"figsize": (6.2, 0.28 * top + 2.6), "height_ratios": (2, 1)}
figure, (ax, side) = plt.subplots(2, 1, **size)
bars = ranking.head(top).iloc[::-1]
colours = np.where(bars["free"], pl.RESISTANT, pl.SENSITIVE)
ax.barh([pl.short(name, width=30) for name in bars.index], bars["mean absolute"], color=colours)
ax.set(xlabel="mean |integrated gradients|")
side.scatter(shared["in common"], shared["list"], color=pl.SENSITIVE, alpha=0.7)
side.axvline(expected, color="0.5", linestyle="--", linewidth=0.8)
_ = side.set(xlabel=f"in common with the first {top} named", xlim=(-0.5, top + 0.5), ylim=(4.5, -0.5))
