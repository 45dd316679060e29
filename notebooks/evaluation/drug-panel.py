# ---
# jupyter:
#   bulk2sc:
#     reads:
#     - bulk
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
# # Five lines, hundreds of drugs
#
# Real single cells with a known drug response are rare, and five cell lines are five observations.
# But the lines of this edition have been tested with hundreds of drugs.
# For each drug, a method that has never seen these lines scores their cells; if it knows anything, the line whose cells score higher is the more sensitive one.
# One drug proves nothing. The panel of all drugs does.
#
# **You will learn**
#
# - how to turn a few lines of known response into a test that can fail;
# - what a perfect measurement of the cells could reach at best, the *ceiling*;
# - which uncertainty belongs to the drugs, which to the lines.

# %% tags=["parameters"]
edition: str = "mixology"  # edition whose settings and results are used
penalty: float = 2000.0  # penalty of the ridge regression
min_lines: int = 4  # lines of the panel that must have been tested with a drug
min_total: int = 400  # lines in all that must have been tested with a drug
k: float = 0.3  # fraction of lines in each tail, for the classifier
max_epochs: int = 100  # epochs of pretraining at most

# %%
import numpy as np
import pandas as pd
import seaborn as sns
from IPython.display import Markdown

from bulk2sc import datasets, models, panel, pathways, pl, pp, prose
from bulk2sc.study import Study

pl.style()
study = Study(edition=edition)
everything, cells = study.read("bulk"), study.read("cells")
lines = sorted(set(cells.obs["cell_line"]))
training = pp.train_lines(everything, lines)

# %% [markdown]
# ## The drugs
#
# A drug takes part when enough of the lines, and enough lines in all, were tested with it.
# It is *discriminating* when the lines differ: the (population) standard deviation of their AUC exceeds .1.
# Where all lines respond alike, their order is measurement noise, and no method can rank them.

# %%
drugs = panel.drugs(everything, lines, min_lines=min_lines, min_total=min_total)
discriminating = drugs.index[drugs["discriminating"]]
Markdown(
    f"{len(drugs)} drugs take part, {len(discriminating)} of them discriminating. The lines are {prose.listing(lines)}; "
    f"{training.n_obs} other lines remain for training."
)

# %% mystnb={"figure": {"caption": "Measured AUC of the lines for the discriminating drugs, sorted by their mean.", "name": "fig-panel-truth"}, "image": {"alt": "Heat map of measured AUC, one row per line and one column per discriminating drug."}} tags=["hide-input"]
import matplotlib.pyplot as plt

auc = panel.truth(everything, lines)
figure, ax = plt.subplots(figsize=(11, 2.8))
order = auc[discriminating].mean().sort_values().index
sns.heatmap(auc[order], cmap="viridis", cbar_kws={"label": "AUC"}, xticklabels=True, ax=ax)
ax.tick_params(axis="x", labelsize=7, rotation=90)

# %% [markdown]
# ## Equal genes, equal scaling
#
# Results on this panel move by several hundredths with the choice of genes and with how cells are scaled.
# So every method gets the same input: all genes that bulk and cells share, bulk genes z-scored over the training lines, cells z-scored over all cells together.

# %%
lines_in, cells_in = pp.pair(training, cells, n_hvg=0)
profiles = panel.bulk_profiles(everything, lines_in, lines)
mask = pathways.pathway_mask(datasets.gene_sets("go_cc"), lines_in.var_names)
f"{lines_in.n_vars} genes, {cells_in.n_obs} cells, {len(mask)} latent dimensions"

# %% [markdown]
# ## Ridge regression
#
# The method to beat is a ridge regression of the AUC on the scaled genes, one for each drug.
# The same weights are applied to the cells and to the lines' own bulk profiles.
# The latter is the ceiling: it is what the regression knows about these lines when nothing is lost on the way to the single cells.

# %%
weights = panel.ridge_weights(lines_in, drugs.index, penalty=penalty)
ridge_cells = panel.line_means(-(cells_in.to_df(layer="scaled") @ weights), cells_in.obs["cell_line"])
ridge_bulk = -(profiles.to_df(layer="scaled") @ weights)

# %% [markdown]
# ## The shared autoencoder
#
# The autoencoder is pretrained once, on training lines and cells, without any label.
# Then each drug gets a classifier of its own on the shared code of the training lines in that drug's tails.

# %%
model = models.SharedAutoencoder(mask=mask, max_epochs=max_epochs, seed=0).pretrain(lines_in, cells_in)
shared_cells, shared_bulk = panel.shared_autoencoder_scores(
    model, lines_in, [cells_in, profiles], list(drugs.index), k=k
)
shared_cells = panel.line_means(shared_cells, cells_in.obs["cell_line"])

# %% [markdown]
# ## What the panel says
#
# For each drug, Spearman's correlation between the lines' mean score and their sensitivity; then the mean over drugs.
# Three kinds of uncertainty go with it, and they answer different questions.
#
# - **Bootstrap over drugs**: would another set of drugs give the same mean, for these lines? Drugs of one target are not independent, so this interval is too narrow rather than too wide.
# - **Exact permutation of the lines**: how large would the mean be if the lines' scores were dealt out at random? With five lines there are 120 ways, and all are computed.
# - **Leaving one line out**: does everything hang on a single line?

# %%
contestants = {
    ("ridge", "cells"): ridge_cells,
    ("ridge", "bulk profiles (ceiling)"): ridge_bulk,
    ("shared AE", "cells"): shared_cells,
    ("shared AE", "bulk profiles (ceiling)"): shared_bulk,
}
sets = {"all drugs": drugs.index, "discriminating": discriminating}
found = {
    (name, *who): panel.summary(score[list(chosen)], auc)
    for name, chosen in sets.items()
    for who, score in contestants.items()
}
summary = pd.DataFrame(found).T.rename_axis(["drugs", "method", "input"])
summary.round(3)

# %% [markdown]
# A constant answer ranks nothing: its rho is 0 for every drug, by definition.


# %% tags=["remove-input"]
def sentence(method: str) -> str:
    """Say how a method does on the cells, for the discriminating drugs."""
    row = summary.loc[("discriminating", method, "cells")]
    size = prose.interval(row["mean"], row["low"], row["high"])
    verdict = "beyond" if row["mean"] > row["null_high"] else "within"
    return (
        f"**{method}**: mean rho {size} over {row['n_drugs']:.0f} discriminating drugs, {verdict} what permuted lines "
        f"reach (97.5 % point {row['null_high']:.2f}, p = {row['p']:.3f}); "
        f"between {row['without_line_low']:.2f} and {row['without_line_high']:.2f} when one line is left out."
    )


Markdown("\n".join(f"- {sentence(method)}" for method in ("ridge", "shared AE")))

# %% mystnb={"figure": {"caption": "Mean rho over the discriminating drugs. Dots: data, with bootstrap intervals over drugs; grey: all permutations of the lines.", "name": "fig-panel-null"}, "image": {"alt": "Mean rank correlation of each method and input, with intervals, above the distribution of the permutation null."}} tags=["hide-input"]
figure, ax = plt.subplots(figsize=(7, 2.8))
for i, (who, score) in enumerate(contestants.items()):
    row, null = (
        summary.loc[("discriminating", *who)],
        panel.permutation_null(score[list(discriminating)], auc),
    )
    ax.scatter(null, np.full(len(null), i), s=14, color=pl.NEUTRAL, alpha=0.35, linewidth=0)
    ax.hlines(i, row["low"], row["high"], color=pl.SENSITIVE, linewidth=2)
    ax.scatter(row["mean"], i, color=pl.SENSITIVE, zorder=3)
ax.axvline(0, color="black", linewidth=0.8, linestyle="--")
ax.set(yticks=range(4), yticklabels=[": ".join(who) for who in contestants], xlabel="mean rho")
ax.invert_yaxis()

# %% [markdown]
# ## Drug by drug

# %%
rho = pd.DataFrame({" ".join(who): panel.rank_correlation(score, auc) for who, score in contestants.items()})
gap = rho.loc[discriminating, "ridge cells"] - rho.loc[discriminating, "shared AE cells"]
draws = np.random.default_rng(0).choice(gap.to_numpy(), (2000, len(gap))).mean(axis=1)
difference = {"value": gap.mean(), "low": np.quantile(draws, 0.025), "high": np.quantile(draws, 0.975)}
Markdown(prose.difference("ridge", "shared AE", difference, metric="mean rho on the cells"))

# %% tags=["hide-input"]
shown = rho.loc[discriminating].join(drugs[["spread"]]).sort_values("ridge cells", ascending=False)
shown.round(2).head(12)

# %% [markdown]
# ## What to keep in mind
#
# - The cells of a line are {term}`pseudo-replicates <pseudo-replicate>`; they were averaged and never counted.
# - Five lines of one tissue: what ranks them may be a handful of differences between these five, which many drugs share. The permutation null keeps that sharing, the bootstrap over drugs does not.
# - The penalty of the ridge regression is a fixed reference value, and the epochs of the autoencoder are a limit of time. This chapter tunes neither, and another penalty would give other numbers.
#
# ```{exercise}
# :label: exercise-panel
# Standardise the cells within each sample instead of over all of them together. Which methods lose, and why could that be?
# ```
#
# ````{solution} exercise-panel
# :class: dropdown
# ```python
# for sample in cells_in.obs["sample"].unique():
#     rows = (cells_in.obs["sample"] == sample).to_numpy()
#     cells_in.layers["scaled"][rows] = pp.zscore(cells_in.layers["scaled"][rows])
# ```
# A sample that holds only some of the lines loses part of the difference between them, together with the difference between protocols.
# ````
#
# ## What was written
#
# The correlation of every drug, method and input, as tidy rows in `drug-panel.csv`.

# %%
tidy = rho.rename_axis("drug").reset_index().melt("drug", var_name="method", value_name="value")
study.rows(tidy.assign(metric="rho", seed=0)).tail(3)
