"""Whether domains meet, scores mean what they say, and uncertainty knows."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from bulk2sc.prose.model import NEVER_BOTH_DOMAINS
from bulk2sc.prose.words import listing

# Question -> the value, then what to say of methods for which it is clearly above 0, below, or neither.
QUESTIONS = {
    "skill": (
        "Brier skill",
        "Of the methods that learn, better than the mean effect in Brier score, interval and all, are",
        "Of the methods that learn, worse than the mean effect in Brier score, interval and all, are",
        "Of the methods that learn, not clear of the mean effect in Brier score are",
    ),
    "share": (
        "estimated minus the true share",
        "The estimated share is too high, interval and all, with the scores of",
        "The estimated share is too low, interval and all, with the scores of",
        "The estimated share is not clearly wrong with the scores of",
    ),
    "estimated": (
        "change of the Brier score by the estimated share",
        "Corrected by the estimated share, the Brier score is worse for",
        "Corrected by the estimated share, the Brier score is better for",
        "Corrected by the estimated share, the Brier score does not clearly change for",
    ),
    "oracle": (
        "change of the Brier score by the true share",
        "Corrected by the true share, the Brier score is worse for",
        "Corrected by the true share, the Brier score is better for",
        "Corrected by the true share, the Brier score does not clearly change for",
    ),
    "ensemble": (
        "gain in AUROC of the mean over seeds",
        "The mean of the seeds ranks the cells better than single seeds do, with",
        "The mean of the seeds ranks the cells worse than single seeds do, with",
        "The mean of the seeds ranks the cells neither clearly better nor worse than single seeds, with",
    ),
    "entropy": (
        "share of the possible gain by entropy",
        "By entropy, the certain calls are more often right than others, interval and all, for",
        "By entropy, the certain calls are more often *wrong* than others, interval and all, for",
        "By entropy, the certain calls are not clearly better or worse than others for",
    ),
    "spread": (
        "share of the possible gain by spread",
        "By spread, the certain calls are more often right than others, interval and all, for",
        "By spread, the certain calls are more often *wrong* than others, interval and all, for",
        "By spread, the certain calls are not clearly better or worse than others for",
    ),
}


def sides(rows: pd.DataFrame, question: str) -> str:
    """Answer one of `QUESTIONS`: which methods are clearly above 0, clearly below, or neither.

    Parameters
    ----------
    rows
        One row a method: method, value, low, high, and p, corrected for the number of methods. Clear is an
        interval on one side of 0 with a p below .05.
    """
    what, *words = QUESTIONS[question]
    rows = rows.dropna(subset="value")
    if rows.empty:
        return f"There is nothing to judge the {what} by."
    if rows["low"].isna().all():
        spread = f"from {rows['value'].min():.2f} to {rows['value'].max():.2f}"
        return f"The {what} runs {spread}, with too few lines for intervals: its signs decide nothing."
    unknown, rows = rows[rows["low"].isna()], rows[rows["low"].notna()]
    tested = rows["p"] < 0.05
    higher, lower = tested & (rows["low"] > 0), tested & (rows["high"] < 0)
    found = zip(words, (higher, lower, ~higher & ~lower), strict=True)
    text = [f"{said}: {_with_range(rows[those])}." for said, those in found if those.any()]
    if len(unknown):
        text.append(f"Not to be told, as it is not defined in many draws of lines: {_with_range(unknown)}.")
    return " ".join(text)


def _with_range(rows: pd.DataFrame) -> str:
    """List methods with the lowest and the highest of their values."""
    ends = [f"{value:+z.3f}" for value in (rows["value"].min(), rows["value"].max())]
    several = "values from " if len(set(ends)) > 1 else ""
    return f"{listing(rows['method'])} ({several}{' to '.join(dict.fromkeys(ends))})"


def with_p(table: pd.DataFrame, metrics: Mapping[str, str], order: Sequence[str]) -> pd.DataFrame:
    """Return methods x differences as text, ``+0.012 (+0.001 to +0.020), p = 0.03``, blank where not known.

    Parameters
    ----------
    table
        Tidy, as `calibration.measured` returns it; only means over seeds are shown.
    metrics
        Metric -> heading.
    """
    mean = table[(table["seed"] == -1) & table["metric"].isin(list(metrics))].dropna(subset="value")
    text = [
        f"{r.value:+z.3f}"
        + ("" if pd.isna(r.low) else f" ({r.low:+z.3f} to {r.high:+z.3f})")
        + ("" if pd.isna(r.p) else f", p = {r.p:.2g}")
        for r in mean.itertuples()
    ]
    wide = mean.assign(text=text).pivot(index="method", columns="metric", values="text")
    return wide.reindex(list(order), columns=list(metrics)).fillna("").rename(columns=metrics)


def calibrated(errors: Mapping[str, float], upper: Mapping[str, float]) -> str:
    """Say whose calibration error is more than chance explains; `upper` is its 95 % point, by method."""
    errors = {m: e for m, e in errors.items() if pd.notna(e)}
    if not errors:
        return "No calibration error is known, since no cell is judged."
    text = {m: f"{m} ({e:.2f}; exact scores up to {upper[m]:.2f})" for m, e in errors.items()}
    more = [m for m, e in errors.items() if e > upper[m]]
    inside = [m for m in text if m not in more]
    if not more:
        return (
            f"No calibration error is more than exact scores might show on so few lines: {listing(inside)}."
        )
    said = "Of the methods that learn, an expected calibration error above what exact scores would show on "
    said += f"these lines: {listing([text[m] for m in more])}."
    return said + (f" No more than that: {listing(inside)}." if inside else "")


def separations(areas: pd.DataFrame) -> str:
    """Say in which views a classifier tells the domains apart: where the interval of its AUROC is above .5.

    An interval below .5 is named by itself: it comes of the folds, and is neither distance nor closeness.

    Parameters
    ----------
    areas
        A row a view: value, low (NaN where there are too few folds) and high.
    """
    known = areas.dropna(subset="value")
    if known.empty:
        return f"Whether a classifier tells the domains apart cannot be judged: {NEVER_BOTH_DOMAINS}"
    text = pd.Series([f"{view} ({value:.2f})" for view, value in known["value"].items()])
    apart, mirrored = (known["low"] > 0.5).to_numpy(), (known["high"] < 0.5).to_numpy()
    words = (
        "A classifier tells the domains apart, by an AUROC whose interval is above .5, in",
        "It does not clearly do so in" if apart.any() else "No classifier clearly tells the domains apart:",
        "The whole interval is below .5, which says nothing of a distance, in",
    )
    found = zip(words, (apart, ~(apart | mirrored), mirrored), strict=True)
    return " ".join(f"{said} {listing(text[those].tolist())}." for said, those in found if those.any())


def distant(gaps: pd.DataFrame, upper: pd.Series) -> str:
    """Say in which views the MMD of the domains is more than that of lines dealt out at random.

    Parameters
    ----------
    gaps
        A row a view: value.
    upper
        95 % point of the null, by view.
    """
    known = gaps["value"].dropna()
    if known.empty:
        return "The MMD of the domains needs at least two lines of cells."
    text = pd.Series(
        {view: f"{view} ({value:.3f}; chance {upper[view]:.3f})" for view, value in known.items()}
    )
    more = known > upper[known.index]
    inside, outside = (f"in {listing(text[those].tolist())}" for those in (~more, more))
    if not more.any():
        return f"By MMD the domains are nowhere further apart than lines dealt out at random: {inside}."
    said = f"By MMD the domains are further apart than lines dealt out at random {outside}"
    return f"{said}." if more.all() else f"{said}, and no further {inside}."


def moved(code: str, reference: str, gaps: Mapping[str, Mapping[str, float]]) -> str:
    """Say whether the domains are closer in one view than in another.

    Parameters
    ----------
    gaps
        By measure, of which lower is closer: value, low, high and p (corrected) of `code` minus `reference`,
        and a true ``by_chance`` where neither of the two is more than chance gives.
    """
    gaps = {m: gap for m, gap in gaps.items() if pd.notna(gap["value"])}
    if not gaps:
        return f"How **{code}** compares with {reference} cannot be measured on cells of one line."
    words = {m: _direction(gap) for m, gap in gaps.items()}
    clauses = [f"{words[m]} by {m} ({_signed(gap)})" for m, gap in gaps.items()]
    text = f"Compared with {reference}, the domains in the code of **{code}** are {listing(clauses)}."
    if {"closer", "further apart"} <= set(words.values()):
        return f"{text} The measures contradict each other."
    return text


def _direction(gap: Mapping[str, float]) -> str:
    if gap.get("by_chance", False):
        return "no further apart than chance, like the other,"
    if gap["p"] < 0.05 and gap["high"] < 0:
        return "closer"
    return "further apart" if gap["p"] < 0.05 and gap["low"] > 0 else "not clearly closer or further apart"


def _signed(gap: Mapping[str, float]) -> str:
    if pd.isna(gap["low"]):
        return f"{gap['value']:+z.3f}, no interval"
    return f"{gap['value']:+z.3f}, p = {gap['p']:.2g}"


def goes_with(fits: pd.DataFrame, x: str, y: str, *, names: tuple[str, str]) -> str:
    """Say whether two measures of the same fits go together, over all fits and within methods.

    Parameters
    ----------
    fits
        One row a fit, of several methods and seeds: ``method`` and the measures.
    x, y
        Columns.
    names
        What they are called.
    """
    if fits[y].isna().any() or fits[x].isna().any():
        return f"Nothing can be said of {names[0]} and {names[1]} here: one of them is not defined."
    if fits[[x, y]].nunique().min() < 2:
        return f"Nothing can be said of {names[0]} and {names[1]} here: one of them is the same for all fits."
    over_all = stats.spearmanr(fits[x], fits[y]).statistic
    centred = (fits[[x, y]] - fits.groupby("method")[[x, y]].transform("mean")).round(12)
    if centred.nunique().min() < 2:
        one_seed = fits["method"].is_unique
        return (
            f"{names[0]} and {names[1]}: Spearman correlation {over_all:+.2f} over {len(fits)} fits; "
            f"{'one seed' if one_seed else 'fits that do not differ within a method'} cannot tell whether it "
            "holds within methods."
        )
    inside = stats.spearmanr(centred[x], centred[y]).statistic
    clear = np.sign(over_all) == np.sign(inside) and min(abs(over_all), abs(inside)) >= 0.5
    verdict = (
        f"fits with a higher {names[0]} have the {'higher' if over_all > 0 else 'lower'} {names[1]}"
        if clear
        else "no relation that holds both between methods and within them"
    )
    return (
        f"{names[0]} and {names[1]}: {verdict} (Spearman correlation {over_all:+.2f} over {len(fits)} fits "
        f"of {fits['method'].nunique()} methods, {inside:+.2f} once each method's mean is taken off)."
    )


def meets_and_predicts(fits: pd.DataFrame, measures: Mapping[str, str], y: str = "auroc") -> str:
    """Say whether the methods whose domains are closest also predict best, by means over seeds.

    Parameters
    ----------
    fits
        One row a fit: ``method``, ``seed``, the measures and `y`.
    measures
        Column -> name, of measures of which lower is closer.
    """
    means = fits.groupby("method", sort=False)[[*measures, y]].mean()
    if means[y].isna().any():
        return "Which method predicts best cannot be said: that needs answers of both classes."
    best = means[y].idxmax()
    clauses = [_lowest(fits, m, name) for m, name in measures.items() if means[m].notna().any()]
    best_is = f"**{best}** has the highest mean AUROC on the cells ({means.loc[best, y]:.2f})"
    said = f"{listing([*clauses, best_is])}."
    return said.replace("no model", "No model", 1) if said.startswith("no model") else said


def _lowest(fits: pd.DataFrame, measure: str, name: str) -> str:
    """Say which method is lowest on average, and whether it is with each of several seeds."""
    of_seed = fits.pivot(index="seed", columns="method", values=measure)
    means = of_seed.mean().sort_values()
    numbers = f"{means.iloc[0]:z.3f}" + "".join(f", next {value:z.3f}" for value in means.iloc[1:2])
    if len(of_seed) < 2 or len(means) < 2:
        return f"{means.index[0]} has the lowest {name} ({numbers})"
    if of_seed[means.index[0]].lt(of_seed.drop(columns=means.index[0]).min(axis=1)).all():
        return f"**{means.index[0]}** has the lowest {name} with every seed (mean {numbers})"
    return f"no model has the lowest {name} with every seed (lowest mean: {means.index[0]}, {numbers})"
