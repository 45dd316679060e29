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
# # Does it matter which pathways?
#
# ## The idea
#
# Table 2 of {cite:t}`he2025` compares three collections of gene sets and finds the Gene Ontology best.
# Better than what, though?
# A decoder that keeps to pathways has fewer weights than another, whatever the pathways are; and a larger collection has a wider code.
#
# So every collection gets a rival without biology: **random sets**, as many and as large, their genes drawn anew with each seed.
# And the collection in use is **cut** at random to the size of the smallest one, which tells the kind of sets from their number.

# %% tags=["parameters"]
edition: str = "demo"  # edition whose settings and results are used
drug: str = "Cisplatin"  # drug, by its GDSC name
resource: str = "go_cc"  # gene sets that this edition uses; the others are compared with them
compared_resources: list[str] = ["go_cc", "reactome", "hallmark", "go_bp", "go_mf"]  # gene sets to compare
seeds: list[int] = [0, 1, 2, 3, 4]  # of each; each leaves out a fifth of the lines and draws random sets

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown

from bulk2sc import compare, evaluate, models, pathways, pl, published, say
from bulk2sc.book import Study

# %% tags=["hide-input"]
pl.style()
study = Study(edition, drug=drug, resource=resource)
lines, cells = study.read("pair")
NAMES = {"go_cc": "GO:CC", "go_bp": "GO:BP", "go_mf": "GO:MF", "hallmark": "Hallmark", "reactome": "Reactome"}

# %% [markdown]
# ## How it is done
#
# Nothing but the mask differs: genes, network, schedule and epochs are the same.


# %%
def drawn(mask, sets, size, seed):
    if sets == "random":
        return pathways.random_mask(mask, seed)
    free = mask.index.str.startswith(pathways.FREE)
    rows = np.random.default_rng(seed).choice(np.flatnonzero(~free), size, replace=False)
    return mask.iloc[[*np.sort(rows), *np.flatnonzero(free)]]


# %%
def fit(pair, mask, *, sets, size, seed, hidden: int = 512, max_epochs: int = 300, patience: int = 20):
    lines, cells = pair
    training, left_out = evaluate.leave_out_fold(lines, k=lines.uns["labels"]["k"], seed=seed)
    used = mask if sets == "real" else drawn(mask, sets, size, seed)
    settings = {"hidden": hidden, "max_epochs": max_epochs, "patience": patience}
    model = models.make("shared AE", mask=used, seed=seed, **settings).fit(training, cells)
    return evaluate.scored(model, {"lines left out": left_out, "cells": cells})


# %%
compared = list(dict.fromkeys([resource, *compared_resources]))
masks = {name: study.read("mask", resource=name) for name in compared}
sizes = {name: int((~mask.index.str.startswith(pathways.FREE)).sum()) for name, mask in masks.items()}
smallest = min(sizes, key=sizes.get)
kinds = [(name, sets, sizes[name]) for name in compared for sets in ("real", "random")]
kinds += [(resource, "cut", sizes[smallest])] if sizes[smallest] < sizes[resource] else []
grid = [{"resource": r, "sets": kind, "size": n, "seed": s} for r, kind, n in kinds for s in seeds]
scores = study.each(fit, grid)

# %% tags=["hide-input"]
title = {name: NAMES.get(name.removesuffix("_2023"), name) for name in compared}
texts = {(r, kind): title[r] if kind == "real" else f"{title[r]}, {kind}" for r, kind, _ in kinds}
scores["method"] = [texts[pair] for pair in zip(scores["resource"], scores["sets"], strict=True)]
parts, methods = dict(list(scores.groupby("on"))), list(texts.values())
own, small = title[resource], title[smallest]
pairs = {(title[r], f"{title[r]}, random"): f"{title[r]}: real − random" for r in compared}
pairs |= {(title[r], own): f"{title[r]} − {own}" for r in compared if r != resource}
if f"{own}, cut" in methods:
    pairs |= {(small, f"{own}, cut"): f"{small} − {own}, cut", (f"{own}, cut", own): f"{own}: cut − whole"}

# %%
metrics = compare.on_cells(parts["cells"], cells)
draws = {"cells": metrics["auroc"], "lines left out": compare.on_lines(parts["lines left out"], lines)}
gaps = compare.differences(draws, list(pairs))
gaps["label"] = [pairs[pair] for pair in zip(gaps["method"], gaps["reference"], strict=True)]

# %% [markdown]
# Each seed leaves out a fifth of the measured lines; these and the cells are scored.
# Lines are drawn, and all differences share their intervals ({doc}`/notebooks/evaluation/how-we-compare`).
#
# ## What else was found
#
# ### How wide is the code?
#
# Collections differ in how many of their sets pass the bound of 10 genes that the paper keeps for all.
# The code has a dimension for each, besides the {term}`free dimensions`.

# %% tags=["hide-input"]
shapes = {
    title[name]: {
        "sets": sizes[name],
        "genes named": int(mask[: sizes[name]].any().sum()),
        "genes": mask.shape[1],
    }
    for name, mask in masks.items()
}
pd.DataFrame(shapes).T

# %% [markdown]
# ### All five collections on real cells
#
# Kept from a longer run of `benchmarks/grids.py`: five lung lines, too few for an interval.

# %% mystnb={"figure": {"caption": "AUROC of five collections (filled) and their random sets (open), mean of five models, on bulk lines left out and on real cells of five lung lines (kept run).", "name": "fig-resources-kept"}, "image": {"alt": "Two panels, one row for each collection with a filled and an open dot."}} tags=["hide-input"]
kept = study.kept("resources").query("metric == 'auroc' and seed >= 0")
mean = kept.groupby(["against", "method"])["value"].mean()
figure, axes = plt.subplots(1, 2, figsize=(6.2, 2.8), sharex=True, sharey=True)
for ax, (ground, name) in zip(
    axes, {"lines left out": "bulk lines left out", "truth": "real cells"}.items(), strict=True
):
    real = [mean[ground, one] for one in NAMES.values()]
    rival = [mean[ground, f"random like {one}"] for one in NAMES.values()]
    ax.hlines(list(NAMES.values()), real, rival, color=pl.NEUTRAL, linewidth=1)
    look = {"edgecolor": pl.SENSITIVE, "s": 36, "zorder": 3}
    ax.scatter(real, list(NAMES.values()), color=pl.SENSITIVE, label="real sets", **look)
    ax.scatter(rival, list(NAMES.values()), facecolor="white", label="random sets", **look)
    ax.set(xlabel="AUROC", title=name)
_ = figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)

# %% [markdown]
# ### Beside Table 2
#
# The paper's numbers are of GSE117872 with cisplatin, of which 73 % are sensitive.

# %% tags=["hide-input"]
printed = published.published("cisplatin").query("`where` == 'Table 2'").set_index("method")
printed = printed.rename(index={"GO": "GO:CC"})[["accuracy", "f1"]].reindex(methods)
here = pd.DataFrame({name: metrics[name].value for name in ("accuracy", "f1")}).loc[methods]
share = cells.obs["truth"].mean()
printed.loc["all sensitive"], here.loc["all sensitive"] = [0.730, 0.844], [share, 2 * share / (1 + share)]
table2 = pd.concat({"the paper": printed, "here": here}, axis=1).rename(columns=say.LABELS)
table2.style.format("{:.2f}", na_rep="")

# %% [markdown]
# ## What could mislead us
#
# - Random sets are no empty control. A few hundred of them and the free dimensions rebuild a profile well. That is the point: what has to beat them is the biology.
# - The encoder reads all genes. The mask binds the decoder only, and the classifier hears of it only through the code.
# - A collection that predicts no better than chance may still make the code easier to read.
# - The Gene Ontology has three branches, and the paper names none; {doc}`/notebooks/data/pathways` says why cellular components stand for it here.
#
# ```{exercise}
# :label: exercise-resources
# Do draws of random sets differ as much as folds do? Score the lines left out of fold 0 with three draws.
# ```
#
# ````{solution} exercise-resources
# :class: dropdown
# ```python
# training, left_out = evaluate.leave_out_fold(lines, k=lines.uns["labels"]["k"], seed=0)
# for draw in range(3):
#     mask = pathways.random_mask(masks[resource], draw)
#     model = models.make("shared AE", mask=mask, hidden=128, max_epochs=20).fit(training, cells)
#     print(draw, evaluate.metrics(left_out.obs["response"], model.score_cells(left_out))["auroc"])
# ```
# Where draws differ less than folds, which lines are left out matters more than which genes a set holds.
# ````
#
# ```{admonition} Quiz
# :class: dropdown tip
# Hallmark has 50 sets, GO:CC hundreds. Hallmark predicts worse. Are its sets worse? **Answer:** not yet known; its code is narrower too. Compare it with GO:CC cut to 50 sets.
# ```

# %% tags=["details", "hide-input"]
study.write("pathway-resources", compare.levels(draws))
study.write("pathway-resources-differences", gaps)
say.table({name: compare.levels(d) for name, d in draws.items()}, methods)

# %% tags=["details", "hide-input"]
gaps[["group", "label", "difference", "low", "high", "verdict"]].round(3)

# %% tags=["in-short", "remove-input"]
kind = "simulated" if cells.uns.get("simulated") else "real"
wordings = {
    "higher": "real sets of {methods} are better, by {by}.",
    "lower": "real sets of {methods} are *worse*, by {by}.",
    "equal": "real sets of {methods} are practically as good as random ones.",
    "unclear": "it is not clear for {methods}; the intervals allow {low} to {high}.",
    "untested": "there are too few lines, or no labels, to compare.",
}
sentences = ["Do real pathways predict better than random sets of the same sizes?"]
for ground, rows in gaps[gaps["label"].str.endswith("random")].groupby("group"):
    where = f"**{kind}** cells" if ground == "cells" else "bulk lines left out"
    sentences.append(f"- On {where}, {say.effects(rows, **wordings)}")
gain = {
    g: np.mean([mean[g, one] - mean[g, f"random like {one}"] for one in NAMES.values()])
    for g in ("lines left out", "truth")
}
sentences.append(
    f"\nIn the kept run, five collections gain {say.number(gain['lines left out'])} on average over their random "
    f"sets on bulk lines, and {say.number(gain['truth'])} on real cells of five lines (no intervals)."
)
Markdown("\n".join(sentences))

# %% mystnb={"figure": {"caption": "Differences in AUROC between collections of gene sets, their random sets, and the collection in use cut to the size of the smallest, with simultaneous 95 % intervals over lines. Grey band: practically nothing.", "name": "fig-resources"}, "image": {"alt": "A row for each comparison: difference in AUROC on cells and on bulk lines left out, with intervals around zero."}} tags=["in-short", "hide-input"]
ax = pl.differences(gaps, ax=plt.subplots(figsize=(6.5, 0.45 * len(pairs) + 1))[1])
ax.set_xlabel("difference in AUROC")
_ = ax.figure.legend(loc="outside lower center", ncols=2)
