"""The model: what it is trained on, its mask, itself, and what it attributes to pathways."""

from bulk2sc.artefacts import artefact


@artefact("training.pair", upto="labels")
def pair(bulk, labelled, *, n_hvg: int = 2500, pool: int = 0):
    """Pair training lines, with tails of their own, and cells, pooled where asked: same genes and scale."""
    from bulk2sc import labels, pp

    training = pp.train_lines(bulk, labelled.uns.get("held_out", []))
    asked = {name: bulk.uns["labels"][name] for name in ("drug", "k", "measure")}
    return pp.pair(labels.label_bulk(training, **asked), labelled, n_hvg=n_hvg, pool=pool)


@artefact("mask.csv.gz", upto="pathways")
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


@artefact("autoencoder.model", upto="models")
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
    from bulk2sc.models import SharedAutoencoder

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


@artefact("fitted.model", upto="models")
def model(pair, autoencoder, *, schedule: str = "pretrain-then-classify"):
    """Fit the classifier on the codes, or everything together in the joint schedule."""
    if schedule == "pretrain-then-classify":
        return autoencoder.fit_classifier(pair[0])
    return autoencoder.set_params(schedule=schedule).fit(*pair)


@artefact("attributions.csv.gz", upto="explain")
def attributions(model, pair, *, n_steps: int = 64):
    """Attribute each cell's logit to pathways; the last columns are ``logit`` and ``completeness``."""
    from bulk2sc import explain

    found = explain.integrated_gradients(model, pair[1], n_steps=n_steps)
    return found.values.assign(logit=found.logit, completeness=found.completeness).rename_axis("cell")
