"""What the settings matter, and what choosing them by the cells would pretend."""

from collections.abc import Mapping

import pandas as pd

from bulk2sc.prose.words import interval, listing

SETTINGS = {
    "min_pathway_genes": "fewest genes of a pathway",
    "n_hvg": "number of variable genes",
    "dropout": "dropout",
}


def choice(setting: str, means: pd.Series, own: float, gap: Mapping[str, float] | None) -> str:
    """Say which value of a setting the lines left out choose, and whether it differs from the one in use.

    Parameters
    ----------
    setting
        One of `SETTINGS`.
    means
        Mean AUROC by value.
    own
        The value in use.
    gap
        The chosen value minus the one in use, as `experiments.paired.on_lines` has it; None if they are one.
    """
    best = means.idxmax()
    text = (
        f"**{SETTINGS[setting].capitalize()}**: the mean AUROC on lines left out lies between "
        f"{means.min():.3f} (at {means.idxmin():g}) and {means.max():.3f} (at {best:g}). "
    )
    if gap is None:
        return f"{text}The lines choose {own:g}, the value in use."
    size = f"{gap['value']:z.3f} with one seed"
    if not pd.isna(gap["low"]):
        size = interval(gap["value"], gap["low"], gap["high"], digits=3)
    text += f"The lines choose {best:g} over {own:g}, the value in use, by {size}"
    if pd.isna(gap["low"]):
        return f"{text}, which tells nothing."
    if gap["low"] > 0 and gap["p"] < 0.05:
        return f"{text}: a difference."
    return f"{text}: the two **cannot be told apart**."


def told_apart(tests: pd.DataFrame) -> str:
    """Say which other values differ from the one in use on lines left out.

    Parameters
    ----------
    tests
        One row a value: setting, setting_value, value (AUROC minus that of the value in use), p (corrected).
    """
    if tests["p"].isna().all():
        return f"With one seed none of {len(tests)} other values can be tested against the one in use."
    clear = tests[tests["p"] < 0.05]
    if clear.empty:
        return (
            f"None of {len(tests)} other values can be told apart from the one in use on lines left out, "
            "after Holm's correction."
        )
    names = [
        f"{SETTINGS[row.setting]} {row.setting_value:g} ({'better' if row.value > 0 else 'worse'} by "
        f"{abs(row.value):.3f})"
        for row in clear.itertuples()
    ]
    return (
        f"Of {len(tests)} other values, {len(clear)} can be told apart from the one in use on lines left "
        f"out, after Holm's correction: {listing(names)}."
    )


def looking(setting: str, picked: float, chosen: float, gain: pd.DataFrame) -> str:
    """Say what choosing a value by the cells would seem to gain over the choice by bulk lines, and does gain.

    Parameters
    ----------
    setting
        One of `SETTINGS`.
    picked, chosen
        The value that is best on the cells, and the one that the lines left out choose.
    gain
        As `experiments.hyperparameters.gain_by_looking` returns it.
    """
    text = f"**{SETTINGS[setting].capitalize()}**: "
    mean = gain["value"]
    if pd.isna(mean["all"]):
        return f"{text}the cells could choose nothing, since none can be called right or wrong."
    if picked == chosen:
        text += f"the cells would choose {picked:g} as well."
    else:
        text += f"the cells would choose {picked:g} instead of {chosen:g} and look {mean['all']:z.3f} better."
    if pd.isna(mean["looked_at"]):
        return f"{text} There are too few lines to say what of it would hold on other lines."
    if mean["looked_at"] < 0.0005:
        return f"{text} Looking at half of the lines would gain nothing even there."
    here, elsewhere = (_over_halves(gain.loc[half]) for half in ("looked_at", "not_looked_at"))
    text += f" Chosen on half of the lines, the best value looks better there by {here}; on the other half "
    if mean["not_looked_at"] < 0.0005:
        return f"{text}nothing of it is left: {elsewhere}."
    return f"{text}this is left of it: {elsewhere}."


def _over_halves(gain: Mapping[str, float]) -> str:
    """Format a mean over random halves, and where 95 % of them lie."""
    return f"{gain['value']:z.3f} (95 % of halves {gain['low']:z.3f} to {gain['high']:z.3f})"
