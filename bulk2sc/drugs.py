"""The drugs that can be predicted: their names, synonyms and targets, and how well each is predicted."""

from collections.abc import Iterable

import pandas as pd

from bulk2sc.datasets.registry import DATA
from bulk2sc.errors import Bulk2scError, did_you_mean


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
    names = pd.read_csv(DATA / "drugs.csv", dtype=str, keep_default_na=False).set_index("drug")
    predicted = pd.read_csv(DATA / "predictability.csv", dtype={"drug": str}).set_index("drug")
    return predicted.join(names).fillna({"synonyms": "", "target": ""})


def find_drugs(word: str) -> pd.DataFrame:
    """Return the rows of `drug_table` whose name, synonym or target contains `word`, spelt in any way."""
    table, key = drug_table(), _key(word)
    text = table.index + ";" + table["synonyms"] + ";" + table["target"]
    hit = text.map(lambda names: any(key in _key(name) for name in names.split(";")))
    return table[hit]


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
    synonyms = pd.read_csv(DATA / "drugs.csv", dtype=str, keep_default_na=False).set_index("drug")["synonyms"]
    names = {drug: [drug, *synonyms.get(drug, "").split(";")] for drug in drugs}
    found = [drug for drug, known in names.items() if _key(name) in map(_key, known)]
    exact = [drug for drug in found if _key(drug) == _key(name)]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if found:
        raise Bulk2scError(f"Drug '{name}' is the name of several: {', '.join(found)}; name one of them.")
    spelt = {known.strip(): drug for drug, all_names in names.items() for known in all_names if known}
    raise Bulk2scError(
        f"Unknown drug '{name}': not among the {len(drugs)} of the bulk data; list them by: bulk2sc drugs."
        + did_you_mean(name, spelt)
    )


def _key(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
