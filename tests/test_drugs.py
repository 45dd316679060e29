"""Names of drugs, scores for all of them at once, and the command that lists them."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from bulk2sc import drugs
from bulk2sc.cli import main
from bulk2sc.errors import Bulk2scError
from bulk2sc.predict import predict_cells

KNOWN = ["5-Fluorouracil", "Paclitaxel", "Lapatinib", "Imatinib", "Bleomycin", "Bleomycin (50 uM)"]


@pytest.mark.parametrize(
    ("asked", "drug"),
    [
        ("5-FU", "5-Fluorouracil"),
        ("taxol", "Paclitaxel"),
        ("Tykerb", "Lapatinib"),
        ("gw 572016", "Lapatinib"),
        ("paclitaxel", "Paclitaxel"),
        ("bleomycin", "Bleomycin"),
    ],
)
def test_a_synonym_in_any_spelling_finds_its_drug(asked, drug):
    assert drugs.resolve_drug(asked, KNOWN) == drug


def test_a_name_of_several_drugs_and_an_unknown_one_are_refused():
    with pytest.raises(Bulk2scError, match=r"several: Bleomycin, Bleomycin \(50 uM\)"):
        drugs.resolve_drug("Blenoxane", KNOWN)
    with pytest.raises(Bulk2scError, match=r"Unknown drug 'Taxoll'.*Did you mean 'Taxol'"):
        drugs.resolve_drug("Taxoll", KNOWN)


def test_every_drug_of_the_table_has_numbers_and_every_synonym_a_drug():
    table = drugs.drug_table()
    assert len(table) == 286 and table.index.is_unique
    assert table[["n_lines", "spearman_random", "spearman_tissue_out"]].notna().all(axis=None)
    named = pd.read_csv(drugs.DATA / "drugs.csv", dtype=str, keep_default_na=False)["drug"]
    assert named.is_unique and set(named) <= set(table.index)


@pytest.mark.parametrize(
    ("word", "drug"), [("taxol", "Paclitaxel"), ("EGFR", "Lapatinib"), ("CDDP", "Cisplatin")]
)
def test_the_command_finds_drugs_by_synonym_and_target(word, drug, capsys):
    assert main(["drugs", word]) == 0
    assert drug in capsys.readouterr().out


@pytest.fixture(scope="module")
def problem():
    """60 lines, and cells of which the first 30 are like lines that drug a kills and b does not."""
    rng = np.random.default_rng(0)
    genes = [f"G{i:03d}" for i in range(240)]
    X = rng.normal(size=(60, 240)).astype("float32")
    bulk = ad.AnnData(X, obs=pd.DataFrame(index=[f"L{i}" for i in range(60)]), var=pd.DataFrame(index=genes))
    signal = X[:, :40].mean(axis=1)
    auc = np.stack([0.7 - 0.5 * signal, 0.7 + 0.5 * signal], axis=1).astype("float32")
    bulk.obsm["auc"] = bulk.obsm["ln_ic50"] = auc
    bulk.uns["drugs"] = np.array(["Lapatinib", "Paclitaxel"], dtype=object)
    rate = np.full((60, 240), 4.0)
    rate[:30, :40] = 12.0
    cells = ad.AnnData(rng.poisson(rate).astype("float32"), var=pd.DataFrame(index=genes))
    cells.obs_names = [f"c{i}" for i in range(60)]
    cells.obs["group"] = ["first"] * 30 + ["second"] * 30
    return bulk, cells


def test_all_drugs_rank_planted_cells_and_lead_in_their_group(problem):
    bulk, cells = problem
    found = predict_cells(cells, drug="all", by="group", bulk=bulk).cells
    scores = pd.DataFrame(found.obsm["bulk2sc_drugs"], columns=found.uns["bulk2sc_drugs"]["drugs"])
    assert list(scores) == ["Lapatinib", "Paclitaxel"]
    assert scores.to_numpy().min() >= 0 and scores.to_numpy().max() <= 1
    means = scores.groupby(cells.obs["group"].to_numpy()).mean()
    assert means.loc["first", "Lapatinib"] > 0.6 > 0.4 > means.loc["second", "Lapatinib"]
    top = found.uns["bulk2sc_drugs"]["leading"].groupby("group").first()
    assert top["drug"].to_dict() == {"first": "Lapatinib", "second": "Paclitaxel"}
    assert top.loc["first", "score"] == pytest.approx(means.loc["first", "Lapatinib"])
    assert top.loc["first", "rho"] == pytest.approx(drugs.drug_table().loc["Lapatinib", "spearman_random"])
    assert list(top["cells"]) == [30, 30]


def test_a_score_is_the_place_among_predictions_of_lines_left_out(problem):
    from sklearn.model_selection import KFold

    from bulk2sc import pp
    from bulk2sc.models.all_drugs import AllDrugs

    bulk, cells = problem
    lines, paired = pp.pair(bulk, pp.normalise(cells), n_hvg=0)
    model = AllDrugs().fit(lines)
    left_out = model.cross_validate(lines, KFold(5, shuffle=True, random_state=0).split(lines.X))[
        "Paclitaxel"
    ]
    value = model.predict(paired)["Paclitaxel"].iloc[7]
    assert drugs.score_all_drugs(lines, paired)["Paclitaxel"].iloc[7] == pytest.approx(
        (left_out > value).mean()
    )


@pytest.mark.parametrize("nothing", ["", "-", " "])
def test_a_name_without_letters_is_no_drug(nothing):
    with pytest.raises(Bulk2scError, match="Unknown drug"):
        drugs.resolve_drug(nothing, KNOWN)
    assert drugs.find_drugs("[").empty and len(drugs.find_drugs("")) == 286


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--drug", "all", "--model", "SVM"], "--model"), (["--drug", "Lapatinib", "--by", "x"], "--by")],
)
def test_options_that_do_not_go_together_are_refused(options, message, tmp_path, capsys):
    assert main(["predict", str(tmp_path / "cells.h5ad"), "--out", str(tmp_path / "o.h5ad"), *options]) == 2
    assert message in capsys.readouterr().err
