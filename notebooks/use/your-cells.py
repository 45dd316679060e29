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
# # What do scores of your own cells mean?
#
# ## The idea
#
# Give a file of cells and a drug, and cells are scored that nobody has tested: what `bulk2sc predict` does on the command line, step by step.
#
# The default is ridge regression of the {term}`AUC` of all tested lines, with a penalty of 10,000, on all genes that lines and cells share; lines left out turn its order into a probability.
# A rule chose it among five methods, with {doc}`pooled cells </notebooks/evaluation/pooling>` and without (`benchmarks/default_model.py`).
#
# Each gene is standardised over *your* cells before the weights meet it.
# So a score says how a cell differs from the other cells of its file, in the direction in which sensitive lines differ from resistant ones.

# %% tags=["parameters"]
edition: str = "demo"  # edition whose settings and results are used
drug: str = "Cisplatin"  # drug, by its GDSC name
cells_file: str = ""  # full path of your cells, in a file or 10x folder; empty takes those of this edition
cells_reading: dict[str, str] = {}  # what must be told of them, by gene_column, values, layer or sample
model: str = "ridge"  # method, such as ridge or shared AE
n_seeds: int = 1  # models whose scores are averaged
exclude_lines: list[str] = []  # cell lines to leave out of training, beside those of this edition

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown

from bulk2sc import compare, datasets, pl, pp, predict, say
from bulk2sc.book import Study
from bulk2sc.drugs import drug_table

# %% tags=["remove-input"]
pl.style()
study = Study(edition, drug=drug)
name = cells_file or "the cells"

# %% [markdown]
# ## How it is done
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
# The values tell whether they are counts, logarithms or z-scores; where they do not, `cells_reading` must, such as `{values: log}`.

# %%
raw = datasets.mend(datasets.read_cells(cells_file))[0] if cells_file else study.read("raw_cells")
drawn = np.random.default_rng(0).permutation(raw.n_obs)[:1000]
mine = raw[np.sort(drawn)].copy()
checked = pp.check_cells(mine, name, **cells_reading)
print(f"{mine.n_obs} of {raw.n_obs} cells, {checked.n_vars} genes: {checked.uns['notes'][0]}")

# %% [markdown]
# If your cells are of a line that was screened, the model would be trained on the answer it is asked for: leave it out with `exclude_lines`.
# The lines behind the cells of this edition are always left out.

# %%
held_out = [*exclude_lines, *([] if cells_file else raw.uns.get("held_out", []))]
settings = {"drug": drug, "exclude_lines": held_out, "seeds": n_seeds, "model": model}
settings["bulk"] = study.read("bulk")
prediction = predict.predict_cells(mine, **settings, reading=cells_reading, name=name)
scored, score = prediction.cells, prediction.cells.obs["bulk2sc_score"]
Markdown("\n".join(f"- {note}" for note in prediction.notes))

# %% [markdown]
# The file comes back as it was, with new columns: score, call at .5 and, of several models, the spread (`bulk2sc_score_sd`).
# A method with a code adds `obsm["X_bulk2sc"]`; `uns["bulk2sc"]` holds every setting.

# %%
scored.obs[["bulk2sc_score", "bulk2sc_response"]].head(3).round(3)

# %% [markdown]
# To see what a score hangs on, the upper half of the cells is scored once more, alone.

# %%
upper, alone = (score >= score.median()).to_numpy(), score.iloc[:0]
if upper.sum() >= predict.FEW_CELLS:
    half = predict.predict_cells(mine[upper].copy(), **settings, reading=cells_reading)
    alone = half.cells.obs["bulk2sc_score"]

# %% [markdown]
# ## What else was found
#
# ### Sample by sample
#
# Compare samples of one file, and clusters of one sample; never the scores of two files.

# %% tags=["hide-input"]
sample = scored.obs["sample"] if "sample" in scored.obs else pd.Series("all cells", scored.obs_names)
called = (scored.obs["bulk2sc_response"] == "sensitive").astype(float).where(score.notna())
by = pd.DataFrame({"score": score, "called": called}).groupby(sample.astype(str))
by = by.agg(cells=("score", "size"), mean=("score", "mean"), called=("called", "mean")).round(2)
by.rename(columns={"mean": "mean score", "called": "share called sensitive"})

# %% [markdown]
# ### Does the form of the input matter?
#
# The same cells as logarithms, as z-scores, and with Entrez ids for symbols.

# %% tags=["hide-input"]
logged = pp.normalise(pp.resolve_symbols(checked))
forms = {form: logged.copy() for form in ("log values", "z-scores", "Entrez ids")}
for form in ("log values", "z-scores"):
    forms[form].layers.pop("counts", None)
forms["z-scores"].X = pp.zscore(logged.X)
entrez = datasets.gene_ids().drop_duplicates("symbol").set_index("symbol")["entrez_id"]
forms["Entrez ids"].var_names = [entrez.get(gene, gene) for gene in logged.var_names]
others = {form: predict.predict_cells(given, **settings).cells.obs for form, given in forms.items()}
agreement = {form: score.corr(obs["bulk2sc_score"], "spearman") for form, obs in others.items()}
agreement = pd.Series(agreement, name="Spearman's rho with the scores above")
agreement.to_frame().round(3)

# %% [markdown]
# ### What may be expected on real cells

# %% tags=["remove-input"]
panel = study.kept("panel")
at = panel[(panel["method"] == "ridge") & (panel["input"] == "cells")].set_index("edition")
atlas, mixology = at.loc["atlas"], at.loc["mixology"]
Markdown(
    f"The default ranks {atlas['lines']:.0f} real breast lines by their cells with a rho of "
    f"{say.interval(atlas['value'], atlas['low'], atlas['high'])} (mean of {atlas['drugs']:.0f} drugs, 95 % interval), and "
    f"{mixology['lines']:.0f} lung lines with {say.number(mixology['value'])}: far from an answer for one cell. "
    "The default was chosen on these cells too, so that others may do less."
)

# %% [markdown]
# More in {doc}`/notebooks/evaluation/drug-panel`, and drug by drug in {doc}`/notebooks/use/which-drugs`.
#
# ## What could mislead us
#
# - Cells of one clone, or all normal, are still spread from low to high. A share called sensitive says nothing about a patient.
# - Tissue, culture and the drug's way into the body are not in a score.
# - In a treated sample part of a score may be the treatment ({doc}`/notebooks/evaluation/controls`).
# - Damaged cells and doublets are scored like any others: filter them before ({doc}`/notebooks/data/single-cells`).
# - A probability of lines is seldom calibrated for cells ({doc}`/notebooks/evaluation/calibration`).
#
# ## On the command line
#
# ```
# bulk2sc predict cells.h5ad --drug Lapatinib --out scored.h5ad --exclude-lines BT-474
# bulk2sc predict cells.h5ad --drug all --by cluster --out scored.h5ad
# bulk2sc run your-cells -p cells_file /path/to/cells.h5ad -p drug Lapatinib
# ```
#
# The second scores every drug and lists those that lead in each cluster; the third renders this page for your cells.
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
# (naive - score).groupby(mine.obs["cell_line"].astype(str)).mean().sort_values()
# ```
# Lines that were tested move towards their own measured response: part of that is memory, not prediction.
# ````
#
# ```{admonition} Quiz
# :class: dropdown tip
# All cells of a file are of one very resistant line. How many will be called sensitive? **Answer:** some, often about half. The cells are compared with each other, and none is known to be resistant.
# ```

# %% tags=["details", "hide-input"]
values = {"called sensitive": called.mean(), "mean score, upper half": score[upper].mean()}
values |= {"mean score, upper half alone": alone.mean()} | {
    f"rho, {form}": v for form, v in agreement.items()
}
values = pd.Series(values).rename_axis("metric").rename("value").reset_index()
study.write("your-cells", values.assign(method=model)).round(3)

# %% tags=["details", "hide-input"]
columns = {"bulk": "AUROC on lines left out", "exposure": "more called resistant when treated"}
columns |= {"atlas": "rho, 26 breast lines", "mixology": "rho, 5 lung lines"}
rule = study.kept("default_model").set_index("candidate")
rule[["default", *columns]].rename(columns=columns).round(2)

# %% tags=["in-short", "remove-input"]
kind = "simulated" if raw.uns.get("simulated") else "real"
share = say.percent(called.mean())
sentences = [f"`{model}` calls {share} of {score.notna().sum()} **{kind}** cells sensitive to {drug}."]
if len(alone):
    sentences.append(
        "**Scores compare the cells of one file**: of the upper half, "
        f"{say.percent(called[upper].mean())} are called sensitive among the others and {say.percent((alone >= 0.5).mean())} alone."
    )
known = mine[mine.obs["truth"].notna()] if "truth" in mine.obs else mine[:0]
if known.n_obs and known.obs["truth"].nunique() == 2:
    rows = pd.DataFrame({"method": model, "seed": 0, "cell": mine.obs_names, "score": score.to_numpy()})
    rows = rows[rows["cell"].isin(known.obs_names[score[known.obs_names].notna()])]
    level = compare.levels(compare.on_cells(rows, known[rows["cell"]])["auroc"]).iloc[0]
    ends = f"95 % interval {say.number(level['low'])} to {say.number(level['high'])}"
    ends = "too few lines for an interval" if pd.isna(level["low"]) else ends
    sentences.append(
        f"Here the answers of their lines are known: AUROC {say.number(level['value'])} ({ends})."
    )
else:
    sentences.append("Their answers are not known: nothing here says how right the scores are.")
about = drug_table()
if drug in about.index and not settings["bulk"].uns.get("made_up"):
    at_random, tissue_out = about.loc[drug, ["spearman_random", "spearman_tissue_out"]]
    sentences.append(
        f"For lines left out, predictions of {drug} reach a rho of {say.number(at_random)}, without like lines {say.number(tissue_out)}."
    )
Markdown(" ".join(sentences))

# %% mystnb={"figure": {"caption": "Scores of all cells (grey), of the upper half among the others (blue), and of the same half scored alone (orange). Dashed: the call.", "name": "fig-your-scores"}, "image": {"alt": "Three histograms of the predicted probability of being sensitive; the upper half of the cells moves back to the middle when it is scored alone."}} tags=["in-short", "hide-input"]
ax, bins = plt.subplots(figsize=(6, 2.9))[1], np.linspace(0, 1, 41)
ax.hist(score.dropna(), bins, color="#d5d5d5", label="all cells")
ax.hist(
    score[upper], bins, color=pl.SENSITIVE, histtype="step", linewidth=2, label="upper half, among the others"
)
ax.hist(
    alone.dropna(), bins, color=pl.RESISTANT, histtype="step", linewidth=2, label="upper half, scored alone"
)
ax.axvline(0.5, color="black", linestyle="--", linewidth=0.8)
ax.set(xlabel=f"P(sensitive to {drug})", ylabel="cells", xlim=(0, 1))
_ = ax.figure.legend(loc="outside lower center", ncols=3, fontsize=8)
