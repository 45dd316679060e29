"""Run one notebook with strict parameters, keep what it shows, and write down how it was made."""

import ast
import logging
import platform
import re
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from bulk2sc import settings
from bulk2sc.errors import Bulk2scError, refuse_unknown
from bulk2sc.settings import TYPES, atomic, conform, digest, environ, project_root

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
    **settings.ONE_THREAD,
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
    from papermill.translators import PythonTranslator

    cells = [c for c in read_notebook(path).cells if "parameters" in c.metadata.get("tags", [])]
    if len(cells) != 1:
        raise Bulk2scError(f"{path}: found {len(cells)} cells tagged 'parameters'; tag exactly one")
    source = cells[0].source
    understood = {parameter.name: parameter for parameter in PythonTranslator.inspect(cells[0])}
    try:
        statements = ast.parse(source).body
    except SyntaxError as error:
        raise Bulk2scError(f"{path}: the cell tagged 'parameters' is not Python: {error}") from error
    found = []
    for statement in statements:
        try:
            parameter, type_name = understood[statement.target.id], ast.unparse(statement.annotation)
            default = ast.literal_eval(parameter.default)
            dropped = parameter.inferred_type_name != type_name or not parameter.help
        except (AttributeError, KeyError, ValueError, SyntaxError):  # no declaration, or no plain value
            dropped = True
        if dropped or type_name not in TYPES:
            line = source.splitlines()[statement.lineno - 1].strip()
            raise Bulk2scError(
                f"{path}: cannot read the parameter line {line!r}; write 'name: type = value  # help' on one "
                "line, with a type out of str, int, float, bool, list[...], dict[str, ...], and no '=' in"
                " the help"
            )
        default = conform(default, type_name, f"{path}: default of '{parameter.name}'")
        found.append(Parameter(parameter.name, type_name, default, parameter.help.strip()))
    return found


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


def in_force(chapter: str, declared: list[Parameter], given: dict[str, Any]) -> dict[str, Any]:
    """Return the value of every declared parameter: the given one, else the default.

    Raises
    ------
    Bulk2scError
        If a given name is not declared, or its value has the wrong type.
    """
    types, what = {p.name: p.type for p in declared}, f"chapter '{chapter}': parameter"
    refuse_unknown(given, types, what)
    values = {p.name: p.default for p in declared} | given
    return {name: conform(values[name], kind, f"{what} '{name}'") for name, kind in types.items()}


# ---------------------------------------------------------------------------------------------- execution


def execute(
    chapter: str,
    source: nbformat.NotebookNode,
    output: Path,
    values: dict[str, Any],
    environment: dict[str, str],
) -> dict[str, Any]:
    """Run a notebook, write it tidied to `output`, and return how it was made.

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

    Raises
    ------
    Bulk2scError
        If a cell raises (and is not tagged ``raises-exception``) or the kernel dies.
    """
    started = time.monotonic()
    with environ(KERNEL_ENVIRONMENT | environment):
        notebook, problem = _papermill(source, output, values)
        if problem and not _began(notebook):  # kernels that start at once may meet
            notebook, problem = _papermill(source, output, values)
    if problem:
        raise Bulk2scError(
            f"chapter '{chapter}': the kernel stopped ({problem}); it may have run out of memory"
        )
    tidy(notebook)
    error, failed = first_error(notebook), output.with_suffix(".failed.ipynb")
    write_notebook(notebook, failed if error else output)
    if error:
        raise Bulk2scError(f"chapter '{chapter}', {error}; the notebook with the traceback is {failed}")
    return {
        "chapter": chapter,
        "parameters": values,
        "parameter_hash": digest(values),
        "seconds": round(time.monotonic() - started, 1),
        "peak_memory_mb": _peak_memory_of_children(),
        "commit": commit(),
        "versions": {"python": platform.python_version()} | settings.versions(PACKAGES),
    }


def _began(notebook: nbformat.NotebookNode) -> bool:
    return any(cell.get("execution_count") for cell in notebook.cells)


def _papermill(
    source: nbformat.NotebookNode, output: Path, values: dict[str, Any]
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
                source,
                partial,
                parameters=values,
                progress_bar=False,
                cwd=project_root(),
                stderr_file=stderr,
                coalesce_streams=True,
                extra_arguments=["--IPKernelApp.log_level=CRITICAL"],  # silent when interrupted
            )
        except papermill.PapermillExecutionError:
            pass  # kept in the notebook, where first_error finds it
        except RuntimeError as error:  # of jupyter_client and nbclient: the kernel died or did not answer
            problem = error
        notebook = read_notebook(partial) if partial.exists() else source
    return remove_error_markers(notebook), problem


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
    notebook.metadata = nbformat.from_dict(kept | {"language_info": {"name": "python"}})
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


def commit() -> str:
    """Return the project's git commit, marked where files differ from it, or ``"not in git"``."""
    describe = ["describe", "--always", "--abbrev=12", "--exclude=*", "--dirty"]
    command = ["git", "-C", str(project_root()), *describe]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
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
