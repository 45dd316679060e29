# ---
# jupyter:
#   bulk2sc:
#     reads: []
#     writes: []
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
# # What does accuracy hide?
#
# {cite:t}`he2025` judge their model by accuracy and F1 score.
# Both can be high for an answer that never looks at a cell.
# From the numbers of cells that the paper prints, it can be computed what such an answer scores, and from an accuracy and an F1 together what a method must have answered.
# This chapter does that for every pair of mean or single scores in the paper's text and tables; it uses no data of this book, so it is the same in every edition.
#
# **You will learn**
#
# - what the two constant answers, *all sensitive* and *all resistant*, score on the five data sets of the paper;
# - how accuracy, F1 and the two class sizes give back the confusion matrix, and with it the Matthews correlation;
# - how to recognise scores that no single run can have produced.

# %% tags=["parameters"]
edition: str = "demo"  # edition whose results folder takes the numbers of this page
within: int = 1  # cells by which a confusion matrix may miss the printed scores and still be kept

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown

from bulk2sc import pl, prose
from bulk2sc import published as pub
from bulk2sc.study import Study

pl.style()
study = Study(edition=edition)
table1 = pub.published("table1")
printed = pub.published("cisplatin")

# %% [markdown]
# ## Answers that look at nothing
#
# Call every cell sensitive, and accuracy is the share of sensitive cells, $p$; F1 is $2p/(1+p)$.
# Call every cell resistant, and accuracy is $1-p$; F1 is 0, as no sensitive cell is found.
# On the five data sets of Table 1:

# %%
constants = pub.constant_answers(table1)
by_set = constants.pivot(index="cells_source", columns="answer", values=["accuracy", "f1"])
means = by_set.mean().rename("mean").to_frame().T
pd.concat([by_set.loc[table1["cells_source"]], means]).round(3)

# %% [markdown]
# The means over the five sets that the paper reports, of its own model and of six common methods, can be set beside these.
# With two answers for each of five data sets there are 32 ways to answer without looking; each is a cross in the figure.

# %% mystnb={"figure": {"caption": "Mean accuracy and mean F1 over the five data sets. Crosses: the 32 ways to give each data set one of the two constant answers. Dots: what the paper reports.", "name": "fig-five-sets"}, "image": {"alt": "Scatter plot of mean F1 against mean accuracy, with 32 crosses for constant answers and seven named dots for the methods of the paper."}} tags=["hide-input"]
five = pub.published("five_sets")
ways = pub.means_of_constants(constants)
ax = plt.subplots(figsize=(6, 4.2))[1]
ax.plot(ways["accuracy"], ways["f1"], "x", color=pl.NEUTRAL, label="constant answers")
ax.plot(five["accuracy"], five["f1"], "o", color=pl.SENSITIVE, label="published")
look = {"textcoords": "offset points", "fontsize": 8, "ha": "center"}
for row in five.itertuples():
    below = row.method in ("SVM", "XGBoost")  # a cross stands where their names would
    ax.annotate(row.method, (row.accuracy, row.f1), **look, xytext=(0, -12) if below else (0, 5))
ax.set(xlabel="mean accuracy", ylabel="mean F1")
ax.set_xlim(right=0.73)
_ = ax.figure.legend(loc="outside lower center", ncols=2)

# %% tags=["remove-input"]
twice = pub.full_model(printed)
means = five.set_index("method").loc["the paper's model", ["accuracy", "f1"]]
rest = pub.mean_of_others(means, twice.iloc[0][["accuracy", "f1"]], len(table1))
others = constants[constants["cells_source"] != "GSE117872"]
left = prose.without_one_set(rest, others, "the paper's model", one="GSE117872 (as Table 2 has it)")
Markdown(f"{prose.answers_that_look_at_nothing(five, ways, by_set.mean())} {left}")

# %% [markdown]
# ## From two scores back to the answers
#
# A confusion matrix has four numbers.
# Two of their sums are known: the sensitive and the resistant cells of the data set.
# So two scores are enough to find the other two, and with them everything else: how many cells were called sensitive, and the Matthews correlation, which is 0 on average for answers that have nothing to do with the truth.
#
# Scores are printed for one data set, GSE117872 with cisplatin: single ones in section 2.2 and Table 3, and means over runs in Table 2, for which a matrix can only be the nearest.
# Here every confusion matrix that its cells allow is tried; those whose accuracy and F1 lie within so many cells of the printed numbers as the parameter `within` says are kept.

# %% tags=["hide-input"]
counts = table1.set_index("cells_source").loc["GSE117872", ["sensitive", "resistant"]].astype(int)
implied = pub.implied(printed, *counts, within=within)
names = {
    "f1": "F1",
    "mcc_lowest": "MCC, lowest",
    "mcc_highest": "highest",
    "called_sensitive": "called sensitive",
}
implied.set_index(["where", "method"]).drop(columns="decimals").rename(columns=names).round(4)

# %% [markdown]
# `distance` is the larger difference between the printed scores and those of the nearest matrix.
# One cell more or less moves accuracy by about `1 / cells`; a distance well above that means that **no run on these cells can have both scores**.
# They may then be means over runs: an average of matrices is not a matrix, because F1 is not linear.
#
# The figure shows the same in one picture.
# The coloured area holds all pairs of accuracy and F1 that one answer to these cells can have, coloured by its Matthews correlation.

# %% mystnb={"figure": {"caption": "Every pair of accuracy and F1 that is possible on the cells of this data set, coloured by the Matthews correlation. Stars: the two constant answers; the dashed line joins the means of runs that flip between them. Circles: what the paper prints. Right: the same, enlarged.", "name": "fig-possible"}, "image": {"alt": "A coloured area of possible pairs of accuracy and F1, two stars joined by a dashed line, and circles for published scores, some of which lie outside the area."}} tags=["hide-input"]
tp, tn = np.meshgrid(np.arange(0, counts.iloc[0] + 1, 3), np.arange(0, counts.iloc[1] + 1, 2), indexing="ij")
accuracy, f1, mcc = pub.scores_of(tp, tn, *counts)
stars = constants[constants["cells_source"] == "GSE117872"]
figure, axes = plt.subplots(1, 2, figsize=(10, 4.4), width_ratios=[1.2, 1])
for ax, near in zip(axes, (False, True), strict=True):
    look = {"s": 40 if near else 3, "cmap": "RdBu", "vmin": -1, "vmax": 1, "linewidth": 0}
    area = ax.scatter(accuracy, f1, c=mcc, rasterized=True, **look)
    ax.plot(stars["accuracy"], stars["f1"], "k--*", markersize=11, linewidth=1)
    for row in printed[(printed["accuracy"] > 0.65) == near].itertuples():
        at = (row.accuracy, row.f1)
        ax.annotate(f"  {row.method}", at, fontsize=8, va="center", path_effects=pl.OUTLINE)
    ax.plot(printed["accuracy"], printed["f1"], "o", color="black", markerfacecolor="white")
    ax.set(xlabel="accuracy", ylabel="F1")
axes[1].set(xlim=(0.69, 0.74), ylim=(0.805, 0.85), title="enlarged: near all sensitive")
_ = figure.colorbar(area, ax=axes, label="Matthews correlation")

# %% tags=["remove-input"]
lines = "\n".join(f"- {line}" for line in prose.implied_answers(implied.assign(runs=printed["runs"]), counts))
Markdown(f"{lines}\n\n{prose.twice_printed(twice, counts)}")

# %% [markdown]
# ## Runs that flip
#
# What could give scores that no matrix has?
# One way is a model whose runs end in one of the two constant answers, now this, now that, and whose scores are averaged.
# Such a mixture lies on the dashed line of the figure: the share of runs that say *all sensitive* fixes the mean accuracy, and then the mean F1 follows.

# %% tags=["hide-input"]
flips = [pub.share_of_flips(accuracy, *counts) for accuracy in printed["accuracy"]]
mixture = printed[["where", "method", "accuracy", "f1"]].assign(
    share_all_sensitive=[share for share, _ in flips], f1_of_mixture=[f1 for _, f1 in flips]
)
mixture = mixture.assign(difference=mixture["f1"] - mixture["f1_of_mixture"])
names = {"f1": "F1", "share_all_sensitive": "share all sensitive", "f1_of_mixture": "F1 of mixture"}
mixture.set_index(["where", "method"]).rename(columns=names).round(4)

# %% tags=["remove-input"]
Markdown(prose.flipping_runs(implied, mixture.assign(decimals=printed["decimals"]), counts))

# %% [markdown]
# A share a little above 1 is the rounding of the print.
# That a mixture fits does not prove that runs flipped; it shows that nothing in the printed scores speaks against it.
#
# ## What this book does about it
#
# - Wherever methods are judged on cells, both constant answers are judged with them: {doc}`/notebooks/evaluation/baselines` shows them in all its tables of scores, other chapters in some, and the written results hold them throughout.
# - AUROC, the area under the precision-recall curve, Matthews correlation, balanced accuracy and the share of cells called sensitive stand beside accuracy and F1 in {doc}`/notebooks/evaluation/baselines`. Later chapters show a selection; the written results hold all of them, and the prevalence.
# - A run that calls fewer than 2 % or more than 98 % of the cells sensitive is flagged as degenerate.
# - Every seed is shown, so that runs that flip can be seen.
#
# ```{exercise}
# :label: exercise-accuracy
# On GSE156246-HCC1419 26.7 % of the cells are sensitive. What accuracy does a method need before it says more than *all resistant*, and what F1 before it says more than *all sensitive*? Can one answer beat both and still have a Matthews correlation near 0?
# ```
#
# ````{solution} exercise-accuracy
# :class: dropdown
# More than .733 and more than .422. To look for answers that beat both:
# ```python
# tp, tn = np.meshgrid(np.arange(1585), np.arange(4347), indexing="ij")
# accuracy, f1, mcc = pub.scores_of(tp, tn, 1584, 4346)
# mcc[(accuracy > 0.733) & (f1 > 0.422)].min()
# ```
# No: it is at least .26.
# ````
#
# ## What was written
#
# The numbers of this page are in `what-accuracy-hides.csv`: the points of both figures and all tables.
# The coloured area of the second figure follows from the two numbers of cells.


# %% tags=["hide-input"]
def tidy(table: pd.DataFrame, of: str, dataset: str) -> pd.DataFrame:
    """Give every number of a table a row of its own."""
    table = table.rename(columns={"answer": "method", "cells_source": "dataset"})
    texts = [name for name in ("where", "method", "dataset", "sensitive") if name in table]
    numbers = table.drop(columns=["decimals", "runs"], errors="ignore").melt(texts, var_name="metric")
    return numbers.assign(**{"of": of, "drug": ""} | ({} if "dataset" in texts else {"dataset": dataset}))


# %%
five_sets = ", ".join(table1["cells_source"])
left_over = pd.DataFrame([rest]).assign(method="the paper's model")
tables = [
    tidy(constants, "constant answers", ""),
    tidy(ways, "means of constant answers", five_sets),
    tidy(five, "published means", five_sets),
    tidy(left_over, "published mean, four data sets", ", ".join(others["cells_source"].unique())),
    tidy(implied, "implied answers", "GSE117872"),
    tidy(mixture, "mixtures of constant answers", "GSE117872"),
]
prose.written(study.rows(pd.concat(tables)).tail(3))
