# ---
# jupyter:
#   bulk2sc:
#     reads:
#     - pair
#     - autoencoder
#     writes:
#     - ablation
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
# # What does each part add?
#
# The model of {cite:t}`he2025` has parts: an autoencoder, private encoders beside the shared one, a decoder of pathways.
# Table 3 of the paper takes them away one after the other, sets an adversary in their place, and reads from two scores on one data set that each part helps.
# Figure 5 says that adversaries make training harder.
# This chapter builds every rung of that ladder, trains each in both schedules with several seeds, and asks which differences are larger than those between seeds and between cell lines.
#
# **You will learn**
#
# - what each rung is made of, and what a step from one to the next changes;
# - whether a part helps on bulk lines left out, the only ground on which a model may be chosen, and whether it helps on the cells;
# - how the losses run with and without an adversary, and how far runs that differ in nothing but their seed and fold end apart.

# %% tags=["parameters"]
edition: str = "demo"  # edition whose settings and results are used
drug: str = "Cisplatin"  # drug, by its GDSC name
seeds: list[int] = [0, 1, 2, 3, 4]  # of each rung and schedule; each leaves out a fifth of the lines
ablation_epochs: int = 300  # at most so many epochs in each stage of training
ablation_hidden: int = 512  # width of the hidden layers
n_draws: int = 1000  # bootstrap draws over cell lines

# %%
import matplotlib.pyplot as plt
import pandas as pd
from bulk2sc.study import Study
from IPython.display import Markdown

from bulk2sc import evaluate, pl, prose
from bulk2sc import published as pub
from bulk2sc.experiments import ablation, paired, trials

# %%
pl.style()
asked = {"seeds": seeds, "ablation_epochs": ablation_epochs, "ablation_hidden": ablation_hidden}
study = Study(edition=edition, drug=drug, **asked)
bulk, cells = study.read("pair")
found = study.read("ablation")
variants = [ablation.variant(rung, schedule) for schedule in ablation.SCHEDULES for rung in ablation.RUNGS]

# %% tags=["remove-input"]
origin = prose.origin_of_cells(cells.uns, bulk.uns, study.settings["cells_source"])
size = prose.size_of_ladder(
    len(variants), study.settings, ablation.at_limit(found["curves"], ablation_epochs)
)
Markdown(f"{prose.origin_of_lines(bulk.uns)} {origin} {size}")

# %% [markdown]
# Where rungs are smaller or train for less than the edition's own model, all of them are alike in that: they can be compared with each other, and not with the edition's own model.
# A rung with an adversary has a further stage, in which it goes on learning to reconstruct and, in the joint schedule, to classify; where pretraining ended by its limit, a step that adds an adversary adds training too.
#
# ## The rungs
#
# | rung | encoders | decoders | domains are brought together by |
# |---|---|---|---|
# | base AE | one | dense | nothing but the shared weights |
# | adv AE | one | dense | a critic |
# | base share AE | shared, and a private one for each domain | dense, from both codes | the difference loss |
# | adv share AE | shared and private | dense | the difference loss and a critic |
# | domain-classifier share AE | shared and private | dense | the difference loss and a domain classifier |
# | share AE + pathways | shared and private | dense, and a sparse one by pathways | the difference loss |
#
# The paper does not say whether its base AE is one autoencoder or one for each domain; here it is one, since no classifier trained on one code could read another.
# All codes have the same width, the number of rows of the mask: its pathways and its {term}`free dimensions`.
#
# The *critic* is that of CODE-AE-ADV {cite:p}`codeae2022`, a Wasserstein adversary with gradient penalty {cite:p}`gulrajani2017`: once the training of the schedule has ended, it learns to give codes of lines higher values than codes of cells, five steps to one step of the encoder, which learns to deceive it and still has to reconstruct.
# The *domain classifier* {cite:p}`ganin2016` is a plainer adversary, trained by gradient reversal, and **not in the paper**: it is there to tell the idea of an adversary from one way to build it.
# Neither stage stops early, because no loss of an adversary says when the codes are good.
#
# Every rung is trained in both schedules: *pretrained*, autoencoder first and the classifier on fixed codes, as the paper's text has it; and *joint*, everything at once, as its code does.

# %% tags=["hide-input"]
pd.DataFrame(ablation.STEPS, index=["with it", "without it"]).T.rename_axis("what a step adds")

# %% [markdown]
# The last two steps stand beside each other in Table 3, and change two parts at once.
#
# ## How each rung does
#
# Each seed leaves out another fifth of the measured lines, and the model it trains on the others scores them: the only ground on which a model may be chosen.
# These models learn from fewer lines than those of {doc}`/notebooks/evaluation/baselines` and in some editions for fewer epochs, so that AUROCs on the cells need not agree between the pages.
# The same models score the cells.
# Dots are seeds.
# On lines, bars are 95 % intervals over folds, corrected for the overlap of their training lines; on cells, from resampling whole cell lines.
# Hyperparameters are those of the edition, for all rungs alike; nothing on this page was tuned on the cells.

# %%
validation = trials.validation(found["lines"])
table = evaluate.judge(found["cells"], cells, against="truth", n_draws=n_draws)
judged = cells.obs[cells.obs["truth"].notna()]
Markdown(prose.judged_cells(judged))

# %% mystnb={"figure": {"caption": "All rungs and both constant answers. Left: AUROC on bulk lines left out; middle and right: AUROC and Matthews correlation on the cells. Top: pretrained; bottom: joint. Blue: mean over seeds with its 95 % interval; grey: single seeds; dashed: constant answers.", "name": "fig-ladder"}, "image": {"alt": "Six panels of dots with intervals, one row per rung: three measures for each of the two schedules."}} tags=["hide-input"]
order = [*ablation.RUNGS, *trials.CONSTANTS]
panels = [
    (validation, "auroc", 0.5, "lines left out"),
    (table, "auroc", 0.5, "cells"),
    (table, "mcc", 0, "cells"),
]
figure, axes = plt.subplots(2, 3, figsize=(10, 5.6), sharey=True, sharex="col")
for row, schedule in zip(axes, ablation.SCHEDULES, strict=True):
    for ax, (judgement, metric, chance, ground) in zip(row, panels, strict=True):
        rows = judgement.assign(method=judgement["method"].str.removesuffix(f" ({schedule})"))
        rows = rows[rows["method"].isin(order)]
        pl.intervals(rows, metric, chance=chance, order=order, ax=ax)
        ax.set_title(f"{schedule}: {ground}")

# %% tags=["remove-input"]
learnt = ~table["method"].isin(trials.CONSTANTS)
Markdown(f"{prose.above_chance(table[learnt])} {prose.degenerate(table)}")

# %% [markdown]
# ## Which step is larger than chance?
#
# A step is judged by the difference between the rung with a part and the one without: on the same lines left out, fold by fold, and on the same draws of cell lines.
# All steps in both schedules make one family, and Holm's method corrects their p-values for its size.
# Intervals are not corrected, and on cells the {term}`p-value <P-value of lines>` is of another kind and mostly the stricter one, so that an interval may lie on one side of 0 while p is above .05; then nothing is claimed.

# %%
gaps = {
    "bulk lines left out": paired.on_lines(validation, ablation.step_pairs()),
    "the cells": paired.on_cells(found["cells"], cells, ablation.step_pairs(), n_draws=n_draws),
}
names = [ablation.variant(step, schedule) for schedule in ablation.SCHEDULES for step in ablation.STEPS]
by_step = {where: gap.set_axis(names) for where, gap in gaps.items()}

# %% tags=["remove-input"]
Markdown("\n".join(f"- {prose.added(gap, where)}" for where, gap in by_step.items()))

# %% mystnb={"figure": {"caption": "What each step adds to AUROC, on bulk lines left out and on the cells, with 95 % intervals (not corrected for the number of steps). Left: pretrained; right: joint.", "name": "fig-steps"}, "image": {"alt": "Two panels of dots with intervals, one row per step of the ladder and two colours for lines and cells, around a dashed line at zero."}} tags=["hide-input"]
long = pd.concat(by_step, names=["against", "step"]).reset_index().assign(seed=-1, metric="auroc")
figure, axes = plt.subplots(1, 2, figsize=(10, 3.4), sharey=True, sharex=True)
for ax, schedule in zip(axes, ablation.SCHEDULES, strict=True):
    rows = long[long["step"].str.endswith(f" ({schedule})")]
    rows = rows.assign(method=rows["step"].str.removesuffix(f" ({schedule})"))
    palette = dict(zip(by_step, (pl.NEUTRAL, pl.SENSITIVE), strict=True))
    pl.by_answer(rows, "auroc", palette, chance=0, ax=ax)
    ax.set(title=schedule, xlabel="difference in AUROC")
_ = figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=2)

# %% mystnb={"code_prompt_hide": "Hide the table", "code_prompt_show": "Table: what each step changes in AUROC, with p-values"} tags=["hide-cell"]
columns_of_gaps = [(where, c) for where in by_step for c in ("value", "low", "high", "p")]
prose.rounded(pd.concat(by_step, axis=1)[columns_of_gaps].rename(columns={"p": "p (Holm)"}))

# %% [markdown]
# ## Which schedule?
#
# These comparisons of the two schedules, one a rung, are another family, corrected in the same way.

# %%
pairs = ablation.schedule_pairs()
schedules = {
    "bulk lines left out": paired.on_lines(validation, pairs),
    "the cells": paired.on_cells(found["cells"], cells, pairs, n_draws=n_draws),
}
by_rung = {where: gap.set_axis(ablation.RUNGS) for where, gap in schedules.items()}

# %% tags=["remove-input"]
mean = [
    t[(t["metric"] == "auroc") & (t["seed"] == -1)].set_index("method")["value"].loc[variants]
    for t in (validation, table)
]
Markdown(
    "\n".join(f"- {prose.better_schedule(gap, where)}" for where, gap in by_rung.items())
    + f"\n- {prose.rung_chosen(*mean)}"
)

# %% mystnb={"code_prompt_hide": "Hide the table", "code_prompt_show": "Table: AUROC of every rung, joint minus pretrained"} tags=["hide-cell"]
both = pd.concat(by_rung, axis=1, names=["joint minus pretrained"])[columns_of_gaps]
prose.rounded(both.rename(columns={"p": "p (Holm)"}))

# %% [markdown]
# ## How the losses run
#
# Figure 5 of the paper sets the loss of a model with an adversary beside that of its own model.
# Here are both, every seed a line: the reconstruction, and what the critic says of the codes.
# Its *distance* estimates how far the codes of the domains are apart; the *gradient penalty* tells whether it may be believed, since a critic whose gradients are far from length 1 measures no distance.
# Where the distance is negative, the critic has lost track of the encoder and estimates none, whatever the penalty.

# %% mystnb={"figure": {"caption": "Losses of the adversarial strategy (adv share AE) and of the shared one (share AE + pathways), a line a seed. Top: pretrained; bottom: joint. Blue: the training of the schedule; orange: the adversarial stage; solid: training; dashed: validation, which in the joint schedule does not look at reconstruction. The adversarial stage starts from the weights of the best epoch before it, and not from those of the last.", "name": "fig-losses"}, "image": {"alt": "Eight panels of loss curves: reconstruction of two models, critic distance and gradient penalty, for two schedules."}} tags=["hide-input"]
columns = {
    ("adv share AE", "reconstruction"): "adversarial",
    ("share AE + pathways", "reconstruction"): "pathways",
    ("adv share AE", "distance"): "critic's distance",
    ("adv share AE", "gradient penalty"): "gradient penalty",
}
curves = found["curves"]
figure, axes = plt.subplots(2, 4, figsize=(9.5, 4.8), sharex="col")
for row, schedule in zip(axes, ablation.SCHEDULES, strict=True):
    for ax, ((rung, term), title) in zip(row, columns.items(), strict=True):
        pl.stages(curves[curves["method"] == ablation.variant(rung, schedule)], term=term, ax=ax)
        ax.set_title(f"{title}, {schedule}", fontsize="medium")
    row[1].sharey(row[0])
pl.stage_legend(figure)

# %% tags=["remove-input"]
rung = "adv share AE"
distances = {s: ablation.last_distances(curves, ablation.variant(rung, s)) for s in ablation.SCHEDULES}
Markdown(f"*{rung}*: {prose.critic_lost(distances)}")

# %% [markdown]
# And what each rung's validation watches: reconstruction when an autoencoder is pretrained, cross-entropy in the joint schedule.

# %% mystnb={"figure": {"caption": "The watched loss of every rung, a line a seed. Top: reconstruction, pretrained; bottom: cross-entropy, joint. Colours and lines as above.", "name": "fig-watched"}, "image": {"alt": "Twelve panels of loss curves, six rungs for each of two schedules, training solid and validation dashed."}} tags=["hide-input"]
figure, axes = plt.subplots(2, len(ablation.RUNGS), figsize=(10.5, 4.4), sharey="row")
for row, schedule, term in zip(axes, ablation.SCHEDULES, ("reconstruction", "cross-entropy"), strict=True):
    for ax, rung in zip(row, ablation.RUNGS, strict=True):
        pl.stages(curves[curves["method"] == ablation.variant(rung, schedule)], term=term, ax=ax)
        ax.label_outer()
    row[0].set_ylabel(f"{term},\n{schedule}")
for ax, rung in zip(axes[0], ablation.RUNGS, strict=True):
    ax.set_title(rung.replace(" ", "\n", 1), fontsize="medium")
pl.stage_legend(figure)

# %%
kept = ablation.kept_losses(curves)
losses = ablation.over_seeds(ablation.final_losses(kept))
change = losses[(losses["metric"] == "change by the adversary") & (losses["seed"] == -1)].set_index("method")
fitted = losses[(losses["metric"] == "overfitting") & (losses["seed"] >= 0)]
gap = fitted.pivot(index="seed", columns="method", values="value")
strategies = {
    s: (ablation.variant("adv share AE", s), ablation.variant("share AE + pathways", s))
    for s in ablation.SCHEDULES
}

# %% tags=["remove-input"]
epochs = kept.groupby(["method", "seed"], sort=False)["epoch"].first().groupby("method").median()
stops = [
    f"{s}, {epochs[[ablation.variant(r, s) for r in ablation.RUNGS]].median():.0f}"
    for s in ablation.SCHEDULES
]
Markdown(
    f"The first stage keeps the weights of its best epoch, in the median over rungs and seeds: {prose.listing(stops)}."
)

# %% tags=["remove-input"]
overfitting = [prose.overfits(ablation.t_interval(gap[a] - gap[b]), a, b) for a, b in strategies.values()]
Markdown("\n".join(f"- {sentence}" for sentence in [prose.under_adversary(change), *overfitting]))

# %% [markdown]
# Overfitting is the cross-entropy on lines held out from the training of a run minus that on the lines it was trained on, at the weights that are kept.
# In the joint schedule these are the last of a stage with an adversary, which does not stop early, and the best of one without: there, part of a difference is early stopping.
# The intervals of this section are t intervals over seeds, of each rung by itself: they are not corrected for the number of rungs.
# They say what another run would do, not what other lines would.

# %% mystnb={"code_prompt_hide": "Hide the table", "code_prompt_show": "Table: losses of every rung, means over seeds"} tags=["hide-cell"]
final = losses[losses["seed"] == -1].assign(
    text=lambda t: [prose.interval(r.value, r.low, r.high, digits=3) for r in t.itertuples()]
)
final.pivot(index="method", columns="metric", values="text").loc[variants].fillna("")

# %% [markdown]
# ## How far runs differ
#
# Stability is measured by the standard deviation over seeds, of the loss that a run ends with and of AUROC.
# A seed decides the initial weights, the batches and the fold of lines left out, so the spread has all three in it; but it has them in every rung alike, and ratios of spreads are for pairs of runs with the same seed and fold (Pitman-Morgan interval, of each ratio by itself).

# %%
ends = pd.concat(
    [
        losses.loc[losses["metric"] == "validation loss"].assign(measure="validation loss"),
        validation.loc[validation["metric"] == "auroc"].assign(measure="AUROC on lines"),
        table.loc[table["metric"] == "auroc"].assign(measure="AUROC on cells"),
    ]
).query("seed >= 0 and method in @variants")
measures = ends["measure"].unique()
wide = ends.pivot(index="seed", columns=["measure", "method"], values="value")
spreads = pd.DataFrame(
    [{"measure": m, "method": a, **ablation.spread(wide[m, a])} for m in measures for a in variants]
)

# %% mystnb={"figure": {"caption": "Standard deviation over seeds of the final validation loss (reconstruction if pretrained, cross-entropy if joint, so the colours of the left panel do not compare), of AUROC on lines left out and on the cells, with 95 % chi-square intervals.", "name": "fig-spread"}, "image": {"alt": "Three panels of dots with intervals, one row per rung and two colours for the schedules: spread of the loss, of AUROC on lines and of AUROC on cells."}} tags=["hide-input"]
parts = spreads["method"].str.extract(r"(?P<method>.*) \((?P<against>.*)\)")
palette = dict(zip(ablation.SCHEDULES, (pl.NEUTRAL, pl.SENSITIVE), strict=True))
figure, axes = plt.subplots(1, 3, figsize=(9.5, 3.2), sharey=True)
for ax, measure in zip(axes, measures, strict=True):
    rows = spreads.assign(**parts, seed=-1, metric="sd")[spreads["measure"] == measure]
    pl.by_answer(rows, "sd", palette, ax=ax)
    ax.set_xlabel(f"standard deviation of\n{measure}")
    if rows["value"].gt(0).any():
        pl.log_axis(ax).tick_params(axis="x", labelsize="x-small")
_ = figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=2)

# %% tags=["remove-input"]
ratios = {
    pair: pd.DataFrame({m: ablation.spread_ratio(wide[m, pair[0]], wide[m, pair[1]]) for m in measures}).T
    for pair in strategies.values()
}
Markdown("\n".join(f"- {prose.spreads(ratio, *pair)}" for pair, ratio in ratios.items()))

# %% [markdown]
# ## Are the domains brought together?
#
# An adversary exists to make codes of lines and of cells alike.
# Whether it succeeds is asked of an outsider that had no part in training: a support vector machine that has to tell them apart, on lines it has not seen.
# At .5 it cannot.
# {doc}`/notebooks/evaluation/calibration` asks the same with intervals over lines.

# %% mystnb={"figure": {"caption": "How well a support vector machine tells the lines a model was trained on from the cells by their codes. Blue: mean over seeds with its 95 % t interval, not corrected for the number of rungs; grey: single seeds. Left: pretrained; right: joint.", "name": "fig-told-apart"}, "image": {"alt": "Two panels of dots with intervals, one row per rung: AUROC of telling lines from cells."}} tags=["hide-input"]
apart = found["looks"].groupby(["method", "seed"], sort=False)["auroc"].mean().rename("value").reset_index()
apart = ablation.over_seeds(apart.assign(metric="domain_auroc"))
figure, axes = plt.subplots(1, 2, figsize=(8.5, 2.5), sharey=True, sharex=True)
for ax, schedule in zip(axes, ablation.SCHEDULES, strict=True):
    rows = apart[apart["method"].str.endswith(f" ({schedule})")]
    rows = rows.assign(method=rows["method"].str.removesuffix(f" ({schedule})"))
    pl.intervals(rows, "domain_auroc", chance=0.5, order=ablation.RUNGS, ax=ax).set_title(schedule)

# %% tags=["remove-input"]
by_seed = apart[apart["seed"] >= 0].pivot(index="seed", columns="method", values="value")
without = [
    (a, b)
    for a, b in ablation.step_pairs()
    if a.startswith(ablation.ADVERSARIAL) and not b.startswith(ablation.ADVERSARIAL)
]
moved = ablation.paired_over_seeds(by_seed, without)
Markdown(prose.harder_to_tell(moved.assign(auroc=by_seed.mean())))

# %% [markdown]
# Each rung with an adversary was compared with the same rung without, by a paired t test over seeds, and the p-values were corrected together by Holm's method; intervals are not.
# They speak of another run with other seeds, and not of other cell lines.
#
# ## Beside Table 3
#
# The paper's numbers are of one data set, GSE117872 with cisplatin; a row of this table compares them with what the same rung scores on the cells of this page.
# Accuracy and F1 move with the share of sensitive cells, so the constant answers stand below: on the paper's cells, and on these.

# %% tags=["hide-input"]
printed = pub.published("cisplatin").query("where == 'Table 3'")
counts = pub.published("table1").set_index("cells_source").loc["GSE117872", ["sensitive", "resistant"]]
constant = pub.constant_answers(pub.published("table1")).query("cells_source == 'GSE117872'")
paper = pd.concat([printed, constant.rename(columns={"answer": "method"})]).set_index("method")[
    ["accuracy", "f1"]
]
mean = table[table["seed"] == -1].pivot(index="method", columns="metric", values="value")
shown = {"paper": paper}
for schedule in ablation.SCHEDULES:
    named = [m if m in trials.CONSTANTS else ablation.variant(m, schedule) for m in paper.index]
    shown[f"here, {schedule}"] = mean.loc[named, ["accuracy", "f1", "mcc"]].set_axis(paper.index)
prose.rounded(pd.concat(shown, axis=1).rename(columns=prose.LABELS | {"mcc": "MCC"}))

# %% tags=["remove-input"]
here = {
    schedule: shown[f"here, {schedule}"].loc[printed["method"], "accuracy"] for schedule in ablation.SCHEDULES
}
Markdown(prose.beside_table_3(paper.loc[printed["method"], "accuracy"], here))

# %% [markdown]
# What the paper's pairs of scores say about the answers behind them ({doc}`/notebooks/evaluation/what-accuracy-hides` explains how):

# %% tags=["remove-input"]
implied = pub.implied(printed, *counts.astype(int))
Markdown("\n".join(f"- {line}" for line in prose.implied_answers(implied, counts.astype(int))))

# %% [markdown]
# All of this page's models in numbers, with 95 % intervals over cell lines; the last column names the seeds whose run is degenerate, calling under 2 % or over 98 % of the cells sensitive.

# %% tags=["hide-input"]
every = [*variants, *trials.CONSTANTS]
numbers = prose.with_intervals(table, ["auroc", "mcc", "accuracy", "f1", "positive_rate"], every)
numbers.join(ablation.degenerate_seeds(table, every))

# %% [markdown]
# ## What to keep in mind
#
# - A part may help in a way that no test here can see: intervals over few lines are wide, and a correction for many steps makes them wider.
# - Seeds and folds go together, so a spread over seeds is not the spread of training alone.
# - A rung has the settings of the full model. Another learning rate or a longer adversarial stage may suit it better; with labels of bulk lines alone, that can be searched, and this page does not.
#
# ```{exercise}
# :label: exercise-ablation
# The critic may be too weak for its task, or the encoder unable to deceive it. Which curves tell the two apart? What would you expect of the distance if the encoder stood still?
# ```
#
# ````{solution} exercise-ablation
# :class: dropdown
# With an encoder that stands still, the critic learns the distance of two fixed clouds: the distance rises and levels off while the gradient penalty falls towards 0.
# If the encoder wins, the distance falls again. If the critic is too weak, the distance stays low while the support vector machine above still tells the domains apart.
# ```python
# curves.query("term == 'distance'").groupby(["method", "epoch"])["value"].mean().unstack(0).plot()
# ```
# ````
#
# ## What was written
#
# Tidy rows of every model, seed and metric on cells (`truth`), on lines left out (`lines`) and in training, with all differences, in `ablation.csv` in the results of the edition; the loss curves and the scores themselves are in the artefact `ablation`.

# %%
differences = [
    paired.tidy(gap, against)
    for gap, against in (
        (gaps["bulk lines left out"], "lines"),
        (gaps["the cells"], "truth"),
        (schedules["bulk lines left out"], "lines"),
        (schedules["the cells"], "truth"),
    )
]
judged_against = {"truth": table, "lines": validation, "training": losses, "domain": apart}
rows = [rows.assign(against=against) for against, rows in judged_against.items()]
spread_rows = spreads.rename(columns={"measure": "metric"}).assign(seed=-1, against="spread over seeds")
prose.written(study.rows(pd.concat([*rows, spread_rows, *differences], ignore_index=True)).tail(3))
