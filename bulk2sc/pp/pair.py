"""Bulk and cells together: the same genes, and the same scale."""

import warnings

import numpy as np
import pandas as pd
from anndata import AnnData

from bulk2sc.datasets.values import scale_of
from bulk2sc.errors import Bulk2scError
from bulk2sc.pp.cells import zscore
from bulk2sc.pp.pooling import pool as pool_cells

FEW_GENES = 1000  # shared genes below which a prediction deserves a warning


def pair(
    bulk: AnnData, cells: AnnData, *, n_hvg: int = 2500, min_shared: int = 200, pool: int = 0
) -> tuple[AnnData, AnnData]:
    """
    Bring bulk and cells to the same genes and the same scale.

    Parameters
    ----------
    bulk
        (n_lines, n_genes) training lines: without those whose cells are predicted (`train_lines`).
    cells
        (n_cells, n_genes) normalised cells, or z-scores.
    n_hvg
        Number of highly variable genes, chosen on the cells without any label; 0, or cells that are z-scores
        and so do not show which genes vary: all shared genes.
    min_shared
        Fewest shared genes that are accepted.
    pool
        Neighbours that each cell is averaged with before its genes are scaled, as `pp.pool` does; 0 for none.
        The genes are chosen on single cells, so that they do not depend on it.

    Returns
    -------
    Copies of both with the same sorted var_names and `layers["scaled"]`: each gene z-scored within its domain
    and clipped at ±10. Cells that are z-scores already are only clipped. `cells.uns["pair"]` holds the
    numbers of genes.

    Raises
    ------
    Bulk2scError
        If fewer than `min_shared` genes are shared, or if the cells are not normalised.
    """
    shared = sorted(set(bulk.var_names) & set(cells.var_names))
    _judge_overlap(len(shared), bulk, cells, min_shared)
    scale = scale_of(cells.X)
    if scale == "counts":
        raise Bulk2scError("cells: X holds counts; pair needs log values (pp.normalise) or z-scores.")
    numbers = {"bulk": bulk.n_vars, "cells": cells.n_vars, "shared": len(shared)}
    bulk, cells = bulk[:, shared].copy(), cells[:, shared].copy()
    if 0 < n_hvg < len(shared) and scale != "z-scores":  # which all vary alike
        variable = _variable_in_cells(cells, n_hvg)
        bulk, cells = bulk[:, variable].copy(), cells[:, variable].copy()
    cells = pool_cells(cells, pool)
    bulk.layers["scaled"] = zscore(bulk.X)
    as_it_is = {"mean": np.zeros(cells.n_vars), "std": np.ones(cells.n_vars)} if scale == "z-scores" else {}
    cells.layers["scaled"] = zscore(cells.X, **as_it_is)
    cells.uns["pair"] = numbers | {"chosen": cells.n_vars}
    return bulk, cells


def blind(cells: AnnData) -> AnnData:
    """
    Return what a model may see of the cells: X, layers and var.

    Response, sample, cell line, clusters and everything derived from them carry the answer; so may the names
    of the cells, which become numbers.
    """
    obs = pd.DataFrame(index=pd.RangeIndex(cells.n_obs).astype(str))
    layers = {key: layer.copy() for key, layer in cells.layers.items()}
    X = None if cells.X is None else cells.X.copy()
    return AnnData(X, obs=obs, var=cells.var.copy(), layers=layers)


def _judge_overlap(n_shared: int, bulk: AnnData, cells: AnnData, min_shared: int) -> None:
    found = f"Bulk ({bulk.n_vars} genes) and cells ({cells.n_vars} genes) share {n_shared} genes"
    if n_shared < min_shared:
        raise Bulk2scError(
            f"{found}, fewer than {min_shared}; name genes by human symbols, Ensembl or Entrez ids "
            f"(the cells' first names: {', '.join(cells.var_names[:3])})."
        )
    if n_shared < min(FEW_GENES, bulk.n_vars / 2):
        warnings.warn(f"{found}: few, so trust predictions less.", stacklevel=3)


def _variable_in_cells(cells: AnnData, n: int) -> list[str]:
    import scanpy as sc

    table = sc.pp.highly_variable_genes(cells, n_top_genes=n, flavor="seurat", inplace=False)
    return sorted(cells.var_names[table["highly_variable"].to_numpy()])
