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
# # What does each part add?
#
# ## The idea
#
# Table 3 of {cite:t}`he2025` takes the model apart: private encoders beside the shared one, a decoder of pathways, an adversary in their place.
# From two scores on one data set the paper reads that each part helps.
# Here every rung of that ladder is trained in both {term}`schedules <Schedule>` with several seeds.
#
# | rung | encoders | decoders | what brings lines and cells together |
# |---|---|---|---|
# | base AE | one | dense | the shared weights |
# | adv AE | one | dense | a critic |
# | base share AE | shared and private | dense | the difference loss |
# | adv share AE | shared and private | dense | that and a critic |
# | domain-classifier share AE | shared and private | dense | that and a domain classifier |
# | share AE + pathways | shared and private | dense and by pathways | the difference loss |
#
# The *critic* is the Wasserstein adversary of CODE-AE-ADV {cite:p}`codeae2022,gulrajani2017`: it learns to tell the codes of lines from those of cells, and the encoder learns to deceive it.
# The *domain classifier* {cite:p}`ganin2016` is a simpler adversary, and not in the paper.

# %% tags=["parameters"]
edition: str = "demo"  # edition whose settings and results are used
drug: str = "Cisplatin"  # drug, by its GDSC name
seeds: list[int] = [0, 1, 2, 3, 4]  # of each rung and schedule; each leaves out a fifth of the lines
ablation_epochs: int = 300  # at most so many epochs in each stage of training
ablation_hidden: int = 512  # width of the hidden layers

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown

from bulk2sc import compare, evaluate, latent, models, pl, published, say
from bulk2sc.book import Study

# %% [markdown]
# ## How it is done
#
# A step compares two rungs that differ in one part.

# %%
STEPS = {  # what is added: the rung with it, the rung without
    "a critic": ("adv AE", "base AE"),
    "private encoders": ("base share AE", "base AE"),
    "a critic, beside private encoders": ("adv share AE", "base share AE"),
    "a domain classifier, beside them": ("domain-classifier share AE", "base share AE"),
    "pathways": ("share AE + pathways", "base share AE"),
}
SCHEDULES = {"pretrain-then-classify": "pretrained", "joint": "joint"}
RUNGS = list(dict.fromkeys(rung for step in STEPS.values() for rung in step[::-1]))
pl.style()
study = Study(edition, drug=drug)
lines, cells = study.read("pair")

# %% [markdown]
# Each seed leaves out another fifth of the measured lines.
# The model scores these lines and the cells, and a support vector machine tries to tell lines from cells by their code.


# %%
def apart(model, lines, cells):
    rng = np.random.default_rng(0)
    some = [data[rng.permutation(data.n_obs)[:300]] for data in (lines, cells)]
    group = [*some[0].obs_names, *some[1].obs["cell_line"].astype(str)]
    is_cell = np.repeat([False, True], [data.n_obs for data in some])
    return latent.domain_auroc(np.concatenate([model.encode(data) for data in some]), is_cell, group).mean()


# %%
def fit(pair, mask, *, rung, schedule, seed, max_epochs: int, hidden: int, patience: int = 20):
    lines, cells = pair
    training, left_out = evaluate.leave_out_fold(lines, k=lines.uns["labels"]["k"], seed=seed)
    settings = {"max_epochs": max_epochs, "hidden": hidden, "patience": patience}
    model = models.make(rung, mask=mask, schedule=schedule, seed=seed, **settings).fit(training, cells)
    scores = evaluate.scored(model, {"lines left out": left_out, "cells": cells})
    code = pd.DataFrame({"on": "code", "value": [apart(model, training, cells)]})
    return pd.concat([scores, code, model.history_.assign(on="training")])


grid = {"rung": RUNGS, "schedule": list(SCHEDULES), "seed": seeds}
found = study.each(fit, grid | {"max_epochs": [ablation_epochs], "hidden": [ablation_hidden]})

# %% tags=["hide-input"]
found["method"] = found["rung"] + ", " + found["schedule"].map(SCHEDULES)
parts = dict(list(found.groupby("on", sort=False)))
pairs = {(f"{a}, {s}", f"{b}, {s}"): (part, s) for part, (a, b) in STEPS.items() for s in SCHEDULES.values()}
full = "share AE + pathways"
pairs[f"{full}, joint", f"{full}, pretrained"] = ("the joint schedule", "")

# %%
metrics = compare.on_cells(parts["cells"], cells)
draws = {"cells": metrics["auroc"], "lines left out": compare.on_lines(parts["lines left out"], lines)}
gaps = compare.differences(draws, list(pairs))
named = [pairs[pair] for pair in zip(gaps["method"], gaps["reference"], strict=True)]
gaps["label"], gaps["schedule"] = zip(*named, strict=True)

# %% [markdown]
# Lines are drawn, and all differences share their intervals ({doc}`/notebooks/evaluation/how-we-compare`).
#
# ## What else was found
#
# ### Does an adversary do its work?
#
# It exists to make the codes of lines and cells alike.
# The last two columns say how well a support vector machine still tells them apart on lines it has not seen: 1 is always, .5 is never.

# %% tags=["hide-input"]
auroc = draws["cells"].value
code = parts["code"].groupby("method")["value"].mean()
columns = {
    (what, schedule): [table.get(f"{rung}, {schedule}") for rung in RUNGS]
    for what, table in {"AUROC on cells": auroc, "lines told from cells": code}.items()
    for schedule in SCHEDULES.values()
}
rungs = pd.DataFrame(columns, index=RUNGS).astype(float)
rungs.style.format("{:.2f}", na_rep="")

# %% tags=["remove-input"]
told = {}
for part, (with_it, without) in STEPS.items():
    if part.startswith("a "):
        for schedule in SCHEDULES.values():
            told[part, schedule] = code[f"{with_it}, {schedule}"], code[f"{without}, {schedule}"]
told = pd.DataFrame(told, index=["with", "without"]).T
does = int((told["with"] < told["without"] - 0.03).sum())
closer = f"in {does or 'none'} of {len(told)} comparisons"
Markdown(
    f"An adversary should lower this. It does so by more than .03 {closer}: without one the AUROC of the domain is "
    f"{say.number(told['without'].min())} to {say.number(told['without'].max())}, with one "
    f"{say.number(told['with'].min())} to {say.number(told['with'].max())} (means of seeds, no intervals)."
)

# %% [markdown]
# ### Does an adversary make training harder?
#
# Figure 5 of the paper says so.
# Here are the losses of the joint schedule, with a critic and with pathways.

# %% mystnb={"figure": {"caption": "Joint schedule, a line for each seed: cross-entropy with a critic (adv share AE) and with pathways (share AE + pathways), and the distance between lines and cells that the critic estimates. Solid: training; dashed: validation; orange: the adversarial stage.", "name": "fig-losses"}, "image": {"alt": "Three panels of curves over epochs, one below the other: two of cross-entropy, one of the critic's distance."}} tags=["hide-input"]
figure, axes = plt.subplots(3, 1, figsize=(5.6, 6.4), sharex=True)
shown = {"with a critic": ("adv share AE", "cross-entropy"), "with pathways": (full, "cross-entropy")}
shown["the critic's distance"] = ("adv share AE", "distance")
for ax, (title, (rung, term)) in zip(axes, shown.items(), strict=True):
    rows = parts["training"][parts["training"]["method"] == f"{rung}, joint"]
    rows = rows[rows["term"] == term]
    start = rows[rows["stage"] == "joint"].groupby("seed")["epoch"].max()
    for (seed, stage, split), run in rows.groupby(["seed", "stage", "split"]):
        first = start.get(seed, 0) if stage == "adversarial" else 0
        look = {"color": pl.RESISTANT if stage == "adversarial" else pl.SENSITIVE, "linewidth": 0.8}
        ax.plot(first + run["epoch"], run["value"], "-" if split == "train" else "--", **look)
    ax.set(title=title, ylabel=term)
axes[1].sharey(axes[0])
_ = axes[2].set_xlabel("epoch")

# %% tags=["remove-input"]
entropy = parts["training"].query("term == 'cross-entropy' and schedule == 'joint'")
last = entropy.groupby(["method", "seed", "split"])["value"].last().groupby(level=["method", "split"]).mean()
last = last.unstack()
overfit = (last["validation"] - last["train"]).rename(lambda name: name.removesuffix(", joint"))
Markdown(
    f"At the end, cross-entropy of validation exceeds that of training by {say.number(overfit['adv share AE'])} with "
    f"a critic and by {say.number(overfit[full])} with pathways. Each stage has at most "
    f"{say.counted(ablation_epochs, 'epoch')}."
)

# %% [markdown]
# ### Beside Table 3
#
# The paper's accuracies are of GSE117872 with cisplatin, where *all sensitive* has .73.

# %% tags=["hide-input"]
paper = published.published("cisplatin").query("where == 'Table 3'").set_index("method")["accuracy"]
table3 = pd.DataFrame({"paper": paper.reindex(RUNGS)})
for schedule in SCHEDULES.values():
    accuracy = metrics["accuracy"].value
    table3[schedule] = [accuracy[f"{rung}, {schedule}"] for rung in RUNGS]
table3.loc["all sensitive"] = [0.73, *[cells.obs["truth"].mean()] * 2]
table3.style.format("{:.2f}", na_rep="")

# %% [markdown]
# ## What could mislead us
#
# - A rung has the settings of the full model. Another learning rate or a longer adversarial stage may suit it better.
# - An adversary comes with a further stage of training, so it is trained for longer.
# - Some editions train for few epochs. A part may need more to show what it is good for.
# - Simulated cells are made from bulk profiles. There is hardly a gap between lines and cells that an adversary could close.
#
# ```{exercise}
# :label: exercise-ablation
# A critic can be too weak for its task, or the encoder unable to deceive it. Which curves tell the two apart?
# ```
#
# ````{solution} exercise-ablation
# :class: dropdown
# ```python
# distance = parts["training"].query("term == 'distance'")
# distance.groupby(["method", "epoch"])["value"].mean().unstack(0).plot()
# ```
# If the encoder cannot deceive it, the distance rises and stays. If the critic is too weak, the distance stays low while the support vector machine tells lines from cells.
# ````
#
# ```{admonition} Quiz
# :class: dropdown tip
# Table 3 rises from .30 (base AE) to .71. The cells are 73 % sensitive. What does an accuracy of .30 tell you? **Answer:** that most cells were called resistant. It says little about the part that is missing: the same order of cells with another threshold could score .73.
# ```

# %% tags=["details", "hide-input"]
study.write("ablation-differences", gaps)
levels = compare.levels(draws)
study.write("ablation", levels)
study.write("ablation-domains", code.reset_index())
study.write("ablation-accuracy", table3.rename_axis("rung").reset_index())
say.table({name: compare.levels(d) for name, d in draws.items()}).rename(columns=str)

# %% tags=["details", "hide-input"]
gaps[["group", "label", "schedule", "difference", "low", "high", "verdict"]].round(3)

# %% tags=["in-short", "remove-input"]
kind = "simulated" if cells.uns.get("simulated") else "real"
n_lines = cells.obs.dropna(subset="truth")["cell_line"].nunique()
wordings = {
    "higher": "AUROC rises with {methods}, by {by}.",
    "lower": "It falls with {methods}, by {by}.",
    "equal": "{n} of 11 comparisons {n:makes|make} practically no difference.",
    "unclear": "{n} of 11 comparisons {n:is|are} not clear (intervals from {low} to {high}).",
    "untested": "No comparison can be tested: the lines are too few, or no cell has a label.",
}
named = gaps.assign(method=gaps["label"] + gaps["schedule"].map(lambda s: f" ({s})" if s else ""))
sentences = [
    f"Twelve models, each with {say.counted(len(seeds), 'seed')} and at most {ablation_epochs} epochs a stage, score **{kind}** cells of "
    f"{say.counted(n_lines, 'line')} with an AUROC of {say.number(auroc.min())} to {say.number(auroc.max())}."
    if auroc.notna().all()
    else f"Twelve models score **{kind}** cells whose lines have no labels of both classes."
]
for ground, rows in named.groupby("group"):
    sentences.append(f"- On {ground}: {say.effects(rows, **wordings)}")
sentences[0] += (
    f" An adversary brings lines and cells closer {closer} (AUROC of the domain, by more than .03)."
)
Markdown("\n".join(sentences))

# %% mystnb={"figure": {"caption": "What each step adds to AUROC, with simultaneous 95 % intervals over lines. Grey band: practically nothing. Above: pretrained; below: joint.", "name": "fig-steps"}, "image": {"alt": "Two panels, one for each schedule, a row for each part: the difference in AUROC on cells and on lines left out, with intervals around zero."}} tags=["in-short", "hide-input"]
figure, axes = plt.subplots(2, 1, figsize=(6, 4.6), sharex=True)
for ax, schedule in zip(axes, SCHEDULES.values(), strict=True):
    pl.differences(gaps[gaps["schedule"] == schedule], ax=ax).set_title(schedule)
axes[1].set_xlabel("AUROC, with minus without")
_ = figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
