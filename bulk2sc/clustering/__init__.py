"""Group cells by expression, and measure what the groups are worth.

The networks (`attention_ae`, `deep_cluster`, `graph_ae`) and `compare`, which runs them, are imported by the
names of their modules: they need torch.
"""

from bulk2sc.clustering.communities import (
    communities,
    community_labels,
    group,
    kmeans,
    leiden,
    neighbours,
    principal_components,
    umap,
)
from bulk2sc.clustering.measures import agreement, permute_genes, silhouette
