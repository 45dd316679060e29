"""Data flow one way: no module imports anything on its right."""

import ast
from pathlib import Path

import pytest

import bulk2sc

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


def imports(source, package):
    """Return the top modules of bulk2sc that a file of `package` imports, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            above = parts[: len(parts) - node.level + 1] if node.level else []
            start = ".".join([*above, *filter(None, [node.module])])
            found |= {f"{start}.{alias.name}" for alias in node.names}
    inside = [name.split(".") for name in found if name.split(".")[0] == "bulk2sc"]
    return {name[1] for name in inside if len(name) > 1} - {"__version__"}


def backwards(module, imported):
    """Return what `module` must not import: what stands on its right or beside it."""
    return {name for name in imported - {module} if PLACE.get(name, len(ORDER)) >= PLACE[module]}


@pytest.mark.parametrize(
    "file", [f for f in FILES if module_of(f) in PLACE], ids=lambda f: str(f.relative_to(PACKAGE))
)
def test_nothing_imports_from_its_right(file):
    package = ".".join(["bulk2sc", *file.relative_to(PACKAGE).parent.parts])
    assert not backwards(module_of(file), imports(file.read_text(encoding="utf-8"), package))


def test_every_module_has_its_place():
    assert {module_of(file) for file in FILES} - {"__init__"} == set(PLACE) | BESIDE


@pytest.mark.parametrize(
    ("module", "package", "source", "caught"),
    [
        ("pp", "bulk2sc", "from bulk2sc.labels import tails", {"labels"}),
        ("pp", "bulk2sc", "from bulk2sc import errors, models", {"models"}),
        ("datasets", "bulk2sc.datasets", "import bulk2sc.pp as p", {"pp"}),
        ("datasets", "bulk2sc.datasets", "from .. import pp", {"pp"}),
        ("datasets", "bulk2sc.datasets", "from ..labels import tails", {"labels"}),
        ("datasets", "bulk2sc.datasets", "from .genes import to_symbols", set()),
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
    assert backwards(module, imports(source, package)) == caught
