"""The folder of downloaded files: one process at a time writes one, and damaged ones are told."""

import errno
import fcntl
import gzip
import hashlib
import os
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from bulk2sc.errors import Bulk2scError


def cache_dir() -> Path:
    """Return the folder of downloaded files: BULK2SC_CACHE, or `bulk2sc` in the user's cache."""
    if os.environ.get("BULK2SC_CACHE"):
        return Path(os.environ["BULK2SC_CACHE"]).expanduser()
    usual = Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    return Path(os.environ.get("XDG_CACHE_HOME") or usual) / "bulk2sc"


@contextmanager
def slot(target: Path, size: float | None) -> Iterator[Path]:
    """
    Lend the `.part` file of a target to one process at a time, and say it clearly if the disk is in the way.

    Parameters
    ----------
    target
        Where the finished file will be put by `os.replace`.
    size
        About how many bytes it has; None if that is not known.

    Raises
    ------
    Bulk2scError
        If the disk is full or the folder cannot be written.
    """
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(target.with_name(f".{target.name}.lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield part
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            what = f"{error.filename or target}: {error.strerror or error}"
            raise Bulk2scError(f"{what}. Set BULK2SC_CACHE to a folder that can be written.") from error
        part.unlink(missing_ok=True)
        needed = "" if size is None else f", {size / 1e6:.0f} MB are needed"
        raise Bulk2scError(
            f"{target}: the disk is full{needed}. Free some space or set"
            " BULK2SC_CACHE to a folder on another disk, then try again."
        ) from error


def size_of(path: Path) -> int:
    """Return the size of a file in bytes, 0 if it is not there."""
    return path.stat().st_size if path.exists() else 0


def checksum(path: Path, kind: str = "sha256") -> str:
    """Return the hexadecimal checksum of a file: ``sha256``, or ``md5``, which Figshare publishes."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, kind).hexdigest()


def damage(path: Path, name: str) -> str:
    """
    Say what is wrong with an archive, compressed file or workbook; an empty string if nothing is.

    Of an .h5ad only the beginning is looked at.

    Parameters
    ----------
    path
        Where the file lies, under any name.
    name
        Its own name, whose ending says what it is; of other kinds nothing is said.
    """
    ending = Path(name).suffix
    if not size_of(path):
        return "it is empty"
    if ending == ".h5ad":
        return "" if h5py.is_hdf5(path) else "it is no HDF5 file"
    broken = None
    try:
        if ending == ".gz":
            with gzip.open(path) as file:
                while file.read(1 << 20):
                    pass
        elif ending in (".zip", ".xlsx"):
            with zipfile.ZipFile(path) as archive:
                broken = archive.testzip()
        elif ending == ".tar":
            with tarfile.open(path, "r:") as archive:
                archive.getmembers()
    # NotImplementedError, RuntimeError: zip archives of a kind that cannot be read here
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, tarfile.TarError, RuntimeError) as error:
        broken = error
    return f"it cannot be read to its end: {broken}" if broken else ""
