"""What published numbers imply."""

from collections.abc import Sequence

import pandas as pd

from bulk2sc.prose.words import percent


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
