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
# # What does accuracy hide?
#
# ## Two answers that look at nothing
#
# {cite:t}`he2025` judge their model by accuracy and F1 score.
# Call every cell sensitive, and with a share $p$ of sensitive cells
#
# $$\text{accuracy} = p, \qquad \text{F1} = \frac{2p}{1+p}.$$
#
# Call every cell resistant, and accuracy is $1-p$, while F1 is 0.
# Neither answer looks at a cell, so a method has to beat both.
# The numbers of cells in the paper's Table 1 are enough to compute what they score:

# %% tags=["parameters"]
edition: str = "demo"  # edition that shows this page; the numbers are the paper's in all of them
within: int = 1  # cells by which a confusion matrix may miss the printed scores and still be kept

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown

from bulk2sc import pl, published
from bulk2sc.book import Study

# %%
study = Study(edition)
pl.style()
table1 = published.published("table1")
constants = published.constant_answers(table1)
by_set = constants.pivot(index="cells_source", columns="answer", values=["accuracy", "f1"])
by_set.loc[table1["cells_source"]].round(2)

# %% [markdown]
# With two answers for each of five data sets there are 32 ways to answer without looking.

# %%
ways = published.means_of_constants(constants)
five = published.published("five_sets")
best_accuracy, best_f1 = ways["accuracy"].max(), ways["f1"].max()
above = five.assign(accuracy_above=five["accuracy"] > best_accuracy, f1_above=five["f1"] > best_f1)
above.set_index("method")

# %% [markdown]
# ## From two scores back to the answers
#
# A confusion matrix has four numbers, and two of their sums are known: the sensitive and the resistant cells.
# So accuracy and F1 together give back the matrix, and with it the Matthews correlation, which is 0 on average for answers that have nothing to do with the labels.
#
# The paper prints such pairs for one data set, GSE117872 with cisplatin.
# Every confusion matrix of its cells is tried; those that miss a printed pair by no more than `within` cells are kept.

# %%
printed = published.published("cisplatin")
counts = table1.set_index("cells_source").loc["GSE117872", ["sensitive", "resistant"]].astype(int)
implied = published.implied(printed, *counts, within=within)
implied["possible"] = implied["distance"] <= 2 / counts.sum()
ends = implied[["mcc_lowest", "mcc_highest"]].map("{:.2f}".format)
implied["Matthews correlation"] = ends.agg(" to ".join, axis=1)
shown = ["accuracy", "f1", "Matthews correlation", "called_sensitive", "possible"]
implied.set_index("method")[shown].rename(columns=lambda c: c.replace("_", " "))

# %% [markdown]
# A pair that no matrix comes near is marked as not possible: **no run on these cells can have both scores**.
# It may then be a mean over runs, as an average of matrices is not a matrix.

# %% mystnb={"figure": {"caption": "Every pair of accuracy and F1 that is possible on the cells of GSE117872, coloured by the Matthews correlation. Stars: the two constant answers; the dashed line joins means of runs that flip between them. Circles: what the paper prints. Below: enlarged.", "name": "fig-possible"}, "image": {"alt": "A coloured area of possible pairs of accuracy and F1, two stars joined by a dashed line, and circles for published scores, some of which lie outside the area."}} tags=["hide-input"]
tp, tn = np.meshgrid(np.arange(0, counts.iloc[0] + 1, 3), np.arange(0, counts.iloc[1] + 1, 2), indexing="ij")
accuracy, f1, mcc = published.scores_of(tp, tn, *counts)
stars = constants[constants["cells_source"] == "GSE117872"]
figure, axes = plt.subplots(2, 1, figsize=(6.2, 7.4), height_ratios=[1.2, 1])
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

# %% [markdown]
# ## Runs that flip
#
# One way to scores that no matrix has: a model whose runs end in one of the two constant answers, now this, now that.
# The share of runs that say *all sensitive* fixes the mean accuracy, and then the mean F1 follows.

# %%
mixture = implied.loc[~implied["possible"], ["where", "method", "accuracy", "f1"]].copy()
(high, low), top = stars["accuracy"], stars["f1"].max()
mixture["share_all_sensitive"] = (mixture["accuracy"] - low) / (high - low)
mixture["f1_of_mixture"] = mixture["share_all_sensitive"] * top
mixture.round(3)

# %% [markdown]
# That a mixture fits does not prove that runs flipped; it shows that nothing in the printed scores speaks against it.
#
# ## What could mislead us
#
# - The printed scores are rounded. `within` lets a matrix miss them by a cell.
# - Means over runs, as in the paper's Table 2, need not belong to any matrix.
# - Cells of one line are no independent samples, so a small gap between two scores says little.
#
# ## What this book does about it
#
# Both constant answers stand beside every method, AUROC comes first, and the share of cells called sensitive is shown: {doc}`/notebooks/evaluation/baselines`.
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
# accuracy, f1, mcc = published.scores_of(tp, tn, 1584, 4346)
# mcc[(accuracy > 0.733) & (f1 > 0.422)].min()
# ```
# No: it is at least .26.
# ````

# %% tags=["details", "hide-input"]
study.write("constant-answers", constants)
study.write("means-of-constant-answers", ways)
study.write("mixtures", mixture)
study.write("implied-answers", implied.drop(columns="Matthews correlation"))
implied.drop(columns=["decimals", "Matthews correlation"]).round(4)

# %% tags=["in-short", "remove-input"]
below = five[five["accuracy"] < best_accuracy]
model = implied[implied["method"].isin(["GO", "share AE + pathways"])]
Markdown(
    f"Of the {len(five)} methods whose means over five data sets the paper reports, {len(below)} have a lower "
    f"accuracy than the best of the answers that never look at a cell ({best_accuracy:.2f}), which knows only the larger class. "
    f"The paper's model is above it, with {five['accuracy'].max():.2f}. "
    f"Its scores on GSE117872, if they are of one run, imply a Matthews correlation between "
    f"{model['mcc_lowest'].min():.2f} and {model['mcc_highest'].max():.2f}: next to nothing."
)

# %% mystnb={"figure": {"caption": "Mean accuracy and mean F1 over the five data sets. Crosses: the 32 ways to give each data set one of the two constant answers. Dots: what the paper reports.", "name": "fig-five-sets"}, "image": {"alt": "Scatter plot of mean F1 against mean accuracy, with 32 crosses for constant answers and seven named dots for the methods of the paper."}} tags=["in-short", "hide-input"]
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
