"""Treatment only: which methods take what a drug does to every cell for resistance.

Cells of the same lines are simulated in a control and in a treated sample. Whatever sets the samples apart is
the drug's shift, which is drawn without regard to response: labels of the experiment, control sensitive and
treated resistant, then carry no answer at all.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from anndata import AnnData

from bulk2sc import datasets, labels, models, pp

COLUMNS = ["method", "seed", "shift", "cell", "cell_line", "treated", "truth", "score"]


def experiment(
    bulk: AnnData,
    genes: Sequence[str],
    *,
    shift: float,
    seed: int,
    n_cells: int,
    n_lines_per_tail: int,
    depth: float,
    pool: int = 0,
) -> tuple[AnnData, AnnData]:
    """Simulate an experiment in which both samples hold the same lines, and pair it with the others.

    Parameters
    ----------
    bulk
        All lines, labelled by `labels.label_bulk`; those of the cells leave the training lines.
    genes
        Genes of the study.
    shift
        Size of what the drug does to every treated cell, as in `datasets.simulate`.
    seed
        Of lines, drug programme and cells; the same for every shift.
    pool
        As for `pp.pair`.

    Returns
    -------
    Training lines and cells, as `pp.pair` makes them.
    """
    asked = {name: bulk.uns["labels"][name] for name in ("drug", "k", "measure")}
    balanced = {"hidden_resistant": 0.5, "surviving_sensitive": 0.5}
    clean = {"normal": 0.0, "low_quality": 0.0, "doublets": 0.0}
    size = {"n_cells": n_cells, "n_lines_per_tail": n_lines_per_tail, "depth": depth}
    cells = datasets.simulate(bulk, **asked, shift=shift, seed=seed, **size, **balanced, **clean)
    lines = labels.label_bulk(pp.train_lines(bulk, cells.uns["held_out"]), **asked)
    genes = list(genes)
    return pp.pair(lines[:, genes], pp.normalise(cells)[:, genes], n_hvg=0, pool=pool)


def score(
    bulk: AnnData,
    genes: Sequence[str],
    *,
    methods: Sequence[str],
    settings: dict,
    shifts: Sequence[float],
    seed: int,
    **size,
) -> pd.DataFrame:
    """Score one simulated drug's cells at every size of its shift.

    A method that learns from lines alone is fitted once: the shift changes nothing of what it sees.

    Parameters
    ----------
    bulk, genes, size
        As for `experiment`.
    methods, settings
        Names, and settings for `models.make`.
    shifts
        Sizes of the shift.
    seed
        Of the experiment and of the models.

    Returns
    -------
    DataFrame
        One row a method, shift and cell: `COLUMNS`; truth is the line's response, score P(sensitive).
    """
    fitted, tables = {}, []
    for shift in shifts:
        lines, cells = experiment(bulk, genes, shift=shift, seed=seed, **size)
        for method in methods:
            if method not in fitted or models.learns_from_cells(method):
                fitted[method] = models.make(method, **settings | {"seed": seed}).fit(lines, cells)
            table = cells.obs[["cell_line", "treated", "truth"]].rename_axis("cell").reset_index()
            found = {"method": method, "seed": seed, "shift": shift}
            tables.append(table.assign(score=fitted[method].score_cells(cells), **found))
    return pd.concat(tables, ignore_index=True)[COLUMNS]


def called_resistant(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the share of truly sensitive cells called resistant, by method, shift and sample.

    Returns
    -------
    DataFrame
        Index: method, shift. Columns: control, treated; means over simulated drugs.
    """
    sensitive = scores[scores["truth"] == 1]
    called = sensitive.assign(
        resistant=sensitive["score"] < 0.5, sample=np.where(sensitive["treated"], "treated", "control")
    )
    by_drug = called.groupby(["method", "shift", "sample", "seed"], sort=False)["resistant"].mean()
    return by_drug.groupby(level=["method", "shift", "sample"], sort=False).mean().unstack("sample")
