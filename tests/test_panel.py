"""The drug panel on made-up lines, and on real cells against values fixed once."""

from pathlib import Path

import numpy as np
import pandas as pd
import planted
import pytest
from conftest import at_hand

from bulk2sc import datasets, panel, pp
from bulk2sc.errors import Bulk2scError
from bulk2sc.models.all_drugs import AllDrugs


def test_drugs_are_chosen_by_lines_tested_and_spread():
    bulk = planted.tested_lines()
    table = panel.drugs(bulk, ["L0", "L1", "L10", "L11"], min_lines=3, min_total=50)
    assert list(table.index) == ["a", "d"]  # b and c were tested on two of the four lines
    wide = panel.drugs(bulk, ["L0", "L1", "L10", "L11"], min_lines=3, min_total=50, min_spread=0.01)
    assert set(wide.index) == set(table.index[table["spread"] >= 0.01])
    assert table.loc["a", "n_total"] == 58
    values = bulk[["L0", "L1", "L10", "L11"]].obsm["auc"][:, 0].astype(float)
    assert table.loc["a", "spread"] == pytest.approx(np.std(values), abs=1e-6)
    with pytest.raises(Bulk2scError, match="no bulk data for cell line NOLINE"):
        panel.drugs(bulk, ["L0", "NOLINE"])
    with pytest.raises(Bulk2scError, match="no drug was tested on 3 of the 2 lines"):
        panel.drugs(bulk, ["L0", "L1"], min_lines=3, min_total=50)


def test_line_means_and_bulk_profiles():
    bulk = planted.tested_lines()
    profiles = panel.bulk_profiles(bulk, bulk[10:], ["L0", "L1"])
    expected = (bulk.X[:2] - bulk.X[10:].mean(0)) / bulk.X[10:].std(0)
    np.testing.assert_allclose(profiles.layers["scaled"], expected, atol=1e-5)
    cells = bulk[20:23].copy()
    cells.obs["cell_line"] = ["L0", "L0", "L1"]
    samples = panel.samples(cells, profiles)
    np.testing.assert_array_equal(samples.layers["scaled"][:3], cells.layers["scaled"])
    scores = pd.DataFrame({"a": [1.0, 3.0, 5.0, 7.0, 9.0]}, index=samples.obs_names)
    means = panel.line_means(scores, samples).set_index(["input", "line"])["score"].to_dict()
    own = {(panel.OWN_BULK, "L0"): 7, (panel.OWN_BULK, "L1"): 9}
    assert means == {("cells", "L0"): 2, ("cells", "L1"): 5} | own


def test_a_constant_has_one_mean_whatever_the_number_of_cells():
    cells = planted.tested_lines()[:47].copy()
    cells.obs["cell_line"] = np.repeat(["x", "y", "z"], [3, 11, 33])
    samples = panel.samples(cells, planted.tested_lines()[:3])
    scores = pd.DataFrame({"a": np.full(50, 0.49)}, index=samples.obs_names)
    unrounded = scores.groupby(samples.obs["line"].to_numpy())["a"].mean()
    assert unrounded.nunique() > 1  # which would make ranks of nothing
    assert panel.line_means(scores, samples)["score"].nunique() == 1


@pytest.mark.slow
def test_the_harness_finds_again_what_the_atlas_said(gdsc):
    """Ridge 1e4 on cells and on their lines' profiles, and the other screen: rho by drug, and its mean."""
    if not at_hand("GSE173634"):
        pytest.skip("GSE173634 is not here: set BULK2SC_MIRROR or run `bulk2sc fetch GSE173634`")
    cells = pp.hold_out_own_lines(datasets.breast_atlas(), gdsc)
    held_out = list(cells.uns["held_out"])
    lines = [line for line in held_out if line != "HCC1143"]  # which resembles another line
    cells = pp.normalise(pp.check_cells(cells[cells.obs["cell_line"].isin(lines)].copy()))
    training, cells = pp.pair(pp.train_lines(gdsc, held_out), cells, n_hvg=0)
    drugs = panel.drugs(gdsc, lines, min_lines=20, min_spread=0.05).index
    auc, other = panel.truth(gdsc, lines)[drugs], panel.truth(datasets.load_bulk("gdsc1"), lines)
    model, rho = AllDrugs(penalty=1e4).fit(training, drugs), {}
    profiles = panel.bulk_profiles(gdsc, training, lines)
    for name, data, line in (("cells", cells, cells.obs["cell_line"]), ("bulk profiles", profiles, lines)):
        score = -model.predict(data).groupby(np.asarray(line, str)).mean()
        rho[f"ridge 10000, {name}"] = score.corrwith(-auc.loc[score.index], method="spearman")
    both = drugs.intersection(other.columns[other.notna().sum() >= 20])
    rho["replicate screen"] = other[both].corrwith(auc[both], method="spearman")
    found = pd.DataFrame(rho)
    kept = pd.read_csv(Path(__file__).parent / "data" / "panel_ridge_10000.csv")
    kept = kept.pivot(index="drug", columns="method", values="rho").loc[found.index, found.columns]
    assert ((found - kept).abs() > 0.01).to_numpy().mean() < 0.02
    means = {"ridge 10000, cells": 0.333, "ridge 10000, bulk profiles": 0.335, "replicate screen": 0.411}
    assert found.mean().to_dict() == pytest.approx(means, abs=0.01) and len(both) == 54
    assert found.loc[both, "ridge 10000, cells"].mean() == pytest.approx(0.324, abs=0.01)
