"""Attribution against what can be computed by hand."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from bulk2sc import explain
from bulk2sc.models import SharedAutoencoder


@pytest.fixture(scope="module")
def fitted():
    """A small model whose response hangs on the genes of one pathway."""
    rng = np.random.default_rng(0)
    genes, pathways = [f"G{i}" for i in range(30)], ["P0", "P1", "P2", "free_1"]
    mask = pd.DataFrame(
        np.repeat([[1, 0, 0], [0, 1, 0], [0, 0, 1]], 10, axis=1).astype("float32"), columns=genes
    )
    mask.loc[3] = 1.0
    mask.index = pathways
    data = {}
    for name, n in (("bulk", 120), ("cells", 60)):
        activity = rng.normal(size=(n, 3))
        x = (np.repeat(activity, 10, axis=1) + 0.3 * rng.normal(size=(n, 30))).astype("float32")
        data[name] = ad.AnnData(x, obs=pd.DataFrame(index=[f"{name}{i}" for i in range(n)]))
        data[name].var_names = genes
        data[name].layers["scaled"] = x
        data[name].obs["activity"] = activity[:, 0]
    driver = data["bulk"].obs["activity"]
    data["bulk"].obs["response"] = np.select([driver > 0.4, driver < -0.4], [1.0, 0.0], np.nan)
    model = SharedAutoencoder(mask=mask, hidden=32, dropout=0.0, schedule="joint", max_epochs=60, seed=0)
    return model.fit(data["bulk"], data["cells"]), data["cells"], mask


def test_attributions_are_complete(fitted):
    """Attributions sum to the change of the logit from the baseline to the cell."""
    model, cells, _ = fitted
    found = explain.integrated_gradients(model, cells, n_steps=200)
    np.testing.assert_allclose(found.values.sum(axis=1), found.logit - found.baseline_logit, atol=0.02)
    np.testing.assert_allclose(
        found.completeness, found.values.sum(axis=1) - (found.logit - found.baseline_logit), atol=1e-3
    )
    assert list(found.values.columns) == ["P0", "P1", "P2", "free_1"]


def test_logit_agrees_with_the_score(fitted):
    model, cells, _ = fitted
    found = explain.integrated_gradients(model, cells)
    np.testing.assert_allclose(1 / (1 + np.exp(-found.logit)), model.score_cells(cells), atol=1e-5)


def test_a_linear_classifier_gives_weight_times_difference(fitted):
    """For a linear logit, integrated gradients are exactly weight x (code - baseline)."""
    model, cells, _ = fitted
    weight = np.array([1.0, -2.0, 0.5, 0.0], dtype="float32")

    class Linear:
        pathways_ = model.pathways_
        encode = staticmethod(model.encode)

        @staticmethod
        def code_logit(z):
            import torch

            return z @ torch.from_numpy(weight)

    start = np.array([0.1, 0.2, 0.3, 0.4], dtype="float32")
    found = explain.integrated_gradients(Linear(), cells, baseline=start)
    np.testing.assert_allclose(found.values, (model.encode(cells) - start) * weight, atol=1e-5)
