"""The small book, built once for all tests that say `pytest_plugins = ["small_book_fixtures"]`."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def small_book_built(tmp_path_factory) -> Path:
    """Return the root of a small book that is built. Do not change it: copy."""
    import small_book

    from bulk2sc import workflow
    from bulk2sc.notebook import environ

    root = small_book.write_book(tmp_path_factory.mktemp("small_book"))
    with environ({"BULK2SC_ROOT": str(root)}):
        workflow.build("small")
    return root
