import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score
from torch import nn

from bulk2sc.clustering import soft


def test_assignment_is_the_hand_computed_t_kernel():
    codes, centres = torch.tensor([[0.0, 0.0], [3.0, 0.0]]), torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    # alpha 1: exponent -1, kernels 1, 1/2 and 1/10, 1/5
    torch.testing.assert_close(
        soft.assignment(codes, centres), torch.tensor([[2 / 3, 1 / 3], [1 / 3, 2 / 3]])
    )
    # alpha 3: exponent -2, kernels 1, (4/3)^-2 and (4)^-2, (7/3)^-2
    kernels = np.array([[1, 9 / 16], [1 / 16, 9 / 49]])
    expected = torch.tensor(kernels / kernels.sum(1, keepdims=True), dtype=torch.float32)
    torch.testing.assert_close(soft.assignment(codes, centres, alpha=3.0), expected)


def test_target_is_the_hand_computed_one_and_detached():
    q = torch.tensor([[0.5, 0.5], [0.25, 0.75]], requires_grad=True)
    p = soft.sharpened(q)
    weight = np.array([[0.25 / 0.75, 0.25 / 1.25], [0.0625 / 0.75, 0.5625 / 1.25]])
    np.testing.assert_allclose(p.numpy(), weight / weight.sum(1, keepdims=True), rtol=1e-6)
    assert not p.requires_grad


class Free(nn.Module):
    """A code with no network in front."""

    def __init__(self, codes):
        super().__init__()
        self.codes = nn.Parameter(torch.as_tensor(codes, dtype=torch.float32))

    def encode(self):
        return self.codes, {"other": 0 * self.codes.sum()}


def two_groups():
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1], 50)
    return rng.normal(size=(100, 2)) + 4 * truth[:, None], truth


def test_sharpening_gathers_cells_and_corrects_wrong_labels():
    codes, truth = two_groups()
    given = truth.copy()
    given[:10] = 1
    module = Free(codes)
    labels, history = soft.sharpen(module, module.encode, given, lr=0.05)
    assert adjusted_rand_score(truth, labels) > 0.95 > adjusted_rand_score(truth, given)
    after = module.codes.detach().numpy()
    assert after[:50].std(axis=0).mean() < 0.7 * codes[:50].std(axis=0).mean()
    assert not module.training
    assert set(history["term"]) == {"total", "KL", "other", "changed"}


def test_training_ends_when_no_label_changes_but_not_before_20_epochs():
    codes, truth = two_groups()
    module = Free(codes)
    _, history = soft.sharpen(module, module.encode, truth, lr=1e-4, max_epochs=60)
    changed = history.query("term == 'changed'")["value"].to_numpy()
    assert len(changed) == 20 and changed[-1] < soft.TOLERANCE
    module = Free(codes)
    _, history = soft.sharpen(module, module.encode, truth, lr=1e-4, max_epochs=7)
    assert history["epoch"].max() == 7


def test_one_cluster_is_returned_with_a_warning():
    module = Free(two_groups()[0])
    with pytest.warns(UserWarning, match="all cells are one cluster"):
        labels, history = soft.sharpen(module, module.encode, np.zeros(100, dtype=int), progress="x")
    assert (labels == 0).all() and history.empty and not module.training
