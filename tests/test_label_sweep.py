import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bulk2sc import datasets, label_sweep, labels


@pytest.fixture(scope="module")
def table():
    """Hidden cells that are few and that are more than the dominance allows, and the usual ones."""
    vary = {"hidden_resistant": [0.05, 0.4], "shift": [0.5]}
    options = {"n_cells": 300, "min_genes": 20}
    return label_sweep.sweep(datasets.made_up_bulk(), drug="Lapatinib", vary=vary, seeds=[0], **options)


def test_every_setting_value_seed_and_metric_once(table):
    assert not table.duplicated(["setting", "value", "seed", "metric"]).any()
    assert len(table) == 3 * 9
    assert set(table["seed"]) == {0} and table["metric"].nunique() == 9
    assert table["score"].dropna().between(0, 1).all()


def test_step_1_is_blind_where_hidden_cells_outnumber_what_dominance_allows(table):
    # Of a resistant line's cells the arms hold shares of .6 and .4, so treated cells make 60 % at most.
    score = table[table["setting"] == "hidden_resistant"].set_index(["metric", "value"])["score"]
    assert score["hidden recall", 0.4] < 0.2 < 0.5 < score["hidden recall", 0.05]
    assert abs(score["right labels", 0.4] - score["right labels, no exclusion", 0.4]) < 0.06


def test_without_treatment_effect_and_with_a_huge_one():
    bulk = datasets.made_up_bulk()
    options = {"drug": "Lapatinib", "n_cells": 300, "min_genes": 20, "seeds": [0]}
    found = label_sweep.sweep(bulk, vary={"shift": [0, 3]}, **options)
    purity = found[found["metric"] == "arm purity"].set_index("value")["score"]
    recall = found[found["metric"] == "hidden recall"].set_index("value")["score"]
    assert purity[3] > 0.95 > purity[0]
    assert recall[3] < 0.2 < recall[0], "arms that lie apart hide nobody"


def test_a_run_that_exclusion_leaves_without_a_class_has_no_rows(monkeypatch):
    def lost(*args, **settings):
        raise labels.ClassLost("every cell is excluded")

    monkeypatch.setattr(labels, "label_cells", lost)
    options = {"drug": "Lapatinib", "n_cells": 300, "min_genes": 20, "seeds": [0]}
    assert label_sweep.sweep(datasets.made_up_bulk(), vary={"shift": [0.5]}, **options).empty


def test_means_and_intervals_over_seeds_by_hand():
    scores = {1.0: [0.4, 0.5, 0.6], 2.0: [0.98, 1.0, np.nan], 3.0: [0.7, np.nan, np.nan]}
    rows = [("depth", v, seed, "m", x) for v, xs in scores.items() for seed, x in enumerate(xs)]
    table = pd.DataFrame(rows, columns=["setting", "value", "seed", "metric", "score"])
    found = label_sweep.over_seeds(table).set_index("value")
    assert found["mean"].tolist() == pytest.approx([0.5, 0.99, 0.7])
    assert found["n"].tolist() == [3, 2, 1]
    interval = stats.t.interval(0.95, 2, loc=0.5, scale=0.1 / np.sqrt(3))
    assert found.loc[1.0, ["low", "high"]].tolist() == pytest.approx(interval)
    assert found.loc[2.0, "high"] == 1 and found.loc[2.0, "low"] < 0.99
    assert found.loc[3.0, ["low", "high"]].isna().all()
