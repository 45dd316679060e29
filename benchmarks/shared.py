"""What several scripts share: the drugs that a panel of real cells judges."""

import numpy as np
import pandas as pd
from anndata import AnnData
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics.pairwise import euclidean_distances

from bulk2sc import datasets, panel, pp

LIMITS = {"mixology": {"min_spread": 0.1}, "atlas": {"min_lines": 20, "min_spread": 0.05}}
SETS = {"GSE173634": LIMITS["atlas"], "GSE118767": LIMITS["mixology"]}
IMPOSTOR = "HCC1143"  # its cells are not of that line


def answers(name: str, bulk: AnnData, lines) -> pd.DataFrame:
    """Return the measured AUC of the lines of an edition, or of a set of cells, for the drugs it judges."""
    lines = sorted(set(lines))
    return panel.truth(bulk, lines)[panel.drugs(bulk, lines, **(LIMITS | SETS)[name]).index]


def real_cells(key: str) -> tuple[AnnData, AnnData, AnnData, pd.DataFrame]:
    """Return the lines, those to train on, cells with their lines held out, and `answers` of the judged."""
    bulk = datasets.load_bulk("gdsc2")
    cells = pp.hold_out_own_lines(datasets.load_cells(key, bulk=bulk, drug=""), bulk)
    auc = answers(key, bulk, {*cells.uns["held_out"]} - {IMPOSTOR})
    return bulk, pp.train_lines(bulk, cells.uns["held_out"]), cells, auc


def rbf(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Compare rows by ``n exp(-|x - y|^2 / 2n)`` of n genes: the linear one where they are alike."""
    n_genes = a.shape[1]
    return n_genes * np.exp(-euclidean_distances(a, b, squared=True) / (2 * n_genes))


def line_clusters(genes: np.ndarray, n_clusters: int = 24) -> np.ndarray:
    """Group lines (n_lines, n_genes) of like expression: stand-ins for tissues, which are not named."""
    components = PCA(30, random_state=0).fit_transform(genes)
    return KMeans(n_clusters, n_init=10, random_state=0).fit_predict(components)
