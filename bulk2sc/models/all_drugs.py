"""All drugs at once: the response of every drug, from one kernel of the lines.

Kernel ridge regression with an intercept solves (K + penalty I) a + b = y with sum(a) = 0, where K compares
lines by their genes. Only y differs between drugs, so one inverse serves them all; leaving out the lines that
a drug was not tested on is a small correction of it.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from anndata import AnnData
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics.pairwise import euclidean_distances

from bulk2sc.errors import Bulk2scError
from bulk2sc.models.base import ArrayModel, scaled

MIN_LINES = 5  # of a drug
KERNELS = ("linear", "rbf")
CHOSEN = {"penalty": 2e3, "ic50_penalty": 5e3}  # on real cells, by the rule of benchmarks/bulk_models.py


class AllDrugs(ArrayModel):
    """Ridge regression of the response to all drugs on scaled genes, each drug on the lines it was tested on.

    Parameters
    ----------
    penalty
        On the squared weights of the genes, as `alpha` of scikit-learn's `Ridge`.
    kernel
        ``linear``; or ``rbf``, ``n exp(-|x - y|^2 / 2n)`` for n genes, which is the linear one where samples
        are alike, so that a penalty means the same for both.
    ic50_penalty
        Of a second regression, on ln IC50: predictions are then the mean of both, IC50 on the scale of AUC
        (with its mean and standard deviation, drug by drug). Only AUC is learnt if None.
    """

    name = "all drugs"

    def __init__(
        self,
        *,
        penalty: float = 1e4,
        ic50_penalty: float | None = None,
        kernel: str = "linear",
    ):
        self.penalty = penalty
        self.ic50_penalty = ic50_penalty
        self.kernel = kernel

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
        kernel = similarity(genes, genes, self.kernel)
        fits = [solve(kernel, table[tested].to_numpy(), penalty) for table, penalty in learnt]
        duals, intercept = (sum(parts) / len(fits) for parts in zip(*fits, strict=True))
        linear = self.kernel == "linear"
        found = {"coef": genes.T @ duals} if linear else {"lines": genes.astype("float32"), "duals": duals}
        self.arrays_ = found | {"intercept": intercept, "drugs": np.array(learnt[0][0].columns, dtype=str)}
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
        if self.kernel == "linear":
            predicted = genes @ self.arrays_["coef"]
        else:
            predicted = similarity(genes, self.arrays_["lines"], self.kernel) @ self.arrays_["duals"]
        return pd.DataFrame(predicted + self.arrays_["intercept"], cells.obs_names, self.arrays_["drugs"])

    def cross_validate(self, bulk: AnnData, splits: Iterable[tuple[np.ndarray, np.ndarray]]) -> pd.DataFrame:
        """Predict the AUC of lines that are left out of the fit, (n_lines, n_drugs).

        Parameters
        ----------
        splits
            Numbers of the lines to learn from and of those to predict, from any splitter of scikit-learn:
            ``KFold(5, shuffle=True).split(bulk)``, or with whole tissues left out
            ``GroupKFold(5).split(bulk, groups=line_clusters(bulk))``.
        """
        learnt, genes, splits = self._responses(bulk), scaled(bulk, "bulk").astype(float), list(splits)
        kernel = similarity(genes, genes, self.kernel)
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
        """Weights of a linear model, (n_genes, n_drugs)."""
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


def similarity(a: np.ndarray, b: np.ndarray, kernel: str) -> np.ndarray:
    """Compare the rows of `a` with those of `b`: (n_a, n_genes), (n_b, n_genes) -> (n_a, n_b)."""
    if kernel not in KERNELS:
        raise Bulk2scError(f"kernel: '{kernel}' is neither {' nor '.join(KERNELS)}")
    if kernel == "linear":
        return a @ b.T
    n_genes = a.shape[1]
    return n_genes * np.exp(-euclidean_distances(a, b, squared=True) / (2 * n_genes))


def solve(
    kernel: np.ndarray, auc: np.ndarray, penalty: float, rank: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Fit a kernel ridge regression with an intercept to each drug, on the lines where it is not NaN.

    Parameters
    ----------
    kernel
        Of the lines, (n_lines, n_lines).
    auc
        (n_lines, n_drugs).
    rank
        Keep only so many leading components of the drugs' predictions (reduced-rank regression); all if None.

    Returns
    -------
    tuple
        Dual coefficients (n_lines, n_drugs), 0 for a line that is not tested unless `rank` mixes drugs, and
        intercepts (n_drugs,). Predictions are ``similarity(samples, lines) @ duals + intercept``.
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
    return (duals, intercept) if rank is None else _reduced(kernel, duals, intercept, rank)


def _reduced(
    kernel: np.ndarray, duals: np.ndarray, intercept: np.ndarray, rank: int
) -> tuple[np.ndarray, np.ndarray]:
    """Project predictions on their leading components over drugs: what drugs share is kept, the rest is 0."""
    predicted = kernel @ duals
    centre = predicted.mean(axis=0)
    shared = np.linalg.svd(predicted - centre, full_matrices=False)[2][:rank]
    onto = shared.T @ shared
    return duals @ onto, intercept + centre - centre @ onto


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


def line_clusters(bulk: AnnData, n_clusters: int = 24, *, seed: int = 0) -> np.ndarray:
    """Group lines of like expression, (n_lines,): stand-ins for tissues, which these data do not name.

    k-means on 30 principal components of ``layers["scaled"]``.
    """
    components = PCA(30, random_state=seed).fit_transform(scaled(bulk, "bulk"))
    return KMeans(n_clusters, n_init=10, random_state=seed).fit_predict(components)
