"""Invented cell lines and drug responses: a stand-in for GDSC that needs no download and has known truth."""

from itertools import chain, zip_longest

import anndata as ad
import numpy as np
import pandas as pd

from bulk2sc.datasets.gdsc import line_key
from bulk2sc.datasets.genes import gene_sets
from bulk2sc.datasets.simulate import CYCLE, PLANTED_MARKERS
from bulk2sc.errors import Bulk2scError

PROGRAMMES = (
    "HALLMARK_P53_PATHWAY",
    "HALLMARK_HYPOXIA",
    "HALLMARK_OXIDATIVE_PHOSPHORYLATION",
    "HALLMARK_INTERFERON_ALPHA_RESPONSE",
    "HALLMARK_MYC_TARGETS_V1",
)
# Invented; positive: lines with an active programme are sensitive. The two EGFR inhibitors agree, as in life.
EFFECTS = {
    "Cisplatin": {"HALLMARK_P53_PATHWAY": 1.0, "HALLMARK_HYPOXIA": -0.6},
    "Erlotinib": {"HALLMARK_HYPOXIA": 1.0, "HALLMARK_MYC_TARGETS_V1": -0.6},
    "Gefitinib": {"HALLMARK_HYPOXIA": 1.0, "HALLMARK_MYC_TARGETS_V1": -0.6},
    "Lapatinib": {"HALLMARK_OXIDATIVE_PHOSPHORYLATION": 1.0, "HALLMARK_P53_PATHWAY": -0.6},
    "PLX-4720": {"HALLMARK_INTERFERON_ALPHA_RESPONSE": 1.0, "HALLMARK_OXIDATIVE_PHOSPHORYLATION": -0.6},
    "Paclitaxel": {"HALLMARK_MYC_TARGETS_V1": 1.0, "HALLMARK_INTERFERON_ALPHA_RESPONSE": -0.6},
}
UNTESTED = 0.05  # share of line-drug pairs without a measurement


def made_up_bulk(*, n_lines: int = 120, n_genes: int = 600, seed: int = 0) -> ad.AnnData:
    """
    Invent cell lines whose drug response depends linearly on a few gene programmes.

    Only the names are real: gene symbols, Hallmark sets and drugs. No value says anything about biology.

    Parameters
    ----------
    n_lines
        Number of lines, at least 20.
    n_genes
        Number of genes: markers of normal cells, members of the planted programmes and of the cell cycle.
    seed
        Seed of all randomness.

    Returns
    -------
    The form of :func:`bulk2sc.datasets.gdsc`: X (n_lines, n_genes) z-scored per line, ``obsm["auc"]`` and
    ``obsm["ln_ic50"]`` (n_lines, n_drugs) with NaN where untested, ``uns["drugs"]``; and the truth:
    ``uns["made_up"]``, ``uns["planted"]`` (weights of the programmes by drug, positive = sensitive) and
    ``obsm["activity"]`` (n_lines, n_programmes, in the order of the data frame's columns).

    Raises
    ------
    Bulk2scError
        If `n_lines` or `n_genes` is out of range.
    """
    genes = _genes()
    lowest = sum(map(len, PLANTED_MARKERS.values())) + 100
    if n_lines < 20 or not lowest <= n_genes <= len(genes):
        raise Bulk2scError(
            f"Made-up lines: n_lines={n_lines}, n_genes={n_genes}; "
            f"give at least 20 lines and {lowest} to {len(genes)} genes."
        )
    genes = genes[:n_genes]
    rng = np.random.default_rng(seed)
    activity = pd.DataFrame(rng.normal(size=(n_lines, len(PROGRAMMES))), columns=PROGRAMMES)
    auc = _auc(rng, activity)
    names = [f"Made-up-{i + 1:03d}" for i in range(n_lines)]
    keys = [line_key(name) for name in names]
    activity.index = keys
    return ad.AnnData(
        X=_expression(rng, activity.to_numpy(), genes),
        obs=pd.DataFrame({"cell_line": names}, index=keys),
        var=pd.DataFrame(index=pd.Index(genes, name="symbol")),
        obsm={"auc": auc, "ln_ic50": _ln_ic50(rng, auc), "activity": activity},
        uns={
            "drugs": list(EFFECTS),
            "made_up": True,
            "planted": {drug: dict(w) for drug, w in EFFECTS.items()},
        },
    )


def _genes() -> list[str]:
    """Return the markers, then genes of the programmes and the cell cycle in turn, so that each has some."""
    hallmark = gene_sets("hallmark")
    turns = zip_longest(*(hallmark[name] for name in (*PROGRAMMES, *CYCLE.values())))
    return [gene for gene in dict.fromkeys(chain(*PLANTED_MARKERS.values(), *turns)) if gene]


def _expression(rng: np.random.Generator, activity: np.ndarray, genes: list[str]) -> np.ndarray:
    """Add gene levels (few are high), programmes and noise; z-score per line."""
    hallmark = gene_sets("hallmark")
    member = np.array([[gene in hallmark[name] for gene in genes] for name in PROGRAMMES], dtype=float)
    loading = member * rng.uniform(0.2, 0.6, size=member.shape)
    raw = 5 * rng.beta(0.6, 2.5, size=len(genes)) + activity @ loading
    raw += rng.normal(scale=0.4, size=raw.shape)
    return ((raw - raw.mean(1, keepdims=True)) / raw.std(1, keepdims=True)).astype(np.float32)


def _auc(rng: np.random.Generator, activity: pd.DataFrame) -> np.ndarray:
    """AUC about 0.8, lower where the drug's programmes are active; correlation with the truth about .9."""
    weights = pd.DataFrame(EFFECTS).reindex(activity.columns).fillna(0.0)
    auc = 0.8 - 0.06 * (activity @ weights).to_numpy()
    auc = np.clip(auc + rng.normal(scale=0.03, size=auc.shape), 0.05, 0.995)
    return np.where(rng.random(auc.shape) < UNTESTED, np.nan, auc).astype(np.float32)


def _ln_ic50(rng: np.random.Generator, auc: np.ndarray) -> np.ndarray:
    """Increase with AUC, with noise of its own."""
    return (2 + 15 * (auc - 0.8) + rng.normal(scale=0.3, size=auc.shape)).astype(np.float32)
