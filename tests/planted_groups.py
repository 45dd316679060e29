"""Cells of three planted groups, for tests of clustering."""

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from bulk2sc import pp


def cells(n_per_group=60, n_genes=300, seed=0):
    """Return three groups of cells, told apart by 30 genes each; ``obs["group"]`` names them."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(list("abc"), n_per_group)
    rates = np.full((len(truth), n_genes), 0.5)
    for i, group in enumerate("abc"):
        rates[np.ix_(truth == group, range(30 * i, 30 * i + 30))] = 5
    counts = sparse.csr_matrix(rng.poisson(rates).astype("float32"))
    obs = pd.DataFrame({"group": truth}, index=[f"c{i}" for i in range(len(truth))])
    var = pd.DataFrame(index=[f"g{i}" for i in range(n_genes)])
    return pp.normalise(AnnData(counts, obs=obs, var=var, layers={"counts": counts.copy()}))
