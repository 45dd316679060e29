"""One build of the small edition for all tests, a server for it, and what Chromium sees on each of its pages.

A test file that uses these says `pytest_plugins = ["book_fixtures"]`.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from chromium import Visit, find_chromium, visit

from bulk2sc.book import build, plan

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "_build" / "smoke"


@dataclass(frozen=True)
class Book:
    """A built edition: where its pages are, and which, in reading order, without suffix."""

    html: Path
    pages: list[str]


@pytest.fixture(scope="session")
def smoke_book(once) -> Book:
    """Build the edition `smoke` in the checkout, once a run."""
    once("smoke", lambda folder: build.build("smoke"))
    toc = yaml.safe_load((BUILD / "pages" / "_toc.yml").read_text())
    return Book(BUILD / "html", list(plan.toc_files(toc)))


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without a line of log for each."""

    def log_message(self, *args) -> None:
        """Say nothing."""


@pytest.fixture(scope="session")
def address(smoke_book) -> Iterator[str]:
    """Address of the book, served by this process."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=smoke_book.html)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="session")
def chromium(tmp_path_factory) -> Iterator:
    """Return a headless Chromium that keeps to itself and logs every request it makes."""
    found = find_chromium()
    if not found:
        pytest.skip("no Chromium with ChromeDriver on this machine")
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.support.ui import WebDriverWait

    class Patient(Chrome):
        """Chromium that waits until a page is whole: the driver can come back before that."""

        def get(self, url: str) -> None:
            super().get(url)
            self.wait_for_page()

        def wait_for_page(self) -> None:
            state = "return document.readyState"
            WebDriverWait(self, 60, 0.05).until(lambda browser: browser.execute_script(state) == "complete")

    options = ChromeOptions()
    options.binary_location = found[0]
    quiet = ("background-networking", "component-update", "default-apps", "extensions", "gpu", "quic", "sync")
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--no-first-run",
        "--window-size=1400,1800",
        f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
        *(f"--disable-{feature}" for feature in (*quiet, "dev-shm-usage")),
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = Patient(options=options, service=Service(found[1]))
    browser.get("about:blank")  # leaves the browser's own start page
    browser.set_page_load_timeout(60)
    browser.set_script_timeout(60)
    yield browser
    browser.quit()


@pytest.fixture(scope="session")
def visits(smoke_book, address, chromium) -> dict[str, Visit]:
    """Open every page once, and return what was seen there by page."""
    return {page: visit(chromium, f"{address}/{page}.html") for page in smoke_book.pages}
