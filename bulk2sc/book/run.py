"""Chapters: what decides the outcome of one, which steps it reads, and its run.

An executed notebook lies in the store as steps do, and is addressed with its text. Snakemake only schedules:
one job for each step and chapter that is not in the store.
"""

import ast
import json
import os
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import nbformat

from bulk2sc.book import notebook
from bulk2sc.book.store import NOTE, STORE, Entry, Task, closure, making, modules, surroundings
from bulk2sc.book.study import Study, all_settings, all_steps, input_files, needs_of, step_of, with_needs
from bulk2sc.errors import Bulk2scError
from bulk2sc.settings import digest, file_digest, load_edition, project_root, show_any_text


@dataclass(frozen=True)
class Run(Entry):
    """A chapter with its parameters in force.

    Attributes
    ----------
    file, edition, values
        Path without suffix as in ``_toc.yml``, the edition, and the value of every parameter.
    source
        The text of its notebook, as read once: what is edited meanwhile is another run.
    """

    file: str
    edition: str
    values: dict[str, Any]
    source: str

    @property
    def slug(self) -> str:
        """Name of the chapter."""
        return Path(self.file).name

    @cached_property
    def cells(self) -> list[nbformat.NotebookNode]:
        """Cells of the notebook."""
        return nbformat.reads(self.source, as_version=4).cells

    @cached_property
    def tree(self) -> ast.Module:
        """Code of all cells."""
        code = "\n".join(cell.source for cell in self.cells if cell.cell_type == "code")
        try:
            return ast.parse(code)
        except SyntaxError as error:
            line = " ".join((error.text or "").split())
            raise Bulk2scError(f"{self.file}.ipynb: a cell is not plain Python: {line!r}") from error

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Those parameters that are settings of steps."""
        known = set().union(*map(all_settings, all_steps().values()))
        return {name: value for name, value in self.values.items() if name in known}

    @cached_property
    def reads(self) -> list[tuple[Task, bool]]:
        """Steps that the cells read, and whether under the chapter's own settings, so that they can go ahead.

        Raises
        ------
        Bulk2scError
            If a step or fit is not named, so that it cannot be seen which it is.
        """
        study = Study(self.edition, **self.settings)
        return [(study.task(step, {}), ahead) for step, ahead in self._asked()]

    def _asked(self) -> Iterator[tuple[str, bool]]:
        functions = {node.name: node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef)}
        for call in self._calls("read", "each"):
            named = call.args[0] if call.args else None
            step = named.value if isinstance(named, ast.Constant) else ""
            fit = functions.get(named.id) if isinstance(named, ast.Name) else None
            if call.func.attr == "read" and step:
                yield step, not call.keywords
            elif call.func.attr == "each" and (step or fit):
                yield from [(step, False)] if step else []
                grid = call.args[1] if len(call.args) > 1 else None
                names = (
                    {getattr(key, "value", None) for key in grid.keys} if isinstance(grid, ast.Dict) else None
                )
                for need in needs_of(step_of(step)) if step else [a.arg for a in fit.args.args]:
                    yield need, names is not None and not names & all_settings(step_of(need))
            else:
                raise self._unseen(call)

    def _calls(self, *verbs: str) -> Iterator[ast.Call]:
        """Yield the calls ``study.<verb>(…)`` in the cells."""
        for node in ast.walk(self.tree):
            called = node.func if isinstance(node, ast.Call) else None
            on_study = isinstance(called, ast.Attribute) and getattr(called.value, "id", "") == "study"
            if on_study and called.attr in verbs:
                yield node

    @cached_property
    def chapters(self) -> list["Run"]:
        """Runs of the edition's other chapters whose tables the cells read by ``study.table("slug", …)``."""
        from bulk2sc.book.plan import plan  # which imports this module

        slugs = set()
        for call in self._calls("table"):
            if not isinstance(call.args[0], ast.Constant):
                raise self._unseen(call)
            slugs.add(call.args[0].value)
        edition = plan(self.edition).chapters if slugs else []
        return [chapter.run for chapter in edition if chapter.slug in slugs]

    def _unseen(self, call: ast.Call) -> Bulk2scError:
        return Bulk2scError(
            f"chapter '{self.slug}': cannot tell what {ast.unparse(call)[:60]} reads; write the name "
            "of a step, a chapter, or a function that a cell defines, as its first argument"
        )

    def _settings_of_fits(self) -> dict[str, Any]:
        """Return the settings that functions of the cells take from the edition by the names of keywords."""
        functions = [node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef)]
        asked = {keyword.arg for function in functions for keyword in function.args.kwonlyargs}
        given = Study(self.edition, **self.settings).settings
        return {name: given[name] for name in sorted(asked & given.keys())}

    @property
    def needed(self) -> set[str]:
        """Keys of the sources of data that its steps read."""
        from bulk2sc.datasets import needed  # slow to import, and not asked for by a build without change

        own = {key for task, _ in self.reads for each in with_needs(task) for key in needed(each.settings)}
        return own.union(*(run.needed for run in self.chapters))

    def _sources(self) -> dict[str, str]:
        """Return a hash of each source of data that the chapter reads, by its key."""
        from bulk2sc.datasets import noted, sources

        pinned = {key: [file.sha256 for file in sources()[key].files] for key in sorted(self.needed)}
        return {key: noted(key) or digest(files) for key, files in pinned.items()}

    @property
    def kept(self) -> list[Path]:
        """Kept results that the chapter shows: files of `benchmarks` that its code names."""
        names = {node.value for node in ast.walk(self.tree) if isinstance(node, ast.Constant)}
        results = sorted((project_root() / "benchmarks").glob("*.*"))
        return [f for f in results if f.suffix in (".csv", ".json") and {f.name, f.stem} & names]

    @cached_property
    def key(self) -> str:
        """Hash of all that decides the outcome."""
        code = closure(modules(ast.unparse(self.tree)))
        about = {
            "cells": [[cell.cell_type, cell.source, cell.metadata] for cell in self.cells],
            "parameters": self.values,
            "steps": [task.key for task, _ in self.reads] + [run.key for run in self.chapters],
            "fits": self._settings_of_fits(),
            "code": code,
            "files": input_files(self.values) | {file.name: file_digest(file) for file in self.kept},
        }
        return digest(about | surroundings(code))

    @cached_property
    def path(self) -> Path:
        """Address of the executed notebook, its tables, and ``note.json``, which says how it was made."""
        return project_root() / STORE / f"{self.slug}-{self.key}"

    @property
    def executed(self) -> Path:
        """Where the executed notebook is."""
        return self.path / f"{self.slug}.ipynb"

    def make(self) -> None:
        """Execute the notebook unless it is in the store.

        Raises
        ------
        Bulk2scError
            If a cell raises or the kernel dies.
        """
        if self.made:
            return
        with making(self.path) as folder:
            if folder is None:
                return
            source = folder / "source.ipynb"
            source.write_text(self.source, encoding="utf-8")
            environment = {"BULK2SC_RESULTS": str(folder / "results"), "BULK2SC_ROOT": str(project_root())}
            facts = {
                "edition": self.edition,
                "key": self.key,
                "data": input_files(self.values) | self._sources(),
            }
            facts["steps"] = {task.name: task.key for task, _ in self.reads}
            where = {"environment": environment, "facts": facts}
            notebook.execute(self.slug, source, folder / self.executed.name, self.values, **where)
            source.unlink()
            os.replace(folder / f"{self.slug}.provenance.json", folder / NOTE)


def read_run(file: str, edition: str, values: dict[str, Any]) -> Run:
    """Return the run of a notebook, ``notebooks/<part>/<slug>``, with these values."""
    source = (project_root() / f"{file}.ipynb").read_text(encoding="utf-8")
    return Run(file, edition, values, source)


# ------------------------------------------------------------------------------------------------------ jobs


@dataclass(frozen=True)
class Job:
    """What Snakemake needs to know of a step or chapter that is not in the store."""

    name: str
    inputs: list[str]
    output: str
    parallel: bool
    command: list[str]


def jobs(runs: list[Run]) -> list[Job]:
    """Return a job for each chapter, and each step that one reads, which is not in the store."""
    found: dict[str, Job] = {}
    for run in runs:
        if not run.made:
            ahead = [task for task, ahead in run.reads if ahead]
            for task in ahead:
                _add_step(found, run, task)
            asked = {"file": run.file, "values": run.values}
            found[run.key] = _job(run.slug, run, asked, [*ahead, *run.chapters], run.edition)
    return list(found.values())


def _add_step(found: dict[str, Job], run: Run, task: Task) -> None:
    if not task.made and task.key not in found:
        for need in task.needs:
            _add_step(found, run, need)
        asked = {"step": task.name, "settings": run.settings}
        found[task.key] = _job(f"{task.name}_{task.key}", task, asked, task.needs, run.edition)


def _job(name: str, what: Run | Task, asked: dict, needs: Iterable[Task], edition: str) -> Job:
    asked |= {"edition": edition, "key": what.key, "name": name}
    command = [sys.executable, "-m", __spec__.name, json.dumps(asked)]
    parallel = isinstance(what, Run) and ".each(" in what.source
    return Job(name, [str(need.note) for need in needs], str(what.note), parallel, command)


def main(asked: dict[str, Any]) -> int:
    """Do one job; what goes wrong is left where the build finds it."""
    show_any_text()
    started = time.monotonic()
    try:
        if "step" in asked:
            what = Study(asked["edition"], **asked["settings"]).task(asked["step"], {})
        else:
            what = read_run(asked["file"], asked["edition"], asked["values"])
        if what.key != asked["key"]:
            raise Bulk2scError(
                f"{asked['name']}: notebook, code or data changed while the edition was built; build it again"
            )
        what.make()
    except Exception as error:  # whatever it is, the build must be able to say it
        known = isinstance(error, Bulk2scError)
        errors = project_root() / "_build" / asked["edition"] / "errors"
        errors.mkdir(parents=True, exist_ok=True)
        said = str(error) if known else f"{asked['name']}: {type(error).__name__}: {error}"
        (errors / asked["name"]).write_text(said, encoding="utf-8")
        traceback.print_exc()
        return 1
    seconds = time.monotonic() - started
    budget = load_edition(asked["edition"]).budgets.get(asked["name"])
    over = f", over its budget of {budget:g} s" if budget and seconds > budget else ""
    print(f"{asked['name'].rpartition('_')[0] or asked['name']} … {seconds:.0f} s{over}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
