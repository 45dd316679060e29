"""Who is sensitive and who is resistant: lines by measured response, cells by design of the experiment."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import scanpy as sc
from anndata import AnnData

from bulk2sc.errors import Bulk2scError, did_you_mean

MIN_LINES = 20  # with fewer tested lines the tails are a handful
MARKERS = {
    "fibroblast": ("COL1A1", "COL1A2", "COL3A1", "COL6A3", "DCN", "LUM", "PDGFRA", "PDGFRB"),
    "T cell": ("CD2", "CD3D", "CD3E", "CD3G", "CD5", "CD247", "IL7R", "TRAC"),
    "endothelial": ("CDH5", "ENG", "KDR", "PECAM1", "TEK", "VWF"),
}


# --- Lines -------------------------------------------------------------------------------------------------


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
    if measure not in ("auc", "ln_ic50"):
        raise Bulk2scError(
            f"Unknown measure '{measure}': it is auc or ln_ic50." + did_you_mean(measure, ["auc", "ln_ic50"])
        )
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
    drug, measure
        As for `response_of`.
    k
        Fraction of the tested lines in each tail, 0 < k < 0.5.

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


# --- Cells -------------------------------------------------------------------------------------------------


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


def label_cells(
    cells: AnnData,
    *,
    dominance: float = 0.8,
    min_score: float = 1.0,
    markers: Mapping[str, Sequence[str]] = MARKERS,
    seed: int = 0,
) -> AnnData:
    """
    Label cells by the design of the experiment, corrected by their clusters (He et al. 2025, 4.1.2).

    Where there is no treated and untreated sample (no `obs["treated"]`), the response is the truth of a
    cell's line.

    Parameters
    ----------
    cells
        X log-normalised; `obs["treated"]` (bool) and `obs["cluster"]`, or else `obs["truth"]`.
    dominance, min_score, markers, seed
        As for `mark_intrinsic_resistance` and `mark_normal_cells`.

    Returns
    -------
    A copy with `obs["response"]` (1 sensitive, 0 resistant, NaN excluded), `obs["response_unfiltered"]`
    (nobody excluded) and `obs["label_reason"]` (text).
    """
    labelled = cells.copy()
    if "treated" not in cells.obs:
        if "truth" not in cells.obs:
            raise Bulk2scError("Cells have neither obs['treated'] nor obs['truth']; labels need one of them.")
        truth = cells.obs["truth"].astype(float)
        columns = pd.DataFrame({"response": truth, "response_unfiltered": truth, "label_reason": "line"})
    else:
        resistant = mark_intrinsic_resistance(cells.obs, dominance=dominance)
        normal = mark_normal_cells(cells, markers=markers, min_score=min_score, seed=seed)
        columns = assign_response(cells.obs["treated"], resistant, normal)
    labelled.obs[columns.columns] = columns
    return labelled


def mark_intrinsic_resistance(obs: pd.DataFrame, *, dominance: float = 0.8) -> pd.Series:
    """
    Mark control cells that look like treated ones: their cluster is dominated by treated cells.

    Parameters
    ----------
    obs
        `treated` (bool) and `cluster` of each cell.
    dominance
        Share of treated cells in a cluster, 0.5 to 1, from which on they dominate it; counted as if there
        were as many treated as control cells in all, so that a mixed cluster has 0.5.

    Returns
    -------
    (n_cells,) bool; False for every treated cell.
    """
    treated = obs["treated"].astype(bool)
    cluster = obs["cluster"].astype(str)
    of_treated = cluster[treated].value_counts(normalize=True)
    of_control = cluster[~treated].value_counts(normalize=True)
    share = of_treated.div(of_treated.add(of_control, fill_value=0)).fillna(0)
    return ~treated & cluster.map(share).ge(dominance)


def mark_normal_cells(
    cells: AnnData,
    *,
    markers: Mapping[str, Sequence[str]] = MARKERS,
    min_score: float = 1.0,
    seed: int = 0,
) -> pd.Series:
    """
    Mark the cells of clusters that express the markers of a normal cell type.

    Parameters
    ----------
    cells
        X log-normalised, `obs["cluster"]`.
    markers
        Marker genes by cell type; a type with fewer than two of them in the data cannot be found.
    min_score
        Smallest mean, over a cluster, of scanpy's score: mean of the markers minus mean of genes expressed
        alike, in log units. Lines of a T-cell leukaemia reach 0.7: lower values take them for normal T cells.
    seed
        Of the choice of genes expressed alike.

    Returns
    -------
    (n_cells,) text: the type with the highest score, empty for other cells.
    """
    scored = AnnData(cells.X, obs=cells.obs[["cluster"]], var=cells.var[[]])
    for kind, genes in markers.items():
        present = [gene for gene in genes if gene in cells.var_names]
        if len(present) >= 2:
            sc.tl.score_genes(scored, present, score_name=kind, random_state=seed)
    scores = scored.obs.groupby("cluster", observed=True).mean()
    if scores.empty:
        return pd.Series("", index=cells.obs_names)
    kinds = scores.idxmax(axis=1).where(scores.max(axis=1) >= min_score, "")
    return cells.obs["cluster"].astype(object).map(kinds)


def assign_response(treated: pd.Series, resistant: pd.Series, normal: pd.Series) -> pd.DataFrame:
    """
    Label untreated cells sensitive and treated cells resistant, without those that were marked.

    Parameters
    ----------
    treated
        (n_cells,) bool.
    resistant
        (n_cells,) bool, from `mark_intrinsic_resistance`.
    normal
        (n_cells,) text, from `mark_normal_cells`.

    Returns
    -------
    (n_cells, 3): `response`, `response_unfiltered` and `label_reason`.
    """
    unfiltered = 1.0 - treated.astype(float)
    reason = treated.astype(bool).map({True: "treated", False: "control"})
    reason = reason.mask(resistant, "control, in a cluster of treated cells").mask(
        normal != "", "normal: " + normal
    )
    return pd.DataFrame(
        {
            "response": unfiltered.mask(resistant | (normal != "")),
            "response_unfiltered": unfiltered,
            "label_reason": reason,
        }
    )
