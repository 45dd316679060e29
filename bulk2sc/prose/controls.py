"""What the controls say: what skill is left without the answers, and what looks like skill."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from bulk2sc.prose.words import interval, listing, percent, unsigned, with_corrected_p

CHANCE = 0.5
NEEDED = "that needs answers of both classes."


def clear_of_shuffled(
    full: Mapping[str, float],
    shuffled: Mapping[str, float],
    gap: Mapping[str, float],
    single: np.ndarray,
    *,
    answered: bool = True,
) -> str:
    """Say whether the full model's interval is clear of the control whose labels are shuffled.

    The control's interval is that of the mean over all shuffles, and single shuffles vary more than that, as
    their range in the text shows. So the model is called clear only where single shuffles seldom reach its
    mean as well (permutation p < .05).

    Parameters
    ----------
    full, shuffled
        AUROC over cells: value, low, high (NaN where there are too few lines).
    gap
        Full minus shuffled, a row of `evaluate.paired_differences`, p corrected.
    single
        AUROC of each shuffle.
    answered
        Whether any cell has an answer.
    """
    if pd.isna(full["value"]):
        reason = "the answers are of one class" if answered else "no cell has an answer"
        return f"**Nothing here can tell the full model from the shuffled-label control**: {reason}."
    n, of = int((single >= full["value"]).sum()), len(single)
    p = (n + 1) / (of + 1)
    text = (
        f"The full model has an AUROC of {interval(full['value'], full['low'], full['high'])}. With shuffled "
        f"labels the mean is {interval(shuffled['value'], shuffled['low'], shuffled['high'])}, and single "
        f"shuffles lie between {min(single):.2f} and {max(single):.2f}. "
    )
    if pd.isna(full["low"]):
        text += "**The lines are too few to say whether the two differ.** "
    elif full["low"] > shuffled["high"] and p >= 0.05:
        few = 1 / (of + 1) >= 0.05
        text += (
            "**The full model's interval is not clear of the shuffled-label control**: it is clear of the "
            "mean over the shuffles, but "
            + ("the shuffles are too few to tell. " if few else "too many single shuffles get as far. ")
        )
    elif full["low"] > shuffled["high"]:
        text += "**The full model's interval is clear of the shuffled-label control.** "
    elif gap["low"] > 0 and gap["p"] < 0.05:
        text += (
            "**The full model's interval is not clear of the shuffled-label control**: they overlap. The "
            f"difference on the same lines is above zero: {interval(gap['value'], gap['low'], gap['high'])}. "
        )
    elif gap["high"] < 0 and gap["p"] < 0.05:
        text += (
            "**The full model is clearly below the shuffled-label control**: their difference, "
            f"on the same lines, is {interval(gap['value'], gap['low'], gap['high'])}. "
        )
    else:
        text += (
            "**The full model's interval is not clear of the shuffled-label control**, and the difference on "
            f"the same lines is no clearer: {interval(gap['value'], gap['low'], gap['high'])}. "
        )
    return f"{text}Of {of} shuffles, {n} reach the full model's mean (permutation p = {p:.2g})."


def parts_that_matter(gaps: Mapping[str, Mapping[str, float]], parts: Mapping[str, str], where: str) -> str:
    """Say which parts of the model are missed when a control takes them away.

    Parameters
    ----------
    gaps
        Full model minus the control of each part: value, low, high and, where corrected, p.
    parts
        What each control takes away.
    where
        Grounds of the comparison: ``"On the cells"``.
    """
    unknown = [parts[name] for name, gap in gaps.items() if pd.isna(gap["low"])]
    if all(pd.isna(gap["value"]) for gap in gaps.values()):
        return f"{where}, nothing can say whether {listing(unknown)} matter: {NEEDED}"
    if unknown:
        return f"{where}, there are too few lines or seeds to say whether {listing(unknown)} matter."
    clear = {name: gap for name, gap in gaps.items() if not gap.get("p", 0) >= 0.05}
    missed = [name for name, gap in clear.items() if gap["low"] > 0]
    harmful = [name for name, gap in clear.items() if gap["high"] < 0]
    idle = [name for name in gaps if name not in missed + harmful]
    clauses = [
        f"the AUROC is clearly lower without {parts[m]}, by {unsigned(gaps[m], digits=3)}" for m in missed
    ]
    clauses += [
        f"it is clearly **higher** without {parts[m]}, by {unsigned(gaps[m], digits=3)}" for m in harmful
    ]
    if idle:
        unclear = [f"{parts[m]}: {with_corrected_p(gaps[m])}" for m in idle]
        clauses.append(f"no difference in AUROC, with minus without, can be shown for {listing(unclear)}")
    return f"{where}: {'; '.join(clauses)}."


def leakage(method: str, gap: Mapping[str, float]) -> str:
    """Say what a method gains where the tested lines stay in training; `gap` is left in minus left out."""
    if pd.isna(gap["value"]):
        return f"For {method}, nothing can say what leaving them in does: {NEEDED}"
    if pd.isna(gap["low"]):
        return (
            f"For {method}, there are too few lines to say what leaving them in does ({gap['value']:+.2f})."
        )
    size = with_corrected_p(gap)
    if gap["low"] > 0 and not gap.get("p", 0) >= 0.05:
        return f"**Leaving the tested lines in training flatters {method}**: its AUROC rises by {size}."
    return f"For {method}, no rise can be shown where the tested lines are left in: {size}."


def nothing_to_leak() -> str:
    """Say why no tested lines can be left in training."""
    return (
        "None of the lines that these cells come from has a measured response among the bulk lines, so none "
        "can be left in training by mistake: that control is left out."
    )


def confounding(table: pd.DataFrame, fitted: str, answers: str) -> str:
    """Say which measures of quality go with the answers.

    Parameters
    ----------
    table
        As `covariates.judge` returns it.
    fitted
        Name of the regression on all covariates.
    answers
        What they were held against: ``"the lines' response"``.
    """
    rows = table[(table["metric"] == "auroc") & (table["seed"] == -1)].set_index("method")
    if rows.empty:
        return f"The cells have no measures of quality to hold against {answers}."
    if rows["value"].isna().all():
        return f"No measure of quality can be held against {answers}: {NEEDED}"
    if rows["low"].isna().all():
        return f"Against {answers}, there are too few lines for any interval."
    single = rows.drop(index=fitted, errors="ignore")
    clear = single[(single["low"] > CHANCE) | (single["high"] < CHANCE)]
    values = {name: f"{name} {interval(*row)}" for name, row in single[["value", "low", "high"]].iterrows()}
    named = [
        f"{values[name].removesuffix(')')}; {'higher' if value > CHANCE else 'lower'} in sensitive cells)"
        for name, value in clear["value"].items()
    ]
    text = f"Against {answers}, " + (
        f"these go with the answer, by their AUROC, {listing(named)}."
        if named
        else f"no single measure can be shown to go with the answer; AUROC: {listing(values.values())}."
    )
    if fitted not in rows.index:
        return f"{text} There are too few lines to fit all of them together."
    row = rows.loc[fitted]
    size = interval(row["value"], row["low"], row["high"])
    text += f" All of them together, fitted to the answers of other lines, reach {size}"
    if row["p"] >= 0.05 or not row["low"] > CHANCE:
        p = f"p = {row['p']:.2g}" + ("" if row["low"] > CHANCE else ", and the interval reaches .5")
        return f"{text}: not clearly more than answers dealt out anew among the lines ({p})."
    return (
        f"{text}, more than answers dealt out anew among the lines (p = {row['p']:.2g}): quality and answer "
        "are **confounded**, and a method could score that much without knowing any gene."
    )


def treatment_only(
    answered: pd.DataFrame, called: pd.DataFrame, learners: Sequence[str], questions: tuple[str, str]
) -> list[str]:
    """Return all that is said of cells that differ in exposure alone; nothing of it is praise.

    Parameters
    ----------
    answered
        As `exposure.judge` returns it.
    called
        As `exposure.called_resistant` returns it.
    learners
        Methods other than constant answers.
    questions
        Of `answered`: exposure in truly sensitive cells, and response within one sample.
    """
    largest, (exposure, response) = answered["shift"].max(), questions
    of_learners = answered[answered["method"].isin(learners)]
    asked = of_learners[of_learners["question"] == exposure]
    strongest, none = asked[asked["shift"] == largest], asked[asked["shift"] == 0]
    said = mistakes_exposure(strongest, largest)
    if len(none):
        said.append(unshifted(none))
    said.append(calls_of_exposed(called.loc[list(learners)], largest))
    return [*said, within_samples(of_learners, response, largest)]


def mistakes_exposure(rows: pd.DataFrame, shift: float) -> list[str]:
    """Say which methods take exposure to a drug for resistance; no value here is praise.

    Parameters
    ----------
    rows
        Of one size of the shift, a row a method and simulated drug: method, value, low, high of the AUROC of
        control against treated cells, all truly sensitive, and p, corrected for all methods and drugs.
    shift
        That size.
    """
    alike: dict[str, list[str]] = {}
    for method, drugs in rows.groupby("method", sort=False):
        span = f"{drugs['value'].min():.2f} and {drugs['value'].max():.2f}"
        alike.setdefault(_exposure_taken(drugs), []).append(f"{method} ({span})")
    what = f"(lowest and highest AUROC over the drugs at shift {shift:g})"
    return [f"**{found}** {what}: {listing(named)}." for found, named in alike.items()]


def _exposure_taken(drugs: pd.DataFrame) -> str:
    """Say for what a method takes exposure, and with how many of the simulated drugs."""
    drugs, clear = drugs.dropna(subset="low"), drugs[drugs["p"] < 0.05]
    n = len(drugs)
    if n == 0:
        return "There are too few lines to tell a trace of exposure"
    counts = {
        "resistance": int((clear["low"] > CHANCE).sum()),
        "sensitivity": int((clear["high"] < CHANCE).sum()),
    }
    taken = listing([f"for {what} with {hits} of {n}" for what, hits in counts.items() if hits])
    if any(counts.values()):
        return f"Exposure is taken {taken} simulated drugs"
    if off := int(((drugs["low"] > CHANCE) | (drugs["high"] < CHANCE)).sum()):
        missed = f"the interval misses .5 with {off} of {n} simulated drugs"
        return f"No effect of exposure is shown after correction, but {missed}"
    return f"No effect of exposure is shown with any of {n} simulated drugs, and no interval misses .5"


def unshifted(rows: pd.DataFrame) -> str:
    """Say what is found where the drug does nothing: a test of the intervals, and of what corrects them."""
    off = int(((rows["low"] > CHANCE) | (rows["high"] < CHANCE)).sum())
    return (
        f"Where the drug does nothing (shift 0) the samples differ by chance only; {off} of {len(rows)} "
        "intervals miss .5 there, and after correction "
        f"{int((rows['p'] < 0.05).sum())} would be taken for an effect. "
        "One interval in twenty should miss it, and none be taken for an effect; methods share the cells, so "
        "they err together."
    )


def within_samples(table: pd.DataFrame, question: str, shift: float) -> str:
    """Say how far methods order the lines of one sample by their response; exposure is then no help.

    Parameters
    ----------
    table
        As `exposure.judge` returns it, constant answers left out.
    question
        Of its column `question`: response among the cells of one sample.
    shift
        Size of the shift.
    """
    rows = table[(table["question"] == question) & (table["shift"] == shift)]
    named = [
        f"{method} {part['value'].mean():.2f} ({part['value'].min():.2f} to {part['value'].max():.2f})"
        for method, part in rows.groupby("method", sort=False)
    ]
    return (
        f"At shift {shift:g}, {question}, mean AUROC over simulated drugs, with the lowest and the highest: "
        f"{listing(named)}."
    )


def calls_of_exposed(shares: pd.DataFrame, shift: float) -> str:
    """Say how many truly sensitive cells are called resistant, without and with the drug.

    Parameters
    ----------
    shares
        As `exposure.called_resistant` returns them, constant answers left out.
    shift
        Size of the shift.
    """
    rows = shares.xs(shift, level="shift")
    named = [f"{m} {percent(row['control'])} and {percent(row['treated'])}" for m, row in rows.iterrows()]
    return (
        f"Of the truly sensitive cells, these shares are called resistant without and with exposure at shift "
        f"{shift:g}: {listing(named)}."
    )


def no_exposure(source: str) -> str:
    """Say why a page of real cells holds no cells that differ in exposure alone."""
    return (
        f"Only a simulation knows which change is exposure and which resistance. The cells of this page are "
        f"real (`{source}`), so this control is left out here; the edition with simulated cells has it."
    )


def cost_of_controls(seeds: int, shuffles: int, drugs: int, shifts: Sequence[float]) -> str:
    """Say how much was fitted in this edition."""
    text = (
        f"Here every control is fitted with {seeds} seeds, and labels are shuffled {seeds * shuffles} times "
        "in all"
    )
    if not drugs:
        return f"{text}."
    sizes = listing([f"{shift:g}" for shift in shifts])
    return f"{text}; {drugs} drugs are simulated, with shifts of {sizes}."
