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

from bulk2sc import cli, datasets, evaluate, models, notebook, plan, prose, steps, workflow
from bulk2sc.errors import Bulk2scError
from bulk2sc.study import Study

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
    ("settings", "artefact", "message"),
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
            {"methods": ["rigde"]},
            "scores",
            "unknown method 'rigde', use one of shared AE.*Did you mean 'ridge'",
        ),
        ({"cells_source": "owm.h5ad"}, "raw_cells", "owm.h5ad: there is no such file"),
        ({"n_seeds": 0}, "scores", "setting 'n_seeds' is 0: nothing to do; ask for at least one"),
        ({"seeds": []}, "controls", r"setting 'seeds' is \[\]: nothing to do; ask for at least one"),
        ({"seeds": [0, -1]}, "controls", r"setting 'seeds' is \[0, -1\]; a seed is 0 or more"),
    ],
)
def test_a_setting_out_of_range_is_named(root, settings, artefact, message):
    with pytest.raises(Bulk2scError, match=message) as error:
        study(**settings).read(artefact)
    assert "\n" not in str(error.value)
    assert not list(root.rglob(".unfinished*")), "nothing half-made is left"


@pytest.mark.parametrize(
    ("change", "settings", "artefact", "message"),
    [
        (
            first(15),
            {},
            "bulk",
            "Only 15 lines were tested with Lapatinib; choose a drug with at least 20",
        ),
        (
            first(30),
            {"k": 0.1, "cells_source": "own.h5ad", "methods": ["ridge"]},
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
def test_a_drug_whose_lines_cannot_be_told_apart_is_named(
    root, monkeypatch, change, settings, artefact, message
):
    with_responses(monkeypatch, change)
    with pytest.raises(Bulk2scError, match=message) as error:
        study(data_seed=7, **settings).read(artefact)  # other data than were kept
    assert "\n" not in str(error.value)


def test_one_class_alone_cannot_be_learnt_from(root):
    bulk, cells = study().read("pair")
    bulk.obs["response"] = bulk.obs["response"].where(bulk.obs["response"] == 1)
    n = int(bulk.obs["response"].sum())
    for method in ("ridge", "LR", "RF"):
        with pytest.raises(
            Bulk2scError, match=rf"has {n} sensitive and 0 resistant lines, at least 5 of each"
        ):
            models.make(method).fit(bulk, cells)


@pytest.mark.parametrize(
    ("lines", "found"), [(None, "no such column"), (["p2", "p1", "p1"], "p1, p2"), ([None] * 3, "no name")]
)
def test_a_panel_needs_cells_of_lines_that_were_tested(lines, found):
    bulk = datasets.made_up_bulk(n_lines=30, seed=0)
    cells = bulk[:3].copy()
    del cells.obs["cell_line"]
    if lines:
        cells.obs["cell_line"] = lines
    message = r"panel: no cell is of a line .* obs\['cell_line'\] names lines of GDSC, such as \S+; found "
    with pytest.raises(Bulk2scError, match=message + f"{found}$") as error:
        steps.panel(bulk, cells)
    assert "\n" not in str(error.value)


# ----------------------------------------------------------------------------- cells that nobody has labelled


def test_cells_without_answers_are_scored_and_have_no_metrics(root):
    own = study(cells_source="own.h5ad", methods=["ridge", "all sensitive"], n_seeds=1)
    cells, scores = own.read("pair")[1], own.read("scores")
    assert cells.uns["answer"] == "none"
    assert scores["score"].between(0, 1).all() and len(scores) == 2 * cells.n_obs
    table = evaluate.judge(scores, cells, n_draws=20)
    assert table[table["metric"].isin(["auroc", "accuracy", "f1"])]["value"].isna().all()
    rate = table.query("metric == 'positive_rate' and seed == -1").set_index("method")["value"]
    assert rate["ridge"] == (scores.query("method == 'ridge'")["score"] >= 0.5).mean() > 0


def test_a_prediction_says_why_it_has_no_metrics(root, monkeypatch, capsys):
    lines = datasets.made_up_bulk(n_lines=120, seed=0)
    monkeypatch.setattr(datasets, "load_bulk", lambda source, seed=0: lines)
    own, out = str(root / "own.h5ad"), root / "out.h5ad"
    assert cli.main(["predict", own, "--drug", "Lapatinib", "--model", "ridge", "--out", str(out)]) == 0
    assert "no metrics: a prediction is not held against answers" in capsys.readouterr().out
    assert ad.read_h5ad(out).obs["bulk2sc_score"].notna().all()


OWN_RUNS = {
    "baselines": (
        {"methods": ["ridge", "LR", "all sensitive"], "n_seeds": 1, "baseline_folds": 1},
        "cells_source",
        "no cell has a label",
    ),
    "your-cells": ({"model": "ridge", "n_seeds": 1}, "cells_file", "- no metrics: a prediction is not held"),
}


def printed(executed: Path) -> str:
    """Return all text that the cells of an executed notebook print: sentences, tables and streams."""
    outputs = [o for cell in notebook.read_notebook(executed).cells for o in cell.get("outputs", [])]
    texts = [o.get("text", "") for o in outputs]
    shown = [o["data"] for o in outputs if "data" in o]
    return "\n".join(texts + [data[kind] for data in shown for kind in data if kind.startswith("text")])


@pytest.mark.parametrize("slug", standing_for(OWN_RUNS, "your-cells"))
def test_a_page_of_cells_without_answers_says_why_it_has_no_metrics(slug, root, tmp_path, monkeypatch):
    given, takes_file, reason = OWN_RUNS[slug]
    for name in ("notebooks", "benchmarks", "editions", "_toc.yml"):
        (tmp_path / name).symlink_to(PROJECT / name)
    monkeypatch.setenv("BULK2SC_ROOT", str(tmp_path))
    planned = plan.plan("smoke")
    output = workflow.run_own(planned, slug, given | {takes_file: str(root / "own.h5ad")})
    assert reason in printed(output)
    results = output.parent / "results"
    if slug == "baselines":
        assert pd.read_csv(results / "scores.csv")["ridge"].between(0, 1).all()
        assert pd.read_csv(results / "auroc.csv")["value"].isna().all()
        assert not re.search(r"\bnan\b", printed(output), re.IGNORECASE)
    else:
        rows = pd.read_csv(results / f"{slug}.csv")
        assert "called sensitive" in set(rows.loc[rows["value"].notna(), "metric"])


# Chapters that meet cells of one's own only in an edition. Each: artefact, its table of scores, reason.
OWN_CHAPTERS = {
    "controls": ("controls", "cells", "control**: no cell has an answer."),
    "ablation": ("ablation", "cells", "No cell is judged."),
    "hyperparameters": ("sweep", "cells", "the cells could choose nothing, since"),
    "pathway-resources": ("resources", "cells", "On the cells, nothing can be compared with random sets"),
}
BRIEF = {"n_hvg": 200, "hidden": 16, "max_epochs": 3, "n_seeds": 2, "seeds": [0, 1], "control_shuffles": 2}
BRIEF |= {"ablation_epochs": 1, "ablation_hidden": 16, "methods": ["ridge", "shared AE", "all sensitive"]}
BRIEF |= {"sweep_min_genes": [5], "sweep_hvg": [200], "sweep_dropout": [0.5]}
NEED_ANSWERS = {"accuracy", "auroc", "brier", "difference in auroc", "ece", "f1", "gain", "mcc"}


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


@pytest.mark.parametrize("slug", standing_for(OWN_CHAPTERS, "ablation"))
def test_a_chapter_of_cells_without_answers_scores_them_and_says_why_no_more(slug, bare, monkeypatch):
    artefact, table, reason = OWN_CHAPTERS[slug]
    monkeypatch.setenv("BULK2SC_ROOT", str(bare))
    monkeypatch.setenv("BULK2SC_CACHE", str(bare / "cache"))
    planned = plan.plan("bare")
    workflow.run_chapter(planned, slug)
    page = printed(planned.executed(planned.chapter(slug)))
    assert not re.search(r"\bnan\b", page, re.IGNORECASE) and "Warning" not in page
    assert prose.NOT_JUDGED in page and reason in page
    files = list((planned.build / "results" / artefact).glob(f"*.tables/{table}.csv.gz"))
    scores = pd.concat([pd.read_csv(file) for file in files])
    assert len(files) == len(scores["seed"].mod(1000).unique()) and scores["score"].between(0, 1).all()
    rows = pd.read_csv(planned.build / "results" / f"{slug}.csv")
    on_cells = rows[rows["against"].str.startswith("truth") & rows["metric"].isin(NEED_ANSWERS)]
    assert {"auroc"} < set(on_cells["metric"]) and on_cells["value"].isna().all()


@pytest.mark.slow
def test_a_run_says_what_is_wrong_in_one_line(root, capsys):
    assert cli.main(["run", "alpha", "--edition", "small", "-p", "k", "0.5"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith("bulk2sc: error: chapter 'alpha', cell [3]: Bulk2scError: k is 0.5: the fraction")


def test_a_run_takes_its_edition_from_the_option_alone(root, capsys):
    assert cli.main(["run", "alpha", "--edition", "small", "-p", "edition", "other"]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(
        "bulk2sc: error: chapter 'alpha': parameter 'edition' alone would keep the settings"
    )
    assert said.endswith("use --edition other")
