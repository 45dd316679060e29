import inspect

import numpy as np
import planted
import pytest
import torch
from scipy import sparse

from bulk2sc import clustering, pp
from bulk2sc.clustering import attention_ae as module
from bulk2sc.clustering import soft
from bulk2sc.clustering.attention_ae import attention_ae
from bulk2sc.errors import Bulk2scError

FEW = {"n_hvg": 60, "max_epochs": 30, "max_cluster_epochs": 25}


@pytest.fixture(scope="module")
def cells():
    return planted.cells(50, 90)


@pytest.fixture(scope="module")
def clustered(cells):
    return attention_ae(cells, **FEW)


@pytest.fixture
def rows():
    torch.manual_seed(0)
    return torch.randn(40, 16)


def similarity(n, seed=0):
    """A random sparse similarity with 1 on its diagonal."""
    half = sparse.random(n, n, 0.1, random_state=seed, dtype=np.float32)
    return half.maximum(half.T).maximum(sparse.eye(n, dtype=np.float32)).tocsr()


# --- known truth -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attention", ["exact", "landmarks"])
def test_planted_groups_are_found(cells, clustered, attention, monkeypatch):
    monkeypatch.setattr(module, "LANDMARKS", 40)
    found = clustered if attention == "exact" else attention_ae(cells, attention=attention, **FEW)
    assert clustering.agreement(found.obs["cluster"], cells.obs["group"])["ARI"] > 0.95
    assert found.obs["cluster"].dtype == "category" and "cluster" not in cells.obs
    for code in ("X_attention_ae", "X_attention_ae_stage1"):
        assert found.obsm[code].shape == (150, 16) and found.obsm[code].dtype == np.float32


def test_both_stages_are_in_the_history_and_the_loss_falls(clustered, tmp_path):
    history = clustered.uns["attention_ae"]["history"]
    first = history.query("stage == 1 and term == 'total'")["value"].to_numpy()
    assert len(first) == 30 and first[-1] < 0.9 * first[0]
    assert set(history.query("stage == 2")["term"]) == {"total", "KL", "ZINB", "graph", "changed"}
    clustered.write_h5ad(tmp_path / "clustered.h5ad")


def test_same_seed_same_everything_and_other_seed_other_code(cells, clustered):
    torch.manual_seed(99)  # what the caller drew before does not matter
    again = attention_ae(cells, **FEW)
    np.testing.assert_array_equal(again.obsm["X_attention_ae"], clustered.obsm["X_attention_ae"])
    assert list(again.obs["cluster"]) == list(clustered.obs["cluster"])
    other = attention_ae(cells, seed=1, **FEW)
    assert not np.allclose(other.obsm["X_attention_ae"], clustered.obsm["X_attention_ae"])


def test_weights_and_defaults_are_the_papers(cells):
    defaults = inspect.signature(attention_ae).parameters
    paper = {"n_hvg": 2500, "n_heads": 8, "n_latent": 16, "n_neighbors": 15, "resolution": 0.1}
    assert {name: defaults[name].default for name in paper} == paper
    counts = cells.layers["counts"]
    x = torch.from_numpy(pp.zscore(cells.X))
    model = module.AttentionAE(x, counts, similarity(150)).eval()
    first = model.loss()
    torch.testing.assert_close(first["total"], first["ZINB"] + 0.1 * first["graph"])
    _, second = model.code_and_terms()
    torch.testing.assert_close(second["ZINB"], 0.1 * first["ZINB"])
    torch.testing.assert_close(second["graph"], 0.01 * first["graph"])


def test_neighbours_are_weighed_by_a_gaussian_of_their_distance():
    angle = np.arange(40) * 2 * np.pi / 40  # on a circle all kernels have one width
    codes = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    kernel = soft.neighbour_kernel(codes, n_neighbors=9).tocoo()
    squared = np.square(codes[kernel.row] - codes[kernel.col]).sum(axis=1)
    ratio = np.log(kernel.data) / squared
    assert len(np.unique(squared.round(6))) == 4 and (ratio < 0).all()
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-4)


# --- parts -------------------------------------------------------------------------------------------------


def test_attention_is_the_softmax_formula(rows):
    torch.manual_seed(0)
    fusion, graph = module.Fusion(16, 8).eval(), torch.randn(40, 16)
    query, key, value = (
        layer(rows_).reshape(40, 8, 2)
        for layer, rows_ in ((fusion.query, graph), (fusion.key, rows), (fusion.value, rows))
    )
    heads = [torch.softmax(query[:, h] @ key[:, h].T / 2**0.5, dim=1) @ value[:, h] for h in range(8)]
    expected = rows + fusion.output(torch.cat(heads, dim=1))
    torch.testing.assert_close(fusion(graph, rows), expected, rtol=1e-4, atol=1e-5)
    everybody = torch.randperm(40)
    torch.testing.assert_close(fusion(graph, rows, everybody), expected, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(fusion(graph, rows, everybody[:10]), expected, atol=1e-3)


def test_similarity_is_symmetric_between_0_and_1_and_joins_cells_of_a_group(cells):
    S = module.cell_similarity(pp.zscore(cells.X), n_neighbors=10)
    assert abs(S - S.T).max() == 0 and S.min() >= 0 and S.max() <= 1
    np.testing.assert_array_equal(S.diagonal(), 1)
    assert 5 * 150 < S.nnz < 30 * 150
    group = cells.obs["group"].to_numpy()
    i, j = S.nonzero()
    assert (group[i] == group[j]).mean() > 0.95


# --- what cannot be done -----------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*one cluster")
@pytest.mark.parametrize("n_each", [1, 3])
def test_fewer_cells_than_neighbours_and_heads(n_each):
    found = attention_ae(planted.cells(n_each, 90), max_epochs=3, max_cluster_epochs=3)
    assert len(found.obs["cluster"]) == 3 * n_each
    assert np.isfinite(found.obsm["X_attention_ae"]).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"attention": "landmark"}, r"attention='landmark' is unknown.* Did you mean 'landmarks'"),
        ({"n_heads": 3}, "n_heads=3 must divide 64 and n_latent=16"),
        ({"n_latent": 12}, "n_heads=8 must divide 64 and n_latent=12"),
    ],
)
def test_wrong_settings_are_refused_in_one_line(cells, settings, message):
    with pytest.raises(Bulk2scError, match=message) as caught:
        attention_ae(cells, **settings)
    assert "\n" not in str(caught.value)
