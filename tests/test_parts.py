"""Artefacts that a build makes part by part."""

import dataclasses
import re
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import small_book

from bulk2sc import artefacts, plan, settings, study, workflow
from bulk2sc.artefacts import Artefact
from bulk2sc.errors import Bulk2scError


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Return a small book whose chapter beta owns an artefact made seed by seed."""

    def draws(bulk, *, part: int, n_seeds: int = 2, k: float = 0.3):
        time.sleep(0.2)
        return pd.DataFrame({"seed": [part], "value": [k * bulk.n_obs]})

    monkeypatch.setenv("BULK2SC_ROOT", str(tmp_path))
    monkeypatch.setitem(artefacts.ARTEFACTS, "draws", Artefact("draws.csv.gz", draws, "pp", each="n_seeds"))
    small_book.write_book(tmp_path)
    metadata, declarations, cells = small_book.CHAPTERS["first/beta"]
    metadata = metadata | {"writes": [*metadata["writes"], "draws"]}
    small_book.write_notebook(
        tmp_path / "notebooks" / "first" / "beta.ipynb", metadata, [*declarations], cells
    )
    return tmp_path


def test_a_chapter_waits_for_the_parts_it_owns_and_they_for_what_it_reads(root):
    planned = plan.plan("small")
    beta = planned.chapter("beta")
    assert beta.parts == [("draws", 0), ("draws", 1)]
    markers = ["state/beta/draws/0.json", "state/beta/draws/1.json"]
    before = ["state/beta.json", "state/alpha/needs.json"]  # the lines, not the notebook about them
    assert planned.before(beta) == before
    assert planned.inputs(beta) == [*before, *markers]
    assert all(not chapter.parts for chapter in planned.chapters if chapter.slug != "beta")


def test_as_many_processes_as_cores_share_the_seeds(root):
    planned = plan.plan("small")
    beta = planned.chapter("beta")
    five = dataclasses.replace(beta, parts=[("draws", seed) for seed in range(5)])
    assert planned.batches(five, 2) == [("draws", [0, 2, 4]), ("draws", [1, 3])]
    assert planned.batches(five, 1) == [("draws", [0, 1, 2, 3, 4])]
    for cores in (8, None):
        assert planned.batches(five, cores) == [("draws", [seed]) for seed in range(5)]
    assert planned.batches(planned.chapter("alpha"), 2) == []


def test_the_step_of_a_part_makes_it_for_the_chapter(root, capsys):
    assert workflow.main(["small", "beta", "draws", "1"]) == 0
    build = root / "_build" / "small"
    assert "[2/3] beta: draws, part 1 … " in capsys.readouterr().out
    assert not (build / "state" / "beta" / "draws" / "0.json").exists()
    part = study.FORMATS[".gz"][1](build / "results" / "draws" / "1.csv.gz")
    assert part.to_dict("list") == {"seed": [1], "value": [36.0]}


@pytest.fixture
def sharing(root, monkeypatch):
    """Let the parts of chapter beta need an artefact that it owns, and return what is made of that."""
    made = []

    def halved(bulk):
        made.append("halved")
        time.sleep(0.2)
        return pd.DataFrame({"value": [bulk.n_obs / 2]})

    def draws(halved, *, part: int, n_seeds: int = 2):
        return halved.assign(seed=part)

    monkeypatch.setitem(artefacts.ARTEFACTS, "halved", Artefact("halved.csv.gz", halved, "pp"))
    monkeypatch.setitem(artefacts.ARTEFACTS, "draws", Artefact("draws.csv.gz", draws, "pp", each="n_seeds"))
    return made


def test_what_parts_share_is_made_before_them_once(root, sharing, capsys):
    planned = plan.plan("small")
    beta = planned.chapter("beta")
    assert beta.shared == ["halved"] and planned.needs_marker(beta) == ["state/beta/needs.json"]
    assert planned.chapter("alpha").shared == ["bulk"], "other chapters wait for it"
    assert not planned.needs_marker(planned.chapter("gamma"))
    executed = planned.executed(beta)
    executed.parent.mkdir(parents=True)
    executed.touch()
    for step in (["needs"], ["draws", "0"], ["draws", "1"], ["needs"]):
        settings.write_json(executed.with_suffix(".provenance.json"), {"key": beta.key})
        assert planned.status(beta) == "current"
        assert workflow.main(["small", "beta", *step]) == 0
        assert planned.status(beta) == "missing", "its artefacts may be others than those that it shows"
    assert sharing == ["halved"]
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("[2/3] beta: halved … ")
    seconds = workflow._seconds_of_parts(planned, beta)
    assert len(seconds) == 3 and seconds[0] >= 0.2


def test_a_part_that_fails_does_not_stop_the_others_of_its_step(root):
    assert workflow.main(["small", "beta", "draws", "0", "7", "1"]) == 1
    build = root / "_build" / "small"
    assert (
        (build / "errors" / "beta-draws-0").read_text().startswith("draws, part 7: chapter 'beta' makes no")
    )
    assert {path.name for path in (build / "results" / "draws").glob("*.csv.gz")} == {"0.csv.gz", "1.csv.gz"}


@pytest.mark.parametrize(
    ("code", "stderr", "reason"),
    [
        (-9, "", "stopped with code -9; it may have run out of memory"),
        (-9, "a warning\n", "stopped with code -9; it may have run out of memory"),
        (137, "", "stopped with code 137; it may have run out of memory"),
        (2, "a warning\nno such drug\n", "no such drug"),
    ],
)
def test_a_part_of_a_run_of_its_own_that_is_killed_says_so(monkeypatch, code, stderr, reason):
    ended = subprocess.CompletedProcess([], code, stdout="", stderr=stderr)
    monkeypatch.setattr(workflow.subprocess, "run", lambda *given, **options: ended)
    with pytest.raises(Bulk2scError) as error:
        workflow._own_step("small", {}, "scores", 0)
    assert str(error.value) == f"scores, part 0: {reason}"


SCORED = """\
from bulk2sc.study import Study

study = Study(edition=edition, methods=methods, n_seeds=n_seeds, max_epochs=max_epochs, n_hvg=200)
print(study.read("scores").groupby("method")["seed"].nunique().to_dict())"""


@pytest.fixture
def scored(tmp_path, monkeypatch):
    """Return a small book with a chapter that reads real scores."""
    monkeypatch.setenv("BULK2SC_ROOT", str(tmp_path))
    small_book.write_book(tmp_path)
    declared = [
        'methods: list[str] = ["ridge", "LR"]  # methods',
        "n_seeds: int = 1  # seeds",
        "max_epochs: int = 1  # epochs",
        "n_hvg: int = 200  # genes",
    ]
    path = tmp_path / "notebooks" / "second" / "gamma.ipynb"
    small_book.write_notebook(path, {"reads": ["scores"]}, declared, [SCORED])
    return plan.plan("small")


@pytest.mark.slow
def test_snakemake_makes_first_what_parts_share_then_parts_then_the_chapter(scored):
    scored.build.mkdir(parents=True)
    snakefile = Path(workflow.__file__).parents[1] / "Snakefile"
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile), "--cores", "1", "--dag"]
    command += ["--directory", str(scored.build), "--config", "edition=small"]
    graph = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603
    names = dict(re.findall(r'(\d+)\[label = "(\w+)', graph))
    edges = {(names[a], names[b]) for a, b in re.findall(r"(\d+) -> (\d+)", graph)}
    assert {("gamma_needs", "gamma_scores_0"), ("gamma_scores_0", "gamma")} <= edges
    assert ("beta_needs", "gamma_needs") in edges and ("beta", "gamma_needs") not in edges


@pytest.mark.slow
def test_a_run_of_its_own_makes_its_parts_first_and_only_once(scored, capfd):
    output = workflow.run_own(scored, "gamma", {"n_seeds": 2})
    said = capfd.readouterr().out.splitlines()
    assert [line.split(" … ")[0] for line in said] == ["scores, part 0", "scores, part 1"]
    assert "{'LR': 1, 'ridge': 2}" in output.read_text()
    assert not (scored.build / "results").exists()
    workflow.run_own(scored, "gamma", {"n_seeds": 2})
    assert capfd.readouterr().out == ""
