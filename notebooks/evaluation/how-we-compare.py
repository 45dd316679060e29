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
# # How do we compare methods?
#
# ## The rule
#
# A hundred cells of one line are one line seen a hundred times.
# How well a method does on *other* lines, only lines can tell.
# So every comparison in this book is made in three steps.
#
# 1. **Draw lines.** Whole lines are drawn with replacement, 2,000 times, as many as there are. The draws are the same for all methods, seeds and drugs. Each draw gives a value for each method (the mean over its seeds), and a difference for each pair.
# 2. **Make intervals that hold together.** All differences of one figure or table share *simultaneous* 95 % intervals: in 95 of 100 studies all of them hold at once. They reach as far from the difference, in units of its spread over draws, as the largest deviation does in 95 % of the draws. Draws of few lines vary too little, so intervals are widened for few lines, as a t interval is.
# 3. **Decide.** The interval alone decides:
#
# | the interval | the book says |
# |---|---|
# | excludes 0 | higher, or lower |
# | lies within ±.03 AUROC (±.05 for rank correlations) | practically equal |
# | does neither | not clear |
# | does not exist: fewer than four lines, or four of either class | cannot be tested |
#
# There are no p-values of differences.
# A panel of drugs draws lines jointly for all drugs, since a line that is odd for one drug may be odd for many.

# %% tags=["parameters"]
edition: str = "demo"  # edition that shows this page; its numbers are the same in all of them
n_draws: int = 2000  # draws of lines in the example

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from anndata import AnnData
from IPython.display import Markdown
from statsmodels.stats.proportion import proportion_confint

from bulk2sc import compare, pl, say
from bulk2sc.settings import project_root

# %% [markdown]
# ## The rule at work
#
# Forty lines of thirty cells, simulated: half of the lines are sensitive.
# Scores are the answer plus noise of each line and of each cell; one method has less noise of lines than the next.

# %%
rng = np.random.default_rng(0)
line = np.repeat(np.arange(40), 30)
obs = pd.DataFrame({"truth": line % 2.0, "cell_line": line.astype(str)})
cells = AnnData(obs=obs.set_axis(obs.index.astype(str)))
noise = {"good": 0.2, "fair": 0.6, "poor": 5.0}  # of a line
of_line = {name: rng.normal(np.arange(40) % 2, size)[line] for name, size in noise.items()}
scores = pd.concat(
    pd.DataFrame(
        {"method": name, "seed": 0, "cell": cells.obs_names, "score": score + rng.normal(0, 0.5, 1200)}
    )
    for name, score in of_line.items()
)

# %%
pl.style()
draws = compare.on_cells(scores, cells, n_draws=n_draws)["auroc"]
table = compare.differences(draws, reference="good")
table.round(2)

# %% [markdown]
# The sentence about a table is chosen by its verdicts; its author writes what to say for each.

# %%
sentence = say.effects(
    table,
    higher="{methods} {n:ranks|rank} cells better than {reference}, by {by}.",
    lower="{methods} {n:ranks|rank} cells worse than {reference}, by {by}.",
    equal="{methods} {n:does|do} as well as {reference}, within {low} to {high}.",
    unclear="Forty lines do not tell {methods} from {reference}: {each}.",
    untested="There are too few lines to compare {methods} with {reference}.",
)
Markdown(sentence)

# %% [markdown]
# ## What it costs
#
# The fewer lines, the less can be found.
# In the same simulation, but with methods whose true values differ from that of the reference by +.02, +.10, -.10 and +.20 AUROC (+.03, +.20, -.20 and +.40 rank correlation):
# how often are the right sides found, and how wide are the intervals?

# %% tags=["hide-input"]
kept = pd.read_csv(project_root() / "benchmarks" / "interval_coverage.csv")
kept["balanced"] = (kept["metric"] == "rho") | (kept["sensitive"] == kept["lines"] // 2)
rule = kept[kept["way"] == "the rule"]
graded = rule[rule["scenario"] == "graded"].set_index(["metric", "lines", "sensitive"])
shown = ["all_hold", "false_side", "false_equal", "found", "width"]
names = ["all intervals hold", "a wrong side", "wrongly equal", "differences found", "mean width"]
graded[shown].set_axis(names, axis=1).round(2)

# %% [markdown]
# ## What could mislead us
#
# - Intervals are conditional on the fits: they speak of other lines, not of other trainings. Seeds are averaged and shown as dots.
# - They are right for one figure. A book of twenty figures may still err once.
# - Few lines make intervals wider than they need be, mostly for panels of five to ten lines: a difference must then be large to be found.
# - *Practically equal* depends on the margin, which is a convention.
# - Two methods that no draw can move, such as two perfect ones, are said to be untestable: more lines may part them.
#
# ```{exercise}
# :label: exercise-compare
# Draw cells in place of lines in the example: give every cell a line of its own. What happens to the intervals, and why is that no gain?
# ```
#
# ````{solution} exercise-compare
# :class: dropdown
# ```python
# cells.obs["cell_line"] = cells.obs_names
# compare.differences(compare.on_cells(scores, cells)["auroc"], "good")
# ```
# They shrink, as if there were 1,200 lines. The figure at the top shows how often equal methods are then told apart.
# ````

# %% tags=["in-short", "remove-input"]
equal = kept[(kept["scenario"] == "equal") & kept["balanced"]]
cell_rates = equal[(equal["metric"] == "auroc") & (equal["lines"] == 26)].set_index("way")["false_side"]
tested = equal[(equal["way"] == "the rule") & (equal["tested"] > 0)]
Markdown(
    "We draw cell lines, not cells, and let all differences of a figure share one set of intervals. "
    "In simulated studies of 26 lines, where four methods are as good as a fifth, drawing cells calls at least one "
    f"of them better or worse in {say.percent(cell_rates['cells drawn'])} of the studies, drawing lines for each "
    f"difference by itself in {say.percent(cell_rates['each by itself'])}, and the rule of this book in "
    f"{say.percent(cell_rates['the rule'])}. It aims at no more than 5 %; over all sizes of study it errs in "
    f"{say.percent(tested['false_side'].min())} to {say.percent(tested['false_side'].max())}, "
    f"counted in {tested['studies'].min()} to {tested['studies'].max()} studies each."
)

# %% mystnb={"figure": {"caption": "Simulated studies in which at least one of four methods is called better or worse than a fifth, though all are equal. Dashed: 5 %. Left: AUROC of cells, half of the lines sensitive; with five lines the rule makes no test. Right: mean rank correlation over 20 drugs. Bars: 95 % intervals over studies.", "name": "fig-coverage"}, "image": {"alt": "Two panels with the share of false verdicts against the number of lines: high where cells are drawn, lower where lines are drawn one difference at a time, and near or below five per cent for the rule."}} tags=["in-short", "hide-input"]
looks = {"cells drawn": pl.RESISTANT, "each by itself": pl.NEUTRAL, "the rule": pl.SENSITIVE}
figure, axes = plt.subplots(1, 2, figsize=(6.4, 3.2), sharey=True)
for ax, (metric, part) in zip(axes, equal.groupby("metric", sort=False), strict=True):
    for way, rows in part[part["tested"] > 0].groupby("way", sort=False):
        low, high = proportion_confint(rows["false_side"] * rows["studies"], rows["studies"], method="wilson")
        ends = np.abs([low - rows["false_side"], high - rows["false_side"]])
        ax.errorbar(rows["lines"], rows["false_side"], ends, fmt="o-", color=looks[way])
        at = rows[rows["lines"] == 26].iloc[0]
        ax.annotate(way, (30, at["false_side"] + 0.05), color=looks[way])
    ax.axhline(0.05, color="black", linestyle="--", linewidth=1)
    ax.set(xlabel="lines", title={"auroc": "AUROC of cells", "rho": "rank correlation of lines"}[metric])
    pl.log_axis(ax)
_ = axes[0].set(ylabel="studies with a false verdict", ylim=(-0.02, 1))
