"""Sources of unknown checksum, from an imitation of Figshare, of a folder of GEO and of a mirror."""

import gzip
import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

from bulk2sc.datasets import places, registry, transfer
from bulk2sc.datasets.cache import cache_dir, damage
from bulk2sc.datasets.fetch import fetch, noted, status
from bulk2sc.datasets.registry import Alternative, Source
from bulk2sc.errors import Bulk2scError

COUNTS = gzip.compress(bytes(range(256)) * 3000, mtime=0)
CELLS = b"cell\tPre\n"
FIRST, SECOND = ["S1_*.h5ad"], ["S1_counts.txt*", "S1_metadata.txt*"]
NAMES = ["S1_counts.txt.gz", "S1_metadata.txt"]


STUDY = b"\x89HDF\r\n\x1a\n" + bytes(range(256)) * 80


@pytest.fixture(autouse=True)
def surroundings(tmp_path, monkeypatch, server):
    monkeypatch.setenv("BULK2SC_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("BULK2SC_MIRROR", raising=False)
    monkeypatch.setattr(transfer, "PAUSE", 0.001)
    monkeypatch.setattr(places, "API", f"{server.url}/v2/articles")


@pytest.fixture
def geo(server):
    """Return the address of a folder that is listed as Apache lists it, and that has the second choice."""
    serve_folder(
        server, {NAMES[0]: COUNTS, NAMES[1]: CELLS, "S1_bulk (old).txt.gz": b"", "filelist.txt": b""}
    )
    return f"{server.url}/geo/S1/suppl/"


@pytest.fixture
def register(monkeypatch, geo):
    """Make a registry of one source, `S1`: the article 7 of Figshare, else a folder of GEO."""

    def make(*alternatives):
        choices = [("figshare:7", FIRST), (geo, SECOND)]
        given = [Alternative(place=place, files=files) for place, files in alternatives or choices]
        about = {"title": "t", "licence": "l", "citation": {}}
        source = {"S1": Source(key="S1", alternatives=given, **about)}
        monkeypatch.setattr(registry, "sources", lambda: source)

    make()
    return make


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """Return a function that puts files into a mirror, which is a folder."""
    monkeypatch.setenv("BULK2SC_MIRROR", str(tmp_path / "mirror"))

    def put(files):
        (tmp_path / "mirror" / "S1").mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (tmp_path / "mirror" / "S1" / name).write_bytes(content)
        return f"{tmp_path}/mirror/S1/"

    return put


def serve_folder(server, files, path="/geo/S1/suppl/"):
    above = path.rstrip("/").rpartition("/")[0] + "/"
    links = [
        "?C=N;O=D",
        above,
        *map(quote, files),
        "deeper/",
        "https://example.org/x.txt",
        "../S1_counts.txt.gz",
    ]
    page = "".join(f'<tr><td><a href="{link}">{link}</a></td></tr>' for link in links)
    server.files[path] = f"<html><table>{page}</table></html>".encode()
    server.files |= {path + quote(name): content for name, content in files.items()}


def serve_figshare(server, files, *, change=None):
    named = [
        {
            "name": name,
            "size": len(content),
            "computed_md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
            "download_url": f"{server.url}/files/{quote(name)}",
        }
        | (change or {})
        for name, content in files.items()
    ]
    server.files["/v2/articles/7/files?page_size=1000"] = json.dumps(named).encode()
    server.files |= {f"/files/{quote(name)}": content for name, content in files.items()}


def folder():
    return cache_dir() / "S1"


def kept():
    return {path.name for path in folder().glob("[!.]*")}


# ------------------------------------------------------------------------------ which alternative is taken


def test_the_first_alternative_is_taken(register, server, capfd):
    serve_figshare(server, {"S1_preprocessed.h5ad": STUDY, "other.h5ad": b"x"})
    (path,) = fetch("S1")
    assert path == folder() / "S1_preprocessed.h5ad" and path.read_bytes() == STUDY
    assert "/geo/S1/suppl/" not in dict(server.asked)
    said = capfd.readouterr().err.splitlines()
    assert said[0].startswith("bulk2sc: S1_preprocessed.h5ad (") and said[1:] == [
        "bulk2sc: S1: taken from figshare:7"
    ]


def test_without_figshare_the_folder_is_listed(register, server, geo, capfd):
    paths = fetch("S1")
    assert [path.name for path in paths] == NAMES  # in the order of the patterns
    assert [path.read_bytes() for path in paths] == [COUNTS, CELLS]
    said = capfd.readouterr().err.splitlines()
    assert said[0] == "bulk2sc: warning: S1: not from figshare:7 (HTTP 404)"
    assert said[-1] == f"bulk2sc: S1: taken from {geo}"


@pytest.mark.parametrize("address", ["/etc/passwd", "pip:evil==1", "file:///etc/passwd"])
def test_figshare_can_only_point_to_the_web(register, server, address):
    serve_figshare(server, {"S1_x.h5ad": STUDY}, change={"download_url": address})
    assert [path.name for path in fetch("S1")] == NAMES


@pytest.mark.parametrize(
    "name", ["../S1_x.h5ad", "/S1_x.h5ad", ".S1_x.h5ad", "S1_x\n.h5ad", "S1_x.h5ad.part"]
)
def test_names_that_could_leave_the_folder_are_not_taken(register, server, name):
    register(("figshare:7", ["*"]))
    serve_figshare(server, {name: STUDY})
    with pytest.raises(Bulk2scError, match="it has none at all"):
        fetch("S1")
    assert not kept()


# ------------------------------------------------------------------------------ the mirror


def test_the_mirror_comes_before_all_places(register, server, mirror):
    serve_figshare(server, {"S1_x.h5ad": STUDY})
    mirror({NAMES[0]: COUNTS, NAMES[1]: CELLS, ".hidden.txt": b"", "S1_counts.txt.gz.part": b""})
    assert [path.name for path in fetch("S1")] == NAMES
    assert server.asked == []


def test_a_mirror_on_the_web_is_listed(register, server, monkeypatch):
    serve_folder(server, {NAMES[0]: COUNTS, NAMES[1]: CELLS}, "/mirror/S1/")
    monkeypatch.setenv("BULK2SC_MIRROR", f"{server.url}/mirror")
    assert [path.name for path in fetch("S1")] == NAMES
    assert {path.split("/")[1] for path, _ in server.asked} == {"mirror"}


@pytest.mark.parametrize("there", [{}, {NAMES[0]: COUNTS}, {NAMES[0]: COUNTS[:-9], NAMES[1]: CELLS}])
def test_a_mirror_that_is_empty_incomplete_or_damaged_is_passed_over(register, mirror, capfd, there):
    place = mirror(there)
    assert [path.read_bytes() for path in fetch("S1")] == [COUNTS, CELLS]
    assert f"bulk2sc: warning: S1: not from {place} (" in capfd.readouterr().err


# ------------------------------------------------------------------------------ whole and right


def test_a_wrong_md5_is_passed_over_and_nothing_of_it_kept(register, server, capfd):
    serve_figshare(server, {"S1_x.h5ad": STUDY}, change={"computed_md5": "0" * 32})
    assert [path.name for path in fetch("S1")] == NAMES
    assert "S1_x.h5ad: wrong checksum: found md5 " in capfd.readouterr().err
    assert kept() == {*NAMES, "SHA256SUMS"}


def test_a_part_of_an_older_file_is_not_appended_to(register, server, monkeypatch):
    (folder()).mkdir(parents=True)
    (folder() / f"{NAMES[0]}.part").write_bytes(b"older")
    asked, get = [], transfer.get

    def note(url, headers, **options):
        asked.append(headers)
        if "Range" in headers:
            server.statuses = [412]  # what a server answers whose file is newer than If-Unmodified-Since
        return get(url, headers=headers, **options)

    monkeypatch.setattr(transfer, "get", note)
    assert fetch("S1")[0].read_bytes() == COUNTS
    assert asked[0]["Range"] == "bytes=5-" and asked[0]["If-Unmodified-Since"].endswith("GMT")
    assert "Range" not in asked[1]


def packed(folder):
    """Return the content of a file of each kind that is looked into, by its ending."""
    (folder / "in").mkdir()
    for name in ("a.txt", "b.txt"):
        (folder / "in" / name).write_bytes(bytes(range(256)) * 40)
    made = {
        f".{kind}": shutil.make_archive(str(folder / "a"), kind, folder / "in") for kind in ("zip", "tar")
    }
    return {".gz": COUNTS, ".h5ad": STUDY} | {kind: Path(path).read_bytes() for kind, path in made.items()}


@pytest.mark.parametrize("ending", [".gz", ".zip", ".tar", ".h5ad"])
def test_archives_have_to_be_whole(tmp_path, ending):
    path, content = tmp_path / "a.part", packed(tmp_path)[ending]
    path.write_bytes(content)
    assert damage(path, f"a{ending}") == ""
    cut = content[: 5 if ending == ".h5ad" else len(content) // 2]  # of an .h5ad only the beginning is read
    for wrong in (cut, b"<html>log in</html>", b""):
        path.write_bytes(wrong)
        assert damage(path, f"a{ending}"), wrong[:9]
    path.write_bytes(content)
    assert damage(path, "a.txt") == ""


# ------------------------------------------------------------------------------ noted, then verified


def test_checksums_are_noted_as_sha256sum_writes_them(register):
    assert (noted("S1"), status("S1")) == ("", "missing")
    fetch("S1")
    lines = (folder() / "SHA256SUMS").read_text().splitlines()
    assert lines == [
        f"{hashlib.sha256(content).hexdigest()}  {name}"
        for name, content in zip(NAMES, (COUNTS, CELLS), strict=True)
    ]
    subprocess.run(["sha256sum", "--check", "--status", "SHA256SUMS"], cwd=folder(), check=True)  # noqa: S607
    assert status("S1") == "here"


def test_once_here_no_network_is_needed_and_the_choice_is_remembered(register, server):
    fetch("S1")
    serve_figshare(server, {"S1_x.h5ad": STUDY})  # the first choice is back
    server.asked.clear()
    assert [path.name for path in fetch("S1")] == NAMES
    assert server.asked == []


def test_a_damaged_file_is_brought_again_and_the_others_stay(register, server, capfd):
    before = fetch("S1"), noted("S1")
    before[0][0].write_bytes(COUNTS[:-1] + b"x")
    serve_figshare(server, {"S1_x.h5ad": STUDY})
    server.asked.clear()
    assert (fetch("S1"), noted("S1")) == before and before[0][0].read_bytes() == COUNTS
    assert [path for path, _ in server.asked] == ["/geo/S1/suppl/", f"/geo/S1/suppl/{NAMES[0]}"]
    assert "is missing or damaged, it is brought again" in capfd.readouterr().err


def test_another_file_than_the_first_time_is_refused(register, server):
    paths = fetch("S1")
    paths[1].unlink()
    server.files["/geo/S1/suppl/" + NAMES[1]] = b"changed since\n"
    with pytest.raises(Bulk2scError) as error:
        fetch("S1")
    message = str(error.value)
    assert f"{NAMES[1]}: another file than the first time: found sha256 " in message
    assert hashlib.sha256(CELLS).hexdigest() in message and f"delete the folder {folder()}" in message
    assert status("S1") == "1 of 2 files"


def test_what_was_brought_before_a_break_is_not_asked_for_again(register, server):
    cells = server.files.pop("/geo/S1/suppl/" + NAMES[1])
    with pytest.raises(Bulk2scError, match=r"S1: not to be had from .*/suppl/ \(S1_metadata.txt: HTTP 404"):
        fetch("S1")
    assert (status("S1"), noted("S1")) == ("1 of 2 files", "")
    server.files["/geo/S1/suppl/" + NAMES[1]] = cells
    server.asked.clear()
    assert [path.name for path in fetch("S1")] == NAMES
    assert NAMES[0] not in "".join(path for path, _ in server.asked)


# ------------------------------------------------------------------------------ errors, and files by hand


def test_other_names_than_documented_are_said_with_what_to_do(register, server):
    serve_folder(server, {f"S1_count_matrix_{i}.txt.gz": COUNTS for i in range(7)} | {"README": b""})
    with pytest.raises(Bulk2scError) as error:
        fetch("S1")
    message = str(error.value)
    assert "\n" not in message
    found = message.partition("no file like 'S1_counts.txt*'; it has ")[2].partition(")")[0].split(", ")
    assert len(found) == 5 and all(name.startswith("S1_count_matrix_") for name in found)  # the nearest
    assert "Wanted: S1_*.h5ad; or S1_counts.txt* and S1_metadata.txt*." in message
    assert "bulk2sc fetch S1 --from FILE" in message and "figshare:7 (HTTP 404)" in message


def test_files_by_hand_are_known_by_their_names(register, server, tmp_path):
    for name, content in zip(NAMES, (COUNTS, CELLS), strict=True):
        (tmp_path / name).write_bytes(content)
    server.files.clear()
    assert fetch("S1", from_files=[tmp_path / NAMES[1]]) == [folder() / NAMES[1]]
    assert status("S1") == "1 of 2 files"
    taken = fetch("S1", from_files=[tmp_path / name for name in NAMES])
    assert taken == fetch("S1") == [folder() / name for name in NAMES]
    assert noted("S1") and server.asked == []


def test_a_name_that_no_pattern_has_is_refused_with_the_patterns(register, tmp_path):
    (tmp_path / "counts.txt").write_bytes(b"x")
    with pytest.raises(Bulk2scError) as error:
        fetch("S1", from_files=[tmp_path / "counts.txt"])
    assert str(error.value).startswith(f"{tmp_path}/counts.txt: its name does not say which file of S1 it is")
    assert "expected S1_*.h5ad; or S1_counts.txt* and S1_metadata.txt*." in str(error.value)
    with pytest.raises(Bulk2scError, match="there is no such file to take for S1"):
        fetch("S1", from_files=[tmp_path / NAMES[0]])
    assert not kept()
