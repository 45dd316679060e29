"""The files that set the project up agree with each other."""

import os
import re
import shutil
import subprocess
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from bulk2sc.datasets.registry import sources

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def requirements(*extras: str) -> list[Requirement]:
    wanted = PROJECT["dependencies"] + [r for e in extras for r in PROJECT["optional-dependencies"][e]]
    return [Requirement(text) for text in wanted]


def constraints() -> dict[str, Requirement]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    assert len({canonicalize_name(pin.name) for pin in pins}) == len(pins), "a package is pinned twice"
    return {canonicalize_name(pin.name): pin for pin in pins}


def pinned_version(pin: Requirement) -> str:
    (specifier,) = pin.specifier
    assert specifier.operator == "==" and "*" not in specifier.version, f"{pin} is not an exact version"
    return specifier.version


def source_row(source) -> str:
    """The row of a source in the table of book/data.md."""
    cite = source.citation
    size = "comes with the book" if source.embedded else source.size
    reference = (
        f"{cite['authors']} *{cite['journal']}* {cite['year']}, [{cite['doi']}](https://doi.org/{cite['doi']})"
        if "doi" in cite
        else f"{cite['archive']}, {cite['accession']}"
    )
    return f"| `{source.key}` | {source.title} | {size} | {source.licence} | {reference} |"


# -------------------------------------------------------------------------------- versions


def test_every_requirement_has_an_exact_pin_that_satisfies_it():
    pins = constraints()
    for requirement in requirements("test"):
        pin = pins.get(canonicalize_name(requirement.name))
        assert pin is not None, f"{requirement} is not in constraints.txt"
        assert requirement.specifier.contains(pinned_version(pin)), f"{pin} does not satisfy {requirement}"
        assert str(pin.marker) == str(requirement.marker), f"{pin} and {requirement} are for other systems"


def test_constraints_cover_what_is_installed_here():
    """Walks the requirements of the requirements; nothing that they pull in may be unpinned."""
    environment, pins, seen = default_environment(), constraints(), set()
    queue = [(requirement, {""}) for requirement in requirements("test")]
    while queue:
        requirement, extras = queue.pop()
        marker, key = requirement.marker, (canonicalize_name(requirement.name), frozenset(requirement.extras))
        applies = not marker or any(marker.evaluate({**environment, "extra": extra}) for extra in extras)
        if applies and key not in seen:
            seen.add(key)
            assert key[0] in pins, f"{requirement.name} is installed through the requirements but not pinned"
            further = distribution(requirement.name).requires or []
            queue += [(Requirement(text), {"", *requirement.extras}) for text in further]


def test_conda_gets_the_same_as_make():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    packages = environment["dependencies"]
    (pip,) = [entry["pip"] for entry in packages if isinstance(entry, dict)]
    conda = [Requirement(entry) for entry in packages if isinstance(entry, str)]
    assert environment["name"] == PROJECT["name"]
    assert pip == ["-c constraints.txt", "-e .[test]"]
    assert {r.name for r in conda} == {"python", "make", "pip"}, "Python packages come from pyproject.toml"
    (python,) = [r for r in conda if r.name == "python"]
    assert python.specifier == SpecifierSet(PROJECT["requires-python"])


# -------------------------------------------------------------------------------- make


def make(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        [shutil.which("make"), *arguments], cwd=folder, capture_output=True, text=True, env=environment
    )


@pytest.fixture
def fresh(tmp_path) -> Path:
    """A folder with what make looks at and no virtual environment."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def test_make_book_installs_then_builds_the_edition(fresh):
    done = make("-n", "book", "EDITION=smoke", folder=fresh).stdout
    install, build = done.index("-c constraints.txt -e '.[test]'"), done.index("bulk2sc book --edition smoke")
    assert done.index("-m venv .venv") < install < build


def test_an_old_python_is_refused_with_what_to_do(fresh):
    old = fresh / "old-python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = make("book", f"PYTHON={old}", folder=fresh)
    assert done.returncode != 0
    assert "needs Python 3.11 or newer" in done.stderr
    assert not (fresh / ".venv").exists()


# -------------------------------------------------------------------------------- continuous integration


def test_ci_calls_make_test_and_fails_with_it(tmp_path):
    """A stand-in for make fails: so must the script."""
    shutil.copytree(ROOT / ".ci", tmp_path / "project" / ".ci")
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, code in (("chromium", 0), ("chromedriver", 0), ("make", 7)):
        (tools / name).write_text(f'#!/bin/sh\necho "{name} $* mirror=$BULK2SC_MIRROR"\nexit {code}\n')
        (tools / name).chmod(0o755)
    environment = {"PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    (tmp_path / "shared" / "data" / "mirror").mkdir(parents=True)
    done = subprocess.run(
        [shutil.which("bash"), str(tmp_path / "project" / ".ci" / "run")],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 7
    assert done.stdout == f"make test mirror={(tmp_path / 'shared' / 'data' / 'mirror').resolve()}\n"


# -------------------------------------------------------------------------------- the book's own files


def test_every_page_of_the_contents_exists_and_every_page_is_in_the_contents():
    from bulk2sc.book.plan import toc_files

    listed = list(toc_files(yaml.safe_load((ROOT / "_toc.yml").read_text())))
    assert len(listed) == len(set(listed))
    prose = {p.relative_to(ROOT).with_suffix("").as_posix() for p in (ROOT / "book").rglob("*.md")}
    notebooks = {
        p.relative_to(ROOT).with_suffix("").as_posix() for p in (ROOT / "notebooks").rglob("*.ipynb")
    }
    assert set(listed) == prose | notebooks


def test_the_data_page_repeats_the_registry():
    page = (ROOT / "book" / "data.md").read_text()
    rows = [line for line in page.partition("\n## Bulk")[0].splitlines() if line.startswith("| `")]
    assert rows == [source_row(source) for source in sources().values()]


def test_every_citation_is_in_the_bibliography():
    known = set(re.findall(r"^@\w+\{(\S+),$", (ROOT / "book" / "references.bib").read_text(), re.MULTILINE))
    pages = [*(ROOT / "book").rglob("*.md"), *(ROOT / "notebooks").rglob("*.py")]
    for page in pages:
        for keys in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", page.read_text()):
            assert {key.strip() for key in keys.split(",")} <= known, page
    assert len(known) > 20
