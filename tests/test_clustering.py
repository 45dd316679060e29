import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from bulk2sc import clustering


@pytest.fixture(scope="module")
def groups():
    """Three groups of 60 cells, 300 genes; 30 genes mark each group."""
    rng = np.random.default_rng(0)
    truth = np.repeat(list("abc"), 60)
    rates = np.full((180, 300), 0.5)
    for i, group in enumerate("abc"):
        rates[np.ix_(truth == group, range(30 * i, 30 * i + 30))] = 5
    X = np.log1p(rng.poisson(rates)).astype("float32")
    obs = pd.DataFrame({"group": truth}, index=[f"c{i}" for i in range(180)])
    return AnnData(X, obs=obs, var=pd.DataFrame(index=[f"g{i}" for i in range(300)]))


@pytest.fixture(scope="module")
def clustered(groups):
    return clustering.leiden(groups, resolution=0.3, n_pcs=10)


def test_planted_groups_are_found(clustered, groups):
    assert clustering.agreement(clustered.obs["cluster"], groups.obs["group"]) == {"ARI": 1.0, "NMI": 1.0}
    assert clustered.obs["cluster"].dtype == "category"
    assert clustered.obsm["X_pca"].shape == (180, 10)
    assert clustered.obsm["X_umap"].shape == (180, 2)
    assert "cluster" not in groups.obs


def test_same_seed_same_everything(clustered, groups):
    again = clustering.leiden(groups, resolution=0.3, n_pcs=10)
    assert list(again.obs["cluster"]) == list(clustered.obs["cluster"])
    np.testing.assert_array_equal(again.obsm["X_umap"], clustered.obsm["X_umap"])


def test_higher_resolution_gives_more_clusters(clustered, groups):
    fine = clustering.leiden(groups, resolution=3.0, n_pcs=10)
    assert fine.obs["cluster"].nunique() > clustered.obs["cluster"].nunique() == 3


def test_few_cells_are_clustered_with_fewer_components(groups):
    few = clustering.leiden(groups[::9].copy(), n_pcs=50)
    assert few.obsm["X_pca"].shape == (20, 19)


def test_agreement_is_sklearns_and_ignores_names():
    rng = np.random.default_rng(0)
    labels, truth = rng.integers(0, 4, 200), rng.integers(0, 3, 200)
    labels[:80] = truth[:80]
    got = clustering.agreement([f"cluster {i}" for i in labels], pd.Categorical(truth))
    assert got["ARI"] == pytest.approx(adjusted_rand_score(truth, labels))
    assert got["NMI"] == pytest.approx(normalized_mutual_info_score(truth, labels))


def test_cells_without_truth_are_left_out():
    truth = pd.Series([1.0, 1.0, 0.0, 0.0, np.nan, np.nan])
    assert clustering.agreement(list("aabbab"), truth)["ARI"] == 1.0
    assert (
        clustering.agreement(list("aabbab"), pd.Categorical(["x", "x", "y", "y", None, None]))["ARI"] == 1.0
    )


def test_permuted_labels_agree_by_chance_only():
    truth = np.repeat(list("abc"), 50)
    null = clustering.permuted_agreement(truth, truth, n=100)
    assert null.shape == (100, 2)
    assert abs(null["ARI"].mean()) < 0.01
    assert null["ARI"].max() < 0.2 < clustering.agreement(truth, truth)["ARI"]
    pd.testing.assert_frame_equal(null, clustering.permuted_agreement(truth, truth, n=100))
