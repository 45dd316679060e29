"""What the prose tells readers to type works."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from bulk2sc import cli, datasets
from bulk2sc.book import notebook
from bulk2sc.book import plan as plans
from bulk2sc.book.study import step_types
from bulk2sc.errors import Bulk2scError

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "book").rglob("*.md"))]
NOTEBOOKS = {path.stem: path for path in (ROOT / "notebooks").rglob("*.ipynb")}


def commands() -> list[str]:
    """Every `bulk2sc ...` that a page shows, in blocks and between back-ticks."""
    found = []
    for page in PAGES:
        text = page.read_text().replace("\\\n", "")  # a long command goes on in the next line
        for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL):
            found += re.findall(r"(?<![\w/.-])bulk2sc [^#\n]+", block)
        found += re.findall(r"`(bulk2sc [^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return sorted(
        {command.strip() for command in found if "<" not in command and command.split()[1].islower()}
    )


def test_pages_show_every_command_of_the_command_line():
    assert {command.split()[1] for command in commands()} >= {"book", "run", "fetch", "predict", "params"}


@pytest.mark.parametrize("command", [command for command in commands() if "--help" not in command])
def test_a_command_shown_is_one_that_is_understood(command):
    given = cli._parser().parse_args(shlex.split(command)[1:])
    if getattr(given, "chapter", "CHAPTER") != "CHAPTER":  # a stand-in for any
        declared = {p.name: p for p in notebook.parameters(NOTEBOOKS[given.chapter])}
        for name, text in getattr(given, "parameters", []):
            assert name in declared, f"{command}: {given.chapter} has no parameter {name}"
            plans.conform(yaml.safe_load(text), declared[name].type, command)


def test_the_example_of_a_new_edition_is_one(tmp_path, monkeypatch):
    page = (ROOT / "book" / "how-to" / "new-edition.md").read_text()
    name, text = re.search(r"```yaml\n# editions/([\w-]+)\.yml\n(.*?)```", page, re.DOTALL).groups()
    for kept in ("_toc.yml", "_config.yml", "notebooks", "book"):
        (tmp_path / kept).symlink_to(ROOT / kept)
    (tmp_path / "editions").mkdir()
    (tmp_path / "editions" / f"{name}.yml").write_text(text)
    monkeypatch.setenv("BULK2SC_ROOT", str(tmp_path))
    planned = plans.plan(name)
    assert [chapter.slug for chapter in planned.chapters] == yaml.safe_load(text)["chapters"]
    assert planned.chapter("bulk-response").run.values["drug"] == "Lapatinib"


def test_parameters_named_for_an_edition_exist():
    page = (ROOT / "book" / "how-to" / "new-edition.md").read_text()
    table = page.partition("| parameter | values |")[2]
    named = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert named and set(named) <= {*step_types(), "seed"}


def test_every_source_of_cells_is_named_for_an_edition_and_described():
    with pytest.raises(Bulk2scError) as error:
        datasets.load_cells("nothing", bulk=None, drug="")
    keys = set(str(error.value).partition("it is one of ")[2].partition(" or the path")[0].split(", "))
    page = (ROOT / "book" / "how-to" / "new-edition.md").read_text()
    (row,) = re.findall(r"^\| `cells_source` \| (.*) \|$", page, re.MULTILINE)
    assert set(re.findall(r"`([^`.]+)`", row)) == keys
    cells = (ROOT / "book" / "data.md").read_text().partition("## Single cells\n")[2].partition("\n## ")[0]
    described = set(re.findall(r"\*(GSE[\w-]+)\*|^\| `(GSE[\w-]+)` \|", cells, re.MULTILINE))
    assert {"".join(key) for key in described} == keys - {"simulated"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
