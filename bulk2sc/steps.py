"""The steps of the study: results that several chapters use, each made by one function.

The arguments of a step are the steps it reads; its keyword-only arguments are its settings. What a step needs
beyond them it imports itself, so that its address hangs on that code alone.
"""

from bulk2sc.errors import Bulk2scError
from bulk2sc.settings import in_project


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
    cells = pp.hold_out_own_lines(cells, bulk)
    if "truth" in cells.obs or "cell_line" not in cells.obs:
        return cells
    return labels.truth_from_lines(labels.leave_out_strangers(cells, bulk), bulk, drug, k, measure)


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


def pair(bulk, labelled, *, n_hvg: int = 2500, pool: int = 0):
    """Pair training lines, with tails of their own, and cells, pooled where asked: same genes and scale."""
    from bulk2sc import labels, pp

    training = pp.train_lines(bulk, labelled.uns.get("held_out", []))
    asked = {name: bulk.uns["labels"][name] for name in ("drug", "k", "measure")}
    return pp.pair(labels.label_bulk(training, **asked), labelled, n_hvg=n_hvg, pool=pool)


def mask(
    pair,
    *,
    resource: str = "go_cc",
    min_pathway_genes: int = 10,
    max_pathway_genes: int = 1000,
    n_free: int = 5,
):
    """Build the mask of the sparse decoder, pathways x genes of 0 and 1."""
    from bulk2sc import datasets, pathways

    return pathways.pathway_mask(
        datasets.gene_sets(resource),
        pair[0].var_names,
        min_genes=min_pathway_genes,
        max_size=max_pathway_genes,
        n_free=n_free,
    )


def autoencoder(
    pair,
    mask,
    *,
    hidden: int = 512,
    dropout: float = 0.1,
    batch_norm: bool = False,
    weights: str = "text",
    sparse_relu: bool = False,
    lr: float = 1e-3,
    batch_size: int = 256,
    max_epochs: int = 300,
    patience: int = 20,
    seed: int = 0,
):
    """Pretrain the shared autoencoder, without labels."""
    from bulk2sc.models.autoencoder import SharedAutoencoder

    return SharedAutoencoder(
        mask=mask,
        hidden=hidden,
        dropout=dropout,
        batch_norm=batch_norm,
        weights=weights,
        sparse_relu=sparse_relu,
        lr=lr,
        batch_size=batch_size,
        max_epochs=max_epochs,
        patience=patience,
        seed=seed,
    ).pretrain(*pair)


def model(pair, autoencoder, *, schedule: str = "pretrain-then-classify"):
    """Fit the classifier on the codes, or everything together in the joint schedule."""
    if schedule == "pretrain-then-classify":
        return autoencoder.fit_classifier(pair[0])
    return autoencoder.set_params(schedule=schedule).fit(*pair)


def attributions(model, pair, *, n_steps: int = 64):
    """Attribute each cell's logit to pathways; the last columns are ``logit`` and ``completeness``."""
    from bulk2sc import explain

    found = explain.integrated_gradients(model, pair[1], n_steps=n_steps)
    return found.values.assign(logit=found.logit, completeness=found.completeness).rename_axis("cell")


def scores(
    pair,
    mask,
    *,
    method: str = "ridge CV",
    hidden: int = 512,
    dropout: float = 0.1,
    batch_norm: bool = False,
    weights: str = "text",
    sparse_relu: bool = False,
    schedule: str = "pretrain-then-classify",
    lr: float = 1e-3,
    batch_size: int = 256,
    max_epochs: int = 300,
    patience: int = 20,
    seed: int = 0,
):
    """Fit one method, which takes of the mask and the settings what it has, and score every cell."""
    from bulk2sc import evaluate, models

    network = dict(
        mask=mask,
        hidden=hidden,
        dropout=dropout,
        batch_norm=batch_norm,
        weights=weights,
        sparse_relu=sparse_relu,
        schedule=schedule,
        lr=lr,
        batch_size=batch_size,
        max_epochs=max_epochs,
        patience=patience,
    )
    return evaluate.score_methods(*pair, methods=models.makers([method], **network), seeds=[seed])


def panel(bulk, cells, *, panel_hvg: int = 0, pool: int = 0):
    """Pair the lines to train on and the cells of known lines, at all shared genes (`panel_hvg` = 0).

    Raises
    ------
    Bulk2scError
        If no cell is of a line of the bulk data.
    """
    from bulk2sc import pp

    lines = cells.obs["cell_line"] if "cell_line" in cells.obs else None
    if lines is None or not lines.isin(bulk.obs_names).any():
        names = [] if lines is None else sorted(set(lines.dropna().astype(str)))
        found = "no such column" if lines is None else ", ".join(names[:3]) or "no name"
        raise Bulk2scError(
            "panel: no cell is of a line that was tested with drugs; it takes cells whose obs['cell_line'] "
            f"names lines of GDSC, such as {bulk.obs_names[0]}; found {found}"
        )
    known = cells[lines.isin(bulk.obs_names)].copy()
    held_out = {*known.obs["cell_line"], *cells.uns.get("held_out", [])}
    return pp.pair(pp.train_lines(bulk, sorted(held_out)), known, n_hvg=panel_hvg, pool=pool)
