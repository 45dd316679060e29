"""Data flow one way: no module imports anything on its right."""

import re
from pathlib import Path

import pytest

import bulk2sc
from bulk2sc.book import store

PACKAGE = Path(bulk2sc.__file__).parent
# The order in which data flow; what only chapters and the command line use comes last.
ORDER = [
    *({module} for module in ("errors", "settings", "inference", "datasets", "pp", "labels")),
    *({module} for module in ("pathways", "train", "clustering", "models", "evaluate", "compare", "panel")),
    *({module} for module in ("explain", "latent", "exposure")),
    {"drugs", "published"},
    {"say"},
    {"pl"},
]
# What keeps, makes and runs stands beside them, and none of them imports it.
BESIDE = {"book", "cli", "predict", "steps"}
PLACE = {module: i for i, modules in enumerate(ORDER) for module in modules}
FILES = sorted(PACKAGE.rglob("*.py"))


def module_of(file):
    """``bulk2sc/models/base.py`` belongs to ``models``."""
    return file.relative_to(PACKAGE).with_suffix("").parts[0]


def backwards(module, source, package):
    """Return what `module` must not import, and does: what stands on its right or beside it."""
    imported = {name.split(".")[1] for name in store.modules(source, package) if "." in name}
    imported |= set(re.findall(r"bulk2sc(?:\.| import.*\b)(book)\b", source))  # not among `modules`
    return {name for name in imported - {module} if PLACE.get(name, len(ORDER)) >= PLACE[module]}


@pytest.mark.parametrize(
    "file", [f for f in FILES if module_of(f) in PLACE], ids=lambda f: str(f.relative_to(PACKAGE))
)
def test_nothing_imports_from_its_right(file):
    package = ".".join(["bulk2sc", *file.relative_to(PACKAGE).parent.parts])
    assert not backwards(module_of(file), file.read_text(encoding="utf-8"), package)


def test_every_module_has_its_place():
    assert {module_of(file) for file in FILES} - {"__init__"} == set(PLACE) | BESIDE


@pytest.mark.parametrize(
    ("module", "package", "source", "caught"),
    [
        ("pp", "bulk2sc", "from bulk2sc.labels import tails", {"labels"}),
        ("pp", "bulk2sc", "from bulk2sc import errors, models", {"models"}),
        ("datasets", "bulk2sc.datasets", "from ..labels import tails", {"labels"}),
        ("labels", "bulk2sc", "def f():\n    from bulk2sc import clustering", {"clustering"}),
        (
            "models",
            "bulk2sc.models",
            "from bulk2sc.train import minimise\nfrom bulk2sc.book import Study",
            {"book"},
        ),
        ("pl", "bulk2sc", "import numpy\nfrom bulk2sc import __version__, pp, evaluate", set()),
    ],
)
def test_the_rule_catches_what_it_should(module, package, source, caught):
    assert backwards(module, source, package) == caught
