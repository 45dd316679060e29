"""Gene sets against random ones: the variants, the draws, the pairs, the sentences."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from bulk2sc import pathways, prose
from bulk2sc.errors import Bulk2scError
from bulk2sc.experiments import resources

GENES = [f"G{i:02d}" for i in range(40)]
WIDE = {f"T{i}": GENES[3 * i : 3 * i + 6] for i in range(11)}
NARROW = {"A": GENES[:10], "B": GENES[10:22]}


@pytest.fixture
def masks():
    sets = {"go_cc": WIDE, "hallmark": NARROW}
    return {name: pathways.pathway_mask(s, GENES, min_genes=5, n_free=2) for name, s in sets.items()}


@pytest.fixture
def lines():
    X = np.zeros((4, len(GENES)), np.float32)
    return AnnData(X, var=pd.DataFrame(index=GENES), layers={"scaled": X})


def test_a_narrowed_mask_keeps_some_pathways_as_they_are_and_every_free_row(masks):
    few = resources.narrowed(masks["go_cc"], 4, seed=1)
    assert len(few) == 6 and list(few.index[-2:]) == ["free_1", "free_2"]
    pd.testing.assert_frame_equal(few, masks["go_cc"].loc[few.index])
    draws = {tuple(resources.narrowed(masks["go_cc"], 4, seed=s).index) for s in range(5)}
    assert len(draws) > 1
    with pytest.raises(Bulk2scError, match="has 11 pathways, cannot be narrowed to 12"):
        resources.narrowed(masks["go_cc"], 12)


def test_every_resource_has_random_sets_of_its_sizes_and_the_reference_a_narrow_twin(masks, lines):
    settings = {"hidden": 7, "mask": None, "seed": 5}
    variants = {
        variant.name: variant for variant in resources.variants(masks, lines, lines, "go_cc", settings)
    }
    narrow = "GO:CC cut like Hallmark"
    learners = ["GO:CC", "random like GO:CC", "Hallmark", "random like Hallmark", narrow]
    assert list(variants) == [*learners, "all sensitive", "all resistant"]
    made = {name: variants[name].make(3) for name in learners}
    assert all(model.hidden == 7 and model.seed == 3 for model in made.values())
    pd.testing.assert_frame_equal(made["GO:CC"].mask, masks["go_cc"])
    for name, mask in (("random like GO:CC", masks["go_cc"]), ("random like Hallmark", masks["hallmark"])):
        pd.testing.assert_series_equal(made[name].mask.sum(axis=1), mask.sum(axis=1))
        assert not made[name].mask.equals(mask)
        assert not made[name].mask.equals(variants[name].make(4).mask), "each seed draws anew"
    assert made[narrow].mask.shape == masks["hallmark"].shape


def test_pairs_by_question():
    methods = ["GO:CC", "random like GO:CC", "Hallmark", "random like Hallmark", "GO:CC cut like Hallmark"]
    pairs = resources.comparisons(methods, ["go_cc", "hallmark"], "go_cc")
    assert pairs == {
        "random": [("GO:CC", "random like GO:CC"), ("Hallmark", "random like Hallmark")],
        "reference": [("Hallmark", "GO:CC")],
        "width": [("Hallmark", methods[-1]), (methods[-1], "GO:CC")],
    }
    assert resources.comparisons(methods[:4], ["go_cc", "hallmark"], "hallmark")["width"] == []


def test_plus_minus_is_over_seeds():
    rows = [("a", s, "f1", v) for s, v in ((-1, 9.0), (0, 0.5), (1, 0.7))] + [("a", 0, "mcc", 0.1)]
    table = pd.DataFrame(rows, columns=["method", "seed", "metric", "value"])
    assert prose.plus_minus(table, ["f1"], ["a"]).loc["a", "f1"] == "0.600 ± 0.141"
    assert prose.plus_minus(table, ["mcc"], ["a"]).loc["a", "mcc"] == "0.100", "one seed has no deviation"
    assert prose.plus_minus(table.assign(value=np.nan), ["f1"], ["a"]).loc["a", "f1"] == ""
