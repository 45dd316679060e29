"""AttentionAE-sc (Li et al. 2023, doi:10.1371/journal.pcbi.1011641): attention joins two views of cells.

Stage 1 reconstructs counts and the neighbour graph; stage 2 gathers cells at the centres of Leiden clusters.
The authors' public code is followed but for these errors of it:

- the exponent of the Student-t kernel was halved after the power, by operator precedence: `soft.assignment`;
- the target P of stage 2 was not detached, so that it chased itself: `soft.sharpened`;
- the network never went into eval mode, so that codes and clusters held noise and dropout;
- the target of the graph loss was a distance, which asked neighbours to be unlike; here it is a similarity;
- beyond 4,000 cells a subsample was stratified by the true cell types, which are the answer.

It differs by choice in these points: heads share the width of their layer (8 x 8 and 8 x 2; there, each has
the whole width), the graph has self-loops and is normalised by degree, and it is made from 50 principal
components at any number of cells (there, from 10,000 on). No n x n matrix is ever held, which is what limited
the original to 4,000 cells.
"""

import numpy as np
import pandas as pd
import scanpy as sc
import torch
from anndata import AnnData
from scipy import sparse
from torch import Tensor, nn

from bulk2sc import train
from bulk2sc.clustering import soft
from bulk2sc.clustering.attention import attend
from bulk2sc.clustering.memory import refuse_too_many
from bulk2sc.clustering.zinb import ROWS, ZINBDecoder, ZINBReconstruction, row_by_row, whole_counts
from bulk2sc.errors import Bulk2scError, did_you_mean
from bulk2sc.pp import zscore

NAME = "AttentionAE-sc"
WIDTHS = 256, 64
N_PCS = 50
NOISE = 0.1  # of a value's size
QUERY_DROPOUT = 0.2
LANDMARKS = 512  # cells that all others attend to, and are compared with in the graph loss
ATTENTION = ("exact", "landmarks")
GRAPH_WEIGHT = 0.1  # of stage 1
STAGE_2 = {"ZINB": 0.1, "graph": 0.01}  # beside KL


def attention_ae(
    cells: AnnData,
    *,
    n_hvg: int = 2500,
    n_heads: int = 8,
    n_latent: int = 16,
    n_neighbors: int = 15,
    resolution: float = 0.1,
    attention: str = "exact",
    max_epochs: int = 200,
    max_cluster_epochs: int = 100,
    seed: int = 0,
) -> AnnData:
    """
    Cluster cells with AttentionAE-sc.

    Parameters
    ----------
    cells
        (n_cells, n_genes), X log-normalised, raw counts in ``layers["counts"]``.
    n_hvg
        Number of highly variable genes, as far as there are so many.
    n_heads
        Heads of attention; divides 64 and `n_latent`.
    n_latent
        Width of the code.
    n_neighbors
        Neighbours in the Gaussian-kernel graph and in the graph that Leiden works on.
    resolution
        Of Leiden on the code of stage 1; higher values give more clusters.
    attention
        ``exact``: every cell attends to every cell, time grows with n^2, memory with n. ``landmarks``: to 512
        random cells, and the graph loss is estimated on as many; both grow with n.
    max_epochs, max_cluster_epochs
        Steps of stage 1, and at most of stage 2.
    seed
        Of every step.

    Returns
    -------
    A copy with ``obs["cluster"]`` (categorical), the codes ``obsm["X_attention_ae_stage1"]`` and
    ``obsm["X_attention_ae"]`` (after stage 2), float32 (n_cells, n_latent), and
    ``uns["attention_ae"]["history"]``: ``stage``, ``epoch``, ``term``, ``value``.

    Raises
    ------
    Bulk2scError
        If there are no whole counts, a setting is unknown or does not fit, or memory is too small.
    """
    _check(cells, n_heads=n_heads, n_latent=n_latent, attention=attention)
    counts, genes = whole_counts(cells, NAME), _variable_genes(cells, n_hvg)
    n, n_counts = cells.n_obs, counts.nnz * len(genes) / max(cells.n_vars, 1)
    # as measured: inputs and their noise, hidden layers of both branches with gradients, counts
    refuse_too_many(NAME, n, len(genes), n * (6 * len(genes) + 60 * sum(WIDTHS)) + 3 * n_counts)
    x, counts = zscore(cells.X[:, genes]), counts[:, genes]
    similarity = cell_similarity(x, n_neighbors=n_neighbors, seed=seed)
    with train.seeded(seed):
        model = AttentionAE(
            torch.from_numpy(x), counts, similarity, n_heads=n_heads, n_latent=n_latent, attention=attention
        ).to(train.device())
        first = train.fit_full_batch(
            model, model.loss, max_epochs=max_epochs, halve_every=40, progress=f"{NAME} stage 1"
        )
        code = model.code()
        start = soft.leiden_labels(code, resolution=resolution, n_neighbors=n_neighbors, seed=seed)
        labels, second = soft.sharpen(
            model, model.code_and_terms, start, max_epochs=max_cluster_epochs, progress=f"{NAME} stage 2"
        )
    clustered = cells.copy()
    clustered.obs["cluster"] = pd.Categorical(labels.astype(str))
    clustered.obsm["X_attention_ae_stage1"], clustered.obsm["X_attention_ae"] = code, model.code()
    stages = [stage.assign(stage=i) for i, stage in enumerate((first, second), start=1) if len(stage)]
    history = pd.concat(stages, ignore_index=True)
    clustered.uns["attention_ae"] = {"history": history[["stage", "epoch", "term", "value"]]}
    return clustered


# --------------------------------------------------------------------------------------------- the network


class Fusion(nn.Module):
    """
    Multi-head attention from the graph branch (query) to the expression branch (key, value), with residual.

    Parameters
    ----------
    width
        Of both branches.
    n_heads
        Divides `width`.
    """

    def __init__(self, width: int, n_heads: int):
        super().__init__()
        self.n_heads = n_heads
        self.query, self.key, self.value = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.dropout = nn.Dropout(QUERY_DROPOUT)
        self.output = nn.Linear(width, width)

    def forward(self, graph: Tensor, expression: Tensor, attended: Tensor | None = None) -> Tensor:
        """Return (n, width) of branches (n, width); `attended` are the cells to attend to, all if None."""
        source = expression if attended is None else expression[attended]
        query, key, value = self.dropout(self.query(graph)), self.key(source), self.value(source)
        return expression + self.output(self.attend(*(self.heads(rows) for rows in (query, key, value))))

    def heads(self, rows: Tensor) -> Tensor:
        """Return (n, width) as (n_heads, width / n_heads, n)."""
        return rows.T.unflatten(0, (self.n_heads, -1))

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Return softmax(QK' / sqrt(width of a head)) V, (n, width), without holding the n x n weights."""
        return attend(query, key, value).flatten(0, 1).T


class AttentionAE(nn.Module):
    """
    Autoencoder genes-256-64-code, two graph convolutions beside it, and attention that fuses them.

    Parameters
    ----------
    x
        (n, n_genes) float32 z-scores of all cells.
    counts
        (n, n_genes) raw counts, the target.
    similarity
        (n, n) of all cells in [0, 1], 1 on the diagonal, sparse and symmetric.
    n_heads, n_latent, attention
        As for `attention_ae`.
    """

    def __init__(
        self,
        x: Tensor,
        counts: sparse.csr_matrix,
        similarity: sparse.csr_matrix,
        *,
        n_heads: int = 8,
        n_latent: int = 16,
        attention: str = "exact",
    ):
        super().__init__()
        wide, narrow = WIDTHS
        self.encode_1 = nn.Sequential(nn.Linear(x.shape[1], wide), nn.ReLU(), _batch_norm(wide))
        self.encode_2 = nn.Sequential(nn.Linear(wide, narrow), nn.ReLU(), _batch_norm(narrow))
        self.encode_3 = nn.Linear(narrow, n_latent)
        self.graph_1 = nn.Linear(wide, narrow, bias=False)
        self.graph_2 = nn.Linear(narrow, n_latent, bias=False)
        self.fuse_1, self.fuse_2 = Fusion(narrow, n_heads), Fusion(n_latent, n_heads)
        self.decode = nn.Sequential(
            nn.Linear(n_latent, narrow), nn.ReLU(), nn.Linear(narrow, wide), nn.ReLU()
        )
        self.output = ZINBDecoder(wide, x.shape[1])
        self.reconstruction = ZINBReconstruction(counts)
        edges = similarity.tocoo()
        self.register_buffer("x", x, persistent=False)
        self.register_buffer("adjacency", normalised(similarity), persistent=False)
        self.register_buffer(
            "pairs", torch.from_numpy(np.stack(edges.coords).astype(np.int64)), persistent=False
        )
        self.register_buffer("alike", torch.from_numpy(edges.data.astype(np.float32)), persistent=False)
        few = attention == "landmarks" and len(x) > LANDMARKS
        self.register_buffer("landmarks", torch.randperm(len(x))[:LANDMARKS] if few else None)

    def forward(self) -> tuple[Tensor, Tensor]:
        """Return the code, and the code of the graph branch alone, of all cells, each (n, n_latent)."""
        hidden = self.encode_1(self.noisy(self.x))
        graph_1 = graph_convolution(self.adjacency, self.graph_1(hidden))
        graph_2 = graph_convolution(self.adjacency, self.graph_2(graph_1))
        fused = self.fuse_1(graph_1, self.encode_2(self.noisy(hidden)), self.landmarks)
        return self.fuse_2(graph_2, self.encode_3(self.noisy(fused)), self.landmarks), graph_2

    def noisy(self, rows: Tensor) -> Tensor:
        """Return `rows` with Gaussian noise in proportion to each value while training."""
        return rows * torch.randn_like(rows).mul_(NOISE).add_(1) if self.training else rows

    def terms(self) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the code and the two losses that both stages weigh."""
        code, graph = self()
        zinb = self.reconstruction(self.output, self.decode(code))
        return code, {"ZINB": zinb, "graph": self.graph_loss(graph)}

    def graph_loss(self, graph: Tensor) -> Tensor:
        """Return `graph_loss` on the cells' similarity: exact, or estimated where there are landmarks."""
        compared = None if self.landmarks is None else torch.randperm(len(graph))[:LANDMARKS]
        return graph_loss(graph, self.pairs, self.alike, compared)

    def loss(self) -> dict[str, Tensor]:
        """Return the loss of stage 1, ZINB + 0.1 graph, and its terms."""
        _, terms = self.terms()
        return {"total": terms["ZINB"] + GRAPH_WEIGHT * terms["graph"]} | terms

    def code_and_terms(self) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the code, and what stage 2 adds to KL: 0.1 ZINB and 0.01 graph."""
        code, terms = self.terms()
        return code, {name: STAGE_2[name] * term for name, term in terms.items()}

    @torch.no_grad()
    def code(self) -> np.ndarray:
        """Return the code, float32 (n, n_latent), without noise or dropout."""
        assert not self.training  # noqa: S101
        return self()[0].cpu().numpy()


def _batch_norm(width: int) -> nn.BatchNorm1d:
    # Every batch is all the data, so the last statistics are the data's: no moving average.
    return nn.BatchNorm1d(width, momentum=1.0)


# --------------------------------------------------------------------------------------------- the graph


def cell_similarity(x: np.ndarray, *, n_neighbors: int = 15, seed: int = 0) -> sparse.csr_matrix:
    """
    Return the Gaussian-kernel similarity of neighbouring cells, from 50 principal components and cosines.

    Parameters
    ----------
    x
        (n, n_genes) z-scores.
    n_neighbors
        Number of neighbours.
    seed
        Of principal components and the search for neighbours.

    Returns
    -------
    (n, n) sparse, symmetric, in [0, 1]: 1 on the diagonal, 0 for cells that are not neighbours.
    """
    n_pcs = min(N_PCS, *(size - 1 for size in x.shape))
    components = sc.pp.pca(x, n_comps=n_pcs, random_state=seed) if x.any() else x  # equal cells have none
    kernel = soft.neighbour_kernel(components, n_neighbors=n_neighbors, metric="cosine", seed=seed)
    return (kernel + sparse.eye(len(x), dtype=np.float32)).tocsr()


def normalised(similarity: sparse.csr_matrix) -> Tensor:
    """Return D^-1/2 S D^-1/2 of a similarity S, D its row sums, as a sparse tensor (n, n)."""
    degree = np.asarray(similarity.sum(axis=1)).ravel()
    scale = sparse.diags(1 / np.sqrt(degree))
    entries = (scale @ similarity @ scale).tocoo()
    positions, values = np.stack(entries.coords).astype(np.int64), entries.data.astype(np.float32)
    return torch.sparse_coo_tensor(
        torch.from_numpy(positions), torch.from_numpy(values), entries.shape, check_invariants=True
    ).coalesce()


def graph_convolution(adjacency: Tensor, projected: Tensor) -> Tensor:
    """Return tanh(A H W) of a sparse (n, n) adjacency A and projected features HW (n, width)."""
    return torch.tanh(adjacency @ projected)


def graph_loss(graph: Tensor, pairs: Tensor, alike: Tensor, compared: Tensor | None = None) -> Tensor:
    """
    Return the mean over all n x n pairs of (sigmoid(h_i h_j) - s_ij)^2.

    It is the sum of sigmoid^2 over all pairs, put right at those with a similarity.

    Parameters
    ----------
    graph
        (n, width) codes H.
    pairs, alike
        (2, m) pairs that have a similarity, both ways round, and this, (m,); it is 0 elsewhere.
    compared
        Cells, drawn evenly, by whom the sum over all pairs is estimated without bias; all if None.
    """
    n = len(graph)
    left, right = graph.index_select(0, pairs[0]), graph.index_select(0, pairs[1])
    joined = torch.sigmoid((left * right).sum(dim=1))
    correction = ((joined - alike).square() - joined.square()).sum()
    if compared is None:
        return (_all_pairs(graph) + correction) / n**2
    sampled = torch.sigmoid(graph @ graph[compared].T).square().sum() * (n / len(compared))
    return (sampled + correction) / n**2


def _all_pairs(graph: Tensor) -> Tensor:
    """Return the sum of sigmoid(h_i h_j)^2 over all pairs, some rows at a time."""
    every = graph.detach()
    chunks = [(slice(start, start + ROWS),) for start in range(0, len(graph), ROWS)]
    total = row_by_row(lambda _, rows: torch.sigmoid(rows @ every.T).square().sum(), chunks, graph)
    return 2 * total - total.detach()  # h_j has as much gradient as h_i


# --------------------------------------------------------------------------------------------- the input


def _check(cells: AnnData, *, n_heads: int, n_latent: int, attention: str) -> None:
    if cells.n_obs < 3:
        raise Bulk2scError(f"{NAME}: {cells.n_obs} cells have no neighbourhoods; give at least 3")
    if attention not in ATTENTION:
        raise Bulk2scError(
            f"{NAME}: attention='{attention}' is unknown, use one of {', '.join(ATTENTION)}."
            + did_you_mean(attention, ATTENTION)
        )
    if WIDTHS[-1] % n_heads or n_latent % n_heads:
        raise Bulk2scError(
            f"{NAME}: n_heads={n_heads} must divide {WIDTHS[-1]} and n_latent={n_latent}; "
            "take both from 1, 2, 4, 8, 16, 32, 64"
        )


def _variable_genes(cells: AnnData, n_hvg: int) -> np.ndarray:
    """Return the positions of the highly variable genes; of all genes where there are no more."""
    if n_hvg >= cells.n_vars:
        return np.arange(cells.n_vars)
    found = sc.pp.highly_variable_genes(cells, n_top_genes=n_hvg, flavor="seurat", inplace=False)
    return np.flatnonzero(found["highly_variable"])
