import numpy as np
import planted_groups
import pytest
import torch
from scipy import sparse

from bulk2sc import clustering
from bulk2sc.clustering import graph_ae as module
from bulk2sc.clustering.attention_ae import normalised
from bulk2sc.clustering.graph_ae import graph_ae

QUICK = {"max_epochs": 15, "max_graph_epochs": 40}


@pytest.fixture(scope="module")
def groups():
    return planted_groups.cells()


def test_planted_groups_are_found_from_both_codes(groups):
    found = graph_ae(groups, **QUICK, resolution=0.2)
    assert clustering.agreement(found.obs["cluster"], groups.obs["group"])["ARI"] > 0.95
    assert found.obsm["X_graph_ae_stage1"].shape == (180, 64)
    assert found.obsm["X_graph_ae"].shape == (180, 16)
    assert not groups.obsm.keys()


def test_same_seed_same_code_and_torchs_generator_is_left_alone(groups):
    few = {"max_epochs": 2, "max_graph_epochs": 2}
    state = torch.random.get_rng_state()
    first, again, other = (graph_ae(groups, **few, seed=seed).obsm["X_graph_ae"] for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), state)
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_graph_convolution_is_the_dense_product():
    torch.manual_seed(0)
    graph = sparse.random(8, 8, 0.3, format="csr", random_state=0) + sparse.eye(8)
    adjacency = normalised(graph + graph.T)
    network = module.GraphAutoencoder(5, adjacency)
    x, dense = torch.randn(8, 5), adjacency.to_dense()
    expected = dense @ network.second(torch.relu(dense @ network.first(x)))
    torch.testing.assert_close(network(x), expected)


def test_neighbours_come_closer_in_the_graph_code(groups):
    noise = clustering.permute_genes(groups)
    found = graph_ae(noise, **QUICK)
    labels = found.obs["cluster"]
    before, after = (
        clustering.silhouette(found.obsm[code], labels) for code in ("X_graph_ae_stage1", "X_graph_ae")
    )
    assert after > before, "a code that smooths over neighbours looks clustered even where nothing is"
