"""Whether the paper's model is worth its cost: beside simple methods, over data sets, over penalties."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bulk2sc.inference import DEPENDENT
from bulk2sc.prose.words import interval, listing, percent

# What a deep model has to beat first: ridge regression and boosted trees, as they come and tuned on bulk.
BARS = ("ridge", "ridge CV", "GB", "XGBoost", "tuned XGBoost")


def verdict(
    table: pd.DataFrame, gaps: pd.DataFrame, *, model: str = "shared AE", bars: Sequence[str] = BARS
) -> str:
    """Say, in the first paragraph of a page, whether a model beats ridge regression and boosted trees.

    Ahead or behind means in AUROC, with an interval clear of 0 and a corrected p-value below .05.

    Parameters
    ----------
    table
        As `evaluate.judge` returns it.
    gaps
        As `evaluate.paired_differences` returns it, with `model` as the first of pairs.
    bars
        Rivals that count, as far as they were compared.
    """
    of_model = gaps[gaps.index.get_level_values("first") == model].droplevel("first")
    of_model = of_model.reindex([bar for bar in bars if bar in of_model.index])
    if of_model.empty:
        return f"This run does not set {model} beside ridge regression or boosted trees."
    if of_model["value"].isna().all():
        few = "no cell has an answer" if table["value"][table["metric"] == "accuracy"].isna().all() else ""
        reason = few or "the answers are of one class"
        return f"**Nothing here can tell whether {model} beats anything**: {reason}."
    clear = of_model["holm"] < 0.05
    ahead, behind = of_model[clear & (of_model["low"] > 0)], of_model[clear & (of_model["high"] < 0)]
    row = table[(table["method"] == model) & (table["metric"] == "auroc") & (table["seed"] == -1)].iloc[0]
    rest = [bar for bar in of_model.index if bar not in ahead.index]
    text = f"**{_judgement(model, list(ahead.index), rest)}** "
    text += f"Its AUROC is {interval(row['value'], row['low'], row['high'])}. "
    if len(behind):
        text += f"It is clearly behind {listing(behind.index)}. "
    differences = [
        f"{interval(g['value'], g['low'], g['high'], digits=3)} to {bar}"
        + ("" if pd.isna(g["holm"]) else f" (p = {g['holm']:.2g})")
        for bar, g in of_model.iterrows()
    ]
    text += f"The differences in AUROC, {model} minus the other: {listing(differences)}."
    if of_model["holm"].notna().any():
        text += (
            f" P-values are corrected for {len(gaps)} comparisons, intervals are not, and p is mostly the "
            "stricter of the two."
        )
    return text


def _judgement(model: str, ahead: list[str], rest: list[str]) -> str:
    if not rest:
        return f"On these cells, {model} beats {listing(ahead)}."
    if ahead:
        return f"On these cells, {model} beats {listing(ahead)}, but not {listing(rest)}."
    return f"On these cells, {model} does not beat ridge regression or boosted trees ({listing(rest)})."


def standings(gaps: pd.DataFrame) -> str:
    """List, for each method that comes first in pairs, whom it is clearly ahead of, behind, or neither.

    Parameters
    ----------
    gaps
        As `evaluate.paired_differences` returns it; the corrected p-values count.
    """
    lines = []
    for first, rows in gaps.groupby(level="first", sort=False):
        rows = rows.droplevel("first")
        clear = rows["holm"] < 0.05
        ahead, behind = rows.index[clear & (rows["low"] > 0)], rows.index[clear & (rows["high"] < 0)]
        rest = [name for name in rows.index if name not in {*ahead, *behind}]
        lines.append(
            f"- **{first}** is clearly ahead of {listing(ahead)}, clearly behind {listing(behind)}; it "
            f"cannot be told apart from {listing(rest)}."
        )
    return "\n".join(lines) or "Nothing to compare."


def best_simple(chosen: str, validation: pd.DataFrame, table: pd.DataFrame, simple: Sequence[str]) -> str:
    """Say which simple method bulk lines favour, and whether the cells would have favoured another.

    Parameters
    ----------
    chosen
        The simple method with the highest AUROC on bulk lines left out.
    validation, table
        As `trials.validation` and `evaluate.judge` return them.
    """
    on_lines, on_cells = (_aurocs(rows, simple) for rows in (validation, table))
    text = (
        f"Of the simple methods, bulk lines left out favour **{chosen}**, with an AUROC of "
        f"{_of(on_lines, chosen)}; on the cells it has {_of(on_cells, chosen)}."
    )
    if on_cells["value"].isna().all():
        return text
    other = on_cells["value"].idxmax()
    if on_cells.loc[other, "value"] <= on_cells.loc[chosen, "value"]:
        return f"{text} No simple method has more there."
    return (
        f"{text} The cells would have favoured {other}, with {_of(on_cells, other)}, which nobody could know."
    )


def _aurocs(rows: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    found = rows[(rows["metric"] == "auroc") & (rows["seed"] == -1)].set_index("method")
    return found.loc[list(methods), ["value", "low", "high"]]


def _of(aurocs: pd.DataFrame, method: str) -> str:
    row = aurocs.loc[method]
    return "no value" if pd.isna(row["value"]) else interval(row["value"], row["low"], row["high"])


def penalty(bulk: pd.Series, cells: pd.Series, fixed: float) -> str:
    """Say which penalty of ridge regression bulk lines favour, what the fixed one costs, what cells say.

    Parameters
    ----------
    bulk
        Mean correlation with AUC on bulk lines left out, by penalty.
    cells
        AUROC of the cells by penalty, NaN where answers are of one class.
    fixed
        The penalty of the method "ridge"; the nearest to it is that on a log scale.
    """
    best, beside = bulk.idxmax(), bulk.index[abs(np.log(bulk.index / fixed)).argmin()]
    text = (
        f"Bulk lines left out favour a penalty of {best:,.0f} (mean correlation with AUC {bulk[best]:.3f}); "
    )
    if best == beside:
        text += f"of all that were swept it is the nearest to the fixed one, {fixed:,.0f}."
    else:
        text += f"at {beside:,.0f}, the nearest to the fixed one, {fixed:,.0f}, it is {bulk[beside]:.3f}."
    if cells.isna().all():
        return text
    if cells.idxmax() == best:
        return f"{text} The AUROC of the cells is highest at the same penalty ({cells[best]:.3f})."
    return (
        f"{text} The AUROC of the cells is {cells[best]:.3f} at the penalty that bulk lines favour; it is "
        f"highest at {cells.idxmax():,.0f} ({cells.max():.3f}), which is shown and not used."
    )


def _mean(row: pd.Series) -> str:
    if pd.isna(row["mean"]):
        return "not known, since every set has answers of one class"
    if pd.isna(row["low"]):
        return f"{row['mean']:.2f} (too few data sets for an interval)"
    return interval(row["mean"], row["low"], row["high"])


def over_studies(
    means: pd.DataFrame, gaps: pd.DataFrame, *, shared: float = 0.0, model: str = "shared AE"
) -> str:
    """Say how a model does on average over data sets and drugs, beside simple and constant answers.

    Parameters
    ----------
    means
        As `data_sets.means` returns it: method, metric, mean, low, high, n.
    gaps
        As `data_sets.differences` returns it, of the model and each simple method.
    shared
        As `data_sets.shared_lines` returns it.
    """
    wide = means.pivot(index="method", columns="metric", values="mean")
    rows = means[means["metric"] == "auroc"].set_index("method")
    n = int(means["n"].max())
    if n < 2:
        return "There is one data set: nothing to average."
    text = f"**Over {n} data sets and drugs**, "
    if model in wide.index:
        text += (
            f"the mean AUROC of {model} is {_mean(rows.loc[model])}, its mean accuracy "
            f"{wide.loc[model, 'accuracy']:.3f} and its mean F1 {wide.loc[model, 'f1']:.3f}; "
            f"{_simple_over_studies(gaps, shared)} Beside that, "
        )
    constant = [m for m in ("all sensitive", "all resistant") if m in wide.index]
    said = [f"*{m}* {wide.loc[m, 'accuracy']:.3f} and {wide.loc[m, 'f1']:.3f}" for m in constant]
    return f"{text}the mean accuracy and F1 of constant answers are: {listing(said)}."


def _simple_over_studies(gaps: pd.DataFrame, shared: float) -> str:
    """Say which simple methods have a higher mean than the model, and which differences are clear."""
    gaps = gaps.droplevel("first").sort_values("value")
    text = f"simple methods with a higher mean AUROC: {listing(gaps.index[gaps['value'] < 0])}."
    if gaps["holm"].isna().all():
        if shared >= DEPENDENT:
            return f"{text} That is not tested: two of these share {percent(shared)} of their judged lines."
        return f"{text} That is not tested: it takes three data sets that differ."
    clear = gaps["holm"] < 0.05
    ahead, behind = (gaps.index[clear & sign] for sign in (gaps["value"] > 0, gaps["value"] < 0))
    return (
        f"{text} By paired t tests over data sets, corrected for {len(gaps)} comparisons, it is clearly "
        f"behind {listing(behind)} and clearly ahead of {listing(ahead)}."
    )
