"""Every branch of the sentences on controls."""

import numpy as np
import pandas as pd
import pytest

from bulk2sc import pl, prose

NAN = {"value": 0.7, "low": np.nan, "high": np.nan, "p": np.nan}
NOTHING = NAN | {"value": np.nan}
PRAISE = (
    "good",
    "well",
    "best",
    "better",
    "ahead",
    "win",
    "accura",
    "skill",
    "right",
    "detects",
    "clear lead",
)


def shuffles(n, of, reaching=0.99):
    """AUROCs of `of` shuffles, of which `n` reach what a model does and the others do not."""
    return np.r_[np.full(n, reaching), np.linspace(0.2, 0.29, of - n)]


def row(value, low, high, p=0.01):
    return {"value": value, "low": low, "high": high, "p": p}


@pytest.mark.parametrize(
    ("full", "shuffled", "gap", "said"),
    [
        (row(0.8, 0.7, 0.9), row(0.5, 0.4, 0.6), row(0.3, 0.1, 0.4), "interval is clear of the"),
        (row(0.8, 0.55, 0.9), row(0.5, 0.4, 0.6), row(0.3, 0.1, 0.4), "they overlap. The difference on the"),
        (row(0.8, 0.55, 0.9), row(0.5, 0.4, 0.6), row(0.3, 0.1, 0.4, p=0.2), "is no clearer: 0.30"),
        (row(0.6, 0.4, 0.7), row(0.5, 0.4, 0.6), row(0.1, -0.1, 0.3), "is no clearer: 0.10"),
        (NAN, NAN, NAN, "**The lines are too few to say whether the two differ.**"),
    ],
)
def test_clear_of_shuffled(full, shuffled, gap, said):
    text = prose.clear_of_shuffled(full, shuffled, gap, shuffles(3, 99))
    assert "single shuffles get" not in text and "too few to tell" not in text
    assert said in text and text.endswith(
        "Of 99 shuffles, 3 reach the full model's mean (permutation p = 0.04)."
    )
    assert ("is not clear" in text) == (full["low"] <= shuffled["high"])


@pytest.mark.parametrize(
    ("reached", "said"),
    [
        ((3, 99), "**The full model's interval is clear of the"),
        ((4, 99), "clear of the mean over the shuffles, but too many single shuffles get as far."),
        ((0, 20), "**The full model's interval is clear of the"),
        ((0, 19), "clear of the mean over the shuffles, but the shuffles are too few to tell."),
    ],
)
def test_single_shuffles_must_seldom_reach_a_model_that_is_clear_of_their_mean(reached, said):
    gap, shuffled = row(0.3, 0.1, 0.4), row(0.5, 0.48, 0.52)
    text = prose.clear_of_shuffled(row(0.8, 0.7, 0.9), shuffled, gap, shuffles(*reached))
    assert said in text
    assert ("is not clear of the shuffled-label control**" in text) == ("mean over" in said)


def test_the_range_of_single_shuffles_is_beside_their_mean():
    gap, shuffled = row(0.3, 0.1, 0.4), row(0.5, 0.48, 0.52)
    text = prose.clear_of_shuffled(row(0.8, 0.7, 0.9), shuffled, gap, np.linspace(0.3, 0.7, 41))
    assert "0.50 (95 % interval 0.48 to 0.52), and single shuffles lie between 0.30 and 0.70" in text


@pytest.mark.parametrize(
    ("answered", "reason"), [(True, "the answers are of one class"), (False, "no cell has an answer")]
)
def test_what_has_no_auroc_cannot_be_set_against_shuffles(answered, reason):
    text = prose.clear_of_shuffled(NOTHING, NOTHING, NOTHING, shuffles(0, 0), answered=answered)
    assert text == f"**Nothing here can tell the full model from the shuffled-label control**: {reason}."


def test_a_model_below_shuffled_labels_is_said_to_be_below():
    full, shuffled, gap = row(0.3, 0.2, 0.4), row(0.5, 0.48, 0.52), row(-0.2, -0.3, -0.1)
    text = prose.clear_of_shuffled(full, shuffled, gap, shuffles(99, 99))
    assert "**The full model is clearly below the shuffled-label control**" in text
    assert "no clearer" not in text
    for unclear in (gap | {"p": 0.05}, row(-0.2, -0.5, 0.1)):
        text = prose.clear_of_shuffled(full, shuffled, unclear, shuffles(99, 99))
        assert "is no clearer: -0.20" in text and "below" not in text


@pytest.mark.parametrize(
    ("gaps", "said"),
    [
        (
            {"a": row(0.2, 0.1, 0.3)},
            "Here: the AUROC is clearly lower without A, by 0.200 (95 % interval 0.100 to 0.300).",
        ),
        (
            {"a": row(-0.2, -0.3, -0.1)},
            "Here: it is clearly **higher** without A, by 0.200 (95 % interval 0.100 to 0.300).",
        ),
        (
            {"a": row(0.2, 0.1, 0.3, p=0.06)},
            "Here: no difference in AUROC, with minus without, can be shown for A: "
            "0.200 (95 % interval 0.100 to 0.300, corrected p = 0.06).",
        ),
        (
            {"a": row(0.0, -0.1, 0.1), "b": row(0.1, -0.1, 0.2)},
            "Here: no difference in AUROC, with minus without, can be shown for A: "
            "0.000 (95 % interval -0.100 to 0.100, corrected p = 0.01) "
            "and B: 0.100 (95 % interval -0.100 to 0.200, corrected p = 0.01).",
        ),
        (
            {"a": row(0.2, 0.1, 0.3), "b": row(0.0, -0.1, 0.1)},
            "Here: the AUROC is clearly lower without A, by 0.200 (95 % interval 0.100 to 0.300); "
            "no difference in AUROC, with minus without, can be shown for B: "
            "0.000 (95 % interval -0.100 to 0.100, corrected p = 0.01).",
        ),
        ({"a": NAN, "b": NAN}, "Here, there are too few lines or seeds to say whether A and B matter."),
        (
            {"a": NOTHING, "b": NOTHING},
            "Here, nothing can say whether A and B matter: that needs answers of both classes.",
        ),
    ],
)
def test_parts_that_matter(gaps, said):
    assert prose.parts_that_matter(gaps, {"a": "A", "b": "B"}, "Here") == said


@pytest.mark.parametrize(
    ("gap", "said"),
    [
        (
            row(0.1, 0.05, 0.2),
            "**Leaving the tested lines in training flatters ridge**: its AUROC rises by 0.10",
        ),
        (row(0.1, 0.05, 0.2, p=0.1), "no rise can be shown"),
        (row(0.0, -0.1, 0.1), "For ridge, no rise can be shown where the tested lines are left in: 0.00"),
        (NAN, "For ridge, there are too few lines to say what leaving them in does (+0.70)."),
        (NOTHING, "For ridge, nothing can say what leaving them in does: that needs answers of both"),
    ],
)
def test_leakage(gap, said):
    assert said in prose.leakage("ridge", gap)


def quality(p=0.01, **methods):
    rows = [(name, -1, "auroc", *values, p) for name, values in methods.items()]
    return pd.DataFrame(rows, columns=["method", "seed", "metric", "value", "low", "high", "p"])


def test_confounding():
    both = quality(size=(0.7, 0.6, 0.8), mito=(0.3, 0.2, 0.4), genes=(0.5, 0.4, 0.6), fit=(0.7, 0.6, 0.8))
    text = prose.confounding(both, "fit", "X")
    assert (
        "Against X, these go with the answer, by their AUROC, "
        "size 0.70 (95 % interval 0.60 to 0.80; higher in sensitive cells)" in text
    )
    assert (
        "and mito 0.30 (95 % interval 0.20 to 0.40; lower in sensitive cells)" in text
        and "genes" not in text.split("knowing")[0]
    )
    assert "dealt out anew among the lines (p = 0.01): quality and answer are **confounded**" in text
    none = quality(p=0.2, size=(0.5, 0.4, 0.6), fit=(0.7, 0.6, 0.8))
    none = prose.confounding(none, "fit", "X")
    assert (
        "no single measure can be shown to go with the answer; AUROC: size 0.50 (95 % interval 0.40 to 0.60)."
        in none
        and "0.60 to 0.80): not clearly more than answers dealt out anew among the lines (p = 0.2)" in none
    )
    wide = prose.confounding(quality(size=(0.5, 0.4, 0.6), fit=(0.7, 0.45, 0.9)), "fit", "X")
    assert wide.endswith("dealt out anew among the lines (p = 0.01, and the interval reaches .5).")
    assert "too few lines to fit all" in prose.confounding(quality(size=(0.5, 0.4, 0.6)), "fit", "X")
    few = quality(size=(0.5, np.nan, np.nan))
    assert prose.confounding(few, "fit", "X") == "Against X, there are too few lines for any interval."
    none = prose.confounding(few.assign(value=np.nan), "fit", "X")
    assert none == "No measure of quality can be held against X: that needs answers of both classes."
    assert (
        prose.confounding(few[:0], "fit", "X") == "The cells have no measures of quality to hold against X."
    )


def drugs(*rows, p=0.01):
    return pd.DataFrame(rows, columns=["value", "low", "high"]).assign(p=p)


def test_mistaking_exposure():
    high, low, blind = (0.9, 0.8, 1.0), (0.1, 0.0, 0.2), (0.5, 0.4, 0.6)
    tables = {
        "LR": drugs(high, low, blind),
        "RF": drugs(high, low, blind, p=[0.04, 0.05, np.nan]),
        "SVM": drugs(high, low, blind, p=0.05),
        "DT": drugs(low, low, blind),
        "GB": drugs(blind, blind, blind),
        "few": drugs(*[(0.9, np.nan, np.nan)] * 3, p=np.nan),
    }
    rows = pd.concat([table.assign(method=method) for method, table in tables.items()])
    ranges = "(lowest and highest AUROC over the drugs at shift 2)"
    assert prose.mistakes_exposure(rows, 2.0) == [
        f"**Exposure is taken for resistance with 1 of 3 and for sensitivity with 1 of 3 simulated drugs** "
        f"{ranges}: LR (0.10 and 0.90).",
        f"**Exposure is taken for resistance with 1 of 3 simulated drugs** {ranges}: RF (0.10 and 0.90).",
        "**No effect of exposure is shown after correction, but the interval misses .5 with 2 of 3 simulated "
        f"drugs** {ranges}: SVM (0.10 and 0.90).",
        f"**Exposure is taken for sensitivity with 2 of 3 simulated drugs** {ranges}: DT (0.10 and 0.50).",
        "**No effect of exposure is shown with any of 3 simulated drugs, and no interval misses .5** "
        f"{ranges}: GB (0.50 and 0.50).",
        f"**There are too few lines to tell a trace of exposure** {ranges}: few (0.90 and 0.90).",
    ]


QUESTIONS = ("exposure", "response")


def said_of_exposure(value, half, shifts, n_drugs, p):
    """Return what the chapter prints where every AUROC is `value`."""
    rows = [
        (method, seed, shift, question, value, value - half, value + half, p)
        for method in ("LR", "RF", "all sensitive")
        for seed in range(n_drugs)
        for shift in shifts
        for question in QUESTIONS
    ]
    columns = ["method", "seed", "shift", "question", "value", "low", "high", "p"]
    answered = pd.DataFrame(rows, columns=columns)
    called = answered.groupby(["method", "shift"])["value"].mean().to_frame("control")
    return prose.treatment_only(answered, called.assign(treated=1 - value), ["LR", "RF"], QUESTIONS)


@pytest.mark.parametrize("value", np.linspace(0, 1, 21))
@pytest.mark.parametrize("half", [0.0, 0.05, 0.5])
def test_no_method_is_called_good_for_what_it_makes_of_exposure(value, half):
    for shifts in ([0.0], [2.0], [0.0, 0.5, 2.0]):
        for n_drugs, p in ((1, np.nan), (3, 0.001), (3, 0.2)):
            text = "\n".join(said_of_exposure(value, half, shifts, n_drugs, p)).lower()
            assert not [word for word in PRAISE if word in text]


def test_the_page_without_exposure_calls_no_method_good_either():
    text = prose.no_exposure("GSE1").lower()
    assert not [word for word in PRAISE if word in text]


def test_all_that_is_said_of_exposure():
    said = said_of_exposure(0.9, 0.05, [0.0, 2.0], 2, 0.01)
    starts = ["**Exposure is taken for resistance with 2 of 2", "Where the drug does nothing"]
    starts += ["Of the truly sensitive", "At shift 2, response"]
    assert len(said) == 4 and all(s.startswith(start) for s, start in zip(said, starts, strict=True))
    assert "4 of 4 intervals" in said[1] and "all sensitive" not in " ".join(said)
    without = said_of_exposure(0.9, 0.05, [0.5, 2.0], 2, 0.01)
    assert without == [s for s in said if not s.startswith("Where the drug does nothing")]


def test_the_shift_of_size_zero():
    text = prose.unshifted(drugs((0.6, 0.52, 0.7), (0.4, 0.3, 0.45), (0.5, 0.4, 0.6)))
    assert "2 of 3 intervals miss .5 there, and after correction 3 would be taken for an effect" in text


def test_response_within_a_sample_and_calls():
    rows = [
        ("LR", 0, 2.0, "q", 0.7),
        ("LR", 1, 2.0, "q", 0.9),
        ("LR", 0, 0.5, "q", 0.1),
        ("LR", 0, 2.0, "z", 0.2),
    ]
    table = pd.DataFrame(rows, columns=["method", "seed", "shift", "question", "value"])
    text = prose.within_samples(table, "q", 2.0)
    assert text.startswith("At shift 2, q, mean AUROC") and text.endswith(": LR 0.80 (0.70 to 0.90).")
    index = pd.MultiIndex.from_tuples([("LR", 0.5), ("LR", 2.0)], names=["method", "shift"])
    shares = pd.DataFrame({"control": [0.5, 0.1], "treated": [0.6, 0.3]}, index=index)
    assert prose.calls_of_exposed(shares, 2.0).endswith(
        "without and with exposure at shift 2: LR 10 % and 30 %."
    )


def test_what_an_edition_leaves_out_and_what_it_fits():
    assert "`GSE1`" in prose.no_exposure("GSE1") and "left out" in prose.nothing_to_leak()
    assert prose.cost_of_controls(5, 10, 0, [1.0]) == (
        "Here every control is fitted with 5 seeds, and labels are shuffled 50 times in all."
    )
    assert prose.cost_of_controls(5, 10, 3, [0.5, 2.0]).endswith(
        "; 3 drugs are simulated, with shifts of 0.5 and 2."
    )


def test_every_simulated_drug_is_drawn_at_its_shifts():
    rows = [
        (method, seed, shift, question, 0.1 * seed + 0.2 * shift, 0.0, 1.0)
        for method in ("LR", "SVM")
        for question in ("exposure, a", "response, b")
        for seed in (0, 1)
        for shift in (0.5, 2.0)
    ]
    table = pd.DataFrame(rows, columns=["method", "seed", "shift", "question", "value", "low", "high"])
    axes = pl.exposures(table, ["exposure, a", "response, b"], ["LR", "SVM"])
    assert [ax.get_title() for ax in axes] == ["exposure\na", "response\nb"]
    small, large = axes[1].collections[1::2]  # the points of a size of the shift lie over its intervals
    np.testing.assert_allclose(small.get_offsets()[:, 0], [0.1, 0.2] * 2)
    np.testing.assert_allclose(large.get_offsets()[:, 0], [0.4, 0.5] * 2)
    intervals = np.array([line[:, 0] for line in axes[1].collections[0].get_segments()])
    np.testing.assert_array_equal(intervals, [[0, 1]] * 4)
    heights = [*small.get_offsets()[:2, 1], *large.get_offsets()[:2, 1]]
    assert heights == sorted(set(heights)) and max(map(abs, heights)) < 0.5, "apart, in the row of LR"
    assert [text.get_text() for text in axes[0].get_yticklabels()] == ["LR", "SVM"]
