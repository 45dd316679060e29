"""What published numbers imply."""

from collections.abc import Sequence

import pandas as pd

from bulk2sc.prose.words import listing, percent


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
                f"on {called}, and all resistant on the others."
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
        ``distance`` (of the nearest confusion matrix), ``decimals`` (as printed).
    counts
        Numbers of sensitive and of resistant cells.
    """
    n = sum(counts)
    lines = []
    for row in implied.itertuples():
        start = f"{row.where}, {row.method} ({row.accuracy:.{row.decimals}f} / {row.f1:.{row.decimals}f}): "
        if row.distance > 2 / n:
            lines.append(
                f"{start}**no answer to these {n} cells has both scores**; the nearest is off by "
                f"{row.distance:.3f}."
            )
            continue
        says = f"{percent(row.called_sensitive)} called sensitive, Matthews correlation "
        ends = (f"{end:.2f}" for end in (row.mcc_lowest, row.mcc_highest))
        says += " to ".join(dict.fromkeys(ends))
        if getattr(row, "runs", False):
            says += " (a mean over runs, for which a matrix is only the nearest)"
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
        The same rows with ``share_all_sensitive``, ``f1_of_mixture`` and ``decimals``.
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
        f"{row.f1_of_mixture:.{row.decimals}f}, printed {row.f1:.{row.decimals}f})"
        for row in impossible[fits].itertuples()
    ]
    text = f"Impossible for a single run: {listing(list(impossible['method']))}. "
    text += (listing(said) + ". ") if said else ""
    rest = list(impossible.loc[~fits, "method"])
    return text + (f"A mixture of constants does not explain {listing(rest)}." if rest else "")


def without_one_set(rest: pd.Series, constants: pd.DataFrame, name: str, *, one: str) -> str:
    """
    Say what is left of a published mean without one data set, beside constant answers on the others.

    Parameters
    ----------
    rest
        ``accuracy`` and ``f1``: mean over the other data sets.
    constants
        Rows of `published.constant_answers` of these.
    name, one
        The method, and the data set that is left out.
    """
    majority = constants.groupby("cells_source")["accuracy"].max().mean()
    sensitive = constants.loc[constants["answer"] == "all sensitive", "f1"].mean()
    accuracy, f1 = (
        "above" if a > b else "not above" for a, b in ((rest["accuracy"], majority), (rest["f1"], sensitive))
    )
    return (
        f"Without {one}, the means of {name} are about {rest['accuracy']:.3f} accuracy, {accuracy} the "
        f"{majority:.3f} of the better constant of each data set left, and {rest['f1']:.3f} F1, {f1} the "
        f"{sensitive:.3f} of *all sensitive*."
    )


def twice_printed(rows: pd.DataFrame, counts: Sequence[int]) -> str:
    """
    Say whether two tables print the same scores of one model on the same cells.

    Parameters
    ----------
    rows
        Two rows: ``where``, ``method``, ``accuracy``, ``f1`` and ``decimals``.
    counts
        Numbers of sensitive and of resistant cells.
    """
    first, second = rows.to_dict("records")
    gap = abs(first["accuracy"] - second["accuracy"])
    digits = min(first["decimals"], second["decimals"])
    same = all(round(first[score], digits) == round(second[score], digits) for score in ("accuracy", "f1"))
    told = " and ".join(
        f"{row['accuracy']:.3f} / {row['f1']:.3f} ({row['where']}, {row['method']})"
        for row in (first, second)
    )
    if same:
        return f"The same model on the same cells is printed twice, with the same scores: {told}."
    return (
        f"The same model on the same cells is printed twice, with different scores: {told}; in accuracy that "
        f"is about {gap * sum(counts):.0f} of {sum(counts)} cells."
    )
