"""Cells of 31 breast cancer lines, from a file of R that is read without R."""

from pathlib import Path

import anndata as ad
import numpy as np
from scipy import sparse

from bulk2sc.datasets.cells import by_symbol
from bulk2sc.datasets.fetch import fetch
from bulk2sc.datasets.matrices import as_cells
from bulk2sc.errors import Bulk2scError

KEY, OBJECT = "GSE173634", "test_BC_atlas"
NOT_IN_GDSC = ("KPL1", "MCF12A", "MX1", "ZR751")


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
    (path,) = fetch(KEY)
    counts, genes, names = read_dgcmatrix(path)
    # Each line was sequenced on its own. Were that its sample, what works within samples would know the line.
    cells = by_symbol(as_cells(counts.astype(np.float32), genes, names, "atlas"))
    cells.obs["cell_line"] = [name.split("_")[0] for name in names]
    cells.uns["held_out"] = [line for line in cells.obs["cell_line"].unique() if line not in NOT_IN_GDSC]
    return cells


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
            f"another object; remove it and run: bulk2sc fetch {KEY}"
        ) from error


def _pairs(node) -> dict:
    """Return the values of a pairlist by their tags."""
    found = {}
    while node is not None and node.info.type.name == "LIST":
        tag = node.tag.referenced_object or node.tag
        found[tag.value.value.decode()] = node.value[0]
        node = node.value[1]
    return found
