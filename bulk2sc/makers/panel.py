"""The drug panel: its inputs, and every method's scores of its lines."""

from bulk2sc import steps
from bulk2sc.artefacts import ARTEFACTS, Artefact, artefact
from bulk2sc.makers.model import mask

PANEL = ["ridge CV", "signature", "shared AE", "all sensitive"]


ARTEFACTS["panel_pair"] = Artefact("panel.pair", steps.panel, upto="pp")


@artefact("panel_mask.csv.gz", upto="pathways")
def panel_mask(
    panel_pair,
    *,
    resource: str = "go_cc",
    min_pathway_genes: int = 10,
    max_pathway_genes: int = 1000,
    n_free: int = 5,
):
    """Build the mask of the sparse decoder for the genes of the panel."""
    size = {"min_pathway_genes": min_pathway_genes, "max_pathway_genes": max_pathway_genes}
    return mask(panel_pair, resource=resource, n_free=n_free, **size)


@artefact("panel_scores.tables", upto="experiments", each="panel_methods")
def panel_scores(
    bulk,
    panel_pair,
    panel_mask,
    *,
    part: str,
    panel_methods: list[str] = PANEL,
    panel_seeds: int = 3,
    panel_few: int = 12,
    panel_min_lines: int = 4,
    panel_min_total: int = 400,
    k: float = 0.3,
    hidden: int = 512,
    dropout: float = 0.1,
    batch_norm: bool = False,
    weights: str = "text",
    sparse_relu: bool = False,
    lr: float = 1e-3,
    batch_size: int = 256,
    max_epochs: int = 300,
    patience: int = 20,
):
    """Score the lines of the panel for every drug with one method, seed by seed.

    Tables: ``scores`` (method, seed, drug, input, line and the mean score of the line's samples) and
    ``chosen`` (what a method chose on bulk lines). Networks and what trains end to end have `panel_seeds`.
    """
    from bulk2sc import panel
    from bulk2sc.experiments import drug_panel

    training, cells = panel_pair
    lines = sorted(set(cells.obs["cell_line"]))
    drugs = panel.drugs(bulk, lines, min_lines=panel_min_lines, min_total=panel_min_total)
    chosen = panel.few(drugs, panel_few) if drug_panel.end_to_end(part) else list(drugs.index)
    network = dict(hidden=hidden, dropout=dropout, batch_norm=batch_norm, weights=weights, lr=lr)
    network |= dict(batch_size=batch_size, max_epochs=max_epochs, patience=patience)
    network |= dict(sparse_relu=sparse_relu, mask=panel_mask)
    samples = panel.samples(cells, panel.bulk_profiles(bulk, training, lines))
    inputs = drug_panel.Inputs(training, cells, samples, chosen, k, network)
    return drug_panel.all_seeds(part, inputs, n_seeds=panel_seeds)
