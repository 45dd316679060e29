import numpy as np
import pandas as pd
import pytest

from bulk2sc import pathways
from bulk2sc.datasets.genes import gene_sets
from bulk2sc.errors import Bulk2scError

SETS = {"b": ["G3", "G1", "X"], "a": ["G1", "G2"], "small": ["G4", "X", "Y"], "big": ["G1", "G2", "G3", "G4"]}
GENES = ["G4", "G3", "G2", "G1", "G0"]


def test_mask_by_hand():
    mask = pathways.pathway_mask(SETS, GENES, min_genes=2, max_size=3, n_free=2)
    expected = pd.DataFrame(
        [[0, 0, 1, 1, 0], [0, 1, 0, 1, 0], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1]],
        index=["a", "b", "free_1", "free_2"],
        columns=GENES,
        dtype="float32",
    )
    pd.testing.assert_frame_equal(mask, expected)


def test_thresholds_are_inclusive():
    sets = {"three": ["G1", "G2", "G3"]}
    assert len(pathways.pathway_mask(sets, GENES, min_genes=3, max_size=3, n_free=0)) == 1
    for limits in ({"min_genes": 4, "max_size": 3}, {"min_genes": 3, "max_size": 2}):
        with pytest.raises(Bulk2scError):
            pathways.pathway_mask(sets, GENES, **limits)


def test_no_pathway_left_is_an_error_with_numbers_and_remedy():
    with pytest.raises(
        Bulk2scError, match=r"None of 4 .* 3 have up to 3 genes, at most 2 of one .* 5 chosen"
    ) as error:
        pathways.pathway_mask(SETS, GENES, min_genes=3, max_size=3)
    assert "lower min_genes=3 or raise n_hvg" in str(error.value)


def test_random_mask_keeps_sizes_and_free_rows_only():
    genes = sorted({gene for genes in gene_sets("hallmark").values() for gene in genes})[::4]
    mask = pathways.pathway_mask(gene_sets("hallmark"), genes)
    control = pathways.random_mask(mask, seed=1)
    pd.testing.assert_series_equal(control.sum(axis=1), mask.sum(axis=1))
    assert (control.filter(like="free_", axis=0) == 1).all(axis=None)
    assert control.dtypes.eq("float32").all()
    assert set(np.unique(control)) == {0, 1}
    # Overlap of two random sets of the same size is about size^2 / n_genes, far from the size.
    sizes = mask[:-5].sum(axis=1)
    overlap = (mask * control)[:-5].sum(axis=1)
    assert overlap.sum() < 2 * (sizes**2 / len(genes)).sum()
    pd.testing.assert_frame_equal(control, pathways.random_mask(mask, seed=1))
    assert not control.equals(pathways.random_mask(mask, seed=2))
