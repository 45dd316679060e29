"""The edition `paper`, end to end, on made-up files in the formats of its sources, served over http."""

import re
import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import bulk_formats
import formats
import nbformat
import pytest
import yaml

from bulk2sc.book import build, plan
from bulk2sc.datasets import needed
from bulk2sc.published import published

ROOT = Path(__file__).parents[1]
BOOK = ("notebooks", "book", "benchmarks", "_toc.yml", "_config.yml")
FEW = {"n_seeds": 1, "seeds": [0, 1], "alignment_seeds": 1, "exposure_seeds": 1, "clustering_seeds": 1}
FEW |= {"study_seeds": 1, "study_drugs": []}
SHORT = {
    "max_epochs": 5,
    "alignment_epochs": 3,
    "ablation_epochs": 2,
    "ablation_hidden": 32,
    "control_shuffles": 2,
}
SHORT |= {"methods": ["shared AE", "LR", "ridge", "XGBoost", "all sensitive", "all resistant"]}
SWEEP = {"depths": [500.0], "shifts": [0.5], "hidden_shares": [0.15], "resolutions": [1.0]}
SWEEP |= {"sweep_seeds": 1, "sweep_cells": 200}
ONE_SAMPLE = {  # what pages say of cells of one sample, in the order of the book
    "single-cells": "Sample and line cannot be compared",
    "labelling": "120 of 120 cells have a label before any exclusion",
    "shared-encoder": "The lines of the cells are too few to compare it with principal components",
    "baselines": "So few lines cannot decide between it and others.",
    "calibration": "So few lines decide nothing about the Brier score.",
}
STUDY_CHAPTERS = list(ONE_SAMPLE)


def edition(name: str) -> dict:
    return yaml.safe_load((ROOT / "editions" / f"{name}.yml").read_text())


def test_the_edition_resolves_and_covers_table_1():
    planned = plan.plan("paper")
    studies = planned.edition.parameters["studies"]
    assert studies == dict(published("table1")[["cells_source", "drug"]].itertuples(index=False))
    assert set(studies) < set(needed(planned.edition.parameters))
    for slug in ("baselines", "clustering", "labelling"):
        assert planned.chapter(slug).run.values["studies"] == studies


@pytest.mark.slow
def test_a_dry_run_of_the_unmodified_edition_has_a_job_for_each_chapter_and_step(tmp_path, monkeypatch):
    for name in (*BOOK, "editions"):
        (tmp_path / name).symlink_to(ROOT / name)  # what is built already must not count
    monkeypatch.setenv("BULK2SC_ROOT", str(tmp_path))
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--dry-run", "--nolock"]
    command += ["--snakefile", str(ROOT / "Snakefile"), "--config", "edition=paper"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    jobs = dict(re.findall(r"^(\S+) +(\d+)$", done.stdout + done.stderr, re.MULTILINE))
    chapters = plan.plan("paper").chapters
    assert [chapter.slug for chapter in chapters] == edition("paper")["chapters"]
    steps = {task.name for chapter in chapters for task, ahead in chapter.run.reads if ahead}
    assert {chapter.slug for chapter in chapters} < set(jobs)
    assert steps <= {name.rpartition("_")[0] for name in jobs}
    assert set(jobs.values()) - {jobs["total"]} == {"1"}


@pytest.fixture(scope="module")
def mirror(tmp_path_factory) -> Path:
    """Return a mirror that holds a small made-up file for each file of the sources of lines and pathways."""
    return bulk_formats.write_bulk(tmp_path_factory.mktemp("mirror"))


@pytest.fixture
def book(mirror, tmp_path, monkeypatch):
    """Return a function that writes the edition, each thing done briefly once or twice, and serves it."""
    root, served = tmp_path / "book", shutil.copytree(mirror, tmp_path / "mirror")
    for name in BOOK:
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, root / name)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args) -> None:
            """Say nothing."""

    def write(write_cells, **fields) -> None:
        write_cells(served)
        paper, smoke = edition("paper"), edition("smoke")
        paper["parameters"] = smoke["parameters"] | paper["parameters"] | FEW | SHORT
        paper["parameters"]["compared_resources"] = paper["parameters"]["compared_resources"][:3:2]
        paper["chapter_parameters"] = smoke["chapter_parameters"] | {"labelling": SWEEP}
        (root / "editions").mkdir()
        (root / "editions" / "paper.yml").write_text(yaml.safe_dump(paper | fields))

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=served)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        for name, value in {"ROOT": root, "CACHE": tmp_path / "cache", "MIRROR": address}.items():
            monkeypatch.setenv(f"BULK2SC_{name}", str(value))
        yield write
        server.shutdown()


def said(notebook: Path) -> str:
    """Return the sentences of a chapter; none speaks of what could not be computed as if it were a number."""
    text = "\n".join(
        str(output.data.get("text/markdown", ""))
        for cell in nbformat.read(notebook, 4).cells
        for output in cell.get("outputs", [])
        if "data" in output
    )
    assert not re.search(r"\bnan\b", text), f"{notebook.stem}: {text}"
    return text


@pytest.mark.verify
def test_the_whole_edition_on_made_up_files_of_geo(book):
    """Every chapter, source and data set of the edition."""
    book(formats.write_cells)
    assert build.build("paper").exists()
    planned = plan.plan("paper")
    text = {chapter.slug: said(chapter.run.executed) for chapter in planned.chapters}
    for key in edition("paper")["parameters"]["studies"]:
        assert f"**{key}**: " in text["labelling"] and "in the paper" in text["labelling"]


@pytest.mark.verify
def test_chapters_that_read_cells_on_made_up_files_of_the_study(book):
    """The first choice of the registry: log values with a label for each cell, all of one sample."""
    book(formats.write_study_cells, chapters=STUDY_CHAPTERS)
    planned = plan.plan("paper")
    for chapter in planned.chapters:
        chapter.run.make()
    text = {chapter.slug: said(chapter.run.executed) for chapter in planned.chapters}
    for key in edition("paper")["parameters"]["studies"]:
        assert f"**{key}**: 70 sensitive and 50 resistant cells here" in text["labelling"]
    for slug, sentence in ONE_SAMPLE.items():
        assert sentence in text[slug], text[slug]
