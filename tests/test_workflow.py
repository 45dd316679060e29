import os
import re
import shutil
import subprocess
import time

import nbformat
import pytest
import small_book
import yaml

from bulk2sc import pages, plan, settings, shortened, workflow
from bulk2sc.errors import Bulk2scError

pytest_plugins = ["small_book_fixtures"]


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Return a small book that is not built."""
    monkeypatch.setenv("BULK2SC_ROOT", str(tmp_path))
    return small_book.write_book(tmp_path)


def change_notebook(root, name, metadata=None, declare=None):
    """Write a chapter of the small book again with other metadata, or one more parameter."""
    standard, declarations, cells = small_book.CHAPTERS[name]
    declarations = [*declarations, declare] if declare else declarations
    small_book.write_notebook(root / "notebooks" / f"{name}.ipynb", metadata or standard, declarations, cells)


def refused(message):
    return pytest.raises(Bulk2scError, match=message)


# ---------------------------------------------------------------------------------------- the plan


def test_chapters_in_the_order_of_the_book_with_their_values(root):
    small_book.write_edition(
        root, chapters=["gamma", "alpha", "beta"], chapter_parameters={"gamma": {"divide_by": 3}}
    )
    planned = plan.plan("small")
    assert [(c.slug, c.position) for c in planned.chapters] == [("alpha", 1), ("beta", 2), ("gamma", 3)]
    assert planned.chapter("alpha").values == {
        "edition": "small",
        "drug": "Lapatinib",
        "k": 0.3,
        "note": "as planned",
    }
    assert planned.chapter("beta").values == {"edition": "small", "n_cells": 200}
    assert planned.chapter("gamma").values == {"edition": "small", "divide_by": 3}


def test_a_chapter_comes_after_those_whose_artefacts_it_needs(root):
    planned = plan.plan("small")
    assert [(c.owned, c.after) for c in planned.chapters] == [
        (["bulk"], []),
        (["raw_cells", "cells"], ["alpha"]),
        ([], ["alpha", "beta"]),
    ]


def keys(root, **fields):
    small_book.write_edition(root, **fields)
    return {chapter.slug: chapter.key for chapter in plan.plan("small").chapters}


def changed(root, **fields):
    """Name the chapters that a change to the edition makes stale."""
    before = keys(root)
    after = keys(root, **fields)
    return {slug for slug in before if before[slug] != after[slug]}


def test_a_parameter_of_one_chapter_makes_it_and_its_readers_stale(root):
    assert changed(root) == set()
    assert changed(root, title="Another", budgets={"alpha": 3}) == set()
    assert changed(root, chapter_parameters={"alpha": {"note": "x"}}) == {"alpha"}
    assert changed(root, chapter_parameters={"gamma": {"divide_by": 4}}) == {"gamma"}
    shared = small_book.SMALL["parameters"]
    assert changed(root, parameters=shared | {"n_cells": 210}) == {"beta", "gamma"}
    assert changed(root, parameters=shared | {"k": 0.2}) == {"alpha", "beta", "gamma"}
    assert changed(root, parameters=shared | {"hidden": 7}) == set()


def test_another_version_of_a_package_makes_every_chapter_stale(root, monkeypatch):
    before = keys(root)
    monkeypatch.setattr(plan, "made_with", lambda: {"torch": "another"})
    assert not set(before.values()) & set(keys(root).values())


def test_a_changed_notebook_makes_itself_and_readers_of_its_rows_stale(root):
    before = keys(root)
    for name, expected in (("first/alpha", {"alpha"}), ("first/beta", {"beta", "gamma"})):
        change_notebook(root, name, declare="more: int = 1  # another one")
        after = keys(root)
        assert {slug for slug in before if before[slug] != after[slug]} == expected
        before = after


def test_a_new_result_of_a_benchmark_makes_the_chapter_that_shows_it_stale(root):
    change_notebook(root, "first/alpha", declare='kept: str = "speed.csv"  # a result')
    before = keys(root)
    (root / "benchmarks").mkdir()
    (root / "benchmarks" / "other.csv").write_text("1")
    assert keys(root) == before
    (root / "benchmarks" / "speed.csv").write_text("2")
    assert {slug for slug, key in keys(root).items() if key != before[slug]} == {"alpha"}


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
            "small.yml: chapter_parameters: alpha must hold 'name: value' lines, found \\['note'\\]",
        ),
        ({"parameters": {"edition": "other"}}, "small.yml: parameter 'edition' is the name of the file"),
        ({"full": "larger"}, "small.yml: field 'full': edition 'larger' is unknown"),
        (
            {"budgets": {"beta": "fast"}},
            "small.yml: budgets: 'beta', a number of seconds, must be float, found 'fast'",
        ),
        ({"chapter_parameters": {"alpha": {"note": 1}}}, "'alpha': parameter 'note' must be str, found 1"),
        ({"chapter_parameters": {"aleph": {}}}, "chapter_parameters: chapter 'aleph' is unknown"),
        (
            {"chapter_parameters": {"beta": {"n_cells": 9}}},
            "'n_cells' stands under chapter 'beta'.*move it to 'para",
        ),
        ({"chapter_parameters": {"beta": {"drug": "x"}}}, "'drug' stands under chapter 'beta'"),
        ({"budgets": {"bet": 3}}, "budgets: chapter 'bet' is unknown.*Did you mean 'beta'"),
        (
            {"chapters": ["alpha", "gamma"]},
            "chapter 'gamma' reads chapter 'beta', which this edition leaves out",
        ),
    ],
)
def test_an_edition_that_does_not_fit_the_book(root, fields, message):
    small_book.write_edition(root, **fields)
    with refused(message):
        plan.plan("small")


def test_notebooks_whose_defaults_disagree_must_leave_the_choice_to_the_edition(root):
    change_notebook(root, "first/beta", declare="k: float = 0.2  # share of the lines in each tail")
    with refused(
        "setting 'k' is 0.3 in chapter 'alpha', 0.2 in chapter 'beta'.*'parameters' in editions/small.yml"
    ):
        plan.plan("small")
    small_book.write_edition(root, parameters=small_book.SMALL["parameters"] | {"k": 0.25})
    assert plan.plan("small").chapter("beta").values["k"] == 0.25


@pytest.mark.parametrize(
    ("name", "metadata", "message"),
    [
        (
            "first/beta",
            {"reads": ["bulks"]},
            "beta.ipynb: metadata: reads: 'bulks' is unknown.*Did you mean 'bulk'",
        ),
        ("first/beta", {"writes": ["alpha"]}, "metadata: writes: 'alpha' is unknown"),
        ("first/beta", {"writes": ["bulk"]}, "'bulk' is written by chapters 'alpha' and 'beta'"),
        ("second/gamma", {"writes": ["pair"], "reads": ["beta"]}, None),
        (
            "first/alpha",
            {"reads": ["cells"]},
            "chapter 'alpha' reads what chapter 'beta' writes, but comes before",
        ),
        ("first/alpha", {"reads": ["alpha"]}, "chapter 'alpha' reads itself; remove it"),
    ],
)
def test_artefacts_that_do_not_fit(root, name, metadata, message):
    change_notebook(root, name, metadata)
    if message is None:
        plan.plan("small")
    else:
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


def test_current_chapters_are_not_waited_for_and_need_nothing(root):
    planned = plan.plan("small")
    assert planned.inputs(planned.chapter("gamma")) == [
        "state/gamma.json",
        "state/alpha/needs.json",  # whose artefact it reads
        "notebooks/first/beta.ipynb",  # whose rows it reads
    ]
    for slug, key in (("alpha", planned.chapter("alpha").key), ("beta", "another")):
        path = planned.executed(planned.chapter(slug))
        settings.write_json(path.with_suffix(".provenance.json"), {"key": key})
        path.touch()
    assert [planned.status(chapter) for chapter in planned.chapters] == ["current", "stale", "missing"]
    assert planned.inputs(planned.chapter("alpha")) == []
    assert planned.inputs(planned.chapter("gamma")) == ["state/gamma.json", "notebooks/first/beta.ipynb"]


# ---------------------------------------------------------------------------------------- pages


def test_links_to_chapters_left_out_become_text():
    text = (
        "See [one](../notebooks/a/one.ipynb), [two *x*](../notebooks/a/two.ipynb#part), [three](three.md), "
        "[web](https://example.org/notebooks/a/two.ipynb) and ![figure](../notebooks/a/two.png)."
    )
    found = pages.without_dead_links(text, pages.Path("book/intro.md"), {"notebooks/a/two": "Two"})
    assert found == text.replace("[two *x*](../notebooks/a/two.ipynb#part)", "two *x*")


def test_a_chapter_that_is_left_out_is_named_where_its_link_had_no_text():
    text = "In {doc}`/notebooks/a/two` and ({doc}`/notebooks/a/one`); see {doc}`text </notebooks/a/one>`."
    with_text = "{doc}`the *text* </notebooks/a/two>`"
    found = pages.without_dead_links(text, pages.Path("notebooks/a/one"), {"notebooks/a/two": "Two *x*?"})
    assert found == text.replace("{doc}`/notebooks/a/two`", "*Two *x*?*, not in this edition")
    absent = {"notebooks/a/two": "Two"}
    assert pages.without_dead_links(with_text, pages.Path("notebooks/a/one"), absent) == "the *text*"


@pytest.mark.parametrize("edition", ["atlas", "demo", "mixology", "paper", "smoke"])
def test_no_page_of_an_edition_links_to_a_chapter_that_the_edition_lacks(edition):
    planned = plan.plan(edition)
    absent = pages.absent_chapters(planned)
    present = {chapter.file for chapter in planned.chapters}
    sources = [*(planned.root / "book").rglob("*.md"), *(planned.root / f"{f}.ipynb" for f in present)]
    for source in sources:
        page = source.relative_to(planned.root)
        text = pages.without_dead_links(source.read_text(), page, absent)
        for target in re.findall(r"\{doc\}`(?:[^`<]*<)?/([^`<>]+)", text):
            assert target in present or not target.startswith("notebooks/"), (page, target)
        for target in re.findall(r"\]\(([^()\s#]+\.ipynb)", text):
            target = os.path.normpath(page.parent / target).removesuffix(".ipynb")
            assert target in present, (page, target)


def test_jupyter_book_2_is_refused_before_anything_is_touched(root, monkeypatch):
    with refused("jupyter-book 2.0.1 is installed, but this book needs version 1; run: pip install"):
        pages.check_jupyter_book("2.0.1")
    pages.check_jupyter_book("1.0.4.post1")
    before = sorted(root.rglob("*"))
    monkeypatch.setattr(pages, "version", lambda package: "2.1.0")
    for act in (lambda: workflow.build("small"), lambda: pages.render(plan.plan("small"))):
        with refused("jupyter-book 2.1.0"):
            act()
    assert sorted(root.rglob("*")) == before


def test_data_are_fetched_before_the_first_chapter(root, monkeypatch):
    small_book.write_edition(root, parameters=small_book.SMALL["parameters"] | {"cells_source": "GSE118767"})
    asked = []

    def no_network(key):
        asked.append(key)
        raise Bulk2scError(f"{key}: not to be had")

    monkeypatch.setattr("bulk2sc.datasets.fetch", no_network)
    with refused("GSE118767: not to be had"):
        workflow.build("small")
    assert asked == ["GSE118767"]
    assert not (root / "_build").exists()


# ---------------------------------------------------------------------------------------- a built book


@pytest.fixture
def built(small_book_built, tmp_path, monkeypatch):
    """Return a copy of a small book that is built."""
    shutil.copytree(small_book_built, tmp_path / "book_copy")
    monkeypatch.setenv("BULK2SC_ROOT", str(tmp_path / "book_copy"))
    return tmp_path / "book_copy"


def times(root):
    """Return when each executed notebook, artefact and page was written."""
    folder = root / "_build" / "small"
    files = [
        *folder.glob("notebooks/*/*.ipynb"),
        *folder.glob("results/*.h5ad"),
        folder / "html" / "index.html",
    ]
    return {path.name: path.stat().st_mtime_ns for path in files}


def rewritten(root, before):
    after = times(root)
    return {name for name in after if before.get(name) != after[name]}


def page(root, name):
    return (root / "_build" / "small" / "html" / f"{name}.html").read_text()


@pytest.mark.verify
def test_every_page_has_its_run_card_and_provenance(built):
    assert "<h1>Welcome" in page(built, "book/intro") and "This is A small book" in page(built, "book/intro")
    html = page(built, "notebooks/first/alpha")
    assert html.count("<h1>Alpha<a") == 1
    assert "<title>Alpha &#8212; A small book</title>" in html
    text = " ".join(re.sub("<[^>]+>", " ", html).split())
    assert "share of the lines in each tail" in text and "bulk2sc run alpha --edition small" in text
    assert "Versions and provenance what value Status current Parameters hash" in text
    assert "120 lines; as planned" in text
    staged = nbformat.read(built / "_build" / "small" / "pages" / "notebooks" / "first" / "alpha.ipynb", 4)
    assert staged.metadata["mystnb"] == {"execution_mode": "off"}
    rows = (built / "_build" / "small" / "results" / "beta.csv").read_text().splitlines()
    assert rows[1].startswith("small,beta,simulated,Lapatinib,,,cells,")


@pytest.mark.slow
def test_a_second_build_does_nothing_needs_no_data_and_is_quick(built, monkeypatch):
    monkeypatch.setattr(workflow, "_fetch", lambda planned: 1 / 0)
    before, started = times(built), time.monotonic()
    assert workflow.build("small") == built / "_build" / "small" / "html" / "index.html"
    assert time.monotonic() - started < 15
    assert rewritten(built, before) == set()


@pytest.mark.slow
def test_a_changed_parameter_of_a_chapter_runs_it_and_renders(built, capfd):
    small_book.write_edition(
        built, chapter_parameters={"alpha": {"note": "as changed"}}, budgets={"alpha": 0.01}
    )
    before = times(built)
    workflow.build("small")
    assert rewritten(built, before) == {"alpha.ipynb", "index.html"}
    assert "120 lines; as changed" in page(built, "notebooks/first/alpha")
    said = capfd.readouterr().out.splitlines()
    assert said[0].startswith("[1/3] alpha: bulk … ") and said[1] == "[1/3] alpha …"
    assert re.fullmatch(r"\[1/3\] alpha … \d+ s(, \d+ s of them before)?, over its budget of 0.01 s", said[2])
    assert said[3].startswith("[pages] … ")


@pytest.mark.verify
def test_a_changed_shared_setting_runs_what_depends_on_it(built):
    small_book.write_edition(built, parameters=small_book.SMALL["parameters"] | {"n_cells": 210})
    before = times(built)
    workflow.build("small", cores=1)
    assert rewritten(built, before) == {
        "beta.ipynb",
        "gamma.ipynb",
        "raw_cells.h5ad",
        "cells.h5ad",
        "index.html",
    }


@pytest.mark.slow
def test_a_chapter_that_raises_stops_the_book_keeps_the_rest_and_recovers(built):
    small_book.write_edition(built, chapter_parameters={"gamma": {"divide_by": 0}, "alpha": {"note": "kept"}})
    before = times(built)
    with refused(r"chapter 'gamma', cell \[3\]: ZeroDivisionError: .* the traceback is .*gamma.failed.ipynb"):
        workflow.build("small")
    # The chapter beside it ran; the pages are still those of before.
    assert rewritten(built, before) == {"alpha.ipynb", "gamma.failed.ipynb"}
    small_book.write_edition(built, chapter_parameters={"alpha": {"note": "kept"}})
    before = times(built)
    workflow.build("small")
    assert rewritten(built, before) == {"gamma.ipynb", "index.html"}
    assert not list(built.rglob("*.failed.ipynb"))


@pytest.mark.slow
def test_changed_prose_only_renders_and_a_page_with_a_warning_leaves_the_old_pages(built):
    before = times(built)
    (built / "book" / "intro.md").write_text("# Hello\n\n[nowhere](nowhere.md)\n")
    with refused("edition 'small': the pages cannot be rendered: .*WARNING.*nowhere.*; see .*pages.log"):
        workflow.build("small")
    assert "<h1>Welcome" in page(built, "book/intro") and not rewritten(built, before)
    assert not list(built.rglob(f"{settings.UNFINISHED}*"))
    (built / "book" / "intro.md").write_text("# Hello\n\nOther words.\n")
    workflow.build("small")
    assert rewritten(built, before) == {"index.html"} and "Other words." in page(built, "book/intro")


@pytest.mark.slow
def test_a_new_edition_is_a_new_file_and_nothing_else(built, capfd):
    before = {p: p.read_bytes() for p in built.rglob("*") if p.is_file() and "_build" not in p.parts}
    small_book.write_edition(
        built,
        "other",
        title="The other one",
        chapters=["alpha"],
        parameters={"bulk_source": "made-up", "drug": "Erlotinib"},
    )
    first = workflow.build("other")
    assert "The other one" in first.with_name("book").joinpath("intro.html").read_text()
    found = {path.stem for path in first.parent.glob("notebooks/*/*.html")}
    assert found == {"alpha"}
    # The link of the front page to a chapter that this edition leaves out is only text there.
    assert "or gamma" in (first.parent / "book" / "intro.html").read_text()
    assert "Erlotinib" in (first.parent / "notebooks" / "first" / "alpha.html").read_text()
    assert {p: p.read_bytes() for p in before} == before


@pytest.mark.verify
def test_a_run_of_its_own_leaves_the_edition_alone(built):
    before = times(built)
    output = workflow.run_own(plan.plan("small"), "alpha", {"k": 0.2})
    assert re.fullmatch(r"alpha-[0-9a-f]{8}", output.parent.name)
    assert output.parent.parent == built / "_build" / "runs"
    assert rewritten(built, before) == set()
    assert (output.parent / "results" / "bulk.h5ad").exists(), "another k needs another bulk"
    text = nbformat.read(output, 4)
    assert "bulk2sc run alpha --edition small -p k 0.2\n" in text.cells[1].source
    assert "a run of its own" in text.cells[-1].source

    output = workflow.run_own(plan.plan("small"), "alpha", {"note": "hello"})
    assert not (output.parent / "results" / "bulk.h5ad").exists(), "that of the edition fits"


@pytest.mark.verify
def test_two_builds_at_once_wait_for_each_other(built):
    (built / "book" / "intro.md").write_text("# Welcome\n\nAnew.\n")
    with workflow._lock(built / "_build" / "small"):
        command = [workflow.sys.executable, "-m", "bulk2sc.cli", "book", "--edition", "small"]
        other = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603
        assert "another process builds in" in other.stdout.readline()
        assert other.poll() is None
    assert "book: " in other.communicate(timeout=120)[0]
    assert other.returncode == 0


def test_whatever_goes_wrong_in_a_step_reaches_the_build(root, monkeypatch, capsys):
    monkeypatch.setattr(workflow, "_render", lambda planned: 1 / 0)
    (root / "_build" / "small").mkdir(parents=True)
    assert workflow.main(["small", "pages"]) == 1
    assert (
        root / "_build" / "small" / "errors" / "pages"
    ).read_text() == "pages: ZeroDivisionError: division by zero"
    assert capsys.readouterr().out == "[pages] failed\n"


# ---------------------------------------------------------------------------------------- the book itself


def test_the_editions_of_the_book_are_well_formed():
    folder = settings.Path(settings.__file__).parents[1]
    for path in (folder / "editions").glob("*.yml"):
        edition = settings.load_edition(path.stem, folder)
        assert set(edition.budgets) == set(edition.chapters), path
        assert yaml.safe_load(path.read_text())["description"]


def test_the_demo_is_allotted_a_quarter_of_an_hour_on_two_cores():
    edition = settings.load_edition("demo", settings.Path(settings.__file__).parents[1])
    assert sum(edition.budgets.values()) <= 2 * 15 * 60


def test_pages_say_what_the_demo_shortens():
    said = shortened.shortened(plan.plan("demo"))
    assert "`seeds`" not in said["ablation"], "five there as here"
    epochs = settings.load_edition("demo").parameters["ablation_epochs"]
    assert f"`ablation_epochs` {epochs} (100)" in said["ablation"]
