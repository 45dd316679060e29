"""Controls on planted signals: what loses its skill, what is flattered, and what detects exposure."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from sklearn.metrics import roc_auc_score

from bulk2sc import datasets, evaluate, labels, models
from bulk2sc.experiments import controls, covariates, exposure

GENES = [f"G{i:02d}" for i in range(40)]
SETTINGS = {"hidden": 32, "max_epochs": 20, "batch_size": 32, "lr": 5e-3, "dropout": 0.0}


def domain(n, seed):
    """Return rows whose first ten genes follow a hidden activity, and the activity."""
    rng = np.random.default_rng(seed)
    activity = rng.normal(size=n)
    X = rng.normal(size=(n, len(GENES))).astype(np.float32)
    X[:, :10] += 1.5 * activity[:, None].astype(np.float32)
    names = [f"{seed}-{i}" for i in range(n)]
    adata = AnnData(X, obs=pd.DataFrame(index=names), var=pd.DataFrame(index=GENES), layers={"scaled": X})
    return adata, activity


@pytest.fixture(scope="module")
def data():
    """Return lines, cells of ten further lines, those lines, and a mask."""
    bulk, activity = domain(160, 0)
    bulk.obs["auc"] = np.where(np.arange(160) < 150, -activity, np.nan)
    low, high = labels.tails(bulk.obs["auc"], 0.3)
    bulk.obs["response"] = labels.respond(bulk.obs["auc"], low, high)
    tested, activity = domain(12, 1)
    tested.obs["auc"] = -activity
    names = np.repeat(tested.obs_names, 8)
    obs = tested.obs.loc[names].set_axis([f"cell{i}" for i in range(96)])
    cells = AnnData(np.repeat(tested.X, 8, axis=0), obs=obs, var=tested.var)
    noise = np.random.default_rng(2).normal(0, 0.5, cells.shape)
    cells.layers["scaled"] = (cells.X + noise).astype(np.float32)
    cells.obs["cell_line"] = names
    cells.obs["truth"] = (cells.obs["auc"] < np.median(tested.obs["auc"])).astype(float)
    mask = np.vstack([np.kron(np.eye(4), np.ones(10)), np.ones((2, 40))])
    return bulk, cells, tested, pd.DataFrame(mask, index=[f"P{i}" for i in range(6)], columns=GENES)


@pytest.fixture(scope="module")
def found(data):
    bulk, cells, tested, mask = data
    settings = SETTINGS | {"mask": mask}
    parts = [
        controls.run(bulk, cells, tested, settings=settings, seed=s, k=0.3, n_shuffles=15) for s in (0, 1)
    ]
    return {name: pd.concat([p[name] for p in parts], ignore_index=True) for name in parts[0]}


def aurocs(found, cells, method):
    rows = found["cells"][found["cells"]["method"] == method]
    return rows.groupby("seed")["score"].agg(lambda score: roc_auc_score(cells.obs["truth"], score))


@pytest.mark.slow
def test_shuffled_labels_are_at_chance_where_the_full_model_is_not(data, found):
    cells = data[1]
    assert aurocs(found, cells, controls.FULL).min() > 0.75
    for method in (controls.SHUFFLED, controls.of_ridge(controls.SHUFFLED)):
        shuffles = aurocs(found, cells, method)
        assert len(shuffles) == 30 and shuffles.std() > 0.05  # each is a shuffle of its own
        assert abs(shuffles.mean() - 0.5) < 3 * shuffles.std() / 30**0.5
    judged = evaluate.judge(found["cells"], cells, n_draws=20)
    expected = aurocs(found, cells, controls.SHUFFLED)
    assert sorted(controls.of_shuffles(judged)) == pytest.approx(sorted(expected))


@pytest.mark.slow
def test_lines_left_out_are_scored_by_every_run_of_every_control_and_judged_by_their_own_response(found):
    counts = found["lines"].groupby(["method", "seed"]).size()
    assert (counts == 30).all()
    runs = counts.groupby("method").size()
    shuffled = runs.index.str.endswith(controls.SHUFFLED)
    assert (runs[shuffled] == 30).all() and (runs[~shuffled] == 2).all() and len(runs) == 11
    validation = controls.by_fold(found["lines"])
    mean = validation.query("metric == 'auroc' and seed == -1").set_index("method")["value"]
    assert mean[controls.RIDGE] > 0.9 > 0.8 > mean[controls.of_ridge(controls.SHUFFLED)]
    once = found["lines"].query("seed < @controls.APART")
    unspoilt = once.query("method == 'full model'").set_index(["line", "seed"])["auc"]
    shuffled = once.query("method == 'shuffled labels'").set_index(["line", "seed"])["auc"]
    pd.testing.assert_series_equal(unspoilt, shuffled)  # only training lines are shuffled


def test_a_shuffle_deals_responses_with_their_auc_among_measured_lines(data):
    bulk = data[0]
    dealt = controls.permuted(bulk, np.random.default_rng(0))
    assert not dealt.obs["auc"].equals(bulk.obs["auc"])
    assert dealt.obs["auc"].isna().tolist() == bulk.obs["auc"].isna().tolist()
    by_auc, moved = (lines.obs.dropna(subset="auc").set_index("auc")["response"] for lines in (bulk, dealt))
    pd.testing.assert_series_equal(moved.sort_index(), by_auc.sort_index())
    np.testing.assert_array_equal(dealt.X, bulk.X)


def test_lines_left_in_have_their_own_response_and_the_scale_of_the_others(data):
    bulk, _, tested, _ = data
    both = controls.with_lines(bulk, tested, 0.3)
    added = both[tested.obs_names]
    low, high = labels.tails(bulk.obs["auc"], 0.3)
    np.testing.assert_array_equal(added.obs["response"], labels.respond(tested.obs["auc"], low, high))
    expected = (tested.X - bulk.X.mean(0, dtype=float)) / bulk.X.std(0, dtype=float)
    np.testing.assert_allclose(added.layers["scaled"], expected, atol=1e-4)
    by_other = bulk.copy(), tested.copy()
    for lines in by_other:
        lines.obs["ln_ic50"], lines.uns["labels"] = -lines.obs["auc"], {"measure": "ln_ic50"}
    turned = controls.with_lines(*by_other, 0.3)[tested.obs_names].obs["response"]
    np.testing.assert_array_equal(turned, 1 - added.obs["response"])
    assert both.n_obs == 172 and both.obs["auc"].isna().sum() == 10


def test_a_method_that_memorises_is_flattered_by_tested_lines_left_in(data):
    """Where response is pure noise, nothing but memory can be right."""
    bulk, cells, tested, _ = data
    rng = np.random.default_rng(5)
    noise = bulk.copy()
    noise.obs["auc"] = rng.normal(size=160)
    noise.obs["response"] = labels.respond(noise.obs["auc"], *labels.tails(noise.obs["auc"], 0.3))
    lines = tested.copy()
    lines.obs["auc"] = np.resize([-3.0, 3.0], 12)
    truth = np.repeat(np.resize([1, 0], 12), 8)
    scores = [
        models.make("ridge", alpha=1.0).fit(training, cells).score_cells(cells)
        for training in (noise, controls.with_lines(noise, lines, 0.3))
    ]
    without, leaked = (roc_auc_score(truth, score) for score in scores)
    assert without < 0.7 and leaked > 0.85


def test_an_untrained_encoder_keeps_its_first_weights_and_learns_its_classifier(data):
    bulk, cells, _, mask = data
    settings = SETTINGS | {"mask": mask, "seed": 3}
    born = controls.UntrainedAutoencoder(**settings).fit(bulk, cells)
    other = controls.UntrainedAutoencoder(**settings).fit(
        bulk[::-1].copy(), cells
    )  # learns from other batches
    np.testing.assert_array_equal(born.encode(cells), other.encode(cells))
    trained = models.SharedAutoencoder(**settings).fit(bulk, cells)
    assert not np.allclose(born.encode(cells), trained.encode(cells))
    epochs = born.history_.groupby("stage")["epoch"].max()
    assert epochs["pretraining"] == 1 < epochs["classifier"] and born.max_epochs == SETTINGS["max_epochs"]


def test_the_inductive_encoder_knows_nothing_of_the_cells(data):
    bulk, cells, _, mask = data
    fits = [
        controls.InductiveAutoencoder(mask=mask, **SETTINGS).fit(bulk, seen).score_cells(cells)
        for seen in (cells, cells[:50].copy())
    ]
    np.testing.assert_array_equal(*fits)


# --- quality


def measured(seed=0, n_lines=20, per_line=15):
    """Return cells whose library size follows their line's response, and whose other measures do not."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.resize([1.0, 0.0], n_lines), per_line)
    n = len(truth)
    obs = pd.DataFrame(
        {
            "truth": truth,
            "cell_line": np.repeat([f"L{i}" for i in range(n_lines)], per_line),
            "total_counts": 2000 + 500 * truth + rng.normal(0, 300, n),
            "n_genes_by_counts": rng.normal(900, 50, n),
            "pct_counts_mt": 5.0,
        },
        index=[f"cell{i}" for i in range(n)],
    )
    return AnnData(np.zeros((n, 1), np.float32), obs=obs)


def test_a_covariate_that_follows_the_answer_is_found_and_one_that_does_not_is_not():
    cells = measured()
    scores = pd.concat([covariates.alone(cells), covariates.fitted(cells, "truth")])
    assert set(scores["method"]) == {"library size", "genes detected", covariates.FITTED}  # the third is flat
    table = evaluate.judge(scores, cells, n_draws=200).query("metric == 'auroc' and seed == -1")
    table = table.set_index("method")
    expected = roc_auc_score(cells.obs["truth"], cells.obs["total_counts"])
    assert table.loc["library size", "value"] == pytest.approx(expected) and expected > 0.8
    assert table.loc["genes detected", "low"] < 0.5 < table.loc["genes detected", "high"]
    assert table.loc[covariates.FITTED, "low"] > 0.7


def test_the_regression_is_held_against_answers_dealt_out_anew():
    cells = measured(per_line=4)
    table = covariates.judge(cells, "truth", n_draws=50)
    p = table.set_index(["method", "metric", "seed"])["p"]
    assert p.pop((covariates.FITTED, "auroc", -1)) == pytest.approx(1 / (1 + covariates.DEALS))
    assert p.isna().all()


@pytest.mark.slow
def test_measures_that_mark_the_line_and_not_its_response_are_seldom_called_confounded():
    cells = measured(per_line=4)
    rng, found = np.random.default_rng(0), []
    for _ in range(20):
        of_line = dict(zip(cells.obs["cell_line"].unique(), rng.normal(0, 1, 20), strict=True))
        cells.obs["total_counts"] = 2000 + 500 * cells.obs["cell_line"].map(of_line)
        found.append(covariates.fitted_p(cells, "truth", n_deals=19, seed=1))
    assert np.mean(np.array(found) <= 0.1) <= 0.25 and np.min(found) >= 0.05


def test_answers_dealt_out_anew_keep_to_their_lines():
    lines = np.repeat(["a", "b", "c", "d", "both"], 3)
    y = np.array([1.0] * 6 + [0.0] * 6 + [1.0, 0.0, 0.0])
    deals = [covariates._dealt(y, lines, np.random.default_rng(seed)) for seed in range(30)]
    for dealt in deals:
        means = pd.Series(dealt).groupby(lines).mean()
        assert sorted(means.drop("both")) == [0.0, 0.0, 1.0, 1.0]
        assert means["both"] in (pytest.approx(1 / 3), pytest.approx(2 / 3))
    assert len({tuple(dealt) for dealt in deals}) > 6
    stray = np.array([1.0] * 19 + [0.0] + [0.0] * 20)
    dealt = [covariates._dealt(stray, np.repeat(["x", "y"], 20), np.random.default_rng(s)) for s in range(9)]
    assert {tuple(one) for one in dealt} == {tuple(stray), tuple(1 - stray)}, (
        "a stray cell goes with its line"
    )


# --- exposure


@pytest.fixture(scope="module")
def made_up():
    bulk = datasets.made_up_bulk(seed=0)
    return labels.label_bulk(bulk, drug="Lapatinib")


def simulated(bulk, shift, genes=None):
    size = {"n_cells": 400, "n_lines_per_tail": 10, "depth": 2000}
    return exposure.experiment(bulk, bulk.var_names if genes is None else genes, shift=shift, seed=0, **size)


def test_both_samples_hold_the_same_lines_and_only_the_shift_differs(made_up):
    lines, cells = simulated(made_up, 1.0)
    counts = pd.crosstab(cells.obs["cell_line"].astype(str), cells.obs["treated"])
    assert counts.shape == (20, 2) and (counts == 10).all(axis=None)
    assert not set(counts.index) & set(lines.obs_names)
    _, other = simulated(made_up, 0.0)
    pd.testing.assert_frame_equal(cells.obs, other.obs)
    assert simulated(made_up, 0.0, made_up.var_names[:300])[1].n_vars == 300


def test_a_score_of_the_shift_is_exposed_and_a_score_of_the_response_is_not(made_up):
    """Two scores of known kind: the drug's programme itself, and the truth with noise."""
    _, cells = simulated(made_up, 1.0)
    programme = cells.uns["shift"]["z"].reindex(cells.var_names).fillna(0).to_numpy()
    knows_drug = -(cells.layers["scaled"] @ programme)
    knows_line = cells.obs["truth"] + np.random.default_rng(0).normal(0, 0.2, cells.n_obs)
    table = cells.obs[["cell_line", "treated", "truth"]].assign(seed=0, shift=1.0)
    scores = {"drug": knows_drug, "reversed": -knows_drug, "line": knows_line}
    scores = {name: pd.Series(score, cells.obs_names).rank(pct=True) for name, score in scores.items()}
    scored = pd.concat([table.assign(method=name, score=score) for name, score in scores.items()])
    found = exposure.judge(scored, n_draws=100).set_index(["method", "question"])
    assert found.loc[("drug", exposure.EXPOSURE), "low"] > 0.9
    assert found.loc[("reversed", exposure.EXPOSURE), "high"] < 0.1
    line = found.loc[("line", exposure.EXPOSURE)]
    assert line["low"] < 0.5 < line["high"]
    for question in (exposure.TREATED, exposure.CONTROL):
        assert found.loc[("line", question), "low"] > 0.95
        assert found.loc[("drug", question), "value"] < 0.8
    assert found.loc[("drug", exposure.EXPOSURE), "p"] == 3 / 100, "three scores are one family"
    alone = exposure.judge(scored[scored["method"] == "drug"], n_draws=100).set_index("question")["p"]
    assert alone[exposure.EXPOSURE] == 1 / 100
    flat = scored.assign(score=0.5)
    assert exposure.judge(flat, n_draws=100)["p"].isna().all(), "a constant is no test"
    called = exposure.called_resistant(scored)
    assert called.loc[("drug", 1.0), "treated"] > 0.9 > 0.1 > called.loc[("drug", 1.0), "control"]
