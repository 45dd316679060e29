"""The store: made once, found by address, whatever is killed, changed or full."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tiny_steps
import yaml
from threadpoolctl import threadpool_info, threadpool_limits

from bulk2sc import datasets, settings
from bulk2sc.book import Study, store
from bulk2sc.book import study as book_study
from bulk2sc.errors import Bulk2scError

HERE = Path(__file__).parent
HEAD = """
import tiny_steps
from bulk2sc.book import Study, study

study.steps = tiny_steps
study = Study("tiny")
"""


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Return a project of tiny steps."""
    (tmp_path / "editions").mkdir()
    edition = {"title": "Tiny", "chapters": ["one"], "parameters": {"n": 3}}
    (tmp_path / "editions" / "tiny.yml").write_text(yaml.safe_dump(edition))
    for name, value in {"BULK2SC_ROOT": tmp_path, "COUNT": tmp_path / "count", "BULK2SC_JOBS": 2}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(book_study, "steps", tiny_steps)
    book_study._code_of_step.cache_clear()
    store._read_module.cache_clear()
    return tmp_path


def made(root):
    """Return what was made since this was last asked."""
    count = root / "count"
    found = count.read_text().split() if count.exists() else []
    count.unlink(missing_ok=True)
    return found


def start(root, code, **environment):
    """Run code in another process, in which `study` is a study of tiny steps."""
    (root / "script.py").write_text(HEAD + textwrap.dedent(code))
    environment = os.environ | {"PYTHONPATH": f"{HERE}{os.pathsep}{HERE.parent}"} | environment
    return subprocess.Popen(
        [sys.executable, str(root / "script.py")],
        env=environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(path, process):
    until = time.monotonic() + 60
    while not path.exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < until, "waited too long"
        time.sleep(0.02)


def entries(root):
    return sorted(path.name for path in (root / "_build" / "store").iterdir() if path.name != ".locks")


# --------------------------------------------------------------------------------------------- made once


def test_a_step_is_made_once_with_what_it_reads(root):
    first, second = Study("tiny").read("both")
    assert list(first["value"]) == [0, 1, 2] and list(second["value"]) == [0, 2, 4]
    assert made(root) == ["numbers", "doubled", "both"]
    Study("tiny").read("both")
    assert made(root) == []


def test_a_setting_makes_what_depends_on_it_and_the_former_stays(root):
    study = Study("tiny")
    study.read("both")
    made(root)
    assert list(study.read("doubled", times=3)["value"]) == [0, 3, 6]
    assert made(root) == ["doubled"], "numbers do not depend on it"
    assert list(Study("tiny", n=1).read("doubled")["value"]) == [0]
    assert made(root) == ["numbers", "doubled"]
    assert list(study.read("doubled")["value"]) == [0, 2, 4] and made(root) == []


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: Study("tiny", m=1), "Study: setting 'm' is unknown"),
        (
            lambda: Study("tiny").read("number"),
            "step 'number' is unknown; it is one of both, doubled, numbers. Did you mean 'numbers'",
        ),
        (lambda: Study("tiny").read("numbers", times=2), "numbers: setting 'times' is unknown"),
        (lambda: Study("tiny", n="3").read("numbers"), "numbers: setting 'n' must be int, found '3'"),
        (lambda: Study("tinny"), "edition 'tinny' is unknown"),
    ],
)
def test_mistakes_are_one_line(root, ask, message):
    with pytest.raises(Bulk2scError) as error:
        ask()
    assert message in str(error.value) and "\n" not in str(error.value)
    assert made(root) == []


def test_the_steps_of_the_book_are_at_most_twelve_and_a_setting_means_the_same_everywhere():
    found = book_study.all_steps()
    assert len(found) <= 12 and {"bulk", "pair", "model"} <= found.keys()
    assert {need for step in found.values() for need in book_study.needs_of(step)} <= found.keys()
    settings = [item for step in found.values() for item in book_study._settings(step).items()]
    meanings = {(name, str(setting)) for name, setting in settings}
    assert len(meanings) == len({name for name, _ in settings})
    assert all(setting.default is not setting.empty for _, setting in settings)


# ------------------------------------------------------------------------------------------------- code


def module(tmp_path, source):
    """Return the function `step` of a module with this source."""
    path = tmp_path / f"module_{time.monotonic_ns()}.py"
    path.write_text(textwrap.dedent(source))
    spec = {}
    exec(compile(path.read_text(), str(path), "exec"), spec | {"__name__": "x"}, spec)  # noqa: S102
    spec["step"].__globals__.update(spec)
    return spec["step"]


ONE = """
    import math
    FACTOR = 2
    def helper(x):
        return FACTOR * x
    def step(numbers, *, n: int = 1):
        from bulk2sc import errors
        return helper(numbers) + math.pi
"""


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("", "", True),
        ("    def step", "    # a comment\n    def step", True),
        ("return FACTOR * x", '"""A docstring."""\n        return (FACTOR\n            * x)', True),
        ("FACTOR = 2", "FACTOR = 3", False),
        ("FACTOR * x", "FACTOR + x", False),
        ("math.pi", "math.e", False),
        ("import math", "import cmath as math", False),
        ("import errors", "import settings", False),
        ("FACTOR = 2", "FACTOR = 2\n    UNUSED = 1", True),
    ],
)
def test_code_counts_and_comments_do_not(tmp_path, old, new, same):
    before, after = (store.code_of(module(tmp_path, text)) for text in (ONE, ONE.replace(old, new)))
    assert (before == after) is same


def test_the_closure_of_imports_reaches_what_a_module_imports_in_functions_and_above():
    found = store.closure({"bulk2sc.pp"})
    assert {"bulk2sc", "bulk2sc.pp", "bulk2sc.errors"} <= found.keys()
    assert not any(name.startswith(("bulk2sc.models", "bulk2sc.book", "bulk2sc.pl")) for name in found)
    assert "bulk2sc.train" in store.closure({"bulk2sc.models.base"})


@pytest.mark.parametrize(
    ("source", "package", "found"),
    [
        ("from bulk2sc import pp as p, evaluate", "bulk2sc", {"bulk2sc", "bulk2sc.pp", "bulk2sc.evaluate"}),
        ("def f():\n    import bulk2sc.models.base", "bulk2sc", {"bulk2sc.models.base"}),
        ("from .genes import to_symbols", "bulk2sc.datasets", {"bulk2sc.datasets.genes"}),
        ("from .. import pp", "bulk2sc.datasets", {"bulk2sc", "bulk2sc.pp"}),
        ("import numpy\nfrom scipy import stats", "bulk2sc", set()),
    ],
)
def test_imports_are_found(source, package, found):
    assert store.modules(source, package) == found


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("versions", lambda packages: {"torch": "another"}),
        ("data_digest", lambda: "another"),
    ],
)
def test_versions_and_data_are_part_of_the_address(root, monkeypatch, name, value):
    before = Study("tiny").task("both", {}).path
    monkeypatch.setattr(store, name, value)
    assert Study("tiny").task("both", {}).path != before


def test_what_rounds_sums_is_part_of_the_address_of_what_is_trained(monkeypatch):
    def keys():
        return [Study("smoke").task(name, {}).key for name in ("cells", "autoencoder")]

    before = keys()
    for machine in ({"precision": "x", "gpu": False}, {"precision": settings.precision(), "gpu": True}):
        monkeypatch.setattr(store, "arithmetic", lambda machine=machine: machine)
        after = keys()
        assert before[0] == after[0] and before[1] != after[1]


def test_a_result_is_made_with_one_thread(root):
    def threads(*, seed):
        return {"most": max(library["num_threads"] for library in threadpool_info())}

    with threadpool_limits(2):
        assert Study("tiny").task(threads, {"seed": 0}).value() == {"most": 1}


def test_files_of_ones_own_are_part_of_the_address_and_read_once(tmp_path, monkeypatch):
    own = tmp_path / "cells.h5ad"
    own.write_text("one")
    study = Study("smoke", cells_source=str(own))

    def keys():
        return {name: study.task(name, {}).key for name in ("bulk", "raw_cells", "pair")}

    before = keys()
    with monkeypatch.context() as patch:
        patch.setattr(settings.hashlib, "file_digest", lambda *_: pytest.fail("read again"))
        assert keys() == before
    own.write_text("two")
    os.utime(own, ns=(0, 1))
    assert {name for name, key in keys().items() if before[name] != key} == {"raw_cells", "pair"}


def test_the_registry_counts_by_the_rows_of_what_is_read(tmp_path, monkeypatch):
    known, study = dict(datasets.sources()), Study("demo", cells_source="GSE118767")
    steps = ("bulk", "raw_cells", "scores")
    before = {name: study.task(name, {}).key for name in steps}

    def changed(key, **fields):
        other = known | {key: known[key].model_copy(update=fields)}
        monkeypatch.setattr("bulk2sc.datasets.sources", lambda: other)
        return [name for name in steps if study.task(name, {}).key != before[name]]

    file = known["GSE118767"].files[0].model_copy(update={"sha256": "0" * 64})
    assert changed("GSE118767", title="Another") == changed("GSE173634", files=[file]) == []
    assert changed("GSE118767", files=[file]) == ["raw_cells", "scores"]


def test_data_that_only_downloading_pins_are_fetched_before_the_address_is_taken(root, monkeypatch):
    notes = {}
    monkeypatch.setattr(datasets, "needed", lambda settings: ["GSE117872"] if "n" in settings else [])
    monkeypatch.setattr(datasets, "noted", lambda key: notes.get(key, ""))
    monkeypatch.setattr(datasets, "fetch", lambda key: notes.update({key: "sha"}))
    Study("tiny").read("doubled")
    assert notes == {"GSE117872": "sha"} and made(root) == ["numbers", "doubled"]
    Study("tiny").read("doubled")
    assert made(root) == []


# ---------------------------------------------------------------------------------------------- formats


def test_values_survive_their_files_exactly(tmp_path):
    table = pd.DataFrame(
        {
            "drug": ["123138", "NA", ""],
            "value": [0.1 + 0.2, np.nan, 1e-300],
            "n": [1, 2, 3],
            "yes": [True, False, True],
            "lacking": [None, "", "None"],
            "empty": ["a", np.nan, "b"],
            "maybe": [True, None, False],
            "seed": pd.array([1, None, 3], dtype="Int64"),
            "share": np.array([0.1, np.nan, 3], dtype="float32"),
        }
    )
    tables = {
        "table": table,
        "none": table.head(0),
        "part": table.iloc[1:],
        "indexed": table.set_index("drug")[["value"]].rename_axis(columns="of"),
        "several": table.set_index(["drug", "n"])[["value"]],
        "unnamed": pd.DataFrame({"a": [1.5]}, index=["0"]),
    }
    value = {
        **tables,
        "array": np.eye(2, dtype="float32"),
        "tuple": tuple(range(12)),
        "plain": {"a": [1, "b", None]},
    }
    store.write(value, tmp_path / "value")
    found = store.read(tmp_path / "value.dict")
    for name, kept in tables.items():
        pd.testing.assert_frame_equal(found[name], kept)
    assert list(found["table"]["lacking"]) == [None, "", "None"], "what is missing is no text"
    assert list(found["table"]["maybe"]) == [True, None, False]
    assert found["array"].dtype == "float32" and np.array_equal(found["array"], np.eye(2))
    assert found["tuple"] == value["tuple"] and found["plain"] == value["plain"]


@pytest.mark.parametrize("value", [{1: 2}, pd.DataFrame({"when": [pd.Timestamp("2020-01-01")]}), [{3}]])
def test_what_would_come_back_otherwise_is_refused(value, tmp_path):
    with pytest.raises(Bulk2scError, match="the store keeps"):
        store.write(value, tmp_path / "value")


# ------------------------------------------------------------------------------- kill, lock, full, read-only


def test_two_processes_make_a_step_once(root):
    gate = root / "gate"
    gate.touch()
    both = [start(root, "print(study.read('numbers')['value'].sum())", GATE=str(gate)) for _ in range(2)]
    wait_for(root / "gate.reached", both[0])
    time.sleep(3)  # both have come to the lock
    gate.unlink()
    said = [process.communicate(timeout=60) for process in both]
    assert [output.strip() for output, _ in said] == ["3", "3"]
    assert made(root) == ["numbers"]
    assert sum("waiting for another process that makes it" in errors for _, errors in said) == 1


def test_a_disk_that_fills_while_cells_are_written_is_one_line(root):
    code = """
    import resource, signal
    import anndata as ad, numpy as np
    from bulk2sc.book import store
    from bulk2sc.errors import Bulk2scError
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    cells = ad.AnnData(np.random.default_rng(0).normal(size=(500, 500)))
    task = study.task("numbers", {})
    object.__setattr__(task, "function", lambda **settings: cells)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    try:
        task.make()
    except Bulk2scError as error:
        print(error)
    """
    output, errors = start(root, code).communicate(timeout=60)
    assert "store: cannot be written (File too large)" in output and output.count("\n") == 1, errors
    assert entries(root) == []


def test_what_is_in_a_read_only_store_is_read_and_nothing_else(root, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    Study("tiny").read("numbers")
    for name in ("mkdir", "write_text", "touch", "unlink"):
        monkeypatch.setattr(Path, name, refuse)
    for name in ("replace", "open", "mkdir", "unlink"):
        monkeypatch.setattr(os, name, refuse)
    assert len(Study("tiny").read("numbers")) == 3
    with pytest.raises(Bulk2scError, match=r"store.*: cannot be written \(Read-only file system\)"):
        Study("tiny").read("doubled")


def test_a_damaged_result_is_named(root):
    study = Study("tiny")
    study.read("numbers")
    (study.task("numbers", {}).path / "value.json-gz").write_bytes(b"")
    with pytest.raises(Bulk2scError, match=r"numbers-\w+: is damaged .* remove it"):
        study.read("numbers")


# -------------------------------------------------------------------------------------------------- fits


def mean(numbers, *, seed, start: int = 0):
    """Return one row."""
    tiny_steps._count(f"fit{seed}")
    return {"mean": float(numbers["value"].mean()) + seed}


def test_fits_are_one_tidy_table_kept_one_by_one(root):
    study = Study("tiny")
    table = study.each(mean, {"start": [0, 10], "seed": [0, 1]})
    assert table.to_dict("list") == {
        "start": [0, 0, 10, 10],
        "seed": [0, 1, 0, 1],
        "mean": [1.0, 2.0, 11.0, 12.0],
    }, "start is a setting of the step that a fit reads, too"
    assert sorted(made(root)) == ["fit0", "fit0", "fit1", "fit1", "numbers", "numbers"]
    more = study.each(mean, {"start": [0, 10], "seed": [0, 1, 2]})
    assert len(more) == 6 and made(root) == ["fit2", "fit2"]


def test_fits_that_return_tables_and_others(root):
    def few(numbers, *, seed):
        return numbers.head(seed)

    def array(*, seed):
        return np.full(2, seed)

    study = Study("tiny")
    table = study.each(few, [{"seed": 1}, {"seed": 2}])
    assert list(table["seed"]) == [1, 2, 2] and list(table["name"]) == ["00", "00", "01"]
    assert [list(value) for value in study.each(array, {"seed": np.arange(5, 7)})] == [[5, 5], [6, 6]]


def test_a_step_is_a_fit_too(root):
    table = Study("tiny").each("doubled", {"times": [2.0, 3.0]})
    assert list(table["times"]) == [2.0] * 3 + [3.0] * 3 and list(table["value"]) == [0, 2, 4, 0, 3, 6]


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"sead": [0]}, "mean: setting 'sead' is unknown"),
        ({"start": [0]}, "mean: setting 'seed' has no value"),
        ({"seed": [{"a": object()}]}, "mean: setting 'seed' must be a plain value"),
        ({"seed": []}, "the grid is empty"),
    ],
)
def test_a_grid_that_cannot_be_is_refused(root, grid, message):
    with pytest.raises(Bulk2scError, match=message):
        Study("tiny").each(mean, grid)


def test_a_fit_that_reads_through_the_study_is_refused(root):
    study = Study("tiny")

    def reads(*, seed):
        return {"mean": study.read("numbers")["value"].mean()}

    with pytest.raises(Bulk2scError, match="a fit takes the steps it reads as arguments"):
        study.each(reads, {"seed": [0]})


FITS = """
import os, time
def fit(numbers, *, seed):
    tiny_steps._count(f"fit{seed}")
    if seed == 2:
        tiny_steps._wait()
    return {"value": seed}
print(study.each(fit, {"seed": [0, 1, 2, 3]})["value"].sum())
"""


def test_a_kill_loses_one_fit(root):
    Study("tiny").read("numbers")
    made(root)
    gate = root / "gate"
    gate.touch()
    process = start(root, FITS, GATE=str(gate), BULK2SC_JOBS="1")
    wait_for(root / "gate.reached", process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    gate.unlink()
    assert made(root) == ["fit0", "fit1", "fit2"]
    output, errors = start(root, FITS, BULK2SC_JOBS="1").communicate(timeout=60)
    assert output.strip() == "6", errors
    assert made(root) == ["fit2", "fit3"]
