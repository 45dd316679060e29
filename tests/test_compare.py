from functools import partial

import numpy as np
import pandas as pd
import planted
import pytest
from book_fixtures import ROOT

from bulk2sc import clustering, pp, steps
from bulk2sc.clustering import compare
from bulk2sc.clustering.attention_ae import attention_ae
from bulk2sc.clustering.samples import by_sample, join
from bulk2sc.errors import Bulk2scError


@pytest.fixture(scope="module")
def groups():
    return planted.cells()


def in_own_words(cells, *, seed):
    """Find the planted groups of a sample under names that no other sample uses."""
    found = cells.copy()
    found.obs["cluster"] = found.obs["group"].astype(str) + found.obs["sample"].iloc[0]
    return found


def test_clusters_of_samples_are_joined_by_what_they_express_whatever_a_batch_does_to_every_gene(groups):
    cells = groups.copy()
    cells.obs["sample"] = ["p1", "p2"] * 90
    cells.obs.loc[cells.obs["group"] == "c", "sample"] = "p2"  # p1 lacks a group
    moved = cells.X.toarray()
    moved[(cells.obs["sample"] == "p2").to_numpy()] += np.random.default_rng(0).normal(size=cells.n_vars)
    cells.X = moved
    found = by_sample(cells, run=in_own_words).obs
    assert clustering.agreement(found["cluster"], found["group"])["ARI"] == 1
    assert found["within"].nunique() == 5 and "cluster" not in cells.obs


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
