import re
from pathlib import Path

import pytest
import small_book

from bulk2sc import cli, datasets
from bulk2sc.book import build
from bulk2sc.errors import Bulk2scError


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("BULK2SC_ROOT", str(tmp_path))
    monkeypatch.delenv("BULK2SC_DEBUG", raising=False)
    return small_book.write_book(tmp_path)


def fails(capsys, *arguments):
    """Run a command that must fail; return its one line on stderr."""
    try:
        code = cli.main(list(arguments))
    except SystemExit as end:
        code = end.code
    assert code == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and said.err.startswith("bulk2sc: error: ")
    return said.err.removeprefix("bulk2sc: error: ").strip()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND; see: bulk2sc --help"),
        (["bok"], "invalid choice: 'bok'"),
        (["run"], "the following arguments are required: CHAPTER; see: bulk2sc run --help"),
        (["run", "alpha", "-p", "k"], "argument -p: expected 2 arguments"),
        (["predict", "cells.h5ad"], "required: --drug, --out"),
        (["book", "--cores", "two"], "argument --cores: must be a whole number, at least 1, found two"),
        (["book", "--cores", "0"], "argument --cores: must be a whole number, at least 1, found 0"),
        (
            ["run", "baselines", "--edition", "smoke", "--cores", "0"],
            "argument --cores: must be a whole number, at least 1, found 0",
        ),
        (["fetch", "--from", "x.whl"], "--from takes files of one KEY, found 0 keys"),
        (["fetch"], "say which data sets: name each KEY, or --all; see: bulk2sc fetch --list"),
    ],
)
def test_a_wrong_command_line_is_one_line(arguments, message, capsys):
    assert message in fails(capsys, *arguments)


# ---------------------------------------------------------------------------------------- book, run, params


@pytest.fixture
def asked(monkeypatch):
    """Return what is asked of `build.run_chapter`, which makes nothing."""
    asked = []

    def run_chapter(planned, slug, given, cores):
        asked.append((planned.edition.name, slug, given, cores))
        return planned.chapter(slug).run

    monkeypatch.setattr(build, "run_chapter", run_chapter)
    return asked


def test_run_reads_values_by_the_type_of_the_parameter(root, asked, capsys):
    small_book.write_notebook(
        root / "notebooks" / "second" / "gamma.ipynb",
        ["divide_by: int = 2  # number", "methods: list[str] = []  # methods", 'label: str = ""  # label'],
        {},
    )
    arguments = ["run", "gamma", "--edition", "small", "-p", "divide_by", "3", "-p", "methods", "[LR, a b]"]
    assert cli.main([*arguments, "-p", "label", "7", "--cores", "3"]) == 0
    assert asked == [("small", "gamma", {"divide_by": 3, "methods": ["LR", "a b"], "label": "7"}, 3)]
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "gamma …" and re.fullmatch(r"notebook: .*/store/gamma-\w+/gamma.ipynb", said[1])
    assert re.fullmatch(r"results: .*/store/gamma-\w+/results", said[2])


def test_book_removes_old_results_where_asked(monkeypatch, capsys):
    monkeypatch.setattr(build, "build", lambda edition, cores: f"{edition} {cores}")
    monkeypatch.setattr(build, "prune", lambda: 2_500_000)
    assert cli.main(["book", "--cores", "3"]) == 0
    assert cli.main(["book", "--prune"]) == 0
    said = "book: demo 3\nbook: demo None\nremoved from the store: 2.5 MB\n"
    assert capsys.readouterr().out == said


def test_run_takes_a_file_from_the_working_folder(root, asked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.h5ad").touch()
    for value in ("mine.h5ad", "not_here.h5ad", "mine"):
        cli.main(["run", "alpha", "--edition", "small", "-p", "note", value])
    assert [given["note"] for _, _, given, _ in asked] == [
        str(tmp_path / "mine.h5ad"),
        "not_here.h5ad",
        "mine",
    ]


# ---------------------------------------------------------------------------------------- fetch, predict


def test_fetch_of_several_goes_on_and_names_what_is_missing(monkeypatch, capsys):
    def fetch(key, from_files):
        if key == "GSE118767":
            raise Bulk2scError("not to be had")
        return [Path(f"/c/{key}")]

    monkeypatch.setattr(datasets, "fetch", fetch)
    assert cli.main(["fetch", "GSE118767", "GSE149383"]) == 2
    said = capsys.readouterr()
    assert said.out == "/c/GSE149383\n"
    assert said.err.splitlines() == [
        "bulk2sc: warning: not to be had",
        "bulk2sc: error: 1 of 2 data sets are not to be had: GSE118767",
    ]
    assert fails(capsys, "fetch", "GSE118767") == "not to be had"


def test_fetch_lists_without_fetching(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("BULK2SC_CACHE", str(tmp_path))  # nothing is here
    monkeypatch.setattr(datasets, "fetch", lambda *_: pytest.fail("fetched"))
    assert cli.main(["fetch", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[::2]] == list(datasets.sources())
    assert "77.5 MB" in lines[0] and "checksum: pinned; licence: GDSC data" in lines[1]
    shown = dict(zip(lines[::2], lines[1::2], strict=True))
    assert any("size unknown" in line and "else noted on first" in note for line, note in shown.items())
    assert len({line.index(datasets.sources()[line.split()[0]].title) for line in shown}) == 1  # columns
    assert cli.main(["fetch", "--list", "GSE118767"]) == 0
    assert datasets.sources()["GSE118767"].title in capsys.readouterr().out


def test_fetch_of_an_unknown_key(capsys):
    assert "Did you mean 'GSE118767'" in fails(capsys, "fetch", "GSE118768")
    assert "Did you mean 'GSE118767'" in fails(capsys, "fetch", "--list", "GSE118768")
    assert "data source 'NOPE' is unknown" in fails(capsys, "fetch", "--list", "NOPE")


# ---------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (Bulk2scError("two\nlines"), "two lines"),
        (OSError(28, "No space left on device", "cells.h5ad"), "No space left on device: 'cells.h5ad'"),
    ],
)
def test_mistakes_are_one_line_unless_a_traceback_is_asked_for(monkeypatch, capsys, error, message):
    def fail(*_):
        raise error

    monkeypatch.delenv("BULK2SC_DEBUG", raising=False)
    monkeypatch.setattr(build, "build", fail)
    assert message in fails(capsys, "book")
    monkeypatch.setenv("BULK2SC_DEBUG", "1")
    with pytest.raises(type(error)):
        cli.main(["book"])


def test_an_interrupt_is_130(monkeypatch, capsys):
    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(build, "build", fail)
    assert cli.main(["book"]) == 130
    assert capsys.readouterr().err == "bulk2sc: interrupted\n"
