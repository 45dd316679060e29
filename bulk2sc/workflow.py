"""Plan an edition of the book, run its chapters through Snakemake, and render its pages.

A chapter is current when the state it ran in (notebook, parameters, settings of its artefacts, code, data) is the
state of now. Snakemake runs the others, in parallel, each after those whose artefacts it reads.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nbformat
import yaml

from bulk2sc import notebook
from bulk2sc.errors import Bulk2scError, did_you_mean
from bulk2sc.settings import (
    Edition,
    atomic,
    conform,
    data_digest,
    digest,
    file_digest,
    load_edition,
    project_root,
    read_json,
    read_yaml,
    remove_unfinished,
    write_json,
)
from bulk2sc.study import ARTEFACTS, closure, code_digest, default_settings, own_file, setting_types

# Copy of the pages' state in the rendered book, which tells whether that is current.
PAGES_STATE = "html/.state.json"


# ---------------------------------------------------------------------------------------------- the plan


@dataclass(frozen=True)
class Chapter:
    """One chapter in one edition.

    Attributes
    ----------
    slug, file
        Name, and path without suffix relative to the project (``notebooks/data/bulk-response``), as in ``_toc.yml``.
    position
        Place in the edition, from 1.
    declared, values
        Its parameters, and their values in force.
    owned
        Artefacts that this chapter makes for the edition.
    after
        Slugs of the chapters that must have run before.
    state
        Everything that decides its outcome.
    """

    slug: str
    file: str
    position: int
    declared: list[notebook.Parameter]
    values: dict[str, Any]
    owned: list[str]
    after: list[str]
    state: dict

    @property
    def key(self) -> str:
        """Hash of the state."""
        return digest(self.state)


@dataclass(frozen=True)
class Plan:
    """An edition, checked and ready to be built in `build`."""

    edition: Edition
    root: Path
    chapters: list[Chapter]
    toc: dict

    @property
    def build(self) -> Path:
        """Folder of everything built."""
        return self.root / "_build" / self.edition.name

    def chapter(self, slug: str) -> Chapter:
        """Return a chapter by its slug, or raise with the nearest names."""
        by_slug = {chapter.slug: chapter for chapter in self.chapters}
        if slug not in by_slug:
            raise Bulk2scError(
                f"chapter '{slug}' is not in edition '{self.edition.name}', which has {', '.join(by_slug)}."
                + did_you_mean(slug, by_slug)
            )
        return by_slug[slug]

    def executed(self, chapter: Chapter) -> Path:
        """Return where the executed notebook of a chapter is."""
        return self.build / f"{chapter.file}.ipynb"

    def provenance(self, chapter: Chapter) -> dict | None:
        """Return how the executed notebook was made, or None."""
        path = self.executed(chapter)
        return read_json(path.with_suffix(".provenance.json")) if path.exists() else None

    def status(self, chapter: Chapter) -> str:
        """Return ``"current"``, ``"stale"`` or ``"missing"``."""
        provenance = self.provenance(chapter)
        if provenance is None:
            return "missing"
        return "current" if provenance["key"] == chapter.key else "stale"

    def inputs(self, chapter: Chapter) -> list[str]:
        """Return the files in `build` that must exist, and be older, before the chapter runs.

        A current chapter has none. Chapters that need not run themselves are left out: a chapter does not become
        stale because one before it ran again and made the same.
        """
        if self.status(chapter) == "current":
            return []
        before = [self.chapter(slug) for slug in chapter.after]
        notebooks = [f"{other.file}.ipynb" for other in before if self.status(other) != "current"]
        return [f"state/{chapter.slug}.json", *notebooks]

    def page_inputs(self) -> list[str]:
        """Return the files in `build` that must exist, and be older, before the pages are rendered."""
        notebooks = [f"{chapter.file}.ipynb" for chapter in self.chapters]
        current = read_json(self.build / PAGES_STATE) == _state_of_pages(self)
        return notebooks if current else ["state/pages.json", *notebooks]


def plan(edition_name: str = "demo") -> Plan:
    """Read ``_toc.yml``, an edition and its notebooks; check that they fit together.

    Raises
    ------
    Bulk2scError
        If the edition names an unknown chapter or parameter, a value has the wrong type, a shared setting stands
        under one chapter, two chapters would make an artefact with different settings, or a chapter reads what only
        a later one writes.
    """
    root = project_root()
    edition, toc = load_edition(edition_name, root), read_yaml(root / "_toc.yml")
    files = {Path(file).name: file for file in toc_files(toc) if file.startswith("notebooks/")}
    _check_names(edition.chapters, files, f"{edition.file}: chapter", "_toc.yml has")
    declared = {slug: notebook.parameters(root / f"{file}.ipynb") for slug, file in files.items()}
    _check_parameters(edition, declared)
    slugs = [slug for slug in files if slug in edition.chapters]
    values = {slug: _values(edition, slug, declared[slug]) for slug in slugs}
    uses = {slug: _declared_artefacts(root / f"{files[slug]}.ipynb", files) for slug in slugs}
    settings = {slug: _settings(edition, values[slug], uses[slug].artefacts) for slug in slugs}
    _check_agreement(edition, settings)
    owners = _owners(uses)
    chapters: list[Chapter] = []
    for position, slug in enumerate(slugs, 1):
        wanted = {owners[name] for name in uses[slug].artefacts} | set(uses[slug].chapters)
        after = [other for other in slugs if other in wanted - {slug}]
        _check_order(slug, after, slugs[: position - 1])
        before = {chapter.slug: chapter.key for chapter in chapters if chapter.slug in uses[slug].chapters}
        state = _state(root / f"{files[slug]}.ipynb", values[slug], settings[slug], before)
        owned = [name for name, owner in owners.items() if owner == slug]
        chapters.append(
            Chapter(slug, files[slug], position, declared[slug], values[slug], owned, after, state)
        )
    return Plan(edition, root, chapters, edition_toc(toc, slugs))


@dataclass(frozen=True)
class Uses:
    """What a chapter says it uses: the artefacts it writes, all it touches, and chapters whose rows it reads."""

    writes: list[str]
    artefacts: list[str]
    chapters: list[str]


def toc_files(entry: Any) -> Iterator[str]:
    """Yield every file of a table of contents in reading order."""
    if isinstance(entry, list):
        for item in entry:
            yield from toc_files(item)
    elif isinstance(entry, dict):
        yield from (entry[key] for key in ("root", "file") if key in entry)
        for key in ("parts", "chapters", "sections"):
            yield from toc_files(entry.get(key, []))


def edition_toc(toc: dict, slugs: list[str]) -> dict:
    """Return a table of contents without the notebooks an edition leaves out, and without parts that become empty."""

    def kept(entry: dict) -> bool:
        file = entry.get("file", "")
        return not file.startswith("notebooks/") or Path(file).name in slugs

    def prune(entry: dict) -> dict:
        pruned = dict(entry)
        for key in ("parts", "chapters", "sections"):
            if key in entry:
                pruned[key] = [prune(item) for item in entry[key] if kept(item)]
                if key == "parts":
                    pruned[key] = [part for part in pruned[key] if part["chapters"]]
                if not pruned[key]:
                    del pruned[key]
        return pruned | ({"chapters": []} if "chapters" in entry and "chapters" not in pruned else {})

    return prune(toc)


def _check_names(names, known, what: str, where: str) -> None:
    for name in names:
        if name not in known:
            raise Bulk2scError(
                f"{what} '{name}' is unknown; {where} {', '.join(known)}.{did_you_mean(name, known)}"
            )


def _check_parameters(edition: Edition, declared: dict[str, list[notebook.Parameter]]) -> None:
    """Check the names and places of an edition's parameters, and that notebooks type settings as their makers do."""
    types = setting_types()
    shareable = types | {p.name: p.type for parameters in declared.values() for p in parameters}
    _check_names(edition.parameters, shareable, f"{edition.file}: parameter", "known are")
    _check_names(edition.chapter_parameters, declared, f"{edition.file}: chapter_parameters:", "_toc.yml has")
    _check_names(edition.budgets, declared, f"{edition.file}: budgets:", "_toc.yml has")
    for name, value in edition.parameters.items():
        conform(value, shareable[name], f"{edition.file}: parameter '{name}'")
    for slug, given in edition.chapter_parameters.items():
        for name in given or {}:
            if name in types:
                raise Bulk2scError(
                    f"{edition.file}: '{name}' stands under chapter '{slug}', but artefacts that other chapters use "
                    "depend on it; move it to 'parameters'"
                )
    for slug, parameters in declared.items():
        for p in parameters:
            if types.get(p.name, p.type) != p.type:
                raise Bulk2scError(
                    f"chapter '{slug}' declares '{p.name}' as {p.type}, but it is a setting of type {types[p.name]}"
                )


def _values(edition: Edition, slug: str, declared: list[notebook.Parameter]) -> dict[str, Any]:
    names = {p.name for p in declared}
    shared = {name: value for name, value in edition.parameters.items() if name in names}
    own = edition.chapter_parameters.get(slug) or {}
    return notebook.in_force(slug, declared, {"edition": edition.name} | shared | own)


def _declared_artefacts(path: Path, files: dict[str, str]) -> Uses:
    """Return what a notebook's metadata ``bulk2sc: {reads: [...], writes: [...]}`` names."""
    declared = notebook.read_notebook(path).metadata.get("bulk2sc", {})
    reads, writes = list(declared.get("reads", [])), list(declared.get("writes", []))
    _check_names(reads, [*ARTEFACTS, *files], f"{path}: metadata bulk2sc reads", "artefacts and chapters are")
    _check_names(writes, ARTEFACTS, f"{path}: metadata bulk2sc writes", "artefacts are")
    artefacts = closure([name for name in reads + writes if name in ARTEFACTS])
    return Uses(writes, artefacts, [name for name in reads if name not in ARTEFACTS])


def _settings(edition: Edition, values: dict[str, Any], artefacts: list[str]) -> dict[str, Any]:
    """Return the settings of a chapter's artefacts: defaults, then the edition, then what the chapter declares."""
    types = setting_types()
    known = default_settings() | edition.parameters | values
    names = sorted({setting for name in artefacts for setting in ARTEFACTS[name].settings})
    return {name: conform(known[name], types[name], f"setting '{name}'") for name in names}


def _check_agreement(edition: Edition, settings: dict[str, dict[str, Any]]) -> None:
    """Refuse two chapters that would make one artefact with different settings."""
    first: dict[str, tuple[str, Any]] = {}
    for slug, chosen in settings.items():
        for name, value in chosen.items():
            other, expected = first.setdefault(name, (slug, value))
            if value != expected:
                raise Bulk2scError(
                    f"setting '{name}' is {expected!r} in chapter '{other}' and {value!r} in chapter '{slug}', which "
                    f"share artefacts; set it under 'parameters' in {edition.file}"
                )


def _owners(uses: dict[str, Uses]) -> dict[str, str]:
    """Return who makes each artefact: the chapter that declares to write it, else the first that needs it."""
    owners: dict[str, str] = {}
    for slug, used in uses.items():
        for name in used.writes:
            if owners.setdefault(name, slug) != slug:
                raise Bulk2scError(
                    f"artefact '{name}' is written by chapters '{owners[name]}' and '{slug}'; one must"
                )
    for slug, used in uses.items():
        for name in used.artefacts:
            owners.setdefault(name, slug)
    return owners


def _check_order(slug: str, after: list[str], earlier: list[str]) -> None:
    for other in after:
        if other not in earlier:
            raise Bulk2scError(
                f"chapter '{slug}' reads what chapter '{other}' writes, but comes before it; change the order in _toc.yml"
            )


def _state(path: Path, values: dict, settings: dict, before: dict[str, str]) -> dict:
    return {
        "notebook": file_digest(path),
        "parameters": values,
        "settings": settings,
        "files": {name: file_digest(file) for name, value in settings.items() if (file := own_file(value))},
        "chapters": before,
        "code": code_digest(),
        "data": data_digest(),
    }


# ---------------------------------------------------------------------------------------------- building


def write_states(plan: Plan) -> None:
    """Write the state of every chapter that is not current, and of the pages: files that Snakemake finds new."""
    for chapter in plan.chapters:
        if plan.status(chapter) != "current":
            write_json(plan.build / "state" / f"{chapter.slug}.json", chapter.state)
    pages = _state_of_pages(plan)
    if read_json(plan.build / PAGES_STATE) != pages:
        write_json(plan.build / "state" / "pages.json", pages)


def _state_of_pages(plan: Plan) -> dict:
    prose = sorted(path for path in (plan.root / "book").rglob("*") if path.is_file())
    return {
        "prose": {path.relative_to(plan.root).as_posix(): file_digest(path) for path in prose},
        "config": file_digest(plan.root / "_config.yml"),
        "toc": plan.toc,
        "edition": [plan.edition.title, plan.edition.description],
        "chapters": {chapter.slug: chapter.key for chapter in plan.chapters},
        "code": file_digest(Path(__file__), Path(notebook.__file__)),
        "jupyter-book": version("jupyter-book"),
    }


def build(edition_name: str = "demo", cores: int | None = None) -> Path:
    """Build an edition: run the chapters that are not current, render the pages.

    Returns
    -------
    The first page of the book.

    Raises
    ------
    Bulk2scError
        If the edition is wrong, jupyter-book is of version 2, or a chapter or the rendering fails. Chapters that do
        not depend on a failed one are still run, and kept.
    """
    check_jupyter_book()
    planned = plan(edition_name)
    with _lock(planned.build):
        remove_unfinished(planned.build)
        _log_folder(planned, fresh=True)
        done = _snakemake(planned, cores or os.cpu_count() or 1)
    problems = [path.read_text() for path in sorted(_log_folder(planned).glob("*.error"))]
    if problems:
        raise Bulk2scError("; and ".join(problems))
    if done.returncode:
        raise Bulk2scError(
            f"edition '{edition_name}': the build stopped; see {planned.build / 'snakemake.log'}"
        )
    return planned.build / "html" / "index.html"


def check_jupyter_book(found: str | None = None) -> None:
    """Refuse jupyter-book 2, another program that would rename ``_config.yml`` and ``_toc.yml``."""
    found = found or version("jupyter-book")
    if int(found.split(".")[0]) >= 2:
        raise Bulk2scError(
            f"jupyter-book {found} is installed; this book needs version 1: pip install 'jupyter-book>=1.0.4.post1,<2'"
        )


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Let one build of an edition run at a time; the system frees the lock however a process ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"another process builds in {folder}: waiting for it", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        # Snakemake inherits the lock: should only this process be killed, the next build waits for Snakemake to end.
        os.set_inheritable(file.fileno(), True)
        yield


def _log_folder(plan: Plan, *, fresh: bool = False) -> Path:
    folder = plan.build / "errors"
    if fresh:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _snakemake(plan: Plan, cores: int) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(Path(__file__).parents[1] / "Snakefile")]
    command += ["--directory", str(plan.build), "--config", f"edition={plan.edition.name}"]
    command += ["--cores", str(cores), "--keep-going", "--nocolor"]
    # Our own lock replaces Snakemake's, which outlives a killed process; our own states replace its records.
    command += ["--nolock", "--ignore-incomplete", "--drop-metadata", "--rerun-triggers", "mtime"]
    command += ["--scheduler", "greedy"]
    environment = os.environ | {"BULK2SC_ROOT": str(plan.root)}
    with (plan.build / "snakemake.log").open("w") as log:
        return subprocess.run(command, stderr=log, env=environment, close_fds=False)  # noqa: S603


def run_chapter(plan: Plan, slug: str) -> dict:
    """Run one chapter of an edition in this process; return its provenance."""
    chapter = plan.chapter(slug)
    environment = {
        "BULK2SC_ROOT": str(plan.root),
        "BULK2SC_CHAPTER": slug,
        "BULK2SC_RESULTS": str(plan.build / "results"),
        "BULK2SC_OWNED": ",".join(chapter.owned),
    }
    return _execute(plan, chapter, chapter.values, plan.executed(chapter), environment, chapter.key)


def run_own(plan: Plan, slug: str, given: dict[str, Any]) -> Path:
    """Run one chapter with other parameters in a folder of its own; return its executed notebook.

    Raises
    ------
    Bulk2scError
        If the chapter or a parameter is unknown, a value has the wrong type, or a cell raises.
    """
    chapter = plan.chapter(slug)
    values = notebook.in_force(slug, chapter.declared, chapter.values | given)
    folder = plan.root / "_build" / "runs" / f"{slug}-{digest(values)[:8]}"
    environment = {
        "BULK2SC_ROOT": str(plan.root),
        "BULK2SC_CHAPTER": slug,
        "BULK2SC_RESULTS": str(folder / "results"),
    }
    output = folder / f"{slug}.ipynb"
    provenance = _execute(plan, chapter, values, output, environment, digest([chapter.state, values]))
    changed = {name: value for name, value in values.items() if value != chapter.values[name]}
    card = notebook.run_card(slug, chapter.declared, values, changed=changed)
    carded = notebook.with_cards(
        notebook.read_notebook(output), card, notebook.provenance_block(provenance, "own run")
    )
    notebook.write_notebook(carded, output)
    return output


def _execute(plan: Plan, chapter: Chapter, values: dict, output: Path, environment: dict, key: str) -> dict:
    data = {"registry and embedded files": data_digest()} | chapter.state["files"]
    facts = {"edition": plan.edition.name, "key": key, "data": data}
    source = plan.root / f"{chapter.file}.ipynb"
    return notebook.execute(chapter.slug, source, output, values, environment=environment, facts=facts)


# ---------------------------------------------------------------------------------------------- pages


def stage(plan: Plan) -> Path:
    """Lay out what jupyter-book reads: config, contents, prose and executed notebooks with their cards."""
    with atomic(plan.build / "pages") as folder:
        shutil.copytree(plan.root / "book", folder / "book")
        _write_yaml(folder / "_config.yml", _config(plan))
        _write_yaml(folder / "_toc.yml", plan.toc)
        present = {chapter.file for chapter in plan.chapters}
        for page in (folder / "book").rglob("*.md"):
            page.write_text(without_dead_links(page.read_text(), page.relative_to(folder), present))
        for chapter in plan.chapters:
            target = folder / f"{chapter.file}.ipynb"
            target.parent.mkdir(parents=True, exist_ok=True)
            notebook.write_notebook(_page(plan, chapter, present), target)
    return plan.build / "pages"


def render(plan: Plan) -> Path:
    """Render the staged pages into ``html/``; every warning is an error.

    Raises
    ------
    Bulk2scError
        If jupyter-book is of version 2, or warns or fails; the first message is in the error, all are in a log file.
    """
    check_jupyter_book()
    pages, html, log = plan.build / "pages", plan.build / "html", plan.build / "pages.log"
    with atomic(html) as partial:
        output = partial.with_name("output")
        main = "import sys; from jupyter_book.cli.main import main; sys.exit(main())"
        command = [sys.executable, "-c", main, "build", str(pages), "--path-output", str(output)]
        command += ["--warningiserror", "--keep-going", "--nitpick"]
        done = subprocess.run(command, capture_output=True, text=True)  # noqa: S603
        log.write_text(done.stdout + done.stderr)
        rendered = output / "_build" / "html"
        if done.returncode or not (rendered / "index.html").exists():
            first = re.search(
                r"^.*(?:WARNING|ERROR|Error).*$", _plain(done.stderr + done.stdout), re.MULTILINE
            )
            reason = first.group().strip() if first else "no message"
            raise Bulk2scError(
                f"edition '{plan.edition.name}': the pages cannot be rendered: {reason}; see {log}"
            )
        rendered.rename(partial)
        write_json(partial / Path(PAGES_STATE).name, _state_of_pages(plan))
    return html / "index.html"


def without_dead_links(text: str, page: Path, present: set[str]) -> str:
    """Return Markdown in which links to notebooks that the edition leaves out are only their text.

    Parameters
    ----------
    page
        Path of the page in the book, from which links are resolved.
    present
        Notebooks of the edition, as ``notebooks/<part>/<slug>``.
    """

    def keep(link: re.Match) -> str:
        target = os.path.normpath(page.parent / link["target"]).replace(os.sep, "/").removesuffix(".ipynb")
        return link["text"] if target.startswith("notebooks/") and target not in present else link.group()

    return re.sub(r"\[(?P<text>[^\[\]]+)\]\((?P<target>[^()\s#]+)(?:#[^()\s]*)?\)", keep, text)


def _page(plan: Plan, chapter: Chapter, present: set[str]) -> nbformat.NotebookNode:
    """Return an executed notebook as it goes into the book."""
    executed = notebook.read_notebook(plan.executed(chapter))
    for cell in executed.cells:
        if cell.cell_type == "markdown":
            cell.source = without_dead_links(cell.source, Path(chapter.file), present)
    card = notebook.run_card(chapter.slug, chapter.declared, chapter.values, changed={})
    provenance = plan.provenance(chapter)
    page = notebook.with_cards(executed, card, notebook.provenance_block(provenance, plan.status(chapter)))
    page.metadata["mystnb"] = {"execution_mode": "off"}
    return page


def _config(plan: Plan) -> dict:
    """Return the book's config with the edition's title, and its facts as substitutions for the prose."""
    config = read_yaml(plan.root / "_config.yml")
    facts = {"edition": plan.edition.name, "edition_title": plan.edition.title}
    facts["edition_description"] = plan.edition.description.strip()
    parse = config.get("parse") or {}
    return config | {
        "title": plan.edition.title,
        "execute": {"execute_notebooks": "off"},
        "only_build_toc_files": True,
        "parse": parse | {"myst_substitutions": (parse.get("myst_substitutions") or {}) | facts},
    }


def _write_yaml(path: Path, content: dict) -> None:
    path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def _plain(text: str) -> str:
    """Return text without the colours of a terminal."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


# ---------------------------------------------------------------------------------------------- steps, as Snakemake calls them


def main(arguments: list[str]) -> int:
    """Run one step of a build: ``EDITION SLUG`` runs a chapter, ``EDITION pages`` renders the book."""
    planned = plan(arguments[0])
    step = arguments[1]
    try:
        if step == "pages":
            started = time.monotonic()
            stage(planned)
            render(planned)
            print(f"[pages] rendered … {time.monotonic() - started:.0f} s", flush=True)
        else:
            _report(planned, planned.chapter(step))
    except Exception as error:
        problem = str(error) if isinstance(error, Bulk2scError) else f"{step}: {type(error).__name__}: {error}"
        (_log_folder(planned) / f"{step}.error").write_text(problem)
        print(f"[{step}] failed", flush=True)
        traceback.print_exc()
        return 1
    return 0


def _report(plan: Plan, chapter: Chapter) -> None:
    """Run a chapter, with one line when it starts and one when it ends."""
    place = f"[{chapter.position}/{len(plan.chapters)}] {chapter.slug}"
    print(f"{place} …", flush=True)
    seconds = run_chapter(plan, chapter.slug)["seconds"]
    budget = plan.edition.budgets.get(chapter.slug)
    over = f", over its budget of {budget:.0f} s" if budget and seconds > budget else ""
    print(f"{place} … {seconds:.0f} s{over}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
