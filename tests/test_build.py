"""Editions: what their chapters hang on, how they are built and rebuilt, and their pages."""

import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pandas as pd
import psutil
import pytest
from bs4 import BeautifulSoup
from small_book import SMALL, family, fits, write_chapter, write_edition

from bulk2sc import settings
from bulk2sc.book import Study, build, pages, plan, render, run, store, study
from bulk2sc.errors import Bulk2scError

pytest_plugins = ["small_book"]
new, text = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell
OF_ALPHA = {"chapters": ["alpha"]}


def refused(message):
    return pytest.raises(Bulk2scError, match=message)


def the_run(slug="alpha"):
    return plan.plan("small").chapter(slug).run


# ------------------------------------------------------------------------------------------------- an edition


def test_chapters_in_the_order_of_the_book_with_their_values(root):
    own = {"gamma": {"divide_by": 3}}
    write_edition(root, chapters=["gamma", "alpha", "beta"], chapter_parameters=own)
    found = {chapter.slug: chapter.run.values for chapter in plan.plan("small").chapters}
    assert list(found) == ["alpha", "beta", "gamma"]
    alpha = {"edition": "small", "drug": "Lapatinib", "k": 0.3, "note": "as planned"}
    beta, gamma = {"edition": "small", "n_cells": 200}, {"edition": "small", "divide_by": 3}
    assert found == {"alpha": alpha, "beta": beta, "gamma": gamma}


def keys():
    return {chapter.slug: chapter.run.key for chapter in plan.plan("small").chapters}


def test_what_makes_which_chapter_another(root):
    before, shared = keys(), SMALL["parameters"]

    def changed(**fields):
        write_edition(root, **fields)
        return {slug for slug, key in keys().items() if before[slug] != key}

    assert changed() == changed(title="Another", budgets={"alpha": 3}) == set()
    assert changed(chapter_parameters={"alpha": {"note": "x"}}) == {"alpha"}
    assert changed(parameters=shared | {"n_cells": 210}) == {"beta"}
    assert changed(parameters=shared | {"k": 0.2}) == {"alpha", "beta", "gamma"}
    assert changed(parameters=shared | {"hidden": 7}) == {"alpha"}, "a keyword of its fits"
    assert changed(parameters=shared | {"patience": 7}) == set()
    write_edition(root)
    write_chapter(root, "first/beta", "Other words.")
    assert changed() == {"beta"}
    write_chapter(root, "first/beta")
    assert changed() == set()
    write_chapter(root, "first/alpha", more='kept = "speed.csv"')
    before = keys()
    (root / "benchmarks").mkdir()
    (root / "benchmarks" / "other.csv").write_text("1")
    assert changed() == set()
    (root / "benchmarks" / "speed.csv").write_text("2")
    assert changed() == {"alpha"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"chapters": ["alpha", "bta"]}, "small.yml: chapter 'bta' is unknown.*Did you mean 'beta'"),
        ({"parameters": {"n_cell": 3}}, "small.yml: parameter 'n_cell' is unknown.*Did you mean 'n_cells'"),
        ({"parameters": {"k": "x"}}, "small.yml: parameter 'k' must be float, found 'x'"),
        ({"parameters": {"hidden": 2.5}}, "small.yml: parameter 'hidden' must be int, found 2.5"),
        (
            {"chapter_parameters": {"alpha": {"nte": 1}}},
            "small.yml: chapter_parameters: alpha: parameter 'nte' is unknown.*Did you mean 'note'",
        ),
        (
            {"chapters": ["beta"], "chapter_parameters": {"alpha": {"nte": 1}}},  # also where it is not built
            "small.yml: chapter_parameters: alpha: parameter 'nte' is unknown",
        ),
        (
            {"chapter_parameters": {"alpha": ["note"]}},
            r"small.yml: field 'chapter_parameters.alpha': .*, found \['note'\]",
        ),
        ({"parameters": {"edition": "other"}}, "small.yml: parameter 'edition' is the name of the file"),
        ({"full": "larger"}, "small.yml: field 'full': edition 'larger' is unknown"),
        ({"full": "small"}, "small.yml: field 'full': edition 'small' is unknown"),
        ({"chapters": []}, "small.yml: field 'chapters': .* at least 1 item"),
        ({"budgets": {"beta": "fast"}}, "small.yml: field 'budgets.beta': .*, found 'fast'"),
        ({"budgets": {"beta": -1}}, "small.yml: field 'budgets.beta': .* greater than 0, found -1"),
        ({"chapter_parameters": {"alpha": {"note": 1}}}, "'alpha': parameter 'note' must be str, found 1"),
        ({"chapter_parameters": {"aleph": {}}}, "chapter_parameters: chapter 'aleph' is unknown"),
        ({"budgets": {"bet": 3}}, "budgets: chapter 'bet' is unknown.*Did you mean 'beta'"),
    ],
)
def test_an_edition_that_does_not_fit_the_book(root, fields, message):
    write_edition(root, **fields)
    with refused(message):
        plan.plan("small")


def test_contents_without_chapters_left_out_and_parts_left_empty():
    toc = {
        "format": "jb-book",
        "root": "book/intro",
        "parts": [
            {"caption": "I", "chapters": [{"file": "notebooks/a/one"}, {"file": "notebooks/a/two"}]},
            {"caption": "II", "chapters": [{"file": "notebooks/b/three"}]},
            {
                "caption": "III",
                "chapters": [{"file": "book/help", "sections": [{"file": "notebooks/b/four"}]}],
            },
        ],
    }
    assert list(plan.toc_files(toc)) == [
        "book/intro",
        "notebooks/a/one",
        "notebooks/a/two",
        "notebooks/b/three",
        "book/help",
        "notebooks/b/four",
    ]
    assert plan.edition_toc(toc, ["two"]) == {
        "format": "jb-book",
        "root": "book/intro",
        "parts": [
            {"caption": "I", "chapters": [{"file": "notebooks/a/two"}]},
            {"caption": "III", "chapters": [{"file": "book/help"}]},
        ],
    }


def test_numbers_that_are_smaller_than_elsewhere_are_told(root):
    more = SMALL["parameters"] | {"max_epochs": 400, "n_cells": 900, "drug": "Cisplatin"}
    write_edition(root, "large", parameters=more, chapter_parameters={"gamma": {"divide_by": 8}})
    write_edition(root, full="large", chapter_parameters={"gamma": {"divide_by": 5}})
    said = plan.plan("small").shortened
    assert set(said) == {"beta", "gamma"} and "`n_cells` 200 (900)." in said["beta"]
    assert "Shorter here than in edition `large`" in said["gamma"] and "`divide_by` 5 (8)." in said["gamma"]


def test_what_counts_as_less():
    here = {"seeds": [0, 1], "drug": "A", "n": 3, "flag": False, "same": [1, 2], "n_hvg": 0}
    there = {"seeds": [0, 1, 2], "drug": "B", "n": 2, "flag": True, "same": [3, 4], "n_hvg": 2500}
    assert plan._less(here, there) == {"seeds": (2, 3)}
    here = {"panel_hvg": 1500, "panel_min_total": 850, "panel_min_lines": 3}
    there = {"panel_hvg": 0, "panel_min_total": 400, "panel_min_lines": 4}
    less = plan._less(here, there)
    assert less == {"panel_hvg": (1500, 0), "panel_min_total": (850, 400)}
    assert "`panel_hvg` 1500 (all), `panel_min_total` 850 (400)." in plan._sentence(less, "full")


def test_the_editions_of_the_book_are_well_formed():
    root = Path(settings.__file__).parents[1]
    for path in (root / "editions").glob("*.yml"):
        edition = settings.load_edition(path.stem)
        assert set(edition.budgets) == set(edition.chapters) and edition.description, path


def test_the_demo_is_allotted_a_quarter_of_an_hour_on_two_cores():
    assert sum(settings.load_edition("demo").budgets.values()) <= 2 * 15 * 60


# ------------------------------------------------------------------------------------ what a chapter hangs on


@pytest.mark.parametrize(
    ("code", "reads"),
    [
        ('study.read("mask")', {("mask", True)}),
        ('study.read("pair", drug=drug)', {("pair", False)}),
        ('study.each("scores", {"method": ["LR"]})', {("scores", False), ("pair", True), ("mask", True)}),
        ("def f(pair, mask, *, seed): pass\nstudy.each(f, {'seed': [1]})", {("pair", True), ("mask", True)}),
        ("def f(pair, *, seed): pass\nstudy.each(f, {'seed': [1], 'drug': []})", {("pair", False)}),
        ("def f(pair, *, seed): pass\nstudy.each(f, points)", {("pair", False)}),
        ('other.read("mask")\nopen("x").read()', set()),
    ],
)
def test_what_cells_read_is_seen(code, reads):
    source = nbformat.writes(nbformat.v4.new_notebook(cells=[new(code)]))
    found = run.Run("notebooks/a/b", "smoke", {"edition": "smoke"}, source).reads
    assert {(task.name, ahead) for task, ahead in found} == reads


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("study.read(name)", "cannot tell what study.read(name) reads"),
        ("study.table(name, 'scores')", "cannot tell what study.table(name, 'scores') reads"),
        ('study.read("pear")', "step 'pear' is unknown; it is one of"),
        ("study.each(models.fit, {})", "cannot tell what study.each(models.fit, {}) reads"),
        ("def f(pear, *, seed): pass\nstudy.each(f, {})", "step 'pear' is unknown"),
        ("%matplotlib inline", "b.ipynb: a cell is not plain Python: '%matplotlib inline'"),
    ],
)
def test_what_cannot_be_seen_is_refused(code, message):
    source = nbformat.writes(nbformat.v4.new_notebook(cells=[new(code)]))
    with pytest.raises(Bulk2scError) as error:
        _ = run.Run("notebooks/a/b", "smoke", {"edition": "smoke"}, source).key
    assert message in str(error.value) and "\n" not in str(error.value)


def test_jobs_are_the_steps_and_chapters_that_are_not_in_the_store(root):
    jobs = run.jobs([the_run()])
    assert [job.name.split("_")[0] for job in jobs] == ["bulk", "alpha"]
    assert set(jobs[1].inputs) == {jobs[0].output} and jobs[1].parallel and not jobs[0].parallel
    note = Path(jobs[0].output)
    note.parent.mkdir(parents=True)
    note.write_text("{}")
    assert [job.name for job in run.jobs([the_run()])] == ["alpha"]


def test_a_chapter_that_shows_a_table_of_another_waits_for_it_and_follows_it(root, monkeypatch):
    monkeypatch.setenv("BULK2SC_RESULTS", str(root / "elsewhere"))
    shares = "from bulk2sc.book import Study\nshares = Study(edition).table('alpha', 'shares')"
    write_chapter(root, "second/gamma", more=shares.replace("Study(edition)", "study"))
    alpha, before = the_run(), the_run("gamma").key
    assert {job.name: str(alpha.note) in job.inputs for job in run.jobs([the_run("gamma")])}["gamma"]
    assert len(Study("small").table("alpha", "shares")) == 2 and alpha.made, "made where it is missing"
    write_chapter(root, "first/alpha", "Other words.")
    assert the_run("gamma").key != before
    write_edition(root, chapters=["gamma"])
    assert Study("small").table("alpha", "shares").empty
    with refused("chapter 'alfa' is unknown"):
        Study("small").table("alfa", "shares")


def test_whatever_goes_wrong_in_a_job_reaches_the_build(root, capfd):
    assert run.main({"step": "bulk", "settings": {}, "edition": "small", "name": "bulk_1"}) == 1
    assert (root / "_build" / "small" / "errors" / "bulk_1").read_text() == "bulk_1: KeyError: 'key'"


# --------------------------------------------------------------------------------------------------- the page


def executed(*more):
    output = nbformat.v4.new_output("display_data", {"text/plain": "x"})
    cells = [
        text("# Title\n\nThe idea."),
        new("edition = 1", metadata={"tags": ["parameters"]}),
        new("edition = 2", metadata={"tags": ["injected-parameters"]}),
        new("body"),
        new("full", metadata={"tags": ["details"]}),
        new("say", metadata={"tags": ["in-short"]}, outputs=[output]),
        *more,
    ]
    return nbformat.v4.new_notebook(cells=cells)


def a_run(code, **values):
    source = nbformat.writes(nbformat.v4.new_notebook(cells=[new(code)]))
    return run.Run("notebooks/a/b", "smoke", {"edition": "smoke"} | values, source)


def test_the_finding_comes_first_and_details_last(monkeypatch):
    monkeypatch.setattr(pages, "_tables", lambda run: [Path("a/one.csv")])
    found = pages.book_page(executed(), a_run(""), "CARD", "PROVENANCE", "SHORTER")
    order = [cell.source for cell in found.cells]
    assert order[0].strip() == "# Title" and order[1] == "say" and order[2:4] == ["The idea.", "body"]
    assert found.cells[1].outputs[0].data["text/plain"] == "x", "with its output"
    assert "<details" in order[4] and order[5] == "full" and "</details>" in order[-1]
    facts = ("CARD", "PROVENANCE", "SHORTER", "{download}`one.csv <b/one.csv>`")
    assert all(fact in order[6] for fact in facts)
    nbformat.validate(found)


@pytest.mark.parametrize(
    ("code", "values", "shown", "not_shown"),
    [
        ('study.read("mask")', {"cells_source": "simulated"}, ["simulated cells", "made-up lines"], ["real"]),
        (
            'study.read("cells")',
            {"cells_source": "GSE118767", "bulk_source": "gdsc2"},
            ["real cells"],
            ["made"],
        ),
        ('study.read("bulk")', {"bulk_source": "gdsc2"}, [], ["cells", "lines"]),
        ("1", {}, [], ["cells", "lines"]),
    ],
)
def test_badges_say_what_is_simulated(code, values, shown, not_shown, monkeypatch):
    monkeypatch.setenv("BULK2SC_ROOT", str(Path(__file__).parents[1]))
    found = pages.badges(a_run(code, **values))
    assert all(word in found for word in shown) and not any(word in found for word in not_shown)


def test_kept_results_of_other_code_are_marked(root, monkeypatch):
    (root / "benchmarks").mkdir()
    write_edition(root, "smoke")
    table = pd.DataFrame({"drug": ["NA", "123"], "value": [1.5, None]})
    Study("smoke", drug="Cisplatin").keep("all_drugs", table, ["bulk"])
    pd.testing.assert_frame_equal(
        Study("smoke").kept("all_drugs").assign(drug=lambda t: t["drug"].astype(str)), table
    )
    shows = a_run('study.kept("all_drugs")')
    assert "earlier code" not in pages.badges(shows)
    key = shows.key
    monkeypatch.setattr(study, "data_digest", lambda: "other data")
    assert "earlier code" in pages.badges(a_run('study.kept("all_drugs")'))
    monkeypatch.undo()
    monkeypatch.setenv("BULK2SC_ROOT", str(root))
    (root / "benchmarks" / "all_drugs.py").write_text("from bulk2sc import compare\n")
    monkeypatch.setattr("sys.argv", ["benchmarks/all_drugs.py"])
    Study("smoke", drug="Cisplatin").keep("all_drugs", table, ["bulk"])
    assert "earlier code" not in pages.badges(shows)
    monkeypatch.setattr(study, "closure", lambda names: {"bulk2sc.compare": "other code"})
    assert "earlier code" in pages.badges(shows), "what the script imports counts too"
    monkeypatch.undo()
    monkeypatch.setenv("BULK2SC_ROOT", str(root))
    Study("smoke", drug="Cisplatin").keep("all_drugs", table.head(1), ["bulk"])
    assert a_run('study.kept("all_drugs")').key != key, "another table is another page"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("See [two *x*](../notebooks/a/two.ipynb#part).", "See two *x*."),
        (
            "{doc}`/notebooks/a/two`, ({doc}`/notebooks/a/one`)",
            "*Two *x*?*, not in this edition, ({doc}`/notebooks/a/one`)",
        ),
        ("{doc}`the *text* </notebooks/a/two>`", "the *text*"),
        *[(same, same) for same in ("[one](../notebooks/a/one.ipynb)", "{doc}`text </notebooks/a/one>`")],
        *[
            (same, same)
            for same in ("[web](https://e.org/notebooks/a/two.ipynb)", "![f](../notebooks/a/two.png)")
        ],
    ],
)
def test_links_to_chapters_left_out_become_text(text, shown):
    absent = {"notebooks/a/two": "Two *x*?"}
    assert render.without_dead_links(text, Path("book/intro.md"), absent) == shown


@pytest.mark.parametrize("edition", ["atlas", "demo", "mixology", "paper", "smoke"])
def test_no_page_of_an_edition_links_to_a_chapter_that_the_edition_lacks(edition):
    planned = plan.plan(edition)
    absent = render.absent_chapters(planned)
    present = {chapter.run.file for chapter in planned.chapters}
    sources = [*(planned.root / "book").rglob("*.md"), *(planned.root / f"{f}.ipynb" for f in present)]
    for source in sources:
        page = source.relative_to(planned.root)
        text = render.without_dead_links(source.read_text(), page, absent)
        for target in re.findall(r"\{doc\}`(?:[^`<]*<)?/([^`<>]+)", text):
            assert target in present or not target.startswith("notebooks/"), (page, target)
        for target in re.findall(r"\]\(([^()\s#]+\.ipynb)", text):
            target = os.path.normpath(page.parent / target).removesuffix(".ipynb")
            assert target in present, (page, target)


def test_jupyter_book_2_is_refused_before_anything_is_touched(root, monkeypatch):
    before = sorted(root.rglob("*"))
    monkeypatch.setattr(render, "version", lambda package: "2.1.0")
    with refused("jupyter-book 2.1.0 is installed, but this book needs version 1; run: pip install"):
        build.build("small")
    assert sorted(root.rglob("*")) == before


def test_data_are_fetched_before_the_first_chapter(root, monkeypatch):
    write_edition(root, parameters=SMALL["parameters"] | {"cells_source": "GSE118767"})
    asked = []

    def no_network(key):
        asked.append(key)
        raise Bulk2scError(f"{key}: not to be had")

    monkeypatch.setattr("bulk2sc.datasets.fetch", no_network)
    with refused("GSE118767: not to be had"):
        build.build("small")
    assert asked == ["GSE118767"] and not (root / "_build").exists()


# ----------------------------------------------------------------------------------------------- whole builds


def soup(root, name="notebooks/first/alpha"):
    return BeautifulSoup((root / "_build/small/html" / f"{name}.html").read_text(), "html.parser")


def words(root, name):
    return " ".join(soup(root, name).select_one("article.bd-article").get_text().split())


def times(root):
    """Return when what was built was written."""
    files = [*(root / "_build/store").rglob("note.json"), root / "_build/small/html/index.html"]
    return {path: path.stat().st_mtime_ns for path in files}


def made(root, before):
    """Return the names of what was made, or rendered, since."""
    return sorted(
        path.parent.name.rpartition("-")[0] or "pages"
        for path, time in times(root).items()
        if before.get(path) != time
    )


@pytest.mark.slow
def test_the_page_of_a_build(built):
    article = soup(built).select_one("article.bd-article")
    short = article.select(".tag_in-short")
    assert "2 fits on 120 lines." in " ".join(short[0].get_text().split()) and short[1].select_one("img")
    before = [e.get_text() for e in short[1].find_all_previous(["h1", "h2", "p"]) if article in e.parents]
    assert not any("The idea" in said for said in before), "nothing but the title stands above"
    fold = article.select("details")[-1].get_text()
    assert all(
        said in fold for said in ("Run card", "shares.csv", "Versions and provenance", "share of the lines")
    )
    assert "bulk2sc run alpha --edition small" in fold and "120 lines; as planned" in article.get_text()
    assert "edition: str" not in article.get_text()
    offered = nbformat.read(built / "_build/small/html/_sources/notebooks/first/alpha.ipynb", 4)
    assert offered.cells[-1].metadata["tags"] == ["in-short"], "what is offered runs from top to bottom"
    assert "This is A small book" in words(built, "book/intro")


@pytest.mark.slow
def test_a_build_without_change_and_then_changed_words(built, capfd, monkeypatch):
    before, started = times(built), time.monotonic()
    with monkeypatch.context() as patch:
        patch.setattr(build, "_fetch", lambda planned: 1 / 0)
        assert build.build("small", 2) == built / "_build/small/html/index.html"
    assert made(built, before) == [] and time.monotonic() - started < 15
    write_chapter(built, "first/alpha", "Other words.")
    build.build("small", 2)
    assert made(built, before) == ["alpha", "pages"] and fits(built) == [], "fits are kept"
    assert re.fullmatch(r"alpha … \d+ s\npages … \d+ s\n", capfd.readouterr().out)
    assert "Other words." in words(built, "notebooks/first/alpha")
    write_chapter(built, "first/alpha")
    (built / "book" / "intro.md").write_text("# Hello\n\nAnother page.\n")
    write_edition(built, budgets={"alpha": 0.01})
    before = times(built)
    build.build("small", 2)
    assert made(built, before) == ["pages"], "the first run is still in the store"
    assert "Why." in words(built, "notebooks/first/alpha") and "Another page." in words(built, "book/intro")


@pytest.mark.slow
def test_another_parameter_makes_a_run_beside_the_edition(built, monkeypatch):
    planned = plan.plan("small")
    with monkeypatch.context() as patch:
        patch.setattr(build, "_fetch", lambda runs: write_chapter(built, "first/alpha", "Edited meanwhile."))
        first = build.run_chapter(planned, "alpha", {"drug": "Cisplatin"})
    assert "Why." in first.executed.read_text(), "its notebook is read once"
    write_chapter(built, "first/alpha")
    assert fits(built) == ["fit0", "fit1"] and (first.path / "results" / "shares.csv").exists()
    assert first.path != planned.chapter("alpha").run.path
    before = times(built)
    assert build.run_chapter(planned, "alpha", {"drug": "Cisplatin"}).path == first.path
    assert made(built, before) == [] == fits(built)
    build.run_chapter(planned, "alpha", {"note": "hello"})
    assert made(built, before) == ["alpha"] and fits(built) == [], "the lines of the edition serve"


@pytest.mark.slow
def test_old_results_are_removed_and_what_editions_need_stays(built):
    folder = built / "_build/store"
    before = {path.name for path in folder.glob("*-*")}
    other = build.run_chapter(plan.plan("small"), "alpha", {"drug": "Cisplatin"})
    assert {path.name for path in folder.glob("*-*")} > before
    with ThreadPoolExecutor(1) as pool, store.in_use(folder):
        pruning = pool.submit(build.prune)
        time.sleep(1)
        assert not pruning.done() and other.made, "something may be made that needs it"
    assert pruning.result() > 10_000 and {path.name for path in folder.glob("*-*")} == before
    fits(built)
    write_chapter(built, "first/alpha", "Other words.")
    build.prune()
    build.build("small")
    assert fits(built) == [], "fits of a chapter that was edited stay"
    folder.rename(built / "elsewhere")
    folder.symlink_to(built / "elsewhere")
    with refused("is a link"):
        build.prune()


@pytest.mark.slow
def test_a_chapter_that_raises_stops_the_book_keeps_the_rest_and_recovers(built):
    own = {"gamma": {"divide_by": 0}, "alpha": {"note": "kept"}}
    write_edition(built, chapter_parameters=own)
    before = times(built)
    with refused(r"chapter 'gamma', cell \[3\]: ZeroDivisionError: .* the traceback is ") as error:
        build.build("small")
    assert Path(str(error.value).rpartition(" ")[2]).exists(), "the notebook with the traceback"
    assert made(built, before) == ["alpha"], "the chapter beside it ran; the pages are those of before"
    write_edition(built, chapter_parameters={"alpha": {"note": "kept"}})
    before = times(built)
    build.build("small")
    assert made(built, before) == ["pages"] and "120 lines; kept" in words(built, "notebooks/first/alpha")


@pytest.mark.slow
def test_a_page_with_a_warning_leaves_the_old_pages(built):
    before = times(built)
    (built / "book" / "intro.md").write_text("# Hello\n\n[nowhere](nowhere.md)\n")
    with refused("edition 'small': the pages cannot be rendered: .*WARNING.*nowhere.*; see .*pages.log"):
        build.build("small")
    assert "Welcome" in words(built, "book/intro") and made(built, before) == []
    assert not list(built.rglob(f"{settings.UNFINISHED}*"))


@pytest.mark.verify
def test_two_builds_at_once_wait_for_each_other(built):
    (built / "book" / "intro.md").write_text("# Welcome\n\nAnew.\n")
    command = [sys.executable, "-m", "bulk2sc.cli", "book", "--edition", "small"]
    with store.locked(built / "_build" / "small" / build.LOCK, ""):
        other = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert "another process builds in" in other.stderr.readline() and other.poll() is None
    assert "book: " in other.communicate(timeout=120)[0] and other.returncode == 0


def assert_whole(root, undisturbed):
    """A book that was interrupted is what one is that was not."""
    build.build("small", 2)
    there, here = (sorted((folder / "_build/store").glob("*-*")) for folder in (undisturbed, root))
    assert {path.name for path in there} <= {path.name for path in here}
    for notebook in (undisturbed / "_build/store").glob("*/*.ipynb"):
        again = root / notebook.relative_to(undisturbed)
        assert again.read_bytes() == notebook.read_bytes()
    assert not list((root / "_build").rglob(".unfinished-*"))


@pytest.mark.slow
def test_a_killed_build_goes_on(interrupted, root, built_once):
    running, gate = interrupted
    for process in family(running):
        process.kill()
    running.wait()
    gate.unlink()
    assert not the_run("beta").made
    assert_whole(root, built_once)
    assert fits(root) == ["fit0", "fit1"], "no fit was done twice"


@pytest.mark.verify
def test_only_the_command_is_killed(interrupted, root, built_once, capfd):
    running, gate = interrupted
    orphans = family(running)[1:]
    running.kill()
    running.wait()
    gate.unlink()
    build.build("small", 2)
    assert "another process builds in" in capfd.readouterr().err, "Snakemake is left to end first"
    psutil.wait_procs(orphans, timeout=60)
    assert not any(process.is_running() for process in orphans)
    assert_whole(root, built_once)


@pytest.mark.verify
def test_the_kernel_is_killed(interrupted, root, built_once):
    running, gate = interrupted
    kernels = [p for p in family(running) if "ipykernel_launcher" in " ".join(p.cmdline())]
    kernels[-1].kill()
    gate.unlink()
    said = running.communicate(timeout=240)[0]
    assert running.returncode == 2 and "the kernel stopped" in said
    assert_whole(root, built_once)


@pytest.mark.verify
def test_ctrl_c_ends_everything(interrupted, root, built_once):
    running, gate = interrupted
    members = family(running)
    os.killpg(running.pid, signal.SIGINT)
    said = running.communicate(timeout=60)[0]
    assert running.returncode == 130 and "bulk2sc: interrupted" in said and "Traceback" not in said
    psutil.wait_procs(members, timeout=60)
    assert not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in members)
    gate.unlink()
    assert_whole(root, built_once)


@pytest.mark.slow
def test_a_notebook_edited_while_a_build_runs_is_built_next_time(interrupted, root):
    running, gate = interrupted
    ran = the_run("beta")
    with (root / "_build/store" / store.LOCKS / store.IN_USE).open("w") as lock:
        with pytest.raises(BlockingIOError):  # nothing is removed while a build runs
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    write_chapter(root, "first/beta", "Edited meanwhile.")
    gate.unlink()
    said = running.communicate(timeout=240)[0]
    assert running.returncode == 2 and "changed while the edition was built; build it again" in said
    assert "Why." in ran.executed.read_text(), "it ran as it was when it began"
    build.build("small", 2)
    assert "Edited meanwhile." in words(root, "notebooks/first/beta")


@pytest.mark.slow
def test_plain_papermill_runs_a_chapter_too(root):
    command = [sys.executable, "-m", "papermill", "notebooks/first/alpha.ipynb", "out.ipynb"]
    environment = {name: value for name, value in os.environ.items() if name != "BULK2SC_RESULTS"}
    subprocess.run([*command, "-p", "drug", "Cisplatin"], cwd=root, env=environment, check=True)
    assert (root / "_build" / "interactive" / "results" / "shares.csv").exists()
    assert fits(root) == ["fit0", "fit1"]
