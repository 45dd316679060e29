import pickle
from zipfile import ZipFile

import numpy as np
import planted
import pytest
import sklearn.linear_model
import skops.io
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import KFold, cross_val_predict

from bulk2sc.errors import Bulk2scError
from bulk2sc.models import METHODS, base, learns_from_cells, load_model, make
from bulk2sc.models.baselines import BASELINES, PENALTIES, calibrate

CONSTANT = ["mean effect", "all sensitive", "all resistant"]
LEARNERS = [name for name in METHODS if name not in CONSTANT]
WITH_ARRAYS = [name for name, method in METHODS.items() if method not in BASELINES.values()]
SETTINGS = {
    "hidden": 32,
    "schedule": "joint",
    "max_epochs": 12,
    "batch_size": 64,
    "n_estimators": 20,
    "alpha": 20.0,
}


@pytest.fixture(scope="module")
def data():
    return planted.lines_and_cells()


@pytest.fixture(scope="module")
def fitted(data):
    bulk, cells, mask = data
    return {name: make(name, mask=mask, **SETTINGS).fit(bulk, cells) for name in METHODS}


def of_tested(bulk):
    known = bulk.obs["auc"].notna().to_numpy()
    return bulk.X[known], bulk.obs["auc"].to_numpy()[known]


def test_the_methods_of_the_comparison():
    figure_3 = {"LR", "SVM", "DT", "RF", "GB", "XGBoost"}
    demanded = {"mean effect", "signature", "ridge", "ridge CV", "tuned XGBoost", *CONSTANT}
    assert set(METHODS) >= figure_3 | demanded | {"shared AE"}
    assert type(make("share AE + pathways", mask=None)).name == "shared AE"
    assert all(method.name == name for name, method in METHODS.items())


@pytest.mark.parametrize("name", METHODS)
def test_scores_are_probabilities_one_per_cell(data, fitted, name):
    score = fitted[name].score_cells(data[1])
    assert score.shape == (200,) and score.dtype == float
    assert np.isfinite(score).all() and score.min() >= 0 and score.max() <= 1
    assert fitted[name].score_cells(data[0]).shape == (160,)


@pytest.mark.parametrize("name", LEARNERS)
def test_higher_means_more_sensitive(data, fitted, name):
    cells = data[1]
    assert roc_auc_score(cells.obs["activity"] > 0, fitted[name].score_cells(cells)) > 0.75


@pytest.mark.parametrize("name", METHODS)
def test_other_cells_change_a_method_that_says_so_and_no_other(data, fitted, name):
    bulk, cells, mask = data
    other = make(name, mask=mask, **SETTINGS).fit(bulk, planted.domain(200, 7))
    same = np.array_equal(other.score_cells(cells), fitted[name].score_cells(cells))
    assert learns_from_cells(name) is not same


def test_constant_answers(data, fitted):
    sensitive, resistant = ((data[0].obs["response"] == answer).sum() for answer in (1, 0))
    assert np.allclose(fitted["mean effect"].score_cells(data[1]), sensitive / (sensitive + resistant))
    assert (fitted["all sensitive"].score_cells(data[1]) == 1).all()
    assert (fitted["all resistant"].score_cells(data[1]) == 0).all()


def test_ridge_is_that_of_sklearn_on_all_tested_lines(data, fitted):
    (bulk, cells, _), (X, auc) = data, of_tested(data[0])
    ridge = sklearn.linear_model.Ridge(alpha=20.0).fit(X, auc)
    # The calibration: a logistic regression on out-of-fold predictions of the tails.
    folds = KFold(5, shuffle=True, random_state=0)
    decision = -cross_val_predict(ridge, X, auc, cv=folds)
    y = bulk.obs["response"].to_numpy()[bulk.obs["auc"].notna()]
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

    best = max(PENALTIES, key=correlation)
    assert fitted["ridge CV"].alpha_ == pytest.approx(best)
    fixed = make("ridge", alpha=best).fit(*data[:2])
    assert np.allclose(fitted["ridge CV"].score_cells(data[1]), fixed.score_cells(data[1]), atol=1e-9)


def test_signature_weights_are_correlations(data, fitted):
    bulk, cells, _ = data
    X, auc = of_tested(bulk)
    weights = fitted["signature"].arrays_["coef"]
    assert np.allclose(weights, [np.corrcoef(gene, auc)[0, 1] for gene in X.T], atol=1e-6)
    assert np.array_equal(np.argsort(fitted["signature"].score_cells(cells)), np.argsort(-cells.X @ weights))


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
    assert {file.suffix for file in (tmp_path / "model").iterdir()} <= {".json", ".csv", ".npz", ".skops"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no saved model here"),
        ("{", "damaged or not of bulk2sc"),
        ('{"method": "LR"}', "damaged or not of bulk2sc"),
        ('{"method": "L", "settings": {}, "genes": []}', "method 'L' is unknown"),
    ],
)
def test_loading_what_is_no_model(text, message, tmp_path):
    if text:
        (tmp_path / "model.json").write_text(text)
    with pytest.raises(Bulk2scError, match=message):
        load_model(tmp_path)


@pytest.mark.parametrize("name", ["ridge", "RF", "shared AE"])
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


@pytest.mark.parametrize("name", ["ridge", "RF", "shared AE"])
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
    with pytest.raises(Bulk2scError, match=r"method 'XGBost' is unknown.*Did you mean 'XGBoost'"):
        make("XGBost")
    with pytest.raises(Bulk2scError, match=r"methods: setting 'droput' is unknown.*Did you mean 'dropout'"):
        make("LR", droput=0.1)


@pytest.mark.parametrize("name", ["ridge", "LR", "shared AE"])
@pytest.mark.parametrize(
    ("response", "message"),
    [
        (np.zeros(160), "0 sensitive and 160 resistant"),
        (np.repeat([1, 0, np.nan], [1, 39, 120]), "1 sensitive and 39 resistant.*at least 5 of each"),
    ],
)
def test_labels_that_cannot_be_learnt_from(data, name, response, message):
    bulk, cells, mask = data[0].copy(), *data[1:]
    bulk.obs["response"], bulk.obs["auc"] = response, bulk.obs["activity"]
    with pytest.raises(Bulk2scError, match=message):
        make(name, mask=mask, **SETTINGS).fit(bulk, cells)


@pytest.mark.parametrize("name", ["ridge", "LR", "shared AE"])
def test_not_fitted(data, name, tmp_path):
    model = make(name, mask=data[2])
    for act in (lambda: model.score_cells(data[1]), lambda: model.save(tmp_path / "model")):
        with pytest.raises(Bulk2scError, match="not fitted"):
            act()
