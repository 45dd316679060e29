import numpy as np
import pandas as pd
import planted_groups
import pytest

from bulk2sc import clustering
from bulk2sc.clustering import compare
from bulk2sc.clustering.compare import Method

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


def test_each_measure_of_each_run_is_one_row(table):
    assert list(table) == ["method", "seed", "metric", "stage", "value"]
    assert not table.duplicated(["method", "seed", "metric", "stage"]).any()
    assert len(table) == 2 * (7 + 6)


def test_measures_of_a_right_clustering(table, groups):
    assert value(table, "right", "ARI, group") == value(table, "right", "NMI, group") == 1
    assert value(table, "right", "clusters") == 3
    assert value(table, "right", "ASW, own code", "after") > 0.97
    assert value(table, "right", "ASW, own code", "before") < 0.3
    pca = clustering.principal_components(groups).obsm["X_pca"]
    assert value(table, "right", "ASW, PCA-50") == clustering.silhouette(pca, groups.obs["group"])


def test_one_cluster_has_no_width_and_no_agreement(table):
    assert value(table, "one", "clusters") == 1
    assert value(table, "one", "ARI, group") == 0
    assert np.isnan(value(table, "one", "ASW, PCA-50"))
    assert np.isnan(value(table, "one", "ASW, own code", "after"))


def test_without_truth_there_is_no_agreement(groups):
    table = compare.compare(groups, {}, FAKES, seeds=[0])
    assert set(table["metric"]) == {"ASW, PCA-50", "ASW, own code", "clusters", "seconds"}


def test_parts_and_permuted_genes_are_told_apart(groups):
    parts = {"all cells": groups, "two groups": groups[:120].copy()}
    table = compare.compare_parts(parts, FAKES, n_seeds=2, n_permuted=1)
    sizes = table.groupby("data", sort=False).size()
    assert list(sizes.index) == ["all cells", "two groups", "genes permuted"]
    found = table[(table["method"] == "right") & (table["metric"] == "ASW, PCA-50")].set_index("data")[
        "value"
    ]
    assert abs(found["genes permuted"]) < 0.05 < found["two groups"].min()


def test_what_is_known_is_what_tells_cells_apart(groups):
    cells = groups.copy()
    cells.obs["cell_line"], cells.obs["sample"] = cells.obs["group"], "one sample"
    cells.obs["treated"] = [True, False] * 90
    assert list(compare.known(cells)) == ["cell line", "arm"]
    assert compare.known(groups) == {}


def samples(groups):
    cells = groups.copy()
    cells.obs["cell_line"], cells.obs["sample"] = cells.obs["group"], ["p1", "p2"] * 90
    return cells


def test_samples_of_the_same_lines_are_parts_of_their_own(groups):
    found = compare.parts(samples(groups))
    assert {name: part.n_obs for name, part in found.items()} == {"all cells": 180, "p1": 90, "p2": 90}


@pytest.mark.parametrize("why", ["arms", "one sample", "a line a sample", "nothing known"])
def test_other_samples_are_not_parts(groups, why):
    cells = samples(groups)
    if why == "arms":
        cells.obs["treated"] = True
    elif why == "one sample":
        cells.obs["sample"] = "s"
    elif why == "a line a sample":
        cells.obs["sample"] = cells.obs["cell_line"]
    else:
        cells = groups
    assert list(compare.parts(cells)) == ["all cells"]


def test_at_most_draws_without_regard_to_kind_and_always_the_same(groups):
    few = compare.at_most(groups, 90)
    assert few.n_obs == 90
    assert few.obs_names.is_unique
    assert few.obs["group"].value_counts().min() > 20
    assert list(few.obs_names) == list(compare.at_most(groups, 90).obs_names)
    assert compare.at_most(groups, 500).n_obs == 180


def runs(*values):
    common = {"data": "all cells", "method": "m", "metric": "clusters", "stage": "after"}
    return pd.DataFrame([common | {"seed": seed, "value": v} for seed, v in enumerate(values)])


def test_intervals_over_seeds_by_hand():
    mean = compare.over_seeds(runs(1.0, 2.0, 3.0)).iloc[-1]
    half = T_2 / np.sqrt(3)  # the standard deviation is 1
    assert (mean["seed"], mean["value"]) == (-1, 2)
    assert (mean["low"], mean["high"]) == pytest.approx((2 - half, 2 + half))


def test_intervals_leave_out_what_is_undefined():
    alone = compare.over_seeds(runs(0.5, np.nan)).iloc[-1]
    assert alone["value"] == 0.5
    assert np.isnan(alone["low"])
    assert np.isnan(compare.over_seeds(runs(np.nan)).iloc[-1]["value"])


@pytest.mark.slow
def test_every_method_finds_planted_groups(groups):
    methods = compare.methods(n_hvg=300, max_epochs=40, max_cluster_epochs=20)
    table = compare.compare(groups, {"group": groups.obs["group"]}, methods, seeds=[0])
    found = table[table["metric"] == "ARI, group"].set_index("method")["value"]
    assert list(found.index) == list(methods)
    assert (found > 0.8).all(), found.to_dict()
    staged = table[table["stage"] == "before"]["method"]
    assert list(staged) == ["scDeepCluster", "graph AE", "AttentionAE-sc"]
