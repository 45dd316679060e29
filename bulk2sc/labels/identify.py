"""Whether cells are of the line whose name they bear: its own bulk profile has to be among the nearest."""

import numpy as np
import pandas as pd
from anndata import AnnData

from bulk2sc import pp

# Of the atlas's lines under each other's names, 1.4 % have a profile so near; the first place alone would
# drop a line whose sister, of the same patient, is in the screen too.
NEAREST = 3
STRANGER = "not "  # before the name of a line whose cells are not its own


def identity(cells: AnnData, bulk: AnnData) -> pd.DataFrame:
    """
    Compare the cells of each line with every bulk profile.

    The mean log expression of a line's cells, each gene z-scored over the lines of the cells, is correlated
    with each profile, each gene z-scored over all profiles, over the shared genes.

    Parameters
    ----------
    cells
        With `obs["cell_line"]`; counts, log values or z-scores. Lines that `bulk` lacks take part in the
        z-scores.
    bulk
        All lines, its obs_names line keys.

    Returns
    -------
    By line: n_cells, rank of its own profile (1: the nearest of all), correlation with it, nearest (the line
    of the nearest profile) and itself (rank at most `NEAREST`). Without rows where the cells are of fewer
    than three lines, whose z-scores say little, or of none in `bulk`.
    """
    from scanpy import get

    lines = cells.obs["cell_line"].dropna().astype(str)
    own = [line for line in np.unique(lines) if line in bulk.obs_names]
    columns = ["n_cells", "rank", "correlation", "nearest", "itself"]
    if not own or lines.nunique() < 3:
        return pd.DataFrame(columns=columns, index=pd.Index([], name="line"))
    shared = bulk.var_names[bulk.var_names.isin(cells.var_names)]
    log = pp.normalise(cells[lines.index])[:, shared]
    mean = get.aggregate(AnnData(log.X, obs=lines.to_frame(), var=log.var[[]]), "cell_line", "mean")
    both = np.vstack([pp.zscore(mean.layers["mean"]), pp.zscore(bulk[:, shared].X)])
    found = pd.DataFrame(np.corrcoef(both)[: mean.n_obs, mean.n_obs :], mean.obs_names, bulk.obs_names)
    found = found.loc[own]
    table = pd.DataFrame({"n_cells": lines.value_counts()[own]}).rename_axis("line")
    table["rank"] = np.diag(found.rank(axis=1, ascending=False)[own]).astype(int)
    table["correlation"] = np.diag(found[own])
    table["nearest"] = found.idxmax(axis=1)
    return table.assign(itself=table["rank"] <= NEAREST)


def leave_out_strangers(cells: AnnData, bulk: AnnData) -> AnnData:
    """
    Take its name from a line that is not near itself, so that nothing judges its cells by it.

    Returns
    -------
    A copy in whose `obs["cell_line"]` such a line is called ``not HCC1143``. `uns["held_out"]` stays as it
    is: the line must not be trained on either.
    """
    table = identity(cells, bulk)
    named = {line: STRANGER + line for line in table.index[~table["itself"].astype(bool)]}
    cells = cells.copy()
    cells.obs["cell_line"] = cells.obs["cell_line"].astype(object).replace(named).astype("category")
    return cells
