"""Clustering on principal components, sample by sample, and what is measured of clusters."""

from functools import partial

import numpy as np
import pandas as pd
import planted
import pytest
from book_fixtures import ROOT
from sklearn.metrics import silhouette_score

from bulk2sc import clustering, pp, steps
from bulk2sc.clustering import compare
from bulk2sc.clustering.attention_ae import attention_ae
from bulk2sc.clustering.classic import join
from bulk2sc.errors import Bulk2scError

METHODS = [clustering.communities, clustering.kmeans, partial(clustering.communities, method="louvain")]


@pytest.fixture(scope="module")
def groups():
    return planted.cells()


def test_planted_groups_are_found_again_with_the_same_seed(groups):
    found, again = (clustering.leiden(groups, resolution=0.3) for _ in range(2))
    assert clustering.agreement(found.obs["cluster"], groups.obs["group"]) == {"ARI": 1.0, "NMI": 1.0}
    assert found.obs["cluster"].dtype == "category" and "cluster" not in groups.obs
    np.testing.assert_array_equal(again.obsm["X_umap"], found.obsm["X_umap"])


@pytest.mark.parametrize("cluster", METHODS[1:])
def test_groups_are_found_without_being_told_their_number(groups, cluster):
    assert clustering.agreement(cluster(groups).obs["cluster"], groups.obs["group"])["ARI"] == 1.0


@pytest.mark.parametrize("n_cells", [3, 8])
@pytest.mark.parametrize("cluster", METHODS)
def test_fewer_cells_than_neighbours_or_clusters(groups, cluster, n_cells):
    few = cluster(groups[:: 180 // n_cells][:n_cells].copy())
    assert 1 <= few.obs["cluster"].nunique() < n_cells


def test_clusters_of_later_chapters_come_from_either_method(groups):
    quick = {"clustering_epochs": 2, "cluster_stage_epochs": 2}
    for method, code in {"leiden": "X_pca", "attention_ae": "X_attention_ae"}.items():
        found = steps.clustered(groups, clustering_method=method, **quick)
        assert {code, "X_umap"} <= set(found.obsm)
        assert found.obs["cluster"].dtype == "category"
        assert "connectivities" in found.obsp, "the labelling draws other clusters from this graph"
    with pytest.raises(Bulk2scError, match="clustering_method: 'k-means' is neither leiden nor attention_ae"):
        steps.clustered(groups, clustering_method="k-means")


# ------------------------------------------------------------------------------------------ sample by sample


def test_clusters_of_samples_are_joined_by_what_they_express_whatever_a_batch_does_to_every_gene(groups):
    cells = groups.copy()
    cells.obs["sample"] = ["p1", "p2"] * 90
    cells.obs.loc[cells.obs["group"] == "c", "sample"] = "p2"  # p1 lacks a group
    moved = cells.X.toarray()
    moved[(cells.obs["sample"] == "p2").to_numpy()] += np.random.default_rng(0).normal(size=cells.n_vars)
    cells.X = moved

    def in_own_words(cells, *, seed):  # names of groups that no other sample uses
        found = cells.copy()
        found.obs["cluster"] = found.obs["group"].astype(str) + found.obs["sample"].iloc[0]
        return found

    found = clustering.by_sample(cells, run=in_own_words).obs
    assert clustering.agreement(found["cluster"], found["group"])["ARI"] == 1
    assert "cluster" not in cells.obs


def test_join_by_hand():
    up, down, other = [1.0, 2, 3, 4], [4.0, 3, 2, 1], [1.0, -1, -1, 1]
    numbers = join(np.array([up, down, down, up, other]), list("ssttt"))
    assert numbers[0] == numbers[3] != numbers[1] == numbers[2]
    assert list(numbers).count(numbers[4]) == 1


@pytest.mark.verify
def test_five_lines_are_recovered_sample_by_sample_and_not_pooled(mixology):
    cells = pp.normalise(pp.resolve_symbols(mixology.copy()))
    run = partial(attention_ae, n_hvg=1000, max_epochs=60, max_cluster_epochs=20)
    line = cells.obs["cell_line"]
    assert clustering.agreement(clustering.by_sample(cells, run=run).obs["cluster"], line)["ARI"] >= 0.95
    pooled, sample = run(cells).obs["cluster"], cells.obs["sample"].astype(str)
    assert clustering.agreement(pooled, line)["ARI"] < 0.8
    apart = line.astype(str) + sample.str.replace(r"_p\d+$", " plates", regex=True)
    assert clustering.agreement(pooled, apart)["ARI"] >= 0.95, "each line of each experiment is a cluster"


# -------------------------------------------------------------------------------------------------- measures


def test_agreement_ignores_names_and_cells_of_which_nothing_is_known():
    found = clustering.agreement([3, 3, 1, 1, 1], pd.Categorical(["x", "x", "y", "y", np.nan]))
    assert found == {"ARI": 1.0, "NMI": 1.0}


def test_silhouette_by_hand_of_many_cells_and_of_one_cluster(monkeypatch):
    # Distances within 1 and between 10 to 11: s = 1 - 1/10.5 for cells 0 and 3, 1 - 1/9.5 for 1 and 2.
    code = np.array([[0.0], [1.0], [10.0], [11.0]])
    assert clustering.silhouette(code, list("aabb")) == pytest.approx(1 - (1 / 10.5 + 1 / 9.5) / 2)
    assert np.isnan(clustering.silhouette(code, list("aaaa")))
    monkeypatch.setattr("bulk2sc.clustering.classic.MOST_CELLS", 1000)
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
    assert (after != clustering.permute_genes(groups, seed=1).layers["counts"].toarray()).any()


# ------------------------------------------------------------------------------------------------- Table S2


@pytest.mark.slow
def test_every_method_finds_planted_groups(groups):
    truth = {"group": groups.obs["group"]}
    methods = compare.methods(n_hvg=300, max_epochs=25, max_cluster_epochs=5)
    table = {n: compare.measure(m.run(groups, seed=0), m, truth) for n, m in methods.items()}
    found = pd.DataFrame(table).T
    # scDeepCluster starts from Leiden at resolution 1, which cuts so few groups finer than they are.
    assert (found["ARI, group"].drop("scDeepCluster") > 0.95).all(), table
    assert found.loc["scDeepCluster", "ARI, group"] > 0.4
    assert list(found["ASW, code before"].dropna().index) == ["scDeepCluster", "graph AE", "AttentionAE-sc"]


def test_the_kept_comparison_on_simulated_sets_is_whole():
    """What the chapter draws: every method on every set at each depth, on other lines than the book's own."""
    kept = pd.read_csv(ROOT / "benchmarks" / "clusterings.csv")
    wide = kept.pivot(index="method", columns=["depth", "seed"], values="ARI, cell line")
    assert set(wide.index) == set(compare.methods()) and wide.notna().all(axis=None)
    assert {depth: set(wide[depth]) for depth in (500, 2000)} == {500: {1, 2, 3}, 2000: {1, 2, 3}}
    assert wide.loc["AttentionAE-sc", 2000].min() >= 0.95  # at the paper's length, each set's lines are found
