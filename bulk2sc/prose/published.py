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
