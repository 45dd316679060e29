"""The sources of the book, and its rendered pages as files."""

import ast
import re
import runpy
from pathlib import Path

import jupytext
import nbformat
import pandas as pd
import pytest
from bs4 import BeautifulSoup

from bulk2sc.book import Study

pytest_plugins = ["book_fixtures"]

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").rglob("*.ipynb"))
TAGS = {
    "in-short",
    "details",
    "parameters",
    "hide-input",
    "remove-input",
    "remove-cell",
    "hide-output",
    "hide-cell",
    "remove-stderr",
    "raises-exception",
    "solution",
}
FOLDED = {"parameters", "hide-input", "remove-input", "remove-cell", "hide-cell", "solution"}
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def code_cells(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


# -------------------------------------------------------------------------------- sources


def test_results_at_a_glance_stand_in_an_edition_without_other_chapters(tmp_path, monkeypatch):
    monkeypatch.setenv("BULK2SC_RESULTS", str(tmp_path))
    monkeypatch.setattr(Study, "table", lambda *_: pd.DataFrame())
    runpy.run_path(str(ROOT / "notebooks" / "overview" / "results-at-a-glance.py"))
    assert (tmp_path / "findings.csv").read_text() == "row,name,value,low,high,verdict,of\n"


def test_every_script_is_the_twin_of_a_notebook():
    scripts = {path.with_suffix(".ipynb") for path in (ROOT / "notebooks").rglob("*.py")}
    assert scripts == set(NOTEBOOKS)


@each_notebook
def test_a_notebook_holds_no_outputs(path):
    for number, cell in enumerate(code_cells(path)):
        assert cell.outputs == [] and cell.execution_count is None, f"cell {number} holds outputs"


@each_notebook
def test_a_notebook_and_its_twin_are_the_same(path):
    script = jupytext.read(path.with_suffix(".py"))
    assert comparable(read(path)) == comparable(script), f"run: jupytext --sync {path.relative_to(ROOT)}"


def comparable(notebook: nbformat.NotebookNode) -> list[tuple]:
    return [(cell.cell_type, cell.source, dict(cell.metadata)) for cell in notebook.cells]


@each_notebook
def test_a_notebook_begins_with_its_title_and_then_its_parameters(path):
    first, *rest = read(path).cells
    assert first.cell_type == "markdown" and re.match(r"# \S", first.source)
    tagged = [cell for cell in rest if "parameters" in cell.metadata.get("tags", [])]
    code = [cell for cell in rest if cell.cell_type == "code"]
    assert len(tagged) == 1 and tagged[0] is code[0]
    assert re.match(r'edition: str = "[\w-]+"  # \S', tagged[0].source)


@each_notebook
def test_cells_are_short_and_longer_ones_folded(path):
    """Parameters are a list, of one line each but for lists, which the formatter breaks."""
    for cell in code_cells(path):
        lines, tags = len(cell.source.splitlines()), set(cell.metadata.get("tags", []))
        assert lines <= (40 if tags & FOLDED else 12) or "parameters" in tags, cell.source


@each_notebook
def test_tags_are_of_the_vocabulary(path):
    for cell in read(path).cells:
        assert set(cell.metadata.get("tags", [])) <= TAGS, cell.source


@each_notebook
def test_every_figure_has_a_caption_a_name_and_an_alt_text(path):
    for cell in code_cells(path):
        display = cell.metadata.get("mystnb", {})
        last = ast.parse(cell.source.rstrip().removesuffix(";")).body[-1:]
        if "figure" in display or any(re.search(r"\bpl\.\w+\(", ast.unparse(part)) for part in last):
            assert display.get("figure", {}).get("caption"), f"no caption: {cell.source}"
            assert len(display.get("image", {}).get("alt", "").split()) > 2, f"no alt text: {cell.source}"
            assert display["figure"].get("name", "").startswith("fig-"), f"no name: {cell.source}"


def test_every_figure_that_is_referred_to_exists_once():
    pages = [path.read_text() for path in (ROOT / "book").rglob("*.md")]
    named = re.findall(r"^:name: (fig-\S+)$", "\n".join(pages), re.MULTILINE)
    for path in NOTEBOOKS:
        for cell in read(path).cells:
            named += [
                name for name in [cell.metadata.get("mystnb", {}).get("figure", {}).get("name")] if name
            ]
            pages.append(cell.source)
    assert len(named) == len(set(named))
    assert set(re.findall(r"\{numref\}`(fig-[\w-]+)`", "\n".join(pages))) <= set(named)


# -------------------------------------------------------------------------------- rendered pages


@pytest.fixture(scope="module")
def soups(smoke_book) -> dict[str, BeautifulSoup]:
    return {
        page: BeautifulSoup((smoke_book.html / f"{page}.html").read_text(), "html.parser")
        for page in smoke_book.pages
    }


@pytest.mark.slow
def test_every_link_inside_the_book_leads_somewhere(soups, smoke_book):
    for page, soup in soups.items():
        folder = (smoke_book.html / page).parent
        for link in soup.select("a[href]"):
            target, _, fragment = link["href"].partition("#")
            if "://" in target or target.startswith("mailto:"):
                continue
            path = (folder / target).resolve() if target else smoke_book.html / f"{page}.html"
            assert path.exists(), f"{page} links to {link['href']}"
            linked = path.relative_to(smoke_book.html.resolve()).with_suffix("").as_posix()
            if fragment and linked in soups:
                assert soups[linked].find(id=fragment), f"{page} links to {link['href']}"


@pytest.mark.slow
def test_every_chapter_has_a_run_card_and_its_provenance(soups):
    chapters = [page for page in soups if page.startswith("notebooks/")]
    assert chapters
    for page in chapters:
        folded = " ".join(e.get_text() for e in soups[page].select("details, .admonition.dropdown"))
        assert "Run card" in folded and "Versions and provenance" in folded, page


@pytest.mark.slow
def test_no_page_shows_a_traceback_or_markup_that_was_not_rendered(soups):
    for page, soup in soups.items():
        text = soup.select_one("article").get_text()
        assert "Traceback (most recent call last)" not in text, page
        for code in soup.select("article pre, article code, article script"):
            code.decompose()
        prose = soup.select_one("article").get_text()
        assert not re.search(r"\{(?:cite|term|numref|glue)[:}]|\{\{|^:::|\[\[", prose, re.MULTILINE), page
