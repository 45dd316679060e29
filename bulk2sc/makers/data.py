"""Data: lines, cells, clusters and labels."""

from bulk2sc import steps
from bulk2sc.artefacts import artefact

artefact("bulk.h5ad", upto="labels")(steps.bulk)
artefact("raw_cells.h5ad", upto="labels")(steps.raw_cells)
artefact("cells.h5ad", upto="pp")(steps.cells)
artefact("clustered.h5ad", upto="clustering")(steps.clustered)
artefact("labelled.h5ad", upto="labels")(steps.labelled)


@artefact("clusterings.csv.gz", upto="clustering")
def clusterings(
    cells,
    *,
    clustering_cells: int = 4000,
    clustering_hvg: int = 2500,
    clustering_attention: str = "exact",
    clustering_epochs: int = 200,
    cluster_stage_epochs: int = 100,
    clustering_seeds: int = 5,
    clustering_nulls: int = 5,
):
    """Compare clusterings, of the cells and of cells whose genes are permuted."""
    from bulk2sc import pp
    from bulk2sc.clustering import compare

    methods = compare.methods(
        n_hvg=clustering_hvg,
        attention=clustering_attention,
        max_epochs=clustering_epochs,
        max_cluster_epochs=cluster_stage_epochs,
    )
    few = pp.with_counts(compare.at_most(cells, clustering_cells))
    return compare.table_s2(few, methods, n_seeds=clustering_seeds, n_permuted=clustering_nulls)
