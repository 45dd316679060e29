"""A method in a file of one's own is a row like any other."""

import re
from pathlib import Path

import numpy as np
import planted
import pytest
from sklearn.metrics import roc_auc_score

from bulk2sc import book, evaluate, models, panel
from bulk2sc.errors import Bulk2scError

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "book" / "how-to" / "your-own-method.md"
EXAMPLE = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL).group(1)


@pytest.fixture(scope="module")
def data():
    bulk, cells, _ = planted.lines_and_cells()
    bulk.obsm["auc"], bulk.uns["drugs"] = bulk.obs[["auc"]].to_numpy(), np.array(["a"])
    cells.obs["truth"], cells.obs["cell_line"] = (
        (cells.obs["activity"] > 0).astype(float),
        np.tile(["X", "Y"], 100),
    )
    return bulk, cells


def written(folder, text=EXAMPLE):
    (folder / "mine.py").write_text(text)
    return str(folder / "mine.py")


def test_the_example_of_the_page_is_a_row_of_the_comparison_and_of_the_panel(data, tmp_path):
    bulk, cells = data
    name = written(tmp_path)
    methods = models.makers(["ridge", name, "all sensitive"], mask=None, hidden=8)
    table = evaluate.score_methods(bulk, cells, methods=methods, seeds=[0, 1])
    assert list(table["method"].unique()) == ["ridge", name, "all sensitive"]
    mine = table[(table["method"] == name) & (table["seed"] == 1)]
    assert roc_auc_score(cells.obs["truth"], mine["score"]) > 0.9
    samples = panel.samples(cells, bulk[:3].copy())
    scored = panel.score(name, panel.Inputs(bulk, cells, samples, ["a"]))
    assert set(panel.line_means(scored, samples)["line"]) >= {"X", "Y"}
    row = models.described([name]).loc[name]
    assert row["what it is"].startswith("A cell is sensitive where") and models.takes(name, "seed")


def test_its_code_is_part_of_the_address(tmp_path):
    study, name = book.Study("smoke"), written(tmp_path)
    before = study.task("scores", {"method": name}).key
    written(tmp_path, EXAMPLE.replace("mean(axis=0)", "sum(axis=0)"))
    assert study.task("scores", {"method": name}).key != before


def test_it_sees_expression_only_and_cannot_change_what_others_learn_from(data, tmp_path):
    bulk, cells = data
    name = written(
        tmp_path,
        "class Spy:\n"
        "    def fit(self, bulk, cells):\n"
        "        assert list(cells.obs.columns) == [] and not cells.uns, 'answers'\n"
        "        bulk.layers['scaled'][:] = 0\n"
        "    def score_cells(self, cells):\n"
        "        assert list(cells.obs.columns) == [] and '1-0' not in cells.obs_names\n"
        "        return [0.5] * cells.n_obs\n",
    )
    assert (models.make(name, seed=3).fit(bulk, cells).score_cells(cells) == 0.5).all()
    assert bulk.layers["scaled"].any() and not models.takes(name, "seed")
    assert not models.learns_from_cells(name)


VERBS = "    def fit(self, bulk, cells): pass\n    def score_cells(self, cells): return "


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("class A:\n    def fit(self, bulk, cells): pass\n", "must have one class with .*; it has none"),
        (f"class A:\n{VERBS}0\nclass B(A): pass\n", "it has A, B"),
        ("class A:\n    def fit(self", r"mine.py fails with SyntaxError"),
        ("import no_such_package", "fails with ModuleNotFoundError: No module named 'no_such_package'"),
        (f"class A:\n{VERBS}0.5", "must return 200 numbers from 0 to 1.*found float64 of shape \\(\\)"),
        (f"class A:\n{VERBS}range(cells.n_obs)", "found int64 of shape \\(200,\\) from 0 to 199"),
        (f"class A:\n{VERBS}['a'] * cells.n_obs", "found <U1 of shape"),
        (f"class A:\n{VERBS}1 / 0", "mine.py: score_cells fails with ZeroDivisionError: division by zero"),
        (f"class A:\n    def __init__(self, depth): pass\n{VERBS}0", "fit fails with TypeError: .*'depth'"),
    ],
)
def test_what_is_wrong_with_it_is_one_line(data, tmp_path, text, words):
    with pytest.raises(Bulk2scError, match=words) as error:
        models.make(written(tmp_path, text), seed=1).fit(*data).score_cells(data[1])
    assert "\n" not in str(error.value) and "mine.py" in str(error.value)


def test_a_file_that_is_not_there_and_one_that_a_saved_model_names(tmp_path):
    with pytest.raises(Bulk2scError, match=r"method 'none.py': there is no file \S+none.py"):
        models.make("none.py")
    name = written(tmp_path, f"raise SystemExit('it ran')\nclass A:\n{VERBS}0")
    (tmp_path / "model.json").write_text(f'{{"method": "{name}", "settings": {{}}, "genes": []}}')
    with pytest.raises(Bulk2scError, match=r"method .* is unknown"):
        models.load_model(tmp_path)
