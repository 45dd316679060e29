import anndata as ad
import numpy as np
import pandas as pd
import pytest

from bulk2sc import labels


def cells(**obs):
    obs = pd.DataFrame(obs, index=[f"c{i}" for i in range(4)])
    return ad.AnnData(np.ones((4, 1), "float32"), obs=obs)


def test_lines_of_both_classes_are_the_answer():
    given = cells(response=[1.0, 1, 0, 0], truth=[1.0, 0, 0, np.nan], cell_line=["a", "b", "b", "c"])
    found = labels.answer(given)
    assert found.uns["answer"] == "lines"
    pd.testing.assert_frame_equal(found.obs, given.obs)


@pytest.mark.parametrize("truth", [{}, {"truth": [1.0] * 4}, {"truth": [np.nan] * 4}])
def test_labels_are_the_answer_where_lines_do_not_tell(truth):
    given = cells(response=[1.0, np.nan, 0, 0], cell_line="A", sample=["s1", "s1", "s2", "s3"], **truth)
    found = labels.answer(given)
    assert found.uns["answer"] == "labels"
    np.testing.assert_array_equal(found.obs["truth"], [1, np.nan, 0, 0])
    assert found.obs["cell_line"].tolist() == ["s1", "s1", "s2", "s3"]
    assert given.obs["cell_line"].tolist() == ["A"] * 4


@pytest.mark.parametrize("truth", [{}, {"truth": [np.nan] * 4}])
def test_cells_of_which_nothing_is_known_have_no_answer(truth):
    found = labels.answer(cells(response=[np.nan] * 4, sample=["s1", "s1", "s2", "s3"], **truth))
    assert found.uns["answer"] == "none" and found.obs["truth"].isna().all()
    assert found.obs["cell_line"].tolist() == ["s1", "s1", "s2", "s3"]


def test_one_class_of_lines_by_a_rule_of_lines_stays_that():
    given = cells(response=[0.0] * 4, truth=[0.0] * 4, cell_line=["a", "b", "b", "c"], sample="s")
    found = labels.answer(given)
    assert found.uns["answer"] == "lines" and found.obs["cell_line"].tolist() == ["a", "b", "b", "c"]
