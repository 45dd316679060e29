"""Who is sensitive and who is resistant among cells: by the rule of a data set, corrected by clusters."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from anndata import AnnData

from bulk2sc.errors import Bulk2scError
from bulk2sc.labels.rules import GENERIC, MARKERS, Form, Rule, arms_of, groups_of, read_rule

INTRINSIC = "control, in a cluster of treated cells"
NORMAL = "normal: "


class ClassLost(Bulk2scError):
    """Exclusion has left cells of one class only, or none."""


def label_cells(
    cells: AnnData,
    rule: Rule | None = None,
    *,
    dominance: float = 0.0,
    min_score: float = 1.0,
    seed: int = 0,
) -> AnnData:
    """
    Label cells by the rule of their data set, in three steps (He et al. 2025, 4.1.2).

    Control cells are sensitive and treated cells resistant, without (1) control cells in clusters that
    treated cells dominate and (2) clusters of normal cells; (3) what the literature knows of a cell goes
    before both arm and step 1. A rule may also take the labels from the truth of the lines.

    Parameters
    ----------
    cells
        X log-normalised; the columns of obs that the rule reads, and `obs["cluster"]` for steps 1 and 2.
    rule
        By default the generic one: `obs["treated"]` if there is one, else `obs["truth"]`.
    dominance
        As for `mark_intrinsic_resistance`; 0: as the rule says.
    min_score, seed
        As for `mark_normal_cells`.

    Returns
    -------
    A copy, without cells that the rule leaves out, with `obs["response"]` (1 sensitive, 0 resistant, NaN
    excluded), `obs["response_unfiltered"]` (nobody excluded), `obs["label_reason"]` (text), `obs["treated"]`
    (bool) where the rule has arms, and `uns["rule"]`, what was applied.

    Raises
    ------
    Bulk2scError
        If the rule does not fit the cells or clusters are missing; `ClassLost` if exclusion leaves only one
        class or none.
    """
    rule = rule or read_rule(GENERIC)
    form = rule.form_of(cells.obs)
    dominance = (dominance or form.dominance) if form.arms else 0.0
    labelled = cells.copy()
    if form.arms:
        group = arms_of(cells.obs, form.arms, rule.name)
        labelled = cells[group.isin(["control", "treated"]).to_numpy()].copy()
        labelled.obs["treated"] = (group[labelled.obs_names] == "treated").astype(bool)
    obs = labelled.obs
    asked = [name for name, on in (("step 1", dominance), ("step 2", form.markers)) if on]
    if asked and "cluster" not in obs:
        raise Bulk2scError(
            f"The labelling ({' and '.join(asked)}) needs obs['cluster']; cluster the cells first."
        )
    obs["response"], obs["response_unfiltered"], obs["label_reason"] = np.nan, np.nan, "not named by the rule"
    if form.arms:
        _label(obs, 1.0 - obs["treated"], obs["treated"].map({True: "treated", False: "control"}))
    elif form.lines:
        _label(obs, obs["truth"].astype(float), "line")
    if dominance:
        resistant = mark_intrinsic_resistance(obs, dominance=dominance)
        obs.loc[resistant, "response"], obs.loc[resistant, "label_reason"] = np.nan, INTRINSIC
    if form.literature:
        known = groups_of(obs, form.literature, rule.name).map({"sensitive": 1.0, "resistant": 0.0})
        _label(obs, known.astype(float).dropna(), f"literature: {form.literature.reference}")
    if form.markers:
        kind = mark_normal_cells(labelled, markers=form.markers, min_score=min_score, seed=seed)
        kind = kind[kind != ""]
        obs.loc[kind.index, "response"], obs.loc[kind.index, "label_reason"] = np.nan, NORMAL + kind
    _refuse_lost_class(obs, f"{rule.name}, dominance={dominance:g}, min_score={min_score:g}")
    labelled.uns["rule"] = _applied(rule, form, dominance, cells.n_obs - labelled.n_obs)
    return labelled


def _label(obs: pd.DataFrame, response: pd.Series, reason: str | pd.Series) -> None:
    """Give these cells a response, whatever they had; exclusion may still take it from them."""
    obs.loc[response.index, "response"] = response
    obs.loc[response.index, "response_unfiltered"] = response
    obs.loc[response.index, "label_reason"] = reason


def mark_intrinsic_resistance(obs: pd.DataFrame, *, dominance: float = 0.8) -> pd.Series:
    """
    Mark control cells that look like treated ones: their cluster is dominated by treated cells.

    Parameters
    ----------
    obs
        `treated` (bool) and `cluster` of each cell; a cell without a cluster is not marked.
    dominance
        Share of treated cells in a cluster, 0.5 to 1, from which on they dominate it; counted as if there
        were as many treated as control cells in all, so that a mixed cluster has 0.5.

    Returns
    -------
    (n_cells,) bool; False for every treated cell.

    Raises
    ------
    Bulk2scError
        If dominance is out of range.
    """
    if not 0.5 <= dominance <= 1:
        raise Bulk2scError(f"dominance is {dominance:g}; a share that dominates is 0.5 to 1.")
    treated = obs["treated"].astype(bool)
    cluster = obs["cluster"].astype(object)
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
        X log-normalised, `obs["cluster"]`; a cell without a cluster is not marked.
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
    import scanpy as sc  # takes two seconds, and most steps of a build do without it

    scored = AnnData(cells.X, obs=cells.obs[["cluster"]], var=cells.var[[]])
    for kind, genes in markers.items():
        present = [gene for gene in genes if gene in cells.var_names]
        if len(present) >= 2:
            sc.tl.score_genes(scored, present, score_name=kind, random_state=seed)
    scores = scored.obs.groupby("cluster", observed=True).mean()
    if scores.empty:
        return pd.Series("", index=cells.obs_names)
    kinds = scores.idxmax(axis=1).where(scores.max(axis=1) >= min_score, "")
    return cells.obs["cluster"].astype(object).map(kinds).fillna("")


def _refuse_lost_class(columns: pd.DataFrame, settings: str) -> None:
    """Refuse labels that had two classes before exclusion and have fewer after it."""
    before, after = columns["response_unfiltered"].dropna(), columns["response"].dropna()
    if before.nunique() <= after.nunique():
        return
    kind = "" if after.empty else "resistant " if after.iloc[0] else "sensitive "
    reasons = columns["label_reason"][columns["response"].isna()].value_counts()
    found = ", ".join(f"{n} {reason}" for reason, n in reasons.items())
    raise ClassLost(f"{settings}: every {kind}cell is excluded ({found}); raise dominance or min_score.")


def _applied(rule: Rule, form: Form, dominance: float, left_out: int) -> dict[str, str | float | int]:
    """Return what of a rule was applied, in a form that a file can keep."""
    return {
        "name": rule.name,
        "title": rule.title,
        "text": rule.text,
        "drug": rule.drug,
        "form": form.about,
        "arms": form.arms.reference if form.arms else "",
        "literature": form.literature.reference if form.literature else "",
        "dominance": dominance,
        "normal cell types": len(form.markers),
        "left out": left_out,
    }
