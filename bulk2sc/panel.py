"""The drug panel: lines that are not trained on, ranked by the mean score of their cells for every drug.

For each drug the lines are ranked by the mean score of their cells and compared with their measured AUC.
Cells of a line are replicates, so lines are what `compare.on_panel` draws. Methods learn AUC too here,
whatever `measure` the study labels its lines by.
"""

from collections.abc import Sequence

import anndata as ad
import numpy as np
import pandas as pd
from anndata import AnnData

from bulk2sc import pp
from bulk2sc.errors import Bulk2scError

CELLS, OWN_BULK = "cells", "own bulk profiles"


# ------------------------------------------------------------------------------------ drugs, lines, samples


def truth(bulk: AnnData, lines: Sequence[str]) -> pd.DataFrame:
    """Return the measured AUC of some lines for every drug.

    Returns
    -------
    DataFrame
        Shape (n_lines, n_drugs), AUC in [0, 1] or a little above, NaN where a line was not tested.

    Raises
    ------
    Bulk2scError
        If a line is not in the bulk data.
    """
    missing = [line for line in lines if line not in bulk.obs_names]
    if missing:
        raise Bulk2scError(
            f"panel: no bulk data for cell line {', '.join(missing)}; the panel needs lines of GDSC"
        )
    return pd.DataFrame(bulk[list(lines)].obsm["auc"], index=list(lines), columns=list(bulk.uns["drugs"]))


def drugs(
    bulk: AnnData,
    lines: Sequence[str],
    *,
    min_lines: int = 4,
    min_total: int = 400,
    min_spread: float = 0.0,
) -> pd.DataFrame:
    """Choose the drugs of the panel: tested on enough lines, which differ enough to be ranked.

    Returns
    -------
    DataFrame
        Index: drug. Columns: n_lines (of those asked), n_total and spread (population standard deviation of
        the lines' AUC).

    Raises
    ------
    Bulk2scError
        If there is no such drug.
    """
    answer = truth(bulk, lines)
    table = pd.DataFrame({"n_lines": answer.notna().sum(), "spread": answer.std(ddof=0)})
    table["n_total"] = (~np.isnan(bulk.obsm["auc"])).sum(axis=0)
    enough = (table["n_lines"] >= min_lines) & (table["n_total"] >= min_total)
    chosen = table[enough & (table["spread"] >= min_spread)].rename_axis("drug")
    if chosen.empty:
        raise Bulk2scError(
            f"panel: no drug was tested on {min_lines} of the {len(lines)} lines and on {min_total} lines in "
            f"all with a spread of {min_spread:g}; lower panel_min_lines, panel_min_total or panel_min_spread"
        )
    return chosen


def bulk_profiles(bulk: AnnData, training: AnnData, lines: Sequence[str]) -> AnnData:
    """Return the bulk profiles of some lines, scaled by the training lines: a reference for their cells."""
    return pp.scale_like(bulk[list(lines), training.var_names], training)


def samples(cells: AnnData, profiles: AnnData) -> AnnData:
    """Join cells and bulk profiles of the same genes; ``obs`` says the input and the line of each."""
    parts = {CELLS: (cells, cells.obs["cell_line"].astype(str)), OWN_BULK: (profiles, profiles.obs_names)}
    joined = [
        AnnData(
            obs=pd.DataFrame({"input": name, "line": np.asarray(line)}, index=adata.obs_names),
            var=adata.var[[]],
            layers={"scaled": adata.layers["scaled"]},
        )
        for name, (adata, line) in parts.items()
    ]
    return ad.concat(joined, index_unique=":", keys=list(parts))


def line_means(scores: pd.DataFrame, samples: AnnData) -> pd.DataFrame:
    """Average scores (n_samples, n_drugs) over each line's samples: tidy drug, input, line, score."""
    of = [samples.obs["input"].to_numpy(), samples.obs["line"].to_numpy()]
    means = scores.groupby(of).mean().round(12)  # means of one constant differ in the last digit
    means = means.rename_axis(["input", "line"]).rename_axis("drug", axis=1)
    return means.stack().rename("score").reset_index()[["drug", "input", "line", "score"]]
