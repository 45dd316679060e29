"""The drug panel on made-up lines with known ranks, and on real cells against values fixed once."""

import subprocess
import sys
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import yaml
from book_fixtures import BUILD, ROOT
from scipy.stats import spearmanr

from bulk2sc import makers, panel, pp
from bulk2sc.errors import Bulk2scError
from bulk2sc.experiments import drug_panel
from bulk2sc.models.all_drugs import AllDrugs

pytest_plugins = ["book_fixtures"]


@pytest.fixture
def ranked():
    """Return scores and AUC of five lines for 12 drugs, with a few lines untested."""
    rng = np.random.default_rng(0)
    lines, drugs = list("ABCDE"), [f"drug{i}" for i in range(12)]
    auc = pd.DataFrame(rng.random((5, 12)), lines, drugs)
    score = pd.DataFrame(1 - auc.to_numpy() + 0.2 * rng.normal(size=(5, 12)), lines, drugs)
    auc.iloc[2, 3] = np.nan
    return score, auc


def one(score, auc):
    return panel.ranking([score], auc)


def test_rank_correlation_equals_scipy(ranked):
    score, auc = ranked
    score.iloc[1, 5] = score.iloc[2, 5]  # a tie
    rho = one(score, auc.loc[list("EDCBA")]).rho
    for drug in score:
        known = auc[drug].notna()
        assert rho[drug] == pytest.approx(spearmanr(score[drug][known], -auc[drug][known])[0])


def test_a_constant_score_ranks_nothing(ranked):
    score, auc = ranked
    constant = one(score * 0 + 0.5, auc)
    assert (constant.rho == 0).all() and (constant.permuted == 0).all(axis=None)
    assert panel.summary(constant)["p"] == 1


def test_permutation_null_is_exact(ranked):
    score, auc = ranked
    found = one(score, auc)
    assert len(found.permuted) == 120
    np.testing.assert_allclose(found.permuted.iloc[0], found.rho)
    order = list(panel.orders(5)[77])
    moved = pd.DataFrame(score.to_numpy()[order], score.index, score.columns)
    np.testing.assert_allclose(found.permuted.iloc[77], one(moved, auc).rho)
    complete = found.of([drug for drug in score if drug != "drug3"]).permuted.mean(axis=1)
    assert complete.mean() == pytest.approx(0, abs=1e-12)  # over all permutations, ranks correlate by nothing


def test_leaving_a_line_out_equals_dropping_it(ranked):
    score, auc = ranked
    without = one(score, auc).without
    for i, line in enumerate(score.index):
        np.testing.assert_allclose(without.iloc[i], one(score.drop(line), auc.drop(line)).rho)


def test_summary_of_a_perfect_and_of_a_reversed_panel(ranked):
    _, auc = ranked
    perfect = panel.summary(one(-auc.fillna(0.5), auc))
    assert (perfect["value"], perfect["low"], perfect["high"]) == pytest.approx((1, 1, 1))
    assert perfect["p"] == pytest.approx(1 / 120)
    assert perfect["without_low"] == pytest.approx(1)
    assert panel.summary(one(auc.fillna(0.5), auc))["value"] == pytest.approx(-1)


def tidy(tables):
    """(method, seed, input) -> lines x drugs, as the tidy scores of the artefact."""
    rows = [
        table.rename_axis("line")
        .reset_index()
        .melt("line", var_name="drug", value_name="score")
        .assign(method=method, seed=seed, input=kind)
        for (method, seed, kind), table in tables.items()
    ]
    return pd.concat(rows, ignore_index=True)


@pytest.fixture
def judged(ranked):
    """A perfect method, a reversed one, one of two seeds, and one that has two of the drugs."""
    score, auc = ranked
    perfect = -auc.fillna(0.5)
    tables = {("perfect", 0, "cells"): perfect, ("reversed", 0, "cells"): -perfect}
    tables |= {("seeds", 0, "cells"): score, ("seeds", 1, "cells"): -perfect}
    tables |= {("few", 0, "cells"): score[["drug0", "drug1"]]}
    return tidy(tables), auc


def test_methods_are_judged_over_the_drugs_they_have(judged):
    scores, auc = judged
    found = panel.rankings(scores, auc)
    sets = {"all": list(auc), "two": ["drug0", "drug1"]}
    table = panel.judge(found, sets, n_draws=50).set_index(["drugs", "method"])["value"]
    assert list(table["all"].index) == ["perfect", "reversed", "seeds"] and len(table["two"]) == 4
    assert (table["all", "perfect"], table["all", "reversed"]) == pytest.approx((1, -1))
    whole = panel.judge(found, {"all": list(auc)}, n_draws=50).set_index("method")
    nulls = [found[name, "cells"].permuted.mean(axis=1) for name in whole.index]
    best = np.max(nulls, axis=0)
    for _, row in whole.iterrows():
        assert (
            row["p_best"] == pytest.approx((best >= row["value"] - 1e-12).mean())
            and row["p_best"] >= row["p"]
        )
    seeds = panel.of_seeds(scores, auc)
    assert seeds.query("method == 'reversed'")["value"].tolist() == pytest.approx([-1.0] * 12)
    assert table["all", "seeds"] == pytest.approx(seeds.query("method == 'seeds'")["value"].mean())
    means = panel.seed_means(seeds, sets).set_index(["drugs", "method", "seed"])["value"]
    assert means["all", "seeds"].mean() == pytest.approx(table["all", "seeds"])
    assert means["all", "seeds", 1] == pytest.approx(means["all", "reversed", 0])  # the same scores
    of_two = seeds[(seeds["method"] == "few") & seeds["drug"].isin(["drug0", "drug1"])]
    assert means["two", "few", 0] == pytest.approx(of_two["value"].mean())


def test_differences_are_paired_and_corrected(judged):
    scores, auc = judged
    found = panel.rankings(scores, auc)
    pairs = [("perfect", "reversed"), ("perfect", "few"), ("seeds", "seeds")]
    table = panel.against(found, pairs, ["drug0", "drug1"], n_draws=50)
    rho = {who: one.rho[["drug0", "drug1"]].mean() for (who, _), one in found.items()}
    assert table["value"].tolist() == pytest.approx([2, 1 - rho["few"], 0])
    assert table.loc[2, "p"] == 1 and table.loc[0, ["low", "high"]].tolist() == pytest.approx([2, 2])
    gap = found["perfect", "cells"].minus(found["few", "cells"])
    null = gap.permuted.mean(axis=1).abs()
    assert table.loc[1, "p"] == pytest.approx((null >= null[0] - 1e-12).mean())
    smallest = table["p"].min()
    assert table["p_holm"].min() == pytest.approx(3 * smallest)
    assert panel.against(found, [], ["drug0"]).empty


def made_up(n_lines=60, n_genes=25):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n_lines, n_genes)).astype("float32")
    bulk = ad.AnnData(x, obs=pd.DataFrame(index=[f"L{i}" for i in range(n_lines)]))
    bulk.var_names = [f"G{i}" for i in range(n_genes)]
    bulk.layers["scaled"] = x.copy()
    auc = (0.7 + 0.1 * x[:, :3] + 0.01 * rng.normal(size=(n_lines, 3))).astype("float32")
    auc[:7, 1] = np.nan
    bulk.obsm["auc"], bulk.uns["drugs"] = auc, np.array(["a", "b", "c"])
    return bulk


def test_drugs_are_chosen_by_lines_tested_and_spread():
    bulk = made_up()
    table = panel.drugs(bulk, ["L0", "L1", "L10", "L11"], min_lines=3, min_total=50)
    assert list(table.index) == ["a", "c"]  # b was tested on two of the four lines
    assert table.loc["a", "n_total"] == 60
    values = bulk[["L0", "L1", "L10", "L11"]].obsm["auc"][:, 0].astype(float)
    assert table.loc["a", "spread"] == pytest.approx(np.std(values), abs=1e-6)
    with pytest.raises(Bulk2scError, match="no bulk data for cell line NOLINE"):
        panel.drugs(bulk, ["L0", "NOLINE"])
    with pytest.raises(Bulk2scError, match="no drug was tested on 3 of the 2 lines"):
        panel.drugs(bulk, ["L0", "L1"], min_lines=3, min_total=50)


def test_named_drugs_are_chosen_by_a_rule_that_sees_no_result():
    table = pd.DataFrame(
        {"discriminating": [True, False, True, True], "n_total": [500, 900, 600, 600]}, index=list("dcba")
    )
    assert panel.few(table, 2) == ["a", "b"] and panel.few(table, 4) == ["a", "b", "d", "c"]
    sets = panel.sets(table, 2)
    assert sets == {"discriminating drugs": ["d", "b", "a"], "drugs": list("dcba"), "named drugs": ["a", "b"]}
    assert list(panel.sets(table.assign(discriminating=False), 2)) == ["drugs", "named drugs"]


def test_line_means_and_bulk_profiles():
    bulk = made_up()
    profiles = panel.bulk_profiles(bulk, bulk[10:], ["L0", "L1"])
    expected = (bulk.X[:2] - bulk.X[10:].mean(0)) / bulk.X[10:].std(0)
    np.testing.assert_allclose(profiles.layers["scaled"], expected, atol=1e-5)
    cells = bulk[20:23].copy()
    cells.obs["cell_line"] = ["L0", "L0", "L1"]
    samples = panel.samples(cells, profiles)
    np.testing.assert_array_equal(samples.layers["scaled"][:3], cells.layers["scaled"])
    scores = pd.DataFrame({"a": [1.0, 3.0, 5.0, 7.0, 9.0]}, index=samples.obs_names)
    means = panel.line_means(scores, samples).set_index(["input", "line"])["score"].to_dict()
    ceiling = {("bulk profiles (ceiling)", "L0"): 7, ("bulk profiles (ceiling)", "L1"): 9}
    assert means == {("cells", "L0"): 2, ("cells", "L1"): 5} | ceiling


EXPECTED = Path(__file__).parent / "data" / "panel_ridge_2000.csv"


@pytest.fixture(scope="module")
def real_panel(gdsc, mixology):
    """Ridge with penalty 2000 on the 269 drugs, for the lines' cells and for their bulk profiles."""
    cells = pp.resolve_symbols(pp.check_cells(mixology, "GSE118767"))
    cells = makers.data.cells(cells, remove_doublets=False)  # as in the edition: gone by genotype
    lines = sorted(set(cells.obs["cell_line"]))
    training, cells = pp.pair(pp.train_lines(gdsc, lines), cells, n_hvg=0)
    drugs = panel.drugs(gdsc, lines)
    weights = AllDrugs(penalty=2000.0).fit(training, drugs.index).weights_
    samples = panel.samples(cells, panel.bulk_profiles(gdsc, training, lines))
    scores = panel.line_means(-(samples.to_df(layer="scaled") @ weights), samples)
    found = panel.rankings(scores.assign(method="ridge", seed=0), panel.truth(gdsc, lines))
    rho = {"cells": found["ridge", panel.CELLS].rho, "bulk": found["ridge", panel.CEILING].rho}
    return drugs.assign(**rho)


@pytest.mark.slow
def test_the_harness_reaches_its_reference_values(real_panel):
    """269 drugs, 36 discriminating; ceiling .464 +- .005 on these, cells between .38 and .46."""
    discriminating = real_panel[real_panel["discriminating"]]
    assert (len(real_panel), len(discriminating)) == (269, 36)
    assert discriminating["bulk"].mean() == pytest.approx(0.464, abs=0.005)
    assert 0.38 <= discriminating["cells"].mean() <= 0.46
    assert real_panel["bulk"].mean() == pytest.approx(0.255, abs=0.01)
    assert real_panel["cells"].mean() == pytest.approx(0.21, abs=0.02)


@pytest.mark.slow
def test_every_drug_has_its_expected_value(real_panel):
    """Nearly tied lines may swap with another build of the linear algebra, in a few drugs."""
    expected = pd.read_csv(EXPECTED, index_col="drug")
    assert list(expected.index) == list(real_panel.index)
    for source in ("cells", "bulk"):
        assert (np.abs(expected[source] - real_panel[source]) > 0.01).mean() < 0.02


def test_the_kept_panel_of_real_cells_is_whole():
    """What every other edition draws: all methods of the edition on each set of drugs that they run on."""
    kept = pd.read_csv(ROOT / "benchmarks" / "panel.csv")
    edition = yaml.safe_load((ROOT / "editions" / "mixology.yml").read_text())["parameters"]
    asked = {*edition["panel_methods"], drug_panel.ONE_PENALTY}
    rows = kept[(kept["of"] == "method") & (kept["input"] == panel.CELLS)]
    by_set = rows.groupby("drugs")["method"].agg(set)
    assert by_set[panel.NAMED] == asked
    short = {method for method in asked if not drug_panel.end_to_end(method)}
    assert by_set[panel.ALL] == by_set[panel.DISCRIMINATING] == short
    sizes = rows.groupby("drugs")["n_drugs"].first()
    assert sizes.to_dict() == {panel.ALL: 269, panel.DISCRIMINATING: 36, panel.NAMED: 12}
    seeds = kept[kept["of"] == "seed"].groupby("method")["seed"].nunique()
    assert (seeds[["shared AE", "tuned XGBoost"]] == 3).all() and seeds["ridge CV"] == 1


@pytest.mark.verify
def test_what_is_kept_of_a_panel_is_what_its_chapter_wrote(smoke_book, tmp_path):
    out = tmp_path / "panel.csv"
    script = [sys.executable, ROOT / "benchmarks" / "panel.py", "--edition", "smoke", "--out", out]
    subprocess.run(script, check=True, capture_output=True)  # noqa: S603
    kept = pd.read_csv(out).query("of == 'method' and input == 'cells'").set_index(["drugs", "method"])
    wrote = pd.read_csv(BUILD / "results" / "drug-panel.csv")
    wrote = wrote.query("metric == 'mean rho' and input == 'cells'").set_index(["drug", "method"])
    for column in ("value", "low", "high", "p"):
        assert kept[column].to_dict() == pytest.approx(wrote[column].to_dict(), abs=1e-3)
