"""Every figure and table of a chapter can be drawn from its tidy rows."""

import pandas as pd
import pytest
from book_fixtures import BUILD

pytest_plugins = ["book_fixtures"]
FOUR = ["auroc", "mcc", "accuracy", "f1"]
# Chapter -> the column that says of what a row is -> what is drawn of it.
DRAWN = {
    "baselines": {
        "against": {
            "truth": [*FOUR, "auprc", "balanced_accuracy", "brier", "positive_rate", "difference in auroc"],
            "response": ["auroc", "mcc"],
            "bulk lines left out": ["auroc", "correlation"],
            "data sets": [*FOUR, "degenerate"],
            "all data sets": [*FOUR, "difference in auroc"],
        }
    },
    "drug-panel": {
        "input": {"cells": ["rho", "mean rho"], "bulk profiles (ceiling)": ["mean rho"]},
        "family": {
            "every method": ["difference in mean rho"],
            "rivals": ["difference in mean rho"],
            "trained end to end": ["difference in mean rho"],
        },
        "chapter": {"drug-panel": ["auc", "penalty"]},
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("slug", DRAWN)
def test_rows_hold_what_is_drawn(slug, smoke_book):
    rows = pd.read_csv(BUILD / "results" / f"{slug}.csv")
    for column, drawn in DRAWN[slug].items():
        for of, metrics in drawn.items():
            found = rows[rows[column] == of].groupby("metric")["value"].count()
            assert not [m for m in metrics if not found.get(m)], f"{column} '{of}' lacks some of {metrics}"


@pytest.mark.slow
def test_the_penalties_and_their_comparisons_are_whole(smoke_book):
    rows = pd.read_csv(BUILD / "results" / "baselines.csv")
    swept = rows[rows["method"] == "ridge, swept"]
    folds = swept[(swept["metric"] == "correlation") & (swept["seed"] >= 0)]
    assert folds.groupby("penalty").size().tolist() == [5] * 9
    assert swept.loc[swept["seed"] == -1, "metric"].value_counts().to_dict() == {"correlation": 9, "auroc": 9}
    tested = rows[(rows["metric"] == "difference in auroc") & (rows["against"] == "truth")]
    assert len(tested) > 10 and tested["holm"].notna().all() and tested["second"].notna().all()
