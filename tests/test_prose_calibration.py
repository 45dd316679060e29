"""Every branch of every computed sentence of the chapter on calibration."""

import numpy as np
import pandas as pd
import pytest

from bulk2sc import prose
from bulk2sc.prose.calibration import QUESTIONS

NAN = np.nan


def rows(*values, p=0.04):
    return pd.DataFrame(values, columns=["method", "value", "low", "high"]).assign(p=p)


@pytest.mark.parametrize("question", QUESTIONS)
def test_sides(question):
    what, above, below, unclear = QUESTIONS[question]
    up, down, wide = ("u", 1, 0.5, 1.5), ("d", -1, -1.5, -0.5), ("x", 0, -1, 1)
    said = prose.sides(rows(up, down, wide, ("v", 1, 0.1, 2)), question)
    assert said == f"{above}: u and v (+1.000). {below}: d (-1.000). {unclear}: x (+0.000)."
    assert (
        prose.sides(rows(up, down, p=[0.04, 0.06]), question)
        == f"{above}: u (+1.000). {unclear}: d (-1.000)."
    )
    assert (
        prose.sides(rows(up, down, p=[0.06, 0.04]), question)
        == f"{below}: d (-1.000). {unclear}: u (+1.000)."
    )
    assert prose.sides(rows(wide), question) == f"{unclear}: x (+0.000)."
    both = prose.sides(rows(wide, ("y", 0.02, -1, 1)), question)
    assert both == f"{unclear}: x and y (values from +0.000 to +0.020)."
    assert prose.sides(rows(up, ("gone", NAN, NAN, NAN)), question) == f"{above}: u (+1.000)."
    mixed = prose.sides(rows(up, ("m", 0.9, NAN, NAN)), question)
    assert mixed == (
        f"{above}: u (+1.000). Not to be told, as it is not defined in many draws of lines: m (+0.900)."
    )
    few = prose.sides(rows(("a", -0.5, NAN, NAN), ("b", 0.25, NAN, NAN)), question)
    assert few.startswith(f"The {what} runs from -0.50 to 0.25, with too few lines for intervals")
    assert prose.sides(rows(), question) == f"There is nothing to judge the {what} by."


def test_each_question_is_put_the_right_way_round():
    """A Brier score above 0 is worse, a skill, a ranking and a gain above 0 are better."""
    first = {question: words[1] for question, words in QUESTIONS.items()}
    assert "worse" in first["estimated"] and "worse" in first["oracle"] and "too high" in first["share"]
    assert "better" in first["skill"] and "better" in first["ensemble"]
    assert "right" in first["entropy"] and "right" in first["spread"]


def test_calibrated():
    upper = {"a": 0.2, "b": 0.1}
    inside = prose.calibrated({"a": 0.1, "b": 0.1}, upper)
    assert inside.startswith("No calibration error is more than") and inside.endswith(
        "on so few lines: a and b."
    )
    both = prose.calibrated({"a": 0.1, "b": 0.3}, upper)
    assert "these lines: b (0.30; exact scores up to 0.10). No more than that: a." in both
    assert "No more" not in prose.calibrated(pd.Series({"a": 0.3, "b": 0.3}), upper)


def test_separations():
    areas = pd.DataFrame(
        {"value": [0.9, 0.6, 0.35, 0.8, NAN], "low": [0.8, 0.45, 0.2, NAN, NAN], "high": 0.95}, list("abcde")
    )
    assert prose.separations(areas) == (
        "A classifier tells the domains apart, by an AUROC whose interval is above .5, in a (0.90). "
        "It does not clearly do so in b (0.60), c (0.35) and d (0.80)."
    )
    below = prose.separations(areas.assign(high=[0.95, 0.7, 0.45, NAN, NAN]))
    assert "do so in b (0.60) and d (0.80). The whole interval is below .5, which" in below
    assert below.endswith("nothing of a distance, in c (0.35).")
    assert prose.separations(areas.loc[["c"]]) == "No classifier clearly tells the domains apart: c (0.35)."
    assert prose.separations(areas.loc[["a"]]).endswith("above .5, in a (0.90).")
    assert "cannot be judged" in prose.separations(areas.loc[["e"]])


def test_distant():
    gaps = pd.DataFrame({"value": [0.05, 0.01, NAN]}, list("abc"))
    upper = pd.Series({"c": 0.02, "b": 0.02, "a": 0.04})  # by name, in whatever order
    far = "By MMD the domains are further apart than lines dealt out at random in a (0.050; chance 0.040)"
    assert prose.distant(gaps, upper) == f"{far}, and no further in b (0.010; chance 0.020)."
    assert prose.distant(gaps.loc[["a"]], upper) == f"{far}."
    assert prose.distant(gaps.loc[["b"]], upper).startswith("By MMD the domains are nowhere further apart")
    assert "needs at least two lines" in prose.distant(gaps.loc[["c"]], upper)


def test_moved():
    closer, further, unclear, none = (
        dict(zip(("value", "low", "high"), values, strict=True)) | {"p": 0.02}
        for values in ((-0.1, -0.2, -0.05), (0.1, 0.05, 0.2), (0.1, -0.1, 0.2), (0.1, NAN, NAN))
    )
    said = prose.moved("a", "*b*", {"X": closer, "Y": further})
    assert "the domains in the code of **a** are closer by X (-0.100, p = 0.02)" in said
    assert "further apart by Y (+0.100" in said and said.endswith("The measures contradict each other.")
    for gap in (closer, further):
        said = prose.moved("a", "b", {"X": gap | {"p": 0.05}})
        assert "not clearly closer or further apart by X" in said and "p = 0.05)" in said
    same = prose.moved("a", "b", {"X": closer, "Y": unclear})
    assert "not clearly closer or further apart by Y" in same and "contradict" not in same
    assert "not clearly closer or further apart by Y (+0.100, no interval)" in prose.moved(
        "a", "b", {"Y": none}
    )
    chance = prose.moved("a", "b", {"X": further, "Y": closer | {"by_chance": True}})
    assert (
        "no further apart than chance, like the other, by Y (-0.100" in chance and "contradict" not in chance
    )
    gone = {"value": NAN, "low": NAN, "high": NAN}
    assert "by Y" not in prose.moved("a", "b", {"X": closer, "Y": gone})
    assert (
        prose.moved("a", "b", {"Y": gone})
        == "How **a** compares with b cannot be measured on cells of one line."
    )


def fits(x, y):
    return pd.DataFrame({"method": list("aabb"), "x": x, "y": y})


def test_goes_with():
    names = ("X", "Y")
    up, down = (
        prose.goes_with(fits([1, 2, 3, 4], y), "x", "y", names=names) for y in ([1, 2, 3, 4], [4, 3, 2, 1])
    )
    assert (
        "with a higher X have the higher Y (Spearman correlation +1.00 over 4 fits of 2 methods, +1.00" in up
    )
    assert "have the lower Y" in down
    between = prose.goes_with(fits([1, 2, 3, 4], [2, 1, 4, 3]), "x", "y", names=names)
    assert "no relation that holds both" in between and "-1.00 once" in between
    assert "one of them is not defined" in prose.goes_with(
        fits([1, 2, 3, 4], [1, 2, 3, NAN]), "x", "y", names=names
    )


def test_goes_with_where_nothing_varies():
    names = {"names": ("X", "Y")}
    one_each = fits([1, 2, 3, 4], [1, 2, 3, 4]).assign(method=["a", "b", "c", "d"])
    one = prose.goes_with(one_each, "x", "y", **names)
    assert one.endswith("+1.00 over 4 fits; one seed cannot tell whether it holds within methods.")
    same = prose.goes_with(fits([1, 1, 1, 1], [1, 2, 3, 4]), "x", "y", **names)
    assert same == "Nothing can be said of X and Y here: one of them is the same for all fits."
    alike = prose.goes_with(fits([1, 1, 2, 2], [1, 2, 3, 4]), "x", "y", **names)
    assert "over 4 fits; fits that do not differ within a method cannot tell" in alike
    unknown = prose.calibrated({"a": NAN}, {"a": NAN})
    assert unknown == "No calibration error is known, since no cell is judged."


def test_meets_and_predicts():
    table = fits([1, 1, 2, 2], [0.5, 0.6, 0.7, 0.8]).rename(columns={"y": "auroc"}).assign(seed=[0, 1, 0, 1])
    said = prose.meets_and_predicts(table, {"x": "distance"})
    assert said == (
        "**a** has the lowest distance with every seed (mean 1.000, next 2.000) and "
        "**b** has the highest mean AUROC on the cells (0.75)."
    )
    paired = prose.meets_and_predicts(table.assign(x=[1, 3, 2, 4]), {"x": "distance"})
    assert paired.startswith("**a** has the lowest distance with every seed (mean 2.000, next 3.000)")
    mixed = prose.meets_and_predicts(table.assign(x=[1, 3.5, 2, 3]), {"x": "distance"})
    assert mixed.startswith(
        "No model has the lowest distance with every seed (lowest mean: a, 2.250, next 2.500) and"
    )
    one_seed = prose.meets_and_predicts(table[table["seed"] == 0], {"x": "distance"})
    assert one_seed.startswith("a has the lowest distance (1.000, next 2.000) and")
    one_method = prose.meets_and_predicts(table[table["method"] == "a"], {"x": "distance"})
    assert one_method.startswith("a has the lowest distance (1.000) and")
    assert prose.meets_and_predicts(table.assign(x=NAN), {"x": "distance"}).startswith(
        "**b** has the highest mean AUROC"
    )
    assert "answers of both classes" in prose.meets_and_predicts(table.assign(auroc=NAN), {"x": "distance"})


def test_differences_are_shown_with_their_p():
    table = rows(
        ("a", 0.0123, 0.001, 0.02),
        ("b", -0.5, NAN, NAN),
        ("c", NAN, NAN, NAN),
        ("e", -0.0001, -0.0002, -0.0001),
        p=[0.031, NAN, NAN, NAN],
    )
    table = pd.concat([table.assign(seed=-1, metric="x"), table.assign(seed=0, metric="x")])
    shown = prose.with_p(table, {"x": "X", "y": "Y"}, ["b", "a", "c", "d", "e"])
    assert shown["X"].to_dict() == {
        "b": "-0.500",
        "a": "+0.012 (+0.001 to +0.020), p = 0.031",
        "c": "",
        "d": "",
        "e": "+0.000 (+0.000 to +0.000)",  # zero has no other sign
    }
    assert (shown["Y"] == "").all()
