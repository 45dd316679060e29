"""Data and a web server that several tests share."""

import gc
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import anndata as ad
import pytest
import torch

from bulk2sc import datasets
from bulk2sc.errors import Bulk2scError


@pytest.fixture(scope="session", autouse=True)
def imports_are_not_garbage() -> None:
    """Spare the collections that statsmodels asks for, at each correction, the walk through all modules."""
    gc.freeze()


@pytest.fixture(scope="session")
def gdsc() -> ad.AnnData:
    """Return the lines of GDSC2, fetched if need be. Do not change them: copy."""
    try:
        return datasets.gdsc()
    except Bulk2scError as error:
        pytest.skip(f"GDSC is not here and cannot be fetched: {error}")


@pytest.fixture(scope="session")
def mixology() -> ad.AnnData:
    """Return the cells of the five lung lines where they are at hand. Do not change them: copy."""
    if not at_hand("GSE118767"):
        pytest.skip("GSE118767 is not here: set BULK2SC_MIRROR or run `bulk2sc fetch GSE118767`")
    return datasets.mixology()


def at_hand(key: str) -> bool:
    """Whether a source is in the cache or in the mirror."""
    mirror = os.environ.get("BULK2SC_MIRROR", "")
    return datasets.status(key) == "here" or mirror.startswith("http") or Path(mirror, key).is_dir()


@pytest.fixture
def threads() -> Iterator[Callable]:
    """Return a function that calls another while torch has so many threads."""
    before = torch.get_num_threads()

    def call(n: int, work: Callable):
        torch.set_num_threads(n)
        return work()

    yield call
    torch.set_num_threads(before)


@dataclass
class Flaky:
    """
    A web server on this machine that misbehaves as told.

    `files` by path; `cuts`: the next answers break off after so many bytes; `statuses`: the next answers are
    these errors; `ranges`: whether it can send a part of a file; `headers`: put into every answer; `asked`:
    (path, Range) of every request.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    ranges: bool = True
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Flaky]:
    flaky = Flaky()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            flaky.asked.append((self.path, wanted))
            content = flaky.files.get(self.path)
            if flaky.statuses or content is None:
                self.send_error(flaky.statuses.pop(0) if flaky.statuses else 404)
                return
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and flaky.ranges else 0
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            headers = {"Content-Length": str(len(content) - start)}
            if start:
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            for header, value in (headers | flaky.headers).items():
                self.send_header(header, value)
            self.end_headers()
            end = start + flaky.cuts.pop(0) if flaky.cuts else None
            self.wfile.write(content[start:end])

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        flaky.url = f"http://127.0.0.1:{listening.server_port}"
        threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()
        yield flaky
        listening.shutdown()
