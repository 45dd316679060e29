"""AttentionAE-sc (Li et al. 2023, doi:10.1371/journal.pcbi.1011641): attention joins two views of cells.

Stage 1 reconstructs counts and the neighbour graph; stage 2 gathers cells at the centres of Leiden clusters.
The authors' public code is followed but for these errors of it:

- the exponent of the Student-t kernel was halved after the power, by operator precedence: `parts.assignment`;
- the target P of stage 2 was not detached, so that it chased itself: `parts.sharpened`;
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
from torch.nn import functional as F

from bulk2sc import train
from bulk2sc.clustering import parts
from bulk2sc.clustering.classic import LEIDEN, N_NEIGHBORS, N_PCS
from bulk2sc.errors import Bulk2scError, did_you_mean

NAME = "AttentionAE-sc"
WIDTHS, N_LATENT, N_HEADS = (256, 64), 16, 8
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
    ``obsm["X_attention_ae"]`` (after stage 2), float32 (n_cells, 16), and ``uns["attention_ae"]["history"]``:
    ``stage``, ``epoch``, ``term``, ``value``.

    Raises
    ------
    Bulk2scError
        As for `parts.inputs`, or if `attention` is unknown.
    """
    if attention not in ATTENTION:
        raise Bulk2scError(
            f"{NAME}: attention='{attention}' is unknown, use one of {', '.join(ATTENTION)}."
            + did_you_mean(attention, ATTENTION)
        )
    # as measured: hidden layers of both branches with their gradients
    x, counts = parts.inputs(cells, name=NAME, n_hvg=n_hvg, hidden=60 * sum(WIDTHS))
    similarity = cell_similarity(x.numpy(), seed=seed)
    with train.seeded(seed):
        model = AttentionAE(x, counts, similarity, attention=attention).to(train.device())
        first = train.fit_full_batch(
            model, model.loss, max_epochs=max_epochs, halve_every=40, progress=f"{NAME} stage 1"
        )
        code = model.code()
        start = leiden_labels(code, resolution=resolution, seed=seed)
        labels, second = parts.sharpen(
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
    """

    def __init__(self, width: int):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.dropout = nn.Dropout(QUERY_DROPOUT)
        self.output = nn.Linear(width, width)

    def forward(self, graph: Tensor, expression: Tensor, attended: Tensor | None = None) -> Tensor:
        """Return (n, width) of branches (n, width); `attended` are the cells to attend to, all if None."""
        source = expression if attended is None else expression[attended]
        projected = self.dropout(self.query(graph)), self.key(source), self.value(source)
        # as batches x heads x cells x width of a head: in this form no n x n weights are ever held
        heads = (rows.unflatten(1, (N_HEADS, -1)).transpose(0, 1)[None] for rows in projected)
        fused = F.scaled_dot_product_attention(*heads)[0]
        return expression + self.output(fused.transpose(0, 1).flatten(1))


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
    attention
        As for `attention_ae`.
    """

    def __init__(
        self,
        x: Tensor,
        counts: sparse.csr_matrix,
        similarity: sparse.csr_matrix,
        *,
        attention: str = "exact",
    ):
        super().__init__()
        (wide, narrow), n_latent = WIDTHS, N_LATENT
        self.encode_1 = nn.Sequential(nn.Linear(x.shape[1], wide), nn.ReLU(), _batch_norm(wide))
        self.encode_2 = nn.Sequential(nn.Linear(wide, narrow), nn.ReLU(), _batch_norm(narrow))
        self.encode_3 = nn.Linear(narrow, n_latent)
        self.graph_1 = nn.Linear(wide, narrow, bias=False)
        self.graph_2 = nn.Linear(narrow, n_latent, bias=False)
        self.fuse_1, self.fuse_2 = Fusion(narrow), Fusion(n_latent)
        self.decode = nn.Sequential(
            nn.Linear(n_latent, narrow), nn.ReLU(), nn.Linear(narrow, wide), nn.ReLU()
        )
        self.output = parts.ZINBDecoder(wide, x.shape[1])
        self.reconstruction = parts.ZINBReconstruction(counts)
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
        graph_1 = torch.tanh(self.adjacency @ self.graph_1(hidden))
        graph_2 = torch.tanh(self.adjacency @ self.graph_2(graph_1))
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
        """
        Return the mean over all n x n pairs of (sigmoid(h_i h_j) - s_ij)^2, of codes H (n, n_latent).

        It is the sum of sigmoid^2 over all pairs, put right at those with a similarity. Where there are
        landmarks, that sum is estimated without bias by as many cells, drawn evenly.
        """
        n = len(graph)
        left, right = (graph.index_select(0, side) for side in self.pairs)
        joined = torch.sigmoid((left * right).sum(dim=1))
        correction = ((joined - self.alike).square() - joined.square()).sum()
        others = graph if self.landmarks is None else graph[torch.randperm(n)[:LANDMARKS]]
        every = parts.sum_of_parts(
            lambda rows: torch.sigmoid(rows @ others.T).square().sum(),
            ((rows,) for rows in graph.split(parts.ROWS)),
        )
        return (every * (n / len(others)) + correction) / n**2

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


def cell_similarity(x: np.ndarray, *, seed: int = 0) -> sparse.csr_matrix:
    """
    Return the similarity of neighbouring cells by their principal components.

    Parameters
    ----------
    x
        (n, n_genes) z-scores.
    seed
        Of principal components and the search for neighbours.

    Returns
    -------
    (n, n) sparse, symmetric, in [0, 1]: 1 on the diagonal, 0 for cells that are not neighbours.
    """
    components = sc.pp.pca(x, n_comps=min(N_PCS, *(size - 1 for size in x.shape)), random_state=seed)
    kernel = neighbour_kernel(components, metric="cosine", seed=seed)
    return (kernel + sparse.eye(len(x), dtype=np.float32)).tocsr()


def neighbour_kernel(codes: np.ndarray, *, metric: str = "euclidean", seed: int = 0) -> sparse.csr_matrix:
    """
    Return the Gaussian-kernel similarity of a cell's 15 neighbours, or of as many as there are.

    The kernel is scanpy's, after Haghverdi et al. 2016 (doi:10.1038/nmeth.3971).

    Parameters
    ----------
    codes
        (n, width).
    metric
        Of the distance.
    seed
        Of the search for neighbours, which is approximate with many cells.

    Returns
    -------
    (n, n) sparse and symmetric, in [0, 1], 0 for cells that are not neighbours and on the diagonal.
    """
    cells = AnnData(np.asarray(codes, dtype=np.float32))
    few = min(N_NEIGHBORS, cells.n_obs - 1)
    sc.pp.neighbors(cells, n_neighbors=few, use_rep="X", method="gauss", metric=metric, random_state=seed)
    kernel = sparse.csr_matrix(cells.obsp["connectivities"], dtype=np.float32)
    kernel.data = np.nan_to_num(kernel.data, nan=1.0)  # equal cells: a kernel of width 0
    return kernel.maximum(kernel.T).tocsr()


def leiden_labels(codes: np.ndarray, *, resolution: float, seed: int) -> np.ndarray:
    """Return Leiden clusters, int from 0, of cells' codes (n, n_latent) on their Gaussian-kernel graph."""
    cells, graph = AnnData(np.asarray(codes, dtype=np.float32)), neighbour_kernel(codes, seed=seed)
    sc.tl.leiden(cells, resolution=resolution, adjacency=graph, random_state=seed, **LEIDEN)
    return cells.obs["leiden"].to_numpy(dtype=int)


def normalised(similarity: sparse.csr_matrix) -> Tensor:
    """Return D^-1/2 S D^-1/2 of a similarity S, D its row sums, as a sparse tensor (n, n)."""
    degree = np.asarray(similarity.sum(axis=1)).ravel()
    scale = sparse.diags(1 / np.sqrt(degree))
    entries = (scale @ similarity @ scale).tocoo()
    positions, values = np.stack(entries.coords).astype(np.int64), entries.data.astype(np.float32)
    return torch.sparse_coo_tensor(
        torch.from_numpy(positions), torch.from_numpy(values), entries.shape, check_invariants=True
    ).coalesce()
