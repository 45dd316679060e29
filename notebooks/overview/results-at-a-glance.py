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
# # What holds, and what does not?
#
# ## How to read it
#
# *Higher*, *lower*, *practically equal* and *not clear* follow from intervals over lines ({doc}`/notebooks/evaluation/how-we-compare`).
# A dash: not in that edition, or not known.
#
# - The paper's numbers are those it prints, of its own five sets of cells.
# - Numbers of real cells are **kept**: the panel and pooling from longer runs, all others of the breast lines from the edition `atlas`, with one drug (AT13148) and the lines in its tails.
# - Settings come from bulk lines and simulated cells, and what is chosen on one set of real cells is reported on the other. One row is no such number: the penalty of ridge itself was chosen on both sets ({doc}`/notebooks/use/your-cells`).
# - Those of this edition were computed with the book. *Simulated* means drawn by a program from the bulk profiles of lines that left training.

# %% tags=["parameters"]
edition: str = "demo"  # edition whose results are shown beside the kept ones

# %% tags=["hide-input"]
import html

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import HTML, Markdown

from bulk2sc import pl, published, say
from bulk2sc.book import Study
from bulk2sc.settings import load_edition, project_root, read_json

# %% [markdown]
# ## How it is done
#
# Each chapter has left its tables; this page picks the numbers that carry a finding.

# %%
study, found = Study(edition), []


def note(row, name, table, where="", column=None, **more):
    picked = table.query(where) if where and len(table) else table
    for each in picked.head(1).to_dict("records"):
        value = each.get(column) if column else each.get("difference", each.get("value"))
        kept = {key: each.get(key) for key in ("low", "high", "verdict")}
        if pd.notna(value):
            found.append({"row": row, "name": name, "value": value} | kept | more)


# %% [markdown]
# Two chapters as examples; the others are folded.

# %%
screens = study.table("bulk-response", "bulk-response")
second = "metric == 'correlation with a second screen'"
note("screens", "correlation", screens, second)

# %%
runs = study.table("clustering", "clusterings")
if len(runs):  # an edition may leave a chapter out
    runs = runs.groupby(["data", "method"]).mean(numeric_only=True)
    ours, width = runs.loc[[("cells", "AttentionAE-sc")]], "ASW, own code"
    note("clusters", "width", ours, column=width)
    note("clusters", "ARI with the line", ours, column="ARI, cell line")
    nothing = runs.loc[["permuted genes"]].nlargest(1, width)
    note("clusters", "widest with genes permuted", nothing, column=width)

# %% tags=["hide-input"]
labels = study.table("labelling", "labels")
by_sample = "metric == 'right labels, no exclusion'"
note("labels", "right by sample alone", labels, by_sample)
note("labels", "after exclusion", labels, "metric == 'right labels'")

# %% tags=["hide-input"]
versus = study.table("baselines", "differences")
if len(versus):
    six = versus[versus["method"].isin(["LR", "SVM", "DT", "RF", "GB", "XGBoost"])]
    told = six["verdict"].value_counts()
    # Beaten are six only by six wins; one that is clearly as good or better refutes it.
    order = ["higher", "practically equal", "not clear", "cannot be tested"]
    verdict = next((verdict for verdict in order if verdict in told), "lower")
    verdict = {"higher": "lower", "lower": "higher"}.get(verdict, verdict)
    wins = pd.DataFrame({"value": [told.get("lower", 0)], "verdict": [verdict]})
    note("methods", "clear wins of shared AE", wins, of=len(six))
    drug = versus["group"].iloc[0]
    note("methods", f"AUROC, ridge − shared AE ({drug})", versus, "method == 'ridge'")

gaps = study.table("hyperparameters", "hyperparameters-differences")
if len(gaps):
    better = pd.DataFrame({"value": [(gaps["verdict"] == "higher").sum()]})
    note("settings", "other values clearly better", better, of=len(gaps))

sets = study.table("pathway-resources", "pathway-resources-differences")
if len(sets):
    sets = sets[sets["group"] == "cells"]
    pairs = sets["method"] + " − " + sets["reference"]
    go = sets[pairs.isin(["GO:CC − Hallmark", "Hallmark − GO:CC"])].copy()
    if (go["method"] == "Hallmark").any():  # turned round
        go[["difference", "low", "high"]] = -go[["difference", "high", "low"]]
        go["verdict"] = go["verdict"].replace({"higher": "lower", "lower": "higher"})

    note("collections", "AUROC, GO − Hallmark", go)
    note("random sets", "AUROC, real − random sets", sets[pairs.str.endswith("random")])

# %% tags=["hide-input"]
gaps = study.table("ablation", "ablation-differences")
if len(gaps):
    gaps = gaps[(gaps["group"] == "cells") & (gaps["schedule"] == "pretrained")]
    note("pathways", "AUROC, with − without", gaps, "label == 'pathways'")
    note("adversary", "AUROC, with − without a critic", gaps, "label == 'a critic'")
domains = study.table("ablation", "ablation-domains")
for name, rung in {"without": "base AE", "with": "adv AE"}.items():
    where = f"method == '{rung}, pretrained'"
    note("adversary", f"lines told from cells, {name}", domains, where)

gaps = study.table("controls", "controls-differences")
gaps = gaps[gaps["group"] == "cells"] if len(gaps) else gaps
for part in ("random pathways", "no single cells", "untrained encoder"):
    note("controls", part, gaps, f"method == '{part}'")

errors = study.table("calibration", "calibration")
bound, ours = "ECE of exact scores, up to", "method == 'shared AE'"
note("calibration", "error of shared AE", errors, ours, column="ECE")
note("calibration", "of exact scores, up to", errors, ours, column=bound)

# %% tags=["hide-input"]
levels = study.table("drug-panel", "levels")
versus = study.table("drug-panel", "differences")
note("panel", "rho of ridge", levels, "method == 'ridge'")
note("panel", "rho of shared AE", levels, "method == 'shared AE'")
note("panel", "rho, shared AE − ridge", versus, "method == 'shared AE'")

gains = study.table("pooling", "pooling-gains")
note("pooling", "rho, pooled − single", gains, "method == 'pooled'")

ranking = study.table("pathway-attribution", "ranking").head(12)
skill = study.table("pathway-attribution", "separation")
lists = study.table("pathway-attribution", "lists")
if len(ranking):
    named = pd.DataFrame({"value": [(~ranking["free"]).sum()]})
    note("leaders", "leading dimensions with a name", named, of=12)
    if (skill["verdict"] != "cannot be tested").any():
        apart = pd.DataFrame({"value": [(skill["verdict"] == "higher").sum()]})
        note("leaders", "clearly separate the cells", apart, of=len(skill))
    again = lists[lists["list"] == "another seed"].mean(numeric_only=True)
    again = again.rename({"in common": "value"}).to_frame().T
    note("leaders", "named ones that another seed leads with", again, of=12)

mixing = study.table("latent-space", "levels")
around = "group == 'mixing around cells' and method == "
note("space", "mixing, top 12", mixing, around + "'top 12'")
note("space", "in expression", mixing, around + "'expression'")
here = study.write(
    "findings", pd.DataFrame(found, columns=["row", "name", "value", "low", "high", "verdict", "of"])
)

# %% [markdown]
# ## Real cells
#
# One command, `benchmarks/findings.py`, keeps the same numbers of the edition `atlas`.
# For five lung lines only the longer runs exist, and so few lines settle nothing.

# %% tags=["hide-input"]
kept = study.kept("panel")
kept = kept[kept["input"] == "cells"].rename(columns={"difference": "gap"})
of = dict(list(kept.groupby("edition")))
tuned = study.kept("bulk_models_chosen").dropna(subset="reference")
ends = {"difference": "value", "low_difference": "low", "high_difference": "high"}
tuned = tuned.drop(columns=["value", "low", "high"]).rename(columns=ends)
sets = {"atlas": ("GSE173634", "GSE118767"), "mixology": ("GSE118767", "GSE173634")}
columns = ["row", "name", "value", "low", "high", "verdict", "of"]
real = {}
for name, (here_, there_) in sets.items():
    found, table = [], of[name].drop(columns="verdict")
    note("panel", "rho of ridge", table, "method == 'ridge'")
    note("panel", "rho of shared AE", table, "method == 'shared AE'")
    gap = of[name][["method", "gap", "difference_low", "difference_high", "verdict"]]
    note("panel", "rho, shared AE − ridge", gap.set_axis(["method", "value", "low", "high", "verdict"], axis=1),
         "method == 'shared AE'")  # fmt: skip
    note("panel", "best of other settings, chosen on the other set − ridge", tuned,
         f"on == '{here_}' and chosen_on == '{there_}'")  # fmt: skip
    pooled = study.kept("pooling").query(f"data == '{name}' and metric == 'rho' and reference == 'single'")
    note("pooling", "rho, pooled − single", pooled, "method == 'ridge 1e4' and arm == 'pooled 15'")
    real[name] = pd.DataFrame(found, columns=columns)

# %% tags=["hide-input"]
found = []
grid = study.kept("resources").query("metric == 'auroc' and against == 'truth' and seed >= 0")
mean = grid.groupby("method")["value"].mean()
for row, name, gap in [
    ("collections", "AUROC, GO − Hallmark", mean["GO:CC"] - mean["Hallmark"]),
    ("random sets", "AUROC, real − random sets", mean["GO:CC"] - mean["random like GO:CC"]),
]:
    note(row, name, pd.DataFrame({"value": [gap], "verdict": ["cannot be tested"]}))
five_lines = pd.concat([real["mixology"], pd.DataFrame(found)])
breast = study.kept("findings")
breast = pd.concat([breast[~breast["row"].isin(real["atlas"]["row"])], real["atlas"]])

# %% [markdown]
# ## What the paper says
#
# Its numbers are read from one file, `data/published.yml`; its words stand in the folded cells.

# %% tags=["hide-input"]
means = published.published("five_sets").set_index("method")
model, others = means.loc["the paper's model"], means.drop("the paper's model")["accuracy"]
one = published.published("cisplatin").set_index("method")["accuracy"].map(say.number)
best = published.published("settings").agg(["min", "max"])
ranges = {name: f"{best[name]['min']} to {best[name]['max']}" for name in ("min_pathway_genes", "n_hvg")}
PAPER = {
    "clusters": "“ASW scores above 0.75” in all five sets",
    "labels": "“high-quality labeling”, not measured",
    "methods": f"mean accuracy {say.number(model['accuracy'])}, F1 {say.number(model['f1'])}; best of six others "
    f"{say.number(others.max())} ({others.idxmax()})",
    "settings": f"best: sets of at least {ranges['min_pathway_genes']} genes, {ranges['n_hvg']} variable genes",
    "collections": f"accuracy: GO {one['GO']}, Reactome {one['Reactome']}, Hallmark {one['Hallmark']}",
    "pathways": f"accuracy {one['base share AE']} without, {one['share AE + pathways']} with",
    "adversary": f"accuracy {one['base AE']} without, {one['adv AE']} with; harder to train",
    "leaders": "10 of the 12 leaders have a name, 4 align with the response",
    "space": "“similar distributions” of lines and cells",
}
ways = published.means_of_constants(published.constant_answers(published.published("table1")))
by_constant = {name: ways[name].max() for name in ("accuracy", "f1")}
cells = published.published("table1").set_index("cells_source").loc["GSE117872", ["sensitive", "resistant"]]
implied = published.implied(published.published("cisplatin"), *cells.astype(int))
implied = implied[implied["method"].isin(["GO", "share AE + pathways"])]

# %% tags=["hide-input"]
ROWS = {
    "screens": ("data/bulk-response", "Do two screens agree on how lines respond?"),
    "clusters": ("data/clustering", "Do wide clusters mean right clusters?"),
    "labels": ("data/labelling", "Does exclusion by cluster give right labels?"),
    "accuracy": ("evaluation/what-accuracy-hides", "Do its scores beat answers that look at nothing?"),
    "methods": ("evaluation/baselines", "Does the model beat simple methods?"),
    "settings": ("evaluation/hyperparameters", "Are there better settings?"),
    "collections": ("evaluation/pathway-resources", "Is the Gene Ontology the best collection?"),
    "random sets": ("evaluation/pathway-resources", "Do real pathways beat random sets?"),
    "pathways": ("evaluation/ablation", "Do pathways improve prediction?"),
    "adversary": ("evaluation/ablation", "Does an adversary help?"),
    "controls": ("evaluation/controls", "Which parts are missed when taken away?"),
    "calibration": ("evaluation/calibration", "Are scores probabilities?"),
    "panel": ("evaluation/drug-panel", "Do cells tell which lines a drug kills?"),
    "pooling": ("evaluation/pooling", "Does pooling cells help?"),
    "leaders": ("interpretation/pathway-attribution", "Do pathways explain the prediction?"),
    "space": ("interpretation/latent-space", "Do lines and cells share a space?"),
}


def text(each):
    value = say.number(each.value)
    if pd.notna(each.low):
        value += f" ({say.number(each.low)} to {say.number(each.high)})"
    if pd.notna(each.of):
        return f"{each.name} {each.value:.2g} of {each.of:.0f}"
    return f"{each.name} {value}" + (f", {each.verdict}" if isinstance(each.verdict, str) else "")


def summary(table, row):
    rows = table.reindex(columns=columns).query("row == @row")
    return "; ".join(map(text, rows.itertuples())) or "–"


# %% [markdown]
# ## What could mislead us
#
# - The paper labels cells by their sample, this book by the measured response of their line. A claim that fails here need not fail there.
# - *Practically equal* is a finding; *not clear* is none: it says that lines are too few.
# - The breast lines come from one laboratory, each sequenced alone. Five lung lines rank methods by chance as easily as by skill.
# - Networks are trained for fewer epochs here than in the paper, in all editions but *mixology* and *paper*.
#
# ```{exercise}
# :label: exercise-glance
# Which finding would change your mind about using the model, if it came out the other way?
# ```
#
# ````{solution} exercise-glance
# :class: dropdown
# The comparison with simple methods on real cells. Parts, settings and pathways matter only to a model that predicts better than what costs a second to fit.
# ````

# %% tags=["details", "hide-input"]
here.round(3).astype(object).where(here.notna(), "")

# %% tags=["remove-cell"]
simulated = study.settings.get("cells_source", "simulated") == "simulated"
made_up = study.settings.get("bulk_source") == "made-up"
kind = "simulated" if simulated else "real"
kept_on = read_json(project_root() / "benchmarks" / "findings.json")
heads = [
    "question",
    "the paper",
    f"real: 26 breast lines, kept {kept_on['date']}",
    "real: five lung lines, kept",
]
heads += [f"{edition}: {kind} cells{' of made-up lines' if made_up else ''}"]
there, body, nothing = load_edition(edition).chapters, [], ' class="nothing"'


def line(row, cells):
    page, question = ROWS[row]
    shown = html.escape(question)
    if page.partition("/")[2] in there:
        shown = f'<a href="../{page}.html">{shown}</a>'
    last = ' colspan="3"' if len(cells) == 2 else ""
    above = [heads[1], "what follows"] if len(cells) == 2 else heads[1:]
    parts = [
        f'<td data-label="{html.escape(head)}"{last if i else ""}{nothing if c == "–" else ""}>{html.escape(c)}</td>'
        for i, (head, c) in enumerate(zip(above, cells, strict=True))
    ]
    return f"<tr><th>{shown}</th>{''.join(parts)}</tr>"


# %% tags=["in-short", "remove-input"]
CLAIMS = {"methods": "the model beats six simple methods", "collections": "GO beats Hallmark"}
CLAIMS |= {"pathways": "pathways improve prediction", "adversary": "an adversary improves it"}
OUTCOMES = {"higher": "holds", "lower": "does not hold", "practically equal": "does not hold"}
OUTCOMES |= {"not clear": "not settled"}


def outcomes(table):
    verdicts = table.dropna(subset="verdict").groupby("row")["verdict"].first().reindex(CLAIMS)
    came = verdicts.map(OUTCOMES).fillna("could not be tested")
    order = dict.fromkeys([*OUTCOMES.values(), "could not be tested"])
    return "; ".join(
        f"*{how}*: {say.listing(CLAIMS[row] for row in came.index[came == how])}"
        for how in order
        if (came == how).any()
    )


Markdown(
    "**The authors of this book could open no file of the paper.** Its numbers on its own cells are neither confirmed nor refuted; "
    "what can be asked is whether its claims hold on other cells.\n\n"
    f"**{kind.capitalize()}** cells, edition *{edition}*: {outcomes(here)}.\n\n"
    f"**Real** cells of 26 breast lines (kept): {outcomes(breast)}. Five lung lines are too few to test any.\n\n"
    f"The paper's own numbers: its mean accuracy ({say.number(model['accuracy'])}) exceeds that of the best constant answer to each data set "
    f"({say.number(by_constant['accuracy'])}); its cisplatin scores, if they are of one run, imply a Matthews correlation of at most {say.number(implied['mcc_highest'].max())}."
)

# %% mystnb={"figure": {"caption": "How well each method ranks real cell lines by their cells: mean Spearman's rho over drugs, with 95 % intervals over lines (kept run). Orange: the paper's model; dashed: no skill.", "name": "fig-glance"}, "image": {"alt": "Two panels of methods, 26 breast lines and five lung lines, each with a dot and an interval; intervals of the lung lines span nearly everything."}} tags=["in-short", "hide-input"]
order = of["atlas"].sort_values("value")["method"]
figure, axes = plt.subplots(1, 2, figsize=(6, 0.24 * len(order) + 1), sharey=True)
for ax, table in zip(axes, of.values(), strict=True):
    rows = table.set_index("method").reindex(order)
    colours = [pl.RESISTANT if m == "shared AE" else pl.SENSITIVE for m in order]
    ax.hlines(rows.index, rows["low"], rows["high"], color=colours, linewidth=2)
    ax.scatter(rows["value"], rows.index, s=26, color=colours, zorder=3)
    ax.axvline(0, color="0.5", linestyle="--", linewidth=0.8)
    ax.set(title=f"{table['lines'].iloc[0]} lines, {table['drugs'].iloc[0]} drugs", xlabel="mean rho")

# %% tags=["in-short", "remove-input"]
counts = (
    f"from its own counts of cells: the best constant answer to each data set reaches {say.number(by_constant['accuracy'])} "
    f"and {say.number(by_constant['f1'])}; its cisplatin scores, if they are of one run, imply a Matthews correlation of "
    f"{say.number(implied['mcc_lowest'].min())} to {say.number(implied['mcc_highest'].max())}"
)
for row in ROWS:
    cells = [PAPER.get(row, "not asked"), *(summary(t, row) for t in (breast, five_lines, here))]
    body.append(line(row, [PAPER["methods"].partition(";")[0], counts] if row == "accuracy" else cells))
head = "".join(f"<th>{html.escape(name)}</th>" for name in heads)
HTML(f'<table class="glance"><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>')
