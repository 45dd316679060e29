"""Build an edition: what is not in the store is made by Snakemake, then pages are rendered."""

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bulk2sc.book import notebook, render
from bulk2sc.book.plan import Plan, plan
from bulk2sc.book.run import Run, read_run
from bulk2sc.errors import Bulk2scError
from bulk2sc.settings import remove_unfinished


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
            _fetch([chapter.run for chapter in planned.chapters])
        with _lock(planned.build):
            remove_unfinished(planned.build)
            _run_missing(plan(edition_name), cores or os.cpu_count() or 1)
            planned, started = plan(edition_name), time.monotonic()
            if not render.current(planned):  # another process may just have built it
                render.render(planned)
                print(f"pages … {time.monotonic() - started:.0f} s", flush=True)
    return planned.build / "html" / "index.html"


def _fetch(runs: list[Run]) -> None:
    """Fetch all data of chapters before they run: two must not wait for one download; addresses need them."""
    from bulk2sc.datasets import fetch, needed  # slow to import, and not needed by a build without change

    for key in sorted(set().union(*(run.needed.union(needed(run.values)) for run in runs))):
        fetch(key)


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
    values = notebook.in_force(slug, chapter.declared, chapter.run.values | given)
    _fetch([read_run(chapter.run.file, plan.edition.name, values)])
    run = read_run(chapter.run.file, plan.edition.name, values)
    with notebook.environ({"BULK2SC_JOBS": str(cores)} if cores else {}):
        run.make()
    return run
