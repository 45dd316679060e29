"""What every edition shows of the whole grids on real cells; its script keeps what chapters write."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from book_fixtures import BUILD

from bulk2sc import artefacts, makers  # noqa: F401  (makers register themselves)
from bulk2sc.experiments import resources, trials

pytest_plugins = ["book_fixtures"]
ROOT = Path(__file__).parents[1]
SWEEPS = {"min_pathway_genes": "sweep_min_genes", "n_hvg": "sweep_hvg", "dropout": "sweep_dropout"}


def kept(name: str) -> pd.DataFrame:
    return pd.read_csv(ROOT / "benchmarks" / f"{name}.csv")


@pytest.mark.parametrize("ground", ["lines left out", "truth"])
@pytest.mark.parametrize("setting", SWEEPS)
def test_every_value_of_figure_4_has_five_seeds(setting, ground):
    """The values of the chapter itself, which editions shorten."""
    rows = kept("sweep").query(
        "setting == @setting and against == @ground and metric == 'auroc' and seed >= 0"
    )
    seeds = rows.groupby("at")["seed"].agg(sorted)
    assert set(artefacts.default_settings()[SWEEPS[setting]]) <= set(seeds.index)
    assert (seeds.map(len) == 5).all() and rows["value"].between(0, 1).all()


def test_every_collection_of_table_2_has_random_sets_of_its_sizes():
    rows = kept("resources").query("metric == 'auroc' and seed >= 0")
    names = artefacts.default_settings()["compared_resources"]
    expected = {name for r in names for name in (resources.label(r), resources.random_sets(r))}
    assert expected | set(trials.CONSTANTS) <= set(rows["method"])
    assert (rows.groupby(["against", "method"])["seed"].nunique() == 5).all()


@pytest.mark.verify
@pytest.mark.parametrize(
    ("name", "chapter"), [("sweep", "hyperparameters"), ("resources", "pathway-resources")]
)
def test_what_is_kept_is_what_the_chapter_wrote(smoke_grids, name, chapter):
    found = pd.read_csv(smoke_grids / f"{name}.csv").drop(columns=["setting", "at"], errors="ignore")
    key = ["against", "method", "seed", "metric"]
    found = found.drop_duplicates(key).set_index(key)[["value", "low", "high", "holm"]]
    wrote = pd.read_csv(BUILD / "results" / f"{chapter}.csv").set_index(key).loc[found.index, found.columns]
    assert len(found) > 20 and (found.index.get_level_values("metric") == "difference in auroc").any()
    pd.testing.assert_frame_equal(found, wrote, atol=1e-4)


@pytest.fixture(scope="module")
def smoke_grids(smoke_book, tmp_path_factory) -> Path:
    """The script on edition smoke, with the training of that edition."""
    out = tmp_path_factory.mktemp("grids")
    asked = yaml.safe_load((ROOT / "editions" / "smoke.yml").read_text())["parameters"]
    training = ["--epochs", str(asked["max_epochs"]), "--hidden", str(asked["hidden"])]
    script = [sys.executable, ROOT / "benchmarks" / "grids.py", "--edition", "smoke", *training, "--out", out]
    subprocess.run(script, check=True, capture_output=True)
    return out
