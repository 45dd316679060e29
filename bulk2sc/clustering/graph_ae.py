"""A graph autoencoder in the manner of scGNN (Wang et al. 2021): expression, then the neighbour graph.

A feature autoencoder codes each cell, a graph autoencoder codes it together with its neighbours, and k-means
on the second code gives the clusters, as many as the neighbour graph has communities. Left out of scGNN: the
left-truncated mixture model of expression, one autoencoder for each cluster, imputation, and the rounds that
repeat all this.
"""

from collections.abc import Iterator

import numpy as np
import scanpy as sc
import torch
from anndata import AnnData
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.neighbors import kneighbors_graph
from torch import Tensor, nn
from torch.nn import functional as F

from bulk2sc import pp, train
from bulk2sc.clustering.attention_ae import normalised
from bulk2sc.clustering.communities import N_NEIGHBORS, as_clusters, community_labels, refuse_unclusterable
from bulk2sc.clustering.memory import STANDARDISING, refuse_too_many

WIDTHS = (256, 64)  # of the feature autoencoder
GRAPH_WIDTHS = (32, 16)  # of the graph autoencoder, as in scGNN
HELD_OUT = 0.1  # share of cells, then of edges, that decide when to stop
BATCH = 256
PATIENCE = 20


class FeatureAutoencoder(nn.Module):
    """Two layers down to the code, two layers back."""

    def __init__(self, n_genes: int):
        super().__init__()
        hidden, code = WIDTHS
        self.encoder = nn.Sequential(nn.Linear(n_genes, hidden), nn.ReLU(), nn.Linear(hidden, code))
        self.decoder = nn.Sequential(nn.Linear(code, hidden), nn.ReLU(), nn.Linear(hidden, n_genes))

    def forward(self, x: Tensor) -> Tensor:
        """Rebuild z-scores (n, n_genes)."""
        return self.decoder(self.encoder(x))


class GraphAutoencoder(nn.Module):
    """Two graph convolutions (Kipf and Welling 2016); likely edges join codes that are aligned."""

    def __init__(self, n_in: int, adjacency: Tensor):
        super().__init__()
        hidden, code = GRAPH_WIDTHS
        self.first, self.second = nn.Linear(n_in, hidden), nn.Linear(hidden, code)
        self.adjacency = adjacency

    def forward(self, x: Tensor) -> Tensor:
        """Code cells (n, n_in) and their neighbours: ``A ReLU(A x W1) W2`` with A normalised."""
        hidden = F.relu(torch.sparse.mm(self.adjacency, self.first(x)))
        return torch.sparse.mm(self.adjacency, self.second(hidden))


def graph_ae(
    cells: AnnData,
    *,
    n_hvg: int = 2000,
    resolution: float = 1.0,
    max_epochs: int = 200,
    max_graph_epochs: int = 200,
    seed: int = 0,
) -> AnnData:
    """
    Cluster cells by a code of expression and neighbours.

    Parameters
    ----------
    cells
        (n_cells, n_genes), X log-normalised.
    n_hvg
        Number of highly variable genes, z-scored.
    resolution
        Of Leiden's algorithm on the feature code, which gives the number of clusters.
    max_epochs, max_graph_epochs
        Most epochs of either autoencoder; both stop early, on held-out cells and on held-out edges.
    seed
        Of every step.

    Returns
    -------
    A copy with `obs["cluster"]`, `obsm["X_graph_ae_stage1"]` (code of expression) and `obsm["X_graph_ae"]`
    (code of expression and graph).

    Raises
    ------
    Bulk2scError
        If there are fewer than three cells, no gene varies, or memory is too small.
    """
    refuse_unclusterable(cells)
    n_hvg = min(n_hvg, cells.n_vars)
    refuse_too_many("graph AE", cells.n_obs, n_hvg, cells.n_obs * (STANDARDISING * n_hvg + sum(WIDTHS)))
    variable = sc.pp.highly_variable_genes(cells, n_top_genes=n_hvg, flavor="seurat", inplace=False)
    x = torch.from_numpy(pp.zscore(cells.X[:, variable["highly_variable"].to_numpy()]))
    cells = cells.copy()
    with train.seeded(seed):
        features = _code_features(x, max_epochs)
        graph = _code_graph(features, max_graph_epochs)
    cells.obsm["X_graph_ae_stage1"], cells.obsm["X_graph_ae"] = features.numpy(), graph.numpy()
    communities = community_labels(features.numpy(), resolution=resolution, seed=seed)
    k = communities.max() + 1
    cells.obs["cluster"] = as_clusters(KMeans(k, n_init=10, random_state=seed).fit_predict(graph.numpy()))
    return cells


def _code_features(x: Tensor, max_epochs: int) -> Tensor:
    network = FeatureAutoencoder(x.shape[1])
    held_out, fitting = _split(len(x))

    def batches() -> Iterator[Tensor]:
        return iter(fitting[torch.randperm(len(fitting))].split(BATCH))

    def loss(rows: Tensor) -> dict[str, Tensor]:
        return {"reconstruction": F.mse_loss(network(x[rows]), x[rows])}

    train.minimise(
        network,
        batches,
        loss,
        lambda: loss(held_out),
        max_epochs=max_epochs,
        patience=PATIENCE,
        progress="feature autoencoder",
    )
    with torch.no_grad():
        return network.encoder(x)


def _code_graph(features: Tensor, max_epochs: int) -> Tensor:
    """Train on the edges of the neighbour graph against as many random pairs of cells."""
    neighbours = min(N_NEIGHBORS, len(features) - 1)
    graph = kneighbors_graph(features.numpy(), neighbours)
    graph = graph.maximum(graph.T)  # every edge both ways
    edges = torch.from_numpy(np.stack(graph.nonzero())).long()
    held_out, fitting = _split(edges.shape[1])
    network = GraphAutoencoder(features.shape[1], normalised(graph + sparse.eye(len(features))))
    others = torch.randint(len(features), (2, len(held_out)))

    def loss(real: Tensor, random: Tensor) -> dict[str, Tensor]:
        z = network(features)
        pairs = torch.cat([real, random], dim=1)
        is_edge = torch.cat([torch.ones(real.shape[1]), torch.zeros(random.shape[1])])
        aligned = (z.index_select(0, pairs[0]) * z.index_select(0, pairs[1])).sum(dim=1)
        return {"edges": F.binary_cross_entropy_with_logits(aligned, is_edge)}

    train.minimise(
        network,
        lambda: [torch.randint(len(features), (2, len(fitting)))],
        lambda random: loss(edges[:, fitting], random),
        lambda: loss(edges[:, held_out], others),
        lr=1e-2,
        max_epochs=max_epochs,
        patience=PATIENCE,
        progress="graph autoencoder",
    )
    with torch.no_grad():
        return network(features)


def _split(n: int) -> tuple[Tensor, Tensor]:
    """Return a random tenth of `n` rows, at least one, and the others."""
    order = torch.randperm(n)
    size = max(1, round(HELD_OUT * n))
    return order[:size], order[size:]
