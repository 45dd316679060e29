"""Every method on the two panels of real cells: what the book shows of them in every edition.

Fits are kept in the store, one by one, so that a run goes on where it stopped; twenty minutes of one core.
Kept are means over drugs with intervals over lines; no response of a line is among them.
Run: python benchmarks/panel.py
"""

import pandas as pd

from bulk2sc import compare, panel
from bulk2sc.book import Study
from bulk2sc.experiments import drug_panel

METHODS = ["ridge", "ridge CV", "signature", "LR", "SVM", "mean effect", "all sensitive", "all resistant"]
METHODS += ["shared AE"]
LIMITS = {"atlas": {"min_lines": 20, "min_spread": 0.05}, "mixology": {"min_spread": 0.1}}
SEEDS, NETWORK = 1, {"hidden": 128, "max_epochs": 30}


def line_scores(bulk, panel, *, drugs, method, seed):
    """Score the lines with one method and seed."""
    return drug_panel.line_scores(bulk, *panel, drugs, method=method, seed=seed, **NETWORK)


def of_edition(edition: str) -> pd.DataFrame:
    """Return levels and differences to the first method, on cells and on the lines' own bulk profiles."""
    study = Study(edition, panel_hvg=0)
    bulk, (_, cells) = study.read("bulk"), study.read("panel")
    lines = sorted(cells.obs["cell_line"].unique())
    drugs = list(panel.drugs(bulk, lines, **LIMITS[edition]).index)
    seeds = {m: range(SEEDS if drug_panel.is_network(m) else 1) for m in METHODS}
    grid = [{"drugs": drugs, "method": m, "seed": s} for m in METHODS for s in seeds[m]]
    scores = study.each(line_scores, grid).drop(columns="drugs", errors="ignore")
    tables = []
    for kind, rows in scores.groupby("input"):
        draws = compare.on_panel(rows, panel.truth(bulk, lines)[drugs])
        gaps = compare.differences(draws, reference=METHODS[0]).drop(columns="reference")
        gaps = gaps.rename(columns={"low": "difference_low", "high": "difference_high"})
        tables.append(compare.levels(draws).merge(gaps, on="method", how="left").assign(input=kind))
    about = {"edition": edition, "lines": len(lines), "drugs": len(drugs)}
    return pd.concat(tables).assign(**about).round(4)


if __name__ == "__main__":
    found = pd.concat(map(of_edition, LIMITS))
    Study("atlas", panel_hvg=0).keep("panel", found, reads=["panel"])
    print(found[found["input"] == panel.CELLS].to_string())
