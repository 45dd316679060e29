import re

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from bulk2sc.datasets.genes import gene_ids, gene_sets
from bulk2sc.datasets.made_up import EFFECTS, PROGRAMMES, made_up_bulk
from bulk2sc.datasets.simulate import CYCLE, PLANTED_MARKERS


@pytest.fixture(scope="module")
def bulk():
    return made_up_bulk()


def test_form(bulk):
    assert bulk.shape == (120, 600) and bulk.X.dtype == np.float32
    assert bulk.obs_names[0] == "MADEUP001" and bulk.obs_names.is_unique and bulk.var_names.is_unique
    assert list(bulk.obs_names) == [re.sub("[^A-Z0-9]", "", name.upper()) for name in bulk.obs["cell_line"]]
    assert bulk.uns["made_up"] and bulk.uns["drugs"] == list(EFFECTS)
    for measure in ("auc", "ln_ic50"):
        assert bulk.obsm[measure].shape == (120, len(EFFECTS)) and bulk.obsm[measure].dtype == np.float32


def test_lines_are_z_scored(bulk):
    np.testing.assert_allclose(bulk.X.mean(1), 0, atol=1e-5)
    np.testing.assert_allclose(bulk.X.std(1), 1, atol=1e-5)


@pytest.mark.parametrize("n_genes", [200, 600])
def test_genes_are_real_and_every_planted_thing_has_some(n_genes):
    genes = set(made_up_bulk(n_genes=n_genes).var_names)
    assert len(genes) == n_genes
    # A few members of the Hallmark sets (2022) have been renamed since.
    assert len(genes - set(gene_ids()["symbol"])) <= 0.01 * n_genes
    assert genes.issuperset(sum(PLANTED_MARKERS.values(), ()))
    hallmark = gene_sets("hallmark")
    assert min(len(genes.intersection(hallmark[name])) for name in (*PROGRAMMES, *CYCLE.values())) >= 20


@pytest.mark.parametrize("drug", EFFECTS)
def test_auc_is_linear_in_the_planted_programmes(bulk, drug):
    auc = bulk.obsm["auc"][:, list(EFFECTS).index(drug)]
    tested = np.isfinite(auc)
    fit = LinearRegression().fit(bulk.obsm["activity"][tested], auc[tested])
    assert fit.score(bulk.obsm["activity"][tested], auc[tested]) > 0.7
    planted = [-0.06 * bulk.uns["planted"][drug].get(name, 0) for name in PROGRAMMES]  # active = sensitive
    np.testing.assert_allclose(fit.coef_, planted, atol=0.012)


def test_the_seed_decides(bulk):
    again, other = made_up_bulk(seed=0), made_up_bulk(seed=1)
    np.testing.assert_array_equal(bulk.X, again.X)
    np.testing.assert_array_equal(bulk.obsm["auc"], again.obsm["auc"])
    assert not np.allclose(bulk.X, other.X)
