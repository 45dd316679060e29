"""Lines whose cells are not their own: planted swaps are named, and nothing else is."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from conftest import at_hand

from bulk2sc import datasets, labels, pp


@pytest.fixture(scope="module")
def simulated(gdsc):
    return datasets.simulate(gdsc, drug="Cisplatin", n_cells=800, normal=0.0, seed=1)


def renamed(cells, names):
    cells = cells.copy()
    cells.obs["cell_line"] = cells.obs["cell_line"].astype(str).replace(names)
    return cells


def strangers(cells, bulk):
    table = labels.identity(cells, bulk)
    return set(table.index[~table["itself"]])


def test_correlation_is_that_of_standardised_profiles():
    rng = np.random.default_rng(0)
    genes = [f"g{i}" for i in range(30)]
    bulk = AnnData(rng.normal(size=(5, 30)).astype("float32"), pd.DataFrame(index=list("ABCDE")))
    bulk.var_names = genes
    obs = pd.DataFrame({"cell_line": list("AABBZ")}, index=[f"c{i}" for i in range(5)])
    cells = AnnData(rng.normal(size=(5, 30)).astype("float32"), obs, pd.DataFrame(index=genes[::-1]))
    mean = cells.to_df()[genes].groupby(obs["cell_line"].to_numpy()).mean()
    mean, profiles = ((of - of.mean()) / of.std(ddof=0) for of in (mean, bulk.to_df()))
    expected = {
        line: {name: np.corrcoef(mean.loc[line], profiles.loc[name])[0, 1] for name in bulk.obs_names}
        for line in "AB"
    }
    table = labels.identity(cells, bulk)
    assert list(table.index) == ["A", "B"] and list(table["n_cells"]) == [2, 2]
    for line, found in expected.items():
        assert table.loc[line, "correlation"] == pytest.approx(found[line], abs=1e-5)
        assert table.loc[line, "nearest"] == max(found, key=found.get)
        assert table.loc[line, "rank"] == 1 + sum(value > found[line] for value in found.values())


def test_planted_swaps_are_named_and_nothing_else(simulated, gdsc):
    lines = sorted(simulated.obs["cell_line"].unique())
    first, second, third = np.random.default_rng(0).choice(lines, 3, replace=False)
    swapped = renamed(simulated, {first: second, second: first})
    assert strangers(swapped, gdsc) == {first, second}
    turned = renamed(simulated, {first: second, second: third, third: first})
    assert strangers(turned, gdsc) == {first, second, third}
    named = labels.leave_out_strangers(swapped, gdsc).obs["cell_line"].astype(str)
    assert set(named[simulated.obs["cell_line"] == first]) == {f"not {second}"}
    kept = ~simulated.obs["cell_line"].isin([first, second])
    assert (named[kept] == simulated.obs.loc[kept, "cell_line"]).all()


def test_a_stranger_has_no_truth_and_stays_out_of_training(simulated, gdsc):
    first, second = sorted(simulated.obs["cell_line"].unique())[:2]
    cells = pp.hold_out_own_lines(renamed(simulated, {first: second, second: first}), gdsc)
    cells = labels.truth_from_lines(labels.leave_out_strangers(cells, gdsc), gdsc, "Cisplatin")
    of_strangers = simulated.obs["cell_line"].isin([first, second])
    assert cells.obs["truth"][of_strangers].isna().all() and cells.obs["truth"][~of_strangers].notna().any()
    assert {first, second} <= set(cells.uns["held_out"])
    again = pp.hold_out_own_lines(cells, gdsc)  # as when a written file is read
    assert not again.obs["cell_line"].isin([first, second]).any()


def test_cells_that_cannot_be_compared(simulated, gdsc):
    lines = sorted(simulated.obs["cell_line"].unique())
    one, two, three = (simulated[simulated.obs["cell_line"].isin(lines[:n])] for n in (1, 2, 3))
    assert labels.identity(one, gdsc).empty and labels.identity(two, gdsc).empty
    assert list(labels.identity(three, gdsc).index) == lines[:3]
    foreign = renamed(simulated, {name: f"X{name}Y" for name in simulated.obs["cell_line"].unique()})
    assert labels.identity(foreign, gdsc).empty
    assert (labels.leave_out_strangers(one, gdsc).obs["cell_line"] == lines[0]).all()


@pytest.mark.parametrize(
    ("key", "load", "found"),
    [("GSE173634", datasets.breast_atlas, {"HCC1143"}), ("GSE118767", datasets.mixology, set())],
)
def test_real_lines(key, load, found, gdsc):
    if not at_hand(key):
        pytest.skip(f"{key} is not here: set BULK2SC_MIRROR or run `bulk2sc fetch {key}`")
    cells = load()
    assert strangers(cells, gdsc) == found
    lines = sorted(set(cells.obs["cell_line"]) & set(gdsc.obs_names) - found)
    assert (labels.identity(cells, gdsc).loc[lines, "rank"] == 1).all()
    swapped = renamed(cells, {lines[0]: lines[-1], lines[-1]: lines[0]})
    assert strangers(swapped, gdsc) == found | {lines[0], lines[-1]}
