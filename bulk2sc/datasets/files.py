"""Anybody's files of cells: read from any usual kind, and made fit to be written again.

Cells are returned as they are; `own.check_cells` says what they hold.
"""

import errno
import gzip
import re
import shutil
import tempfile
from os import sysconf
from pathlib import Path

import anndata as ad
import h5py
import pandas as pd
from anndata import AnnData
from scipy import sparse

from bulk2sc.datasets.matrices import MATRIX, named_once, read_10x, read_table
from bulk2sc.datasets.safe import check_hdf5
from bulk2sc.errors import Bulk2scError
from bulk2sc.settings import UNFINISHED, atomic

FORMATS = ".h5ad or .h5ad.gz, a 10x .h5 or matrix folder, or a table (.csv, .tsv, .txt, also .gz)"


# --- Reading a file ----------------------------------------------------------------------------------------


def read_cells(path: str | Path) -> AnnData:
    """
    Read cells from a file of any usual kind, told by its content.

    Parameters
    ----------
    path
        An .h5ad file, also packed (.gz); a 10x .h5 file, or a folder with a matrix, barcodes and features; or
        a table with genes on one side and cells on the other.

    Raises
    ------
    Bulk2scError
        If it is not there, cannot be read or is of another kind; the cause is named.
    """
    path = Path(path)
    if path.is_dir() or path.name.endswith((".mtx", ".mtx.gz")):
        return _read_folder(path)
    if not path.is_file():
        raise Bulk2scError(f"{path}: there is no such file. Give the path of {FORMATS}.")
    try:
        with path.open("rb") as file:
            start = file.read(8)
        if path.name.endswith((".h5ad.gz", ".h5.gz")):
            with tempfile.NamedTemporaryFile() as plain, gzip.open(path) as packed:
                shutil.copyfileobj(packed, plain)
                plain.flush()
                return _read_hdf5(Path(plain.name), path)
        if h5py.is_hdf5(path):
            return _read_hdf5(path, path)
    except Bulk2scError:
        raise
    except MemoryError as error:
        raise Bulk2scError(f"{path}: does not fit into memory ({error}); give fewer cells.") from error
    except Exception as error:  # h5py, scipy and anndata raise many kinds
        raise _unreadable(path, error) from error
    if path.name.removesuffix(".gz").endswith((".csv", ".tsv", ".txt", ".tab")):
        return read_table(path, strict=True)
    kinds = {b"\x1f\x8b": "a gzip file", b"PK": "a zip archive", b"": "an empty file"}
    found = kinds.get(start[:2], f"no HDF5 file (it begins with {start!r}), but perhaps an R object or text")
    raise Bulk2scError(f"{path}: cannot be read: it is {found}. Give {FORMATS}.")


def _read_hdf5(file: Path, path: Path) -> AnnData:
    """Read what is in `file`; errors call it `path`."""
    with h5py.File(file, "r") as opened:
        check_hdf5(opened, path)
        _refuse_too_large(opened, path)
        keys = set(opened)
        barcodes = any(isinstance(part, h5py.Group) and "barcodes" in part for part in opened.values())
    if {"row_attrs", "col_attrs"} <= keys:
        remedy = "give it as .h5ad: scanpy.read_loom(FILE).write_h5ad(OUT)"
        raise Bulk2scError(f"{path}: is a loom file; {remedy}.")
    if {"assays", "meta.data"} <= keys:
        raise Bulk2scError(f"{path}: is a Seurat file (h5Seurat); convert it to .h5ad, counts included.")
    if keys & {"obs", "X"}:
        return _sound(ad.read_h5ad(file))
    if "matrix" in keys or barcodes:
        import scanpy as sc  # takes two seconds

        return _sound(named_once(sc.read_10x_h5(file, gex_only=False)))
    found = ", ".join(f"'{key}'" for key in sorted(keys)[:5]) or "nothing"
    raise Bulk2scError(f"{path}: is HDF5, but holds neither an AnnData nor a 10x matrix ({found}).")


def _sound(cells: AnnData) -> AnnData:
    """Return the cells; raise if a sparse matrix points outside of itself, at which scipy may crash."""
    for matrix in (cells.X, cells.raw.X if cells.raw else None, *cells.layers.values()):
        if sparse.issparse(matrix):
            matrix.check_format(full_check=True)
    return cells


def _unreadable(path: Path, error: Exception) -> Bulk2scError:
    """Name the cause that was found, and what to do about it."""
    said = " ".join(f"{error}".split())
    denied = isinstance(error, PermissionError) or getattr(error, "errno", 0) == errno.EACCES
    slash, half = "the name of a layer or array holds a slash", "adata.X = adata.X.astype('float32')"
    other = "it is damaged or of another format: copy it again or write it with anndata's write_h5ad"
    causes = [
        ("unable to lock" in said, "another program has it open for writing", "close it there, or copy it"),
        (denied, "you may not read it", "ask for permission, or copy the file"),
        ("truncated" in said, "it is cut off", "copy it again"),
        ("float16" in said, said, f"write the matrix as float32: {half}"),
        ("no attribute 'shape'" in said, slash, "rename it at its source"),
        (True, said, other),
    ]
    said, remedy = next((what, remedy) for found, what, remedy in causes if found)
    return Bulk2scError(f"{path}: cannot be read ({said}{_place(error)}); {remedy}.")


def _place(error: Exception) -> str:
    """Say at which key of a file anndata failed."""
    place = re.search(r"key '([^']*)' of .* (?:from|to) (\S*)", " ".join(getattr(error, "__notes__", [])))
    return f", at '{place[2].rstrip('/')}/{place[1]}'"[:80] if place else ""


def _refuse_too_large(opened: h5py.File, path: Path) -> None:
    """Refuse before memory runs out, when the system would end the process without a word."""
    sizes = []
    opened.visititems(lambda _, item: sizes.append(item.nbytes) if isinstance(item, h5py.Dataset) else None)
    there = sysconf("SC_PAGE_SIZE") * sysconf("SC_PHYS_PAGES")
    if sum(sizes) > there:
        raise Bulk2scError(
            f"{path}: needs {sum(sizes) / 1e9:,.0f} GB of memory, this machine has {there / 1e9:,.0f}; "
            "give fewer cells, or a sparse matrix."
        )


def _read_folder(path: Path) -> AnnData:
    folder = path if path.is_dir() else path.parent
    found = [path] if path != folder else sorted([*folder.glob(f"*{MATRIX}"), *folder.glob(f"*{MATRIX}.gz")])
    if len(found) != 1:
        what = ", ".join(file.name for file in found) or "none"
        raise Bulk2scError(
            f"{folder}: a folder must hold one {MATRIX}, found {what}. Give the path of {FORMATS}."
        )
    return read_10x(found[0])


# --- What can be written -----------------------------------------------------------------------------------


def mend(cells: AnnData) -> tuple[AnnData, list[str]]:
    """
    Rename columns that older programs wrote and .h5ad does not take: ``_index``, and names with a slash.

    Returns
    -------
    A copy, and a note for each column that was renamed.
    """
    cells, notes = cells.copy(), []
    cells.obs, cells.var = _renamed(cells.obs, "obs", notes), _renamed(cells.var, "var", notes)
    if cells.raw is not None:
        var = _renamed(cells.raw.var, "raw.var", notes)
        cells.raw = AnnData(cells.raw.X, obs=cells.obs[[]], var=var, varm=dict(cells.raw.varm))
    return cells, notes


def _renamed(table: pd.DataFrame, part: str, notes: list[str]) -> pd.DataFrame:
    names = {}
    for name in table.columns:
        plain = "index_" if name == "_index" else name.replace("/", "_")
        while plain != name and plain in {*table.columns, *names.values()}:
            plain += "_"
        if plain != name:
            names[name] = plain
            notes.append(f'{part}["{name}"]: renamed to "{plain}", as .h5ad does not take the name')
    return table.rename(columns=names)


def write_cells(cells: AnnData, out: Path, *, trial: bool = False) -> None:
    """
    Write an .h5ad file so that `out` is either whole or untouched.

    Parameters
    ----------
    trial
        Only try whether it could be written there: names and tables, without any cell.

    Raises
    ------
    Bulk2scError
        If it cannot be written, for example because the disk is full.
    """
    out = out.resolve()  # a link stays one
    try:
        if trial:
            with tempfile.TemporaryDirectory(dir=out.parent, prefix=UNFINISHED) as scratch:
                cells[:0].copy().write_h5ad(Path(scratch) / out.name)
            return
        with atomic(out) as partial:
            cells.write_h5ad(partial)
    except Exception as error:  # h5py and anndata raise many kinds
        reason = getattr(error, "strerror", None) or " ".join(f"{error}".split())
        remedy = "free space or name another place" if isinstance(error, OSError) else "remove what it names"
        raise Bulk2scError(f"{out}: cannot be written ({reason}{_place(error)}); {remedy}") from error
