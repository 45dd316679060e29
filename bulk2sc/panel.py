"""The drug panel: lines that are not trained on, ranked by the mean score of their cells for every drug.

For each drug the lines are ranked by the mean score of their cells and compared with their measured AUC.
Cells of a line are replicates, so lines are what `compare.on_panel` draws. Methods learn AUC too here,
whatever `measure` the study labels its lines by.

What hundreds of drugs share is computed once: the kernel of the lines for regressions and the support vector
machine, the pretrained encoder for networks. Others are fitted drug by drug, as everywhere in the book.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import anndata as ad
import numpy as np
import pandas as pd
from anndata import AnnData
from sklearn.calibration import CalibratedClassifierCV
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.svm import SVC
from tqdm.auto import tqdm

from bulk2sc import datasets, labels, models, pathways, pp
from bulk2sc.errors import Bulk2scError
from bulk2sc.models.all_drugs import AllDrugs, held_out, responses
from bulk2sc.models.base import FOLDS, labelled_lines, scaled
from bulk2sc.models.baselines import PENALTIES, CorrelationWeights

CELLS, OWN_BULK = "cells", "own bulk profiles"
# What boosted trees and forests give up for speed: genes in fewer bins, as "tuned XGBoost", and fewer trees.
CHEAPER = {"GB": {"bins": 32}, "XGBoost": {"bins": 32}, "RF": {"n_estimators": 200}}
CONSTANT = ("mean effect", "all sensitive", "all resistant")


# ------------------------------------------------------------------------------------ drugs, lines, samples


def truth(bulk: AnnData, lines: Sequence[str]) -> pd.DataFrame:
    """Return the measured AUC of some lines for every drug.

    Returns
    -------
    DataFrame
        Shape (n_lines, n_drugs), AUC in [0, 1] or a little above, NaN where a line was not tested.

    Raises
    ------
    Bulk2scError
        If a line is not in the bulk data.
    """
    missing = [line for line in lines if line not in bulk.obs_names]
    if missing:
        raise Bulk2scError(
            f"panel: no bulk data for cell line {', '.join(missing)}; the panel needs lines of GDSC"
        )
    return pd.DataFrame(bulk[list(lines)].obsm["auc"], index=list(lines), columns=list(bulk.uns["drugs"]))


def drugs(
    bulk: AnnData,
    lines: Sequence[str],
    *,
    min_lines: int = 4,
    min_total: int = 400,
    min_spread: float = 0.0,
) -> pd.DataFrame:
    """Choose the drugs of the panel: tested on enough lines, which differ enough to be ranked.

    Returns
    -------
    DataFrame
        Index: drug. Columns: n_lines (of those asked), n_total and spread (population standard deviation of
        the lines' AUC).

    Raises
    ------
    Bulk2scError
        If there is no such drug.
    """
    answer = truth(bulk, lines)
    table = pd.DataFrame({"n_lines": answer.notna().sum(), "spread": answer.std(ddof=0)})
    table["n_total"] = (~np.isnan(bulk.obsm["auc"])).sum(axis=0)
    enough = (table["n_lines"] >= min_lines) & (table["n_total"] >= min_total)
    chosen = table[enough & (table["spread"] >= min_spread)].rename_axis("drug")
    if chosen.empty:
        raise Bulk2scError(
            f"panel: no drug was tested on {min_lines} of the {len(lines)} lines and on {min_total} lines in "
            f"all with a spread of {min_spread:g}; lower panel_min_lines, panel_min_total or panel_min_spread"
        )
    return chosen


def bulk_profiles(bulk: AnnData, training: AnnData, lines: Sequence[str]) -> AnnData:
    """Return the bulk profiles of some lines, scaled by the training lines: a reference for their cells."""
    return pp.scale_like(bulk[list(lines), training.var_names], training)


def samples(cells: AnnData, profiles: AnnData) -> AnnData:
    """Join cells and bulk profiles of the same genes; ``obs`` says the input and the line of each."""
    parts = {CELLS: (cells, cells.obs["cell_line"].astype(str)), OWN_BULK: (profiles, profiles.obs_names)}
    joined = [
        AnnData(
            obs=pd.DataFrame({"input": name, "line": np.asarray(line)}, index=adata.obs_names),
            var=adata.var[[]],
            layers={"scaled": adata.layers["scaled"]},
        )
        for name, (adata, line) in parts.items()
    ]
    return ad.concat(joined, index_unique=":", keys=list(parts))


def line_means(scores: pd.DataFrame, samples: AnnData) -> pd.DataFrame:
    """Average scores (n_samples, n_drugs) over each line's samples: tidy drug, input, line, score."""
    of = [samples.obs["input"].to_numpy(), samples.obs["line"].to_numpy()]
    means = scores.groupby(of).mean().round(12)  # means of one constant differ in the last digit
    means = means.rename_axis(["input", "line"]).rename_axis("drug", axis=1)
    return means.stack().rename("score").reset_index()[["drug", "input", "line", "score"]]


# ----------------------------------------------------------------------------------------------- scores


@dataclass(frozen=True)
class Inputs:
    """What every method gets.

    Attributes
    ----------
    bulk
        Training lines with ``layers["scaled"]``, ``obsm["auc"]`` and ``uns["drugs"]``.
    cells
        Cells to learn from without labels, the same genes.
    samples
        What is scored, as `samples` returns it: cells and profiles of the panel's lines.
    drugs
        Names of drugs.
    k
        Fraction of lines in each tail.
    settings
        Settings of the networks by name.
    """

    bulk: AnnData
    cells: AnnData
    samples: AnnData
    drugs: list[str]
    k: float = 0.3
    settings: dict = field(default_factory=dict)

    def labelled(self, drug: str) -> AnnData:
        """Return the training lines labelled by the tails of a drug."""
        return labels.label_bulk(self.bulk, drug=drug, k=self.k)


def line_scores(
    bulk: AnnData,
    training: AnnData,
    cells: AnnData,
    drugs: Sequence[str],
    *,
    method: str,
    seed: int = 0,
    k: float = 0.3,
    resource: str = "go_cc",
    min_genes: int = 10,
    **network,
) -> pd.DataFrame:
    """Score the lines of the panel with one method: the mean over a line's cells, and its own bulk profile.

    Parameters
    ----------
    bulk, training, cells
        All lines; those to train on and the cells of the others, as `pp.pair` makes them.
    drugs
        Names of drugs.
    method, seed
        As for `score`.
    k
        Fraction of lines in each tail, for classifiers.
    resource, min_genes, network
        Gene sets of the mask, and settings of a network.

    Returns
    -------
    DataFrame
        Tidy: drug, input (`CELLS` or `OWN_BULK`), line, score (higher = more sensitive).
    """
    lines = sorted(cells.obs["cell_line"].unique())
    scored = samples(cells, bulk_profiles(bulk, training, lines))
    if method in models.NETWORKS:
        mask = pathways.pathway_mask(datasets.gene_sets(resource), training.var_names, min_genes=min_genes)
        network["mask"] = mask
    inputs = Inputs(training, cells, scored, list(drugs), k, network)
    return line_means(score(method, inputs, seed=seed), scored)


def score(method: str, inputs: Inputs, *, seed: int = 0) -> pd.DataFrame:
    """Train one method of `models.METHODS` for every drug and score the samples, (n_samples, n_drugs).

    Regressions score minus the predicted AUC, classifiers P(sensitive).
    """
    bulk, drugs = inputs.bulk, inputs.drugs
    if method == "SVM":
        return svm_scores(inputs, seed=seed)
    if method == models.Signature.name:
        weights = signature_weights(bulk, drugs)
    elif method == models.Ridge.name:
        weights = AllDrugs(penalty=models.Ridge().alpha).fit(bulk, drugs).weights_
    elif method == models.RidgeCV.name:
        penalties = penalty_sweep(bulk, drugs, seed=seed).idxmax(axis=1)  # each drug's, as bulk lines favour
        groups = penalties.groupby(penalties).groups.items()
        weights = [AllDrugs(penalty=one).fit(bulk, same).weights_ for one, same in groups]
        weights = pd.concat(weights, axis=1)[list(drugs)]
    else:
        return drug_by_drug(inputs, method, seed=seed)
    return -(inputs.samples.to_df(layer="scaled") @ weights)


def drug_by_drug(inputs: Inputs, method: str, *, seed: int = 0) -> pd.DataFrame:
    """Fit a new model for each drug, `CHEAPER` where it can be; a pretrained network is shared."""
    if method in CONSTANT:  # they look at no gene, so one is enough
        data = [adata[:, :1].copy() for adata in (inputs.bulk, inputs.cells, inputs.samples)]
        inputs = Inputs(*data, inputs.drugs, inputs.k)
    settings, scores = CHEAPER.get(method, {}) | inputs.settings | {"seed": seed}, {}
    model = models.make(method, **settings)
    network = method in models.NETWORKS and model.schedule != "joint"
    if network:
        model.pretrain(inputs.bulk, inputs.cells)
    for drug in tqdm(inputs.drugs, desc=method, unit="drug", leave=False, disable=None):
        lines = inputs.labelled(drug)
        fitted = model.fit_classifier(lines) if network else model.fit(lines, inputs.cells)
        scores[drug] = fitted.score_cells(inputs.samples)
    return pd.DataFrame(scores, inputs.samples.obs_names)


def svm_scores(inputs: Inputs, *, seed: int = 0) -> pd.DataFrame:
    """Fit the SVM of `models.baselines` for each drug on kernels that are cut from one matrix of distances.

    The folds of the calibration share the kernel width of all the drug's lines, where that SVM takes each
    fold's own: the order of the scores is the same, their values differ in the third decimal.
    """
    lines, samples = (scaled(adata).astype(float) for adata in (inputs.bulk, inputs.samples))
    within = euclidean_distances(lines, squared=True)
    across = euclidean_distances(samples, lines, squared=True)
    scores = {}
    for drug in inputs.drugs:
        labelled = inputs.labelled(drug)
        X, y = labelled_lines(labelled)
        chosen = np.flatnonzero(labelled.obs["response"].notna())
        gamma = 1 / (X.shape[1] * X.var())
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
        svc = SVC(kernel="precomputed", C=models.make("SVM").get_params()["C"])
        platt = CalibratedClassifierCV(svc, method="sigmoid", cv=folds, ensemble=False)
        platt.fit(np.exp(-gamma * within[np.ix_(chosen, chosen)]), y)
        scores[drug] = platt.predict_proba(np.exp(-gamma * across[:, chosen]))[:, 1]
    return pd.DataFrame(scores, inputs.samples.obs_names)


def signature_weights(bulk: AnnData, drugs: Sequence[str]) -> pd.DataFrame:
    """Correlate every gene with the AUC over the tested lines, for each drug: (n_genes, n_drugs)."""
    genes, weights = scaled(bulk), {}
    for drug in drugs:
        auc = labels.response_of(bulk, drug).to_numpy(dtype=float)
        tested = ~np.isnan(auc)
        weights[drug] = CorrelationWeights().fit(genes[tested], auc[tested]).coef_
    return pd.DataFrame(weights, index=bulk.var_names)


def penalty_sweep(bulk: AnnData, drugs: Sequence[str], *, seed: int = 0) -> pd.DataFrame:
    """Cross-validate ridge regression over `PENALTIES` for each drug; drugs share the folds of the lines.

    Returns
    -------
    DataFrame
        Correlation with AUC on held-out lines, mean over folds (n_drugs, n_penalties).
    """
    auc, genes = responses(bulk, drugs), scaled(bulk).astype(float)
    splits = list(KFold(FOLDS, shuffle=True, random_state=seed).split(genes))
    kernel = genes @ genes.T
    found = {}
    for penalty in PENALTIES:
        predicted = pd.DataFrame(held_out(kernel, auc.to_numpy(), splits, penalty), auc.index, auc.columns)
        found[penalty] = sum(predicted.iloc[fold].corrwith(auc.iloc[fold]) for _, fold in splits) / FOLDS
    return pd.DataFrame(found)
