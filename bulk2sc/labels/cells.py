"""Who is sensitive and who is resistant among cells: by the rule of a data set, corrected by clusters."""

from collections.abc import Mapping, Sequence

import pandas as pd
from anndata import AnnData

from bulk2sc.errors import Bulk2scError
from bulk2sc.labels.rules import GENERIC, MARKERS, Arms, Form, Literature, Rule, arms_of, groups_of, read_rule

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
    labelled = in_arms(cells, form.arms, rule.name) if form.arms else cells.copy()
    dominance = dominance or form.dominance
    columns = stated(labelled.obs, form)
    resistant, normal = _marks(labelled, form, dominance=dominance, min_score=min_score, seed=seed)
    columns = assign_response(columns["response_unfiltered"], columns["label_reason"], resistant, normal)
    if form.literature:
        known = groups_of(labelled.obs, form.literature, rule.name)
        columns = apply_literature(columns, form.literature, known)
    _refuse_lost_class(columns, f"{rule.name}, dominance={dominance:g}, min_score={min_score:g}")
    labelled.obs[columns.columns] = columns
    labelled.uns["rule"] = _applied(rule, form, dominance, cells.n_obs - labelled.n_obs)
    return labelled


def in_arms(cells: AnnData, arms: Arms, name: str) -> AnnData:
    """Return the control and the treated cells, with `obs["treated"]`; `name` is that of the rule."""
    group = arms_of(cells.obs, arms, name)
    kept = cells[group.isin(["control", "treated"]).to_numpy()].copy()
    kept.obs["treated"] = (group[kept.obs_names] == "treated").astype(bool)
    return kept


def stated(obs: pd.DataFrame, form: Form) -> pd.DataFrame:
    """Return `response_unfiltered` and `label_reason` as arms or lines state them, before any step."""
    if form.arms:
        response = 1.0 - obs["treated"].astype(float)
        reason = obs["treated"].map({True: "treated", False: "control"}).astype(object)
    elif form.lines:
        response, reason = obs["truth"].astype(float), "line"
    else:
        response, reason = float("nan"), "not named by the rule"
    return pd.DataFrame({"response_unfiltered": response, "label_reason": reason}, index=obs.index)


def _marks(
    cells: AnnData, form: Form, *, dominance: float, min_score: float, seed: int
) -> tuple[pd.Series, pd.Series]:
    """Return the marks of steps 1 and 2, for the steps that the rule asks for."""
    resistant, normal = pd.Series(False, index=cells.obs_names), pd.Series("", index=cells.obs_names)
    asked = [name for name, on in (("step 1", form.arms and dominance), ("step 2", form.markers)) if on]
    if asked and "cluster" not in cells.obs:
        raise Bulk2scError(
            f"The labelling ({' and '.join(asked)}) needs obs['cluster']; cluster the cells first."
        )
    if form.arms and dominance:
        resistant = mark_intrinsic_resistance(cells.obs, dominance=dominance)
    if form.markers:
        normal = mark_normal_cells(cells, markers=form.markers, min_score=min_score, seed=seed)
    return resistant, normal


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


def assign_response(
    response: pd.Series, reason: pd.Series, resistant: pd.Series, normal: pd.Series
) -> pd.DataFrame:
    """
    Exclude the cells that were marked.

    Parameters
    ----------
    response, reason
        (n_cells,) response (1, 0, NaN) and its reason (text) before any step.
    resistant
        (n_cells,) bool, from `mark_intrinsic_resistance`.
    normal
        (n_cells,) text, from `mark_normal_cells`.

    Returns
    -------
    (n_cells, 3): `response`, `response_unfiltered` and `label_reason`.
    """
    return pd.DataFrame(
        {
            "response": response.mask(resistant | (normal != "")),
            "response_unfiltered": response,
            "label_reason": reason.mask(resistant, INTRINSIC).mask(normal != "", NORMAL + normal),
        }
    )


def apply_literature(columns: pd.DataFrame, literature: Literature, group: pd.Series) -> pd.DataFrame:
    """
    Give the cells that the literature names their label; those found normal stay excluded.

    Parameters
    ----------
    columns
        As `assign_response` returns them.
    literature
        Part of a rule, whose reference becomes the reason.
    group
        (n_cells,) ``sensitive``, ``resistant`` or NaN, from `groups_of`.
    """
    known = group.map({"sensitive": 1.0, "resistant": 0.0}).astype(float)
    unnamed, normal = known.isna(), columns["label_reason"].str.startswith(NORMAL)
    return pd.DataFrame(
        {
            "response": columns["response"].where(unnamed | normal, known),
            "response_unfiltered": columns["response_unfiltered"].where(unnamed, known),
            "label_reason": columns["label_reason"].where(
                unnamed | normal, f"literature: {literature.reference}"
            ),
        }
    )


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
        "dominance": dominance if form.arms else 0.0,
        "normal cell types": len(form.markers),
        "left out": left_out,
    }
