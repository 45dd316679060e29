import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest
import sklearn.linear_model
import skops.io
from anndata import AnnData
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict, cross_val_score
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from bulk2sc.errors import Bulk2scError
from bulk2sc.models import LADDER, METHODS, base, learns_from_cells, load_model, make
from bulk2sc.models.baselines import BASELINES, GRID
from bulk2sc.models.regressions import PENALTIES, calibrate

CONSTANT = ["mean effect", "all sensitive", "all resistant"]
LEARNERS = [name for name in METHODS if name not in CONSTANT]
WITH_ARRAYS = [name for name, method in METHODS.items() if method not in BASELINES.values()]
SETTINGS = {
    "hidden": 32,
    "schedule": "joint",
    "max_epochs": 30,
    "batch_size": 64,
    "n_estimators": 30,
    "alpha": 20.0,
}


def domain(n, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 40)).astype(np.float32)
    X[:, :4] += rng.normal(size=(n, 1))  # the pathway that drives response
    adata = AnnData(X, var=pd.DataFrame(index=[f"G{i:02d}" for i in range(40)]))
    adata.layers["scaled"] = X
    return adata


@pytest.fixture(scope="module")
def data():
    bulk, cells = domain(150, 0), domain(90, 1)
    signal = bulk.X[:, :4].sum(1) + np.random.default_rng(2).normal(0, 2, size=150)
    low, high = np.quantile(signal, [0.3, 0.7])
    bulk.obs["response"] = np.select([signal >= high, signal <= low], [1.0, 0.0], np.nan)
    bulk.obs["auc"] = 0.7 - 0.05 * signal
    bulk.obs.iloc[:7, bulk.obs.columns.get_loc("auc")] = np.nan
    bulk.obs.iloc[:7, bulk.obs.columns.get_loc("response")] = np.nan
    mask = np.vstack([np.kron(np.eye(10), np.ones(4)), np.ones((5, 40))])
    mask = pd.DataFrame(mask, index=[f"P{i}" for i in range(15)], columns=bulk.var_names)
    return bulk, cells, mask


@pytest.fixture(scope="module")
def fitted(data):
    bulk, cells, mask = data
    return {name: make(name, mask=mask, **SETTINGS).fit(bulk, cells) for name in METHODS}


def of_tails(bulk):
    known = bulk.obs["response"].notna().to_numpy()
    return bulk.X[known], bulk.obs["response"].to_numpy()[known]


def of_tested(bulk):
    known = bulk.obs["auc"].notna().to_numpy()
    return bulk.X[known], bulk.obs["auc"].to_numpy()[known]


def test_the_methods_of_the_comparison():
    figure_3 = {"LR", "SVM", "DT", "RF", "GB", "XGBoost"}
    demanded = {"mean effect", "signature", "ridge", "ridge CV", "tuned XGBoost", *CONSTANT}
    assert set(METHODS) >= figure_3 | demanded | {"shared AE"}
    assert {type(make(name, mask=None)).name for name in LADDER} == {*LADDER[:-1], "shared AE"}
    assert all(method.name == name for name, method in METHODS.items())


@pytest.mark.parametrize("name", METHODS)
def test_scores_are_probabilities_one_per_cell(data, fitted, name):
    score = fitted[name].score_cells(data[1])
    assert score.shape == (90,) and score.dtype == float
    assert np.isfinite(score).all() and score.min() >= 0 and score.max() <= 1
    assert fitted[name].score_cells(data[0]).shape == (150,)


@pytest.mark.parametrize("name", LEARNERS)
def test_higher_means_more_sensitive(data, fitted, name):
    cells = data[1]
    assert roc_auc_score(cells.X[:, :4].sum(1) > 0, fitted[name].score_cells(cells)) > 0.75


@pytest.mark.parametrize("name", METHODS)
def test_other_cells_change_a_method_that_says_so_and_no_other(data, fitted, name):
    bulk, cells, mask = data
    other = make(name, mask=mask, **SETTINGS).fit(bulk, domain(90, 7))
    same = np.array_equal(other.score_cells(cells), fitted[name].score_cells(cells))
    assert learns_from_cells(name) is not same


def test_constant_answers(data, fitted):
    sensitive, resistant = ((data[0].obs["response"] == answer).sum() for answer in (1, 0))
    assert np.allclose(fitted["mean effect"].score_cells(data[1]), sensitive / (sensitive + resistant))
    assert (fitted["all sensitive"].score_cells(data[1]) == 1).all()
    assert (fitted["all resistant"].score_cells(data[1]) == 0).all()


def test_logistic_regression_is_that_of_sklearn(data, fitted):
    bulk, cells, _ = data
    y = bulk.obs["response"].to_numpy()
    known = ~np.isnan(y)
    expected = sklearn.linear_model.LogisticRegression(C=0.01, max_iter=1000).fit(bulk.X[known], y[known])
    assert np.allclose(fitted["LR"].score_cells(cells), expected.predict_proba(cells.X)[:, 1], atol=1e-6)


def test_svm_is_that_of_sklearn(data, fitted):
    bulk, cells, _ = data
    y = bulk.obs["response"].to_numpy()
    known = ~np.isnan(y)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    expected = CalibratedClassifierCV(SVC(kernel="rbf"), cv=folds, ensemble=False).fit(
        bulk.X[known], y[known]
    )
    assert np.allclose(fitted["SVM"].score_cells(cells), expected.predict_proba(cells.X)[:, 1], atol=1e-5)


def test_xgboost_is_that_of_its_library(data, fitted):
    bulk, cells, _ = data
    y = bulk.obs["response"].to_numpy()
    known = ~np.isnan(y)
    settings = {
        "n_estimators": 30,
        "max_depth": 3,
        "learning_rate": 0.1,
        "subsample": 0.8,
        "colsample_bytree": 0.1,
    }
    expected = XGBClassifier(n_jobs=1, random_state=0, **settings).fit(bulk.X[known], y[known])
    assert np.array_equal(
        fitted["XGBoost"].score_cells(cells), expected.predict_proba(cells.X)[:, 1].astype(float)
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("DT", DecisionTreeClassifier(min_samples_leaf=5, random_state=0)),
        ("RF", RandomForestClassifier(30, random_state=0)),
        ("GB", HistGradientBoostingClassifier(max_iter=30, max_depth=3, early_stopping=False)),
    ],
)
def test_trees_are_those_of_sklearn_after_loading_too(data, fitted, name, expected, tmp_path):
    bulk, cells, _ = data
    expected = expected.fit(*of_tails(bulk)).predict_proba(cells.X)[:, 1]
    fitted[name].save(tmp_path / "model")
    for model in (fitted[name], load_model(tmp_path / "model")):
        assert np.allclose(model.score_cells(cells), expected, rtol=0, atol=1e-12)
    assert len(np.unique(expected)) > 3


def test_trees_are_tuned_on_bulk_by_cross_validation(data, fitted):
    bulk, cells, _ = data
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    fixed = {"n_estimators": 30, "subsample": 0.8, "colsample_bytree": 0.1, "max_bin": 32, "random_state": 0}
    best, best_score = None, 0
    for max_depth in GRID["max_depth"]:
        for rate in GRID["learning_rate"]:
            trees = XGBClassifier(max_depth=max_depth, learning_rate=rate, **fixed)
            score = cross_val_score(trees, *of_tails(bulk), scoring="roc_auc", cv=folds).mean()
            if score > best_score:
                best, best_score = trees, score
    model = fitted["tuned XGBoost"]
    assert model.chosen_ == {"max_depth": best.max_depth, "learning_rate": best.learning_rate}
    expected = best.fit(*of_tails(bulk)).predict_proba(cells.X)[:, 1]
    assert np.allclose(model.score_cells(cells), expected, atol=1e-6)


def test_ridge_is_that_of_sklearn_on_all_tested_lines(data, fitted):
    bulk, cells, _ = data
    auc = bulk.obs["auc"].to_numpy()
    tested = ~np.isnan(auc)
    ridge = sklearn.linear_model.Ridge(alpha=20.0).fit(bulk.X[tested], auc[tested])
    # The calibration: a logistic regression on out-of-fold predictions of the tails.
    folds = KFold(5, shuffle=True, random_state=0)
    decision = -cross_val_predict(
        sklearn.linear_model.Ridge(alpha=20.0), bulk.X[tested], auc[tested], cv=folds
    )
    y = bulk.obs["response"].to_numpy()[tested]
    logistic = sklearn.linear_model.LogisticRegression(C=1 / decision.var(), tol=1e-8)
    logistic.fit(decision[~np.isnan(y), None], y[~np.isnan(y)])
    expected = logistic.predict_proba(-ridge.predict(cells.X)[:, None])[:, 1]
    assert np.ptp(expected) > 0.5 and np.allclose(fitted["ridge"].score_cells(cells), expected, atol=1e-3)


def test_the_penalty_of_ridge_is_chosen_on_bulk(data, fitted):
    X, auc = of_tested(data[0])
    folds = list(KFold(5, shuffle=True, random_state=0).split(X))

    def correlation(alpha):
        ridge = sklearn.linear_model.Ridge(alpha=alpha)
        return np.mean([np.corrcoef(ridge.fit(X[a], auc[a]).predict(X[b]), auc[b])[0, 1] for a, b in folds])

    penalties = [100, 10**2.5, 1e3, 10**3.5, 1e4, 10**4.5, 1e5, 10**5.5, 1e6]
    best = max(penalties, key=correlation)
    assert np.allclose(PENALTIES, penalties)
    assert fitted["ridge CV"].alpha_ == pytest.approx(best)
    fixed = make("ridge", alpha=best).fit(*data[:2])
    assert np.allclose(fitted["ridge CV"].score_cells(data[1]), fixed.score_cells(data[1]), atol=1e-9)


def test_signature_weights_are_correlations_and_the_limit_of_ridge(data, fitted):
    bulk, cells, _ = data
    X, auc = of_tested(bulk)
    weights = fitted["signature"].arrays_["coef"]
    assert np.allclose(weights, [np.corrcoef(gene, auc)[0, 1] for gene in X.T], atol=1e-6)
    assert np.array_equal(np.argsort(fitted["signature"].score_cells(cells)), np.argsort(-cells.X @ weights))
    X = (X - X.mean(0)) / X.std(0)
    limit = sklearn.linear_model.Ridge(alpha=1e9).fit(X.astype(float), auc)
    assert np.corrcoef(limit.coef_, weights)[0, 1] == pytest.approx(1, abs=1e-6)


def test_calibration_recovers_probabilities():
    rng = np.random.default_rng(0)
    decision = rng.normal(3.0, 0.05, size=20_000)
    p = 1 / (1 + np.exp(-(20 * decision - 61)))
    y = np.where(rng.random(20_000) < 0.2, np.nan, rng.random(20_000) < p)
    slope, offset = calibrate(decision, y)
    assert slope == pytest.approx(20, rel=0.05) and slope * 3 + offset == pytest.approx(-1, abs=0.05)


def test_calibration_without_skill_answers_the_base_rate_and_keeps_the_order():
    decision, y = np.linspace(-1, 1, 100), np.repeat([1.0, 1.0, 1.0, 0.0], 25)  # reversed
    slope, offset = calibrate(decision, y)
    score = 1 / (1 + np.exp(-(slope * decision + offset)))
    assert (np.diff(score) > 0).all() and np.allclose(score, 0.75, atol=0.01)


# ------------------------------------------------------------------------------------------- save and load


@pytest.mark.parametrize("name", METHODS)
def test_a_saved_model_scores_the_same_without_pickle(data, fitted, name, tmp_path):
    fitted[name].save(tmp_path / "model")
    fitted[name].save(tmp_path / "model")  # replaces
    loaded = load_model(tmp_path / "model")
    assert type(loaded) is METHODS[name]
    assert np.array_equal(loaded.score_cells(data[1]), fitted[name].score_cells(data[1]))
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
    for file in (tmp_path / "model").iterdir():
        assert file.suffix in {".json", ".csv", ".npz", ".skops"}
        if file.suffix == ".json":
            json.loads(file.read_text())
        if file.suffix == ".npz":
            with np.load(file, allow_pickle=False) as arrays:
                assert all(arrays[key].dtype.kind in "fiU" for key in arrays.files)


def test_loading_what_is_no_model(data, fitted, tmp_path):
    with pytest.raises(Bulk2scError, match="no saved model here"):
        load_model(tmp_path / "nothing")
    (tmp_path / "model.json").write_text("{")
    with pytest.raises(Bulk2scError, match="damaged or not of bulk2sc"):
        load_model(tmp_path)
    (tmp_path / "model.json").write_text('{"method": "LR"}')
    with pytest.raises(Bulk2scError, match="damaged or not of bulk2sc"):
        load_model(tmp_path)
    fitted["LR"].save(tmp_path)
    with pytest.raises(Bulk2scError, match="holds the method 'LR', not 'ridge'"):
        METHODS["ridge"].load(tmp_path)
    (tmp_path / "model.json").write_text('{"method": "L", "settings": {}, "genes": []}')
    with pytest.raises(Bulk2scError, match="unknown method 'L'"):
        load_model(tmp_path)


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("damage", ["truncated", "missing"])
def test_loading_a_damaged_model(fitted, name, damage, tmp_path):
    fitted[name].save(tmp_path / "model")
    (file,) = (tmp_path / "model").glob("arrays.npz" if name in WITH_ARRAYS else "*.skops")
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(Bulk2scError, match="damaged"):
        load_model(tmp_path / "model")


def test_a_pickle_in_a_model_is_refused(fitted, tmp_path):
    fitted["ridge"].save(tmp_path / "model")
    np.savez(tmp_path / "model" / "arrays.npz", coef=np.array([{}], dtype=object))
    with pytest.raises(Bulk2scError, match=r"damaged.*allow_pickle=False"):
        load_model(tmp_path / "model")


class Harm:
    def __reduce__(self):
        return print, ("harm",)


def test_code_in_a_saved_classifier_is_refused(fitted, tmp_path, capsys):
    fitted["RF"].save(tmp_path / "model")
    file = tmp_path / "model" / "classifier.skops"
    with ZipFile(file) as archive:
        assert all(name == "schema.json" or name.endswith(".npy") for name in archive.namelist())
    for harmful in (Harm(), print, {"a": Harm}):
        skops.io.dump(harmful, file)
        with pytest.raises(Bulk2scError, match=r"damaged.*[Uu]ntrusted"):
            load_model(tmp_path / "model")
    file.write_bytes(pickle.dumps(Harm()))
    with pytest.raises(Bulk2scError, match="damaged"):
        load_model(tmp_path / "model")
    assert capsys.readouterr().out == ""


def test_saving_spares_other_folders_and_leaves_nothing_half_written(fitted, tmp_path, monkeypatch):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("keep")
    for taken in ("notes", "notes/mine.txt"):
        with pytest.raises(Bulk2scError, match="not a saved model"):
            fitted["ridge"].save(tmp_path / taken)
    fitted["ridge"].save(tmp_path / "model")
    before = (tmp_path / "model" / "arrays.npz").read_bytes()
    monkeypatch.setattr(
        METHODS["ridge"], "_write", lambda self, folder: (folder / "part").write_text("x") + None
    )
    with pytest.raises(TypeError):
        fitted["ridge"].save(tmp_path / "model")
    assert (tmp_path / "model" / "arrays.npz").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model", "notes"]


def test_models_saved_at_once_do_not_disturb_each_other(data, fitted, tmp_path):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: fitted["ridge"].save(tmp_path / "model"), range(80)))
    expected = fitted["ridge"].score_cells(data[1])
    assert np.array_equal(load_model(tmp_path / "model").score_cells(data[1]), expected)
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("name", LEARNERS)
def test_what_a_kill_left_of_a_model_is_replaced(fitted, name, tmp_path):
    fitted[name].save(tmp_path / "model")
    assert {file.name for file in (tmp_path / "model").iterdir()} <= base.FILES
    (tmp_path / "model" / "model.json").unlink()
    fitted[name].save(tmp_path / "model")
    assert type(load_model(tmp_path / "model")) is METHODS[name]


# ---------------------------------------------------------------------------------------- names and errors


def test_make_leaves_out_settings_of_other_methods_only(data):
    assert make("LR", mask=data[2], seed=3, C=0.1).get_params() == {"C": 0.1}
    assert make("SVM", seed=3).get_params() == {"C": 1.0, "seed": 3}
    with pytest.raises(Bulk2scError, match=r"unknown method 'XGBost'.*Did you mean 'XGBoost'"):
        make("XGBost")
    with pytest.raises(Bulk2scError, match=r"no method has the setting 'droput'.*Did you mean 'dropout'"):
        make("LR", droput=0.1)


@pytest.mark.parametrize("name", LEARNERS)
def test_labels_that_cannot_be_learnt_from(data, name):
    bulk, cells, mask = data
    one_class, few = bulk.copy(), bulk.copy()
    one_class.obs["response"] = 0.0
    few.obs["response"] = np.where(np.arange(150) == 20, 1.0, np.where(np.arange(150) < 40, 0.0, np.nan))
    model = make(name, mask=mask, **SETTINGS)
    with pytest.raises(Bulk2scError, match="0 sensitive and 150 resistant"):
        model.fit(one_class, cells)
    with pytest.raises(Bulk2scError, match=r"1 sensitive and 39 resistant.*at least 5 of each"):
        model.fit(few, cells)


@pytest.mark.parametrize("name", ["ridge", "ridge CV", "signature"])
def test_regressions_need_auc(data, name):
    bulk = data[0].copy()
    del bulk.obs["auc"]
    with pytest.raises(Bulk2scError, match=r"obs\['auc'\] is missing.*label_bulk"):
        make(name).fit(bulk, data[1])


@pytest.mark.parametrize("name", [name for name in METHODS if not name.endswith("AE")])
def test_same_seed_same_numbers(data, fitted, name):
    again = make(name, mask=data[2], **SETTINGS).fit(*data[:2])
    assert np.array_equal(again.score_cells(data[1]), fitted[name].score_cells(data[1]))


@pytest.mark.parametrize("name", METHODS)
def test_not_fitted(data, name, tmp_path):
    model = make(name, mask=data[2])
    for act in (lambda: model.score_cells(data[1]), lambda: model.save(tmp_path / "model")):
        with pytest.raises(Bulk2scError, match="not fitted"):
            act()
