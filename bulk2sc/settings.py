"""Where the project is, what an edition says, and values that must have the type they were declared with."""

import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, TypeAdapter, ValidationError

from bulk2sc.errors import Bulk2scError, did_you_mean, refuse_unknown

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
UTF8 = {"PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8"}  # of processes whose output is read
CELL_FILES = (".h5ad", ".h5", *(".mtx", ".csv", ".tsv", ".txt"))  # plain, or packed as .gz
# Endings of what names a file.
OWN_FILES = (".yml", ".py", *CELL_FILES, *(f"{ending}.gz" for ending in CELL_FILES))
# Packages whose versions may change numbers; xgboost comes under one of its two names.
COMPUTING = (
    *("anndata", "captum", "igraph", "numba", "numpy", "pandas", "pynndescent", "scanpy", "scikit-learn"),
    *("scipy", "torch", "umap-learn", "xgboost", "xgboost-cpu"),
)


def show_any_text() -> None:
    """Let a terminal without UTF-8 show ``?`` for what it lacks, and have other processes use UTF-8."""
    os.environ.setdefault("PYTHONUTF8", "1")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


@contextmanager
def environ(variables: dict[str, str]) -> Iterator[None]:
    """Set environment variables for the block."""
    before = {name: os.environ[name] for name in variables if name in os.environ}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            os.environ.pop(name, None)
        os.environ.update(before)


def project_root() -> Path:
    """Return the folder of the book: ``BULK2SC_ROOT`` if set, else the checkout this package is in."""
    return Path(os.environ.get("BULK2SC_ROOT") or Path(__file__).parents[1]).resolve()


def in_project(source: str) -> str:
    """Return the path of one's own file taken from the project's folder, and any other source as it is."""
    return str(project_root() / source) if is_own(source) else source


def is_own(source: str) -> bool:
    """Tell whether a source of cells, a rule or a method is a file or folder of one's own."""
    return source.endswith(OWN_FILES) or "/" in source


class Strict(BaseModel):
    """What a file says: no field converted, none unknown; a field marked ``exclude`` is not the file's."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Edition(Strict):
    """One edition of the book, as ``editions/<name>.yml`` describes it.

    Attributes
    ----------
    parameters
        Settings shared by every chapter, by name.
    chapter_parameters
        Settings of one chapter: slug -> name -> value.
    budgets
        Seconds a chapter may take: slug -> seconds.
    full
        Edition that does at full length what this one shortens; each page says by how much.
    """

    name: str = Field(exclude=True)
    title: str
    chapters: list[str] = Field(min_length=1)
    description: str = ""
    parameters: dict[str, Any] = {}
    chapter_parameters: dict[str, dict[str, Any]] = {}
    budgets: dict[str, PositiveFloat] = {}
    full: str = ""

    @property
    def file(self) -> str:
        """Name of the edition's file, for messages."""
        return f"editions/{self.name}.yml"


def checked(model: type[BaseModel], content: dict, where: str) -> Any:
    """Return a file's content as a model, or raise with the first field that does not fit.

    Raises
    ------
    Bulk2scError
        If a field is missing, unknown, or of the wrong type or form.
    """
    try:
        return model(**content)
    except ValidationError as error:
        wrong = error.errors()[0]
    field = ".".join(map(str, wrong["loc"]))
    where = f"{where}: field '{field}'" if field else where
    if wrong["type"] == "missing":
        raise Bulk2scError(f"{where} is missing; add it")
    if wrong["type"] == "extra_forbidden":
        fields = _model_at(model, wrong["loc"][:-1]).model_fields
        known = [name for name, about in fields.items() if not about.exclude]
        hint = did_you_mean(wrong["loc"][-1], known)
        raise Bulk2scError(f"{where} is unknown; use {', '.join(known)}.{hint}")
    reason = wrong["msg"].removeprefix("Value error, ")
    whole = wrong["type"] == "value_error" and isinstance(wrong["input"], dict)  # too much to show
    raise Bulk2scError(f"{where}: {reason}" + ("" if whole else f", found {wrong['input']!r}"))


def _model_at(model: type[BaseModel], place: Sequence[str | int]) -> type[BaseModel]:
    """Return the model of what stands at a place in a file, such as ``("forms", 0, "arms")``."""
    for name in [name for name in place if isinstance(name, str)]:
        model = model.model_fields[name].annotation
        while kinds := get_args(model):  # of a list, or of what may be left out
            model = kinds[0]
    return model


def load_edition(name: str) -> Edition:
    """Read and check the form of an edition's file.

    Raises
    ------
    Bulk2scError
        If there is no such edition, its file is no YAML, a field is missing, unknown or of the wrong type, or
        there is no such edition as ``full`` names.
    """
    folder = project_root() / "editions"
    known = sorted(path.stem for path in folder.glob("*.yml"))
    refuse_unknown(name, known, f"{folder}: edition")
    content = {key: value for key, value in read_yaml(folder / f"{name}.yml").items() if value is not None}
    edition = checked(Edition, {"name": name} | content, f"editions/{name}.yml")
    if edition.full:
        others = [one for one in known if one != name]
        refuse_unknown(edition.full, others, f"{edition.file}: field 'full': edition")
    return edition


def read_yaml(path: Path) -> dict:
    """Read a YAML file that holds a mapping, or raise `Bulk2scError` naming what is wrong with it."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Plain)  # noqa: S506  (a safe loader)
    except UnicodeDecodeError as error:
        raise Bulk2scError(f"{path}: is not text in UTF-8 ({error.reason}); save it as UTF-8") from error
    except OSError as error:
        raise Bulk2scError(f"{path}: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise Bulk2scError(f"{path}: is not valid YAML ({' '.join(str(error).split())})") from error
    if not isinstance(content, dict):
        raise Bulk2scError(f"{path}: must hold 'name: value' lines, found {type(content).__name__}")
    return content


def type_name(annotation: Any) -> str:
    """Return ``"int"`` for `int` and ``"list[str]"`` for `list[str]`."""
    return annotation.__name__ if type(annotation) is type else str(annotation)


# What a parameter may be: plain, ``list[plain]`` or ``dict[str, plain]``. An int is taken for a float, and
# nothing else is converted: ``True`` is no int, ``3.0`` is no int, ``5`` is no str.
_PLAIN = (str, int, float, bool)
TYPES = {
    type_name(kind): TypeAdapter(kind, config=ConfigDict(strict=True, allow_inf_nan=False))
    for kind in (*_PLAIN, *(list[kind] for kind in _PLAIN), *(dict[str, kind] for kind in _PLAIN))
}


def conform(value: Any, type_name: str, what: str) -> Any:
    """Return `value` as a `type_name`, one of `TYPES`, or raise.

    Parameters
    ----------
    what
        What is being set, for the message: ``"chapter 'baselines': parameter 'k'"``.
    """
    try:
        return TYPES[type_name].validate_python(value)
    except ValidationError:
        raise Bulk2scError(f"{what} must be {type_name}, found {value!r} ({type(value).__name__})") from None


def from_text(text: str, type_name: str, what: str) -> Any:
    """Read the text of a command line as a `type_name`: a str as it stands, anything else as YAML."""
    if type_name == "str":
        return text
    try:
        value = yaml.load(text, _Plain)  # noqa: S506  (a safe loader)
    except (yaml.YAMLError, RecursionError):
        value = text
    return conform(value, type_name, what)


class _Plain(yaml.SafeLoader):
    """YAML whose whole numbers are decimal (010 is 10), without aliases and names that stand there twice."""

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [(tag, regexp) for tag, regexp in resolvers if tag.rpartition(":")[2] not in ("int", "float")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):  # a few lines of them can stand for gigabytes
            raise yaml.YAMLError(f"aliases are not understood: *{self.peek_event().anchor}")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict:
        mapping = super().construct_mapping(node, deep)
        names = [key.value for key, _ in node.value]
        if repeated := {name for name in names if names.count(name) > 1}:
            raise yaml.YAMLError(f"'{min(map(str, repeated))}' stands there twice")
        return mapping


_Plain.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?\d+$"), list("-+0123456789"))
_Plain.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\d+\.\d*|\.\d+)([eE][-+]?\d+)?$|[-+]?\d+[eE][-+]?\d+$|[-+]?\.(inf|nan)$"),
    list("-+.0123456789"),
)
_Plain.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(loader.construct_scalar(node)))


def digest(value: Any) -> str:
    """Return a short hash of a JSON-able value; the order of keys does not matter."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def file_digest(*paths: Path) -> str:
    """Return one SHA-256 over the names and contents of files; a folder stands for all files in it."""
    sha = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                about = file.stat()
                sha.update(file.relative_to(path.parent).as_posix().encode() + b"\0")
                sha.update(_content_digest(file.resolve(), about.st_mtime_ns, about.st_size))
    return sha.hexdigest()


@cache
def _content_digest(file: Path, mtime: int, size: int) -> bytes:
    """Hash a file once a process; its time and size tell whether it is still the same."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


REGISTRY = Path(__file__).parents[1] / "data" / "registry.yml"


@cache
def data_digest() -> str:
    """Return the hash of the embedded data; the registry counts by the rows of what is read."""
    return file_digest(*(path for path in sorted(REGISTRY.parent.iterdir()) if path != REGISTRY))


@cache
def versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Return the versions of packages by name, without importing them."""
    found = dict.fromkeys(packages, "not installed")
    for package in packages:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def arithmetic() -> dict[str, Any]:
    """Return what rounds the sums of networks here, told without importing torch, which takes seconds."""
    gpus = [*Path("/dev").glob("nvidia[0-9]*"), *Path("/dev").glob("kfd")]
    return {"precision": precision(), "gpu": bool(gpus) and os.environ.get("CUDA_VISIBLE_DEVICES") != ""}


def precision() -> str:
    """Return ``bf16`` or ``float32``: what networks train in here, as `train.takes_bf16` decides it."""
    wanted = os.environ.get("BULK2SC_PRECISION", "auto")
    return "bf16" if wanted == "auto" and _cpu_has_bf16() else "float32"


@cache
def _cpu_has_bf16() -> bool:
    try:
        return not {"avx512_bf16", "amx_bf16"}.isdisjoint(Path("/proc/cpuinfo").read_text().split())
    except OSError:  # not Linux
        return False


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path; the file or folder written there becomes `path` when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=UNFINISHED) as temporary:
        partial = Path(temporary) / path.name
        yield partial
        if path.is_dir():
            os.replace(path, Path(temporary) / "old")
        os.replace(partial, path)


UNFINISHED = ".unfinished-"


def remove_unfinished(folder: Path) -> None:
    """Remove what killed processes left under `folder`."""
    for leftover in list(folder.rglob(f"{UNFINISHED}*")):
        shutil.rmtree(leftover, ignore_errors=True)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON at once or not at all."""
    with atomic(path) as partial:
        partial.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Return the content of a JSON file, or None where it is missing or damaged."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None
