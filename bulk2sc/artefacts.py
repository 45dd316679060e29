"""Every artefact of a study: what it needs, which settings it has, how it is made.

An artefact is made by a small function, much like a pytest fixture: its positional arguments are the
artefacts it needs, its keyword-only arguments are its settings. The functions are in `bulk2sc.makers`.
"""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bulk2sc.book.store import globals_of
from bulk2sc.errors import Bulk2scError, did_you_mean
from bulk2sc.settings import COMPUTING, digest, file_digest, precision, type_name, versions

# The order in which data flow: no module imports one on its right.
FLOW = (
    "errors",
    "settings",
    "inference",
    "datasets",
    "pooling",
    "pp",
    "labels",
    "pathways",
    "train",
    "clustering",
    "models",
    "evaluate",
    "compare",
    "panel",
    "explain",
    "latent",
    "experiments",
)
# What runs chapters and shows them cannot change their outcome.
RUNNERS = {"cli.py", "pages.py", "plan.py", "shortened.py", "workflow.py"}
PART = "part"  # the argument of a maker that makes an artefact part by part


@dataclass(frozen=True)
class Artefact:
    """How an artefact is made and kept.

    Attributes
    ----------
    file
        Name in the results folder; its ending says how it is written (see `FORMATS`).
    make
        The maker.
    upto
        Rightmost module of `FLOW` the maker uses: changed code on its right leaves it valid.
    each
        Setting that lists the parts of an artefact made part by part: seeds, how many of them, or names. The
        maker gets one of them as `part`; parts are kept apart, made in parallel by a build, and read as one
        table.
    """

    file: str
    make: Callable
    upto: str
    each: str = ""

    @property
    def needs(self) -> list[str]:
        """Names of the artefacts the maker takes."""
        arguments = inspect.signature(self.make).parameters.values()
        return [argument.name for argument in arguments if argument.kind is not argument.KEYWORD_ONLY]

    @property
    def settings(self) -> dict[str, inspect.Parameter]:
        """Settings of the maker by name."""
        arguments = inspect.signature(self.make).parameters.values()
        return {a.name: a for a in arguments if a.kind is a.KEYWORD_ONLY and a.name != PART}

    def parts(self, settings: dict[str, Any]) -> list[int] | list[str]:
        """Return the parts that settings ask for, without repeats; none of an artefact made at once.

        Raises
        ------
        Bulk2scError
            If the setting lists nothing, where its default lists something; or a seed below 0.
        """
        if not self.each:
            return []
        listed = settings[self.each]
        parts = list(range(listed)) if isinstance(listed, int) else list(dict.fromkeys(listed))
        if not parts and self.settings[self.each].default:
            raise Bulk2scError(f"setting '{self.each}' is {listed!r}: nothing to do; ask for at least one")
        if any(isinstance(part, int) and part < 0 for part in parts):
            raise Bulk2scError(f"setting '{self.each}' is {listed!r}; a seed is 0 or more")
        return parts


ARTEFACTS: dict[str, Artefact] = {}


def artefact(file: str, upto: str, each: str = "") -> Callable:
    """Register the decorated function as the maker of the artefact of its name."""

    def register(make: Callable) -> Callable:
        ARTEFACTS[make.__name__] = Artefact(file, make, upto, each)
        return make

    return register


def part_name(part: int | str) -> str:
    """Return the name of a part as part of a file name."""
    return re.sub(r"[^\w.-]+", "_", str(part))


def setting_types() -> dict[str, str]:
    """Return the type of every setting of every maker, by name."""
    return {name: type_name(s.annotation) for a in ARTEFACTS.values() for name, s in a.settings.items()}


def default_settings() -> dict[str, Any]:
    """Return the default of every setting of every maker, by name."""
    return {name: s.default for a in ARTEFACTS.values() for name, s in a.settings.items()}


def closure(names: list[str]) -> list[str]:
    """Return `names` and every artefact they need, each after what it needs."""
    ordered: list[str] = []
    for name in names:
        if name not in ARTEFACTS:
            raise Bulk2scError(f"artefact '{name}' is unknown.{did_you_mean(name, ARTEFACTS)}")
        ordered += [n for n in [*closure(ARTEFACTS[name].needs), name] if n not in ordered]
    return ordered


def made_with(upto: str = FLOW[-1]) -> dict[str, str]:
    """Return what numbers hang on beside code and data: versions of packages and, from `train` on, precision.

    Parameters
    ----------
    upto
        As for `code_digest`.
    """
    trains = FLOW.index(upto) >= FLOW.index("train")
    return versions(COMPUTING) | ({"precision": precision()} if trains else {})


def maker_digest(make: Callable) -> str:
    """Return the hash of the source of a maker and of all functions beside the makers that it calls."""
    return digest([inspect.getsource(function) for function in _calls(make, [])])


def _calls(function: Callable, found: list[Callable]) -> list[Callable]:
    """Add a function to those found, and after it the functions of its package that it names."""
    found.append(function)
    package = function.__module__.rpartition(".")[0]
    for name in sorted(globals_of(function.__code__)):
        called = function.__globals__.get(name)
        beside = inspect.isfunction(called) and (
            called.__module__.rpartition(".")[0] == package or called.__module__ == "bulk2sc.steps"
        )
        if beside and called not in found:
            _calls(called, found)
    return found


@cache
def code_digest(upto: str | None = None) -> str:
    """Return the hash of the code: of `FLOW` up to a module, or all that can change a chapter's outcome."""
    package = Path(__file__).parent
    if upto is None:
        return file_digest(*(p for p in sorted(package.rglob("*.py")) if p.name not in RUNNERS))
    paths = [package / module for module in FLOW[: FLOW.index(upto) + 1]]
    return file_digest(
        *(f for p in paths for f in (sorted(p.rglob("*.py")) if p.is_dir() else [p.with_suffix(".py")]))
    )
