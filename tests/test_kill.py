"""`kill -9` in the middle of a build: the next build finishes, with the results of an undisturbed one."""

import os
import shutil
import signal
import subprocess
import sys
import time

import anndata as ad
import numpy as np
import psutil
import pytest
import small_book

from bulk2sc import settings, workflow

pytest_plugins = ["small_book_fixtures"]


@pytest.fixture
def interrupted(tmp_path, monkeypatch):
    """Start a build, wait until its second chapter runs; return root, process and what holds the chapter."""
    root, gate = small_book.write_book(tmp_path / "book_root"), tmp_path / "gate"
    gate.touch()
    monkeypatch.setenv("BULK2SC_ROOT", str(root))
    environment = os.environ | {"SMALL_BOOK_GATE": str(gate)}
    command = [sys.executable, "-m", "bulk2sc.cli", "book", "--edition", "small", "--cores", "1"]
    with (tmp_path / "output").open("w") as output:
        build = subprocess.Popen(  # noqa: S603
            command,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
            # A shell without job control starts what runs in the background deaf to Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
    wait_for(lambda: gate.with_name("gate.reached").exists(), build)
    yield root, build, gate
    for process in family(build):
        process.kill()
    build.wait()


def wait_for(condition, build, seconds=180):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited too long"
        assert build.poll() is None, "the build ended"
        time.sleep(0.05)


def family(build):
    """Return the processes of a build: itself, Snakemake, the chapter's runner, the kernel."""
    try:
        parent = psutil.Process(build.pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def is_kernel(process):
    return "ipykernel_launcher" in " ".join(process.cmdline())


def assert_equal_to(root, undisturbed):
    one, two = (folder / "_build" / "small" for folder in (root, undisturbed))
    for pattern in ("notebooks/*/*.ipynb", "results/*.csv"):
        names = sorted(path.relative_to(two) for path in two.glob(pattern))
        assert names == sorted(path.relative_to(one) for path in one.glob(pattern)) and names
        for name in names:
            assert (one / name).read_bytes() == (two / name).read_bytes(), name
    for path in two.glob("results/*.h5ad"):
        left, right = ad.read_h5ad(one / "results" / path.name), ad.read_h5ad(path)
        assert left.obs.equals(right.obs) and left.var.equals(right.var)
        assert np.array_equal(left.to_df(), right.to_df())
    assert (one / "html" / "index.html").exists()
    assert not list(one.rglob(f"{settings.UNFINISHED}*"))


@pytest.mark.verify
def test_the_whole_build_is_killed(interrupted, small_book_built):
    root, build, gate = interrupted
    assert not list(root.rglob("_build/small/notebooks/first/beta.ipynb"))
    members = family(build)
    assert sum(map(is_kernel, members)) == 1
    for process in members:
        process.kill()
    build.wait()
    gate.unlink()
    workflow.build("small")
    assert_equal_to(root, small_book_built)


@pytest.mark.verify
def test_only_the_command_is_killed(interrupted, small_book_built, capfd):
    root, build, gate = interrupted
    orphans = family(build)[1:]
    build.kill()
    build.wait()
    gate.unlink()
    workflow.build("small")
    assert "another process builds in" in capfd.readouterr().out, "Snakemake is left to end first"
    psutil.wait_procs(orphans, timeout=60)
    assert not any(process.is_running() for process in orphans)
    assert_equal_to(root, small_book_built)


@pytest.mark.slow
def test_the_kernel_is_killed(interrupted, small_book_built, tmp_path):
    root, build, gate = interrupted
    next(filter(is_kernel, family(build))).kill()
    assert build.wait(timeout=120) == 2
    assert "bulk2sc: error: chapter 'beta': the kernel stopped" in (tmp_path / "output").read_text()
    gate.unlink()
    workflow.build("small")
    assert_equal_to(root, small_book_built)


@pytest.mark.verify
def test_ctrl_c_ends_everything(interrupted, small_book_built, tmp_path):
    root, build, gate = interrupted
    members = family(build)
    os.killpg(build.pid, signal.SIGINT)
    assert build.wait(timeout=60) == 130
    said = (tmp_path / "output").read_text()
    assert "bulk2sc: interrupted" in said and "Traceback" not in said
    psutil.wait_procs(members, timeout=60)
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in members)
    gate.unlink()
    workflow.build("small")
    assert_equal_to(root, small_book_built)


@pytest.mark.slow
def test_killed_between_a_notebook_and_its_provenance(small_book_built, tmp_path, monkeypatch):
    root = shutil.copytree(small_book_built, tmp_path / "copy")
    monkeypatch.setenv("BULK2SC_ROOT", str(root))
    (root / "_build" / "small" / "notebooks" / "first" / "beta.provenance.json").unlink()
    (root / "_build" / "small" / "results" / "cells.h5ad.json").unlink()
    (root / "_build" / "small" / "results" / f"{settings.UNFINISHED}x").mkdir()
    workflow.build("small")
    assert_equal_to(root, small_book_built)
