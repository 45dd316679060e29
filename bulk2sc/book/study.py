"""One study: its settings, the steps that follow from them, and the fits of a chapter's own."""

import inspect
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd

from bulk2sc import steps
from bulk2sc.book.notebook import commit
from bulk2sc.book.store import Task, bare, closure, code_of, data_digest, modules, say, writing
from bulk2sc.errors import Bulk2scError, refuse_unknown
from bulk2sc.settings import (
    atomic,
    conform,
    digest,
    file_digest,
    in_project,
    is_own,
    load_edition,
    project_root,
    read_yaml,
    type_name,
    write_json,
)

READS = "reads.txt"  # beside an executed chapter
_code_of_step = cache(code_of)  # a step stays as it is while a process runs; a cell may be run again


class Study:
    """Settings of one study, and its results by name.

    Parameters
    ----------
    edition
        Edition whose settings hold.
    **settings
        Settings of steps that go before those of the edition.

    Attributes
    ----------
    settings
        What the edition says, then `**settings`; the defaults of steps stand in `bulk2sc.steps`.
    results
        Folder for the tables of this chapter.

    Raises
    ------
    Bulk2scError
        If the edition or a setting is unknown, or a setting has the wrong type.

    Examples
    --------
    >>> study = Study("smoke", drug="Lapatinib")  # doctest: +SKIP
    >>> lines, cells = study.read("pair")  # doctest: +SKIP
    """

    def __init__(self, edition: str = "demo", **settings):
        refuse_unknown(settings, step_types(), "Study: setting")
        self.edition = edition
        self.given = settings
        self.settings = load_edition(edition).parameters | settings
        results = os.environ.get("BULK2SC_RESULTS")
        self.results = Path(results or project_root() / "_build" / "interactive" / "results")

    def __reduce__(self):
        raise Bulk2scError("a fit takes the steps it reads as arguments, `def fit(pair, …)`, and no `study`")

    def read(self, step: str, **settings) -> Any:
        """Return what a step makes, from the store; made first, with what it reads, where it is missing.

        Parameters
        ----------
        step
            Name of a function in `bulk2sc.steps`.
        **settings
            Settings that this time replace those of the study: ``study.read("pair", drug="Lapatinib")``.

        Raises
        ------
        Bulk2scError
            If the step or a setting is unknown, or a setting has the wrong type.
        """
        task = self._ready(step, settings)
        self._note([task])
        return task.value()

    def each(self, fit: Callable | str, grid: Mapping[str, Sequence] | Sequence[Mapping]) -> Any:
        """Call a function once for each point of a grid, in parallel; what was made before is kept.

        A function is written as a step is: its arguments are the steps it reads, its keyword-only arguments
        are settings. A point of the grid sets these, and the settings of the steps that are read: with
        ``drug`` in the grid, ``def fit(pair, *, seed)`` gets the pair of each drug.
        A fit is made anew when its code, what it uses, its settings or what it reads have changed.

        Parameters
        ----------
        fit
            The function, or the name of a step.
        grid
            Names with their values, of which all combinations are made; or a list of points.

        Returns
        -------
        One table with the names of the grid as first columns, if the function returns tables, or a dict of
        plain values for a row; else a list in the order of the grid.

        Raises
        ------
        Bulk2scError
            If the grid is empty, a name of it is no setting of the fit or of what it reads, a value is not
            plain, or the function uses `study` itself, so that what it reads cannot be seen.
        """
        if isinstance(grid, Mapping):
            grid = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
        points = list(grid)
        if not points:
            raise Bulk2scError("study.each: the grid is empty; give each name at least one value")
        code = code_of(fit if callable(fit) else step_of(fit))
        tasks = [self._ready(fit, point, code) for point in points]
        self._note(tasks)
        missing = list({task.key: task for task in tasks if not task.made}.values())
        if missing:
            say(f"{missing[0].name}: {len(missing)} of {len(tasks)} to make …")
            jobs = int(os.environ.get("BULK2SC_JOBS", 0)) or os.cpu_count()
            with joblib.parallel_config("loky", n_jobs=min(jobs, len(missing)), inner_max_num_threads=1):
                joblib.Parallel()(joblib.delayed(task.make)() for task in missing)
        values = [task.value() for task in tasks]
        return _joined(points, values) if isinstance(values[0], pd.DataFrame | dict) else values

    def write(self, name: str, table: pd.DataFrame) -> pd.DataFrame:
        """Write a table of results as ``<name>.csv`` beside the chapter's notebook, and return it."""
        with writing(self.results), atomic(self.results / f"{name}.csv") as partial:
            table.to_csv(partial, index=False)
        return table

    def table(self, chapter: str, name: str) -> pd.DataFrame:
        """Return a table that another chapter of the edition wrote, made first where it is missing.

        Without rows and columns where the edition leaves the chapter out.
        """
        from bulk2sc.book.plan import plan, toc_files  # which import this module

        run = next((c.run for c in plan(self.edition).chapters if c.slug == chapter), None)
        if run is None:
            every = [Path(file).name for file in toc_files(read_yaml(project_root() / "_toc.yml"))]
            refuse_unknown(chapter, every, "chapter")
            return pd.DataFrame()
        run.make()
        return _read_table(run.path / "results" / f"{name}.csv")

    def _note(self, tasks: Iterable[Task]) -> None:
        """Note beside a chapter's tables which results it reads: they stay when old ones are removed."""
        if "BULK2SC_RESULTS" in os.environ:
            with writing(self.results.parent), self.results.with_name(READS).open("a") as file:
                file.writelines({f"{each.path.name}\n" for task in tasks for each in task.with_needs()})

    def keep(self, name: str, table: pd.DataFrame, reads: Sequence[str]) -> None:
        """Keep the results of a script as ``benchmarks/<name>.csv``, with what made them beside it."""
        folder, keys = project_root() / "benchmarks", {step: self.task(step, {}).key for step in reads}
        note = {
            "edition": self.edition,
            "settings": self.given,
            "keys": keys,
            "script": Path(sys.argv[0]).name,
        }
        note |= {"code": _code_behind(note), "commit": commit(), "date": f"{date.today()}"}
        table.to_csv(folder / f"{name}.csv", index=False)
        write_json(folder / f"{name}.json", note)

    def kept(self, name: str) -> pd.DataFrame:
        """Return results that `keep` kept; NA and None are names."""
        return _read_table(project_root() / "benchmarks" / f"{name}.csv")

    def task(self, step: Callable | str, settings: Mapping[str, Any], code: dict | None = None) -> Task:
        """Return a step or fit under these settings, not made yet."""
        function = step if callable(step) else step_of(step)
        refuse_unknown(settings, sorted(all_settings(function)), f"{function.__name__}: setting")
        return self._task(function, self.settings | settings, code)

    def _task(self, function: Callable, settings: dict[str, Any], code: dict | None = None) -> Task:
        needs = tuple(self._task(step_of(name), settings) for name in needs_of(function))
        chosen = {}
        for name, setting in _settings(function).items():
            what = f"{function.__name__}: setting '{name}'"
            if name not in settings and setting.default is setting.empty:
                raise Bulk2scError(f"{what} has no value; give it one, or put it in the grid")
            value = settings.get(name, setting.default)
            value = value.item() if isinstance(value, np.generic) else value
            if setting.annotation is not setting.empty:
                value = conform(value, type_name(setting.annotation), what)
            elif not _plain(value):
                raise Bulk2scError(
                    f"{what} must be a plain value (text, number, list, dict), found {value!r}"
                )
            chosen[name] = value
        code = code or _code_of_step(function)
        return Task(function.__name__, function, chosen, needs, input_files(chosen), code)

    def _ready(self, step: Callable | str, settings: Mapping[str, Any], code: dict | None = None) -> Task:
        """Return a step once its data are here: checksums noted with them are part of its address."""
        from bulk2sc.datasets import fetch, noted, sources

        task = self.task(step, settings, code)
        wanted = {key for part in task.with_needs() for key in part.files} & sources().keys()
        missing = [key for key in sorted(wanted) if sources()[key].alternatives and not noted(key)]
        for key in missing:
            fetch(key)
        return self.task(step, settings, code) if missing else task


def all_steps() -> dict[str, Callable]:
    """Return every step by its name."""
    functions = inspect.getmembers(steps, inspect.isfunction)
    return {n: f for n, f in functions if f.__module__ == steps.__name__ and not n.startswith("_")}


def step_of(name: str) -> Callable:
    """Return a step by its name, or raise with the nearest names."""
    refuse_unknown(name, all_steps(), "step")
    return all_steps()[name]


def needs_of(function: Callable) -> list[str]:
    """Return the names of the steps that a step or fit reads."""
    arguments = inspect.signature(function).parameters.values()
    return [argument.name for argument in arguments if argument.kind is not argument.KEYWORD_ONLY]


def _settings(function: Callable) -> dict[str, inspect.Parameter]:
    arguments = inspect.signature(function).parameters.values()
    return {argument.name: argument for argument in arguments if argument.kind is argument.KEYWORD_ONLY}


def all_settings(function: Callable) -> set[str]:
    """Return the names of the settings of a step or fit and of all that it reads."""
    return {*_settings(function)}.union(*(all_settings(step_of(name)) for name in needs_of(function)))


def step_types() -> dict[str, str]:
    """Return the type of every setting of every step, by name."""
    return {
        name: type_name(setting.annotation)
        for step in all_steps().values()
        for name, setting in _settings(step).items()
    }


def _read_table(file: Path) -> pd.DataFrame:
    return pd.read_csv(file, keep_default_na=False, na_values=[""])  # NA and None are names


def _plain(value: Any) -> bool:
    if isinstance(value, list | dict):
        return all(map(_plain, value.values() if isinstance(value, dict) else value))
    return isinstance(value, str | int | float | None)


def _joined(points: list[Mapping], values: list) -> pd.DataFrame:
    """Join tables, or rows, with the point of the grid that each belongs to in the first columns."""
    tables = []
    for point, value in zip(points, values, strict=True):
        table = pd.DataFrame([value]) if isinstance(value, dict) else value
        for name in reversed([name for name in point if name not in table]):
            table.insert(0, name, [point[name]] * len(table))
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def made_with_other_code(note: dict[str, Any]) -> bool:
    """Tell whether the script of kept results, what it imports or the steps it read are others today."""
    try:
        return _code_behind(note) != note.get("code")
    except Bulk2scError:  # an edition, step or setting of then is no more
        return True


def _code_behind(note: dict[str, Any]) -> str:
    """Return a hash of the code and settings behind kept results; libraries and machine do not count."""
    study = Study(note["edition"], **note["settings"])
    script = project_root() / "benchmarks" / note.get("script", "")
    source = script.read_text(encoding="utf-8") if script.is_file() else ""
    tasks = [each for step in note["keys"] for each in study.task(step, {}).with_needs()]
    behind = [[each.name, each.settings, each.code] for each in tasks]
    return digest([bare(source), closure(modules(source)), behind, data_digest()])


def own_file(value: Any) -> Path | None:
    """Return the file of one's own that a setting names, of cells, a rule or a method, or None."""
    path = Path(in_project(value)) if isinstance(value, str) and is_own(value) else None
    return path if path and path.exists() else None


def input_files(settings: dict[str, Any]) -> dict[str, str]:
    """Return a hash of each file that settings name, and of each source of data, as noted or registered."""
    from bulk2sc.datasets import needed, noted, sources

    listed = [item for value in settings.values() if isinstance(value, list) for item in value]
    named = settings | {item: item for item in (*settings.get("studies", {}), *listed)}
    own = {name: file_digest(path) for name, value in named.items() if (path := own_file(value))}
    pinned = {key: [file.sha256 for file in sources()[key].files] for key in needed(settings)}
    return own | {key: noted(key) or digest(files) for key, files in pinned.items()}
