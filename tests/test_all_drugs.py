"""All drugs at once: each is fitted exactly as scikit-learn fits it alone; panels of real cells, by drug."""

import numpy as np
import pandas as pd
import planted
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold

from bulk2sc.errors import Bulk2scError
from bulk2sc.models.all_drugs import AllDrugs


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


def test_cross_validation_leaves_lines_out_of_every_fit():
    bulk = planted.tested_lines()
    model, splits = AllDrugs(penalty=5.0), list(KFold(4, shuffle=True, random_state=3).split(bulk))
    found = model.cross_validate(bulk, splits)
    for fitting, left_out in splits:
        expected = AllDrugs(penalty=5.0).fit(bulk[fitting]).predict(bulk[left_out])
        np.testing.assert_allclose(found.iloc[left_out], expected, atol=1e-6)
    assert (found.corrwith(pd.DataFrame(bulk.obsm["auc"], found.index, found.columns)) > 0.5).all()


def test_saved_and_read_it_predicts_the_same(tmp_path):
    bulk, cells = planted.tested_lines(), planted.tested_lines(30, seed=2)
    model = AllDrugs(penalty=5.0).fit(bulk)
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
