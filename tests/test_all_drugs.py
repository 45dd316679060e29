"""All drugs at once: each is fitted exactly as scikit-learn fits it alone; panels of real cells, by drug."""

import anndata as ad
import numpy as np
import pandas as pd
import planted
import pytest
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold, KFold

from bulk2sc.errors import Bulk2scError
from bulk2sc.models.all_drugs import AllDrugs, line_clusters, similarity


@pytest.mark.parametrize("drug", range(4))
def test_each_drug_is_scikit_learns_ridge_on_its_tested_lines(drug):
    bulk, cells = planted.tested_lines(), planted.tested_lines(30, seed=2)
    auc = bulk.obsm["auc"][:, drug]
    tested = ~np.isnan(auc)
    alone = Ridge(alpha=50.0).fit(bulk.X[tested].astype(float), auc[tested])
    model = AllDrugs(penalty=50.0).fit(bulk)
    np.testing.assert_allclose(model.weights_.iloc[:, drug], alone.coef_, atol=1e-10)
    np.testing.assert_allclose(model.predict(cells).iloc[:, drug], alone.predict(cells.X), atol=1e-6)
    some = AllDrugs(penalty=50.0).fit(bulk, ["abcd"[drug]])
    np.testing.assert_allclose(some.predict(cells)["abcd"[drug]], alone.predict(cells.X), atol=1e-6)


def test_with_a_kernel_it_is_scikit_learns_kernel_ridge():
    """Which has no intercept, so it is given responses without it."""
    bulk, cells = planted.tested_lines(), planted.tested_lines(30, seed=2)
    tested = ~np.isnan(bulk.obsm["auc"][:, 0])
    X, auc = bulk.X[tested].astype(float), bulk.obsm["auc"][tested, 0]
    model = AllDrugs(penalty=2.0, kernel="rbf").fit(bulk)
    intercept = model.arrays_["intercept"][0]
    alone = KernelRidge(alpha=2.0 / 25, kernel="rbf", gamma=1 / 50).fit(X, auc - intercept)
    np.testing.assert_allclose(model.predict(cells)["a"] - intercept, alone.predict(cells.X), atol=1e-6)
    assert model.arrays_["duals"].sum() == pytest.approx(0, abs=1e-10)
    near = 1e-3 * X[:5]  # alike: the linear kernel but for what an intercept takes up
    n = X.shape[1]
    expected = n + near @ near.T - (near**2).sum(1)[:, None] / 2 - (near**2).sum(1) / 2
    np.testing.assert_allclose(similarity(near, near, "rbf"), expected, atol=1e-8)


def test_cross_validation_leaves_lines_out_of_every_fit():
    bulk = planted.tested_lines()
    model, splits = AllDrugs(penalty=5.0), list(KFold(4, shuffle=True, random_state=3).split(bulk))
    found = model.cross_validate(bulk, splits)
    for fitting, left_out in splits:
        expected = AllDrugs(penalty=5.0).fit(bulk[fitting]).predict(bulk[left_out])
        np.testing.assert_allclose(found.iloc[left_out], expected, atol=1e-6)
    assert (found.corrwith(pd.DataFrame(bulk.obsm["auc"], found.index, found.columns)) > 0.5).all()


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_saved_and_read_it_predicts_the_same(kernel, tmp_path):
    bulk, cells = planted.tested_lines(), planted.tested_lines(30, seed=2)
    model = AllDrugs(penalty=5.0, kernel=kernel).fit(bulk)
    model.save(tmp_path / "model")
    again = AllDrugs.load(tmp_path / "model")
    pd.testing.assert_frame_equal(again.predict(cells), model.predict(cells), atol=1e-6)
    shuffled = cells[:, ::-1].copy()
    pd.testing.assert_frame_equal(again.predict(shuffled), model.predict(cells), atol=1e-5)


def test_of_two_measures_the_mean_of_both_regressions_is_predicted():
    """Two that agree but for their scale are one; else each is as scikit-learn fits it."""
    bulk, cells = planted.tested_lines(), planted.tested_lines(30, seed=2)
    auc = bulk.obsm["auc"]
    bulk.obsm["ln_ic50"] = 3 * auc - 5
    model, splits = AllDrugs(penalty=5.0, ic50_penalty=5.0), list(KFold(4).split(bulk))
    alone = AllDrugs(penalty=5.0)
    pd.testing.assert_frame_equal(model.fit(bulk).predict(cells), alone.fit(bulk).predict(cells))
    pd.testing.assert_frame_equal(model.cross_validate(bulk, splits), alone.cross_validate(bulk, splits))
    other = np.random.default_rng(0).normal(size=auc.shape)
    bulk.obsm["ln_ic50"] = np.where(np.isnan(auc), np.nan, other)
    y, x = auc[:-2, 0], other[:-2, 0]
    x = y.mean() + y.std(ddof=1) * (x - x.mean()) / x.std(ddof=1)
    fits = [Ridge(alpha=a).fit(bulk.X[:-2].astype(float), v).predict(cells.X) for a, v in ((5, y), (9, x))]
    found = AllDrugs(penalty=5.0, ic50_penalty=9.0).fit(bulk).predict(cells)
    np.testing.assert_allclose(found["a"], np.mean(fits, axis=0), atol=1e-6)


def test_lines_of_a_tissue_are_left_out_together():
    """Three planted tissues are found, and none is on both sides of a fold."""
    rng = np.random.default_rng(0)
    tissue = np.repeat([0, 1, 2], 40)
    centres = 3 * rng.normal(size=(3, 50))
    bulk = ad.AnnData(np.zeros((120, 50)))
    bulk.layers["scaled"] = (centres[tissue] + rng.normal(size=(120, 50))).astype("float32")
    found = line_clusters(bulk, 3)
    assert len(set(zip(tissue, found, strict=True))) == 3
    for fitting, left_out in GroupKFold(3).split(bulk.X, groups=found):
        assert not set(tissue[fitting]) & set(tissue[left_out])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda bulk: bulk.obsm.pop("auc"), "obsm\\['auc'\\] or uns"),
        (lambda bulk: bulk.layers.pop("scaled"), "layers\\['scaled'\\] is missing"),
        (
            lambda bulk: bulk.obsm["auc"].__setitem__((slice(4, None), 3), np.nan),
            "d was tested on fewer than 5",
        ),
    ],
)
def test_what_is_missing_is_named(change, message):
    bulk = planted.tested_lines()
    change(bulk)
    with pytest.raises(Bulk2scError, match=message):
        AllDrugs().fit(bulk)
    with pytest.raises(Bulk2scError, match="neither linear nor rbf"):
        AllDrugs(kernel="cubic").fit(planted.tested_lines())
