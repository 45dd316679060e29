"""What an edition consists of: its chapters in the order of the book, with their parameters in force."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import inf
from pathlib import Path
from typing import Any

from bulk2sc.book import notebook
from bulk2sc.book.run import Run, read_run
from bulk2sc.book.study import step_types
from bulk2sc.errors import Bulk2scError, refuse_unknown
from bulk2sc.settings import Edition, conform, load_edition, project_root, read_yaml

BELOW = ("parts", "chapters", "sections")  # what an entry of the table of contents may hold


@dataclass(frozen=True)
class Chapter:
    """One chapter in one edition: the parameters it declares, and its run with their values in force."""

    declared: list[notebook.Parameter]
    run: Run

    @property
    def slug(self) -> str:
        """Its name."""
        return self.run.name


@dataclass(frozen=True)
class Plan:
    """An edition, checked and ready to be built in `build`, with its own table of contents."""

    edition: Edition
    root: Path
    chapters: list[Chapter]
    toc: dict

    @property
    def build(self) -> Path:
        """Folder of its pages."""
        return self.root / "_build" / self.edition.name

    def chapter(self, slug: str) -> Chapter:
        """Return a chapter by its slug, or raise with the nearest names."""
        by_slug = {chapter.slug: chapter for chapter in self.chapters}
        refuse_unknown(slug, by_slug, f"edition '{self.edition.name}': chapter")
        return by_slug[slug]

    @cached_property
    def shortened(self) -> dict[str, str]:
        """For each chapter, what it has less of than in the edition that `full` names, in Markdown."""
        if not self.edition.full:
            return {}
        full = {chapter.slug: _sizes(chapter) for chapter in plan(self.edition.full).chapters}
        less = {c.slug: _less(_sizes(c), full[c.slug]) for c in self.chapters if c.slug in full}
        return {slug: _sentence(found, self.edition.full) for slug, found in less.items() if found}


def plan(edition_name: str = "demo") -> Plan:
    """Read ``_toc.yml``, an edition and its notebooks; check that they fit together.

    Raises
    ------
    Bulk2scError
        If the edition names an unknown chapter or parameter, or a value has the wrong type.
    """
    root = project_root()
    edition, toc = load_edition(edition_name), read_yaml(root / "_toc.yml")
    files = {Path(file).name: file for file in toc_files(toc) if file.startswith("notebooks/")}
    refuse_unknown(edition.chapters, files, f"{edition.file}: chapter")
    declared = {slug: notebook.parameters(root / f"{file}.ipynb") for slug, file in files.items()}
    _check_parameters(edition, declared)
    values = {slug: _values(edition, slug, declared[slug]) for slug in files if slug in edition.chapters}
    chapters = [Chapter(declared[n], read_run(files[n], edition.name, given)) for n, given in values.items()]
    return Plan(edition, root, chapters, edition_toc(toc, list(values)))


# ---------------------------------------------------------------------------------------- table of contents


def toc_files(entry: dict) -> Iterator[str]:
    """Yield every file of a table of contents in reading order."""
    yield from (entry[key] for key in ("root", "file") if key in entry)
    for child in [child for key in BELOW for child in entry.get(key, [])]:
        yield from toc_files(child)


def edition_toc(entry: dict, slugs: list[str]) -> dict:
    """Return a table of contents without notebooks that are not in `slugs`, and without parts left empty."""
    file = entry.get("file", "")
    if file.startswith("notebooks/") and Path(file).name not in slugs:
        return {}
    below = {key: [edition_toc(child, slugs) for child in entry.get(key, [])] for key in BELOW}
    kept = entry | {key: list(filter(None, children)) for key, children in below.items()}
    kept = {key: value for key, value in kept.items() if value}
    return kept if kept.keys() & {"root", "file", "chapters"} else {}


# ---------------------------------------------------------------------------------------- parameters


def _check_parameters(edition: Edition, declared: dict[str, list[notebook.Parameter]]) -> None:
    """Check names and types of an edition's parameters."""
    types = {p.name: p.type for parameters in declared.values() for p in parameters} | step_types()
    refuse_unknown(edition.parameters, types, f"{edition.file}: parameter")
    for part in ("chapter_parameters", "budgets"):
        refuse_unknown(getattr(edition, part), declared, f"{edition.file}: {part}: chapter")
    if "edition" in edition.parameters:
        raise Bulk2scError(f"{edition.file}: parameter 'edition' is the name of the file; leave it out")
    for name, value in edition.parameters.items():
        conform(value, types[name], f"{edition.file}: parameter '{name}'")
    for slug, given in edition.chapter_parameters.items():
        where = f"{edition.file}: chapter_parameters: {slug}: parameter"
        refuse_unknown(given, [p.name for p in declared[slug]], where)


def _values(edition: Edition, slug: str, declared: list[notebook.Parameter]) -> dict[str, Any]:
    shared = {p.name: edition.parameters[p.name] for p in declared if p.name in edition.parameters}
    own = edition.chapter_parameters.get(slug, {})
    return notebook.in_force(slug, declared, {"edition": edition.name} | shared | own)


# ---------------------------------------------------------------------------------------- what is shorter


def _sizes(chapter: Chapter) -> dict[str, Any]:
    """Return what says how much a chapter does: its parameters, and settings of the pair and the model."""
    tasks = [each for task, _ in chapter.run.reads for each in task.with_needs()]
    sized = [task.settings for task in tasks if task.name in ("pair", "autoencoder")]
    return {name: value for settings in [*sized, chapter.run.values] for name, value in settings.items()}


def _less(here: dict[str, Any], there: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Return settings that ask for less, or lists of fewer values, with both numbers."""
    found = {}
    for name in sorted(here.keys() & there.keys()):
        pair = tuple(len(value) if isinstance(value, list) else value for value in (here[name], there[name]))
        if all(type(value) in (int, float) for value in pair):
            asked, full = (_amount(name, value) for value in pair)
            if asked < full:
                found[name] = pair
    return found


def _amount(name: str, value: float) -> float:
    """Return what is larger where more is done: 0 genes are all genes, and a higher bound lets in less."""
    if name.endswith("hvg"):
        return value or inf
    return -value if name.removeprefix("panel_").startswith("min_") else value


def _sentence(less: dict[str, tuple[float, float]], full: str) -> str:
    listed = (
        f"`{name}` {here:g} ({f'{there:g}' if there else 'all'})" for name, (here, there) in less.items()
    )
    title = f":::{{admonition}} Shorter here than in edition `{full}`\n:class: note"
    return f"{title}\n\nIts numbers stand in brackets: {', '.join(listed)}.\n:::"
