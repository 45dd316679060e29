# ---
# jupyter:
#   bulk2sc:
#     reads:
#     - bulk
#     - cells
#     writes:
#     - panel_scores
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
# # A few lines, hundreds of drugs
#
# Real single cells with a known drug response are rare, and five cell lines are five observations.
# But the lines of this edition have been tested with many drugs.
# For each drug, a method that has never seen these lines scores their cells; if it knows anything, the line whose cells score higher is the more sensitive one.
# One drug proves nothing. The panel of all drugs does.
#
# The measure is *rho*, Spearman's rank correlation between the lines' mean score and their sensitivity: 1 where a method ranks the lines as measured, 0 where it knows nothing.
# Its mean over drugs counts for something only if it is larger than that of *permuted lines*, the same scores dealt out at random among the lines, over *discriminating* drugs, to which the lines respond differently.
#
# **You will learn**
#
# - how to turn a few lines of known response into a test that can fail, for every method of this book;
# - what each method makes of the lines' own bulk profiles, a reference that is called the *ceiling* here and that cells of few lines may exceed by chance;
# - which uncertainty belongs to the drugs, which to the lines, and why the lines have the last word.

# %% tags=["parameters"]
edition: str = "mixology"  # edition whose settings and results are used
panel_methods: list[str] = ["ridge CV", "signature", "shared AE", "all sensitive"]  # methods to compare
panel_seeds: int = 3  # seeds of networks and of what is trained end to end
panel_few: int = 12  # drugs for methods that are trained end to end
panel_min_lines: int = 4  # lines of the panel that must have been tested with a drug
panel_min_total: int = 400  # lines in all that must have been tested with a drug
k: float = 0.3  # fraction of lines in each tail, for classifiers
max_epochs: int = 300  # epochs of pretraining at most
rivals: list[str] = ["ridge CV", "signature", "GB", "XGBoost"]  # what the shared AE is to beat
n_draws: int = 2000  # bootstrap draws over drugs

# %%
import numpy as np
import pandas as pd
from IPython.display import Markdown

from bulk2sc import panel, pl, prose
from bulk2sc.experiments import drug_panel
from bulk2sc.settings import project_root
from bulk2sc.study import Study

pl.style()
asked = {"panel_methods": panel_methods, "panel_seeds": panel_seeds, "panel_few": panel_few}
asked |= {"panel_min_lines": panel_min_lines, "panel_min_total": panel_min_total}
study = Study(edition=edition, k=k, max_epochs=max_epochs, **asked)
everything, (training, cells) = study.read("bulk"), study.read("panel_pair")
tables = study.read("panel_scores")

# %% tags=["hide-input"]
lines = sorted(set(cells.obs["cell_line"]))
auc = panel.truth(everything, lines)
drugs = panel.drugs(everything, lines, min_lines=panel_min_lines, min_total=panel_min_total)
sets = panel.sets(drugs, panel_few)
main = next(iter(sets))
found = panel.rankings(tables["scores"], auc)
summary = panel.judge(found, sets, n_draws=n_draws)
on_cells = summary[summary["input"] == panel.CELLS]
methods = list(on_cells["method"].unique())
longer = [m for m in methods if drug_panel.end_to_end(m)]
tested = [("shared AE", m) for m in rivals if {m, "shared AE"} <= set(methods)]
verdicts = panel.against(found, tested, sets[main], n_draws=n_draws)

# %% tags=["hide-input"]
kept = project_root() / "benchmarks" / "panel.csv"
real = pd.read_csv(kept) if kept.exists() else pd.DataFrame({"of": [], "edition": []})
elsewhere = {of: rows.dropna(axis=1, how="all") for of, rows in real.groupby("of")}
if edition in set(real["edition"]):
    elsewhere = {}  # this page is that panel


# %% tags=["remove-input"]
def found_on(judged: pd.DataFrame, gaps: pd.DataFrame, n_lines: int) -> str:
    """List who is ahead over each set of drugs, where the paper's model stands, and what it beats."""
    rows = judged[(judged["input"] == panel.CELLS) & ~judged["method"].isin(drug_panel.CONSTANT)]
    over = {name: of for name, of in rows.groupby("drugs", sort=False) if name != panel.NAMED}
    said = [prose.ahead_on_panel(of, what=name) for name, of in over.items()]
    first = next(iter(over.values()), rows)
    said.append(prose.place_on_panel("shared AE", first, role="The model of the paper"))
    said += [prose.beats_on_panel(row) for row in gaps.to_dict("records")]
    said.append(prose.reach_of_orders(n_lines, len(panel.orders(n_lines)), max(1, len(gaps))))
    return "- " + "\n- ".join(said)


# %% tags=["remove-input"]
of_main = on_cells[on_cells["drugs"] == main]
learning = on_cells[~on_cells["method"].isin(drug_panel.CONSTANT)]
origin = prose.origin_of_cells(cells.uns, training.uns, study.settings["cells_source"])
said = f"{origin}\n\n{found_on(summary, verdicts, len(lines))}\n\n{prose.rivals_not_run(rivals, methods)}"
if elsewhere:
    n_real = int(elsewhere["method"]["lines"].iloc[0])
    on_real = found_on(elsewhere["method"], elsewhere["difference"], n_real)
    said += f"\n\n**On real cells**, with all methods (last figures of this page):\n\n{on_real}"
Markdown(said)

# %% [markdown]
# ## The drugs
#
# A drug takes part when enough of the lines, and enough lines in all, were tested with it.
# It is *discriminating* when the lines differ: the (population) standard deviation of their AUC exceeds .1.
# Where all lines respond alike, their order is measurement noise, and no method can rank them.
#
# What is trained end to end for each drug takes too long for all of them.
# It runs on *named* drugs: of the discriminating ones, those tested on most lines, ties by name, a rule that looks at no method's result.

# %% tags=["remove-input"]
discriminating = sets.get(panel.DISCRIMINATING, [])
own = study.settings["drug"]
Markdown(
    f"Of {len(everything.uns['drugs'])} drugs, {len(drugs)} were tested on at least {panel_min_lines} of these "
    f"lines and on at least {panel_min_total} lines in all, and take part; {own}, the drug of this edition, is "
    f"{'one' if own in drugs.index else 'not one'} of them. {len(discriminating)} are discriminating. "
    f"The lines are {prose.listing(lines)}; {training.n_obs} other lines remain for training. All {cells.n_obs} "
    f"cells of these lines are scored, also those that have no answer for the drug of this edition. "
    f"Named drugs: {prose.listing(sets[panel.NAMED])}."
)

# %% mystnb={"figure": {"caption": "Measured AUC of the lines for the discriminating drugs (for all, where none is), sorted by their mean; white: not tested. Up to 60 drugs have their names here; all are in the written results.", "name": "fig-panel-truth"}, "image": {"alt": "Heat map of measured AUC, one row per drug and one column per line."}} tags=["hide-input"]
ax = pl.panel_truth(auc[sets[main]])

# %% [markdown]
# ## Equal genes, equal scaling
#
# Results on this panel move by several hundredths with the choice of genes and with how cells are scaled.
# So every method gets the same input: the same genes, bulk genes z-scored over the training lines, cells z-scored over all cells of known lines together.
#
# Beside the cells, every method scores the lines' own *bulk profiles*, scaled as the training lines are.
# That is its *ceiling*, a reference: what it makes of these lines when nothing is lost on the way to single cells.
# It is no strict bound: with few lines, a method may rank them better from the cells by chance.

# %% tags=["remove-input"]
Markdown(f"{training.n_vars} genes, {cells.n_obs} cells of {len(lines)} lines.")

# %% [markdown]
# ## How every method is trained
#
# - **Regressions** learn from the AUC of all tested lines and score minus the predicted AUC. One kernel matrix of the lines serves all drugs.
# - **Classifiers** learn from each drug's tails and score the probability of being sensitive. The kernels of the support vector machine are cut from one matrix of distances.
# - **Networks** are pretrained once, on training lines and cells, without any label. Then each drug gets a classifier of its own on the fixed code.
# - **Joint** networks are trained as a whole for each drug, and *tuned XGBoost* searches its settings by cross-validation for each: these are what is *trained end to end*.
# - **Constant answers** rank nothing: their rho is 0 for every drug, by definition.
#
# Nothing is tuned on the panel: whatever a method chooses, it chooses on bulk lines.

# %% tags=["remove-input"]
cheaper = {m: given for m, given in drug_panel.CHEAPER.items() if m in methods}
Markdown(prose.how_trained(cheaper, n_seeds=panel_seeds, max_epochs=max_epochs))

# %% [markdown]
# ### The penalty of ridge regression
#
# Ridge regression is the method to beat, so its penalty must not be a matter of luck.
# *ridge CV* sweeps it from 100 to a million and takes, for each drug, the one whose predictions correlate best with the AUC of held-out training lines.
# *ridge CV, one penalty* takes the one that is best on average over drugs, and *ridge* a fixed reference.

# %% mystnb={"figure": {"caption": "Penalties that cross-validation on bulk lines chose, drug by drug. Dotted: the fixed reference.", "name": "fig-panel-penalties"}, "image": {"alt": "Bar chart of the number of drugs for each penalty of the sweep."}} tags=["hide-input"]
from bulk2sc.models import Ridge

swept = tables["chosen"][tables["chosen"]["setting"] == "penalty"].groupby("method")["value"]
swept = {method: values.astype(float) for method, values in swept}
if swept:
    ax = pl.penalties(swept["ridge CV"], Ridge().alpha)

# %% tags=["remove-input"]
one = swept[drug_panel.ONE_PENALTY].iloc[0] if swept else np.nan
Markdown(prose.penalties_chosen(swept["ridge CV"], one, Ridge().alpha) if swept else "No penalty was swept.")

# %% [markdown]
# ## What the panel says
#
# For each drug, Spearman's correlation between the lines' mean score and their sensitivity; then the mean over drugs.
# Three kinds of uncertainty go with it, and they answer different questions.
#
# - **Bootstrap over drugs**: would another set of drugs give the same mean, for these lines? Drugs of one target are not independent, so this interval is too narrow rather than too wide.
# - **Permutation of the lines**: how large would the mean be if the lines' scores were dealt out at random? Of up to six lines all orders are computed, and the null is exact; of more, 720 are drawn.
# - **Leaving one line out**: does everything hang on a single line?

# %% mystnb={"figure": {"caption": "Mean rho over the discriminating drugs (all, where none is). Blue: mean over seeds with its 95 % bootstrap interval over drugs; black dots: single seeds; grey: 95 % of the permutations of the lines; open circles: the ceiling (the same on the lines' own bulk profiles).", "name": "fig-panel-forest"}, "image": {"alt": "Methods sorted by mean rank correlation, each with an interval, a grey band of the permutation null and its value on bulk profiles."}} tags=["hide-input"]
seeds = panel.of_seeds(tables["scores"], auc)
points = panel.seed_means(seeds, sets)
ax = pl.panel_forest(summary, points, main)

# %% mystnb={"figure": {"caption": "The same over all drugs of the panel.", "name": "fig-panel-forest-all"}, "image": {"alt": "Methods sorted by mean rank correlation over all drugs, with intervals, null and value on bulk profiles."}} tags=["hide-input"]
ax = pl.panel_forest(summary, points, panel.ALL)

# %% [markdown]
# All numbers on cells, over the set of drugs of the first figure, with those on the lines' own bulk profiles, the ceiling, beside them:

# %% tags=["hide-input"]
prose.panel_table(summary[summary["drugs"] == main], panel.CELLS)

# %% [markdown]
# And over all drugs of the panel:

# %% tags=["hide-input"]
prose.panel_table(summary[summary["drugs"] == panel.ALL], panel.CELLS)

# %% tags=["remove-input"]
best = of_main.loc[of_main["value"].idxmax()]
kept = prose.ceiling_reached(summary[summary["drugs"] == main], panel.CELLS, panel.CEILING, best["method"])
hangs = prose.one_line_decides(best, what=f"the mean rho of {best['method']}")
runs = panel.same_for_all_lines(tables["scores"]).drop(index=[*drug_panel.CONSTANT], errors="ignore")
Markdown(f"{kept} {hangs} {prose.degenerate_on_panel(runs)}")

# %% [markdown]
# ## Every method against ridge CV
#
# Both methods meet the same drugs and the same lines, so it is the difference that is resampled: the same draw of drugs, the same order of the lines for both.
# The permutation asks whether a difference this large arises when neither method knows which line is which.
# That is the null of no skill in either, and not of equal skill: a small p says that the order of the lines is behind the difference, while a large one does not say that two methods are equal, and where both have skill the interval over drugs and the range without a line are the better guide.
# P-values are corrected by Holm's method for all methods compared; the rivals that the first paragraph names were chosen beforehand, and are corrected among themselves.

# %% tags=["hide-input"]
compared = [m for m in of_main["method"] if m not in ("ridge CV", *drug_panel.CONSTANT)]
pairs = [(m, "ridge CV") for m in compared if "ridge CV" in methods]
gaps = panel.against(found, pairs, sets[main], n_draws=n_draws)
prose.gap_table(gaps)


# %% tags=["remove-input"]
def told(gaps: pd.DataFrame) -> str:
    reach = prose.reach_of_orders(len(lines), len(panel.orders(len(lines))), max(1, len(gaps)))
    return f"{prose.not_beaten(gaps, 'ridge CV')} {reach}" if len(gaps) else "Nothing to compare."


Markdown(told(gaps))

# %% [markdown]
# And the shared autoencoder against its rivals:

# %% tags=["hide-input"]
prose.gap_table(verdicts)

# %% tags=["remove-input"]
hangs = [
    prose.one_line_decides(row, what=f"the difference to {row['second']}")
    for row in verdicts.to_dict("records")
]
Markdown("\n".join(f"- {sentence}" for sentence in hangs) or "Nothing to compare.")

# %% [markdown]
# ## Trained end to end
#
# Only on the named drugs, with all other methods beside them on just these drugs.

# %% mystnb={"figure": {"caption": "Mean rho over the named drugs, for all methods.", "name": "fig-panel-forest-named"}, "image": {"alt": "Methods sorted by mean rank correlation over the named drugs, with intervals, null and value on bulk profiles."}} tags=["hide-input"]
if longer:
    pl.panel_forest(summary, points, panel.NAMED)

# %% tags=["remove-input"]
of_named = learning[learning["drugs"] == panel.NAMED]
places = [prose.place_on_panel(m, of_named, role="Trained end to end") for m in longer]
Markdown(
    "\n".join(f"- {sentence}" for sentence in places) or "No method was trained end to end in this edition."
)

# %% [markdown]
# Where there are such methods, they are compared with ridge CV on the named drugs, corrected among themselves:

# %% tags=["hide-input"]
pairs = [(m, "ridge CV") for m in longer if "ridge CV" in methods]
gaps_of_longer = panel.against(found, pairs, sets[panel.NAMED], n_draws=n_draws)
prose.gap_table(gaps_of_longer) if len(gaps_of_longer) else None

# %% tags=["remove-input"]
Markdown(told(gaps_of_longer))

# %% [markdown]
# ## Drug by drug

# %% mystnb={"figure": {"caption": "Rho on the cells by drug and method (mean over seeds), for the discriminating drugs (all, where none is): blue where the lines are ranked as measured, red where the other way round. Drugs are sorted by their mean over methods; up to 60 have their names here.", "name": "fig-panel-heat"}, "image": {"alt": "Heat map of rank correlation, drugs by methods."}} tags=["hide-input"]
rho = pd.DataFrame({m: found[m, panel.CELLS].rho for m in methods})
by_rank = of_main.sort_values("value", ascending=False)["method"]
ax = pl.panel_heatmap(rho.loc[sets[main]], [m for m in by_rank if m not in drug_panel.CONSTANT])

# %% [markdown]
# ## All methods on real cells
#
# The panel for which this chapter was written is that of five real lines (edition *mixology*), with every method of the book.
# It takes hours, so `benchmarks/panel.py` kept its means, and shows them in every other edition.
# What they say stands at the top of this page.

# %% mystnb={"figure": {"caption": "Mean rho on real cells of five lines, over the discriminating drugs. Blue: mean over seeds with its 95 % bootstrap interval over drugs; black dots: single seeds; grey: 95 % of the permutations of the lines; open circles: the ceiling (the same on the lines' own bulk profiles).", "name": "fig-panel-real"}, "image": {"alt": "All methods sorted by mean rank correlation on real cells, each with an interval, a grey band of the permutation null and its value on bulk profiles."}} tags=["hide-input"]
if elsewhere:
    pl.panel_forest(elsewhere["method"], elsewhere["seed"], panel.DISCRIMINATING)

# %% mystnb={"figure": {"caption": "The same over the named drugs, on which also run what is trained end to end.", "name": "fig-panel-real-named"}, "image": {"alt": "All methods, those trained end to end among them, sorted by mean rank correlation on real cells over the named drugs."}} tags=["hide-input"]
if elsewhere:
    pl.panel_forest(elsewhere["method"], elsewhere["seed"], panel.NAMED)

# %% mystnb={"code_prompt_hide": "Hide the table", "code_prompt_show": "Table: all methods on real cells"} tags=["hide-cell"]
by_set = elsewhere["method"].groupby("drugs", sort=False) if elsewhere else []
shown = {name: prose.panel_table(rows, panel.CELLS) for name, rows in by_set}
pd.concat(shown) if shown else None

# %% [markdown]
# ## What to keep in mind
#
# - The cells of a line are {term}`pseudo-replicates <pseudo-replicate>`; they were averaged and never counted.
# - What ranks a few lines may be a handful of differences between them, which many drugs share. The permutation null keeps that sharing, the bootstrap over drugs does not.
# - Where cells are simulated, half of them are treated, with a change that is no resistance; it is left in, for all methods alike.
#
# ```{exercise}
# :label: exercise-panel
# Standardise the cells within each sample instead of over all of them together. Does ridge regression lose, and why could that be?
# ```
#
# ````{solution} exercise-panel
# :class: dropdown
# ```python
# from bulk2sc import pp
# from bulk2sc.models.all_drugs import AllDrugs
#
# cells.layers["whole"] = cells.layers["scaled"].copy()
# for sample in cells.obs["sample"].unique():
#     rows = (cells.obs["sample"] == sample).to_numpy()
#     cells.layers["scaled"][rows] = pp.zscore(cells.layers["whole"][rows])
# weights = AllDrugs(penalty=2000.0).fit(training, drugs.index).weights_
# score = -(cells.to_df(layer="scaled") @ weights).groupby(cells.obs["cell_line"].to_numpy()).mean()
# panel.summary(panel.ranking([score], auc).of(sets[main]))
# ```
# A sample that holds only some of the lines loses part of the difference between them, together with the difference between protocols.
# ````
#
# ## What was written
#
# The correlation of every drug, method, seed and input, and the means over drugs with their intervals (seed −1), as tidy rows in `drug-panel.csv`, with the measured AUC, the penalties and all comparisons; the scores of every line in the artefact `panel_scores`.

# %% tags=["hide-input"]
measured = auc[drugs.index].rename_axis(index="line", columns="drug").stack().rename("value").reset_index()
compared = {
    "every method": gaps.assign(drug=main),
    "rivals": verdicts.assign(drug=main),
    "trained end to end": gaps_of_longer.assign(drug=panel.NAMED),
}
compared = pd.concat([table.assign(family=name) for name, table in compared.items()])
compared = compared.rename(columns={"first": "method"}).assign(metric="difference in mean rho", seed=-1)
picked = tables["chosen"].rename(columns={"setting": "metric"})

# %%
means = summary.rename(columns={"drugs": "drug"}).assign(metric="mean rho", seed=-1)
rows = [measured.assign(metric="auc"), picked, compared, seeds.assign(metric="rho"), means]
shown = study.rows(pd.concat(rows)).tail(3).assign(drugs=lambda table: table["drug"])
dropped = ["edition", "chapter", "dataset", "drug"]  # by `prose.written`
prose.written(shown[[*dropped, "drugs", "method", "input", "seed", "metric", "value", "low", "high"]])
