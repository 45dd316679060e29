"""What an edition consists of: its chapters in order, their parameters and artefacts, which are current."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bulk2sc import makers, notebook  # noqa: F401  (makers register themselves)
from bulk2sc.artefacts import (
    ARTEFACTS,
    closure,
    code_digest,
    default_settings,
    made_with,
    part_name,
    setting_types,
)
from bulk2sc.book.run import Run, is_new, read_run
from bulk2sc.book.study import input_files, step_types
from bulk2sc.errors import Bulk2scError, did_you_mean
from bulk2sc.settings import (
    Edition,
    conform,
    data_digest,
    digest,
    file_digest,
    load_edition,
    project_root,
    read_json,
    read_yaml,
)

NEEDS = "needs"  # the step that makes what parts and other chapters wait for


@dataclass(frozen=True)
class Chapter:
    """One chapter in one edition.

    Attributes
    ----------
    slug, file
        Name, and path without suffix as in ``_toc.yml``: ``bulk-response``, ``notebooks/data/bulk-response``.
    position
        Place in the edition, from 1.
    declared, values
        Its parameters, and their values in force.
    artefacts, owned
        All artefacts that it needs, each after its own needs; those that it makes for the edition.
    after
        Slugs of the chapters that make artefacts which it needs, or whose rows it reads.
    state
        Everything that decides its outcome.
    parts
        Of the artefacts it owns, those made part by part: each artefact with each of its parts.
    shared
        Of the artefacts it owns, those that these parts or other chapters need: made once, before all else,
        so that others need not wait for the chapter itself.
    run
        For a chapter of the new form: its run, which knows whether it is in the store.
    """

    slug: str
    file: str
    position: int
    declared: list[notebook.Parameter]
    values: dict[str, Any]
    artefacts: list[str]
    owned: list[str]
    after: list[str]
    state: dict
    parts: list[tuple[str, int | str]] = field(default_factory=list)
    shared: list[str] = field(default_factory=list)
    run: Run | None = None

    @property
    def key(self) -> str:
        """Hash of the state."""
        return digest(self.state)


@dataclass(frozen=True)
class Plan:
    """An edition, checked and ready to be built in `build`, with its own table of contents."""

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
        _check_names([slug], by_slug, "chapter", f"edition '{self.edition.name}' has")
        return by_slug[slug]

    def executed(self, chapter: Chapter) -> Path:
        """Return where the executed notebook of a chapter is."""
        if chapter.run:
            return chapter.run.executed
        return self.build / f"{chapter.file}.ipynb"

    def output(self, chapter: Chapter) -> str:
        """Return the file that Snakemake makes for a chapter."""
        return str(chapter.run.note) if chapter.run else f"{chapter.file}.ipynb"

    def provenance(self, chapter: Chapter) -> dict | None:
        """Return how the executed notebook was made, or None."""
        path = self.executed(chapter)
        if chapter.run:
            return read_json(chapter.run.note)
        return read_json(path.with_suffix(".provenance.json")) if path.exists() else None

    def status(self, chapter: Chapter) -> str:
        """Return ``"current"``, ``"stale"`` or ``"missing"``."""
        provenance = self.provenance(chapter)
        if chapter.run:
            return "current" if chapter.run.made else "missing"
        if provenance is None:
            return "missing"
        return "current" if provenance["key"] == chapter.key else "stale"

    def inputs(self, chapter: Chapter) -> list[str]:
        """Return the files in `build` that must exist before a chapter runs; none if it is current.

        Chapters that are current themselves are left out: one that ran again and made the same does not make
        others stale.
        """
        if self.status(chapter) == "current":
            return []
        markers = [self.marker(chapter, *part) for part in chapter.parts]
        read = [slug for slug in chapter.state["chapters"] if self.status(self.chapter(slug)) != "current"]
        rows = [f"{self.chapter(slug).file}.ipynb" for slug in read]
        return [*self.before(chapter), *rows, *self.needs_marker(chapter), *markers]

    def before(self, chapter: Chapter) -> list[str]:
        """Return the files in `build` that must exist before anything is made for a chapter.

        They stand for the artefacts that it takes from other chapters. Notebooks that show several data sets
        make artefacts of each as they go; these are waited for, so that nobody makes them twice.
        """
        files = [f"state/{chapter.slug}.json"]
        for other in map(self.chapter, chapter.after):
            if self.status(other) == "current":
                continue
            taken = [self.marker(other, *part) for part in other.parts if part[0] in chapter.artefacts]
            also = [f"{other.file}.ipynb"] if other.values.get("studies") else []
            files += [*self.needs_marker(other), *taken, *also]
        return files

    def needs_marker(self, chapter: Chapter) -> list[str]:
        """Return the file in `build` that says that what others wait for has been made; none without any."""
        return [f"state/{chapter.slug}/{NEEDS}.json"] if chapter.shared else []

    def batches(self, chapter: Chapter, n: int | None) -> list[tuple[str, list[int | str]]]:
        """Return each artefact with those of its parts that one process makes, one after the other.

        Seeds take the same time each, so that `n` processes share them: what a process imports takes as long
        as a small model. Methods, data sets and drugs differ, and are made alone; without `n`, as on a
        cluster, everything is.
        """
        batches = []
        for artefact in dict.fromkeys(name for name, _ in chapter.parts):
            parts = [part for name, part in chapter.parts if name == artefact]
            alike = n and all(isinstance(part, int) for part in parts)
            step = min(n, len(parts)) if alike else len(parts)
            batches += [(artefact, parts[i::step]) for i in range(step)]
        return batches

    def marker(self, chapter: Chapter, artefact: str, part: int | str) -> str:
        """Return the file in `build` that says that a part has been made, and in how many seconds."""
        return f"state/{chapter.slug}/{artefact}/{part_name(part)}.json"


def plan(edition_name: str = "demo") -> Plan:
    """Read ``_toc.yml``, an edition and its notebooks; check that they fit together.

    Raises
    ------
    Bulk2scError
        If the edition names an unknown chapter or parameter, a value has the wrong type, a shared setting
        stands under one chapter, two chapters would make an artefact with different settings, or a chapter
        reads what another that comes later writes.
    """
    root = project_root()
    edition, toc = load_edition(edition_name, root), read_yaml(root / "_toc.yml")
    files = {Path(file).name: file for file in toc_files(toc) if file.startswith("notebooks/")}
    _check_names(edition.chapters, files, f"{edition.file}: chapter", "_toc.yml has")
    declared = {slug: notebook.parameters(root / f"{file}.ipynb") for slug, file in files.items()}
    _check_parameters(edition, declared)
    slugs = [slug for slug in files if slug in edition.chapters]
    values = {slug: _values(edition, slug, declared[slug]) for slug in slugs}
    uses = {slug: _uses(root / f"{files[slug]}.ipynb", files) for slug in slugs}
    settings = {slug: settings_of(edition, values[slug], uses[slug].artefacts) for slug in slugs}
    _check_agreement(edition, settings)
    owners = _owners(uses)
    chapters: dict[str, Chapter] = {}
    for position, slug in enumerate(slugs, 1):
        after = _after(slug, uses[slug], owners, slugs)
        read = {other: chapters[other].key for other in uses[slug].chapters}
        run = None
        if is_new(root / f"{files[slug]}.ipynb"):
            run = read_run(files[slug], edition.name, values[slug])
            state = {"address": run.path.name, "settings": {}, "chapters": []}
        else:
            state = _state(root / f"{files[slug]}.ipynb", values[slug], settings[slug], read)
        owned = [name for name, owner in owners.items() if owner == slug]
        parts = [(name, part) for name in owned for part in ARTEFACTS[name].parts(settings[slug])]
        needed = {*closure([name for name, _ in parts])}.union(
            *(uses[other].artefacts for other in slugs if other != slug)
        )
        shared = [name for name in closure(owned) if name in needed & {*owned} and not ARTEFACTS[name].each]
        about = slug, files[slug], position, declared[slug], values[slug]
        chapters[slug] = Chapter(*about, uses[slug].artefacts, owned, after, state, parts, shared, run)
    return Plan(edition, root, list(chapters.values()), edition_toc(toc, slugs))


# ---------------------------------------------------------------------------------------- table of contents


def toc_files(entry: Any) -> Iterator[str]:
    """Yield every file of a table of contents in reading order."""
    if isinstance(entry, list):
        for item in entry:
            yield from toc_files(item)
    elif isinstance(entry, dict):
        yield from (entry[key] for key in ("root", "file") if key in entry)
        for key in ("parts", "chapters", "sections"):
            yield from toc_files(entry.get(key, []))


def edition_toc(entry: dict, slugs: list[str]) -> dict:
    """Return a table of contents without notebooks that are not in `slugs`, and without parts left empty."""

    def kept(child: dict) -> bool:
        file = child.get("file", "")
        left_out = file.startswith("notebooks/") and Path(file).name not in slugs
        return not left_out and ("file" in child or "chapters" in child)

    pruned = dict(entry)
    for key in ("parts", "chapters", "sections"):
        children = [edition_toc(child, slugs) for child in pruned.pop(key, [])]
        if any(map(kept, children)):
            pruned[key] = list(filter(kept, children))
    return pruned


# ---------------------------------------------------------------------------------------- parameters


def _check_names(names: Iterable[str], known: Iterable[str], what: str, where: str) -> None:
    known = list(known)
    for name in names:
        if name not in known:
            raise Bulk2scError(
                f"{what} '{name}' is unknown; {where} {', '.join(known)}.{did_you_mean(name, known)}"
            )


def _check_parameters(edition: Edition, declared: dict[str, list[notebook.Parameter]]) -> None:
    """Check names, types and places of an edition's parameters, and types that notebooks give settings."""
    types = setting_types()
    shareable = step_types() | types
    shareable |= {p.name: p.type for parameters in declared.values() for p in parameters}
    _check_names(edition.parameters, shareable, f"{edition.file}: parameter", "known are")
    for part in ("chapter_parameters", "budgets"):
        _check_names(getattr(edition, part), declared, f"{edition.file}: {part}: chapter", "_toc.yml has")
    if "edition" in edition.parameters:
        raise Bulk2scError(f"{edition.file}: parameter 'edition' is the name of the file; leave it out")
    for name, value in edition.parameters.items():
        conform(value, shareable[name], f"{edition.file}: parameter '{name}'")
    for slug, seconds in edition.budgets.items():
        conform(seconds, "float", f"{edition.file}: budgets: '{slug}', a number of seconds,")
    for slug, given in edition.chapter_parameters.items():
        where = f"{edition.file}: chapter_parameters: {slug}"
        if not isinstance(given or {}, dict):
            raise Bulk2scError(f"{where} must hold 'name: value' lines, found {given!r}")
        for name in types.keys() & (given or {}).keys():
            raise Bulk2scError(
                f"{edition.file}: '{name}' stands under chapter '{slug}', but artefacts that other chapters "
                "share depend on it; move it to 'parameters'"
            )
        _check_names(given or {}, [p.name for p in declared[slug]], f"{where}: parameter", f"{slug} has")
    for slug, parameters in declared.items():
        for p in parameters:
            if types.get(p.name, p.type) != p.type:
                raise Bulk2scError(
                    f"chapter '{slug}' declares '{p.name}' as {p.type}, but it is a setting of artefacts, "
                    f"which need {types[p.name]}"
                )


def _values(edition: Edition, slug: str, declared: list[notebook.Parameter]) -> dict[str, Any]:
    names = {p.name for p in declared}
    shared = {name: value for name, value in edition.parameters.items() if name in names}
    own = edition.chapter_parameters.get(slug) or {}
    return notebook.in_force(slug, declared, {"edition": edition.name} | shared | own)


def settings_of(edition: Edition, values: dict[str, Any], artefacts: list[str]) -> dict[str, Any]:
    """Return the settings of a chapter's artefacts: defaults, then the edition's, then what it declares."""
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
                    f"setting '{name}' is {expected!r} in chapter '{other}', {value!r} in chapter '{slug}'; "
                    f"they share artefacts, so set it under 'parameters' in {edition.file}"
                )


# ---------------------------------------------------------------------------------------- artefacts and order


@dataclass(frozen=True)
class Uses:
    """What a chapter declares: artefacts it writes, all that it needs, chapters whose rows it reads."""

    writes: list[str]
    artefacts: list[str]
    chapters: list[str]


def _uses(path: Path, files: dict[str, str]) -> Uses:
    """Read a notebook's metadata ``bulk2sc: {reads: [...], writes: [...]}``."""
    metadata = notebook.read_notebook(path).metadata.get("bulk2sc", {})
    reads, writes = list(metadata.get("reads", [])), list(metadata.get("writes", []))
    _check_names(reads, [*ARTEFACTS, *files], f"{path}: metadata: reads:", "artefacts and chapters are")
    _check_names(writes, ARTEFACTS, f"{path}: metadata: writes:", "artefacts are")
    artefacts = closure([name for name in reads + writes if name in ARTEFACTS])
    return Uses(writes, artefacts, [name for name in reads if name not in ARTEFACTS])


def _owners(uses: dict[str, Uses]) -> dict[str, str]:
    """Return who makes each artefact: the chapter that declares to write it, else the first that needs it."""
    owners: dict[str, str] = {}
    for slug, used in uses.items():
        for name in used.writes:
            if owners.setdefault(name, slug) != slug:
                raise Bulk2scError(
                    f"artefact '{name}' is written by chapters '{owners[name]}' and '{slug}'; let one read it"
                )
    for slug, used in uses.items():
        for name in used.artefacts:
            owners.setdefault(name, slug)
    return owners


def _after(slug: str, used: Uses, owners: dict[str, str], slugs: list[str]) -> list[str]:
    """Return the chapters that one takes something from, all of which must come before it in the book."""
    if slug in used.chapters:
        raise Bulk2scError(f"chapter '{slug}' reads itself; remove it from 'reads' in its metadata")
    wanted = {owners[name] for name in used.artefacts} | set(used.chapters)
    for other in sorted(wanted - {slug}):
        if other not in slugs:
            raise Bulk2scError(f"chapter '{slug}' reads chapter '{other}', which this edition leaves out")
        if slugs.index(other) >= slugs.index(slug):
            raise Bulk2scError(
                f"chapter '{slug}' reads what chapter '{other}' writes, but comes before it; change _toc.yml"
            )
    return [other for other in slugs if other in wanted - {slug}]


def _measured(path: Path) -> list[Path]:
    """Return the results of benchmarks that a notebook shows: it reads them itself, by their quoted names."""
    text = path.read_text(encoding="utf-8")
    results = sorted((project_root() / "benchmarks").glob("*.*"))
    return [file for file in results if file.suffix in {".csv", ".json"} and f'"{file.name}' in text]


def _state(path: Path, values: dict, settings: dict, read: dict[str, str]) -> dict:
    return {
        "notebook": file_digest(path, *_measured(path)),
        "parameters": values,
        "settings": settings,
        "files": input_files(settings | values),
        "chapters": read,
        "code": code_digest(),
        "made_with": made_with(),
        "data": data_digest(),
    }
