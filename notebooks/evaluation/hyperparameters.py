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
# # How much do the settings matter?
#
# ## The idea
#
# Figure 4 of {cite:t}`he2025` moves three settings of the shared autoencoder, one at a time: the fewest genes of a pathway, the number of variable genes, and dropout.
# It draws means without intervals, and names the best.
# The highest of several points is partly the luckiest one, and the cells that are tested may not choose it.
# So two questions go with every curve: do its values differ, and on whose labels was the best one chosen?

# %% tags=["parameters"]
edition: str = "demo"  # edition whose settings and results are used
drug: str = "Cisplatin"  # drug, by its GDSC name
min_pathway_genes: int = 10  # fewest chosen genes of a pathway, where others move
n_hvg: int = 2500  # number of highly variable genes, where others move
dropout: float = 0.1  # dropout, where others move
sweep_min_genes: list[int] = [2, 4, 6, 8, 10, 15, 20, 30]  # values of min_pathway_genes
sweep_hvg: list[int] = [500, 1000, 1500, 2000, 2500, 3000, 4000, 5000]  # values of n_hvg
sweep_dropout: list[float] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]  # values of dropout
seeds: list[int] = [0, 1, 2, 3, 4]  # of each value; each leaves out a fifth of the lines

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown

from bulk2sc import compare, evaluate, models, pl, published, say
from bulk2sc.book import Study

# %% [markdown]
# ## How it is done
#
# One variant has the settings in use. Each other one moves a single setting.

# %%
own = {"min_pathway_genes": min_pathway_genes, "n_hvg": n_hvg, "dropout": dropout}
pl.style()
study = Study(edition, drug=drug, **own)
lines, cells = study.read("pair")
swept = {"min_pathway_genes": sweep_min_genes, "n_hvg": sweep_hvg, "dropout": sweep_dropout}
SAID = {"min_pathway_genes": "pathways of at least {:g} genes", "n_hvg": "{:g} variable genes"}
SAID |= {"dropout": "dropout {:g}"}
variants = {"as set": own}
for setting, values in swept.items():
    others = [value for value in values if value != own[setting]]
    variants |= {SAID[setting].format(value): own | {setting: value} for value in others}

# %% [markdown]
# Each seed leaves out a fifth of the measured lines, and the model learns from the others.
# It scores the lines left out, the only ones that may choose a setting, and the cells.
# The genes and the mask follow from the point of the grid.


# %%
def fit(pair, mask, *, seed, dropout: float, hidden: int = 512, max_epochs: int = 300, patience: int = 20):
    lines, cells = pair
    training, left_out = evaluate.leave_out_fold(lines, k=lines.uns["labels"]["k"], seed=seed)
    settings = {"dropout": dropout, "hidden": hidden, "max_epochs": max_epochs, "patience": patience}
    model = models.make("shared AE", mask=mask, seed=seed, **settings).fit(training, cells)
    scores = evaluate.scored(model, {"lines left out": left_out, "cells": cells})
    return scores.assign(pathways=len(mask))


# %%
points = [point | {"seed": seed} for point in variants.values() for seed in seeds]
name_of = {tuple(point.values()): name for name, point in variants.items()}
scores = study.each(fit, points)
scores["method"] = [name_of[point] for point in zip(*(scores[name] for name in own), strict=True)]
parts = dict(list(scores.groupby("on")))
on_lines = compare.on_lines(parts["lines left out"], lines)
gaps = compare.differences(on_lines, "as set")
on_cells = compare.on_cells(parts["cells"], cells)
width = scores.groupby("method", sort=False)["pathways"].first().rename("width of the code")

# %% [markdown]
# Lines are drawn, and all differences share their intervals ({doc}`/notebooks/evaluation/how-we-compare`).
#
# ## What else was found
#
# ### The values of this edition
#
# The genes of a pathway and the number of genes also change how many pathways there are, and with that the width of the code.

# %% tags=["hide-input"]
both = {"lines left out": compare.levels(on_lines), "cells": compare.levels(on_cells["auroc"])}
say.table(both, list(variants)).join(width)

# %% [markdown]
# ### The whole range, and the paper's choice
#
# Kept from a longer run of `benchmarks/grids.py`: all values, five folds, real cells of five lung lines.
# The lines choose by the highest mean.

# %% tags=["hide-input"]
WORDS = {"min_pathway_genes": "fewest genes of a pathway", "n_hvg": "variable genes", "dropout": "dropout"}
kept = study.kept("sweep").query("metric == 'auroc' and seed >= 0")
mean = kept.groupby(["setting", "against", "at"])["value"].mean()
paper = published.published("settings")
rows = {}
for setting, word in WORDS.items():
    curve = mean[setting, "lines left out"]
    theirs = sorted(paper[setting].unique()) if setting in paper else [0.1, 0.4]
    rows[word] = {
        "the paper": f"{theirs[0]:g} to {theirs[-1]:g}",
        "lines choose": f"{curve.idxmax():g}",
        "lowest to highest mean AUROC": f"{say.number(curve.min())} to {say.number(curve.max())}",
        "cells would choose": f"{mean[setting, 'truth'].idxmax():g}",
    }
pd.DataFrame(rows).T

# %% [markdown]
# ### What looking would have gained
#
# Who tunes on the cells that are tested reports the highest point.
# Take the cells of half the lines, choose the variant that is best on them, and judge it on the other half, two hundred times.

# %%
judged = cells.obs.dropna(subset="truth")
names, member = np.unique(judged["cell_line"].astype(str), return_inverse=True)
rng = np.random.default_rng(0)
order = rng.permuted(np.tile(np.arange(len(names)), (200, 1)), axis=1)
half = (order < len(names) / 2)[:, member]


def auroc(table):
    wide = table.pivot(index="seed", columns="cell", values="score")[judged.index].to_numpy()
    weight, answer = np.vstack([half, ~half]), judged["truth"].to_numpy()
    return np.mean([evaluate.weighted_metrics(answer, score, weight)["auroc"] for score in wide], axis=0)


# %% tags=["hide-input"]
by_half = {"looked at": np.array([]), "other half": np.array([])}
chosen = on_lines.value.idxmax() if on_lines.value.notna().any() else "as set"
if judged["truth"].nunique() == 2:
    of = pd.DataFrame({name: auroc(table) for name, table in parts["cells"].groupby("method")})
    looked, other = of[:200], of[200:].reset_index(drop=True)
    usable = looked.notna().all(axis=1) & other.notna().all(axis=1)
    picked = looked[usable].idxmax(axis=1)
    for name, table in (("looked at", looked), ("other half", other)):
        best = np.array([table.loc[draw, method] for draw, method in picked.items()])
        by_half[name] = best - table.loc[picked.index, chosen].to_numpy()

# %% tags=["remove-input"]
Markdown(
    f"The best variant on the half looked at leads the one that the lines choose, *{chosen}*, by "
    f"{say.number(by_half['looked at'].mean())} there, and by {say.number(by_half['other half'].mean())} on the other half."
    if len(by_half["looked at"])
    else "Here the cells could choose nothing: too few lines, or no labels of both classes."
)

# %% [markdown]
# ## What could mislead us
#
# - One setting moves at a time, so no interaction is found. A larger dropout may want more genes.
# - The sweep has the epochs of its edition. Longer training may favour other values.
# - Where values do not differ, the choice follows the metric and the folds.
# - The paper validates on a random tenth of its training samples, and does not say whether these are lines or cells.
#
# ```{exercise}
# :label: exercise-hyperparameters
# Which variant would the cells choose by accuracy, by F1 and by AUROC?
# ```
#
# ````{solution} exercise-hyperparameters
# :class: dropdown
# ```python
# {metric: on_cells[metric].value.idxmax() for metric in ("accuracy", "f1", "auroc")}
# ```
# Where values do not differ, the choice follows the metric, and so would a reader's impression of which setting is right.
# ````
#
# ```{admonition} Quiz
# :class: dropdown tip
# You try 24 values on test cells and report the best. What must your reader know? **Answer:** that you looked 24 times, and what the best value does on lines that took no part in the choice.
# ```

# %% tags=["details", "hide-input"]
study.write("hyperparameters", pd.concat(both, names=["on"]).reset_index(0))
study.write("hyperparameters-differences", gaps)
gaps.drop(columns="reference").round(3)

# %% tags=["details", "hide-input"]
kept.pivot_table("value", ["setting", "at"], "against").round(2)

# %% tags=["in-short", "remove-input"]
kind = "simulated" if cells.uns.get("simulated") else "real"
wordings = {
    "higher": "Better than the settings in use: {methods}, by {by}.",
    "lower": "Worse: {methods}, by {by}.",
    "equal": "{methods} {n:is|are} practically as good.",
    "unclear": "For {methods} it is not clear (differences within {low} and {high}).",
    "untested": "The lines are too few to test any.",
}
spread = mean.unstack("against").groupby(level="setting").agg(lambda m: m.max() - m.min())
gain = ""
if len(by_half["looked at"]):
    gain = (
        f"Choosing on **{kind}** cells would seem to gain {say.number(by_half['looked at'].mean())}; "
        f"on other lines the gain is {say.number(by_half['other half'].mean())}."
    )
Markdown(
    f"{say.counted(len(gaps), 'other value').capitalize()} of three settings, tried on bulk lines left out, against those in use: {say.effects(gaps, **wordings)} "
    f"Over the whole range (kept run, {kept['drug'].iloc[0]}) the mean AUROC changes by at most {say.number(spread['lines left out'].max())} on bulk lines, and by "
    f"{say.number(spread['truth'].max())} on the cells of five lines, too few to choose by. {gain}"
)

# %% mystnb={"figure": {"caption": "AUROC as one setting moves (kept run): bulk lines left out, mean of five folds, and real cells of five lung lines, which choose nothing. Grey: single folds; dotted: the paper's choices.", "name": "fig-sweep"}, "image": {"alt": "Three panels, one for each setting: AUROC over its values, one line for bulk lines left out and one for cells."}} tags=["in-short", "hide-input"]
figure, axes = plt.subplots(1, 3, figsize=(6.6, 2.9), sharey=True)
looks = {"lines left out": pl.SENSITIVE, "truth": pl.RESISTANT}
for ax, (setting, word) in zip(axes, WORDS.items(), strict=True):
    folds = kept[(kept["setting"] == setting) & (kept["against"] == "lines left out")]
    ax.scatter(folds["at"], folds["value"], s=8, color=pl.NEUTRAL, linewidth=0)
    for ground, colour in looks.items():
        label = "real cells" if ground == "truth" else "bulk lines left out"
        ax.plot(mean[setting, ground], "o-", color=colour, markersize=4, label=label)
    for value in paper.get(setting, [0.1, 0.4]):
        ax.axvline(value, color="0.5", linestyle=":", linewidth=0.8)
    ax.set(xlabel=word, ylabel="AUROC" if ax is axes[0] else "")
_ = figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
