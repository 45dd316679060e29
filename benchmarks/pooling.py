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

Kept are means over drugs and lines; no response of a line is among them. Fits are kept in the store, so that
a run goes on where it was stopped. Run: python benchmarks/pooling.py (half an hour)
"""

import numpy as np
import pandas as pd
import shared
from anndata import AnnData
from scipy import sparse
from sklearn.metrics import roc_auc_score

from bulk2sc import compare, datasets, evaluate, exposure, inference, labels, models, pathways, pp
from bulk2sc import panel as panels
from bulk2sc.book import Study
from bulk2sc.models.all_drugs import AllDrugs, responses, solve
from bulk2sc.models.base import scaled

KS = (5, 10, 15, 30)
K = 15  # of arms that have one k
RULE = ("ridge 1e4", 0.01)
OWN_FITS = {"ridge 1e4": {"penalty": 1e4}, "ridge 2e3": {"penalty": 2e3}}
FAST = ("ridge 1e4", "ridge 2e3", "ridge CV", "RBF kernel 1e4", "signature", "SVM")
IN_TAIL = {"atlas": 4, "mixology": 2}  # lines of each tail that a drug needs for an AUROC over cells
METHODS = ("ridge", "ridge CV", "signature", "LR", "SVM", "DT", "RF", "GB", "XGBoost")
PER_DRUG = ("ridge", "LR", "SVM", "RF", "XGBoost", "shared AE", "shared AE, joint", "mean effect")
N_FEW = 4  # drugs of methods that are fitted drug by drug
SMALL = {"hidden": 128, "max_epochs": 20}  # of the shared autoencoder, with N_HVG genes
N_HVG, SEEDS = 1500, (0, 1)
N_DRAWS = 1000
SHARES, MIXED = (0.02, 0.05), (0.5, 1.0)  # of a cluster; how much of a planted cell is the other line
DRUGS = ["Cisplatin", "Lapatinib"]  # of simulated subclones
SIMULATED = ["Cisplatin", "Lapatinib", "Paclitaxel"]  # of simulated experiments


# ----------------------------------------------------------------------------------------------- real cells


def arms(cells: AnnData, ks=KS, seed: int = 0) -> AnnData:
    """Return the cells of all arms below each other, scaled arm by arm; obs: arm, line, cell."""
    X = cells.X.toarray() if sparse.issparse(cells.X) else cells.X
    rng, line = np.random.default_rng(seed), cells.obs["cell_line"].astype(str).to_numpy()
    mixed = X.copy()
    for rows in cells.obs.groupby("sample", observed=True).indices.values():
        for row in rows:
            mixed[row] = X[[row, *rng.choice(rows, K)]].mean(axis=0)
    found = {"single": X, **{f"pooled {k}": pp.pool(cells, k).X for k in ks}}
    found["line means"] = pd.DataFrame(X).groupby(line).transform("mean").to_numpy()
    found[f"random {K}"] = mixed
    obs = [pd.DataFrame({"arm": arm, "line": line, "cell": cells.obs_names}) for arm in found]
    obs = pd.concat(obs, ignore_index=True)
    scaled = np.concatenate([pp.zscore(values) for values in found.values()])
    return AnnData(obs=obs.set_index(obs.index.astype(str)), var=cells.var[[]], layers={"scaled": scaled})


def scores_of(method: str, training: AnnData, samples: AnnData, drugs: list[str]) -> pd.DataFrame:
    """Return scores (n_samples, n_drugs) of a method whose fit does not look at cells."""
    if method in OWN_FITS:
        return -AllDrugs(**OWN_FITS[method]).fit(training, drugs).predict(samples)
    if method == "RBF kernel 1e4":
        lines, rows = (scaled(data).astype(float) for data in (training, samples))
        duals, intercept = solve(shared.rbf(lines, lines), responses(training, drugs).to_numpy(), 1e4)
        return -pd.DataFrame(shared.rbf(rows, lines) @ duals + intercept, samples.obs_names, drugs)
    return panels.score(method, panels.Inputs(training, samples, samples, drugs))


def classes(training: AnnData, auc: pd.DataFrame) -> pd.DataFrame:
    """Return 1, 0 or NaN of the cells' lines for each drug, by the tails of the training lines."""
    cuts = {drug: labels.tails(labels.response_of(training, drug), 0.3, drug) for drug in auc}
    return pd.DataFrame({drug: labels.respond(auc[drug], *cuts[drug]) for drug in auc}, index=auc.index)


def smaller_tail(answers: pd.DataFrame) -> pd.Series:
    return pd.concat([(answers == value).sum() for value in (0, 1)], axis=1).min(axis=1)


def cell_auroc(scores: dict, answers: pd.DataFrame) -> compare.Draws:
    """Return the mean over drugs of the AUROC over cells, by method, in draws of lines joint for drugs."""
    weight = pd.DataFrame(inference.line_weights(answers.index, n_draws=N_DRAWS), columns=answers.index)
    found: dict[str, list[np.ndarray]] = {}
    for (method, arm, _), table in scores.items():
        ordered = table.sort_index(kind="stable")
        by_drug = pd.DataFrame([_auroc(ordered[drug], answers[drug], weight) for drug in answers])
        found.setdefault(f"{method}|{arm}", []).append(by_drug.mean().to_numpy())
    means = pd.DataFrame({name: np.mean(values, axis=0) for name, values in found.items()})
    fewest = int(smaller_tail(answers).min())
    known = inference.Evidence(sizes=(fewest, fewest))
    return compare.Draws("auroc", means.iloc[0], None, means.iloc[1:].reset_index(drop=True), known)


def _auroc(score: pd.Series, answer: pd.Series, weight: pd.DataFrame) -> np.ndarray:
    """Return the AUROC over cells, (n_draws,): pairs of cells count as often as their lines are drawn."""
    sides = [score[score.index.isin(answer.index[answer == value])] for value in (1, 0)]
    wins = (np.sign(sides[0].to_numpy()[:, None] - sides[1].to_numpy()) + 1) / 2
    starts = [np.flatnonzero(~side.index.duplicated()) for side in sides]
    wins = np.add.reduceat(np.add.reduceat(wins, starts[0], axis=0), starts[1], axis=1)
    pairs = np.outer(*(side.groupby(level=0).size() for side in sides))
    w = [weight[side.index.unique()].to_numpy() for side in sides]
    with np.errstate(invalid="ignore"):
        return ((w[0] @ wins) * w[1]).sum(axis=1) / ((w[0] @ pairs) * w[1]).sum(axis=1)


def compared(draws: compare.Draws) -> pd.DataFrame:
    """Return levels of every method and arm, and their differences to single cells and to line means."""
    pairs = [
        (name, reference)
        for reference in draws.value.index
        for name in draws.value.index
        if name.split("|")[0] == reference.split("|")[0] and name != reference
        and (reference.endswith("|single") or (reference.endswith("|line means") and "pooled" in name))
    ]  # fmt: skip
    gaps = compare.differences(draws, pairs).rename(columns={"difference": "value"})
    table = pd.concat([compare.levels(draws), gaps], ignore_index=True)
    table[["method", "arm"]] = table["method"].str.split("|", expand=True)
    return table.assign(metric=draws.metric, reference=table["reference"].str.split("|").str[1])


def judged(scores: dict, auc: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    """Judge scores of cells by (method, arm, seed): rho of line means, and AUROC over cells."""
    means = {(f"{m}|{arm}", seed): table.groupby(level=0).mean() for (m, arm, seed), table in scores.items()}
    tidy = pd.concat(means, names=["method", "seed", "line"]).rename_axis("drug", axis=1).stack()
    rho = compare.on_panel(tidy.rename("score").reset_index(), auc, n_draws=N_DRAWS)
    parts = ((rho, auc), (cell_auroc(scores, answers), answers))
    found = [compared(draws).assign(drugs=table.shape[1]) for draws, table in parts]
    return pd.concat(found).assign(lines=len(auc))


def on_panel(bulk, panel, *, data: str) -> pd.DataFrame:
    """Return rho and AUROC over cells of methods that take seconds for all drugs of a panel."""
    training, cells = panel
    auc, samples, scores = shared.answers(data, bulk, cells.obs["cell_line"]), arms(cells), {}
    answers = classes(training, auc)
    for method in FAST:
        table = scores_of(method, training, samples, list(auc)).set_axis(samples.obs["line"])
        scores |= {(method, arm, 0): part for arm, part in table.groupby(samples.obs["arm"].to_numpy())}
    in_tails = answers.loc[:, smaller_tail(answers) >= IN_TAIL[data]]
    return judged(scores, auc, in_tails).assign(genes=cells.n_vars)


def calibrated(study: Study) -> pd.DataFrame:
    """Return AUROC, calibration and share called sensitive of every method, drug by drug on few drugs."""
    bulk, (training, cells) = study.read("bulk"), study.read("panel")
    auc = shared.answers(study.edition, bulk, cells.obs["cell_line"])
    answers = classes(training, auc)
    drugs = list(smaller_tail(answers).sort_values(ascending=False, kind="stable").index[:N_FEW])
    seeds = {method: SEEDS if method.startswith("shared AE") else SEEDS[:1] for method in PER_DRUG}
    grid = [{"method": m, "seed": seed, "drugs": drugs} for m in PER_DRUG for seed in seeds[m]]
    by = study.each(drug_by_drug, grid).groupby(["method", "arm", "seed"], sort=False)
    scores = {name: table.set_index("line")[drugs] for name, table in by}
    probabilities = {name: _probabilities(table, answers[drugs]) for name, table in scores.items()}
    rest = pd.DataFrame(probabilities).T.rename_axis(["method", "arm", "seed"])
    rest = rest.groupby(["method", "arm"], sort=False).mean().rename_axis("metric", axis=1)
    rest = rest.stack().rename("value").reset_index().assign(drugs=N_FEW, lines=len(auc))
    found = pd.concat([judged(scores, auc[drugs], answers[drugs]), rest])
    return found.assign(data=f"{study.edition}, few drugs", genes=cells.n_vars)


def drug_by_drug(panel, *, method, seed, drugs):
    """Return scores of all arms; what learns from cells is fitted for single and for pooled ones."""
    (training, cells), tables, settings = panel, [], {}
    samples = arms(cells, ks=(K,))
    parts = [samples]
    method, _, joint = method.partition(", ")
    if models.learns_from_cells(method):
        parts = [samples[samples.obs["arm"] == arm].copy() for arm in ("single", f"pooled {K}")]
        mask = pathways.pathway_mask(datasets.gene_sets("go_cc"), training.var_names)
        settings = SMALL | {"mask": mask}
        settings |= {"schedule": joint} if joint else {}
    for part in parts:
        inputs = panels.Inputs(training, part, part, drugs, settings=settings)
        tables.append(panels.drug_by_drug(inputs, method, seed=seed).assign(**part.obs[["arm", "line"]]))
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


def planted(cells: AnnData, host: str, donor: str, share: float, mixed: float, rng):
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


def subclones(cells: AnnData, training: AnnData, truth: pd.DataFrame) -> pd.DataFrame:
    """Return the AUROC of planted cells against their cluster, oriented by their lines' measured AUC."""
    model = AllDrugs(penalty=1e4).fit(training, list(truth.columns))
    rows, rng = [], np.random.default_rng(0)
    for host in truth.index:
        donor = rng.choice([line for line in truth.index if line != host])
        gap = truth.loc[donor] - truth.loc[host]
        for share, mixed in ((share, mixed) for share in SHARES for mixed in MIXED):
            made, of_host = planted(cells, host, donor, share, mixed, rng)
            is_planted = made.obs["planted"].to_numpy()[of_host]
            for k in (0, KS[0], K):
                pooled = pp.pool(made[:, training.var_names].copy(), k)
                pooled.layers["scaled"] = pp.zscore(pooled.X)
                score = -model.predict(pooled)[of_host]
                for drug in gap.index[gap.abs() > 0.1]:
                    value = roc_auc_score(is_planted == (gap[drug] < 0), score[drug])
                    rows.append((host, donor, drug, share, mixed, k, value))
    return pd.DataFrame(rows, columns=["host", "donor", "drug", "share", "mixed", "k", "value"])


def real_subclones(bulk, panel, raw_cells):
    training, cells = panel
    truth = shared.answers("mixology", bulk, cells.obs["cell_line"])
    return subclones(raw_cells[cells.obs_names].copy(), training, truth)


def simulated_subclones(*, of_drug):
    bulk = labels.label_bulk(datasets.load_bulk("gdsc2"), drug=of_drug)
    cells = datasets.simulate(
        bulk, drug=of_drug, n_cells=1200, n_lines_per_tail=2, shift=0.0, seed=0, normal=0.0,
        low_quality=0.0, doublets=0.0, hidden_resistant=0.5, surviving_sensitive=0.5,
    )  # fmt: skip
    cells.obs["sample"] = "one"
    training = pp.train_lines(bulk, cells.uns["held_out"])
    training = training[:, [gene for gene in cells.var_names if gene in training.var_names]].copy()
    training.layers["scaled"] = pp.zscore(training.X)
    truth = panels.truth(bulk, sorted(set(cells.obs["cell_line"].astype(str))))[[of_drug]]
    return subclones(cells, training, truth)


def of_subclones(study: Study) -> pd.DataFrame:
    parts = {"GSE118767": study.each(real_subclones, [{}])}
    parts["simulated"] = study.each(simulated_subclones, {"of_drug": DRUGS})
    table = pd.concat(parts, names=["data"])
    pairs = table.groupby(["data", "share", "mixed", "k", "host", "donor"])["value"].mean()
    found = pairs.groupby(["data", "share", "mixed", "k"]).agg(value="mean", pairs="size").reset_index()
    arm = found.pop("k").map(lambda k: f"pooled {k}" if k else "single")
    return found.assign(arm=arm, metric="AUROC of a subclone", method=RULE[0])


def exposed(*, k, seed):
    """Score simulated cells of both samples, pooled or not."""
    bulk = labels.label_bulk(datasets.load_bulk("gdsc2"), drug="Cisplatin")
    genes = bulk.var_names[np.argsort(-np.var(bulk.X, axis=0))[:N_HVG]]
    size = {"n_cells": 400, "n_lines_per_tail": 10, "depth": 2000.0, "pool": k}
    settings = SMALL | {"mask": pathways.pathway_mask(datasets.gene_sets("go_cc"), sorted(genes))}
    about = {"methods": [*METHODS, "shared AE"], "settings": settings, "shifts": [0.0, 2.0]}
    return exposure.score(bulk, genes, **about, seed=seed, **size)


def of_exposure(study: Study) -> pd.DataFrame:
    """Return the share of truly sensitive cells called resistant, by sample, with and without pooling."""
    scores = study.each(exposed, {"k": [0, K], "seed": SEEDS})
    parts = scores.groupby(scores["k"].map({0: "single", K: f"pooled {K}"}))
    called = {arm: exposure.called_resistant(part) for arm, part in parts}
    table = pd.concat(called, names=["arm"]).rename_axis("sample", axis=1).stack().rename("value")
    return table.reset_index().assign(data="simulated", metric="sensitive called resistant")


def on_simulated(pair, mask, *, method, seed):
    """Score simulated cells of the demo edition, which are pooled or not with their pair."""
    made = models.makers([method], mask=mask, **SMALL)
    return evaluate.score_methods(*pair, methods=made, seeds=[seed])


def of_simulated(study: Study) -> pd.DataFrame:
    """Return the AUROC over simulated cells of every method, drug by drug, with and without pooling."""
    arm = {0: "single", K: f"pooled {K}"}
    methods = (*METHODS, *models.NETWORKS)
    scores = study.each(
        on_simulated, {"drug": SIMULATED, "pool": [*arm], "method": methods, "seed": SEEDS[:1]}
    )
    scores["method"] += "|" + scores["pool"].map(arm)
    found = []
    for drug, rows in scores.groupby("drug"):
        cells = study.read("pair", drug=drug, pool=0)[1]
        draws = compare.on_cells(rows, cells, n_draws=N_DRAWS)["auroc"]
        judged_lines = cells.obs.loc[cells.obs["truth"].notna(), "cell_line"].nunique()
        found.append(compared(draws).assign(data=f"simulated, {drug}", lines=judged_lines))
    return pd.concat(found)


# ------------------------------------------------------------------------------------------------- all of it


def chosen_k(table: pd.DataFrame) -> pd.Series:
    """Return by data set the k that the rule chooses there."""
    rho = table[(table["method"] == RULE[0]) & (table["metric"] == "rho") & table["reference"].isna()]
    rho = rho[rho["arm"].str.startswith("pooled") & rho["data"].isin(IN_TAIL)]
    rho = rho.assign(k=rho["arm"].str.removeprefix("pooled ").astype(int)).set_index("k")
    return rho.groupby("data")["value"].apply(lambda v: v[v >= v.max() - RULE[1]].index[0])


if __name__ == "__main__":
    atlas, mixology = (Study(name, panel_hvg=0, pool=0) for name in IN_TAIL)
    parts = [study.each(on_panel, [{"data": study.edition}]) for study in (atlas, mixology)]
    parts += [of_subclones(mixology), of_exposure(mixology), of_simulated(Study("demo"))]
    parts += [calibrated(Study("atlas", panel_hvg=N_HVG, pool=0))]  # five lines decide nothing drug by drug
    table = pd.concat(parts, ignore_index=True)
    atlas.keep("pooling", table.round(4), reads=["panel"])
    levels = table[table["reference"].isna()]
    wide = levels.pivot_table(index=["data", "metric", "method"], columns="arm", values="value")
    print(wide.round(3).to_string(), chosen_k(table), sep="\n")
