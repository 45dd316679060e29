"""How the store keeps values in files."""

import json
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd


def write(value: Any, path: Path) -> None:
    """Write AnnData, a table, an array, a model, a set of these or a plain value; the ending tells which."""
    if isinstance(value, ad.AnnData):
        value.write_h5ad(f"{path}.h5ad", compression="lzf")
    elif isinstance(value, np.ndarray):
        np.save(f"{path}.npy", value, allow_pickle=False)
    elif hasattr(value, "save"):
        value.save(Path(f"{path}.model"))
    elif isinstance(value, pd.DataFrame):
        _write_table(value, Path(f"{path}.table"))
    elif isinstance(value, tuple | dict):
        folder = Path(f"{path}.{type(value).__name__}")
        folder.mkdir()
        for name, item in dict(enumerate(value) if isinstance(value, tuple) else value).items():
            write(item, folder / str(name))
    else:
        Path(f"{path}.json").write_text(json.dumps(value, default=lambda number: number.item()))


def read(path: Path) -> Any:
    """Return the value that a file or folder holds."""
    if path.suffix in (".tuple", ".dict"):
        items = {file.stem: read(file) for file in path.iterdir()}
        return items if path.suffix == ".dict" else tuple(items[name] for name in sorted(items, key=int))
    return READERS[path.suffix](path)


def _write_table(table: pd.DataFrame, folder: Path) -> None:
    """Write a table as CSV for people, and beside it what CSV does not keep; categories become text."""
    index = [] if isinstance(table.index, pd.RangeIndex) else list(table.index.names)
    flat = table.reset_index() if index else table
    types = {name: str(kind).replace("category", "object") for name, kind in flat.dtypes.items()}
    folder.mkdir()
    flat.to_csv(folder / "values.csv.gz", index=False, compression={"method": "gzip", "mtime": 0})
    (folder / "types.json").write_text(json.dumps({"columns": types, "index": index}))


def _read_table(folder: Path) -> pd.DataFrame:
    about = json.loads((folder / "types.json").read_text())
    # Names such as 0, NA or None stay text.
    texts = {name: str for name, kind in about["columns"].items() if kind == "object"}
    types = {name: kind for name, kind in about["columns"].items() if name not in texts}
    settings = {"converters": texts, "dtype": types, "float_precision": "round_trip"}
    table = pd.read_csv(folder / "values.csv.gz", **settings)
    if about["index"]:
        table = table.set_index(list(table.columns[: len(about["index"])]))
        table.index.names = about["index"]
    return table


def _read_model(folder: Path) -> Any:
    from bulk2sc.models import load_model

    return load_model(folder)


READERS = {
    ".h5ad": ad.read_h5ad,
    ".npy": lambda path: np.load(path, allow_pickle=False),
    ".model": _read_model,
    ".table": _read_table,
    ".json": lambda path: json.loads(path.read_text()),
}
