"""Anybody's cells, checked and brought to one form; what was found, left out or changed is said in notes."""

import re
import warnings
from collections.abc import Mapping

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from bulk2sc.datasets.genes import share_known, to_symbols
from bulk2sc.datasets.values import scale_of, stored, to_known_scale
from bulk2sc.errors import Bulk2scError, did_you_mean, refuse_unknown

MUCH = 0.2  # share of all values in features of unknown name that deserves a warning
GENES = ("gene expression", "gene", "genes", "rna", "gex")  # of var["feature_types"]
COUNTS = 'layers["counts"]'
RAW = ".raw"  # as a name of a layer
TYPES = ("feature_types", "feature_type", "modality")
NO_GENE = re.compile(
    r"chr[\dXYM]\w*[:_-]\d+[-_]\d+$|ERCC-\d{5}$|(?-i:sg)[A-Z][\w-]*[-_]\d+$|.*[-_](total-?seq[-_]?[abcd]?|adt|prot)$"
    r"|(adt|ab|hto|antibody|hashtag|crispr)[-_:].+|(hashtag|hto)[-_]?\d+$",
    re.IGNORECASE,
)
HUMAN = re.compile(r"(GRCh\d\d|hg\d\d|human)(_+|-)(?=.)", re.IGNORECASE)
GENOME = re.compile(r"(GRCm\d\d|mm\d\d|mouse|m?Ratnor|Rnor\w*|rn\d|dm\d)(_+|-)", re.IGNORECASE)
FOREIGN = re.compile(GENOME.pattern + r"|ENS[A-Z]{3}G\d{11}", re.IGNORECASE)
MOUSE = re.compile(r"([A-Z][a-z\d]+(-[a-z\d]+)*|\d{7}[A-Z]\d\dRik|mt-[A-Z]\w+)$")


def check_cells(
    cells: AnnData,
    name: str = "cells",
    *,
    gene_column: str = "",
    values: str = "",
    layer: str = "",
    sample: str = "",
) -> AnnData:
    """
    Refuse what cannot be analysed, leave out what is no human gene, and bring the values to one scale.

    Parameters
    ----------
    cells
        (n_cells, n_genes) expression in `layers["counts"]` or, without that, X.
    name
        What the errors call the data, usually the name of the file.
    gene_column
        Column of var that names the genes; empty: their index.
    values
        ``counts``, ``log`` or ``z`` where they cannot be told by themselves (`values.to_known_scale`).
    layer
        The layer to read in place of those above; ``.raw``: `cells.raw`.
    sample
        Column of obs that says which sample a cell is of: it becomes `obs["sample"]`, and stands before names
        of cells that repeat.

    Returns
    -------
    A copy in which X (and `layers["counts"]`) holds whole counts, or X log1p of amounts per 10,000, or
    z-scores: what `detect_scale` tells apart. `uns["notes"]`: what was found and done, one line each.
    `uns["genes"]["all_zero"]`: how many genes were left out as they are zero in every cell.

    Raises
    ------
    Bulk2scError
        For no cells, one cell or no genes, names of cells or genes that repeat or are row numbers, values
        that are no finite numbers, contradict each other or cannot be told, and options that do not fit.
    """
    if cells.n_obs < 2:
        found = "one cell" if cells.n_obs else "no cells"
        raise Bulk2scError(f"{name}: holds {found}; genes are standardised over cells, so give at least two.")
    matrix, var, where = _chosen(cells, name, layer)
    if len(var) == 0:
        raise Bulk2scError(f"{name}: holds no genes; give cells in rows (obs) and genes in columns (var).")
    obs = _named_cells(cells.obs, name, sample)
    var = _named_genes(cells, var, name, gene_column)
    human, var, left_out = _human_genes(var, name)
    everything = None if human.all() else matrix
    matrix, var = matrix[:, human], var[human]
    if not gene_column:  # of a column those that repeat are added up, as several ids of one symbol are
        _refuse_repeats(var.index, f"{name}: var_names", "keep one: adata[:, ~adata.var_names.duplicated()]")
    _refuse_bad_values(matrix, f"{name}: {where}")
    if where == COUNTS and not layer and (stored(matrix) < 0).any():
        remedy = "remove the layer, or name what to read by --layer"
        raise Bulk2scError(f"{name}: {where} holds negative values, counts are zero or more; {remedy}.")
    if not (stored(matrix) != 0).any():
        raise Bulk2scError(f"{name}: every value is zero; give the measured expression.")
    try:
        known, found = to_known_scale(matrix, f"{name}: {where}", values, everything)
    except Bulk2scError:
        if values or cells.uns.get("scale") != "log":  # which a published source may say
            raise
        known, found = to_known_scale(matrix, f"{name}: {where}", "log", everything)
    notes = [f"values of {where}: {found}", *left_out, *_hints(cells, matrix, where, layer)]
    notes += _unknown(known, var.index)
    used = np.asarray((known != 0).sum(axis=0)).ravel() > 0
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* names are not unique")
        kept = AnnData(known[:, used], obs=obs, var=var[used], uns=cells.uns.copy(), obsm=dict(cells.obsm))
    if scale_of(known) == "counts":
        kept.layers["counts"] = kept.X.copy()
    noted = cells.uns.get("genes")  # anybody's file may hold anything here
    kept.uns["genes"] = {**(noted if isinstance(noted, Mapping) else {}), "all_zero": int((~used).sum())}
    kept.uns["notes"] = notes
    if scale_of(known) == "log":
        kept.uns.setdefault("scale", "log")  # so that checked cells need not be told again
    return kept


def detect_scale(cells: AnnData) -> str:
    """Say what the values of checked cells are: ``counts``, ``log`` or ``z-scores``; a counts layer first."""
    return "counts" if "counts" in cells.layers else scale_of(cells.X)


def resolve_symbols(cells: AnnData) -> AnnData:
    """
    Name genes by current symbol, whatever they are named by: symbol, alias, Ensembl or Entrez id.

    Genes of one symbol become one: counts are summed, logs are those of the summed amounts, z-scores are
    averaged. A gene without a known symbol keeps its name: it still counts in the library size.

    Returns
    -------
    A copy with unique symbols. X (and, if there was one, the counts layer) holds counts where there were
    counts; other layers are dropped. `uns["genes"]` reports how many genes were given, renamed, merged and
    unknown.
    """
    names = cells.var_names.to_series()
    symbols = pd.Series(to_symbols(names).to_numpy(), index=names.index)
    unknown = symbols.isna()
    symbols = symbols.where(~unknown, names)
    codes, unique = pd.factorize(symbols.to_numpy())
    place = (np.ones(len(codes), np.float32), (np.arange(len(codes)), codes))
    gather = sparse.csr_matrix(place, (len(codes), len(unique)))  # adds up columns of one symbol
    first = np.flatnonzero(~symbols.duplicated())
    source, scale = cells.layers.get("counts", cells.X), detect_scale(cells)
    if scale == "z-scores":
        gather = gather.multiply(1 / gather.sum(axis=0, dtype="float64")).tocsr()
    merged = source[:, first] if len(unique) == cells.n_vars else source @ gather
    if scale == "log" and len(unique) < cells.n_vars:
        amounts = source.expm1() if sparse.issparse(source) else np.expm1(source)
        merged = np.log1p(amounts @ gather)
    merged = merged.astype("float32")

    layers = {"counts": merged.copy()} if "counts" in cells.layers else None
    named = cells[:, first]
    named = AnnData(
        merged,
        named.obs.copy(),
        named.var.set_axis(pd.Index(unique, dtype=object)),
        uns=cells.uns.copy(),
        layers=layers,
    )
    named.obsm.update(cells.obsm)
    named.uns["genes"] = {
        **cells.uns.get("genes", {}),
        "given": cells.n_vars,
        "renamed": int((symbols != names).sum()),
        "merged": cells.n_vars - len(unique),
        "unknown": int(unknown.sum()),
    }
    return named


# --- Which matrix ------------------------------------------------------------------------------------------


def _chosen(cells: AnnData, name: str, layer: str):
    """Return the matrix that is read, its var, and what to call it."""
    if layer == RAW and cells.raw is not None:
        return cells.raw.X, cells.raw.var.copy(), "raw"
    if layer == RAW:
        raise Bulk2scError(f"{name}: has no raw; leave out --raw, or give a --layer.{_layers(cells)}")
    if layer and layer not in cells.layers:
        raise Bulk2scError(
            f"{name}: has no layer '{layer}'.{_layers(cells)}{did_you_mean(layer, cells.layers)}"
        )
    layer = layer or ("counts" if "counts" in cells.layers else "")
    if layer:
        return cells.layers[layer], cells.var.copy(), f'layers["{layer}"]'
    if cells.X is None:
        remedy = f"give expression in one of them, or name one by --layer.{_layers(cells)}"
        raise Bulk2scError(f'{name}: has neither X nor layers["counts"]; {remedy}')
    return cells.X, cells.var.copy(), "X"


def _layers(cells: AnnData) -> str:
    return f" Its layers: {', '.join(map(str, cells.layers)) or 'none'}."


def _hints(cells: AnnData, matrix, where: str, layer: str) -> list[str]:
    """Say where the file holds more than what is read."""
    if layer or scale_of(matrix) == "counts":
        return []
    hints = []
    if cells.raw is not None and cells.raw.n_vars > cells.n_vars:
        hints.append(f"{where} holds {cells.n_vars} genes, raw {cells.raw.n_vars}: --raw takes these")
    other = [key for key, one in cells.layers.items() if key != "counts" and _whole(one)]
    hints += [f'layers["{key}"] holds whole counts: --layer {key} takes these' for key in other[:1]]
    if cells.raw is not None and not other and _whole(cells.raw.X):
        hints = ["raw holds whole counts: --raw takes these"]
    return [f"warning: {hint}" for hint in hints]


def _whole(matrix) -> bool:
    values = stored(matrix)
    return values.dtype.kind in "iuf" and bool((values >= 0).all() and (values == np.floor(values)).all())


def _refuse_bad_values(matrix, where: str) -> None:
    values = stored(matrix)
    if values.dtype.kind not in "biuf":
        raise Bulk2scError(
            f"{where} holds values of type {values.dtype}, not numbers; convert it to float32."
        )
    too_large = np.abs(values) > np.finfo("float32").max
    for found, bad in (("NaN", np.isnan(values)), ("infinite or too large", too_large)):
        if n := bad.sum():
            raise Bulk2scError(f"{where} holds {n} {found} values; replace them or leave those genes out.")


# --- Names -------------------------------------------------------------------------------------------------


def _named_cells(obs: pd.DataFrame, name: str, sample: str) -> pd.DataFrame:
    obs = obs.copy()
    if sample:
        refuse_unknown(sample, obs, f"{name}: obs: column")
        obs["sample"] = obs[sample].astype(str)
        if obs.index.has_duplicates:
            obs.index = obs["sample"].astype(str) + "_" + obs.index.astype(str)
    remedy = "prefix each with its sample, or name the column of obs that says it by --sample"
    _refuse_repeats(obs.index, f"{name}: obs_names", remedy)
    return obs


def _named_genes(cells: AnnData, var: pd.DataFrame, name: str, column: str) -> pd.DataFrame:
    """Return var with genes as its index; row numbers and other names of nothing are refused."""
    if column:
        refuse_unknown(column, var, f"{name}: var: column")
        names = var[column].astype(object).where(var[column].notna(), "unnamed")
    else:
        names = var.index
    names = pd.Index(names.astype(str), dtype=object)
    share = share_known(names)
    rows = share < 0.5 and names.str.fullmatch(r"\d+").all()
    columns = {f"--gene-column {one}": share_known(var[one]) for one in var.columns}
    if cells.raw is not None and cells.raw.n_vars != len(var):
        columns |= {
            f"--raw --gene-column {one}": share_known(cells.raw.var[one]) for one in cells.raw.var.columns
        }
        columns["--raw"] = share_known(cells.raw.var_names)
    better = sorted((one for one, known in columns.items() if known > 0.5), key=columns.get, reverse=True)
    if rows or (share < 0.2 and better):
        where = f"var['{column}']" if column else "var_names"
        what = "row numbers" if rows else "no names of human genes"
        remedy = f"known genes are in {' or '.join(better)}" if better else "name the column by --gene-column"
        raise Bulk2scError(f"{name}: {where} ('{names[0]}', '{names[-1]}') are {what}; {remedy}.")
    return var.set_axis(names)


def _human_genes(var: pd.DataFrame, name: str) -> tuple[np.ndarray, pd.DataFrame, list[str]]:
    """Tell the genes of human cells from all else; return which they are, var with plain names, and notes."""
    names = var.index.to_series().reset_index(drop=True)
    kinds = pd.Series("", index=names.index)
    for column in [one for one in TYPES if one in var][:1]:
        given = var[column].astype(str).reset_index(drop=True)
        if given.str.lower().isin(GENES).any():
            kinds = given.mask(given.str.lower().isin(GENES), "")
    plain = names.str.replace(HUMAN, "", regex=True)
    known = to_symbols(plain).notna().to_numpy()
    foreign = names.str.match(FOREIGN) & ~known
    if "genome" in var:
        foreign |= (var["genome"].astype(str).reset_index(drop=True) + "_").str.match(GENOME)
    mouse = names.str.match(MOUSE) & ~known
    if (mouse & plain.str.upper().isin(plain[known])).mean() > 0.05:  # genes of both species, by one name
        foreign |= mouse
    other = names.str.match(NO_GENE) & ~known
    said = ["genes of another species", "antibodies, guides, peaks or spike-ins"]
    what = pd.Series(np.select([kinds != "", foreign, other], [kinds, *said], ""))
    human = (what == "").to_numpy()
    told = ", ".join(f"{n} {kind}" for kind, n in what[~human].value_counts().items())
    if not human.any():
        raise Bulk2scError(f"{name}: holds no human genes: of {len(names)} features {told}.")
    notes = [f"features left out, before library sizes are taken: {told}"] if told else []
    return human, var.set_axis(pd.Index(plain, dtype=object)), notes


def _unknown(known, names: pd.Index) -> list[str]:
    """Warn where much of what was measured belongs to names that are no genes."""
    if scale_of(known) == "z-scores":
        return []
    sums, unnamed = np.asarray(known.sum(axis=0)).ravel(), to_symbols(names).isna().to_numpy()
    share = sums[unnamed].sum() / sums.sum()
    if share < MUCH:
        return []
    first = ", ".join(f"'{one}'" for one in names[unnamed][:3])
    return [f"warning: {100 * share:.0f} % of all values are of names that are no known human gene ({first})"]


def _refuse_repeats(names: pd.Index, where: str, remedy: str) -> None:
    repeated = names[names.duplicated()].unique()
    if len(repeated):
        examples = ", ".join(f"'{n}'" for n in repeated[:3]) + (", ..." if len(repeated) > 3 else "")
        raise Bulk2scError(f"{where} holds {len(repeated)} repeated names ({examples}); {remedy}.")


# --- Columns of the study ----------------------------------------------------------------------------------

ANSWERS = {"sensitive": 1.0, "resistant": 0.0}  # besides numbers and truth values
ARMS = {"treated": True, "control": False, "untreated": False}


def study_columns(obs: pd.DataFrame, name: str) -> pd.DataFrame:
    """
    Bring the columns of obs that chapters read to their types: truth, treated, sample and cell_line.

    Raises
    ------
    Bulk2scError
        If a column of such a name holds something else.
    """
    obs = obs.copy()
    meant = {"truth": (ANSWERS, "1 (sensitive) or 0"), "treated": (ARMS, "True or False")}
    for column, (words, meaning) in meant.items():
        if column not in obs:
            continue
        given = obs[column].astype(object)
        known = words | {"1": 1, "1.0": 1, "true": 1, "0": 0, "0.0": 0, "false": 0}
        found = given.map(lambda one, known=known: known.get(str(one).lower()), na_action="ignore")
        strange = given[found.isna() & (given.notna() | (column == "treated"))].unique()
        if len(strange):
            some = ", ".join(f"'{one}'" for one in strange[:3])
            raise Bulk2scError(
                f"{name}: obs['{column}'] must hold {meaning}, found {some}; rename it if it means more"
            )
        obs[column] = found.astype(float if column == "truth" else bool)
    for column in {"sample", "cell_line"} & set(obs.columns):
        obs[column] = obs[column].astype(object).where(obs[column].isna(), obs[column].astype(str))
    if "sample" in obs:
        obs["sample"] = obs["sample"].fillna("no sample").astype("category")
    return obs
