"""Stacked classifiers of many drugs equal those fitted one at a time, and find what was planted."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from bulk2sc.errors import Bulk2scError
from bulk2sc.models import SharedAutoencoder

GENES = [f"G{i:02d}" for i in range(30)]
DRUGS = [f"drug{i}" for i in range(5)]


def lines(n, seed):
    """Lines whose first genes follow hidden activities, a drug each: (lines, activities)."""
    rng = np.random.default_rng(seed)
    activity = rng.normal(size=(n, len(DRUGS)))
    X = rng.normal(size=(n, len(GENES))).astype(np.float32)
    X[:, : 3 * len(DRUGS)] = np.repeat(activity, 3, axis=1) + 0.3 * X[:, : 3 * len(DRUGS)]
    adata = AnnData(X, pd.DataFrame(index=[f"r{i}" for i in range(n)]), pd.DataFrame(index=GENES))
    adata.layers["scaled"] = X
    return adata, activity


def respond(bulk, activity, *, same_number):
    """The tails of each activity; without `same_number` the third drug has fewer and noisy labels."""
    low, high = np.quantile(activity, [0.3, 0.7], axis=0)
    y = pd.DataFrame(np.select([activity > high, activity < low], [1.0, 0.0], np.nan), bulk.obs_names, DRUGS)
    if not same_number:
        y.iloc[40:, 2] = np.nan
        y.iloc[::5, 3] = 1 - y.iloc[::5, 3]
    return y


def pretrained(bulk, **settings):
    mask = pd.DataFrame(1.0, index=[f"P{i}" for i in range(12)], columns=GENES)
    settings = {"hidden": 32, "dropout": 0.0, "max_epochs": 60, "patience": 5} | settings
    return SharedAutoencoder(mask=mask, **settings).pretrain(bulk, bulk)


def one_at_a_time(model, bulk, responses, cells):
    """Scores (n_cells, n_drugs) and lowest validation losses of classifiers fitted alone."""
    scores, losses = {}, {}
    for drug in responses:
        bulk.obs["response"] = responses[drug]
        scores[drug] = model.fit_classifier(bulk).score_cells(cells)
        watched = model.history_.query("stage == 'classifier' and split == 'validation'")["value"]
        losses[drug] = watched.min()
    return pd.DataFrame(scores, cells.obs_names), pd.Series(losses)


@pytest.mark.parametrize("same_number, batch_size", [(False, 1000), (True, 32)])
def test_each_drug_has_the_classifier_it_would_have_alone(same_number, batch_size):
    bulk, activity = lines(150, 0)
    cells, _ = lines(60, 1)
    responses = respond(bulk, activity, same_number=same_number)
    model = pretrained(bulk, batch_size=batch_size, lr=3e-3)
    alone, lowest = one_at_a_time(model, bulk, responses, cells)
    together = model.fit_classifiers(bulk, responses.sample(frac=1, random_state=0))
    pd.testing.assert_frame_equal(together.score(cells), alone, check_dtype=False, atol=1e-3, rtol=0)
    np.testing.assert_allclose(together.validation_loss[DRUGS], lowest, atol=1e-4)
    assert alone.std().median() > 0.2  # there is something to be equal about


def test_errors_name_the_drug_and_what_to_do():
    bulk, activity = lines(150, 0)
    responses = respond(bulk, activity, same_number=True)
    model = pretrained(bulk, max_epochs=1)
    with pytest.raises(Bulk2scError, match=r"responses: 2 lines .*missing \(such as r0, r1\)"):
        model.fit_classifiers(bulk, responses.iloc[2:])
    with pytest.raises(Bulk2scError, match="responses: 'drug1' has 45 sensitive and 0 resistant"):
        model.fit_classifiers(bulk, responses.replace({"drug1": {0.0: np.nan}}))
    with pytest.raises(Bulk2scError, match="responses: 'drug4' holds values other than 1, 0 and NaN"):
        model.fit_classifiers(bulk, responses.assign(drug4=0.5))
    model.lr = 1e30
    with pytest.raises(Bulk2scError, match=r"classifiers: .*lower the learning rate lr \(now 1e\+30\)"):
        model.fit_classifiers(bulk, responses)
