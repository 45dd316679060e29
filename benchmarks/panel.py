"""All methods on the drug panel of real cells, at full size: what the book shows of it in every edition.

Takes the parts that a build of the edition has made, and makes those that are missing: hours of processor
time in all. Kept are means over drugs; no response of a line is among them. Run: python benchmarks/panel.py
"""

import argparse
from pathlib import Path

import pandas as pd

from bulk2sc import panel
from bulk2sc.plan import plan, settings_of
from bulk2sc.study import Study

CHAPTER = "drug-panel"


def kept(
    scores: pd.DataFrame, auc: pd.DataFrame, sets: dict[str, list[str]], rivals: list[str]
) -> pd.DataFrame:
    """Return means over sets of drugs: of methods, of their seeds, and the shared AE minus its rivals."""
    found = panel.rankings(scores, auc)
    pairs = [("shared AE", rival) for rival in rivals if (rival, panel.CELLS) in found]
    tables = {
        "method": panel.judge(found, sets),
        "seed": panel.seed_means(panel.of_seeds(scores, auc), sets),
        "difference": panel.against(found, pairs, next(iter(sets.values()))),
    }
    return pd.concat(tables, names=["of"]).reset_index(0).assign(lines=len(auc)).round(4)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--edition", default="mixology", metavar="NAME", help="whose panel (default: mixology)"
    )
    out = Path(__file__).with_suffix(".csv")
    parser.add_argument("--out", type=Path, default=out, metavar="FILE", help="results, beside this file")
    asked = parser.parse_args()
    planned = plan(asked.edition)
    chapter = planned.chapter(CHAPTER)
    values, settings = chapter.values, settings_of(planned.edition, chapter.values, chapter.artefacts)
    study = Study(asked.edition, **settings)
    bulk, (_, cells) = study.read("bulk"), study.read("panel_pair")
    auc = panel.truth(bulk, sorted(set(cells.obs["cell_line"])))
    limits = {"min_lines": values["panel_min_lines"], "min_total": values["panel_min_total"]}
    sets = panel.sets(panel.drugs(bulk, list(auc.index), **limits), values["panel_few"])
    table = kept(study.read("panel_scores")["scores"], auc, sets, values["rivals"])
    table.assign(edition=asked.edition).to_csv(asked.out, index=False)
    shown = ["drugs", "method", "input", "value", "low", "high", "p"]
    print(table.loc[table["of"] == "method", shown].to_string())


if __name__ == "__main__":
    main()
