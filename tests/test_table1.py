import gzip
import shutil

import formats
import numpy as np
import pandas as pd
import pytest

from bulk2sc import datasets, labels, pp
from bulk2sc.datasets import table1
from bulk2sc.errors import Bulk2scError

SETS = ("GSE117872", "GSE131984", "GSE108394", "GSE156246-BT474", "GSE156246-HCC1419")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return the files of every set by its key, written once. Do not change them: copy."""
    return formats.write_sets(tmp_path_factory.mktemp("mirror"), SETS)


@pytest.fixture(scope="module")
def mirrored(written, tmp_path_factory):
    """Return every set by its key, fetched from a mirror by the names that the registry knows."""
    return formats.load_sets(written, tmp_path_factory.mktemp("cache"))


def load(key, paths, monkeypatch):
    monkeypatch.setattr(table1, "fetch", lambda asked: paths if asked == key else None)
    return datasets.load_cells(key, bulk=None, drug="")


def copies(paths, folder):
    return [shutil.copy(path, folder / path.name) for path in paths]


def edit(path, *changes):
    """Change the text of a .gz file."""
    text = gzip.decompress(path.read_bytes()).decode()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_bytes(gzip.compress(text.encode()))


def test_gse117872(written, monkeypatch):
    cells = load("GSE117872", written["GSE117872"], monkeypatch)
    assert cells.uns["scale"] == "TPM" and pp.detect_scale(cells) == "log" and not cells.layers
    np.testing.assert_allclose(np.expm1(cells.X.toarray()).sum(1), 1e4, rtol=1e-4)
    counts = pd.concat(
        formats.made_up_counts(
            {"a": 35, "b": 20, "c": 35, "d": 20, "e": 15}  # of HN120, HN137 and HN148, in the writer's order
        ).values(),
        axis=1,
    )
    np.testing.assert_allclose(
        cells.X.toarray(), np.log1p(1e4 * (counts / counts.sum()).to_numpy().T), atol=1e-2
    )
    clusters = cells.obs["source_cluster"].value_counts().to_dict()
    assert clusters["HN120_Resistant"] == 20 and clusters["HN148_Holiday"] == 15 and cells.n_obs == 125
    assert (cells.obs["source_cluster"].str[:5] == cells.obs["origin"]).all()
    assert cells.obs_names[0] == "HN120-S_HN120-S-1" and cells.obs_names.is_unique
    assert set(cells.obs) == {"sample", "cell_line", "patient_id", "origin", "drug_status", "source_cluster"}
    assert cells.obs["cell_line"].isna().all()


def test_gse131984(written, monkeypatch):
    cells = load("GSE131984", written["GSE131984"], monkeypatch)
    made = formats.made_up_counts({"Pre": 60, "Paclitaxel": 50, "JQ1": 20})
    assert cells.obs["sample"].value_counts().to_dict() == {s: t.shape[1] for s, t in made.items()}
    for sample, table in made.items():
        one = cells[cells.obs["sample"] == sample].layers["counts"].toarray()
        np.testing.assert_array_equal(one, table.to_numpy().T)
    assert set(cells.obs["cell_line"]) == {"SUM159PT"} and cells.obs_names[0] == "Pre_AAAAAAAA-1"


def test_gse108394(written, monkeypatch):
    cells = load("GSE108394", written["GSE108394"], monkeypatch)
    assert cells.obs["population"].value_counts().to_dict() == {"parental": 60, "resistant": 60}
    assert set(cells.obs.loc[cells.obs["population"] == "resistant", "sample"]) == {"GSM2897334_451LUBR3"}
    made = formats.made_up_counts({"GSM2897333_451LU": 60, "GSM2897334_451LUBR3": 60})
    np.testing.assert_array_equal(
        cells.layers["counts"].toarray(), np.concatenate([table.to_numpy().T for table in made.values()])
    )
    assert set(cells.obs["cell_line"]) == {"451LU"} and cells.obs_names.is_unique


@pytest.mark.parametrize("line", table1.BREAST_LINES)
def test_gse156246(written, monkeypatch, line):
    cells = load(f"GSE156246-{line}", written[f"GSE156246-{line}"], monkeypatch)
    assert cells.obs["time"].value_counts().to_dict() == {"untreated": 50, "14d": 50, "6h": 20}
    assert cells.obs["sample"].str.contains(line).all() and set(cells.obs["cell_line"]) == {line}


@pytest.mark.parametrize(
    ("name", "time"),
    [
        ("GSM1_BT474_UT", "untreated"),
        ("BT474_untreated", "untreated"),
        ("BT474-Control", "untreated"),
        ("HCC1419_DMSO", "untreated"),
        ("BT474_0h", "untreated"),
        ("BT474_6h", "6h"),
        ("BT474_lapatinib_6_h", "6h"),
        ("BT474_lap_06h", "6h"),
        ("BT474_16h", None),
        ("BT474_14d", "14d"),
        ("BT474_lapatinib_14_days", "14d"),
        ("BT474_Day14", "14d"),
        ("BT474_DTP", "14d"),
        ("HCC1419_persisters", "14d"),
        ("BT474_10d", None),
        ("BT474", None),
    ],
)
def test_time_of_a_sample(name, time):
    assert table1.time_of(name) == time


@pytest.mark.filterwarnings("ignore:Bulk .* share")  # there are few made-up genes
@pytest.mark.parametrize("key", SETS)
def test_each_set_goes_all_the_way(mirrored, gdsc, tmp_path, key):
    """The registry finds the files; writing, control, rule and pairing take what the loader returns."""
    mirrored[key].write_h5ad(tmp_path / "raw.h5ad")
    cells = datasets.read_cells(tmp_path / "raw.h5ad")
    cells = pp.hold_out_own_lines(pp.resolve_symbols(pp.check_cells(cells, key)), gdsc)
    assert set(cells.uns["held_out"]) == set(cells.obs["cell_line"].dropna()) & set(gdsc.obs_names)
    passed = pp.qc_flags(cells, by="sample").obs["qc_pass"]
    assert passed.mean() > 0.8
    cells = pp.normalise(cells[passed].copy())
    cells.obs["cluster"] = "0"
    labelled = labels.label_cells(cells, labels.rule_for(key))
    assert {0.0, 1.0} <= set(labelled.obs["response"].dropna())
    lines = pp.train_lines(gdsc, cells.uns["held_out"])
    assert pp.pair(lines, labelled, n_hvg=300)[1].n_vars == 300


@pytest.fixture(scope="module")
def study_mirror(tmp_path_factory, written):
    """Return a mirror with the study's own files beside those of GEO."""
    mirror = tmp_path_factory.mktemp("both")
    shutil.copytree(written[SETS[0]][0].parents[1], mirror, dirs_exist_ok=True)
    return formats.write_study_cells(mirror)


@pytest.mark.parametrize("key", SETS)
def test_the_file_of_the_study_comes_first(study_mirror, tmp_path, monkeypatch, key):
    monkeypatch.setenv("BULK2SC_CACHE", str(tmp_path))
    monkeypatch.setenv("BULK2SC_MIRROR", str(study_mirror))
    cells = datasets.load_cells(key, bulk=None, drug="")
    assert cells.obs["sensitive"].value_counts().to_dict() == {"1": 70, "0": 50}
    assert pp.detect_scale(cells) == "log" and cells.uns["source_files"] == [formats.STUDY_FILES[key]]
    line = {"GSE117872": "", "GSE131984": "SUM159PT", "GSE108394": "451LU"}.get(key, key.partition("-")[2])
    assert cells.obs["cell_line"].astype(object).fillna("").unique().tolist() == [line]


@pytest.mark.parametrize(
    ("key", "file", "change", "expected"),
    [
        ("GSE117872", 1, ("cluster", "clusters"), r"expected a column 'cluster', found '.*'clusters'"),
        ("GSE117872", 1, ("groups", "cell"), "expected a column 'groups', found 'cell'"),
        ("GSE117872", 1, ("\t", ";"), "expected columns separated by tabs or commas, found the first line"),
        ("GSE117872", 1, ("HN148\t", "HN200\t"), "expected origins HN120, HN137, HN148, found HN200"),
        ("GSE117872", 1, ("HN1", "OC1"), "expected the cells of the matrix, found 0 of 125 .*'OC1"),
        ("GSE117872", 0, ("\t0.0\t", "\tlow\t"), "_TPM.txt.gz: expected numbers, found in line"),
        ("GSE117872", 0, ("\t0.0\t", "\t-1.5\t"), "expected counts or abundances, found negative values"),
        ("GSE131984", 1, ("orig.ident", "sample"), "expected a column 'orig.ident', found 'sample'"),
        ("GSE131984", 1, ("Pre", "Before"), "expected a level 'Pre' of orig.ident, found Before, JQ1, Pac"),
        ("GSE131984", 1, ("AA", "NN"), "expected the cells of the matrix, found "),
        ("GSE131984", 0, ("\t", " "), "expected columns separated by tabs or commas"),
    ],
)
def test_a_file_of_another_form_is_refused(written, monkeypatch, tmp_path, key, file, change, expected):
    paths = copies(written[key], tmp_path)
    edit(paths[file], change)
    with pytest.raises(Bulk2scError, match=expected) as error:
        load(key, paths, monkeypatch)
    assert str(error.value).startswith(f"{key}: {paths[file].name}: expected ")
    assert f"bulk2sc fetch {key} --from FILE" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("key", ["GSE117872", "GSE131984"])
def test_genes_of_no_known_kind_are_refused(written, monkeypatch, tmp_path, key):
    paths = copies(written[key], tmp_path)
    text = gzip.decompress(paths[0].read_bytes()).decode().splitlines()
    named = [text[0], *(f"probe_{i}\t" + line.partition("\t")[2] for i, line in enumerate(text[1:]))]
    paths[0].write_bytes(gzip.compress("\n".join(named).encode()))
    with pytest.raises(Bulk2scError, match="expected human genes, found names such as 'probe_0'"):
        load(key, paths, monkeypatch)
