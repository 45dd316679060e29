"""More cells than memory allows are refused before anything is trained, whatever sets the limit."""

import os

import planted
import pytest

from bulk2sc.clustering import memory
from bulk2sc.clustering.attention_ae import attention_ae
from bulk2sc.clustering.deep_cluster import deep_cluster
from bulk2sc.clustering.graph_ae import graph_ae
from bulk2sc.errors import Bulk2scError

MACHINE = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def limit(tmp_path, monkeypatch):
    """Return a function that sets the limits of control groups, by folder, of a process in `job/step`."""
    monkeypatch.setattr(memory, "CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(memory, "OWN_CGROUP", tmp_path / "own")

    def write(own="12:memory:/old\n0::/job/step\n", **limits):
        (tmp_path / "own").write_text(own)
        for folder, text in limits.items():
            path = tmp_path / "cgroup" / folder.replace("_", "/") / "memory.max"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")

    return write


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"job": 2000, "job_step": 1000}, 1000),
        ({"job": 1000, "job_step": 2000}, 1000),  # that of the group around it holds too
        ({"job": "max", "job_step": 1000}, 1000),
        ({"job_step": "max"}, MACHINE),
        ({"job_step": 2 * MACHINE}, MACHINE),
        ({"job_step_deeper": 1000, "other": 1000}, MACHINE),
        ({"own": "0::/\n", "": 1000}, 1000),  # in a container its own group is the root
        ({"own": "0::/of/the/host\n", "": 1000}, 1000),  # or is named as outside
        ({"own": "4:memory:/old\n"}, MACHINE),
    ],
)
def test_the_least_limit_counts(limit, limits, expected):
    limit(**limits)
    assert memory.available() == expected


@pytest.mark.parametrize(
    ("name", "method"),
    [("AttentionAE-sc", attention_ae), ("scDeepCluster", deep_cluster), ("graph AE", graph_ae)],
)
def test_more_cells_than_memory_allows_are_refused_before_training(limit, monkeypatch, name, method):
    monkeypatch.setattr("bulk2sc.train.minimise", lambda *_, **__: pytest.fail("trained"))
    monkeypatch.setattr("bulk2sc.train.fit_full_batch", lambda *_, **__: pytest.fail("trained"))
    limit(job=100_000)
    with pytest.raises(Bulk2scError) as error:
        method(planted.cells(), n_hvg=60)
    assert str(error.value).startswith(
        f"{name}: 180 cells x 60 genes need about 0.0 GB of memory, there are 0.0"
    )
    assert str(error.value).endswith("; give fewer cells or a lower n_hvg") and "\n" not in str(error.value)
