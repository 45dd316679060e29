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
# # Train the classifier after the encoder, or with it?
#
# ## The idea
#
# The autoencoder knows nothing about drugs.
# A small classifier on its shared embedding $Z$ learns response from cell lines, and is then asked about cells it was never trained on: this is the {term}`transfer` of the paper's title.
# It has three layers, of 128, 32 and 1 units (Eq. 12 to 14):
#
# $$ y_{pred} = \mathrm{Sigmoid}\big(\mathrm{ReLU}(\mathrm{ReLU}(Z W_1 + b_1) W_2 + b_2)\, W + b\big) . $$
#
# The text of {cite:t}`he2025` and its public code train it in two ways, called {term}`schedules <Schedule>`:
#
# - **{term}`pretrain-then-classify`** (the text): first the autoencoder, then the classifier on fixed embeddings. Nothing rewards the encoder for keeping what matters for a drug.
# - **{term}`joint <Joint training>`** (the code): everything together, on the cross-entropy plus a tenth of the autoencoder's loss. The encoder can bend towards response, and can learn the training lines by heart.
#
# Either goes with either preset of the loss weights ({doc}`/notebooks/model/shared-encoder`), which makes four models.
# They are compared on bulk lines, where answers may be used.

# %% tags=["parameters"]
edition: str = "demo"  # edition whose settings and results are used
drug: str = "Cisplatin"  # drug, by its GDSC name
schedule: str = "pretrain-then-classify"  # how the edition's model is trained, or joint
cv_folds: int = 5  # parts of the lines, each left out in turn
cv_repeats: int = 1  # times the lines are divided anew
cv_epochs: int = 20  # most epochs of a model that is fitted here

# %% tags=["hide-input"]
import inspect

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown

from bulk2sc import compare, evaluate, models, pl, pp, say
from bulk2sc.book import Study
from bulk2sc.models import autoencoder as ae

# %% [markdown]
# ## How it is done
#
# The classifier and its loss (Eq. 15), in the source of the package:

# %%
source = map(inspect.getsource, (ae.new_classifier, ae.cross_entropy))
Markdown("```python\n" + "\n".join(source) + "```")

# %% [markdown]
# Pretrain-then-classify by hand: the encoder is read and stays as it is; lines in neither {term}`tail <Tails>` have no label and do not count.

# %%
study = Study(edition, drug=drug, schedule=schedule)
pl.style()
lines, cells = study.read("pair")
Z = torch.from_numpy(study.read("autoencoder").encode(lines))
y = torch.tensor(lines.obs["response"].to_numpy(np.float32))
torch.manual_seed(0)
head = ae.new_classifier(Z.shape[1])
optimiser = torch.optim.Adam(head.parameters(), lr=1e-3)
for _ in range(100):
    loss = ae.cross_entropy(head(Z), y)
    optimiser.zero_grad(), loss.backward(), optimiser.step()
print(f"cross-entropy {loss.item():.2f}; guessing one half has {np.log(2):.2f}")

# %% [markdown]
# With early stopping on a tenth of the lines, that is `model.fit_classifier(lines)`.
# Both schedules are one setting of the model:

# %%
CANDIDATES = {
    f"{name} ({weights})": {"schedule": schedule, "weights": weights}
    for name, schedule in {"pretrained": "pretrain-then-classify", "joint": "joint"}.items()
    for weights in ("text", "code")
}

# %% [markdown]
# Each fold leaves out a part of the lines. Thresholds of the tails, scaling, encoder and classifier come from the other lines; ridge regression on the AUC is the yardstick.


# %%
def left_out(pair, mask, *, method, fold, cv_folds, cv_epochs, hidden: int = 512, k: float = 0.3):
    lines, cells = pair
    training, test = evaluate.leave_out_fold(lines, k=k, seed=fold, folds=cv_folds)
    few = cells[:: -(-cells.n_obs // 1500)].copy()  # of many cells, some are enough here
    settings = {"mask": mask, "hidden": hidden, "max_epochs": cv_epochs, "patience": 5, "seed": fold}
    name = "shared AE" if method in CANDIDATES else method
    model = models.make(name, **settings, **CANDIDATES.get(method, {}))
    return pd.DataFrame({"cell": test.obs_names, "score": model.fit(training, few).score_cells(test)})


# %%
methods = [*CANDIDATES, "ridge", "all sensitive"]
grid = {"method": methods, "fold": range(cv_folds * cv_repeats)}
scores = study.each(left_out, grid | {"cv_folds": [cv_folds], "cv_epochs": [cv_epochs]})

# %% [markdown]
# Scores of different folds come from different models, so they are ranked within their fold before all lines are judged together.
# Lines are drawn anew for the intervals, and all differences share theirs ({doc}`/notebooks/evaluation/how-we-compare`).

# %%
known = lines[lines.obs["auc"].notna()]
auroc = compare.on_lines(scores.rename(columns={"fold": "seed"}), known, folds=cv_folds)
levels = compare.levels(auroc)
pairs = [(f"joint ({weights})", f"pretrained ({weights})") for weights in ("text", "code")]
versus = compare.differences(auroc, pairs + [(method, "ridge") for method in CANDIDATES])

# %% [markdown]
# ## What else was found
#
# The model of this edition is trained in full, on all training lines.

# %%
model = study.read("model")

# %% tags=["remove-input"]
stage = "joint" if schedule == "joint" else "classifier"
curve = model.history_.query("stage == @stage and term == 'cross-entropy'")
curve = curve.pivot(index="epoch", columns="split", values="value")
best, last = curve.loc[curve["validation"].idxmin()], curve.iloc[-1]
Markdown(
    f"It keeps the weights of epoch {best.name}, where the held-out tenth of the lines has a cross-entropy of {say.number(best['validation'])}. "
    f"In the last epoch, {last.name}, that is {say.number(last['validation'])}, and {say.number(last['train'])} on the lines of training."
)

# %% [markdown]
# ### What arrives at the cells
#
# The same model scores three groups of profiles: lines it was trained on; lines that left training because their cells are tested, from their *bulk* profile; and those *cells*.
# Between the first two lies what is new about a line, between the last two what is new about a cell.

# %%
bulk = study.read("bulk")
held_out = bulk[bulk.obs_names.isin(cells.uns.get("held_out", [])), lines.var_names].copy()
groups = {"training lines": (lines, "response"), "cells": (cells, "truth")}
if held_out.n_obs:
    held_out = pp.scale_like(held_out, lines)
    groups["held-out lines"] = (held_out, "response")
groups = {name: groups[name] for name in ("training lines", "held-out lines", "cells") if name in groups}
scored = {name: model.score_cells(data) for name, (data, _) in groups.items()}

# %% mystnb={"figure": {"caption": "Scores of the edition's model for lines of training, for lines that left training (from their bulk profile), and for cells of these lines, by measured response. Each histogram is scaled to its own area.", "name": "fig-transfer"}, "image": {"alt": "Panels of histograms of P(sensitive), one per group of profiles, coloured by response."}} tags=["hide-input"]
figure, axes = plt.subplots(1, len(groups), figsize=(2.2 * len(groups), 2.3), squeeze=False)
for ax, (name, (data, column)) in zip(axes[0], groups.items(), strict=True):
    for response, colour in pl.RESPONSE.items():
        chosen = scored[name][pl.response_names(data.obs[column]) == response]
        if len(chosen):
            look = {"histtype": "step", "color": colour, "linewidth": 1.5, "density": True}
            ax.hist(chosen, bins=20, range=(0, 1), label=response, **look)
    ax.set(title=name, xlabel="P(sensitive)", yticks=[])
_ = axes[0, 0].legend(fontsize="small")

# %% tags=["remove-input"]
rows = {}
for name, (data, column) in groups.items():
    found = {"profiles": len(scored[name]), "called sensitive": say.percent((scored[name] >= 0.5).mean())}
    rows[name] = found | {"AUROC": ""}
    if data.obs[column].nunique() == 2:
        rows[name]["AUROC"] = say.number(evaluate.metrics(data.obs[column], scored[name])["auroc"])
arrived = pd.DataFrame(rows).T
arrived

# %% [markdown]
# If the share called sensitive shifts between lines and cells, the order of cells may still be right, but the threshold of one half no longer is ({doc}`/notebooks/evaluation/calibration`).
# Whether the order is right, {doc}`/notebooks/evaluation/baselines` tells with intervals.
#
# ## What could mislead us
#
# - The best of four is best partly by luck.
# - A score on lines promises nothing about cells: a cell is further from the training lines, and cells come from few lines, which may be easy or hard by chance.
# - Fits here stop after `cv_epochs` epochs. Longer training may change the order.
# - The book uses pretrain-then-classify with the weights of the text because the paper describes it so, whatever this page finds. {doc}`/notebooks/evaluation/ablation` compares the schedules on cells.
#
# ```{exercise}
# :label: exercise-schedule
# The joint schedule stops when the cross-entropy of held-out lines no longer falls. How many gradient steps has the kept model seen, and how far has its reconstruction come?
# ```
#
# ````{solution} exercise-schedule
# :class: dropdown
# ```python
# joint = study.read("model", schedule="joint")
# curves = joint.history_.pivot(index="epoch", columns=["split", "term"], values="value")
# epoch = curves["validation", "cross-entropy"].idxmin()
# print(epoch, "epochs of", -(-lines.n_obs // joint.batch_size), "steps")
# print(curves["train", "reconstruction"].loc[[1, epoch]])
# ```
# Where the kept epoch is among the first, the reconstruction has hardly begun: pathways are then named by a decoder that was not trained to write them.
# ````
#
# ```{admonition} Quiz
# :class: dropdown tip
# Why may settings be chosen on lines and not on cells? **Answer:** the labels of the cells are what the book tests on. A setting chosen with them would be tested on its own choice.
# ```

# %% tags=["details", "hide-input"]
study.write("auroc", levels)
study.write("differences", versus)
study.write("transfer", arrived.rename_axis("group").reset_index())
versus.round(3)

# %% tags=["in-short", "remove-input"]
kind = "simulated" if cells.uns.get("simulated") else "real"
value = auroc.value
in_use = f"{'joint' if schedule == 'joint' else 'pretrained'} ({model.weights})"
schedules, yardstick = (versus[(versus["reference"] == "ridge") == simple] for simple in (False, True))
Markdown(
    f"On {known.obs['response'].count()} bulk lines of both tails, left out in turn, the four models reach an AUROC of {say.number(value[list(CANDIDATES)].min())} to {say.number(value[list(CANDIDATES)].max())}, ridge regression {say.number(value['ridge'])}. "
    + say.effects(
        schedules,
        higher="Training jointly is better for {n:one preset|both presets} of weights, by {by}.",
        lower="Training jointly is worse for {n:one preset|both presets} of weights, by {by}.",
        equal="For {n:one preset|both presets} the schedule makes no difference beyond {low} to {high}.",
        unclear="For {n:the other|both presets} the lines do not decide between the schedules.",
        untested="The lines are too few to compare the schedules.",
    )
    + " "
    + say.effects(
        yardstick,
        higher="{n} of 4 {n:beats|beat} ridge: {methods}.",
        lower="{n} of 4 {n:is|are} worse than ridge, by {by}: {methods}.",
        equal="{n} of 4 {n:does|do} as well as ridge: {methods}.",
        unclear="Between ridge and {n} of 4 they do not decide.",
        untested="",
    )
    + f" The book uses *{in_use}*; it calls {arrived.loc['cells', 'called sensitive']} of the **{kind}** cells sensitive."
)

# %% mystnb={"figure": {"caption": "AUROC on bulk lines left out, with 95 % intervals over lines. Orange: the model in use; dashed: no skill.", "name": "fig-cross-validation"}, "image": {"alt": "One row per model, with its AUROC on bulk lines left out and an interval; ridge regression and a constant answer below."}} tags=["in-short", "hide-input"]
ax = plt.subplots(figsize=(5.5, 2.6))[1]
colours = [pl.RESISTANT if method == in_use else pl.SENSITIVE for method in levels["method"]]
ax.hlines(levels["method"], levels["low"], levels["high"], color=colours, linewidth=2)
ax.scatter(levels["value"], levels["method"], color=colours, s=34, zorder=3)
ax.axvline(0.5, color="0.5", linestyle="--", linewidth=0.8)
_ = ax.set(xlabel="AUROC of bulk lines left out", ylim=(len(levels) - 0.5, -0.5))
