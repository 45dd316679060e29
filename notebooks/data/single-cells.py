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
# # Which cells can be trusted?
#
# ## The idea
#
# Two questions decide what a test on {term}`single cells <Single cell>` is worth.
#
# *Is the answer of a cell known?* In the data sets of {cite:t}`he2025` it is not: a label is inferred from the group, treated or control.
# Here **the truth of a cell is the measured response of its line**, and the lines of the cells never take part in training.
# So the cells must be of the line whose name they bear, and lines in culture get mixed up {cite:p}`fusenig2017`.
#
# *Is it one whole cell?* A droplet may hold debris, a dying cell, or two cells.
#
# | cells | from |
# |---|---|
# | five lung lines, mixed and sequenced together, each cell known by its genotype | GSE118767 {cite:p}`tian2019` |
# | 31 breast lines, each sequenced alone | GSE173634 {cite:p}`gambardella2022` |
# | simulated | bulk profiles of lines from both tails, with counts drawn at the depth of droplets |
#
# Simulated cells come in control and treated samples, every line in all of them.
# Treatment shifts genes that have nothing to do with resistance.
# Planted among them are *hidden resistant* cells in the control, *surviving sensitive* ones in the treated sample, normal cells, damaged cells and {abbr}`doublets (two cells measured as one)`.

# %% tags=["parameters"]
edition: str = "demo"  # edition whose settings and results are used
drug: str = "Cisplatin"  # drug, by its GDSC name
min_genes: int = 200  # fewest genes detected in a cell that is kept
max_mito: float = 20.0  # largest percentage of mitochondrial counts in a cell that is kept
nmads: float = 5.0  # most median absolute deviations from the median of the sample
doublet_rate: float = 0.05  # share of doublets expected among the cells of a sample

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown

from bulk2sc import clustering, datasets, labels, pl, pp, say
from bulk2sc.book import Study

# %% tags=["remove-input"]
pl.style()
limits = {"min_genes": min_genes, "max_mito": max_mito, "nmads": nmads}
study = Study(edition, drug=drug, doublet_rate=doublet_rate, **limits)

# %% [markdown]
# ## How it is done
#
# ### Is each line what it is called?
#
# The mean log expression of a line's cells is z-scored over the lines of the cells, and correlated with the profiles of all bulk lines.
# Its own has to be **among the three nearest**.
# A line that fails loses its name and its label, and leaves the training data all the same.

# %%
bulk, raw = study.read("bulk"), study.read("raw_cells")
for column in {"sample", "cell_line"} - {*raw.obs}:
    raw.obs[column] = "unknown"
named = raw.copy()
named.obs["cell_line"] = raw.obs["cell_line"].astype(str).str.removeprefix(labels.STRANGER)
identity = labels.identity(named, bulk).sort_values("correlation")
identity.head(3).round(2)

# %% [markdown]
# ### Is each cell whole, and alone?
#
# A broken membrane lets the cytoplasm out: few counts remain, and many of them are mitochondrial.
# So a cell needs `min_genes` detected genes and at most `max_mito` percent mitochondrial counts.
# Its counts and genes, on a log scale, must lie within `nmads` {abbr}`MAD (median absolute deviation)` of the median *of its sample*: protocols of different depth are not judged by each other.
#
# Two cells need not look larger than one.
# Scrublet {cite:p}`wolock2019` adds random pairs of cells and asks how many neighbours of a cell are such sums; the `doublet_rate` of each sample with the highest scores are called, whether or not there are so many.

# %%
seed = study.settings.get("data_seed", 0)
sound = pp.qc_flags(raw, by="sample", **limits)
judged = pp.doublets(sound, by="sample", expected_rate=doublet_rate, seed=seed)
cells = study.read("cells")
flagged = judged if "doublet" in cells.obs else sound
pd.Series(flagged.uns["qc"], name="here").to_frame()

# %% [markdown]
# No line, response or truth takes part.
#
# ## What else was found
#
# ### Sample by sample

# %% tags=["hide-input"]
samples, gone = flagged.obs["sample"].astype(str), ~flagged.obs["qc_pass"]
reasons = flagged.obs["qc_reason"].str.split("; ").explode()
by_sample = pd.crosstab(samples.loc[reasons.index].to_numpy(), reasons).drop(columns="", errors="ignore")
panel = raw[:, raw.var_names.isin(bulk.var_names)]
panel = panel.layers.get("counts", panel.X)
zeros = pd.Series(1 - np.asarray((panel != 0).mean(axis=1)).ravel(), raw.obs_names)
about = {"cells": samples.value_counts(), "removed": gone.groupby(samples).sum()}
for column, heading in {"total_counts": "median counts", "n_genes_by_counts": "median genes"}.items():
    if column in flagged.obs:
        about[heading] = flagged.obs[~gone].groupby(samples)[column].median().astype(int)
by_sample = pd.DataFrame(about).join(by_sample).rename_axis("sample")
by_sample.fillna(0).astype(int).T

# %% tags=["remove-input"]
Markdown(
    "The median cell that stays has nothing measured for "
    f"{say.percent(zeros[~gone].median())} of the genes of the bulk panel; bulk has no such zeros."
)

# %% [markdown]
# ### Were the right cells removed?
#
# With real cells nobody knows, but for doublets of two lines in GSE118767, which genotypes betray {cite:p}`kang2018`.
# In simulated cells, damaged cells and doublets were planted.

# %% tags=["hide-input"]
planted = "planted" in raw.obs
checks = {}
if planted:
    made_as = raw.obs["planted"].astype(str)
    checks["planted damaged cells"] = (made_as == "low_quality", ~sound.obs["qc_pass"])
    checks["planted doublets"] = (made_as == "doublet", judged.obs["doublet"])
if study.settings.get("cells_source") == "GSE118767":
    droplets = pp.resolve_symbols(pp.check_cells(datasets.mixology(singlets_only=False), "GSE118767"))
    droplets = pp.qc_flags(droplets, by="sample", **limits)
    droplets = pp.doublets(droplets, by="sample", expected_rate=doublet_rate, seed=seed)
    scored = droplets.obs[droplets.obs["doublet_score"].notna()]
    checks["doublets by genotype"] = (scored["class"] == "DBL", scored["doublet"])
rows = {
    what: {
        "cells": bad.sum(),
        "called": called.sum(),
        "found": (bad & called).sum(),
        "recall": (bad & called).sum() / max(bad.sum(), 1),
        "precision": (bad & called).sum() / max(called.sum(), 1),
    }
    for what, (bad, called) in checks.items()
}
found = pd.DataFrame(rows, index=["cells", "called", "found", "recall", "precision"]).T
found = found.astype({"cells": int, "called": int, "found": int}).round(2)
found if len(found) else Markdown("Which of the cells of this edition are bad is not known.")

# %% [markdown]
# ### What do cells group by?
#
# Variable genes, principal components and a neighbour graph show the largest differences between cells {cite:p}`mcinnes2018,traag2019`.
# If cells group by line, and lines differ in response, finding the line is half of the answer.
# The adjusted Rand index (ARI) of clusters and a grouping is 1 if they are equal and 0 on average by chance.

# %% mystnb={"figure": {"caption": "UMAP of the cells that pass, coloured by sample and by line; names of more than ten lines are left out.", "name": "fig-umap"}, "image": {"alt": "Two scatter plots of the same cells in two dimensions, coloured by sample and by cell line."}} tags=["hide-input"]
grouped = clustering.leiden(cells)
for column in {"sample", "cell_line"} - {*grouped.obs}:
    grouped.obs[column] = "unknown"
known = {"sample": "sample", "cell_line": "cell line"}
ari = {c: clustering.agreement(grouped.obs["cluster"], grouped.obs[c])["ARI"] for c in known}
figure, axes = plt.subplots(1, 2, figsize=(6.6, 2.9))
for ax, (column, name) in zip(axes, known.items(), strict=True):
    values = grouped.obs[column].astype(str)
    pl.embedding(grouped.obsm["X_umap"], values, title=name, named=column == "cell_line", ax=ax)

# %% tags=["remove-input"]
several = [column for column in known if grouped.obs[column].nunique() > 1]
text = "Sample and line cannot be compared: one of them is unknown or the same for all cells."
if len(several) == 2:
    text = f"Clusters have an ARI of {say.number(ari['cell_line'])} with the line and {say.number(ari['sample'])} with the sample."
Markdown(text)

# %% [markdown]
# ## What could mislead us
#
# - Cells of a line share its answer. However many cells there are, the number of independent answers is the number of lines ({term}`pseudo-replicates`, {cite:p}`squair2021`).
# - A line of which a sample holds few cells has few neighbours of its own, and may be taken for a mixture of others: the doublet filter can remove the rare cells that matter most.
# - Thresholds are conventions; the paper states none. A low `max_mito` removes stressed cells, and a drug stresses cells: QC can remove the response that is studied.
# - The names of lines are tested against profiles of the screen. Two sister lines of one patient can change places unseen.
# - Simulated cells are made from the profiles that their names are tested against, and are cleaner than real ones: no ambient RNA, one kind of damage.
#
# ```{exercise}
# :label: exercise-single-cells
# Switch off the rule on mitochondrial counts. Which of the removed cells are still found by the other rules?
# ```
#
# ````{solution} exercise-single-cells
# :class: dropdown
# ```python
# without = pp.qc_flags(raw, by="sample", **(limits | {"max_mito": 100.0}))
# pd.crosstab(sound.obs["qc_pass"], without.obs["qc_pass"])
# ```
# Row `False`, column `True` counts the cells that only the mitochondrial rule finds.
# ````
#
# ```{admonition} Quiz
# :class: dropdown tip
# A filter calls 5 % of 1,000 cells doublets. How many doublets are there? **Answer:** that is not known. The number called is the number expected, whatever the cells are.
# ```

# %% tags=["details", "hide-input"]
lines = identity.assign(itself=identity["itself"].astype(bool))
lines["auc"] = bulk.obs["auc"].reindex(lines.index)
if "truth" in cells.obs:
    own = cells.obs.assign(line=cells.obs["cell_line"].astype(str).str.removeprefix(labels.STRANGER))
    lines["truth"] = pl.response_names(own.groupby("line")["truth"].first().reindex(lines.index))
study.write("lines", lines.reset_index())
lines.round(2)

# %% tags=["details", "hide-input"]
numbers = {"cells before QC": raw.n_obs, "cells after QC": cells.n_obs}
numbers |= {"median zeros": zeros[~gone].median()}
numbers |= {f"ARI of clusters and {known[column]}": ari[column] for column in several}
for what, row in found.iterrows():
    numbers |= {f"recall of {what}": row["recall"], f"precision of {what}": row["precision"]}
numbers = pd.Series(numbers, dtype=float).rename_axis("metric").rename("value").reset_index()
study.write("qc", by_sample.reset_index())
study.write("single-cells", numbers).round(3)

# %% tags=["in-short", "remove-input"]
sentences = [f"{raw.n_obs} **{'simulated' if raw.uns.get('simulated') else 'real'}** cells."]
strangers = identity[~identity["itself"].astype(bool)]
if len(identity):
    first = say.share(int((identity["rank"] == 1).sum()), len(identity))
    sentences.append(
        f"Of the lines in the screen, {first} are nearest to their own profile among {bulk.n_obs}."
    )
    sentences += [
        f"Cells named **{line}** are not of that line: its profile is number {row['rank']}. They lose their label."
        for line, row in strangers.iterrows()
    ]
else:
    sentences.append("The names of their lines cannot be tested: that takes three lines, known by name.")
sentences.append(f"Quality control removes {say.share(int(gone.sum()), len(gone))}.")
if planted:
    bad, called = checks["planted doublets"]
    lost = gone[~made_as.isin(["low_quality", "doublet"])].groupby(made_as).agg(["sum", "size"])
    worst = lost.loc[(lost["sum"] / lost["size"]).idxmax()]
    damaged, seen = checks["planted damaged cells"]
    sentences.append(
        f"It finds {(damaged & seen).sum()} of {damaged.sum()} damaged cells and {(bad & called).sum()} of {bad.sum()} "
        f"doublets. Of sound cells it takes most from the {worst.name.replace('_', ' ')}: {say.share(*worst)}."
    )
if "doublets by genotype" in checks:
    at = found.loc["doublets by genotype"]
    sentences.append(
        f"Of {at['cells']:.0f} doublets known by genotype the filter would find {at['found']:.0f}: it calls {say.percent(doublet_rate)}."
    )
if "truth" in cells.obs:
    answers = cells.obs.dropna(subset="truth").groupby("cell_line", observed=True)["truth"].first()
    n = {name: int((answers == value).sum()) for name, value in {"sensitive": 1, "resistant": 0}.items()}
    sentences.append(f"For {drug}, {n['sensitive']} lines are sensitive and {n['resistant']} resistant.")
    if not min(n.values()):
        sentences.append("With one class nothing can be called right or wrong, only ranked.")
else:
    sentences.append("No response of a line is known: answers can only be labels of the experiment.")
Markdown(" ".join(sentences))

# %% mystnb={"figure": {"caption": "What can be trusted. Left: correlation of each line's cells with the bulk profile of that line; orange: the own profile is not among the three nearest. Right: cells kept and removed, by what simulated cells were made as, or by sample of real cells.", "name": "fig-trusted"}, "image": {"alt": "Left: one dot for each cell line, its correlation with its own bulk profile; lines that are not near themselves are orange. Right: bars of cells kept and removed for each kind of cell, with the share removed."}} tags=["in-short", "hide-input"]
kinds = raw.obs["planted" if planted else "sample"].astype(str).str.replace("_", " ")
bars = pd.crosstab(kinds, np.where(gone, "removed", "kept")).reindex(
    columns=["kept", "removed"], fill_value=0
)
bars = bars.loc[bars.sum(axis=1).sort_values().index]
height = max(2.4, 0.17 * len(identity) + 0.8)
figure, axes = plt.subplots(1, 2, figsize=(6.6, height))
colours = np.where(identity["itself"].astype(bool), pl.SENSITIVE, pl.RESISTANT)
axes[0].scatter(identity["correlation"], identity.index, c=colours, s=22)
for line, row in strangers.iterrows():
    text = f"own profile is number {row['rank']}; nearest: {row['nearest']}"
    axes[0].annotate(text, (row["correlation"], line), (7, -3), textcoords="offset points", fontsize=8)
axes[0].set(
    xlabel="correlation with the own bulk profile", xlim=(min(0, *identity["correlation"], 0) - 0.05, 1)
)
axes[0].tick_params(axis="y", labelsize=8)
if identity.empty:
    axes[0].text(0.5, 0.5, "lines cannot be tested", ha="center", transform=axes[0].transAxes)
bars.plot.barh(stacked=True, ax=axes[1], color=[pl.SENSITIVE, pl.RESISTANT], width=0.7)
for place, (kept, removed) in enumerate(bars.to_numpy()):
    axes[1].text(
        kept + removed, place, f" {say.percent(removed / (kept + removed))}", va="center", fontsize=8
    )
axes[1].set(
    xlabel="cells (share removed)",
    ylabel="",
    ylim=(-0.5, max(len(bars), 5) - 0.5),
    xlim=(0, 1.15 * bars.sum(axis=1).max()),
)
_ = axes[1].legend(loc="lower right", fontsize=8)
