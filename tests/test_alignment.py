"""The distance of domains before and after training, where it is known."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from bulk2sc import evaluate
from bulk2sc.experiments import alignment

GENES = [f"G{i:02d}" for i in range(24)]


def domain(n, seed, spread=1.0):
    rng = np.random.default_rng(seed)
    X = (spread * rng.normal(size=(n, len(GENES)))).astype(np.float32)
    obs = pd.DataFrame(
        {"cell_line": [f"l{seed} {i % 20}" for i in range(n)]}, index=[f"{seed}-{i}" for i in range(n)]
    )
    obs["response"] = np.where(np.arange(n) % 2, 1.0, 0.0)
    return AnnData(X, obs=obs, var=pd.DataFrame(index=GENES), layers={"scaled": X})


@pytest.fixture(scope="module")
def pair():
    return domain(60, 0), domain(80, 1)


def test_components_keep_the_distances_of_the_genes(pair):
    views = alignment.before(*pair, width=24)
    assert views["genes"].shape == (140, 24) and np.allclose(views["genes"][:60], pair[0].X)
    of_pair = [np.linalg.norm(views[view][3] - views[view][100]) for view in ("genes", "components")]
    assert of_pair[0] == pytest.approx(of_pair[1], rel=1e-4)
    assert alignment.before(*pair, width=5)["components"].shape == (140, 5)


def test_a_difference_is_seen_by_both_measures_and_none_by_neither(pair):
    bulk, cells = pair
    same = np.concatenate([bulk.X, cells.X])
    moved = same + 2 * (np.arange(140) >= 60)[:, None]
    found = alignment.apart({"same": same, "moved": moved}, bulk, cells, seed=7)
    assert set(found["auroc"]["seed"]) == set(found["mmd"]["seed"]) == {7}
    areas = found["auroc"].groupby("method")["auroc"].mean()
    assert areas["moved"] > 0.95 and abs(areas["same"] - 0.5) < 0.2
    mmd = found["mmd"].query("draw == -1").set_index("method")["mmd"]
    null = found["mmd"].groupby("method")["null"].quantile(0.99)
    assert mmd["moved"] > null["moved"] and mmd["same"] < null["same"]


def test_all_pairs_by_both_measures_are_one_family():
    rng = np.random.default_rng(0)
    far, near = 0.9 + 0.01 * rng.normal(size=5), 0.5 + 0.01 * rng.normal(size=5)
    folds = pd.DataFrame(
        [(view, i, a) for view, areas in (("far", far), ("near", near)) for i, a in enumerate(areas)],
        columns=["method", "fold", "auroc"],
    )
    draws = pd.DataFrame([np.full(201, 0.3), np.append(0.1, rng.normal(0.3, 0.1, 200))], ["far", "near"])
    found = alignment.differences(folds, draws, [("far", "near"), ("near", "far")])
    assert found["metric"].tolist() == ["domain_auroc", "mmd"] * 2
    assert found["value"].tolist() == pytest.approx([*(a := [(far - near).mean(), 0.2]), *(-x for x in a)])
    alone = evaluate.fold_difference(folds, "far", "near", folds=5)["p"]
    assert found["p"][0] == pytest.approx(4 * alone), "the smallest of four"
    tail = min((draws.loc["near", 1:] > 0.3).mean(), (draws.loc["near", 1:] < 0.3).mean())
    assert found["p"][1] == pytest.approx(min(1, 2 * 2 * tail))
