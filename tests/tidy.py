"""What the tidy results of a chapter must hold."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

Rows = set[tuple[str, str]]


def assert_tidy(path: Path, figures: Mapping[str, Rows], tests: Rows) -> None:
    """Demand the rows (against, metric) that figures are drawn from, p-values of tests, and no key twice."""
    rows = pd.read_csv(path)
    written = set(rows[["against", "metric"]].itertuples(index=False, name=None))
    for figure, drawn in figures.items():
        assert drawn <= written, figure
    tested = rows[rows.reindex(columns=["p", "holm"]).notna().any(axis=1)]
    assert tests <= set(tested[["against", "metric"]].itertuples(index=False, name=None))
    values = ["value", "low", "high", "p", "holm", "score", "expected_low", "expected_high"]
    keys = rows.columns.difference(values)
    assert not rows.duplicated(list(keys)).any(), "a column keeps apart what is not the same"
