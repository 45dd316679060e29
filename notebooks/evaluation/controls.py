# ---
# jupyter:
#   bulk2sc:
#     reads:
#     - pair
#     - bulk
#     - autoencoder
#     writes:
#     - controls
#     - exposure
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
# # Could it be right for the wrong reason?
#
# A good AUROC says that a score and an answer go together, and not why.
# This chapter takes away, one at a time, what the model of {cite:t}`he2025` is supposed to live on, hands it what it must not have, and shows it cells for which there is nothing to be right about.
#
# **You will learn**
#
# - what is left of a model whose labels are shuffled, and how often shuffled labels do as well;
# - which parts of the model are missed when they are taken away, and how much is gained by leaking the tested lines;
# - how far the quality of a cell's measurement goes with its answer;
# - how to tell a method that detects *exposure* to a drug from one that detects *resistance* to it.

# %% tags=["parameters"]
edition: str = "demo"  # edition whose settings and results are used
drug: str = "Cisplatin"  # drug, by its GDSC name
seeds: list[int] = [0, 1, 2, 3, 4]  # of each control; each leaves out a fifth of the lines
control_shuffles: int = 20  # shuffles of the labels for each seed
exposure_seeds: int = 5  # simulated drugs, each with lines, cells and models of its own
exposure_shifts: list[float] = [0.0, 0.5, 1.0, 2.0]  # what the drug does to all treated cells, in units of z
exposure_cells: int = 800  # simulated cells, half of them exposed
n_draws: int = 1000  # bootstrap draws over cell lines

# %%
import matplotlib.pyplot as plt
import pandas as pd
from bulk2sc.study import Study
from IPython.display import Markdown

from bulk2sc import evaluate, pl, prose
from bulk2sc.experiments import controls, covariates, exposure, paired, trials

pl.style()
fits = {"seeds": seeds, "control_shuffles": control_shuffles}
drugs = {"exposure_seeds": exposure_seeds, "exposure_shifts": exposure_shifts}
simulated = drugs | {"exposure_cells": exposure_cells}
study = Study(edition=edition, drug=drug, **fits, **simulated)
bulk, cells = study.read("pair")
found = study.read("controls")

# %% tags=["remove-cell"]
judged = evaluate.judge(found["cells"], cells, against="truth", n_draws=n_draws)
single, validation = trials.validation(found["lines"]), controls.by_fold(found["lines"])
variants = list(validation["method"].unique())
pairs = [(controls.FULL, variant) for variant in [controls.SHUFFLED, *controls.PARTS, controls.RIDGE]]
pairs += [(controls.RIDGE, controls.of_ridge(controls.SHUFFLED))]
if controls.LEAKED in variants:
    pairs += [(controls.LEAKED, controls.FULL), (controls.of_ridge(controls.LEAKED), controls.RIDGE)]
tests = paired.on_cells(found["cells"], cells, pairs, n_draws=n_draws)
on_lines = paired.on_lines(validation, pairs)
gaps, gaps_on_lines = (t.set_index(["first", "second"]).T.to_dict() for t in (tests, on_lines))
mean = judged.query("metric == 'auroc' and seed == -1").set_index("method")[["value", "low", "high"]]
mean = mean.T.to_dict()

# %% tags=["remove-input"]
first = prose.clear_of_shuffled(
    mean[controls.FULL],
    mean[controls.SHUFFLED],
    gaps[(controls.FULL, controls.SHUFFLED)],
    controls.of_shuffles(judged),
    answered=cells.obs["truth"].notna().any(),
)
parts = {part: gaps[(controls.FULL, part)] for part in controls.PARTS}
Markdown(f"{first}\n\n{prose.parts_that_matter(parts, controls.PARTS, 'On the cells')}")

# %% tags=["remove-input"]
source = study.settings["cells_source"]
n_drugs = exposure_seeds if source == "simulated" else 0
Markdown(
    f"{prose.origin_of_lines(bulk.uns)} {prose.origin_of_cells(cells.uns, bulk.uns, source)} "
    f"{prose.cost_of_controls(len(seeds), control_shuffles, n_drugs, exposure_shifts)}"
)

# %% [markdown]
# ## The controls
#
# | control | what is changed | what it asks |
# |---|---|---|
# | *full model* | nothing | |
# | *shuffled labels* | measured responses are dealt out anew among the training lines | Is the score made of the answers at all? |
# | *random pathways* | each pathway gets as many genes as before, at random | Does it matter which genes a pathway has? |
# | *untrained encoder* | the encoder keeps its random first weights; the classifier is trained on its codes | Does pretraining matter? |
# | *no single cells* | bulk lines take the place of the cells in training | Does it matter to see the cells? |
# | *tested lines left in* | the classifier is trained on the lines that the cells come from as well, with their response | How much does such {term}`leakage` flatter? |
#
# All have the settings of this edition and the schedule that trains the encoder first, without labels.
# So where only labels change, in the second and the last control, the encoder stays, and the classifier is trained again, for each shuffle from other first weights.
# Ridge regression of the {term}`AUC`, which has neither encoder nor pathways and never looks at the cells, is the plain companion.
#
# Every seed leaves out a fifth of the measured bulk lines, so that each model is judged twice: on the cells, whose lines never took part, and on bulk lines left out.
# These models learn from fewer lines than those of {doc}`/notebooks/evaluation/baselines`, so that AUROCs on the cells need not agree between the pages.

# %% mystnb={"figure": {"caption": "AUROC of the full model, its controls, and ridge regression with the same controls. Left: on cells; the interval is over cell lines. Right: on the bulk lines that each seed leaves out; the interval is over folds, each with the mean of its shuffles. Blue: mean with 95 % interval; grey: single seeds or shuffles; dashed: a constant answer.", "name": "fig-controls"}, "image": {"alt": "Two panels of dots with intervals, one row a control: AUROC on cells and on bulk lines left out."}} tags=["hide-input"]
order = [controls.FULL, controls.SHUFFLED, *[a for a in variants if a in (*controls.PARTS, controls.LEAKED)]]
order += [a for a in variants if a.startswith(controls.RIDGE)] + list(trials.CONSTANTS)
points = pd.concat([single.query("seed >= 0"), validation.query("seed == -1")])
figure, axes = plt.subplots(1, 2, figsize=(9, 0.36 * len(order) + 1), sharey=True)
for ax, (title, table) in zip(axes, {"cells": judged, "bulk lines left out": points}.items(), strict=True):
    pl.intervals(table, "auroc", chance=0.5, order=order, ax=ax).set_title(title)

# %% tags=["remove-input"]
leaking = prose.nothing_to_leak() if controls.LEAKED not in variants else ""
degenerate = (
    f"On the cells: {prose.degenerate(judged)} On lines left out: {prose.degenerate(single, of='lines')}"
)
Markdown(f"{leaking} {degenerate}")

# %% tags=["hide-input"]
prose.with_intervals(judged, ["auroc", "mcc", "balanced_accuracy", "accuracy", "f1"], order)

# %% mystnb={"code_prompt_hide": "Hide the table", "code_prompt_show": "Table: every control on bulk lines left out"} tags=["hide-cell"]
prose.with_intervals(validation, ["auroc", "mcc", "balanced_accuracy", "pearson"], order)

# %% [markdown]
# ## What is missed, and what is not
#
# Each difference is resampled over the same draws of cell lines, and on bulk lines taken fold by fold, with the mean of all shuffles of a fold.
# The {term}`p-values <P-value of lines>` of each ground are corrected together by {term}`Holm's method`.
# Intervals are not corrected, and on cells the {term}`p-value <P-value of lines>` is of another kind and mostly the stricter one, so that an interval may lie on one side of 0 while p is above .05; then nothing is claimed.
#
# A part that is not missed here may still help elsewhere, or make a model easier to read.
# Where the interval leaves room for a small loss only, the model does not need it; that no loss can be shown does not yet say so.

# %% tags=["remove-input"]
lines = {part: gaps_on_lines[(controls.FULL, part)] for part in controls.PARTS}
# Whether shuffled labels do as well is for single shuffles to say, at the top of the page; their mean hides it.
asked = [(controls.FULL, other) for other in [*controls.PARTS, controls.RIDGE]]
sentences = [prose.difference(*pair, gaps[pair]) for pair in asked]
sentences += [prose.leakage(pair[1], gaps[pair]) for pair in pairs if controls.LEAKED in pair[0]]
listed = "\n".join(f"- {sentence}" for sentence in sentences)
Markdown(
    f"On the cells:\n\n{listed}\n\n{prose.parts_that_matter(lines, controls.PARTS, 'On bulk lines left out')}"
)

# %% mystnb={"code_prompt_hide": "Hide the table", "code_prompt_show": "Table: differences in AUROC, with p-values"} tags=["hide-cell"]
both = pd.concat({"cells": tests, "bulk lines left out": on_lines}, names=["judged on"]).droplevel(1)
prose.rounded(both.set_index(["first", "second"], append=True).rename(columns={"p": "p (Holm)"}))

# %% [markdown]
# On bulk lines, leaving tested lines in is no leak: those lines are not among the ones judged there.
#
# ## Is it the quality of the cells?
#
# Nothing can be trained on bulk here, since these bulk profiles have no measures of cell quality.
# Instead each measure of quality is taken for a score as it is: an AUROC over .5 means that sensitive cells have more of it, under .5 that they have less, and either would be a way to be right without knowing any gene.
# Then a logistic regression on all three is fitted to the answers of the cells themselves, always judged on cell lines it was not fitted to.
# It sees answers, so it is **a measure of confounding and not a method**.
# What it reaches is held against what it reaches when the answers are dealt out anew among the lines; with few lines that can be far from .5.
# The intervals of the single measures are not corrected for their number: here a warning too many costs less than one too few.

# %%
answers = {"the measured response of the lines": "truth", "the labels of the experiment": "response"}
quality = {name: covariates.judge(cells, column, n_draws=n_draws) for name, column in answers.items()}

# %% mystnb={"figure": {"caption": "AUROC of measures of quality against the response of the lines and against the labels of the experiment. The interval is over cell lines; dashed: no relation.", "name": "fig-quality-confounding"}, "image": {"alt": "Dots with intervals for library size, genes detected, percentage of mitochondrial counts and a regression on all three, in two colours."}} tags=["hide-input"]
drawn = pd.concat(quality, names=["against"]).reset_index(0).query("seed == -1")
if len(drawn):
    colours = dict(zip(answers, (pl.SENSITIVE, pl.RESISTANT), strict=True))
    ax = plt.subplots(figsize=(6.5, 3.2))[1]
    pl.by_answer(drawn, "auroc", colours, chance=0.5, ax=ax)
    ax.legend(fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1))

# %% tags=["remove-input"]
said = [prose.confounding(table, covariates.FITTED, name) for name, table in quality.items()]
Markdown("\n".join(f"- {sentence}" for sentence in said))

# %% [markdown]
# ## Treatment only: exposure is not resistance
#
# Experiments label control cells sensitive and treated cells resistant.
# A method can score well on such labels by noticing that a drug was there.
#
# So here is an experiment in which that is all there is.
# Control and treated sample hold the *same* lines in the same numbers, sensitive and resistant alike; the drug moves one gene in twenty, up or down, chosen without regard to response, in all treated cells.
# Two things are asked of every method, which learns from the other bulk lines as always:
#
# - **exposure, in truly sensitive cells**: taking the label of the sample for the answer, does the score tell exposed cells from control cells? There is nothing to be right about; .5 is blind, above .5 exposure passes for resistance, below .5 for sensitivity.
# - **response, among treated cells** and **among control cells**: within one sample, are cells of sensitive lines told from cells of resistant ones? Exposure cannot help there.
#
# Among so many intervals, one in twenty misses .5 by chance.
# So exposure counts as taken for something only where the {term}`p-value <P-value of lines>` is below .05 too, corrected by Holm's method for all methods with that drug and shift.

# %%
exposed = study.read("exposure")
answered = exposure.judge(exposed, n_draws=n_draws)
methods = study.settings["methods"]
learners = [method for method in methods if not method.startswith(("all ", "mean effect"))]

# %% mystnb={"figure": {"caption": "Simulated cells of the same lines in both samples. Left: control against treated cells, all truly sensitive; right of the dashed line, exposed cells have lower scores than control cells, left of it higher ones. Middle and right: the lines' response within one sample. A point is one simulated drug at one size of its shift (shade), and drugs of one size lie next to each other; bars are 95 % intervals over cell lines, drawn with their cells of both samples, and not corrected for their number.", "name": "fig-exposure"}, "image": {"alt": "Three panels, one a question, of AUROC with intervals: one row a method, a point for each simulated drug and size of its shift."}} tags=["hide-input"]
questions = [exposure.EXPOSURE, exposure.TREATED, exposure.CONTROL]
if len(answered):
    pl.exposures(answered, questions, learners)

# %% tags=["remove-input"]
said = [prose.no_exposure(source)]
if len(answered):  # the edition simulates cells
    called, asked = exposure.called_resistant(exposed), (exposure.EXPOSURE, exposure.TREATED)
    said = prose.treatment_only(answered, called, learners, asked)
Markdown("\n".join(f"- {sentence}" for sentence in said))

# %% [markdown]
# The direction is a matter of chance: a programme that was drawn without regard to response lies on one side or the other of what a method has learnt.
# Real drugs are not drawn like that.
# Stress and arrest of the cell cycle are common to many of them and may well lie along what bulk lines teach, always on the same side.
#
# A high value in the left panel is **never a merit**: on data labelled by sample, as most of the paper's are, it would be counted as accuracy.
#
# ## What to keep in mind
#
# - The controls share the edition's lines and cells; a shuffle is a new draw of labels and not of lines.
# - The intervals over cell lines describe these held-out lines and one drug. The simulated drugs differ in lines and programme; they are few, and are shown one by one.
# - The untrained encoder still has a trained classifier: a random projection of the genes is a fair representation of them.
#
# ```{exercise}
# :label: exercise-controls
# How often would a lucky shuffle have passed for a model? Count the shuffles whose AUROC on the cells is over .7, and explain why they are not rarer, though the cells are many.
# ```
#
# ````{solution} exercise-controls
# :class: dropdown
# ```python
# auroc = judged.query("metric == 'auroc' and seed >= 0").set_index("method")["value"]
# (auroc[controls.SHUFFLED] > 0.7).mean()
# ```
# The cells come from a few lines. A random direction in gene space orders the lines at random, and a few lines are often ordered well by chance, all of their cells with them.
# ````
#
# ## What was written
#
# The artefacts `controls` and `exposure`, and tidy rows of all grounds with their paired tests, `controls.csv`.

# %%
grounds = {"truth": judged, "lines left out": points}
grounds |= {f"quality, {answers[name]}": table for name, table in quality.items()}
rows = [pd.concat(grounds, names=["against"]).reset_index(0)]
rows += [paired.tidy(tests, "truth"), paired.tidy(on_lines, "lines left out")]
if len(answered):
    by_sample = called.stack().rename("value").reset_index().rename(columns={"sample": "against"})
    rows += [answered.rename(columns={"question": "against", "p": "holm"}).assign(metric="auroc")]
    rows += [by_sample.assign(metric="called resistant", seed=-1)]
prose.written(study.rows(pd.concat(rows)).tail(3))
