"""No answers in: what a model may see of the cells it learns from and scores."""

import numpy as np
import pandas as pd
import planted
import pytest

from bulk2sc.models import METHODS, Model, make

QUICK = {"hidden": 16, "max_epochs": 4, "batch_size": 64, "n_estimators": 10}


@pytest.fixture(scope="module")
def data():
    bulk, cells, mask = planted.lines_and_cells()
    # Everything an experiment or a simulation may know, all of it telling the response.
    response = np.repeat([0.0, 1.0], 100)
    cells.obs_names = [f"{'treated' if r else 'control'}_{i}" for i, r in enumerate(response)]
    for column in ("response", "response_unfiltered", "truth"):
        cells.obs[column] = response
    for column in ("sample", "cell_line", "planted", "clone", "cluster"):
        cells.obs[column] = pd.Categorical(np.where(response, "a", "b"))
    cells.obs["treated"] = response.astype(bool)
    cells.obsm["X_pca"] = np.c_[response, response]
    cells.obsp["connectivities"] = np.equal.outer(response, response).astype(float)
    cells.uns["answers"] = response
    cells.varm["PCs"], cells.raw = cells.X.T, cells
    return bulk, cells, mask


def permuted(cells):
    """Return the cells with all that may carry an answer in another order, and the same X, layers, var."""
    order = np.random.default_rng(3).permutation(cells.n_obs)
    other = cells.copy()
    other.obs = cells.obs.iloc[order].set_axis(cells.obs_names[::-1])
    other.obsm["X_pca"] = cells.obsm["X_pca"][order]
    other.obsp["connectivities"] = cells.obsp["connectivities"][order][:, order]
    other.uns["answers"] = cells.uns["answers"][order]
    assert not np.array_equal(other.obs["truth"], cells.obs["truth"])
    return other


@pytest.mark.parametrize("name", METHODS)
def test_permuting_every_answer_leaves_scores_identical(data, name):
    bulk, cells, mask = data
    models = [make(name, mask=mask, **QUICK).fit(bulk, single) for single in (cells, permuted(cells))]
    scores = [model.score_cells(single) for model in models for single in (cells, permuted(cells))]
    for score in scores[1:]:
        assert np.array_equal(score, scores[0])


class Spy(Model):
    """A method that tries to learn from whatever it is given."""

    name = "spy"

    def _fit(self, bulk, cells):
        self.seen_ = [cells]

    def _score(self, cells):
        self.seen_.append(cells)
        return np.zeros(cells.n_obs)


def test_a_spy_sees_expression_only(data):
    bulk, cells, _ = data
    spy = Spy().fit(bulk, cells)
    spy.score_cells(cells)
    assert len(spy.seen_) == 2
    for seen in spy.seen_:
        assert (
            list(seen.obs.columns) == []
            and not (seen.obsm or seen.obsp or seen.uns or seen.varm)
            and seen.raw is None
        )
        assert not set(seen.obs_names) & set(cells.obs_names)
        assert np.array_equal(seen.layers["scaled"], cells.layers["scaled"])
        seen.layers["scaled"][:] = 0  # a copy: the caller's cells are out of reach
    assert cells.layers["scaled"].any()


def test_no_method_goes_round_the_blinding():
    for method in METHODS.values():
        assert method.fit is Model.fit and method.score_cells is Model.score_cells
