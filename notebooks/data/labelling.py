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
# # Who is called sensitive?
#
# ## The idea
#
# No assay measures whether a cell *would have* died, because the one that is sequenced is dead by then.
# Studies therefore label cells by their sample: untreated cells are called sensitive, those alive after treatment resistant.
# {cite:t}`he2025` correct this in three steps (section 4.1.2):
#
# 1. A control cell that looks like treated ones is left out, as resistant from the start.
#    How alike is not stated. Here it leaves when treated cells *dominate* its cluster, counted as if both samples were equally large:
#
#    $$\frac{t_c / t}{t_c / t + u_c / u} \ge \text{dominance},$$
#
#    with $t_c$ of all $t$ treated and $u_c$ of all $u$ control cells in cluster $c$.
# 2. Normal cells leave: those of clusters whose mean score of marker genes reaches `min_score`.
# 3. What the literature says of a cell goes before its sample.
#
# Step 1 assumes that the treated sample holds resistant *kinds* of cells, which mark their own kind in the control.

# %% tags=["parameters"]
edition: str = "demo"  # edition whose settings and results are used
drug: str = "Cisplatin"  # drug, by its GDSC name
rule: str = ""  # path of a rule file of your own, empty for that of the data set
leiden_resolution: float = 1.0  # resolution of the clustering, higher gives more clusters
dominance: float = 0.0  # share of treated cells from which on a cluster is theirs, 0 for what the rule says
min_score: float = 1.0  # smallest mean marker score of a cluster of normal cells
depths: list[float] = [500.0, 2000.0]  # counts of a cell in the sweep
shifts: list[float] = [0.0, 0.5, 1.0, 3.0]  # changes by treatment in the sweep, in units of z
hidden_shares: list[float] = [0.05, 0.15, 0.25]  # shares of hidden resistant cells in the sweep
resolutions: list[float] = [0.1, 1.0, 10.0]  # resolutions of the clustering in the sweep
sweep_seeds: int = 3  # simulations of each setting in the sweep, each of other lines
sweep_cells: int = 600  # cells of each simulation in the sweep
studies: dict[str, str] = {}  # data sets to count in Table 1, each with its drug; empty: that of the edition

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown

from bulk2sc import clustering, compare, datasets, labels, pl, pp, published, say
from bulk2sc.book import Study

# %% tags=["remove-input"]
pl.style()
choices = {"rule": rule, "dominance": dominance, "min_score": min_score}
study = Study(edition, drug=drug, leiden_resolution=leiden_resolution, **choices)
cells = study.read("labelled")
obs, applied = cells.obs, cells.uns["rule"]

# %% [markdown]
# ## How it is done
#
# Which column tells control from treated differs from one data set to the next.
# A rule file says it, with its source; give your own as `rule` ({doc}`/book/how-to/new-edition`).
# `labels.label_cells` applies it to cells clustered without any label ({doc}`/notebooks/data/clustering`).
# Step 1 by hand:

# %%
sides = ["control", "treated"] if "treated" in obs else ["sensitive", "resistant"]
stated = obs["response_unfiltered"].map({1.0: sides[0], 0.0: sides[1]})
of_side = pd.crosstab(obs["cluster"], stated, normalize="columns").reindex(columns=sides, fill_value=0)
share = of_side[sides[1]] / of_side.sum(axis=1)
theirs = share[share >= (applied["dominance"] or np.inf)].index
leave = obs["cluster"].isin(theirs) & (stated == sides[0])
print(f"step 1: {leave.sum()} of {(stated == sides[0]).sum()} {sides[0]} cells leave")

# %% [markdown]
# What became of all cells, and why:

# %% tags=["hide-input"]
label = pl.response_names(obs["response"]).rename_categories({"not judged": "left out"})
pd.crosstab(obs["label_reason"], label).rename_axis(index="why", columns="label")


# %% [markdown]
# Where cells are simulated, it is known what each was made as:


# %%
def score_labels(obs):
    made, reason = obs["planted"].astype(str), obs["label_reason"]
    hidden, normal = made == "hidden_resistant", made == "normal"
    tumour = obs[obs["truth"].notna() & ~made.isin(["low_quality", "doublet"])]
    right = {column: tumour[column].dropna() for column in ("response", "response_unfiltered")}
    right = {c: (called == tumour["truth"][called.index]).mean() for c, called in right.items()}
    return {
        "hidden recall": (reason == labels.INTRINSIC)[hidden].mean(),
        "normal recall": reason.str.startswith("normal")[normal].mean(),
        "right labels": right["response"],
        "right labels, no exclusion": right["response_unfiltered"],
    }


# %% [markdown]
# ## What else was found
#
# ### Where the steps break
#
# The experiment is simulated again, with other lines for each seed; one setting moves at a time.
# *Change by treatment* moves every treated cell.

# %%
BASE = {"depth": 2000.0, "shift": 0.5, "hidden_resistant": 0.15, "resolution": 1.0}


# %%
def labels_of_simulated(bulk, *, resolution, seed, sweep_cells, drug, depth, shift, hidden_resistant):
    made = {"depth": depth, "shift": shift, "hidden_resistant": hidden_resistant, "doublets": 0}
    raw = datasets.simulate(bulk, drug=drug, n_cells=sweep_cells, seed=seed, **made)
    flagged = pp.qc_flags(raw, min_genes=30, by="sample")
    cells = pp.normalise(flagged[flagged.obs["qc_pass"]].copy())
    cells = clustering.communities(cells, resolution=resolution, seed=seed)
    try:
        return score_labels(labels.label_cells(cells, labels.rule_for("simulated"), seed=seed).obs)
    except labels.ClassLost:
        return {}


# %%
varied = {"depth": depths, "shift": shifts, "hidden_resistant": hidden_shares, "resolution": resolutions}
settings = [BASE | {name: value} for name, values in varied.items() for value in values]
grid = [at | {"seed": s, "sweep_cells": sweep_cells} for at in settings for s in range(sweep_seeds)]
swept = study.each(labels_of_simulated, grid).drop_duplicates()
kept = study.kept("label_sweep")


# %% mystnb={"figure": {"caption": "Recall of hidden resistant and of normal cells, and right labels. Lines: kept means of ten simulations from GDSC2 lines, cisplatin. Crosses: this edition, from its own lines and drug, fewer and smaller; they need not lie on the lines. Dotted: the value in the other panels.", "name": "fig-label-sweep"}, "image": {"alt": "Four panels, one for each setting, each with four curves: recall of hidden resistant cells, recall of normal cells, right labels with exclusion and without."}} tags=["hide-input"]
def means_over(table, setting):
    others = [name for name in BASE if name != setting]
    rows = table[(table[others] == pd.Series(BASE)[others]).all(axis=1)]
    return rows.groupby(setting)[list(LOOK)].mean()


LOOK = {"hidden recall": ("#d55e00", "-"), "normal recall": ("#029e73", "-")}
LOOK |= {"right labels": (pl.SENSITIVE, "-"), "right labels, no exclusion": (pl.SENSITIVE, "--")}
NAMES = {"depth": "counts of a cell", "shift": "change by treatment (z)"}
NAMES |= {"hidden_resistant": "share of control that is resistant", "resolution": "resolution of clusters"}
figure, axes = plt.subplots(2, 2, figsize=(6.4, 5.6), sharey=True)
for ax, (setting, name) in zip(axes.flat, NAMES.items(), strict=True):
    long, short = means_over(kept, setting), means_over(swept.reindex(columns=kept.columns), setting)
    for metric, (colour, line) in LOOK.items():
        ax.plot(long[metric], line, color=colour, marker="o", markersize=3, label=metric)
        ax.plot(short[metric], "x", color=colour, markersize=7)
    ax.axvline(BASE[setting], color=pl.NEUTRAL, linestyle=":", linewidth=1)
    ax.set(xlabel=name, ylim=(-0.03, 1.03))
    if setting in ("depth", "resolution"):
        pl.log_axis(ax)
_ = figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)

# %% tags=["remove-input"]
silent = {name: means_over(kept, name)["hidden recall"] for name in ("shift", "hidden_resistant")}
silent = {name: found[found < 0.5].index.min() for name, found in silent.items()}
Markdown(
    f"Of the values tried, step 1 finds fewer than half of the hidden cells once treatment moves cells by {silent['shift']:g} z, "
    f"and once {say.percent(silent['hidden_resistant'])} of the control is resistant."
)

# %% [markdown]
# Cells that treatment moves far cluster by sample, and the control looks clean.
# Where a share $h$ of the control is resistant and a share $s$ of the treated sample sensitive, treated cells make $(1-s)/(1-s+h)$ of the resistant cluster. Once this is below the dominance, every hidden cell stays.
#
# ### What exclusion does to the measures
#
# Scores of three methods, which saw no label of a cell, are judged by each set of answers: AUROC, with 95 % intervals over lines ({doc}`/notebooks/evaluation/how-we-compare`).

# %% tags=["hide-input"]
known = cells.uns["answer"] == "lines"  # else the truth is the label itself
answers = {"by sample": "response_unfiltered", "after exclusion": "response"}
answers |= {"truth of the line": "truth"} if known else {}
scores = study.each("scores", {"method": ["ridge", "LR", "SVM"], "seed": [0]})
judged = study.read("pair")[1]
areas = {name: compare.on_cells(scores, judged, against=at)["auroc"] for name, at in answers.items()}
areas = {name: compare.levels(found) for name, found in areas.items()}
say.table(areas)

# %% [markdown]
# The scores are the same in every column; the answers changed.
# Wrong labels are gone, and so are cells that *look* like the other class. Only a value above that of the truth is surely due to the second.
# How far labels have become a function of expression shows in a rule that knows nothing of drugs: call each cell what most cells of its cluster are labelled.


# %% tags=["remove-input"]
def from_cluster(column):
    sizes = pd.crosstab(obs["cluster"], obs[column])
    return sizes.max(axis=1).sum() / sizes.to_numpy().sum()


text = "No cell has a label here, so there is nothing to give."
if obs["response"].notna().any():
    purity = [say.percent(from_cluster(column)) for column in ("response_unfiltered", "response")]
    text = f"It gives {purity[0]} of the labels by sample, and {purity[1]} of those after exclusion."
Markdown(text)

# %% [markdown]
# Later chapters therefore judge by the truth of the line where it is known.
#
# ## What could mislead us
#
# - A method that detects *treatment* does well on such labels and predicts no response.
# - Planted cells are cells of lines, which cluster by themselves. Those of one tumour may not, so real recall may be lower.
# - Nothing in the data says that step 1 was silenced.
# - Tumours may carry markers of normal cells, as a leukaemia of T cells does. `min_score` was set to keep such lines.
#
# ```{exercise}
# :label: exercise-labelling
# Leave out, besides, the treated cells of clusters that the control dominates, with `labels.mark_intrinsic_resistance`. Which cells go?
# ```
#
# ````{solution} exercise-labelling
# :class: dropdown
# ```python
# mirrored = obs.assign(treated=~obs["treated"].astype(bool))
# suspicious = labels.mark_intrinsic_resistance(mirrored, dominance=0.8)
# obs.loc[suspicious, "planted"].value_counts()
# ```
# It is step 1 with the samples exchanged, and finds surviving sensitive cells. Labels get better; since both sides are then chosen by expression, they also get closer to the clusters.
# ````
#
# ```{admonition} Quiz
# :class: dropdown tip
# After exclusion the AUROC of a method rises from .80 to .90. Has it predicted better? **Answer:** it has predicted the same. The answers changed: some wrong ones are gone, and some hard cells.
# ```


# %% tags=["details", "hide-input"]
def count_cells(raw, kept, labelled):
    response, reason = labelled.obs["response"], labelled.obs["label_reason"].astype(str)
    normal = reason.str.startswith("normal")
    unnamed = response.isna() & labelled.obs["response_unfiltered"].isna() & ~normal
    found = {"delivered": raw.n_obs, "failed QC": raw.n_obs - kept.n_obs}
    found |= {
        "of neither sample": kept.n_obs - labelled.n_obs,
        "left out": (response.isna() & ~unnamed).sum(),
    }
    return found | {
        "unnamed": unnamed.sum(),
        "sensitive": (response == 1).sum(),
        "resistant": (response == 0).sum(),
    }


# %% tags=["details", "hide-input"]
main = study.settings.get("cells_source", "simulated")
counted = {}
for source, its_drug in (studies or {main: drug}).items():
    of = {"cells_source": source, "drug": its_drug, "rule": rule if source == main else ""}
    unkept = {name: value for name, value in of.items() if name != "rule"}
    raw, kept_cells = study.read("raw_cells", **unkept), study.read("cells", **unkept)
    counted[source] = count_cells(raw, kept_cells, study.read("labelled", **of))
counted = pd.DataFrame(counted).T.rename_axis("dataset")
paper = published.published("table1").set_index("cells_source")[["sensitive", "resistant"]]
told = [
    f"- **{name}**: {row.sensitive} sensitive and {row.resistant} resistant cells here, "
    f"{paper.loc[name, 'sensitive']} and {paper.loc[name, 'resistant']} in the paper."
    for name, row in counted.iterrows()
    if name in paper.index
]
Markdown("\n".join(["**Cells, as the paper's Table 1 counts them**", "", *told]))

# %% tags=["details", "hide-input"]
study.write("label-sweep", swept)
shares = score_labels(obs) if "planted" in obs else {}
study.write("labels", pd.DataFrame(shares.items(), columns=["metric", "value"]))
study.write("table1", counted.reset_index())
study.write("auroc", pd.concat(areas, names=["against"]).reset_index(level=0))
counted.join(paper.add_suffix(", paper")).dropna(axis=1).astype(int).T

# %% tags=["details", "remove-input"]
Markdown(f"**The rule**, `{applied['name']}`\n\n```yaml\n{applied['text'].strip()}\n```")

# %% tags=["details", "hide-input"]
by_size = {
    "cells": obs.groupby("cluster", observed=True).size(),
    f"share of {sides[1]} cells": share.round(2),
}
pd.DataFrame(by_size)

# %% tags=["in-short", "remove-input"]
has_label = obs["response_unfiltered"].notna()
lost = int((has_label & obs["response"].isna()).sum())
other = applied["drug"] and applied["drug"].lower() != drug.lower()
parts = [
    f"{has_label.sum()} of {len(obs)} cells have a label before any exclusion; exclusion takes {lost} of them "
    f"({say.percent(lost / max(has_label.sum(), 1))})."
]
if "planted" in obs:
    found, made = score_labels(obs), obs["planted"].astype(str)
    spared = made == "surviving_sensitive"
    parts = [
        f"On **simulated** cells the sample alone gives {say.percent(found['right labels, no exclusion'])} right labels, and the "
        f"paper's exclusion {say.percent(found['right labels'])}. Step 1 finds {say.percent(found['hidden recall'])} of "
        f"{(made == 'hidden_resistant').sum()} hidden resistant cells, step 2 {say.percent(found['normal recall'])} of "
        f"{(made == 'normal').sum()} normal ones; no step looks for sensitive cells that survive, and "
        f"{(obs['response'][spared] == 0).sum()} of {spared.sum()} are called resistant."
    ]
    parts.append(
        f"**It can fail silently**: in the kept simulations step 1 finds fewer than half of the hidden cells once treatment moves cells "
        f"by {silent['shift']:g} z, or {say.percent(silent['hidden_resistant'])} of the control is resistant."
    )
else:
    parts.insert(0, "Nothing was planted in these **real** cells, so the labels cannot be scored.")
if other:
    parts.append(
        f"**These cells were given {applied['drug']}, not {drug}**: their labels answer another question."
    )
Markdown(" ".join(parts))

# %% mystnb={"figure": {"caption": "What became of the cells, by what they were made as or, where they are real, by what the rule states before any step.", "name": "fig-label-fate"}, "image": {"alt": "Stacked bars, one for each kind of cell, of the number of cells labelled sensitive, resistant or left out."}} tags=["in-short", "hide-input"]
kinds = obs["planted"].astype(str).str.replace("_", " ") if "planted" in obs else stated.fillna("neither")
palette = {"sensitive": pl.SENSITIVE, "resistant": pl.RESISTANT, "left out": "#d5d5d5"}
ax = plt.subplots(figsize=(5.6, 0.3 * kinds.nunique() + 1.2))[1]
ax = pl.composition(kinds, label, palette=palette, ax=ax)
_ = ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3)
