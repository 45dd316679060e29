"""The breast atlas: its cells, and the drugs of its edition."""

import gzip
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from conftest import at_hand

from bulk2sc import datasets, labels, pp
from bulk2sc.datasets import cells as module
from bulk2sc.errors import Bulk2scError
from bulk2sc.settings import load_edition

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def atlas():
    if not at_hand("GSE173634"):
        pytest.skip("GSE173634 is not here: set BULK2SC_MIRROR or run `bulk2sc fetch GSE173634`")
    return datasets.breast_atlas()


def test_the_atlas(atlas, gdsc):
    assert atlas.n_obs == 930 and set(atlas.obs["cell_line"].value_counts()) == {30}
    assert np.median(np.asarray(atlas.X.sum(axis=1))) == 8454
    lines = set(atlas.obs["cell_line"])
    assert lines & set(gdsc.obs_names) == set(atlas.uns["held_out"]) and len(atlas.uns["held_out"]) == 27
    assert lines - set(gdsc.obs_names) == set(module.NOT_IN_GDSC)
    assert {"ERBB2", "TP53"} <= set(atlas.var_names) and (atlas.layers["counts"] != atlas.X).nnz == 0
    assert (atlas.X.data == np.round(atlas.X.data)).all() and atlas.obs["sample"].nunique() == 1


@pytest.mark.parametrize(
    "content", [b"", b"not of R", b"RDX3\nX\n\0\0\0\3cut off", gzip.compress(b"RDX2\nX\n")]
)
def test_a_file_of_r_that_holds_no_matrix_is_one_line(tmp_path, content):
    (tmp_path / "x.RData").write_bytes(content)
    with pytest.raises(
        Bulk2scError, match=r"x.RData: expected one sparse matrix of R \(dgCMatrix\)"
    ) as error:
        module.read_dgcmatrix(tmp_path / "x.RData")
    assert "\n" not in str(error.value)


# --- the edition -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ranked():
    """Return the rule of `benchmarks/choose_drug.py`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        return import_module("choose_drug").ranked


@pytest.mark.parametrize("name", ["atlas", "mixology"])
def test_the_drugs_of_an_edition_are_those_of_the_rule(name, gdsc, ranked, request):
    chosen = load_edition(name).parameters
    cells = request.getfixturevalue(name)
    judged = sorted(set(cells.obs["cell_line"]) & set(gdsc.obs_names) - {"HCC1143"})
    found = ranked(gdsc, judged, cells.uns["held_out"])
    assert chosen["study_drugs"] == list(found.index[: len(chosen["study_drugs"])])
    assert chosen["drug"] == chosen["study_drugs"][0]


def test_lines_of_the_atlas_are_nowhere_in_training(atlas, gdsc):
    cells = pp.hold_out_own_lines(pp.resolve_symbols(pp.check_cells(atlas, "atlas")), gdsc)
    cells = labels.truth_from_lines(labels.leave_out_strangers(cells, gdsc), gdsc, "AT13148")
    judged = cells.obs.loc[cells.obs["cell_line"].isin(gdsc.obs_names), "cell_line"]
    assert judged.nunique() == 26 and len(judged) == 780
    training = pp.train_lines(gdsc, cells.uns["held_out"])
    assert training.n_obs == 973 - 27 and not set(training.obs_names) & {*judged, "HCC1143"}
    sides = cells.obs.groupby("cell_line", observed=True)["truth"].first().value_counts()
    assert sides.to_dict() == {1.0: 11, 0.0: 10}
