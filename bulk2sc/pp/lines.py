"""Names of cell lines: which are training lines, and which must leave because their cells are scored."""

import re
from collections.abc import Iterable

import numpy as np
import pandas as pd
from anndata import AnnData

from bulk2sc.datasets.gdsc import line_key
from bulk2sc.errors import Bulk2scError, did_you_mean

LINES = re.compile(
    r"cell.?lines?(?![a-z])|depmap|ccle|^lines?$|singlet.?id", re.IGNORECASE
)  # what columns of lines are called
MOST_NAMES = 1000  # of lines in a column of another name


def train_lines(bulk: AnnData, held_out: Iterable[str]) -> AnnData:
    """
    Return the lines that may be trained on: all but those held out, whose cells are to be predicted.

    Parameters
    ----------
    bulk
        (n_lines, n_genes), its obs_names line keys.
    held_out
        Names of lines in any spelling that `known_line` understands.

    Raises
    ------
    Bulk2scError
        If a name is not a line of `bulk`.
    """
    keys = {name: known_line(name, bulk.obs_names) for name in held_out}
    for name in (name for name, key in keys.items() if key is None):
        raise Bulk2scError(
            f"Unknown cell line '{name}': not among the {bulk.n_obs} lines of the bulk data; a line that is "
            f"not there needs no excluding: leave the name out.{did_you_mean(line_key(name), bulk.obs_names)}"
        )
    return bulk[~bulk.obs_names.isin(list(keys.values()))].copy()


def known_line(name: str, lines: Iterable[str]) -> str | None:
    """
    Return the key of a line, or None if `lines` (keys) has none of this name.

    Only letters and digits count; a tissue after the name (``A549_LUNG``) may follow, and ``NCI`` be missing.
    """
    known = set(lines)
    short = line_key(str(name).split("_")[0])
    return next((key for key in (line_key(str(name)), short, f"NCI{short}") if key in known), None)


def own_lines(obs: pd.DataFrame, lines: Iterable[str]) -> tuple[str, dict[str, str], list[str]]:
    """
    Find which column of `obs` says what lines the cells are of, if any does.

    Returns
    -------
    Its name (empty: none), the keys among `lines` by the names in it, and the names that are none of these. A
    column whose name speaks of lines is taken, else one of text most of whose names are lines.
    """
    lines, found = set(lines), []
    for column in obs.columns:
        text = isinstance(obs[column].dtype, pd.CategoricalDtype) or obs[column].dtype == object
        names = [str(name) for name in obs[column].dropna().unique()] if text else []
        speaks = bool(LINES.search(str(column)))
        if not names or (len(names) > MOST_NAMES and not speaks):
            continue
        keys = {name: key for name in names if (key := known_line(name, lines))}
        if speaks or len(keys) > len(names) / 2:
            unknown = [name for name in names if name not in keys]
            found.append((bool(keys), column == "cell_line", speaks, (str(column), keys, unknown)))
    return max(found, key=lambda one: one[:3])[3] if found else ("", {}, [])


def hold_out_own_lines(cells: AnnData, bulk: AnnData) -> AnnData:
    """
    Note which bulk lines the cells come from: trained on, they would be the answer.

    Parameters
    ----------
    cells
        With the names of the lines, where they are known, in a column of obs that `own_lines` finds.
    bulk
        All lines, its obs_names line keys.

    Returns
    -------
    A copy whose `obs["cell_line"]` has the keys of `bulk` and whose `uns["held_out"]` names every line of
    `bulk` among the cells, beside those it named before; `uns["notes"]` says what was not recognised.
    """
    cells = cells.copy()
    column, known, unknown = own_lines(cells.obs, bulk.obs_names)
    if known or column == "cell_line":
        names = cells.obs[column].astype(object)
        cells.obs["cell_line"] = pd.Categorical(names.map(lambda name: known.get(str(name), name)))
    if notes := line_notes(column, unknown):
        cells.uns["notes"] = [*cells.uns.get("notes", []), *notes]
    before = [known_line(name, bulk.obs_names) for name in np.atleast_1d(cells.uns.get("held_out", []))]
    cells.uns["held_out"] = sorted({*filter(None, before), *known.values()})
    return cells


def line_notes(column: str, unknown: list[str]) -> list[str]:
    """Name the names of lines that were not recognised, if there are any."""
    if not unknown:
        return []
    some = ", ".join(unknown[:5]) + (f" and {len(unknown) - 5} more" if len(unknown) > 5 else "")
    return [f"warning: obs['{column}'] names what is no line of the bulk data by this name: {some}"]
