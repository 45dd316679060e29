# ---
# jupyter:
#   bulk2sc:
#     reads:
#     - pair
#     - autoencoder
#     writes:
#     - scores
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
#
# A deep model earns its place only if it predicts better than what costs a second to fit.
# This chapter puts the shared autoencoder of {cite:t}`he2025` beside logistic regression (LR), a support vector machine (SVM) and boosted trees (XGBoost), as Figure 3 of the paper does, beside a ridge regression of the {term}`AUC` itself, and beside two answers that need no data at all.
#
# **You will learn**
#
# - how all methods are trained on the same bulk lines and judged on the same cells, by one loop;
# - why accuracy and F1 need the two constant answers next to them;
# - how wide an interval becomes once the cells of one cell line count as what they are, {term}`pseudo-replicates <pseudo-replicate>`.

# %% tags=["parameters"]
edition: str = "demo"  # edition whose settings and results are used
drug: str = "Cisplatin"  # drug, by its GDSC name
methods: list[str] = [
    "shared AE",
    "LR",
    "SVM",
    "XGBoost",
    "ridge",
    "all sensitive",
    "all resistant",
]  # methods to compare
n_seeds: int = 3  # models of each method, with seeds 0, 1 and so on
n_draws: int = 1000  # bootstrap draws over cell lines

# %%
import pandas as pd
from IPython.display import Markdown

from bulk2sc import evaluate, pl, prose
from bulk2sc.study import Study

pl.style()
study = Study(edition=edition, drug=drug, methods=methods, n_seeds=n_seeds)
bulk, cells = study.read("pair")

# %% [markdown]
# ## One loop for all methods
#
# Every method has the same two verbs.
# `fit(bulk, cells)` learns from labelled cell lines and may look at the expression of the cells, never at what is known about them; `score_cells(cells)` returns the probability of being sensitive.
# `evaluate.score_methods` is the loop around them, and the artefact `scores` is what it returns.
#
# The two constant answers, *all sensitive* and *all resistant*, are rows like any other.
# They are what a method with no idea converges to, and on unbalanced cells they can look respectable.

# %%
scores = study.read("scores")
scores.groupby("method", sort=False)["score"].describe().round(2)[["mean", "std", "min", "max"]]

# %% [markdown]
# ## What the cells say
#
# The truth of a cell is the measured response of its own cell line: sensitive if the line lies in the lower tail of the drug's {term}`AUC`, resistant if in the upper tail, not judged in between.
# Dots are seeds.
# Bars are 95 % intervals from resampling whole *cell lines*: a thousand cells of ten lines are ten observations, not a thousand.

# %%
table = evaluate.judge(scores, cells, against="truth", n_draws=n_draws)
judged = cells.obs[cells.obs["truth"].notna()]
lines = judged.groupby("truth", observed=True)["cell_line"].nunique()
Markdown(
    f"{prose.origin_of_cells(cells.uns, bulk.uns, study.settings['cells_source'])} "
    f"{prose.classes(lines.get(1.0, 0), lines.get(0.0, 0))} {len(judged)} cells are judged; they come from {lines.get(1.0, 0)} sensitive and {lines.get(0.0, 0)} "
    f"resistant lines. {prose.percent(judged['truth'].mean())} of them are sensitive."
)

# %% mystnb={"figure": {"caption": "Every method on the same cells. Blue: mean over seeds with its 95 % interval over cell lines; grey: single seeds; dashed: the value of a constant answer.", "name": "fig-baselines"}, "image": {"alt": "Four panels of dots with intervals, one row per method: AUROC, Matthews correlation, accuracy and F1."}} tags=["hide-input"]
import matplotlib.pyplot as plt

prevalence = judged["truth"].mean()
chance = {
    "auroc": 0.5,
    "mcc": 0.0,
    "accuracy": max(prevalence, 1 - prevalence),
    "f1": 2 * prevalence / (1 + prevalence),
}
figure, axes = plt.subplots(2, 2, figsize=(8, 5.2), sharey=True)
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
# ## Is the difference larger than chance?
#
# Two intervals may overlap and the difference still be clear, because both methods meet the same easy and the same hard lines.
# So the difference itself is resampled: the same draw of lines for both methods.
#
# Testing against several rivals at once invites a lucky winner, so the p-values are corrected by Holm's method, and a difference counts only if it survives that.

# %%
from statsmodels.stats.multitest import multipletests

rivals = [m for m in methods if not m.startswith(("shared AE", "all "))]
rivals = rivals if "shared AE" in methods else []
pairs = {"metric": "auroc", "n_draws": n_draws}
gaps = {rival: evaluate.paired_difference(scores, cells, "shared AE", rival, **pairs) for rival in rivals}
comparison = pd.DataFrame(gaps).T.rename_axis("shared AE minus")
if gaps and comparison["p"].notna().all():
    comparison["p"] = multipletests(comparison["p"], method="holm")[1]

# %% tags=["remove-input"]
sentences = [prose.difference("shared AE", rival, gap) for rival, gap in comparison.to_dict("index").items()]
Markdown("\n".join(f"- {sentence}" for sentence in sentences) or "Nothing to compare.")

# %% tags=["hide-input"]
comparison.rename(columns={"p": "p (Holm)"}).round(3)

# %% [markdown]
# ## Line by line
#
# A method that knows something ranks the *lines*.
# Below, each box holds the cells of one line, and the lines are sorted by their measured AUC: with good predictions, the boxes move from right to left down the page.

# %% mystnb={"figure": {"caption": "Scores of single cells by cell line, for the simplest regression and the shared autoencoder (seed 0). Lines are sorted from sensitive (top) to resistant.", "name": "fig-line-scores"}, "image": {"alt": "Two panels of box plots of predicted probability, one box per cell line sorted by measured AUC."}} tags=["hide-input"]
first = scores[scores["seed"] == 0].pivot(index="cell", columns="method", values="score").loc[judged.index]
auc = study.read("bulk").obs["auc"].dropna()
drawn = [m for m in ("ridge", "shared AE") if m in methods] or methods[:1]
height = 0.24 * judged["cell_line"].nunique() + 1
figure, axes = plt.subplots(1, len(drawn), figsize=(5 * len(drawn), height), sharey=True, squeeze=False)
for ax, method in zip(axes[0], drawn, strict=True):
    pl.line_scores(first[method], judged["cell_line"], auc, ax=ax).set_title(method)

# %% [markdown]
# Whether these scores can be believed as probabilities is the question of {doc}`/notebooks/evaluation/calibration`.
#
# ## The same scores against the study's labels
#
# The paper does not know a line's own response; it labels cells by sample and cluster ([the chapter on labels](../data/labelling.ipynb)).
# Where such labels exist here, the same scores can be judged against them.
# A method may look better or worse for reasons that lie in the labels alone.

# %% tags=["hide-input"]
labelled = evaluate.judge(scores, cells, against="response", n_draws=n_draws)
both = pd.concat(
    {"measured response": table, "labels of the experiment": labelled}, names=["against"]
).reset_index(0)
judges = {"measured response": table, "labels of the experiment": labelled}
pd.concat(
    {name: prose.with_intervals(t, ["auroc", "mcc"], methods) for name, t in judges.items()},
    axis=1,
    names=["against", "metric"],
)

# %% [markdown]
# ## What to keep in mind
#
# - Nothing was tuned on these cells. LR and XGBoost have settings chosen by cross-validation on bulk lines, ridge a fixed penalty, and the autoencoder the presets of the paper's text, which {doc}`/notebooks/model/classifier` compares with others on bulk lines.
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
# Accuracy, F1, AUPRC and prevalence rise. AUROC, balanced accuracy and the Matthews correlation stay at .5, .5 and 0.
# ````
#
# ## What was written
#
# Tidy rows of every method, seed and metric, `baselines.csv` in the results of the edition, and the scores themselves.

# %%
rows = both.assign(
    against=both["against"].map({"measured response": "truth", "labels of the experiment": "response"})
)
prose.written(study.rows(rows).tail(3))
