import pytest
from bulk_formats import folder, write_gene_sets

from bulk2sc.datasets import genes
from bulk2sc.datasets.genes import (
    FETCHED,
    RESOURCES,
    gene_ids,
    gene_sets,
    symbol_map,
    to_symbols,
)
from bulk2sc.errors import Bulk2scError


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("TP53", "TP53"),  # a symbol stays
        ("P53", "TP53"),  # an old alias
        ("HER2", "ERBB2"),
        ("HLA.DRB1", "HLA-DRB1"),  # R's dot
        ("NKX2.1", "NKX2-1"),
        ("ENSG00000141510", "TP53"),
        ("ENSG00000141510.18", "TP53"),  # with its version
        ("7157", "TP53"),
        (7157, "TP53"),
        ("MT-ND1", "MT-ND1"),  # HGNC, not NCBI, for the mitochondrion
        ("ND1", "MT-ND1"),
        ("ENSG00000198888", "MT-ND1"),
        ("DDX58", "RIGI"),
        ("C10orf76", "ARMH3"),  # renamed
    ],
)
def test_names_of_any_kind(name, symbol):
    assert to_symbols([name]).iloc[0] == symbol


@pytest.mark.parametrize("name", ["FOO", "", "CD16", "AC000068.10", "ENSG99999999999", "-1", "nan"])
def test_names_without_one_symbol(name):  # CD16 is FCGR3A or FCGR3B
    assert to_symbols([name]).isna().all()


def test_symbols_come_before_aliases():
    table = gene_ids()
    aliases = set(table["aliases"].str.split("|").explode())
    both = table["ncbi_symbol"][table["ncbi_symbol"].isin(aliases)]
    assert len(both) > 1000
    assert (to_symbols(table["symbol"]).to_numpy() == table["symbol"].to_numpy()).all()
    assert (to_symbols(both).to_numpy() == table.loc[both.index, "symbol"].to_numpy()).all()


def test_an_alias_of_two_genes_is_neither():
    aliases = gene_ids().assign(aliases=gene_ids()["aliases"].str.split("|")).explode("aliases")
    shared = aliases[(aliases["aliases"] != "") & aliases["aliases"].duplicated(keep=False)]["aliases"]
    known = set(gene_ids()["symbol"]) | set(gene_ids()["ncbi_symbol"])
    ambiguous = [alias for alias in shared.unique() if alias not in known]
    assert len(ambiguous) > 1000 and not set(ambiguous) & set(symbol_map())


def test_gene_table():
    table = gene_ids()
    assert len(table) == 40_633 and table["entrez_id"].is_unique
    renamed = table[table["symbol"] != table["ncbi_symbol"]]
    assert len(renamed) == 36 and renamed["symbol"].str.startswith("MT-").all()
    assert {"MT-CO1", "MT-CYB", "MT-ATP6", "MT-RNR2", "MT-ND4L"} <= set(renamed["symbol"])
    assert not table["symbol"].isin(["MT-1", "MT-P", "MT-F1"]).any()
    assert "NAT1" in set(table["symbol"]) and not table.isna().any().any()


@pytest.mark.parametrize(
    ("resource", "n", "prefix"),
    [
        ("hallmark", 50, "HALLMARK_"),
        ("reactome", 1615, "REACTOME_"),
        ("go_cc", 1195, "GOCC_"),
        ("go_bp", 9373, "GOBP_"),
        ("go_mf", 1962, "GOMF_"),
    ],
)
def test_gene_sets(resource, n, prefix):
    sets = gene_sets(resource)
    assert len(sets) == n
    assert all(name.startswith(prefix) and len(genes) == len(set(genes)) > 0 for name, genes in sets.items())
    members = {gene for genes in sets.values() for gene in genes}
    known = to_symbols(members)
    assert (known.dropna() == known.dropna().index).all()  # current symbols
    assert known.isna().sum() <= 41


def test_known_members():
    assert set(gene_sets("reactome")["REACTOME_INTERLEUKIN_6_SIGNALING"]) >= {"IL6", "IL6R", "JAK1", "STAT3"}
    assert "CASP9" in gene_sets("go_cc")["GOCC_CASPASE_COMPLEX"]
    assert "MT-CO1" in gene_sets("go_cc")["GOCC_RESPIRATORY_CHAIN_COMPLEX_IV"]
    # Two terms have this name, NAD binding and its child NAD+ binding: their union, without repeats.
    assert {"ADH4", "SIRT1", "UXS1"} <= set(gene_sets("go_mf")["GOMF_NAD_BINDING"])


def test_unknown_resource():
    with pytest.raises(Bulk2scError, match=r"'hallmarks'.*go_cc.*Did you mean 'hallmark'"):
        gene_sets("hallmarks")
    assert set(RESOURCES) == {"hallmark", "reactome", "go_cc", "go_bp", "go_mf"}
    assert set(FETCHED) == {f"{resource}_2023" for resource in RESOURCES}


@pytest.fixture
def msigdb(tmp_path, monkeypatch):
    """Stand in for the files of MSigDB 2023.1, one small set in each."""
    for resource, name in FETCHED.items():
        (tmp_path / name).write_text(f"SET_{resource}\thttps://x\tTP53\tP53\tFOO\nOTHER\t\tHER2\n")
    monkeypatch.setattr(genes, "fetch", lambda key: [tmp_path / name for name in FETCHED.values()])
    return tmp_path


def test_a_file_of_msigdb_that_is_no_gmt(msigdb):
    (msigdb / FETCHED["go_cc_2023"]).write_text("SET\t\tTP53\n<html>Gone</html>\n")
    message = r"c5.go.cc.v2023.1.*: expected name, .* in line 2, found '<html>Gone</html>'.*--from FILE$"
    with pytest.raises(Bulk2scError, match=message):
        gene_sets("go_cc_2023")


def test_gene_sets_of_a_mirror(monkeypatch, tmp_path):
    """The sets that come with the book, written as MSigDB does, are read back the same."""
    for resource, name in FETCHED.items():
        own = gene_sets("hallmark" if resource != "go_cc_2023" else "go_cc")
        write_gene_sets(folder(tmp_path, "msigdb-2023.1") / name, own)
    monkeypatch.setenv("BULK2SC_MIRROR", str(tmp_path))
    monkeypatch.setenv("BULK2SC_CACHE", str(tmp_path / "cache"))
    assert gene_sets("go_cc_2023") == gene_sets("go_cc")
