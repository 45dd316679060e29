from functools import partial

import numpy as np
import pandas as pd
import planted_groups
import pytest
from book_fixtures import ROOT

from bulk2sc import clustering, pp, steps
from bulk2sc.clustering import compare
from bulk2sc.clustering.attention_ae import attention_ae
from bulk2sc.clustering.compare import Method
from bulk2sc.clustering.samples import by_sample, join
from bulk2sc.errors import Bulk2scError


@pytest.fixture(scope="module")
def groups():
    return planted_groups.cells()


def right(cells, *, seed):
    """Find the planted groups; the code before is the same seen through noise."""
    found = cells.copy()
    found.obs["cluster"] = pd.Categorical(found.obs["group"])
    places = found.obs["cluster"].cat.codes.to_numpy()[:, None].astype(float)
    found.obsm["after"] = places + np.random.default_rng(seed).normal(size=places.shape) / 100
    found.obsm["before"] = places + np.random.default_rng(seed).normal(size=places.shape) * 5
    return found


@pytest.fixture(scope="module")
def measured(groups):
    found = right(groups, seed=0)
    return compare.measure(found, Method(right, "after", "before"), {"group": groups.obs["group"]})


def test_measures_of_a_right_clustering(measured, groups):
    assert measured["ARI, group"] == measured["NMI, group"] == 1
    assert measured["clusters"] == 3
    assert measured["ASW, own code"] > 0.97
    assert measured["ASW, code before"] < 0.3
    pca = clustering.principal_components(groups).obsm["X_pca"]
    assert measured["ASW, PCA-50"] == clustering.silhouette(pca, groups.obs["group"])


def test_permuted_genes_hold_no_groups(groups):
    found = right(clustering.permute_genes(groups), seed=0)
    assert abs(compare.measure(found, Method(right, "after"), {})["ASW, PCA-50"]) < 0.05


def test_what_is_known_has_two_groups_at_least_and_normal_cells_are_of_their_types(groups):
    cells = groups.copy()
    cells.obs["cell_line"] = ["normal", "normal", "L1"] * 60
    cells.obs["clone"], cells.obs["sample"] = ["T cell", "fibroblast", "a"] * 60, "one"
    found = compare.known(cells)
    assert list(found) == ["cell line"]
    assert set(found["cell line"]) == {"T cell", "fibroblast", "L1"}


def samples(groups):
    cells = groups.copy()
    cells.obs["cell_line"], cells.obs["sample"] = cells.obs["group"], ["p1", "p2"] * 90
    return cells


def in_own_words(cells, *, seed):
    """Find the planted groups of a sample under names that no other sample uses."""
    found = right(cells, seed=seed)
    found.obs["cluster"] = found.obs["cluster"].astype(str) + found.obs["sample"].iloc[0]
    return found


def test_clusters_of_samples_are_joined_by_what_they_express(groups):
    cells = samples(groups)
    cells.obs.loc[cells.obs["group"] == "c", "sample"] = "p2"  # p1 lacks a group
    found = by_sample(cells, run=in_own_words).obs
    assert clustering.agreement(found["cluster"], found["group"])["ARI"] == 1
    assert found["within"].nunique() == 5
    assert "cluster" not in cells.obs


def test_a_batch_effect_on_every_gene_does_not_part_what_is_joined(groups):
    cells = samples(groups)
    moved = cells.X.toarray()
    moved[(cells.obs["sample"] == "p2").to_numpy()] += np.random.default_rng(0).normal(size=cells.n_vars)
    cells.X = moved
    found = by_sample(cells, run=in_own_words).obs
    assert clustering.agreement(found["cluster"], found["group"])["ARI"] == 1


def test_join_by_hand():
    up, down, other = [1.0, 2, 3, 4], [4.0, 3, 2, 1], [1.0, -1, -1, 1]
    profiles = {("s", "0"): up, ("s", "1"): down, ("t", "0"): down, ("t", "1"): up, ("t", "2"): other}
    numbers = join({key: np.array(profile) for key, profile in profiles.items()})
    assert numbers["s", "0"] == numbers["t", "1"] != numbers["s", "1"] == numbers["t", "0"]
    assert list(numbers.values()).count(numbers["t", "2"]) == 1


def test_clusters_of_later_chapters_come_from_either_method(groups):
    make = steps.clustered
    quick = {"clustering_epochs": 2, "cluster_stage_epochs": 2}
    for method, code in {"leiden": "X_pca", "attention_ae": "X_attention_ae"}.items():
        found = make(groups, clustering_method=method, **quick)
        assert {code, "X_umap"} <= set(found.obsm)
        assert found.obs["cluster"].dtype == "category"
        assert "connectivities" in found.obsp, "the labelling draws other clusters from this graph"
    with pytest.raises(Bulk2scError, match="clustering_method: 'k-means' is neither leiden nor attention_ae"):
        make(groups, clustering_method="k-means")


@pytest.mark.verify
def test_five_lines_are_recovered_sample_by_sample_and_not_pooled(mixology):
    cells = pp.normalise(pp.resolve_symbols(mixology.copy()))
    run = partial(attention_ae, n_hvg=1000, max_epochs=60, max_cluster_epochs=20)
    line = cells.obs["cell_line"]
    assert clustering.agreement(by_sample(cells, run=run).obs["cluster"], line)["ARI"] >= 0.95
    pooled, sample = run(cells).obs["cluster"], cells.obs["sample"].astype(str)
    assert clustering.agreement(pooled, line)["ARI"] < 0.8
    apart = line.astype(str) + sample.str.replace(r"_p\d+$", " plates", regex=True)
    assert clustering.agreement(pooled, apart)["ARI"] >= 0.95, "each line of each experiment is a cluster"


@pytest.mark.slow
def test_every_method_finds_planted_groups(groups):
    truth = {"group": groups.obs["group"]}
    methods = compare.methods(n_hvg=300, max_epochs=60, max_cluster_epochs=20)
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
