"""Trials of an experiment, on a planted signal."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from sklearn.metrics import roc_auc_score

from bulk2sc import evaluate, models
from bulk2sc.experiments import trials

GENES = [f"G{i:02d}" for i in range(30)]


def domain(n, seed):
    """Return rows whose first ten genes follow a hidden activity."""
    rng = np.random.default_rng(seed)
    activity = rng.normal(size=n)
    X = rng.normal(size=(n, len(GENES))).astype(np.float32)
    X[:, :10] += activity[:, None].astype(np.float32)
    names = [f"{seed}-{i}" for i in range(n)]
    return AnnData(
        X, obs=pd.DataFrame(index=names), var=pd.DataFrame(index=GENES), layers={"scaled": X}
    ), activity


@pytest.fixture(scope="module")
def variants():
    bulk, activity = domain(120, 0)
    bulk.obs["auc"] = np.where(np.arange(120) < 110, -activity, np.nan)
    cells, _ = domain(40, 1)
    shuffled = bulk.copy()
    shuffled.obs["auc"] = np.random.default_rng(2).permutation(bulk.obs["auc"])
    ridge = lambda seed: models.make("ridge", alpha=10.0, seed=seed)  # noqa: E731
    return [trials.Variant("signal", bulk, cells, ridge), trials.Variant("noise", shuffled, cells, ridge)]


@pytest.fixture(scope="module")
def found(variants):
    tables = [trials.run(variants, seed=seed, k=0.3) for seed in range(5)]
    return {name: pd.concat([t[name] for t in tables], ignore_index=True) for name in tables[0]}


def test_five_seeds_leave_out_every_measured_line_once_and_score_all_cells(found):
    for _, lines in found["lines"].groupby("method"):
        assert lines["line"].is_unique and len(lines) == 110
    assert found["cells"].groupby(["method", "seed"]).size().tolist() == [40] * 10
    assert found["curves"].empty


def test_the_lines_left_out_are_judged_by_thresholds_of_the_others(variants, found):
    training, left_out = evaluate.leave_out_fold(variants[0].bulk, k=0.3, seed=3)
    low, high = np.quantile(training.obs["auc"].dropna(), [0.3, 0.7])
    lines = found["lines"].query("method == 'signal' and seed == 3")
    assert lines["line"].tolist() == left_out.obs_names.tolist()
    expected = np.select([lines["auc"] <= low, lines["auc"] >= high], [1.0, 0.0], np.nan)
    np.testing.assert_array_equal(lines["answer"], expected)


def test_validation_is_the_mean_over_seeds_and_finds_the_signal(found):
    table = trials.validation(found["lines"])
    by_hand = [
        roc_auc_score(part["answer"], part["score"])
        for _, part in found["lines"].query("method == 'signal'").dropna().groupby("seed")
    ]
    rows = table.query("method == 'signal' and metric == 'auroc'").set_index("seed")
    assert rows.loc[range(5), "value"].tolist() == pytest.approx(by_hand)
    assert rows.loc[-1, "value"] == pytest.approx(np.mean(by_hand)) and rows.loc[-1, "value"] > 0.9
    noise = table.query("method == 'noise' and metric == 'auroc' and seed == -1").iloc[0]
    assert noise["low"] < 0.5 < noise["high"]
