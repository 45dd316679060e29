"""Tell a whole file from a damaged one."""

import gzip
import hashlib
import tarfile
import zipfile
import zlib
from pathlib import Path

HDF5 = b"\x89HDF\r\n\x1a\n"  # how an .h5ad begins


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
    if not path.stat().st_size:
        return "it is empty"
    try:
        _read(path, Path(name).suffix)
    # NotImplementedError, RuntimeError: zip archives of a kind that cannot be read here
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, tarfile.TarError, RuntimeError) as error:
        return f"it cannot be read to its end: {error}"
    return ""


def _read(path: Path, ending: str) -> None:
    """Read a file to its end, or raise."""
    if ending == ".gz":
        with gzip.open(path) as file:
            while file.read(1 << 20):
                pass
    elif ending in (".zip", ".xlsx"):
        with zipfile.ZipFile(path) as archive:
            if broken := archive.testzip():
                raise zipfile.BadZipFile(f"wrong checksum of {broken}")
    elif ending == ".tar":
        with tarfile.open(path, "r:") as archive:
            archive.getmembers()
    elif ending == ".h5ad":
        with open(path, "rb") as file:
            if file.read(len(HDF5)) != HDF5:
                raise OSError("it is no HDF5 file")
