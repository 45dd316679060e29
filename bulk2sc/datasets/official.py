"""GDSC release 8.5: drug responses as published, joined by line ids to the published expression.

Expression: microarrays of GDSC (RMA), or RNA-seq of the Cell Model Passports.
"""

import gzip
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import IO

import anndata as ad
import numpy as np
import pandas as pd
from scipy import stats

from bulk2sc.datasets.cache import cache_dir
from bulk2sc.datasets.documented import Unlike, documented
from bulk2sc.datasets.fetch import fetch
from bulk2sc.datasets.gdsc import line_key, through_cache
from bulk2sc.datasets.genes import to_symbols
from bulk2sc.datasets.registry import DATA
from bulk2sc.settings import file_digest

RELEASE = "gdsc-8.5"
LINE, DRUG, MEASURES = "CELL_LINE_NAME", "DRUG_NAME", ["AUC", "LN_IC50"]
EXCEL_ERRORS = ["#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!"]  # as text; pandas knows #N/A
GENE_COLUMNS = ("GENE_SYMBOLS", "ensembl_gene")  # of the matrix at cancerrxgene.org; of that of release 6.0
LINE_COLUMN = re.compile(r"(?:DATA\.)?(\d+)(?:\.\d+)?")  # a COSMIC id; the last number counts replicates
HEADER_ROWS = 8  # more than RNA-seq tables have above their genes
MADE_BY = [Path(__file__).with_name(name) for name in ("official.py", "gdsc.py", "genes.py")]


def official_bulk(release: str, expression: str) -> ad.AnnData:
    """
    Return the lines of GDSC release 8.5 with published expression, in the form of `bulk2sc.datasets.gdsc`.

    Parameters
    ----------
    release
        ``GDSC2`` or ``GDSC1``.
    expression
        ``rma``: microarrays of GDSC; ``rnaseq``: log2(TPM + 1) of the Cell Model Passports.

    Returns
    -------
    Lines with both response and expression, joined by COSMIC id (``rma``) or Sanger model id (``rnaseq``).
    ``X`` is z-scored per line over the genes that all of them have. Ids would tell KM-H2 from KMH-2 and TT
    from T-T, but cells know their line by name only: lines that share a key are left out.

    Raises
    ------
    Bulk2scError
        If a file cannot be fetched or is not as documented, or the two tables share no line or no gene.
    """
    source, line_id, read = EXPRESSION[expression]
    (responses,) = (path for path in fetch(RELEASE) if path.name.startswith(f"{release}_"))
    profiles = fetch(source)[0]
    stamp = file_digest(responses, profiles, DATA / "gene_ids.tsv.gz", *MADE_BY)[:16]

    def make() -> ad.AnnData:
        with documented(source):
            lines = read(profiles)
        with documented(RELEASE):
            bulk = join(read_release(responses, line_id), lines)
        bulk.uns |= {"source": f"{RELEASE} and {source}", "release": release}
        return bulk

    return through_cache(cache_dir() / RELEASE / f"{release}-{expression}-{stamp}.h5ad", make)


def join(responses: ad.AnnData, expression: ad.AnnData) -> ad.AnnData:
    """
    Join responses (`read_release`) and expression by the ids of lines, then name the lines by their keys.

    Returns
    -------
    As `official_bulk`, without source and release.

    Raises
    ------
    Unlike
        If they share no line, or no gene is measured in all lines.
    """
    keys = responses.obs["cell_line"].map(line_key)
    told_apart = ~keys.duplicated(keep=False)  # also from lines without expression
    kept = keys.index[told_apart & keys.index.isin(expression.obs_names)]
    names = responses.obs.loc[kept, "cell_line"].set_axis(pd.Index(keys[kept].to_numpy(), dtype=object))
    if kept.empty:
        ids = " and ".join(f"{list(table.obs_names[:3])}" for table in (responses, expression))
        raise Unlike("responses", "lines that have expression too", f"ids that begin {ids}")
    values = expression[kept].X
    measured = ~np.isnan(values).any(axis=0)
    if not measured.any():
        raise Unlike("expression", f"genes that are measured in all {len(kept)} lines", "none")
    return ad.AnnData(
        stats.zscore(values[:, measured], axis=1).astype(np.float32),
        obs=pd.DataFrame({"cell_line": names}),
        var=expression.var[measured],
        obsm={"auc": responses[kept].X, "ln_ic50": responses[kept].layers["ln_ic50"]},
        uns={"drugs": responses.var_names.to_numpy(dtype=object)},
    )


# --- Responses ---------------------------------------------------------------------------------------------


def read_release(path: Path, line_id: str) -> ad.AnnData:
    """
    Read the responses of one release, of 27 October 2023, out of its Excel file.

    Parameters
    ----------
    line_id
        Name of the lines: ``SANGER_MODEL_ID`` or ``COSMIC_ID``.

    Returns
    -------
    Lines x drugs. ``X`` (float32): AUC, 0 to 1, lower is more sensitive; ``layers["ln_ic50"]``: ln of
    micromolar; NaN where untested. ``obs_names``: ids; ``obs["cell_line"]``: names. Several measurements of
    a line under one drug name, of one DRUG_ID or of several, are averaged. Rows that lack the id, a name, AUC
    or LN_IC50, or have an Excel error there, are left out.
    """
    texts = [line_id, LINE, DRUG]  # a line is called 697
    try:
        reading = {"dtype": dict.fromkeys(texts, str), "thousands": ",", "na_values": EXCEL_ERRORS}
        rows = pd.read_excel(path, engine="openpyxl", **reading)
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise Unlike(path.name, "an Excel file", str(error)) from error
    if missing := [name for name in [*texts, *MEASURES] if name not in rows]:
        raise Unlike(path.name, f"columns {', '.join(missing)}", rows.columns)
    rows = rows[[*texts, *MEASURES]]
    for name in texts:
        rows[name] = rows[name].str.strip().replace("", np.nan)
    rows[line_id] = rows[line_id].str.replace(",", "")
    for name, low, high in (("AUC", 0, 1), ("LN_IC50", -np.inf, np.inf)):
        wrong = rows[name].notna() & ~pd.to_numeric(rows[name], errors="coerce").between(low, high)
        if wrong.any():
            found = f"'{rows[name][wrong.idxmax()]}' in row {wrong.idxmax() + 2}"
            raise Unlike(path.name, f"{name} to be a number between {low} and {high}", found)
    rows = rows.dropna()
    if rows.empty:
        raise Unlike(path.name, "complete rows", "none")
    names = rows.groupby(line_id)[LINE].first()
    table = rows.pivot_table(index=line_id, columns=DRUG, values=MEASURES, aggfunc="mean").astype(np.float32)
    auc, ln_ic50 = (table[measure] for measure in MEASURES)
    return ad.AnnData(
        auc.to_numpy(),
        obs=pd.DataFrame({"cell_line": names.reindex(auc.index)}),
        var=pd.DataFrame(index=pd.Index(auc.columns, dtype=object, name=None)),
        layers={"ln_ic50": ln_ic50.to_numpy()},
    )


# --- Expression --------------------------------------------------------------------------------------------


def read_rma(path: Path) -> ad.AnnData:
    """
    Read the microarray expression of the GDSC lines (RMA), not standardised, in either layout.

    Returns
    -------
    About 1,000 lines x 17,000 genes. ``X`` (float32): log2, NaN where a value is missing. ``obs_names``:
    COSMIC ids. ``var_names``: current symbols; ``var["original"]``: symbol or Ensembl id in the source. Genes
    without a current symbol are left out, of several with one symbol the first is kept. Replicates of a line
    (``DATA.909976``, ``DATA.909976.1``) are averaged.
    """
    with _table_of(path, "*basalExp*.txt") as handle:
        header = pd.read_csv(handle, sep="\t", nrows=0).columns
        gene = next((name for name in GENE_COLUMNS if name in header), None)
        ids = {name: match[1] for name in header if (match := LINE_COLUMN.fullmatch(name))}
        if gene is None or not ids:
            expected = "columns GENE_SYMBOLS and DATA.<COSMIC id>, or ensembl_gene and <COSMIC id>"
            raise Unlike(path.name, expected, header)
        handle.seek(0)
        types = defaultdict(lambda: np.float32, {gene: str})
        table = pd.read_csv(handle, sep="\t", usecols=[gene, *ids], dtype=types, index_col=gene)
    return _lines(table[list(ids)], list(ids.values()))


def read_passports(path: Path) -> ad.AnnData:
    """
    Read the TPM table out of the archive of all RNA-seq tables of the Cell Model Passports.

    Returns
    -------
    About 1,400 lines and organoids x those of 37,600 genes that have a current symbol, as `read_rma`, but
    ``X`` is log2(TPM + 1), and ``obs_names`` are Sanger model ids (``SIDM00903``).
    """
    with _table_of(path, "*rnaseq_tpm_*.csv") as handle:
        head = pd.read_csv(handle, header=None, nrows=HEADER_ROWS, dtype=str)
        labels = head[0].tolist()
        if labels[0] != "model_id" or "gene_id" not in labels:
            raise Unlike(path.name, "header rows from model_id to gene_id", labels)
        ids = head.iloc[0, 2:].dropna()
        handle.seek(0)
        rows = {"header": None, "skiprows": labels.index("gene_id") + 1, "index_col": 0}
        types = defaultdict(lambda: np.float32, {1: str})
        table = pd.read_csv(handle, usecols=[1, *ids.index], dtype=types, **rows)
    return _lines(np.log2(table + 1), ids.tolist())


EXPRESSION = {  # key of the source, the id its lines have in the tables of responses, and the reader
    "rma": ("gdsc-rma", "COSMIC_ID", read_rma),
    "rnaseq": ("cell-model-passports", "SANGER_MODEL_ID", read_passports),
}


@contextmanager
def _table_of(path: Path, member: str) -> Iterator[IO[bytes]]:
    """Open the one table of a .gz file, or of a zip archive (of this name), read in place, never unpacked."""
    try:
        if path.suffix != ".zip":
            with gzip.open(path) as handle:
                yield handle
            return
        with zipfile.ZipFile(path) as opened:
            names = [name for name in opened.namelist() if not name.startswith("__MACOSX")]
            found = [name for name in names if fnmatch(name.rpartition("/")[2], member)]
            if len(found) != 1:
                raise Unlike(path.name, f"one table {member}", names)
            with opened.open(found[0]) as handle:
                yield handle
    except (ValueError, EOFError, zipfile.BadZipFile, gzip.BadGzipFile) as error:
        raise Unlike(path.name, "a table of numbers", str(error)) from error


def _lines(table: pd.DataFrame, ids: Sequence[str]) -> ad.AnnData:
    """Turn genes x measurements into lines x current symbols, measurements of one line averaged."""
    symbols = to_symbols(table.index)
    named = symbols.notna().to_numpy() & ~symbols.duplicated().to_numpy()
    lines = table[named].T.set_axis(pd.Index(ids, dtype=object))
    if lines.index.has_duplicates:  # on a table of RNA-seq without any, averaging takes a gigabyte
        lines = lines.groupby(level=0, sort=False).mean()
    original = pd.DataFrame({"original": symbols.index[named]}, index=pd.Index(symbols[named], dtype=object))
    return ad.AnnData(lines.to_numpy(np.float32), obs=pd.DataFrame(index=lines.index), var=original)
