"""Trials of an experiment: every arm is fitted and judged in the same way, one seed at a time.

An arm is one way to set a model, or one kind of data to train it on. Seed s leaves out fold s of five of the
bulk lines, so that one fit gives both what settings may be chosen on, the answers for lines never seen, and
what is only looked at, the scores of the cells. Five seeds make a cross-validation.
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
class Arm:
    """One arm: its name, its data as `pp.pair` makes them, its unfitted model as a function of the seed."""

    name: str
    bulk: AnnData
    cells: AnnData
    make: Callable[[int], models.Model]


def constant_arms(bulk: AnnData, cells: AnnData) -> Iterator[Arm]:
    """Yield the arms that answer the same for every cell."""
    for answer in CONSTANTS:
        yield Arm(answer, bulk, cells, lambda seed, answer=answer: models.make(answer))


def run(
    arms: Iterable[Arm],
    *,
    seed: int,
    k: float,
    look: Callable[[models.Model, AnnData, AnnData], pd.DataFrame] | None = None,
) -> dict[str, pd.DataFrame]:
    """Fit every arm with one seed, and score the lines left out and the cells.

    Parameters
    ----------
    arms
        Arms of the experiment; only one is in memory at a time if they are made lazily.
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
        ``cells``: method (the arm's name), seed, cell, score. ``lines``: method, seed, line, answer (1, 0 or
        NaN), auc, score. ``curves``: method, seed, and the loss curves of networks (`HISTORY`). ``looks``:
        method, seed, and what `look` returned, if it is given. Without arms, tables without rows.
    """
    found = {name: [pd.DataFrame(columns=[*columns, "method", "seed"])] for name, columns in COLUMNS.items()}
    for arm in arms:
        training, left_out = evaluate.leave_out_fold(arm.bulk, k=k, seed=seed, folds=FOLDS)
        model = arm.make(seed).fit(training, arm.cells)
        tables = {
            "cells": {"cell": arm.cells.obs_names, "score": model.score_cells(arm.cells)},
            "lines": {
                "line": left_out.obs_names,
                "answer": left_out.obs["response"].to_numpy(),
                "auc": left_out.obs["auc"].to_numpy(),
                "score": model.score_cells(left_out),
            },
            "curves": getattr(model, "history_", pd.DataFrame(columns=HISTORY)),
        }
        if look:
            tables["looks"] = look(model, training, arm.cells)
        for name, table in tables.items():
            found.setdefault(name, []).append(pd.DataFrame(table).assign(method=arm.name, seed=seed))
    return {name: _stacked(tables) for name, tables in found.items()}


def _stacked(tables: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)


def validation(lines: pd.DataFrame) -> pd.DataFrame:
    """Judge the arms on the lines that each seed left out: the only ground on which settings are chosen.

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


def chosen(validation: pd.DataFrame, metric: str = "auroc") -> str:
    """Return the arm with the highest mean over seeds of a metric on lines left out."""
    means = validation[(validation["metric"] == metric) & (validation["seed"] == -1)].set_index("method")[
        "value"
    ]
    return means.idxmax()
