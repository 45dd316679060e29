"""Gene names and gene sets: those that come with the book, and the gene sets of MSigDB 2023.1."""

import gzip
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from bulk2sc.datasets.documented import Unlike, documented
from bulk2sc.datasets.fetch import fetch
from bulk2sc.datasets.registry import DATA
from bulk2sc.errors import refuse_unknown

RESOURCES = {
    "hallmark": "h.all.v7.5.1.symbols.gmt.gz",
    "reactome": "c2.cp.reactome.v7.5.1.symbols.gmt.gz",
    "go_cc": "go_cc.2022-07.symbols.gmt.gz",
    "go_bp": "go_bp.2022-07.symbols.gmt.gz",
    "go_mf": "go_mf.2022-07.symbols.gmt.gz",
}
MSIGDB = "msigdb-2023.1"
FETCHED = {
    "hallmark_2023": "h.all.v2023.1.Hs.symbols.gmt",
    "reactome_2023": "c2.cp.reactome.v2023.1.Hs.symbols.gmt",
    "go_cc_2023": "c5.go.cc.v2023.1.Hs.symbols.gmt",
    "go_bp_2023": "c5.go.bp.v2023.1.Hs.symbols.gmt",
    "go_mf_2023": "c5.go.mf.v2023.1.Hs.symbols.gmt",
}
MITOCHONDRIAL = tuple(  # those that code for proteins, in their order on the chromosome
    "MT-" + name for name in "ND1 ND2 CO1 CO2 ATP8 ATP6 CO3 ND3 ND4L ND4 ND5 ND6 CYB".split()
)


def gene_sets(resource: str) -> dict[str, list[str]]:
    """
    Return the gene sets of one resource.

    Parameters
    ----------
    resource
        ``hallmark``, ``reactome``, ``go_cc``, ``go_bp`` or ``go_mf``, which come with the book, or one of
        these with ``_2023`` at its end: MSigDB 2023.1, fetched.

    Returns
    -------
    Current gene symbols by name of the set. Two sets of one name become one, their union.

    Raises
    ------
    Bulk2scError
        If the resource is unknown, cannot be fetched or is no file of gene sets.
    """
    if resource in FETCHED:
        paths = {path.name: path for path in fetch(MSIGDB)}
        with documented(MSIGDB):
            return _read_gmt(paths[FETCHED[resource]])
    refuse_unknown(resource, [*RESOURCES, *FETCHED], "gene set resource")
    return _read_gmt(DATA / "genesets" / RESOURCES[resource])


def _read_gmt(path: Path) -> dict[str, list[str]]:
    """Read sets of current symbols, one a line: name, description and genes, separated by tabs."""
    current = symbol_map()
    sets: dict[str, list[str]] = {}
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            name, *rest = line.rstrip("\n").split("\t")
            if len(rest) < 2:
                expected = f"name, description and genes of a set in line {number}"
                raise Unlike(path.name, expected, f"'{line.strip()[:40]}'")
            genes = sets.get(name, []) + [current.get(gene, gene) for gene in rest[1:]]
            sets[name] = list(dict.fromkeys(genes))
    return sets


@lru_cache(maxsize=1)
def gene_ids() -> pd.DataFrame:
    """
    Return the table of human genes (NCBI Gene, September 2022).

    Returns
    -------
    40,633 rows; the columns symbol, entrez_id, ensembl_ids, aliases and ncbi_symbol are strings, ensembl_ids
    and aliases joined by ``|``. The 36 mitochondrial genes have the HGNC symbol that expression data use
    (``MT-ND1``, at NCBI ``ND1``); every other symbol is that of NCBI.
    """
    table = pd.read_csv(DATA / "gene_ids.tsv.gz", sep="\t", dtype=str, keep_default_na=False)
    table["ncbi_symbol"] = table["symbol"]
    hgnc = table["aliases"].str.extract(r"(?:^|\|)MT((?:ATP|CO|CYB|ND|RNR|T)\w{0,2})$", expand=False)
    mitochondrial = table["entrez_id"].astype(int).between(4508, 4579) & hgnc.notna()
    table.loc[mitochondrial, "symbol"] = "MT-" + hgnc[mitochondrial]
    return table


@lru_cache(maxsize=1)
def symbol_map() -> Mapping[str, str]:
    """
    Return the current symbol of every symbol, unique alias, Ensembl id and Entrez id.

    A name that stands for several things is read in that order. An alias or Ensembl id of several genes (say,
    a gene and a read-through of it) cannot say which is meant and is left out.
    """
    table = gene_ids()

    def unique(column: str) -> dict[str, str]:
        parts = table.set_index("symbol")[column].str.split("|").explode()
        symbols = pd.Series(parts.index, index=parts.to_numpy()).drop("", errors="ignore")
        return symbols[~symbols.index.duplicated(keep=False)].to_dict()

    return MappingProxyType(
        dict(zip(table["entrez_id"], table["symbol"], strict=True))
        | unique("ensembl_ids")
        | unique("aliases")
        | dict(zip(table["ncbi_symbol"], table["symbol"], strict=True))
        | {symbol: symbol for symbol in table["symbol"]}
    )


def to_symbols(names: Iterable[str]) -> pd.Series:
    """
    Translate gene names of any kind into current symbols.

    Parameters
    ----------
    names
        Current symbols, old aliases, symbols in which R wrote a dot for a dash (``HLA.DRB1``), Ensembl gene
        ids with or without a version, or Entrez ids.

    Returns
    -------
    One symbol for each name, NaN where there is none, indexed by `names`. Two names may have the same symbol.
    """
    known = symbol_map()

    def resolve(name: str) -> str | float:
        bare = name.partition(".")[0] if name.startswith("ENSG") else name.replace(".", "-")
        return known.get(name) or known.get(bare) or np.nan

    names = [str(name) for name in names]
    return pd.Series([resolve(name) for name in names], index=names, dtype=object, name="symbol")


def share_known(names: Iterable) -> float:
    """Return the share (0 to 1) of names that are human genes, of a thousand; numbers of rows are none."""
    names = pd.Series(list(names), dtype=object).dropna()
    some = names.iloc[np.unique(np.linspace(0, max(len(names) - 1, 0), 1000).astype(int))[: len(names)]]
    text = some.map(lambda one: isinstance(one, str)).astype(bool)
    # Entrez ids of a few hundred genes reach a hundred thousand, which no number of a row does.
    if text.all() and some.str.fullmatch(r"\d+").all() and some.astype("int64").max() < 100_000:
        return 0.0
    return float(to_symbols(some[text]).notna().sum() / max(len(some), 1))
