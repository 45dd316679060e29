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
NETWORK = {"hidden": 128, "max_epochs": 30}
TREES = {"RF": 100, "GB": 30, "XGBoost": 50}


def line_scores(bulk, panel, *, drugs, method):
    """Score the lines with one method."""
    settings = NETWORK | ({"n_estimators": TREES[method]} if method in TREES else {})
    return panels.line_scores(bulk, *panel, drugs, method=method, **settings).assign(seed=0)


def of_edition(edition: str) -> pd.DataFrame:
    """Return levels and differences to the first method, on cells and on the lines' own bulk profiles."""
    study = Study(edition, panel_hvg=0)
    bulk, (_, cells) = study.read("bulk"), study.read("panel")
    auc = shared.answers(edition, bulk, cells.obs["cell_line"])
    drugs = list(auc)
    made = [study.each(line_scores, [{"drugs": drugs, "method": method}]) for method in METHODS]
    scores, tables = pd.concat(made).drop(columns="drugs", errors="ignore"), []
    for kind, rows in scores.groupby("input"):
        draws = compare.on_panel(rows, auc)
        gaps = compare.differences(draws, reference=METHODS[0]).drop(columns="reference")
        gaps = gaps.rename(columns={"low": "difference_low", "high": "difference_high"})
        tables.append(compare.levels(draws).merge(gaps, on="method", how="left").assign(input=kind))
    about = {"edition": edition, "lines": len(auc), "drugs": len(drugs)}
    return pd.concat(tables).assign(**about).round(4)


if __name__ == "__main__":
    found = pd.concat(map(of_edition, sorted(shared.LIMITS)))
    Study("atlas", panel_hvg=0).keep("panel", found, reads=["panel"])
    print(found[found["input"] == panels.CELLS].to_string())
