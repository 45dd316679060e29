# ---
# jupyter:
#   bulk2sc:
#     reads:
#     - bulk
#     - pair
#     - autoencoder
#     writes:
#     - resources
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
# # Does it matter which pathways?
#
# Table 2 of {cite:t}`he2025` compares three collections of gene sets and finds the Gene Ontology best.
# Better than what, though?
# A decoder that keeps to pathways has fewer weights than one that does not, whatever the pathways are; and a collection with more sets has a wider code.
# So this chapter gives every collection a rival that knows no biology: as many sets of the same sizes, with genes drawn at random.
#
# **You will learn**
#
# - what a size-matched random control is, and which claims need one;
# - how to tell the effect of the sets from the effect of how many there are;
# - whether, on this page's data, any collection is told apart from chance.

# %% tags=["parameters"]
edition: str = "demo"  # edition whose settings and results are used
drug: str = "Cisplatin"  # drug, by its GDSC name
resource: str = "go_cc"  # gene sets that this edition uses; the others are compared with them
compared_resources: list[str] = ["go_cc", "reactome", "hallmark", "go_bp", "go_mf"]  # gene sets to compare
seeds: list[int] = [0, 1, 2, 3, 4]  # of each; each leaves out a fifth of the lines and draws random sets
n_draws: int = 1000  # bootstrap draws over cell lines

# %%
import matplotlib.pyplot as plt
import pandas as pd
from bulk2sc.study import Study
from IPython.display import Markdown

from bulk2sc import evaluate, pl, prose
from bulk2sc.experiments import paired, resources, trials
from bulk2sc.published import constant_answers, published
from bulk2sc.settings import project_root

pl.style()
choices = {"resource": resource, "compared_resources": compared_resources, "seeds": seeds}
study = Study(edition=edition, drug=drug, **choices)
bulk, cells = study.read("pair")

# %% tags=["remove-input"]
Markdown(
    f"{prose.origin_of_lines(bulk.uns)} {prose.origin_of_cells(cells.uns, bulk.uns, study.settings['cells_source'])}"
)

# %% [markdown]
# ## Real sets, random sets, fewer sets
#
# Everything but the mask is the same for all variants: genes, network, schedule, epochs, and a bound on the size of a set.
# The paper keeps that bound at 10 for all collections, too.
#
# - **Random sets.** For each row of a mask, as many genes as the row has, drawn at random. Sizes and the width of the code are kept; what the genes have in common is lost, and so is the nesting of terms. Each seed draws anew.
# - **Fewer sets.** The collection that the edition uses, cut down at random to as many sets as the smallest collection has. Between this variant and that collection the width is equal and the kind of sets differs; between this variant and the full collection it is the other way round.
#
# Each seed leaves out one fifth of the measured lines; the lines left out and the cells are both scored.
# These models learn from fewer lines than those of {doc}`/notebooks/evaluation/baselines`, so that AUROCs on the cells need not agree between the pages.

# %%
found = study.read("resources")
validation = trials.validation(found["lines"])
judged = evaluate.judge(found["cells"], cells, against="truth", n_draws=n_draws)
methods = list(found["cells"]["method"].drop_duplicates())
pairs = resources.comparisons(methods, compared_resources, resource)
made = [pair for question in pairs.values() for pair in question]

# %%
tests = {
    "lines left out": paired.on_lines(validation, made),
    "the cells": paired.on_cells(found["cells"], cells, made, n_draws=n_draws),
}


def of(ground: str, question: str) -> pd.DataFrame:
    """Return the tests of one question."""
    table = tests[ground].set_index(["first", "second"])
    return table.loc[pairs[question]].reset_index() if pairs[question] else table[:0].reset_index()


# %% tags=["remove-input"]
Markdown(
    f"Collections on this page: {len(compared_resources)}; seeds: {len(seeds)}; variants: {prose.listing(methods)}. An edition gives others with `compared_resources` and `seeds`."
)

# %% [markdown]
# ## Can any collection be told apart from random sets?

# %% tags=["remove-input"]
rival = "random sets of the same sizes"
Markdown(" ".join(prose.told_from(ground, rival, of(ground, "random")) for ground in tests))

# %% [markdown]
# All comparisons of this page were corrected together by Holm's method, on each of the two grounds.
# Intervals are not corrected, and on cells the {term}`p-value <P-value of lines>` is of another kind and mostly the stricter one, so that an interval may lie on one side of 0 while p is above .05; then nothing is claimed.
# On lines they are paired over folds, with an interval corrected for the overlap of the folds; on cells over draws of cell lines.
#
# A collection that cannot be told apart from random sets may still make the code easier to *read*; what it has not shown is that it makes predictions better.

# %% mystnb={"figure": {"caption": "AUROC of every variant on bulk lines left out (left) and on cells (right). Blue: mean over seeds with its 95 % interval, over folds on the left and over cell lines on the right, where there are enough; grey: single seeds; dashed: a constant answer.", "name": "fig-resources"}, "image": {"alt": "Two panels of dots with intervals, one row for each collection of gene sets, its random sets, and the constant answers."}} tags=["hide-input"]
figure, axes = plt.subplots(1, 2, figsize=(9, 0.33 * len(methods) + 1), sharey=True)
for ax, (title, table) in zip(axes, {"lines left out": validation, "cells": judged}.items(), strict=True):
    pl.intervals(table, "auroc", chance=0.5, order=methods, ax=ax).set_title(title)

# %% [markdown]
# ## How wide is the code?
#
# Collections differ in how many of their sets pass the bound, and the code has a dimension for each, besides the {term}`free dimensions`.
# Random sets of the same sizes name more genes, since they overlap less.

# %% tags=["hide-input"]
shapes = found["shapes"].drop_duplicates("method").set_index("method").drop(columns="seed")
shapes.rename(columns={"named": "genes named", "free": "free rows", "code": "width of the code"})

# %% [markdown]
# ## Against the collection in use
#
# This is the comparison of Table 2.

# %% tags=["remove-input"]
own = resources.label(resource)
Markdown(" ".join(prose.told_from(ground, own, of(ground, "reference")) for ground in tests))

# %% [markdown]
# And at equal width, then for width alone:

# %% tags=["remove-input"]
sentences = [
    f"{ground[0].upper()}{ground[1:]}: {prose.difference(row['first'], row['second'], row)}"
    for ground in tests
    for row in of(ground, "width").to_dict("records")
]
Markdown("\n".join(f"- {sentence}" for sentence in sentences) or "The collection in use is the smallest one.")

# %% [markdown]
# All comparisons:

# %% tags=["hide-input"]
listed = pd.concat(tests, names=["ground"]).reset_index(0).set_index(["ground", "first", "second"])
prose.rounded(listed.rename(columns={"p": "p (Holm)", "value": "first minus second"}))

# %% [markdown]
# ## Table 2
#
# The paper prints accuracy and F1 on the cells of GSE117872 with cisplatin, plus or minus something it does not name and that is left out here.
# Ours are means and standard deviations over seeds, on the cells of this page; the number after the sign says how much one seed differs from another, and nothing about other cells.

# %% tags=["hide-input"]
printed = published("cisplatin").query("`where` == 'Table 2'").set_index("method")[["accuracy", "f1"]]
branch = {"GO": "GO:CC"}
of_paper = printed.rename(index=lambda name: branch.get(name, name)).astype(str)
ours = prose.plus_minus(judged, ["accuracy", "f1"], methods)
bare = ours.index.str.removesuffix(" 2023.1")
beside = of_paper.reindex(bare).set_axis(ours.index).fillna("")
pd.concat({"this page": ours, "the paper": beside}, axis=1).rename(columns=prose.LABELS)

# %% tags=["remove-input"]
Markdown(prose.degenerate(judged))

# %% tags=["remove-input"]
constant = constant_answers(published("table1")).iloc[0]
Markdown(
    f"The answer *{constant['answer']}* has a row here and none in the paper. On the paper's cells of "
    f"{constant['cells_source']} it has an accuracy of {constant['accuracy']:.3f} and an F1 of {constant['f1']:.3f}."
)

# %% tags=["hide-input"]
prose.with_intervals(judged, ["auroc", "mcc", "balanced_accuracy", "positive_rate"], methods)

# %% [markdown]
# ## All collections on real cells
#
# Most editions have no time for five collections and their random sets, so `benchmarks/grids.py` trained them once, with the lines of GDSC2 and the real cells of edition *mixology*, and every edition shows what it kept.
# Its models are smaller and train for less than those that *mixology* itself would show above.

# %% tags=["hide-input"]
kept = pd.read_csv(project_root() / "benchmarks" / "resources.csv")
gaps = kept[kept["metric"] == "difference in auroc"].rename(columns={"holm": "p"})
gaps["against"] = gaps["against"].replace("truth", "the cells")
in_use = gaps.loc[gaps["question"] == "reference", "second"].iloc[0]
rivals = {"random": rival, "reference": in_use}

# %% tags=["remove-input"]
on_real = [
    f"**{kept['drug'][0]}, the drug of edition `{kept['edition'][0]}`.** At most {kept['max_epochs'][0]} epochs in each phase, {kept['hidden'][0]} hidden units."
]
on_real += [
    prose.told_from(ground, against, part)
    for question, against in rivals.items()
    for ground, part in gaps[gaps["question"] == question].groupby("against", sort=False)
]
Markdown("\n".join(f"- {sentence}" for sentence in on_real))

# %% mystnb={"figure": {"caption": "AUROC of all collections and their random sets on bulk lines left out (left) and on the real cells of five lines (right), which are too few for an interval.", "name": "fig-resources-real"}, "image": {"alt": "Two panels of dots, one row for each of five collections of gene sets, its random sets, and the constant answers."}} tags=["hide-input"]
rows_of = list(kept["method"][kept["metric"] == "auroc"].drop_duplicates())
figure, axes = plt.subplots(1, 2, figsize=(9, 0.33 * len(rows_of) + 1), sharey=True)
for ax, (ground, table) in zip(axes, kept.groupby("against"), strict=True):
    pl.intervals(table, "auroc", chance=0.5, order=rows_of, ax=ax).set_title(ground.replace("truth", "cells"))

# %% mystnb={"code_prompt_hide": "Hide the table", "code_prompt_show": "Table: accuracy and F1 of all collections on real cells"} tags=["hide-cell"]
prose.plus_minus(kept[kept["against"] == "truth"], ["accuracy", "f1"], rows_of).rename(columns=prose.LABELS)

# %% [markdown]
# ## What to keep in mind
#
# - Random sets are no empty control: a decoder through a few hundred random sets and five free dimensions can still rebuild a profile well. That is the point. What has to beat it is the biology.
# - The encoder reads all genes. The mask restricts the decoder only, and the classifier hears of it only through the code.
# - The Gene Ontology has three branches, and the paper names only one in its figures. {doc}`/notebooks/data/pathways` says why the cellular components stand for it here.
#
# ```{exercise}
# :label: exercise-resources
# How much do the draws of random sets differ among each other, compared with folds? Fit one fold with several draws.
# ```
#
# ````{solution} exercise-resources
# :class: dropdown
# ```python
# from bulk2sc import models, pathways
# settings = study.read("autoencoder").get_params()
# training, left_out = evaluate.leave_out_fold(bulk, k=bulk.uns["labels"]["k"], seed=0)
# for draw in range(5):
#     mask = pathways.random_mask(study.read("mask"), draw)
#     model = models.SharedAutoencoder(**settings | {"mask": mask}).fit(training, cells)
#     print(draw, evaluate.metrics(left_out.obs["response"], model.score_cells(left_out))["auroc"])
# ```
# Where draws differ less than folds do, which lines are left out matters more than which genes a set holds.
# ````
#
# ## What was written
#
# The artefact `resources`, the scores of every variant and seed, and tidy rows of both grounds with all differences, `pathway-resources.csv`.

# %%
grounds = {"lines left out": validation, "truth": judged}
rows = pd.concat(grounds, names=["against"]).reset_index(0)
differences = [paired.tidy(table, ground) for ground, table in zip(grounds, tests.values(), strict=True)]
prose.written(study.rows(pd.concat([rows, *differences])).tail(3))
