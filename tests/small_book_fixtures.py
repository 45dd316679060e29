"""The small book, built once for all tests that say `pytest_plugins = ["small_book_fixtures"]`."""

from pathlib import Path

import pytest
import small_book

from bulk2sc import workflow
from bulk2sc.notebook import environ


@pytest.fixture(scope="session")
def small_book_built(once) -> Path:
    """Return the root of a small book that is built. Do not change it: copy."""

    def build(folder: Path) -> None:
        with environ({"BULK2SC_ROOT": str(small_book.write_book(folder))}):
            workflow.build("small")

    return once("small_book", build)
