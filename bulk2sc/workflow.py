"""Run the chapters of an edition that are not current, through Snakemake; or one chapter on its own.

A chapter is current when the state it ran in (notebook, parameters, settings of its artefacts, code, versions
of packages, data) is the state of now. Snakemake runs the others, in parallel, each after what it reads has
been made.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from bulk2sc import notebook, pages
from bulk2sc.artefacts import ARTEFACTS, default_settings, part_name
from bulk2sc.book.run import read_run
from bulk2sc.errors import Bulk2scError
from bulk2sc.plan import NEEDS, Chapter, Plan, plan, settings_of
from bulk2sc.settings import (
    UTF8,
    data_digest,
    digest,
    project_root,
    read_json,
    remove_unfinished,
    show_any_text,
    write_json,
)


def build(edition_name: str = "demo", cores: int | None = None) -> Path:
    """Build an edition: run the chapters that are not current, render the pages.

    Returns
    -------
    The first page of the book.

    Raises
    ------
    Bulk2scError
        If the edition is wrong, jupyter-book is of version 2, or a chapter or the rendering fails. Chapters
        that do not depend on a failed one still run, and are kept.
    """
    pages.check_jupyter_book()
    planned = plan(edition_name)
    if pages.current(planned):
        return planned.build / "html" / "index.html"
    if any(planned.status(chapter) != "current" for chapter in planned.chapters):
        _fetch(planned)
        planned = plan(edition_name)  # what was fetched is part of every chapter's state
    with _lock(planned.build):
        remove_unfinished(planned.build)
        shutil.rmtree(planned.build / "errors", ignore_errors=True)
        done = _snakemake(planned, cores or os.cpu_count() or 1)
    problems = [path.read_text(encoding="utf-8") for path in sorted((planned.build / "errors").glob("*"))]
    if problems:
        raise Bulk2scError("; and ".join(problems))
    if done.returncode:
        raise Bulk2scError(
            f"edition '{edition_name}': the build stopped; see {planned.build / 'snakemake.log'}"
        )
    return planned.build / "html" / "index.html"


def _fetch(plan: Plan) -> None:
    """Fetch all data of an edition before its chapters run: two of them must not wait for one download."""
    from bulk2sc.datasets import fetch, needed  # slow to import, and not needed by a build without change

    for key in needed(default_settings() | plan.edition.parameters):
        fetch(key)


def write_states(plan: Plan) -> None:
    """Write the states of chapters and pages that are not current: files that Snakemake finds new."""
    for chapter in plan.chapters:
        if plan.status(chapter) != "current" and not chapter.run:
            write_json(plan.build / "state" / f"{chapter.slug}.json", chapter.state)
    if "state/pages.json" in pages.inputs(plan):
        write_json(plan.build / "state" / "pages.json", pages.state(plan))


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
        # Snakemake inherits the lock: when only this process is killed, the next build waits for Snakemake.
        os.set_inheritable(file.fileno(), True)
        yield


def _snakemake(plan: Plan, cores: int) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(Path(__file__).parents[1] / "Snakefile")]
    command += [
        "--directory",
        str(plan.build),
        "--config",
        f"edition={plan.edition.name}",
        f"batches={cores}",
    ]
    command += ["--cores", str(cores), "--keep-going", "--nocolor", "--scheduler", "greedy"]
    # Our own lock replaces Snakemake's, which outlives a killed process; our own states replace its records.
    command += [
        "--nolock",
        "--ignore-incomplete",
        "--keep-incomplete",
        "--drop-metadata",
        "--rerun-triggers",
        "mtime",
    ]
    environment = os.environ | {"BULK2SC_ROOT": str(plan.root)}
    with (plan.build / "snakemake.log").open("w") as log:
        return subprocess.run(command, stderr=log, env=environment, close_fds=False)  # noqa: S603


# ---------------------------------------------------------------------------------------- one chapter


def run_chapter(plan: Plan, slug: str) -> dict:
    """Run one chapter of an edition in this process; return its provenance."""
    chapter = plan.chapter(slug)
    return _execute(
        plan, chapter, chapter.values, plan.executed(chapter), _owning(plan, chapter), chapter.key
    )


def make_part(plan: Plan, slug: str, artefact: str, part: str) -> float:
    """Make one part of an artefact of an edition in this process; return the seconds it took."""
    chapter = plan.chapter(slug)
    asked = next(((a, p) for a, p in chapter.parts if (a, str(p)) == (artefact, part)), None)
    if asked is None:
        raise Bulk2scError(f"chapter '{slug}' makes no part '{part}' of '{artefact}'; see its settings")
    return _make_ahead(plan, chapter, [asked], plan.marker(chapter, *asked))


def make_needs(plan: Plan, slug: str) -> float:
    """Make what parts and other chapters wait for in this process; return the seconds it took."""
    chapter = plan.chapter(slug)
    (marker,) = plan.needs_marker(chapter)
    return _make_ahead(plan, chapter, [(name, None) for name in chapter.shared], marker)


def _make_ahead(plan: Plan, chapter: Chapter, asked: list[tuple[str, Any]], marker: str) -> float:
    """Make artefacts, or parts, for a chapter; note in `marker` how long they took when they were made."""
    from bulk2sc.study import Study

    started = time.monotonic()
    # As for a notebook: a chapter whose artefacts are being replaced is current no more, killed or not.
    plan.executed(chapter).with_suffix(".provenance.json").unlink(missing_ok=True)
    with notebook.environ(_owning(plan, chapter) | _identity(plan, chapter)):
        study = Study(plan.edition.name, **chapter.state["settings"])
        for one in asked:
            study.read_part(*one)
        seconds = sum(study.seconds(*one) for one in asked)
    write_json(plan.build / marker, {"seconds": seconds})
    return time.monotonic() - started


def _owning(plan: Plan, chapter: Chapter) -> dict[str, str]:
    """Return the environment in which a chapter may replace the artefacts it owns, and no others."""
    return {"BULK2SC_RESULTS": str(plan.build / "results"), "BULK2SC_OWNED": ",".join(chapter.owned)}


def _identity(plan: Plan, chapter: Chapter) -> dict[str, str]:
    return {"BULK2SC_ROOT": str(plan.root), "BULK2SC_CHAPTER": chapter.slug}


def run_own(plan: Plan, slug: str, given: dict[str, Any], cores: int | None = None) -> Path:
    """Run one chapter with other parameters in a folder of its own; return its executed notebook.

    What the chapter needs part by part is made first, on `cores` processes (default: all); what a killed run
    has made, the next one takes.

    Raises
    ------
    Bulk2scError
        If the chapter or a parameter is unknown, a value has the wrong type, a cell raises, or `given` names
        another edition, whose settings would not come with it.
    """
    chapter = plan.chapter(slug)
    if given.get("edition", plan.edition.name) != plan.edition.name:
        raise Bulk2scError(
            f"chapter '{slug}': parameter 'edition' alone would keep the settings of {plan.edition.name}; "
            f"use --edition {given['edition']}"
        )
    values = notebook.in_force(slug, chapter.declared, chapter.values | given)
    if chapter.run:
        run = read_run(chapter.file, plan.edition.name, values)
        run.make()
        return run.executed
    folder = plan.root / "_build" / "runs" / f"{slug}-{digest(values)[:8]}"
    environment, output = {"BULK2SC_RESULTS": str(folder / "results")}, folder / f"{slug}.ipynb"
    _make_own_parts(plan, chapter, values, environment, cores or os.cpu_count() or 1)
    provenance = _execute(plan, chapter, values, output, environment, digest([chapter.state, values]))
    changed = {name: value for name, value in values.items() if value != chapter.values[name]}
    card = notebook.run_card(slug, chapter.declared, values, changed=changed)
    block = notebook.provenance_block(provenance, "a run of its own, not part of an edition")
    notebook.write_notebook(notebook.with_cards(notebook.read_notebook(output), card, block), output)
    return output


def _make_own_parts(plan: Plan, chapter: Chapter, values: dict, environment: dict, cores: int) -> None:
    """Make the missing parts of all that a run needs, each in a process of its own, as a build does."""
    from bulk2sc.study import Study

    in_parts = [name for name in chapter.artefacts if ARTEFACTS[name].each]
    settings = settings_of(plan.edition, values, chapter.artefacts)
    environment = notebook.KERNEL_ENVIRONMENT | environment | _identity(plan, chapter)
    with notebook.environ(environment):
        study = Study(plan.edition.name, **settings)
        for name in in_parts:
            missing = study.missing(name)
            step = partial(_own_step, plan.edition.name, settings, name)
            # The first process also makes what all parts need.
            for some in filter(None, (missing[:1], missing[1:])):
                with ThreadPoolExecutor(cores) as pool:
                    list(pool.map(step, some))


def _own_step(edition: str, settings: dict, artefact: str, part: int | str) -> None:
    """Make a part for a run of its own in another process, and say how long it took."""
    started, asked = time.monotonic(), json.dumps([edition, settings, artefact, part])
    command = [sys.executable, "-m", "bulk2sc.workflow", "own", asked]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", env=os.environ | UTF8)  # noqa: S603
    if done.returncode:
        said = done.stderr.strip().splitlines() if done.returncode > 0 else []  # below 0: killed
        reason = said[-1] if said else f"stopped with code {done.returncode}; it may have run out of memory"
        raise Bulk2scError(f"{artefact}, part {part}: {reason}")
    print(f"{artefact}, part {part} … {time.monotonic() - started:.0f} s", flush=True)


def _execute(plan: Plan, chapter: Chapter, values: dict, output: Path, environment: dict, key: str) -> dict:
    environment = environment | _identity(plan, chapter)
    data = {"registry and embedded files": data_digest()} | chapter.state["files"]
    facts = {"edition": plan.edition.name, "key": key, "data": data}
    if (chapter.parts or chapter.shared) and key == chapter.key:
        facts["seconds_of_parts"] = _seconds_of_parts(plan, chapter)
    source = plan.root / f"{chapter.file}.ipynb"
    return notebook.execute(chapter.slug, source, output, values, environment=environment, facts=facts)


def _seconds_of_parts(plan: Plan, chapter: Chapter) -> list[float]:
    """Return how long all took that a build has made for a chapter before it ran."""
    markers = plan.needs_marker(chapter) + [plan.marker(chapter, *part) for part in chapter.parts]
    made = [read_json(plan.build / marker) for marker in markers]
    return [found["seconds"] for found in made if found]


# ---------------------------------------------------------------------------------------- steps of Snakemake


def main(arguments: list[str]) -> int:
    """Run one step of a build.

    ``EDITION pages`` renders the book, ``EDITION SLUG`` runs a chapter, ``EDITION SLUG ARTEFACT PART...``
    makes parts of an artefact for it, ``EDITION SLUG needs`` what these and other chapters wait for.
    ``own JSON`` makes a part for a run of its own.
    """
    show_any_text()
    if arguments[0] == "own":
        return _make_own(*json.loads(arguments[1]))
    edition, step, *part = arguments
    try:
        planned = plan(edition)
        if step == "pages":
            _render(planned)
        elif part == [NEEDS]:
            _make_needs(planned, planned.chapter(step))
        elif part:
            _make(planned, planned.chapter(step), *part)
        else:
            _run(planned, planned.chapter(step))
    except Exception as error:  # whatever it is, `build` must be able to say it
        problem = _said(error) if isinstance(error, Bulk2scError) else f"{step}: {_said(error)}"
        errors = project_root() / "_build" / edition / "errors"
        errors.mkdir(parents=True, exist_ok=True)
        (errors / "-".join(map(part_name, arguments[1:4]))).write_text(problem, encoding="utf-8")
        print(f"[{step}] failed", flush=True)
        traceback.print_exc()
        return 1
    return 0


def _run(plan: Plan, chapter: Chapter) -> None:
    """Run a chapter, with one line when it starts and one when it ends."""
    place = f"[{chapter.position}/{len(plan.chapters)}] {chapter.slug} …"
    print(place, flush=True)
    took = run_chapter(plan, chapter.slug)
    parts, budget = took.get("seconds_of_parts", []), plan.edition.budgets.get(chapter.slug)
    seconds = took["seconds"] + sum(parts)
    made = f", {sum(parts):.0f} s of them before" if sum(parts) >= 0.5 else ""
    over = f", over its budget of {budget} s" if budget and seconds > budget else ""
    print(f"{place} {seconds:.0f} s{made}{over}", flush=True)


def _make(plan: Plan, chapter: Chapter, artefact: str, *parts: str) -> None:
    """Make parts one after the other, with one line when each is there; a failure stops no other part."""
    place, failed = f"[{chapter.position}/{len(plan.chapters)}] {chapter.slug}", []
    for part in parts:
        try:
            seconds = make_part(plan, chapter.slug, artefact, part)
            print(f"{place}: {artefact}, part {part} … {seconds:.0f} s", flush=True)
        except Exception as error:  # whatever it is, the other parts do not depend on it
            traceback.print_exc()
            failed.append(f"{artefact}, part {part}: {_said(error)}")
    if failed:
        raise Bulk2scError("; ".join(failed))


def _said(error: Exception) -> str:
    """Return the message of an error, with its type unless it is one of ours."""
    return str(error) if isinstance(error, Bulk2scError) else f"{type(error).__name__}: {error}"


def _make_needs(plan: Plan, chapter: Chapter) -> None:
    """Make what parts and other chapters wait for, with one line when it is there."""
    seconds, place = (
        make_needs(plan, chapter.slug),
        f"[{chapter.position}/{len(plan.chapters)}] {chapter.slug}",
    )
    print(f"{place}: {', '.join(chapter.shared)} … {seconds:.0f} s", flush=True)


def _make_own(edition: str, settings: dict, artefact: str, part: int | str) -> int:
    """Make a part for a run of its own; a problem is one line, as the command line shows it."""
    from bulk2sc.study import Study

    try:
        Study(edition, **settings).read_part(artefact, part)
    except Bulk2scError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 2
    return 0


def _render(plan: Plan) -> None:
    started = time.monotonic()
    pages.stage(plan)
    pages.render(plan)
    print(f"[pages] … {time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
