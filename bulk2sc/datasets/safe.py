"""Open other people's pickles, archives and HDF5 files without letting them do anything but hold data."""

import io
import pickle
import shutil
import tarfile
import zipfile
from collections import OrderedDict
from functools import cache
from pathlib import Path, PureWindowsPath
from typing import IO, TYPE_CHECKING

from bulk2sc.errors import Bulk2scError

if TYPE_CHECKING:  # torch takes seconds to import, and most of what imports this file unpickles nothing
    import h5py
    import torch


@cache
def _admitted() -> dict[tuple[str, str], object]:
    import torch

    def load_storage(data: bytes) -> object:
        """Stand in for `torch.storage._load_from_bytes`, which would unpickle anything."""
        return torch.load(io.BytesIO(data), weights_only=True)

    return {
        ("collections", "OrderedDict"): OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
        ("torch.storage", "_load_from_bytes"): load_storage,
    }


class TensorUnpickler(pickle.Unpickler):
    """An unpickler that finds the three names a tensor needs and no other."""

    def find_class(self, module: str, name: str) -> object:
        """Return an admitted object; refuse everything else."""
        if (module, name) not in _admitted():
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return _admitted()[module, name]


def load_tensors(file: IO[bytes], name: str) -> "dict[str, torch.Tensor]":
    """
    Unpickle a dictionary of tensors, and nothing but that.

    Parameters
    ----------
    file
        An open binary file.
    name
        What to call it in an error.

    Raises
    ------
    Bulk2scError
        If the pickle asks for anything else, is broken, or holds something else.
    """
    from torch import Tensor

    try:
        content = TensorUnpickler(file).load()
    except Exception as error:  # a broken pickle can raise nearly anything
        raise Bulk2scError(
            f"{name}: refused as a pickle: {error}. Take it from its official source."
        ) from error
    if not isinstance(content, dict) or not all(isinstance(item, Tensor) for item in content.values()):
        raise Bulk2scError(f"{name}: refused as a pickle: it is not a dictionary of tensors.")
    return content


def check_hdf5(file: "h5py.File", name: Path) -> None:
    """
    Refuse an HDF5 file that takes content from other files: it could show what its reader may read.

    Raises
    ------
    Bulk2scError
        If anything in it is an external link, or stored in another file.
    """
    import h5py

    def found(key: str, link: object) -> str | None:
        item = file.get(key) if isinstance(link, h5py.HardLink) else None
        outside = isinstance(item, h5py.Dataset) and (item.external or item.is_virtual)
        return key if outside or isinstance(link, h5py.ExternalLink) else None

    if key := file.visititems_links(found):  # it stops at the first
        raise Bulk2scError(
            f"{name}: refused: its '{key}' is kept in another file. Take the file from its official source."
        )


def extract(archive: Path, folder: Path) -> list[Path]:
    """
    Unpack the plain files of a tar (plain or compressed) or zip archive, and neither links nor devices.

    Parameters
    ----------
    archive
        Path of the archive.
    folder
        Where to; not there yet.

    Returns
    -------
    The files, in the order of the archive.

    Raises
    ------
    Bulk2scError
        If a file would lie outside of `folder` or is there twice, or the archive cannot be read.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                files = [one for one in opened.infolist() if not one.is_dir()]
                return [_write(folder, one.filename, opened.open(one)) for one in files]
        with tarfile.open(archive) as opened:
            files = [one for one in opened.getmembers() if one.isfile()]
            return [_write(folder, one.name, opened.extractfile(one)) for one in files]
    except Bulk2scError as error:
        raise Bulk2scError(f"{archive}: {error}. Take it from its official source.") from error
    except Exception as error:  # each compression has its own for a damaged archive
        said = " ".join(str(error).split())
        raise Bulk2scError(f"{archive}: cannot be unpacked into {folder}: {said}.") from error


def _write(folder: Path, name: str, content: IO[bytes]) -> Path:
    path = PureWindowsPath(name)  # knows both slashes and drive letters
    if path.anchor or ".." in path.parts:
        raise Bulk2scError(f"refused: its member '{name}' would lie outside of its folder")
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    with content, open(folder / name, "xb") as out:
        shutil.copyfileobj(content, out)
    return folder / name
