"""Whether it matters which gene sets a decoder keeps to."""

import pandas as pd

from bulk2sc.prose.words import listing


def told_from(ground: str, rival: str, tests: pd.DataFrame) -> str:
    """Say which collections of gene sets differ from a rival in AUROC.

    Parameters
    ----------
    ground
        Where they were compared: ``lines left out`` or ``the cells``.
    rival
        What each was compared with: ``random sets of the same sizes``.
    tests
        As `experiments.paired.on_lines` returns them: first, value, low, high, p (corrected).
    """
    if tests.empty:
        return f"On {ground}, nothing was compared with {rival}."
    if tests["value"].isna().all():
        return f"On {ground}, nothing can be compared with {rival}: it needs answers of both classes."
    minus = f"AUROC, collection minus {rival}"
    if tests["p"].isna().all():
        return (
            f"On {ground}, there is too little for a test against {rival}. {minus}: "
            f"{_sizes(tests, intervals=False)}."
        )
    clear = tests["p"] < 0.05
    if not clear.any():
        return f"On {ground}, **no collection can be told apart from {rival}**. {minus}: {_sizes(tests)}."
    groups = {
        "ahead": tests[clear & (tests["value"] > 0)],
        "behind": tests[clear & (tests["value"] < 0)],
        "not told apart": tests[~clear],
    }
    said = [f"{words}: {_sizes(part)}" for words, part in groups.items() if len(part)]
    return f"On {ground}, {minus}; {'; '.join(said)}."


def _sizes(tests: pd.DataFrame, *, intervals: bool = True) -> str:
    return listing(
        [
            f"{row.first} {row.value:+z.3f}"
            + (
                f" (95 % interval {row.low:+z.3f} to {row.high:+z.3f}, corrected p = {row.p:.2g})"
                if intervals
                else ""
            )
            for row in tests.itertuples()
        ]
    )


def plus_minus(judged: pd.DataFrame, metrics: list[str], order: list[str]) -> pd.DataFrame:
    """Return methods x metrics as text, ``0.726 ± 0.008``: mean and standard deviation over seeds.

    One seed has no deviation, ``0.726``; what is not known is blank.

    Parameters
    ----------
    judged
        Tidy, as `evaluate.judge` returns it.
    """
    seeds = judged[(judged["seed"] >= 0) & judged["metric"].isin(metrics)]
    found = seeds.groupby(["method", "metric"])["value"].agg(["mean", "std"])
    mean, deviation = (found[name].map(lambda value: f"{value:.3f}") for name in ("mean", "std"))
    text = mean.where(found["std"].isna(), mean + " ± " + deviation).where(found["mean"].notna(), "")
    return text.unstack("metric").loc[order, metrics].rename_axis(columns=None)
