"""The published study's five test sets (its Table 1): drugs against cells that answer and cells that do not.

Each comes from one of two places. The study's own .h5ad files (Figshare, article 28888880) give obs sample,
cell_line and sensitive (``1`` or ``0``, text: the study's label). The files of GEO give the columns that each
function lists, from which a rule file makes the arms.
"""

import re
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd

from bulk2sc.datasets.deposits import annotate, describe, finish, load, read_about
from bulk2sc.datasets.documented import Unlike
from bulk2sc.datasets.matrices import read_samples, read_table
from bulk2sc.errors import refuse_unknown

ORAL_COLUMNS = ("cell_color", "patient_id", "origin", "drug_status", "cluster")
ORIGINS = ("HN120", "HN137", "HN148")
BREAST_LINES = ("BT474", "HCC1419")
# How the name of a sample says its time on the drug, most telling first.
TIMES = {
    "6h": r"(?<!\d)0?6 ?_?-?h(?!\d)",
    "14d": r"(?<!\d)14 ?_?-?d|d(ay)?_?-?14(?!\d)|dtp|persist",
    "untreated": r"untreat|(?<![a-z])ut(?![a-z])|control|ctrl|dmso|parental|(?<!\d)0 ?_?-?[hd](?![a-z])",
}


def gse117872() -> ad.AnnData:
    """
    Return oral squamous cell carcinoma cells of patients under cisplatin (GSE117872; TPM, no counts).

    Returns
    -------
    ``X``: log1p of TPM per 10,000 (see `finish`; ``uns["scale"]`` is ``TPM``); no counts. ``obs`` from GEO:
    sample (the source's ``cell_color``), patient_id (a colour), origin (``HN120``, ``HN137``, ``HN148``),
    drug_status, source_cluster (the source's ``cluster``, which contains ``Sensitive``, ``Resistant`` or
    ``Holiday``; obs["cluster"] is for clusters found here); cell_line is NaN (patients).

    Raises
    ------
    Bulk2scError
        If the files cannot be fetched or are not as documented.
    """
    return load("GSE117872", _oral)


def _oral(paths: list[Path]) -> ad.AnnData:
    matrix, about = paths
    cells, rows = annotate(read_table(matrix), read_about(about, ORAL_COLUMNS, index="groups"), about.name)
    unknown = sorted(set(rows["origin"]) - set(ORIGINS))
    if unknown:
        raise Unlike(about.name, f"origins {', '.join(ORIGINS)}", unknown)
    obs = rows[list(ORAL_COLUMNS)].rename(columns={"cell_color": "sample", "cluster": "source_cluster"})
    obs["cell_line"] = np.nan
    return finish(describe(cells, obs), matrix.name, unit="TPM")


def gse131984() -> ad.AnnData:
    """
    Return SUM159 triple-negative breast cancer cells before and under drugs (GSE131984; 10x; UMI counts).

    Returns
    -------
    ``layers["counts"]`` and ``X``: counts. ``obs`` from GEO: sample (the source's ``orig.ident``: ``Pre`` is
    before treatment; the names of the treated samples are as in the source and were not documented) and
    cell_line (``SUM159PT``, the line's full name, by which a release of GDSC that has it names it).

    Raises
    ------
    Bulk2scError
        If the files cannot be fetched or are not as documented.
    """
    return load("GSE131984", _sum159, line="SUM159PT")


def _sum159(paths: list[Path]) -> ad.AnnData:
    matrix, about = paths
    cells, rows = annotate(read_table(matrix), read_about(about, ["orig.ident"]), about.name)
    if "Pre" not in set(rows["orig.ident"]):
        raise Unlike(about.name, "a level 'Pre' of orig.ident", sorted(set(rows["orig.ident"])))
    obs = pd.DataFrame({"sample": rows["orig.ident"], "cell_line": "SUM159PT"})
    return finish(describe(cells, obs), matrix.name)


def gse108394() -> ad.AnnData:
    """
    Return 451Lu melanoma cells, parental and resistant to BRAF inhibitors (GSE108394; 10x; UMI counts).

    Returns
    -------
    ``layers["counts"]`` and ``X``: counts. ``obs`` from GEO: sample (its name in the archive), population
    (``parental``; ``resistant``: 451LuBR3, grown under the drug) and cell_line (``451LU``).

    Raises
    ------
    Bulk2scError
        If the files cannot be fetched or are not as documented: the name of a sample has to say 451Lu, and
        451LuBR where it is the resistant population.
    """
    return load("GSE108394", _melanoma_10x, line="451LU")


def _melanoma_10x(paths: list[Path]) -> ad.AnnData:
    every = read_samples(paths)
    samples = {name: cells for name, cells in every.items() if "451LU" in _letters(name)}
    populations = {name: "resistant" if "451LUBR" in _letters(name) else "parental" for name in samples}
    if set(populations.values()) != {"parental", "resistant"}:
        raise Unlike(paths[0].name, "samples named 451Lu and 451LuBR3", every)
    cells = ad.concat(samples.values(), join="outer", fill_value=0)
    obs = cells.obs.assign(population=cells.obs["sample"].map(populations), cell_line="451LU")
    return finish(describe(cells, obs), paths[0].name)


def _letters(name: str) -> str:
    """Return the letters and digits of a name, in capitals."""
    return re.sub(r"\W|_", "", name.upper())


def gse156246(line: str) -> ad.AnnData:
    """
    Return breast cancer cells under lapatinib for 14 days, 6 hours and not at all (GSE156246; UMI counts).

    The names of the files at GEO were not documented. What is taken for granted: 10x triplets or tables, the
    name of each saying its line and its time (see `TIMES`); a sample of any other name is left out.

    Parameters
    ----------
    line
        ``BT474`` or ``HCC1419``.

    Returns
    -------
    ``layers["counts"]`` and ``X``: counts. ``obs`` from GEO: sample (its name in the archive), time
    (``untreated``, ``6h``, ``14d``: the persisters) and cell_line (as `line`).

    Raises
    ------
    Bulk2scError
        If the line is another, or the files cannot be fetched or are not as documented.
    """
    refuse_unknown(line, BREAST_LINES, "line of GSE156246")
    return load(f"GSE156246-{line}", lambda paths: _breast(paths, line), line=line)


def _breast(paths: list[Path], line: str) -> ad.AnnData:
    every = read_samples(paths)
    times = {name: time_of(name) for name in every if line in _letters(name)}
    if not {"untreated", "14d"} <= set(times.values()):
        raise Unlike(paths[0].name, f"samples of {line} named untreated and 14d (or DTP)", every)
    times = {name: time for name, time in times.items() if time}
    cells = ad.concat([every[name] for name in times], join="outer", fill_value=0)
    obs = cells.obs.assign(time=cells.obs["sample"].map(times), cell_line=line)
    return finish(describe(cells, obs), paths[0].name)


def time_of(name: str) -> str | None:
    """Return which of `TIMES` the name of a sample says, None if it says none."""
    return next((time for time, pattern in TIMES.items() if re.search(pattern, name.lower())), None)
