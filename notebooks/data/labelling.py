# ---
# jupyter:
#   bulk2sc:
#     reads:
#     - bulk
#     - cells
#     writes:
#     - labelled
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
# # Who is called sensitive?
#
# No assay measures whether a cell *would have* died, because the one that is sequenced is dead by then.
# Studies therefore label cells by their sample: untreated cells are called sensitive, those that are alive after treatment resistant.
# {cite:t}`he2025` correct this rule with clusters (section 4.1.2).
# This chapter writes the rule of a data set down, applies it and the correction, and asks what they get right.
#
# **You will learn**
#
# - how a rule file says who is control, treated, sensitive and resistant, and on whose word;
# - the three steps of the labelling, and what the paper leaves open in each;
# - how to score labels where the truth is known, where the steps break, and which errors no clustering can repair;
# - what excluding cells by their expression does to every measure that is taken afterwards.

# %% tags=["parameters"]
edition: str = "demo"  # edition whose settings and results are used
drug: str = "Cisplatin"  # drug, by its GDSC name
rule: str = ""  # path of a rule file of your own, empty for that of the data set
leiden_resolution: float = 1.0  # resolution of the clustering, higher gives more clusters
dominance: float = 0.0  # share of treated cells from which on a cluster is theirs, 0 for what the rule says
min_score: float = 1.0  # smallest mean marker score of a cluster of normal cells
depths: list[float] = [250.0, 500.0, 1000.0, 2000.0]  # counts of a cell in the sweep
shifts: list[float] = [0.0, 0.5, 1.0, 2.0, 3.0]  # changes by treatment in the sweep, in units of z
hidden_shares: list[float] = [0.05, 0.15, 0.2, 0.25]  # shares of hidden resistant cells in the sweep
resolutions: list[float] = [0.1, 1.0, 10.0]  # resolutions of the clustering in the sweep
variable_genes: list[int] = [500, 2000]  # numbers of variable genes of the clustering in the sweep
sweep_seeds: int = 3  # simulations of each setting in the sweep, each of other lines
sweep_cells: int = 600  # cells of each simulation in the sweep
n_draws: int = 1000  # bootstrap draws over cell lines
studies: dict[str, str] = {}  # data sets to count in Table 1, each with its drug; empty: that of the edition

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import scanpy as sc
from IPython.display import Markdown

from bulk2sc import clustering, evaluate, label_sweep, labels, latent, models, pl, pp, prose, published
from bulk2sc.settings import project_root
from bulk2sc.study import Study

pl.style()
choices = {"rule": rule, "dominance": dominance, "min_score": min_score}
study = Study(edition=edition, drug=drug, leiden_resolution=leiden_resolution, **choices)
cells = study.read("labelled")
obs, applied = cells.obs, cells.uns["rule"]

# %% tags=["hide-input"]
has_arms = "treated" in obs
sides = ("control", "treated") if has_arms else ("sensitive", "resistant")
told = obs["treated"].astype(float) if has_arms else 1 - obs["response_unfiltered"]
arms = told.map({0.0: sides[0], 1.0: sides[1]})
arms = arms.astype(object).fillna("not judged")
planted = obs["planted"].astype(str) if "planted" in obs else None
known = cells.uns["answer"] == "lines"  # else the answer is the label itself
truth = obs["truth"] if known else pd.Series(np.nan, index=obs.index)
lines = obs["cell_line"].astype(str)

# %% tags=["remove-input"]
bulk = study.read("bulk")
Markdown(
    f"{prose.origin_of_cells(cells.uns, bulk.uns, study.settings['cells_source'])} "
    f"{(arms == sides[0]).sum()} cells are {sides[0]} and {(arms == sides[1]).sum()} {sides[1]} before any step."
)

# %% [markdown]
# ## The rule
#
# What makes a cell control or treated differs from one data set to the next: the column, its levels, samples that belong to neither arm, what is known of some cells from elsewhere.
# None of this belongs in code.
# It is written down once for each data set, with the source of every statement, in `data/rules/`; a new data set is a new rule file, given as `rule`.
# A rule may hold several *forms*, as the same cells are published in more than one place with other columns; the first whose columns exist is used.
# A column or a level that does not exist, and a level on both sides, are errors.

# %% tags=["remove-input"]
Markdown(f"`{applied['name']}`\n\n```yaml\n{applied['text'].strip()}\n```")

# %% tags=["remove-input"]
Markdown(f"{prose.rule_in_force(applied, drug)} {prose.steps_in_force(applied)}")

# %% [markdown]
# ## Clusters
#
# The correction needs groups of cells that are alike.
# The paper finds them with its own deep clustering, AttentionAE-sc {cite:p}`li2023attentionae`; unless an edition asks for it, they come here from Leiden's algorithm on a neighbour graph of 50 principal components {cite:p}`traag2019,wolf2018`.
# No label takes part in this.

# %% mystnb={"figure": {"caption": "UMAP of the cells, coloured by what the rule states before any step (arm of the experiment, or label), by cluster (numbers stand on the middle of their cells), and by label; not judged: excluded.", "name": "fig-labelling"}, "image": {"alt": "Three scatter plots of the same cells in two dimensions, coloured by arm, by cluster and by label."}} tags=["hide-input"]
umap = cells.obsm["X_umap"]
figure, axes = plt.subplots(2, 2, figsize=(9.5, 7))
axes = axes.ravel()
axes[3].set_axis_off()
colours = {sides[0]: pl.SENSITIVE, sides[1]: pl.RESISTANT, "not judged": "#d5d5d5"}
pl.embedding(umap, arms, title="before any step", palette=colours, ax=axes[0])
pl.embedding(umap, obs["cluster"].astype(str), title="cluster", named=True, ax=axes[1])
_ = pl.embedding(umap, pl.response_names(obs["response"]), title="label", palette=pl.RESPONSE, ax=axes[2])

# %% [markdown]
# ## Step 1: control cells that look treated
#
# "Cells in the control group that exhibited transcriptional profiles similar to those of the drug-treated group were considered having genetic resistance", says the paper, and leaves them out of the sensitive set.
# How similar is similar enough is not stated.
# Here a control cell leaves when its cluster is *dominated* by treated cells: when their share reaches `dominance`, counted as if both samples were of equal size.
#
# The step rests on an assumption: that the treated sample consists of resistant kinds of cells, which then mark their own kind in the control.

# %% mystnb={"figure": {"caption": "Share of treated cells in each cluster, as if both samples were equally large (of resistant cells where the rule knows no arms). Control cells of clusters beyond the dashed line, if the rule draws one, are left out.", "name": "fig-dominance"}, "image": {"alt": "One bar for each cluster, sorted by the share of treated cells, with a dashed line at the threshold."}} tags=["hide-input"]
by_arm = pd.crosstab(obs["cluster"], arms, normalize="columns").reindex(columns=sides, fill_value=0)
share = (by_arm[sides[1]] / by_arm.sum(axis=1)).sort_values()
threshold = applied["dominance"]
theirs = (share >= threshold) if threshold else share > 1
ax = plt.subplots(figsize=(7, 2.6))[1]
ax.bar(share.index.astype(str), share, color=np.where(theirs, pl.RESISTANT, pl.SENSITIVE))
ax.axhline(threshold or np.nan, color="black", linestyle="--", linewidth=0.8)
_ = ax.set(xlabel="cluster", ylabel=f"share of {sides[1]} cells", ylim=(0, 1))

# %% [markdown]
# ## Step 2: normal cells
#
# A biopsy holds fibroblasts, immune cells and vessels.
# They are not the tumour, and whether they die is another question.
# The paper finds them by known marker genes without naming these; here a cluster is called normal when the mean marker score of its cells reaches `min_score`.
# The score is the mean of the markers minus that of genes expressed alike.
# It is taken over clusters because a single cell shows too few of its markers to be judged alone.
# The threshold matters for tumours of the blood: a leukaemia of T cells has markers of T cells.
# Tumours of mesenchymal origin share markers with fibroblasts in the same way.
# Cells of pure cell lines have no normal cells among them, and their rules do not look for any.

# %% tags=["hide-input"]
scored = cells.copy()
kinds = {name: [g for g in genes if g in cells.var_names] for name, genes in labels.MARKERS.items()}
kinds = {name: genes for name, genes in kinds.items() if len(genes) >= 2}
for name, genes in kinds.items():
    sc.tl.score_genes(scored, genes, score_name=name, random_state=study.settings["data_seed"])
pd.options.display.max_colwidth = None
scores = scored.obs.groupby("cluster", observed=True)[list(kinds)].mean()
pd.DataFrame({"markers present": {name: ", ".join(genes) for name, genes in kinds.items()}})

# %% mystnb={"figure": {"caption": "Mean marker score of each cluster. A cluster with a score beyond the dashed line is called normal.", "name": "fig-markers"}, "image": {"alt": "For each normal cell type, one dot for each cluster at its mean marker score, with a dashed line at the threshold."}} tags=["hide-input"]
ax = plt.subplots(figsize=(6, 0.5 * len(kinds) + 1))[1]
for row, name in enumerate(kinds):
    colours = np.where(scores[name] >= min_score, "#029e73", pl.NEUTRAL)
    ax.scatter(scores[name], np.full(len(scores), row), c=colours, s=25, alpha=0.8, linewidth=0)
ax.axvline(min_score, color="black", linestyle="--", linewidth=0.8)
_ = ax.set(
    yticks=range(len(kinds)), yticklabels=kinds, ylim=(-0.5, len(kinds) - 0.5), xlabel="mean marker score"
)

# %% [markdown]
# ## Step 3: the literature
#
# "Finally, for certain targeted therapies, drug response labels were then assigned based on literature-reported differences in drug sensitivity among the identified tumor subpopulations."
# Which differences, and for which cells, the paper does not list.
# In the rule file it is the part `literature`: a column, its levels on either side, and who says so.
# What it states goes before the arm of a cell and before step 1; cells found to be normal stay out.
# This is also how labels are taken over that the authors of a data set give for single cells.
#
# The outcome of all steps:

# %% tags=["hide-input"]
outcome = pd.crosstab(obs["label_reason"], pl.response_names(obs["response"])).rename_axis("why", axis=0)
outcome.rename_axis(columns="label")

# %% tags=["remove-input"]
stated = obs["response_unfiltered"].notna()
excluded = int((stated & obs["response"].isna()).sum())
Markdown(
    f"{stated.sum()} of {len(obs)} cells have a label before any exclusion, and {excluded} of these are excluded "
    f"({prose.percent(excluded / stated.sum())}). Of the cells that keep a label, {prose.percent(obs['response'].mean())} are "
    f"called sensitive; without exclusion it is {prose.percent(obs['response_unfiltered'].mean())}."
)

# %% [markdown]
# ## What the labels get right
#
# Where cells were planted, both decisions can be scored: *recall* is the share of the cells looked for that a step finds, *precision* the share of right ones among those it takes.
# Doublets and damaged cells, which have no truth, are not counted.
# Cells of a line go together, so the lines are counted as well, and the interval over lines is the honest one.

# %% tags=["remove-input"]
text = "Nothing was planted in these cells; the steps cannot be scored."
if planted is not None:
    score, n = labels.score_labels(obs), planted.value_counts()
    hidden, surviving = planted == "hidden_resistant", planted == "surviving_sensitive"
    per_line = obs["label_reason"].eq(labels.INTRINSIC)[hidden].groupby(lines).mean()
    asked = {"hidden": ("hidden_resistant", "hidden resistant cells"), "normal": ("normal", "normal cells")}
    one, two = (
        prose.finds(score[f"{step} recall"], score[f"{step} precision"], n.get(kind, 0), words)
        for step, (kind, words) in asked.items()
    )
    lost = prose.share(int((per_line > 0.5).sum()), len(per_line))
    called = int((obs["response"][surviving] == 0).sum())
    text = f"- **Step 1** {one}; of their lines, {lost} lose more than half of these cells.\n- **Step 2** {two}.\n"
    text += f"- Of {surviving.sum()} surviving sensitive cells, {called} are called resistant."
Markdown(text)

# %% mystnb={"figure": {"caption": "What became of the cells of each kind. Where cells are simulated, the rows say what a cell was made as; where they are real, what the rule states before any step.", "name": "fig-label-fate"}, "image": {"alt": "Stacked bars, one for each kind of cell, of the number of cells labelled sensitive, resistant or excluded."}} tags=["hide-input"]
kinds_of_cells = arms if planted is None else planted.str.replace("_", " ")
fate = pl.response_names(obs["response"]).rename_categories({"not judged": "excluded"})
palette = {"sensitive": pl.SENSITIVE, "resistant": pl.RESISTANT, "excluded": "#d5d5d5"}
ax = pl.composition(kinds_of_cells, fate, palette=palette)

# %% [markdown]
# One error is out of reach.
# A *surviving sensitive* cell is in the treated sample and of a sensitive line: think of one that would have died a day later, or that the drug did not reach.
# The paper's rule calls every treated tumour cell resistant, and no step looks for such cells.
#
# Put together, the labels of tumour cells against the measured response of their lines:


# %% tags=["hide-input"]
def are_right(label):
    kept = obs[label].notna() & truth.notna()
    return (obs[label] == truth)[kept]


def against_truth(label):
    right = are_right(label)
    called = {
        f"right of those called {kind}": right[obs[label] == x]
        for x, kind in ((1, "sensitive"), (0, "resistant"))
    }
    return {"cells labelled": len(right), "right": right.mean()} | {n: r.mean() for n, r in called.items()}


# %% tags=["hide-input"]
names = {"response_unfiltered": "no exclusion", "response": "with exclusion"}
quality = pd.DataFrame({name: against_truth(label) for label, name in names.items()}).T
quality.astype({"cells labelled": int}).round(3)

# %% tags=["remove-input"]
text = "No line of these cells has a truth here: the labels cannot be compared with it."
if quality["right"].notna().all():
    rights = [are_right(label).astype(float) for label in names]
    over_lines = [latent.mean_by_group(right.to_numpy(), lines[right.index]) for right in rights]
    before, after = map(prose.share_with_interval, over_lines)
    wrong = obs["response"][rights[-1].index[rights[-1] == 0]]
    text = (
        f"Exclusion takes the share of right labels from {before} to {after}; the intervals are over lines. "
        f"Wrong among the labels that remain: {prose.counted(int((wrong == 0).sum()), 'cell')} "
        f"called resistant, and {int((wrong == 1).sum())} called sensitive."
    )
Markdown(text)

# %% [markdown]
# ## Where the steps break
#
# One data set is one draw.
# The sweep below simulates the experiment anew: each seed holds out other lines and draws other cells, which go through clustering, rule and score as above.
# One setting varies at a time; dotted lines mark the value that it has in the other panels.
#
# - *Counts of a cell*: fewer counts are more noise.
# - *Change by treatment*: how far treatment moves every treated cell, whether it is resistant or not, in units of z.
# - *Hidden resistant share*: the share of the control's tumour cells that are of resistant lines.
# - *Resolution* and *number of variable genes* of the clustering.
#
# Bands are 95 % intervals over seeds, which is to say over draws of lines.
# With few seeds they are wide.

# %% tags=["hide-input"]
vary = {"depth": depths, "shift": shifts, "hidden_resistant": hidden_shares}
vary |= {"resolution": resolutions, "n_hvg": variable_genes}
options = {"drug": drug, "k": study.settings["k"], "n_cells": sweep_cells}
options["min_genes"] = 30  # a cell of few counts has few genes
sweep = label_sweep.sweep(bulk, vary=vary, seeds=range(sweep_seeds), **options)
summary = label_sweep.over_seeds(sweep)

# %% mystnb={"figure": {"caption": "Share of hidden resistant cells that step 1 finds (hidden recall) and of hidden resistant ones among those it takes (hidden precision, dashed), the same of normal cells and step 2, and of right labels with exclusion and without (dashed); simulated cells of this edition's lines.", "name": "fig-label-sweep"}, "image": {"alt": "Five panels, one for each setting, with six curves and bands each: recall and precision of hidden resistant cells and of normal cells, right labels, and right labels without exclusion."}} tags=["hide-input"]
shown = {"hidden recall": "#d55e00", "hidden precision": "#d55e00", "normal recall": "#029e73"}
shown |= {"normal precision": "#029e73", "right labels": pl.SENSITIVE}
shown |= {"right labels, no exclusion": pl.SENSITIVE}
look = {"log": ["depth", "resolution"], "base": label_sweep.BASE}
look["dashed"] = ["hidden precision", "normal precision", "right labels, no exclusion"]
_ = pl.over_settings(summary, shown, **look)


# %% tags=["remove-input"]
asked = {"hidden recall": ("depth", "shift", "hidden_resistant", "resolution", "n_hvg")}
asked |= {"hidden precision": ("depth", "shift", "hidden_resistant", "resolution")}
asked |= {f"normal {of}": ("depth", "shift") for of in ("recall", "precision")}
found = {"hidden": "hidden resistant cells", "normal": "normal cells"}
found = {f"{k} {of}": f"{of.capitalize()} of {c}" for k, c in found.items() for of in ("recall", "precision")}


# %% tags=["remove-input"]
def said(table):
    means = table.set_index(["setting", "metric", "value"]).sort_index()["mean"]
    lines = [prose.breaks(found[m], {s: means[s, m] for s in settings}) for m, settings in asked.items()]
    apart = f"The share of cells in clusters of their own arm {prose.spread(means['shift', 'arm purity'])}"
    return "- " + "\n- ".join([*lines, f"{apart} over the {prose.SWEPT['shift']}."])


Markdown(
    f"Simulations of each setting: {sweep_seeds}, of {sweep_cells} cells each. By the means over them:\n\n{said(summary)}"
)

# %% [markdown]
# Two limits can be understood without a computer.
# Step 1 asks for clusters in which treated and control cells meet.
# When treatment moves all treated cells far enough, they cluster by treatment and not by kind: no control cell lies among treated ones, and a control that hides resistant cells looks clean.
# And let a share $h$ of the control sample be resistant cells, and a share $s$ of the treated sample surviving sensitive ones: with samples of equal size, the cluster of resistant cells has a share of treated cells of $(1-s)/(1-s+h)$.
# Once this is below the dominance, every hidden cell stays where it is; yet $h$ is what one set out to find.
#
# The same sweep with ten seeds, twice the cells and finer steps, for cisplatin and the lines of GDSC2, is too long for a page; `benchmarks/label_sweep.py` wrote it.

# %% mystnb={"figure": {"caption": "The sweep of benchmarks/label_sweep.py: ten seeds of 1,200 cells, simulated from lines of GDSC2 for cisplatin. It is the same in every edition.", "name": "fig-label-sweep-full"}, "image": {"alt": "Five panels, one for each setting, with the six curves and bands of the figure before, over more values and with narrower bands."}} tags=["hide-input"]
kept_sweep = project_root() / "benchmarks" / "label_sweep.csv"
if kept_sweep.exists():
    full = label_sweep.over_seeds(pd.read_csv(kept_sweep))
    _ = pl.over_settings(full, shown, **look)

# %% tags=["remove-input"]
Markdown(said(full) if kept_sweep.exists() else "It is not among the files of this project.")

# %% [markdown]
# ### The settings, on the cells of this page
#
# The paper clusters at a resolution of 0.1 (of its own method) and warns that another choice could compromise the exclusion.
# Here is the whole labelling at other resolutions of Leiden's algorithm, on the neighbour graph of this page, and at other values of `dominance`, with its clusters.


# %% tags=["hide-input"]
def recluster(resolution):
    again = cells.copy()
    options = {"flavor": "igraph", "n_iterations": 2, "directed": False, "random_state": 0}
    sc.tl.leiden(again, resolution=resolution, key_added="cluster", **options)
    return again


# %% tags=["hide-input"]
the_rule = labels.rule_for(study.settings["cells_source"], str(project_root() / rule) if rule else "")


def outcome_of(clustered, threshold):
    response = labels.label_cells(clustered, the_rule, dominance=threshold, min_score=min_score).obs[
        "response"
    ]
    kept = response.notna() & truth.notna()
    return {
        "clusters": clustered.obs["cluster"].nunique(),
        "ARI with lines": clustering.agreement(clustered.obs["cluster"], lines)["ARI"],
        "excluded": response.isna().mean(),
        "right labels": (response == truth)[kept].mean(),
    }


# %% tags=["hide-input"]
some_resolutions, thresholds = (0.01, 0.1, 1.0, 10.0, 30.0), (0.6, 0.7, 0.8, 0.85, 0.9, 0.95)
sweeps = {
    "resolution": pd.DataFrame({x: outcome_of(recluster(x), dominance) for x in some_resolutions}).T,
    "dominance": pd.DataFrame({x: outcome_of(cells, x) for x in thresholds if threshold}).T,
}
pd.concat(sweeps, names=["setting", "value"]).astype({"clusters": int}).round(3)

# %% tags=["remove-input"]
measure, words = ("right labels", "right labels") if known else ("excluded", "excluded cells")
Markdown(
    " ".join(
        f"Over *{setting}*, the share of {words} {prose.spread(table[measure])}."
        for setting, table in sweeps.items()
        if len(table)
    )
)

# %% [markdown]
# Clusters can be too coarse, with kinds of cells together that respond differently, or too fine, with too few cells in each for its share of treated cells to be sure; the number of clusters in the table says which can have happened.
#
# ## What exclusion does to the measures
#
# Every number of the later chapters is a comparison of scores with answers.
# Exclusion leaves the scores alone and changes the answers, so its effect can be isolated: the same scores, judged three times.
#
# - *by arm*: control is sensitive, treated is resistant, nobody is excluded;
# - *after exclusion*: the labels of this chapter;
# - *truth*: the measured response of a cell's line, where it is known.
#
# Three methods that take seconds to fit on the training lines stand for all, with the two constant answers beside them.
# Left out are the shared autoencoder and all other methods, and measures of calibration but for the Brier score.
# *Degenerate* is 1 where a method calls fewer than 2 % or more than 98 % of the cells sensitive, else 0.
# No method sees any of the answers.

# %% tags=["hide-input"]
settings = {name: study.settings[name] for name in ("k", "measure")}
sizes = {name: study.settings[name] for name in ("n_hvg", "pool")}
training = pp.train_lines(bulk, cells.uns.get("held_out", []))
pair = pp.pair(labels.label_bulk(training, drug=drug, **settings), cells, **sizes)
quick = ["ridge", "LR", "SVM", "all sensitive", "all resistant"]
makers = {method: lambda seed, method=method: models.make(method, seed=seed) for method in quick}
scored_cells = evaluate.score_methods(*pair, methods=makers)

# %% tags=["hide-input"]
answers = {"by arm": "response_unfiltered", "after exclusion": "response"}
answers |= {"truth": "truth"} if known else {}
table = pd.concat(
    evaluate.judge(scored_cells, pair[1], against=column, n_draws=n_draws).assign(against=name)
    for name, column in answers.items()
)

# %% tags=["hide-input"]
cells_of = {name: obs[obs[column].notna()] for name, column in answers.items()}
pd.DataFrame(
    {
        "cells": {name: len(o) for name, o in cells_of.items()},
        "lines": {name: o["cell_line"].nunique() for name, o in cells_of.items()},
        "sensitive": {name: round(o[answers[name]].mean(), 3) for name, o in cells_of.items()},
    }
)

# %% mystnb={"figure": {"caption": "The same scores judged against three answers. Bars: 95 % intervals over cell lines (none for the flag of degenerate runs); grey points: seeds; dashed: the value without skill, where there is one.", "name": "fig-exclusion-effect"}, "image": {"alt": "One panel for each measure; in each, a row for each method with three dots and intervals: by arm, after exclusion, and truth."}} tags=["hide-input"]
wanted = "auroc auprc mcc balanced_accuracy macro_f1 f1 accuracy specificity brier".split()
wanted += ["positive_rate", "degenerate"]
flags = table[(table["metric"] == "degenerate") & (table["seed"] == 0)]  # the one run of each method
means = pd.concat([table[(table["seed"] == -1) & (table["metric"] != "degenerate")], flags.assign(seed=-1)])
wanted = [metric for metric in wanted if metric in set(means["metric"])]
colours = dict(zip(answers, (pl.NEUTRAL, "#d55e00", pl.SENSITIVE), strict=False))
chance = {"auroc": 0.5, "mcc": 0.0, "balanced_accuracy": 0.5}
figure, axes = plt.subplots(3, 4, figsize=(9.5, 7.5), sharey=True)
for ax, metric in zip(axes.flat, wanted, strict=False):
    pl.by_answer(means, metric, colours, chance=chance.get(metric), ax=ax)
for ax in axes.flat[len(wanted) :]:
    ax.set_axis_off()
_ = figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)

# %% tags=["remove-input"]
Markdown(f"{prose.effect_of_exclusion(table)} {prose.effect_of_exclusion(table, metric='mcc')}")

# %% mystnb={"code_prompt_hide": "Hide the table", "code_prompt_show": "Table: every measure of every method against the three answers"} tags=["hide-cell"]
numbers = means[means["metric"].isin(wanted)].pivot(
    index=["metric", "against"], columns="method", values="value"
)
numbers = numbers.loc[pd.MultiIndex.from_product([wanted, answers]), quick].rename(index=prose.LABELS)
prose.rounded(numbers.rename_axis(columns=None), digits=2)

# %% [markdown]
# Accuracy, F1 and AUPRC of the constant answers depend on the share of sensitive cells, and exclusion changes it.
# Intervals belong to each answer by itself, and lines are what was resampled: a thousand cells of twenty lines are twenty observations.
# Normal cells, and doublets that contain one, count as one more line.
#
# ## The price: labels become a function of expression
#
# A label by sample is crude and independent of expression.
# Once control cells are dropped *because* their expression resembles that of treated cells, those that remain differ in expression by construction.
# A method that is tested on them meets an easier task than on the cells as they came, whatever it knows of drug response.
#
# Part of a rise is that wrong labels are gone, and only what goes beyond the value against the truth is ease alone.
# How much easier the labels become can be read from the simplest rule there is: to call each cell what most cells of its cluster are labelled.
# It knows nothing of drugs.


# %% tags=["remove-input"]
def purity(label):
    kept = obs[obs[label].notna()]
    sizes = pd.crosstab(kept["cluster"], kept[label])
    return sizes.max(axis=1).sum() / sizes.to_numpy().sum()


purities = {name: purity(label) for label, name in names.items()}
Markdown(
    f"The cluster alone gives {prose.percent(purities['no exclusion'])} of the labels without exclusion and "
    f"{prose.percent(purities['with exclusion'])} with it."
)

# %% [markdown]
# Every later chapter that judges against labels of the experiment therefore judges against the truth of the line as well, and the labels without exclusion are kept in `obs["response_unfiltered"]`.
#
# ## Table 1, from the cells
#
# Table 1 of {cite:t}`he2025` counts the sensitive and the resistant cells of each data set, without saying how many were removed at which step.
# Here is the same count with every step: cells as delivered, those that fail quality control, that the rule leaves out (another time, say), that clusters or markers exclude, that no rule names, and the rest, beside what the paper prints.

# %% tags=["hide-input"]
source = study.settings["cells_source"]
sets = {name: study.of(name, its_drug) for name, its_drug in studies.items()} or {source: study}
stages = ("raw_cells", "cells", "labelled")
counted = {name: labels.count_cells(*map(one.read, stages)) for name, one in sets.items()}
paper = published.published("table1").set_index("cells_source")[["sensitive", "resistant"]]
side_by_side = pd.DataFrame(counted).T.join(paper.add_suffix(", paper"))
side_by_side.astype("Int64").astype(str).replace("<NA>", "").T

# %% tags=["remove-input"]
printed = [name for name in counted if name in paper.index]
told = [f"- {prose.against_table1(name, counted[name], paper.loc[name])}" for name in printed]
Markdown("\n".join(told) or "None of the data sets of Table 1 is used in this edition.")

# %% [markdown]
# ## What to keep in mind
#
# - The rule calls a cell resistant for having been treated and alive. A method that detects *treatment* does well on such labels without predicting response.
# - Step 1 works as far as resistant kinds of cells form clusters of their own. Lines do, and planted cells are lines. Resistant and sensitive cells of one tumour may not, so real recall may be lower than any on this page.
# - A strong effect of treatment and a control with many resistant cells both silence step 1, and nothing in the data says that it has been silenced.
# - Neither threshold was tuned on responses. `dominance` is a convention; `min_score` is set so that lines of T-cell leukaemia are not taken for normal T cells. Both are parameters of this page.
#
# ```{exercise}
# :label: exercise-labelling
# A more cautious rule would leave out, besides, the treated cells of clusters that the control dominates. Write it with `labels.mark_intrinsic_resistance`, and count what it removes. What would it do to the share of labels that the cluster alone gives?
# ```
#
# ````{solution} exercise-labelling
# :class: dropdown
# ```python
# mirrored = obs.assign(treated=~obs["treated"].astype(bool))
# suspicious = labels.mark_intrinsic_resistance(mirrored, dominance=0.8)
# kinds_of_cells[suspicious].value_counts()
# ```
# It is step 1 with the arms exchanged, and it looks for surviving sensitive cells. What it finds makes labels right more often. Since both sides are then chosen by expression, it also brings the labels still closer to the clusters.
# ````
#
# ## What was written
#
# The artefact `labelled`: the cells with `obs["cluster"]`, `obs["response"]`, `obs["response_unfiltered"]` and `obs["label_reason"]`, and the rule in `uns["rule"]`.
# The numbers of this page are in `labelling.csv`: those below, the sweep (`setting`, `at`, `low`, `high`) and the measures against each answer (`against`).

# %%
rows = [(f"right labels, {name}", value) for name, value in quality["right"].items()]
rows += [(f"labels given by the cluster alone, {name}", value) for name, value in purities.items()]
rows += [("cells excluded", excluded / stated.sum())]
_ = study.rows(summary.drop(columns="n").rename(columns={"value": "at", "mean": "value"}))
_ = study.rows(table)
by_set = pd.DataFrame(counted).T.rename_axis("dataset").melt(var_name="metric", ignore_index=False)
_ = study.rows(by_set.reset_index())
prose.written(study.rows(pd.DataFrame(rows, columns=["metric", "value"])))
