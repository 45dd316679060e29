"""What every edition shows of the whole grids on real cells: nothing of Figure 4 and Table 2 is missing."""

import sys
from pathlib import Path

import pytest

from bulk2sc.book import Study

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))


@pytest.mark.parametrize("against", ["lines left out", "truth"])
def test_every_value_and_every_collection_has_five_models(against):
    import grids

    sweep, sets = (Study("smoke").kept(name).query("metric == 'auroc'") for name in ("sweep", "resources"))
    for setting, values in grids.SWEPT.items():
        rows = sweep[(sweep["setting"] == setting) & (sweep["against"] == against)]
        assert set(rows["at"]) == set(values) and (rows.groupby("at")["seed"].nunique() == 5).all()
    rows = sets[sets["against"] == against]
    wanted = {one for name in grids.NAMES.values() for one in (name, f"random like {name}")}
    assert wanted < set(rows["method"]) and (rows.groupby("method")["seed"].nunique() == 5).all()


def test_the_script_makes_what_is_kept():
    import grids

    study, training = Study("smoke"), {"max_epochs": 1, "hidden": 8}
    grid = [grids.OWN | {"n_hvg": 200, "seed": 0} | training]
    made = study.each(grids.fit, grid)
    assert set(made["against"]) == {"lines left out", "truth"} and made["value"].between(0, 1).all()
