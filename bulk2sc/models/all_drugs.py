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
MEASURES = {"auc": ("auc",), "ln_ic50": ("ln_ic50",), "both": ("auc", "ln_ic50")}


class AllDrugs(ArrayModel):
    """Ridge regression of the response to all drugs on scaled genes, each drug on the lines it was tested on.

    Parameters
    ----------
    penalty
        On the squared weights of the genes, as `alpha` of scikit-learn's `Ridge`.
    kernel
        ``linear``; or ``rbf``, ``n exp(-|x - y|^2 / 2n)`` for n genes, which is the linear one where samples
        are alike, so that a penalty means the same for both.
    rank
        Keep only so many leading components of the drugs' predictions (reduced-rank regression); all if None.
    measure
        Learn ``auc``, ``ln_ic50``, or the mean of ``both``, standardised within each drug. Predictions are on
        the scale of AUC throughout: an IC50 is given the mean and the standard deviation of AUC.
    """

    name = "all drugs"

    def __init__(
        self, *, penalty: float = 1e4, kernel: str = "linear", rank: int | None = None, measure: str = "auc"
    ):
        self.penalty = penalty
        self.kernel = kernel
        self.rank = rank
        self.measure = measure

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
        auc = responses(bulk, drugs, self.measure)
        genes = scaled(bulk, "bulk")[auc.notna().any(axis=1)].astype(float)
        auc = auc.dropna(how="all")
        duals, intercept = solve(
            similarity(genes, genes, self.kernel), auc.to_numpy(), self.penalty, self.rank
        )
        linear = self.kernel == "linear"
        learnt = {"coef": genes.T @ duals} if linear else {"lines": genes.astype("float32"), "duals": duals}
        self.arrays_ = learnt | {"intercept": intercept, "drugs": np.array(auc.columns, dtype=str)}
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
        auc, genes = responses(bulk, measure=self.measure), scaled(bulk, "bulk").astype(float)
        kernel = similarity(genes, genes, self.kernel)
        found = held_out(kernel, auc.to_numpy(), splits, self.penalty, self.rank)
        return pd.DataFrame(found, bulk.obs_names, auc.columns)

    @property
    def weights_(self) -> pd.DataFrame:
        """Weights of a linear model, (n_genes, n_drugs)."""
        return pd.DataFrame(self.arrays_["coef"], self.genes_, self.arrays_["drugs"])


def responses(bulk: AnnData, drugs: Sequence[str] | None = None, measure: str = "auc") -> pd.DataFrame:
    """Return the response of lines to drugs as `AllDrugs` learns it, (n_lines, n_drugs); NaN where untested.

    Raises
    ------
    Bulk2scError
        If the measure is unknown or missing, or a drug was tested on fewer than 5 of the lines.
    """
    if measure not in MEASURES:
        raise Bulk2scError(f"measure: '{measure}' is none of {', '.join(MEASURES)}")
    if "drugs" not in bulk.uns:
        raise Bulk2scError("bulk: uns['drugs'] is missing; read the lines by datasets.load_bulk")
    tables = {}
    for field in ("auc", *MEASURES[measure]):
        if field not in bulk.obsm:
            raise Bulk2scError(f"bulk: obsm['{field}'] is missing; read the lines by datasets.load_bulk")
        table = pd.DataFrame(np.asarray(bulk.obsm[field], float), bulk.obs_names, list(bulk.uns["drugs"]))
        tables[field] = table if drugs is None else table[list(drugs)]
    few = tables["auc"].columns[tables["auc"].notna().sum() < MIN_LINES]
    if len(few):
        raise Bulk2scError(f"bulk: {few[0]} was tested on fewer than {MIN_LINES} of the lines; leave it out")
    auc = tables["auc"]
    if measure == "auc":
        return auc
    standardised = [(tables[m] - tables[m].mean()) / tables[m].std() for m in MEASURES[measure]]
    return auc.mean() + auc.std() * sum(standardised) / len(standardised)


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
    rank: int | None = None,
) -> np.ndarray:
    """Predict lines by fits without them, as `AllDrugs.cross_validate` does, from the kernel of all lines."""
    found = np.full(auc.shape, np.nan)
    for fitting, left_out in splits:
        fitting = fitting[~np.isnan(auc[fitting]).all(axis=1)]
        duals, intercept = solve(kernel[np.ix_(fitting, fitting)], auc[fitting], penalty, rank)
        found[left_out] = kernel[np.ix_(left_out, fitting)] @ duals + intercept
    return found


def line_clusters(bulk: AnnData, n_clusters: int = 24, *, seed: int = 0) -> np.ndarray:
    """Group lines of like expression, (n_lines,): stand-ins for tissues, which these data do not name.

    k-means on 30 principal components of ``layers["scaled"]``.
    """
    components = PCA(30, random_state=seed).fit_transform(scaled(bulk, "bulk"))
    return KMeans(n_clusters, n_init=10, random_state=seed).fit_predict(components)
