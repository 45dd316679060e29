"""Typed values, editions, and hashes of files."""

import numpy as np
import pytest
import small_book

from bulk2sc import settings
from bulk2sc.errors import Bulk2scError

pytest_plugins = ["small_book"]


# ---------------------------------------------------------------------------------------- typed values


@pytest.mark.parametrize(
    ("value", "type_name", "expected"),
    [
        (1, "int", 1),
        (1, "float", 1.0),
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
        ({"chapters": "alpha"}, "field 'chapters': .*list, found 'alpha'"),
        ({"parameters": ["k"]}, "field 'parameters': .*dictionary, found"),
        ({"paramters": {}}, "field 'paramters' is unknown.*Did you mean 'parameters'"),
    ],
)
def test_an_edition_of_the_wrong_form(root, fields, message):
    small_book.write_edition(root, **fields)
    with pytest.raises(Bulk2scError, match=f"editions/small.yml: {message}"):
        settings.load_edition("small")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "not valid YAML"),
        ("a: " + "[" * 5000, "not valid YAML"),
        ("a: &a [x]\nb: *a\n", "not valid YAML"),
        ("a: !!python/object/apply:os.system [echo]\n", "not valid YAML"),
        ("just words", "must hold 'name: value'"),
    ],
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


@pytest.mark.parametrize(
    ("text", "type_name", "value"),
    [
        ("010", "int", 10),
        ("[010, -2]", "list[int]", [10, -2]),
        ("1e-4", "float", 1e-4),
        ("08.50", "float", 8.5),
    ],
)
def test_numbers_are_decimal(text, type_name, value):
    assert settings.from_text(text, type_name, "x") == value
