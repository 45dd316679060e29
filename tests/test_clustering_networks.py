"""scDeepCluster and the graph autoencoder on planted groups."""

import numpy as np
import planted
import pytest
import torch
from scipy import sparse

from bulk2sc import clustering
from bulk2sc.clustering.attention_ae import normalised
from bulk2sc.clustering.deep_cluster import deep_cluster
from bulk2sc.clustering.graph_ae import GraphAutoencoder, graph_ae

each_network = pytest.mark.parametrize(
    ("network", "code", "epochs"),
    [
        (deep_cluster, "X_deep_cluster", {"max_epochs": 20, "max_cluster_epochs": 5}),
        (graph_ae, "X_graph_ae", {"max_epochs": 15, "max_graph_epochs": 40}),
    ],
)


@pytest.fixture(scope="module")
def groups():
    return planted.cells()


@each_network
def test_planted_groups_are_found_and_more_compact_in_the_second_code(groups, network, code, epochs):
    found = network(groups, **epochs, resolution=0.2)
    labels = found.obs["cluster"]
    assert clustering.agreement(labels, groups.obs["group"])["ARI"] > 0.95
    before, after = (clustering.silhouette(found.obsm[name], labels) for name in (f"{code}_stage1", code))
    assert after > before and not groups.obsm.keys()


@each_network
def test_same_seed_same_code_and_torchs_generator_is_left_alone(groups, network, code, epochs):
    few, state = dict.fromkeys(epochs, 2), torch.random.get_rng_state()
    first, again, other = (network(groups, **few, seed=seed).obsm[code] for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), state)
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_graph_convolution_is_the_dense_product():
    torch.manual_seed(0)
    graph = sparse.random(8, 8, 0.3, format="csr", random_state=0) + sparse.eye(8)
    adjacency = normalised(graph + graph.T)
    network, x, dense = GraphAutoencoder(5, adjacency), torch.randn(8, 5), adjacency.to_dense()
    expected = dense @ network.second(torch.relu(dense @ network.first(x)))
    torch.testing.assert_close(network(x), expected)
