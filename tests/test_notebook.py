import nbformat
import pytest
from small_book import write_notebook

from bulk2sc.book import notebook
from bulk2sc.book.notebook import Parameter
from bulk2sc.errors import Bulk2scError

CELLS = [
    "import os, sys, warnings\nfrom pathlib import Path\nwarnings.warn('/a/path')\nprint('seed', seed, note)",
    "e = os.environ\nprint(e['MARK'], e['OMP_NUM_THREADS'], Path.cwd() == Path(e['BULK2SC_ROOT']))",
    "from IPython.display import display\ndisplay(1)\ndisplay(2)\n1 / 0",
]


@pytest.fixture
def source(tmp_path):
    """Return a notebook whose last cell raises, as it is tagged to."""
    declared = ["seed: int = 0  # random seed", 'note: str = "a"  # a remark']
    path = write_notebook(tmp_path / "source.ipynb", declared, {cell: [] for cell in CELLS})
    content = nbformat.read(path, 4)
    content.cells[-1].metadata["tags"] = ["raises-exception"]
    nbformat.write(content, path)
    return path


def run(source, output, values=None, **environment):
    environment = {"MARK": "marked", "BULK2SC_ROOT": str(source.parent)} | environment
    values = values or {"edition": "small", "seed": 3, "note": "b"}
    return notebook.execute("chap", nbformat.read(source, 4), output, values, environment)


# ---------------------------------------------------------------------------------------- parameters


def declared(tmp_path, *lines):
    return notebook.parameters(write_notebook(tmp_path / "n.ipynb", list(lines), {}))


def test_parameters_with_type_default_and_help(tmp_path):
    found = declared(
        tmp_path,
        "k: float = 0.3  # share: of the lines (each tail)",
        'methods: list[str] = ["LR", "shared AE"]  # what to compare',
        "sizes: dict[str, int] = {'a': 1}  # sizes",
        "lr: float = 1  # an int is a float too",
        "flag: bool = False  # on or off",
    )
    assert found == [
        Parameter("edition", "str", "small", "edition whose settings are used"),
        Parameter("k", "float", 0.3, "share: of the lines (each tail)"),
        Parameter("methods", "list[str]", ["LR", "shared AE"], "what to compare"),
        Parameter("sizes", "dict[str, int]", {"a": 1}, "sizes"),
        Parameter("lr", "float", 1.0, "an int is a float too"),
        Parameter("flag", "bool", False, "on or off"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "x: float | None = None  # papermill drops this",
        "x: int = 1  # a help with k = 3",
        "x: int = 1",
        "x = 1  # no type",
        "x: tuple = (1, 2)  # not a plain type",
        "x: list[list[int]] = [[1]]  # nor this",
        "x: int = 1 + 1  # computed",
        "x: int  # no value",
        "import os",
        "x: int = 1; y: int = 2  # two",
    ],
)
def test_a_parameter_line_that_would_be_dropped_is_refused(tmp_path, line):
    with pytest.raises(
        Bulk2scError, match=r"n.ipynb: cannot read the parameter line '.*write 'name: type = value"
    ):
        declared(tmp_path, line)


@pytest.mark.parametrize("tagged", [0, 2])
def test_exactly_one_cell_is_tagged_parameters(tmp_path, tagged):
    path = write_notebook(tmp_path / "n.ipynb", [], {"1": []})
    content = nbformat.read(path, 4)
    for number, cell in enumerate(content.cells[1:]):
        cell.metadata["tags"] = ["parameters"] if number < tagged else []
    nbformat.write(content, path)
    with pytest.raises(Bulk2scError, match=f"found {tagged} cells tagged 'parameters'"):
        notebook.parameters(path)


@pytest.mark.parametrize(
    ("text", "message"), [(None, "no such notebook"), ("{", "not a notebook"), ("", "not a not")]
)
def test_a_file_that_is_no_notebook(tmp_path, text, message):
    if text is not None:
        (tmp_path / "n.ipynb").write_text(text)
    with pytest.raises(Bulk2scError, match=f"n.ipynb: .*{message}"):
        notebook.parameters(tmp_path / "n.ipynb")


SOME = [Parameter("drug", "str", "Cisplatin", "a drug"), Parameter("k", "float", 0.3, "a share")]


# ---------------------------------------------------------------------------------------- execution


@pytest.mark.slow
def test_a_run_is_tidied_and_documented(source, tmp_path, monkeypatch):
    monkeypatch.setenv("BULK2SC_ROOT", str(tmp_path))
    provenance = run(source, tmp_path / "out" / "one.ipynb")
    made = nbformat.read(tmp_path / "out" / "one.ipynb", 4)
    assert made.cells[3].outputs[0].text == "seed 3 b\n"
    assert len(made.cells[3].outputs) == 1, "the warning is not shown"
    assert made.cells[4].outputs[0].text == "marked 1 True\n"
    assert made.cells[5].outputs[-1].ename == "ZeroDivisionError"
    assert [cell.id for cell in made.cells] == [f"cell-{n}" for n in range(6)]
    assert set(made.metadata) == {"kernelspec", "language_info"}
    assert not any("papermill" in cell.metadata or "execution" in cell.metadata for cell in made.cells)
    assert "/a/path" in (tmp_path / "out" / "one.log").read_text()

    assert provenance["parameters"] == {"edition": "small", "seed": 3, "note": "b"}
    assert provenance["commit"] == "not in git"
    assert 0 < provenance["seconds"] < 300 and 30 < provenance["peak_memory_mb"] < 3000
    assert {"python", "torch", "jupyter-book"} <= set(provenance["versions"])

    run(source, tmp_path / "out" / "two.ipynb")
    assert (tmp_path / "out" / "two.ipynb").read_bytes() == (tmp_path / "out" / "one.ipynb").read_bytes()


@pytest.mark.slow
def test_a_cell_that_raises_fails_the_run_and_nothing_is_left_but_the_traceback(tmp_path):
    cells = ["1", "def f():\n    raise ValueError('first line\\nsecond line')", "f()", "print('not reached')"]
    source = write_notebook(tmp_path / "source.ipynb", [], {cell: [] for cell in cells})
    (tmp_path / "out").mkdir()
    with pytest.raises(Bulk2scError) as caught:
        run(source, tmp_path / "out" / "chap.ipynb", {"edition": "small"})
    kept = tmp_path / "out" / "chap.failed.ipynb"
    assert str(caught.value) == (
        f"chapter 'chap', cell [5]: ValueError: first line; the notebook with the traceback is {kept}"
    )
    assert sorted(path.name for path in kept.parent.iterdir()) == ["chap.failed.ipynb", "chap.log"]
    failed = nbformat.read(kept, 4)
    assert "second line" in failed.cells[5].outputs[0].evalue and failed.cells[5].outputs[0].traceback
    assert failed.cells[6].outputs == []


# ---------------------------------------------------------------------------------------- cards


def test_the_run_card_shows_every_parameter_and_the_command():
    parameters = [*SOME, Parameter("pick", "str", "a|b", "one | another")]
    values = {"edition": "demo", "drug": "Lapatinib", "k": 0.3, "pick": "a|b"}
    card = notebook.run_card("chap", parameters, values)
    assert "| `drug` | str | `'Cisplatin'` | `'Lapatinib'` | a drug |" in card
    assert "| `k` | float | `0.3` | `0.3` | a share |" in card
    assert r"| `'a\|b'` | `'a\|b'` | one \| another |" in card
    assert "\nbulk2sc run chap --edition demo\n" in card
