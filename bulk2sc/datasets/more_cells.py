"""Further published sets of cells that answer a drug and cells that do not, as deposited at GEO.

obs has the columns that each function lists, from which a rule file makes the arms.
"""

import re
import zipfile
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd

from bulk2sc.datasets.deposits import annotate, describe, finish, load
from bulk2sc.datasets.documented import Unlike
from bulk2sc.datasets.matrices import read_samples, read_table


def gse108383() -> ad.AnnData:
    """
    Return melanoma cells of A375 and 451Lu, parental and resistant to BRAF inhibitors (GSE108383; Fluidigm).

    Returns
    -------
    ``layers["counts"]`` and ``X``: counts where the values are whole; else `finish` says what. ``obs`` from
    GEO, by the parts of the cell's name (``A375_sc_par_cell_11``): sample (``A375_par``), population
    (``parental``, the third part ``par``; ``resistant``, ``br``) and cell_line (``A375``, ``451LU``).

    Raises
    ------
    Bulk2scError
        If the file cannot be fetched or is not as documented.
    """
    return load("GSE108383", _melanoma_fluidigm)


def _melanoma_fluidigm(paths: list[Path]) -> ad.AnnData:
    cells = read_table(paths[0])
    parts = cells.obs_names.to_series().str.extract(r"(?i)^X?(A375|451Lu)_[^_]*_(par|br)_")
    _all_named(parts, paths[0], "cells named as in A375_sc_par_cell_11")
    line, short = parts[0].str.upper(), parts[1].str.lower()
    population = short.map({"par": "parental", "br": "resistant"})
    obs = pd.DataFrame({"sample": line + "_" + short, "population": population, "cell_line": line})
    return finish(describe(cells, obs), paths[0].name)


def _all_named(parts: pd.DataFrame, path: Path, expected: str) -> None:
    unlike = parts.index[parts.isna().any(axis=1)]
    if len(unlike):
        raise Unlike(path.name, expected, f"'{unlike[0]}' ({len(unlike)} of {len(parts)} are not)")


def gse149383_days() -> ad.AnnData:
    """
    Return PC9 lung cancer cells on 0 to 11 days of erlotinib (GSE149383; Drop-seq; UMI counts).

    Returns
    -------
    ``layers["counts"]`` and ``X``: counts. ``obs``: sample (``D0``, ``D1``, ``D2``, ``D4``, ``D9``, ``D11``),
    day (``0`` to ``11``, text) and cell_line (``PC9``, not a line of GDSC).

    Raises
    ------
    Bulk2scError
        If the files cannot be fetched or are not as documented.
    """
    return load("GSE149383-days", _pc9_days)


def _pc9_days(paths: list[Path]) -> ad.AnnData:
    every = read_samples(paths)
    days = {name: found[1] for name in every if (found := re.search(r"(?:^|_)D(\d+)$", name))}
    if not {"0", "11"} <= set(days.values()):
        raise Unlike(paths[0].name, "samples named D0 to D11", every)
    cells = ad.concat([every[name] for name in days], join="outer", fill_value=0)
    day = cells.obs["sample"].map(days).set_axis(_barcodes(cells))
    obs = pd.DataFrame({"sample": "D" + day, "day": day, "cell_line": "PC9"})
    return finish(describe(cells, obs), paths[0].name)


def gse140440() -> ad.AnnData:
    """
    Return prostate cancer cells of DU145 and PC3, parental and resistant to docetaxel (GSE140440).

    The form at GEO was not documented and is not verified. What is taken for granted: tables of genes and
    cells, one for each cell or for many; the name of a cell, or its label in a second file ``*annotation*``
    (GSM and label, without a header), says its line, and ``Res`` where it is resistant.

    Returns
    -------
    ``layers["counts"]`` and ``X``: counts where the values are whole; else `finish` says what. ``obs``:
    sample (``DU145_parental``, ...), population (``parental``, ``resistant``), cell_line (``DU145``,
    ``PC3``).

    Raises
    ------
    Bulk2scError
        If the files cannot be fetched or are of another form.
    """
    return load("GSE140440", _prostate)


def _prostate(paths: list[Path]) -> ad.AnnData:
    matrix, *tables = paths
    named_in = [*tables, matrix][0]
    cells = ad.concat(read_samples([matrix]).values(), join="outer", fill_value=0)
    labels = cells.obs_names.to_series()
    if tables:
        cells, labels = _labelled(cells, tables[0])
    line = labels.str.extract(r"(?i)(DU-?145|PC-?3)")
    _all_named(line, named_in, "DU145 or PC3 in the name or label of each cell")
    line = line[0].str.upper().str.replace("-", "")
    population = labels.str.contains("Res").map({True: "resistant", False: "parental"})
    if "resistant" not in set(population):
        expected = "'Res' in the name or label of resistant cells"
        raise Unlike(named_in.name, expected, f"none, the first '{labels.iloc[0]}'")
    obs = pd.DataFrame({"sample": line + "_" + population, "population": population, "cell_line": line})
    return finish(describe(cells, obs), matrix.name)


def _labelled(cells: ad.AnnData, path: Path) -> tuple[ad.AnnData, pd.Series]:
    """Return the cells that have a label, and their labels; the table names cells by GSM."""
    gsm = cells.obs_names.str.extract(r"(GSM\d+)", expand=False)
    cells.obs_names = np.where(gsm.isna(), _barcodes(cells), gsm)
    table = pd.read_csv(path, sep="\t", header=None, index_col=0, dtype=str, keep_default_na=False)
    if table.empty:
        raise Unlike(path.name, "columns separated by tabs", f"'{table.index[0]}'")
    cells, rows = annotate(cells, table, path.name)
    return cells, rows[1]


def _barcodes(cells: ad.AnnData) -> list[str]:
    """Return the names of the cells without that of their file."""
    return [name.removeprefix(f"{file}_") for name, file in cells.obs["sample"].items()]


def gse112274() -> ad.AnnData:
    """
    Return PC9 lung cancer cells under gefitinib (GSE112274; FPKM, no counts).

    The form is that which public code reads, and is not verified: ``GSE112274_cell_gene_FPKM.csv.gz``, the
    second part of a cell's name (between underscores) saying its population.

    Returns
    -------
    ``X``: log1p of FPKM per 10,000 (see `finish`). ``obs``: sample and population (the second part of the
    cell's name: ``parental`` for the untreated parental cells; the others as in the source) and cell_line
    (``PC9``, not a line of GDSC).

    Raises
    ------
    Bulk2scError
        If the file cannot be fetched or is of another form.
    """
    return load("GSE112274", _gefitinib)


def _gefitinib(paths: list[Path]) -> ad.AnnData:
    cells = read_table(paths[0])
    parts = cells.obs_names.to_series().str.extract(r"^[^_]+_([^_]+)")
    _all_named(parts, paths[0], "cells named as in PC9_parental_1")
    population = parts[0]
    if "parental" not in set(population):
        found = sorted(set(population))
        raise Unlike(paths[0].name, "'parental' as the second part of some cells' names", found)
    obs = pd.DataFrame({"sample": population, "population": population, "cell_line": "PC9"})
    return finish(describe(cells, obs), paths[0].name, unit="FPKM")


def gse110894() -> ad.AnnData:
    """
    Return mouse leukaemia cells, sensitive and resistant to the BET inhibitor I-BET-762 (GSE110894).

    The form is that which public code reads, and is not verified: a table of genes and cells named
    ``<plate>_<well>``, and a sheet (.xlsx) whose fourth row names the columns ``Plate#``, ``Well position``
    (``A1=...``) and ``Sample name``, an empty cell meaning that above it. The cells are of the mouse: its
    gene symbols are written in capitals, which gives the human symbol of most, not all, orthologues.

    Returns
    -------
    ``layers["counts"]`` and ``X``: counts where the values are whole; else `finish` says what. ``obs``:
    sample (the source's ``Sample name``), plate, population (``resistant`` where the sample's name contains
    RESISTANT, else ``parental``); cell_line is NaN (mouse).

    Raises
    ------
    Bulk2scError
        If the files cannot be fetched or are of another form.
    """
    return load("GSE110894", _leukaemia)


def _leukaemia(paths: list[Path]) -> ad.AnnData:
    matrix, sheet = paths
    cells = read_table(matrix)
    cells.var_names = cells.var_names.str.upper()
    cells, wells = annotate(cells, _wells(sheet), sheet.name)
    resistant = wells["Sample name"].str.contains("RESISTANT", case=False)
    obs = wells.rename(columns={"Sample name": "sample", "Plate#": "plate"})[["sample", "plate"]]
    obs = obs.assign(population=resistant.map({True: "resistant", False: "parental"}), cell_line=np.nan)
    return finish(describe(cells, obs), matrix.name)


def _wells(path: Path) -> pd.DataFrame:
    """Return the sheet's rows by plate and well, as the cells are named."""
    try:
        sheet = pd.read_excel(path, header=3, dtype=str).dropna(how="all").ffill()
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise Unlike(path.name, "an .xlsx sheet", str(error)) from error
    for column in ("Plate#", "Well position", "Sample name"):
        if column not in sheet:
            raise Unlike(path.name, f"a column '{column}' in the fourth row", sheet.columns)
    return sheet.set_index(sheet["Plate#"] + "_" + sheet["Well position"].str.partition("=")[0])
