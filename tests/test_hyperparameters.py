"""Settings moved one at a time: the points, the variants, what is refused, and what looking gains."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from sklearn.metrics import roc_auc_score
from statsmodels.stats.multitest import multipletests

from bulk2sc import evaluate, pathways
from bulk2sc.experiments import hyperparameters, paired

BASE = {"min_pathway_genes": 10, "n_hvg": 30, "dropout": 0.1}
SWEPT = {"min_pathway_genes": [2, 10], "n_hvg": [20], "dropout": [0.5]}
GENES = [f"G{i:02d}" for i in range(30)]
SETS = {"A": GENES[:10], "B": GENES[10:22], "small": GENES[22:24]}


def lines(n_genes):
    X = np.zeros((4, n_genes), np.float32)
    return AnnData(X, var=pd.DataFrame(index=GENES[:n_genes]), layers={"scaled": X})


def test_a_sweep_holds_the_value_in_use_once_and_it_is_one_variant_of_all():
    points = hyperparameters.grid(BASE, SWEPT)
    assert points["value"].tolist() == [2, 10, 20, 30, 0.1, 0.5]
    same = points[points["method"] == hyperparameters.BASE]
    assert dict(zip(same["setting"], same["value"], strict=True)) == BASE
    others = ["min_pathway_genes 2", "n_hvg 20", "dropout 0.5"]
    assert points["method"].nunique() == 4
    assert hyperparameters.comparisons(points["method"]) == [(m, hyperparameters.BASE) for m in others]


def test_each_variant_differs_from_the_base_in_its_own_setting_only():
    points = hyperparameters.grid(BASE, SWEPT)
    make_mask = lambda paired, bound: pathways.pathway_mask(SETS, paired.var_names, min_genes=bound)  # noqa: E731
    make_pair = lambda n: (lines(n), lines(n))  # noqa: E731
    shapes = []
    found = hyperparameters.variants(
        points, make_pair, make_mask, BASE, {"hidden": 7, "mask": None, "seed": 9}
    )
    variants = {variant.name: variant for variant in paired.noting_shapes(found, shapes, seed=3)}
    assert list(variants) == [
        "min_pathway_genes 2",
        "as set",
        "n_hvg 20",
        "dropout 0.5",
        "all sensitive",
        "all resistant",
    ]
    made = {name: variant.make(3) for name, variant in variants.items()}
    assert {name: model.dropout for name, model in made.items() if not name.startswith("all")} == {
        "min_pathway_genes 2": 0.1,
        "as set": 0.1,
        "n_hvg 20": 0.1,
        "dropout 0.5": 0.5,
    }
    assert made["as set"].seed == 3 and made["as set"].hidden == 7
    # With 20 genes B keeps 10 of its 12; the small set needs a bound of 2.
    noted = pd.DataFrame(shapes).set_index("method")
    assert noted["pathways"].to_dict() == {
        "min_pathway_genes 2": 3,
        "as set": 2,
        "n_hvg 20": 2,
        "dropout 0.5": 2,
    }
    assert noted["genes"].tolist() == [30, 30, 20, 30] and noted["code"].tolist() == [8, 7, 7, 7]
    assert made["all resistant"].name == "all resistant"


def test_the_p_value_of_folds_is_that_of_the_corrected_interval():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"fold": np.tile(range(5), 2), "method": np.repeat(["a", "b"], 5)})
    table["auroc"] = rng.normal(size=10)
    gap = evaluate.fold_difference(table, "a", "b", folds=5)
    assert gap["low"] < 0 < gap["high"] and gap["p"] > 0.05
    at_the_edge = table.assign(auroc=table["auroc"] - np.where(table["method"] == "a", gap["low"], 0))
    assert evaluate.fold_difference(at_the_edge, "a", "b", folds=5)["p"] == pytest.approx(0.05)
    assert evaluate.fold_difference(table, "a", "a", folds=5)["p"] == 1
    assert np.isnan(evaluate.fold_difference(table[table["fold"] == 0], "a", "b", folds=5)["p"])


def test_tests_on_lines_and_cells_are_corrected_over_the_pairs():
    rng = np.random.default_rng(1)
    seeds = [
        (m, s, "auroc", rng.normal(mean, 0.02))
        for m, mean in (("a", 0.9), ("b", 0.7), ("c", 0.69))
        for s in range(5)
    ]
    validation = pd.DataFrame(seeds, columns=["method", "seed", "metric", "value"])
    pairs = [("a", "b"), ("c", "b")]
    found = paired.on_lines(validation, pairs)
    folds = validation.rename(columns={"seed": "fold", "value": "auroc"})
    raw = [evaluate.fold_difference(folds, *pair, folds=5) for pair in pairs]
    assert found["p"].tolist() == pytest.approx(multipletests([g["p"] for g in raw], method="holm")[1])
    assert found["value"].tolist() == pytest.approx([g["value"] for g in raw])
    assert found["p"][0] < 0.05 < found["p"][1]
    one = paired.on_lines(validation[validation["seed"] == 0], pairs)
    assert one["p"].isna().all() and one["value"].notna().all()


@pytest.fixture(scope="module")
def looked():
    """Cells of 12 lines, one variant that knows the answer and many that guess for each line."""
    rng = np.random.default_rng(2)
    obs = pd.DataFrame({"cell_line": np.repeat([f"L{i:02d}" for i in range(12)], 5)})
    obs["truth"] = np.repeat([1.0, 0.0] * 6, 5)
    obs.index = [f"c{i}" for i in range(60)]
    cells = AnnData(np.zeros((60, 1), np.float32), obs=obs)
    guesses = {f"guess {i}": np.repeat(rng.uniform(size=12), 5) for i in range(20)}
    variants = guesses | {"knows": 0.4 * obs["truth"].to_numpy() + rng.uniform(0, 0.3, 60)}
    tables = [
        pd.DataFrame({"method": n, "seed": 0, "cell": obs.index, "score": s}) for n, s in variants.items()
    ]
    return cells, pd.concat(tables, ignore_index=True)


def test_looking_at_guesses_gains_on_what_was_looked_at_and_nowhere_else(looked):
    cells, scores = looked
    variants = [f"guess {i}" for i in range(20)]
    halves = hyperparameters.gain_by_looking(scores, cells, variants, "guess 0")
    gain = halves["value"]
    wide = scores.pivot(index="cell", columns="method", values="score").loc[cells.obs_names]
    auroc = {variant: roc_auc_score(cells.obs["truth"], wide[variant]) for variant in variants}
    assert gain["all"] == pytest.approx(max(auroc.values()) - auroc["guess 0"])
    assert gain["looked_at"] > gain["not_looked_at"] + 0.1
    ends = halves.loc[["looked_at", "not_looked_at"]]
    assert (ends["low"] < ends["value"]).all() and (ends["value"] < ends["high"]).all()
    assert halves.loc["looked_at", "low"] >= 0, "nobody leaves the chosen one for a worse one"
    assert halves.loc["not_looked_at", "low"] < 0 and halves.loc["all", ["low", "high"]].isna().all()
