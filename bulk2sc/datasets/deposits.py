"""Published single cells as deposited: a row for each set says what its files mean, for one reader.

Cells are returned as deposited, with current symbols; `own.check_cells` tells counts from amounts.
"""

import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd

from bulk2sc.datasets.documented import Unlike, documented
from bulk2sc.datasets.fetch import fetch
from bulk2sc.datasets.files import read_cells
from bulk2sc.datasets.gdsc import line_key
from bulk2sc.datasets.matrices import opened, read_files, separator_of
from bulk2sc.datasets.own import resolve_symbols
from bulk2sc.datasets.values import LARGEST_LOG, scale_of, stored

SENSITIVE = {"1": "1", "1.0": "1", "True": "1", "0": "0", "0.0": "0", "False": "0"}
SAMPLE_COLUMNS = ("sample", "orig.ident", "batch")  # where the study's own files may say it
TIMES = {  # how the name of a file says its time on the drug, most telling first
    "6h": r"(?<!\d)0?6 ?_?-?h(?!\d)",
    "14d": r"(?<!\d)14 ?_?-?d|d(ay)?_?-?14(?!\d)|dtp|persist",
    "untreated": r"untreat|(?<![a-z])ut(?![a-z])|control|ctrl|dmso|parental|(?<!\d)0 ?_?-?[hd](?![a-z])",
}


def read_about(path: Path, *index: str, header: int | None = 0) -> pd.DataFrame:
    """
    Read a table or a sheet about cells, all of it as text.

    Parameters
    ----------
    index
        Columns that make the name of a cell, each up to ``=``; the first one if none is named.
    header
        Row with the names of the columns; None: there is none, and they are numbers.

    Raises
    ------
    Unlike
        If it cannot be read, has no such column, or a cell is there twice.
    """
    try:
        if path.suffix == ".xlsx":  # where an empty cell means that above it
            table = pd.read_excel(path, header=header, dtype=str).dropna(how="all").ffill()
        else:
            with opened(path) as lines:
                separator = separator_of(next(lines, b""), path.name).decode()
            table = pd.read_csv(path, sep=separator, header=header, dtype=str, keep_default_na=False)
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise Unlike(path.name, "a table that can be read to its end", str(error)) from error
    if index:
        first, *others = (_column(table, name, path).str.partition("=")[0] for name in index)
        table = table.set_index(first.str.cat(others, sep="_"))
    elif isinstance(table.index, pd.RangeIndex):  # R leaves out the name of the first column
        table = table.set_index(table.columns[0])
    if table.index.has_duplicates:
        raise Unlike(path.name, "each cell once", f"'{table.index[table.index.duplicated()][0]}' twice")
    return table


def _column(table: pd.DataFrame, name: str | int, path: Path) -> pd.Series:
    if name not in table:
        raise Unlike(path.name, f"a column '{name}'", table.columns)
    return table[name]


@dataclass(frozen=True, kw_only=True)
class Deposit:
    """
    What the files of one set say about its cells; a pattern is searched without regard to case.

    Attributes
    ----------
    about
        Reader of the table beside the matrix; None: there is none.
    columns
        Columns of that table, by the name that they get in obs.
    key
        Pattern of the name that a cell has in that table; empty: that in the matrix.
    label
        Column in which patterns are searched: ``cell`` (its name in the matrix), ``file``, one of `columns`,
        or ``name`` (file and cell).
    parts
        Column -> pattern, whose group is the value, or patterns by the value that they mean; the first that
        is found. A file of another name is left out, a cell of another name is an error.
    example
        The name of a cell, for that error.
    there
        Column -> values that some cells must have.
    sample
        How the columns make the sample of a cell.
    fixed
        Columns of one value.
    mouse
        Whether genes are those of the mouse: in capitals they are most human orthologues.
    """

    about: Callable[[Path], pd.DataFrame] | None = None
    columns: Mapping[str, str | int] = field(default_factory=dict)
    key: str = ""
    label: str = "cell"
    parts: Mapping[str, str | Mapping[str, str]] = field(default_factory=dict)
    example: str = ""
    there: Mapping[str, list[str]] = field(default_factory=dict)
    sample: str = "{file}"
    fixed: Mapping[str, object] = field(default_factory=dict)
    mouse: bool = False


BREAST = {"label": "file", "there": {"time": ["untreated", "14d"]}}  # 10x; names at GEO were not documented
DEPOSITS = {
    # Oral cancer of patients under cisplatin: TPM; source_cluster says Sensitive, Resistant or Holiday.
    "GSE117872": Deposit(
        about=lambda path: read_about(path, "groups"),
        columns={
            "sample": "cell_color",
            "patient_id": "patient_id",  # a colour
            "origin": "origin",
            "drug_status": "drug_status",
            "source_cluster": "cluster",  # obs["cluster"] is for clusters found here
        },
        sample="{sample}",
        fixed={"cell_line": np.nan},
    ),
    # Triple-negative breast cancer before (Pre) and under drugs, 10x; names of treated samples as they come.
    "GSE131984": Deposit(
        about=read_about,
        columns={"sample": "orig.ident"},
        there={"sample": ["Pre"]},
        sample="{sample}",
        fixed={"cell_line": "SUM159PT"},
    ),
    # Melanoma, parental and grown under BRAF inhibitors; 10x.
    "GSE108394": Deposit(
        label="file",
        parts={"population": {"resistant": r"451[-_ ]?lu[-_ ]?br", "parental": r"451[-_ ]?lu"}},
        there={"population": ["parental", "resistant"]},
        fixed={"cell_line": "451LU"},
    ),
    # Breast cancer under lapatinib for 14 days (persisters), 6 hours and not at all.
    "GSE156246-BT474": Deposit(parts={"cell_line": r"(BT[-_ ]?474)", "time": TIMES}, **BREAST),
    "GSE156246-HCC1419": Deposit(parts={"cell_line": r"(HCC[-_ ]?1419)", "time": TIMES}, **BREAST),
    # Melanoma of two lines, parental and resistant to BRAF inhibitors; Fluidigm.
    "GSE108383": Deposit(
        parts={
            "cell_line": r"^X?(A375|451Lu)_",
            "population": {"parental": r"^[^_]+_[^_]*_par_", "resistant": r"^[^_]+_[^_]*_br_"},
        },
        example="A375_sc_par_cell_11",
        sample="{cell_line}_{population}",
    ),
    # Lung cancer that survived eleven days of erlotinib; the file named "control" is of them too.
    "GSE149383": Deposit(fixed={"cell_line": "PC9", "truth": 0.0}),
    # The same line on 0 to 11 days of erlotinib; Drop-seq.
    "GSE149383-days": Deposit(
        label="file",
        parts={"day": r"(?:^|_)D(\d+)$"},
        there={"day": ["0", "11"]},
        sample="D{day}",
        fixed={"cell_line": "PC9"},
    ),
    # Prostate cancer, parental and resistant to docetaxel. The form was not documented: tables of one cell or
    # many, whose names or whose labels in a second file (GSM and label) say line and resistance.
    "GSE140440": Deposit(
        about=lambda path: read_about(path, header=None),
        columns={"name": 1},
        key=r"(GSM\d+)",
        label="name",
        parts={
            "cell_line": r"(DU-?145|PC-?3)",
            "population": {"resistant": "(?-i:Res)", "parental": ""},
        },
        example="PC3_Res",
        there={"population": ["resistant"]},
        sample="{cell_line}_{population}",
    ),
    # Lung cancer under gefitinib: FPKM; the second part of a cell's name is its population.
    "GSE112274": Deposit(
        parts={"population": r"^[^_]+_([^_]+)"},
        example="PC9_parental_1",
        there={"population": ["parental"]},
        sample="{population}",
        fixed={"cell_line": "PC9"},
    ),
    # Mouse leukaemia, sensitive and resistant to I-BET-762; cells are named <plate>_<well>.
    "GSE110894": Deposit(
        about=lambda path: read_about(path, "Plate#", "Well position", header=3),
        columns={"sample": "Sample name", "plate": "Plate#"},
        label="sample",
        parts={"population": {"resistant": "resistant", "parental": ""}},
        sample="{sample}",
        fixed={"cell_line": np.nan},
        mouse=True,
    ),
}


def deposit(key: str) -> ad.AnnData:
    """
    Return a published set of cells as deposited.

    Parameters
    ----------
    key
        Key of the source, one of `DEPOSITS`.

    Returns
    -------
    ``X``: the deposited values; those of one symbol are added up. ``obs``: sample and cell_line (NaN: not of
    a line), and what the row of the set names; or, of the published study's own .h5ad files, which come
    first, sample, cell_line and sensitive (``1`` or ``0``, text).

    Raises
    ------
    Bulk2scError
        If a file cannot be fetched, or is not as its source was documented to be; says how to give another.
    """
    row, paths = DEPOSITS[key], fetch(key)
    with documented(key):
        if all(path.suffix == ".h5ad" for path in paths):
            line = row.fixed.get("cell_line", key.rpartition("-")[2])
            return ad.concat([read_study(path, line) for path in paths], uns_merge="same")
        return read_deposit(paths, row)


def read_study(path: Path, line) -> ad.AnnData:
    """
    Read an .h5ad file of the published study, whose label is ``obs["sensitive"]``.

    Returns
    -------
    ``obs``: sample, cell_line (`line`) and sensitive (``1`` or ``0``). Values stay what they are.

    Raises
    ------
    Unlike
        If there is no such column, or it holds anything else.
    """
    given = read_cells(path)
    if "sensitive" not in given.obs:
        raise Unlike(path.name, "a column 'sensitive' in obs", given.obs.columns)
    sensitive = given.obs["sensitive"].astype(str).map(SENSITIVE)
    if sensitive.isna().any():
        raise Unlike(path.name, "1 or 0 in obs['sensitive']", given.obs["sensitive"].astype(str).unique())
    column = next((column for column in SAMPLE_COLUMNS if column in given.obs), None)
    sample = given.obs[column].astype(str) if column else path.stem
    obs = pd.DataFrame({"sample": sample, "cell_line": line, "sensitive": sensitive})
    cells = _described(given.layers.get("counts", given.X), obs, given.var_names)
    if scale_of(cells.X) == "log" and cells.X.max() <= LARGEST_LOG:
        cells.uns["scale"] = "log"  # of whatever sum
    return cells


def read_deposit(paths: list[Path], row: Deposit) -> ad.AnnData:
    """Read the files of GEO, the matrix first, and describe the cells as `row` says (see `deposit`)."""
    beside = paths[1:] if row.about else []
    cells = read_files(paths[:1] if row.about else paths)
    telling = (beside or paths)[0].name
    if (stored(cells.X) < 0).any():
        found = f"negative values, the lowest {stored(cells.X).min():g}"
        raise Unlike(paths[0].name, "counts or abundances", found)
    obs = cells.obs.assign(name=cells.obs_names)
    if beside:
        about = row.about(beside[0])
        names = obs["name"].str.extract(row.key, expand=False).fillna(obs["cell"]) if row.key else obs["cell"]
        places = places_of(names, about, telling)
        obs, about = obs[~np.isnan(places)], about.iloc[places[~np.isnan(places)].astype(int)]
        theirs = {ours: _column(about, column, beside[0]).to_numpy() for ours, column in row.columns.items()}
        obs = obs.assign(cell=about.index, **theirs)
    for column, how in row.parts.items():
        obs = obs.assign(**{column: [_part(label, how) for label in obs[row.label]]})
    other = obs[[*row.parts]].isna().any(axis=1)
    if other.any() and row.label != "file":
        found = f"'{obs.loc[other, row.label].iloc[0]}' ({other.sum()} of {len(obs)} are not)"
        raise Unlike(telling, f"cells named as in {row.example}", found)
    obs = obs[~other].assign(**row.fixed)
    for column, values in row.there.items():
        if not set(values) <= set(obs[column]):
            found = sorted(set(cells.obs["file"] if row.label == "file" else obs[column]))
            raise Unlike(telling, f"{' and '.join(values)} as {column} of some cells", found)
    if "cell_line" in row.parts:
        obs["cell_line"] = obs["cell_line"].map(line_key)
    obs["sample"] = [row.sample.format(**one) for one in obs.to_dict("records")]
    kept = [column for column in obs if column not in ("file", "cell", "name")]
    genes = cells.var_names.str.upper() if row.mouse else cells.var_names
    found = _described(cells[obs.index].X, obs.set_index("cell")[kept], genes)
    found.layers["counts"] = found.X  # amounts too are added up
    found = resolve_symbols(found)
    del found.layers["counts"]
    return found


def places_of(names: pd.Series, about: pd.DataFrame, file: str) -> np.ndarray:
    """
    Return the place of each cell in the table about them, NaN if none, though R may have changed names.

    Raises
    ------
    Unlike
        If fewer than half of the cells are there; it may list those of good quality only.
    """
    places = pd.Series(range(len(about)), index=[_plain(name) for name in about.index])
    found = places[~places.index.duplicated()].reindex([_plain(name) for name in names]).to_numpy()
    known = (~np.isnan(found)).sum()
    if known < 0.5 * len(found):
        some = f"'{names.iloc[0]}' in the matrix, '{about.index[0]}' here"
        raise Unlike(file, "the cells of the matrix", f"{known} of {len(found)} ({some})")
    return found


def _part(label: str, how: str | Mapping[str, str]) -> str | None:
    if isinstance(how, str):
        found = re.search(how, label, re.IGNORECASE)
        return found[1] if found else None
    return next((value for value, pattern in how.items() if re.search(pattern, label, re.IGNORECASE)), None)


def _described(X, obs: pd.DataFrame, genes: pd.Index) -> ad.AnnData:
    """Return cells named by sample and name (the index of `obs`)."""
    obs = obs.assign(cell_line=pd.Categorical(obs["cell_line"]))  # may be NaN throughout
    names = [
        name if name.startswith(f"{sample}_") else f"{sample}_{name}"
        for name, sample in obs["sample"].items()
    ]
    return ad.AnnData(X, obs=obs.set_axis(pd.Index(names, dtype=object)), var=pd.DataFrame(index=genes))


def _plain(name: str) -> str:
    """Return a name as R's make.names writes it, where a dash is a dot and no name starts with a digit."""
    return re.sub(r"^X(?=\d)", "", re.sub(r"\W", ".", name))
