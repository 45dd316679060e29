"""Group cells by expression, and measure what the groups are worth.

The networks (`attention_ae`, `deep`) and `compare`, which runs them, are imported by the names of their
modules: they need torch.
"""

from bulk2sc.clustering.classic import (
    agreement,
    by_sample,
    communities,
    kmeans,
    leiden,
    neighbours,
    permute_genes,
    silhouette,
    umap,
)
