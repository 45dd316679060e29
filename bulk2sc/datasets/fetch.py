"""Bring the files of a source into the cache, verified: from a mirror, the public source or by hand."""

import os
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bulk2sc.datasets import unpinned
from bulk2sc.datasets.cache import cache_dir, slot
from bulk2sc.datasets.intact import sha256
from bulk2sc.datasets.places import first_of, mirror
from bulk2sc.datasets.registry import File, Source, megabytes, source
from bulk2sc.datasets.transfer import Offer, Unavailable, bring, size_of
from bulk2sc.errors import Bulk2scError
from bulk2sc.settings import digest


def fetch(key: str, *, from_files: Sequence[str | Path] = ()) -> list[Path]:
    """
    Bring the files of a source into the cache and return their paths.

    Each is looked for in the cache, in BULK2SC_MIRROR (a folder or an http address, ``<key>/<file>``) and at
    its public source. A broken http transfer resumes, now or in the next run. A file appears under its name
    only when it is right. Where the registry pins a sha256, that decides. Else size and md5 have to be as the
    place says, an archive readable to its end, and the sha256 is noted in ``<cache>/<key>/SHA256SUMS``: it is
    verified from then on, and a file that was damaged since is brought again and has to be the noted one.

    Parameters
    ----------
    key
        Key of the source in the registry.
    from_files
        Files downloaded by hand: only these are taken, from there. A pinned file may have any name; another
        has to be named like one of the patterns of the source.

    Returns
    -------
    Paths in the order of the registry: of the files, or of the first alternative that could be had; of the
    files taken if `from_files` is given.

    Raises
    ------
    Bulk2scError
        If the key is unknown, no place has a right file, or the disk is full or read-only.
    """
    about = source(key)
    if from_files:
        take = _take if about.files else unpinned.take
        return [take(about, _existing(path, key)) for path in from_files]
    if about.files:
        return [_ensure(key, file) for file in about.files]
    return unpinned.intact(about) or unpinned.bring_first(about)


def status(key: str) -> str:
    """
    Say what of a source is here: ``embedded`` (comes with the book), ``here``, ``missing``, ``2 of 3 files``.

    Raises
    ------
    Bulk2scError
        If the key is unknown.
    """
    about = source(key)
    if about.embedded:
        return "embedded"
    here = [size_of(_path(key, file)) == file.size for file in about.files] or unpinned.here(about)
    n = sum(map(bool, here))
    return {0: "missing", len(here): "here"}.get(n, f"{n} of {len(here)} files")


def size(key: str) -> str:
    """
    Return the size of a source, such as ``8.4 MB``: as registered, else of the files that are here.

    ``over 2.1 MB`` where a file is missing, ``size unknown`` where all are.

    Raises
    ------
    Bulk2scError
        If the key is unknown.
    """
    about = source(key)
    here = unpinned.here(about) if about.alternatives else []
    return ("" if all(here) else "over ") + megabytes(sum(here)) if any(here) else about.size


def noted(key: str) -> str:
    """
    Return a hash of the checksums noted for the files that `fetch` would return; no file is read.

    Empty where nothing complete is here, and for a pinned source: the registry says all about that.

    Raises
    ------
    Bulk2scError
        If the key is unknown.
    """
    held = unpinned.held(source(key))
    return digest(held) if held else ""


def _path(key: str, file: File) -> Path:
    return file.embedded or cache_dir() / key / file.name


def _existing(path: str | Path, key: str) -> Path:
    if not Path(path).is_file():
        raise Bulk2scError(f"{path}: there is no such file to take for {key}.")
    return Path(path)


def _ensure(key: str, file: File) -> Path:
    target = _path(key, file)

    def ready() -> bool:
        return bool(file.embedded) or (target.exists() and sha256(target) == file.sha256)

    if not ready():
        with slot(target, file.size) as part:
            if not ready():  # another process may just have brought it
                addresses = [*(f"{folder}{file.name}" for folder in mirror(key)), file.url]
                attempts = [(address, partial(_bring, address, file, part)) for address in addresses]
                first_of(attempts, key, f"{key}/{file.name}")
                os.replace(part, target)
    return target


def _bring(address: str, file: File, part: Path) -> None:
    bring(Offer(file.name, address, file.size), part)
    found, size = sha256(part), size_of(part)
    if found != file.sha256:
        part.unlink()
        raise Unavailable(
            f"wrong checksum: found sha256 {found} ({size} bytes), expected {file.sha256} ({file.size} bytes)"
        )


def _take(about: Source, path: Path) -> Path:
    """Copy a file given by hand: its checksum says which it is."""
    found = sha256(path)
    wanted = {file.sha256: file.name for file in about.files if not file.embedded}
    if found not in wanted:
        names = ", ".join(f"{name} (sha256 {digest})" for digest, name in wanted.items())
        raise Bulk2scError(
            f"{path}: wrong checksum: found sha256 {found}, expected for {about.key}: {names or 'no file'}."
            " Download it again."
        )
    target = cache_dir() / about.key / wanted[found]
    with slot(target, path.stat().st_size) as part:
        shutil.copyfile(path, part)
        os.replace(part, target)
    return target
