# ---
# jupyter:
#   bulk2sc:
#     reads:
#     - bulk
#     writes:
#     - raw_cells
#     - cells
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
# # Which cells can be trusted?
#
# A model of drug response is tested on {term}`single cells <Single cell>`.
# Two things about them decide what the test is worth: whether a cell's answer is known, and whether its measurement is of a whole, single, living cell.
# This chapter looks at where the cells come from and removes those that fail {abbr}`QC (quality control)`.
#
# **You will learn**
#
# - where the cells of this book come from, and what is known about each of them;
# - how damaged cells and doublets are recognised by counts alone, and how to check that the right ones were removed;
# - how sparse the data are, and what the cells group by before anything is learnt.

# %% tags=["parameters"]
edition: str = "demo"  # edition whose settings and results are used
drug: str = "Cisplatin"  # drug, by its GDSC name
min_genes: int = 200  # fewest genes detected in a cell that is kept
max_mito: float = 20.0  # largest percentage of mitochondrial counts in a cell that is kept
nmads: float = 5.0  # most median absolute deviations from the median of the sample
doublet_rate: float = 0.05  # share of doublets expected among the cells of a sample
studies: dict[str, str] = {}  # data sets to count in Table 1, each with its drug; empty: that of the edition

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from IPython.display import Markdown

from bulk2sc import clustering, datasets, labels, pl, pp, prose, published
from bulk2sc.study import Study

pl.style()
limits = {"min_genes": min_genes, "max_mito": max_mito, "nmads": nmads}
study = Study(edition=edition, drug=drug, doublet_rate=doublet_rate, **limits)
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
# *Real cells*, none of them treated: the question is which lines a drug would kill.
# Five lung cancer lines were mixed and sequenced together by {cite:t}`tian2019` (GSE118767) with CEL-seq2 and Drop-seq.
# Each cell's line is known from its genetic variants, and so are {abbr}`doublets (two cells measured as one)` of two lines, which are left out.
# {cite:t}`gambardella2022` (GSE173634) sequenced breast cancer lines with Drop-seq, each on its own, so line and sequencing run cannot be told apart; a part of that atlas, 30 cells of each of 31 lines, is public as a matrix of counts.
#
# *Simulated cells*, which imitate the experiment of the paper with everything known:
#
# 1. cells of at least ten held-out lines from either tail of the AUC, and every line in both samples, control and treated, so that a line is not a sample and a sample is not a label;
# 2. *hidden resistant* cells in the control, of lines that are truly resistant;
# 3. *surviving sensitive* cells in the treated sample, of lines that are truly sensitive;
# 4. a shift of expression in all treated cells that has nothing to do with resistance, so that a method that detects "was treated" can be told from one that predicts response;
# 5. normal cells: fibroblasts, T cells and endothelial cells;
# 6. damaged cells, with few counts and many of them mitochondrial;
# 7. doublets: two cells of one sample in one droplet, their counts added.
#
# A simulated cell takes its line's bulk profile as relative expression, changed a little by its clone and its phase of the cell cycle, and draws negative binomial counts at the depth of droplet sequencing.
# No resistance programme is invented: what makes its line resistant in GDSC is all there is to find.

# %% mystnb={"figure": {"caption": "Cells by sample before quality control. Where cells are simulated, colours say what each was made as; where they are real, its cell line or, of more than ten lines, the truth of its line.", "name": "fig-design"}, "image": {"alt": "Stacked bars, one for each sample, of the number of cells of each kind."}} tags=["hide-input"]
kind = "planted" if planted else "cell_line"
shown, palette = raw.obs[kind], pl.PLANTED if planted else None
if not planted and shown.nunique() > 10:
    shown, palette = pl.response_names(raw.obs["truth"]), pl.RESPONSE
ax = pl.composition(raw.obs["sample"], shown, palette=palette)

# %% tags=["remove-input"]
lines_per_sample = raw.obs.groupby("sample", observed=True)["cell_line"].nunique()
Markdown(
    f"Samples: {len(lines_per_sample)}. Different lines in a sample (normal cells counting as one): "
    f"{' to '.join(str(n) for n in sorted({lines_per_sample.min(), lines_per_sample.max()}))}. Lines that leave "
    f"the training data because of these cells: {len(raw.uns.get('held_out', []))}."
)

# %% [markdown]
# ## Is each line what it is called?
#
# A cell takes its answer from the name of its line, and lines in culture get mixed up {cite:p}`fusenig2017`.
# So every name is tested: the mean of a line's cells is correlated with all bulk profiles, and **its own has to be among the three nearest**.
# The mean is taken of log expression and z-scored over the lines of the cells, the profiles over all lines of the screen.
# Where the answer comes from measured lines, a line that fails loses its name and its label; it leaves the training data all the same.

# %%
named = raw.copy()
named.obs["cell_line"] = raw.obs["cell_line"].astype(str).str.removeprefix(labels.STRANGER)
identity = labels.identity(named, bulk).sort_values("correlation")
strangers = identity[~identity["itself"].astype(bool)]

# %% mystnb={"figure": {"caption": "Correlation of each line's cells with the bulk profile of that line. Orange: the own profile is not among the three nearest; its rank and the nearest line stand beside it.", "name": "fig-identity"}, "image": {"alt": "One dot for each cell line, its correlation with its own bulk profile; lines that are not near themselves are orange and labelled."}} tags=["hide-input"]
if len(identity):
    ax = plt.subplots(figsize=(5.5, 0.2 * len(identity) + 1))[1]
    colours = identity["itself"].map({True: pl.SENSITIVE, False: pl.RESISTANT})
    ax.scatter(identity["correlation"], identity.index, c=colours, s=25)
    for line, found in strangers.iterrows():
        text = f"own profile: number {found['rank']} of {bulk.n_obs}; nearest: {found['nearest']}"
        ax.annotate(text, (found["correlation"], line), (8, -3), textcoords="offset points", fontsize=8)
    ax.set(
        xlabel="correlation with its own bulk profile", xlim=(min(0, identity["correlation"].min()) - 0.05, 1)
    )
    ax.tick_params(axis="y", labelsize=8)

# %% mystnb={"code_prompt_hide": "Hide the table", "code_prompt_show": "Table: every line and its own profile"} tags=["hide-cell"]
identity.round({"correlation": 2})

# %% tags=["remove-input"]
first = int((identity["rank"] == 1).sum())
Markdown(
    f"Of {len(identity)} lines, {first} are nearest to their own profile among {bulk.n_obs}. "
    + (f"Not near themselves: **{prose.listing(strangers.index)}**." if len(strangers) else "All pass.")
    if len(identity)
    else "Cells of three lines or more, some of them in the screen, are needed for this test; here there are none."
)

# %% [markdown]
# ## What a bad cell looks like
#
# A droplet may hold debris, a dying cell, or two cells.
# Counts betray the first two: a broken membrane lets the cytoplasm out, so few counts remain and a large share of them is mitochondrial.
#
# Three measures are used, and a cell that fails one is removed:
#
# - the number of genes detected, at least `min_genes`;
# - the percentage of mitochondrial counts, at most `max_mito`;
# - library size and number of genes, on a log scale, within `nmads` {abbr}`MAD (median absolute deviation)` of the median *of the sample*. A MAD, unlike a standard deviation, is hardly moved by the bad cells themselves, and protocols of different depth are not judged by each other's median.
#
# Two cells in one droplet need not be larger than one large cell, so doublets are sought by content.
# Scrublet {cite:p}`wolock2019` adds the counts of random pairs of cells and scores each cell by how many of its nearest neighbours are such sums.
# Here the `doublet_rate` of the cells of each sample with the highest scores are called: a fixed rule, which takes as many as are expected whether or not they are there.
#
# The paper states no thresholds of its own and refers to the usual steps of Scanpy {cite:p}`wolf2018`.

# %%
sound = pp.qc_flags(raw, by="sample", **limits)
chosen = {"by": "sample", "expected_rate": doublet_rate, "seed": study.settings["data_seed"]}
judged = pp.doublets(sound, **chosen)
flagged = judged if study.settings["remove_doublets"] else sound

# %% [markdown]
# Not every rule applies to all data.
# Log values have lost the library size, and of z-scores nothing can be judged:

# %% tags=["hide-input"]
pd.Series(flagged.uns["qc"], name="here").rename_axis("rule").to_frame()

# %% mystnb={"figure": {"caption": "Every cell before quality control: counts (genes detected, where values are no counts) against the share of mitochondrial counts. The dashed line is the largest share that is accepted.", "name": "fig-qc"}, "image": {"alt": "Scatter plot of mitochondrial percentage against counts; kept and removed cells have different colours."}} tags=["hide-input"]
mitochondrial = flagged.uns["qc"]["mitochondrial share"] == "applied"
if mitochondrial:
    ax = pl.quality(flagged.obs)
    ax.axhline(max_mito, color="black", linestyle="--", linewidth=0.8)

# %% [markdown]
# The same by sample, before and after:

# %% mystnb={"figure": {"caption": "Genes detected in a cell, its counts and their mitochondrial share, as far as the data have them, by sample, before quality control (grey) and after (blue).", "name": "fig-qc-samples"}, "image": {"alt": "Up to three panels with pairs of box plots, one pair for each sample: number of detected genes, counts, and percentage of mitochondrial counts."}} tags=["hide-input"]
stages = pd.concat({"before": flagged.obs, "after": flagged.obs[flagged.obs["qc_pass"]]}, names=["stage"])
if not mitochondrial:
    stages = stages.drop(columns="pct_counts_mt", errors="ignore")
_ = pl.before_and_after(stages.reset_index("stage"))

# %% [markdown]
# What was removed, and why.
# A cell can have several reasons; the last column counts those that no other rule would have removed.
# Doublets are sought among the cells that pass the other rules, so all of them have only this reason.

# %% tags=["hide-input"]
samples = flagged.obs["sample"].astype(str)
reasons = flagged.obs["qc_reason"].str.split("; ").explode()
table = pd.crosstab(reasons, samples.loc[reasons.index].to_numpy()).drop(index="", errors="ignore")
alone = flagged.obs["qc_reason"].value_counts().reindex(table.index).fillna(0).astype(int).astype(str)
table.loc["removed"] = (~flagged.obs["qc_pass"]).groupby(samples).sum()
table.loc["of"] = samples.value_counts()
table = table.assign(total=table.sum(axis=1)).astype(int).assign(only=alone).fillna({"only": ""})
table.rename(columns={"only": "only this reason"}).rename_axis(index="reason", columns="sample")

# %% [markdown]
# ## Were the right cells removed?
#
# With real cells nobody knows.
# What can be asked is whether the filter is even-handed: a line whose cells are small, or rich in mitochondria, may lose more of them than others.
# Where cells are simulated, damaged cells and doublets were planted and each filter can be scored against them: {abbr}`recall (the share of planted cells that the filter finds)` and {abbr}`precision (the share of the cells it finds that were planted)`.

# %% tags=["remove-input"]
gone = ~flagged.obs["qc_pass"]
text = f"Removed: {prose.share(int(gone.sum()), len(gone))}. Which of these cells were bad is not known."
if planted:
    made_as = flagged.obs["planted"].astype(str)
    filters = {
        "damaged cells": ("low_quality", ~sound.obs["qc_pass"]),
        "doublets": ("doublet", judged.obs["doublet"]),
    }
    text = "\n".join(
        f"- {prose.found(name, int((made_as[called] == what).sum()), int((made_as == what).sum()), int(called.sum()))}"
        for name, (what, called) in filters.items()
    )
Markdown(text)

# %% tags=["remove-input"]
text = ""
if planted:
    good = ~made_as.isin(["low_quality", "doublet"])
    text = f"Of the sound single cells, {prose.share(int((gone & good).sum()), int(good.sum()))} were lost."
    taken = judged.obs["doublet"][good].groupby(made_as[good].str.replace("_", " ")).agg(["sum", "size"])
    text += f" {prose.uneven(taken['sum'], taken['size'])}"
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
# ## Doublets whose genotype is known
#
# The five lines of {cite:t}`tian2019` differ in their genetic variants, so two lines in one droplet can be told from their reads {cite:p}`kang2018`.
# That is independent of expression, and a test of scrublet on real doublets.
# It is no perfect one: two cells of one line have one genotype, and reads that leak from well to well may look like a second cell.
# Where the cells are others, this section is empty.

# %% tags=["hide-input"]
from sklearn.metrics import roc_auc_score

by_genotype = source == "GSE118767"
if by_genotype:
    droplets = pp.resolve_symbols(pp.check_cells(datasets.mixology(singlets_only=False), source))
    droplets = pp.doublets(pp.qc_flags(droplets, by="sample", **limits), **chosen)
    genetic = droplets[droplets.obs["doublet_score"].notna()].obs.copy()
    genetic["double"] = genetic["class"] == "DBL"


# %% tags=["hide-input"]
def separated(obs):
    """Return the AUROC of the scores with the percentiles of 300 bootstraps over cells."""
    rng, n = np.random.default_rng(0), len(obs)
    draws = [np.arange(n), *(rng.integers(n, size=n) for _ in range(300))]
    double, score = obs["double"].to_numpy(), obs["doublet_score"].to_numpy()
    first, *others = (roc_auc_score(double[i], score[i]) for i in draws)
    return first, *np.quantile(others, [0.025, 0.975])


# %% tags=["hide-input"]
def against_genotype(obs):
    found, low, high = separated(obs)
    counted = (obs["double"] & obs["doublet"], obs["doublet"], obs["double"])
    hits, called, double = (int(n.sum()) for n in counted)
    return {
        "cells": len(obs),
        "doublets by genotype": prose.percent(double / len(obs)),
        "found of them": f"{hits} of {double}",
        "doublets among called": f"{hits} of {called}",
        "AUROC": f"{found:.2f} ({low:.2f} to {high:.2f})",
    }


# %% tags=["hide-input"]
groups = genetic.groupby(genetic["sample"].astype(str)) if by_genotype else []
pd.DataFrame({sample: against_genotype(obs) for sample, obs in groups}).T if by_genotype else None

# %% tags=["remove-input"]
text = "No genotypes are known here: nothing to compare."
if by_genotype:
    hits = int((genetic["double"] & genetic["doublet"]).sum())
    text = prose.found(
        "doublets", hits, int(genetic["double"].sum()), int(genetic["doublet"].sum()), kind="genetic"
    )
    text += " " + prose.expected_doublets(genetic["double"].mean(), doublet_rate)
    if not study.settings["remove_doublets"]:
        text += " " + prose.spared(int(judged.obs["doublet"].sum()), int(sound.obs["qc_pass"].sum()))
Markdown(text)

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
shared = cells[:, cells.var_names.isin(bulk.var_names)]
cells.obs["zeros"] = 1 - np.asarray((shared.layers.get("counts", shared.X) != 0).mean(axis=1)).ravel()
columns = {"counts": ("total_counts", 0), "genes": ("n_genes_by_counts", 0), "zeros": ("zeros", 2)}
columns = {name: column for name, column in columns.items() if column[0] in cells.obs}
summary = cells.obs.groupby("sample", observed=True).agg(
    cells=("cell_line", "size"),
    lines=("cell_line", "nunique"),
    **{name: (column, "median") for name, (column, _) in columns.items()},
)
digits = {name: places for name, (_, places) in columns.items()}
summary.round(digits).astype({name: int for name, places in digits.items() if places == 0})

# %% [markdown]
# Counts, genes and zeros are medians over cells; zeros are the share of the genes of the bulk panel that a cell has no count of.

# %% mystnb={"figure": {"caption": "Depth and sparsity of the cells that are left. Zeros are counted over the genes of the bulk panel.", "name": "fig-depth"}, "image": {"alt": "Scatter plot of the share of zeros against the counts of a cell, coloured by sample."}} tags=["hide-input"]
ax = plt.subplots(figsize=(5.5, 3.4))[1]
depth = next((c for c in ("total_counts", "n_genes_by_counts") if c in cells.obs), "zeros")
sns.scatterplot(cells.obs, x=depth, y="zeros", hue="sample", s=8, linewidth=0, alpha=0.7, ax=ax)
pl.log_axis(ax).set(xlabel=f"{pl.DEPTH.get(depth, depth)} (log scale)", ylabel="share of zeros")
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
    + f" The median cell has nothing measured for {prose.percent(cells.obs['zeros'].median())} of the genes of the "
    "bulk panel."
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
judged_first = about[about["auc"].notna()].sort_values("truth", key=lambda t: t == "not judged")
lines = judged_first.drop_duplicates("name")["truth"].value_counts()
Markdown(
    f"For {drug}, {lines['sensitive']} of the lines are sensitive, {lines['resistant']} resistant and "
    f"{lines['not judged']} neither. {prose.percent(cells.obs['truth'].notna().mean())} of the cells are judged, "
    f"and {prose.percent(cells.obs['truth'].mean())} of those are sensitive. "
    + prose.classes(lines["sensitive"], lines["resistant"])
    if cells.obs["truth"].notna().any()
    else "No measured response of a line is known for these cells. Their answers can only be the labels of the "
    "experiment, which the chapter on labelling makes."
)

# %% [markdown]
# ## Table 1
#
# Table 1 of {cite:t}`he2025` counts the sensitive and the resistant cells of the data sets it tests on.
# Here are the cells of each as its source delivers them, those that pass the rules of this page, and those that the paper labels.
# What the labelling then makes of them is counted in {doc}`/notebooks/data/labelling`.

# %% tags=["hide-input"]
sets = {name: study.of(name, its_drug) for name, its_drug in studies.items()} or {source: study}
stages = {"delivered": "raw_cells", "pass QC": "cells"}
counted = {name: {s: one.read(a).n_obs for s, a in stages.items()} for name, one in sets.items()}
paper = published.published("table1").set_index("cells_source")
labelled_there = (paper["sensitive"] + paper["resistant"]).rename("labelled in the paper")
table1 = pd.DataFrame(counted).T.join(labelled_there, how="outer" if not studies else "left")
table1.astype("Int64").astype(str).replace("<NA>", "")

# %% tags=["remove-input"]
Markdown(prose.cells_of_table1(table1))

# %% [markdown]
# ## What do cells group by?
#
# Before anything is learnt, variable genes, principal components and a neighbour graph show what the largest differences between cells are {cite:p}`mcinnes2018,traag2019`.
# If cells group by sample, a method can find the sample; if they group by line, it can find the line; and if lines differ in response, then finding the line is half of the answer.

# %%
clustered = clustering.leiden(cells)

# %% mystnb={"figure": {"caption": "UMAP of the cells after quality control, coloured by sample, by line and by truth; names stand on the middle of their cells and are left out where more than ten do not fit.", "name": "fig-umap"}, "image": {"alt": "Three scatter plots of the same cells in two dimensions, coloured by sample, by cell line and by truth."}} tags=["hide-input"]
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
known = {name: column for name, column in known.items() if clustered.obs[column].nunique() > 1}
cluster = clustered.obs["cluster"]
found = [clustering.agreement(cluster, clustered.obs[column]) for column in known.values()]
agreement = pd.DataFrame(found, index=list(known), columns=["ARI", "NMI"])
agreement["shuffled ARI, 97.5 %"] = [
    clustering.permuted_agreement(cluster, clustered.obs[column], n=40)["ARI"].quantile(0.975)
    for column in known.values()
]
agreement.round(3)

# %% tags=["remove-input"]
groupings = agreement["ARI"].reindex(["sample", "cell line"]).dropna()
Markdown(
    f"Of sample and line, the clusters agree more with the **{groupings.idxmax()}**: ARI "
    f"{groupings.max():.2f}, against {groupings.min():.2f}."
    if len(groupings) == 2
    else "Sample and line cannot be compared: one of them is unknown or the same for all cells."
)

# %% [markdown]
# ## What to keep in mind
#
# - The number of doublets that are called is the number expected, not a finding. Doublets of two cells that are alike are missed. A line or type of which a sample holds only a few cells has few neighbours of its own, and may be taken for a mixture of others: the filter can remove the rare cells that matter most.
# - QC uses counts only. It never looks at line, sample or response, except that medians are taken within a sample.
# - Thresholds are conventions. A low `max_mito` removes stressed cells, and a drug stresses cells: after treatment, QC can remove the very response that is studied.
# - Simulated cells are cleaner than real ones: no ambient RNA, one kind of damage, doublets of two random cells, and lines as different as GDSC has them. What works on them may fail on real cells; what fails on them has little hope.
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

# %% tags=["hide-input"]
rows = [("cells before QC", raw.n_obs), ("cells after QC", cells.n_obs)]
rows += [(f"median {name}", cells.obs[column].median()) for name, (column, _) in columns.items()]
rows += [(f"ARI of clusters and {name}", value) for name, value in agreement["ARI"].items()]
if planted:
    for name, (what, called) in filters.items():
        right = (called & (made_as == what)).sum()
        rows += [(f"QC recall of {name}", right / max((made_as == what).sum(), 1))]
        rows += [(f"QC precision of {name}", right / max(called.sum(), 1))]
if by_genotype:
    rows += [("scrublet recall of genetic doublets", hits / genetic["double"].sum())]
    rows += [("scrublet precision of genetic doublets", hits / genetic["doublet"].sum())]
    rows += [(f"scrublet AUROC, {sample}", separated(obs)[0]) for sample, obs in groups]
known_lines = identity[["rank", "correlation"]].rename_axis("method").reset_index()
_ = study.rows(
    known_lines.melt("method", var_name="metric").assign(metric=lambda t: "identity, " + t["metric"])
)
by_set = table1.dropna().rename_axis("dataset").melt(var_name="metric", ignore_index=False)
_ = study.rows(by_set.reset_index())
prose.written(study.rows(pd.DataFrame(rows, columns=["metric", "value"])))
