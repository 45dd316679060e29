"""What published accuracies and F1 scores imply, from the numbers of cells alone."""

from itertools import product

import numpy as np
import pandas as pd

from bulk2sc.datasets.registry import DATA
from bulk2sc.errors import refuse_unknown
from bulk2sc.settings import read_yaml


def published(table: str) -> pd.DataFrame:
    """
    Return a table of what He et al. (2025) print, from ``data/published.yml``.

    Parameters
    ----------
    table
        ``table1``, ``five_sets``, ``cisplatin`` or ``settings``.

    Raises
    ------
    Bulk2scError
        If there is no such table.
    """
    tables = read_yaml(DATA / "published.yml")
    refuse_unknown(table, tables, "table of published numbers")
    return pd.DataFrame(tables[table])


def scores_of(tp, tn, sensitive: int, resistant: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """
    Return accuracy, F1 (paper's Eq. 16 and 19; 0 where nothing is right) and Matthews correlation.

    Parameters
    ----------
    tp, tn
        Numbers, or arrays of one shape: sensitive and resistant cells that were called what they are.
    sensitive, resistant
        Numbers of cells.

    Returns
    -------
    Three arrays of that shape; the Matthews correlation is 0 where all cells get one answer, as
    scikit-learn has it.
    """
    tp, tn = np.asarray(tp, float), np.asarray(tn, float)
    fp, fn = resistant - tn, sensitive - tp
    f1 = 2 * tp / np.maximum(2 * tp + fp + fn, 1)
    spread = np.sqrt((tp + fp) * (tn + fn) * sensitive * resistant)
    mcc = np.divide(tp * tn - fp * fn, spread, out=np.zeros_like(spread), where=spread > 0)
    return (tp + tn) / (sensitive + resistant), f1, mcc


def constant_answers(table1: pd.DataFrame) -> pd.DataFrame:
    """
    Return what the two constant answers score on data sets of which only the numbers of cells are known.

    Parameters
    ----------
    table1
        ``cells_source``, ``sensitive``, ``resistant``.

    Returns
    -------
    Two rows for each data set: ``cells_source``, ``answer`` (all sensitive, all resistant), ``accuracy`` and
    ``f1``.
    """
    n = table1[["cells_source", "sensitive", "resistant"]]
    answers = [n.assign(answer="all sensitive", tp=n["sensitive"], tn=0)]
    answers += [n.assign(answer="all resistant", tp=0, tn=n["resistant"])]
    both = pd.concat(answers).sort_index(kind="stable").reset_index(drop=True)
    both["accuracy"], both["f1"], _ = scores_of(both["tp"], both["tn"], both["sensitive"], both["resistant"])
    return both[["cells_source", "answer", "accuracy", "f1"]]


def means_of_constants(constants: pd.DataFrame) -> pd.DataFrame:
    """
    Return the mean scores of every way to answer each data set with a constant (2^5 ways for five sets).

    Returns
    -------
    ``accuracy``, ``f1`` and ``sensitive``: the data sets, joined by ", ", that are called all sensitive.
    """
    by_set = [group for _, group in constants.groupby("cells_source", sort=False)]
    rows = []
    for chosen in product(range(2), repeat=len(by_set)):
        picked = pd.DataFrame([group.iloc[i] for group, i in zip(by_set, chosen, strict=True)])
        called = picked.loc[picked["answer"] == "all sensitive", "cells_source"]
        rows.append((picked["accuracy"].mean(), picked["f1"].mean(), ", ".join(called)))
    return pd.DataFrame(rows, columns=["accuracy", "f1", "sensitive"])


def nearest_matrices(
    accuracy: float, f1: float, sensitive: int, resistant: int, *, within: int = 1
) -> pd.DataFrame:
    """
    Return the confusion matrices whose accuracy and F1 come nearest to those printed.

    Parameters
    ----------
    accuracy, f1
        As printed.
    sensitive, resistant
        Numbers of cells.
    within
        Cells by which the scores may be off; each is a distance of 1 / number of cells.

    Returns
    -------
    ``tp``, ``tn``, ``mcc``, ``positive_rate`` (share called sensitive) and ``distance`` (the larger of the
    differences in accuracy and F1), nearest first: all matrices `within` so many cells; where there is none,
    the nearest alone.
    """
    tp, tn = np.meshgrid(np.arange(sensitive + 1), np.arange(resistant + 1), indexing="ij")
    found_accuracy, found_f1, mcc = scores_of(tp, tn, sensitive, resistant)
    distance = np.maximum(np.abs(found_accuracy - accuracy), np.abs(found_f1 - f1))
    near = distance <= max(distance.min(), within / (sensitive + resistant))
    positive = (tp + resistant - tn)[near] / (sensitive + resistant)
    columns = {"tp": tp[near], "tn": tn[near], "mcc": mcc[near], "positive_rate": positive}
    return pd.DataFrame(columns | {"distance": distance[near]}).sort_values("distance", ignore_index=True)


def implied(printed: pd.DataFrame, sensitive: int, resistant: int, *, within: int = 1) -> pd.DataFrame:
    """
    Return what each published accuracy and F1 imply together.

    Parameters
    ----------
    printed
        ``where``, ``method``, ``accuracy``, ``f1``, ``decimals``.
    sensitive, resistant, within
        As for `nearest_matrices`.

    Returns
    -------
    The same columns with those of `nearest_matrices`: ``mcc_lowest`` and ``mcc_highest`` over the matrices
    near, ``called_sensitive`` and ``distance`` of the nearest.
    """
    found = [
        nearest_matrices(row.accuracy, row.f1, sensitive, resistant, within=within)
        for row in printed.itertuples()
    ]
    return printed[["where", "method", "accuracy", "f1", "decimals"]].assign(
        mcc_lowest=[matrices["mcc"].min() for matrices in found],
        mcc_highest=[matrices["mcc"].max() for matrices in found],
        called_sensitive=[matrices["positive_rate"].iloc[0] for matrices in found],
        distance=[matrices["distance"].iloc[0] for matrices in found],
    )
