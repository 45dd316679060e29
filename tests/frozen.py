"""Tidy results of an edition as they were once found; `python tests/frozen.py smoke` builds and freezes it.

Without a network in them, results must come out again to 1e-6. A network ends elsewhere when its sums are
rounded otherwise, so what hangs on one is held against a file of the same precision, within TOLERANCE.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from bulk2sc import workflow
from bulk2sc.settings import precision, project_root

FOLDER = Path(__file__).parent / "golden"
MEASURED = ["value", "low", "high"]
# Neither names a row nor is compared: p-values jump where a network or a draw differs in one cell.
ASIDE = {"edition", "p", "holm", "p_holm", "p_best"}


# What hangs on a network: rows that name one, and chapters about one but for their rows of simple methods.
NETWORK = r"AE\b|DeepCluster|encoder"
OF_NETWORKS = ("shared-encoder", "classifier", "hyperparameters", "pathway-resources", "ablation", "controls")
OF_NETWORKS += ("calibration", "pathway-attribution", "latent-space")
SIMPLE = r"method=(?:ridge|signature|mean effect|all |LR|SVM|DT|RF|GB|XGBoost|tuned XGBoost|chance)"
TOLERANCE = 0.1


def file_of(edition: str) -> Path:
    return FOLDER / f"{edition}-{precision()}.csv.gz"


def kept(edition: str) -> pd.DataFrame | None:
    """Return what is frozen for the precision of this machine; None where nothing is."""
    path = file_of(edition)
    return pd.read_csv(path, index_col=["chapter", "row"]) if path.exists() else None


def drifted(found: pd.DataFrame, frozen: pd.DataFrame) -> pd.DataFrame:
    """Return the frozen rows that were not found again, and what was found; rows may be added."""
    found = found.reindex(frozen.index)
    off = (found - frozen).abs()
    chapter, row = (frozen.index.get_level_values(level) for level in ("chapter", "row"))
    loose = row.str.contains(NETWORK) | (chapter.isin(OF_NETWORKS) & ~row.str.contains(SIMPLE))
    exact = (off <= 1e-6 * frozen.abs() + 1e-9) | (found.isna() & frozen.isna())
    near = exact["value"] | (off["value"] <= TOLERANCE)
    wrong = ~np.where(loose, near, exact.all(axis=1))
    return frozen[wrong].join(found[wrong], rsuffix=" found")


def built(edition: str) -> pd.DataFrame:
    """Return MEASURED of all tidy results of a built edition, by chapter and by what names the row."""
    folder = project_root() / "_build" / edition / "results"
    tables = {path.stem: pd.read_csv(path) for path in sorted(folder.glob("*.csv"))}
    return pd.concat({name: named(rows) for name, rows in tables.items()}, names=["chapter", "row"])


def named(rows: pd.DataFrame) -> pd.DataFrame:
    """Name each row by all that is not measured, and rows of one name by their number."""
    about = rows[[c for c in rows if c not in {*MEASURED, *ASIDE, "chapter"}]]
    shown = about.apply(lambda column: column.map(lambda x: f"{x:g}" if isinstance(x, float) else x))
    names = [
        "; ".join(f"{k}={v}" for k, v in row.items() if pd.notna(about.at[i, k]))
        for i, row in shown.iterrows()
    ]
    names = pd.Series(names, dtype=str)
    again = names.groupby(names).cumcount().astype(str)
    return rows.reindex(columns=MEASURED).set_axis(names + (" #" + again).where(again != "0", ""), axis=0)


def freeze(edition: str) -> Path:
    workflow.build(edition)
    path = file_of(edition)
    path.parent.mkdir(exist_ok=True)
    built(edition).to_csv(path, float_format="%.9g", compression={"method": "gzip", "mtime": 0})
    return path


if __name__ == "__main__":
    print(freeze(sys.argv[1]))
