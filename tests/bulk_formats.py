"""Made-up files in the formats of GDSC 8.5, the Cell Model Passports and MSigDB, laid out as a mirror.

Names of genes, drugs and some lines are real, no value is. `write_bulk(folder)` makes all, for a whole
run of an edition with BULK2SC_MIRROR set to that folder; the traps of the real files are in them.
"""

import gzip
import zipfile
from functools import lru_cache
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd

from bulk2sc.datasets.genes import FETCHED, MSIGDB, gene_ids, gene_sets

REAL = ["BT-474", "HCC1419", "A375", "SUM159PT", "697", "KM-H2", "KMH-2", "TT", "T-T"]
N_LINES, N_GENES = 130, 1500
DRUGS = {"Cisplatin": 1005, "Paclitaxel": 1080, "PLX-4720": 1036, "Lapatinib": 1558}
AGAIN = 1200  # DRUG_ID under which some lines were measured with Paclitaxel again
DRIVERS = 6  # genes on which the response to a drug depends
ANNOTATION = {"DATASET": "GDSC2", "TCGA_DESC": "UNCLASSIFIED", "PUTATIVE_TARGET": "", "WEBRELEASE": "Y"}
BLANK_PROBES = 3


@lru_cache(maxsize=1)
def made_up_lines() -> ad.AnnData:
    """
    Return the truth behind all files: X log2 expression (lines x genes), obsm["auc"] and obsm["ln_ic50"].

    `obs_names` are Sanger ids, `obs` has cosmic_id and cell_line; `uns["drivers"]` the genes of each drug.
    """
    rng = np.random.default_rng(0)
    genes = sorted(set().union(*gene_sets("hallmark").values()))[:N_GENES]
    names = REAL + [f"Made-up-{i:03d}" for i in range(N_LINES - len(REAL))]
    factors, loadings = rng.normal(size=(N_LINES, 8)), rng.normal(scale=0.5, size=(8, N_GENES))
    level = rng.uniform(3, 11, N_GENES) + factors @ loadings + rng.normal(scale=0.4, size=(N_LINES, N_GENES))
    drivers = {drug: list(range(i, N_GENES, N_GENES // DRIVERS))[:DRIVERS] for i, drug in enumerate(DRUGS)}
    z = (level - level.mean(0)) / level.std(0)
    score = np.stack([z[:, columns].mean(1) for columns in drivers.values()], axis=1)
    auc = np.clip(0.75 + 0.15 * score + rng.normal(scale=0.02, size=score.shape), 0.02, 0.98).round(6)
    return ad.AnnData(
        level.round(4).clip(0.1),
        obs=pd.DataFrame(
            {"cosmic_id": [str(905933 + i) for i in range(N_LINES)], "cell_line": names},
            index=[f"SIDM{i + 101:05d}" for i in range(N_LINES)],
        ),
        var=pd.DataFrame(index=genes),
        obsm={"auc": auc, "ln_ic50": (8 * auc - 4).round(6)},
        uns={"drivers": {drug: [genes[i] for i in columns] for drug, columns in drivers.items()}},
    )


def write_bulk(mirror: Path) -> Path:
    """Write every file as ``<key>/<name>`` and return the folder."""
    write_lines(mirror)
    for resource, name in FETCHED.items():
        write_gene_sets(folder(mirror, MSIGDB) / name, gene_sets(resource.removesuffix("_2023")))
    return mirror


def write_lines(mirror: Path) -> Path:
    """Write what concerns lines and return the folder."""
    lines = made_up_lines()
    for release in ("GDSC2", "GDSC1"):
        write_release(folder(mirror, "gdsc-8.5") / f"{release}_fitted_dose_response_27Oct23.xlsx", lines)
    write_rma(folder(mirror, "gdsc-rma") / "Cell_line_RMA_proc_basalExp.txt.zip", lines)
    write_passports(folder(mirror, "cell-model-passports"), lines)
    return mirror


def folder(mirror: Path, key: str) -> Path:
    path = mirror / key
    path.mkdir(parents=True, exist_ok=True)
    return path


# ------------------------------------------------------------------------------------------------ responses


def release_rows(lines: ad.AnnData) -> pd.DataFrame:
    """
    Return the rows of a release, one for each measurement.

    Every tenth line was not tested with Paclitaxel, every fourth of the others twice: the second time under
    another DRUG_ID, with AUC 0.02 and ln IC50 0.2 above and the first as much below the truth.
    """
    rows = []
    for i, (model, line) in enumerate(lines.obs.iterrows()):
        for j, (drug, drug_id) in enumerate(DRUGS.items()):
            auc, ln_ic50 = lines.obsm["auc"][i, j], lines.obsm["ln_ic50"][i, j]
            if drug == "Paclitaxel" and i % 10 == 9:
                continue
            twice = drug == "Paclitaxel" and i % 4 == 0
            for number, sign in ((drug_id, -1), (AGAIN, 1)) if twice else ((drug_id, 0),):
                values = auc + 0.02 * sign, ln_ic50 + 0.2 * sign
                rows.append((int(line["cosmic_id"]), line["cell_line"], model, number, drug, *values))
    names = ["COSMIC_ID", "CELL_LINE_NAME", "SANGER_MODEL_ID", "DRUG_ID", "DRUG_NAME", "AUC", "LN_IC50"]
    return pd.DataFrame(rows, columns=names).assign(**ANNOTATION, RMSE=0.1, Z_SCORE=0.0)


def write_release(path: Path, lines: ad.AnnData) -> None:
    """Write a release with the traps of spreadsheets: a line named by a number, errors, blanks, spaces."""
    rows = release_rows(lines)
    junk = pd.concat([rows.iloc[:4]] * 2, ignore_index=True).astype(object)
    junk["AUC"] = ["#N/A", "#VALUE!", None, 0.9, 0.9, 0.9, 0.9, 0.9]
    junk.loc[3, "CELL_LINE_NAME"] = None
    junk.loc[4, "DRUG_NAME"] = "  "
    junk.loc[5, ["SANGER_MODEL_ID", "COSMIC_ID"]] = None
    junk.loc[6, "LN_IC50"] = "#DIV/0!"
    junk.loc[7, "LN_IC50"] = None
    rows = rows.astype(object)
    number = rows["CELL_LINE_NAME"] == "697"
    rows.loc[number, "CELL_LINE_NAME"] = 697
    rows.loc[number, "COSMIC_ID"] = f"{rows.loc[number, 'COSMIC_ID'].iloc[0]:,}"  # as text: 905,937
    rows.loc[rows["CELL_LINE_NAME"] == "A375", "DRUG_NAME"] += " "
    pd.concat([junk, rows]).to_excel(path, sheet_name="Sheet 1", index=False)


# ----------------------------------------------------------------------------------------------- expression


def write_rma(path: Path, lines: ad.AnnData) -> None:
    """Write the matrix of cancerrxgene.org: probes without a symbol and replicates of the first two lines."""
    table = lines.to_df().T
    table.columns = "DATA." + lines.obs["cosmic_id"].to_numpy()
    first, second = table.columns[:2]
    replicates = {f"{first}.1": table[first] + 0.5, f"{second}.1": table[second] + 0.5}
    table[[first, second]] -= 0.5
    table = table.assign(**replicates)
    table.insert(0, "GENE_title", [f"gene {i} [Source:HGNC Symbol;Acc:{i}]" for i in range(len(table))])
    blank = table.iloc[:BLANK_PROBES].set_axis([""] * BLANK_PROBES)
    table = pd.concat([blank, table]).rename_axis("GENE_SYMBOLS")
    zip_text(path, "Cell_line_RMA_proc_basalExp.txt", table.to_csv(sep="\t"))


def write_ensembl_rma(path: Path, lines: ad.AnnData) -> None:
    """Write the matrix of release 6.0: Ensembl ids, COSMIC ids and two columns of one name."""
    ids = gene_ids().drop_duplicates("symbol").set_index("symbol")["ensembl_ids"].str.split("|").str[0]
    table = lines.to_df().T
    table.index = pd.Index(ids.reindex(table.index).replace("", "ENSG99999999999"), name="ensembl_gene")
    table.columns = lines.obs["cosmic_id"].to_numpy()
    table.insert(1, "again", table.iloc[:, 0])
    header = [name if name != "again" else table.columns[0] for name in table.columns]
    with gzip.open(path, "wt") as out:
        table.to_csv(out, sep="\t", header=header)


def write_passports(path: Path, lines: ad.AnnData) -> None:
    """Write the archive of RNA-seq tables and the list of models; one gene was not counted in all lines."""
    tpm = pd.DataFrame(2.0**lines.X - 1, index=lines.obs_names, columns=lines.var_names).T
    tpm.iloc[0, 0] = np.nan
    text = (
        tpm.assign(symbol=tpm.index)
        .set_axis([f"SIDG{i:05d}" for i in range(len(tpm))])
        .set_index("symbol", append=True)
    )
    head = [
        ["model_id", "", *lines.obs_names],
        ["model_name", "", *lines.obs["cell_line"]],
        ["dataset_name", "", *["Sanger & Broad Cell Lines RNASeq"] * lines.n_obs],
        ["data_source", "", *["Sanger"] * lines.n_obs],
        ["gene_id", "symbol", *[""] * lines.n_obs],
    ]
    header = "\n".join(",".join(row) for row in head) + "\n"
    tables = {
        "rnaseq_all_20220624/rnaseq_tpm_20220624.csv": header
        + text.to_csv(header=False, float_format="%.4f"),
        "rnaseq_all_20220624/rnaseq_read_count_20220624.csv": header,
        "__MACOSX/rnaseq_all_20220624/._rnaseq_tpm_20220624.csv": "",
    }
    with zipfile.ZipFile(path / "rnaseq_all_20220624.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, table in tables.items():
            archive.writestr(name, table)
    models = lines.obs.rename(columns={"cosmic_id": "COSMIC_ID", "cell_line": "model_name"})
    models.rename_axis("model_id").to_csv(path / "model_list_latest.csv.gz")


def write_gene_sets(path: Path, sets: dict[str, list[str]]) -> None:
    rows = ["\t".join([name, "https://example.org", *genes]) for name, genes in sets.items()]
    path.write_text("\n".join(rows) + "\n")


def zip_text(path: Path, name: str, text: str) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, text)
