"""How well each drug is predicted for bulk lines that were left out: what `bulk2sc drugs` tells.

Lines are left out at random (5 folds) and with whole clusters of like lines, which stand in for tissues.
Run: python benchmarks/predictability.py (a minute)
"""

from pathlib import Path

import pandas as pd
import shared
from sklearn.model_selection import GroupKFold, KFold

from bulk2sc import datasets, pp
from bulk2sc.models.all_drugs import AllDrugs, responses

OUT = Path(__file__).parents[1] / "data" / "predictability.csv"


def predictability(model: AllDrugs) -> pd.DataFrame:
    """Correlate predictions of lines left out with their AUC: a row a drug."""
    bulk = datasets.load_bulk("gdsc2")
    bulk.layers["scaled"] = pp.zscore(bulk.X)
    auc, clusters = responses(bulk), shared.line_clusters(bulk.layers["scaled"])
    table = pd.DataFrame({"n_lines": auc.notna().sum(), "sd_auc": auc.std()})
    splitters = {"random": KFold(5, shuffle=True, random_state=0), "tissue_out": GroupKFold(5)}
    for name, splitter in splitters.items():
        predicted = model.cross_validate(bulk, splitter.split(bulk.X, groups=clusters))
        for method in ("spearman", "pearson"):
            table[f"{method}_{name}"] = predicted.corrwith(auc, method=method)
    return table.rename_axis("drug")


if __name__ == "__main__":
    table = predictability(AllDrugs())
    table.round(4).to_csv(OUT)
    print(table.describe().round(3))
