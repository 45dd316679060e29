import numpy as np
import planted_groups
import pytest
import torch

from bulk2sc import clustering
from bulk2sc.clustering.deep_cluster import deep_cluster
from bulk2sc.errors import Bulk2scError

QUICK = {"max_epochs": 20, "max_cluster_epochs": 5}


@pytest.fixture(scope="module")
def groups():
    return planted_groups.cells()


@pytest.fixture(scope="module")
def clustered(groups):
    return deep_cluster(groups, **QUICK, resolution=0.2)


def test_planted_groups_are_found(clustered, groups):
    assert clustering.agreement(clustered.obs["cluster"], groups.obs["group"])["ARI"] > 0.95
    assert clustered.obsm["X_deep_cluster"].shape == (180, 32)
    assert not groups.obsm.keys()


def test_second_stage_makes_clusters_compact(clustered):
    before, after = (
        clustering.silhouette(clustered.obsm[code], clustered.obs["cluster"])
        for code in ("X_deep_cluster_stage1", "X_deep_cluster")
    )
    assert after > before


def test_same_seed_same_code_and_torchs_generator_is_left_alone(groups):
    few = {"max_epochs": 2, "max_cluster_epochs": 2}
    state = torch.random.get_rng_state()
    first, again, other = (
        deep_cluster(groups, **few, seed=seed).obsm["X_deep_cluster"] for seed in (0, 0, 1)
    )
    assert torch.equal(torch.random.get_rng_state(), state)
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_counts_must_be_there_and_whole(groups):
    without = groups.copy()
    del without.layers["counts"]
    with pytest.raises(Bulk2scError, match=r'deep_cluster .* there is no layers\["counts"\]'):
        deep_cluster(without)
    halves = groups.copy()
    halves.layers["counts"] = halves.layers["counts"] / 2
    with pytest.raises(Bulk2scError, match=r'layers\["counts"\] holds \d+ values that are .* not whole'):
        deep_cluster(halves)
