"""One study: settings, and the artefacts (data, models, results) that follow from them.

`Study.read` loads an artefact where one with the same settings, needs, code, versions and data exists, and
makes it where not.
"""

import logging
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata as ad
import pandas as pd

from bulk2sc import artefacts, makers  # noqa: F401  (makers register themselves)
from bulk2sc.book.study import input_files
from bulk2sc.errors import Bulk2scError, did_you_mean
from bulk2sc.settings import (
    atomic,
    conform,
    data_digest,
    digest,
    file_digest,
    load_edition,
    project_root,
    read_json,
    write_json,
)

log = logging.getLogger("bulk2sc")

ROW_COLUMNS = ["edition", "chapter", "dataset", "drug", "method", "seed", "metric", "value"]
# Columns of names, which are text even where they look like numbers: cells called 0, 1, ..., the drug 123138.
NAMES = ("cell", "cell_line", "data", "dataset", "drug", "line", "method", "sample")


# ---------------------------------------------------------------------------------------------- file formats


def _write_pair(pair: tuple[ad.AnnData, ad.AnnData], folder: Path) -> None:
    folder.mkdir()
    for name, adata in zip(("bulk", "cells"), pair, strict=True):
        adata.write_h5ad(folder / f"{name}.h5ad", compression="lzf")


def _read_pair(folder: Path) -> tuple[ad.AnnData, ad.AnnData]:
    return tuple(ad.read_h5ad(folder / f"{name}.h5ad") for name in ("bulk", "cells"))


def _read_table(path: Path) -> pd.DataFrame:
    table = _read_csv(path)
    index = table.columns[0]
    return table.set_index(index).rename_axis(None if index.startswith("Unnamed") else index)


def _read_csv(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, converters=dict.fromkeys(NAMES, str), float_precision="round_trip")


def _read_model(folder: Path):
    from bulk2sc.models import load_model

    return load_model(folder)


def _write_tables(tables: dict[str, pd.DataFrame], folder: Path) -> None:
    folder.mkdir()
    for name, table in tables.items():
        _write_table(table, folder / f"{name}.csv.gz")


def _read_tables(folder: Path) -> dict[str, pd.DataFrame]:
    return {path.name.split(".")[0]: _read_table(path) for path in sorted(folder.iterdir())}


def _write_table(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, compression={"method": "gzip", "mtime": 0})


# Ending of the file -> (write(value, path), read(path)).
FORMATS: dict[str, tuple[Callable, Callable]] = {
    ".h5ad": (lambda adata, path: adata.write_h5ad(path, compression="lzf"), ad.read_h5ad),
    ".gz": (_write_table, _read_table),
    ".tables": (_write_tables, _read_tables),
    ".pair": (_write_pair, _read_pair),
    ".model": (lambda model, folder: model.save(folder), _read_model),
}


# ---------------------------------------------------------------------------------------------- the study


class Study:
    """Settings of one study, with its artefacts and results.

    Parameters
    ----------
    edition
        Edition whose shared settings hold, and whose artefacts are used where they fit.
    **settings
        Settings of this run, by the names the makers use; they go before those of the edition.

    Attributes
    ----------
    settings
        Every setting in force: defaults of the makers, then the edition, then `**settings`.
    results
        Folder this run writes to: ``BULK2SC_RESULTS`` if set, else ``_build/interactive/results``.

    Raises
    ------
    Bulk2scError
        If the edition or a setting is unknown, or a setting has the wrong type.

    Examples
    --------
    >>> study = Study(edition="smoke", drug="Lapatinib")  # doctest: +SKIP
    >>> bulk = study.read("bulk")  # doctest: +SKIP
    """

    def __init__(self, edition: str = "demo", **settings):
        root = project_root()
        shared, types = load_edition(edition, root).parameters, artefacts.setting_types()
        for name in settings:
            if name not in types:
                raise Bulk2scError(f"Study: no artefact has the setting '{name}'.{did_you_mean(name, types)}")
        given = {name: value for name, value in shared.items() if name in types} | settings
        given = {
            name: conform(value, types[name], f"Study: setting '{name}'") for name, value in given.items()
        }
        self.edition = edition
        self.settings = artefacts.default_settings() | given
        self.chapter = os.environ.get("BULK2SC_CHAPTER", "interactive")
        self.results = Path(os.environ.get("BULK2SC_RESULTS") or root / "_build" / "interactive" / "results")
        self._folders = [self.results, root / "_build" / edition / "results"]  # to read from
        self._apart = False
        self._rows: list[pd.DataFrame] = []

    def of(self, cells_source: str, drug: str, **settings) -> "Study":
        """Return the same study of other cells and their drug, and with other settings if need be.

        Its artefacts lie in a folder of their own; those of this study that agree are read as they are.
        A rule of one's own stays with the cells that it was written for.

        Raises
        ------
        Bulk2scError
            If a value has the wrong type; sources and drugs are checked when they are read.
        """
        settings |= {"cells_source": cells_source, "drug": drug}
        if "rule" in self.settings and cells_source != self.settings["cells_source"]:
            settings["rule"] = ""
        other = Study(self.edition, **self.settings | settings)
        apart = Path("studies") / re.sub(r"[^\w-]+", "_", f"{cells_source}-{drug}")
        other.results, other._apart = self.results / apart, True
        other._folders = [*(folder / apart for folder in self._folders), *self._folders]
        return other

    def read(self, name: str) -> Any:
        """Return an artefact; make it, and first what it needs, where none with these settings exists.

        Every call returns a new copy as read from the disk, so nothing done to it reaches another chapter.
        Parts of an artefact that is made part by part are joined in their order.

        Raises
        ------
        Bulk2scError
            If the artefact is unknown or has no part; or, while an edition is built, if it belongs to another
            chapter that made it with other settings.
        """
        maker = _known(name)
        if not maker.each:
            return self.read_part(name)
        parts = [self.read_part(name, part) for part in maker.parts(self.settings)]
        if not parts:
            raise Bulk2scError(f"artefact '{name}' has no part: setting '{maker.each}' lists nothing")
        return _joined(parts)

    def read_part(self, name: str, part: int | str | None = None) -> Any:
        """Return one part of an artefact (None: all of one that has no parts); made where it is missing."""
        started, maker, stamp = time.monotonic(), _known(name), self.stamp(name, part)
        for folder in self._folders:
            value = _load(folder / _place(maker, part), stamp)
            if value is not None:
                return value
        self._refuse_to_remake(name, part, stamp)
        needed = [self.read(need) for need in maker.needs]
        asked = stamp["settings"] if part is None else stamp["settings"] | {artefacts.PART: part}
        value = maker.make(*needed, **asked)
        note = {"stamp": stamp, "seconds": round(time.monotonic() - started, 1)}
        return self._keep(self.results / _place(maker, part), value, note)

    def missing(self, name: str) -> list[int] | list[str]:
        """Return the parts of an artefact that are not there yet, or no longer fit."""
        return [part for part in _known(name).parts(self.settings) if not self._note(name, part)]

    def seconds(self, name: str, part: int | str | None = None) -> float:
        """Return how long an artefact, or a part, took whoever made it; 0 where none is there."""
        return self._note(name, part).get("seconds", 0.0)

    def _note(self, name: str, part: int | str | None) -> dict:
        """Return what was noted of an artefact, or a part, where it is there and fits; else nothing."""
        stamp, place = self.stamp(name, part), _place(_known(name), part)
        kept = [_kept(folder / place) for folder in self._folders]
        return next((note for note in kept if note.get("stamp") == stamp), {})

    def stamp(self, name: str, part: int | str | None = None) -> dict:
        """Return all that decides what an artefact is: settings, versions, hashes of needs, code and data.

        The stamp of a part says which it is, and not how many others there are.
        """
        maker = _known(name)
        settings = {setting: self.settings[setting] for setting in maker.settings}
        which = {} if part is None else {artefacts.PART: part}
        if which:
            settings.pop(maker.each)
        return which | {
            "artefact": name,
            "settings": settings,
            "needs": {need: digest(self.stamp(need)) for need in maker.needs},
            "code": digest([artefacts.code_digest(maker.upto), artefacts.maker_digest(maker.make)]),
            "made_with": artefacts.made_with(maker.upto),
            "data": data_digest(),
            "files": input_files(settings | which),
        }

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """Add tidy results of this chapter to ``<chapter>.csv`` in the results folder; return them completed.

        Parameters
        ----------
        table
            At least the columns ``metric`` and ``value``. Edition, chapter, dataset and drug are filled in
            where they are missing; ``method`` and ``seed`` stay empty. Further columns are kept.

        Raises
        ------
        Bulk2scError
            If ``metric`` or ``value`` is missing.
        """
        for column in ("metric", "value"):
            if column not in table:
                raise Bulk2scError(
                    f"chapter '{self.chapter}': rows need '{column}', found {', '.join(table.columns)}"
                )
        filled = {"edition": self.edition, "chapter": self.chapter, "dataset": self.settings["cells_source"]}
        filled |= {"drug": self.settings["drug"], "method": "", "seed": pd.NA}
        table = table.assign(**{name: value for name, value in filled.items() if name not in table})
        table = table[ROW_COLUMNS + [column for column in table if column not in ROW_COLUMNS]]
        self._rows.append(table)
        with atomic(self.results / f"{self.chapter}.csv") as partial:
            pd.concat(self._rows, ignore_index=True).to_csv(partial, index=False)
        return table

    def rows_of(self, chapter: str) -> pd.DataFrame:
        """Return the tidy results of another chapter, of this run or else of the edition.

        Raises
        ------
        Bulk2scError
            If that chapter has not written any.
        """
        for folder in self._folders:
            if (folder / f"{chapter}.csv").exists():
                return _read_csv(folder / f"{chapter}.csv")
        raise Bulk2scError(
            f"chapter '{chapter}' has no results in edition '{self.edition}'; "
            f"run it first: bulk2sc book --edition {self.edition}"
        )

    def _refuse_to_remake(self, name: str, part: int | str | None, stamp: dict) -> None:
        """Stop a chapter of an edition from replacing an artefact that another chapter of it made."""
        if self._apart:
            return
        owned = os.environ.get("BULK2SC_OWNED")
        kept = _kept(self.results / _place(_known(name), part)).get("stamp")
        if owned is None or name in owned.split(",") or kept is None:
            return
        differing = [s for s, v in stamp["settings"].items() if kept["settings"].get(s, v) != v]
        if differing:
            raise Bulk2scError(
                f"chapter '{self.chapter}': artefact '{name}' was made by another chapter with "
                + " and ".join(
                    f"{s} = {kept['settings'][s]!r}, not {stamp['settings'][s]!r}" for s in differing
                )
                + f"; set it for all chapters under 'parameters' in editions/{self.edition}.yml"
            )

    def _keep(self, path: Path, value: Any, note: dict) -> Any:
        """Write an artefact and what is noted of it, and return it as it will be read."""
        write, read = FORMATS[path.suffix]
        with atomic(path) as partial:
            write(value, partial)
            sha256 = file_digest(partial)  # another process may replace what is at `path`
            _stamp_file(path).unlink(missing_ok=True)  # a stamp never stands beside what it does not describe
        write_json(_stamp_file(path), note | {"sha256": sha256})
        return read(path)


def _known(name: str) -> artefacts.Artefact:
    if name not in artefacts.ARTEFACTS:
        raise Bulk2scError(f"artefact '{name}' is unknown.{did_you_mean(name, artefacts.ARTEFACTS)}")
    return artefacts.ARTEFACTS[name]


def _place(maker: artefacts.Artefact, part: int | str | None) -> str:
    """Return where an artefact lies in the results folder; its parts lie in a folder of its name."""
    if part is None:
        return maker.file
    stem, ending = maker.file.split(".", 1)
    return f"{stem}/{artefacts.part_name(part)}.{ending}"


def _joined(parts: list[Any]) -> Any:
    """Join parts in their order: tables, or sets of tables table by table."""
    if isinstance(parts[0], dict):
        return {name: _joined([part[name] for part in parts]) for name in parts[0]}
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)


def _stamp_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _kept(path: Path) -> dict:
    """Return what was noted of the artefact at `path`: its stamp, seconds and sha256; or nothing."""
    kept = read_json(_stamp_file(path))
    return kept if path.exists() and isinstance(kept, dict) else {}


def _load(path: Path, stamp: dict) -> Any:
    """Return what is kept at `path` if its stamp agrees and it is whole, else None."""
    kept = _kept(path)
    if kept.get("stamp") != stamp:
        return None
    try:
        if kept.get("sha256") == file_digest(path):
            return FORMATS[path.suffix][1](path)
    except (FileNotFoundError, Bulk2scError):  # another process replaces it; a model says so in its own words
        return None
    log.warning("%s is damaged: it is made again", path)
    return None
