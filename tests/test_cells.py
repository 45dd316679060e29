import gzip

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from conftest import at_hand
from scipy import sparse

from bulk2sc import datasets
from bulk2sc.datasets import cells as module
from bulk2sc.errors import Bulk2scError

LINES = {"NCIH1975": 271, "NCIH2228": 217, "HCC827": 201, "A549": 186, "NCIH838": 146}


def test_singlets_of_the_five_lines(mixology):
    assert mixology.n_obs == 1021
    assert mixology.obs["cell_line"].value_counts().to_dict() == LINES
    assert mixology.obs["sample"].value_counts().to_dict() == {
        "celseq2_p3": 252,
        "celseq2": 240,
        "dropseq": 210,
        "celseq2_p2": 163,
        "celseq2_p1": 156,
    }
    assert set(mixology.uns["held_out"]) == set(LINES)


def test_raw_counts(mixology):
    counts = mixology.layers["counts"]
    assert sparse.isspmatrix_csr(counts) and counts.dtype == np.float32
    assert (counts.data == np.round(counts.data)).all() and counts.data.min() >= 0
    assert (mixology.X != counts).nnz == 0
    assert not np.shares_memory(mixology.X.data, counts.data)


def test_genes_are_symbols(mixology):
    assert mixology.var_names.is_unique
    assert {"EGFR", "ERBB2", "MT-CO1", "TP53"} <= set(mixology.var_names)
    assert not mixology.var_names.str.startswith("ERCC-").any()  # spike-ins
    assert mixology.var_names.str.fullmatch(r"ENSG\d+").sum() > 8000  # kept: they belong to the library size


def test_known_biology(mixology):
    """HCC827 has the EGFR amplification, A549 alone has a Y chromosome."""
    counts = mixology.layers["counts"].toarray()
    share = pd.DataFrame(1e4 * counts / counts.sum(1, keepdims=True), columns=mixology.var_names)
    mean = share.groupby(mixology.obs["cell_line"].to_numpy()).mean()
    for gene, line in (("EGFR", "HCC827"), ("DDX3Y", "A549")):
        assert mean[gene].idxmax() == line and mean.loc[line, gene] > 5 * mean[gene].drop(line).max(), gene


@pytest.fixture
def small_mixology(tmp_path, monkeypatch):
    """Write two samples in the format of the source; barcode c1 is in both."""
    counts = {
        "sc_celseq2": pd.DataFrame(
            {"c1": [1, 2, 9, 0], "c2": [3, 0, 9, 4]}, ["ENSG00000141510", "ENSG2", "ERCC-1", "ENSG3"]
        ),
        "sc_dropseq": pd.DataFrame({"c1": [5, 6], "c3": [7, 8]}, ["ENSG2", "ENSG00000141510"]),
    }
    lines = {"c1": ("H838", "SNG"), "c2": ("A549", "DBL"), "c3": ("HCC827", "SNG")}
    paths = []
    for name, table in counts.items():
        about = pd.DataFrame([lines[c] for c in table], list(table), ["cell_line_demuxlet", "demuxlet_cls"])
        for kind, content in (("count", table), ("metadata", about[::-1])):  # the cells in another order
            paths.append(tmp_path / f"{name}.{kind}.csv.gz")
            paths[-1].write_bytes(gzip.compress(content.to_csv()[1:].encode()))  # R names no column of names
    monkeypatch.setattr(module, "fetch", lambda key: paths)


def test_mixology_by_hand(small_mixology):
    cells, genes = datasets.mixology(), ["TP53", "ENSG2", "ENSG3"]
    assert cells.obs_names.tolist() == ["celseq2_c1", "dropseq_c1", "dropseq_c3"]
    assert cells.obs["cell_line"].tolist() == ["NCIH838", "NCIH838", "HCC827"]
    np.testing.assert_array_equal(cells[:, genes].X.toarray(), [[1, 2, 0], [6, 5, 0], [8, 7, 0]])
    assert set(cells.var_names) == set(genes)


def test_doublets_on_demand(small_mixology):
    every = datasets.mixology(singlets_only=False)
    assert every.obs["class"].to_dict() == {
        "celseq2_c1": "SNG",
        "celseq2_c2": "DBL",
        "dropseq_c1": "SNG",
        "dropseq_c3": "SNG",
    }
    singlets = datasets.mixology()
    assert "class" not in singlets.obs and set(singlets.obs_names) == set(every.obs_names) - {"celseq2_c2"}
    assert (every[singlets.obs_names].X != singlets.X).nnz == 0


@pytest.mark.verify
@pytest.mark.skipif(not at_hand("GSE149383"), reason="GSE149383 is not here: set BULK2SC_MIRROR or fetch it")
def test_pc9():
    cells = datasets.deposit("GSE149383")
    assert cells.obs["sample"].value_counts().to_dict() == {"Day11_Erlotinib": 8600, "Day11_control": 6000}
    assert sparse.isspmatrix_csr(cells.X) and cells.var_names.is_unique
    assert cells.X.sum(dtype=np.float64) == 3_494_238 + 2_105_600


def an_h5ad(path):
    genes = pd.DataFrame(index=["TP53", "EGFR", "ERBB2"])
    ad.AnnData(np.eye(3, dtype=np.float32), pd.DataFrame(index=list("abc")), genes).write_h5ad(path)
    return path


def test_sources_by_name(tmp_path, monkeypatch):
    bulk = datasets.load_bulk("made-up", seed=1)
    np.testing.assert_array_equal(bulk.X, datasets.made_up_bulk(seed=1).X)
    with pytest.raises(Bulk2scError, match=r"bulk_source 'gdsc3'.*Did you mean 'gdsc"):
        datasets.load_bulk("gdsc3")
    drug = bulk.uns["drugs"][0]
    cells = datasets.load_cells("simulated", bulk=bulk, drug=drug, n_cells=150, n_lines_per_tail=5, seed=2)
    assert cells.n_obs == 150 and cells.uns["simulated"]
    path = str(an_h5ad(tmp_path / "a.h5ad"))
    assert datasets.load_cells(path, bulk=bulk, drug=drug).n_obs == 3
    for name in ("GSE118768", "simulate"):
        with pytest.raises(Bulk2scError, match=r"cells_source .*Did you mean"):
            datasets.load_cells(name, bulk=bulk, drug=drug)
