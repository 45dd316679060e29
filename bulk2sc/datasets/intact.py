"""Tell a whole file from a damaged one."""

import gzip
import hashlib
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import IO

HDF5 = b"\x89HDF\r\n\x1a\n"  # how an .h5ad begins


def sha256(path: Path) -> str:
    """Return the hexadecimal sha256 of a file."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def md5(path: Path) -> str:
    """Return the hexadecimal md5 of a file: not safe from forgers, but what Figshare publishes."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


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
    if not path.stat().st_size:
        return "it is empty"
    ending = Path(name).suffix
    try:
        if ending == ".gz":
            _read_gzip(path)
        elif ending in (".zip", ".xlsx"):
            _read_zip(path)
        elif ending == ".tar":
            _read_tar(path)
        elif ending == ".h5ad":
            _read_signature(path)
    # NotImplementedError, RuntimeError: zip archives of a kind that cannot be read here
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, tarfile.TarError, RuntimeError) as error:
        return f"it cannot be read to its end: {error}"
    return ""


def _read_gzip(path: Path) -> None:
    with gzip.open(path) as file:
        _read_all(file)


def _read_zip(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        if broken := archive.testzip():
            raise zipfile.BadZipFile(f"wrong checksum of {broken}")


def _read_tar(path: Path) -> None:
    with tarfile.open(path, "r:") as archive:
        for member in archive:
            if member.isfile():
                _read_all(archive.extractfile(member))


def _read_signature(path: Path) -> None:
    with open(path, "rb") as file:
        if file.read(len(HDF5)) != HDF5:
            raise OSError("it is no HDF5 file")


def _read_all(file: IO[bytes]) -> None:
    while file.read(1 << 20):
        pass
