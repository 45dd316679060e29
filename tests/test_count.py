import anndata as ad
import numpy as np
import pandas as pd

from bulk2sc import labels


def test_every_cell_is_counted_once():
    def cells(n):
        return ad.AnnData(np.ones((n, 1), "float32"))

    labelled = cells(6)
    labelled.obs = pd.DataFrame(
        {
            "response": [1.0, 1, 0, np.nan, np.nan, np.nan],
            "response_unfiltered": [1.0, 1, 0, 1, np.nan, np.nan],
            "label_reason": [
                "control",
                "control",
                "treated",
                labels.INTRINSIC,
                "normal: T cell",
                "not named by the rule",
            ],
        },
        index=labelled.obs_names,
    )
    found = labels.count_cells(cells(10), cells(7), labelled)
    assert found == {
        "delivered": 10,
        "failed QC": 3,
        "left out": 1,
        "excluded": 2,
        "unnamed": 1,
        "sensitive": 2,
        "resistant": 1,
    }
    assert sum(found.values()) - found["delivered"] == found["delivered"]
