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
# # Does it beat simple methods?
#
# ## The idea
#
# A deep model earns its place only if it predicts better than what costs a second to fit.
# So the shared autoencoder of {cite:t}`he2025`, *shared AE*, stands here beside the six methods of the paper's Figure 3, and beside others that the paper leaves out:
#
# - *ridge*, linear regression of the {term}`AUC` itself, on all tested lines and not on their two tails alone; *ridge CV* chooses its penalty on bulk lines, *tuned XGBoost* its trees;
# - *signature*, a ridge with an endless penalty: each gene is weighted by its correlation with AUC;
# - *mean effect*, the share of lines that is sensitive, which knows the drug and nothing of the cell;
# - the two constant answers, *all sensitive* and *all resistant*, which need no data at all.
#
# The measure is the {term}`AUROC`: the probability that a sensitive cell scores higher than a resistant one.
# It is .5 for every answer that does not look at the cell, whatever the share of sensitive cells.

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
]  # methods to compare, by name or by the path of a Python file
n_seeds: int = 3  # models of each method that has randomness
baseline_folds: int = 5  # fifths of the bulk lines that are left out in turn
studies: dict[str, str] = {}  # further data sets, each with its drug; not used with a file of cells
study_drugs: list[str] = []  # further drugs for the same cells; not used with a file of cells
study_seeds: int = 2  # models of each method for further data sets and drugs

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import Markdown

from bulk2sc import compare, evaluate, models, pl, published, say
from bulk2sc.book import Study
from bulk2sc.settings import is_own

# %% tags=["remove-input"]
pl.style()
study = Study(edition, drug=drug, cells_source=cells_source, cells_reading=cells_reading)
reference = "shared AE" if "shared AE" in methods else methods[0]
constants = [m for m in methods if m in ("mean effect", "all sensitive", "all resistant")]
simple = [m for m in methods if m not in (*constants, "shared AE")]

# %% [markdown]
# ## How it is done
#
# Every method has two verbs.
# `fit` learns from labelled cell lines; it may look at the expression of the cells, never at what is known about them.
# `score_cells` returns the probability of being sensitive.

# %%
lines, cells = study.read("pair")
score = models.make("ridge").fit(lines, cells).score_cells(cells)
print(f"{(score >= 0.5).mean():.0%} of {len(score)} cells are called sensitive")

# %% [markdown]
# The same two verbs serve all methods, drugs and seeds, in the step `scores`.
# The shared autoencoder is the one of {doc}`/notebooks/model/classifier`, trained anew with each seed.
# Its AUROC therefore differs from page to page: there one model is shown, here the mean of several seeds, and {doc}`/notebooks/evaluation/controls` and its neighbours train without a fifth of the lines.

# %% [markdown]
# Which drugs, on which cells? A method without randomness is fitted once.

# %%
asked = {(cells_source, drug): n_seeds}
others = [] if is_own(cells_source) else [*((cells_source, d) for d in study_drugs), *studies.items()]
asked = dict.fromkeys([*asked, *others], study_seeds) | asked
grid = [
    {"cells_source": source, "drug": d, "method": m, "seed": s}
    for (source, d), n in asked.items()
    for m in methods
    for s in range(n if models.takes(m, "seed") else 1)
]

# %%
scores = study.each("scores", grid)

# %% [markdown]
# The label of a cell is the response of its line: sensitive if the line's AUC is among the lowest of the training lines, resistant if among the highest, not judged in between.
# Cells of a line are replicates, so whole lines are drawn, and all differences on this page share their intervals ({doc}`/notebooks/evaluation/how-we-compare`).

# %%
draws, judged = {}, {}
for source, d in asked:
    rows = scores[(scores["cells_source"] == source) & (scores["drug"] == d)]
    known = study.read("pair", cells_source=source, drug=d)[1]
    name = d if len({s for s, _ in asked}) == 1 else f"{d}, {source}"
    draws[name] = compare.on_cells(rows, known)
    judged[name] = known.obs.dropna(subset="truth")
auroc = {name: metrics["auroc"] for name, metrics in draws.items()}
levels = compare.levels(auroc)
rivals = [m for m in (*simple, *constants[:1]) if m != reference]
versus = compare.differences(auroc, [(m, reference) for m in rivals])

# %% [markdown]
# ## What else was found
#
# ### Accuracy and F1, as in the paper's Figure 3
#
# The paper judges by accuracy and F1, as means over five data sets.
# Diamonds are what it reports; for the constant answers they follow from the numbers of cells in its Table 1.
# The data sets differ from those here, so diamonds say how hard the paper's task was, not how well it was done here.

# %%
found = pd.concat({n: pd.DataFrame({m: d[m].value for m in ("accuracy", "f1")}) for n, d in draws.items()})
found = found.where(found["accuracy"].notna()).rename_axis(["group", "method"])
mean = found.groupby("method", sort=False).mean().loc[methods]
paper = published.published("five_sets").set_index("method").rename({"the paper's model": "shared AE"})
by_constant = published.constant_answers(published.published("table1")).groupby("answer")
paper = pd.concat([paper, by_constant[["accuracy", "f1"]].mean()]).reindex(methods)

# %% mystnb={"figure": {"caption": "Accuracy and F1 of every method. Dots: drugs or data sets; bars: their mean; diamonds: the means over five data sets that the paper reports, or that follow from its Table 1 for constant answers.", "name": "fig-paper-form"}, "image": {"alt": "Two panels, accuracy and F1, one row per method with a dot per drug, a bar at their mean and a diamond for the published mean."}} tags=["hide-input"]
figure, axes = plt.subplots(1, 2, figsize=(6.4, 0.3 * len(methods) + 1.4), sharey=True)
order = list(mean.sort_values("accuracy").index)
place = range(len(order))
for ax, (metric, wide) in zip(axes, found.items(), strict=True):
    for name, values in wide.unstack("group").loc[order].items():
        ax.scatter(values, place, s=20, alpha=0.8, linewidth=0, label=name)
    ax.plot(mean.loc[order, metric], place, "k|", markersize=12, markeredgewidth=2, label="mean")
    look = {"s": 34, "marker": "D", "facecolor": "none", "edgecolor": "black"}
    ax.scatter(paper.loc[order, metric], place, label="paper", zorder=3, **look)
    ax.set(xlabel=say.LABELS.get(metric, metric), yticks=place, yticklabels=order)
_ = figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)

# %% tags=["remove-input"]
of_set = scores.assign(called=scores["score"] >= 0.5).groupby(["cells_source", "drug", "method"])
called = of_set["called"].mean().groupby("method").mean()
columns = {"accuracy": mean["accuracy"], "paper: accuracy": paper["accuracy"], "F1": mean["f1"]}
columns |= {"paper: F1": paper["f1"], "called sensitive": called}
in_paper = pd.DataFrame(columns).loc[order[::-1]]
in_paper.map(lambda value: "" if pd.isna(value) else f"{value:.2f}")

# %% tags=["remove-input"]
answers, told = mean.loc[[m for m in methods if m.startswith("all ")]], ""
if len(answers) and mean.loc[reference].notna().all():
    own, top, theirs = (
        f"{say.number(at['accuracy'])} and {say.number(at['f1'])}"
        for at in (mean.loc[reference], answers.max(), paper.loc[reference])
    )
    told = f"The mean accuracy and F1 of {reference} are {own}; constant answers reach {top}."
    if reference == "shared AE":
        told += f" The paper reports {theirs} for its five data sets."
Markdown(told) if told else None

# %% [markdown]
# ### Would bulk lines have chosen the right method?
#
# On real cells nobody knows the labels beforehand, so a method can be chosen on bulk lines only.
# Each simple method is fitted again with a fifth of the lines left out, and ranks the lines left out.


# %%
def fold_auroc(pair, *, method: str, fold: int, k: float = 0.3):
    training, left_out = evaluate.leave_out_fold(pair[0], k=k, seed=fold, folds=5)
    score = models.make(method).fit(training, pair[1]).score_cells(left_out)
    return {"auroc": evaluate.metrics(left_out.obs["response"], score)["auroc"]}


quick = [m for m in simple if not models.learns_from_cells(m)]
folds = pd.DataFrame(columns=["method", "fold", "auroc"])
if quick:
    folds = study.each(fold_auroc, {"method": quick, "fold": range(baseline_folds)})
on_lines = folds.groupby("method", sort=False)["auroc"].mean()

# %% mystnb={"figure": {"caption": "AUROC of the simple methods on bulk lines that were left out (mean over folds) and on cells (filled), sorted by the former.", "name": "fig-bulk-and-cells"}, "image": {"alt": "One row per method: AUROC on bulk lines left out and on cells."}} tags=["hide-input"]
main = next(iter(draws))
on_cells = auroc[main].value.reindex(on_lines.index)
both = pd.DataFrame({"cells": on_cells, "lines": on_lines}).sort_values("lines")
place = range(len(both))
ax = plt.subplots(figsize=(5.5, 0.3 * len(both) + 1.2))[1]
ax.hlines(place, both.min(axis=1), both.max(axis=1), color=pl.NEUTRAL, linewidth=1)
look = {"s": 34, "edgecolor": pl.SENSITIVE, "zorder": 3}
ax.scatter(both["lines"], place, facecolor="white", label="bulk lines left out", **look)
ax.scatter(both["cells"], place, color=pl.SENSITIVE, label=f"cells, {main}", **look)
ax.set(xlabel="AUROC", yticks=place, yticklabels=both.index)
_ = ax.figure.legend(loc="outside lower center", ncols=2)

# %% tags=["remove-input"]
favourite = best = ""
if on_cells.notna().any():
    favourite, best = on_lines.idxmax(), on_cells.idxmax()
Markdown(
    f"For {main}, bulk lines choose {favourite}, which has an AUROC of {say.number(on_cells[favourite])} on the cells"
    + (
        ": no simple method has more."
        if favourite == best
        else f"; the highest is {say.number(on_cells[best])}, of {best}."
    )
    if favourite
    else "Here there is nothing to hold the choice of bulk lines against."
)

# %% [markdown]
# ## What could mislead us
#
# - Intervals speak of other lines, not of other trainings, drugs or tissues. Where lines are few, only large differences can be seen.
# - Simulated cells are made from bulk profiles. They have hardly a gap between bulk and cells for a deep model to bridge, which favours simple methods.
# - Accuracy and F1 cut scores at .5. A method that ranks well and is badly calibrated loses there ({doc}`/notebooks/evaluation/calibration`).
# - Labels come from the response of the line. What differs between two cells of one line is not asked here.
# - The shared autoencoder has the settings of the paper's text and may be trained briefly in this edition; nothing was tuned on these cells for any method.
#
# ```{exercise}
# :label: exercise-baselines
# Keep all sensitive cells and one in four resistant ones. Which metrics change for the answer *all sensitive*, and which do not?
# ```
#
# ````{solution} exercise-baselines
# :class: dropdown
# ```python
# known = cells.obs["truth"].dropna()
# few = known[(known == 1) | (np.arange(len(known)) % 4 == 0)]
# pd.DataFrame({n: evaluate.metrics(t, [1.0] * len(t)) for n, t in {"all": known, "few": few}.items()})
# ```
# (`import numpy as np`.) Accuracy, F1 and AUPRC rise, the Brier score falls. AUROC, balanced accuracy and the Matthews correlation stay at .5, .5 and 0.
# ````
#
# ```{admonition} Quiz
# :class: dropdown tip
# A method has an accuracy of .73 on cells of which 73 % are sensitive. What do you ask first? **Answer:** its AUROC, and how many cells it calls sensitive. *All sensitive* has the same accuracy and an AUROC of .5.
# ```

# %% tags=["details", "hide-input"]
study.write("auroc", levels)
study.write("differences", versus)
study.write("accuracy-f1", found.reset_index())
keys = ["cells_source", "drug", "cell"]
study.write("scores", scores.pivot_table("score", keys, "method", sort=False).round(4).reset_index())
shown = ["auroc", "auprc", "balanced_accuracy", "brier"]
pd.concat({n: say.table({m: compare.levels(d[m]) for m in shown}, methods) for n, d in draws.items()})

# %% tags=["details", "hide-input"]
pd.options.display.max_colwidth = None
chosen = {name: value for name, value in study.settings.items() if models.takes("shared AE", name)}
models.described(methods, mask=study.read("mask"), **chosen)

# %% tags=["in-short", "remove-input"]
kind = "simulated" if cells.uns.get("simulated") else "real"
wordings = {
    "higher": "{methods} {n:does|do} better, by {by}.",
    "lower": "It beats {methods}, by {by}.",
    "equal": "{methods} {n:does|do} as well.",
    "unclear": "Between it and {n} {n:other|others} the lines do not decide.",
    "untested": "So few lines cannot decide between it and others.",
}
sentences = [f"Here {reference} meets {say.counted(len(rivals), 'simple answer')} on **{kind}** cells."]
ridge = versus[versus["method"] == "ridge"]["verdict"]
if len(ridge):
    cases = say.counted(len(ridge), "data set" if studies else "drug")
    won, lost = (ridge == "lower").sum(), (ridge == "higher").sum()
    sentences = [
        f"On **{kind}** cells {reference} beats ridge regression for **{won or 'none'} of {cases}**, and loses for {lost or 'none'}."
    ]
for row in levels[levels["method"] == reference].itertuples():
    n_lines = say.counted(judged[row.group]["cell_line"].nunique(), "line")
    if pd.isna(row.value):
        none = "no cell has a label" if judged[row.group].empty else f"{n_lines}, all labels of one class"
        sentences.append(f"\n{row.group}: {none}; cells are scored, and nothing can be compared.")
        continue
    ends = "" if pd.isna(row.low) else f" (95 % interval {say.number(row.low)} to {say.number(row.high)})"
    told = say.effects(versus[versus["group"] == row.group], **wordings)
    sentences.append(f"\n{row.group}, {n_lines}: AUROC {say.number(row.value)}{ends}. {told}")
Markdown("\n".join(sentences))

# %% mystnb={"figure": {"caption": "AUROC of every method on cells of lines that training never saw, with 95 % intervals over lines. Grey: single models; dashed: no skill. Orange: the paper's model.", "name": "fig-baselines"}, "image": {"alt": "One panel per drug or data set, one row per method: AUROC with its interval."}} tags=["in-short", "remove-input"]
order = list(levels.groupby("method")["value"].mean().reindex(methods).sort_values().index)
place = range(len(order))
width = min(4 + 1.3 * (len(draws) - 1), 8)
figure, axes = plt.subplots(
    1, len(draws), figsize=(width, 0.3 * len(methods) + 1), sharey=True, squeeze=False
)
for ax, (name, found_here) in zip(axes[0], auroc.items(), strict=True):
    table = levels[levels["group"] == name].set_index("method").loc[order]
    colours = [pl.RESISTANT if m == "shared AE" else pl.SENSITIVE for m in order]
    ax.hlines(place, table["low"], table["high"], color=colours, linewidth=2)
    seeds = found_here.seeds
    ax.scatter(seeds["value"], seeds["method"].map(order.index), s=8, color=pl.NEUTRAL, zorder=2)
    ax.scatter(table["value"], place, s=34, color=colours, zorder=3)
    ax.axvline(0.5, color="0.5", linestyle="--", linewidth=0.8)
    ax.set(xlabel="AUROC", title=name, yticks=place, yticklabels=order)
