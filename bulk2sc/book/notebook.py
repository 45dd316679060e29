"""Run one notebook with strict parameters, keep what it shows, and write down how it was made."""

import ast
import logging
import os
import platform
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from bulk2sc import settings
from bulk2sc.errors import Bulk2scError, did_you_mean
from bulk2sc.settings import atomic, conform, digest, known_type, project_root, write_json

PACKAGES = (
    "bulk2sc",
    "torch",
    "scanpy",
    "anndata",
    "scikit-learn",
    "numpy",
    "pandas",
    "papermill",
    "jupyter-book",
)
# One thread per chapter: chapters run in parallel, and the same number of threads gives the same numbers.
KERNEL_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "TQDM_DISABLE": "1",
    "JUPYTER_PREFER_ENV_PATH": "1",
    **settings.UTF8,
}


# ---------------------------------------------------------------------------------------------- parameters


@dataclass(frozen=True)
class Parameter:
    """A declared parameter of a notebook: ``name: type = default  # help``."""

    name: str
    type: str
    default: Any
    help: str


def parameters(path: Path) -> list[Parameter]:
    """Return the parameters that a notebook declares in its cell tagged ``parameters``.

    Raises
    ------
    Bulk2scError
        If there is no such notebook or cell, or a line of the cell is no declaration that papermill
        understands (it drops the others in silence).
    """
    from papermill.inspection import inspect_notebook

    cell = _parameters_cell(path)
    understood = inspect_notebook(str(path))
    try:
        statements = ast.parse(cell.source).body
    except SyntaxError as error:
        raise Bulk2scError(f"{path}: the cell tagged 'parameters' is not Python: {error}") from error
    found = []
    for statement in statements:
        line = cell.source.splitlines()[statement.lineno - 1].strip()
        name = getattr(getattr(statement, "target", None), "id", None)
        parameter = understood.get(name)
        if not isinstance(statement, ast.AnnAssign) or not parameter:
            raise _not_understood(path, line)
        type_name = ast.unparse(statement.annotation)
        if not known_type(type_name) or parameter["inferred_type_name"] != type_name or not parameter["help"]:
            raise _not_understood(path, line)
        try:
            default = ast.literal_eval(parameter["default"])
        except (ValueError, SyntaxError):
            raise _not_understood(path, line) from None
        default = conform(default, type_name, f"{path}: default of '{name}'")
        found.append(Parameter(name, type_name, default, parameter["help"].strip()))
    return found


def _parameters_cell(path: Path) -> nbformat.NotebookNode:
    cells = [c for c in read_notebook(path).cells if "parameters" in c.metadata.get("tags", [])]
    if len(cells) != 1:
        raise Bulk2scError(f"{path}: found {len(cells)} cells tagged 'parameters'; tag exactly one")
    return cells[0]


def read_notebook(path: Path) -> nbformat.NotebookNode:
    """Read a notebook, or raise `Bulk2scError` naming what is wrong with the file."""
    try:
        return nbformat.read(path, as_version=4)
    except FileNotFoundError:
        raise Bulk2scError(f"{path}: no such notebook") from None
    except Exception as error:  # nbformat and json have many ways to say that a file is no notebook
        raise Bulk2scError(f"{path}: is not a notebook ({str(error).splitlines()[0]})") from error


def title(path: Path) -> str:
    """Return the first heading of a notebook, or its name where it has none."""
    text = "\n".join(cell.source for cell in read_notebook(path).cells if cell.cell_type == "markdown")
    heading = re.search(r"^# +(.+)$", text, re.MULTILINE)
    return heading[1].strip() if heading else path.stem


def _not_understood(path: Path, line: str) -> Bulk2scError:
    return Bulk2scError(
        f"{path}: cannot read the parameter line {line!r}; write 'name: type = value  # help' on one line, "
        "with a type out of str, int, float, bool, list[...], dict[str, ...], and no '=' in the help"
    )


def in_force(chapter: str, declared: list[Parameter], given: dict[str, Any]) -> dict[str, Any]:
    """Return the value of every declared parameter: the given one, else the default.

    Raises
    ------
    Bulk2scError
        If a given name is not declared, or its value has the wrong type.
    """
    by_name = {p.name: p for p in declared}
    for name in given:
        if name not in by_name:
            raise Bulk2scError(
                f"chapter '{chapter}' has no parameter '{name}'; it has {', '.join(by_name)}."
                + did_you_mean(name, by_name)
            )
    values = {p.name: given.get(p.name, p.default) for p in declared}
    return {
        n: conform(v, by_name[n].type, f"chapter '{chapter}': parameter '{n}'") for n, v in values.items()
    }


# ---------------------------------------------------------------------------------------------- execution


def execute(
    chapter: str,
    source: Path,
    output: Path,
    values: dict[str, Any],
    *,
    environment: dict[str, str],
    facts: dict[str, Any],
) -> dict:
    """Run a notebook, write it tidied to `output`, and its provenance beside it.

    Parameters
    ----------
    chapter
        Slug, for messages.
    source, output
        The notebook, and where it goes with its outputs. `output` appears only when every cell ran.
    values
        Parameters in force, already checked.
    environment
        Environment variables for the kernel, beside those that fix the number of threads.
    facts
        What else belongs into the provenance.

    Returns
    -------
    dict
        The provenance, also written to ``<output stem>.provenance.json``.

    Raises
    ------
    Bulk2scError
        If a cell raises (and is not tagged ``raises-exception``) or the kernel dies.
    """
    started = time.monotonic()
    sidecar, failed = output.with_suffix(".provenance.json"), output.with_suffix(".failed.ipynb")
    with environ(KERNEL_ENVIRONMENT | environment):
        notebook = _run(chapter, source, output, values)
    tidy(notebook)
    error = first_error(notebook)
    write_notebook(notebook, failed if error else output)
    if error:
        raise Bulk2scError(f"chapter '{chapter}', {error}; the notebook with the traceback is {failed}")
    provenance = facts | {
        "chapter": chapter,
        "parameters": values,
        "parameter_hash": digest(values),
        "seconds": round(time.monotonic() - started, 1),
        "peak_memory_mb": _peak_memory_of_children(),
        "commit": commit(),
        "versions": versions(),
    }
    write_json(sidecar, provenance)
    return provenance


def _run(chapter: str, source: Path, output: Path, values: dict[str, Any]) -> nbformat.NotebookNode:
    """Execute with papermill; a kernel that does not even start is given one more chance."""
    for attempt in (1, 2):
        notebook, problem = _papermill(source, output, values)
        if problem is None:
            return notebook
        if any(cell.get("execution_count") for cell in notebook.cells) or attempt == 2:
            raise Bulk2scError(
                f"chapter '{chapter}': the kernel stopped ({problem}); it may have run out of memory"
            )


def _papermill(
    source: Path, output: Path, values: dict[str, Any]
) -> tuple[nbformat.NotebookNode, Exception | None]:
    """Return the notebook as far as it ran, and why the kernel stopped if it did."""
    import papermill
    from papermill.execute import remove_error_markers

    logging.getLogger("papermill").setLevel(logging.ERROR)
    problem = None
    with atomic(output.with_suffix(".log")) as log, log.open("w") as stderr:
        partial = log.with_suffix(".ipynb")
        try:
            papermill.execute_notebook(
                str(source),
                str(partial),
                parameters=values,
                progress_bar=False,
                cwd=str(project_root()),
                stderr_file=stderr,
                coalesce_streams=True,
                extra_arguments=["--IPKernelApp.log_level=CRITICAL"],  # silent when interrupted
            )
        except papermill.PapermillExecutionError:
            pass  # kept in the notebook, where first_error finds it
        except RuntimeError as error:  # of jupyter_client and nbclient: the kernel died or did not answer
            problem = error
        notebook = read_notebook(partial if partial.exists() else source)
    return remove_error_markers(notebook), problem


@contextmanager
def environ(variables: dict[str, str]) -> Iterator[None]:
    """Set environment variables for the block."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def first_error(notebook: nbformat.NotebookNode) -> str | None:
    """Describe the first error output that is not tagged ``raises-exception``, or return None."""
    for cell in notebook.cells:
        if "raises-exception" in cell.metadata.get("tags", []):
            continue
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                reason = (output.evalue.strip() or "no message").splitlines()[0]
                return f"cell [{cell.execution_count}]: {output.ename}: {reason}"
    return None


def tidy(notebook: nbformat.NotebookNode) -> None:
    """Remove what differs between two equal runs: times, random cell ids, versions, warnings with paths."""
    kernel = notebook.metadata.get("kernelspec", {})
    kept = {"kernelspec": {key: kernel[key] for key in ("name", "display_name", "language") if key in kernel}}
    kept["language_info"] = {"name": "python"}
    notebook.metadata = nbformat.from_dict(
        kept | {key: notebook.metadata[key] for key in ("mystnb",) if key in notebook.metadata}
    )
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        for volatile in ("papermill", "execution"):
            cell.metadata.pop(volatile, None)
        if cell.cell_type == "code":
            cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]


def write_notebook(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Write a notebook at once or not at all."""
    with atomic(path) as partial:
        nbformat.write(notebook, partial)


def _peak_memory_of_children() -> int:
    """Return the peak memory in MB of the largest child that has ended: the kernel."""
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return round(peak / (1 << 20 if sys.platform == "darwin" else 1 << 10))


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that matter."""
    return {"python": platform.python_version()} | settings.versions(PACKAGES)


def commit() -> str:
    """Return the project's git commit, marked where files differ from it, or ``"not in git"``."""
    command = [
        "git",
        "-C",
        str(project_root()),
        "describe",
        "--always",
        "--abbrev=12",
        "--exclude=*",
        "--dirty",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
        return done.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "not in git"


# ---------------------------------------------------------------------------------------------- run card


def run_card(chapter: str, declared: list[Parameter], values: dict[str, Any]) -> str:
    """Return the card of a run as Markdown: its parameters, and the command to run it again."""
    rows = [("parameter", "type", "default", "this run", "meaning"), ("---",) * 5]
    rows += [(f"`{p.name}`", p.type, f"`{p.default!r}`", f"`{values[p.name]!r}`", p.help) for p in declared]
    table = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)
    return (
        f"{table}\n\nRun it again, with a `-p NAME VALUE` for each parameter you want to change:\n\n"
        f"```bash\nbulk2sc run {chapter} --edition {values['edition']}\n```"
    )


def provenance_block(provenance: dict) -> str:
    """Return the provenance of a run as Markdown."""
    data = provenance.get("data", {})
    lines = {
        "Parameters": f"hash `{provenance['parameter_hash']}`",
        "Code": f"commit `{provenance['commit']}`",
        "Data": ", ".join(f"{name} `{sha[:12]}`" for name, sha in data.items()) or "none",
        "Duration": f"{provenance['seconds']:.1f} s",
        "Peak memory": f"{provenance['peak_memory_mb']} MB",
        "Versions": ", ".join(f"{name} {number}" for name, number in provenance["versions"].items()),
    }
    table = "\n".join(f"| {name} | {text} |" for name, text in lines.items())
    return f"| what | value |\n| --- | --- |\n{table}"
