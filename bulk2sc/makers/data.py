"""Data: lines, cells, clusters and labels."""

from bulk2sc.artefacts import artefact
from bulk2sc.errors import Bulk2scError
from bulk2sc.settings import in_project, is_own


@artefact("bulk.h5ad", upto="labels")
def bulk(
    *,
    bulk_source: str = "gdsc2",
    drug: str = "Cisplatin",
    k: float = 0.3,
    measure: str = "auc",
    data_seed: int = 0,
):
    """Load all bulk lines, with their response to the drug."""
    from bulk2sc import datasets, labels

    return labels.label_bulk(datasets.load_bulk(bulk_source, seed=data_seed), drug=drug, k=k, measure=measure)


@artefact("raw_cells.h5ad", upto="labels")
def raw_cells(
    bulk,
    *,
    cells_source: str = "simulated",
    cells_reading: dict[str, str] = {},  # noqa: B006
    drug: str = "Cisplatin",
    k: float = 0.3,
    measure: str = "auc",
    n_cells: int = 1500,
    n_lines_per_tail: int = 10,
    depth: float = 2000.0,
    shift: float = 0.5,
    hidden_resistant: float = 0.15,
    surviving_sensitive: float = 0.15,
    normal: float = 0.08,
    low_quality: float = 0.05,
    doublets: float = 0.04,
    data_seed: int = 0,
):
    """Load or simulate cells before any filter: counts, samples and, where lines are known, the truth."""
    from bulk2sc import datasets, labels, pp

    simulation = dict(
        measure=measure,
        n_cells=n_cells,
        n_lines_per_tail=n_lines_per_tail,
        depth=depth,
        shift=shift,
        hidden_resistant=hidden_resistant,
        surviving_sensitive=surviving_sensitive,
        normal=normal,
        low_quality=low_quality,
        doublets=doublets,
        seed=data_seed,
        reading=cells_reading,
    )
    cells = datasets.load_cells(in_project(cells_source), bulk=bulk, drug=drug, k=k, **simulation)
    if not is_own(cells_source):
        cells = pp.check_cells(cells, cells_source)
    cells = pp.resolve_symbols(cells)
    cells = pp.hold_out_own_lines(cells, bulk)
    if "truth" in cells.obs or "cell_line" not in cells.obs:
        return cells
    return labels.truth_from_lines(labels.leave_out_strangers(cells, bulk), bulk, drug, k, measure)


@artefact("cells.h5ad", upto="pp")
def cells(
    raw_cells,
    *,
    min_genes: int = 200,
    max_mito: float = 20.0,
    nmads: float = 5.0,
    remove_doublets: bool = True,
    doublet_rate: float = 0.05,
    data_seed: int = 0,
):
    """Keep the cells that pass quality control, judged within each sample; normalise them."""
    from bulk2sc import pp

    by = "sample" if "sample" in raw_cells.obs else None
    flagged = pp.qc_flags(raw_cells, min_genes=min_genes, max_mito=max_mito, nmads=nmads, by=by)
    if remove_doublets:
        flagged = pp.doublets(flagged, by=by, expected_rate=doublet_rate, seed=data_seed)
    return pp.normalise(flagged[flagged.obs["qc_pass"]].copy())


@artefact("clustered.h5ad", upto="clustering")
def clustered(
    cells,
    *,
    clustering_method: str = "leiden",
    leiden_resolution: float = 1.0,
    clustering_hvg: int = 2500,
    clustering_attention: str = "exact",
    clustering_epochs: int = 200,
    cluster_stage_epochs: int = 100,
    data_seed: int = 0,
):
    """Group the cells by ``leiden`` or, as the paper does, by ``attention_ae``; draw a UMAP."""
    from bulk2sc import clustering, pp

    if clustering_method not in ("leiden", "attention_ae"):
        raise Bulk2scError(f"clustering_method: '{clustering_method}' is neither leiden nor attention_ae.")
    if clustering_method == "leiden":
        return clustering.leiden(cells, resolution=leiden_resolution, seed=data_seed)
    from bulk2sc.clustering.attention_ae import attention_ae

    settings = {"n_hvg": clustering_hvg, "attention": clustering_attention, "seed": data_seed}
    settings |= {"max_epochs": clustering_epochs, "max_cluster_epochs": cluster_stage_epochs}
    grouped = attention_ae(pp.with_counts(cells), **settings)
    if grouped.uns["counts"] == "stand-in":
        del grouped.layers["counts"]  # nothing further on must take them for measured
    return clustering.umap(clustering.neighbours(grouped, "X_attention_ae", seed=data_seed), seed=data_seed)


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


@artefact("labelled.h5ad", upto="labels")
def labelled(
    clustered,
    *,
    cells_source: str = "simulated",
    rule: str = "",
    dominance: float = 0.0,
    min_score: float = 1.0,
    data_seed: int = 0,
):
    """Label the cells by the rule of their data set, or by one's own."""
    from bulk2sc import labels

    rule = labels.rule_for(cells_source, in_project(rule))
    settings = {"dominance": dominance, "min_score": min_score, "seed": data_seed}
    return labels.answer(labels.label_cells(clustered, rule, **settings))
