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

# The 97.5 % point of Student's t with 2 degrees of freedom.
T_2 = 4.302653


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


def one_cluster(cells, *, seed):
    found = cells.copy()
    found.obs["cluster"] = pd.Categorical(["0"] * cells.n_obs)
    found.obsm["after"] = np.zeros((cells.n_obs, 1))
    return found


FAKES = {"right": Method(right, "after", "before"), "one": Method(one_cluster, "after")}


@pytest.fixture(scope="module")
def table(groups):
    return compare.compare(groups, {"group": groups.obs["group"]}, FAKES, seeds=[0, 1])


def value(table, method, metric, stage="after", seed=0):
    columns = {"method": method, "metric": metric, "stage": stage, "seed": seed}
    rows = table[np.logical_and.reduce([table[name] == wanted for name, wanted in columns.items()])]
    assert len(rows) == 1
    return rows["value"].item()


def test_measures_of_a_right_clustering(table, groups):
    assert value(table, "right", "ARI, group") == value(table, "right", "NMI, group") == 1
    assert value(table, "right", "clusters") == 3
    assert value(table, "right", "ASW, own code", "after") > 0.97
    assert value(table, "right", "ASW, own code", "before") < 0.3
    pca = clustering.principal_components(groups).obsm["X_pca"]
    assert value(table, "right", "ASW, PCA-50") == clustering.silhouette(pca, groups.obs["group"])


def test_permuted_genes_hold_no_groups(groups):
    table = compare.compare_permuted(groups, FAKES, n=2)
    assert set(table["seed"]) == {0, 1}
    found = table[(table["method"] == "right") & (table["metric"] == "ASW, PCA-50")]["value"]
    assert found.abs().max() < 0.05
    assert not table["metric"].str.startswith("ARI").any()


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


def test_parts_are_measured_one_by_one_and_joined(groups):
    cells = samples(groups)
    fakes = {"own words": Method(in_own_words, "after")}
    table = compare.compare_parts(cells, compare.known(cells), fakes, seeds=[0])
    found = table[table["metric"] == "ARI, cell line"].set_index(["data", "method"])["value"].to_dict()
    whole = ("all cells", "own words, sample by sample")
    assert found == {whole: 1, ("sample p1", "own words"): 1, ("sample p2", "own words"): 1}
    part = cells[cells.obs["sample"] == "p1"].copy()
    pca = clustering.principal_components(part).obsm["X_pca"]
    width = table[(table["metric"] == "ASW, PCA-50") & (table["data"] == "sample p1")]["value"].item()
    assert width == clustering.silhouette(pca, part.obs["group"])
    assert set(table[table["metric"] == "clusters"]["value"]) == {3}


def every_line_of_every_experiment(cells, *, seed):
    """Find the planted groups, each anew in every experiment: what a batch effect does."""
    found = right(cells, seed=seed)
    place = cells.obs["sample"].astype(str).str.replace("_p.", "_p", regex=True)
    found.obs["cluster"] = found.obs["cluster"].astype(str) + place
    return found


def test_table_s2_tells_lines_of_an_experiment_from_lines(groups):
    cells = samples(groups)
    cells.obs["sample"] = ["cel_p1", "cel", "cel_p2", "drop"] * 45
    table = compare.table_s2(
        cells, {"batch": Method(every_line_of_every_experiment, "after")}, n_seeds=1, n_permuted=1
    )
    whole = table[(table["data"] == "all cells")].set_index(["method", "metric"])["value"]
    assert whole["batch", "ARI, line x experiment"] == 1
    assert max(whole["batch", f"ARI, {name}"] for name in ("cell line", "line x protocol")) < 0.8
    assert whole["batch", "ARI, line x sample"] < 0.95
    assert whole["batch, sample by sample", "ARI, cell line"] == 1
    assert {"protocol cel", "protocol drop", "sample cel_p1"} < set(table["data"])


def runs(*values):
    common = {"data": "all cells", "method": "m", "metric": "clusters", "stage": "after"}
    return pd.DataFrame([common | {"seed": seed, "value": v} for seed, v in enumerate(values)])


def test_intervals_over_seeds_by_hand():
    mean = compare.over_seeds(runs(1.0, 2.0, 3.0)).iloc[-1]
    half = T_2 / np.sqrt(3)  # the standard deviation is 1
    assert (mean["seed"], mean["value"]) == (-1, 2)
    assert (mean["low"], mean["high"]) == pytest.approx((2 - half, 2 + half))


def test_two_runs_have_a_range_and_no_interval():
    mean = compare.over_seeds(runs(1.0, 2.0)).iloc[-1]
    assert (mean["low"], mean["value"], mean["high"]) == (1, 1.5, 2)


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
    pooled, places = run(cells).obs["cluster"], compare.origins(cells)
    assert clustering.agreement(pooled, line)["ARI"] < 0.8
    apart = line.astype(str) + places["experiment"]
    assert clustering.agreement(pooled, apart)["ARI"] >= 0.95, "each line of each experiment is a cluster"


@pytest.mark.slow
def test_every_method_finds_planted_groups(groups):
    methods = compare.methods(n_hvg=300, max_epochs=60, max_cluster_epochs=20)
    table = compare.compare(groups, {"group": groups.obs["group"]}, methods, seeds=[0])
    found = table[table["metric"] == "ARI, group"].set_index("method")["value"]
    assert list(found.index) == list(methods)
    # scDeepCluster starts from Leiden at resolution 1, which cuts so few groups finer than they are.
    assert (found.drop("scDeepCluster") > 0.95).all(), found.to_dict()
    assert found["scDeepCluster"] > 0.4
    staged = table[table["stage"] == "before"]["method"]
    assert list(staged) == ["scDeepCluster", "graph AE", "AttentionAE-sc"]


def test_the_kept_comparison_on_simulated_sets_is_whole():
    """What the chapter draws: every method on every set at each depth, on other lines than the book's own."""
    kept = pd.read_csv(ROOT / "benchmarks" / "clusterings.csv")
    ari = kept[kept["metric"] == "ARI, cell line"]
    wide = ari.pivot(index="method", columns=["depth", "seed"], values="value")
    assert set(wide.index) == set(compare.methods()) and wide.notna().all(axis=None)
    assert {depth: set(wide[depth]) for depth in (500, 2000)} == {500: {1, 2, 3}, 2000: {1, 2, 3}}
    assert wide.loc["AttentionAE-sc", 2000].min() >= 0.95  # at the paper's length, each set's lines are found
