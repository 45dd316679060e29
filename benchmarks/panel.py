"""Every method on the two panels of real cells: what the book shows of them in every edition.

Forests and boosted trees have fewer trees than elsewhere (`TREES`), and a network one seed, small layers and
few epochs (`NETWORK`); "tuned XGBoost", 31 fits for each drug, is left out. Fits are kept in the store, one
by one, so that a run goes on where it stopped; about half an hour of one core.
Kept are means over drugs with intervals over lines; no response of a line is among them.
Run: python benchmarks/panel.py
"""

import pandas as pd
import shared

from bulk2sc import compare, models
from bulk2sc import panel as panels
from bulk2sc.book import Study

METHODS = ["ridge", *(name for name in models.SIMPLE if name not in ("ridge", "tuned XGBoost"))]
METHODS += models.NETWORKS
POOLED, AVERAGED = 15, ", pooled"  # neighbours of a cell; ends the name of a method on pooled cells
NETWORK = {"hidden": 128, "max_epochs": 30}
TREES = {"RF": 100, "GB": 30, "XGBoost": 50}


def line_scores(bulk, panel, *, drugs, method):
    """Score the lines with one method."""
    settings = NETWORK | ({"n_estimators": TREES[method]} if method in TREES else {})
    return panels.line_scores(bulk, *panel, drugs, method=method, **settings).assign(seed=0)


def of_edition(edition: str) -> pd.DataFrame:
    """Return levels and differences: of cells and bulk profiles to the first method, of pooled to single."""
    parts = {}
    for pool in (0, POOLED):
        study = Study(edition, panel_hvg=0, pool=pool)
        bulk, (_, cells) = study.read("bulk"), study.read("panel")
        auc = shared.answers(edition, bulk, cells.obs["cell_line"])
        grid = [{"drugs": list(auc), "method": method} for method in METHODS]
        scores = study.each(line_scores, grid).drop(columns="drugs")
        parts |= {(pool, kind): rows for kind, rows in scores.groupby("input")}
    single, pooled = parts[0, panels.CELLS], parts[POOLED, panels.CELLS]
    both = pd.concat([single, pooled.assign(method=pooled["method"] + AVERAGED)])
    against = {panels.CELLS: METHODS[0], panels.OWN_BULK: METHODS[0]}
    against["pooled cells"] = [(method + AVERAGED, method) for method in METHODS]
    rows = {panels.CELLS: single, panels.OWN_BULK: parts[0, panels.OWN_BULK], "pooled cells": both}
    found = {kind: judged(rows[kind], auc, against[kind]) for kind in rows}
    table = pd.concat(found, names=["input"]).reset_index("input")
    about = {"edition": edition, "lines": len(auc), "drugs": auc.shape[1]}
    return table.assign(**about).round(4)


def judged(scores: pd.DataFrame, auc: pd.DataFrame, reference) -> pd.DataFrame:
    """Return the level of each method and, where it is compared, its difference to the reference."""
    draws = compare.on_panel(scores, auc)
    gaps = compare.differences(draws, reference=reference)
    gaps = gaps.rename(columns={"low": "difference_low", "high": "difference_high"})
    asked = gaps["method"] if isinstance(reference, list) else draws.value.index
    table = compare.levels(draws).merge(gaps, on="method", how="left")
    return table[table["method"].isin(asked)].assign(
        method=lambda rows: rows["method"].str.removesuffix(AVERAGED)
    )


if __name__ == "__main__":
    found = pd.concat(map(of_edition, sorted(shared.LIMITS)))
    Study("atlas", panel_hvg=0).keep("panel", found, reads=["panel"])
    print(found[found["input"] != panels.OWN_BULK].to_string())
