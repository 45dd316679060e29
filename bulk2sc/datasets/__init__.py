"""Data: fetched and verified, cleaned of known traps, as AnnData."""

from collections.abc import Mapping
from types import MappingProxyType

from anndata import AnnData

from bulk2sc.datasets.atlas import breast_atlas
from bulk2sc.datasets.cells import mixology, pc9_day11
from bulk2sc.datasets.fetch import cache_dir, fetch, noted, size, status
from bulk2sc.datasets.files import mend, read_cells, write_cells
from bulk2sc.datasets.gdsc import gdsc, line_key
from bulk2sc.datasets.genes import gene_ids, gene_sets, to_symbols
from bulk2sc.datasets.line_expression import gdsc_rma, passports_rnaseq
from bulk2sc.datasets.made_up import made_up_bulk
from bulk2sc.datasets.more_cells import gse108383, gse110894, gse112274, gse140440, gse149383_days
from bulk2sc.datasets.needed import needed
from bulk2sc.datasets.official import gdsc_release, official_bulk
from bulk2sc.datasets.own import check_cells, study_columns
from bulk2sc.datasets.registry import sources
from bulk2sc.datasets.simulate import simulate
from bulk2sc.datasets.table1 import gse108394, gse117872, gse131984, gse156246
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
    Return the single cells of an edition, with counts in ``layers["counts"]`` where the source has them.

    Parameters
    ----------
    source
        ``simulated``; the key of a published set in the data registry (``GSE118767``, ``GSE117872``, ...); or
        the path of a file or folder of one's own (`read_cells`), which is checked, mended and brought to the
        types of the study.
    bulk, drug, k, seed, simulation
        The lines to simulate from and the settings of `simulate`; real cells use none of them.
    reading
        What `check_cells` must be told of a file: `gene_column`, `values`, `layer`, `sample`.

    Raises
    ------
    Bulk2scError
        If the source is unknown or cannot be fetched or read.
    """
    loaders = {
        "simulated": lambda: simulate(bulk, drug=drug, k=k, seed=seed, **simulation),
        "GSE118767": mixology,
        "GSE173634": breast_atlas,
        "GSE149383": pc9_day11,
        "GSE117872": gse117872,
        "GSE131984": gse131984,
        "GSE108394": gse108394,
        "GSE156246-BT474": lambda: gse156246("BT474"),
        "GSE156246-HCC1419": lambda: gse156246("HCC1419"),
        "GSE108383": gse108383,
        "GSE149383-days": gse149383_days,
        "GSE140440": gse140440,
        "GSE112274": gse112274,
        "GSE110894": gse110894,
    }
    if not is_own(source):
        refuse_unknown(source, loaders, "cells_source", also=" or the path of a file")
        return loaders[source]()
    cells, notes = mend(read_cells(source))
    cells = check_cells(cells, source, **reading)
    cells.obs = study_columns(cells.obs, source)
    cells.uns["notes"] += notes
    return cells
