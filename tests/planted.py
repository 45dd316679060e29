"""Cells and lines with a planted truth, for tests of clustering and of models."""

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


def domain(n, seed, shift=0.0):
    """Return rows of 40 genes: the first 8 follow ``obs["activity"]``, the last 8 are moved by `shift`."""
    rng = np.random.default_rng(seed)
    activity, X = rng.normal(size=n), rng.normal(size=(n, 40))
    X[:, :8] = 0.5 * X[:, :8] + activity[:, None]
    X[:, -8:] += shift
    obs = pd.DataFrame({"activity": activity}, index=[f"{seed}-{i}" for i in range(n)])
    var = pd.DataFrame(index=[f"G{i:02d}" for i in range(40)])
    return AnnData(X.astype("float32"), obs, var, layers={"scaled": X.astype("float32")})


def lines_and_cells():
    """Return 160 lines, sensitive where the first pathway is active, 200 cells, and the pathways' mask.

    The first seven lines were not tested.
    """
    bulk, single = domain(160, 0), domain(200, 1, shift=1.0)
    activity = bulk.obs["activity"]
    low, high = activity.quantile([0.3, 0.7])
    bulk.obs["response"] = np.select([activity >= high, activity <= low], [1.0, 0.0], np.nan)
    bulk.obs["auc"] = 0.7 - 0.1 * activity + np.random.default_rng(2).normal(0, 0.1, 160)
    bulk.obs.loc[bulk.obs_names[:7], ["response", "auc"]] = np.nan
    mask = np.vstack([np.kron(np.eye(5), np.ones(8)), np.ones((2, 40))])
    names = [*(f"PATHWAY_{i}" for i in range(5)), "free_1", "free_2"]
    return bulk, single, pd.DataFrame(mask, names, bulk.var_names, dtype="float32")


def tested_lines(n=60, seed=1):
    """Return lines whose drugs a to d follow a gene each; b lacks 7 lines, c 45, and all the last two."""
    rng = np.random.default_rng(seed)
    genes = rng.normal(size=(n, 25)).astype("float32")
    bulk = AnnData(genes, pd.DataFrame(index=[f"L{i}" for i in range(n)]), layers={"scaled": genes.copy()})
    bulk.var_names = [f"G{i}" for i in range(25)]
    auc = 0.7 + 0.1 * genes[:, :4] + 0.01 * rng.normal(size=(n, 4))
    auc[:7, 1] = auc[5:50, 2] = auc[-2:] = np.nan
    bulk.obsm["auc"], bulk.uns["drugs"] = auc, np.array(list("abcd"))
    return bulk
