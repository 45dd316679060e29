"""The store: results lie at ``_build/store/<name>-<key>``, and the address alone decides what is current.

A key is a hash of all that decides a result: settings, the keys of what it reads, code, versions, data.
Code counts as it is parsed, without docstrings and comments.
"""

import ast
import dis
import fcntl
import inspect
import os
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import joblib
from threadpoolctl import threadpool_limits

from bulk2sc.book.formats import read, write
from bulk2sc.errors import Bulk2scError
from bulk2sc.settings import (
    COMPUTING,
    ONE_THREAD,
    UNFINISHED,
    arithmetic,
    data_digest,
    digest,
    environ,
    project_root,
    versions,
    write_json,
)

PACKAGE = Path(__file__).parents[1]
STORE = Path("_build", "store")  # in the project
NOTE = "note.json"
LOCKS, IN_USE = ".locks", ".in-use"  # a folder of the store, and there the lock of the whole store
RUNNER = __package__  # what runs the book cannot change what a step makes


# ------------------------------------------------------------------------------------------------------ code


class _Bare(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        docstring = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if docstring else self.generic_visit(node)


def bare(source: str) -> str:
    """Return source code as a text in which nothing is left but code."""
    return ast.dump(_Bare().visit(ast.parse(source)))


def modules(source: str, package: str = PACKAGE.name) -> set[str]:
    """Return the modules of this package that source code of `package` imports, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: 1 - node.level or None] if node.level else []
            start = ".".join([*above, *filter(None, [node.module])])
            found |= {start} | {f"{start}.{alias.name}" for alias in node.names}
    return {name for name in found if _file(name) and not name.startswith(RUNNER)}


def _file(module: str) -> Path | None:
    package, *parts = module.split(".")
    path = PACKAGE.joinpath(*parts)
    files = (path / "__init__.py", path.with_suffix(".py"))
    return next((file for file in files if package == PACKAGE.name and file.is_file()), None)


@cache
def _read_module(name: str) -> tuple[str, set[str]]:
    """Return the hash of a module's code, and the modules that come with it."""
    file, above = _file(name), name.rpartition(".")[0]
    source = file.read_text(encoding="utf-8")
    imported = modules(source, name if file.name == "__init__.py" else above)
    return digest(bare(source)), imported | ({above} if above else set())


def closure(names: set[str]) -> dict[str, str]:
    """Return the hash of the code of these modules and of all that come with them, by name."""
    found, left = {}, set(names)
    while left:
        name = left.pop()
        found[name], imported = _read_module(name)
        left |= imported - found.keys()
    return found


def code_of(function: Callable) -> dict[str, Any]:
    """Return what decides what a function does: its code, what it uses from outside, the modules it imports.

    Raises
    ------
    Bulk2scError
        If its source is not to be had.
    """
    found, imported, seen, left = {}, set(), set(), [function]
    while left:
        part = left.pop()
        seen.add(part)
        try:
            source = textwrap.dedent(inspect.getsource(part))
        except (OSError, TypeError) as error:
            raise Bulk2scError(f"{part.__qualname__}: its source is not to be had ({error})") from error
        found[part.__qualname__] = bare(source)
        imported |= modules(source)
        for name, value in _outside(part):
            if isinstance(value, FunctionType) and value.__module__ == function.__module__:
                left += {value} - seen
            elif callable(value) and getattr(value, "__module__", "") == function.__module__:
                raise Bulk2scError(
                    f"{name}: a fit can use functions (def) of its notebook, and no {type(value).__name__}"
                )
            elif isinstance(value, ModuleType) or callable(value):
                module = value.__name__ if isinstance(value, ModuleType) else str(value.__module__)
                imported |= {module} if _file(module) else set()
                found[name] = f"{module}.{getattr(value, '__qualname__', '')}"
            else:
                found[name] = joblib.hash(value)
    return {"code": digest(found), "modules": closure(imported)}


def _outside(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield what a function uses that is neither an argument nor built in: globals, and names around it."""
    for name in sorted(globals_of(function.__code__) & function.__globals__.keys()):
        yield name, function.__globals__[name]
    around = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    yield from ((name, cell.cell_contents) for name, cell in around)


def globals_of(code: CodeType) -> set[str]:
    """Return the global names that code reads, inside its functions too."""
    used = {i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    return used.union(*(globals_of(inner) for inner in code.co_consts if inspect.iscode(inner)))


def surroundings(modules: dict[str, str]) -> dict[str, Any]:
    """Return what results of these modules hang on beside code and settings: versions, machine, data."""
    rounded = arithmetic() if f"{PACKAGE.name}.train" in modules else {}
    files = _read_module(f"{RUNNER}.formats")[0]  # what readers get hangs on it
    return {"made_with": versions(COMPUTING) | rounded, "data": data_digest(), "formats": files}


# ----------------------------------------------------------------------------------------------------- store


def say(text: str) -> None:
    """Tell what takes time; executed notebooks do not keep it."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def locked(file: Path, waiting: str, how: int = fcntl.LOCK_EX) -> Iterator[None]:
    """Hold the lock of a file, which ends with the process; say `waiting` where others have it."""
    with writing(file.parent):
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = file.open("w")
    with lock:
        # Snakemake inherits it: when only the command is killed, the next build waits for Snakemake.
        os.set_inheritable(lock.fileno(), True)
        try:
            fcntl.flock(lock, how | fcntl.LOCK_NB)
        except BlockingIOError:
            say(waiting)
            fcntl.flock(lock, how)
        yield


def in_use(store: Path) -> AbstractContextManager[None]:
    """Keep anybody from removing results meanwhile."""
    return locked(store / LOCKS / IN_USE, "waiting for what removes old results", fcntl.LOCK_SH)


@contextmanager
def making(path: Path) -> Iterator[Path | None]:
    """Yield a folder to fill that becomes `path`; None if another process has made it meanwhile.

    A folder without ``note.json`` is not whole, and counts as not there.

    Raises
    ------
    Bulk2scError
        If the store cannot be written.
    """
    store, partial = path.parent, path.with_name(f"{UNFINISHED}{path.name}")
    waiting = f"{path.name}: waiting for another process that makes it"
    with in_use(store), locked(store / LOCKS / path.name, waiting):
        if (path / NOTE).exists():
            yield None
            return
        with writing(store):
            shutil.rmtree(partial, ignore_errors=True)  # of a killed process
            partial.mkdir()
        yield partial
        with writing(store):
            shutil.rmtree(path, ignore_errors=True)
            os.replace(partial, path)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn an error of the system while something is written into one line."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error).splitlines()[0]
        raise Bulk2scError(f"{folder}: cannot be written ({reason}); make room or choose another") from error


class Entry:
    """What has an address in the store: a `name`, and a `key` of all that decides the outcome."""

    @property
    def path(self) -> Path:
        """The address."""
        return project_root() / STORE / f"{self.name}-{self.key}"

    @property
    def note(self) -> Path:
        """The file that says how it was made, and that it is whole."""
        return self.path / NOTE

    @property
    def made(self) -> bool:
        """Whether it is in the store."""
        return self.note.exists()

    def make(self) -> None:
        """Make it, and first what it reads, unless it is there."""
        if self.made:
            return
        with making(self.path) as folder:
            if folder:
                self.fill(folder)


@dataclass(frozen=True)
class Task(Entry):
    """One result: the function that makes it, its settings, and the results it reads."""

    name: str
    function: Callable
    settings: dict[str, Any]
    needs: tuple["Task", ...]
    files: dict[str, str]
    code: dict[str, Any]

    @cached_property
    def key(self) -> str:
        """Hash of all that decides the result."""
        needs = [need.key for need in self.needs]
        about = {"settings": self.settings, "needs": needs, "files": self.files, "code": self.code}
        return digest(about | surroundings(self.code["modules"]))

    def with_needs(self) -> Iterator["Task"]:
        """Yield it and all that it reads, directly or not."""
        yield self
        for need in self.needs:
            yield from need.with_needs()

    def fill(self, folder: Path) -> None:
        """Write the result, and how it was made, into a new folder; nothing is left there if that fails."""
        try:
            needs, started = [need.value() for need in self.needs], time.monotonic()
            say(f"{self.name}: it is made …")
            # More threads round sums otherwise, and Jupyter gives libraries all that there are.
            with environ(ONE_THREAD), threadpool_limits(1):
                value = self.function(*needs, **self.settings)
            seconds = round(time.monotonic() - started, 1)
            note = {"settings": self.settings, "needs": {need.name: need.key for need in self.needs}}
            with writing(folder.parent):
                write(value, folder / "value")
                write_json(folder / NOTE, note | {"seconds": seconds})
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def value(self) -> Any:
        """Return the result as read from its files, so that nothing done to it reaches another reader."""
        self.make()
        try:
            (file,) = self.path.glob("value.*")
            return read(file)
        except (OSError, EOFError, ValueError, KeyError) as error:
            raise Bulk2scError(f"{self.path}: is damaged ({error}); remove it, it is made again") from error
