"""What each part of the model adds, and how far runs of it differ."""

from collections.abc import Mapping

import pandas as pd
from scipy import stats

from bulk2sc.prose.words import counted, interval, listing, percent, unsigned, with_corrected_p

NO_INTERVAL = "there are too few lines or seeds for intervals, so no difference can be called clear."


def size_of_ladder(n_variants: int, settings: Mapping[str, int], limited: float) -> str:
    """Say how many fits a page rests on, how they differ from the edition's own model, and how they ended.

    Parameters
    ----------
    settings
        ``seeds`` (a list), ``ablation_epochs`` and ``ablation_hidden``, and of the edition's own model
        ``max_epochs`` and ``hidden``.
    limited
        Share of first stages that ended by the limit of epochs and not by early stopping.
    """
    seeds = len(settings["seeds"])
    own, here = (settings[f"ablation_{name}"] for name in ("epochs", "hidden"))
    text = (
        f"This page rests on {n_variants * seeds} fits: {n_variants} models with {counted(seeds, 'seed')} "
        f"each, with hidden layers of {here} units and at most {counted(own, 'epoch')} in each stage"
    )
    if (own, here) == (settings["max_epochs"], settings["hidden"]):
        text += ", as the edition's own model. "
    else:
        text += f", where the edition's own model has {settings['hidden']} and {settings['max_epochs']}. "
    return (
        f"{text}In {percent(limited)} of the fits the training of the schedule ended by that limit, before "
        "it would have stopped by itself."
    )


def added(table: pd.DataFrame, where: str) -> str:
    """Say which parts change AUROC clearly: by an interval clear of 0 and a corrected p-value below .05.

    Parameters
    ----------
    table
        By step, such as ``pathways, joint``: value (with minus without), low, high, p (corrected).
    where
        On what it was found.
    """
    if table["p"].isna().all():
        return f"On {where} {NO_INTERVAL}"
    up, down = _clear(table)
    n = len(table)
    if up.empty and down.empty:
        widest = table["value"].abs().idxmax()
        return (
            f"**On {where}, no step changes AUROC clearly**, p-values corrected for {n} comparisons; the "
            f"largest difference is {_sized(table.loc[[widest]])}."
        )
    clauses = [
        f"AUROC {verb} clearly with {_sized(rows)}"
        for verb, rows in (("rises", up), ("falls", down))
        if len(rows)
    ]
    rest = n - len(up) - len(down)
    return f"**On {where}, {'; '.join(clauses)}.** Of {n} steps, {rest} cannot be told from no change."


def better_schedule(table: pd.DataFrame, where: str) -> str:
    """Say for which rungs a schedule is clearly better.

    Parameters
    ----------
    table
        By rung: value (joint minus pretrained), low, high, p (corrected).
    where
        On what it was found.
    """
    if table["p"].isna().all():
        return f"On {where} {NO_INTERVAL}"
    up, down = _clear(table)
    if up.empty and down.empty:
        higher = listing(table.index[table["value"] > 0])
        return f"On {where}, neither schedule is clearly better; the joint mean is higher for {higher}."
    clauses = [
        f"the {schedule} schedule is clearly better for {_sized(rows)}"
        for schedule, rows in (("joint", up), ("pretrained", down))
        if len(rows)
    ]
    rest = table.index.difference(up.index.union(down.index), sort=False)
    return f"On {where}, {'; '.join(clauses)}. No difference that is clear: {listing(rest)}."


def rung_chosen(on_lines: pd.Series, on_cells: pd.Series) -> str:
    """Say what bulk validation chooses, and whether the cells would have chosen the same.

    Parameters
    ----------
    on_lines, on_cells
        Mean AUROC by variant, of the same variants; NaN on cells without answers of both classes.
    """
    best = on_lines.idxmax()
    text = f"Bulk validation chooses **{best}** (mean AUROC {on_lines[best]:.3f} on lines left out)."
    if on_cells.isna().all():
        return f"{text} The cells could choose nothing: that needs answers of both classes."
    other = on_cells.idxmax()
    if other == best:
        return f"{text} The cells would have chosen the same ({on_cells[best]:.3f})."
    return (
        f"{text} On the cells it has {on_cells[best]:.3f}, and {other} has the most, {on_cells[other]:.3f}: "
        "that is shown and not used."
    )


def spreads(table: pd.DataFrame, first: str, second: str) -> str:
    """Say in what the runs of one method differ more over seeds than those of another.

    Parameters
    ----------
    table
        By measure: value, the standard deviation of `first` over that of `second`, low and high.
    """
    known = table.dropna()
    if known.empty:
        return f"There are too few seeds to say whether runs of {first} differ more than those of {second}."
    more, less = known[known["low"] > 1], known[known["high"] < 1]
    unclear = known.drop([*more.index, *less.index])
    clauses = [
        f"{words} {_sized(rows, digits=2)}"
        for words, rows in (
            (f"{first} varies clearly more than {second} in", more),
            (f"{first} varies clearly less than {second} in", less),
            ("no clear difference in", unclear),
        )
        if len(rows)
    ]
    return f"Ratios of standard deviations over seeds, {first} over {second}: {'; '.join(clauses)}."


def under_adversary(table: pd.DataFrame) -> str:
    """Say whether the validation loss rose while an adversary played.

    Parameters
    ----------
    table
        A row a variant: value, low, high.
    """
    if table["low"].isna().all():
        return "One seed cannot say whether an adversary raises the validation loss."
    up, down = table[table["low"] > 0], table[table["high"] < 0]
    unclear = table.drop([*up.index, *down.index])
    clauses = [
        f"it {words} for {_sized(rows)}"
        for words, rows in (("rises", up), ("falls", down), ("does not clearly change", unclear))
        if len(rows)
    ]
    return f"The validation loss from before the adversarial stage to its end: {'; '.join(clauses)}."


def overfits(gap: Mapping[str, float], first: str, second: str) -> str:
    """Say whether one method overfits more; `gap`: difference in overfitting, value, low, high."""
    if pd.isna(gap["low"]):
        return f"One seed cannot say whether {first} overfits more than {second}."
    size = unsigned(gap, digits=3)
    if gap["low"] > 0:
        return f"{first} overfits more than {second}, by {size}."
    if gap["high"] < 0:
        return f"{first} overfits less than {second}, by {size}."
    signed = interval(gap["value"], gap["low"], gap["high"], digits=3)
    return f"{first} and {second} cannot be told apart in overfitting: {signed}."


def critic_lost(distances: Mapping[str, pd.Series]) -> str:
    """Say in how many runs the critic's distance ends below 0; `distances`: by schedule, one a seed."""
    counts = [
        f"{(last < 0).sum()} of {counted(len(last), 'seed')} ({schedule})"
        for schedule, last in distances.items()
    ]
    return f"At the last epoch the estimated distance is negative in {' and in '.join(counts)}."


def harder_to_tell(table: pd.DataFrame) -> str:
    """Say whether adversaries align the domains.

    Parameters
    ----------
    table
        By variant with an adversary: value, the change of the domains' AUROC against the same rung without,
        low, high and p (corrected); ``auroc``, the mean that is left.
    """
    if table["p"].isna().all():
        return "One seed cannot say whether an adversary aligns the domains."
    clear = table["p"] < 0.05
    parts = {
        "harder to tell apart for": clear & (table["value"] < 0),
        "easier to tell apart for": clear & (table["value"] > 0),
        "no difference can be shown for": ~clear,
    }
    said = [f"{words} {_sized(table[rows])}" for words, rows in parts.items() if rows.any()]
    return (
        f"AUROC of the domain, with the adversary minus without: {'; '.join(said)}. "
        f"The lowest mean AUROC that is left is {table['auroc'].min():.2f} ({table['auroc'].idxmin()})."
    )


def beside_table_3(paper: pd.Series, here: Mapping[str, pd.Series]) -> str:
    """Say whether the rungs have the paper's order of accuracy; all series by rung, one for each schedule."""
    said = []
    for schedule, ours in here.items():
        if ours.isna().all():
            said.append(f"{schedule}, no cell has an answer, so there is no accuracy")
            continue
        tau, p = stats.kendalltau(paper, ours.loc[paper.index])
        if pd.isna(tau):
            said.append(f"{schedule}, all rungs have the same accuracy")
        else:
            said.append(
                f"{schedule}, accuracy runs from {ours.min():.2f} to {ours.max():.2f}, and the "
                f"Kendall correlation of its order with the paper's is {tau:.2f} (p = {p:.2f})"
            )
    return (
        f"In the paper, accuracy runs from {paper.min():.2f} to {paper.max():.2f}. Here, {'; '.join(said)}. "
        f"With {len(paper)} rungs only a perfect order has p below .05."
    )


def _clear(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows that are clearly above 0, and those clearly below."""
    tested = table["p"] < 0.05
    return table[tested & (table["low"] > 0)], table[tested & (table["high"] < 0)]


def _sized(rows: pd.DataFrame, digits: int = 3) -> str:
    """List the names of rows with their values, intervals and, where they have any, corrected p-values."""
    return listing([f"{name} {with_corrected_p(row, digits=digits)}" for name, row in rows.iterrows()])
