# ---
# jupyter:
#   bulk2sc:
#     reads:
#     - pair
#     - autoencoder
#     writes:
#     - scores
#     - left_out_lines
#     - study_scores
#     - drug_scores
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
# # Does it beat simple methods?

# %% tags=["parameters"]
edition: str = "demo"  # edition whose settings and results are used
drug: str = "Cisplatin"  # drug, by its GDSC name
cells_source: str = "simulated"  # cells: simulated, a data set, or the path of a file
cells_reading: dict[str, str] = {}  # what must be told of a file, by gene_column, values, layer or sample
methods: list[str] = [
    "shared AE",
    "LR",
    "SVM",
    "DT",
    "RF",
    "GB",
    "XGBoost",
    "tuned XGBoost",
    "ridge",
    "ridge CV",
    "signature",
    "mean effect",
    "all sensitive",
    "all resistant",
]  # methods to compare
n_seeds: int = 3  # models of each method, with seeds 0, 1 and so on
baseline_folds: int = 5  # fifths of the bulk lines that are left out in turn
n_draws: int = 1000  # bootstrap draws over cell lines
studies: dict[str, str] = {}  # data sets of Fig. 3, each with its drug
study_drugs: list[str] = []  # where there are none, drugs to repeat everything for with cells of this edition
study_cells: int = 600  # simulated cells of each of these drugs
study_seeds: int = 2  # models of each method on each data set

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import Markdown

from bulk2sc import evaluate, models, pl, prose
from bulk2sc.experiments import data_sets, trials
from bulk2sc.study import Study

pl.style()
chosen = {"methods": methods, "n_seeds": n_seeds, "baseline_folds": baseline_folds}
chosen |= {"studies": studies, "study_drugs": study_drugs}
chosen |= {"study_cells": study_cells, "study_seeds": study_seeds}
study = Study(edition=edition, drug=drug, cells_source=cells_source, cells_reading=cells_reading, **chosen)
bulk, cells = study.read("pair")
scores, lines_left_out = study.read("scores"), study.read("left_out_lines")

# %% tags=["hide-input"]
constant = [m for m in methods if m in ("mean effect", "all sensitive", "all resistant")]
simple = [m for m in methods if m not in (*constant, "shared AE")]
table = evaluate.judge(scores, cells, against="truth", n_draws=n_draws)
validation = trials.validation(lines_left_out)
favourite = trials.chosen(validation[validation["method"].isin(simple)]) if simple else ""
pairs = [("shared AE", m) for m in [*simple, *constant[:1]] if "shared AE" in methods]
pairs += [(favourite, m) for m in simple if m != favourite]
comparison = evaluate.paired_differences(scores, cells, pairs, n_draws=n_draws)
Markdown(f"{prose.verdict(table, comparison)} {prose.origin_of_cells(cells.uns, bulk.uns, cells_source)}")

# %% [markdown]
# A deep model earns its place only if it predicts better than what costs a second to fit.
# This chapter puts the shared autoencoder of {cite:t}`he2025` beside the methods of Figure 3 of the paper, and beside those that published critiques ask for and the paper leaves out: ridge regression of the {term}`AUC` itself, {term}`signature scoring`, boosted trees tuned on bulk lines, the mean response, and two answers that need no data at all.
#
# **You will learn**
#
# - how all methods are trained on the same bulk lines and judged on the same cells, by one loop;
# - why accuracy and F1 need the two constant answers next to them;
# - how wide an interval becomes once the cells of one cell line count as what they are, {term}`pseudo-replicates <pseudo-replicate>`;
# - what is left of a ranking of methods from one data set to the next.
#
# ## One loop for all methods
#
# Every method has the same two verbs.
# `fit(bulk, cells)` learns from labelled cell lines and may look at the expression of the cells, never at what is known about them; `score_cells(cells)` returns the probability of being sensitive.
# `evaluate.score_methods` is the loop around them, and the artefact `scores` is what it returns.
#
# How each method is set, as the methods themselves say; the paper does not state it for its baselines.
# What the last column names is chosen by the method itself, in a cross-validation on its training lines.

# %% tags=["hide-input"]
pd.options.display.max_colwidth = None
models.described(methods, **study.read("autoencoder").get_params())

# %% [markdown]
# The two constant answers, *all sensitive* and *all resistant*, are rows like any other.
# They are what a method with no idea converges to, and on unbalanced cells they can look respectable.
# The {term}`mean effect` gives each cell the share of lines that is sensitive: it knows the drug and nothing of the cell.
#
# A method without randomness is fitted once.
# In SVM, ridge regression and signature scoring, a seed moves no more than the folds on which scores are calibrated or a penalty is chosen.

# %%
fits = scores.groupby("method", sort=False)["seed"].nunique().rename("models")
scores.groupby("method", sort=False)["score"].describe().round(2)[["mean", "std", "min", "max"]].join(fits)

# %% [markdown]
# ## What the cells say
#
# The truth of a cell is the measured response of its own cell line: sensitive if the line lies in the lower tail of the drug's {term}`AUC`, resistant if in the upper tail, not judged in between.
# Dots are seeds.
# Bars are 95 % intervals from resampling whole *cell lines*: a thousand cells of ten lines are ten observations, not a thousand.

# %%
judged = cells.obs[cells.obs["truth"].notna()]
Markdown(prose.judged_cells(judged))

# %% mystnb={"figure": {"caption": "Every method on the same cells. Blue: mean over seeds with its 95 % interval over cell lines; grey: single seeds; dashed: the value of a constant answer.", "name": "fig-baselines"}, "image": {"alt": "Four panels of dots with intervals, one row per method: AUROC, Matthews correlation, accuracy and F1."}} tags=["hide-input"]
prevalence = judged["truth"].mean()
chance = {
    "auroc": 0.5,
    "mcc": 0.0,
    "accuracy": max(prevalence, 1 - prevalence),
    "f1": 2 * prevalence / (1 + prevalence),
}
figure, axes = plt.subplots(2, 2, figsize=(8, 0.5 * len(methods) + 2), sharey=True)
for ax, (metric, value) in zip(axes.flat, chance.items(), strict=True):
    pl.intervals(table, metric, chance=value, order=methods, ax=ax)

# %% tags=["remove-input"]
Markdown(f"{prose.above_chance(table)} {prose.best(table)} {prose.degenerate(table)}")

# %% [markdown]
# The dashed lines of accuracy and F1 belong to the better of the two constant answers, and they move with the share of sensitive cells.
# AUROC and the Matthews correlation do not have this problem: without skill they are .5 and 0, whatever the share.
#
# ```{admonition} Reading the paper's Figure 3
# :class: tip
# Accuracy and F1 are all it shows. An accuracy of .73 with an F1 of .84, reported for the SVM on cisplatin, is what *all sensitive* scores on cells of which 73 % are sensitive.
# ```
#
# All numbers, one row per method, with 95 % intervals over cell lines:

# %% tags=["hide-input"]
prose.with_intervals(table, ["auroc", "auprc", "mcc", "balanced_accuracy"], methods)

# %% tags=["hide-input"]
prose.with_intervals(table, ["accuracy", "f1", "brier", "positive_rate"], methods)

# %% [markdown]
# ## What bulk lines say
#
# On real cells nobody knows the answers beforehand, so a method can be chosen on bulk lines only.
# Every simple method is therefore also fitted with one fifth of the bulk lines left out in turn, tails and scaling taken from the other four fifths, and scores the lines left out.
# For the autoencoder, {doc}`/notebooks/evaluation/hyperparameters` does the same.

# %% mystnb={"figure": {"caption": "AUROC on bulk lines that were left out, with 95 % intervals over folds, and on the cells, with 95 % intervals over cell lines. Grey: single folds or seeds; dashed: a constant answer. The shared autoencoder is not fitted for these folds, so that its row has no point on the left.", "name": "fig-bulk-and-cells"}, "image": {"alt": "Two panels of dots with intervals, one row per method: AUROC on bulk lines and AUROC on cells."}} tags=["hide-input"]
figure, axes = plt.subplots(1, 2, figsize=(8, 0.25 * len(methods) + 1.2), sharey=True)
for ax, rows, where in zip(axes, (validation, table), ("bulk lines left out", "cells"), strict=True):
    pl.intervals(rows, "auroc", chance=0.5, order=methods, ax=ax).set_title(where)

# %% tags=["remove-input"]
turns = f"Fifths left out in turn here: {baseline_folds} of {trials.FOLDS}. "
Markdown(turns + prose.best_simple(favourite, validation, table, simple) if simple else "")

# %% [markdown]
# ### How strong a penalty?
#
# *Ridge CV* sweeps the {term}`penalty` of ridge regression from a hundred to a million, in half decades, and takes the one with the best correlation with AUC on lines left out.
# With a penalty without bound, ridge ranks cells as signature scoring does.
# The sweep shown is that of one division into folds; other seeds may choose a neighbour.
# The right panel is what the cells would have said; it takes no part in the choice.

# %% tags=["hide-input"]
sweep = models.make("ridge CV").fit(bulk, cells).sweep_
on_bulk = pd.DataFrame({p: evaluate.fold_interval(row, sweep.shape[1]) for p, row in sweep.iterrows()}).T
swept = {f"{p}": lambda seed, p=p: models.make("ridge", alpha=p, seed=seed) for p in sweep.index}
judged_sweep = evaluate.judge(evaluate.score_methods(bulk, cells, methods=swept), cells, n_draws=n_draws)
on_cells = judged_sweep[(judged_sweep["metric"] == "auroc") & (judged_sweep["seed"] == -1)]
on_cells = on_cells.set_index("method").rename(index=float)
on_bulk.index.name = on_cells.index.name = "penalty"

# %% mystnb={"figure": {"caption": "Ridge regression over its penalty: correlation with AUC on bulk lines left out (grey: single folds; band: 95 % interval over them) and AUROC on the cells, of one fit (band: 95 % interval over cell lines). Dotted: the penalty that bulk lines favour.", "name": "fig-penalty"}, "image": {"alt": "Two curves with bands over the penalty on a log scale, one for bulk lines and one for cells, with a dotted line at the chosen penalty."}} tags=["hide-input"]
figure, axes = plt.subplots(1, 2, figsize=(8, 2.8))
best_penalty = on_bulk["value"].idxmax()
pl.curve(on_bulk, chosen=best_penalty, label="correlation, bulk lines left out", points=sweep, ax=axes[0])
_ = pl.curve(on_cells, chosen=best_penalty, label="AUROC, cells", ax=axes[1])

# %% tags=["remove-input"]
Markdown(prose.penalty(on_bulk["value"], on_cells["value"], models.make("ridge").alpha))

# %% [markdown]
# ## Is the difference larger than chance?
#
# Two intervals may overlap and the difference still be clear, because both methods meet the same easy and the same hard lines.
# So the difference itself is resampled: the same draw of lines for both methods.
#
# The shared autoencoder is compared with every rival, and so is the simple method that bulk lines favour, with the other simple ones.
# Testing that often invites a lucky winner, so the {term}`p-values <P-value of lines>` are corrected by {term}`Holm's method` over all comparisons made, and a difference counts only if it survives that.
# Such a p is mostly stricter than the interval beside it, which may lie on one side of 0 where p is above .05.

# %% tags=["remove-input"]
Markdown(prose.standings(comparison))

# %% tags=["hide-input"]
comparison.rename(columns={"value": "difference in AUROC", "holm": "p (Holm)"}).round(3)

# %% [markdown]
# ## From one data set to the next
#
# Figure 3 of the paper shows five data sets with four drugs.
# Where this edition has them, all methods are fitted and judged anew on each; elsewhere the same is done for several drugs, with cells of this edition's kind.
# The interval of a mean is one over data sets: they are the unit, however many cells each has.
# So is that of a difference; data sets share their bulk lines, which makes both a little too narrow.
# Where two of them share half of the cell lines that are judged, they are one experiment asked twice, and nothing is tested.

# %% tags=["hide-input"]
sets = studies or study_drugs
everywhere, shared = table.assign(study=f"{cells_source}: {drug}"), 0.0
if sets:
    of_sets = study.read("study_scores" if studies else "drug_scores")
    everywhere, shared = data_sets.judge(of_sets, n_draws=n_draws), data_sets.shared_lines(of_sets["cells"])
means = data_sets.means(everywhere, shared=shared)
against = [("shared AE", m) for m in simple if "shared AE" in methods]
apart = data_sets.differences(everywhere, against, shared=shared)

# %% tags=["remove-input"]
names = prose.listing(list(everywhere["study"].unique()))
Markdown(
    f"Here: {names}. "
    + (f"Models of each method: {study_seeds}. " if sets else "")
    + (f"Up to {study_cells} simulated cells each. " if sets and cells.uns.get("simulated") else "")
    + prose.over_studies(means, apart, shared=shared)
)

# %% mystnb={"figure": {"caption": "Every method on every data set and drug. Marks: data sets, each the mean over seeds; bar: mean over data sets, with its 95 % t interval; dashed: no skill, where that has one value everywhere.", "name": "fig-studies"}, "image": {"alt": "Four panels, AUROC, Matthews correlation, accuracy and F1, one row per method, one mark per data set and a bar at the mean."}} tags=["hide-input"]
figure, axes = plt.subplots(2, 2, figsize=(8.5, 0.5 * len(methods) + 2.5), sharey=True)
for ax, metric in zip(axes.flat, ("auroc", "mcc", "accuracy", "f1"), strict=True):
    no_skill = {"auroc": 0.5, "mcc": 0.0}.get(metric)
    pl.over_studies(everywhere, means, metric, chance=no_skill, order=methods, ax=ax)
_ = figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)

# %% mystnb={"code_prompt_hide": "Hide the table", "code_prompt_show": "Table: AUROC, accuracy and F1 of every method on every data set and drug"} tags=["hide-cell"]
shown = {m: data_sets.beside_each_other(everywhere, m, methods) for m in ("auroc", "accuracy", "f1")}
prose.rounded(pd.concat({prose.LABELS[m]: wide for m, wide in shown.items()}))

# %% [markdown]
# The autoencoder minus each simple method, paired over data sets:

# %% tags=["hide-input"]
apart.rename(columns={"value": "mean difference in AUROC", "holm": "p (Holm)", "n": "data sets"}).round(3)

# %% tags=["remove-input"]
Markdown(prose.degenerate(everywhere))

# %% [markdown]
# ## Line by line
#
# A method that knows something ranks the *lines*.
# Below, each box holds the cells of one line, and the lines are sorted by their measured AUC: with good predictions, the boxes move from right to left down the page.

# %% mystnb={"figure": {"caption": "Scores of single cells by cell line, for the simplest regression and the shared autoencoder (seed 0). Lines are sorted from sensitive (top) to resistant.", "name": "fig-line-scores"}, "image": {"alt": "Two panels of box plots of predicted probability, one box per cell line sorted by measured AUC."}} tags=["hide-input"]
shown = judged if len(judged) else cells.obs
first = scores[scores["seed"] == 0].pivot(index="cell", columns="method", values="score").loc[shown.index]
auc = study.read("bulk").obs["auc"].dropna()
drawn = [m for m in ("ridge", "shared AE") if m in methods] or methods[:1]
height = 0.24 * shown["cell_line"].nunique() + 1
figure, axes = plt.subplots(1, len(drawn), figsize=(5 * len(drawn), height), sharey=True, squeeze=False)
for ax, method in zip(axes[0], drawn, strict=True):
    pl.line_scores(first[method], shown["cell_line"], auc, ax=ax).set_title(method)

# %% [markdown]
# Whether these scores can be believed as probabilities is the question of {doc}`/notebooks/evaluation/calibration`.
#
# ## The same scores against labels of the experiment
#
# The paper does not know a line's own response; it labels cells by sample and cluster ([the chapter on labels](../data/labelling.ipynb)).
# Where such labels exist here, the same scores can be judged against them.
# A method may look better or worse for reasons that lie in the labels alone.

# %% tags=["hide-input"]
labelled = evaluate.judge(scores, cells, against="response", n_draws=n_draws)
judges = {"measured response": table, "labels of the experiment": labelled}
against = {name: prose.with_intervals(t, ["auroc", "mcc"], methods) for name, t in judges.items()}
pd.concat(against, names=["against"])

# %% [markdown]
# ## What to keep in mind
#
# - Nothing was tuned on these cells. Ridge CV and tuned XGBoost choose on their training lines, the other simple methods have the settings of the table above, and the autoencoder the presets of the paper's text, which {doc}`/notebooks/model/classifier` compares with others on bulk lines.
# - The intervals describe *these* held-out lines and one drug. They say nothing about another tissue or another laboratory.
# - Scores are thresholded at .5 for accuracy and F1. A method that ranks well and is badly calibrated loses there and not in AUROC.
#
# ```{exercise}
# :label: exercise-baselines
# Accuracy rewards whoever guesses the larger class. Keep all sensitive cells and one in four resistant ones: which of the metrics above change for the answer *all sensitive*, and which do not?
# ```
#
# ````{solution} exercise-baselines
# :class: dropdown
# ```python
# few = judged[(judged["truth"] == 1) | (pd.RangeIndex(len(judged)) % 4 == 0)]
# evaluate.metrics(few["truth"], [1.0] * len(few))
# ```
# Accuracy, F1, AUPRC and prevalence rise, and the Brier score falls. AUROC, balanced accuracy and the Matthews correlation stay at .5, .5 and 0.
# ````
#
# ## What was written
#
# Tidy rows of every method, seed and metric, with the sweep of the penalty and all comparisons, `baselines.csv` in the results of the edition; and the scores themselves.


# %% tags=["hide-input"]
def of_gaps(gaps: pd.DataFrame) -> pd.DataFrame:
    return (
        gaps.reset_index().rename(columns={"first": "method"}).assign(metric="difference in auroc", seed=-1)
    )


folds = sweep.rename_axis(index="penalty", columns="seed").stack().rename("value").reset_index()
penalties = pd.concat([folds, on_bulk.reset_index().assign(seed=-1)]).assign(metric="correlation")
which = everywhere["study"].str.rpartition(": ")
of_sets = everywhere.assign(dataset=which[0].replace("", cells_source), drug=which[2])

# %%
parts = {
    "truth": pd.concat([table, of_gaps(comparison), on_cells.reset_index().assign(method="ridge, swept")]),
    "response": labelled,
    "bulk lines left out": pd.concat([validation, penalties.assign(method="ridge, swept")]),
    "data sets": of_sets,
    "all data sets": pd.concat([means.rename(columns={"mean": "value"}).assign(seed=-1), of_gaps(apart)]),
}
rows = pd.concat([part.assign(against=name) for name, part in parts.items()])
rows = rows.fillna({"dataset": cells_source, "drug": drug})
rows.loc[rows["against"] == "all data sets", ["dataset", "drug"]] = "all"
prose.written(study.rows(rows).tail(3))
