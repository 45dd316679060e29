"""Treatment only: both samples hold the same lines, and a score of the drug's programme is found out."""

import numpy as np
import pandas as pd
import pytest

from bulk2sc import datasets, exposure, labels


@pytest.fixture(scope="module")
def made_up():
    bulk = datasets.made_up_bulk(seed=0)
    return labels.label_bulk(bulk, drug="Lapatinib")


def simulated(bulk, shift, genes=None):
    size = {"n_cells": 400, "n_lines_per_tail": 10, "depth": 2000}
    return exposure.experiment(bulk, bulk.var_names if genes is None else genes, shift=shift, seed=0, **size)


def test_both_samples_hold_the_same_lines_and_only_the_shift_differs(made_up):
    lines, cells = simulated(made_up, 1.0)
    counts = pd.crosstab(cells.obs["cell_line"].astype(str), cells.obs["treated"])
    assert counts.shape == (20, 2) and (counts == 10).all(axis=None)
    assert not set(counts.index) & set(lines.obs_names)
    _, other = simulated(made_up, 0.0)
    pd.testing.assert_frame_equal(cells.obs, other.obs)
    assert simulated(made_up, 0.0, made_up.var_names[:300])[1].n_vars == 300


def test_a_score_of_the_shift_calls_treated_cells_resistant_and_a_score_of_the_line_does_not(made_up):
    """Two scores of known kind: the drug's programme itself, and the truth with noise."""
    _, cells = simulated(made_up, 1.0)
    programme = cells.uns["shift"]["z"].reindex(cells.var_names).fillna(0).to_numpy()
    knows_drug = pd.Series(-(cells.layers["scaled"] @ programme), cells.obs_names).rank(pct=True)
    knows_line = 0.6 * cells.obs["truth"] + np.random.default_rng(0).uniform(0, 0.3, cells.n_obs)
    table = cells.obs[["cell_line", "treated", "truth"]].assign(seed=0, shift=1.0)
    scored = [table.assign(method="drug", score=knows_drug), table.assign(method="line", score=knows_line)]
    called = exposure.called_resistant(pd.concat(scored)).xs(1.0, level="shift")
    assert called.loc["drug", "treated"] > 0.9 > 0.1 > called.loc["drug", "control"]
    assert (called.loc["line"] == 0).all()
