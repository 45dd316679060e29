"""The page of a chapter: the finding first, then how it was got, details folded at the end."""

import shutil
from pathlib import Path

import nbformat

from bulk2sc.book.run import Run
from bulk2sc.book.study import made_with_other_code
from bulk2sc.settings import read_json

SHORT, DETAILS = "in-short", "details"  # tags of the cells that go below the title, and into the fold
UNSEEN = {"parameters", "injected-parameters"}  # the run card shows them
OPEN = """\
<details class="sd-sphinx-override sd-dropdown sd-card sd-mb-3">
<summary class="sd-summary-title sd-card-header">▸ Details: settings, files, versions</summary>
<div class="sd-summary-content sd-card-body docutils">"""
CLOSE = "</div>\n</details>"


def book_page(
    executed: nbformat.NotebookNode, run: Run, card: str, provenance: str, less: str
) -> nbformat.NotebookNode:
    """Return an executed notebook as a page.

    Below the title stand badges and the cells tagged ``in-short``, which come last in the notebook because
    their text is known only then; the cells tagged ``details`` go into a fold at the end, with what the run
    was made of.

    Parameters
    ----------
    card, provenance, less
        Parameters, versions, and what is shorter than in another edition, in Markdown.
    """
    first, *cells = [cell for cell in executed.cells if not UNSEEN & _tags(cell)]
    title, _, rest = first.source.partition("\n")
    short, details = ([cell for cell in cells if tag in _tags(cell)] for tag in (SHORT, DETAILS))
    body = [cell for cell in cells if not {SHORT, DETAILS} & _tags(cell)]
    facts = [less, f"**Run card**\n\n{card}", _files(run), f"**Versions and provenance**\n\n{provenance}"]
    cells = [
        _text(f"{title}\n\n{badges(run)}", "title"),
        *short,
        *([_text(rest.strip(), "idea")] if rest.strip() else []),
        *body,
        _text(OPEN, "details"),
        *details,
        _text("\n\n".join(filter(None, facts)), "facts"),
        _text(CLOSE, "end"),
    ]
    return nbformat.from_dict({**executed, "cells": cells})


def badges(run: Run) -> str:
    """Say in badges whether cells are simulated or real, and whether kept results are of earlier code."""
    runs = (run, *run.chapters)
    tasks = [each for one in runs for task, _ in one.reads for each in task.with_needs()]
    used = {name: value for task in tasks for name, value in task.settings.items()}
    found = []
    if used.get("bulk_source") == "made-up":
        found.append("{bdg-warning}`made-up lines`")
    if "cells_source" in used:
        simulated = used["cells_source"] == "simulated"
        found.append("{bdg-warning}`simulated cells`" if simulated else "{bdg-success}`real cells`")
    if kept_with_other_code(run):
        found.append("{bdg-secondary}`made with earlier code`")
    return " ".join(found)


def kept_with_other_code(run: Run) -> list[str]:
    """Return the names of the kept results of a chapter that today's code might not give again."""
    notes = {file.stem: read_json(file) for file in run.kept if file.suffix == ".json"}
    return [name for name, note in notes.items() if "keys" in note and made_with_other_code(note)]


def add_files(run: Run, folder: Path) -> None:
    """Copy the tables of a chapter into a folder of its name beside its page, which links to them."""
    if _tables(run):
        shutil.copytree(run.path / "results", folder / run.name)


def _tables(run: Run) -> list[Path]:
    return sorted((run.path / "results").glob("*"))


def _files(run: Run) -> str:
    links = [f"- {{download}}`{file.name} <{run.name}/{file.name}>`" for file in _tables(run)]
    return "\n".join(["**Files**", "", *links]) if links else ""


def _text(source: str, name: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_markdown_cell(source, id=f"page-{name}")


def _tags(cell: nbformat.NotebookNode) -> set[str]:
    return set(cell.metadata.get("tags", []))
