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
# # Could it be right for the wrong reason?
#
# ## The idea
#
# A good AUROC says that score and label go together, and not why.
# So this chapter takes away, one at a time, what the model of {cite:t}`he2025` is supposed to live on, and hands it what it must not have.
#
# | control | what is changed |
# |---|---|
# | *shuffled labels* | responses change places among the training lines |
# | *random pathways* | each pathway gets as many genes, drawn at random |
# | *untrained encoder* | the encoder keeps its random weights; only the classifier learns |
# | *no single cells* | in pretraining, bulk lines take the place of the cells |
# | *tested lines left in* | the classifier also learns from the lines of the cells: {term}`leakage` |
#
# *Ridge regression* has neither encoder nor pathways and never sees a cell.
# Last, methods meet cells that differ in nothing but {term}`exposure <Exposure>` to a drug.

# %% tags=["parameters"]
edition: str = "demo"  # edition whose settings and results are used
drug: str = "Cisplatin"  # drug, by its GDSC name
seeds: list[int] = [0, 1, 2, 3, 4]  # of each control; each leaves out a fifth of the lines
control_shuffles: int = 20  # shuffles of the labels for each seed
exposure_methods: list[str] = ["shared AE", "LR", "SVM", "RF", "ridge", "ridge CV"]  # asked about exposure
exposure_seeds: int = 5  # simulated drugs, each with lines, cells and models of its own
exposure_shifts: list[float] = [0.0, 0.5, 1.0, 2.0]  # what the drug does to all treated cells, in units of z
exposure_cells: int = 800  # simulated cells, half of them exposed

# %% tags=["hide-input"]
import anndata as ad
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown

from bulk2sc import compare, evaluate, exposure, labels, models, pathways, pl, pp, say
from bulk2sc.book import Study

# %% tags=["hide-input"]
pl.style()
study = Study(edition, drug=drug)
lines, cells = study.read("pair")
bulk = study.read("bulk")

# %% [markdown]
# ## How it is done
#
# All controls have the settings of this edition, and each seed leaves out a fifth of the measured lines.


# %%
def trained(control, lines, cells, mask, seed, **settings):
    if control == "random pathways":
        mask = pathways.random_mask(mask, seed)
    model = models.make("shared AE", mask=mask, seed=seed, **settings)
    if control != "untrained encoder":
        return model.pretrain(lines, lines if control == "no single cells" else cells)
    asked = {name: model.get_params()[name] for name in ("lr", "max_epochs")}
    return model.set_params(lr=0.0, max_epochs=1).pretrain(lines, cells).set_params(**asked)


# %% [markdown]
# A leak needs the lines that the cells come from, scaled and labelled by the others.


# %%
def with_tested(training, bulk, lines):
    tested = bulk[~bulk.obs_names.isin(lines.obs_names) & bulk.obs["auc"].notna(), lines.var_names]
    added, ranked = pp.scale_like(tested.copy(), training), labels.ranked_response(training)
    tails = labels.tails(ranked, lines.uns["labels"]["k"])
    added.obs["response"] = labels.respond(added.obs[ranked.name], *tails)
    return ad.concat([training, added])


# %%
def fit(pair, mask, bulk, *, control, seed, hidden: int = 512, max_epochs: int = 300, patience: int = 20):
    lines, cells = pair
    settings = {"hidden": hidden, "max_epochs": max_epochs, "patience": patience}
    training, left_out = evaluate.leave_out_fold(lines, k=lines.uns["labels"]["k"], seed=seed)
    taught = with_tested(training, bulk, lines) if "left in" in control else training
    if control.startswith("ridge"):
        model = models.make("ridge").fit(taught, cells)
    else:
        model = trained(control, training, cells, mask, seed, **settings).fit_classifier(taught)
    return evaluate.scored(model, {"lines left out": left_out, "cells": cells})


# %%
FULL, LEAK, PARTS = "full model", "tested lines left in", ["random pathways", "untrained encoder"]
PARTS += ["no single cells"]
known_lines = bulk.obs_names[bulk.obs["auc"].notna()]
leaks = [LEAK, f"ridge, {LEAK}"] if len(known_lines.difference(lines.obs_names)) else []
controls = [FULL, *PARTS, "ridge", *leaks]
scores = study.each(fit, {"control": controls, "seed": seeds}).rename(columns={"control": "method"})

# %% [markdown]
# Labels are shuffled many times. The encoder never sees them, so it is trained once a seed, and its classifier anew.


# %%
def dealt(lines, rng):
    tested = lines.obs_names[lines.obs["auc"].notna()]
    columns = sorted({"auc", "response", labels.ranked_response(lines).name})
    shuffled = lines.copy()
    shuffled.obs.loc[tested, columns] = lines.obs.loc[rng.permutation(tested), columns].to_numpy()
    return shuffled


# %%
def shuffled(pair, mask, *, seed, n, hidden: int = 512, max_epochs: int = 300, patience: int = 20):
    lines, cells = pair
    settings = {"hidden": hidden, "max_epochs": max_epochs, "patience": patience}
    training, _ = evaluate.leave_out_fold(lines, k=lines.uns["labels"]["k"], seed=seed)
    model, rng, rows = trained("", training, cells, mask, seed, **settings), np.random.default_rng(seed), []
    for turn in range(n):
        model.set_params(seed=seed + 1000 * turn).fit_classifier(dealt(training, rng))
        score = model.score_cells(cells)
        rows.append({"auroc": evaluate.metrics(cells.obs["truth"], score)["auroc"]})
    return pd.DataFrame(rows)


# %%
answered = cells.obs["truth"].nunique() == 2
chance = pd.DataFrame({"auroc": []}, dtype=float)
if answered:
    chance = study.each(shuffled, {"seed": seeds, "n": [control_shuffles]})
parts = dict(list(scores.groupby("on")))
draws = {"cells": compare.on_cells(parts["cells"], cells)["auroc"]}
draws["lines left out"] = compare.on_lines(parts["lines left out"], lines)
gaps = compare.differences(draws, [(m, "ridge" if "ridge," in m else FULL) for m in controls[1:]])
skill = draws["cells"].value[FULL]
as_good = int((chance["auroc"] >= skill).sum())

# %% [markdown]
# The share of shuffles that do as well as the full model asks whether there is skill at all; differences between controls have intervals over lines ({doc}`/notebooks/evaluation/how-we-compare`).
# A leak can flatter on the cells only: the lines left out were not leaked.
#
# ## What else was found
#
# ### Which parts are missed?

# %% mystnb={"figure": {"caption": "AUROC of each control minus that of the full model (of ridge, for its own leak), with simultaneous 95 % intervals over lines. Grey band: practically nothing.", "name": "fig-control-differences"}, "image": {"alt": "A row for each control: difference in AUROC on cells and on bulk lines left out, with intervals around zero."}} tags=["hide-input"]
ax = plt.subplots(figsize=(6, 3))[1]
pl.differences(gaps.assign(label=gaps["method"]), ax=ax).set_xlabel("difference in AUROC")
_ = ax.figure.legend(loc="outside lower center", ncols=2)

# %% [markdown]
# ### Is it the quality of the cells?
#
# Here a measure of quality is the score, as it is.
# Far from .5, it is a way to be right without knowing a gene.

# %%
measures = {"total_counts": "library size", "n_genes_by_counts": "genes detected"}
measures |= {"pct_counts_mt": "% mitochondrial"}
found = {name: cells.obs[column] for column, name in measures.items() if column in cells.obs}
known = {name: values.rank(pct=True) for name, values in found.items() if values.nunique() > 1}
known |= {"no relation": pd.Series(0.5, cells.obs_names)}
wide = pd.DataFrame(known).rename_axis("cell").reset_index()
quality = compare.on_cells(wide.melt("cell", var_name="method", value_name="score").assign(seed=0), cells)
told = compare.differences(quality["auroc"], "no relation")
say.table({"auroc": compare.levels(quality["auroc"])}, list(known)[:-1])

# %% tags=["remove-input"]
Markdown(
    say.effects(
        told,
        higher="Sensitive cells have more of this: {methods}. A method could be right by it alone.",
        lower="Sensitive cells have less of this: {methods}. A method could be right by it alone.",
        equal="Practically unrelated to the label: {methods}.",
        unclear="Not clear, as whole lines are drawn: {methods}.",
        untested="Too few lines, or no labels, to say more.",
    )
)

# %% [markdown]
# ### Treatment only: exposure is not resistance
#
# Experiments often label untreated cells sensitive and treated cells resistant.
# A method can then score well by noticing that a drug was there.
#
# So here is an experiment in which that is all there is.
# The *same* simulated lines are in both samples; in all treated cells the drug moves one gene in twenty, drawn without regard to response.
# Truly sensitive cells should be called resistant as often in both; {doc}`/notebooks/evaluation/pooling` asks the same of pooled cells.


# %%
def exposed(
    bulk, pair, mask, *, method, seed, shifts, exposure_cells: int, n_lines_per_tail: int = 10,
    depth: float = 2000.0, hidden: int = 512, max_epochs: int = 300, patience: int = 20,
):  # fmt: skip
    network = {"mask": mask, "hidden": hidden, "max_epochs": max_epochs, "patience": patience}
    size = {"n_cells": exposure_cells, "n_lines_per_tail": n_lines_per_tail, "depth": depth}
    asked = {"methods": [method], "settings": network, "shifts": shifts, "seed": seed}
    called = exposure.called_resistant(exposure.score(bulk, pair[0].var_names, **asked, **size))
    return called.reset_index().drop(columns="method")


# %%
simulated = study.settings.get("cells_source", "simulated") == "simulated"
calls = pd.DataFrame(columns=["method", "seed", "shift", "control", "treated"])
if simulated:
    grid = {"method": exposure_methods, "seed": range(exposure_seeds)}
    calls = study.each(exposed, grid | {"shifts": [exposure_shifts], "exposure_cells": [exposure_cells]})
called = calls.groupby(["method", "shift"], sort=False)[["control", "treated"]].mean()

# %% mystnb={"figure": {"caption": "Share of truly sensitive cells that a method calls resistant, untreated (open) and treated at the largest shift (filled); a line is one simulated drug.", "name": "fig-exposure"}, "image": {"alt": "A row for each method with one line for each simulated drug, from the share in the control sample to that in the treated one."}} tags=["hide-input"]
if simulated:
    most = calls[calls["shift"] == max(exposure_shifts)]
    rows = most["method"].map(exposure_methods.index) + 0.25 * (most["seed"] / exposure_seeds - 0.4)
    ax = plt.subplots(figsize=(6, 0.35 * len(exposure_methods) + 1))[1]
    ax.hlines(rows, most["control"], most["treated"], color=pl.NEUTRAL)
    look = {"s": 30, "zorder": 3, "edgecolor": pl.RESISTANT}
    ax.scatter(most["control"], rows, facecolor="white", label="untreated", **look)
    ax.scatter(most["treated"], rows, color=pl.RESISTANT, label="treated", **look)
    ax.set(xlabel="share of sensitive cells called resistant", xlim=(-0.02, 1.02))
    ax.set(yticks=range(len(exposure_methods)), yticklabels=exposure_methods)
    ax.invert_yaxis()
    _ = ax.figure.legend(loc="outside lower center", ncols=2)

# %% tags=["remove-input"]
shift = max(exposure_shifts)
Markdown(
    "This edition has real cells, so it simulates no drug."
    if not simulated
    else "Whether exposure passes for resistance or for sensitivity is a matter of chance here. "
    "Real drugs share stress and arrest of the cell cycle, which may always lie on one side."
)

# %% [markdown]
# ## What could mislead us
#
# - A part that is not missed here may help elsewhere, or make a model easier to read.
# - A shuffle is a new draw of labels, not of lines. With few lines a random direction often orders them well, with all of their cells.
# - The untrained encoder has a trained classifier. A random projection of the genes keeps much of what they say.
# - The simulated drugs are few and moderate; they are shown one by one, without an interval.
#
# ```{exercise}
# :label: exercise-controls
# How often would a lucky shuffle have passed for a model? Count the shuffles whose AUROC on the cells is over .7.
# ```
#
# ````{solution} exercise-controls
# :class: dropdown
# ```python
# (chance["auroc"] > 0.7).mean()
# ```
# The cells come from few lines, and few lines are often ordered well by chance.
# ````
#
# ```{admonition} Quiz
# :class: dropdown tip
# Random pathways predict as well as real ones. Were the pathways useless? **Answer:** for prediction, here, yes. They may still make the code easier to read, which is another claim and needs its own test.
# ```

# %% tags=["details", "hide-input"]
levels = compare.levels(draws)
study.write("controls", levels)
study.write("controls-differences", gaps)
study.write("controls-shuffles", chance)
study.write("controls-quality", compare.levels(quality["auroc"]))
study.write("controls-exposure", calls)
say.table({name: compare.levels(d) for name, d in draws.items()}, controls)

# %% tags=["details", "hide-input"]
called.map("{:.2f}".format)

# %% tags=["in-short", "remove-input"]
kind = "simulated" if cells.uns.get("simulated") else "real"
ours = draws["cells"].seeds.query("method == @FULL")["value"] if answered else pd.Series(dtype=float)
on = gaps[(gaps["group"] == "cells") & gaps["method"].isin(PARTS)]
sentences = [
    f"On **{kind}** cells the full model has an AUROC of {say.number(skill)} (mean of seeds from {say.number(ours.min())} to "
    f"{say.number(ours.max())}); {as_good or 'none'} of {say.counted(len(chance), 'single model')} taught shuffled labels "
    f"{'have' if as_good > 1 else 'has'} as much."
    if answered
    else f"The **{kind}** cells have no labels of both classes, so no control can be judged on them."
]
wordings = {
    "higher": "It is *higher* by {by} with {methods}.",
    "lower": "It is lower by {by} with {methods}.",
    "equal": "It is practically as good with {methods}.",
    "unclear": "Whether it changes with {each}, the lines do not decide.",
    "untested": "The lines are too few to say which part is missed." if answered else "",
}
named = on.assign(method=on["method"].replace("untrained encoder", "an untrained encoder"))
sentences += [say.effects(named, **wordings)]
if simulated:
    worst = (called["treated"] - called["control"]).xs(shift, level="shift").idxmax()
    before, after = called.loc[(worst, shift)]
    sentences.append(
        f"Worst under a simulated drug: {worst} calls {say.percent(before)} of truly sensitive cells resistant "
        f"untreated, and {say.percent(after)} treated."
    )
Markdown(" ".join(sentences))

# %% mystnb={"figure": {"caption": "AUROC on cells of the full model and its controls, with 95 % intervals over lines. Small grey dots: single seeds, or single shuffles.", "name": "fig-controls"}, "image": {"alt": "A row for each control: AUROC on cells with its interval; shuffled labels as a cloud of points."}} tags=["in-short", "hide-input"]
order = [FULL, "shuffled labels", *controls[1:]]
ax = pl.methods(draws["cells"], order, ax=plt.subplots(figsize=(6, 3.4))[1])
jitter = np.random.default_rng(0).uniform(0.75, 1.25, len(chance))
_ = ax.scatter(chance["auroc"], jitter, s=8, color=pl.NEUTRAL, linewidth=0)
