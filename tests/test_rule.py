"""Draws of lines, simultaneous intervals and the verdict, against libraries and planted truth."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import stats
from sklearn.metrics import roc_auc_score

from bulk2sc import compare, inference
from bulk2sc.errors import Bulk2scError


def made_up_cells(n_lines, *, per_line=6, seed=0):
    """Return cells of lines that are by turns sensitive and resistant."""
    line = np.repeat(np.arange(n_lines), per_line)
    obs = pd.DataFrame({"truth": (line % 2).astype(float), "cell_line": [f"L{i}" for i in line]})
    return AnnData(obs=obs.set_axis([f"c{i}" for i in range(len(line))]))


def scored(cells, by_method):
    """Return tidy scores: method -> (n_seeds, n_cells)."""
    return pd.concat(
        pd.DataFrame({"method": method, "seed": seed, "cell": cells.obs_names, "score": score})
        for method, scores in by_method.items()
        for seed, score in enumerate(np.atleast_2d(scores))
    )


# --------------------------------------------------------------------------------------------- the verdict


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.01, 0.2, "higher"),
        (0.001, 0.02, "higher"),  # small, but not 0
        (-0.2, -0.01, "lower"),
        (-0.03, 0.03, "practically equal"),
        (-0.01, 0.04, "not clear"),
        (0.0, 0.2, "not clear"),
        (0.0, 0.0, "practically equal"),
        (np.nan, np.nan, "cannot be tested"),
    ],
)
def test_a_verdict_follows_from_the_interval_alone(low, high, verdict):
    assert compare.decide(low, high, 0.03) == verdict


# ------------------------------------------------------------------------------------------------ the draws


def test_draws_are_of_whole_lines_and_the_first_is_all_rows():
    weight = inference.line_weights(["a", "b", "a", "c"], n_draws=200)
    assert weight.shape == (201, 4) and weight[0].tolist() == [1, 1, 1, 1]
    np.testing.assert_array_equal(weight[:, 0], weight[:, 2])
    assert (weight[:, [0, 1, 3]].sum(axis=1) == 3).all() and weight[1:].std() > 0.5
    assert inference.line_weights([], n_draws=3).shape == (4, 0)


def test_a_draw_on_cells_is_the_metric_of_the_cells_that_it_holds():
    cells, rng = made_up_cells(12), np.random.default_rng(1)
    cells.obs.iloc[:6, 0] = np.nan  # a line that is not judged
    scores = rng.random((2, cells.n_obs))
    found = compare.on_cells(scored(cells, {"a": scores}), cells, n_draws=20)["auroc"]
    judged = cells.obs["truth"].notna().to_numpy()
    answer = cells.obs["truth"].to_numpy()[judged]
    by_hand = [roc_auc_score(answer, s[judged]) for s in scores]
    assert found.seeds["value"].tolist() == pytest.approx(by_hand)
    assert found.value["a"] == pytest.approx(np.mean(by_hand))
    weight = inference.line_weights(cells.obs["cell_line"][judged], n_draws=20).astype(int)
    for draw in (0, 7):
        rows = np.repeat(np.flatnonzero(judged), weight[draw + 1])
        expected = [roc_auc_score(cells.obs["truth"].to_numpy()[rows], s[rows]) for s in scores]
        assert found.draws["a"][draw] == pytest.approx(np.mean(expected))


def test_lines_left_out_are_ranked_within_their_fold_and_drawn_as_lines():
    """Scores of a fold that are all higher, or on another scale, change nothing."""
    rng = np.random.default_rng(6)
    names = [f"L{i:03d}" for i in range(200)]
    response = pd.Series(np.tile([1.0, 0.0, np.nan, 1.0], 50), names)
    lines, order = AnnData(obs=pd.DataFrame({"response": response})), rng.permutation(names)
    tables = []
    for seed in range(10):  # two rounds of five folds
        left_out = order[seed % 5 :: 5]
        score = response[left_out].fillna(0.5) + rng.normal(size=40)
        tables.append(pd.DataFrame({"method": "a", "seed": seed, "cell": left_out, "score": score}))
    shifted = [table.assign(score=table["score"] * (1 + i) + 5 * i) for i, table in enumerate(tables)]
    found = compare.on_lines(pd.concat(shifted), lines, n_draws=200)
    by_fold = [
        roc_auc_score(t["response"], t["score"])
        for t in (table.join(response.rename("response"), on="cell").dropna() for table in tables)
    ]
    assert found.value["a"] == pytest.approx(np.mean(by_fold), abs=0.02)
    assert found.seeds["seed"].tolist() == [0, 1] and found.known.sizes == (100, 50)
    some = compare.on_lines(pd.concat(tables[:2]), lines, n_draws=20)  # fold 2 to 4 never left out
    assert sum(some.known.sizes) == response[[*order[0::5], *order[1::5]]].notna().sum()


def test_a_cell_without_a_score_is_named():
    cells = made_up_cells(8)
    scores = scored(cells, {"a": np.full((1, cells.n_obs), 0.5)})
    scores.loc[3, "score"] = np.nan
    with pytest.raises(Bulk2scError, match=f"a has none for cell {cells.obs_names[3]} with some seed"):
        compare.on_cells(scores, cells)


def test_a_constant_answer_on_lines_left_out_is_one_half_whatever_the_size_of_its_fold():
    response = pd.Series(np.tile([1.0, 0.0, 1.0, 0.0, 0.0], 11)[:54], [f"l{i}" for i in range(54)])
    folds = np.array_split(response.index, 5)  # of 11 and 10 lines
    tables = [
        pd.DataFrame({"method": "a", "seed": i, "cell": fold, "score": 1.0}) for i, fold in enumerate(folds)
    ]
    lines = AnnData(obs=response.to_frame("response"))
    found = compare.on_lines(pd.concat(tables), lines, n_draws=50)
    assert found.value["a"] == 0.5 and (found.draws["a"].dropna() == 0.5).all()


def test_weighted_spearman_is_scipys_of_repeated_lines_with_ties_and_gaps():
    rng = np.random.default_rng(3)
    sensitivity = rng.integers(0, 6, 15).astype(float)
    scores = rng.integers(0, 5, (15, 3)).astype(float)
    sensitivity[[2, 9]] = np.nan
    weight = rng.integers(0, 4, (8, 15))
    found = compare.weighted_spearman(scores, sensitivity, weight)
    for w, row in zip(weight, found, strict=True):
        kept = np.repeat(np.arange(15), w)
        kept = kept[~np.isnan(sensitivity[kept])]
        expected = [stats.spearmanr(score[kept], sensitivity[kept]).statistic for score in scores.T]
        assert row == pytest.approx(expected)


def test_a_constant_score_ranks_nothing_and_one_sensitivity_cannot_be_ranked():
    constant = np.array([[0.3], [0.3 + 1e-15], [0.3], [0.3], [0.3]])
    assert compare.weighted_spearman(constant, np.arange(5.0), np.ones((1, 5))) == 0
    assert np.isnan(compare.weighted_spearman(np.arange(5.0)[:, None], np.ones(5), np.ones((1, 5))))


def test_the_panels_mean_is_over_drugs_and_a_missing_score_is_named():
    rng, lines, drugs = np.random.default_rng(0), [f"L{i:03d}" for i in range(20)], ["D0", "D1", "D2"]
    auc = pd.DataFrame(rng.normal(size=(20, 3)), lines, drugs)
    tables = {"good": -auc + rng.normal(size=auc.shape), "none": 0 * auc + rng.normal(size=auc.shape)}
    wide = pd.concat(tables, names=["method", "line"]).rename_axis(columns="drug")
    scores = wide.stack().rename("score").reset_index().assign(seed=0)
    auc.iloc[:5, 1] = np.nan
    found = compare.on_panel(scores, auc, n_draws=10)
    expected = np.mean(
        [stats.spearmanr(tables["good"][d], -auc[d], nan_policy="omit").statistic for d in auc]
    )
    assert found.value["good"] == pytest.approx(expected) and found.known.sizes == (18,)
    lacking = scores[~((scores["method"] == "none") & (scores["line"] == "L007"))]
    with pytest.raises(Bulk2scError, match="panel: none has no score of line L007 for D0"):
        compare.on_panel(lacking, auc, n_draws=10)


# -------------------------------------------------------------------------------------------- the intervals


def draws_of(values, noise, sizes=()):
    """Return draws of methods a, b, ...: their values and a noise."""
    names = [chr(97 + i) for i in range(len(values))]
    value = pd.Series(values, names, name="value")
    seeds = value.rename_axis("method").reset_index().assign(seed=0)
    return compare.Draws(
        "auroc", value, seeds, pd.DataFrame(noise + values, columns=names), inference.Evidence(sizes=sizes)
    )


def test_a_family_over_several_drugs_is_one_family():
    rng = np.random.default_rng(0)
    first, second = (
        draws_of([0, 0.5], np.c_[np.zeros(50_000), 0.01 * rng.normal(size=50_000)]) for _ in "ab"
    )
    table = compare.differences({"x": first, "y": second}, "a")
    assert table["group"].tolist() == ["x", "y"]
    sidak = stats.norm.isf((1 - 0.95**0.5) / 2)
    np.testing.assert_allclose(table["high"] - table["difference"], 0.01 * sidak, rtol=0.02)
    assert compare.levels({"x": first, "y": second})["group"].tolist() == ["x", "x", "y", "y"]


def test_degrees_of_freedom_are_welchs():
    a, b = np.array([0.0, 1, 2, 3]), np.array([0.0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    b = (b - b.mean()) / b.std(ddof=1) * a.std(ddof=1)  # equal spreads
    expected = stats.ttest_ind(a, b, equal_var=False).df
    assert inference.Evidence(sizes=(4, 10)).df == pytest.approx(expected)
    assert inference.Evidence().df == np.inf and inference.Evidence(sizes=(5, 1)).df == 0


def test_pairs_are_compared_as_given_and_the_sign_is_method_minus_reference():
    found = compare.differences(
        draws_of([0.9, 0.5], np.random.default_rng(0).normal(size=(500, 2)) * 0.01), [("a", "b"), ("b", "a")]
    )
    assert found["method"].tolist() == ["a", "b"] and found["difference"].tolist() == pytest.approx(
        [0.4, -0.4]
    )
    assert found["verdict"].tolist() == ["higher", "lower"]
    none = compare.differences(draws_of([0.9], np.ones((5, 1))), "a")
    assert none.empty and "verdict" in none


def test_nothing_is_said_of_too_few_lines_or_of_draws_that_say_nothing():
    noise = np.random.default_rng(0).normal(size=(500, 3))
    few = compare.differences(draws_of([0.9, 0.5, 0.4], noise, sizes=(3, 20)), "a")
    assert few["difference"].tolist() == pytest.approx([-0.4, -0.5])
    assert few["low"].isna().all() and (few["verdict"] == "cannot be tested").all()
    noise[:50, 2] = np.nan  # more than one draw in twenty
    partly = compare.differences(draws_of([0.9, 0.5, 0.4], noise), "a")
    assert partly["verdict"].tolist() == ["not clear", "cannot be tested"]


def test_two_perfect_methods_are_not_called_equal_but_one_that_does_the_same_is():
    stuck = np.zeros((100, 2))
    assert compare.differences(draws_of([1, 1], stuck), "a")["verdict"].item() == "cannot be tested"
    same = np.repeat(np.random.default_rng(0).random((100, 1)), 2, axis=1)
    assert compare.differences(draws_of([0.7, 0.7], same), "a")["verdict"].item() == "practically equal"


def test_no_interval_reaches_further_than_a_difference_can():
    wide = draws_of([0.9, -0.5], 3 * np.random.default_rng(0).normal(size=(200, 2)), sizes=(4,))
    table = compare.differences(wide._replace(metric="rho"), "a")
    assert table[["low", "high"]].to_numpy().tolist() == [[-2.0, 2.0]]


@pytest.mark.slow
def test_intervals_of_few_lines_hold_all_at_once_and_would_not_without_widening():
    """Eight lines, four methods that are as good as a fifth, a hundred and twenty simulated studies."""
    rng, cells, held, n = np.random.default_rng(0), made_up_cells(8), np.zeros(2), 120
    line, truth = np.repeat(np.arange(8), 6), cells.obs["truth"].to_numpy()
    for _ in range(n):
        noise = rng.normal(size=(5, 8))[:, line] + 0.5 * rng.normal(size=(5, len(line)))
        scores = scored(cells, dict(zip("abcde", stats.norm.cdf(noise + truth), strict=True)))
        draws = compare.on_cells(scores, cells, n_draws=300)["auroc"]
        for i, known in enumerate((draws.known, inference.Evidence())):
            table = compare.differences(draws._replace(known=known), "a")
            held[i] += ((table["low"] <= 0) & (table["high"] >= 0)).all()
    assert held[0] >= 0.93 * n and held[1] < 0.92 * n
