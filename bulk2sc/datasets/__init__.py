"""Data: fetched and verified, cleaned of known traps, as AnnData."""

from anndata import AnnData

from bulk2sc.datasets.cells import mixology, pc9_day11, read_cells
from bulk2sc.datasets.fetch import cache_dir, fetch, status
from bulk2sc.datasets.gdsc import gdsc, line_key
from bulk2sc.datasets.genes import gene_ids, gene_sets, to_symbols
from bulk2sc.datasets.made_up import made_up_bulk
from bulk2sc.datasets.needed import needed
from bulk2sc.datasets.registry import sources
from bulk2sc.datasets.simulate import simulate
from bulk2sc.errors import Bulk2scError, did_you_mean

__all__ = [
    "cache_dir",
    "fetch",
    "gdsc",
    "gene_ids",
    "gene_sets",
    "line_key",
    "load_bulk",
    "load_cells",
    "made_up_bulk",
    "mixology",
    "needed",
    "pc9_day11",
    "read_cells",
    "simulate",
    "sources",
    "status",
    "to_symbols",
]


def load_bulk(source: str, *, seed: int = 0) -> AnnData:
    """
    Return the bulk cell lines of an edition.

    Parameters
    ----------
    source
        ``gdsc2``, ``gdsc1`` or ``made-up`` (invented lines; the only one that uses `seed`).

    Raises
    ------
    Bulk2scError
        If the source is unknown or cannot be fetched.
    """
    loaders = {
        "gdsc2": lambda: gdsc("GDSC2"),
        "gdsc1": lambda: gdsc("GDSC1"),
        "made-up": lambda: made_up_bulk(seed=seed),
    }
    if source not in loaders:
        raise Bulk2scError(
            f"bulk_source: '{source}' is unknown; it is one of {', '.join(loaders)}."
            + did_you_mean(source, loaders)
        )
    return loaders[source]()


def load_cells(
    source: str, *, bulk: AnnData, drug: str, k: float = 0.3, seed: int = 0, **simulation
) -> AnnData:
    """
    Return the single cells of an edition, with counts in ``layers["counts"]``.

    Parameters
    ----------
    source
        ``simulated``, ``GSE118767``, ``GSE149383`` or the path of an .h5ad file, which is read as it is.
    bulk, drug, k, seed, simulation
        The lines to simulate from and the settings of `simulate`; real cells use none of them.

    Raises
    ------
    Bulk2scError
        If the source is unknown or cannot be fetched or read.
    """
    loaders = {
        "simulated": lambda: simulate(bulk, drug=drug, k=k, seed=seed, **simulation),
        "GSE118767": mixology,
        "GSE149383": pc9_day11,
    }
    if source in loaders:
        return loaders[source]()
    if source.endswith(".h5ad"):
        return read_cells(source)
    raise Bulk2scError(
        f"cells_source: '{source}' is unknown; it is one of {', '.join(loaders)} or the path of an .h5ad."
        + did_you_mean(source, loaders)
    )
