"""Who is sensitive and who is resistant among lines: the tails of the measured response to a drug."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from anndata import AnnData

from bulk2sc.errors import Bulk2scError, did_you_mean, refuse_unknown

MIN_LINES = 20  # with fewer tested lines the tails are a handful


def response_of(bulk: AnnData, drug: str, measure: str = "auc") -> pd.Series:
    """
    Return the measured response of every line to one drug.

    Parameters
    ----------
    bulk
        Lines with `obsm["auc"]`, `obsm["ln_ic50"]` (n_lines, n_drugs) and `uns["drugs"]`.
    drug
        Name as in `uns["drugs"]`.
    measure
        ``auc`` or ``ln_ic50``: lower is more sensitive in both.

    Returns
    -------
    (n_lines,) float, NaN where untested, indexed by line.

    Raises
    ------
    Bulk2scError
        If drug or measure is unknown.
    """
    drugs = list(bulk.uns["drugs"])
    if drug not in drugs:
        raise Bulk2scError(
            f"Unknown drug '{drug}': not among the {len(drugs)} of the bulk data." + did_you_mean(drug, drugs)
        )
    refuse_unknown(measure, ["auc", "ln_ic50"], "measure")
    values = np.asarray(bulk.obsm[measure])[:, drugs.index(drug)]
    return pd.Series(values, index=bulk.obs_names, name=measure)


def tails(values: Sequence[float], k: float, drug: str = "the drug") -> tuple[float, float]:
    """
    Return the thresholds of the two tails of the ranking (He et al. 2025, 4.4).

    Parameters
    ----------
    values
        (n_lines,) responses; NaN is left out.
    k
        Fraction of the tested lines in each tail, 0 < k < 0.5; a part of a line is rounded down.
    drug
        Its name, for the errors.

    Returns
    -------
    `(low, high)`: lines at or below `low` are sensitive, lines at or above `high` resistant. Lines tied with
    a threshold are all in its tail.

    Raises
    ------
    Bulk2scError
        If k is out of range, too few lines were tested, or ties leave nothing between the tails.
    """
    if not 0 < k < 0.5:
        raise Bulk2scError(f"k is {k}: the fraction of lines in each tail lies between 0 and 0.5 (say 0.3).")
    values = np.asarray(values, dtype="float64")
    values = np.sort(values[~np.isnan(values)])
    if len(values) < MIN_LINES:
        raise Bulk2scError(
            f"Only {len(values)} lines were tested with {drug}; choose a drug with at least {MIN_LINES}."
        )
    n = max(1, int(k * len(values) + 1e-9))  # 0.29 * 100 is 28.999...
    low, high = float(values[n - 1]), float(values[-n])
    if low >= high:
        raise Bulk2scError(
            f"The tails of {drug} meet at {low:g}, a value of many lines; lower k={k} or choose another drug."
        )
    return low, high


def respond(values: Sequence[float], low: float, high: float) -> np.ndarray:
    """Return 1 (sensitive) for values up to `low`, 0 (resistant) from `high` on, NaN between and for NaN."""
    values = np.asarray(values, dtype="float64")
    return np.select([values <= low, values >= high], [1.0, 0.0], default=np.nan)


def label_bulk(bulk: AnnData, *, drug: str, k: float = 0.3, measure: str = "auc") -> AnnData:
    """
    Label lines by the tails of their response to one drug.

    Parameters
    ----------
    bulk
        Lines as for `response_of`; their tails are their own, so hold lines out before.
    drug
        As for `response_of`.
    k
        Fraction of the tested lines in each tail, 0 < k < 0.5.
    measure
        What the tails are of, ``auc`` or ``ln_ic50``. Regressions learn `obs["auc"]` in either case.

    Returns
    -------
    A copy with `obs["auc"]` (and `obs[measure]`), `obs["response"]` (1 sensitive, 0 resistant, NaN neither)
    and `uns["labels"]`, the settings and thresholds.
    """
    values = response_of(bulk, drug, measure)
    low, high = tails(values, k, drug)
    bulk = bulk.copy()
    bulk.obs["auc"] = response_of(bulk, drug)
    bulk.obs[measure] = values
    bulk.obs["response"] = respond(values, low, high)
    bulk.uns["labels"] = {"drug": drug, "k": k, "measure": measure, "low": low, "high": high}
    return bulk


def ranked_response(bulk: AnnData) -> pd.Series:
    """
    Return the response that lines are ranked by, (n_lines,): the measure that `label_bulk` labelled them by.

    Lines that it has not labelled are ranked by `obs["auc"]`.
    """
    return bulk.obs[bulk.uns.get("labels", {}).get("measure", "auc")]


def truth_from_lines(
    cells: AnnData, bulk: AnnData, drug: str, k: float = 0.3, measure: str = "auc"
) -> AnnData:
    """
    Give each cell the truth of its line: its place in the tails of the lines that may be trained on.

    Parameters
    ----------
    cells
        With `obs["cell_line"]`, line keys; `uns["held_out"]` names further lines that leave training.
    bulk
        All lines, as for `response_of`.
    drug, k, measure
        As for `label_bulk`.

    Returns
    -------
    A copy with `obs["truth"]`: 1 sensitive, 0 resistant, NaN for the middle, for untested and for unknown
    lines.
    """
    values = response_of(bulk, drug, measure)
    lines = cells.obs["cell_line"].astype(object)
    held_out = set(lines.dropna()) | set(cells.uns.get("held_out", []))
    low, high = tails(values[~values.index.isin(held_out)], k, drug)
    cells = cells.copy()
    cells.obs["truth"] = respond(lines.map(values).astype(float), low, high)
    return cells
