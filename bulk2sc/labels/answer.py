"""What predictions for cells are held against: the response of their lines or, failing that, their labels."""

import pandas as pd
from anndata import AnnData


def answer(cells: AnnData) -> AnnData:
    """
    Settle the answer of each cell and what counts as one independent observation.

    Where lines of both classes are among the cells, the answer is the measured response of a cell's line, and
    lines are independent. Elsewhere (patients, or one line that was treated) it is the label that the
    experiment gives, and samples take the place of lines. Cells of which nothing is known have no answer.

    Parameters
    ----------
    cells
        Labelled: `obs["response"]`; `obs["truth"]`, `obs["cell_line"]` and `obs["sample"]` where known.

    Returns
    -------
    A copy with `obs["truth"]` (1 sensitive, 0 resistant, NaN not judged), `obs["cell_line"]` (the unit to
    resample; of cells without a sample: "all cells") and `uns["answer"]`: ``lines``, ``labels`` or ``none``.
    """
    cells = cells.copy()
    classes = cells.obs["truth"].nunique() if "truth" in cells.obs else 0
    by_rule_of_lines = "truth" in cells.obs and cells.obs["truth"].equals(cells.obs["response"].astype(float))
    cells.uns["answer"] = "lines" if classes > 1 or by_rule_of_lines else "labels"
    if not classes and cells.obs["response"].isna().all():
        cells.uns["answer"] = "none"
    if cells.uns["answer"] != "lines":
        cells.obs["truth"] = cells.obs["response"].astype(float)
        samples = cells.obs["sample"] if "sample" in cells.obs else "all cells"
        cells.obs["cell_line"] = pd.Series(samples, index=cells.obs_names).astype(str).astype("category")
    return cells
