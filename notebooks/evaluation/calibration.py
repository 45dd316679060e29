# ---
# jupyter:
#   bulk2sc:
#     reads:
#     - pair
#     - autoencoder
#     - scores
#     writes:
#     - alignment
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
# # Do the domains meet, and do the scores mean what they say?
#
# A classifier learns on the code of lines and is used on the code of cells.
# That is sound if both domains meet in this code; adversaries are added to make them meet.
# And a score that is called a probability should behave like one: of the cells scored .8, eight in ten should be sensitive.
# This chapter measures both, and then asks two things a user needs: can the scores be corrected where the share of sensitive cells is another, and does the uncertainty of an ensemble know when it is wrong?
#
# **You will learn**
#
# - how far lines and cells are apart before and after training, by a classifier of domains and by the {term}`MMD`, and whether closer domains go with better predictions;
# - how wrong the probabilities are, and how much of that few lines explain by chance;
# - when correcting for the share of sensitive cells helps, and what it assumes;
# - whether the cells a method is sure of are the ones it gets right.

# %% tags=["parameters"]
edition: str = "demo"  # edition whose settings and results are used
drug: str = "Cisplatin"  # drug, by its GDSC name
alignment_seeds: int = 5  # fits of each model whose code is looked at
alignment_epochs: int = 300  # at most so many epochs in each stage of their training
alignment_hidden: int = 512  # width of their hidden layers
n_draws: int = 500  # bootstrap draws over cell lines

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown

from bulk2sc import calibration, evaluate, models, pl, prose
from bulk2sc.experiments import alignment
from bulk2sc.study import Study

# %%
pl.style()
size = {"alignment_epochs": alignment_epochs, "alignment_hidden": alignment_hidden}
study = Study(edition=edition, drug=drug, alignment_seeds=alignment_seeds, **size)
bulk, cells = study.read("pair")
judged = cells.obs[cells.obs["truth"].notna()]

# %% tags=["remove-input"]
Markdown(
    f"{prose.origin_of_cells(cells.uns, bulk.uns, study.settings['cells_source'])} "
    f"{prose.judged_cells(judged)} "
    f"The cost of this page: {len(study.settings['rungs'])} models, each fitted with {prose.counted(alignment_seeds, 'seed')}, of at most "
    f"{alignment_epochs} epochs a stage and {alignment_hidden} hidden units; the "
    f"models whose scores are compared further down are others, with {study.settings['max_epochs']} and {study.settings['hidden']}."
)

# %% [markdown]
# ## Do the domains meet?
#
# Two measures, on the same profiles of training lines and cells:
#
# - The **AUROC of the domain**: a support vector machine with an RBF kernel learns to tell lines from cells, in five folds that keep cell lines whole. .5 says it cannot, 1 that the domains are separate.
# - The **squared MMD** {cite:p}`gretton2012`: how alike two profiles of one domain are, minus how alike profiles of both are, by a Gaussian kernel as wide as the median distance. The estimate is unbiased, so it is 0 on average where both domains are one, and may be negative.
#
# Cells of one line are {term}`pseudo-replicates`, so the unit of the MMD is the line: no line is compared with itself, the interval resamples lines, and the null deals the domains to lines at random.
# Otherwise twenty lines of many cells would differ from the rest for no other reason than being twenty lines.
#
# They are applied before training, to the scaled genes and to as many of their principal components as the code is wide, and to the shared code of four models:
# the edition's shared autoencoder, the same without its pathway decoder (*base share AE*), and this one after a contest with an adversary: the critic of CODE-AE {cite:p}`codeae2022`, or a classifier of domains.
# With the same seed the last three are pretrained in exactly the same way, so *base share AE* is the state before the contest.

# %%
found = study.read("alignment")
mean_of_folds = found["auroc"].groupby(["method", "fold"], sort=False)["auroc"].mean().reset_index()
domain = evaluate.over_folds(mean_of_folds, folds=5).query("seed == -1 and metric == 'auroc'")
seeds = found["auroc"].groupby(["method", "seed"], sort=False)["auroc"].mean().rename("value").reset_index()
domain = pd.concat([domain, seeds]).assign(metric="domain_auroc")
draws = found["mmd"].groupby(["method", "draw"], sort=False)["mmd"].mean().unstack()
views = list(found["mmd"]["method"].unique())
draws = draws.loc[views]
distance = [{"method": m, "seed": -1, **calibration.with_interval(d.to_numpy())} for m, d in draws.iterrows()]
of_seeds = found["mmd"].query("draw == -1").rename(columns={"mmd": "value"})[["method", "seed", "value"]]
distance = pd.concat([pd.DataFrame(distance), of_seeds]).assign(metric="mmd")
null = found["mmd"].groupby(["method", "seed"], sort=False)["null"].quantile(0.95).groupby("method").mean()
null = null.rename("upper").to_frame()

# %% mystnb={"figure": {"caption": "How far lines and cells are apart, before training (upper two rows) and in the code of four models. Blue: mean over seeds with its 95 % interval, over folds (left) and over cell lines (right); grey points: seeds; grey bars: 95 % of what lines dealt to the domains at random reach.", "name": "fig-domains"}, "image": {"alt": "Two panels of dots with intervals, one row per view of the data: AUROC of a domain classifier and squared MMD."}} tags=["hide-input"]
figure, axes = plt.subplots(1, 2, figsize=(9, 2.8), sharey=True)
pl.intervals(domain, "domain_auroc", chance=0.5, order=views, ax=axes[0])
pl.intervals(distance, "mmd", chance=0, order=views, ax=axes[1])
_ = pl.expected_by_chance(null, views, ax=axes[1])

# %% tags=["remove-input"]
areas = domain[domain["seed"] == -1].set_index("method")
gaps = distance[distance["seed"] == -1].set_index("method")
Markdown(
    f"- {prose.separations(areas.loc[views])}\n- {prose.distant(gaps.loc[views], null.loc[views, 'upper'])}"
)

# %% [markdown]
# Each view is held against its own bar, one by one: of twenty views without any difference, one would pass it.
#
# ### What the adversaries did
#
# Differences are taken fold by fold and draw by draw, on the same lines.
# Their p-values, of all pairs by both measures, are corrected together by Holm's method; closer or further apart takes a corrected p below .05 and an interval on one side of 0.
# Near 0 the interval of an MMD is not to be trusted, for resampling changes its distribution there; so a difference of two that are both within chance counts as none.
# Before the contest: *base share AE*. Before everything: the genes.


# %%
pairs = [("shared AE", "genes"), ("base share AE", "genes")]
pairs += [(a, b) for a in views[4:] for b in ("base share AE", "genes")]
moves = alignment.differences(mean_of_folds, draws, pairs)


# %% tags=["remove-input"]
def closer(code: str, reference: str) -> str:
    """Say how far the domains are apart in one view and another, by both measures."""
    of = moves[(moves["first"] == code) & (moves["second"] == reference)]
    gaps = of.set_index(of["metric"].map(alignment.MEASURES))[["value", "low", "high", "p"]].T.to_dict()
    if areas.loc[reference, "value"] < 0.5:
        del gaps["AUROC of the domain"]  # below .5 is no closeness that could be lost
    gaps["MMD"]["by_chance"] = all(draws.loc[v, -1] <= null.loc[v, "upper"] for v in (code, reference))
    return prose.moved(code, f"*{reference}*", gaps)


Markdown("\n".join(f"- {closer(*pair)}" for pair in pairs))

# %% tags=["hide-input"]
shown = moves.rename(columns={"p": "p (Holm)"}).assign(metric=moves["metric"].map(prose.heading))
prose.rounded(shown.set_index(["first", "second", "metric"]))

# %% [markdown]
# The measures need not agree.
# The classifier weighs all dimensions alike, finds any difference, also one of spread alone, and does not say how large it is; the MMD looks at distances as they are in the code, where a few wide dimensions count most, and hardly sees small shifts in hundreds of dimensions.
# A value below .5 of the first is possible too: domains that were each z-scored have equal means, so those of the folds left out lie opposite to the others.
# That is no closeness, so nothing is compared with such a view by this measure.
# It happens where most dimensions are noise, each weighed alike: the leading components alone, which {doc}`/notebooks/model/shared-encoder` asks, may part the same domains well.
#
# ### Do closer domains predict better?
#
# Each fit of a model with one seed gives a point: how far its domains are apart, and how well it ranks the cells.

# %%
table = evaluate.judge(found["scores"], cells, against="truth", n_draws=n_draws)
on_cells = table[(table["metric"] == "auroc") & (table["seed"] >= 0)].set_index(["method", "seed"])["value"]
fits = (
    pd.DataFrame(
        {
            "domain_auroc": seeds.set_index(["method", "seed"])["value"],
            "mmd": of_seeds.set_index(["method", "seed"])["value"],
            "auroc": on_cells,
        }
    )
    .reindex(on_cells.index)
    .reset_index()
)

# %% mystnb={"figure": {"caption": "Every fit: distance of the domains in its code, and AUROC on the cells. Left is closer, up is better.", "name": "fig-alignment-prediction"}, "image": {"alt": "Two scatter plots of AUROC on the cells against the AUROC of the domain and the squared MMD, one marker per model."}} tags=["hide-input"]
colours = dict(
    zip(study.settings["rungs"], [pl.SENSITIVE, pl.NEUTRAL, pl.RESISTANT, "#029e73"], strict=False)
)
figure, axes = plt.subplots(1, 2, figsize=(8, 3), sharey=True)
for ax, measure in zip(axes, ("domain_auroc", "mmd"), strict=True):
    pl.fits(fits, measure, "auroc", colours=colours, ax=ax)
axes[0].set_ylabel("AUROC on the cells")
axes[1].set_ylabel("")
_ = figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize="small")

# %% tags=["remove-input"]
names = {"domain_auroc": "AUROC of the domain", "mmd": "MMD"}
related = [prose.goes_with(fits, m, "auroc", names=(name, "AUROC on the cells")) for m, name in names.items()]
Markdown(" ".join([prose.meets_and_predicts(fits, names), *related, prose.degenerate(table)]))

# %% [markdown]
# Few points of few models decide little: fits of one model resemble each other, and all of them meet the same lines.
#
# ## Do the scores mean what they say?
#
# From here on the scores are those of {doc}`/notebooks/evaluation/baselines`, of all its methods.
# The reference is the *mean effect*: every cell gets the share of sensitive lines in the training.
# It is right on average and knows nothing of a cell; the **Brier skill** is the share of its {term}`Brier score` that a method saves.
#
# The score is divided as *miscalibration - discrimination + uncertainty* {cite:p}`dimitriadis2021`.
# Miscalibration is what the best monotone relabelling of the scores would save, discrimination what remains of use after it, uncertainty the score of the true share.
# The division is exact and needs no bins; with few lines the relabelling flatters itself, and both gains are somewhat too large.
#
# The **expected calibration error** (ECE) {cite:p}`naeini2015` is the mean distance between score and share of sensitive cells, in ten bins of equal numbers of cells.
# It cannot be negative, so even exact scores do not reach 0.
# How far they would get is drawn beside it: each line is dealt one uniform number, and its cells that score above it count as sensitive, which makes every score right on average and lets cells of a line share their fate.
# The bootstrap pushes such measures up once more; their intervals are moved back by the mean of that push.
#
# From here on every question is put to all methods of a table at once, constant answers among them, which sentences do not name: its {term}`p-values <P-value of lines>` are one family and corrected by Holm's method.
# A method is said to be above or below 0 where its interval is and its corrected p is below .05; p is mostly the stricter of the two.
# Only the grey bars and bands hold for each method by itself: of twenty with exact scores, one would pass its bar.

# %%
scores = study.read("scores")
if "mean effect" not in set(scores["method"]):
    reference = {"mean effect": lambda seed: models.make("mean effect")}
    scores = pd.concat([scores, evaluate.score_methods(bulk, cells, methods=reference)], ignore_index=True)
methods = list(scores["method"].unique())
constant = [method for method in methods if method.startswith(("all ", "mean effect"))]
learners = [method for method in methods if method not in constant]
share = float(bulk.obs["response"].mean())
measure, asked = calibration.calibration(share), {"tested": ["brier_skill"], "n_draws": n_draws}
quality = calibration.measured(scores, cells, measure, inflated=calibration.INFLATED, **asked)
runs = evaluate.judge(scores, cells, n_draws=1).query("metric == 'degenerate' and seed >= 0")
chance = calibration.chance_errors(scores, cells, n_draws=n_draws)

# %% mystnb={"figure": {"caption": "Brier skill against the mean effect (dashed: none) and expected calibration error. Blue: mean over seeds with its 95 % interval over cell lines; grey points: seeds; grey bars: 95 % of what exact scores would show on these lines. Intervals are not corrected for the number of methods; the text asks for a corrected p as well.", "name": "fig-calibration"}, "image": {"alt": "Two panels of dots with intervals, one row per method: Brier skill and expected calibration error."}} tags=["hide-input"]
figure, axes = plt.subplots(1, 2, figsize=(9, 0.3 * len(methods) + 1), sharey=True)
pl.intervals(quality, "brier_skill", chance=0, order=methods, ax=axes[0])
pl.intervals(quality, "ece", order=methods, ax=axes[1])
_ = pl.expected_by_chance(chance, methods, ax=axes[1])

# %% tags=["remove-input"]
of_learners = quality[(quality["seed"] == -1) & quality["method"].isin(learners)]
skill = of_learners[of_learners["metric"] == "brier_skill"]
errors = of_learners[of_learners["metric"] == "ece"].set_index("method")["value"]
Markdown(
    f"{prose.sides(skill, 'skill')} {prose.calibrated(errors, chance['upper'])} {prose.degenerate(runs)}"
)

# %% tags=["hide-input"]
prose.with_intervals(quality, ["brier", "miscalibration", "discrimination", "ece"], methods).assign(
    **{"ECE of exact scores, up to": prose.rounded(chance, digits=2)["upper"]}
)

# %% mystnb={"code_prompt_hide": "Hide the table", "code_prompt_show": "Table: Brier skill of every method, with p-values"} tags=["hide-cell"]
prose.with_p(quality, {"brier_skill": "Brier skill (p by Holm)"}, methods)

# %% [markdown]
# A reliability plot shows where the error lies.
# Above the diagonal the scores are too low, below it too high; a curve that is steeper than the diagonal belongs to scores that are too timid.

# %%
some = scores[scores["method"].isin(learners)]
points = calibration.reliabilities(some, cells, n_draws=n_draws)

# %% mystnb={"figure": {"caption": "Reliability of the scores, in ten bins of equal numbers of cells. Blue: all seeds pooled, so that each cell counts once a seed, with 95 % intervals over cell lines; thin grey lines: single seeds. Grey band: the middle 95 % of what exact scores, so pooled, would show on these lines.", "name": "fig-reliability"}, "image": {"alt": "One reliability curve per method with intervals, over the diagonal and a grey band."}} tags=["hide-input"]
n_rows = -(-len(learners) // 4)
figure, axes = plt.subplots(n_rows, 4, figsize=(10, 2.7 * n_rows), sharey=True, squeeze=False)
for ax in axes.flat[len(learners) :]:
    ax.set_axis_off()
for ax, method in zip(axes.flat, learners, strict=False):
    pl.reliability(points[points["method"] == method], ax=ax).set_title(method)

# %% [markdown]
# ## Another share of sensitive cells
#
# The training has its own share of sensitive lines, fixed by how the tails are cut; a tumour has another.
# If sensitive cells look alike in both, and resistant ones too, Bayes' rule turns scores for one share into scores for the other, and the share can be found from the scores alone, by expectation and maximisation {cite:p}`saerens2002`.
# No label is used for that; the *oracle* beside it is told the true share, of every draw anew, and stands for the best that such a correction could do: in the Brier score its intervals lean towards a gain, and for a constant answer it cannot lose; accuracy and F1 can.
#
# First a test of the estimate: known cells are weighted so that the true share takes several values.

# %%
thinned = calibration.estimates_when_thinned(some, cells, np.linspace(0.1, 0.9, 9), share)

# %% mystnb={"figure": {"caption": "Share of sensitive cells estimated from scores alone, against the true share among weighted cells. Grey: seeds; blue: their mean; dashed: exact.", "name": "fig-prior"}, "image": {"alt": "One panel per method of estimated against true share, with the diagonal."}} tags=["hide-input"]
figure, axes = plt.subplots(n_rows, 4, figsize=(10, 2.7 * n_rows), sharey=True, squeeze=False)
for ax in axes.flat[len(learners) :]:
    ax.set_axis_off()
for ax, method in zip(axes.flat, learners, strict=False):
    pl.thinned(thinned[thinned["method"] == method], ax=ax).set_title(method)

# %% [markdown]
# Then the cells as they are: the share that each method estimates from all of them, judged or not, and what the correction does to the judged ones.
# Every draw of lines makes its own estimate.
# Where many cells are not judged, they are part of the estimate and not of the true share, and so of the difference between the two.

# %%
asked = {"tested": calibration.DIFFERENCES, "n_draws": n_draws}
shift = calibration.measured(scores, cells, calibration.prior_shift(share), **asked)
shift_of_learners = shift[shift["method"].isin(learners)]
kinds = {"estimated": pl.SENSITIVE, "oracle (sees the labels)": pl.RESISTANT}
effects = [
    shift_of_learners.assign(
        against=name,
        metric=shift_of_learners["metric"].str.removesuffix(f", {name.split()[0]} minus as they are"),
    )
    for name in kinds
]
effects = pd.concat(effects, ignore_index=True).query("metric in ['brier', 'ece', 'accuracy', 'f1']")

# %% mystnb={"figure": {"caption": "What correcting the scores for the share of sensitive cells changes: means over seeds with 95 % intervals over cell lines, and seeds as grey points. Left of 0 is better for the Brier score and the calibration error, right of 0 for accuracy and F1. Intervals are not corrected for the number of methods; the text asks for a corrected p as well.", "name": "fig-prior-shift"}, "image": {"alt": "Four panels of differences with intervals, one row per method, for the estimated share and the true one."}} tags=["hide-input"]
figure, axes = plt.subplots(2, 2, figsize=(8.5, 0.6 * len(learners) + 2), sharey=True)
for ax, metric in zip(axes.flat, ("brier", "ece", "accuracy", "f1"), strict=True):
    pl.by_answer(effects, metric, kinds, chance=0, ax=ax)
    ax.set_xlabel(f"change of {prose.LABELS[metric]}")
_ = figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)

# %% tags=["remove-input"]
means = shift_of_learners[shift_of_learners["seed"] == -1]
off = means[means["metric"] == "share, estimated minus true"]
sentences = [prose.sides(off, "share")]
for name in kinds:
    change = means[means["metric"] == f"brier, {name.split()[0]} minus as they are"]
    sentences.append(prose.sides(change, name.split()[0]))
Markdown(" ".join(sentences))

# %% mystnb={"code_prompt_hide": "Hide the table", "code_prompt_show": "Table: share of sensitive cells and Brier score, as the scores are and corrected"} tags=["hide-cell"]
kinds_of_score = ("as they are", "estimated", "oracle")
shares = ["share, true", "share, estimated", *(f"brier, {s}" for s in kinds_of_score)]
prose.with_intervals(shift, shares, methods)

# %% mystnb={"code_prompt_hide": "Hide the table", "code_prompt_show": "Table: accuracy and F1, as the scores are and corrected"} tags=["hide-cell"]
calls = [f"{metric}, {s}" for metric in ("accuracy", "f1") for s in kinds_of_score]
prose.with_intervals(shift, calls, methods)

# %% mystnb={"code_prompt_hide": "Hide the table", "code_prompt_show": "Table: what the correction changes in share and Brier score, with p-values"} tags=["hide-cell"]
changes = {
    f"{metric}, {scores_as} minus as they are": prose.heading(f"{metric}, {scores_as}")
    for metric in ("brier", "accuracy", "f1")
    for scores_as in ("estimated", "oracle")
}
off_by = {"share, estimated minus true": "share, estimated minus true"}
prose.with_p(shift, off_by | {m: name for m, name in changes.items() if "brier" in m}, methods)

# %% mystnb={"code_prompt_hide": "Hide the table", "code_prompt_show": "Table: what the correction changes in accuracy and F1, with p-values"} tags=["hide-cell"]
prose.with_p(shift, {m: name for m, name in changes.items() if "brier" not in m}, methods)

# %% [markdown]
# These cells have one share, and it may be close to that of the training, where a correction has little to do.
# So the same is asked of weighted cells, as in the test above: what does the correction change where one cell in ten is sensitive, or nine in ten? P-values are corrected by Holm's method, for each share by itself.


# %%
def at(s):
    return calibration.where_share_is(s, calibration.prior_shift(share))


elsewhere = {s: calibration.measured(scores, cells, at(s), **asked) for s in (0.1, 0.9)}

# %% tags=["remove-input"]
of_brier = "brier, estimated minus as they are"
asked_of = "seed == -1 and metric == @of_brier and method in @learners"
said = {s: prose.sides(table.query(asked_of), "estimated") for s, table in elsewhere.items()}
Markdown("\n".join(f"- Where {prose.percent(s)} of the cells are sensitive: {t}" for s, t in said.items()))

# %% mystnb={"code_prompt_hide": "Hide the table", "code_prompt_show": "Table: what the correction changes at other shares, with p-values"} tags=["hide-cell"]
renamed = [t.assign(metric=t["metric"] + f", at {s:g}") for s, t in elsewhere.items()]
columns = {
    f"brier, {kind} minus as they are, at {s:g}": prose.heading(f"brier, {kind}, at {s:g}")
    for s in elsewhere
    for kind in ("estimated", "oracle")
}
prose.with_p(pd.concat(renamed), columns, methods)

# %% [markdown]
# The correction trusts the scores to be right where they were made.
# Scores that are already wrong in the cells, because the domains differ in more than the share, mislead the estimate, and a wrong estimate can make things worse than none.
# Where the true share is that of the training, there is nothing to gain and only something to lose, which few lines need not show.
#
# ## Does uncertainty know when it is wrong?
#
# A method with randomness is fitted with several seeds; the mean of their scores is an ensemble.
# Its Brier score cannot be worse than the mean of theirs, since squares are convex; whether it ranks better is open.

# %%
gains = calibration.ensemble_gains(scores, cells, n_draws=n_draws)
seeds_of = some.groupby("method")["seed"].nunique()
several = gains[gains["method"].isin(seeds_of.index[seeds_of > 1])]

# %% tags=["remove-input"]
Markdown(prose.sides(several[several["metric"] == "auroc gain"], "ensemble"))

# %% [markdown]
# A method without randomness, a constant answer too, has one seed, and its gain is 0 by definition.

# %% tags=["hide-input"]
prose.with_p(
    gains,
    {"auroc gain": "gain in AUROC (p by Holm)", "brier gain": "change of Brier score"},
    methods,
)

# %% [markdown]
# Uncertainty comes in two kinds: the **entropy** of the mean score, largest at .5, and the **spread** of the seeds' scores, their standard deviation.
# Suppose that only the most certain cells are answered.
# If uncertainty knows, the error rate among them is low and rises as more are answered; in random order it is flat; an oracle would leave all wrong calls to the end.
# The area under this curve {cite:p}`geifman2019` says how good the order is, and where it lies between random order (0) and the oracle (1) is the *share of the possible gain*.

# %%
rejected = calibration.rejections(scores, cells, n_draws=n_draws)
curves = calibration.risk_curves(some, cells)
error = rejected[rejected["metric"] == "random"].groupby("method", sort=False)["value"].first()

# %% mystnb={"figure": {"caption": "Error rate among the cells answered, from the most certain on (at least 5 % of them), for the mean of the seeds. Dashed: random order; dotted: all wrong calls last.", "name": "fig-risk-coverage"}, "image": {"alt": "One risk-coverage plot per method, with curves for entropy and spread between random order and an oracle."}} tags=["hide-input"]
figure, axes = plt.subplots(n_rows, 4, figsize=(10, 2.3 * n_rows + 0.4), sharey=True, squeeze=False)
for ax in axes.flat[len(learners) :]:
    ax.set_axis_off()
for ax, method in zip(axes.flat, learners, strict=False):
    pl.risk_coverage(curves[curves["method"] == method], {"random": error[method]}, ax=ax).set_title(method)
drawn = {h.get_label(): h for ax in axes.flat for h in ax.lines if not h.get_label().startswith("_")}
_ = figure.legend(drawn.values(), drawn.keys(), loc="outside lower center", ncols=4)

# %% mystnb={"figure": {"caption": "How much of what an oracle would gain over random order the uncertainty gains, for the mean of the seeds, with 95 % intervals over cell lines. Right of 0 it knows something; left of 0 the certain calls are the wrong ones. Intervals are not corrected for the number of methods; the text asks for a corrected p as well.", "name": "fig-gain"}, "image": {"alt": "Dots with intervals, one row per method, for entropy and spread."}} tags=["hide-input"]
both = rejected[rejected["method"].isin(learners)].rename(columns={"by": "against"})
figure, ax = plt.subplots(figsize=(6, 0.35 * len(learners) + 1))
pl.by_answer(both, "gain", {"entropy": pl.SENSITIVE, "spread": pl.RESISTANT}, chance=0, ax=ax)
_ = figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize="small")

# %% tags=["remove-input"]
gain = both[both["metric"] == "gain"]
Markdown(" ".join(prose.sides(gain[gain["against"] == kind], kind) for kind in calibration.KINDS))

# %% mystnb={"code_prompt_hide": "Hide the table", "code_prompt_show": "Table: share of the possible gain of every method, with p-values"} tags=["hide-cell"]
of_kind = rejected[rejected["metric"] == "gain"].assign(metric=lambda table: table["by"])
headings = {kind: f"share of the possible gain by {kind} (p by Holm)" for kind in calibration.KINDS}
prose.with_p(of_kind, headings, methods)

# %% [markdown]
# Seeds share their data, so what the data leave open does not show in their spread: it may be large where the scores are steep, and small where all seeds are wrong together.
# Some methods differ between seeds only in how their calibration was cross-validated; the spread of these holds no second opinion at all.
#
# ## What to keep in mind
#
# - Nothing was chosen on this page. The true share of sensitive cells and the weights of the test above are taken from the answers of the cells, and nothing is fitted with them.
# - A probability for cells is judged at the level of lines: with a few lines of each class, the probabilities of whole lines are right or wrong together. The grey bars and bands show what that does.
# - Scores can be recalibrated on bulk lines and still be wrong on cells; recalibrating on cells needs their answers.
# - Closeness of domains is no aim in itself: a code without content brings them together perfectly.
#
# ```{exercise}
# :label: exercise-calibration
# Take the ridge's scores and push them towards .5: `0.5 + (score - 0.5) / 4`. Which of AUROC, Brier score, miscalibration, discrimination and the share of the possible gain change?
# ```
#
# ````{solution} exercise-calibration
# :class: dropdown
# ```python
# ridge = some[some["method"] == "ridge"]
# timid = ridge.assign(score=0.5 + (ridge["score"] - 0.5) / 4)
# for table in (ridge, timid):
#     print(calibration.measured(table, cells, measure).query("seed == -1")[["metric", "value"]])
#     print(calibration.rejections(table, cells).query("metric == 'gain'"))
# ```
# The order of the cells is the same, and so are AUROC, discrimination and the gain by entropy. Only the Brier score and its part miscalibration change.
# ````
#
# ## What was written
#
# Tidy rows of everything above, `calibration.csv` in the results of the edition, and the distances and scores of the models whose code was looked at.
# The column `against` keeps apart what is held against the other domain, against the truth, and what chance or exact scores would give.

# %%
by_chance = {
    "lines dealt at random": null.rename(columns={"upper": "value"})
    .reset_index()
    .assign(metric="mmd, upper"),
    "exact scores": chance.add_prefix("ece, ").melt(var_name="metric", ignore_index=False).reset_index(),
}

# %%
tables = {
    "the other domain": pd.concat([domain, distance]),
    "another view": moves.assign(method=moves["first"] + " minus " + moves["second"]),
    "truth, fits of this page": table,
    "truth": pd.concat([quality, runs, points, shift, gains, rejected, curves]),
    "truth, weighted": thinned,
    "truth, at another share": pd.concat(table.assign(share=s) for s, table in elsewhere.items()),
}
rows = pd.concat(tables | by_chance, names=["against"]).reset_index(0).rename(columns={"p": "holm"})
prose.written(study.rows(rows.drop(columns=["first", "second"])).tail(3))
