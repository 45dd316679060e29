"""All drugs: names, synonyms and targets, how well each is predicted, and scores of cells for each."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from anndata import AnnData

from bulk2sc.datasets.registry import DATA
from bulk2sc.errors import Bulk2scError, did_you_mean

UNITS = "share of the lines left out of training that are predicted to be less sensitive, 0 to 1"
N_LEADING = 5  # drugs shown for each group of cells


def drug_table() -> pd.DataFrame:
    """
    Return what is known of every drug of GDSC2.

    Returns
    -------
    Indexed by drug: ``n_lines`` tested; ``spearman_random``, the correlation of predicted with measured AUC
    over lines left out of training, and ``spearman_tissue_out``, over clusters of like lines that are left
    out whole (with ``pearson_`` likewise); ``synonyms`` (separated by ``; ``) and ``target``, empty where
    none is known.
    """
    predicted = pd.read_csv(DATA / "predictability.csv", dtype={"drug": str}).set_index("drug")
    return predicted.join(_names()).fillna({"synonyms": "", "target": ""})


def find_drugs(word: str) -> pd.DataFrame:
    """Return the rows of `drug_table` whose name, synonym or target contains `word`, spelt in any way."""
    table, key = drug_table(), _key(word)
    text = table.index + ";" + table["synonyms"] + ";" + table["target"]
    hit = text.map(lambda names: any(key in _key(name) for name in names.split(";")))
    return table[hit & bool(key or not word)]


def resolve_drug(name: str, drugs: Iterable[str]) -> str:
    """
    Return the name that the bulk data use for a drug, given by that name or a synonym in any spelling.

    Raises
    ------
    Bulk2scError
        If none of `drugs` has that name, or several have.
    """
    drugs = list(drugs)
    if name in drugs:
        return name
    synonyms = _names()["synonyms"]
    names = {drug: [drug, *filter(None, synonyms.get(drug, "").split(";"))] for drug in drugs}
    found = [drug for drug, known in names.items() if _key(name) in map(_key, known)]
    exact = [drug for drug in found if _key(drug) == _key(name)]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if found and _key(name):
        raise Bulk2scError(f"Drug '{name}' is the name of several: {', '.join(found)}; name one of them.")
    spelt = {known.strip(): drug for drug, all_names in names.items() for known in all_names if known}
    raise Bulk2scError(
        f"Unknown drug '{name}': not among the {len(drugs)} of the bulk data; list them by: bulk2sc drugs."
        + did_you_mean(name, spelt)
    )


def score_all_drugs(lines: AnnData, cells: AnnData) -> pd.DataFrame:
    """
    Score cells for every drug by ridge regression (`models.all_drugs.AllDrugs`).

    Parameters
    ----------
    lines, cells
        Training lines with `obsm["auc"]`, and cells, as `pp.pair` makes them.

    Returns
    -------
    (n_cells, n_drugs), 0 to 1, higher = more sensitive: a cell's place among the predictions of the lines,
    each made without that line (5 folds), so that drugs can be compared.
    """
    from sklearn.model_selection import KFold

    from bulk2sc.models.all_drugs import AllDrugs

    model = AllDrugs().fit(lines)
    predicted = model.predict(cells)
    folds = KFold(5, shuffle=True, random_state=0).split(np.empty(lines.n_obs))
    left_out = np.sort(model.cross_validate(lines, folds)[predicted.columns].to_numpy(), axis=0)
    below = [
        np.searchsorted(known, values, "right")
        for known, values in zip(left_out.T, predicted.to_numpy().T, strict=True)
    ]
    return pd.DataFrame(1 - np.array(below).T / lines.n_obs, predicted.index, predicted.columns)


def leading_drugs(scores: pd.DataFrame, groups: pd.Series) -> pd.DataFrame:
    """
    Return the drugs with the highest mean score in each group of cells.

    Parameters
    ----------
    scores
        As `score_all_drugs` returns them.
    groups
        Group of each cell.

    Returns
    -------
    Tidy: group, cells, drug, score (mean over the group), rho and rho_tissue_out (how well the drug is
    predicted for lines, see `drug_table`).
    """
    known = groups.notna().to_numpy()
    scores, groups = scores[known], groups[known].astype(str)
    means = scores.groupby(groups.to_numpy()).mean().rename_axis(index="group", columns="drug")
    top = means.stack().rename("score").reset_index().sort_values(["group", "score"], ascending=[True, False])
    top = top.groupby("group", sort=False).head(N_LEADING)
    top.insert(1, "cells", top["group"].map(groups.value_counts()))
    table = drug_table().rename(columns={"spearman_random": "rho", "spearman_tissue_out": "rho_tissue_out"})
    return top.join(table[["rho", "rho_tissue_out"]], on="drug").reset_index(drop=True)


def _names() -> pd.DataFrame:
    return pd.read_csv(DATA / "drugs.csv", dtype=str, keep_default_na=False).set_index("drug")


def _key(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
