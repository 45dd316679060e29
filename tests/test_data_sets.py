"""Several data sets beside each other, worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from bulk2sc import pl
from bulk2sc.experiments import data_sets


@pytest.fixture
def table():
    values = {"A": [0.5, 0.6, 0.7], "B": [0.5, np.nan, 0.9]}
    rows = [(m, -1, "auroc", v, f"set {i}") for m, row in values.items() for i, v in enumerate(row)]
    rows += [("A", 0, "auroc", 0.0, "set 0")]  # a single seed does not count
    return pd.DataFrame(rows, columns=["method", "seed", "metric", "value", "study"])


def test_means_with_t_intervals_over_data_sets(table):
    a, b = data_sets.means(table).to_dict("records")
    assert (a["mean"], a["n"], b["mean"], b["n"]) == (pytest.approx(0.6), 3, pytest.approx(0.7), 2)
    half = (
        4.302653 * 0.1 / np.sqrt(3)
    )  # the t quantile of two degrees of freedom, a standard deviation of 0.1
    assert (a["low"], a["high"]) == (pytest.approx(0.6 - half), pytest.approx(0.6 + half))
    assert np.isnan(b["low"]) and np.isnan(b["high"])


def test_no_interval_exceeds_1(table):
    wide = table.assign(value=[1.0, 1.0, 0.4, 1, 1, 1, 0])
    assert data_sets.means(wide)["high"].max() == 1


def test_one_metric_beside_each_other(table):
    wide = data_sets.beside_each_other(table, "auroc", ["B", "A"])
    assert list(wide) == ["set 0", "set 1", "set 2", "mean"] and list(wide.index) == ["B", "A"]
    assert wide.loc["A"].tolist() == pytest.approx([0.5, 0.6, 0.7, 0.6])
    assert wide.loc["B", "mean"] == pytest.approx(0.7)


def test_every_data_set_is_drawn_in_its_own_row_and_the_mean_beside(table):
    more = table[table["study"] == "set 1"]
    table = pd.concat([table, *(more.assign(study=f"more {i}") for i in range(9))])
    ax = pl.over_studies(table, data_sets.means(table), "auroc", chance=0.5, order=["B", "A"])
    drawn = {c.get_label(): c.get_offsets() for c in ax.collections if not c.get_label().startswith("_")}
    assert set(drawn) == {"mean", *table["study"]}
    assert drawn["set 2"].tolist() == [[0.9, 0], [0.7, 1]]
    assert drawn["mean"][1, 0] == pytest.approx(0.6)
