"""Single cells of five lung cancer lines, and of the breast atlas, whose file of R is read without R."""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from bulk2sc.datasets.fetch import fetch
from bulk2sc.datasets.own import resolve_symbols
from bulk2sc.errors import Bulk2scError

ATLAS, OBJECT = "GSE173634", "test_BC_atlas"
NOT_IN_GDSC = ("KPL1", "MCF12A", "MX1", "ZR751")
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
    return _counted(cells, list(FIVE_LINES.values()))


def _mixology_sample(paths: dict[str, Path], name: str) -> ad.AnnData:
    """Return all cells of one pair of files, doublets too; genes are Ensembl ids."""
    counts = pd.read_csv(paths[f"{name}.count.csv.gz"])
    about = pd.read_csv(paths[f"{name}.metadata.csv.gz"]).loc[counts.columns]
    sample = name.removeprefix("sc_").replace("_5cl", "")
    counts = counts[~counts.index.str.startswith("ERCC-")]
    lines = about["cell_line_demuxlet"].map(FIVE_LINES)
    obs = pd.DataFrame({"sample": sample, "cell_line": lines, "class": about["demuxlet_cls"]})
    X = sparse.csr_matrix(counts.to_numpy(np.float32)).T.tocsr()
    return ad.AnnData(X, obs=obs.set_axis(f"{sample}_" + obs.index), var=pd.DataFrame(index=counts.index))


def breast_atlas() -> ad.AnnData:
    """
    Return single cells of 31 untreated breast cancer lines (GSE173634; Drop-seq; UMI counts), 30 of each.

    Ensembl ids become symbols and those of one symbol are added up (an id without a symbol keeps its name).

    Returns
    -------
    930 cells. ``layers["counts"]`` and ``X``: counts (CSR, float32). ``obs``: sample (one for all) and
    cell_line (key of GDSC for the 27 lines that it has). ``uns["held_out"]``: these 27 lines, which must not
    be trained on.

    Raises
    ------
    Bulk2scError
        If the file cannot be fetched.
    """
    (path,) = fetch(ATLAS)
    counts, genes, names = read_dgcmatrix(path)
    # Each line was sequenced on its own. Were that its sample, what works within samples would know the line.
    lines = [name.split("_")[0] for name in names]
    obs = pd.DataFrame({"sample": "atlas", "cell_line": lines}, index=[f"atlas_{name}" for name in names])
    cells = ad.AnnData(counts.astype(np.float32).T.tocsr(), obs=obs, var=pd.DataFrame(index=genes))
    return _counted(cells, [line for line in dict.fromkeys(lines) if line not in NOT_IN_GDSC])


def read_dgcmatrix(path: Path) -> tuple[sparse.csc_matrix, list[str], list[str]]:
    """
    Read the sparse matrix that R's `save` wrote; nothing in the file is executed.

    Returns
    -------
    Counts, genes x cells, and the names of genes and cells.

    Raises
    ------
    Bulk2scError
        If the file is damaged or holds another object.
    """
    from rdata.parser import parse_file  # a second to import, and only here

    try:
        slots = _pairs(_pairs(parse_file(path).object)[OBJECT].attributes)
        genes, names = ([text.value.decode() for text in of.value] for of in slots["Dimnames"].value)
        parts = tuple(slots[name].value for name in "xip")
        return sparse.csc_matrix(parts, shape=(len(genes), len(names))), genes, names
    except Exception as error:  # a damaged file can raise nearly anything
        raise Bulk2scError(
            f"{path}: expected one sparse matrix of R (dgCMatrix) named {OBJECT}, found a damaged file or "
            f"another object; remove it and run: bulk2sc fetch {ATLAS}"
        ) from error


def _pairs(node) -> dict:
    """Return the values of a pairlist by their tags."""
    found = {}
    while node is not None and node.info.type.name == "LIST":
        tag = node.tag.referenced_object or node.tag
        found[tag.value.value.decode()] = node.value[0]
        node = node.value[1]
    return found


def _counted(cells: ad.AnnData, held_out: list[str]) -> ad.AnnData:
    """Name genes by current symbols, add up the counts of those of one symbol; note who must not train."""
    cells.layers["counts"] = cells.X
    cells = resolve_symbols(cells)
    cells.uns["held_out"] = held_out
    return cells
