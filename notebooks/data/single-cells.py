# ---
# jupyter:
#   bulk2sc:
#     reads: [bulk]
#     writes: [raw_cells, cells]
#   jupytext:
#     formats: ipynb,py:percent
#     notebook_metadata_filter: kernelspec,jupytext,bulk2sc,-all
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Which cells can be trusted?
#
# A model of drug response is tested on {term}`single cells <Single cell>`.
# Two things about them decide what the test is worth: whether a cell's answer is known, and whether its measurement is of a whole, single, living cell.
# This chapter looks at where the cells come from and removes those that fail {abbr}`QC (quality control)`.
#
# **You will learn**
#
# - where the cells of this book come from, and what is known about each of them;
# - how cells of low quality are recognised by counts alone, and how to check that the right ones were removed;
# - how sparse the data are, and what the cells group by before anything is learnt.

# %% tags=["parameters"]
edition: str = "demo"  # edition whose settings and results are used
drug: str = "Cisplatin"  # drug, by its GDSC name
min_genes: int = 200  # fewest genes detected in a cell that is kept
max_mito: float = 20.0  # largest percentage of mitochondrial counts in a cell that is kept
nmads: float = 5.0  # most median absolute deviations from the median of the sample

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown

from bulk2sc import clustering, pl, pp, prose
from bulk2sc.study import Study

pl.style()
study = Study(edition=edition, drug=drug, min_genes=min_genes, max_mito=max_mito, nmads=nmads)
bulk = study.read("bulk")
raw = study.read("raw_cells")

# %% tags=["hide-input"]
for column, unknown in {"sample": "all cells", "cell_line": "unknown", "truth": np.nan}.items():
    if column not in raw.obs:
        raw.obs[column] = unknown
planted = "planted" in raw.obs

# %% tags=["remove-input"]
source = study.settings["cells_source"]
Markdown(
    f"{prose.origin_of_cells(raw.uns, bulk.uns, source)} There are {raw.n_obs} cells and {raw.n_vars} genes."
)

# %% [markdown]
# ## Where the cells come from
#
# The five data sets of {cite:t}`he2025` compare treated cells with a control group; no cell's own response was measured.
# A cell's label is inferred from the group it was in.
# That leaves nothing to test the labels against, so this book uses cells whose answer comes from elsewhere: **the truth of a cell is the measured response of its own cell line**, by its place in the tails of GDSC, and the lines of the cells never take part in training.
# There are two kinds.
#
# *Real cells* of five lung cancer lines, mixed and sequenced together by {cite:t}`tian2019` (GSE118767) with CEL-seq2 and Drop-seq.
# Each cell's line is known from its genetic variants; {abbr}`doublets (two cells measured as one)` are left out.
# None was treated: the question is which lines a drug would kill.
#
# *Simulated cells*, which imitate the experiment of the paper with everything known:
#
# 1. cells of at least ten held-out lines from either tail of the AUC, and every line in every sample, so that a line is not a sample and a sample is not a label;
# 2. *hidden resistant* cells in the control, of lines that are truly resistant;
# 3. *surviving sensitive* cells in the treated sample, of lines that are truly sensitive;
# 4. a shift of expression in all treated cells that has nothing to do with resistance, so that a method that detects "was treated" can be told from one that predicts response;
# 5. normal cells: fibroblasts, T cells and endothelial cells;
# 6. cells of low quality, with few counts and many of them mitochondrial.
#
# A simulated cell takes its line's bulk profile as relative expression, changed a little by its clone and its phase of the cell cycle, and draws negative binomial counts at the depth of droplet sequencing.
# No resistance programme is invented: what makes its line resistant in GDSC is all there is to find.

# %% mystnb={"figure": {"caption": "Cells by sample before quality control. Where cells are simulated, colours say what each was made as; where they are real, its cell line.", "name": "fig-design"}, "image": {"alt": "Stacked bars, one for each sample, of the number of cells of each kind."}} tags=["hide-input"]
kind = "planted" if planted else "cell_line"
ax = pl.composition(raw.obs["sample"], raw.obs[kind], palette=pl.PLANTED if planted else None)

# %% tags=["remove-input"]
lines_per_sample = raw.obs.groupby("sample", observed=True)["cell_line"].nunique()
Markdown(
    f"Samples: {len(lines_per_sample)}. Different lines in a sample (normal cells counting as one): "
    f"{' to '.join(str(n) for n in sorted({lines_per_sample.min(), lines_per_sample.max()}))}. Lines that leave "
    f"the training data because of these cells: {len(raw.uns.get('held_out', []))}."
)

# %% [markdown]
# ## What a bad cell looks like
#
# A droplet may hold debris, a dying cell, or two cells.
# Counts betray the first two: a broken membrane lets the cytoplasm out, so few counts remain and a large share of them is mitochondrial.
# Two cells in one droplet give too many.
#
# Three measures are used, and a cell that fails one is removed:
#
# - the number of genes detected, at least `min_genes`;
# - the percentage of mitochondrial counts, at most `max_mito`;
# - library size and number of genes, on a log scale, within `nmads` {abbr}`MAD (median absolute deviation)` of the median *of the sample*. A MAD, unlike a standard deviation, is hardly moved by the bad cells themselves, and protocols of different depth are not judged by each other's median.
#
# The paper states no thresholds of its own and refers to the usual steps of Scanpy {cite:p}`wolf2018`.

# %%
flagged = pp.qc_flags(raw, min_genes=min_genes, max_mito=max_mito, nmads=nmads, by="sample")

# %% mystnb={"figure": {"caption": "Every cell before quality control: counts against the share of mitochondrial counts. The dashed line is the largest share that is accepted.", "name": "fig-qc"}, "image": {"alt": "Scatter plot of mitochondrial percentage against counts; kept and removed cells have different colours."}} tags=["hide-input"]
ax = pl.quality(flagged.obs)
_ = ax.axhline(max_mito, color="black", linestyle="--", linewidth=0.8)

# %% [markdown]
# The same by sample, before and after:

# %% mystnb={"figure": {"caption": "Genes detected in a cell, by sample, before quality control (grey) and after (blue).", "name": "fig-qc-samples"}, "image": {"alt": "Pairs of box plots of the number of detected genes, one pair for each sample."}} tags=["hide-input"]
import seaborn as sns

stages = pd.concat({"before": flagged.obs, "after": flagged.obs[flagged.obs["qc_pass"]]}, names=["stage"])
stages = stages.reset_index("stage").reset_index(drop=True)
ax = plt.subplots(figsize=(7, 0.5 * raw.obs["sample"].nunique() + 1))[1]
look = {"palette": {"before": "#d5d5d5", "after": "#9cc4de"}, "fliersize": 2, "linewidth": 0.8}
order = sorted(stages["sample"].astype(str).unique())
stages["sample"] = stages["sample"].astype(str)
sns.boxplot(stages, x="n_genes_by_counts", y="sample", order=order, hue="stage", ax=ax, **look)
pl.log_counts(ax).set(xlabel="genes detected (log scale)", ylabel="")
_ = ax.legend(title=None, loc="upper left", bbox_to_anchor=(1, 1))

# %% [markdown]
# What was removed, and why; a cell can have several reasons:

# %% tags=["hide-input"]
samples = flagged.obs["sample"].astype(str)
reasons = flagged.obs["qc_reason"].str.split("; ").explode()
table = pd.crosstab(reasons, samples.loc[reasons.index].to_numpy()).drop(index="", errors="ignore")
table.loc["removed"] = (~flagged.obs["qc_pass"]).groupby(samples).sum()
table.loc["of"] = samples.value_counts()
table.rename_axis(index="reason", columns="sample").assign(total=table.sum(axis=1)).astype(int)

# %% [markdown]
# ## Were the right cells removed?
#
# With real cells nobody knows.
# What can be asked is whether the filter is even-handed: a line whose cells are small, or rich in mitochondria, may lose more of them than others.
# Where cells are simulated, the damaged ones were planted and the filter can be scored against them: {abbr}`recall (the share of damaged cells that were removed)` and {abbr}`precision (the share of removed cells that were damaged)`.

# %% tags=["remove-input"]
gone = ~flagged.obs["qc_pass"]
text = f"Removed: {prose.share(int(gone.sum()), len(gone))}. Which of these cells were damaged is not known."
if planted:
    damaged = flagged.obs["planted"] == "low_quality"
    text = (
        f"Of the planted damaged cells, {prose.share(int((gone & damaged).sum()), int(damaged.sum()))} were removed. "
        f"Of the removed cells, {prose.share(int((gone & damaged).sum()), int(gone.sum()))} were damaged. "
        f"Of the sound cells, {prose.share(int((gone & ~damaged).sum()), int((~damaged).sum()))} were lost."
    )
Markdown(text)

# %% mystnb={"figure": {"caption": "Share of cells removed, by what the cells are, with Wilson's 95 % interval.", "name": "fig-qc-removed"}, "image": {"alt": "One dot with an interval for each kind of cell: the share of its cells that were removed."}} tags=["hide-input"]
from statsmodels.stats.proportion import proportion_confint

by_kind = (
    gone.groupby(flagged.obs[kind].astype(str).str.replace("_", " ")).agg(["sum", "size"]).sort_values("size")
)
low, high = proportion_confint(by_kind["sum"], by_kind["size"], method="wilson")
ax = plt.subplots(figsize=(5.5, 0.3 * len(by_kind) + 1))[1]
ax.hlines(by_kind.index, 100 * low, 100 * high, color=pl.SENSITIVE, linewidth=2)
ax.plot(100 * by_kind["sum"] / by_kind["size"], by_kind.index, "o", color=pl.SENSITIVE)
_ = ax.set(xlabel="cells removed (%)", xlim=(-2, 102))

# %% [markdown]
# ## What is left
#
# The artefact `cells` holds the cells that pass, with counts in `layers["counts"]` and, in `X`, the logarithm of one plus counts per 10,000.
# The library size is taken over all genes before any are chosen.

# %% tags=["hide-input"]
cells = study.read("cells")
for column in ("sample", "cell_line", "truth"):
    if column not in cells.obs:
        cells.obs[column] = raw.obs.loc[cells.obs_names, column]
shared = cells[:, cells.var_names.isin(bulk.var_names)].layers["counts"]
cells.obs["zeros"] = 1 - shared.getnnz(axis=1) / shared.shape[1]
summary = cells.obs.groupby("sample", observed=True).agg(
    cells=("cell_line", "size"),
    lines=("cell_line", "nunique"),
    counts=("total_counts", "median"),
    genes=("n_genes_by_counts", "median"),
    zeros=("zeros", "median"),
)
summary.round({"counts": 0, "genes": 0, "zeros": 2}).astype({"counts": int, "genes": int})

# %% [markdown]
# Counts, genes and zeros are medians over cells; zeros are the share of the genes of the bulk panel that a cell has no count of.

# %% mystnb={"figure": {"caption": "Depth and sparsity of the cells that are left. Zeros are counted over the genes of the bulk panel.", "name": "fig-depth"}, "image": {"alt": "Scatter plot of the share of zeros against the counts of a cell, coloured by sample."}} tags=["hide-input"]
ax = plt.subplots(figsize=(5.5, 3.4))[1]
sns.scatterplot(cells.obs, x="total_counts", y="zeros", hue="sample", s=8, linewidth=0, alpha=0.7, ax=ax)
pl.log_counts(ax).set(xlabel="counts of a cell (log scale)", ylabel="share of zeros")
_ = ax.legend(title=None, markerscale=2, loc="upper left", bbox_to_anchor=(1, 1))

# %% tags=["remove-input"]
passing = int(flagged.obs["qc_pass"].sum())
Markdown(
    f"{cells.n_obs} cells are left of {raw.n_obs}"
    + (
        " (the artefact and this page agree)."
        if cells.n_obs == passing
        else f", but this page finds {passing}."
    )
    + f" The median cell has {cells.obs['total_counts'].median():.0f} counts and none at all for "
    f"{prose.percent(cells.obs['zeros'].median())} of the genes of the bulk panel."
)

# %% [markdown]
# Bulk has no such zeros.
# A model that is to read both must survive that most of its inputs are zero in one of them, a gene's the more often the less it is expressed.
#
# ## Lines and their truth
#
# A cell inherits the truth of its line: sensitive (1) if the line's AUC lies in the lower tail, resistant (0) if in the upper, not judged in between or if it is no cancer cell.
# For real cells the thresholds are those of the lines that stay in training; simulated cells are of lines drawn from the two tails.
# However many cells there are, **the number of independent answers is the number of lines**: cells of one line are {term}`pseudo-replicates` {cite:p}`squair2021`.

# %% mystnb={"figure": {"caption": "Cells of each line after quality control, lines sorted by measured AUC (in brackets), coloured by their truth.", "name": "fig-lines"}, "image": {"alt": "One bar for each cell line, its number of cells, coloured sensitive, resistant or not judged."}} tags=["hide-input"]
auc = bulk.obs["auc"].reindex(cells.obs["cell_line"].astype(str)).to_numpy()
about = cells.obs.assign(
    auc=auc, name=cells.obs["cell_line"].astype(str), truth=pl.response_names(cells.obs["truth"])
)
about = about.sort_values("auc")
label = about["name"] + about["auc"].map(lambda value: "" if np.isnan(value) else f" ({value:.2f})")
ax = pl.composition(pd.Categorical(label, categories=label.unique()), about["truth"], palette=pl.RESPONSE)

# %% tags=["remove-input"]
lines = about[about["auc"].notna()].drop_duplicates("name")["truth"].value_counts()
Markdown(
    f"For {drug}, {lines['sensitive']} of the lines are sensitive, {lines['resistant']} resistant and "
    f"{lines['not judged']} neither. {prose.percent(cells.obs['truth'].notna().mean())} of the cells are judged, "
    f"and {prose.percent(cells.obs['truth'].mean())} of those are sensitive. "
    + prose.classes(lines["sensitive"], lines["resistant"])
)

# %% [markdown]
# ## What do cells group by?
#
# Before anything is learnt, variable genes, principal components and a neighbour graph show what the largest differences between cells are {cite:p}`mcinnes2018,traag2019`.
# If cells group by sample, a method can find the sample; if they group by line, it can find the line; and if lines differ in response, then finding the line is half of the answer.

# %%
clustered = clustering.leiden(cells)

# %% mystnb={"figure": {"caption": "UMAP of the cells after quality control, coloured by sample, by line (names stand on the middle of their cells) and by truth.", "name": "fig-umap"}, "image": {"alt": "Three scatter plots of the same cells in two dimensions, coloured by sample, by cell line and by truth."}} tags=["hide-input"]
umap = clustered.obsm["X_umap"]
figure, axes = plt.subplots(2, 2, figsize=(9.5, 7))
axes = axes.ravel()
axes[3].set_axis_off()
pl.embedding(umap, clustered.obs["sample"].astype(str), title="sample", ax=axes[0])
pl.embedding(umap, clustered.obs["cell_line"].astype(str), title="cell line", named=True, ax=axes[1])
names = pl.response_names(clustered.obs["truth"])
_ = pl.embedding(umap, names, title=f"truth, {drug}", palette=pl.RESPONSE, ax=axes[2])

# %% [markdown]
# A picture in two dimensions can mislead, so the same as numbers: the adjusted Rand index (ARI) between unsupervised clusters and what is known of the cells.
# It is 1 for equal groupings and 0 on average for unrelated ones; normalised mutual information (NMI) is 1 for equal groupings too, but above 0 for unrelated ones.
# The last column is the 97.5 % point of the ARI after shuffling the clusters over the cells.

# %% tags=["hide-input"]
known = {"sample": "sample", "cell line": "cell_line", "truth": "truth"} | (
    {"planted as": "planted"} if planted else {}
)
cluster = clustered.obs["cluster"]
agreement = pd.DataFrame(
    {name: clustering.agreement(cluster, clustered.obs[column]) for name, column in known.items()}
).T
agreement["shuffled ARI, 97.5 %"] = [
    clustering.permuted_agreement(cluster, clustered.obs[column], n=40)["ARI"].quantile(0.975)
    for column in known.values()
]
agreement.round(3)

# %% tags=["remove-input"]
groupings = agreement.loc[["sample", "cell line"], "ARI"]
Markdown(
    f"Of sample and line, the clusters agree more with the **{groupings.idxmax()}**: ARI "
    f"{groupings.max():.2f}, against {groupings.min():.2f}."
)

# %% [markdown]
# ## What to keep in mind
#
# - QC uses counts only. It never looks at line, sample or response, except that medians are taken within a sample.
# - Thresholds are conventions. A low `max_mito` removes stressed cells, and a drug stresses cells: after treatment, QC can remove the very response that is studied.
# - Simulated cells are cleaner than real ones: no ambient RNA, no doublets, one kind of damage, and lines as different as GDSC has them. What works on them may fail on real cells; what fails on them has little hope.
#
# ```{exercise}
# :label: exercise-single-cells
# Drop the rule on mitochondrial counts by setting `max_mito` to 100. Which of the removed cells are still found by the other rules?
# ```
#
# ````{solution} exercise-single-cells
# :class: dropdown
# ```python
# without = pp.qc_flags(raw, min_genes=min_genes, max_mito=100.0, nmads=nmads, by="sample")
# pd.crosstab(flagged.obs["qc_pass"], without.obs["qc_pass"])
# ```
# The cell of the table in row `False` and column `True` counts those that only the mitochondrial rule finds.
# ````
#
# ## What was written
#
# The artefacts `raw_cells`, before any filter, and `cells`, after quality control and normalisation.
# The numbers of this page are in `single-cells.csv`.

# %%
rows = [("cells before QC", raw.n_obs), ("cells after QC", cells.n_obs)]
rows += [("median counts", cells.obs["total_counts"].median()), ("median zeros", cells.obs["zeros"].median())]
rows += [(f"ARI of clusters and {name}", value) for name, value in agreement["ARI"].items()]
if planted:
    rows += [("QC recall of damaged cells", (gone & damaged).sum() / max(damaged.sum(), 1))]
    rows += [("QC precision of damaged cells", (gone & damaged).sum() / max(gone.sum(), 1))]
prose.written(study.rows(pd.DataFrame(rows, columns=["metric", "value"])))
