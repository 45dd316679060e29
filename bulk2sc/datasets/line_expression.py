"""Expression of cell lines as published: microarrays of GDSC and RNA-seq of the Cell Model Passports."""

import gzip
import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import IO

import anndata as ad
import numpy as np
import pandas as pd

from bulk2sc.datasets.documented import remedy, unlike
from bulk2sc.datasets.fetch import fetch
from bulk2sc.datasets.genes import to_symbols
from bulk2sc.errors import Bulk2scError

RMA, PASSPORTS = "gdsc-rma", "cell-model-passports"
GENE_COLUMNS = ("GENE_SYMBOLS", "ensembl_gene")  # of the matrix at cancerrxgene.org; of that of release 6.0
LINE_COLUMN = re.compile(r"(?:DATA\.)?(\d+)(?:\.\d+)?")  # a COSMIC id; the last number counts replicates
HEADER_ROWS = 8  # more than RNA-seq tables have above their genes


def gdsc_rma() -> ad.AnnData:
    """
    Return the microarray expression of the GDSC lines (RMA), not standardised.

    Returns
    -------
    About 1,000 lines x 17,000 genes. ``X`` (float32): log2, NaN where a value is missing. ``obs_names``:
    COSMIC ids. ``var_names``: current symbols; ``var["original"]``: symbol or Ensembl id in the source. Genes
    without a current symbol are left out, of several with one symbol the first is kept. Replicates of a line
    (``DATA.909976``, ``DATA.909976.1``) are averaged.

    Raises
    ------
    Bulk2scError
        If the file cannot be fetched or is not as documented.
    """
    return read_rma(fetch(RMA)[0])


def passports_rnaseq() -> ad.AnnData:
    """
    Return the RNA-seq expression of the Cell Model Passports.

    Returns
    -------
    About 1,400 lines and organoids x those of 37,600 genes that have a current symbol, as `gdsc_rma`, but
    ``X`` is log2(TPM + 1), and ``obs_names`` are Sanger model ids (``SIDM00903``).

    Raises
    ------
    Bulk2scError
        If the archive cannot be fetched or is not as documented.
    """
    return read_passports(fetch(PASSPORTS)[0])


def read_rma(path: Path) -> ad.AnnData:
    """Read the RMA matrix in either layout, out of a zip archive or a .gz file (see `gdsc_rma`)."""
    member = "*basalExp*.txt"
    with table_of(path, RMA, member) as handle:
        header = list(pd.read_csv(handle, sep="\t", nrows=0).columns)
    gene = next((name for name in GENE_COLUMNS if name in header), None)
    ids = {name: match[1] for name in header if (match := LINE_COLUMN.fullmatch(name))}
    if gene is None or not ids:
        expected = "GENE_SYMBOLS and DATA.<COSMIC id>, or ensembl_gene and <COSMIC id>"
        raise unlike(RMA, f"columns in {path.name}", expected, header)
    types = dict.fromkeys(ids, np.float32) | {gene: str}
    with table_of(path, RMA, member) as handle:
        table = pd.read_csv(handle, sep="\t", usecols=[gene, *ids], dtype=types, index_col=gene)
    return _lines(table[list(ids)], list(ids.values()))


def read_passports(path: Path) -> ad.AnnData:
    """Read the TPM table out of the archive of all RNA-seq tables (see `passports_rnaseq`)."""
    member = "*rnaseq_tpm_*.csv"
    with table_of(path, PASSPORTS, member) as handle:
        head = pd.read_csv(handle, header=None, nrows=HEADER_ROWS, dtype=str)
    labels = head[0].tolist()
    if labels[0] != "model_id" or "gene_id" not in labels:
        raise unlike(PASSPORTS, f"header rows in {path.name}", "model_id to gene_id", labels)
    ids = head.iloc[0, 2:].dropna()
    types = dict.fromkeys(ids.index, np.float32) | {1: str}
    rows = {"header": None, "skiprows": labels.index("gene_id") + 1}
    with table_of(path, PASSPORTS, member) as handle:
        table = pd.read_csv(handle, usecols=[1, *ids.index], dtype=types, index_col=0, **rows)
    return _lines(np.log2(table + 1), ids.tolist())


@contextmanager
def table_of(path: Path, key: str, member: str) -> Iterator[IO[bytes]]:
    """
    Open the one table of a .gz file, or of a zip archive, read in place and never unpacked.

    Parameters
    ----------
    path, key
        The file and the key of its source, for the error.
    member
        Pattern of the table's name in an archive, without its folder.

    Raises
    ------
    Bulk2scError
        If the archive does not have exactly one such table, or what is read is no table of numbers.
    """
    try:
        if path.suffix != ".zip":
            with gzip.open(path) as handle:
                yield handle
            return
        with zipfile.ZipFile(path) as opened:
            names = [name for name in opened.namelist() if not name.startswith("__MACOSX")]
            found = [name for name in names if fnmatch(name.rpartition("/")[2], member)]
            if len(found) != 1:
                raise unlike(key, f"tables in {path.name}", member, names)
            with opened.open(found[0]) as handle:
                yield handle
    except (ValueError, EOFError, zipfile.BadZipFile, gzip.BadGzipFile) as error:
        raise Bulk2scError(
            f"{path.name} of {key}: cannot be read ({' '.join(str(error).split())})." + remedy(key)
        ) from error


def _lines(table: pd.DataFrame, ids: Sequence[str]) -> ad.AnnData:
    """Turn genes x measurements into lines x current symbols, measurements of one line averaged."""
    symbols = to_symbols(table.index)
    named = symbols.notna().to_numpy() & ~symbols.duplicated().to_numpy()
    lines = table[named].T.set_axis(pd.Index(ids, dtype=object))
    if lines.index.has_duplicates:  # on a table of RNA-seq without any, averaging takes a gigabyte
        lines = lines.groupby(level=0, sort=False).mean()
    original = pd.DataFrame({"original": symbols.index[named]}, index=pd.Index(symbols[named], dtype=object))
    return ad.AnnData(lines.to_numpy(np.float32), obs=pd.DataFrame(index=lines.index), var=original)
