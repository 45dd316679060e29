import numpy as np
import pandas as pd
import planted
import pytest
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score, silhouette_score

from bulk2sc import clustering


@pytest.fixture(scope="module")
def groups():
    return planted.cells()


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


@pytest.mark.parametrize("n_cells", [3, 8])
@pytest.mark.parametrize(
    "cluster", [clustering.communities, clustering.kmeans, lambda cells: louvain(cells, 0)]
)
def test_fewer_cells_than_neighbours_or_clusters(groups, cluster, n_cells):
    few = cluster(groups[:: 180 // n_cells][:n_cells].copy())
    assert 1 <= few.obs["cluster"].nunique() < n_cells


def louvain(cells, seed):
    return clustering.communities(cells, method="louvain", seed=seed)


def test_louvain_and_kmeans_find_planted_groups_without_being_told_their_number(groups):
    for found in (louvain(groups, 0), clustering.kmeans(groups)):
        assert clustering.agreement(found.obs["cluster"], groups.obs["group"])["ARI"] == 1.0


def test_groups_on_a_code_of_ones_own(groups):
    cells = groups.copy()
    cells.obsm["X_mine"] = np.repeat(np.eye(3), 60, axis=0) * 9 + np.random.default_rng(0).normal(
        size=(180, 3)
    )
    found = clustering.group(cells, "X_mine", resolution=0.1)
    assert clustering.agreement(found.obs["cluster"], groups.obs["group"])["ARI"] == 1.0
    assert "cluster" not in cells.obs


def test_agreement_is_sklearns_and_ignores_names():
    rng = np.random.default_rng(0)
    labels, truth = rng.integers(0, 4, 200), rng.integers(0, 3, 200)
    labels[:80] = truth[:80]
    got = clustering.agreement([f"cluster {i}" for i in labels], pd.Categorical(truth))
    assert got["ARI"] == pytest.approx(adjusted_rand_score(truth, labels))
    assert got["NMI"] == pytest.approx(normalized_mutual_info_score(truth, labels))


def test_silhouette_by_hand_and_as_sklearns():
    # Distances within 1 and between 10 to 11: s = 1 - 1/10.5 for cells 0 and 3, 1 - 1/9.5 for 1 and 2.
    code = np.array([[0.0], [1.0], [10.0], [11.0]])
    assert clustering.silhouette(code, list("aabb")) == pytest.approx(1 - (1 / 10.5 + 1 / 9.5) / 2)
    rng = np.random.default_rng(0)
    code, labels = rng.normal(size=(50, 4)), rng.integers(0, 3, 50)
    assert clustering.silhouette(code, labels) == pytest.approx(silhouette_score(code, labels))


def test_silhouette_of_many_cells_is_that_of_a_sample(monkeypatch):
    monkeypatch.setattr("bulk2sc.clustering.measures.MOST_CELLS", 1000)
    code = np.repeat([0.0, 5.0], 1000)[:, None] + np.random.default_rng(0).normal(size=(2000, 1))
    labels = np.repeat([0, 1], 1000)
    assert clustering.silhouette(code, labels) == pytest.approx(silhouette_score(code, labels), abs=0.02)


def test_permuted_genes_keep_their_counts_and_lose_their_company(groups):
    permuted = clustering.permute_genes(groups)
    before, after = groups.layers["counts"].toarray(), permuted.layers["counts"].toarray()
    np.testing.assert_array_equal(np.sort(before, axis=0), np.sort(after, axis=0))
    markers = slice(0, 30)  # of one group, so they vary together
    assert np.corrcoef(before[:, markers].T).mean() > 0.5
    assert abs(np.corrcoef(after[:, markers].T).mean() - 1 / 30) < 0.03
    np.testing.assert_array_equal(after, clustering.permute_genes(groups).layers["counts"].toarray())
    assert (after != clustering.permute_genes(groups, seed=1).layers["counts"].toarray()).any()
