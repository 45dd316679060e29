"""All drugs at once: the response of every drug, from one kernel of the lines.

Kernel ridge regression with an intercept solves (K + penalty I) a + b = y with sum(a) = 0, where K compares
lines by their genes. Only y differs between drugs, so one inverse serves them all; leaving out the lines that
a drug was not tested on is a small correction of it.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from anndata import AnnData

from bulk2sc.errors import Bulk2scError
from bulk2sc.models.base import ArrayModel, scaled

MIN_LINES = 5  # of a drug
CHOSEN = {"penalty": 2e3, "ic50_penalty": 5e3}  # on real cells, by the rule of benchmarks/bulk_models.py


class AllDrugs(ArrayModel):
    """Ridge regression of the response to all drugs on scaled genes, each drug on the lines it was tested on.

    Parameters
    ----------
    penalty
        On the squared weights of the genes, as `alpha` of scikit-learn's `Ridge`.
    ic50_penalty
        Of a second regression, on ln IC50: predictions are then the mean of both, IC50 on the scale of AUC
        (with its mean and standard deviation, drug by drug). Only AUC is learnt if None.
    """

    name = "all drugs"

    def __init__(self, *, penalty: float = 1e4, ic50_penalty: float | None = None):
        self.penalty = penalty
        self.ic50_penalty = ic50_penalty

    def fit(self, bulk: AnnData, drugs: Sequence[str] | None = None) -> "AllDrugs":
        """Learn the response to all drugs, or to some.

        Parameters
        ----------
        bulk
            Lines with ``layers["scaled"]``, and the measures in obsm, such as ``obsm["auc"]`` (n_lines,
            n_drugs; NaN: not tested), by the drugs of ``uns["drugs"]``.

        Raises
        ------
        Bulk2scError
            If these are missing, or a drug was tested on fewer than 5 lines.
        """
        learnt = self._responses(bulk, drugs)
        tested = learnt[0][0].notna().any(axis=1)
        genes = scaled(bulk, "bulk")[tested].astype(float)
        kernel = genes @ genes.T
        fits = [solve(kernel, table[tested].to_numpy(), penalty) for table, penalty in learnt]
        duals, intercept = (sum(parts) / len(fits) for parts in zip(*fits, strict=True))
        drugs = np.array(learnt[0][0].columns, dtype=str)
        self.arrays_ = {"coef": genes.T @ duals, "intercept": intercept, "drugs": drugs}
        self.genes_ = bulk.var_names.to_numpy(dtype=str)
        return self

    def predict(self, cells: AnnData) -> pd.DataFrame:
        """Return the predicted AUC, (n_cells, n_drugs): the lower, the more sensitive.

        Parameters
        ----------
        cells
            Cells or lines with ``layers["scaled"]``.

        Raises
        ------
        Bulk2scError
            If the model is not fitted, or genes of it are missing.
        """
        genes = scaled(self._align(cells)).astype(float)
        predicted = genes @ self.arrays_["coef"] + self.arrays_["intercept"]
        return pd.DataFrame(predicted, cells.obs_names, self.arrays_["drugs"])

    def cross_validate(self, bulk: AnnData, splits: Iterable[tuple[np.ndarray, np.ndarray]]) -> pd.DataFrame:
        """Predict the AUC of lines that are left out of the fit, (n_lines, n_drugs).

        Parameters
        ----------
        splits
            Numbers of the lines to learn from and of those to predict, from any splitter of scikit-learn:
            ``KFold(5, shuffle=True).split(bulk)``, or with whole groups of lines left out.
        """
        learnt, genes, splits = self._responses(bulk), scaled(bulk, "bulk").astype(float), list(splits)
        kernel = genes @ genes.T
        fits = [held_out(kernel, table.to_numpy(), splits, penalty) for table, penalty in learnt]
        return pd.DataFrame(sum(fits) / len(fits), bulk.obs_names, learnt[0][0].columns)

    def _responses(
        self, bulk: AnnData, drugs: Sequence[str] | None = None
    ) -> list[tuple[pd.DataFrame, float]]:
        """Return the responses to learn, AUC first, all on its scale, each with its penalty."""
        auc = responses(bulk, drugs)
        if self.ic50_penalty is None:
            return [(auc, self.penalty)]
        ic50 = responses(bulk, drugs, "ln_ic50")
        ic50 = auc.mean() + auc.std() * (ic50 - ic50.mean()) / ic50.std()
        return [(auc, self.penalty), (ic50, self.ic50_penalty)]

    @property
    def weights_(self) -> pd.DataFrame:
        """Weights, (n_genes, n_drugs)."""
        return pd.DataFrame(self.arrays_["coef"], self.genes_, self.arrays_["drugs"])


def responses(bulk: AnnData, drugs: Sequence[str] | None = None, measure: str = "auc") -> pd.DataFrame:
    """Return ``obsm[measure]`` by line and drug, (n_lines, n_drugs); NaN where untested.

    Raises
    ------
    Bulk2scError
        If it is missing, or a drug was tested on fewer than 5 of the lines.
    """
    if measure not in bulk.obsm or "drugs" not in bulk.uns:
        raise Bulk2scError(
            f"bulk: obsm['{measure}'] or uns['drugs'] is missing; read the lines by datasets.load_bulk"
        )
    table = pd.DataFrame(np.asarray(bulk.obsm[measure], float), bulk.obs_names, list(bulk.uns["drugs"]))
    table = table if drugs is None else table[list(drugs)]
    few = table.columns[table.notna().sum() < MIN_LINES]
    if len(few):
        raise Bulk2scError(f"bulk: {few[0]} was tested on fewer than {MIN_LINES} of the lines; leave it out")
    return table


def solve(kernel: np.ndarray, auc: np.ndarray, penalty: float) -> tuple[np.ndarray, np.ndarray]:
    """Fit a kernel ridge regression with an intercept to each drug, on the lines where it is not NaN.

    Parameters
    ----------
    kernel
        Of the lines, (n_lines, n_lines).
    auc
        (n_lines, n_drugs).

    Returns
    -------
    tuple
        Dual coefficients (n_lines, n_drugs), 0 for a line that is not tested, and intercepts (n_drugs,).
        Predictions are ``kernel of samples and lines @ duals + intercept``.
    """
    inverse = np.linalg.inv(kernel + penalty * np.eye(len(kernel)))
    tested = ~np.isnan(auc)
    duals, intercept = np.zeros(auc.shape), np.zeros(auc.shape[1])
    patterns, pattern = np.unique(tested, axis=1, return_inverse=True)
    for number, known in enumerate(patterns.T):
        drugs = np.flatnonzero(pattern == number)
        # With 0 for unknown responses, and then the duals of these lines brought back to 0.
        right = np.column_stack([known, np.where(known[:, None], auc[:, drugs], 0.0)])
        solution = inverse @ right
        if not known.all():
            unknown = inverse[:, ~known]
            solution -= unknown @ np.linalg.solve(unknown[~known], solution[~known])
        ones, of_auc = solution[:, :1], solution[:, 1:]
        intercept[drugs] = of_auc.sum(axis=0) / ones.sum()
        duals[:, drugs] = of_auc - ones * intercept[drugs]
    return duals, intercept


def held_out(
    kernel: np.ndarray,
    auc: np.ndarray,
    splits: Iterable[tuple[np.ndarray, np.ndarray]],
    penalty: float,
) -> np.ndarray:
    """Predict lines by fits without them, as `AllDrugs.cross_validate` does, from the kernel of all lines."""
    found = np.full(auc.shape, np.nan)
    for fitting, left_out in splits:
        fitting = fitting[~np.isnan(auc[fitting]).all(axis=1)]
        duals, intercept = solve(kernel[np.ix_(fitting, fitting)], auc[fitting], penalty)
        found[left_out] = kernel[np.ix_(left_out, fitting)] @ duals + intercept
    return found
