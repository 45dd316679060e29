# ---
# jupyter:
#   bulk2sc:
#     reads:
#     - raw_cells
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
# # Your own cells
#
# Everything so far was about cells whose answer is known.
# This chapter scores cells whose answer is not: give it an `.h5ad` file and a drug.
# It does in a notebook what `bulk2sc predict` does on the command line, step by step, so that you see what is done to your data.
#
# **You will learn**
#
# - what a file must contain, and what is detected by itself;
# - which cell lines to leave out of training;
# - how far a score can be trusted for cells that nobody has tested.

# %% tags=["parameters"]
edition: str = "demo"  # edition whose settings and results are used
drug: str = "Cisplatin"  # drug, by its GDSC name
cells_file: str = ""  # full path of your cells, in a file or 10x folder; empty takes those of this edition
cells_reading: dict[str, str] = {}  # what must be told of them, by gene_column, values, layer or sample
model: str = "ridge"  # method, such as ridge or shared AE
n_seeds: int = 1  # models whose scores are averaged
exclude_lines: list[str] = []  # cell lines to leave out of training, beside those of this edition

# %%
import numpy as np
import pandas as pd
from IPython.display import Markdown

from bulk2sc import datasets, pl, pp, predict, prose
from bulk2sc.study import Study

pl.style()
study = Study(edition=edition, drug=drug)
raw = datasets.mend(datasets.read_cells(cells_file))[0] if cells_file else study.read("raw_cells")
bulk = datasets.load_bulk(study.settings["bulk_source"], seed=study.settings["data_seed"])

# %% [markdown]
# ## What the file must contain
#
# Cells in rows, human genes in columns.
#
# | | accepted |
# |---|---|
# | gene names | symbols (old ones too), Ensembl or Entrez ids |
# | values | counts, in `layers["counts"]` or `X`; logarithms, shares, TPM; z-scores, residuals |
# | files | `.h5ad`, a 10x `.h5` or folder, a table |
# | anything else | ignored: labels and clusters never reach the model |
#
# What the values are is told by the values: whole numbers are counts; the same sum in every cell, once a logarithm is undone, says which logarithm it was, and of what; genes of mean 0 and spread 1 are z-scores.
# Where they do not tell, `cells_reading` must, such as `{values: log}`.

# %%
drawn = np.random.default_rng(0).permutation(raw.n_obs)[:1000]
mine = raw[np.sort(drawn)].copy()
checked = pp.check_cells(mine, cells_file or "the cells", **cells_reading)
Markdown(
    f"{mine.n_obs} of {raw.n_obs} cells are scored here, with {checked.n_vars} genes. "
    f"They were read as **{pp.detect_scale(checked)}** ({checked.uns['notes'][0]})."
    + (" The cells are *simulated*." if raw.uns.get("simulated") else "")
)

# %% [markdown]
# ## Which lines to leave out
#
# If your cells come from a cell line that GDSC has tested, the model would be trained on the very answer it is asked for.
# Leave that line out with `exclude_lines`, spelt as you like: only letters and digits count.
# The lines behind the cells of this edition are always left out.

# %%
held_out = [*exclude_lines, *([] if cells_file else raw.uns.get("held_out", []))]
prediction = predict.predict_cells(
    mine,
    drug=drug,
    exclude_lines=held_out,
    seeds=n_seeds,
    model=model,
    reading=cells_reading,
    bulk=bulk,
    name=cells_file or "the cells",
)
Markdown("\n".join(f"- {note}" for note in prediction.notes))

# %% [markdown]
# ## What comes back
#
# The file as it was, and in it:
#
# | field | content |
# |---|---|
# | `obs["bulk2sc_score"]` | P(sensitive), 0 to 1, higher = more sensitive |
# | `obs["bulk2sc_response"]` | the call at .5: `sensitive` or `resistant` |
# | `obs["bulk2sc_score_sd"]` | standard deviation of the score over models, where there are several |
# | `obsm["X_bulk2sc"]` | the latent code, where the method has one |
# | `uns["bulk2sc"]` | every setting, for the record |

# %%
scored = prediction.cells
scored.obs[[c for c in scored.obs if c.startswith("bulk2sc_")]].head().round(3)

# %% mystnb={"figure": {"caption": "Scores of the cells, by sample where the file has samples.", "name": "fig-your-scores"}, "image": {"alt": "Distribution of predicted probabilities of being sensitive, one curve per sample."}} tags=["hide-input"]
import matplotlib.pyplot as plt
import seaborn as sns

figure, ax = plt.subplots(figsize=(6, 3))
hue = "sample" if "sample" in scored.obs else None
sns.kdeplot(scored.obs, x="bulk2sc_score", hue=hue, cut=0, common_norm=False, warn_singular=False, ax=ax)
ax.axvline(0.5, color="black", linestyle="--", linewidth=0.8)
if ax.get_legend():
    sns.move_legend(ax, "upper left", bbox_to_anchor=(1, 1), title=None)
_ = ax.set(xlabel="P(sensitive)", ylabel="density", xlim=(0, 1))

# %% [markdown]
# ## Does the form of the input matter?
#
# The same cells are given once more as log values, once more as z-scores, and once with Entrez ids in place of symbols (where the cells above were log values already, the first of these is the same again).
# The scores need not be identical, because the steps before a file was written differ, but log values and Entrez ids should leave the order of the cells as it is.
# z-scores no longer show which genes vary among the cells, so for them all shared genes are taken, and the order changes.

# %%
logged = pp.normalise(pp.resolve_symbols(checked))
forms = {"log values": logged.copy(), "z-scores": logged.copy(), "Entrez ids": logged.copy()}
for form in ("log values", "z-scores"):
    forms[form].layers.pop("counts", None)
forms["z-scores"].X = pp.zscore(forms["z-scores"].X)
entrez = datasets.gene_ids().drop_duplicates("symbol").set_index("symbol")["entrez_id"]
forms["Entrez ids"].var_names = [entrez.get(name, name) for name in logged.var_names]
settings = {"drug": drug, "exclude_lines": held_out, "seeds": n_seeds, "model": model, "bulk": bulk}
others = {form: predict.predict_cells(given, **settings).cells.obs for form, given in forms.items()}
agreement = pd.Series(
    {form: scored.obs["bulk2sc_score"].corr(obs["bulk2sc_score"], "spearman") for form, obs in others.items()}
)
agreement.rename("Spearman's rho with the scores above").to_frame().round(3)

# %% [markdown]
# ## How far to trust it
#
# - A score says how the expression of a cell resembles that of sensitive or resistant *cell lines*. Tissue, culture and the drug's way into the body are not in it.
# - Cells are standardised against each other: a score ranks the cells of *this* file. Cells of one clone, or all normal, are still spread from low to high.
# - A drug that is hard to predict for cell lines is not easier for cells. See how well the drug does in {doc}`/notebooks/model/classifier` and {doc}`/notebooks/evaluation/baselines` first.
# - A treated sample has changed its expression, and part of what a score sees may be the treatment. In editions with simulated cells, as `demo`, {doc}`/notebooks/evaluation/controls` names the methods that take exposure to a drug for resistance. The default was chosen among those that do not (`benchmarks/default_model.py`); look up any other.
#
# ## On the command line
#
# ```
# bulk2sc predict cells.h5ad --drug Lapatinib --out scored.h5ad \
#   --exclude-lines BT-474
# bulk2sc run your-cells -p cells_file /path/to/cells.h5ad -p drug Lapatinib
# ```
#
# The first writes the scored file, for any drug of GDSC2; the second renders this chapter for your cells.
# A trained model is kept, so a second prediction for the same drug and genes takes seconds.
#
# ```{exercise}
# :label: exercise-your-cells
# Score the same cells without leaving any line out. How much do the scores change, and for which lines?
# ```
#
# ````{solution} exercise-your-cells
# :class: dropdown
# ```python
# naive = predict.predict_cells(mine, **(settings | {"exclude_lines": []})).cells.obs["bulk2sc_score"]
# (naive - scored.obs["bulk2sc_score"]).groupby(mine.obs["cell_line"]).mean().sort_values()
# ```
# Lines that were tested move towards their own measured response: part of that is memory, not prediction.
# ````
#
# ## What was written
#
# The share of cells called sensitive and the agreement between forms of input, in `your-cells.csv`.

# %%
called = pd.Series({"called sensitive": (scored.obs["bulk2sc_response"] == "sensitive").mean()})
values = pd.concat([called, agreement.rename(lambda form: f"rho, {form}")])
rows = values.rename_axis("metric").rename("value").reset_index().assign(method=model)
prose.written(study.rows(rows))
