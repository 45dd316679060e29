"""A book of three tiny chapters for tests: alpha makes bulk, beta makes cells, gamma reads of both."""

from pathlib import Path

import nbformat
import yaml

ALPHA = """\
from bulk2sc.study import Study

study = Study(edition=edition, drug=drug, k=k)
bulk = study.read("bulk")
print(bulk.n_obs, "lines;", note)"""
BETA = """\
import os, time
from pathlib import Path
from bulk2sc.study import Study

if gate := os.environ.get("SMALL_BOOK_GATE"):  # while this file exists, the chapter waits here
    Path(gate + ".reached").touch()
    while Path(gate).exists():
        time.sleep(0.05)
study = Study(edition=edition, n_cells=n_cells)
cells = study.read("cells")"""
BETA_ROWS = """\
import pandas as pd

total = cells.layers["counts"].sum()
study.rows(pd.DataFrame({"metric": ["cells", "counts"], "value": [cells.n_obs, total]}))"""
GAMMA = """\
from bulk2sc.study import Study

study = Study(edition=edition)
rows = study.rows_of("beta")
print(study.read("bulk").n_obs, int(rows["value"][0]) // divide_by)"""

CHAPTERS = {
    "first/alpha": (
        {"writes": ["bulk"]},
        [
            'drug: str = "Lapatinib"  # drug by its GDSC name',
            "k: float = 0.3  # share of the lines in each tail",
            'note: str = "as planned"  # a remark',
        ],
        [ALPHA],
    ),
    "first/beta": (
        {"reads": ["bulk"], "writes": ["raw_cells", "cells"]},
        ["n_cells: int = 300  # cells to simulate"],
        [BETA, BETA_ROWS],
    ),
    "second/gamma": (
        {"reads": ["bulk", "beta"]},
        ["divide_by: int = 2  # a number other than zero"],
        [GAMMA],
    ),
}
SMALL = {
    "title": "A small book",
    "description": "Three chapters.",
    "chapters": ["alpha", "beta", "gamma"],
    "parameters": {"bulk_source": "made-up", "drug": "Lapatinib", "n_cells": 200},
}


def write_notebook(
    path: Path, metadata: dict, declarations: list[str], cells: list[str], title: str = ""
) -> Path:
    """Write a notebook with a title, a parameters cell and code cells."""
    new = nbformat.v4.new_code_cell
    declared = ['edition: str = "small"  # edition whose settings are used', *declarations]
    parts = [nbformat.v4.new_markdown_cell(f"# {title or path.stem.title()}\n\nWhat you will learn.")]
    parts += [new("\n".join(declared), metadata={"tags": ["parameters"]}), *map(new, cells)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    book = nbformat.v4.new_notebook(cells=parts, metadata={"kernelspec": kernel, "bulk2sc": metadata})
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(book, path)
    return path


def write_edition(root: Path, name: str = "small", **fields) -> None:
    """Write an edition of the small book; fields replace those of `SMALL`, None removes one."""
    content = {key: value for key, value in (SMALL | fields).items() if value is not None}
    (root / "editions").mkdir(exist_ok=True)
    (root / "editions" / f"{name}.yml").write_text(yaml.safe_dump(content))


def write_book(root: Path) -> Path:
    """Write the whole book into `root`."""
    for name, (metadata, declarations, cells) in CHAPTERS.items():
        write_notebook(root / "notebooks" / f"{name}.ipynb", metadata, declarations, cells)
    parts = [
        {
            "caption": part.title(),
            "chapters": [{"file": f"notebooks/{n}"} for n in CHAPTERS if n.startswith(part)],
        }
        for part in ("first", "second")
    ]
    toc = {"format": "jb-book", "root": "book/intro", "parts": parts}
    (root / "_toc.yml").write_text(yaml.safe_dump(toc))
    (root / "_config.yml").write_text(
        yaml.safe_dump({"title": "to be replaced", "author": "The bulk2sc authors"})
    )
    (root / "book").mkdir()
    (root / "book" / "intro.md").write_text(
        "# Welcome\n\nThis is {{ edition_title }}; begin with [alpha](../notebooks/first/alpha.ipynb) "
        "or [gamma](../notebooks/second/gamma.ipynb).\n"
    )
    write_edition(root)
    return root
