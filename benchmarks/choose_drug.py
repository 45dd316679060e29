"""The drugs of an edition of real lines, by a rule that looks at no score of any method.

Of the drugs that were tested on all judged lines, and to which these respond differently, the one with the
most lines in the smaller of the two tails comes first, ties by name. Tails are cut on the training lines.
The first is the drug of an edition, and the first few are its `study_drugs`.
Run: python benchmarks/choose_drug.py atlas mixology
"""

import sys
from collections.abc import Iterable, Sequence

import pandas as pd
from anndata import AnnData

from bulk2sc import labels, panel
from bulk2sc.book import Study

SPREAD = 0.05  # smallest population standard deviation of the judged lines' AUC: below it, a tail is noise


def ranked(bulk: AnnData, lines: Sequence[str], held_out: Iterable[str], k: float = 0.3) -> pd.DataFrame:
    """Return the drugs in the order of the rule, with spread, sensitive, resistant and smaller (tail)."""
    auc, others = panel.truth(bulk, lines), ~bulk.obs_names.isin([*held_out, *lines])
    auc = auc.loc[:, auc.notna().all() & (auc.std(ddof=0) >= SPREAD)]
    rows = []
    for drug, values in auc.items():
        found = labels.respond(values, *labels.tails(labels.response_of(bulk, drug)[others], k, drug))
        rows.append((drug, values.std(ddof=0), (found == 1).sum(), (found == 0).sum()))
    table = pd.DataFrame(rows, columns=["drug", "spread", "sensitive", "resistant"])
    table["smaller"] = table[["sensitive", "resistant"]].min(axis=1)
    return table.sort_values(["smaller", "drug"], ascending=[False, True]).set_index("drug")


def main(editions: list[str]) -> None:
    """Print the first drugs of some editions."""
    for edition in editions:
        study = Study(edition)
        bulk, cells = study.read("bulk"), study.read("raw_cells")
        lines = sorted(set(cells.obs["cell_line"]) & set(bulk.obs_names))
        print(f"{edition}: {len(lines)} judged lines, {len(cells.uns['held_out'])} held out")
        print(ranked(bulk, lines, cells.uns["held_out"], study.settings["k"]).head(8).round(3).to_string())


if __name__ == "__main__":
    main(sys.argv[1:] or ["atlas", "mixology"])
