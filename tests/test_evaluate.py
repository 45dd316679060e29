"""Metrics against scikit-learn and hand-computed values; cross-validation on planted truth."""

import numpy as np
import planted
import pytest
from sklearn import metrics as sk

from bulk2sc import compare, evaluate
from bulk2sc.models import Ridge, make


@pytest.fixture
def answers():
    rng = np.random.default_rng(0)
    answer = rng.integers(0, 2, 200).astype(float)
    score = np.clip(np.round(0.3 * answer + rng.random(200) * 0.7, 2), 0, 1)  # rounding makes ties
    return answer, score


def test_metrics_equal_scikit_learn(answers):
    answer, score = answers
    found, call = evaluate.metrics(answer, score), score >= 0.5
    expected = {
        "accuracy": sk.accuracy_score(answer, call),
        "f1": sk.f1_score(answer, call),
        "macro_f1": sk.f1_score(answer, call, average="macro"),
        "auroc": sk.roc_auc_score(answer, score),
        "auprc": sk.average_precision_score(answer, score),
        "mcc": sk.matthews_corrcoef(answer, call),
        "balanced_accuracy": sk.balanced_accuracy_score(answer, call),
        "specificity": sk.recall_score(1 - answer, ~call),
        "brier": sk.brier_score_loss(answer, score),
        "prevalence": answer.mean(),
        "positive_rate": call.mean(),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-12), name


def test_weighted_metrics_equal_scikit_learn_with_weights(answers):
    answer, score = answers
    weight = np.random.default_rng(1).integers(0, 4, (3, 200))
    found = evaluate.weighted_metrics(answer, score, weight)
    for i, w in enumerate(weight):
        assert found["auroc"][i] == pytest.approx(sk.roc_auc_score(answer, score, sample_weight=w))
        assert found["auprc"][i] == pytest.approx(sk.average_precision_score(answer, score, sample_weight=w))
        assert found["mcc"][i] == pytest.approx(sk.matthews_corrcoef(answer, score >= 0.5, sample_weight=w))


@pytest.mark.parametrize(("rate", "flag"), [(0.0, 1), (0.01, 1), (0.03, 0), (0.97, 0), (0.99, 1)])
def test_degenerate_flag(rate, flag):
    score = np.where(np.arange(100) < 100 * rate, 0.9, 0.1)
    assert evaluate.metrics(np.tile([0.0, 1.0], 50), score)["degenerate"] == flag


@pytest.fixture(scope="module")
def domains():
    """Lines that follow an activity, and cells of eight lines, half of them sensitive, that follow it too."""
    bulk, cells, _ = planted.lines_and_cells()
    order = cells.obs["activity"].argsort()
    cells.obs["truth"] = (cells.obs["activity"] > cells.obs["activity"].median()).astype(float)
    cells.obs.loc[cells.obs_names[order], "cell_line"] = np.repeat([f"C{i}" for i in range(8)], 25)
    return bulk, cells


METHODS = {
    "ridge": lambda seed: Ridge(alpha=10.0, seed=seed),
    "all sensitive": lambda seed: make("all sensitive"),
    "all resistant": lambda seed: make("all resistant"),
}


def test_one_loop_scores_every_method(domains):
    bulk, cells = domains
    scores = evaluate.score_methods(bulk, cells, methods=METHODS, seeds=[0, 1])
    assert len(scores) == 3 * 2 * 200
    draws = compare.on_cells(scores, cells, n_draws=200)
    assert draws["auroc"].value["ridge"] > 0.9
    assert draws["accuracy"].value["all sensitive"] == 0.5 and draws["f1"].value["all resistant"] == 0
    with pytest.raises(KeyError):
        compare.on_cells(scores.assign(cell=scores["cell"] + "x"), cells)


def test_a_planted_signal_is_found_on_lines_left_out_each_of_them_once(domains):
    bulk, cells = domains
    names, areas = [], []
    for seed in range(5):
        training, left_out = evaluate.leave_out_fold(bulk, k=0.3, seed=seed)
        score = METHODS["ridge"](0).fit(training, cells).score_cells(left_out)
        areas.append(evaluate.metrics(left_out.obs["response"], score)["auroc"])
        names += list(left_out.obs_names)
    assert min(areas) > 0.7
    assert sorted(names) == sorted(bulk.obs_names[bulk.obs["auc"].notna()])


def test_folds_are_labelled_by_the_measure_of_the_study(domains):
    bulk, _ = domains
    bulk = bulk.copy()
    bulk.obs["ln_ic50"] = np.random.default_rng(1).normal(size=160)
    bulk.uns["labels"] = {"measure": "ln_ic50"}
    training, left_out = evaluate.leave_out_fold(bulk, k=0.3, seed=0)
    np.testing.assert_allclose(training.layers["scaled"].mean(0), 0, atol=1e-5)
    low, high = np.sort(training.obs["ln_ic50"])[[37, -38]]  # 38 of 128 lines a tail
    for part in (training, left_out):
        values = part.obs["ln_ic50"]
        expected = np.select([values <= low, values >= high], [1.0, 0.0], np.nan)
        np.testing.assert_array_equal(part.obs["response"], expected)


@pytest.mark.parametrize(
    ("sensitive", "resistant", "both", "floor", "sizes"),
    [
        (4, 4, 0, 2 / 70, (4, 4)),
        (3, 8, 0, 2 / 165, (3, 8)),
        (0, 0, 5, 2 / 32, (5,)),  # signs are all that can be exchanged
        (0, 0, 10, 2 / 1024, (10,)),
        (10, 10, 1, 2 / 184756 / 2, (11,)),  # a line with both is a pair of its own
        (3, 3, 4, 2 / 20 / 16, (7,)),
        (5, 0, 0, 1.0, (5, 0)),
    ],
)
def test_what_lines_can_show_by_hand(sensitive, resistant, both, floor, sizes):
    answer = [1.0] * sensitive + [0.0] * resistant + [1.0] * both + [0.0] * both + [np.nan]
    alone, twice = [f"L{i}" for i in range(sensitive + resistant)], [f"B{i}" for i in range(both)]
    found = evaluate.evidence(answer, [*alone, *twice, *twice, "unknown"])
    assert found == (pytest.approx(floor), sizes)
