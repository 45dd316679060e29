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
# # Do the scores mean what they say?
#
# ## The idea
#
# A score that is called a probability should behave like one: of the cells scored .8, eight in ten should be sensitive.
#
# The {term}`Brier score` is the mean squared distance of score and answer.
# Its yardstick is the *mean effect*: every cell gets the share of sensitive lines in the training, which is right on average and knows nothing of a cell.
#
# The *calibration error* (ECE) is the mean distance of score $s$ and answer $y$ over ten bins of equally many cells {cite:p}`naeini2015`:
#
# $$\mathrm{ECE} = \frac{1}{n} \sum_b \Big|\sum_{i \in b} (s_i - y_i)\Big|.$$
#
# It is never negative, so exact scores do not reach 0 either. Cells of a line share their fate, and few lines leave much to chance.

# %% tags=["parameters"]
edition: str = "demo"  # edition whose settings and results are used
drug: str = "Cisplatin"  # drug, by its GDSC name
methods: list[str] = [
    "shared AE",
    "LR",
    "SVM",
    "RF",
    "XGBoost",
    "ridge",
    "ridge CV",
    "signature",
]  # methods to judge, by name or by the path of a Python file
n_seeds: int = 3  # models of each method that has randomness
alignment_seeds: int = 5  # fits of each model whose code is looked at
alignment_epochs: int = 300  # at most so many epochs in each stage of their training
alignment_hidden: int = 512  # width of their hidden layers

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown
from sklearn.calibration import calibration_curve
from sklearn.decomposition import PCA
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import brier_score_loss

from bulk2sc import compare, evaluate, latent, models, pl, say
from bulk2sc.book import Study

# %% tags=["remove-input"]
pl.style()
study = Study(edition, drug=drug)
lines, cells = study.read("pair")
reference, prior = "mean effect", float(lines.obs["response"].mean())
methods = [m for m in methods if m != reference and not m.startswith("all ")]

# %% [markdown]
# ## How it is done
#
# The scores are those of {doc}`/notebooks/evaluation/baselines`.

# %% tags=["hide-input"]
grid = [
    {"method": m, "seed": s}
    for m in [*methods, reference]
    for s in range(n_seeds if models.takes(m, "seed") else 1)
]
scores = study.each("scores", grid)
judged = cells.obs[cells.obs["truth"].notna()]
answer, line = judged["truth"].to_numpy(), judged["cell_line"].astype(str).to_numpy()
of_cells = scores.pivot_table("score", "cell", ["method", "seed"], sort=False).loc[judged.index]

# %% [markdown]
# How large would the ECE of exact scores be? Deal one number between 0 and 1 to each line, and let its cells that score higher be sensitive: every score is right then.


# %%
def ece(answer, score):
    of_bin = pd.qcut(pd.Series(score), 10, labels=False, duplicates="drop").fillna(0)
    return pd.DataFrame((score - answer).T).groupby(of_bin).sum().abs().sum() / len(score)


def answers_if_exact(score, line, n_draws=500):
    names, member = np.unique(line, return_inverse=True)
    fate = np.random.default_rng(0).random((n_draws, len(names)))
    return (fate[:, member] < score).astype(float)


# %% [markdown]
# *Miscalibration* is what the best relabelling that keeps their order would save of the Brier score, an isotonic regression on the answers {cite:p}`dimitriadis2021`.


# %%
def quality_of(score):
    best = IsotonicRegression().fit_transform(score, answer)
    brier = brier_score_loss(answer, score)
    chance = ece(answers_if_exact(score, line), score)
    return {
        "Brier score": brier,
        "miscalibration": brier - brier_score_loss(answer, best),
        "ECE": ece(answer, score)[0],
        "ECE of exact scores, up to": chance.quantile(0.95),
    }


# %% tags=["hide-input"]
both = len(np.unique(answer)) == 2
measures = ["Brier score", "miscalibration", "ECE", "ECE of exact scores, up to"]
quality = {key: quality_of(of_cells[key].to_numpy()) if both else {} for key in of_cells}
quality = pd.DataFrame(quality, index=measures).T.groupby(level=0, sort=False).mean()
quality = quality.reindex([*methods, reference])

# %% [markdown]
# ## What else was found
#
# ### Another share of sensitive cells
#
# The training has its own share of sensitive lines; a tumour has another.
# If each class looks alike in both, Bayes' rule carries scores over, and the share follows from the scores alone, by expectation and maximisation {cite:p}`saerens2002`:


# %%
def shift_prior(score, before, after):
    sensitive, resistant = score * after / before, (1 - score) * (1 - after) / (1 - before)
    return sensitive / np.maximum(sensitive + resistant, 1e-12)


def estimate_prior(score, before, weight=None, share=0.5):
    for _ in range(1000):
        share, last = np.average(shift_prior(score, before, share), weights=weight), share
        if abs(share - last) < 1e-5:
            break
    return share


# %% tags=["hide-input"]
true = np.linspace(0.1, 0.9, 9)
weights = [
    np.where(answer == 1, t / max(answer.sum(), 1), (1 - t) / max((1 - answer).sum(), 1)) for t in true
]
estimates = pd.DataFrame(
    {key: [estimate_prior(of_cells[key], prior, w) if both else np.nan for w in weights] for key in of_cells},
    index=true,
)
estimates = estimates.T.groupby(level=0, sort=False).mean().loc[methods]
off = (estimates - true).abs().mean(axis=1)

# %% mystnb={"figure": {"caption": "Share of sensitive cells estimated from scores alone, against the true share among weighted cells.", "name": "fig-prior"}, "image": {"alt": "One line for each method of estimated against true share, with the diagonal."}} tags=["hide-input"]
ax = plt.subplots(figsize=(5.5, 3.4))[1]
for method, found in estimates.iterrows():
    ax.plot(true, found, marker="o", markersize=3, label=method)
ax.plot([0, 1], [0, 1], "k--", linewidth=0.8)
ax.set(xlabel="true share of sensitive cells", ylabel="estimated", xlim=(0, 1), ylim=(-0.02, 1.02))
_ = ax.figure.legend(loc="outside right upper")

# %% tags=["hide-input"]
corrected = scores[scores["method"].isin(methods)].copy()
for _, table in corrected.groupby(["method", "seed"]):
    share = estimate_prior(table["score"].to_numpy(), prior)
    corrected.loc[table.index, "score"] = shift_prior(table["score"], prior, share)
corrected["method"] += ", corrected"
ensembles = scores.groupby(["method", "cell"], sort=False)["score"].mean().reset_index()
ensembles = ensembles.assign(method=ensembles["method"] + ", mean of seeds", seed=0)
draws = compare.on_cells(pd.concat([scores, corrected, ensembles]), cells)
ranks = draws["auroc"].seeds.groupby("method")["value"].agg(np.ptp)
several = [m for m in methods if ranks[m] > 0.005]  # others differ by seed in how they were calibrated alone
versus = compare.differences(draws["brier"], [(m, reference) for m in methods])
by_share = compare.differences(draws["brier"], [(f"{m}, corrected", m) for m in methods])
by_mean = compare.differences(draws["auroc"], [(f"{m}, mean of seeds", m) for m in several])


# %% tags=["remove-input"]
def named(table):
    return table.assign(method=table["reference"])


wordings = {
    "lower": "falls, by {by}, for {methods};",
    "higher": "rises, by {by}, for {methods};",
    "equal": "is practically the same for {methods};",
    "unclear": "does not clearly change for {methods};",
    "untested": "cannot be judged on so few lines;",
}
text = "No cells of both classes are judged: the estimate cannot be tested."
if both:
    text = (
        f"These cells have a share of {say.number(answer.mean())}, the training {say.number(prior)}. Corrected by the "
        f"estimated share, the Brier score {say.effects(named(by_share), **wordings).removesuffix(';')}."
    )
Markdown(text)

# %% [markdown]
# ### Are certain calls right?
#
# Answer only the cells whose mean score over seeds is farthest from .5. If a method knows when it errs, its error rate falls {cite:p}`geifman2019`.

# %% tags=["hide-input"]
mean = of_cells.T.groupby(level=0, sort=False).mean().T[methods]
answered = np.arange(1, len(mean) + 1) / max(len(mean), 1)
risk = {}
for method, score in mean.items():
    order = np.argsort(-np.abs(score.to_numpy() - 0.5).round(9), kind="stable")
    wrong = ((score.to_numpy() >= 0.5) != answer)[order]
    risk[method] = np.cumsum(wrong) / np.arange(1, len(wrong) + 1)
half, every = ({m: r[at] for m, r in risk.items() if both} for at in (len(mean) // 2 - 1, -1))
knows = [m for m in half if half[m] < every[m]]

# %% mystnb={"figure": {"caption": "Error rate among the cells that are answered, the surest first.", "name": "fig-risk-coverage"}, "image": {"alt": "One curve for each method: the error rate over the share of cells answered."}} tags=["hide-input"]
ax = plt.subplots(figsize=(5.5, 3.4))[1]
for method, errors in risk.items():
    ax.plot(answered[answered >= 0.05], errors[answered >= 0.05], label=method)
ax.set(xlabel="share of cells answered", ylabel="error rate", xlim=(0, 1), ylim=(0, None))
_ = ax.figure.legend(loc="outside right upper")

# %% tags=["remove-input"]
wordings = {
    "higher": "ranks cells better, by {by} AUROC, for {methods};",
    "lower": "ranks cells worse, by {by} AUROC, for {methods};",
    "equal": "ranks cells practically as one seed does for {methods};",
    "unclear": "may or may not rank cells better for {methods};",
    "untested": "cannot be judged on so few lines;",
}
text = "No error is known."
if both:
    text = f"For {len(knows)} of {len(methods)} methods the surest half of the cells holds fewer errors than all of them."
if both and several:
    text += f" Where seeds rank cells differently, the mean over them {say.effects(named(by_mean), **wordings).removesuffix(';')}."
Markdown(text)

# %% [markdown]
# ### Do the domains meet?
#
# A classifier learns on the code of lines and is used on that of cells. How far these are apart say the *AUROC of the domain*, of a support vector machine that tells them apart, and the squared {term}`MMD` {cite:p}`gretton2012`, beside the 95 % point of lines dealt at random.


# %%
VIEWS = {"genes": None, "components": 50}
RUNGS = ["base share AE", "shared AE", "adv share AE", "domain-classifier share AE"]


def code_of(lines, cells, mask, variant, **settings):
    if variant in VIEWS:
        code = np.concatenate([lines.layers["scaled"], cells.layers["scaled"]])
        return (PCA(VIEWS[variant], random_state=0).fit_transform(code) if VIEWS[variant] else code), None
    model = models.make(variant, mask=mask, **settings).fit(lines, cells)
    return np.concatenate([model.encode(lines), model.encode(cells)]), model.score_cells(cells)


# %% tags=["hide-input"]
def domains(pair, mask, *, variant, seed, hidden, max_epochs, patience: int = 20):
    lines, cells = pair
    settings = {"seed": seed, "hidden": hidden, "max_epochs": max_epochs, "patience": patience}
    code, score = code_of(lines, cells, mask, variant, **settings)
    is_cell = np.arange(len(code)) >= lines.n_obs
    unit = [*lines.obs_names, *cells.obs["cell_line"].astype(str)]
    apart = latent.mmd_draws(*latent.line_kernel(code, is_cell, unit))
    found = {"AUROC of the domain": latent.domain_auroc(code, is_cell, unit).mean()}
    found |= {"MMD": apart["mmd"][0], "MMD by chance, up to": apart["null"].quantile(0.95)}
    judged, found["AUROC on cells"] = cells.obs["truth"].notna().to_numpy(), np.nan
    if score is not None and cells.obs["truth"].nunique() == 2:
        found["AUROC on cells"] = evaluate.metrics(cells.obs["truth"][judged], score[judged])["auroc"]
    return found


size = {"hidden": alignment_hidden, "max_epochs": alignment_epochs}
grid = [{"variant": v, "seed": s} | size for v in RUNGS for s in range(alignment_seeds)]
grid = [{"variant": v, "seed": 0} | size for v in VIEWS] + grid
apart = study.each(domains, grid).drop(columns=list(size))
by_view = apart.groupby("variant", sort=False).mean(numeric_only=True)
by_view = by_view[["AUROC of the domain", "MMD", "MMD by chance, up to", "AUROC on cells"]]
by_view.map(lambda value: "" if pd.isna(value) else f"{value:.2f}")

# %% tags=["remove-input"]
fitted = by_view.loc[RUNGS].dropna()
text = "These cells leave one of the measures undefined."
if len(fitted):
    closest, best = fitted["MMD"].idxmin(), fitted["AUROC on cells"].idxmax()
    beyond = (by_view["MMD"] > by_view["MMD by chance, up to"]).sum()
    ends = say.listing(say.number(by_view["AUROC of the domain"].agg(end)) for end in ("min", "max"))
    text = (
        f"The AUROC of the domain lies between {ends}; by MMD the domains are further apart than chance in {beyond} of "
        f"{len(by_view)} views. The closest, by MMD, is {closest}"
        + (", which" if closest == best else f"; {best}")
        + " has the highest AUROC on cells."
    )
Markdown(text)

# %% [markdown]
# The two may disagree. The support vector machine judges single profiles and gives every dimension the same weight, so many small differences betray a cell; MMD compares whole lines at one scale, where the widest dimensions count most.
# An AUROC above .5 with an MMD of chance says that the clouds lie in one place and their grains still differ.
# Closeness is no aim in itself: a code without content brings the domains together perfectly.
#
# ## What could mislead us
#
# - Cells of a line are right or wrong together; few lines decide little.
# - The relabelling sees the answers, so miscalibration is somewhat too large.
# - Where domains differ in more than the share, the estimate is wrong, and a wrong correction is worse than none.
# - Seeds share their data. What these leave open does not show in their spread.
#
# ```{exercise}
# :label: exercise-calibration
# Push the scores of ridge towards .5, `0.5 + (score - 0.5) / 4`. Which of Brier score, miscalibration and the curve of error rates change?
# ```
#
# ````{solution} exercise-calibration
# :class: dropdown
# ```python
# ridge = of_cells["ridge", 0].to_numpy()
# pd.DataFrame({"ridge": quality_of(ridge), "timid": quality_of(0.5 + (ridge - 0.5) / 4)})
# ```
# The order of the cells stays, and so does the curve. The Brier score changes by just what miscalibration does.
# ````
#
# ```{admonition} Quiz
# :class: dropdown tip
# A method has an AUROC of .95, and a Brier score worse than that of the mean effect. Is that possible? **Answer:** yes. It ranks well, and its scores are no probabilities: relabel them, or use the ranks.
# ```

# %% tags=["details", "hide-input"]
study.write("calibration", quality.reset_index(names="method"))
study.write(
    "differences",
    pd.concat([versus, by_share, by_mean], keys=["brier", "share", "seeds"], names=["of"]).reset_index(0),
)
study.write("domains", apart)
study.write("estimates", estimates.rename_axis("method").reset_index())
quality.round(3).fillna("")

# %% tags=["details", "hide-input"]
pd.concat([versus, by_share, by_mean], ignore_index=True).round(3).fillna("")

# %% tags=["in-short", "remove-input"]
kind = "simulated" if cells.uns.get("simulated") else "real"
text = f"None of these **{kind}** cells is judged, or all are of one class: they are scored, and no calibration error is known."
if both:
    errors = quality.loc[methods, "ECE"].sort_values()
    bar = quality["ECE of exact scores, up to"]
    beyond = [m for m in errors.index if errors[m] > bar[m]]
    share = "giving every cell the share of sensitive lines"
    text = f"On **{kind}** cells of {say.counted(len(set(line)), 'line')}: " + say.effects(
        versus,
        lower=f"{{methods}} {{n:is|are}} better than {share} (Brier score lower by {{by}}).",
        higher=f"{share.capitalize()} beats {{methods}}, by a Brier score of {{by}}.",
        equal=f"{{methods}} {{n:does|do}} practically as well as {share} (Brier score).",
        unclear=f"Whether {{methods}} {{n:is|are}} better than {share}, the lines do not decide (Brier score).",
        untested="So few lines decide nothing about the Brier score.",
    )
    text += f" The calibration error runs from {say.number(errors.iloc[0])} ({errors.index[0]}) to {say.number(errors.iloc[-1])} ({errors.index[-1]}); "
    text += f"for {len(beyond) or 'none'} of {len(methods)} methods {'it is' if beyond else 'is it'} more than exact scores might show on so few lines."
Markdown(text)

# %% mystnb={"figure": {"caption": "Share of sensitive cells over score, in ten bins of equally many cells, one curve a seed. Grey: the middle 95 % of what exact scores would show on these lines. Above the diagonal, scores are too low.", "name": "fig-calibration"}, "image": {"alt": "One reliability curve for each method, over the diagonal and a grey band."}} tags=["in-short", "hide-input"]
rows = -(-len(methods) // 4)
figure, axes = plt.subplots(rows, 4, figsize=(6.6, 1.9 * rows), sharex=True, sharey=True, squeeze=False)
for ax in axes.flat[len(methods) :]:
    ax.set_axis_off()
for ax, method in zip(axes.flat, methods, strict=False):
    ax.plot([0, 1], [0, 1], "k--", linewidth=0.8)
    ax.set_title(method)
    if both:
        first = of_cells[method].iloc[:, 0].to_numpy()
        of_bin = pd.qcut(pd.Series(first), 10, labels=False, duplicates="drop").fillna(0)
        exact = pd.DataFrame(answers_if_exact(first, line).T).groupby(of_bin).mean()
        middle, ends = pd.Series(first).groupby(of_bin).mean(), exact.quantile([0.025, 0.975], axis=1)
        ax.fill_between(middle, *ends.to_numpy(), color="0.85")
        for _, score in of_cells[method].items():
            share, at = calibration_curve(answer, score, n_bins=10, strategy="quantile")
            ax.plot(at, share, color=pl.SENSITIVE, marker="o", markersize=3, linewidth=1)
_ = figure.supxlabel("score"), figure.supylabel("share of sensitive cells")
