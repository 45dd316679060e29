"""What editions found is what they found before: see frozen.py."""

import frozen
import numpy as np
import pandas as pd
import pytest

pytest_plugins = ["book_fixtures"]


def held_against(edition: str) -> tuple[pd.Series, pd.Series]:
    """Return what is built and what is frozen; skip where nothing is."""
    kept = frozen.kept(edition)
    if kept is None:
        pytest.skip(
            f"no results of `{edition}` are frozen for this precision: python tests/frozen.py {edition}"
        )
    return frozen.built(edition), kept


@pytest.mark.slow
def test_results_of_smoke_are_those_that_were_frozen(smoke_book):
    assert frozen.drifted(*held_against("smoke")).empty


@pytest.mark.verify
def test_results_of_demo_are_those_that_were_frozen():
    """`make verify` has built it."""
    assert frozen.drifted(*held_against("demo")).empty


@pytest.mark.parametrize(
    ("chapter", "method", "change", "drifts"),
    [
        ("baselines", "ridge", 1e-8, False),
        ("baselines", "ridge", 1e-5, True),
        ("baselines", "shared AE", 0.01, False),
        ("baselines", "shared AE", 0.2, True),
        ("controls", "full model", 0.01, False),
        ("controls", "ridge", 1e-5, True),
    ],
)
def test_what_drifts_is_noticed(chapter, method, change, drifts):
    rows = pd.DataFrame({"method": [method] * 2, "seed": [0, 1], "value": [0.5, np.nan], "low": 0.1})
    before = pd.concat({f"{chapter}/{chapter}": frozen.numbers(rows)}, names=frozen.INDEX)
    after = before.where(before.index.get_level_values("column") == "low", before + change)
    assert len(before) == 3 and len(frozen.drifted(after, before)) == drifts
    assert len(frozen.drifted(after.iloc[1:], before)) == 1, "a number is gone"
