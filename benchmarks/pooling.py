"""Does pooling cells help? Every method on cells as they are, pooled, and averaged in two ways that tell why.

Arms: ``single``; ``pooled 5`` ... ``pooled 30`` (`pp.pool`, within samples, no label; at most what the sample
allows); ``line means``, each cell replaced by the mean of its line, which needs the label; ``random 15``, the
mean of a cell and 15 random cells of its sample. Genes, fits and drugs are the same for all arms; only the
shared autoencoder, which learns from the cells, is fitted anew for each.

Data: the breast atlas (GSE173634, 26 lines, one sample), five lung lines mixed in each of five samples
(GSE118767), simulated experiments with cells of one line planted in a cluster of another, and simulated
exposure to a drug. Lines of the cells leave training, their choice of genes and their scaling.

The rule for k, fixed before the final run: of 5, 10, 15 and 30 the smallest whose mean rho over drugs, of
ridge with penalty 1e4, is within .01 of the best. Chosen on the atlas it is reported on GSE118767, and the
other way round.

Kept are means over drugs and lines; no response of a line is among them. Each fit is kept in
_build/pooling, so that a run goes on where it was stopped. Run: python benchmarks/pooling.py
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse
from sklearn.metrics import roc_auc_score

from bulk2sc import compare, datasets, inference, labels, models, panel, pathways, pp
from bulk2sc.book import Study
from bulk2sc.experiments import drug_panel, exposure
from bulk2sc.models.all_drugs import AllDrugs
from bulk2sc.settings import digest, file_digest, project_root

KS = (5, 10, 15, 30)
K = 15  # of arms that have one k
RULE = ("ridge 1e4", 0.01)
PANEL = {"atlas": {"min_lines": 20, "spread": 0.05}, "mixology": {"min_lines": 4, "spread": 0.1}}
IN_TAIL = {"atlas": 4, "mixology": 2}  # lines of each tail that a drug needs for an AUROC over cells
PER_DRUG = ("ridge", "LR", "SVM", "RF", "XGBoost", "shared AE", "mean effect")
N_FEW = 4  # drugs of methods that are fitted drug by drug
SMALL = {"hidden": 128, "max_epochs": 20}  # of the shared autoencoder, with N_HVG genes
N_HVG, SEEDS = 1500, 2
N_DRAWS = 1000
SHARES, MIXED = (0.02, 0.05), (0.5, 1.0)  # of a cluster; how much of a planted cell is the other line
DRUGS = ("Cisplatin", "Lapatinib")  # of simulated subclones


def kept(name: str, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """Return a table from _build/pooling, or make it; its name holds what it depends on."""
    code = digest([file_digest(Path(pp.__file__).parent, Path(models.__file__).parent)])[:8]
    path = project_root() / "_build" / "pooling" / f"{name}-{code}.csv.gz".replace(" ", "-")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        make().to_csv(path, index=False)
        print(path.name, flush=True)
    return pd.read_csv(path, converters=dict.fromkeys(("cell", "line", "drug"), str))


# ----------------------------------------------------------------------------------------------- real cells


def prepared(name: str) -> tuple[AnnData, AnnData, AnnData]:
    """Return all lines, those to train on and the cells of known lines, at all shared genes."""
    study = Study(name, panel_hvg=0, pool=0)
    return study.read("bulk"), *study.read("panel")


def arms(cells: AnnData, ks=KS, seed: int = 0) -> dict[str, np.ndarray]:
    """Return the scaled expression of the same cells in each arm."""
    X = cells.X.toarray() if sparse.issparse(cells.X) else cells.X
    rng, line = np.random.default_rng(seed), cells.obs["cell_line"].astype(str).to_numpy()
    mean = pd.DataFrame(X).groupby(line).transform("mean").to_numpy()
    mixed = X.copy()
    for rows in cells.obs.groupby("sample", observed=True).indices.values():
        for row in rows:
            mixed[row] = X[[row, *rng.choice(rows, K)]].mean(axis=0)
    pooled = {f"pooled {k}": pp.pool(cells, k).X for k in ks}
    found = {"single": X, **pooled, "line means": mean, f"random {K}": mixed}
    return {arm: pp.zscore(values) for arm, values in found.items()}


def joined(cells: AnnData, scaled: dict[str, np.ndarray]) -> AnnData:
    """Return the cells of all arms below each other, obs: arm, line, cell."""
    about = {"line": cells.obs["cell_line"].astype(str).to_numpy(), "cell": cells.obs_names}
    obs = pd.concat([pd.DataFrame({"arm": arm, **about}) for arm in scaled], ignore_index=True)
    obs.index = obs.index.astype(str)
    return AnnData(obs=obs, var=cells.var[[]], layers={"scaled": np.concatenate([*scaled.values()])})


def scores_of(method: str, training: AnnData, samples: AnnData, drugs: list[str], k=0.3) -> pd.DataFrame:
    """Return scores (n_samples, n_drugs) of a method whose fit does not look at cells."""
    if method.startswith(("ridge 1e4", "ridge 2e3", "RBF")):
        kernel = "rbf" if method.startswith("RBF") else "linear"
        model = AllDrugs(penalty=2e3 if method == "ridge 2e3" else 1e4, kernel=kernel)
        return -model.fit(training, drugs).predict(samples)
    inputs = drug_panel.Inputs(training, samples, samples, drugs, k)
    return drug_panel.score(method, inputs)


def split(scores: pd.DataFrame, samples: AnnData) -> dict[str, pd.DataFrame]:
    """Return scores (n_cells, n_drugs) by arm, indexed by line."""
    scores = scores.set_axis(samples.obs["line"])
    return {arm: scores[samples.obs["arm"].to_numpy() == arm] for arm in samples.obs["arm"].unique()}


def panel_drugs(name: str, bulk: AnnData, lines: list[str]) -> list[str]:
    table = panel.drugs(bulk, lines, min_lines=PANEL[name]["min_lines"])
    return list(table.index[table["spread"] >= PANEL[name]["spread"]])


def classes(training: AnnData, auc: pd.DataFrame) -> pd.DataFrame:
    """Return 1, 0 or NaN of the cells' lines for each drug, by the tails of the training lines."""
    measured = pd.DataFrame(training.obsm["auc"], columns=list(training.uns["drugs"]))
    return pd.DataFrame(
        {drug: labels.respond(auc[drug], *labels.tails(measured[drug], 0.3, drug)) for drug in auc},
        index=auc.index,
    )


def cell_auroc(scores: dict, answers: pd.DataFrame) -> compare.Draws:
    """Return the mean over drugs of the AUROC over cells, by method, in draws of lines joint for drugs."""
    weight = pd.DataFrame(inference.line_weights(answers.index, n_draws=N_DRAWS), columns=answers.index)
    found: dict[str, list[np.ndarray]] = {}
    for (method, arm, _), table in scores.items():
        ordered = table.sort_index(kind="stable")
        by_drug = pd.DataFrame([_auroc(ordered[drug], answers[drug], weight) for drug in answers])
        found.setdefault(f"{method}|{arm}", []).append(by_drug.mean().to_numpy())
    means = pd.DataFrame({name: np.mean(values, axis=0) for name, values in found.items()})
    seeds = [(name, seed, one[0]) for name, values in found.items() for seed, one in enumerate(values)]
    fewest = int(pd.concat([(answers == value).sum() for value in (0, 1)]).min())
    known = inference.Evidence(sizes=(fewest, fewest))
    seeds = pd.DataFrame(seeds, columns=["method", "seed", "value"])
    return compare.Draws("auroc", means.iloc[0], seeds, means.iloc[1:].reset_index(drop=True), known)


def _auroc(score: pd.Series, answer: pd.Series, weight: pd.DataFrame) -> np.ndarray:
    """Return the AUROC over cells, (n_draws,): pairs of cells count as often as their lines are drawn."""
    sides = [score[score.index.isin(answer.index[answer == value])] for value in (1, 0)]
    wins = (np.sign(sides[0].to_numpy()[:, None] - sides[1].to_numpy()) + 1) / 2
    lines = [side.index.unique() for side in sides]
    starts = [np.flatnonzero(~side.index.duplicated()) for side in sides]
    wins = np.add.reduceat(np.add.reduceat(wins, starts[0], axis=0), starts[1], axis=1)
    pairs = np.outer(*(side.groupby(level=0).size() for side in sides))
    w = [weight[of].to_numpy() for of in lines]
    with np.errstate(invalid="ignore"):
        return ((w[0] @ wins) * w[1]).sum(axis=1) / ((w[0] @ pairs) * w[1]).sum(axis=1)


def compared(draws: compare.Draws) -> pd.DataFrame:
    """Return levels of every method and arm, and their differences to single cells and to line means."""
    methods = list(dict.fromkeys(name.split("|")[0] for name in draws.value.index))
    pairs = [
        (name, f"{method}|{reference}")
        for method in methods
        for reference in ("single", "line means")
        for name in draws.value.index
        if name.startswith(f"{method}|") and f"{method}|{reference}" in draws.value.index
        and name != f"{method}|{reference}" and (reference == "single" or "pooled" in name)
    ]  # fmt: skip
    gaps = compare.differences(draws, pairs).rename(columns={"difference": "value"})
    table = pd.concat([compare.levels(draws), gaps], ignore_index=True)
    table[["method", "arm"]] = table["method"].str.split("|", expand=True)
    table["reference"] = table["reference"].str.split("|").str[1]
    return table.assign(metric=draws.metric)


def on_panel(name: str) -> pd.DataFrame:
    """Return rho and AUROC over cells of methods that take seconds for all drugs of a panel."""
    bulk, training, cells = prepared(name)
    lines = sorted(set(cells.obs["cell_line"]))
    drugs = panel_drugs(name, bulk, lines)
    samples, auc = joined(cells, arms(cells)), panel.truth(bulk, lines)[drugs]
    answers = classes(training, auc)
    in_tails = [d for d in drugs if min((answers[d] == v).sum() for v in (0, 1)) >= IN_TAIL[name]]
    scores = {}
    for method in ("ridge 1e4", "ridge 2e3", "ridge CV", "RBF kernel 1e4", "signature", "SVM"):
        by_arm = split(scores_of(method, training, samples, drugs), samples)
        scores |= {(method, arm, 0): table for arm, table in by_arm.items()}
    return judged(scores, auc, answers[in_tails]).assign(data=name, genes=cells.n_vars)


def judged(scores: dict, auc: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    """Judge scores of cells by (method, arm, seed): rho of line means, and AUROC over cells."""
    means = {(f"{m}|{arm}", seed): table.groupby(level=0).mean() for (m, arm, seed), table in scores.items()}
    tidy = pd.concat(means, names=["method", "seed", "line"]).rename_axis("drug", axis=1).stack()
    rho = compare.on_panel(tidy.rename("score").reset_index(), auc, n_draws=N_DRAWS)
    found = [compared(rho).assign(drugs=auc.shape[1])]
    found.append(compared(cell_auroc(scores, answers)).assign(drugs=answers.shape[1]))
    return pd.concat(found).assign(lines=len(auc))


def calibrated(name: str) -> pd.DataFrame:
    """Return AUROC, calibration and share called sensitive of every method, drug by drug on few drugs."""
    bulk, training, cells = prepared(name)
    lines = sorted(set(cells.obs["cell_line"]))
    auc = panel.truth(bulk, lines)[panel_drugs(name, bulk, lines)]
    answers = classes(training, auc)
    in_both = pd.concat([(answers == v).sum() for v in (0, 1)], axis=1).min(axis=1)
    drugs = list(in_both.sort_values(ascending=False, kind="stable").index[:N_FEW])
    chosen = pp.pair(training, cells, n_hvg=N_HVG)[1].var_names
    training, cells = training[:, chosen].copy(), cells[:, chosen].copy()
    scaled = arms(cells, ks=(K,))
    samples, scores = joined(cells, scaled), {}
    for method in PER_DRUG:
        for seed in range(SEEDS if models.learns_from_cells(method) else 1):
            made = lambda m=method, s=seed: _drug_by_drug(m, s, training, cells, samples, scaled, drugs)  # noqa: E731
            table = kept(f"{name}-{method}-{seed}", made)
            scores |= {(method, arm, seed): t.set_index("line")[drugs] for arm, t in table.groupby("arm")}
    found = judged(scores, auc[drugs], answers[drugs])
    rest = [
        {"method": method, "arm": arm, **_probabilities(table, answers[drugs])}
        for (method, arm, _), table in scores.items()
    ]
    rest = pd.DataFrame(rest).groupby(["method", "arm"], sort=False).mean().rename_axis("metric", axis=1)
    rest = rest.stack().rename("value").reset_index().assign(drugs=N_FEW, lines=len(lines))
    return pd.concat([found, rest]).assign(data=f"{name}, few drugs", genes=len(chosen))


def _drug_by_drug(method, seed, training, cells, samples, scaled, drugs) -> pd.DataFrame:
    """Return scores of all arms; what learns from cells is fitted for single and for pooled ones."""
    if not models.learns_from_cells(method):
        inputs = drug_panel.Inputs(training, samples, samples, drugs)
        return drug_panel.drug_by_drug(inputs, method, seed=seed).assign(**samples.obs[["arm", "line"]])
    mask, tables = pathways.pathway_mask(datasets.gene_sets("go_cc"), training.var_names), []
    for arm in ("single", f"pooled {K}"):
        part = joined(cells, {arm: scaled[arm]})
        inputs = drug_panel.Inputs(training, part, part, drugs, settings={**SMALL, "mask": mask})
        scores = drug_panel.encoder_scores(inputs, method, seed=seed)
        tables.append(scores.assign(**part.obs[["arm", "line"]]))
    return pd.concat(tables)


def _probabilities(scores: pd.DataFrame, answers: pd.DataFrame) -> dict[str, float]:
    """Return means over drugs of Brier score, calibration error in ten bins and share called sensitive."""
    answer = answers.loc[scores.index].to_numpy()
    rows = []
    for p, y in zip(scores.to_numpy().T, answer.T, strict=True):
        p, y = p[~np.isnan(y)], y[~np.isnan(y)]
        bins = pd.DataFrame({"said": p, "true": y}).groupby(np.minimum((p * 10).astype(int), 9))
        gap = (bins["said"].mean() - bins["true"].mean()).abs()
        rows.append((np.mean((p - y) ** 2), (gap * bins.size()).sum() / len(p), np.mean(p >= 0.5)))
    return dict(zip(("brier", "ece", "called sensitive"), np.mean(rows, axis=0), strict=True))


# ------------------------------------------------------------------------------------ claims about one cell


def planted(
    cells: AnnData, host: str, donor: str, share: float, mixed: float, rng
) -> tuple[AnnData, np.ndarray]:
    """Turn a share of a line's cells, at least two in all, into cells that are partly of another line.

    A planted cell keeps each molecule with the probability 1 - mixed, and gets those of a cell of the donor,
    from the same sample, with the probability mixed. The donor's cells leave the data.
    """
    line = cells.obs["cell_line"].astype(str).to_numpy()
    sample, counts = cells.obs["sample"].astype(str).to_numpy(), cells.layers["counts"].tocsr()
    hosts = np.flatnonzero((line == host) & np.isin(sample, np.unique(sample[line == donor])))
    chosen = rng.choice(hosts, max(2, round(share * len(hosts))), replace=False)
    partners = [rng.choice(np.flatnonzero((line == donor) & (sample == sample[one]))) for one in chosen]
    thin = [(counts[rows], p) for rows, p in ((chosen, 1 - mixed), (partners, mixed))]
    new = sum(sparse.csr_matrix(rng.binomial(c.toarray().astype(int), p)) for c, p in thin)
    rest = np.setdiff1d(np.flatnonzero(line != donor), chosen)
    both = sparse.vstack([counts[rest], new], format="csr").astype("float32")
    made = AnnData(both, obs=cells.obs.iloc[[*rest, *chosen]].copy(), var=cells.var[[]])
    made.obs["planted"] = np.arange(made.n_obs) >= len(rest)
    return pp.normalise(made), made.obs_names.isin(cells.obs_names[hosts])


def subclones(
    name: str, cells: AnnData, training: AnnData, truth: pd.DataFrame, repeats: int
) -> pd.DataFrame:
    """Return the AUROC of planted cells against their cluster, oriented by their lines' measured AUC."""
    genes = training.var_names
    model = AllDrugs(penalty=1e4).fit(training, list(truth.columns))
    rows, rng = [], np.random.default_rng(0)
    lines = sorted(set(cells.obs["cell_line"].astype(str)))
    for host in lines:
        for _ in range(repeats):
            donor = rng.choice([line for line in lines if line != host])
            gap = truth.loc[donor] - truth.loc[host]
            for share in SHARES:
                for mixed in MIXED:
                    made, of_host = planted(cells, host, donor, share, mixed, rng)
                    shared = made[:, genes]
                    for k in (0, KS[0], K):
                        part = AnnData(var=shared.var[[]], obs=shared.obs[[]])
                        part.layers["scaled"] = pp.zscore(pp.pool(shared.copy(), k).X)
                        score = -model.predict(part)[of_host]
                        is_planted = made.obs["planted"].to_numpy()[of_host]
                        for drug in gap.index[gap.abs() > 0.1]:
                            better = is_planted == (gap[drug] < 0)
                            value = roc_auc_score(better, score[drug])
                            rows.append((host, donor, drug, share, mixed, k, value))
    columns = ["host", "donor", "drug", "share", "mixed", "k", "value"]
    return pd.DataFrame(rows, columns=columns).assign(data=name)


def real_subclones() -> pd.DataFrame:
    bulk, training, cells = prepared("mixology")
    raw = Study("mixology").read("raw_cells")[cells.obs_names].copy()
    truth = panel.truth(bulk, sorted(set(cells.obs["cell_line"])))
    return subclones("GSE118767", raw, training, truth[panel_drugs("mixology", bulk, list(truth.index))], 1)


def simulated_subclones(drug: str, seed: int) -> pd.DataFrame:
    bulk = labels.label_bulk(datasets.load_bulk("gdsc2"), drug=drug)
    cells = datasets.simulate(
        *(bulk,), drug=drug, n_cells=1200, n_lines_per_tail=2, shift=0.0, seed=seed, normal=0.0,
        low_quality=0.0, doublets=0.0, hidden_resistant=0.5, surviving_sensitive=0.5,
    )  # fmt: skip
    cells.obs["sample"] = "one"
    training = pp.train_lines(bulk, cells.uns["held_out"])
    shared = [gene for gene in cells.var_names if gene in training.var_names]
    paired = training[:, shared].copy()
    paired.layers["scaled"] = pp.zscore(paired.X)
    truth = panel.truth(bulk, sorted(set(cells.obs["cell_line"].astype(str))))[[drug]]
    return subclones("simulated", cells, paired, truth, 1).assign(seed=seed)


def of_subclones() -> pd.DataFrame:
    parts = [kept("subclones-real", real_subclones)]
    for drug in DRUGS:
        made = lambda d=drug: simulated_subclones(d, 0)  # noqa: E731
        parts.append(kept(f"subclones-{drug}", made))
    table = pd.concat(parts, ignore_index=True)
    pairs = table.groupby(["data", "share", "mixed", "k", "host", "donor"])["value"].mean()
    by = pairs.groupby(["data", "share", "mixed", "k"])
    found = by.agg(value="mean", pairs="size").reset_index()
    found["arm"] = np.where(found["k"] == 0, "single", "pooled " + found["k"].astype(str))
    found["metric"] = "AUROC of a subclone"
    return found.assign(method=RULE[0]).drop(columns="k")


def of_exposure() -> pd.DataFrame:
    """Return the share of truly sensitive cells called resistant, by sample, with and without pooling."""
    bulk = labels.label_bulk(datasets.load_bulk("gdsc2"), drug="Cisplatin")
    genes = bulk.var_names[np.argsort(-np.var(bulk.X, axis=0))[:N_HVG]]
    tables = []
    for k in (0, K):
        for seed in range(SEEDS):
            made = lambda k=k, s=seed: exposure.score(  # noqa: E731
                bulk, genes, methods=["ridge", "LR", "SVM", "XGBoost"], settings={}, shifts=[0.0, 2.0],
                seed=s, n_cells=400, n_lines_per_tail=10, depth=2000.0, pool=k,
            )  # fmt: skip
            arm = f"pooled {k}" if k else "single"
            tables.append(kept(f"exposure-{k}-{seed}", made).assign(arm=arm))
    scores = pd.concat(tables)
    called = {arm: exposure.called_resistant(part) for arm, part in scores.groupby("arm")}
    table = pd.concat(called, names=["arm"]).rename_axis("sample", axis=1).stack().rename("value")
    return table.reset_index().assign(data="simulated", metric="sensitive called resistant")


# ------------------------------------------------------------------------------------------------- all of it


def chosen_k(table: pd.DataFrame) -> pd.Series:
    """Return by data set the k that the rule chooses there."""
    rho = table[(table["method"] == RULE[0]) & (table["metric"] == "rho") & table["reference"].isna()]
    rho = rho[rho["arm"].str.startswith("pooled")]
    rho = rho.assign(k=rho["arm"].str.removeprefix("pooled ").astype(int)).set_index("k")
    rho = rho[~rho["data"].str.contains("few")]
    return rho.groupby("data")["value"].apply(lambda v: v[v >= v.max() - RULE[1]].index[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = {f"panel-{name}": lambda name=name: on_panel(name) for name in PANEL}
    parts |= {"subclones": of_subclones, "exposure": of_exposure}
    parts |= {"few-atlas": lambda: calibrated("atlas")}  # five lines decide nothing drug by drug
    parser.add_argument("--only", nargs="*", default=list(parts), choices=list(parts), help="some parts")
    asked = parser.parse_args()
    table = pd.concat([kept(part, parts[part]) for part in asked.only], ignore_index=True)
    if len(asked.only) == len(parts):
        Study("atlas", panel_hvg=0).keep("pooling", table.round(4), reads=["panel"])
    levels = table[table["reference"].isna()]
    wide = levels.pivot_table(index=["data", "metric", "method"], columns="arm", values="value")
    print(wide.round(3).to_string())
    print(chosen_k(table))


if __name__ == "__main__":
    main()
