"""The drug panel: a few cell lines of known response become hundreds of small ranking tests, one a drug.

For each drug the lines are ranked by the mean score of their cells and compared with their measured AUC.
Cells of a line are pseudo-replicates, so the lines are the unit of the null and the drugs that of the
bootstrap.
"""

from collections.abc import Callable, Sequence
from itertools import permutations

import numpy as np
import pandas as pd
from anndata import AnnData
from sklearn.kernel_ridge import KernelRidge

from bulk2sc import labels, models, pp
from bulk2sc.errors import Bulk2scError


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


def drugs(bulk: AnnData, lines: Sequence[str], *, min_lines: int = 4, min_total: int = 400) -> pd.DataFrame:
    """Choose the drugs of the panel: tested on enough of the lines and on enough lines in all.

    Returns
    -------
    DataFrame
        Index: drug. Columns: n_lines (of those asked), n_total, spread (population standard deviation of the
        lines' AUC) and discriminating (spread > 0.1: the lines differ enough to be ranked).
    """
    answer = truth(bulk, lines)
    table = pd.DataFrame({"n_lines": answer.notna().sum(), "spread": answer.std(ddof=0)})
    table["n_total"] = (~np.isnan(bulk.obsm["auc"])).sum(axis=0)
    table["discriminating"] = table["spread"] > 0.1
    return table[(table["n_lines"] >= min_lines) & (table["n_total"] >= min_total)].rename_axis("drug")


def ridge_weights(bulk: AnnData, drugs: Sequence[str], *, penalty: float = 2000.0) -> pd.DataFrame:
    """Fit a ridge regression of centred AUC on scaled genes for each drug.

    One kernel matrix of the lines serves all drugs, which makes the panel a matter of seconds.

    Parameters
    ----------
    bulk
        Training lines with `layers["scaled"]` (n_lines, n_genes) and `obsm["auc"]`.
    drugs
        Names of drugs.
    penalty
        Penalty on the squared weights, as `alpha` of scikit-learn's `Ridge`.

    Returns
    -------
    DataFrame
        Weights (n_genes, n_drugs); ``-(Z @ weights)`` ranks samples from resistant to sensitive.
    """
    scaled = np.asarray(bulk.layers["scaled"], dtype=np.float64)
    kernel = scaled @ scaled.T
    column = {drug: j for j, drug in enumerate(bulk.uns["drugs"])}
    weights = {}
    for drug in drugs:
        auc = bulk.obsm["auc"][:, column[drug]].astype(float)
        tested = ~np.isnan(auc)
        ridge = KernelRidge(alpha=penalty, kernel="precomputed")
        ridge.fit(kernel[np.ix_(tested, tested)], auc[tested] - auc[tested].mean())
        weights[drug] = scaled[tested].T @ ridge.dual_coef_
    return pd.DataFrame(weights, index=bulk.var_names)


def shared_autoencoder_scores(
    model: models.SharedAutoencoder,
    bulk: AnnData,
    samples: Sequence[AnnData],
    drugs: Sequence[str],
    *,
    k: float = 0.3,
    progress: Callable[[str], None] = lambda message: None,
) -> list[pd.DataFrame]:
    """Score samples for many drugs with one pretrained encoder and one classifier a drug.

    Parameters
    ----------
    model
        A `SharedAutoencoder` after `pretrain`.
    bulk
        Training lines with `layers["scaled"]` and `obsm["auc"]`; each drug's tails come from these lines.
    samples
        AnnData objects to score, for example the cells and the bulk profiles of their lines.
    drugs, k, progress
        Names of drugs, fraction of lines in each tail, and a function that is called with each drug's name.

    Returns
    -------
    list of DataFrame
        One for each of `samples`: P(sensitive), (n_samples, n_drugs).
    """
    scores = [pd.DataFrame(index=sample.obs_names, columns=list(drugs), dtype=float) for sample in samples]
    for drug in drugs:
        progress(drug)
        model.fit_classifier(labels.label_bulk(bulk, drug=drug, k=k))
        for table, sample in zip(scores, samples, strict=True):
            table[drug] = model.score_cells(sample)
    return scores


def bulk_profiles(bulk: AnnData, training: AnnData, lines: Sequence[str]) -> AnnData:
    """Return the bulk profiles of some lines, scaled by the training lines: input of the panel's ceiling."""
    return pp.scale_like(bulk[list(lines), training.var_names], training)


def line_means(scores: pd.DataFrame, lines: Sequence[str]) -> pd.DataFrame:
    """Average the scores of each line's cells: (n_cells, n_drugs) -> (n_lines, n_drugs)."""
    return scores.groupby(np.asarray(lines, str)).mean()


def rank_correlation(score: pd.DataFrame, auc: pd.DataFrame) -> pd.Series:
    """Correlate the lines' scores with their sensitivity (minus AUC), drug by drug, by Spearman's rho.

    Parameters
    ----------
    score
        Score of each line (n_lines, n_drugs), higher = more sensitive.
    auc
        Measured AUC, same lines (in any order) and at least the same drugs; lines with NaN are left out of
        that drug.

    Returns
    -------
    Series
        Spearman's rho by drug, in [-1, 1]; 0 where the score is the same for all lines (it ranks nothing).
    """
    sensitivity = -auc.loc[score.index, score.columns]
    rho = score.where(sensitivity.notna()).corrwith(sensitivity, method="spearman")
    return rho.fillna(0.0).rename("rho").rename_axis("drug")


def permutation_null(score: pd.DataFrame, auc: pd.DataFrame) -> np.ndarray:
    """Return the mean rho under every reassignment of the lines: the exact null of the panel.

    A permutation moves a line's whole row of scores, so that correlation among drugs stays as it is. Of more
    than 6 lines, 720 reassignments are drawn at random instead.

    Returns
    -------
    ndarray
        Shape (n_lines!,), at most 720; the first value belongs to the data as they are.
    """
    rng, n = np.random.default_rng(0), len(score)
    drawn = [range(n), *(rng.permutation(n) for _ in range(719))]
    means = []
    for order in permutations(range(n)) if n <= 6 else drawn:
        moved = pd.DataFrame(score.to_numpy()[list(order)], index=score.index, columns=score.columns)
        means.append(rank_correlation(moved, auc).mean())
    return np.array(means)


def leave_one_line_out(score: pd.DataFrame, auc: pd.DataFrame) -> pd.Series:
    """Return the mean rho without each line in turn: how much hangs on a single line."""
    return pd.Series(
        {line: rank_correlation(score.drop(line), auc).mean() for line in score.index}, name="rho"
    )


def summary(
    score: pd.DataFrame, auc: pd.DataFrame, *, n_draws: int = 2000, seed: int = 0
) -> dict[str, float]:
    """Summarise a panel: mean rho with three intervals, each for what it is.

    Returns
    -------
    dict
        mean: mean rho over drugs. low, high: 95 % bootstrap interval over drugs (the lines held fixed).
        null_sd, null_high: standard deviation and 97.5 % point of the exact permutation null of the lines,
        and p: the share of that null at or above the mean. without_line_low, without_line_high: range when
        one line is left out.
    """
    rho = rank_correlation(score, auc)
    draws = np.random.default_rng(seed).choice(rho.to_numpy(), (n_draws, len(rho))).mean(axis=1)
    null = permutation_null(score, auc)
    without = leave_one_line_out(score, auc)
    return {
        "n_drugs": len(rho),
        "mean": rho.mean(),
        "low": np.quantile(draws, 0.025),
        "high": np.quantile(draws, 0.975),
        "null_sd": null.std(),
        "null_high": np.quantile(null, 0.975),
        "p": float(np.mean(null >= null[0] - 1e-12)),
        "without_line_low": without.min(),
        "without_line_high": without.max(),
    }
