"""Trials of an experiment: every variant is fitted and judged in the same way, one seed at a time.

A variant is one way to set a model, or one kind of data to train it on. Seed s leaves out fold s of five of
the bulk lines, so that one fit gives both what settings may be chosen on, the answers for lines never seen,
and what is only looked at, the scores of the cells. Five seeds make a cross-validation.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import pandas as pd
from anndata import AnnData

from bulk2sc import evaluate, models

FOLDS = 5
CONSTANTS = ("all sensitive", "all resistant")  # answers that no data are needed for
HISTORY = ["stage", "epoch", "split", "term", "value"]
COLUMNS = {"cells": ["cell", "score"], "lines": ["line", "answer", "auc", "score"], "curves": HISTORY}


@dataclass(frozen=True)
class Variant:
    """Its name, its data as `pp.pair` makes them, its unfitted model as a function of the seed."""

    name: str
    bulk: AnnData
    cells: AnnData
    make: Callable[[int], models.Model]


def constant_variants(bulk: AnnData, cells: AnnData) -> Iterator[Variant]:
    """Yield the variants that answer the same for every cell."""
    for answer in CONSTANTS:
        yield Variant(answer, bulk, cells, lambda seed, answer=answer: models.make(answer))


def run(
    variants: Iterable[Variant],
    *,
    seed: int,
    k: float,
    look: Callable[[models.Model, AnnData, AnnData], pd.DataFrame] | None = None,
) -> dict[str, pd.DataFrame]:
    """Fit every variant with one seed, and score the lines left out and the cells.

    Parameters
    ----------
    variants
        Variants of the experiment; only one is in memory at a time if they are made lazily.
    seed
        Of the model; fold ``seed % 5`` of the measured lines is left out, and every five seeds the lines are
        divided into folds anew.
    k
        Fraction of lines in each tail; thresholds come from the lines that are trained on.
    look
        Looks at each fitted model, with the lines it was trained on and the cells, and returns a table.

    Returns
    -------
    dict
        ``cells``: method (the variant's name), seed, cell, score. ``lines``: method, seed, line, answer
        (1, 0 or NaN), auc, score. ``curves``: method, seed, and the loss curves of networks (`HISTORY`).
        ``looks``: method, seed, and what `look` returned, if it is given. Without variants, tables without
        rows.
    """
    found = {name: [pd.DataFrame(columns=[*columns, "method", "seed"])] for name, columns in COLUMNS.items()}
    for variant in variants:
        training, left_out = evaluate.leave_out_fold(variant.bulk, k=k, seed=seed, folds=FOLDS)
        model = variant.make(seed).fit(training, variant.cells)
        tables = {
            "cells": {"cell": variant.cells.obs_names, "score": model.score_cells(variant.cells)},
            "lines": {
                "line": left_out.obs_names,
                "answer": left_out.obs["response"].to_numpy(),
                "auc": left_out.obs["auc"].to_numpy(),
                "score": model.score_cells(left_out),
            },
            "curves": getattr(model, "history_", pd.DataFrame(columns=HISTORY)),
        }
        if look:
            tables["looks"] = look(model, training, variant.cells)
        for name, table in tables.items():
            found.setdefault(name, []).append(pd.DataFrame(table).assign(method=variant.name, seed=seed))
    return {name: _stacked(tables) for name, tables in found.items()}


def _stacked(tables: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)


def validation(lines: pd.DataFrame) -> pd.DataFrame:
    """Judge the variants on the lines that each seed left out: the only ground on which settings are chosen.

    Parameters
    ----------
    lines
        Of several seeds, as `run` returns them.

    Returns
    -------
    DataFrame
        Tidy, as `evaluate.over_folds` returns it: method, seed (-1 for the mean, which carries the interval),
        metric (those of `evaluate.metrics`, and pearson of the score with -AUC), value, low, high; no rows
        of no lines.
    """
    rows = [
        {"method": method, "fold": seed, **evaluate.of_lines(part["answer"], part["auc"], part["score"])}
        for (method, seed), part in lines.groupby(["method", "seed"], sort=False)
    ]
    return evaluate.over_folds(pd.DataFrame(rows or {"method": [], "fold": []}), folds=FOLDS)
