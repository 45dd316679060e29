"""Chapters: what decides the outcome of one, which steps it reads, and its run.

An executed notebook lies in the store as steps do, and is addressed with its text. Snakemake only schedules:
one job for each step and chapter that is not in the store.
"""

import ast
import json
import sys
import time
import traceback
from collections import ChainMap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import nbformat

from bulk2sc.book import notebook
from bulk2sc.book.store import NOTE, Entry, Task, closure, modules, surroundings
from bulk2sc.book.study import Study, all_settings, input_files, needs_of, step_of, step_types
from bulk2sc.errors import Bulk2scError
from bulk2sc.settings import (
    REGISTRY,
    digest,
    file_digest,
    load_edition,
    project_root,
    show_any_text,
    write_json,
)


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
    def name(self) -> str:
        """Slug of the chapter."""
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
        known = step_types()
        return {name: value for name, value in self.values.items() if name in known}

    @cached_property
    def study(self) -> Study:
        """The study that they make."""
        return Study(self.edition, **self.settings)

    @cached_property
    def reads(self) -> list[tuple[Task, bool]]:
        """Steps that the cells read, and whether under the chapter's own settings, so that they can go ahead.

        Raises
        ------
        Bulk2scError
            If a step or fit is not named, so that it cannot be seen which it is.
        """
        return [(self.study.task(step, {}), ahead) for step, ahead in self._asked()]

    @cached_property
    def functions(self) -> dict[str, ast.arguments]:
        """Arguments of the functions that cells define, by name."""
        return {node.name: node.args for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef)}

    def _asked(self) -> Iterator[tuple[str, bool]]:
        for node in ast.walk(self.tree):
            match node:
                case ast.Call(ast.Attribute(ast.Name("study"), "read"), [ast.Constant(str(step))], keywords):
                    yield step, not keywords
                case ast.Call(ast.Attribute(ast.Name("study"), "each"), [ast.Constant(str(step)), grid], []):
                    yield step, False
                    yield from _ahead(needs_of(step_of(step)), grid)
                case ast.Call(ast.Attribute(ast.Name("study"), "each"), [ast.Name(fit), grid], []) if (
                    fit in self.functions
                ):
                    yield from _ahead([argument.arg for argument in self.functions[fit].args], grid)
                case ast.Call(ast.Attribute(ast.Name("study"), "table"), [ast.Constant(str()), _]):
                    pass  # see `chapters`
                case ast.Call(ast.Attribute(ast.Name("study"), "read" | "each" | "table")):
                    raise Bulk2scError(
                        f"chapter '{self.name}': cannot tell what {ast.unparse(node)[:60]} reads; write the "
                        "name of a step, a chapter, or a function of a cell, as its first argument"
                    )

    @cached_property
    def chapters(self) -> list["Run"]:
        """Runs of the edition's other chapters whose tables the cells read by ``study.table("slug", …)``."""
        from bulk2sc.book.plan import plan  # which imports this module

        slugs = set()
        for node in ast.walk(self.tree):
            match node:
                case ast.Call(ast.Attribute(ast.Name("study"), "table"), [ast.Constant(str(slug)), _]):
                    slugs.add(slug)
        edition = plan(self.edition).chapters if slugs else []
        return [chapter.run for chapter in edition if chapter.slug in slugs]

    def _settings_of_fits(self) -> dict[str, Any]:
        """Return the settings that functions of the cells take from the edition by the names of keywords."""
        asked = {keyword.arg for arguments in self.functions.values() for keyword in arguments.kwonlyargs}
        given = self.study.settings
        return {name: given[name] for name in sorted(asked & given.keys())}

    @property
    def files(self) -> dict[str, str]:
        """A hash of each file of one's own and each source of data that the chapter and its steps read."""
        parts = [each.files for task, _ in self.reads for each in task.with_needs()]
        parts += [run.files for run in self.chapters]
        return dict(ChainMap(input_files(self.values), *parts))

    @property
    def kept(self) -> list[Path]:
        """Kept results that the chapter shows: files of `benchmarks` that its code names."""
        names = set()
        for node in ast.walk(self.tree):
            match node:
                case ast.Call(ast.Attribute(ast.Name("study"), "kept"), [ast.Constant(str(name))]):
                    names |= {f"{name}.csv", f"{name}.json"}
                case ast.Constant(str(name)):
                    names.add(name)
        results = sorted((project_root() / "benchmarks").glob("*.*"))
        return [f for f in results if f.suffix in (".csv", ".json") and f.name in names]

    @cached_property
    def key(self) -> str:
        """Hash of all that decides the outcome."""
        imported = modules(ast.unparse(self.tree))
        code, files = closure(imported), [*self.kept]
        files += [REGISTRY] if "bulk2sc.datasets" in imported else []  # it may read any source
        about = {
            "cells": [[cell.cell_type, cell.source, cell.metadata] for cell in self.cells],
            "parameters": self.values,
            "steps": [task.key for task, _ in self.reads] + [run.key for run in self.chapters],
            "fits": self._settings_of_fits(),
            "chapters": load_edition(self.edition).chapters if self.chapters else [],
            "code": code,
            "files": input_files(self.values) | {file.name: file_digest(file) for file in files},
        }
        return digest(about | surroundings(code))

    @property
    def executed(self) -> Path:
        """Where the executed notebook is."""
        return self.path / f"{self.name}.ipynb"

    def fill(self, folder: Path) -> None:
        """Execute the notebook into a new folder, where it stays with its traceback if a cell raises.

        Raises
        ------
        Bulk2scError
            If a cell raises or the kernel dies.
        """
        environment = {"BULK2SC_RESULTS": str(folder / "results"), "BULK2SC_ROOT": str(project_root())}
        facts = {"edition": self.edition, "key": self.key, "data": self.files}
        facts["steps"] = {task.name: task.key for task, _ in self.reads}
        source = nbformat.reads(self.source, as_version=4)
        ran = notebook.execute(self.name, source, folder / self.executed.name, self.values, environment)
        write_json(folder / NOTE, facts | ran)


def read_run(file: str, edition: str, values: dict[str, Any]) -> Run:
    """Return the run of a notebook, ``notebooks/<part>/<slug>``, with these values."""
    source = (project_root() / f"{file}.ipynb").read_text(encoding="utf-8")
    return Run(file, edition, values, source)


def _ahead(needs: list[str], grid: ast.expr) -> list[tuple[str, bool]]:
    """Tell of steps that fits read whether they can go ahead: the grid leaves their settings alone."""
    names = {getattr(key, "value", None) for key in grid.keys} if isinstance(grid, ast.Dict) else None
    return [(need, names is not None and not names & all_settings(step_of(need))) for need in needs]


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
            found[run.key] = _job(run.name, run, asked, [*ahead, *run.chapters], run.edition)
    return list(found.values())


def _add_step(found: dict[str, Job], run: Run, task: Task) -> None:
    if not task.made and task.key not in found:
        for need in task.needs:
            _add_step(found, run, need)
        asked = {"step": task.name, "settings": run.settings}
        found[task.key] = _job(f"{task.name}_{task.key}", task, asked, task.needs, run.edition)


def _job(name: str, what: Run | Task, asked: dict, needs: Iterable[Entry], edition: str) -> Job:
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
        errors = project_root() / "_build" / asked["edition"] / "errors"
        errors.mkdir(parents=True, exist_ok=True)
        said = (
            str(error)
            if isinstance(error, Bulk2scError)
            else f"{asked['name']}: {type(error).__name__}: {error}"
        )
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
