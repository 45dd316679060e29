"""How the store keeps values in files."""

import gzip
import json
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd

from bulk2sc.errors import Bulk2scError

TABLE = "__table__"  # marks a table in JSON


def write(value: Any, path: Path) -> None:
    """Write AnnData, a table, an array, a model, a set of these or a plain value; the ending tells which."""
    if isinstance(value, ad.AnnData):
        value.write_h5ad(f"{path}.h5ad", compression="lzf")
    elif isinstance(value, np.ndarray):
        np.save(f"{path}.npy", value, allow_pickle=False)
    elif hasattr(value, "save"):
        value.save(Path(f"{path}.model"))
    elif isinstance(value, tuple | dict):
        items = dict(enumerate(value) if isinstance(value, tuple) else value)
        if isinstance(value, dict) and not all(isinstance(name, str) for name in items):
            raise Bulk2scError(f"the store keeps a dict whose names are text; found {list(items)}")
        folder = Path(f"{path}.{type(value).__name__}")
        folder.mkdir()
        for name, item in items.items():
            write(item, folder / str(name))
    else:
        text = json.dumps(value, default=_as_json)
        Path(f"{path}.json-gz").write_bytes(gzip.compress(text.encode(), compresslevel=3, mtime=0))


def read(path: Path) -> Any:
    """Return the value that a file or folder holds."""
    if path.suffix in (".tuple", ".dict"):
        items = {file.stem: read(file) for file in path.iterdir()}
        return items if path.suffix == ".dict" else tuple(items[name] for name in sorted(items, key=int))
    return READERS[path.suffix](path)


def _as_json(value: Any) -> Any:
    """Return what JSON has no word for: a table by its columns, with their types, or a number of numpy."""
    if isinstance(value, pd.DataFrame):
        numbered = value.index.name is None and value.index.equals(pd.RangeIndex(len(value)))
        index = [] if numbered else list(value.index.names)
        flat = value.reset_index() if index else value
        columns = [[name, str(flat[name].dtype), flat[name].tolist()] for name in flat]
        return {TABLE: columns, "index": index, "name": value.columns.name}
    if isinstance(value, np.generic):
        return value.item()
    if value is pd.NA:
        return None
    raise Bulk2scError(f"the store keeps AnnData, tables, arrays, models and plain values, no {type(value)}")


def _as_table(found: dict) -> Any:
    """Return a table, as it was but that categories are text; any other dict as it is."""
    if TABLE not in found:
        return found
    types = {name: "object" if kind == "category" else kind for name, kind, _ in found[TABLE]}
    table = pd.DataFrame({name: pd.Series(values, dtype=types[name]) for name, _, values in found[TABLE]})
    if found["index"]:
        table = table.set_index(list(table.columns[: len(found["index"])]))
        table.index.names = found["index"]
    return table.rename_axis(columns=found["name"])


def _read_model(folder: Path) -> Any:
    from bulk2sc.models import load_model

    return load_model(folder)


READERS = {
    ".h5ad": ad.read_h5ad,
    ".npy": lambda path: np.load(path, allow_pickle=False),
    ".model": _read_model,
    ".json-gz": lambda path: json.loads(gzip.decompress(path.read_bytes()), object_hook=_as_table),
}
