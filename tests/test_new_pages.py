"""Chapters of the new form: what they hang on, their builds, whatever comes between, and their pages."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pandas as pd
import pytest
import small_book
import yaml
from bs4 import BeautifulSoup

from bulk2sc import notebook, plan, workflow
from bulk2sc.book import Study, pages, run, store
from bulk2sc.errors import Bulk2scError

new, text = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell
READS = """\
import os
import pandas as pd
from pathlib import Path
from bulk2sc.book import Study

study = Study(edition, drug=drug)
bulk = study.read("bulk")
if gate := os.environ.get("SMALL_BOOK_GATE"):
    import time

    Path(gate + ".reached").touch()
    while Path(gate).exists():
        time.sleep(0.05)"""
FITS = """\
def share(bulk, *, seed):
    with open(os.environ["COUNT"], "a") as file:
        file.write(f"fit{seed}\\n")
    return {"share": float(bulk.obs["auc"].sample(20, random_state=seed).mean())}


table = study.write("shares", study.each(share, {"seed": [0, 1]}))"""
SHORT = 'from IPython.display import Markdown\n\nMarkdown(f"**{len(table)}** fits on {bulk.n_obs} lines.")'
FIGURE = 'import matplotlib.pyplot as plt\n\n_ = plt.plot(table["share"])'


def delta(sentence="A sentence."):
    """Return a chapter of the new form."""
    cells = [
        text("# Delta\n\n## The idea\n\nWhy."),
        new(
            'edition: str = "small"  # edition\ndrug: str = "Lapatinib"  # drug',
            metadata={"tags": ["parameters"]},
        ),
        new(READS),
        text(sentence),
        new(FITS),
        new("table", metadata={"tags": ["details"]}),
        new(SHORT, metadata={"tags": ["in-short", "remove-input"]}),
        new(FIGURE, metadata={"tags": ["in-short", "hide-input"]}),
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel, "bulk2sc": {"form": "new"}})


def write_delta(root, sentence="A sentence."):
    path = root / "notebooks" / "second" / "delta.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(delta(sentence), path)


def write_book(root):
    """Write a book of an old chapter and a new one."""
    small_book.write_book(root)
    small_book.write_edition(root, chapters=["alpha", "delta"])
    write_delta(root)
    toc = yaml.safe_load((root / "_toc.yml").read_text())
    toc["parts"][0]["chapters"] = toc["parts"][0]["chapters"][:1]
    toc["parts"][1]["chapters"] = [{"file": "notebooks/second/delta"}]
    (root / "_toc.yml").write_text(yaml.safe_dump(toc))
    (root / "book" / "intro.md").write_text("# Welcome\n\nRead.\n")
    return root


def use(root, monkeypatch):
    monkeypatch.setenv("BULK2SC_ROOT", str(root))
    monkeypatch.setenv("COUNT", str(root / "count"))
    return root


@pytest.fixture
def root(tmp_path, monkeypatch):
    return use(write_book(tmp_path / "book_root"), monkeypatch)


def the_run(root):
    return plan.plan("small").chapter("delta").run


def made(root):
    count = root / "count"
    found = sorted(count.read_text().split()) if count.exists() else []
    count.unlink(missing_ok=True)
    return found


# ------------------------------------------------------------------------------------------- what it hangs on


def test_a_chapter_is_addressed_with_its_text_its_parameters_and_what_it_reads(root, monkeypatch):
    before = the_run(root)
    assert [(task.name, ahead) for task, ahead in before.reads] == [("bulk", True), ("bulk", True)]
    assert before.reads[0][0].key == Study("small", drug="Lapatinib").task("bulk", {}).key
    assert the_run(root).path == before.path
    write_delta(root, "Another sentence.")
    assert the_run(root).path != before.path
    write_delta(root)
    assert the_run(root).path == before.path
    small_book.write_edition(
        root, chapters=["alpha", "delta"], parameters=small_book.SMALL["parameters"] | {"k": 0.2}
    )
    assert the_run(root).path != before.path, "a setting of a step that it reads"


def test_of_the_package_only_what_it_imports_counts(root):
    run_of = the_run(root)
    found = store.closure(
        store.modules(run_of.tree and "from bulk2sc.book import Study\nfrom bulk2sc import pl")
    )
    assert "bulk2sc.pl" in found and not any(name.startswith("bulk2sc.models") for name in found)
    assert "bulk2sc.datasets" in run_of.reads[0][0].code["modules"]


@pytest.mark.parametrize(
    ("code", "reads"),
    [
        ('study.read("mask")', {("mask", True)}),
        ('study.read("pair", drug=drug)', {("pair", False)}),
        ('study.each("scores", {"method": ["LR"]})', {("scores", False), ("pair", True)}),
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
        ('study.read("pear")', "step 'pear' is unknown. Did you mean 'pair'"),
        ("study.each(models.fit, {})", "cannot tell what study.each(models.fit, {}) reads"),
        ("def f(pear, *, seed): pass\nstudy.each(f, {})", "step 'pear' is unknown"),
        ("%matplotlib inline", "b.ipynb: a cell is not plain Python: '%matplotlib inline'"),
    ],
)
def test_what_cannot_be_seen_is_refused(code, message):
    source = nbformat.writes(nbformat.v4.new_notebook(cells=[new(code)]))
    with pytest.raises(Bulk2scError) as error:
        _ = run.Run("notebooks/a/b", "smoke", {"edition": "smoke"}, source).reads
    assert message in str(error.value) and "\n" not in str(error.value)


def test_jobs_are_the_steps_and_chapters_that_are_not_in_the_store(root):
    jobs = run.jobs([the_run(root)])
    assert [job.name.split("_")[0] for job in jobs] == ["bulk", "delta"]
    assert set(jobs[1].inputs) == {jobs[0].output} and jobs[1].parallel and not jobs[0].parallel
    note = Path(jobs[0].output)
    note.parent.mkdir(parents=True)
    note.write_text("{}")
    assert [job.name for job in run.jobs([the_run(root)])] == ["delta"]


def test_a_job_refuses_what_changed_since_the_build_began(root, capfd):
    found = the_run(root)
    asked = {
        "file": found.file,
        "values": found.values,
        "edition": "small",
        "name": "delta",
        "key": found.key,
    }
    write_delta(root, "Edited meanwhile.")
    assert run.main(asked) == 1 and not found.made and not the_run(root).made
    assert (
        "changed while the edition was built" in (root / "_build" / "small" / "errors" / "delta").read_text()
    )


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
    assert [part in order[6] for part in ("CARD", "PROVENANCE", "SHORTER", "{download}`one.csv`")] == [
        True
    ] * 4
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
    (root / "editions" / "smoke.yml").write_text((root / "editions" / "small.yml").read_text())
    table = pd.DataFrame({"drug": ["NA", "123"], "value": [1.5, None]})
    Study("smoke", drug="Cisplatin").keep("all_drugs", table, ["bulk"])
    pd.testing.assert_frame_equal(
        Study("smoke").kept("all_drugs").assign(drug=lambda t: t["drug"].astype(str)), table
    )
    shows = a_run('study.kept("all_drugs")')
    assert "earlier code" not in pages.badges(shows)
    key = shows.key
    monkeypatch.setattr(store, "data_digest", lambda: "other data")
    assert "earlier code" in pages.badges(a_run('study.kept("all_drugs")'))
    monkeypatch.undo()
    monkeypatch.setenv("BULK2SC_ROOT", str(root))
    Study("smoke", drug="Cisplatin").keep("all_drugs", table.head(1), ["bulk"])
    assert a_run('study.kept("all_drugs")').key != key, "another table is another page"


# ----------------------------------------------------------------------------------------------- whole builds


@pytest.fixture(scope="session")
def built_once(once):
    """Return the root of a book that is built. Do not change it: copy."""

    def build(folder):
        with notebook.environ({"BULK2SC_ROOT": str(write_book(folder)), "COUNT": str(folder / "count")}):
            workflow.build("small", 2)

    return once("new_form", build)


@pytest.fixture
def built(built_once, tmp_path, monkeypatch):
    return use(shutil.copytree(built_once, tmp_path / "copy"), monkeypatch)


def page_of(root):
    return BeautifulSoup((root / "_build/small/html/notebooks/second/delta.html").read_text(), "html.parser")


def times(root):
    return {
        path: path.stat().st_mtime_ns
        for path in (root / "_build").rglob("*")
        if path.suffix in (".ipynb", ".json")
    }


@pytest.mark.slow
def test_the_page_of_a_build(built):
    assert made(built) == ["fit0", "fit1"]
    article = page_of(built).select_one("article.bd-article")
    short = article.select(".tag_in-short")
    assert "2 fits on 120 lines." in " ".join(short[0].get_text().split()) and short[1].select_one("img")
    before = [e.get_text() for e in short[1].find_all_previous(["h1", "h2", "p"]) if article in e.parents]
    assert not any("The idea" in words for words in before), "nothing but the title stands above"
    fold = article.select("details")[-1].get_text()
    assert all(words in fold for words in ("Run card", "shares.csv", "Versions and provenance", "share"))
    assert "edition: str" not in article.get_text()
    offered = nbformat.read(built / "_build/small/html/_sources/notebooks/second/delta.ipynb", 4)
    assert [cell.metadata.get("tags") for cell in offered.cells][-1] == ["in-short", "hide-input"]
    store = built / "_build" / "store"
    assert sorted(path.name.split("-")[0] for path in store.glob("*-*")) == [
        "bulk",
        "delta",
        "share",
        "share",
    ]


@pytest.mark.slow
def test_a_build_without_change_and_then_a_changed_sentence(built, capfd):
    made(built)
    before, started = times(built), time.monotonic()
    workflow.build("small", 2)
    assert times(built) == before and time.monotonic() - started < 60
    write_delta(built, "Another sentence.")
    workflow.build("small", 2)
    said = capfd.readouterr().out
    assert "delta …" in said and "alpha" not in said and "bulk" not in said
    assert made(built) == [], "fits are kept"
    assert "Another sentence." in page_of(built).get_text()
    write_delta(built)
    workflow.build("small", 2)
    assert "delta …" not in capfd.readouterr().out, "the first run is still in the store"
    assert "A sentence." in page_of(built).get_text()


@pytest.mark.slow
def test_another_parameter_makes_a_run_beside_the_edition(built):
    made(built)
    planned = plan.plan("small")
    first = workflow.run_own(planned, "delta", {"drug": "Cisplatin"})
    assert made(built) == ["fit0", "fit1"]
    assert (
        first.parent != planned.chapter("delta").run.path
        and (first.parent / "results" / "shares.csv").exists()
    )
    before = times(built)
    assert workflow.run_own(planned, "delta", {"drug": "Cisplatin"}) == first
    assert times(built) == before and made(built) == []


@pytest.mark.slow
def test_a_chapter_that_raises_says_so_and_recovers(built):
    path = built / "notebooks" / "second" / "delta.ipynb"
    path.write_text(path.read_text().replace("A sentence.", "One.").replace("study.write(", "studi.write("))
    with pytest.raises(Bulk2scError, match=r"chapter 'delta', cell .*NameError: name 'studi' is") as error:
        workflow.build("small", 2)
    assert Path(str(error.value).rpartition(" ")[2]).exists(), "the notebook with the traceback"
    write_delta(built)
    workflow.build("small", 2)
    assert "2 fits on" in page_of(built).get_text()


@pytest.fixture
def interrupted(root):
    """Start a build, and wait until the new chapter runs."""
    gate = root / "gate"
    gate.touch()
    build = subprocess.Popen(
        [sys.executable, "-m", "bulk2sc.cli", "book", "--edition", "small", "--cores", "2"],
        env=os.environ | {"SMALL_BOOK_GATE": str(gate)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    until = time.monotonic() + 240
    while not gate.with_name("gate.reached").exists():
        assert time.monotonic() < until and build.poll() is None
        time.sleep(0.05)
    yield build, gate
    if build.poll() is None:
        os.killpg(build.pid, signal.SIGKILL)
        build.wait()


@pytest.mark.slow
def test_a_killed_build_goes_on(interrupted, root):
    build, gate = interrupted
    os.killpg(build.pid, signal.SIGKILL)
    build.wait()
    gate.unlink()
    assert [path.name.split("-")[0] for path in (root / "_build" / "store").glob("*/note.json")] != ["delta"]
    workflow.build("small", 2)
    assert made(root) == ["fit0", "fit1"] and "2 fits on" in page_of(root).get_text()
    assert not list((root / "_build" / "store").glob(".unfinished-*"))


@pytest.mark.slow
def test_a_notebook_edited_while_a_build_runs_is_built_next_time(interrupted, root):
    build, gate = interrupted
    ran = the_run(root)
    write_delta(root, "Edited meanwhile.")
    gate.unlink()
    said = build.communicate(timeout=240)[0]
    assert build.returncode == 2 and "changed while the edition was built; build it again" in said
    assert "A sentence." in ran.executed.read_text(), "it ran as it was when it began"
    workflow.build("small", 2)
    assert "Edited meanwhile." in page_of(root).get_text() and made(root) == ["fit0", "fit1"]


@pytest.mark.slow
def test_plain_papermill_runs_a_chapter_too(root):
    command = [
        sys.executable,
        "-m",
        "papermill",
        "notebooks/second/delta.ipynb",
        "out.ipynb",
        "-p",
        "drug",
        "Cisplatin",
    ]
    environment = {name: value for name, value in os.environ.items() if name != "BULK2SC_RESULTS"}
    subprocess.run(command, cwd=root, env=environment, check=True, capture_output=True)  # noqa: S603
    assert (root / "_build" / "interactive" / "results" / "shares.csv").exists()
    assert made(root) == ["fit0", "fit1"]
