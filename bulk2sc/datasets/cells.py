"""Single cells: two public experiments."""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from bulk2sc.datasets.fetch import fetch
from bulk2sc.datasets.genes import sum_by_symbol
from bulk2sc.datasets.matrices import as_cells, read_matrix

FIVE_LINES = {"H1975": "NCIH1975", "H2228": "NCIH2228", "HCC827": "HCC827", "A549": "A549", "H838": "NCIH838"}


def mixology(*, singlets_only: bool = True) -> ad.AnnData:
    """
    Return the single cells of five lung cancer lines (GSE118767; CEL-seq2 and Drop-seq; UMI counts).

    The ERCC spike-ins are left out; Ensembl ids become symbols and those of one symbol are added up (an id
    without a symbol keeps its name). A gene that a matrix lacks is 0 there.

    Parameters
    ----------
    singlets_only
        Leave out what demuxlet calls a doublet by its genotypes.

    Returns
    -------
    1,021 cells; 1,408 with doublets, and then ``obs["class"]`` says which is which: SNG or DBL (the
    ``cell_line`` of a doublet is the likeliest of its lines). ``layers["counts"]`` and ``X``: counts (CSR,
    float32). ``obs``: sample (celseq2, celseq2_p1, celseq2_p2, celseq2_p3, dropseq) and cell_line (key of
    GDSC). ``obs_names``: sample and barcode, as barcodes repeat between samples. ``uns["held_out"]``: the
    five lines, which must not be trained on.

    Raises
    ------
    Bulk2scError
        If the files cannot be fetched.
    """
    paths = {path.name: path for path in fetch("GSE118767")}
    names = [name.removesuffix(".count.csv.gz") for name in paths if name.endswith(".count.csv.gz")]
    samples = [_mixology_sample(paths, name) for name in names]
    cells = ad.concat(samples, join="outer", fill_value=0)
    if singlets_only:
        cells = cells[cells.obs["class"] == "SNG"]
        cells.obs = cells.obs.drop(columns="class")
    cells = by_symbol(cells)
    cells.uns["held_out"] = list(FIVE_LINES.values())
    return cells


def _mixology_sample(paths: dict[str, Path], name: str) -> ad.AnnData:
    """Return all cells of one pair of files, doublets too; genes are Ensembl ids."""
    counts = pd.read_csv(paths[f"{name}.count.csv.gz"])
    about = pd.read_csv(paths[f"{name}.metadata.csv.gz"]).loc[counts.columns]
    sample = name.removeprefix("sc_").replace("_5cl", "")
    counts = counts[~counts.index.str.startswith("ERCC-")]
    cells = as_cells(sparse.csr_matrix(counts.to_numpy(np.float32)), counts.index, counts.columns, sample)
    cells.obs["cell_line"] = about["cell_line_demuxlet"].map(FIVE_LINES).to_numpy()
    cells.obs["class"] = about["demuxlet_cls"].to_numpy()
    return cells


def pc9_day11() -> ad.AnnData:
    """
    Return PC9 cells that survived eleven days of erlotinib (GSE149383; Drop-seq; UMI counts).

    One class only: every cell is a survivor, so these cells are for clustering, quality control and scoring,
    never for accuracy. The file that is named "control" is day 11 of erlotinib as well.

    Returns
    -------
    14,600 barcodes, many nearly empty. ``layers["counts"]`` and ``X``: counts (CSR, float32). ``obs``: sample
    (Day11_Erlotinib, Day11_control), cell_line (PC9) and truth (0: resistant, throughout).
    ``uns["held_out"]`` is empty: PC9 is not among the lines of GDSC.

    Raises
    ------
    Bulk2scError
        If the files cannot be fetched.
    """
    samples = [as_cells(*read_matrix(path), path.name.removesuffix(".txt.gz")) for path in fetch("GSE149383")]
    cells = by_symbol(ad.concat(samples, join="outer", fill_value=0))
    cells.obs["cell_line"] = "PC9"
    cells.obs["truth"] = 0.0
    cells.uns["held_out"] = []  # PC9 is not among the lines of GDSC
    cells.uns["note"] = (
        "One class only. Day11_control is day 11 of erlotinib too: the name in the source is wrong."
    )
    return cells


def by_symbol(cells: ad.AnnData) -> ad.AnnData:
    """Name genes by current symbols and add up the counts of those of one symbol."""
    counts, symbols = sum_by_symbol(cells.X, cells.var_names)
    return ad.AnnData(
        counts, obs=cells.obs.copy(), var=pd.DataFrame(index=symbols), layers={"counts": counts.copy()}
    )
