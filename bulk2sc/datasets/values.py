"""What the values of an expression matrix are, told by the values: counts, logarithms or z-scores."""

from collections.abc import Callable

import numpy as np
from scipy import sparse

from bulk2sc.errors import Bulk2scError

CELLS = 300  # enough to tell by, and quick
ASKED = ("counts", "log", "z")  # what --values may say
TARGET = 1e4  # sum of a cell, as pp.normalise has it
TOTALS = (1, 100, 1e4, 1e6)  # sums that cells are usually brought to
LARGEST_LOG = 20.0  # e^20 and 2^20: no logarithm of a count or of a part per million is as large
CLIP = 10.0  # standard deviations
Undo = Callable[[np.ndarray], np.ndarray]
UNDO: dict[str, Undo] = {
    "not logged": lambda x: x,
    "natural logarithms": np.expm1,
    "log2": lambda x: np.exp2(x) - 1,
    "log10": lambda x: 10**x - 1,
}


def stored(matrix) -> np.ndarray:
    """Return all values of a dense matrix, those that are written down of a sparse one."""
    return matrix.data if sparse.issparse(matrix) else np.asarray(matrix)


def scale_of(matrix) -> str:
    """Tell ``counts``, ``log`` and ``z-scores`` apart where nothing else is left, as by `to_known_scale`."""
    values = stored(matrix)
    if (values < 0).any():
        return "z-scores"
    return "counts" if (values == np.floor(values)).all() else "log"


def to_known_scale(matrix, where: str, asked: str = "", everything=None):
    """
    Recognise values, and turn them into counts, log1p of amounts per 10,000, or z-scores.

    Parameters
    ----------
    matrix
        (n_cells, n_genes), sparse or dense, finite numbers.
    where
        What errors call it.
    asked
        ``counts``, ``log`` or ``z`` where the user says what they are; empty: told by the values. Counts and
        logarithms are told by whole numbers, by the same sum in every cell or by whole multiples of a cell's
        lowest value, before or after a logarithm is undone; z-scores by genes of mean 0 and spread 1.
    everything
        The same values beside those of other features, such as antibodies: sums may have been taken over all.

    Returns
    -------
    The new matrix, and one line about what was found and done.

    Raises
    ------
    Bulk2scError
        If the values contradict each other or `asked`, or cannot be told.
    """
    if asked not in ("", *ASKED):
        raise Bulk2scError(f"--values is '{asked}'; use one of {', '.join(ASKED)}.")
    matrix = matrix.astype("float32") if matrix.dtype == np.float16 else matrix  # scipy has no float16
    values = stored(matrix)
    lowest, largest = float(values.min(initial=0)), float(values.max(initial=0))
    if lowest < -1e-3 * min(largest, 1):
        return _negative(matrix, values, where, asked, lowest)
    if lowest < 0:  # what rounding leaves of a zero
        matrix = _mapped(matrix, lambda x: np.maximum(x, 0))
    if asked == "z":
        raise Bulk2scError(f"{where} holds no negative value, so it holds no z-scores; try --values log.")
    return _nonnegative(matrix, where, asked, largest, everything)


def _negative(matrix, values: np.ndarray, where: str, asked: str, lowest: float):
    if (values == np.floor(values)).all():
        raise Bulk2scError(
            f"{where} holds negative whole numbers (lowest {lowest:g}); "
            "give raw counts, log values or z-scores."
        )
    if asked in ("counts", "log"):
        raise Bulk2scError(f"{where} holds negative values (lowest {lowest:g}): they are no {asked} values.")
    dense = matrix.toarray() if sparse.issparse(matrix) else np.asarray(matrix)
    mean, spread = dense.mean(axis=0, dtype="float64"), dense.std(axis=0, dtype="float64")
    judged = (spread > 0) & (dense.max(axis=0) < 0.999 * CLIP)  # clipping takes away from a spread
    alike = (np.abs(mean) < 0.1) & (np.abs(spread - 1) < 0.1)
    if asked or (alike[judged].mean() if judged.any() else 1) > 0.7:
        return np.clip(dense, -CLIP, CLIP).astype("float32"), "z-scores: used as they are"
    scaled = (dense - mean) / np.where(spread > 1e-10 * np.abs(mean), spread, np.inf)
    found = (
        f"residuals or corrected logarithms ({100 * (values < 0).mean():.2g} % below 0, but a gene's mean is "
        f"{np.median(mean):.2g} and its spread {np.median(spread):.2g}, so no z-scores): z-scored per gene"
    )
    return np.clip(scaled, -CLIP, CLIP).astype("float32"), found


def _nonnegative(matrix, where: str, asked: str, largest: float, everything):
    """Go through the kinds of evidence, the strongest first."""
    values = stored(matrix)
    if asked == "log" and (largest > LARGEST_LOG or (values == np.floor(values)).all()):
        held = "whole numbers" if largest <= LARGEST_LOG else f"values up to {largest:.6g}"
        raise Bulk2scError(
            f"{where} holds {held}, which are no logarithms; leave out --values, or say counts."
        )
    cells = _sample(matrix)
    forms = {name: _Form(cells, undo) for name, undo in UNDO.items() if _fits(name, asked, largest)}
    whole = next((name for name, form in forms.items() if form.whole), None)
    if whole:
        return _counted(matrix, whole)
    level = {name: form for name, form in forms.items() if form.uneven < 0.01}
    if not level and everything is not None and stored(everything).min() >= 0:
        cells = _sample(everything)
        every = {name: _Form(cells, UNDO[name]) for name in forms}
        level = {name: form for name, form in every.items() if form.uneven < 0.01}
    if level:
        name = min(level, key=lambda one: level[one].uneven)
        total = level[name].total
        same = f"sums of {total:,.0f} in every cell" if total >= 10 else f"sums of {total:.3g} in every cell"
        kind = "amounts such as shares, CPM or TPM" if name == "not logged" else f"{name} of amounts"
        return _per_ten_thousand(matrix, UNDO[name]), f"{kind} ({same}): brought to 10,000 a cell, log1p"
    steps = max(forms, key=lambda name: forms[name].multiples)
    if forms[steps].multiples > 0.95:
        if steps == "not logged":
            total = forms[steps].total
            scale = TARGET / next((usual for usual in TOTALS if usual > 0.99 * total), total)
            told = "counts scaled per cell (multiples of a cell's lowest value), of some of the genes: log1p"
            return _mapped(matrix, lambda x: np.log1p(x * scale)), told
        told = f"{steps} of counts scaled per cell (multiples of a cell's lowest value): used as they are"
        return _mapped(matrix, lambda x: np.log1p(UNDO[steps](x))), told
    if asked == "counts" or largest > LARGEST_LOG or (not asked and forms["not logged"].near_whole > 0.5):
        told = (
            "fractions of counts, or other amounts (neither logarithms nor whole): brought to 10,000 a cell"
        )
        return _per_ten_thousand(matrix, UNDO["not logged"]), f"{told}, log1p"
    if asked == "log":
        return _mapped(matrix, lambda x: x), "natural logarithms, as was said: used as they are"
    raise Bulk2scError(
        f"{where} holds fractions up to {largest:.3g} that may be counts without their background or "
        "logarithms of some of the genes; say which by --values counts or --values log (of counts that were "
        "brought to one sum per cell before)."
    )


def _fits(name: str, asked: str, largest: float) -> bool:
    logged = name != "not logged"
    return logged == (asked == "log") if asked else not logged or largest <= LARGEST_LOG


class _Form:
    """Some cells with one kind of logarithm undone, and what speaks for it."""

    def __init__(self, cells: list[np.ndarray], undo: Undo):
        rows = [undo(cell) for cell in cells]
        values = np.concatenate(rows)
        some = values[values < 100]  # of larger ones a log keeps no fractions
        self.whole = len(some) > len(values) / 2 and _near(some, 1.1e-3 * (1 + some)).mean() > 0.985
        self.near_whole = float(_near(values, 0.05).mean())
        sums = np.array([row.sum() for row in rows])
        self.total = float(np.median(sums))
        low, high = np.quantile(sums, [0.1, 0.9])
        self.uneven = (high - low) / self.total if len(sums) > 1 else np.inf
        shares = [share for row in rows if (share := _multiples(row)) is not None]
        self.multiples = float(np.median(shares)) if shares else 0.0


def _multiples(row: np.ndarray) -> float | None:
    """Return the share of values that are whole multiples of the lowest; None where too few are above it."""
    ratio = row / row.min()
    ratio = ratio[(ratio > 1.5) & (ratio < 30)]
    return float(_near(ratio, 2e-3).mean()) if len(ratio) >= 5 else None


def _near(values: np.ndarray, tolerance) -> np.ndarray:
    return (np.abs(values - np.rint(values)) <= tolerance) & (values > 0.9)


def _sample(matrix) -> list[np.ndarray]:
    """Return the values of some of the cells, without zeros and what rounding leaves of them."""
    some = np.unique(np.linspace(0, matrix.shape[0] - 1, CELLS).astype(int))
    rows = sparse.csr_matrix(matrix[some]).astype("float64")
    cells = [rows.data[start:end] for start, end in zip(rows.indptr[:-1], rows.indptr[1:], strict=True)]
    return [cell for cell in (cell[cell > 1e-6 * cell.max(initial=0)] for cell in cells) if len(cell)] or [
        np.ones(1)
    ]


def _counted(matrix, name: str):
    exact = name == "not logged" and (stored(matrix) == np.floor(stored(matrix))).all()
    counts = matrix.astype("float32") if exact else _mapped(matrix, lambda x: np.rint(UNDO[name](x)))
    done = "normalised to 10,000 a cell, log1p"
    if name != "not logged":
        return counts, f"{name} of counts without a normalisation of size: counts again, {done}"
    return counts, f"raw counts{'' if exact else ', off by rounding'}: {done}"


def _per_ten_thousand(matrix, undo: Undo):
    amounts = _mapped(matrix, undo)
    sums = np.asarray(amounts.sum(axis=1, dtype="float64")).ravel()
    factors = TARGET / np.where(sums > 0, sums, np.inf)
    scaled = sparse.diags_array(factors) @ amounts if sparse.issparse(amounts) else amounts * factors[:, None]
    return _mapped(scaled, np.log1p)


def _mapped(matrix, change: Undo):
    """Return float32 values changed by a function that leaves 0 as it is."""
    if not sparse.issparse(matrix):
        return change(np.asarray(matrix, dtype="float64")).astype("float32")
    changed = sparse.csr_matrix(matrix, dtype="float64", copy=True)
    changed.data = change(changed.data)
    changed.eliminate_zeros()
    return changed.astype("float32")
