"""Fast forms of the drug panel equal the plain methods, drug by drug."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from bulk2sc import labels, models, panel
from bulk2sc.models.baselines import PENALTIES

DRUGS = ["a", "b", "c"]


def domain(n, prefix, seed, n_genes=40):
    rng = np.random.default_rng(seed)
    adata = ad.AnnData(
        obs=pd.DataFrame(index=[f"{prefix}{i}" for i in range(n)]),
        var=pd.DataFrame(index=[f"G{i:02d}" for i in range(n_genes)]),
    )
    adata.layers["scaled"] = rng.normal(size=(n, n_genes)).astype("float32")
    return adata


@pytest.fixture(scope="module")
def inputs():
    """Two drugs that follow a gene each, the second not tested on all, and a noisy one of ten genes."""
    bulk, cells = domain(150, "L", 0), domain(60, "c", 1)
    noise, genes = np.random.default_rng(2).normal(size=(150, 4)), bulk.layers["scaled"]
    genes[:, 30:] += 2 * noise[:, 3:]
    activity = np.c_[genes[:, :2], noise[:, 3]]
    auc = (0.7 + 0.1 * activity + noise[:, :3] * [0.05, 0.05, 0.2]).astype("float32")
    auc[:17, 1] = np.nan
    bulk.obsm["auc"], bulk.uns["drugs"] = auc, np.array(DRUGS)
    cells.obs["cell_line"] = np.tile(["X", "Y", "Z"], 20)
    samples = panel.samples(cells, domain(3, "P", 3))
    mask = pd.DataFrame(1.0, index=[f"P{i}" for i in range(6)], columns=bulk.var_names)
    network = {"mask": mask, "hidden": 16, "max_epochs": 15, "dropout": 0.0}
    return panel.Inputs(bulk, cells, samples, DRUGS, settings=network)


def plain(inputs, method, drug, **settings):
    """The scores and the model of `models.make`, fitted to one drug."""
    model = models.make(method, **inputs.settings | settings).fit(inputs.labelled(drug), inputs.cells)
    return model.score_cells(inputs.samples), model


def test_the_sweep_of_ridge_chooses_as_grid_search_does(inputs):
    sweep = panel.penalty_sweep(inputs.bulk, DRUGS, seed=4)
    found = panel.score("ridge CV", inputs, seed=4)
    for drug in DRUGS:
        score, model = plain(inputs, "ridge CV", drug, seed=4)
        assert sweep.loc[drug].idxmax() == model.alpha_
        tested = inputs.labelled(drug)[inputs.labelled(drug).obs["auc"].notna()]
        ridge = Ridge(alpha=model.alpha_).fit(tested.layers["scaled"].astype(float), tested.obs["auc"])
        fast = found[drug]
        np.testing.assert_allclose(fast, -(inputs.samples.layers["scaled"] @ ridge.coef_), atol=1e-5)
        assert np.corrcoef(pd.Series(score).rank(), fast.rank())[0, 1] > 0.999  # calibration keeps the order
    assert sweep.idxmax(axis=1).nunique() > 1  # there is something to choose


def test_correlations_of_the_sweep_are_those_of_held_out_lines(inputs):
    from sklearn.model_selection import KFold, cross_val_score

    from bulk2sc.models.baselines import _correlation

    folds = KFold(5, shuffle=True, random_state=0).split(inputs.bulk)
    folds = [(fitting[fitting >= 17], left_out[left_out >= 17]) for fitting, left_out in folds]  # b's lines
    data = inputs.bulk.layers["scaled"].astype(float), labels.response_of(inputs.bulk, "b").to_numpy()
    expected = [
        cross_val_score(Ridge(alpha=a), *data, scoring=_correlation, cv=folds).mean() for a in PENALTIES
    ]
    sweep = panel.penalty_sweep(inputs.bulk, ["c", "b"])
    np.testing.assert_allclose(sweep.loc["b"], expected, atol=1e-6)


def test_signature_weights_are_correlations(inputs):
    weights = panel.signature_weights(inputs.bulk, DRUGS)
    genes, auc = inputs.bulk.to_df(layer="scaled"), labels.response_of(inputs.bulk, "b").to_numpy()
    expected = [np.corrcoef(genes.iloc[17:, j], auc[17:])[0, 1] for j in range(5)]
    np.testing.assert_allclose(weights["b"].iloc[:5], expected, atol=1e-5)


@pytest.mark.parametrize("method", ["shared AE", "base AE"])
def test_one_encoder_has_the_classifiers_of_one_drug_at_a_time(inputs, method):
    scored = panel.score(method, inputs, seed=1)
    model = models.make(method, **inputs.settings, seed=1).pretrain(inputs.bulk, inputs.cells)
    for drug in DRUGS:
        alone = model.fit_classifier(inputs.labelled(drug)).score_cells(inputs.samples)
        np.testing.assert_allclose(scored[drug], alone, atol=1e-6)
