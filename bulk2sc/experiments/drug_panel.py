"""Every method on hundreds of drugs: its scores of the same samples, made cheap by what the drugs share.

What drugs share is computed once: the kernel of the lines for regressions and the support vector machine, the
pretrained encoder for networks. The others are fitted drug by drug, as everywhere in the book.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from sklearn.calibration import CalibratedClassifierCV
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.svm import SVC
from tqdm.auto import tqdm

from bulk2sc import datasets, labels, models, panel, pathways
from bulk2sc.models.all_drugs import AllDrugs, held_out, responses, similarity
from bulk2sc.models.base import FOLDS, labelled_lines, scaled
from bulk2sc.models.regressions import PENALTIES, CorrelationWeights

# What boosted trees and forests give up for speed: genes in fewer bins, as "tuned XGBoost", and fewer trees.
CHEAPER = {"GB": {"bins": 32}, "XGBoost": {"bins": 32}, "RF": {"n_estimators": 200}}
CONSTANT = ("mean effect", "all sensitive", "all resistant")


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
        What is scored, as `panel.samples` returns it: cells and profiles of the panel's lines.
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


def is_network(method: str) -> bool:
    """Tell whether a method learns a code from lines and cells."""
    return method in models.NETWORKS


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
        Tidy: drug, input (`panel.CELLS` or `panel.OWN_BULK`), line, score (higher = more sensitive).
    """
    lines = sorted(cells.obs["cell_line"].unique())
    samples = panel.samples(cells, panel.bulk_profiles(bulk, training, lines))
    if is_network(method):
        mask = pathways.pathway_mask(datasets.gene_sets(resource), training.var_names, min_genes=min_genes)
        network["mask"] = mask
    inputs = Inputs(training, cells, samples, list(drugs), k, network)
    return panel.line_means(score(method, inputs, seed=seed), samples)


def score(method: str, inputs: Inputs, *, seed: int = 0) -> pd.DataFrame:
    """Train one method of `models.METHODS` for every drug and score the samples, (n_samples, n_drugs).

    Regressions score minus the predicted AUC, classifiers P(sensitive).
    """
    if method == models.RidgeCV.name:
        return _swept(inputs, seed)
    if method in LINEAR:
        return _linear(inputs, LINEAR[method](inputs.bulk, inputs.drugs))
    if method == "SVM":
        return svm_scores(inputs, seed=seed)
    if is_network(method):
        return encoder_scores(inputs, method, seed=seed)
    return drug_by_drug(inputs, method, seed=seed)


def drug_by_drug(inputs: Inputs, method: str, *, seed: int = 0) -> pd.DataFrame:
    """Fit a new model for each drug, as `models.make` gives it but for `CHEAPER`."""
    if method in CONSTANT:  # they look at no gene, so one is enough
        data = [adata[:, :1].copy() for adata in (inputs.bulk, inputs.cells, inputs.samples)]
        inputs = Inputs(*data, inputs.drugs, inputs.k)
    settings, scores = CHEAPER.get(method, {}) | inputs.settings | {"seed": seed}, {}
    for drug in tqdm(inputs.drugs, desc=method, unit="drug", leave=False, disable=None):
        model = models.make(method, **settings).fit(inputs.labelled(drug), inputs.cells)
        scores[drug] = model.score_cells(inputs.samples)
    return pd.DataFrame(scores, inputs.samples.obs_names)


def encoder_scores(inputs: Inputs, method: str, *, seed: int = 0) -> pd.DataFrame:
    """Pretrain one encoder without labels, then train a classifier for each drug on its code."""
    model = models.make(method, **inputs.settings, seed=seed).pretrain(inputs.bulk, inputs.cells)
    of_lines, of_samples = model.encode(inputs.bulk), torch.from_numpy(model.encode(inputs.samples))
    scores = {}
    for drug in tqdm(inputs.drugs, desc=method, unit="drug", leave=False, disable=None):
        logit = model.fit_classifier(inputs.labelled(drug), of_lines).code_logit(of_samples)
        scores[drug] = torch.sigmoid(logit).detach().cpu().numpy()
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


# ------------------------------------------------------------------------------------------ regressions


def signature_weights(bulk: AnnData, drugs: Sequence[str]) -> pd.DataFrame:
    """Correlate every gene with the AUC over the tested lines, for each drug: (n_genes, n_drugs)."""
    genes, weights = scaled(bulk), {}
    for drug in drugs:
        auc = labels.response_of(bulk, drug).to_numpy(dtype=float)
        tested = ~np.isnan(auc)
        weights[drug] = CorrelationWeights().fit(genes[tested], auc[tested]).coef_
    return pd.DataFrame(weights, index=bulk.var_names)


def _fixed_penalty(bulk: AnnData, drugs: Sequence[str]) -> pd.DataFrame:
    return AllDrugs(penalty=models.Ridge().alpha).fit(bulk, drugs).weights_


LINEAR: dict[str, Callable] = {models.Ridge.name: _fixed_penalty, models.Signature.name: signature_weights}


def _linear(inputs: Inputs, weights: pd.DataFrame) -> pd.DataFrame:
    return -(inputs.samples.to_df(layer="scaled") @ weights)


def penalty_sweep(bulk: AnnData, drugs: Sequence[str], *, seed: int = 0) -> pd.DataFrame:
    """Cross-validate ridge regression over `PENALTIES` for each drug; drugs share the folds of the lines.

    Returns
    -------
    DataFrame
        Correlation with AUC on held-out lines, mean over folds (n_drugs, n_penalties).
    """
    auc, genes = responses(bulk, drugs), scaled(bulk).astype(float)
    splits = list(KFold(FOLDS, shuffle=True, random_state=seed).split(genes))
    kernel = similarity(genes, genes, "linear")
    found = {}
    for penalty in PENALTIES:
        predicted = pd.DataFrame(held_out(kernel, auc.to_numpy(), splits, penalty), auc.index, auc.columns)
        found[penalty] = sum(predicted.iloc[fold].corrwith(auc.iloc[fold]) for _, fold in splits) / FOLDS
    return pd.DataFrame(found)


def _swept(inputs: Inputs, seed: int) -> pd.DataFrame:
    """Give each drug the penalty that bulk lines favour."""
    penalties = penalty_sweep(inputs.bulk, inputs.drugs, seed=seed).idxmax(axis=1)
    groups = penalties.groupby(penalties).groups.items()
    weights = [AllDrugs(penalty=one).fit(inputs.bulk, same).weights_ for one, same in groups]
    return _linear(inputs, pd.concat(weights, axis=1)[list(inputs.drugs)])
