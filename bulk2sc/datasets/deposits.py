"""Published single cells as they are deposited: checked, described and brought to one form."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.preprocessing import normalize

from bulk2sc.datasets.cells import by_symbol
from bulk2sc.datasets.documented import Unlike, remedy
from bulk2sc.datasets.fetch import fetch
from bulk2sc.datasets.files import read_cells
from bulk2sc.datasets.matrices import opened, separator_of, share_known
from bulk2sc.datasets.values import stored
from bulk2sc.errors import Bulk2scError

LOG_MAX = 20  # above any logarithm of a count or of a part per million
SENSITIVE = {"1": "1", "1.0": "1", "True": "1", "0": "0", "0.0": "0", "False": "0"}
SAMPLE_COLUMNS = ("sample", "orig.ident", "batch")  # where the study's own files may say it


def load(key: str, read: Callable[[list[Path]], ad.AnnData], line=np.nan) -> ad.AnnData:
    """
    Fetch the files of one source and read them, in the form that was found.

    Parameters
    ----------
    key
        Key of the source, for errors.
    read
        Turns the files of GEO, in the order of the registry, into described cells (`describe`, `finish`);
        .h5ad files are the study's own.
    line
        Cell line of the .h5ad files.

    Raises
    ------
    Bulk2scError
        If a file cannot be fetched, or is not as its source was documented to be; says how to give another.
    """
    paths = fetch(key)
    try:
        if all(path.suffix == ".h5ad" for path in paths):
            cells = ad.concat([read_study(path, line) for path in paths], uns_merge="same")
        else:
            cells = read(paths)
    except Unlike as error:
        raise Bulk2scError(f"{key}: {error}.{remedy(key)}") from error
    cells.uns["held_out"] = []  # pp.hold_out_own_lines adds the lines that are in the bulk
    cells.uns["source_files"] = [path.name for path in paths]
    return cells


def read_study(path: Path, line) -> ad.AnnData:
    """
    Read an .h5ad file of the published study, whose label is ``obs["sensitive"]``.

    Returns
    -------
    ``obs``: sample, cell_line and sensitive (``1`` or ``0``). Counts and abundances are treated as by
    `finish`; logarithms and z-scores stay as they are, for `pp.detect_scale` to tell.

    Raises
    ------
    Unlike
        If there is no such column, or it holds anything else.
    """
    given = read_cells(path)
    if "sensitive" not in given.obs:
        raise Unlike(path.name, "a column 'sensitive' in obs", given.obs.columns)
    sensitive = given.obs["sensitive"].astype(str).map(SENSITIVE)
    if sensitive.isna().any():
        raise Unlike(path.name, "1 or 0 in obs['sensitive']", given.obs["sensitive"].astype(str).unique())
    column = next((column for column in SAMPLE_COLUMNS if column in given.obs), None)
    sample = given.obs[column].astype(str) if column else path.stem
    obs = pd.DataFrame({"sample": sample, "cell_line": line, "sensitive": sensitive})
    X = given.layers.get("counts", given.X)
    cells = describe(ad.AnnData(X, var=given.var[[]]), obs)
    return cells if (stored(X) < 0).any() else _settled(cells)


def read_about(path: Path, columns: Iterable[str], index: str | None = None) -> pd.DataFrame:
    """
    Read a table about cells, all of it as text.

    Parameters
    ----------
    columns
        What it must have.
    index
        Column with the names of the cells; the first if None.

    Raises
    ------
    Unlike
        If a column is missing or a cell is there twice.
    """
    try:
        with opened(path) as lines:
            separator = separator_of(next(lines, b""), path.name).decode()
        table = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False)
    except (OSError, EOFError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise Unlike(path.name, "a table that can be read to its end", str(error).strip()) from error
    if index is None:  # R leaves out the name of the first column, and pandas makes it the index
        table = table.set_index(table.columns[0]) if isinstance(table.index, pd.RangeIndex) else table
    for column in [*([index] if index else []), *columns]:
        if column not in table:
            raise Unlike(path.name, f"a column '{column}'", table.columns)
    table = table.set_index(index) if index else table
    if table.index.has_duplicates:
        raise Unlike(path.name, "each cell once", f"'{table.index[table.index.duplicated()][0]}' twice")
    return table


def annotate(cells: ad.AnnData, about: pd.DataFrame, file: str) -> tuple[ad.AnnData, pd.DataFrame]:
    """
    Bring cells and the table about them together, though R may have changed the names of one.

    Returns
    -------
    The cells that are in the table (it may list fewer: those of good quality), and its rows in their order.

    Raises
    ------
    Unlike
        If fewer than half of the cells are in the table.
    """
    rows = pd.Series(range(len(about)), index=[_plain(name) for name in about.index])
    found = rows[~rows.index.duplicated()].reindex([_plain(name) for name in cells.obs_names]).to_numpy()
    known = ~np.isnan(found)
    if known.mean() < 0.5:
        names = f"'{cells.obs_names[0]}' in the matrix, '{about.index[0]}' here"
        raise Unlike(file, "the cells of the matrix", f"{known.sum()} of {len(known)} ({names})")
    return cells[known].copy(), about.iloc[found[known].astype(int)]


def describe(cells: ad.AnnData, obs: pd.DataFrame) -> ad.AnnData:
    """Return cells with these columns, their names (the index of `obs`) prefixed by the column `sample`."""
    obs = obs.assign(cell_line=pd.Categorical(obs["cell_line"]))  # may be NaN throughout
    names = [
        name if name.startswith(f"{sample}_") else f"{sample}_{name}"
        for name, sample in obs["sample"].items()
    ]
    return ad.AnnData(cells.X, obs=obs.set_axis(pd.Index(names, dtype=object)), var=cells.var[[]])


def finish(cells: ad.AnnData, file: str, unit: str = "") -> ad.AnnData:
    """
    Name genes by current symbols and settle the scale.

    Parameters
    ----------
    unit
        What values are that are no counts: ``TPM``, ``FPKM``.

    Returns
    -------
    Values of one symbol added up. Whole numbers are counts: in ``layers["counts"]`` and ``X``. Other values
    above 20 become log1p of parts per 10,000 in ``X``, as `pp.normalise` makes of counts; those that are
    below throughout are taken for logarithms. ``uns["scale"]`` says which: ``counts``, the unit or ``log``.

    Raises
    ------
    Unlike
        If values are negative, or names are not those of human genes.
    """
    if share_known(cells.var_names) < 0.05:
        raise Unlike(file, "human genes", f"names such as '{cells.var_names[0]}'")
    if (stored(cells.X) < 0).any():
        raise Unlike(file, "counts or abundances", f"negative values, the lowest {stored(cells.X).min():g}")
    return _settled(cells, unit)


def _settled(cells: ad.AnnData, unit: str = "") -> ad.AnnData:
    """Tell counts, abundances and logarithms apart; symbols of logarithms are left to pp.resolve_symbols."""
    X = sparse.csr_matrix(cells.X, dtype=np.float32)
    whole = (X.data == np.floor(X.data)).all()
    plain = ad.AnnData(X, obs=cells.obs.copy(), var=cells.var[[]])
    if not whole and X.max() <= LOG_MAX:
        plain.uns["scale"] = "log"
        return plain
    settled = by_symbol(plain)
    if not whole:
        del settled.layers["counts"]
        settled.X = (1e4 * normalize(settled.X, norm="l1")).log1p()
    settled.uns["scale"] = "counts" if whole else unit or "unknown unit"
    return settled


def _plain(name: str) -> str:
    """Return a name as R's make.names writes it, where a dash is a dot and no name starts with a digit."""
    return re.sub(r"^X(?=\d)", "", re.sub(r"\W", ".", name))
