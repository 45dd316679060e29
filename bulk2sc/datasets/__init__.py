"""Data: fetched and verified, cleaned of known traps, as AnnData."""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from anndata import AnnData

from bulk2sc.datasets.cache import cache_dir
from bulk2sc.datasets.cells import breast_atlas, mixology
from bulk2sc.datasets.deposits import DEPOSITS, deposit
from bulk2sc.datasets.fetch import fetch, noted, size, status
from bulk2sc.datasets.files import mend, read_cells, write_cells
from bulk2sc.datasets.gdsc import gdsc, line_key
from bulk2sc.datasets.genes import gene_ids, gene_sets, to_symbols
from bulk2sc.datasets.made_up import made_up_bulk
from bulk2sc.datasets.official import official_bulk
from bulk2sc.datasets.own import check_cells, resolve_symbols, study_columns
from bulk2sc.datasets.registry import needed, sources
from bulk2sc.datasets.simulate import simulate
from bulk2sc.errors import refuse_unknown
from bulk2sc.settings import is_own


def load_bulk(source: str, *, seed: int = 0) -> AnnData:
    """
    Return the bulk cell lines of an edition.

    Parameters
    ----------
    source
        ``gdsc2``, ``gdsc1``: expression z-scored by others, a third of the genes; ``gdsc2-rma``,
        ``gdsc1-rma``, ``gdsc2-rnaseq``: release 8.5 with published expression (see `official_bulk`);
        ``made-up``: invented lines, the only ones that use `seed`.

    Raises
    ------
    Bulk2scError
        If the source is unknown or cannot be fetched.
    """
    loaders = {
        "gdsc2": lambda: gdsc("GDSC2"),
        "gdsc1": lambda: gdsc("GDSC1"),
        "gdsc2-rma": lambda: official_bulk("GDSC2", "rma"),
        "gdsc1-rma": lambda: official_bulk("GDSC1", "rma"),
        "gdsc2-rnaseq": lambda: official_bulk("GDSC2", "rnaseq"),
        "made-up": lambda: made_up_bulk(seed=seed),
    }
    refuse_unknown(source, loaders, "bulk_source")
    return loaders[source]()


def load_cells(
    source: str,
    *,
    bulk: AnnData,
    drug: str,
    k: float = 0.3,
    seed: int = 0,
    reading: Mapping[str, str] = MappingProxyType({}),
    **simulation,
) -> AnnData:
    """
    Return the single cells of an edition, checked (`check_cells`) and with current symbols.

    Parameters
    ----------
    source
        ``simulated``; the key of a published set in the data registry (``GSE118767``, ``GSE117872``, ...); or
        the path of a file or folder of one's own (`read_cells`), which is mended and brought to the types of
        the study.
    bulk, drug, k, seed, simulation
        The lines to simulate from and the settings of `simulate`; real cells use none of them.
    reading
        What `check_cells` must be told of a file: `gene_column`, `values`, `layer`, `sample`.

    Raises
    ------
    Bulk2scError
        If the source is unknown or cannot be fetched or read.
    """
    if source == "simulated":
        return resolve_symbols(check_cells(simulate(bulk, drug=drug, k=k, seed=seed, **simulation), source))
    if is_own(source):
        cells, notes = mend(read_cells(source))
        cells = check_cells(cells, source, **reading)
        cells.obs = study_columns(cells.obs, source)
        cells.uns["notes"] += notes
        return resolve_symbols(cells)
    loaders = {"GSE118767": mixology, "GSE173634": breast_atlas} | {
        key: partial(deposit, key) for key in DEPOSITS
    }
    refuse_unknown(source, ["simulated", *loaders], "cells_source", also=" or the path of a file")
    return resolve_symbols(check_cells(loaders[source](), source))
