"""AttentionAE-sc, scDeepCluster and the graph autoencoder: planted groups, and their parts by hand."""

import os

import numpy as np
import planted
import pytest
import torch
from scipy import sparse

from bulk2sc import clustering, pp
from bulk2sc.clustering import attention_ae as module
from bulk2sc.clustering import parts
from bulk2sc.clustering.attention_ae import attention_ae
from bulk2sc.clustering.deep import GraphAutoencoder, deep_cluster, graph_ae
from bulk2sc.errors import Bulk2scError

MACHINE = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
NETWORKS = [
    (attention_ae, "X_attention_ae", {"max_epochs": 30, "max_cluster_epochs": 25}),
    (deep_cluster, "X_deep_cluster", {"max_epochs": 20, "max_cluster_epochs": 5}),
    (graph_ae, "X_graph_ae", {"max_epochs": 15, "max_graph_epochs": 40}),
]
each_network = pytest.mark.parametrize(("network", "code", "epochs"), NETWORKS)


@pytest.fixture(scope="module")
def groups():
    return planted.cells()


def similarity(n):
    """A random sparse similarity with 1 on its diagonal."""
    half = sparse.random(n, n, 0.1, random_state=0, dtype=np.float32)
    return half.maximum(half.T).maximum(sparse.eye(n, dtype=np.float32)).tocsr()


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


@pytest.mark.filterwarnings("ignore:.*one cluster")
@pytest.mark.parametrize("n_each", [1, 3])
def test_fewer_cells_than_neighbours_and_heads(n_each):
    found = attention_ae(planted.cells(n_each, 90), max_epochs=3, max_cluster_epochs=3)
    assert len(found.obs["cluster"]) == 3 * n_each
    assert np.isfinite(found.obsm["X_attention_ae"]).all()


def test_landmarks_find_groups_too_and_a_wrong_name_is_refused(groups, monkeypatch):
    monkeypatch.setattr(module, "LANDMARKS", 40)
    found = attention_ae(groups, attention="landmarks", max_epochs=30, max_cluster_epochs=25)
    assert clustering.agreement(found.obs["cluster"], groups.obs["group"])["ARI"] > 0.95
    with pytest.raises(Bulk2scError, match=r"'landmark' is unknown, .* Did you mean 'landmarks'"):
        attention_ae(groups, attention="landmark")


def test_both_stages_are_in_the_history_and_the_loss_falls(groups, tmp_path):
    found = attention_ae(groups, max_epochs=20, max_cluster_epochs=2)
    history = found.uns["attention_ae"]["history"]
    first = history.query("stage == 1 and term == 'total'")["value"].to_numpy()
    assert len(first) == 20 and first[-1] < first[0]
    assert set(history.query("stage == 2")["term"]) == {"total", "KL", "ZINB", "graph", "changed"}
    found.write_h5ad(tmp_path / "clustered.h5ad")


NAMES = {"AttentionAE-sc": attention_ae, "scDeepCluster": deep_cluster, "graph AE": graph_ae}


@pytest.mark.parametrize(("name", "network"), NAMES.items())
def test_more_cells_than_memory_allows_are_refused_before_training(groups, monkeypatch, name, network):
    monkeypatch.setattr("bulk2sc.train.minimise", lambda *_, **__: pytest.fail("trained"))
    monkeypatch.setattr("bulk2sc.train.fit_full_batch", lambda *_, **__: pytest.fail("trained"))
    monkeypatch.setattr(parts, "available", lambda: 100_000)
    with pytest.raises(Bulk2scError, match=rf"^{name}: 180 cells x 60 genes need about .* lower n_hvg$"):
        network(groups, n_hvg=60)


@pytest.mark.parametrize(
    ("own", "limits", "expected"),
    [
        ("0::/job/step", {"job": 2000, "job/step": 1000}, 1000),
        ("0::/job/step", {"job": 1000, "job/step": 2000}, 1000),  # that of the group around it holds too
        ("0::/job/step", {"job": "max", "other": 1000}, MACHINE),
        ("0::/", {"": 1000}, 1000),  # in a container its own group is the root
        ("0::/of/the/host", {"": 1000}, 1000),  # or is named as outside
        ("4:memory:/old", {}, MACHINE),
    ],
)
def test_the_least_limit_counts(tmp_path, monkeypatch, own, limits, expected):
    monkeypatch.setattr(parts, "CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(parts, "OWN_CGROUP", tmp_path / "own")
    (tmp_path / "own").write_text(f"12:memory:/old\n{own}\n")
    for folder, limit in limits.items():
        (tmp_path / "cgroup" / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / "cgroup" / folder / "memory.max").write_text(f"{limit}\n")
    assert parts.available() == expected


# ------------------------------------------------------------------------------------ parts of AttentionAE-sc


def test_weights_of_the_losses_are_the_papers(groups):
    x = torch.from_numpy(pp.zscore(groups.X))
    model = module.AttentionAE(x, groups.layers["counts"], similarity(180)).eval()
    first = model.loss()
    torch.testing.assert_close(first["total"], first["ZINB"] + 0.1 * first["graph"])
    _, second = model.code_and_terms()
    torch.testing.assert_close(second["ZINB"], 0.1 * first["ZINB"])
    torch.testing.assert_close(second["graph"], 0.01 * first["graph"])


@pytest.mark.parametrize(("few", "rtol"), [(False, 1e-5), (True, 0.1)])
def test_graph_loss_is_the_mean_over_all_pairs_or_estimates_it(groups, monkeypatch, few, rtol):
    monkeypatch.setattr(module, "LANDMARKS", 90)
    S, x = similarity(180), torch.from_numpy(pp.zscore(groups.X))
    kind = "landmarks" if few else "exact"
    model = module.AttentionAE(x, groups.layers["counts"], S, attention=kind)
    torch.manual_seed(0)
    codes = torch.randn(180, 4, requires_grad=True)
    expected = (torch.sigmoid(codes @ codes.T) - torch.from_numpy(S.toarray())).square().mean()
    found = model.graph_loss(codes)
    torch.testing.assert_close(found, expected, rtol=rtol, atol=0)
    if not few:
        gradients = (torch.autograd.grad(loss, codes)[0] for loss in (found, expected))
        torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-7)


def test_attention_is_the_softmax_formula():
    torch.manual_seed(0)
    fusion, graph, rows = module.Fusion(16).eval(), torch.randn(40, 16), torch.randn(40, 16)
    projections = (fusion.query, graph), (fusion.key, rows), (fusion.value, rows)
    query, key, value = (layer(of).reshape(40, 8, 2) for layer, of in projections)
    heads = [torch.softmax(query[:, h] @ key[:, h].T / 2**0.5, dim=1) @ value[:, h] for h in range(8)]
    expected, everybody = rows + fusion.output(torch.cat(heads, dim=1)), torch.randperm(40)
    torch.testing.assert_close(fusion(graph, rows), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(fusion(graph, rows, everybody), expected, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(fusion(graph, rows, everybody[:10]), expected, atol=1e-3)


def test_neighbours_are_weighed_by_a_gaussian_of_their_distance():
    angle = np.arange(40) * 2 * np.pi / 40  # on a circle all kernels have one width
    codes = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    kernel = module.neighbour_kernel(codes).tocoo()
    squared = np.square(codes[kernel.row] - codes[kernel.col]).sum(axis=1)
    ratio = np.log(kernel.data) / squared
    assert len(np.unique(squared.round(6))) == 7 and (ratio < 0).all()
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-4)


def test_similarity_is_symmetric_between_0_and_1_and_joins_cells_of_a_group(groups):
    S = module.cell_similarity(pp.zscore(groups.X))
    assert abs(S - S.T).max() == 0 and S.min() >= 0 and S.max() <= 1
    np.testing.assert_array_equal(S.diagonal(), 1)
    group = groups.obs["group"].to_numpy()
    i, j = S.nonzero()
    assert (group[i] == group[j]).mean() > 0.95


def test_graph_convolution_is_the_dense_product():
    torch.manual_seed(0)
    adjacency = module.normalised(similarity(8))
    network, x, dense = GraphAutoencoder(5, adjacency), torch.randn(8, 5), adjacency.to_dense()
    expected = dense @ network.second(torch.relu(dense @ network.first(x)))
    torch.testing.assert_close(network(x), expected)
