"""GDSC release 8.5: drug responses as published, joined by line ids to the published expression."""

import zipfile
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from scipy import stats

from bulk2sc.datasets.documented import remedy, unlike
from bulk2sc.datasets.fetch import cache_dir, fetch
from bulk2sc.datasets.gdsc import RELEASES, line_key, through_cache
from bulk2sc.datasets.line_expression import PASSPORTS, RMA, gdsc_rma, passports_rnaseq
from bulk2sc.datasets.registry import DATA
from bulk2sc.errors import Bulk2scError, refuse_unknown
from bulk2sc.settings import file_digest

RELEASE = "gdsc-8.5"
EXPRESSION = {  # where it comes from, the id its lines have in the tables of responses, and its reader
    "rma": (RMA, "COSMIC_ID", gdsc_rma),
    "rnaseq": (PASSPORTS, "SANGER_MODEL_ID", passports_rnaseq),
}
LINE, DRUG, MEASURES = "CELL_LINE_NAME", "DRUG_NAME", ["AUC", "LN_IC50"]
EXCEL_ERRORS = ["#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!"]  # as text; pandas knows #N/A
CODE = ("official.py", "line_expression.py", "gdsc.py", "genes.py")
MADE_BY = [Path(__file__).with_name(name) for name in CODE]


def gdsc_release(release: str = "GDSC2", *, line_id: str = "SANGER_MODEL_ID") -> ad.AnnData:
    """
    Return the drug responses of GDSC release 8.5, of 27 October 2023.

    Parameters
    ----------
    release
        ``GDSC2`` or ``GDSC1``.
    line_id
        Name of the lines: ``SANGER_MODEL_ID`` or ``COSMIC_ID``.

    Returns
    -------
    Lines x drugs. ``X`` (float32): AUC, 0 to 1, lower is more sensitive; ``layers["ln_ic50"]``: ln of
    micromolar; NaN where untested. ``obs_names``: ids; ``obs["cell_line"]``: names. Several measurements of
    a line under one drug name, of one DRUG_ID or of several, are averaged. Rows that lack the id, a name, AUC
    or LN_IC50, or have an Excel error there, are left out.

    Raises
    ------
    Bulk2scError
        If the release is unknown, or its file cannot be fetched or is not as documented.
    """
    refuse_unknown(release, RELEASES, "GDSC release")
    (path,) = (path for path in fetch(RELEASE) if path.name.startswith(f"{release}_"))
    return read_release(path, line_id)


def read_release(path: Path, line_id: str) -> ad.AnnData:
    """Read the responses of one release out of its Excel file (see `gdsc_release`)."""
    rows = _measurements(path, line_id)
    names = rows.groupby(line_id)[LINE].first()
    table = rows.pivot_table(index=line_id, columns=DRUG, values=MEASURES, aggfunc="mean").astype(np.float32)
    auc, ln_ic50 = (table[measure] for measure in MEASURES)
    return ad.AnnData(
        auc.to_numpy(),
        obs=pd.DataFrame({"cell_line": names.reindex(auc.index)}),
        var=pd.DataFrame(index=pd.Index(auc.columns, dtype=object, name=None)),
        layers={"ln_ic50": ln_ic50.to_numpy()},
    )


def official_bulk(release: str, expression: str) -> ad.AnnData:
    """
    Return the lines of GDSC release 8.5 with published expression, in the form of `bulk2sc.datasets.gdsc`.

    Parameters
    ----------
    release
        ``GDSC2`` or ``GDSC1``.
    expression
        ``rma``: microarrays of GDSC; ``rnaseq``: log2(TPM + 1) of the Cell Model Passports.

    Returns
    -------
    Lines with both response and expression, joined by COSMIC id (``rma``) or Sanger model id (``rnaseq``).
    ``X`` is z-scored per line over the genes that all of them have. Ids would tell KM-H2 from KMH-2 and TT
    from T-T, but cells know their line by name only: lines that share a key are left out.

    Raises
    ------
    Bulk2scError
        If a file cannot be fetched or is not as documented, or the two tables share no line or no gene.
    """
    source, line_id, read = EXPRESSION[expression]
    stamp = file_digest(*fetch(RELEASE), *fetch(source), DATA / "gene_ids.tsv.gz", *MADE_BY)[:16]
    cached = cache_dir() / RELEASE / f"{release}-{expression}-{stamp}.h5ad"

    def make() -> ad.AnnData:
        bulk = join(gdsc_release(release, line_id=line_id), read())
        bulk.uns |= {"source": f"{RELEASE} and {source}", "release": release}
        return bulk

    return through_cache(cached, make)


def join(responses: ad.AnnData, expression: ad.AnnData) -> ad.AnnData:
    """
    Join responses and expression by the ids of lines, then name the lines by their keys.

    Parameters
    ----------
    responses, expression
        From `gdsc_release` and `gdsc_rma` or `passports_rnaseq`, with ids of one kind.

    Returns
    -------
    As `official_bulk`, without source and release.

    Raises
    ------
    Bulk2scError
        If they share no line, or no gene is measured in all lines.
    """
    keys = responses.obs["cell_line"].map(line_key)
    told_apart = ~keys.duplicated(keep=False)  # also from lines without expression
    kept = keys.index[told_apart & keys.index.isin(expression.obs_names)]
    names = responses.obs.loc[kept, "cell_line"].set_axis(pd.Index(keys[kept].to_numpy(), dtype=object))
    if kept.empty:
        ids = [f"{list(table.obs_names[:3])}" for table in (responses, expression)]
        raise Bulk2scError(
            f"{RELEASE}: no line has both response and expression; their ids begin {ids[0]} and {ids[1]}."
            + remedy(RELEASE)
        )
    values = expression[kept].X
    measured = ~np.isnan(values).any(axis=0)
    if not measured.any():
        raise Bulk2scError(f"{RELEASE}: no gene is measured in all {len(kept)} lines.{remedy(RELEASE)}")
    return ad.AnnData(
        stats.zscore(values[:, measured], axis=1).astype(np.float32),
        obs=pd.DataFrame({"cell_line": names}),
        var=expression.var[measured],
        obsm={"auc": responses[kept].X, "ln_ic50": responses[kept].layers["ln_ic50"]},
        uns={"drugs": responses.var_names.to_numpy(dtype=object)},
    )


def _measurements(path: Path, line_id: str) -> pd.DataFrame:
    """Return the complete rows of a release, checked: id, line, drug and both measures."""
    columns = [line_id, LINE, DRUG, *MEASURES]
    reading = {"engine": "openpyxl", "thousands": ",", "na_values": EXCEL_ERRORS}
    try:
        found = list(pd.read_excel(path, nrows=0, engine="openpyxl").columns)
        if missing := [name for name in columns if name not in found]:
            raise unlike(RELEASE, f"columns in {path.name}", ", ".join(missing), found)
        # A line is called 697: names and ids are text.
        rows = pd.read_excel(path, usecols=columns, dtype=dict.fromkeys(columns[:3], str), **reading)
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise Bulk2scError(
            f"{path.name} of {RELEASE}: cannot be read as Excel ({' '.join(str(error).split())})."
            + remedy(RELEASE)
        ) from error
    for name in columns[:3]:
        rows[name] = rows[name].str.strip().replace("", np.nan)
    rows[line_id] = rows[line_id].str.replace(",", "")
    _check_measures(rows, path)
    return rows.dropna()


def _check_measures(rows: pd.DataFrame, path: Path) -> None:
    """Raise if a measure is not numeric, AUC is not a fraction or no row is complete."""
    for name in MEASURES:
        numbers = pd.to_numeric(rows[name], errors="coerce")
        wrong = rows[name].notna() & (numbers.isna() | ((name == "AUC") & ~numbers.between(0, 1)))
        if wrong.any():
            expected, row = "between 0 and 1" if name == "AUC" else "a number", wrong.idxmax()
            raise Bulk2scError(
                f"{path.name} of {RELEASE}: {name} must be {expected}, found '{rows[name][row]}' in row "
                f"{row + 2}.{remedy(RELEASE)}"
            )
    if rows.dropna().empty:
        raise Bulk2scError(f"{path.name} of {RELEASE}: no row is complete.{remedy(RELEASE)}")
