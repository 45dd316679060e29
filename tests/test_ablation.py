"""The ladder of Table 3 as an experiment."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import stats

from bulk2sc import models
from bulk2sc.experiments import ablation

GENES = [f"G{i:02d}" for i in range(20)]


def domain(n, seed, shift=0.0):
    """Return rows whose first eight genes follow a hidden activity; `shift` moves the other genes."""
    rng = np.random.default_rng(seed)
    activity = rng.normal(size=n)
    X = rng.normal(size=(n, len(GENES)))
    X[:, :8] += activity[:, None]
    X[:, 8:] += shift
    X = X.astype(np.float32)
    obs = pd.DataFrame(
        {"cell_line": [f"{seed}-{i % 10}" for i in range(n)]}, [f"{seed}-{i}" for i in range(n)]
    )
    return AnnData(X, obs=obs, var=pd.DataFrame(index=GENES), layers={"scaled": X}), activity


@pytest.fixture(scope="module")
def data():
    bulk, activity = domain(80, 0)
    bulk.obs["auc"] = -activity
    mask = pd.DataFrame(np.kron(np.eye(4), np.ones(5)), columns=GENES, index=list("abcd"))
    return bulk, domain(50, 1, shift=1.0)[0], mask


@pytest.fixture(scope="module")
def found(data):
    bulk, cells, mask = data
    settings = {"mask": mask, "hidden": 8, "max_epochs": 2, "batch_size": 32, "sparse_relu": False, "seed": 9}
    return ablation.run(bulk, cells, settings=settings, seed=1, k=0.3)


def test_every_rung_is_run_in_both_schedules_and_both_constant_answers_with_them(found):
    variants = [
        ablation.variant(rung, schedule) for schedule in ("pretrained", "joint") for rung in ablation.RUNGS
    ]
    assert set(models.LADDER) < set(ablation.RUNGS)
    assert list(found["cells"]["method"].unique()) == [*variants, "all sensitive", "all resistant"]
    assert set(found["cells"]["seed"]) == {1}
    stages = found["curves"].groupby("method")["stage"].unique().map(list)
    assert stages["adv AE (joint)"] == ["joint", "adversarial"]
    assert stages["adv share AE (pretrained)"] == ["pretraining", "adversarial", "classifier"]
    assert stages["share AE + pathways (pretrained)"] == ["pretraining", "classifier"]
    assert set(found["looks"]["method"]) == set(variants), "constant answers have no code to look at"
    wide = found["cells"].pivot(index="cell", columns="method", values="score")
    assert wide.T.duplicated().sum() == 0, "no two variants are one model"


def test_the_run_of_a_rung_is_the_fit_of_its_model(data, found):
    from bulk2sc import evaluate

    bulk, cells, mask = data
    training, left_out = evaluate.leave_out_fold(bulk, k=0.3, seed=1)
    model = models.make("adv AE", mask=mask, hidden=8, max_epochs=2, batch_size=32, schedule="joint", seed=1)
    lines = found["lines"].query("method == 'adv AE (joint)'")
    np.testing.assert_allclose(lines["score"], model.fit(training, cells).score_cells(left_out), atol=1e-6)


def test_every_step_names_two_rungs_and_every_neighbour_in_table_3_is_one():
    for rung, below in ablation.STEPS.values():
        assert {rung, below} <= set(ablation.RUNGS) and rung != below
    neighbours = set(zip(models.LADDER[1:], models.LADDER[:-1], strict=True))
    assert neighbours <= set(ablation.STEPS.values())
    assert ("share AE + pathways (joint)", "adv share AE (joint)") in ablation.step_pairs()
    assert len(ablation.step_pairs()) == 2 * len(ablation.STEPS)
    assert ("base AE (joint)", "base AE (pretrained)") in ablation.schedule_pairs()


class Coded:
    """Stands for a model whose code is its first gene."""

    def encode(self, adata):
        return adata.X[:, -1:]


def test_told_apart_is_1_for_codes_that_are_apart_and_near_a_half_for_codes_that_are_not():
    lines, _ = domain(400, 2)
    apart, alike = (
        ablation.told_apart(Coded(), lines, domain(60, 3, shift=9.0)[0]),
        ablation.told_apart(Coded(), lines, domain(60, 3)[0]),
    )
    assert apart["auroc"].min() > 0.99 and abs(alike["auroc"].mean() - 0.5) < 0.2
    assert ablation.told_apart(object(), lines, lines).empty


# --------------------------------------------------------------------------------------------- loss curves


# --------------------------------------------------------------------------------------------------- spread


def test_means_over_seeds_have_the_t_interval():
    values = [1.0, 2.0, 4.0, 5.0]
    table = pd.DataFrame({"method": "a", "metric": "m", "seed": range(4), "value": values})
    row = ablation.over_seeds(table).query("seed == -1").iloc[0]
    expected = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert (row["low"], row["high"]) == pytest.approx(expected) and row["value"] == 3
    assert np.isnan(ablation.t_interval(pd.Series([1.0]))["low"])


def test_the_ratio_of_paired_spreads_covers_the_truth_and_agrees_with_the_test_of_pitman():
    rng, covered = np.random.default_rng(0), []
    for _ in range(200):
        common = rng.normal(size=6)
        first, second = pd.Series(3 * (common + rng.normal(size=6))), pd.Series(common + rng.normal(size=6))
        row = ablation.spread_ratio(first, second)
        covered.append(row["low"] < 3 < row["high"])
        p = stats.pearsonr(first + second, first - second).pvalue
        assert (p < 0.05) == (not row["low"] < 1 < row["high"])
    assert np.mean(covered) == pytest.approx(0.95, abs=0.04)


def test_pairs_over_seeds_have_the_paired_t_test_corrected_over_them():
    rng = np.random.default_rng(0)
    values = pd.DataFrame(rng.normal([1.0, 0.9, 0.0], [0.1, 0.1, 0.1], size=(5, 3)), columns=list("abc"))
    found = ablation.paired_over_seeds(values, [("a", "c"), ("b", "a")])
    raw = [stats.ttest_rel(values["a"], values["c"]), stats.ttest_rel(values["b"], values["a"])]
    assert raw[0].pvalue < raw[1].pvalue, "so that Holm doubles the first"
    expected = [2 * raw[0].pvalue, max(raw[1].pvalue, 2 * raw[0].pvalue)]
    assert found["p"].tolist() == pytest.approx(expected)
    assert found.loc["b", ["low", "high"]].tolist() == pytest.approx([*raw[1].confidence_interval()])
    alone = ablation.paired_over_seeds(values[:1], [("a", "c")]).iloc[0]
    assert alone[["low", "high", "p"]].isna().all() and alone["value"] > 0.5
    assert ablation.paired_over_seeds(values, [("a", "a")])["p"].tolist() == [1]
    assert ablation.paired_over_seeds(values * 0 + [2, 1, 0], [("a", "b")])["p"].tolist() == [0]


# --------------------------------------------------------------------------------------------------- tables
