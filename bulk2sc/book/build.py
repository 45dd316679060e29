"""Build an edition: what is not in the store is made by Snakemake, then pages are rendered."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from bulk2sc.book import notebook, render
from bulk2sc.book.plan import Plan, plan
from bulk2sc.book.run import Run
from bulk2sc.book.store import IN_USE, LOCKS, STORE, in_use, locked
from bulk2sc.book.study import READS
from bulk2sc.errors import Bulk2scError
from bulk2sc.settings import UNFINISHED, environ, project_root, read_json, remove_unfinished

LOCK = ".lock"  # in the folder of an edition's pages: one build of it runs at a time


def build(edition_name: str = "demo", cores: int | None = None) -> Path:
    """Build an edition: run the chapters that are not in the store, render the pages.

    Returns
    -------
    The first page of the book.

    Raises
    ------
    Bulk2scError
        If the edition is wrong, jupyter-book is of version 2, or a chapter or the rendering fails. Chapters
        beside a failed one still run, and are kept.
    """
    render.check_jupyter_book()
    planned = plan(edition_name)
    if not render.current(planned):
        if not all(chapter.run.made for chapter in planned.chapters):
            _fetch(chapter.run for chapter in planned.chapters)
        waiting = f"another process builds in {planned.build}: waiting for it"
        with locked(planned.build / LOCK, waiting), in_use(planned.root / STORE):
            remove_unfinished(planned.build)
            _run_missing(plan(edition_name), cores or os.cpu_count() or 1)
            planned, started = plan(edition_name), time.monotonic()
            if not render.current(planned):  # another process may just have built it
                render.render(planned)
                print(f"pages … {time.monotonic() - started:.0f} s", flush=True)
    return planned.build / "html" / "index.html"


def _fetch(runs: Iterable[Run]) -> None:
    """Fetch all data of chapters before they run: two must not wait for one download; addresses need them."""
    from bulk2sc.datasets import fetch, sources  # slow to import, and not needed by a build without change

    for key in sorted(set().union(*(run.files for run in runs)) & sources().keys()):
        fetch(key)


def _run_missing(plan: Plan, cores: int) -> None:
    """Let Snakemake run what is not in the store; it only schedules, so that it keeps no records."""
    errors = plan.build / "errors"
    shutil.rmtree(errors, ignore_errors=True)
    if all(chapter.run.made for chapter in plan.chapters):
        return
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(Path(__file__).parents[2] / "Snakefile")]
    command += ["--directory", str(plan.build), "--config", f"edition={plan.edition.name}"]
    command += ["--cores", str(cores), "--keep-going", "--nocolor", "--scheduler", "greedy"]
    # Our own lock replaces Snakemake's, which outlives a killed process; addresses replace its records.
    command += ["--nolock", "--ignore-incomplete", "--keep-incomplete", "--drop-metadata"]
    command += ["--rerun-triggers", "mtime"]
    environment = os.environ | {"BULK2SC_ROOT": str(plan.root)}
    log = plan.build / "snakemake.log"
    with log.open("w") as file:
        done = subprocess.run(command, stderr=file, env=environment, close_fds=False)  # noqa: S603
    if problems := [path.read_text(encoding="utf-8") for path in sorted(errors.glob("*"))]:
        raise Bulk2scError("; and ".join(problems))
    if done.returncode:
        raise Bulk2scError(f"edition '{plan.edition.name}': the build stopped; see {log}")


def run_chapter(plan: Plan, slug: str, given: dict[str, Any], cores: int | None = None) -> Run:
    """Run one chapter with other parameters, and return its run, which lies in the store.

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
    run = replace(chapter.run, values=notebook.in_force(slug, chapter.declared, chapter.run.values | given))
    _fetch([run])
    run = replace(run)  # data may be noted only now: another address
    with environ({"BULK2SC_JOBS": str(cores)} if cores else {}):
        run.make()
    return run


def prune() -> int:
    """Remove from the store what no chapter of the editions built here reads; return the bytes that freed.

    Raises
    ------
    Bulk2scError
        If the store is a link, so that other checkouts may use it.
    """
    root = project_root()
    store = root / STORE
    if store.is_symlink():
        raise Bulk2scError(f"{store}: is a link, and others may use what is there; remove it by hand")
    with locked(store / LOCKS / IN_USE, "waiting until nothing is made in the store"):
        editions = [path.stem for path in (root / "editions").glob("*.yml")]
        built = [name for name in editions if (root / "_build" / name / LOCK).exists()]
        kept, freed = {LOCKS}, 0
        for name in built:
            shown = read_json(root / "_build" / name / render.STATE) or {"chapters": {}}
            runs = {f"{slug}-{key}" for slug, key in shown["chapters"].items()}
            for run in [chapter.run for chapter in plan(name).chapters]:
                runs.add(run.path.name)
                kept.update(each.path.name for task, _ in run.reads for each in task.with_needs())
            # Also of a chapter that was stopped: what it has read or made serves when it goes on.
            read = [file for run in runs for file in store.glob(f"*{run}/{READS}")]
            kept = kept.union(runs, *(file.read_text().split() for file in read))
        for old in [path for path in store.iterdir() if path.name.removeprefix(UNFINISHED) not in kept]:
            freed += sum(file.stat().st_size for file in old.rglob("*") if file.is_file())
            shutil.rmtree(old)
    return freed
