"""Cells averaged with their neighbours: what is averaged with what, and what must make no difference."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from bulk2sc import pp
from bulk2sc.errors import Bulk2scError
from bulk2sc.pp import pooling


def log_cells(n: int = 120, n_genes: int = 300, kinds: int = 3, seed: int = 0) -> AnnData:
    """Return normalised sparse cells of a few kinds in two samples, all kinds in both."""
    rng = np.random.default_rng(seed)
    rates = rng.gamma(0.5, 2.0, (kinds, n_genes))
    kind = np.arange(n) % kinds
    obs = pd.DataFrame(
        {
            "sample": np.where(np.arange(n) < n // 2, "s1", "s2"),
            "cell_line": kind.astype(str),
            "truth": (kind == 0).astype(float),
        },
        index=[f"c{i}" for i in range(n)],
    )
    var = pd.DataFrame(index=[f"g{i:04d}" for i in range(n_genes)])
    counts = sparse.csr_matrix(rng.poisson(rates[kind]).astype("float32"))
    return pp.normalise(AnnData(counts, obs=obs, var=var))


def test_a_small_case_by_hand():
    # Pairs of like cells along one gene: with one neighbour each becomes the mean of its pair, in every gene.
    X = np.array([[0.5, 1.0], [0.5, 3.0], [9.5, 5.0], [9.5, 6.0]], "float32")
    pooled = pp.pool(AnnData(X), 1)
    assert np.allclose(pooled.X, [[0.5, 2.0], [0.5, 2.0], [9.5, 5.5], [9.5, 5.5]])
    assert pooled.uns["pool"] == {"k": 1, "fewest": 1, "most": 1}


def test_each_cell_weighs_the_same_in_its_mean():
    cells = log_cells()
    del cells.obs["sample"]
    code = pooling._components(cells.X)
    distance = np.linalg.norm(code[:, None] - code[None], axis=2)
    nearest = np.argsort(distance, axis=1)[:, :6]  # the cell itself and five others
    assert np.allclose(pp.pool(cells, 5).X, cells.X.toarray()[nearest].mean(axis=1), atol=1e-5)


def test_no_label_and_no_name_is_looked_at():
    cells = log_cells()
    other = cells.copy()
    rng = np.random.default_rng(1)
    for column in other.obs.columns.drop("sample"):
        other.obs[column] = rng.permutation(other.obs[column].to_numpy())
    other.obs_names = rng.permutation(other.obs_names)
    other.obsm["X_pca"] = rng.normal(size=(cells.n_obs, 3))
    assert np.array_equal(pp.pool(cells, 5).X, pp.pool(other, 5).X)


@pytest.mark.parametrize("n_genes", [40, 300])  # the two ways to the components
def test_the_order_of_the_cells_makes_no_difference(n_genes):
    cells = log_cells(n_genes=n_genes)
    order = np.random.default_rng(2).permutation(cells.n_obs)
    assert np.allclose(pp.pool(cells[order].copy(), 5).X, pp.pool(cells, 5).X[order], atol=1e-5)


def test_samples_never_mix():
    cells = log_cells()
    first = (cells.obs["sample"] == "s1").to_numpy()
    alone, together = pp.pool(cells[first].copy(), 5), pp.pool(cells, 5)
    assert np.allclose(alone.X, together.X[first], atol=1e-5)
    joined = cells.copy()
    joined.obs["sample"] = "one"
    assert not np.allclose(pp.pool(joined, 5).X, together.X)


def test_few_neighbours_of_few_cells():
    assert [pp.most_neighbours(n) for n in (1, 2, 4, 9, 100, 256)] == [0, 0, 1, 2, 9, 15]
    cells = log_cells(110)
    cells.obs["sample"] = np.where(np.arange(110) < 100, "large", "small")
    pooled = pp.pool(cells, 50)
    assert pooled.uns["pool"] == {"k": 50, "fewest": 2, "most": 9}
    assert np.array_equal(pooled.X, pp.pool(cells, 9).X)


def test_cells_that_are_all_alike_are_their_own_mean():
    X = np.full((30, 5), 1.5, "float32")
    assert np.allclose(pp.pool(AnnData(X), 3).X, X)


@pytest.mark.parametrize(
    ("cells", "k", "found"),
    [
        (AnnData(np.ones((4, 3), "float32")), 2, "whole numbers"),
        (AnnData(np.full((4, 3), 0.5, "float32")), -1, "pool is -1"),
    ],
)
def test_what_cannot_be_pooled(cells, k, found):
    with pytest.raises(Bulk2scError, match=found):
        pp.pool(cells, k)


# --- In the study ------------------------------------------------------------------------------------------


@pytest.fixture
def lines():
    rng = np.random.default_rng(6)
    var = pd.DataFrame(index=[f"g{i:04d}" for i in range(300)])
    return AnnData(rng.normal(size=(40, 300)).astype("float32"), var=var)


def test_pair_pools_before_it_scales_and_chooses_the_same_genes(lines):
    cells = log_cells()
    (_, single), (_, pooled) = (pp.pair(lines, cells, n_hvg=100, pool=k) for k in (0, 5))
    assert pooled.var_names.equals(single.var_names)
    by_hand = pp.zscore(pp.pool(cells[:, single.var_names].copy(), 5).X)
    assert np.array_equal(pooled.layers["scaled"], by_hand)
    assert (pooled.layers["counts"] != single.layers["counts"]).nnz == 0
