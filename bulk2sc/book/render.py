"""Turn executed chapters and prose into web pages with jupyter-book."""

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import nbformat
import yaml

from bulk2sc.book import notebook
from bulk2sc.book.pages import add_files, book_page, kept_with_other_code
from bulk2sc.book.plan import Chapter, Plan, toc_files
from bulk2sc.errors import Bulk2scError
from bulk2sc.settings import UTF8, atomic, file_digest, read_json, read_yaml, write_json

# The rendered book keeps the state it was rendered from.
STATE = "html/.state.json"


def check_jupyter_book() -> None:
    """Refuse jupyter-book 2, another program that would rename ``_config.yml`` and ``_toc.yml``."""
    found = version("jupyter-book")
    if int(found.split(".")[0]) >= 2:
        raise Bulk2scError(
            f"jupyter-book {found} is installed, but this book needs version 1; "
            "run: pip install 'jupyter-book>=1.0.4.post1,<2'"
        )


def state(plan: Plan) -> dict:
    """Return everything that decides what the pages look like."""
    prose = sorted(path for path in (plan.root / "book").rglob("*") if path.is_file())
    return {
        "prose": {path.relative_to(plan.root).as_posix(): file_digest(path) for path in prose},
        "config": file_digest(plan.root / "_config.yml"),
        "toc": plan.toc,
        "absent": absent_chapters(plan),
        "edition": [plan.edition.title, plan.edition.description],
        "chapters": {chapter.slug: chapter.run.key for chapter in plan.chapters},
        "shortened": plan.shortened,
        "other_code": [kept_with_other_code(chapter.run) for chapter in plan.chapters],
        "code": file_digest(Path(__file__), Path(notebook.__file__), Path(book_page.__code__.co_filename)),
        "jupyter-book": version("jupyter-book"),
    }


def current(plan: Plan) -> bool:
    """Tell whether there is nothing to do: all chapters have run as they are, and the pages show them."""
    ran = all(chapter.run.made for chapter in plan.chapters)
    return ran and read_json(plan.build / STATE) == state(plan)


# ---------------------------------------------------------------------------------------- staging


def stage(plan: Plan) -> None:
    """Lay out what jupyter-book reads: config, contents, prose and executed notebooks with their cards."""
    with atomic(plan.build / "pages") as folder:
        absent = absent_chapters(plan)
        shutil.copytree(plan.root / "book", folder / "book")
        for page in (folder / "book").rglob("*.md"):
            text = without_dead_links(page.read_text(encoding="utf-8"), page.relative_to(folder), absent)
            page.write_text(text, encoding="utf-8")
        for name, content in (("_config.yml", _config(plan)), ("_toc.yml", plan.toc)):
            text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
            (folder / name).write_text(text, encoding="utf-8")
        for chapter in plan.chapters:
            file = folder / f"{chapter.run.file}.ipynb"
            notebook.write_notebook(_page(chapter, absent, plan.shortened.get(chapter.slug, "")), file)
            add_files(chapter.run, file.parent)


def absent_chapters(plan: Plan) -> dict[str, str]:
    """Return the title of each notebook of ``_toc.yml`` that the edition leaves out."""
    every = {file for file in toc_files(read_yaml(plan.root / "_toc.yml")) if file.startswith("notebooks/")}
    left_out = every - {chapter.run.file for chapter in plan.chapters}
    return {file: notebook.title(plan.root / f"{file}.ipynb") for file in sorted(left_out)}


def without_dead_links(text: str, page: Path, absent: dict[str, str]) -> str:
    """Return Markdown in which links to notebooks that the edition leaves out are only their text.

    Parameters
    ----------
    page
        Path of the page in the book, from which links are resolved.
    absent
        Titles of the notebooks left out, by ``notebooks/<part>/<slug>``: they stand for links without a text.
    """

    def keep(link: re.Match) -> str:
        target = os.path.normpath(page.parent / link["target"]).replace(os.sep, "/").removesuffix(".ipynb")
        return link["text"] if target in absent else link.group()

    def named(role: re.Match) -> str:
        target = role["target"].removeprefix("/")
        if target not in absent:
            return role.group()
        return role["text"] or f"*{absent[target]}*, not in this edition"

    text = re.sub(r"(?<!!)\[(?P<text>[^\[\]]+)\]\((?P<target>[^()\s#]+)(?:#[^()\s]*)?\)", keep, text)
    return re.sub(r"\{doc\}`(?:(?P<text>[^`<>]+?) *<)?(?P<target>/[^`<>]+)>?`", named, text)


def _page(chapter: Chapter, absent: dict[str, str], less: str) -> nbformat.NotebookNode:
    """Return an executed notebook as it goes into the book; `less` says what is shorter than elsewhere."""
    run = chapter.run
    if not run.made:
        raise Bulk2scError(f"{chapter.slug}: changed while the edition was built; build it again")
    executed = notebook.read_notebook(run.executed)
    for cell in executed.cells:
        if cell.cell_type == "markdown":
            cell.source = without_dead_links(cell.source, Path(run.file), absent)
    card = notebook.run_card(chapter.slug, chapter.declared, run.values)
    return book_page(executed, run, card, notebook.provenance_block(read_json(run.note)), less)


def _config(plan: Plan) -> dict:
    """Return the book's config with the edition's title, and its facts as substitutions for the prose."""
    config = read_yaml(plan.root / "_config.yml")
    parse = config.get("parse") or {}
    facts = {
        "edition": plan.edition.name,
        "edition_title": plan.edition.title,
        "edition_description": plan.edition.description.strip(),
    }
    return config | {
        "title": plan.edition.title,
        "execute": {"execute_notebooks": "off"},
        "only_build_toc_files": True,
        "parse": parse | {"myst_substitutions": (parse.get("myst_substitutions") or {}) | facts},
    }


# ---------------------------------------------------------------------------------------- rendering


def render(plan: Plan) -> None:
    """Stage the pages and render them into ``html/``; every warning is an error.

    Raises
    ------
    Bulk2scError
        If jupyter-book warns or fails: with its first message; a log file has them all.
    """
    shown = state(plan)  # what is edited meanwhile is shown the next time
    stage(plan)
    log = plan.build / "pages.log"
    with atomic(plan.build / "html") as html:
        output = html.with_name("output")
        main = "import sys; from jupyter_book.cli.main import main; sys.exit(main())"
        command = [sys.executable, "-c", main, "build", str(plan.build / "pages")]
        command += ["--path-output", str(output), "--warningiserror", "--keep-going"]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", env=os.environ | UTF8)  # noqa: S603
        messages = re.sub(r"\x1b\[[0-9;]*m", "", done.stderr + done.stdout)
        log.write_text(messages, encoding="utf-8")
        if done.returncode:
            first = re.search(r"^.*(?:WARNING|ERROR|Error).*$", messages, re.MULTILINE)
            reason = first.group().strip() if first else f"exit code {done.returncode}"
            raise Bulk2scError(
                f"edition '{plan.edition.name}': the pages cannot be rendered: {reason}; see {log}"
            )
        (output / "_build" / "html").rename(html)
        for run in [chapter.run for chapter in plan.chapters]:
            # What a page offers to download must run from top to bottom.
            shutil.copy(run.executed, html / "_sources" / f"{run.file}.ipynb")
        write_json(html / Path(STATE).name, shown)
