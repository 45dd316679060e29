"""Data and a web server that several tests share."""

import fcntl
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import anndata as ad
import pytest

from bulk2sc import datasets
from bulk2sc.errors import Bulk2scError


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is marked `verify` runs only where it is asked for, with ``-m verify``."""
    if "verify" not in config.option.markexpr:
        left_out = [item for item in items if item.get_closest_marker("verify")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("verify")]


def standing_for(every: Iterable[str], *chosen: str) -> list:
    """Return parameters of a test: those chosen stand for the rest, which `make verify` runs."""
    marks = {True: pytest.mark.slow, False: pytest.mark.verify}
    return [pytest.param(one, marks=marks[one in chosen]) for one in every]


@pytest.fixture(scope="session")
def once(tmp_path_factory, worker_id) -> Callable[[str, Callable], Path]:
    """Return a function that lets one worker of a run do what all need: the others wait for it.

    It takes a name and what is to be done with a new folder of that name, and returns the folder.
    """
    own = tmp_path_factory.getbasetemp()
    shared = own if worker_id == "master" else own.parent

    def do(name: str, work: Callable[[Path], object]) -> Path:
        folder, done = shared / name, shared / f"{name}.done"
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                folder.mkdir(exist_ok=True)
                work(folder)
                done.touch()
        return folder

    return do


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
