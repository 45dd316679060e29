"""Measures of calibration, prior shift and uncertainty against values worked out by hand, or planted."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from sklearn.calibration import calibration_curve
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import accuracy_score, brier_score_loss, f1_score, roc_auc_score

from bulk2sc import calibration as cal
from bulk2sc import evaluate, inference
from bulk2sc.errors import Bulk2scError
from bulk2sc.inference import Evidence

N = 400
ONCE = np.ones((1, N))


@pytest.fixture(scope="module")
def scored():
    """Return scores, and answers that are drawn with just these probabilities."""
    rng = np.random.default_rng(0)
    score = rng.beta(0.8, 0.8, N)
    return (rng.random(N) < score).astype(float), score


def cells_of(answer, n_lines=40):
    line = [f"line {i % n_lines}" for i in range(len(answer))]
    names = [f"c{i}" for i in range(len(answer))]
    return AnnData(obs=pd.DataFrame({"truth": answer, "cell_line": line}, index=names))


def tidy(cells, method, *seeds):
    return pd.concat(
        [
            pd.DataFrame({"method": method, "seed": i, "cell": cells.obs_names, "score": score})
            for i, score in enumerate(seeds)
        ],
        ignore_index=True,
    )


# ------------------------------------------------------------------------------------------------ resampling


def test_draws_are_of_whole_lines_and_the_first_is_all_cells():
    weight = inference.line_weights(["a", "b", "a", "c"], n_draws=200)
    assert weight.shape == (201, 4) and weight[0].tolist() == [1, 1, 1, 1]
    np.testing.assert_array_equal(weight[:, 0], weight[:, 2])
    assert (weight[:, [0, 1, 3]].sum(axis=1) == 3).all() and weight[1:].std() > 0.5


def test_measured_agrees_with_the_judge_of_the_other_chapters(scored):
    answer, score = scored
    cells = cells_of(answer)
    scores = tidy(cells, "m", score, 1 - score)
    found = cal.measured(scores, cells, lambda y, s, w: {"brier": w @ (s - y) ** 2 / w.sum(axis=1)})
    judged = evaluate.judge(scores, cells, n_draws=500).query("metric == 'brier'")
    for column in ("method", "seed", "value"):
        assert found[column].tolist() == pytest.approx(judged[column].tolist())
    mean = found["seed"] == -1
    assert found.loc[mean, "low"].item() == pytest.approx(judged.query("seed == -1")["low"].item())


def test_no_interval_without_enough_lines(scored):
    cells = cells_of(np.repeat([0.0, 1.0], 2), n_lines=4)
    measure = lambda y, s, w: {"mean": w @ s / w.sum(axis=1)}  # noqa: E731
    found = cal.measured(tidy(cells, "m", [0.1, 0.2, 0.3, 0.4]), cells, measure)
    assert found["value"].tolist() == pytest.approx([0.25, 0.25]) and found["low"].isna().all()
    assert cal.with_interval(np.array([1.0, np.nan])) == pytest.approx(
        {"value": 1.0, "low": np.nan, "high": np.nan}, nan_ok=True
    )


# ----------------------------------------------------------------------------------------------- calibration


def test_calibration_error_by_hand():
    score, answer = np.array([0.1, 0.3, 0.6, 0.8]), np.array([0.0, 1.0, 1.0, 1.0])
    # Bins {.1, .3} and {.6, .8}: |.2 - .5| and |.7 - 1|, half of the cells each.
    assert cal.calibration_error(answer, score, np.ones((1, 4)), bins=2) == pytest.approx([0.3])
    # The second cell three times: |.25 - .75| x 4/6 + |.7 - 1| x 2/6.
    assert cal.calibration_error(answer, score, np.array([[1, 3, 1, 1]]), bins=2) == pytest.approx([2.6 / 6])
    constant = cal.calibration_error(answer, np.ones(4), np.ones((1, 4)))
    assert constant == pytest.approx([0.25]), "one bin: the distance of 1 from the share of .75"


def test_calibration_error_agrees_with_sklearn(scored):
    answer, score = scored
    share, mean = calibration_curve(answer, score, n_bins=10, strategy="quantile")
    assert cal.calibration_error(answer, score, ONCE) == pytest.approx([np.abs(share - mean).mean()])


def test_a_calibrated_score_does_not_reach_an_error_of_zero(scored):
    answer, score = scored
    own = [str(i) for i in range(N)]
    chance, lines = cal.calibrated_by_chance(score, own), cal.calibrated_by_chance(score, np.arange(N) % 20)
    assert np.quantile(chance, 0.001) > 0.01
    assert lines.mean() > 1.4 * chance.mean(), "few lines: more error by chance"
    found = cal.calibration_error(answer, score, ONCE)[0]
    assert found < np.quantile(chance, 0.99) < cal.calibration_error(answer, score**4, ONCE)[0]


def test_chance_deals_answers_with_the_probability_of_the_score_and_one_fate_to_a_line(scored):
    _, score = scored
    answers = cal.answers_as_scored(score, np.arange(N) % 5, n_draws=4000)
    np.testing.assert_allclose(answers.mean(axis=0), score, atol=0.04)
    one = answers[:, np.arange(N) % 5 == 0][:, np.argsort(score[::5])]
    assert (np.diff(one, axis=1) >= 0).all(), "within a line, no cell is sensitive before one scored higher"


def test_decomposition_is_exact_and_agrees_with_sklearn(scored):
    answer, score = scored
    score = score.round(2)  # with ties
    weight = inference.line_weights(np.arange(N) % 40, n_draws=20)
    found = cal.decomposition(answer, score, weight)
    parts = found["miscalibration"] - found["discrimination"] + found["uncertainty"]
    np.testing.assert_allclose(parts, found["brier"])
    assert found["brier"][0] == pytest.approx(brier_score_loss(answer, score))
    for i in (0, 7):
        isotonic = IsotonicRegression().fit_transform(score, answer, sample_weight=weight[i])
        error = brier_score_loss(answer, isotonic, sample_weight=weight[i])
        assert found["miscalibration"][i] == pytest.approx(found["brier"][i] - error)
        share = np.average(answer, weights=weight[i])
        assert found["uncertainty"][i] == pytest.approx(share * (1 - share))


def test_decomposition_tells_wrong_probabilities_from_wrong_order(scored):
    answer, score = scored
    good, squeezed = (cal.decomposition(answer, s, ONCE) for s in (score, 0.4 + score / 5))
    assert good["discrimination"] == pytest.approx(squeezed["discrimination"])
    assert good["miscalibration"] < 0.02 < squeezed["miscalibration"]
    constant = cal.decomposition(answer, np.full(N, answer.mean()), ONCE)
    assert constant["miscalibration"] == pytest.approx(0) == constant["discrimination"]


def test_brier_skill_compares_with_the_mean_effect(scored):
    answer, score = scored
    unknown = np.where(np.arange(N) < 10, np.nan, answer)
    skill = cal.calibration(0.5)(unknown, score, ONCE)["brier_skill"]
    expected = 1 - brier_score_loss(answer[10:], score[10:]) / 0.25
    assert skill == pytest.approx([expected])
    assert cal.calibration(0.5)(answer, np.full(N, 0.5), ONCE)["brier_skill"] == pytest.approx([0])


def test_reliability_by_hand_and_its_bands(scored):
    answer, score = scored
    table = cal.reliability(answer, score, [str(i) for i in range(N)])
    assert len(table) == 10 and table["score"].is_monotonic_increasing
    lowest = np.argsort(score)[:40]
    assert table["value"][0] == pytest.approx(answer[lowest].mean())
    assert table["score"][0] == pytest.approx(score[lowest].mean())
    inside = table["value"].between(table["expected_low"], table["expected_high"])
    assert inside.sum() >= 8, "scores that are calibrated lie in the band"
    wrong = cal.reliability(1 - answer, score, [str(i) for i in range(N)])
    assert not wrong["value"].between(wrong["expected_low"], wrong["expected_high"]).iloc[[0, -1]].any()
    assert cal.reliability(answer, score, np.arange(N) % 3, known=Evidence(floor=1.0))["low"].isna().all()


# ----------------------------------------------------------------------------------------------- prior shift


@pytest.fixture(scope="module")
def shifted():
    """Return exact posteriors under a share of one half, of cells a fifth of which is sensitive."""
    rng = np.random.default_rng(1)
    answer = (np.arange(4000) < 800).astype(float)
    x = rng.normal(size=4000) + 1.5 * answer
    return answer, 1 / (1 + np.exp(-1.5 * (x - 0.75)))


def test_the_share_of_sensitive_cells_is_recovered(shifted):
    answer, score = shifted
    once = np.ones((1, len(answer)))
    assert abs(score.mean() - 0.2) > 0.08, "the mean of the scores is not the share"
    assert cal.estimate_prior(score, once, 0.5) == pytest.approx([0.2], abs=0.02)
    tilted = cal.thinned(answer, [0.2, 0.6, 0.9])
    assert cal.estimate_prior(score, tilted, 0.5) == pytest.approx([0.2, 0.6, 0.9], abs=0.03)


def test_the_estimate_has_the_highest_likelihood(shifted):
    _, score = shifted
    shares = np.linspace(0.001, 0.999, 999)[:, None]
    likelihood = np.log(score * shares / 0.5 + (1 - score) * (1 - shares) / 0.5).sum(axis=1)
    found = cal.estimate_prior(score, np.ones((1, len(score))), 0.5, tolerance=1e-8)
    assert found == pytest.approx(shares[likelihood.argmax()], abs=0.002)


def test_the_correction_gives_the_posteriors_of_the_new_share(shifted):
    answer, score = shifted
    assert cal.shift_prior(np.array([0.5, 1, 0]), 0.5, 0.2) == pytest.approx([0.2, 1, 0])
    np.testing.assert_allclose(cal.shift_prior(cal.shift_prior(score, 0.5, 0.2), 0.2, 0.5), score)
    once = np.ones((1, len(answer)))
    raw, right = (
        cal.calibration_error(answer, s, once)[0] for s in (score, cal.shift_prior(score, 0.5, 0.2))
    )
    assert right < 0.02 < raw


def test_effects_of_the_correction_by_sklearn(shifted):
    answer, score = shifted
    unknown = np.append(answer, np.nan)
    found = cal.prior_shift(0.5)(unknown, np.append(score, 0.5), np.ones((2, 4001)))
    found = {name: value[1] for name, value in found.items()}
    oracle = cal.shift_prior(score, 0.5, 0.2)
    for name, s in (("as they are", score), ("oracle", oracle)):
        assert found[f"accuracy, {name}"] == pytest.approx(accuracy_score(answer, s >= 0.5))
        assert found[f"f1, {name}"] == pytest.approx(f1_score(answer, s >= 0.5))
        assert found[f"brier, {name}"] == pytest.approx(brier_score_loss(answer, s))
    assert found["share, true"] == pytest.approx(0.2)
    assert found["share, estimated minus true"] == pytest.approx(found["share, estimated"] - 0.2)
    gain = found["brier, oracle"] - found["brier, as they are"]
    assert found["brier, oracle minus as they are"] == pytest.approx(gain) and gain < -0.01
    assert found["brier, estimated minus as they are"] == pytest.approx(gain, abs=0.002)


# --------------------------------------------------------------------------------- ensembles and uncertainty


def test_ensembles_by_hand():
    cells = cells_of(np.array([0.0, 1.0]))
    table = cal.ensembles(pd.concat([tidy(cells, "m", [0.2, 1.0], [0.8, 1.0]), tidy(cells, "one", [0.5, 0])]))
    assert table["score"].tolist() == pytest.approx([0.5, 1.0, 0.5, 0.0])
    assert table["entropy"].tolist() == pytest.approx([1, 0, 1, 0])
    assert table["spread"].tolist() == pytest.approx(
        [np.std([0.2, 0.8], ddof=1), 0, np.nan, np.nan], nan_ok=True
    )


def test_an_ensemble_of_noisy_seeds_gains(scored):
    answer, score = scored
    cells, rng = cells_of(np.where(np.arange(N) < 5, np.nan, answer)), np.random.default_rng(2)
    seeds = [np.clip(score + rng.normal(scale=0.4, size=N), 0, 1) for _ in range(5)]
    table = cal.ensemble_gains(pd.concat([tidy(cells, "m", *seeds), tidy(cells, "one", score)]), cells)
    one = table[table["method"] == "one"]
    assert (one[["value", "low", "high"]] == 0).all(axis=None) and one["p"].isna().all(), "its own mean"
    gains = table[table["method"] == "m"].set_index("metric")
    single = np.mean([roc_auc_score(answer[5:], s[5:]) for s in seeds])
    together = roc_auc_score(answer[5:], np.mean(seeds, axis=0)[5:])
    assert gains.loc["auroc gain", "value"] == pytest.approx(together - single)
    assert gains.loc["auroc gain", "low"] > 0 > gains.loc["brier gain", "high"]
    assert gains.loc["auroc gain", "p"] == 1 / 500, "a method with one seed is no test"
    assert np.isnan(gains.loc["brier gain", "p"]), "squares are convex: no question"
    same = cal.ensemble_gains(tidy(cells, "m", score, score), cells)
    assert same[["value", "low", "high"]].to_numpy() == pytest.approx(0)


def test_risk_coverage_by_hand():
    error = np.array([0, 1, 0, 1])
    # Errors over coverage c: risk rises from 0 through (c - 1/4) / c to 1/3, falls, and ends at 1/2.
    by_integral = np.interp(np.linspace(0, 1, 400_001)[1:], [0, 0.25, 0.5, 0.75, 1], [0, 0, 0.25, 0.25, 0.5])
    by_integral = (by_integral / np.linspace(0, 1, 400_001)[1:]).mean()
    found = cal.risk_coverage(error, np.array([1.0, 2, 3, 4]), np.ones((1, 4)))
    assert found["aurc"] == pytest.approx([by_integral], abs=1e-5)
    assert found["random"] == pytest.approx([0.5])
    assert found["oracle"] == pytest.approx([0.5 + 0.5 * np.log(0.5)])
    coverage, wrong = cal.risk_curve(error, np.array([1.0, 2, 2, 4]), np.ones((1, 4)))
    assert coverage.tolist() == [[0, 0.25, 0.75, 1]] and wrong.tolist() == [[0, 0, 0.25, 0.5]]


def test_a_weight_of_two_is_a_cell_twice():
    error, uncertainty = np.array([0.0, 1, 1, 0]), np.array([0.1, 0.4, 0.3, 0.9])
    twice = cal.risk_coverage(error, uncertainty, np.array([[2.0, 1, 0, 1]]))
    listed = cal.risk_coverage(error[[0, 0, 1, 3]], uncertainty[[0, 0, 1, 3]], np.ones((1, 4)))
    for name, value in twice.items():
        assert value == pytest.approx(listed[name])


def test_p_values_are_corrected_within_their_family_and_by_hand():
    table = pd.DataFrame({"metric": list("aaab"), "p": [0.01, 0.04, np.nan, 0.04]})
    assert cal.corrected(table, 500)["p"].tolist() == pytest.approx([0.02, 0.04, np.nan, 0.04], nan_ok=True)
    together = cal.corrected(table.assign(page=1), 500, ["page"])["p"]
    assert together.tolist() == pytest.approx([0.03, 0.08, np.nan, 0.08], nan_ok=True)
    with pytest.raises(Bulk2scError, match="corrected for 2 comparisons"):
        cal.corrected(table, 40)


def test_chance_is_told_from_skill_after_the_correction_and_only_what_is_tested_has_a_p(scored):
    """Ten methods without skill and one with: their family is eleven."""
    answer, score = scored
    cells, rng = cells_of(answer), np.random.default_rng(4)
    noise = [tidy(cells, f"noise {i}", 0.5 + rng.normal(0, 0.02, N)) for i in range(10)]
    scores = pd.concat([tidy(cells, "knows", score), *noise])
    found = cal.measured(scores, cells, cal.calibration(0.5), tested=["brier_skill"]).query("seed == -1")
    assert found["p"].notna().equals(found["metric"] == "brier_skill")
    p = found.query("metric == 'brier_skill'").set_index("method")["p"]
    assert p["knows"] == pytest.approx(11 / 500) and p.drop("knows").min() > 0.05
