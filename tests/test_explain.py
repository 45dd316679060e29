"""Attribution against what can be computed by hand."""

import numpy as np
import planted
import pytest

from bulk2sc import explain
from bulk2sc.models.autoencoder import SharedAutoencoder


@pytest.fixture(scope="module")
def fitted():
    """A small model whose response hangs on the genes of one pathway."""
    bulk, cells, mask = planted.lines_and_cells()
    model = SharedAutoencoder(mask=mask, hidden=32, dropout=0.0, schedule="joint", max_epochs=30, seed=0)
    return model.fit(bulk, cells), cells, mask


def test_attributions_are_complete(fitted):
    """Attributions sum to the change of the logit from the baseline to the cell."""
    model, cells, mask = fitted
    found = explain.integrated_gradients(model, cells, n_steps=200)
    np.testing.assert_allclose(found.values.sum(axis=1), found.logit - found.baseline_logit, atol=0.02)
    np.testing.assert_allclose(
        found.completeness, found.values.sum(axis=1) - (found.logit - found.baseline_logit), atol=1e-3
    )
    assert list(found.values.columns) == list(mask.index)
    np.testing.assert_allclose(1 / (1 + np.exp(-found.logit)), model.score_cells(cells), atol=1e-5)


def test_a_linear_classifier_gives_weight_times_difference(fitted):
    """For a linear logit, integrated gradients are exactly weight x (code - baseline)."""
    model, cells, _ = fitted
    weight = np.array([1.0, -2.0, 0.5, 0.0, 3.0, 1.0, -1.0], dtype="float32")

    class Linear:
        pathways_ = model.pathways_
        encode = staticmethod(model.encode)

        @staticmethod
        def code_logit(z):
            import torch

            return z @ torch.from_numpy(weight)

    start = np.linspace(0.1, 0.7, 7, dtype="float32")
    found = explain.integrated_gradients(Linear(), cells, baseline=start)
    np.testing.assert_allclose(found.values, (model.encode(cells) - start) * weight, atol=1e-5)
