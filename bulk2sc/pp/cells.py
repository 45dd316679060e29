"""Quality of cells, and their scale; each function returns a new AnnData.

scanpy is imported where it is used: it takes two seconds, and most steps of a build do without it.
"""

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse
from scipy.stats import median_abs_deviation
from sklearn.preprocessing import normalize

from bulk2sc.datasets.genes import MITOCHONDRIAL, to_symbols
from bulk2sc.datasets.own import detect_scale
from bulk2sc.datasets.values import CLIP
from bulk2sc.errors import Bulk2scError, refuse_unknown

BLOCK = 2**24  # values standardised at a time: double precision takes room
FEW_CELLS = 50  # of a sample, below which doublets are not looked for: their neighbours would be chance
DOUBLET_COMPONENTS = 10  # of scrublet; more drown a few hundred cells in noise (benchmarks/doublets.py)


def qc_flags(
    cells: AnnData,
    *,
    min_genes: int = 200,
    max_mito: float = 20.0,
    nmads: float = 5.0,
    by: str | None = None,
) -> AnnData:
    """
    Flag cells of low quality; none is removed.

    Counts are judged by every rule. Log values have lost the library size; their mitochondrial share is that
    of exp(x) - 1. Of z-scores nothing can be judged, and all cells pass.

    Parameters
    ----------
    cells
        (n_cells, n_genes) counts in X or `layers["counts"]`, natural log values or z-scores.
    min_genes
        Fewest genes detected in a cell.
    max_mito
        Largest percentage of counts from mitochondrial genes.
    nmads
        Most median absolute deviations between a cell's log library size, or log number of genes, and the
        median.
    by
        Column of obs, usually ``sample``, within whose groups medians are taken; over all cells if None.

    Returns
    -------
    A copy with scanpy's metrics as far as they apply, `obs["qc_pass"]` (bool), `obs["qc_reason"]` (text,
    empty for a good cell) and `uns["qc"]` (rule -> ``applied``, or why not).

    Raises
    ------
    Bulk2scError
        If no cell passes, values are neither counts nor logarithms, or `by` is no column of obs.
    """
    scale, groups = detect_scale(cells), _groups(cells, by)
    cells = _measured(cells, scale)
    cells.uns["qc"] = _rules(cells, scale)
    flags = pd.DataFrame(index=cells.obs_names)
    if scale != "z-scores":
        detected = _deviations(cells.obs["log1p_n_genes_by_counts"], groups)
        flags["few genes"] = (cells.obs["n_genes_by_counts"] < min_genes) | (detected < -nmads)
        flags["many genes"] = detected > nmads
    if scale == "counts":
        library = _deviations(cells.obs["log1p_total_counts"], groups)
        flags["small library"] = (cells.obs["total_counts"] == 0) | (library < -nmads)
        flags["large library"] = library > nmads
    if scale != "z-scores":
        flags["mitochondrial"] = cells.obs["pct_counts_mt"] > max_mito
    cells.obs["qc_pass"] = ~flags.any(axis=1)
    cells.obs["qc_reason"] = ["; ".join(flags.columns[row]) for row in flags.to_numpy(dtype=bool)]
    if not cells.obs["qc_pass"].any():
        counts = ", ".join(f"{reason} {n}" for reason, n in flags.sum().items() if n)
        raise Bulk2scError(
            f"None of {cells.n_obs} cells passes quality control ({counts}); "
            f"relax min_genes={min_genes}, max_mito={max_mito:g} or nmads={nmads:g}."
        )
    return cells


def _measured(cells: AnnData, scale: str) -> AnnData:
    """Return a copy with scanpy's metrics; of log values only those that hold without counts."""
    import scanpy as sc

    cells = _with_counts(cells) if scale == "counts" else cells.copy()
    named = cells.var_names.str.upper().str.startswith("MT-")
    cells.var["mt"] = named | to_symbols(cells.var_names).isin(MITOCHONDRIAL).to_numpy()
    asked = {"qc_vars": ["mt"], "percent_top": None}
    if scale == "counts":
        sc.pp.calculate_qc_metrics(cells, layer="counts", inplace=True, **asked)
    if scale == "log":
        found = sc.pp.calculate_qc_metrics(AnnData(_unlogged(cells.X), var=cells.var[["mt"]]), **asked)[0]
        for metric in ("n_genes_by_counts", "log1p_n_genes_by_counts", "pct_counts_mt"):
            cells.obs[metric] = found[metric].to_numpy()
    return cells


def _unlogged(matrix):
    return matrix.expm1() if sparse.issparse(matrix) else np.expm1(matrix)


def _rules(cells: AnnData, scale: str) -> dict[str, str]:
    """Say of each rule whether it is applied, and if not, why."""
    lost = {"counts": "applied", "log": "not applicable: log values"}.get(scale, "not applicable: z-scores")
    kept = "applied" if scale != "z-scores" else lost
    mito = kept if kept != "applied" or cells.var["mt"].any() else "not applicable: no mitochondrial genes"
    return {
        "number of genes": kept,
        "library size": lost,
        "mitochondrial share": mito,
        "doublets": "not asked for" if scale == "counts" else lost,
    }


def doublets(
    flagged: AnnData, *, by: str | None = None, expected_rate: float = 0.05, seed: int = 0
) -> AnnData:
    """
    Flag two cells measured as one, by scrublet (Wolock et al. 2019); none is removed.

    Scrublet adds the counts of random pairs of cells and scores every cell by how many of its neighbours are
    such sums. Within each sample the cells with the highest scores are called, as many as doublets are
    expected: never more, and fewer where scores are tied. So a sample without doublets loses cells too, and
    doublets of cells that are alike are not found.

    Parameters
    ----------
    flagged
        What `qc_flags` returns. Cells that failed already are neither judged nor used; without counts,
        nothing is called.
    by
        Column of obs, usually ``sample``: only cells captured together become doublets. Samples of fewer than
        50 passing cells are left out.
    expected_rate
        Share of doublets among the cells of a sample, between 0 and 0.5.
    seed
        Of the pairs and the neighbours.

    Returns
    -------
    A copy with `obs["doublet_score"]` (NaN where not judged) and `obs["doublet"]` (bool); `qc_pass`,
    `qc_reason` and `uns["qc"]` take account of them.

    Raises
    ------
    Bulk2scError
        If the rate is out of range, or `by` is no column of obs.
    """
    if not 0 < expected_rate < 0.5:
        raise Bulk2scError(f"doublet_rate is {expected_rate}, it must be between 0 and 0.5.")
    cells, groups = flagged.copy(), _groups(flagged, by)
    cells.obs["doublet_score"], cells.obs["doublet"] = np.nan, False
    if detect_scale(cells) != "counts":
        return cells
    passing = groups[cells.obs["qc_pass"]]
    samples = passing.groupby(passing).groups.values()
    skipped = 0
    for names in samples:
        score = _scrublet(cells[names], expected_rate, seed)
        if score is None:
            skipped += 1
            continue
        cells.obs.loc[names, "doublet_score"] = score
        # Of equal scores at the end of the expected number none is called.
        rank = pd.Series(score, names).rank(ascending=False, method="max")
        cells.obs.loc[names, "doublet"] = rank <= round(expected_rate * len(names))
    cells.obs.loc[cells.obs["doublet"], "qc_reason"] = "doublet"
    cells.obs["qc_pass"] &= ~cells.obs["doublet"]
    left_out = (
        f"not applied to {skipped} of {len(samples)} samples: fewer than {FEW_CELLS} cells or few genes"
    )
    cells.uns["qc"] = {**cells.uns.get("qc", {}), "doublets": left_out if skipped else "applied"}
    return cells


def _scrublet(sample: AnnData, expected_rate: float, seed: int) -> np.ndarray | None:
    """Return the scores of one sample's cells, or None where there are too few cells or variable genes."""
    import scanpy as sc

    if sample.n_obs < FEW_CELLS:
        return None
    cells = AnnData(sample.layers.get("counts", sample.X).copy(), obs=sample.obs[[]], var=sample.var[[]])
    sc.pp.filter_genes(cells, min_cells=3)
    try:
        # With a threshold scanpy does not look for one, for which it would need scikit-image.
        sc.pp.scrublet(
            cells,
            expected_doublet_rate=expected_rate,
            n_prin_comps=DOUBLET_COMPONENTS,
            use_approx_neighbors=False,
            threshold=0.0,
            verbose=False,
            random_state=seed,
        )
    except ValueError:  # fewer variable genes than components
        return None
    return cells.obs["doublet_score"].to_numpy()


def _groups(cells: AnnData, by: str | None) -> pd.Series:
    if by is None:
        return pd.Series("all cells", index=cells.obs_names)
    refuse_unknown(by, cells.obs, "obs: column")
    return cells.obs[by].astype(str)


def _deviations(values: pd.Series, groups: pd.Series) -> pd.Series:
    """Return the distance from the group's median in median absolute deviations (0 if these are 0)."""

    def within(group: pd.Series) -> pd.Series:
        spread = median_abs_deviation(group)
        return (group - group.median()) / (spread if spread > 0 else np.inf)

    return values.groupby(groups, group_keys=False).transform(within)


def enough_genes(cells: AnnData, min_genes: int = 200) -> np.ndarray:
    """
    Tell the cells to standardise by: those in which `min_genes` or a twentieth of the genes are detected.

    Of z-scores nothing can be judged, and all cells are enough.
    """
    if detect_scale(cells) == "z-scores":
        return np.ones(cells.n_obs, dtype=bool)
    source = cells.layers.get("counts", cells.X)
    return np.asarray((source > 0).sum(axis=1)).ravel() >= min(min_genes, cells.n_vars // 20)


def normalise(cells: AnnData) -> AnnData:
    """
    Return log1p of counts per 10,000; the counts stay in `layers["counts"]`.

    The library size is taken over all genes, so normalise before genes are chosen. Log values and z-scores
    are returned as they are.
    """
    if detect_scale(cells) != "counts":
        return cells.copy()
    cells = _with_counts(cells)
    cells.X = 1e4 * normalize(cells.layers["counts"], norm="l1")
    cells.X = cells.X.log1p() if sparse.issparse(cells.X) else np.log1p(cells.X)
    cells.uns["log1p"] = {"base": None}  # as scanpy notes it
    return cells


def with_counts(cells: AnnData) -> AnnData:
    """
    Return cells with `layers["counts"]`; where only log values are known, rounded values stand in for counts.

    Parameters
    ----------
    cells
        X as `normalise` leaves it: log1p of abundances per 10,000.

    Returns
    -------
    A copy. `uns["counts"]` is ``measured`` or ``stand-in``: abundances per 10,000, rounded. A stand-in has no
    depth of its own and is no sample of molecules.

    Raises
    ------
    Bulk2scError
        If the values are z-scores.
    """
    cells = cells.copy()
    cells.uns["counts"] = "measured" if "counts" in cells.layers else "stand-in"
    if "counts" not in cells.layers:
        if detect_scale(cells) == "z-scores":
            raise Bulk2scError(
                "X holds z-scores, from which no counts can be told; give counts or log values."
            )
        values = sparse.csr_matrix(cells.X, dtype="float32")
        cells.layers["counts"] = values.expm1().rint()
        cells.layers["counts"].eliminate_zeros()
    return cells


def _with_counts(cells: AnnData) -> AnnData:
    cells = cells.copy()
    cells.layers["counts"] = cells.layers.get("counts", cells.X).astype("float32")
    return cells


def zscore(X, mean: np.ndarray | None = None, std: np.ndarray | None = None) -> np.ndarray:
    """
    Standardise each gene and clip at ±10.

    Parameters
    ----------
    X
        (n, n_genes), sparse or dense.
    mean, std
        (n_genes,) of a reference, as floats of double precision; those of X itself if None.

    Returns
    -------
    (n, n_genes) float32; 0 for a gene that is constant.
    """
    X = X.toarray() if sparse.issparse(X) else np.asarray(X)
    mean = X.mean(axis=0, dtype="float64") if mean is None else mean
    n_blocks = max(1, X.size // BLOCK)
    if std is None:
        blocks = np.array_split(X, n_blocks, axis=1)
        std = np.concatenate([block.std(axis=0, dtype="float64") for block in blocks])
    spread = np.where(std > 1e-10 * np.abs(mean), std, np.inf)  # the rest is rounding
    scaled = np.empty(X.shape, "float32")
    for rows, block in zip(np.array_split(scaled, n_blocks), np.array_split(X, n_blocks), strict=True):
        rows[:] = np.clip((block - mean) / spread, -CLIP, CLIP)
    return scaled


def scale_like(profiles: AnnData, training: AnnData) -> AnnData:
    """Return a copy of `profiles` with `layers["scaled"]`: z-scored by the genes of the training lines."""
    scaled = profiles.copy()
    centre, spread = (of(training.X, axis=0, dtype="float64") for of in (np.mean, np.std))
    scaled.layers["scaled"] = zscore(profiles.X, centre, spread)
    return scaled
