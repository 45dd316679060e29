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
# # Which drugs can be predicted?

# %% tags=["parameters"]
edition: str = "demo"  # edition that shows this page; its numbers are the same in all of them

# %% [markdown]
# ## The idea
#
# A drug whose response does not follow expression in a thousand cell lines will not follow it in single cells either.
# So before you score cells for a drug, look up how well it is predicted for lines that were left out of training.
#
# Lines are left out in two ways: one fifth at random, so that lines of the same tissue remain; or whole clusters of lines that resemble each other, so that a line has to be predicted from other tissues.

# %% tags=["hide-input"]
import html

import matplotlib.pyplot as plt
from IPython.display import HTML, Markdown

from bulk2sc import pl, say
from bulk2sc.book import Study
from bulk2sc.drugs import drug_table, find_drugs

# %% tags=["remove-input"]
pl.style()
study = Study(edition)

# %% [markdown]
# ## How it is done
#
# `benchmarks/predictability.py` predicts the AUC of all drugs of GDSC2 for lines left out, and keeps how it correlates with the measured AUC.
# `bulk2sc drugs` shows the same on the command line.

# %%
table = drug_table()
find_drugs("taxol")[["n_lines", "spearman_random", "spearman_tissue_out", "target"]].round(2)

# %% [markdown]
# ## Look up a drug
#
# Any part of a name, a synonym or a target: `taxol`, `EGFR`, `AZD`.

# %% tags=["remove-input"]
columns = {
    "drug": "drug",
    "n_lines": "lines",
    "spearman_random": "rho",
    "spearman_tissue_out": "rho, other tissues",
}
columns |= {"target": "target", "synonyms": "synonyms"}
shown = table.sort_values("spearman_random", ascending=False).round(2).reset_index()[list(columns)]
head = "".join(f"<th>{name}</th>" for name in columns.values())
rows = "".join(
    "<tr>" + "".join(f"<td>{html.escape(str(value))}</td>" for value in row) + "</tr>"
    for row in shown.itertuples(index=False)
)
filtering = """
const box = document.getElementById("drug-search"), count = document.getElementById("drug-count");
const rows = [...document.querySelectorAll("#drug-table tbody tr")];
const plain = text => text.toLowerCase().replace(/[^a-z0-9]/g, "");
box.addEventListener("input", () => {
  const word = plain(box.value);
  let n = 0;
  for (const row of rows) { row.hidden = !plain(row.textContent).includes(word); n += !row.hidden; }
  count.textContent = n + " drugs";
});
"""
HTML(
    '<p><label>Search: <input id="drug-search" type="search" autocomplete="off"></label> '
    f'<span id="drug-count">{len(shown)} drugs</span></p>'
    '<div style="max-height: 24rem; overflow: auto"><table id="drug-table">'
    f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div><script>{filtering}</script>"
)

# %% [markdown]
# *rho* is Spearman's correlation of predicted and measured AUC over lines left out at random; *rho, other tissues* the same over clusters left out whole.
# Names and AUC are GDSC's; synonyms and targets are what public descriptions of the drugs say, and may be incomplete.
#
# ## What could mislead us
#
# - A high rho may only say that a drug kills some tissues more than others. The second column asks for more.
# - The correlation is over lines of many tissues. Among the cells of one tumour the range is narrower, and the correlation lower.
# - A drug with a low rho may still be predictable from what expression does not hold, such as a mutation.
# - Where all lines respond alike there is nothing to predict; a low rho then says nothing about the drug's target.
#
# ```{exercise}
# :label: exercise-which-drugs
# Which drugs lose most when whole clusters are left out? What do they have in common?
# ```
#
# ````{solution} exercise-which-drugs
# :class: dropdown
# ```python
# (table["spearman_random"] - table["spearman_tissue_out"]).sort_values().tail(10)
# ```
# What a drug loses was knowledge of the tissue.
# ````

# %% tags=["details", "hide-input"]
study.write("which-drugs", table.reset_index()).describe().round(2)

# %% tags=["in-short", "remove-input"]
at_random, tissue_out = table["spearman_random"], table["spearman_tissue_out"]
best = table.sort_values("spearman_tissue_out").index[::-1][:3]
Markdown(
    f"Of {len(table)} drugs of GDSC2, {say.share(int((at_random >= 0.3).sum()), len(table))} are predicted with a rho of at "
    f"least .3 for cell lines left out of training, and {say.share(int((tissue_out >= 0.3).sum()), len(table))} when whole "
    f"groups of like lines are left out. The median is {say.number(at_random.median())} and "
    f"{say.number(tissue_out.median())}. Best without like lines: {say.listing(best)}."
)

# %% mystnb={"figure": {"caption": "Each point is a drug: how well its response is predicted for lines left out at random and for whole clusters of lines left out.", "name": "fig-which-drugs"}, "image": {"alt": "Scatter plot of 286 drugs; nearly all points lie below the diagonal."}} tags=["in-short", "remove-input"]
figure, ax = plt.subplots(figsize=(5.2, 4.2))
ax.axline((0, 0), slope=1, color="0.6", linewidth=0.8)
ax.scatter(at_random, tissue_out, s=14, color=pl.SENSITIVE, alpha=0.6, linewidth=0)
for drug in [
    d
    for d in ("Lapatinib", "Cisplatin", "Paclitaxel", "PLX-4720", "Trametinib", "Nutlin-3a (-)")
    if d in table.index
]:
    at = (at_random[drug], tissue_out[drug])
    ax.annotate(drug, at, xytext=(4, 0), textcoords="offset points", fontsize=8, path_effects=pl.OUTLINE)
_ = ax.set(xlabel="rho, lines left out at random", ylabel="rho, whole clusters left out")
