"""Sentences that state an outcome, computed from the numbers at hand.

The same chapter is rendered for other drugs and other cells, so what it says must follow from its own
results. Each function returns one or two sentences of Markdown and has a test for every branch.
"""

from collections.abc import Mapping, Sequence
from math import comb

import pandas as pd
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

LABELS = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "mcc": "Matthews correlation",
    "balanced_accuracy": "balanced accuracy",
    "accuracy": "accuracy",
    "f1": "F1",
    "macro_f1": "macro F1",
    "brier": "Brier score",
    "positive_rate": "positive rate",
    "specificity": "specificity",
    "pearson": "Pearson correlation",
    "explained": "share of variance explained",
    "mixing": "mixing of the domains",
}
SWEPT = {  # settings of `label_sweep`
    "depth": "counts of a cell",
    "shift": "change by treatment",
    "hidden_resistant": "hidden resistant share",
    "resolution": "resolution",
    "n_hvg": "number of variable genes",
}


def interval(value: float, low: float, high: float, *, digits: int = 2) -> str:
    """Format an estimate with its 95 % interval: ``0.71 (95 % interval 0.60 to 0.80)``.

    Without an interval: ``0.71 (too few lines for an interval)``.
    """
    if pd.isna(low):
        return f"{value:.{digits}f} (too few lines for an interval)"
    return f"{value:.{digits}f} (95 % interval {low:.{digits}f} to {high:.{digits}f})"


def share(hits: int, of: int) -> str:
    """Format a share with Wilson's 95 % interval: ``45 of 50 (90 %, 95 % interval 79 % to 96 %)``."""
    if of == 0:
        return "0 of 0"
    low, high = proportion_confint(hits, of, method="wilson")
    return f"{hits} of {of} ({percent(hits / of)}, 95 % interval {percent(low)} to {percent(high)})"


def found(name: str, hits: int, of: int, called: int, *, kind: str = "planted") -> str:
    """Say how a filter for some cells fares: how many of them it finds, and what else it takes for them."""
    if of == 0:
        return f"There are no {kind} {name}; the filter called {called} cells."
    text = f"Of the {kind} {name}, {share(hits, of)} were found."
    if called == 0:
        return f"{text} No cell was called."
    return f"{text} Of the cells that the filter called, {share(hits, called)} were {kind} {name}."


def uneven(called: pd.Series, of: pd.Series) -> str:
    """Say which kinds of sound cells the doublet filter takes most of: Wilson's interval above its share."""
    overall = called.sum() / max(of.sum(), 1)
    low = proportion_confint(called.to_numpy(), of.to_numpy(), method="wilson")[0]
    more = [f"{kind} ({percent(called[kind] / of[kind])})" for kind in of.index[low > overall]]
    clause = f"but clearly more of these: {listing(more)}" if more else "of no kind clearly more"
    return f"The doublet filter takes {percent(overall)} of the sound cells, {clause}."


def expected_doublets(known: float, rate: float) -> str:
    """Say what limits the doublets that can be found, given their share and the share that is expected."""
    text = f"They are {percent(known)} of the cells and {percent(rate)} are called, so "
    return text + (
        f"at most {percent(rate / known)} can be found." if known >= rate else "some calls must be wrong."
    )


def spared(called: int, of: int) -> str:
    """Say what calling doublets would cost among cells that are known to be single."""
    return (
        "In this edition doublets are left out by their genotype, so none is sought by content: "
        f"it would cost {share(called, of)} of the cells, all of them single by genotype."
    )


def percent(value: float) -> str:
    """Format a share: ``45 %``, and ``0.4 %`` or ``99.6 %`` where rounding would hide that it is not all."""
    value = round(value, 9)  # an interval may end a hair below 1
    near_end = 0 < value < 0.0095 or 0.9905 < value < 1
    return f"{100 * value:.{1 if near_end else 0}f} %"


def spread(shares: pd.Series) -> str:
    """Say how shares run over a setting, their index: ``is 92 % throughout``, or from where to where."""
    lowest, highest = shares.idxmin(), shares.idxmax()
    if shares[highest] - shares[lowest] < 0.005:
        return f"is {percent(shares.iloc[0])} throughout"
    return (
        f"runs from {percent(shares[lowest])} (at {lowest:g}) to {percent(shares[highest])} (at {highest:g})"
    )


def classes(sensitive: int, resistant: int) -> str:
    """Warn, given the numbers of lines, where truth has one class only; empty where it has both."""
    if sensitive and resistant:
        return ""
    found = "resistant" if resistant else "sensitive" if sensitive else "judged"
    missing = "sensitive" if resistant else "resistant" if sensitive else "judged"
    return (
        f"**No line is {missing}**"
        + (f", all that are judged are {found}" if found != missing else "")
        + ": with this drug nothing on these cells can be called right or wrong, only ranked."
    )


def origin_of_lines(uns: Mapping) -> str:
    """Say whether bulk lines are measured or made up, from their `uns`."""
    if uns.get("made_up", False):
        return (
            "**The lines on this page are made up.** Names of genes and drugs are real, no value is: "
            "nothing here says anything about biology."
        )
    return f"The lines on this page are real: expression and responses of {uns.get('release', 'GDSC')}."


def kind_of_expression(uns: Mapping) -> str:
    """Say what the expression of bulk lines was measured with, from their `uns`."""
    if uns.get("made_up", False):
        return "The lines of this page are made up; their values were drawn and not measured."
    source = str(uns.get("source", ""))
    if "passports" in source:
        return "This page uses RNA-seq instead, log2(TPM + 1) of the Cell Model Passports."
    return f"This page uses that microarray (source: {source or 'not named'})."


def origin_of_cells(cells: Mapping, lines: Mapping, source: str) -> str:
    """Say whether cells are measured or simulated, and from what, given the `uns` of cells and lines."""
    if not cells.get("simulated", False):
        real = f"The cells on this page are real, from the source `{source}`."
        if cells.get("answer") == "labels":
            real += (
                " No response of their own lines sets them apart, so **the answer of a cell is its label in "
                "the experiment**, and where this page speaks of a cell's line it means its sample."
            )
        return real
    lines_are = "made-up" if lines.get("made_up", False) else "real"
    return (
        f"**The cells on this page are simulated**, from the profiles of {len(cells['held_out'])} "
        f"{lines_are} lines that leave the training data. What is found in them holds for the simulation."
    )


def _cell(name: str, value: object) -> str:
    if pd.isna(value):
        return ""
    return str(value) if name != "seed" else "mean" if value == -1 else f"{value:.0f}"


def written(table: pd.DataFrame) -> pd.DataFrame:
    """Show what `Study.rows` returns: four digits, and no column that is empty or the same on the whole page.

    The seed -1, which marks a mean over seeds or folds, reads ``mean``.
    """
    shown = table.drop(columns=["edition", "chapter", "dataset", "drug"]).replace("", pd.NA)
    shown = shown.dropna(axis=1, how="all")
    names = [name for name in shown if name == "seed" or not pd.api.types.is_numeric_dtype(shown[name])]
    text = {name: [_cell(name, value) for value in shown[name]] for name in names}
    shown = shown.assign(**text)
    return shown.set_index(names).map(lambda value: "" if pd.isna(value) else f"{value:.4g}")


def listing(names: Sequence[str]) -> str:
    """Join names as prose: ``a``, ``a and b``, ``a, b and c``; ``none`` where there is nothing."""
    names = [str(name) for name in names]
    if not names:
        return "none"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def difference(first: str, second: str, gap: Mapping[str, float], *, metric: str = "auroc") -> str:
    """Say which of two methods is ahead, given what `evaluate.paired_difference` returns.

    Where `gap` holds a p-value, corrected for the number of comparisons, it has to be below .05 as well.
    """
    label = LABELS.get(metric, metric)
    if pd.isna(gap["value"]):
        return f"**{first}** and {second} cannot be compared in {label}: it needs answers of both classes."
    size = interval(abs(gap["value"]), *sorted((abs(gap["low"]), abs(gap["high"]))))
    clear = not gap.get("p", 0) >= 0.05
    if gap["low"] > 0 and clear:
        return f"**{first}** is ahead of {second} by {size} in {label}."
    if gap["high"] < 0 and clear:
        return f"**{first}** is behind {second} by {size} in {label}."
    signed = interval(gap["value"], gap["low"], gap["high"])
    return f"**{first}** and {second} cannot be told apart here: their {label} differs by {signed}."


def above_chance(table: pd.DataFrame, *, metric: str = "auroc", chance: float = 0.5) -> str:
    """Say which methods have an interval clear of the constant answers.

    Parameters
    ----------
    table
        Rows of `evaluate.judge` for the mean over seeds (seed -1).
    """
    rows = table[(table["metric"] == metric) & (table["seed"] == -1) & table["low"].notna()]
    label = LABELS.get(metric, metric)
    if rows.empty:
        return f"There are too few lines to say whether any {label} differs from that of a constant answer."
    above, below = rows[rows["low"] > chance]["method"], rows[rows["high"] < chance]["method"]
    if above.empty and below.empty:
        return f"No method's {label} has a 95 % interval clear of {chance:g}, the value of a constant answer."
    text = ""
    if not above.empty:
        text = f"Better than a constant answer in {label}, interval and all: {listing(above)}."
    if not below.empty:
        text += f" Worse than a constant answer: {listing(below)}."
    return text.strip()


def degenerate(table: pd.DataFrame, *, constant: Sequence[str] = ("all sensitive", "all resistant")) -> str:
    """Say which runs call nearly every cell the same; `table` is that of `evaluate.judge`."""
    runs = table[(table["metric"] == "degenerate") & (table["seed"] >= 0) & ~table["method"].isin(constant)]
    flagged = runs[runs["value"] > 0].groupby("method", sort=False).size()
    if flagged.empty:
        return "No run is degenerate: each calls between 2 % and 98 % of the cells sensitive."
    of = runs.groupby("method", sort=False).size()
    names = [f"{method} ({n} of {of[method]} runs)" for method, n in flagged.items()]
    return (
        f"Degenerate, that is, calling under 2 % or over 98 % of the cells sensitive: {listing(names)}. "
        "Accuracy and F1 of such a run describe the share of sensitive cells and not the method."
    )


def best(table: pd.DataFrame, *, metric: str = "auroc", lowest: bool = False) -> str:
    """Name the method with the best mean over seeds, with its interval."""
    rows = table[(table["metric"] == metric) & (table["seed"] == -1)].dropna(subset="value")
    if rows.empty:
        return f"No method has an {LABELS.get(metric, metric)}: it needs answers of both classes."
    row = rows.loc[rows["value"].idxmin() if lowest else rows["value"].idxmax()]
    label = LABELS.get(metric, metric)
    return f"The {'lowest' if lowest else 'highest'} {label} is that of **{row['method']}**: " + (
        f"{interval(row['value'], row['low'], row['high'])}."
    )


def reconstruction(table: pd.DataFrame) -> str:
    """Say what each reconstruction explains; `table` by method: value, low, high (`latent.explained`)."""
    clauses = []
    for name, row in table.iterrows():
        clause = f"{name} {interval(row['value'], row['low'], row['high'])}"
        if row["low"] <= 0:
            clause += f", {'worse' if row['high'] < 0 else 'not clearly better'} than the mean profile"
        clauses.append(clause)
    return "; ".join(clauses) + "."


def against_components(tables: Mapping[str, pd.DataFrame]) -> str:
    """Say in which domains principal components explain more than the dense decoder.

    Parameters
    ----------
    tables
        By domain, as `reconstruction` takes them.
    """
    behind = [
        domain
        for domain, table in tables.items()
        if table.loc["principal components", "value"] > table.loc["dense decoder", "value"]
    ]
    if not behind:
        return "The dense decoder explains more than principal components of the same width in every domain."
    return (
        f"Principal components of the same width explain more than the dense decoder in {listing(behind)}: "
        "as a means of rebuilding profiles, a network of this size and training is not what the data ask for."
    )


def redundancy(domain: str, row: Mapping[str, float]) -> str:
    """Say whether shared and private codes of a domain are orthogonal, and whether they share content.

    Parameters
    ----------
    row
        ``overlap``, ``overlap, shuffled`` (`latent.overlap`) and ``predictable`` (`latent.predictable`).
    """
    lower = row["overlap"] < row["overlap, shuffled"]
    text = (
        f"In {domain}, the overlap is {'below' if lower else 'above'} that of shuffled codes "
        f"({row['overlap']:.3f} and {row['overlap, shuffled']:.3f})"
    )
    found = max(row["predictable"], 0)
    if found < 0.1:
        return f"{text}, and next to nothing of the shared code can be predicted from the private one."
    contrast, found = "yet" if lower else "and", percent(found)
    return f"{text}; {contrast} {found} of the shared code can be predicted from the private one."


def separation(code: str, row: Mapping[str, float]) -> str:
    """Say whether bulk and cells can be told apart by a code; `row` is the AUROC with low and high."""
    found = interval(row["value"], row["low"], row["high"])
    if row["low"] > 0.95:
        return f"The {code} separates the domains: AUROC {found}."
    if row["low"] > 0.5:
        return f"The {code} tells the domains apart better than chance: AUROC {found}."
    return f"The {code} does not clearly tell the domains apart: AUROC {found}."


def chosen(best: str, in_use: str, mean: Mapping[str, float]) -> str:
    """Say which setting bulk cross-validation favours, and whether this study uses it.

    Parameters
    ----------
    mean
        Mean AUROC over folds by setting; it must hold `best`.
    """
    text = f"By mean AUROC over folds, bulk cross-validation favours **{best}** ({mean[best]:.3f})."
    if best == in_use:
        return f"{text} It is what this study uses."
    return f"{text} This study uses **{in_use}** ({mean[in_use]:.3f}), as its edition or its parameters say."


def contrast(p: pd.Series, n_sensitive: int, n_resistant: int) -> str:
    """Say how many dimensions are attributed differently in sensitive and resistant lines.

    Parameters
    ----------
    p
        p-value by dimension, not corrected; NaN where a side has no line.
    """
    sides = f"{n_sensitive} sensitive and {n_resistant} resistant lines"
    if p.isna().any():
        return f"There are {sides}: nothing to compare."
    if 2 / comb(n_sensitive + n_resistant, n_sensitive) > 0.05:
        return f"There are {sides}: too few for any difference to be clear."
    clear = int((multipletests(p, method="holm")[1] < 0.05).sum())
    if clear == 0:
        return f"Between {sides}, none of the {len(p)} dimensions is attributed clearly differently."
    differ = f"{clear} of the {len(p)} dimensions {'is' if clear == 1 else 'are'} attributed differently"
    return f"Between {sides}, {differ} (p < .05, corrected)."


def free_share(share: Mapping[str, float], n_free: int, n: int, leading: int, top: int) -> str:
    """Say how much of the attribution falls on free dimensions; `share` has value, low and high."""
    fair = n_free / n
    found = f"{percent(share['value'])} (95 % interval {percent(share['low'])} to {percent(share['high'])})"
    verdict = "about their share of the dimensions"
    if share["low"] > fair:
        verdict = "more than their share of the dimensions"
    elif share["high"] < fair:
        verdict = "less than their share of the dimensions"
    return (
        f"The {n_free} free dimensions hold {found} of the attribution, {verdict}, which is {fair:.1%}. "
        f"{leading} of them {'is' if leading == 1 else 'are'} among the first {top}."
    )


def association(first: str, second: str, row: Mapping[str, float]) -> str:
    """Say whether two things rise together; `row` is a rank correlation with low and high."""
    found = interval(row["value"], row["low"], row["high"])
    if row["low"] > 0:
        return f"{second[0].upper()}{second[1:]} rises with {first}: Spearman's correlation is {found}."
    if row["high"] < 0:
        return f"{second[0].upper()}{second[1:]} falls with {first}: Spearman's correlation is {found}."
    return f"No clear relation between {first} and {second}: Spearman's correlation is {found}."


def agreement(name: str, correlation: float, common: float, top: int) -> str:
    """Say how far another ranking agrees: rank correlation, and how many of the first `top` are in both."""
    degree = (
        "largely agrees" if correlation > 0.8 else "agrees in part" if correlation > 0.4 else "hardly agrees"
    )
    return (
        f"The ranking from {name} {degree}: rank correlation {correlation:.2f}, "
        f"{common:.0f} of the first {top} in common."
    )


def mixed(mixing: Mapping[str, float], low: float, *views: str) -> str:
    """Say whether domains are mixed in some views; `low` is the lower end of what chance gives."""
    clauses = []
    for view in views:
        value = mixing[view]
        words = "as if at random" if value >= low else "in part" if value >= 0.5 else "poorly"
        clauses.append(f"on the {view}, the domains mix {words} ({value:.2f})")
    text = listing(clauses)
    return f"{text[0].upper()}{text[1:]}, mean of both sides."


def own_places(means: Mapping[str, float], low: float, n: int) -> str:
    """Say in which views cells find their own line among `n`; `low` is the best that guessing gives."""
    found = [f"{view} ({mean:.1f})" for view, mean in means.items() if mean < low]
    lost = [f"{view} ({mean:.1f})" for view, mean in means.items() if mean >= low]
    if not found:
        return (
            f"Cells do not find their own line among {n} better than guessing in any view: {listing(lost)}."
        )
    text = f"Cells find their own line among {n} better than guessing by {listing(found)}"
    return f"{text}, not by {listing(lost)}." if lost else f"{text}."


def with_intervals(table: pd.DataFrame, metrics: Sequence[str], order: Sequence[str]) -> pd.DataFrame:
    """Return methods x metrics as text, ``0.71 (0.60 to 0.80)``: mean over seeds, and its interval if any.

    Parameters
    ----------
    table
        Tidy, as `evaluate.judge` returns it.
    """
    mean = table[(table["seed"] == -1) & table["metric"].isin(metrics)]
    text = [
        f"{r.value:.2f}" + ("" if pd.isna(r.low) else f" ({r.low:.2f} to {r.high:.2f})")
        for r in mean.itertuples()
    ]
    wide = mean.assign(text=text).pivot(index="method", columns="metric", values="text")
    return wide.loc[list(order), list(metrics)].rename(columns=LABELS).rename_axis(columns=None)


def answers_that_look_at_nothing(
    five: pd.DataFrame, ways: pd.DataFrame, means: pd.Series, *, near: float = 0.0015
) -> str:
    """
    Say how published means compare with constant answers.

    Parameters
    ----------
    five
        ``method``, ``accuracy``, ``f1``: published means over data sets.
    ways
        Means of constant answers, from `published.means_of_constants`.
    means
        Indexed by score and answer: mean of each constant answer.
    near
        Largest difference in both scores that counts as the same, the rounding of published means.
    """
    lines = [
        f"*All sensitive* everywhere averages {means['accuracy', 'all sensitive']:.3f} accuracy and "
        f"{means['f1', 'all sensitive']:.3f} F1; the better constant of each data set averages "
        f"{ways['accuracy'].max():.3f} accuracy."
    ]
    for row in five.itertuples():
        gap = (ways[["accuracy", "f1"]] - [row.accuracy, row.f1]).abs().max(axis=1)
        if gap.min() <= near:
            called = ways.loc[gap.idxmin(), "sensitive"] or "none"
            lines.append(
                f"**{row.method}** has the mean scores of constant answers to the third digit: all sensitive "
                f"on {called}, all resistant on the others."
            )
    less_accurate = list(five.loc[five["accuracy"] < ways["accuracy"].max(), "method"])
    lower_f1 = list(five.loc[five["f1"] < means["f1", "all sensitive"], "method"])
    lines.append(
        f"Below the accuracy of the better constant: {listing(less_accurate) or 'none'}; below the F1 of "
        f"*all sensitive*: {listing(lower_f1) or 'none'}."
    )
    return " ".join(lines)


def implied_answers(implied: pd.DataFrame, counts: Sequence[int]) -> list[str]:
    """
    Say of each published pair of scores what it implies.

    Parameters
    ----------
    implied
        ``where``, ``method``, ``accuracy``, ``f1``, ``mcc_lowest``, ``mcc_highest``, ``called_sensitive`` and
        ``distance`` (of the nearest confusion matrix).
    counts
        Numbers of sensitive and of resistant cells.
    """
    n = sum(counts)
    lines = []
    for row in implied.itertuples():
        start = f"{row.where}, {row.method} ({row.accuracy:.3f} / {row.f1:.3f}): "
        if row.distance > 2 / n:
            lines.append(
                f"{start}**no answer to these {n} cells has both scores**; the nearest is off by "
                f"{row.distance:.3f}."
            )
            continue
        says = f"{percent(row.called_sensitive)} called sensitive, Matthews correlation "
        says += f"{row.mcc_lowest:.2f} to {row.mcc_highest:.2f}"
        constant = row.called_sensitive in (0, 1)
        lines.append(f"{start}{says}" + ("; the nearest matrix is a constant answer." if constant else "."))
    return lines


def flipping_runs(implied: pd.DataFrame, mixture: pd.DataFrame, counts: Sequence[int], *, near=0.01) -> str:
    """
    Say which impossible pairs of scores a mixture of the constant answers explains.

    Parameters
    ----------
    implied
        As for `implied_answers`.
    mixture
        The same rows with ``share_all_sensitive`` and ``f1_of_mixture``.
    counts
        Numbers of sensitive and of resistant cells.
    near
        Largest difference in F1 that counts as explained.
    """
    impossible = mixture[(implied["distance"] > 2 / sum(counts)).to_numpy()]
    if impossible.empty:
        return "Every printed pair of scores is possible for a single run."
    between = impossible["share_all_sensitive"].between(0, 1)
    fits = between & ((impossible["f1"] - impossible["f1_of_mixture"]).abs() <= near)
    said = [
        f"{row.method} fits runs of which {percent(row.share_all_sensitive)} say *all sensitive* (F1 "
        f"{row.f1_of_mixture:.3f}, printed {row.f1:.3f})"
        for row in impossible[fits].itertuples()
    ]
    text = f"Impossible for a single run: {listing(list(impossible['method']))}. "
    text += (listing(said) + ". ") if said else ""
    rest = list(impossible.loc[~fits, "method"])
    return text + (f"A mixture of constants does not explain {listing(rest)}." if rest else "")


def rule_in_force(rule: Mapping, drug: str) -> str:
    """Say which rule labelled the cells, on whose word, and whether it is about another drug.

    Parameters
    ----------
    rule
        ``uns["rule"]`` of labelled cells, from `labels.label_cells`.
    drug
        Drug of the study.
    """
    text = f"The rule `{rule['name']}` applies, for {rule['form']}."
    for part, what in (("arms", "the arms"), ("literature", "the labels of step 3")):
        if rule[part]:
            text += f" Its source for {what}: {rule[part]}."
    if rule["left out"]:
        text += f" {rule['left out']} cells belong to neither arm and are left out."
    if rule["drug"] and rule["drug"].lower() != drug.lower():
        text += (
            f" **These cells were given {rule['drug']}, while this study is about {drug}**: "
            "their labels do not answer its question."
        )
    return text


def steps_in_force(rule: Mapping) -> str:
    """Say which of the three steps the rule asks for; `rule` as for `rule_in_force`."""
    steps = []
    if rule["dominance"]:
        steps.append(f"step 1 with a dominance of {rule['dominance']:g}")
    if rule["normal cell types"]:
        steps.append(f"step 2 for {rule['normal cell types']} types of normal cells")
    if rule["literature"]:
        steps.append("step 3")
    if not steps:
        return "The rule of these cells asks for none of the three steps: nobody is excluded."
    return f"The rule of these cells asks for {listing(steps)}."


def breaks(what: str, means: pd.Series, *, least: float = 0.5) -> str:
    """Say how a share runs over a setting, and at which of its values it is below `least`.

    Parameters
    ----------
    what
        Name of the share.
    means
        Share by value of the setting; NaN where it does not exist, as where nothing was found.
    """
    means = means.dropna()
    if means.empty:
        return f"{what} has no value anywhere."
    low = means[means < least]
    runs = f"{what} {spread(means)}"
    if low.empty:
        return f"{runs}; it is nowhere below {percent(least)}."
    if len(low) == len(means):
        return f"{runs}; it is below {percent(least)} everywhere."
    return f"{runs}; it is below {percent(least)} at {listing([f'{v:g}' for v in low.index])}."


def effect_of_exclusion(table: pd.DataFrame, *, metric: str = "auroc") -> str:
    """Say how exclusion moves a metric of each method, and what the same scores reach against the truth.

    Parameters
    ----------
    table
        Rows of `evaluate.judge` with a column ``against``: ``by arm``, ``after exclusion`` and ``truth``.
        Constant answers (``all ...``) are passed over.
    """
    rows = table[
        (table["metric"] == metric) & (table["seed"] == -1) & ~table["method"].str.startswith("all ")
    ]
    wide = rows.pivot(index="method", columns="against", values="value").dropna(how="all")
    label = LABELS.get(metric, metric)
    if wide.empty or wide.reindex(columns=["by arm", "after exclusion"]).isna().any(axis=None):
        return f"Without labels of both classes, exclusion has no effect on {label} that could be measured."
    change = wide["after exclusion"] - wide["by arm"]
    if (change.abs() <= 0.005).all():
        values = [f"{method} {value:.2f}" for method, value in wide["after exclusion"].items()]
        return f"Exclusion leaves the {label} as it is: {listing(values)}."
    clauses = [
        f"{method} from {row['by arm']:.2f} to {row['after exclusion']:.2f}"
        + ("" if pd.isna(row.get("truth")) else f" (truth of the line: {row['truth']:.2f})")
        for method, row in wide.iterrows()
    ]
    verb = "raises" if (change > 0.005).all() else "lowers" if (change < -0.005).all() else "moves"
    return f"On the same scores, exclusion {verb} the {label} of {listing(clauses)}."


# --- Clusterings -------------------------------------------------------------------------------------------


def over_runs(row: Mapping[str, float], *, digits: int = 2) -> str:
    """Format a mean over runs with its interval, ``0.71 (0.60 to 0.80)``; the mean alone where runs agree.

    A silhouette that is not defined reads ``no width``.
    """
    if pd.isna(row["value"]):
        return "no width"
    mean = f"{row['value']:.{digits}f}"
    if pd.isna(row["low"]) or row["high"] - row["low"] < 10**-digits:
        return mean
    return f"{mean} ({row['low']:.{digits}f} to {row['high']:.{digits}f})"


def recovery(name: str, ari: pd.Series, truth: str, *, bar: float = 0.95) -> str:
    """Say which clustering agrees best with the truth, and whether the one called `name` reaches a bar.

    Parameters
    ----------
    ari
        Mean adjusted Rand index by method.
    """
    best = ari.idxmax()
    text = f"Against the {truth}, **{best}** has the highest mean ARI ({ari[best]:.2f})."
    if ari[name] >= bar:
        return (
            f"{text} {name} reaches {ari[name]:.2f}, at least the {bar:.2f} that this book calls recovered."
        )
    text += f" {name} reaches {ari[name]:.2f}, less than the {bar:.2f} that this book calls recovered"
    others = [f"{other} ({value:.2f})" for other, value in ari.items() if value >= bar]
    return (
        f"{text}; {listing(others)} reach{'es' if len(others) == 1 else ''} it."
        if others
        else (f"{text}; no other method reaches it.")
    )


def cut_short(epochs: int, full: int) -> str:
    """Warn where networks learn for fewer epochs than the study gave them; empty where they do not."""
    if epochs >= full:
        return ""
    return (
        f"Networks learn for at most {epochs} epochs on this page, not {full}: their agreement is what this "
        "training gives and may be below what they can reach."
    )


def width_of_nothing(name: str, found: float, null: float, reference: float, *, claim: float) -> str:
    """Compare a method's ASW on its own code with what it reaches on permuted genes.

    Parameters
    ----------
    found, null
        Mean ASW on the own code: of the cells, and with genes permuted; NaN with one cluster.
    reference
        Mean ASW of the clusters of permuted genes on principal components.
    claim
        The width that is reported as a sign of quality.
    """
    real = f"On these cells the ASW of {name} on its own code is {found:.2f}"
    if pd.isna(found):
        real = f"On these cells {name} finds one cluster, which has no ASW"
    if pd.isna(null):
        return f"{real}; with permuted genes it finds one cluster, as it should."
    verdict = "no evidence of clusters" if null >= claim else "to be read against that and not against 0"
    return (
        f"{real}; with permuted genes, where there is nothing to find, it is **{null:.2f}**, while the same "
        f"clusters have {reference:.2f} on principal components. "
        f"An ASW of {claim:.2f} on the own code is therefore {verdict}."
    )


def widest_of_nothing(widths: pd.Series, *, claim: float) -> str:
    """Say which method makes the most compact clusters of permuted genes, on its own code; ASW by method."""
    if widths.isna().all():
        return "No method finds more than one cluster with permuted genes."
    name = widths.idxmax()
    side = "at or above" if widths[name] >= claim else "below"
    return (
        f"Of all methods **{name}** reaches the widest silhouette on permuted genes, {widths[name]:.2f}, "
        f"{side} {claim:.2f}."
    )


def compacted(before: pd.Series, after: pd.Series) -> str:
    """Say what training for clusters does to the width of the same clusters; both ASW by method."""
    changes = [f"{name} from {before[name]:.2f} to {after[name]:.2f}" for name in before.dropna().index]
    if not changes:
        return "No method found more than one cluster, so there are no widths to compare."
    rise = (after[before.dropna().index] > before.dropna()).all()
    verb = "raises" if rise else "changes"
    return f"Training for clusters {verb} the ASW of the same clusters on the own code: {listing(changes)}."


def false_clusters(clusters: pd.Series) -> str:
    """Say how many clusters the methods find where there is one; mean number by method."""
    right = list(clusters.index[clusters <= 1])
    wrong = [f"{name} ({value:.3g})" for name, value in clusters[clusters > 1].items()]
    if not wrong:
        return "With permuted genes every method finds one cluster, as it should."
    text = f"With permuted genes one cluster would be right; mean numbers found: {listing(wrong)}."
    return f"{text} {listing(right)} find{'s' if len(right) == 1 else ''} one." if right else text


def line_or_sample(name: str, line: float, sample: float) -> str:
    """Say whether clusters follow the cell line or the sample it was measured in, by ARI."""
    if line >= sample:
        return f"Clusters of {name} follow the line (ARI {line:.2f}) more than the sample ({sample:.2f})."
    return f"Clusters of {name} follow the sample (ARI {sample:.2f}) more than the line ({line:.2f})."


def finds(recall: float, precision: float, n: int, what: str) -> str:
    """Say what share of `n` cells of a kind a step finds, and how many of those it takes are of the kind.

    Parameters
    ----------
    recall, precision
        As `labels.score_labels` gives them; NaN where no cell is of the kind, or none is taken.
    """
    if n == 0:
        return f"has no {what} to find"
    taken = "it takes nobody" if pd.isna(precision) else f"precision {percent(precision)}"
    return f"finds {percent(recall)} of {n} {what} ({taken})"


def against_table1(source: str, here: Mapping[str, int], paper: Mapping[str, int]) -> str:
    """
    Say how the labelled cells of a data set compare with the paper's Table 1, and what explains a difference.

    Parameters
    ----------
    source
        Name of the data set.
    here
        Counts by stage, from `labels.count_cells`.
    paper
        ``sensitive`` and ``resistant``, as printed.
    """
    mine, printed = (counts["sensitive"] + counts["resistant"] for counts in (here, paper))
    start = (
        f"**{source}**: {here['sensitive']} sensitive and {here['resistant']} resistant cells here, "
        f"{paper['sensitive']} and {paper['resistant']} in the paper"
    )
    if (here["sensitive"], here["resistant"]) == (paper["sensitive"], paper["resistant"]):
        return f"{start}: the same."
    if mine == printed:
        return f"{start}: as many in all, so some have the other label."
    stages = ("failed QC", "left out", "excluded", "unnamed")
    lost = listing([f"{here[stage]} {stage}" for stage in stages if here[stage]])
    went = f"of {here['delivered']} cells delivered: {lost}"
    if mine > printed:
        return f"{start}, {mine - printed} more ({went}): the paper left out cells that these steps keep."
    if here["delivered"] < printed:
        return f"{start}, {printed - mine} fewer: the file holds only {here['delivered']} cells."
    return f"{start}, {printed - mine} fewer ({went}): these steps remove cells that the paper kept."


def cells_of_table1(table: pd.DataFrame) -> str:
    """
    Say how the cells delivered compare with those that the paper's Table 1 labels.

    Parameters
    ----------
    table
        By data set: ``delivered``, ``pass QC`` and ``labelled in the paper``; missing where not known.
    """
    both = table.dropna()
    if both.empty:
        return "None of the data sets of Table 1 is used in this edition."
    lines = []
    for name, row in both.iterrows():
        delivered, passing, printed = row.astype(int)
        if passing >= printed:
            says = f"enough pass; the paper labels {passing - printed} fewer, by steps that come later"
        elif delivered >= printed:
            says = f"{printed - passing} cells that the paper labels cannot have passed these rules"
        else:
            says = f"the source delivers {printed - delivered} cells fewer than the paper labels"
        lines.append(f"- **{name}**: {says}.")
    return "\n".join(lines)


def joined(name: str, together: float, apart: float, *, bar: float = 0.95) -> str:
    """Say what clustering sample by sample does to the ARI with the line: from `together` to `apart`."""
    verb = "takes" if apart > together else "does not raise, but takes"
    text = f"Clustering sample by sample {verb} the ARI of {name} from {together:.2f} to {apart:.2f}"
    return f"{text}, {'at least' if apart >= bar else 'below'} {bar:.2f}."


def counts_used(kind: str) -> str:
    """Warn where rounded abundances stand in for counts (`pp.with_counts`), with a space at the end."""
    if kind == "measured":
        return ""
    return (
        "**The source has no counts**: where a method models counts, abundances per 10,000, rounded, stand "
        "in for them. "
    )


def widths_of_studies(table: pd.DataFrame, *, claim: float) -> str:
    """
    Say how many data sets reach the silhouette width that the paper reports, in either space.

    Parameters
    ----------
    table
        One row for each data set: ``ASW, own code`` and ``ASW, PCA-50``; empty without several data sets.
    claim
        The width that the paper reports for every data set.
    """
    if table.empty:
        return "This edition has one data set, which the sections above show."
    reached = {space: int((table[f"ASW, {space}"] >= claim).sum()) for space in ("own code", "PCA-50")}
    return (
        f"A silhouette width of {claim:g} is reached by {reached['own code']} of {len(table)} data sets in "
        f"the code that clusters were made in, and by {reached['PCA-50']} on principal components."
    )
