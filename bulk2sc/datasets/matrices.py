"""Expression matrices as public archives hold them: text tables and 10x triplets, alone or packed."""

import csv
import gzip
import tempfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse
from scipy.io import mmread

from bulk2sc.datasets.documented import Unlike
from bulk2sc.datasets.genes import share_known
from bulk2sc.datasets.safe import extract
from bulk2sc.errors import Bulk2scError

PACKED = (".tar", ".tar.gz", ".tgz", ".zip")
TABLES = (".txt", ".tsv", ".csv")
MATRIX = "matrix.mtx"
BESIDE = ("barcodes.tsv", "features.tsv", "genes.tsv")  # what 10x puts next to a matrix


def read_matrix(path: Path) -> tuple[sparse.csr_matrix, list[str], list[str]]:
    """
    Read a table of genes and cells row by row, so that it never lies dense in memory.

    Parameters
    ----------
    path
        Separated by tabs or commas, plain or .gz; names in the first line (with or without a cell above the
        names of the rows, as R leaves it out) and the first column.

    Returns
    -------
    Values (n_rows, n_columns), float32, and the names of rows and columns; genes are rows if the file is as
    most are.

    Raises
    ------
    Unlike
        If the file breaks off, lines differ in length, or a value is not a number.
    """
    try:
        with opened(path) as lines:
            header = next(lines, b"").rstrip(b"\r\n")
            separator = separator_of(header, path.name)
            text = header.decode("utf-8-sig", errors="replace")
            columns = [name.strip() for name in next(csv.reader([text], delimiter=separator.decode()))]
            names, matrix = _read_rows(lines, separator, columns, path.name)
    except (OSError, EOFError, zlib.error) as error:
        raise Unlike(path.name, "a table that can be read to its end", str(error)) from error
    return matrix, names, columns


def read_table(path: Path, *, strict: bool = False) -> ad.AnnData:
    """
    Read a table with cells in rows or in columns: genes are on the side that names more human genes.

    Raises
    ------
    Bulk2scError
        As `read_matrix`; with `strict` also if no side names far more of them than the other.
    """
    matrix, rows, columns = read_matrix(path)
    of_rows, of_columns = share_known(rows), share_known(columns)
    low, high = sorted((of_rows, of_columns))
    if strict and (high < 0.2 or low > high / 2):
        raise Bulk2scError(
            f"{path}: genes must be named on one side, cells on the other; human genes are {of_rows:.0%} of "
            f"rows, {of_columns:.0%} of columns (rows such as '{rows[0]}', columns such as '{columns[0]}')."
        )
    if of_rows >= of_columns:
        matrix, rows, columns = matrix.T.tocsr(), columns, rows
    obs, var = (pd.DataFrame(index=pd.Index(names, dtype=object)) for names in (rows, columns))
    return ad.AnnData(matrix, obs=obs, var=var)


def opened(path: Path) -> IO[bytes]:
    """Open a file for reading, unpacked if it is .gz."""
    return gzip.open(path) if path.suffix == ".gz" else open(path, "rb")


def separator_of(header: bytes, name: str) -> bytes:
    """
    Return the separator of a table, a tab or a comma.

    Raises
    ------
    Unlike
        If its first line has neither.
    """
    separator = max(b"\t", b",", key=header.count)
    if separator not in header:
        header = header.rstrip()
        found = f"the first line '{header[:40].decode(errors='replace')}'" if header else "an empty file"
        raise Unlike(name, "columns separated by tabs or commas", found)
    return separator


def _read_rows(
    lines: Iterable[bytes], separator: bytes, columns: list[str], file: str
) -> tuple[list[str], sparse.csr_matrix]:
    """Return names and values of the rows; a cell above the names of the rows leaves `columns`."""
    names, values, places, ends = [], [], [], [0]
    for number, line in enumerate(lines, 2):
        name, *fields = line.rstrip(b"\r\n").split(separator)
        if number == 2 and len(fields) == len(columns) - 1:
            del columns[0]
        if len(fields) != len(columns):
            raise Unlike(file, f"{len(columns)} values in every line", f"{len(fields)} in line {number}")
        used = [place for place, field in enumerate(fields) if field != b"0"]  # nearly all are
        try:
            values.append(np.array([float(fields[place]) for place in used], np.float32))
        except ValueError as error:
            found = str(error).partition("b'")[2][:-1]
            found = f"'{found}'" if found else "a missing value"
            raise Unlike(file, "numbers", f"{found} in line {number}") from error
        if not np.isfinite(values[-1]).all():
            raise Unlike(file, "numbers", f"in line {number}: a value is missing or infinite")
        places.append(np.array(used, np.int32))
        ends.append(ends[-1] + len(used))
        names.append(_bare(name))
    if not names:
        raise Unlike(file, "a line for each gene", "only the first line")
    parts = (np.concatenate(values), np.concatenate(places), ends)
    matrix = sparse.csr_matrix(parts, (len(names), len(columns)))
    matrix.eliminate_zeros()
    return names, matrix


def _bare(name: bytes) -> str:
    return name.decode(errors="replace").strip().strip('"')


def read_files(paths: Iterable[Path]) -> ad.AnnData:
    """
    Read every matrix among some files, and within archives and the archives in those, as one set of cells.

    Parameters
    ----------
    paths
        10x triplets (``GSM1_a_matrix.mtx.gz`` beside its barcodes and features or genes, or the three in a
        folder of their own), tables as for `read_table`, or .tar, .tar.gz and .zip with these.

    Returns
    -------
    Cells of all files; a gene that one lacks is 0 there. ``obs``: cell, the name in its file, and file: what
    precedes ``matrix.mtx``, the folder, or the name of the table. A 10x folder of raw barcodes, empty
    droplets too, is passed over.

    Raises
    ------
    Unlike
        If there is no matrix, a triplet is not whole, two have one name, or a table cannot be read.
    """
    paths = list(paths)
    found: dict[str, ad.AnnData] = {}
    with tempfile.TemporaryDirectory(dir=paths[0].parent) as scratch:
        files = [(file, top) for path in paths for file, top in _unpacked(path, Path(scratch))]
        for file, top in files:
            if (read := _reader(file)) is None:
                continue
            name = _name_of(file, top)
            if name in found:
                raise Unlike(file.name, "one matrix for each sample", f"two of '{name}'")
            found[name] = read(file)
    if not found:
        names = [file.name for file, _ in files]
        raise Unlike(paths[0].name, f"a {MATRIX} or a table of genes and cells", names)
    for name, cells in found.items():
        cells.obs = pd.DataFrame({"file": name, "cell": cells.obs_names}, f"{name}_" + cells.obs_names)
    return ad.concat(found.values(), join="outer", fill_value=0)


def _unpacked(path: Path, scratch: Path) -> list[tuple[Path, Path]]:
    """Return the files, each with the folder that its archive became (its own folder if there was none)."""
    if not path.name.endswith(PACKED):
        return [(path, path.parent)]
    top = Path(tempfile.mkdtemp(dir=scratch)) / path.name.partition(".")[0]
    return [
        (inner, top if above == inner.parent else above)
        for file in extract(path, top)
        for inner, above in _unpacked(file, scratch)
    ]


def _reader(file: Path):
    name = file.name.removesuffix(".gz")
    if name.endswith(BESIDE) or any(folder.name.startswith("raw_") for folder in file.parents):
        return None
    if name.endswith(MATRIX):
        return read_10x
    return read_table if name.endswith(TABLES) else None


def _name_of(file: Path, top: Path) -> str:
    stem = file.name.partition(MATRIX)[0] if MATRIX in file.name else file.name.partition(".")[0]
    if stem:
        return stem.rstrip("._-")
    inside = file.relative_to(top).parts
    return inside[0] if len(inside) > 1 else top.name


def read_10x(matrix: Path) -> ad.AnnData:
    """
    Read a 10x triplet by its matrix.

    Returns
    -------
    Counts; genes are named by `named_once`, with the columns ``gene_ids`` and, where the file says it,
    ``feature_types``.

    Raises
    ------
    Unlike
        If one of the three is not there or not as expected.
    """
    barcodes = _names_beside(matrix, "barcodes")[0]
    listed = _names_beside(matrix, "features", "genes")
    features = listed.set_axis(["gene_ids", "symbol", "feature_types"][: listed.shape[1]], axis=1)
    features = features.set_index("symbol" if "symbol" in features else features["gene_ids"]).rename_axis(
        None
    )
    try:
        counts = mmread(matrix).T.tocsr().astype(np.float32)
    except (OSError, EOFError, ValueError, MemoryError, zlib.error) as error:
        raise Unlike(matrix.name, "a matrix in Matrix Market format", str(error)) from error
    if counts.shape != (len(barcodes), len(features)):
        expected = f"{len(features)} genes x {len(barcodes)} barcodes, as named beside it"
        raise Unlike(matrix.name, expected, " x ".join(map(str, counts.shape[::-1])))
    return named_once(ad.AnnData(counts, obs=pd.DataFrame(index=barcodes.tolist()), var=features))


def named_once(cells: ad.AnnData) -> ad.AnnData:
    """Name the genes of a 10x file by symbol; by id where several have one symbol."""
    names = cells.var_names.to_series()
    repeated = names.duplicated(keep=False).to_numpy()
    cells.var_names = np.where(repeated, cells.var["gene_ids"].astype(str), names)
    return cells


def _names_beside(matrix: Path, *kinds: str) -> pd.DataFrame:
    stem = matrix.name.partition(MATRIX)[0]
    wanted = [matrix.with_name(f"{stem}{kind}.tsv{end}") for kind in kinds for end in ("", ".gz")]
    for path in wanted:
        if path.is_file():
            return pd.read_csv(path, sep="\t", header=None, dtype=str, keep_default_na=False)
    found = sorted(file.name for file in matrix.parent.iterdir())
    raise Unlike(matrix.name, " or ".join(path.name for path in wanted) + " beside it", found)
