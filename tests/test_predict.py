"""Predictions for anybody's cells: every form of input, what is written, and every way to get it wrong."""

import importlib
import inspect
import os
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from bulk2sc import datasets, models
from bulk2sc.cli import main
from bulk2sc.errors import Bulk2scError

module = importlib.import_module("bulk2sc.predict")


@pytest.fixture(scope="module")
def bulk():
    return datasets.made_up_bulk(n_lines=120, n_genes=400, seed=0)


@pytest.fixture(scope="module")
def cells(bulk):
    return datasets.simulate(bulk, drug="Cisplatin", n_cells=240, n_lines_per_tail=6, seed=0)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch, bulk):
    """Keep models away from the user's cache, and let the made-up lines stand for GDSC2."""
    monkeypatch.setenv("BULK2SC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets, "load_bulk", lambda source, seed=0: bulk)


def score(given, bulk, **settings):
    default = {"drug": "Cisplatin", "bulk": bulk, "model": "ridge"}
    settings = default | {"exclude_lines": given.uns.get("held_out", [])} | settings
    return module.predict_cells(given, **settings)


def test_scores_rank_the_planted_truth(cells, bulk):
    """Higher = more sensitive, for lines that training has not seen."""
    from sklearn.metrics import roc_auc_score

    obs = score(cells, bulk).cells.obs
    judged = obs["truth"].notna()
    assert roc_auc_score(obs["truth"][judged], obs["bulk2sc_score"][judged]) > 0.85
    assert set(obs["bulk2sc_response"]) == {"sensitive", "resistant"}
    assert ((obs["bulk2sc_response"] == "sensitive") == (obs["bulk2sc_score"] >= 0.5)).all()


def test_answers_in_the_file_change_nothing(cells, bulk):
    reference = score(cells, bulk).cells.obs["bulk2sc_score"]
    bare = ad.AnnData(cells.layers["counts"].copy(), var=cells.var[[]])
    again = score(bare, bulk, exclude_lines=cells.uns["held_out"]).cells.obs["bulk2sc_score"]
    np.testing.assert_array_equal(again, reference)


def test_the_file_comes_back_whole_with_the_settings(cells, bulk, tmp_path):
    cells.write_h5ad(tmp_path / "cells.h5ad")
    out = tmp_path / "scored.h5ad"
    module.predict(tmp_path / "cells.h5ad", drug="Cisplatin", out=out, exclude_lines=["madeup-001"], seeds=2)
    scored = ad.read_h5ad(out)
    assert scored.shape == cells.shape and (scored.X != cells.X).nnz == 0
    pd.testing.assert_series_equal(scored.obs["cell_line"], cells.obs["cell_line"])
    about = scored.uns["bulk2sc"]
    assert about["drug"] == "Cisplatin" and about["model"] == module.DEFAULT_MODEL
    assert about["seeds"] == 2 and about["input"] == "counts"
    assert list(about["excluded_lines"]) == ["MADEUP001"] and about["training_lines"] == 119
    assert "bulk2sc_score_sd" in scored.obs


def test_what_an_earlier_prediction_left_goes_and_what_is_the_users_own_stays(cells, bulk):
    given = cells.copy()
    given.obs["bulk2sc_score"], given.obs["bulk2sc_score_sd"], given.obs["mine"] = 0.5, 9.0, 1
    given.obsm["X_bulk2sc"], given.uns["genes"] = np.ones((given.n_obs, 2)), np.array(["a", "b"])
    found = score(given, bulk).cells
    assert "bulk2sc_score_sd" not in found.obs and "X_bulk2sc" not in found.obsm
    pd.testing.assert_series_equal(found.obs["bulk2sc_score"], score(cells, bulk).cells.obs["bulk2sc_score"])
    assert (found.obs["mine"] == 1).all() and list(found.uns["genes"]) == ["a", "b"]
    assert "bulk2sc_score_sd" in given.obs, "the cells given are not changed"


def test_other_cells_are_another_model_only_of_a_method_that_learns_from_them(cells, bulk, monkeypatch):
    for learns, kept in ((False, 1), (True, 3)):
        monkeypatch.setattr(module.models.Ridge, "learns_from_cells", learns)
        for n in (200, 230):
            score(cells[:n], bulk)
        assert len(list((datasets.cache_dir() / "models").iterdir())) == kept


def test_a_trained_model_is_kept_and_a_damaged_one_replaced(cells, bulk):
    said = []
    first = score(cells, bulk, progress=said.append).cells.obs["bulk2sc_score"]
    assert any("training on" in line for line in said)
    said.clear()
    again = score(cells, bulk, progress=said.append).cells.obs["bulk2sc_score"]
    assert any("taken from the cache" in line for line in said)
    np.testing.assert_array_equal(first, again)
    (folder,) = (datasets.cache_dir() / "models").iterdir()
    (folder / "model.json").write_text("{")
    said.clear()
    np.testing.assert_array_equal(score(cells, bulk, progress=said.append).cells.obs["bulk2sc_score"], first)
    assert any("trained again" in line for line in said)


# ------------------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--drug", "Cisplatn"], "Did you mean 'Cisplatin'"),
        (["--drug", "Cisplatin", "--exclude-lines", "MADEUP0001"], "Did you mean"),
        (["--drug", "Cisplatin", "--model", "rigde"], "Did you mean 'ridge'"),
        (["--drug", "Cisplatin", "--seeds", "0"], "--seeds"),
        (["--drug", "Cisplatin", "--out", "scores.csv"], "must end in .h5ad"),
        (["--drug", "Cisplatin", "--out", "no/such/folder/out.h5ad"], "does not exist"),
        (["--drug", "Cisplatin", "--out", "folder.h5ad"], "this is a folder; name a file"),
    ],
)
def test_bad_requests(arguments, message, cells, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cells.write_h5ad("cells.h5ad")
    (tmp_path / "folder.h5ad").mkdir()
    (tmp_path / "folder.h5ad" / "precious").touch()
    given = ["predict", "cells.h5ad", *arguments]
    code = main(given if "--out" in arguments else [*given, "--out", "out.h5ad"])
    assert code == 2 and message in capsys.readouterr().err
    assert not (tmp_path / "out.h5ad").exists()
    assert (tmp_path / "folder.h5ad" / "precious").exists()


def test_the_default_is_what_its_rule_chooses_from_the_kept_values():
    """Good on bulk lines, no exposure taken for resistance, and of those the best on real cells."""
    table = pd.read_csv(Path(__file__).parents[1] / "benchmarks" / "default_model.csv", index_col="candidate")
    fit = (table["bulk"] >= table["bulk"].max() - 0.03) & (table["exposure"] <= 0.10)
    rho = table.loc[fit, ["atlas", "mixology"]].mean(axis=1)
    assert rho.idxmax() == table.index[table["default"]].item() == "ridge 1e4, single"
    assert module.DEFAULT_MODEL == "ridge" and models.make("ridge").alpha == 1e4
    assert inspect.signature(module.predict).parameters["pool"].default == 0


def test_a_full_disk_leaves_an_older_result_untouched(cells, tmp_path, monkeypatch):
    out = tmp_path / "out.h5ad"
    out.write_bytes(b"an older result")

    def no_space(self, path, *args, **kwargs):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(ad.AnnData, "write_h5ad", no_space)
    with pytest.raises(Bulk2scError, match="No space left on device"):
        datasets.write_cells(cells, out)
    assert out.read_bytes() == b"an older result" and [p.name for p in tmp_path.iterdir()] == ["out.h5ad"]
