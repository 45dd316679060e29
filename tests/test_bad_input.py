"""Data and settings that cannot be used end in one line: what was found, and what to do about it."""

import re
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import small_book
import yaml
from conftest import standing_for

from bulk2sc import cli, compare, datasets, steps
from bulk2sc.book import Study, notebook, plan
from bulk2sc.errors import Bulk2scError

PROJECT = Path(__file__).parents[1]
TINY = {"n_hvg": 200, "resource": "hallmark", "min_pathway_genes": 3, "hidden": 16, "max_epochs": 2}


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """Return a small book of made-up lines, with one's own cells that nobody has labelled, named 0, 1, ..."""
    folder = small_book.write_book(tmp_path_factory.mktemp("book"))
    bulk = datasets.made_up_bulk(n_lines=120, seed=0)
    cells = datasets.simulate(bulk, drug="Lapatinib", n_cells=200, seed=0)
    mine = ad.AnnData(cells.layers["counts"], obs=cells.obs[["sample"]], var=cells.var[[]])
    mine.obs_names = [str(i) for i in range(mine.n_obs)]
    mine.write_h5ad(folder / "own.h5ad")
    return folder


@pytest.fixture
def root(book, tmp_path, monkeypatch):
    """Return the folder of the book; what all tests need is made once."""
    monkeypatch.setenv("BULK2SC_ROOT", str(book))
    monkeypatch.setenv("BULK2SC_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("BULK2SC_RESULTS", raising=False)
    return book


def study(**settings):
    return Study("small", **TINY | settings)


def with_responses(monkeypatch, change):
    """Let the made-up lines respond to lapatinib as `change` says, given their AUC."""
    bulk = datasets.load_bulk("made-up", seed=0)
    column = list(bulk.uns["drugs"]).index("Lapatinib")
    bulk.obsm["auc"][:, column] = change(np.array(bulk.obsm["auc"][:, column]))
    monkeypatch.setattr(datasets, "load_bulk", lambda source, seed=0: bulk.copy())


def first(n):
    """Keep the responses of the first `n` lines that have one."""
    return lambda auc: np.where(np.cumsum(~np.isnan(auc)) <= n, auc, np.nan)


@pytest.mark.parametrize(
    ("settings", "step", "message"),
    [
        ({"k": 0.0}, "bulk", r"k is 0.0: the fraction .* lies between 0 and 0.5 \(say 0.3\)"),
        ({"k": 0.7}, "bulk", r"k is 0.7: the fraction .* lies between 0 and 0.5 \(say 0.3\)"),
        ({"drug": "Lapatinb"}, "bulk", "Unknown drug 'Lapatinb'.*Did you mean 'Lapatinib'"),
        (
            {"min_pathway_genes": 190},
            "mask",
            r"None of 50 pathways is left: .*lower min_genes=190 .* \(in chapters: min_pathway_genes\)",
        ),
        ({"batch_size": 1}, "autoencoder", "batch_size=1 must be at least 2, such as 256"),
        (
            {"lr": 1e12},
            "autoencoder",
            r"pretraining: the loss was .*nan.* in epoch .*lower the learning rate lr \(now 1e\+12\)",
        ),
        (
            {"method": "rigde"},
            "scores",
            "method 'rigde' is unknown; it is one of shared AE.*Did you mean 'ridge'",
        ),
        ({"cells_source": "owm.h5ad"}, "raw_cells", "owm.h5ad: there is no such file"),
    ],
)
def test_a_setting_out_of_range_is_named(root, settings, step, message):
    with pytest.raises(Bulk2scError, match=message) as error:
        study(**settings).read(step)
    assert "\n" not in str(error.value)
    assert not list(root.rglob(".unfinished*")), "nothing half-made is left"


@pytest.mark.parametrize(
    ("change", "settings", "step", "message"),
    [
        (
            first(15),
            {},
            "bulk",
            "Only 15 lines were tested with Lapatinib; choose a drug with at least 20",
        ),
        (
            first(30),
            {"k": 0.1, "cells_source": "own.h5ad", "method": "ridge"},
            "scores",
            r"has 3 sensitive and 3 resistant lines, at least 5 of each are needed; raise k or choose",
        ),
        (
            lambda auc: np.ones_like(auc),
            {},
            "bulk",
            "The tails of Lapatinib meet at 1, a value of many lines; lower k=0.3 or choose another drug",
        ),
    ],
)
def test_a_drug_whose_lines_cannot_be_told_apart_is_named(root, monkeypatch, change, settings, step, message):
    with_responses(monkeypatch, change)
    with pytest.raises(Bulk2scError, match=message) as error:
        study(data_seed=7, **settings).read(step)  # other data than were kept
    assert "\n" not in str(error.value)


def test_a_panel_needs_cells_of_lines_that_were_tested():
    bulk = datasets.made_up_bulk(n_lines=30, seed=0)
    cells = bulk[:3].copy()
    cells.obs["cell_line"] = ["p2", "p1", "p1"]
    with pytest.raises(Bulk2scError, match=r"panel: no cell is of a line .* such as \S+; found p1, p2$"):
        steps.panel(bulk, cells)


# ----------------------------------------------------------------------------- cells that nobody has labelled


def test_cells_without_answers_are_scored_and_have_no_metrics(root):
    own = study(cells_source="own.h5ad")
    cells, scores = own.read("pair")[1], own.read("scores", method="ridge")
    assert cells.uns["answer"] == "none"
    assert scores["score"].between(0, 1).all() and len(scores) == cells.n_obs
    found = compare.on_cells(scores, cells)
    assert found["auroc"].value.isna().all() and found["accuracy"].value.isna().all()


def printed(executed: Path) -> str:
    """Return all text that the cells of an executed notebook print: sentences, tables and streams."""
    outputs = [o for cell in notebook.read_notebook(executed).cells for o in cell.get("outputs", [])]
    texts = [o.get("text", "") for o in outputs]
    shown = [o["data"] for o in outputs if "data" in o]
    return "\n".join(texts + [data[kind] for data in shown for kind in data if kind.startswith("text")])


# Chapters that meet cells of one's own, which nobody has labelled.
OWN_CHAPTERS = ("baselines", "ablation", "controls", "calibration", "hyperparameters", "pathway-resources")
OWN_CHAPTERS += ("classifier", "shared-encoder", "pathway-attribution", "latent-space", "your-cells")
BRIEF = {"n_hvg": 200, "hidden": 16, "max_epochs": 3, "n_seeds": 2, "seeds": [0, 1]}


@pytest.fixture(scope="module")
def bare(book):
    """Return the folder of an edition whose cells nobody has labelled; its chapters share what they make."""
    folder = book / "bare"
    (folder / "editions").mkdir(parents=True)
    for name in ("notebooks", "benchmarks", "_toc.yml"):
        (folder / name).symlink_to(PROJECT / name)
    smoke = yaml.safe_load((PROJECT / "editions" / "smoke.yml").read_text())
    given = smoke["parameters"] | BRIEF | {"cells_source": str(book / "own.h5ad")}
    fields = {"chapters": list(OWN_CHAPTERS), "parameters": given, "chapter_parameters": {}, "budgets": {}}
    (folder / "editions" / "bare.yml").write_text(yaml.safe_dump(smoke | fields))
    return folder


@pytest.mark.parametrize("slug", standing_for(OWN_CHAPTERS, "baselines", "calibration"))
def test_a_chapter_of_cells_without_answers_speaks_of_no_number_that_is_none(slug, bare, monkeypatch):
    monkeypatch.setenv("BULK2SC_ROOT", str(bare))
    monkeypatch.setenv("BULK2SC_CACHE", str(bare / "cache"))
    run = plan.plan("bare").chapter(slug).run
    run.make()
    page = printed(run.executed)
    assert not re.search(r"\bnan\b", page, re.IGNORECASE) and "Warning" not in page
    if slug == "baselines":
        results = run.path / "results"
        assert "no cell has a label" in page and pd.read_csv(results / "auroc.csv")["value"].isna().all()
        assert pd.read_csv(results / "scores.csv")["ridge"].between(0, 1).all()


def test_a_run_takes_its_edition_from_the_option_alone(root, capsys):
    assert cli.main(["run", "alpha", "--edition", "small", "-p", "edition", "other"]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(
        "bulk2sc: error: chapter 'alpha': parameter 'edition' alone would keep the settings"
    )
    assert said.endswith("use --edition other")
