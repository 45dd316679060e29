"""Tidy results of an edition as they were once found; `python tests/frozen.py smoke` builds and freezes it.

Without a network in them, results must come out again to 1e-6. A network ends elsewhere when its sums are
rounded otherwise, so what hangs on one is held against a file of the same precision, within TOLERANCE.
"""

import re
import sys
from pathlib import Path

import pandas as pd

from bulk2sc.book import build
from bulk2sc.book.plan import plan
from bulk2sc.settings import precision

FOLDER = Path(__file__).parent / "golden"
INDEX = ["table", "row", "column"]
MOST = 500  # rows of a table
# What hangs on a network: rows that name one, and chapters about one but for their rows of simple methods.
NETWORK = r"AE\b|DeepCluster|encoder"
OF_NETWORKS = ("shared-encoder", "classifier", "hyperparameters", "pathway-resources", "ablation", "controls")
OF_NETWORKS += ("calibration", "pathway-attribution", "latent-space")
SIMPLE = r"method=(?:ridge|signature|mean effect|all |LR|SVM|DT|RF|GB|XGBoost|tuned XGBoost|chance)"
# Ends of intervals of networks follow from few cells and lines: they jump, and are not compared.
JUMP = {"low", "high"}
# How far what hangs on a network may move, by the name of the column; the last holds for all others.
TOLERANCE = {"MMD": 0.03, "Brier|ECE|miscalibration": 0.05, "ARI|NMI|ASW": 0.2, "in common": 2.0, "": 0.1}


def file_of(edition: str) -> Path:
    return FOLDER / f"{edition}-{precision()}.csv.gz"


def kept(edition: str) -> pd.Series | None:
    """Return what is frozen for the precision of this machine; None where nothing is."""
    path = file_of(edition)
    return pd.read_csv(path, index_col=INDEX)["value"] if path.exists() else None


def built(edition: str) -> pd.Series:
    """Return every number in the tidy results of a built edition, by table, row and column."""
    found = {}
    for run in (chapter.run for chapter in plan(edition).chapters):
        for file in sorted((run.path / "results").glob("*.csv")):
            table = pd.read_csv(file)
            if len(table) <= MOST:  # scores of single cells and lines are left out: others say what they give
                found[f"{run.name}/{file.stem}"] = numbers(table)
    return pd.concat(found, names=INDEX)


def numbers(rows: pd.DataFrame) -> pd.Series:
    """Return the floats of a table by row and column; a row is named by all else, and by how often it was."""
    if "metric" in rows:
        rows = rows[rows["metric"] != "seconds"]  # differ from run to run
    names = rows.select_dtypes(exclude="float").drop(columns=["edition", "chapter"], errors="ignore")
    told = [[f"{k}={v}" for k, v in row.items() if pd.notna(v)] for row in names.to_dict("records")]
    names = pd.Series(["; ".join(row) for row in told], index=rows.index, dtype=str)
    again = names.groupby(names).cumcount()
    rows = rows.select_dtypes("float").set_axis(names + " #" + again.astype(str))
    return rows.stack(future_stack=True).dropna()


def drifted(found: pd.Series, frozen: pd.Series) -> pd.DataFrame:
    """Return the frozen numbers that were not found again, and what was found; there may be more."""
    found = found.reindex(frozen.index)
    table, row, column = (frozen.index.get_level_values(level) for level in INDEX)
    chapter = table.str.partition("/").get_level_values(0)
    loose = row.str.contains(NETWORK) | (chapter.isin(OF_NETWORKS) & ~row.str.contains(SIMPLE))
    each = [next(t for name, t in TOLERANCE.items() if re.search(name, one)) for one in column]
    allowed = (1e-6 * frozen.abs() + 1e-9).mask(loose, each * frozen.abs().clip(1))
    right = ((found - frozen).abs() <= allowed) | (loose & column.isin(JUMP))
    return pd.DataFrame({"frozen": frozen, "found": found})[~right]


def freeze(edition: str) -> Path:
    build.build(edition)
    path = file_of(edition)
    path.parent.mkdir(exist_ok=True)
    compression = {"method": "gzip", "mtime": 0}
    built(edition).rename("value").to_csv(path, float_format="%.9g", compression=compression)
    return path


if __name__ == "__main__":
    print(freeze(sys.argv[1]))
