import gzip
import tarfile

import numpy as np
import pandas as pd
import pytest
from formats import genes, made_up_counts, triplet, write_tar

from bulk2sc.datasets import matrices
from bulk2sc.datasets.documented import Unlike
from bulk2sc.errors import Bulk2scError

HAND = {  # three forms of one table
    "tabs.txt": "GENE\ta\tb\nTP53\t0\t12\nEGFR\t0.5\t0.0\n",
    "r.txt": '"a"\t"b"\n"TP53"\t0\t12\n"EGFR"\t0.5\t0\n',
    "commas.csv": ",a,b\r\nTP53,0,1.2e1\r\nEGFR,.5,0\r\n",
}


def a_file(folder, name, text):
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize("name", HAND)
def test_read_matrix_by_hand(tmp_path, name, end):
    matrix, rows, columns = matrices.read_matrix(a_file(tmp_path, name + end, HAND[name]))
    assert (rows, columns) == (["TP53", "EGFR"], ["a", "b"])
    np.testing.assert_array_equal(matrix.toarray(), [[0, 12], [0.5, 0]])
    assert matrix.dtype == np.float32 and matrix.nnz == 2


def test_a_separator_in_a_quoted_name_separates_nothing(tmp_path):
    """As R's write.table leaves it, without a cell above the names of the rows."""
    text = '"pat,ient1","c2"\n"TP53",1,2\n"EGFR",3,4\n'
    matrix, rows, columns = matrices.read_matrix(a_file(tmp_path, "r.csv", text))
    assert (rows, columns) == (["TP53", "EGFR"], ["pat,ient1", "c2"])
    np.testing.assert_array_equal(matrix.toarray(), [[1, 2], [3, 4]])


@pytest.mark.parametrize("decimals", [0, 2])
def test_read_matrix_as_pandas_does(tmp_path, decimals):
    values = np.random.default_rng(0).exponential(3, size=(40, 300)).round(decimals)
    values[values < 2] = 0
    table = pd.DataFrame(
        values,
        [f"g{i}" for i in range(40)],
        [f"c{i}" for i in range(300)],
        dtype=int if not decimals else None,
    )
    table.to_csv(tmp_path / "a.csv.gz")
    matrix, rows, columns = matrices.read_matrix(tmp_path / "a.csv.gz")
    np.testing.assert_array_equal(matrix.toarray(), table.to_numpy(np.float32))
    assert (rows, columns) == (table.index.tolist(), table.columns.tolist())


LONG_LINE = "\t".join(["0"] * 150)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "expected columns separated by tabs or commas, found an empty file"),
        ("a b c\nTP53 1 2\n", "separated by tabs or commas, found the first line 'a b c'"),
        ("a;b\nTP53;1;2\n", "separated by tabs or commas, found the first line 'a;b'"),
        ("g\ta\tb\n", "expected a line for each gene, found only the first line"),
        ("g\ta\tb\nTP53\t1\t2\nEGFR\t1\n", "expected 2 values in every line, found 1 in line 3"),
        ("g\ta\tb\nTP53\t1\tx\n", "expected numbers, found 'x' in line 2"),
        ("g\ta\tb\nTP53\t1\tNA\n", "expected numbers, found 'NA' in line 2"),
        ("g\ta\tb\nTP53\t1\tnan\n", "expected numbers, found in line 2: a value is missing or infinite"),
        ("g\ta\tb\nTP53\t1\t\n", "expected numbers, found a missing value in line 2"),
        (
            f"g\t{LONG_LINE}\nTP53\t{LONG_LINE[:-1]}x\n",
            "expected numbers, found 'x' in line 2",
        ),
        (f"g\t{LONG_LINE}\nTP53\t{LONG_LINE[:-1]}\n", "expected numbers, found a missing value in line 2"),
        ('"a,1","b"\n"TP53",1,2,3\n', "expected 2 values in every line, found 3 in line 2"),
        ('"a,1,"b"\n"TP53",1,2\n', "expected 1 values in every line, found 2 in line 2"),
    ],
)
def test_a_table_of_another_form_is_refused(tmp_path, text, expected):
    with pytest.raises(Unlike) as error:
        matrices.read_matrix(a_file(tmp_path, "made_up.txt", text))
    assert str(error.value).startswith("made_up.txt: expected ") and expected in str(error.value)
    assert "\n" not in str(error.value)


def test_read_table_turns_cells_in_rows(tmp_path):
    table = pd.DataFrame([[1, 0, 3], [0, 5, 0]], ["cell_1", "cell_2"], ["TP53", "EGFR", "KRAS"])
    table.to_csv(tmp_path / "cells.csv")
    table.T.to_csv(tmp_path / "genes.csv")
    for name in ("cells.csv", "genes.csv"):
        cells = matrices.read_table(tmp_path / name)
        np.testing.assert_array_equal(cells.X.toarray(), table)
        assert cells.obs_names.tolist() == ["cell_1", "cell_2"]
        assert cells.var_names.tolist() == table.columns.tolist()


@pytest.fixture
def counts():
    return made_up_counts({"one": 5})["one"]


def in_folder(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return [folder / name for name in files]


FORMS = {
    "GSM1_a_": "GSM1_a",
    "GSM1_b/": "GSM1_b",
    "GSM1_b/filtered_gene_bc_matrices/hg19/": "GSM1_b",
}


@pytest.mark.parametrize("kind", ["genes", "features"])
@pytest.mark.parametrize("stem", FORMS)
def test_triplets_in_an_archive(tmp_path, counts, stem, kind):
    archive = write_tar(tmp_path / "GSE1_RAW.tar", triplet(stem, counts, kind))
    cells = matrices.read_files([archive])
    np.testing.assert_array_equal(cells.X.toarray(), counts.T)
    assert cells.var_names.tolist() == genes() and (cells.obs["file"] == FORMS[stem]).all()
    assert cells.obs["cell"].iloc[1] == "CAAAAAAA-1" and cells.obs_names[1] == f"{FORMS[stem]}_CAAAAAAA-1"
    assert [path.name for path in tmp_path.iterdir()] == ["GSE1_RAW.tar"]  # nothing is left beside it


def test_an_archive_for_each_sample_within_one(tmp_path, counts):
    for name in ("GSM1_a", "GSM2_b"):
        with tarfile.open(tmp_path / f"{name}.tar.gz", "w:gz") as inner:
            for path in in_folder(tmp_path / name, triplet("outs/", counts, "features")):
                inner.add(path, f"{name}/filtered_feature_bc_matrix/{path.name}")
                inner.add(path, f"{name}/raw_feature_bc_matrix/{path.name}")  # empty droplets too
    inside = {f"{name}.tar.gz": (tmp_path / f"{name}.tar.gz").read_bytes() for name in ("GSM1_a", "GSM2_b")}
    cells = matrices.read_files([write_tar(tmp_path / "GSE1_RAW.tar", inside)])
    assert cells.obs["file"].value_counts().to_dict() == {"GSM1_a": 5, "GSM2_b": 5}


def without(files, part):
    return {name: content for name, content in files.items() if part not in name}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda files, other: {"readme.pdf": b"hello"},
            "expected a matrix.mtx or a table .*, found 'readme.pdf",
        ),
        (
            lambda files, other: without(files, "barcodes"),
            r"expected a_barcodes.tsv or .* beside it, found 'a_",
        ),
        (lambda files, other: without(files, "genes"), r"expected a_features.tsv or .*a_genes.tsv.gz beside"),
        (
            lambda files, other: files | {"a_barcodes.tsv.gz": other["a_barcodes.tsv.gz"]},
            "expected 1513 genes x 4 barcodes, as named beside it, found 1513 x 5",
        ),
        (
            lambda files, other: files | {"a_matrix.mtx.gz": gzip.compress(b"no matrix\n")},
            "expected a matrix in Matrix Market format, found",
        ),
        (
            lambda files, other: files | {f"sub/{name}": content for name, content in files.items()},
            "expected one matrix for each sample, found two of 'a'",
        ),
    ],
)
def test_an_archive_of_another_form_is_refused(tmp_path, counts, change, expected):
    files, other = triplet("a_", counts, "genes"), triplet("a_", counts.iloc[:, 1:], "genes")
    with pytest.raises(Unlike, match=expected) as error:
        matrices.read_files([write_tar(tmp_path / "GSE1_RAW.tar", change(files, other))])
    assert "\n" not in str(error.value)


def test_a_member_outside_of_its_archive_is_refused(tmp_path):
    with pytest.raises(Bulk2scError, match="refused: its member"):
        matrices.read_files([write_tar(tmp_path / "GSE1_RAW.tar", {"../a_matrix.mtx": b""})])
