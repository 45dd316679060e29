"""Expression matrices as public archives hold them: text tables and 10x triplets, alone or packed."""

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
from bulk2sc.datasets.genes import to_symbols
from bulk2sc.datasets.safe import extract
from bulk2sc.errors import Bulk2scError

PACKED = (".tar", ".tar.gz", ".tgz", ".zip")
TABLES = (".txt", ".tsv", ".csv")
MATRIX = "matrix.mtx"
BESIDE = ("barcodes.tsv", "features.tsv", "genes.tsv")  # what 10x puts next to a matrix


def as_cells(
    matrix: sparse.spmatrix, genes: Iterable[str], barcodes: Iterable[str], sample: str
) -> ad.AnnData:
    """Turn values of genes x barcodes into cells, named by sample and barcode."""
    barcodes = list(barcodes)
    obs = pd.DataFrame({"sample": sample}, index=[f"{sample}_{barcode}" for barcode in barcodes])
    return ad.AnnData(matrix.T.tocsr(), obs=obs, var=pd.DataFrame(index=pd.Index(genes, dtype=object)))


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
            columns = [_bare(name) for name in header.split(separator)]
            names, rows = _read_rows(lines, separator, columns, path.name)
    except (OSError, EOFError, zlib.error) as error:
        raise Unlike(path.name, "a table that can be read to its end", str(error)) from error
    return _stack(rows, len(columns)), names, columns


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


def share_known(names: Iterable[str]) -> float:
    """Return the share (0 to 1) of names that are those of human genes; of the first thousand."""
    return float(to_symbols(list(names)[:1000]).notna().mean())


def _read_rows(lines: Iterable[bytes], separator: bytes, columns: list[str], file: str) -> tuple[list, list]:
    """Return names and sparse values of the rows; a cell above the names of the rows leaves `columns`."""
    names, rows = [], []
    for number, line in enumerate(lines, 2):
        name, _, values = line.rstrip(b"\r\n").partition(separator)
        width = values.count(separator) + 1
        if number == 2 and width == len(columns) - 1:
            del columns[0]
        if width != len(columns):
            raise Unlike(file, f"{len(columns)} values in every line", f"{width} in line {number}")
        try:
            rows.append(_sparse_row(values, separator))
        except ValueError as error:
            raise Unlike(file, "numbers", f"in line {number}: {error}") from error
        names.append(_bare(name))
    if not rows:
        raise Unlike(file, "a line for each gene", "only the first line")
    return names, rows


def _sparse_row(line: bytes, separator: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Return column and value of what is not 0 in a line of numbers."""
    columns, fields = _not_zero(line, separator)
    values = np.array([float(field) for field in fields], np.float32)
    if not np.isfinite(values).all():
        raise ValueError("a value is missing or infinite")
    return columns, values


def _not_zero(line: bytes, separator: bytes) -> tuple[np.ndarray, list[bytes]]:
    """Leave out each field that is just 0, without splitting the line: nearly all are."""
    text = np.frombuffer(line, np.uint8)
    gaps = np.flatnonzero(text == ord(separator))
    starts, ends = np.append(0, gaps + 1), np.append(gaps, len(text))
    zero = ends - starts == 1
    zero[zero] = text[starts[zero]] == ord("0")
    columns = np.flatnonzero(~zero)
    return columns, [line[start:end] for start, end in zip(starts[columns], ends[columns], strict=True)]


def _stack(rows: list[tuple[np.ndarray, np.ndarray]], width: int) -> sparse.csr_matrix:
    matrix = sparse.csr_matrix(
        (
            np.concatenate([values for _, values in rows]),
            np.concatenate([columns for columns, _ in rows]),
            np.cumsum([0, *(len(columns) for columns, _ in rows)]),
        ),
        shape=(len(rows), width),
    )
    matrix.eliminate_zeros()
    return matrix


def _bare(name: bytes) -> str:
    return name.decode(errors="replace").strip().strip('"')


def read_samples(paths: Iterable[Path]) -> dict[str, ad.AnnData]:
    """
    Read every matrix among some files, and within archives and the archives in those.

    Parameters
    ----------
    paths
        10x triplets (``GSM1_a_matrix.mtx.gz`` beside its barcodes and features or genes, or the three in a
        folder of their own), tables as for `read_matrix`, or .tar, .tar.gz and .zip with these.

    Returns
    -------
    Cells by the name of their sample: what precedes ``matrix.mtx``, the folder, or the name of the table. A
    10x folder of raw barcodes, empty droplets too, is passed over.

    Raises
    ------
    Unlike
        If there is no matrix, a triplet is not whole, two samples have one name, or a table cannot be read.
    """
    paths = list(paths)
    samples: dict[str, ad.AnnData] = {}
    with tempfile.TemporaryDirectory(dir=paths[0].parent) as scratch:
        files = [(file, top) for path in paths for file, top in _unpacked(path, Path(scratch))]
        for file, top in files:
            if (read := _reader(file)) is None:
                continue
            name = _sample_name(file, top)
            if name in samples:
                raise Unlike(file.name, "one matrix for each sample", f"two of '{name}'")
            samples[name] = as_cells(*read(file), name)
    if not samples:
        names = [file.name for file, _ in files]
        raise Unlike(paths[0].name, f"a {MATRIX} or a table of genes and cells", names)
    return samples


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
    if name.endswith(BESIDE) or "raw_" in str(file.parent.name) or "raw_" in str(file.parent.parent.name):
        return None
    if name.endswith(MATRIX):
        return _read_10x
    return read_matrix if name.endswith(TABLES) else None


def _sample_name(file: Path, top: Path) -> str:
    stem = file.name.partition(MATRIX)[0] if MATRIX in file.name else file.name.partition(".")[0]
    if stem:
        return stem.rstrip("._-")
    inside = file.relative_to(top).parts
    return inside[0] if len(inside) > 1 else top.name


def _read_10x(matrix: Path) -> tuple[sparse.csr_matrix, list[str], list[str]]:
    counts, features, barcodes = read_10x(matrix)
    return counts, list(features.index), barcodes


def read_10x(matrix: Path) -> tuple[sparse.csr_matrix, pd.DataFrame, list[str]]:
    """
    Read a 10x triplet by its matrix.

    Returns
    -------
    Counts of features x barcodes; the features, named by symbol where there are two names, with the columns
    ``gene_ids`` and, where the file says it, ``feature_types``; and the barcodes.

    Raises
    ------
    Unlike
        If one of the three is not there or not as expected.
    """
    stem = matrix.name.partition(MATRIX)[0]
    barcodes = _names_beside(matrix, stem, ("barcodes",)).iloc[:, 0].tolist()
    listed = _names_beside(matrix, stem, ("features", "genes"))
    features = pd.DataFrame({"gene_ids": listed[0].to_numpy()}, listed.iloc[:, min(1, listed.shape[1] - 1)])
    features.index.name = None
    if listed.shape[1] > 2:
        features["feature_types"] = listed[2].to_numpy()
    try:
        counts = mmread(matrix).tocsr().astype(np.float32)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise Unlike(matrix.name, "a matrix in Matrix Market format", str(error)) from error
    if counts.shape != (len(features), len(barcodes)):
        expected = f"{len(features)} genes x {len(barcodes)} barcodes, as named beside it"
        raise Unlike(matrix.name, expected, " x ".join(map(str, counts.shape)))
    return counts, features, barcodes


def _names_beside(matrix: Path, stem: str, kinds: tuple[str, ...]) -> pd.DataFrame:
    wanted = [matrix.with_name(f"{stem}{kind}.tsv{end}") for kind in kinds for end in ("", ".gz")]
    for path in wanted:
        if path.is_file():
            return pd.read_csv(path, sep="\t", header=None, dtype=str, keep_default_na=False)
    found = sorted(file.name for file in matrix.parent.iterdir())
    raise Unlike(matrix.name, " or ".join(path.name for path in wanted) + " beside it", found)
