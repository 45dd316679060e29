import json
import os
import shutil

import numpy as np
import pandas as pd
import pytest
import small_book

from bulk2sc import artefacts, settings, study
from bulk2sc.artefacts import ARTEFACTS, Artefact
from bulk2sc.errors import Bulk2scError
from bulk2sc.study import Study


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Return a project with one edition, and no environment of a runner."""
    small_book.write_edition(tmp_path)
    for name in ("BULK2SC_RESULTS", "BULK2SC_CHAPTER", "BULK2SC_OWNED"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BULK2SC_ROOT", str(tmp_path))
    return tmp_path


@pytest.fixture
def made(root, monkeypatch):
    """Replace the makers by three that are quick, and return the list of what they made, in order."""
    calls = []

    def bulk(*, drug: str = "Cisplatin", k: float = 0.3):
        calls.append("bulk")
        return pd.DataFrame({"value": [k, len(drug), 1 / 3]}, index=["a", "b", "c"])

    def cells(bulk, *, n_cells: int = 5, cells_source: str = "simulated"):
        calls.append("cells")
        return bulk * n_cells

    def pair(bulk, cells, *, n_hvg: int = 2):
        calls.append("pair")
        return pd.concat([bulk, cells]).head(n_hvg)

    registry = {
        make.__name__: Artefact(f"{make.__name__}.csv.gz", make, "pp") for make in (bulk, cells, pair)
    }
    monkeypatch.setattr(artefacts, "ARTEFACTS", registry)
    monkeypatch.setattr(artefacts, "code_digest", lambda upto=None: "code")
    return calls


def in_chapter(monkeypatch, root, edition="small", owned=None):
    """Set the environment as the runner does for a chapter of an edition."""
    monkeypatch.setenv("BULK2SC_CHAPTER", "here")
    monkeypatch.setenv("BULK2SC_RESULTS", str(root / "_build" / edition / "results"))
    if owned is not None:
        monkeypatch.setenv("BULK2SC_OWNED", owned)


# ---------------------------------------------------------------------------------------- the registry


def test_a_setting_means_the_same_to_every_maker_that_has_it():
    seen = {}
    for artefact in ARTEFACTS.values():
        for name, setting in artefact.settings.items():
            assert seen.setdefault(name, (setting.annotation, setting.default)) == (
                setting.annotation,
                setting.default,
            )


def test_every_default_has_the_type_that_is_declared():
    types = artefacts.setting_types()
    for name, default in artefacts.default_settings().items():
        assert settings.known_type(types[name]), name
        assert settings.conform(default, types[name], name) == default


def test_closure_lists_each_need_once_and_first():
    assert artefacts.closure(["mask"]) == [
        "bulk",
        "raw_cells",
        "cells",
        "clustered",
        "labelled",
        "pair",
        "mask",
    ]
    assert artefacts.closure(["cells", "bulk"]) == ["bulk", "raw_cells", "cells"]


def test_code_to_the_right_of_what_a_maker_uses_does_not_count(tmp_path, monkeypatch):
    shutil.copytree(os.path.dirname(study.__file__), tmp_path / "bulk2sc")
    monkeypatch.setattr(artefacts, "__file__", str(tmp_path / "bulk2sc" / "artefacts.py"))
    digest = artefacts.code_digest.__wrapped__

    def change(module):
        path = tmp_path / "bulk2sc" / module
        path.write_text(path.read_text() + "\n# changed\n")
        return digest("labels"), digest("models"), digest()

    before = digest("labels"), digest("models"), digest()
    models = change("models/base.py")
    assert [a == b for a, b in zip(before, models, strict=True)] == [True, False, False]
    labels = change("labels/cells.py")
    assert [a == b for a, b in zip(models, labels, strict=True)] == [False, False, False]
    assert change("cli.py") == labels
    assert change("pl/look.py")[2] != labels[2]


# ---------------------------------------------------------------------------------------- reading and making


def test_an_artefact_is_made_once_with_what_it_needs(made, root):
    first = Study("small").read("pair")
    assert made == ["bulk", "cells", "pair"]
    pd.testing.assert_frame_equal(Study("small").read("pair"), first)
    assert made == ["bulk", "cells", "pair"]
    assert (root / "_build" / "interactive" / "results" / "pair.csv.gz").exists()


def test_settings_are_defaults_then_the_edition_then_the_keywords(made, root):
    chosen = Study("small", k=0.2).settings
    assert (chosen["k"], chosen["drug"], chosen["n_hvg"]) == (0.2, "Lapatinib", 2)
    assert Study("small", drug="Cisplatin").settings["drug"] == "Cisplatin"


def test_names_that_look_like_numbers_or_gaps_stay_text(tmp_path):
    write, read = study.FORMATS[".gz"]
    table = pd.DataFrame({"cell": ["0", "01", "NA"], "drug": ["123138"] * 3, "seed": [0, 1, 2]})
    for given in (table, table.set_index("cell")):
        write(given, tmp_path / "table.csv.gz")
        pd.testing.assert_frame_equal(read(tmp_path / "table.csv.gz"), given)


def test_what_a_chapter_does_to_an_artefact_stays_there(made):
    one = Study("small")
    bulk = one.read("bulk")
    bulk.loc["a", "value"] = -1
    assert one.read("bulk").loc["a", "value"] == 0.3


def test_a_changed_setting_makes_again_what_depends_on_it_and_nothing_else(made):
    Study("small").read("pair")
    made.clear()
    Study("small", n_hvg=3).read("pair")
    assert made == ["pair"]
    made.clear()
    assert Study("small", n_cells=7).read("cells").loc["a", "value"] == pytest.approx(2.1)
    assert made == ["cells"]
    made.clear()
    Study("small", k=0.1).read("cells")
    assert made == ["bulk", "cells"]


def test_changed_code_makes_again(made, monkeypatch):
    Study("small").read("bulk")
    monkeypatch.setattr(artefacts, "code_digest", lambda upto=None: "other code")
    Study("small").read("bulk")
    assert made == ["bulk", "bulk"]


def test_another_version_of_a_package_makes_again(made, monkeypatch):
    for number in ("2.9", "2.9", "2.10"):
        monkeypatch.setattr(artefacts, "versions", lambda packages, number=number: {"torch": number})
        Study("small").read("bulk")
    assert made == ["bulk", "bulk"]


def test_another_precision_makes_again_what_is_trained(made, monkeypatch):
    monkeypatch.setattr(settings, "_cpu_has_bf16", lambda: True)
    before = {upto: artefacts.made_with(upto) for upto in ("pp", "models")}
    monkeypatch.setenv("BULK2SC_PRECISION", "float32")
    after = {upto: artefacts.made_with(upto) for upto in ("pp", "models")}
    assert before["pp"] == after["pp"]
    assert (before["models"]["precision"], after["models"]["precision"]) == ("bf16", "float32")


def inner(n):
    return n + 1


def outer(n):
    return [inner(i) for i in range(n)]


def unused(n):
    return n


def test_a_changed_helper_of_a_maker_changes_its_digest_and_another_function_does_not(monkeypatch):
    def make():
        return (lambda: outer(2))()

    before = artefacts.maker_digest(make)
    monkeypatch.setitem(globals(), "unused", outer)
    assert artefacts.maker_digest(make) == before
    monkeypatch.setitem(globals(), "inner", unused)
    assert artefacts.maker_digest(make) != before


def test_changed_data_make_again(made, monkeypatch):
    Study("small").read("bulk")
    monkeypatch.setattr(study, "data_digest", lambda: "other data")
    Study("small").read("bulk")
    assert made == ["bulk", "bulk"]


def test_a_changed_file_of_ones_own_makes_again(made, root):
    (root / "mine.h5ad").write_bytes(b"one")
    Study("small", cells_source="mine.h5ad").read("cells")
    Study("small", cells_source="mine.h5ad").read("cells")
    assert made == ["bulk", "cells"]
    (root / "mine.h5ad").write_bytes(b"two")
    Study("small", cells_source="mine.h5ad").read("cells")
    assert made == ["bulk", "cells", "cells"]


def test_fetched_data_that_nobody_pinned_make_again_when_they_differ(made, monkeypatch):
    for note in ("one", "one", "two"):
        monkeypatch.setattr("bulk2sc.datasets.noted", {"GSE131984": note}.get)
        Study("small", cells_source="GSE131984").read("cells")
    assert made == ["bulk", "cells", "cells"]
    assert Study("small", cells_source="GSE131984").stamp("cells")["files"] == {"GSE131984": "two"}


@pytest.mark.parametrize("harm", ["truncate", "empty", "stamp", "no stamp"])
def test_a_damaged_artefact_is_made_again(made, root, harm, caplog):
    expected = Study("small").read("bulk")
    path = root / "_build" / "interactive" / "results" / "bulk.csv.gz"
    stamp = path.with_name("bulk.csv.gz.json")
    if harm == "truncate":
        path.write_bytes(path.read_bytes()[:-5])
    elif harm == "empty":
        path.write_bytes(b"")
    elif harm == "stamp":
        stamp.write_text(stamp.read_text()[:20])
    else:
        stamp.unlink()
    pd.testing.assert_frame_equal(Study("small").read("bulk"), expected)
    assert made == ["bulk", "bulk"]
    assert ("bulk.csv.gz is damaged" in caplog.text) == (harm in {"truncate", "empty"})
    Study("small").read("bulk")
    assert made == ["bulk", "bulk"]


def test_a_maker_that_fails_leaves_nothing(made, root, monkeypatch):
    def cells(bulk):
        raise Bulk2scError("no cells")

    monkeypatch.setitem(artefacts.ARTEFACTS, "cells", Artefact("cells.csv.gz", cells, "pp"))
    with pytest.raises(Bulk2scError, match="no cells"):
        Study("small").read("cells")
    kept = {path.name for path in (root / "_build" / "interactive" / "results").iterdir()}
    assert kept == {"bulk.csv.gz", "bulk.csv.gz.json"}


def test_a_write_that_fails_keeps_the_old_artefact(made, root, monkeypatch):
    Study("small").read("bulk")
    full = {".gz": (lambda table, path: (path.write_text("half"), 1 / 0), pd.read_csv)}
    with monkeypatch.context() as patch:
        patch.setattr(study, "FORMATS", full)
        with pytest.raises(ZeroDivisionError):
            Study("small", k=0.1).read("bulk")
    made.clear()
    assert Study("small").read("bulk").loc["a", "value"] == 0.3
    assert made == []
    assert len(list((root / "_build" / "interactive" / "results").iterdir())) == 2


@pytest.mark.parametrize("what", ["table", "model"])
def test_what_another_process_is_just_replacing_is_made_again(made, root, monkeypatch, what, caplog):
    error = {"table": FileNotFoundError("gone"), "model": Bulk2scError("no saved model here")}[what]
    expected = Study("small").read("bulk")
    write, read = study.FORMATS[".gz"]
    errors = [error]

    def gone_once(path):
        if errors:
            raise errors.pop()
        return read(path)

    monkeypatch.setattr(study, "FORMATS", {".gz": (write, gone_once)})
    pd.testing.assert_frame_equal(Study("small").read("bulk"), expected)
    assert made == ["bulk", "bulk"] and not caplog.text


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    for content in ("one", "two"):
        with settings.atomic(tmp_path / "model") as partial:
            partial.mkdir()
            (partial / content).touch()
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["two"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


# ---------------------------------------------------------------------------------------- editions, own runs


def test_a_run_of_its_own_uses_the_artefacts_of_the_edition_that_agree(made, root, monkeypatch):
    with monkeypatch.context() as patch:
        in_chapter(patch, root, owned="bulk,cells")
        Study("small").read("cells")
    edition = root / "_build" / "small" / "results"
    before = {path.name: path.read_bytes() for path in edition.iterdir()}
    made.clear()
    monkeypatch.setenv("BULK2SC_RESULTS", str(root / "own"))
    Study("small", n_cells=9).read("cells")
    assert made == ["cells"]
    assert sorted(path.name for path in (root / "own").iterdir()) == ["cells.csv.gz", "cells.csv.gz.json"]
    assert {path.name: path.read_bytes() for path in edition.iterdir()} == before


def test_an_edition_refuses_to_replace_what_another_chapter_made(made, root, monkeypatch):
    in_chapter(monkeypatch, root, owned="bulk")
    Study("small").read("bulk")
    monkeypatch.setenv("BULK2SC_OWNED", "cells")
    with pytest.raises(
        Bulk2scError, match=r"'here'.*'bulk'.*k = 0.3, not 0.1.*'parameters' in editions/small.yml"
    ):
        Study("small", k=0.1).read("cells")
    assert made == ["bulk"]
    Study("small", n_cells=3).read("cells")
    Study("small", n_cells=4).read("cells")
    assert made == ["bulk", "cells", "cells"]


def test_another_data_set_of_the_study_is_kept_apart(made, root, monkeypatch):
    in_chapter(monkeypatch, root, owned="")
    own = Study("small")
    own.read("cells")
    other = own.of("GSE1: odd/name", "Lapatinib + X")
    assert other.settings == own.settings | {"cells_source": "GSE1: odd/name", "drug": "Lapatinib + X"}
    assert other.read("bulk")["value"].tolist() == [0.3, 13.0, 1 / 3]
    assert own.read("bulk")["value"].tolist() == [0.3, 9.0, 1 / 3]
    assert made == ["bulk", "cells", "bulk"]
    assert [path.name for path in (root / "_build/small/results/studies").iterdir()] == [
        "GSE1_odd_name-Lapatinib_X"
    ]
    Study("small", k=0.1).of("GSE1: odd/name", "Lapatinib + X").read("bulk")  # nobody owns it
    assert made == ["bulk", "cells", "bulk", "bulk"]


def test_unknown_settings_and_artefacts(root):
    with pytest.raises(Bulk2scError, match=r"no artefact has the setting 'drugg'. Did you mean 'drug'"):
        Study("small", drugg="x")
    with pytest.raises(Bulk2scError, match="setting 'k' must be float, found 'x'"):
        Study("small", k="x")
    with pytest.raises(Bulk2scError, match=r"artefact 'bulks' is unknown. Did you mean 'bulk'"):
        Study("small").read("bulks")


# ---------------------------------------------------------------------------------------- tidy rows


def test_rows_are_completed_collected_and_replaced_by_the_next_run(made, root, monkeypatch):
    in_chapter(monkeypatch, root)
    one = Study("small", drug="Lapatinib")
    one.rows(pd.DataFrame({"value": [1.0], "metric": ["f1"], "extra": ["x"]}))
    one.rows(
        pd.DataFrame({"metric": ["f1"], "value": [1 / 3], "method": ["LR"], "drug": ["other"], "seed": [4]})
    )
    table = pd.read_csv(root / "_build" / "small" / "results" / "here.csv", float_precision="round_trip")
    assert list(table.columns) == [*study.ROW_COLUMNS, "extra"]
    assert table["drug"].tolist() == ["Lapatinib", "other"]
    assert table["value"].tolist() == [1.0, 1 / 3]
    assert set(table["edition"] + table["chapter"] + table["dataset"]) == {"smallheresimulated"}
    assert np.isnan(table["seed"][0]) and table["seed"][1] == 4
    Study("small", drug="123138").rows(pd.DataFrame({"metric": ["f1"], "value": [2.0]}))
    assert Study("small").rows_of("here")["drug"].tolist() == ["123138"]
    Study("small").rows(pd.DataFrame({"metric": ["f1"], "value": [2.0]}))
    assert Study("small").rows_of("here")["value"].tolist() == [2.0]


def test_rows_of_a_chapter_that_has_none(made):
    with pytest.raises(
        Bulk2scError, match="'baselines' has no results in edition 'small'; run it first: bulk2sc"
    ):
        Study("small").rows_of("baselines")


# ---------------------------------------------------------------------------------------- typed values


@pytest.mark.parametrize(
    ("value", "type_name", "expected"),
    [
        (1, "int", 1),
        (1, "float", 1.0),
        ("1e-3", "float", 0.001),
        (True, "bool", True),
        ("5", "str", "5"),
        ([1, 2.5], "list[float]", [1.0, 2.5]),
        ([], "list[str]", []),
        ({"a": 1}, "dict[str, int]", {"a": 1}),
    ],
)
def test_conform_accepts(value, type_name, expected):
    found = settings.conform(value, type_name, "x")
    assert found == expected and type(found) is type(expected)
    assert [type(item) for item in np.atleast_1d(found)] == [type(item) for item in np.atleast_1d(expected)]


@pytest.mark.parametrize(
    ("value", "type_name"),
    [
        (True, "int"),
        (True, "float"),
        (3.0, "int"),
        ("3", "int"),
        (5, "str"),
        (None, "str"),
        (None, "float"),
        ("abc", "float"),
        (0, "bool"),
        ("a", "list[str]"),
        ([1, "a"], "list[int]"),
        ([True], "list[float]"),
        ([1], "dict[str, int]"),
        ({1: 1}, "dict[str, int]"),
        ({"a": 1.5}, "dict[str, int]"),
    ],
)
def test_conform_refuses(value, type_name):
    with pytest.raises(Bulk2scError, match=r"^parameter 'x'.* must be "):
        settings.conform(value, type_name, "parameter 'x'")


@pytest.mark.parametrize(
    ("text", "type_name", "expected"),
    [
        ("5", "str", "5"),
        ("5", "int", 5),
        ("1e-4", "float", 1e-4),
        ("no", "bool", False),
        ("[LR, shared AE]", "list[str]", ["LR", "shared AE"]),
        ("{a: 1}", "dict[str, int]", {"a": 1}),
    ],
)
def test_text_of_the_command_line(text, type_name, expected):
    assert settings.from_text(text, type_name, "x") == expected


# ---------------------------------------------------------------------------------------- editions


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"title": None}, "field 'title' is missing"),
        ({"chapters": None}, "field 'chapters' is missing"),
        ({"chapters": "alpha"}, "field 'chapters' must be a list, found 'alpha'"),
        ({"parameters": ["k"]}, "field 'parameters' must be a dict"),
        ({"paramters": {}}, "field 'paramters' is unknown.*Did you mean 'parameters'"),
    ],
)
def test_an_edition_of_the_wrong_form(root, fields, message):
    small_book.write_edition(root, **fields)
    with pytest.raises(Bulk2scError, match=f"editions/small.yml: {message}"):
        settings.load_edition("small")


@pytest.mark.parametrize(
    ("text", "message"), [("a: [", "not valid YAML"), ("just words", "must hold 'name: value'")]
)
def test_an_edition_that_is_no_yaml(root, text, message):
    (root / "editions" / "bad.yml").write_text(text)
    with pytest.raises(Bulk2scError, match=f"bad.yml: .*{message}"):
        settings.load_edition("bad")


def test_file_digest_sees_names_and_contents(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a").write_text("1")
    before = settings.file_digest(tmp_path / "d")
    (tmp_path / "d" / "a").rename(tmp_path / "d" / "b")
    renamed = settings.file_digest(tmp_path / "d")
    (tmp_path / "d" / "b").write_text("2")
    assert len({before, renamed, settings.file_digest(tmp_path / "d")}) == 3


# ---------------------------------------------------------------------------------------- the real makers


@pytest.mark.slow
def test_the_chain_of_made_up_data_up_to_the_mask(root, monkeypatch):
    monkeypatch.setenv("BULK2SC_RESULTS", str(root / "results"))
    chain = Study("small", n_hvg=300, resource="hallmark", min_pathway_genes=5)
    bulk, raw, cells = chain.read("bulk"), chain.read("raw_cells"), chain.read("cells")
    assert bulk.uns["labels"]["drug"] == "Lapatinib"
    assert raw.n_obs == 200 and 0 < cells.n_obs < 200
    training, paired = chain.read("pair")
    assert not set(training.obs_names) & set(raw.uns["held_out"])
    assert training.n_obs == bulk.n_obs - len(raw.uns["held_out"])
    assert list(training.var_names) == list(paired.var_names) == sorted(training.var_names)
    # The tails are those of the lines that are left, not those of all lines.
    tested = training.obs["auc"].notna().sum()
    assert (training.obs["response"] == 1).sum() == (training.obs["response"] == 0).sum() == int(0.3 * tested)
    assert {"cluster", "response", "truth"} <= set(paired.obs)
    mask = chain.read("mask")
    assert list(mask.columns) == list(training.var_names)
    assert set(np.unique(mask)) == {0, 1} and mask.index[-1] == "free_5"
    stamp = json.loads((root / "results" / "training.pair.json").read_text())["stamp"]
    assert stamp["settings"] == {"n_hvg": 300, "pool": 0} and set(stamp["needs"]) == {"bulk", "labelled"}


# ---------------------------------------------------------------------------------------- parts


@pytest.fixture
def in_parts(made, monkeypatch):
    """Add an artefact made seed by seed, and one made name by name, to the quick makers."""

    def draws(bulk, *, part: int, n_seeds: int = 3, scale: float = 1.0):
        made.append(f"draws {part}")
        return pd.DataFrame({"seed": part, "value": scale * bulk["value"].to_numpy()})

    def fits(bulk, *, part: str, methods: list[str] = ["one", "other"]):  # noqa: B006
        made.append(f"fits {part}")
        return {"scores": pd.DataFrame({"method": [part]}), "curves": pd.DataFrame({"loss": [len(part)]})}

    registry = artefacts.ARTEFACTS | {
        "draws": Artefact("draws.csv.gz", draws, "pp", each="n_seeds"),
        "fits": Artefact("fits.tables", fits, "pp", each="methods"),
    }
    monkeypatch.setattr(artefacts, "ARTEFACTS", registry)
    return made


def test_parts_are_made_once_each_and_read_as_one_table(in_parts, root):
    table = Study("small").read("draws")
    assert in_parts == ["bulk", "draws 0", "draws 1", "draws 2"]
    assert table["seed"].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert table.index.tolist() == list(range(9))
    folder = root / "_build" / "interactive" / "results" / "draws"
    assert sorted(path.name for path in folder.glob("*.gz")) == ["0.csv.gz", "1.csv.gz", "2.csv.gz"]


def test_one_more_part_leaves_the_others_as_they_are(in_parts):
    Study("small").read("draws")
    in_parts.clear()
    assert len(Study("small", n_seeds=4).read("draws")) == 12
    assert in_parts == ["draws 3"]
    in_parts.clear()
    Study("small", n_seeds=2, scale=2.0).read("draws")
    assert in_parts == ["draws 0", "draws 1"]


def test_no_parts_at_all(in_parts):
    with pytest.raises(Bulk2scError, match="setting 'n_seeds' is 0: nothing to do; ask for at least one"):
        Study("small", n_seeds=0).read("draws")
