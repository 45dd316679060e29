"""Made-up files of single cells in the formats in which the real ones are deposited, laid out as a mirror.

Gene symbols are real, no value is. `write_cells(mirror)` makes all, for a whole run of an edition with
BULK2SC_MIRROR set to that folder; the traps of the real files are in them.
"""

import gzip
import io
import itertools
import tarfile
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.io import mmwrite

from bulk2sc import datasets
from bulk2sc.datasets.genes import MITOCHONDRIAL, gene_ids, gene_sets

N_GENES, N_SHIFTED = 1500, 200
UMIS, MITO = 1500, 0.05


@lru_cache(maxsize=1)
def genes() -> list[str]:
    """Return the symbols that all files share, the mitochondrial ones last."""
    return sorted(set().union(*gene_sets("hallmark").values()))[:N_GENES] + list(MITOCHONDRIAL)


def made_up_counts(groups: Mapping[str, int]) -> dict[str, pd.DataFrame]:
    """
    Return counts (genes x cells) by group; `groups` gives the numbers of cells.

    Negative binomial, about 1,500 a cell, 5 % mitochondrial; each group shifts other genes, about twofold.
    """
    rng = np.random.default_rng(0)
    level = np.append(rng.lognormal(sigma=1.0, size=N_GENES), np.zeros(len(MITOCHONDRIAL)))
    level[N_GENES:] = MITO / (1 - MITO) * level.sum() / len(MITOCHONDRIAL)
    made = {}
    for group, n in groups.items():
        shift = np.zeros(len(level))
        shift[rng.choice(N_GENES, N_SHIFTED, replace=False)] = rng.normal(scale=0.8, size=N_SHIFTED)
        profile = level * np.exp(shift)
        library = rng.lognormal(np.log(UMIS), 0.2, size=(n, 1))
        mean = library * profile / profile.sum() * rng.gamma(4, 1 / 4, size=(n, len(level)))
        made[group] = pd.DataFrame(rng.poisson(mean).T, index=genes())
    return made


def side_by_side(groups: Mapping[str, int], name: Callable[[str, int], str]) -> tuple[pd.DataFrame, list]:
    """Return the counts of all groups as one table, cells named by group and number, and their groups."""
    every = pd.concat(made_up_counts(groups).values(), axis=1)
    of = [(group, i) for group, n in groups.items() for i in range(n)]
    return every.set_axis([name(*one) for one in of], axis=1), [group for group, _ in of]


def barcodes(n: int) -> list[str]:
    """Return n different barcodes, the same ones for every sample."""
    return ["".join("ACGT"[i // 4**k % 4] for k in range(8)) for i in range(n)]


def write_gse117872(folder: Path) -> list[Path]:
    """TPM and cellinfo; R has turned the dashes of the cells' names into dots in the matrix."""
    groups = {"HN120_Sensitive": 35, "HN120_Resistant": 20, "HN137_Sensitive": 35, "HN137_Resistant": 20}
    groups["HN148_Holiday"] = 15
    counts, clusters = side_by_side(groups, lambda name, i: f"{name[:5]}-{name[6]}-{i + 1}")
    tpm = (counts / counts.sum() * 1e6).round(2)
    about = pd.DataFrame({"groups": tpm.columns, "cluster": clusters, "patient_id": "red"})
    about["cell_color"], about["origin"] = about["groups"].str[:7], about["groups"].str[:5]
    about["drug_status"] = np.where(about["cluster"].str.contains("Sensitive"), "Sensitive", "Cisplatin")
    matrix, info = (folder / f"GSE117872_good_Data_{kind}.txt.gz" for kind in ("TPM", "cellinfo"))
    matrix.write_bytes(as_r_writes(tpm.rename(columns=lambda name: name.replace("-", "."))))
    about[::-1].to_csv(info, sep="\t", index=False)  # in another order
    return [matrix, info]


def write_gse131984(folder: Path) -> list[Path]:
    """Counts and metadata; the barcodes have dots in one and dashes in the other."""
    groups = {"Pre": 60, "Paclitaxel": 50, "JQ1": 20}
    number = {name: i for i, name in enumerate(groups, 1)}
    every, idents = side_by_side(groups, lambda name, i: f"{barcodes(60)[i]}-{number[name]}")
    about = pd.DataFrame({"orig.ident": idents, "nCount_RNA": every.sum().to_numpy()}, index=every.columns)
    matrix, info = (folder / f"GSE131984_scRNA_{kind}.txt.gz" for kind in ("counts", "metadata"))
    matrix.write_bytes(as_r_writes(every.rename(columns=lambda name: name.replace("-", "."))))
    info.write_bytes(as_r_writes(about[::-1]))
    return [matrix, info]


def write_gse108394(folder: Path) -> list[Path]:
    """One archive of two 10x triplets of the older kind."""
    counts = made_up_counts({"GSM2897333_451LU": 60, "GSM2897334_451LUBR3": 60})
    members = [triplet(f"{sample}_", table, "genes") for sample, table in counts.items()]
    return [
        write_tar(
            folder / "GSE108394_RAW.tar", {name: file for files in members for name, file in files.items()}
        )
    ]


def write_gse156246(folder: Path) -> list[Path]:
    """One archive of 10x triplets of the newer kind, of both lines and three times."""
    numbers = {"UT": 50, "6h": 20, "14d_lapatinib": 50}
    groups = {f"{line}_{time}": n for line in ("BT474", "HCC1419") for time, n in numbers.items()}
    counts = enumerate(made_up_counts(groups).items())
    members = [triplet(f"GSM47{i:05d}_{sample}_", table, "features") for i, (sample, table) in counts]
    return [
        write_tar(
            folder / "GSE156246_RAW.tar", {name: file for files in members for name, file in files.items()}
        )
    ]


def write_gse108383(folder: Path) -> list[Path]:
    """One table of two lines."""
    groups = {"A375_sc_par": 30, "A375_sc_br": 30, "451Lu_sc_par": 30, "451Lu_sc_br": 30}
    path = folder / "GSE108383_Melanoma_fluidigm.txt"
    side_by_side(groups, lambda arm, i: f"{arm}_cell_{i + 1}")[0].to_csv(path, sep="\t")
    return [path]


def write_gse149383_days(folder: Path) -> list[Path]:
    """One Drop-seq table for each day; the barcodes repeat."""
    numbers = {"D0": 40, "D1": 10, "D2": 10, "D4": 10, "D9": 25, "D11": 25}
    paths = [folder / f"GSM{3972657 + i}_{day}.dge.txt.gz" for i, day in enumerate(numbers)]
    for path, table in zip(paths, made_up_counts(numbers).values(), strict=True):
        table.set_axis(barcodes(table.shape[1]), axis=1).rename_axis("GENE").to_csv(path, sep="\t")
    return paths


def write_gse140440(folder: Path) -> list[Path]:
    """One table for each cell, named by GSM, in an archive; and what each GSM is."""
    groups = {"DU145": 30, "DU145-DocetaxelRes": 30, "PC3": 30, "PC3-DocetaxelRes": 30}
    number = itertools.count(4172000)
    every, labels = side_by_side(groups, lambda name, i: f"GSM{next(number)}")
    members = {f"{gsm}_counts.txt.gz": as_gzip(table.to_csv(sep="\t")) for gsm, table in every.items()}
    info = folder / "GSE140440_annotation.txt"
    pd.Series(labels, index=every.columns).to_csv(info, sep="\t", header=False)
    return [write_tar(folder / "GSE140440_RAW.tar", members), info]


def write_gse112274(folder: Path) -> list[Path]:
    """FPKM, cells in rows."""
    groups = {"parental": 50, "gefitinib": 40, "holiday": 20}
    every, _ = side_by_side(groups, lambda name, i: f"PC9_{name}_{i}_a")
    path = folder / "GSE112274_cell_gene_FPKM.csv.gz"
    (every / every.sum() * 4e5).round(3).T.to_csv(path)
    return [path]


def write_gse110894(folder: Path) -> list[Path]:
    """Counts of mouse genes and a sheet about the wells, in which an empty cell means that above it."""
    wells = [f"{letter}{i + 1}" for letter in "ABCDE" for i in range(12)]
    plates = {"DMSO": "P1", "RESISTANT (1000nM)": "P2"}
    every, samples = side_by_side(dict.fromkeys(plates, 60), lambda name, i: f"{plates[name]}_{wells[i]}")
    about = pd.DataFrame({"Plate#": every.columns.str[:2], "Well position": every.columns.str[3:] + "=ACGT"})
    about["Sample name"] = samples
    about.loc[np.arange(120) % 60 > 0, ["Plate#", "Sample name"]] = None
    matrix, sheet = folder / "GSE110894.csv.gz", folder / "GSE110894_CellInfo.xlsx"
    every.rename(index=str.capitalize).to_csv(matrix)
    about.to_excel(sheet, startrow=3, index=False)
    return [matrix, sheet]


def write_study(folder: Path, name: str) -> None:
    """Write a file as the published study has it: log values, and the label in obs["sensitive"]."""
    every, groups = side_by_side({"sensitive": 70, "resistant": 50}, lambda group, i: f"{group}{i}")
    counts = every.to_numpy(np.float32).T
    log = np.log1p(1e4 * counts / counts.sum(1, keepdims=True))
    obs = pd.DataFrame({"sensitive": [int(group == "sensitive") for group in groups]}, index=every.columns)
    ad.AnnData(sparse.csr_matrix(log), obs=obs, var=pd.DataFrame(index=genes())).write_h5ad(folder / name)


WRITERS = {
    "GSE117872": write_gse117872,
    "GSE131984": write_gse131984,
    "GSE108394": write_gse108394,
    "GSE156246-BT474": write_gse156246,
    "GSE156246-HCC1419": write_gse156246,
    "GSE108383": write_gse108383,
    "GSE149383-days": write_gse149383_days,
    "GSE140440": write_gse140440,
    "GSE112274": write_gse112274,
    "GSE110894": write_gse110894,
}


def write_sets(mirror: Path, keys: Sequence[str]) -> dict[str, list[Path]]:
    """Write the files of some sets into a mirror, and return them by key."""
    for key in keys:
        (mirror / key).mkdir(parents=True, exist_ok=True)
    return {key: WRITERS[key](mirror / key) for key in keys}


def load_sets(written: Mapping[str, list[Path]], cache: Path) -> dict[str, ad.AnnData]:
    """Return every set that `write_sets` wrote, fetched from there by the names that the registry knows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BULK2SC_CACHE", str(cache))
        patch.setenv("BULK2SC_MIRROR", str(next(iter(written.values()))[0].parents[1]))
        return {key: datasets.load_cells(key, bulk=None, drug="") for key in written}


def write_cells(mirror: Path) -> Path:
    """Write every set as ``<key>/<name>`` and return the folder."""
    write_sets(mirror, WRITERS)
    return mirror


STUDY_FILES = {  # the names that are known, and one that is not
    "GSE117872": "GSE117872_made_up_preprocessed.h5ad",
    "GSE131984": "GSE131984_paclitaxel_preprocessed.h5ad",
    "GSE108394": "GSE108394_RAW.h5ad",
    "GSE156246-BT474": "GSE156246_BT474_Lapatinib_preprocessed_genename.h5ad",
    "GSE156246-HCC1419": "GSE156246_HCC1419_Lapatinib_preprocessed_genename.h5ad",
}


def write_study_cells(mirror: Path) -> Path:
    """Write the study's own file of each of its five sets as ``<key>/<name>`` and return the folder."""
    for key, name in STUDY_FILES.items():
        (mirror / key).mkdir(parents=True, exist_ok=True)
        write_study(mirror / key, name)
    return mirror


def as_gzip(text: str) -> bytes:
    return gzip.compress(text.encode(), 1, mtime=0)


def as_r_writes(table: pd.DataFrame) -> bytes:
    """Return a table as R's write.table does, without a cell above the names of the rows; .gz."""
    return as_gzip(table.to_csv(sep="\t", index_label=False))


@lru_cache(maxsize=1)
def ensembl_ids() -> list[str]:
    """Return an Ensembl id of each of the genes."""
    ids = gene_ids().drop_duplicates("symbol").set_index("symbol")["ensembl_ids"]
    return ids.str.split("|").str[0].reindex(genes()).fillna("none").tolist()


def triplet(stem: str, counts: pd.DataFrame, kind: str) -> dict[str, bytes]:
    """Return the three files of 10x by name; `kind` is ``genes`` (two columns) or ``features`` (three)."""
    about = pd.DataFrame({"id": ensembl_ids(), "symbol": genes()})
    if kind == "features":
        about["type"] = "Gene Expression"
    matrix = io.BytesIO()
    mmwrite(matrix, sparse.coo_matrix(counts.to_numpy()))
    names = "".join(f"{barcode}-1\n" for barcode in barcodes(counts.shape[1]))
    files = {
        f"{stem}barcodes.tsv.gz": names.encode(),
        f"{stem}{kind}.tsv.gz": about.to_csv(sep="\t", header=False, index=False).encode(),
        f"{stem}matrix.mtx.gz": matrix.getvalue(),
    }
    return {name: gzip.compress(content, 1, mtime=0) for name, content in files.items()}


def write_tar(path: Path, members: Mapping[str, bytes]) -> Path:
    """Write an archive of these files."""
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path
