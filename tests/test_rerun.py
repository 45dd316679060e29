"""A chapter of each kind, and under `make verify` every one, run again with one parameter changed."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from book_fixtures import ROOT
from conftest import standing_for

from bulk2sc.book import notebook, plan

pytest_plugins = ["book_fixtures"]
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text())
SLUGS = [file.split("/")[-1] for file in plan.toc_files(TOC) if file.startswith("notebooks/")]
SLUGS.remove("results-at-a-glance")  # it has no parameter but its edition
# One that makes again what lies upstream, and one that only reads.
KINDS = ("bulk-response", "latent-space")
# What is changed where another drug would not do, or cost more.
CHANGES = {
    "bulk-response": {"k": 0.2},
    "single-cells": {"nmads": 3.0},
    "pathways": {"n_free": 3},
    "shared-encoder": {"weights": "code"},
    "how-we-compare": {"n_draws": 500},
    "what-accuracy-hides": {"within": 2},
    "latent-space": {"top": 6},
    "drug-panel": {"panel_methods": ["shared AE", "ridge"], "panel_seeds": 2},
}


def change(chapter: plan.Chapter) -> dict[str, object]:
    """Choose what to change: another drug where nothing else is named, or one seed less."""
    values = chapter.run.values
    if chapter.slug in CHANGES:
        return CHANGES[chapter.slug]
    if "drug" in values:
        return {"drug": "Cisplatin"}
    seeds = [name for name, value in values.items() if name.endswith("seeds") and value not in (1, [0])]
    if not seeds:
        raise AssertionError(f"no parameter to change is known for '{chapter.slug}'; add one to CHANGES")
    value = values[seeds[0]]
    return {seeds[0]: value[:-1] if isinstance(value, list) else value - 1}


def rerun(slug: str, changed: dict[str, object]) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "bulk2sc.cli", "run", slug, "--edition", "smoke", "--cores", "1"]
    for name, value in changed.items():
        command += ["-p", name, str(value)]
    environment = os.environ | notebook.KERNEL_ENVIRONMENT
    return subprocess.run(command, capture_output=True, text=True, env=environment)


@pytest.fixture(scope="module")
def planned(smoke_book):
    """Return the plan of the small edition, which is built."""
    return plan.plan("smoke")


@pytest.fixture(scope="module")
def runs(planned, request):
    """Start the reruns that are asked for, two at a time; return slug -> future of the finished command."""
    asked = [item.callspec.params["slug"] for item in request.session.items if item.module is request.module]
    with ThreadPoolExecutor(2) as pool:
        chapters = {slug: planned.chapter(slug) for slug in asked}
        yield {slug: pool.submit(rerun, slug, change(chapter)) for slug, chapter in chapters.items()}


@pytest.mark.parametrize("slug", standing_for(SLUGS, *KINDS))
def test_a_chapter_runs_again_with_one_parameter_changed(slug, planned, runs):
    chapter, done = planned.chapter(slug), runs[slug].result()
    changed = change(chapter)
    assert all(value != chapter.run.values[name] for name, value in changed.items())
    assert done.returncode == 0, done.stderr
    path = Path(done.stdout.partition("notebook: ")[2].splitlines()[0])
    assert path != chapter.run.executed and chapter.run.made, "the edition is as it was"
    injected = [
        c.source for c in notebook.read_notebook(path).cells if "injected-parameters" in c.metadata.tags
    ]
    for name, value in changed.items():
        assert f"{name} = {value!r}".replace("'", '"') in injected[0]
    tables = {file.name: file.read_bytes() for file in (chapter.run.path / "results").glob("*.csv")}
    again = {file.name: file.read_bytes() for file in (path.parent / "results").glob("*.csv")}
    assert set(tables) == set(again) and (tables != again or not tables), (
        "the results are those of the edition"
    )
