"""A chapter of each kind, and under `make verify` every one, run again with one parameter changed."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
import yaml
from book_fixtures import BUILD, ROOT
from conftest import standing_for

from bulk2sc import notebook, plan
from bulk2sc.settings import read_json

pytest_plugins = ["book_fixtures"]
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text())
SLUGS = [file.split("/")[-1] for file in plan.toc_files(TOC) if file.startswith("notebooks/")]
# One that makes again what lies upstream, one that only reads, one whose results are made part by part.
KINDS = ("bulk-response", "latent-space", "calibration")
OTHER_DRUG = "Cisplatin"
# What is changed where the rule of `change` would not find it, or would find what costs more.
CHANGES = {
    "bulk-response": {"k": 0.2},
    "single-cells": {"nmads": 3.0},
    "pathways": {"n_free": 3},
    "shared-encoder": {"weights": "code"},
    "classifier": {"cv_folds": 3},
    "how-we-compare": {"n_draws": 500},
    "what-accuracy-hides": {"within": 2},
    "ablation": {"drug": OTHER_DRUG, "seeds": [0, 1, 2]},  # what lies upstream follows the drug
    "controls": {"drug": OTHER_DRUG},
    "latent-space": {"top": 6},
}


def change(chapter: plan.Chapter) -> dict[str, object]:
    """Choose what to change: one seed less where there are several, else another drug."""
    if chapter.slug in CHANGES:
        return CHANGES[chapter.slug]
    for p in chapter.declared:
        if p.name == "seeds":
            return {"seeds": chapter.values["seeds"][:-1]}
        if p.name.endswith("_seeds") and chapter.values[p.name] > 1:
            return {p.name: chapter.values[p.name] - 1}
    if chapter.values.get("drug", OTHER_DRUG) != OTHER_DRUG:
        return {"drug": OTHER_DRUG}
    raise AssertionError(f"no parameter to change is known for '{chapter.slug}'; add one to CHANGES")


def rerun(slug: str, changed: dict[str, object]) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "bulk2sc.cli", "run", slug, "--edition", "smoke"]
    for name, value in changed.items():
        command += ["-p", name, str(value)]
    environment = os.environ | notebook.KERNEL_ENVIRONMENT
    return subprocess.run(command, capture_output=True, text=True, env=environment)  # noqa: S603


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
    assert all(value != chapter.values[name] for name, value in changed.items())
    assert done.returncode == 0, done.stderr
    path = done.stdout.partition("notebook: ")[2].splitlines()[0]
    card = next(cell.source for cell in notebook.read_notebook(path).cells if cell.id == "run-card")
    for name, value in changed.items():
        row = next(line for line in card.splitlines() if line.startswith(f"| `{name}` |"))
        assert row.split(" | ")[3] == f"`{value!r}`"
        assert f"-p {name} " in card

    results = ROOT / done.stdout.partition("results: ")[2].splitlines()[0]
    kept = planned.executed(chapter).parent / "results" if chapter.run else BUILD / "results"
    names = sorted(path.name for path in results.glob("*.csv" if chapter.run else f"{slug}.csv"))
    there, here = ([pd.read_csv(folder / name) for name in names] for folder in (kept, results))
    assert any(not a.equals(b) for a, b in zip(there, here, strict=True)), "results of the edition"
    assert list(map(list, there)) == list(map(list, here))
    for made in results.rglob("*.json"):
        if made.with_suffix("").exists():  # it stands beside an artefact, whose stamp it keeps
            kept = read_json(BUILD / "results" / made.relative_to(results))
            assert kept is None or kept["stamp"] != read_json(made)["stamp"], f"{made.stem} was made again"
    if "drug" in changed and not chapter.run:
        assert (results / "bulk.h5ad.json").exists(), "what lies upstream follows the drug"
    assert planned.status(chapter) == "current", "the edition is as it was"
