"""What editions found is what they found before: see frozen.py."""

import frozen
import numpy as np
import pandas as pd
import pytest

from bulk2sc.book import build

pytest_plugins = ["book_fixtures"]


def drifted(edition: str) -> pd.DataFrame:
    """Return what a built edition has otherwise than frozen; skip where nothing is frozen."""
    kept = frozen.kept(edition)
    if kept is None:
        pytest.skip(f"`{edition}` is not frozen for this precision: python tests/frozen.py {edition}")
    return frozen.drifted(frozen.built(edition), kept)


@pytest.mark.slow
def test_results_of_smoke_are_those_that_were_frozen(smoke_book):
    found = drifted("smoke")
    assert found.empty, found.to_string(max_rows=20)


@pytest.mark.verify
@pytest.mark.parametrize("edition", ["demo", "atlas"])
def test_results_of_larger_editions_are_those_that_were_frozen(edition):
    if frozen.kept(edition) is not None:
        build.build(edition)
    found = drifted(edition)
    assert found.empty, found.to_string(max_rows=20)


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


def test_how_far_a_network_may_move_depends_on_the_measure():
    found = pd.DataFrame({"method": ["shared AE"], "Brier score": [0.2], "AUROC": [0.8]})
    before = pd.concat({"calibration/calibration": frozen.numbers(found)}, names=frozen.INDEX)
    drifted = frozen.drifted(before + 0.06, before)
    assert drifted.index.get_level_values("column").tolist() == ["Brier score"]
