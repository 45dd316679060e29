"""scDeepCluster (Tian et al. 2019): a denoising autoencoder of counts, whose code then learns to cluster."""

from collections.abc import Iterator

import scanpy as sc
import torch
from anndata import AnnData
from torch import Tensor, nn

from bulk2sc import pp, train
from bulk2sc.clustering import soft, zinb
from bulk2sc.clustering.communities import as_clusters, community_labels, refuse_unclusterable
from bulk2sc.clustering.memory import STANDARDISING, refuse_too_many

WIDTHS = (256, 64, 32)
NOISE = 1.0  # standard deviation of what is added to z-scores while the code is learnt
HELD_OUT = 0.1  # share of cells that decide when the first stage stops
BATCH, PATIENCE = 256, 20


class CountAutoencoder(nn.Module):
    """Noisy z-scores down to a code, and back to the distribution of counts."""

    def __init__(self, n_genes: int):
        super().__init__()
        first, second, code = WIDTHS
        self.encoder = nn.Sequential(
            nn.Linear(n_genes, first), nn.ReLU(), nn.Linear(first, second), nn.ReLU(), nn.Linear(second, code)
        )
        self.hidden = nn.Sequential(nn.Linear(code, second), nn.ReLU(), nn.Linear(second, first), nn.ReLU())
        self.counts = zinb.ZINBDecoder(first, n_genes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the last hidden layer (n, 256) before the counts, of z-scores (n, n_genes) with noise."""
        noise = NOISE * torch.randn_like(x) if self.training else 0
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
        If there are fewer than three cells, no gene varies, counts are missing or not whole numbers, or
        memory is too small.
    """
    refuse_unclusterable(cells)
    counts = zinb.whole_counts(cells, "deep_cluster")
    n_hvg = min(n_hvg, cells.n_vars)
    table = sc.pp.highly_variable_genes(cells, n_top_genes=n_hvg, flavor="seurat", inplace=False)
    chosen = table["highly_variable"].to_numpy()
    counts = counts[:, chosen]
    floats = cells.n_obs * (STANDARDISING * n_hvg + sum(WIDTHS)) + 3 * counts.nnz
    refuse_too_many("scDeepCluster", cells.n_obs, n_hvg, floats)
    x = torch.from_numpy(pp.zscore(cells.X[:, chosen]))
    cells = cells.copy()
    with train.seeded(seed):
        network = CountAutoencoder(x.shape[1])
        _learn_counts(network, x, counts, max_epochs)
        cells.obsm["X_deep_cluster_stage1"] = first = _code(network, x)
        start = community_labels(first, resolution=resolution, seed=seed)
        labels = _gather(network, x, counts, start, max_cluster_epochs)
    cells.obsm["X_deep_cluster"] = _code(network, x)
    cells.obs["cluster"] = as_clusters(labels)
    return cells


def _learn_counts(network: CountAutoencoder, x: Tensor, counts, max_epochs: int) -> None:
    factors = zinb.size_factors(counts)
    order = torch.randperm(len(x))
    held_out, fitting = order[: (size := max(1, round(HELD_OUT * len(x))))], order[size:]

    def batches() -> Iterator[Tensor]:
        return iter(fitting[torch.randperm(len(fitting))].split(BATCH))

    def loss(rows: Tensor) -> dict[str, Tensor]:
        mean, dispersion, logit = network.counts(network(x[rows]))
        found = zinb.nonzeros(counts[rows.numpy()])
        return {"ZINB": zinb.zinb_loss(factors[rows] * mean, dispersion, logit, *found)}

    train.minimise(
        network,
        batches,
        loss,
        lambda: loss(held_out),
        max_epochs=max_epochs,
        patience=PATIENCE,
        progress="scDeepCluster",
    )


def _gather(network: CountAutoencoder, x: Tensor, counts, start, max_epochs: int):
    reconstruction = zinb.ZINBReconstruction(counts)

    def encode() -> tuple[Tensor, dict[str, Tensor]]:
        return network.encoder(x), {"ZINB": reconstruction(network.counts, network(x))}

    return soft.sharpen(network, encode, start, max_epochs=max_epochs, progress="scDeepCluster, clustering")[
        0
    ]


@torch.no_grad()
def _code(network: CountAutoencoder, x: Tensor):
    return network.encoder(x).numpy()
