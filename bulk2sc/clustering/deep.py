"""Two more networks of the paper's Table S2 that cluster: scDeepCluster and a graph autoencoder."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from anndata import AnnData
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.neighbors import kneighbors_graph
from torch import Tensor, nn
from torch.nn import functional as F

from bulk2sc import train
from bulk2sc.clustering import parts
from bulk2sc.clustering.attention_ae import normalised
from bulk2sc.clustering.classic import N_NEIGHBORS, as_clusters, community_labels

HELD_OUT = 0.1  # share of cells, or of edges, that decide when training stops
BATCH, PATIENCE = 256, 20


def fit_rows(
    network: nn.Module, n: int, loss: Callable[[Tensor], dict[str, Tensor]], *, max_epochs: int, progress: str
) -> None:
    """Minimise the loss of some of `n` rows at a time, until that of a tenth held out rises."""
    held_out, fitting = split(n)

    def batches() -> Iterator[Tensor]:
        return iter(fitting[torch.randperm(len(fitting))].split(BATCH))

    stop = {"max_epochs": max_epochs, "patience": PATIENCE}
    train.minimise(network, batches, loss, lambda: loss(held_out), progress=progress, **stop)


def split(n: int) -> tuple[Tensor, Tensor]:
    """Return a random tenth of `n` rows, at least one, and the others."""
    order, size = torch.randperm(n), max(1, round(HELD_OUT * n))
    return order[:size], order[size:]


# ------------------------------------------------------------------------------------------ scDeepCluster


class CountAutoencoder(nn.Module):
    """Noisy z-scores down to a code, and back to the distribution of counts (Tian et al. 2019)."""

    widths = (256, 64, 32)
    noise = 1.0  # standard deviation of what is added to z-scores while the code is learnt

    def __init__(self, n_genes: int):
        super().__init__()
        first, second, code = self.widths
        self.encoder = nn.Sequential(
            nn.Linear(n_genes, first), nn.ReLU(), nn.Linear(first, second), nn.ReLU(), nn.Linear(second, code)
        )
        self.hidden = nn.Sequential(nn.Linear(code, second), nn.ReLU(), nn.Linear(second, first), nn.ReLU())
        self.counts = parts.ZINBDecoder(first, n_genes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the last hidden layer (n, 256) before the counts, of z-scores (n, n_genes) with noise."""
        noise = self.noise * torch.randn_like(x) if self.training else 0
        return self.hidden(self.encoder(x + noise))


def deep_cluster(
    cells: AnnData,
    *,
    n_hvg: int = 2000,
    resolution: float = 1.0,
    max_epochs: int = 200,
    max_cluster_epochs: int = 100,
    seed: int = 0,
) -> AnnData:
    """
    Cluster cells by a zero-inflated autoencoder of counts and a stage that pulls its code together.

    The first stage minimises the loss of counts. The second minimises KL(P||Q) plus that loss, from the
    Leiden clusters of the first code on: their number is not given, as the original asks.

    Parameters
    ----------
    cells
        (n_cells, n_genes), X log-normalised, `layers["counts"]`.
    n_hvg
        Number of highly variable genes.
    resolution
        Of Leiden's algorithm on the first code.
    max_epochs
        Most epochs of the first stage, which stops early on held-out cells.
    max_cluster_epochs
        Most epochs of the second stage, which ends when less than 0.1 % of the cells change cluster.
    seed
        Of every step.

    Returns
    -------
    A copy with `obs["cluster"]`, `obsm["X_deep_cluster_stage1"]` and `obsm["X_deep_cluster"]`: the code
    (n_cells, 32) before and after the second stage.

    Raises
    ------
    Bulk2scError
        As for `parts.inputs`.
    """
    x, counts = parts.inputs(cells, name="scDeepCluster", n_hvg=n_hvg, hidden=sum(CountAutoencoder.widths))
    cells, factors = cells.copy(), parts.size_factors(counts)
    with train.seeded(seed):
        network = CountAutoencoder(x.shape[1])

        def loss(rows: Tensor) -> dict[str, Tensor]:
            mean, dispersion, logit = network.counts(network(x[rows]))
            found = parts.nonzeros(counts[rows.numpy()])
            return {"ZINB": parts.zinb_loss(factors[rows] * mean, dispersion, logit, *found)}

        fit_rows(network, len(x), loss, max_epochs=max_epochs, progress="scDeepCluster")
        cells.obsm["X_deep_cluster_stage1"] = first = network.encoder(x).detach().numpy()
        start = community_labels(first, resolution=resolution, seed=seed)
        reconstruction = parts.ZINBReconstruction(counts)

        def encode() -> tuple[Tensor, dict[str, Tensor]]:
            return network.encoder(x), {"ZINB": reconstruction(network.counts, network(x))}

        about = {"max_epochs": max_cluster_epochs, "progress": "scDeepCluster, clustering"}
        labels, _ = parts.sharpen(network, encode, start, **about)
    cells.obsm["X_deep_cluster"] = network.encoder(x).detach().numpy()
    cells.obs["cluster"] = as_clusters(labels)
    return cells


# ---------------------------------------------------------------------------------------- graph autoencoder


class FeatureAutoencoder(nn.Module):
    """Two layers down to the code of a cell, two layers back."""

    widths = (256, 64)

    def __init__(self, n_genes: int):
        super().__init__()
        hidden, code = self.widths
        self.encoder = nn.Sequential(nn.Linear(n_genes, hidden), nn.ReLU(), nn.Linear(hidden, code))
        self.decoder = nn.Sequential(nn.Linear(code, hidden), nn.ReLU(), nn.Linear(hidden, n_genes))

    def forward(self, x: Tensor) -> Tensor:
        """Rebuild z-scores (n, n_genes)."""
        return self.decoder(self.encoder(x))


class GraphAutoencoder(nn.Module):
    """Two graph convolutions (Kipf and Welling 2016); likely edges join codes that are aligned."""

    widths = (32, 16)  # as in scGNN

    def __init__(self, n_in: int, adjacency: Tensor):
        super().__init__()
        hidden, code = self.widths
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
    Cluster cells by a code of expression and neighbours, in the manner of scGNN (Wang et al. 2021).

    A feature autoencoder codes each cell, a graph autoencoder codes it together with its neighbours, and
    k-means on the second code gives the clusters, as many as the neighbour graph has communities. Left out of
    scGNN: the left-truncated mixture model of expression, one autoencoder for each cluster, imputation, and
    the rounds that repeat all this.

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
        As for `parts.inputs`; counts are not needed.
    """
    hidden = sum(FeatureAutoencoder.widths)
    x, _ = parts.inputs(cells, name="graph AE", n_hvg=n_hvg, hidden=hidden, with_counts=False)
    cells = cells.copy()
    with train.seeded(seed):
        network = FeatureAutoencoder(x.shape[1])

        def loss(rows: Tensor) -> dict[str, Tensor]:
            return {"reconstruction": F.mse_loss(network(x[rows]), x[rows])}

        fit_rows(network, len(x), loss, max_epochs=max_epochs, progress="feature autoencoder")
        features = network.encoder(x).detach()
        graph = _code_graph(features, max_graph_epochs)
    cells.obsm["X_graph_ae_stage1"], cells.obsm["X_graph_ae"] = features.numpy(), graph.numpy()
    communities = community_labels(features.numpy(), resolution=resolution, seed=seed)
    k = communities.max() + 1
    cells.obs["cluster"] = as_clusters(KMeans(k, n_init=10, random_state=seed).fit_predict(graph.numpy()))
    return cells


def _code_graph(features: Tensor, max_epochs: int) -> Tensor:
    """Train on the edges of the neighbour graph against as many random pairs of cells."""
    neighbours = min(N_NEIGHBORS, len(features) - 1)
    graph = kneighbors_graph(features.numpy(), neighbours)
    graph = graph.maximum(graph.T)  # every edge both ways
    edges = torch.from_numpy(np.stack(graph.nonzero())).long()
    held_out, fitting = split(edges.shape[1])
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
