# ---
# jupyter:
#   bulk2sc:
#     reads:
#     - bulk
#     - pair
#     - autoencoder
#     writes:
#     - sweep
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
# # How much do the settings matter?
#
# Three settings of the shared autoencoder have a figure of their own in {cite:t}`he2025`: how many genes a pathway must have, how many variable genes take part, and dropout.
# This chapter moves each of them while the others stay, as Figure 4 of the paper does, and asks two questions of every result: can the values be told apart, and on whose answers was the best one chosen?
#
# **You will learn**
#
# - how settings are chosen on bulk lines that a model has not seen, with pairs of folds rather than with means alone;
# - that the highest point of a curve is not yet a better setting;
# - what tuning on the cells that are tested would have seemed to gain, and how little of it holds on other lines.

# %% tags=["parameters"]
edition: str = "demo"  # edition whose settings and results are used
drug: str = "Cisplatin"  # drug, by its GDSC name
min_pathway_genes: int = 10  # fewest chosen genes of a pathway, where others move
n_hvg: int = 2500  # number of highly variable genes, where others move
dropout: float = 0.1  # dropout, where others move
sweep_min_genes: list[int] = [2, 4, 6, 8, 10, 15, 20, 30]  # values of min_pathway_genes
sweep_hvg: list[int] = [500, 1000, 1500, 2000, 2500, 3000, 4000, 5000]  # values of n_hvg
sweep_dropout: list[float] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]  # values of dropout
seeds: list[int] = [0, 1, 2, 3, 4]  # of each value; each leaves out a fifth of the lines
n_draws: int = 1000  # bootstrap draws over cell lines

# %%
import pandas as pd
from bulk2sc.study import Study
from IPython.display import Markdown

from bulk2sc import evaluate, pl, prose
from bulk2sc.experiments import hyperparameters, paired, trials
from bulk2sc.published import published
from bulk2sc.settings import project_root

pl.style()
own = {"min_pathway_genes": min_pathway_genes, "n_hvg": n_hvg, "dropout": dropout}
swept = {"sweep_min_genes": sweep_min_genes, "sweep_hvg": sweep_hvg, "sweep_dropout": sweep_dropout}
study = Study(edition=edition, drug=drug, seeds=seeds, **own, **swept)
bulk, cells = study.read("pair")

# %% tags=["remove-input"]
Markdown(
    f"{prose.origin_of_lines(bulk.uns)} {prose.origin_of_cells(cells.uns, bulk.uns, study.settings['cells_source'])}"
)

# %% [markdown]
# ## What the paper did
#
# Section 2.3 of the paper takes 10 % of the training samples at random for validation, repeats each setting five times and shows the mean accuracy and F1, without intervals.
# It does not say whether these samples are lines or cells.
# It merges the two lapatinib data sets for the figure; the two differ in their cells, while the lines and their responses are the same.
# These are the values it found best; of dropout it says that .1 to .4 work alike.

# %% tags=["hide-input"]
published("settings").set_index("drug").rename(columns=prose.SETTINGS)

# %% [markdown]
# ## One setting at a time
#
# Each seed leaves out one fifth of the measured lines, fits a model for every value on the other four, and scores the lines left out, and the cells.
# These models learn from fewer lines than those of {doc}`/notebooks/evaluation/baselines`, so that AUROCs on the cells need not agree between the pages.
# With five seeds every line is left out once.
# The lines are the only ground on which a value is chosen.
# What the cells say comes later and is only shown.
#
# One variant has the edition's own settings, and is a point of all three sweeps.

# %%
own["n_hvg"] = bulk.n_vars  # all shared genes, where there are fewer than asked for
swept = {"min_pathway_genes": sweep_min_genes, "n_hvg": sweep_hvg, "dropout": sweep_dropout}
points = hyperparameters.grid(own, swept)
found = study.read("sweep")
validation = trials.validation(found["lines"])

# %% tags=["remove-input"]
sizes = points.groupby("setting", sort=False)["value"].agg(lambda v: prose.listing([f"{x:g}" for x in v]))
n_variants = points["method"].nunique()
listed = "; ".join(f"{prose.SETTINGS[s]}: {values}" for s, values in sizes.items())
Markdown(
    f"Variants on this page: {n_variants}; seeds: {len(seeds)}; models: {n_variants * len(seeds)}. Values: {listed}. "
    f"An edition gives other values with `sweep_min_genes`, `sweep_hvg` and `sweep_dropout`."
)

# %% [markdown]
# A lower bound on the genes of a pathway, and the number of variable genes, also change how many pathways there are, and with that the width of the code.
# Neither sweep changes one thing only.

# %% mystnb={"code_prompt_hide": "Hide the table", "code_prompt_show": "Table: genes, pathways and width of the code at every point"} tags=["hide-cell"]
shapes = found["shapes"].drop_duplicates("method")
shown = points.merge(shapes[["method", "genes", "pathways", "code"]], on="method").drop(columns="method")
shown["setting"], shown["value"] = shown["setting"].map(prose.SETTINGS), shown["value"].map("{:g}".format)
shown.rename(columns={"code": "width of the code"}).set_index(["setting", "value"])

# %% [markdown]
# ## What the lines left out say

# %% mystnb={"figure": {"caption": "AUROC on bulk lines left out, as one setting moves. Blue: mean over folds with its 95 % interval, corrected for the overlap of the folds; grey: single folds, one a seed; dotted: the value in use; dashed: a constant answer.", "name": "fig-sweep-lines"}, "image": {"alt": "Three panels, one a setting, of AUROC on bulk lines over the values of the setting, with intervals and single folds."}} tags=["hide-input"]
_ = pl.by_value(validation, points, "auroc", own)

# %% [markdown]
# Folds differ in how hard their lines are, and every value meets the same folds.
# So the values are compared in pairs, fold by fold, each against the one in use, and the p-values are corrected for the number of comparisons by Holm's method.

# %%
others = points[points["method"] != hyperparameters.BASE].reset_index(drop=True)
pairs = hyperparameters.comparisons(others["method"])
tests = others.rename(columns={"value": "setting_value"}).join(paired.on_lines(validation, pairs))
Markdown(prose.told_apart(tests))


# %% tags=["remove-input"]
def means_of(table: pd.DataFrame, setting: str) -> pd.Series:
    """Return the mean AUROC by value of a setting."""
    mean = table[(table["metric"] == "auroc") & (table["seed"] == -1)].set_index("method")["value"]
    here = points[points["setting"] == setting].set_index("value")["method"]
    return here.map(mean)


by_lines = {setting: means_of(validation, setting) for setting in own}
gaps = tests.set_index(["setting", "setting_value"])[["value", "low", "high", "p"]].to_dict("index")
choices = {setting: means.idxmax() for setting, means in by_lines.items()}
sentences = [prose.choice(s, m, own[s], gaps.get((s, choices[s]))) for s, m in by_lines.items()]
Markdown("\n".join(f"- {sentence}" for sentence in sentences))

# %% [markdown]
# The best of several values is partly the luckiest one, and the interval of its lead does not know that it was picked.
# Where values cannot be told apart, the honest report is the whole curve, and any of them may be used; this edition keeps its own.

# %% tags=["hide-input"]
variants = [*points["method"].drop_duplicates(), *trials.CONSTANTS]
in_words = {p.method: f"{prose.SETTINGS[p.setting]}: {p.value:g}" for p in points.itertuples()}
in_words[hyperparameters.BASE] = hyperparameters.BASE
prose.with_intervals(validation, ["auroc", "mcc", "accuracy", "f1"], variants).rename(index=in_words)

# %% [markdown]
# ## What the cells say, which is only shown
#
# The same models on the cells, with intervals from resampling whole cell lines.

# %% mystnb={"figure": {"caption": "AUROC on the cells, as one setting moves; nothing was chosen by it. Orange: mean over seeds with its 95 % interval over cell lines, where there are enough lines; grey: single seeds; dotted: the value in use; dashed: a constant answer.", "name": "fig-sweep-cells"}, "image": {"alt": "Three panels, one a setting, of AUROC on cells over the values of the setting, with intervals and single seeds."}} tags=["hide-input"]
judged = evaluate.judge(found["cells"], cells, against="truth", n_draws=n_draws)
_ = pl.by_value(judged, points, "auroc", own, colour=pl.RESISTANT)

# %% tags=["remove-input"]
Markdown(prose.degenerate(judged))

# %% mystnb={"code_prompt_hide": "Hide the table", "code_prompt_show": "Table: every point on the cells"} tags=["hide-cell"]
prose.with_intervals(judged, ["auroc", "mcc", "accuracy", "f1"], variants).rename(index=in_words)

# %% [markdown]
# ## A warning: what looking would have gained
#
# Whoever tunes on the cells that are tested reports the highest point of these curves.
# Its lead over the value that the lines chose is part knowledge, part luck.
# To see which, look at the cells of half the lines only, choose the best value there, and judge it on the other half; many random halves give the means below, and where 95 % of the halves lie.
# That is how far halves of these lines differ, and no interval for other lines.

# %% tags=["remove-input"]
sentences, gains = [], {}
for setting, value in choices.items():
    here = points[points["setting"] == setting].set_index("value")["method"]
    gains[setting] = hyperparameters.gain_by_looking(found["cells"], cells, list(here), here[value])
    by_cells = means_of(judged, setting)
    picked = by_cells.idxmax() if by_cells.notna().all() else value
    sentences.append(prose.looking(setting, picked, value, gains[setting]))
Markdown("\n".join(f"- {sentence}" for sentence in sentences))

# %% [markdown]
# Nothing in this book uses these numbers.
# A comparison in which one method was tuned like that and another was not compares how often somebody looked.
#
# ## The whole grid on real cells
#
# The paper moves the three settings over wide ranges: 2 to 30 genes of a pathway, 500 to 5,000 variable genes, dropout .1 to .9.
# Most editions have no time for that, so `benchmarks/grids.py` went over all of it once, with the lines of GDSC2 and the real cells of edition *mixology*, and every edition shows what it kept.
# Its models are smaller and train for less than those that *mixology* itself would show above.

# %% tags=["hide-input"]
kept = pd.read_csv(project_root() / "benchmarks" / "sweep.csv")
grid = kept.loc[kept["metric"] == "auroc", ["setting", "at", "method"]].dropna().drop_duplicates()
grid = grid.rename(columns={"at": "value"})
in_use = grid[grid["method"] == hyperparameters.BASE].set_index("setting")["value"].to_dict()
scored = kept.drop(columns=["setting", "at"]).drop_duplicates()
told = kept[kept["metric"] == "difference in auroc"].rename(columns={"at": "setting_value", "holm": "p"})

# %% tags=["remove-input"]
Markdown(
    f"**{kept['drug'][0]}, the drug of edition `{kept['edition'][0]}`.** {prose.told_apart(told)} Models: {grid['method'].nunique()} variants, "
    f"five seeds each, of at most {kept['max_epochs'][0]} epochs in each phase and {kept['hidden'][0]} hidden units."
)

# %% mystnb={"figure": {"caption": "Every value of Figure 4 of the paper, with real cells: AUROC on bulk lines left out (as the figure above).", "name": "fig-grid-lines"}, "image": {"alt": "Three panels, one a setting, of AUROC on bulk lines over all values of the paper's figure, with intervals and single folds."}} tags=["hide-input"]
_ = pl.by_value(scored[scored["against"] == "lines left out"], grid, "auroc", in_use)

# %% mystnb={"figure": {"caption": "The same models on the real cells of five lines, too few for an interval; nothing was chosen by it, and nothing is tested.", "name": "fig-grid-cells"}, "image": {"alt": "Three panels, one a setting, of AUROC on real cells over all values of the paper's figure, with single seeds."}} tags=["hide-input"]
_ = pl.by_value(scored[scored["against"] == "truth"], grid, "auroc", in_use, colour=pl.RESISTANT)

# %% [markdown]
# The paper's own figure shows accuracy and F1.
# Of these models they are:

# %% mystnb={"code_prompt_hide": "Hide the table", "code_prompt_show": "Table: accuracy and F1 of every point, on real cells and on lines left out"} tags=["hide-cell"]
named = {p.method: f"{prose.SETTINGS[p.setting]}: {p.value:g}" for p in grid.itertuples()}
named |= {name: name for name in (hyperparameters.BASE, *trials.CONSTANTS)}
on_lines, on_cells = (scored[scored["against"] == ground] for ground in ("lines left out", "truth"))
both = {
    "real cells, ± between seeds": prose.plus_minus(on_cells, ["accuracy", "f1"], list(named)),
    "lines left out": prose.with_intervals(on_lines, ["accuracy", "f1"], list(named)),
}
pd.concat(both, axis=1).rename(index=named, columns=prose.LABELS)

# %% [markdown]
# ## What to keep in mind
#
# - One setting moved at a time finds no interaction: a larger dropout may want more genes.
# - Five folds of one division share most of their lines. The interval is corrected for it and still a rough one.
# - The sweep has the epochs and the schedule of its edition; longer training may favour other values.
#
# ```{exercise}
# :label: exercise-hyperparameters
# Read the choice by another metric: which values do the lines left out choose by the Matthews correlation, or by accuracy, as in the paper? In how many of the sweeps does the choice change?
# ```
#
# ````{solution} exercise-hyperparameters
# :class: dropdown
# ```python
# for metric in ("auroc", "mcc", "accuracy", "f1"):
#     mean = validation.query("metric == @metric and seed == -1").set_index("method")["value"]
#     print(metric, points.assign(mean=points["method"].map(mean)).set_index("value").groupby("setting")["mean"].idxmax().to_dict())
# ```
# Where values cannot be told apart, the choice follows the metric, and so would a reader's impression of which setting is right.
# ````
#
# ## What was written
#
# The artefact `sweep`, the scores of every variant and seed, and tidy rows of both grounds, of all differences, and of what looking would have gained, `hyperparameters.csv`.

# %%
looking = pd.concat(gains, names=["method", "metric"]).reset_index()
grounds = {"lines left out": validation, "truth": judged}
grounds["looking at answers"] = looking.assign(metric="gain, " + looking["metric"], seed=-1)
rows = pd.concat(grounds, names=["against"]).reset_index(0)
differences = paired.tidy(tests.drop(columns=["setting", "setting_value", "method"]), "lines left out")
prose.written(study.rows(pd.concat([rows, differences])).tail(3))
