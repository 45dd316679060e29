"""What labels are made of and how good they are."""

from collections.abc import Mapping

import pandas as pd

from bulk2sc.prose.words import LABELS, listing, over_runs, percent

SWEPT = {  # settings of `label_sweep`
    "depth": "counts of a cell",
    "shift": "change by treatment",
    "hidden_resistant": "hidden resistant share",
    "resolution": "resolution",
    "n_hvg": "number of variable genes",
}


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


def breaks(what: str, means: Mapping[str, pd.Series], *, least: float = 0.5) -> str:
    """Say at which values of which settings a share is below `least`, and how low it gets elsewhere.

    Parameters
    ----------
    what
        Name of the share.
    means
        By setting: share by value of the setting, NaN where it does not exist, as where nothing was found.
    """
    known = {SWEPT[name]: shares.dropna() for name, shares in means.items() if shares.notna().any()}
    if not known:
        return f"**{what}** has no value anywhere."
    low = {name: shares[shares < least] for name, shares in known.items() if (shares < least).any()}
    kept = {name: shares.min() for name, shares in known.items() if name not in low}
    clauses = [
        f"{name} {listing([f'{value:g}' for value in shares.index])} (down to {percent(shares.min())})"
        for name, shares in low.items()
    ]
    stays = f"stays at {percent(min(kept.values()))} or more over {listing(list(kept))}." if kept else ""
    if not clauses:
        return f"**{what}** {stays}"
    return f"**{what}** is below {percent(least)} at {'; '.join(clauses)}." + (f" It {stays}" if kept else "")


def effect_of_exclusion(table: pd.DataFrame, *, metric: str = "auroc") -> str:
    """Say how exclusion moves a metric of each method, and what the same scores reach against the truth.

    Both values have intervals of their own; how sure their difference is, is not said.

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
    said = rows.set_index(["method", "against"]).apply(over_runs, axis=1)
    clauses = [
        f"{method} from {said[method, 'by arm']} to {said[method, 'after exclusion']}"
        + ("" if pd.isna(row.get("truth")) else f", truth of the line {row['truth']:.2f}")
        for method, row in wide.iterrows()
    ]
    verb = "raises" if (change > 0.005).all() else "lowers" if (change < -0.005).all() else "moves"
    return (
        f"On the same scores, exclusion {verb} the {label} (in brackets 95 % intervals of the values; the "
        f"change is not tested): {'; '.join(clauses)}."
    )


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
