"""A book of three tiny chapters for tests; say `pytest_plugins = ["small_book"]` for its fixtures.

Alpha reads lines and does fits of its own, beta reads cells, and waits there if told to; gamma divides.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest
import yaml

from bulk2sc.book import build
from bulk2sc.book.notebook import environ

ALPHA = """\
import os
from bulk2sc.book import Study

study = Study(edition, drug=drug, k=k)
bulk = study.read("bulk")
print(bulk.n_obs, "lines;", note)"""
FITS = """\
def share(bulk, *, seed, hidden: int = 8):
    with open(os.environ["COUNT"], "a") as file:
        file.write(f"fit{seed}\\n")
    return {"share": float(bulk.obs["auc"].sample(20, random_state=seed).mean())}


table = study.write("shares", study.each(share, {"seed": [0, 1]}))"""
SHORT = 'from IPython.display import Markdown\n\nMarkdown(f"**{len(table)}** fits on {bulk.n_obs} lines.")'
FIGURE = 'import matplotlib.pyplot as plt\n\n_ = plt.plot(table["share"])'
BETA = """\
import os, time
from pathlib import Path
from bulk2sc.book import Study

study = Study(edition, n_cells=n_cells)
if gate := os.environ.get("SMALL_BOOK_GATE"):  # while this file exists, the chapter waits here
    Path(gate + ".reached").touch()
    while Path(gate).exists():
        time.sleep(0.05)
cells = study.read("cells")"""
GAMMA = """\
from bulk2sc.book import Study

study = Study(edition)
print(study.read("bulk").n_obs // divide_by)"""

CHAPTERS = {
    "first/alpha": (
        [
            'drug: str = "Lapatinib"  # drug by its GDSC name',
            "k: float = 0.3  # share of the lines in each tail",
            'note: str = "as planned"  # a remark',
        ],
        {
            ALPHA: [],
            FITS: [],
            "table": ["details"],
            SHORT: ["in-short", "remove-input"],
            FIGURE: ["in-short"],
        },
    ),
    "first/beta": (["n_cells: int = 300  # cells to simulate"], {BETA: []}),
    "second/gamma": (["divide_by: int = 2  # a number other than zero"], {GAMMA: []}),
}
SMALL = {
    "title": "A small book",
    "description": "Three chapters.",
    "chapters": ["alpha", "beta", "gamma"],
    "parameters": {"bulk_source": "made-up", "drug": "Lapatinib", "n_cells": 200},
}


def write_notebook(
    path: Path, declarations: list[str], cells: dict[str, list[str]], words: str = "Why."
) -> Path:
    """Write a notebook with a title, a parameters cell and code cells, each with its tags."""
    new, text = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell
    declared = ['edition: str = "small"  # edition whose settings are used', *declarations]
    parts = [text(f"# {path.stem.title()}\n\n## The idea\n\n{words}")]
    parts += [new("\n".join(declared), metadata={"tags": ["parameters"]})]
    parts += [new(source, metadata={"tags": tags}) for source, tags in cells.items()]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=parts, metadata={"kernelspec": kernel}), path)
    return path


def write_chapter(root: Path, name: str, words: str = "Why.", more: str = "") -> None:
    """Write a chapter of the small book, with other words or one more cell."""
    declarations, cells = CHAPTERS[name]
    write_notebook(
        root / "notebooks" / f"{name}.ipynb", declarations, cells | ({more: []} if more else {}), words
    )


def write_edition(root: Path, name: str = "small", **fields) -> None:
    """Write an edition of the small book; fields replace those of `SMALL`, None removes one."""
    content = {key: value for key, value in (SMALL | fields).items() if value is not None}
    (root / "editions").mkdir(exist_ok=True)
    (root / "editions" / f"{name}.yml").write_text(yaml.safe_dump(content))


def write_book(root: Path) -> Path:
    """Write the whole book into `root`."""
    for name in CHAPTERS:
        write_chapter(root, name)
    parts = [
        {"caption": part, "chapters": [{"file": f"notebooks/{n}"} for n in CHAPTERS if n.startswith(part)]}
        for part in ("first", "second")
    ]
    toc = {"format": "jb-book", "root": "book/intro", "parts": parts}
    (root / "_toc.yml").write_text(yaml.safe_dump(toc))
    config = {"title": "to be replaced", "author": "The bulk2sc authors"}
    (root / "_config.yml").write_text(yaml.safe_dump(config))
    (root / "book").mkdir()
    links = "[alpha](../notebooks/first/alpha.ipynb) or [gamma](../notebooks/second/gamma.ipynb)"
    (root / "book" / "intro.md").write_text(
        f"# Welcome\n\nThis is {{{{ edition_title }}}}; begin with {links}.\n"
    )
    write_edition(root)
    return root


def use(root: Path, monkeypatch) -> Path:
    """Let a project be the one that is worked in."""
    monkeypatch.setenv("BULK2SC_ROOT", str(root))
    monkeypatch.setenv("COUNT", str(root / "count"))
    return root


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """Return a small book that is not built."""
    return use(write_book(tmp_path / "book_root"), monkeypatch)


@pytest.fixture(scope="session")
def built_once(once) -> Path:
    """Return the root of a small book that is built. Do not change it: copy."""

    def make(folder: Path) -> None:
        with environ({"BULK2SC_ROOT": str(write_book(folder)), "COUNT": str(folder / "count")}):
            build.build("small", 2)

    return once("small_book", make)


@pytest.fixture
def built(built_once, tmp_path, monkeypatch) -> Path:
    """Return a copy of a small book that is built."""
    root = use(shutil.copytree(built_once, tmp_path / "copy"), monkeypatch)
    fits(root)
    return root


def fits(root: Path) -> list[str]:
    """Return the fits that were made since it was asked last."""
    count = root / "count"
    found = sorted(count.read_text().split()) if count.exists() else []
    count.unlink(missing_ok=True)
    return found


@pytest.fixture
def interrupted(root):
    """Start a build, wait until its second chapter runs; yield the process and what holds the chapter."""
    gate = root / "gate"
    gate.touch()
    build = subprocess.Popen(
        [sys.executable, "-m", "bulk2sc.cli", "book", "--edition", "small", "--cores", "2"],
        env=os.environ | {"SMALL_BOOK_GATE": str(gate)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # A shell without job control starts what runs in the background deaf to Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    until = time.monotonic() + 240
    while not gate.with_name("gate.reached").exists():
        assert time.monotonic() < until and build.poll() is None
        time.sleep(0.05)
    yield build, gate
    for process in family(build):
        process.kill()
    build.wait()


def family(build: subprocess.Popen) -> list[psutil.Process]:
    """Return the processes of a build: itself, Snakemake, the runner of a chapter, its kernel."""
    try:
        parent = psutil.Process(build.pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
