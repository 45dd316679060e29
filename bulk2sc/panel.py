"""The drug panel: a few cell lines of known response become hundreds of small ranking tests, one a drug.

For each drug the lines are ranked by the mean score of their cells and compared with their measured AUC.
Cells of a line are pseudo-replicates, so the lines are the unit of the null and the drugs that of the
bootstrap. Methods learn AUC too here, whatever `measure` the study labels its lines by.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import anndata as ad
import numpy as np
import pandas as pd
from anndata import AnnData

from bulk2sc import inference, pp
from bulk2sc.errors import Bulk2scError

CELLS, CEILING = "cells", "bulk profiles (ceiling)"
DISCRIMINATING, ALL, NAMED = "discriminating drugs", "drugs", "named drugs"  # sets of drugs
MAX_ORDERS = 720  # of more than 6 lines so many are drawn


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


def drugs(bulk: AnnData, lines: Sequence[str], *, min_lines: int = 4, min_total: int = 400) -> pd.DataFrame:
    """Choose the drugs of the panel: tested on enough of the lines and on enough lines in all.

    Returns
    -------
    DataFrame
        Index: drug. Columns: n_lines (of those asked), n_total, spread (population standard deviation of the
        lines' AUC) and discriminating (spread > 0.1: the lines differ enough to be ranked).

    Raises
    ------
    Bulk2scError
        If no drug was tested on so many lines.
    """
    answer = truth(bulk, lines)
    table = pd.DataFrame({"n_lines": answer.notna().sum(), "spread": answer.std(ddof=0)})
    table["n_total"] = (~np.isnan(bulk.obsm["auc"])).sum(axis=0)
    table["discriminating"] = table["spread"] > 0.1
    chosen = table[(table["n_lines"] >= min_lines) & (table["n_total"] >= min_total)].rename_axis("drug")
    if chosen.empty:
        raise Bulk2scError(
            f"panel: no drug was tested on {min_lines} of the {len(lines)} lines and on {min_total} lines in "
            "all; lower panel_min_lines or panel_min_total"
        )
    return chosen


def few(drugs: pd.DataFrame, n: int) -> list[str]:
    """Return the `n` discriminating drugs that were tested on most lines, ties by name, from `drugs`' table.

    The rule looks at no method's result. Where fewer discriminate, the others follow by the same rule.
    """
    by_rule = drugs.assign(name=drugs.index).sort_values(
        ["discriminating", "n_total", "name"], ascending=[False, False, True]
    )
    return list(by_rule.index[:n])


def sets(drugs: pd.DataFrame, n_few: int) -> dict[str, list[str]]:
    """Return the sets of drugs over which means are taken, from `drugs`' table; none of them empty."""
    named = {
        DISCRIMINATING: list(drugs.index[drugs["discriminating"]]),
        ALL: list(drugs.index),
        NAMED: few(drugs, n_few),
    }
    return {name: chosen for name, chosen in named.items() if chosen}


def bulk_profiles(bulk: AnnData, training: AnnData, lines: Sequence[str]) -> AnnData:
    """Return the bulk profiles of some lines, scaled by the training lines: input of the panel's ceiling."""
    return pp.scale_like(bulk[list(lines), training.var_names], training)


def samples(cells: AnnData, profiles: AnnData) -> AnnData:
    """Join cells and bulk profiles of the same genes; ``obs`` says the input and the line of each."""
    parts = {CELLS: (cells, cells.obs["cell_line"].astype(str)), CEILING: (profiles, profiles.obs_names)}
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


# ------------------------------------------------------------------------------------------------- ranking


@dataclass(frozen=True)
class Ranking:
    """How well one method ranks the lines, drug by drug, as a mean over its seeds.

    Attributes
    ----------
    rho
        Spearman's correlation of the lines' scores with their sensitivity (minus AUC), a Series by drug; 0
        where the score is the same for all lines, which ranks nothing.
    permuted
        The same with the lines' scores dealt out in other orders, (n_orders, n_drugs); the first order is
        that of the data.
    without
        The same without each line in turn, (n_lines, n_drugs).
    """

    rho: pd.Series
    permuted: pd.DataFrame
    without: pd.DataFrame

    def minus(self, other: "Ranking") -> "Ranking":
        """Return the differences to another method, drug by drug, for the drugs that both have."""
        both = [drug for drug in self.rho.index if drug in other.rho.index]
        pairs = ((getattr(self, name), getattr(other, name)) for name in ("permuted", "without"))
        return Ranking(self.rho[both] - other.rho[both], *(a[both] - b[both] for a, b in pairs))

    def of(self, drugs: Sequence[str]) -> "Ranking":
        """Return the ranking for some drugs only."""
        drugs = list(drugs)
        return Ranking(self.rho[drugs], self.permuted[drugs], self.without[drugs])


def ranking(scores: Sequence[pd.DataFrame], auc: pd.DataFrame) -> Ranking:
    """Rank the lines by their scores under every order, and without each line.

    A permutation moves a line's whole row of scores, so that correlation among drugs stays as it is.

    Parameters
    ----------
    scores
        Score of each line, higher = more sensitive, (n_lines, n_drugs): one table a seed.
    auc
        Measured AUC, the same lines (in any order) and at least the same drugs; lines with NaN are left out
        of that drug.
    """
    means = [_one_seed(score, -auc.loc[score.index, score.columns]) for score in scores]
    rho, permuted, without = (sum(tables) / len(means) for tables in zip(*means, strict=True))
    return Ranking(rho.iloc[0].rename("rho").rename_axis("drug"), permuted, without)


def _one_seed(score: pd.DataFrame, sensitivity: pd.DataFrame) -> list[pd.DataFrame]:
    values, answer = score.to_numpy(float), sensitivity.to_numpy(float)
    moved = values[orders(len(score))]
    left_out = np.where(np.eye(len(score), dtype=bool)[:, :, None], np.nan, values)
    tables = (spearman(kind, answer) for kind in (values[None], moved, left_out))
    return [pd.DataFrame(table, columns=score.columns) for table in tables]


def orders(n: int) -> np.ndarray:
    """Return all orders of `n` lines, (n!, n), the first as they are; of more than 6, 720 random ones."""
    if n <= 6:
        return np.array(list(permutations(range(n))))
    rng = np.random.default_rng(0)
    return np.array([np.arange(n), *(rng.permutation(n) for _ in range(MAX_ORDERS - 1))])


def spearman(scores: np.ndarray, sensitivity: np.ndarray) -> np.ndarray:
    """Correlate ranks down the lines: (m, n_lines, n_drugs) with (n_lines, n_drugs) -> (m, n_drugs).

    A line where either is NaN is left out. 0 where all scores are the same.
    """
    known = ~np.isnan(scores) & ~np.isnan(sensitivity)
    ranks = [_centred_ranks(np.where(known, values, np.nan)) for values in (scores, sensitivity)]
    norms = [np.sqrt((rank**2).sum(axis=1)) for rank in ranks]
    size = norms[0] * norms[1]
    product = (ranks[0] * ranks[1]).sum(axis=1)
    return np.divide(product, size, out=np.zeros_like(size), where=size > 0)


def _centred_ranks(values: np.ndarray) -> np.ndarray:
    """Return ranks along axis 1 minus their mean, ties averaged, 0 for NaN."""
    m, n, n_drugs = values.shape
    flat = pd.DataFrame(values.transpose(1, 0, 2).reshape(n, -1)).rank()
    return (flat - flat.mean()).fillna(0.0).to_numpy().reshape(n, m, n_drugs).transpose(1, 0, 2)


def rankings(scores: pd.DataFrame, auc: pd.DataFrame) -> dict[tuple[str, str], Ranking]:
    """Rank the lines by every method and input: the tidy scores of the artefact `panel_scores` -> Ranking."""
    found = {}
    for who, table in scores.groupby(["method", "input"], sort=False):
        wide = [part.pivot(index="line", columns="drug", values="score") for _, part in table.groupby("seed")]
        found[who] = ranking(wide, auc)
    return found


def of_seeds(scores: pd.DataFrame, auc: pd.DataFrame) -> pd.DataFrame:
    """Return tidy rho of every method, seed, drug and input."""
    rows = []
    for (method, seed, kind), table in scores.groupby(["method", "seed", "input"], sort=False):
        wide = table.pivot(index="line", columns="drug", values="score")
        answer = -auc.loc[wide.index, wide.columns].to_numpy(float)
        rho = spearman(wide.to_numpy(float)[None], answer)[0]
        rows.append(
            pd.DataFrame({"drug": wide.columns, "value": rho}).assign(method=method, seed=seed, input=kind)
        )
    return pd.concat(rows, ignore_index=True)[["method", "seed", "input", "drug", "value"]]


def seed_means(rho: pd.DataFrame, sets: dict[str, Sequence[str]]) -> pd.DataFrame:
    """Average the rho of every method, seed and input over sets of drugs: the seeds behind `judge`.

    Parameters
    ----------
    rho
        As `of_seeds` returns it.
    sets
        Drugs by the name of the set.

    Returns
    -------
    DataFrame
        Columns drugs (name of the set), method, seed, input and value.
    """
    means = {
        name: rho[rho["drug"].isin(chosen)].groupby(["method", "seed", "input"], sort=False)["value"].mean()
        for name, chosen in sets.items()
    }
    return pd.concat(means, names=["drugs"]).reset_index()


def same_for_all_lines(scores: pd.DataFrame) -> pd.DataFrame:
    """Count the runs, a seed on a drug, that give the cells of all lines one score: they rank nothing.

    Returns
    -------
    DataFrame
        Indexed by method: runs, and of these same.
    """
    on_cells = scores[scores["input"] == CELLS]
    same = on_cells.groupby(["method", "seed", "drug"], sort=False)["score"].nunique() == 1
    by_method = same.groupby(level="method", sort=False)
    return pd.DataFrame({"runs": by_method.size(), "same": by_method.sum()})


# ------------------------------------------------------------------------------------------------ judging


def summary(
    found: Ranking, *, two_sided: bool = False, n_draws: int = 2000, seed: int = 0
) -> dict[str, float]:
    """Summarise a panel: mean rho over drugs with three kinds of uncertainty, each for what it is.

    Parameters
    ----------
    found
        Of one method, or of the difference of two.
    two_sided
        Whether the null is asked for values as far from 0 as the mean, or for values as high.

    Returns
    -------
    dict
        n_drugs; value: mean over drugs. low, high: 95 % bootstrap interval over drugs (the lines held fixed).
        null_sd, null_low, null_high: standard deviation, 2.5 and 97.5 % point of the permutation null of the
        lines, and p: the share of that null that is as extreme as the mean. without_low, without_high: range
        when one line is left out.
    """
    rho, null = found.rho.to_numpy(), found.permuted.mean(axis=1).to_numpy()
    draws = np.random.default_rng(seed).choice(rho, (n_draws, len(rho))).mean(axis=1)
    without = found.without.mean(axis=1)
    far = np.abs(null) >= abs(null[0]) - 1e-12 if two_sided else null >= null[0] - 1e-12
    return {
        "n_drugs": len(rho),
        "value": rho.mean(),
        "low": np.quantile(draws, 0.025),
        "high": np.quantile(draws, 0.975),
        "null_sd": null.std(),
        "null_low": np.quantile(null, 0.025),
        "null_high": np.quantile(null, 0.975),
        "p": float(far.mean()),
        "without_low": without.min(),
        "without_high": without.max(),
    }


def judge(
    found: dict[tuple[str, str], Ranking], sets: dict[str, Sequence[str]], *, n_draws: int = 2000
) -> pd.DataFrame:
    """Summarise every method and input over sets of drugs; a method lacks a set of which it lacks a drug.

    Returns
    -------
    DataFrame
        Columns drugs (name of the set), method, input, those of `summary`, and p_best: the share of orders of
        the lines under which the best of all methods would be as good, so that whoever is best was not picked
        by a p-value of its own (Westfall and Young's single step).
    """
    rows = []
    for name, chosen in sets.items():
        asked = {who: one.of(chosen) for who, one in found.items() if set(chosen) <= set(one.rho.index)}
        nulls = pd.DataFrame({who: one.permuted.mean(axis=1) for who, one in asked.items()})
        highest = nulls.T.groupby(level=1).max().T if asked else nulls
        for (method, kind), one in asked.items():
            row = summary(one, n_draws=n_draws)
            best = float((highest[kind] >= row["value"] - 1e-12).mean())
            rows.append({"drugs": name, "method": method, "input": kind, **row, "p_best": best})
    return pd.DataFrame(rows)


def against(
    found: dict[tuple[str, str], Ranking],
    pairs: Sequence[tuple[str, str]],
    drugs: Sequence[str],
    *,
    kind: str = CELLS,
    n_draws: int = 2000,
) -> pd.DataFrame:
    """Compare pairs of methods drug by drug, corrected for the number of comparisons by Holm's method.

    The null deals the lines out in the same order for both methods: neither knows which line is which.

    Returns
    -------
    DataFrame
        Columns first, second, those of `summary` (two-sided; value is first minus second) and p_holm.
    """
    rows = []
    for first, second in pairs:
        difference = found[first, kind].of(drugs).minus(found[second, kind].of(drugs))
        rows.append({"first": first, "second": second} | summary(difference, two_sided=True, n_draws=n_draws))
    table = pd.DataFrame(rows)
    return table.assign(p_holm=inference.holm(table["p"])) if rows else table
