"""Score labels where the truth of every cell is known: simulated cells."""

import pandas as pd

from bulk2sc.labels.cells import INTRINSIC, NORMAL

# What a cell was made as; damaged cells and doublets have no truth.
SCORED = ("sensitive", "hidden_resistant", "resistant", "surviving_sensitive", "normal")


def score_labels(obs: pd.DataFrame) -> dict[str, float]:
    """
    Score the steps of the labelling, and the labels, against what cells were made as.

    Parameters
    ----------
    obs
        Labelled cells with `planted` and `truth`, as `datasets.simulate` gives them. Damaged cells and
        doublets are not scored.

    Returns
    -------
    Shares of cells, NaN where there is nothing to share:

    - ``hidden recall``, ``hidden precision``: of the hidden resistant cells, those that step 1 leaves out; of
      those that step 1 leaves out, the hidden resistant ones;
    - ``normal recall``, ``normal precision``: the same for normal cells and step 2;
    - ``surviving unlabelled``: of the surviving sensitive cells, those not called resistant;
    - ``excluded``: of all scored cells, those without a label;
    - ``right labels``, ``right labels, no exclusion``: of the tumour cells with a label, those whose label is
      their line's truth.
    """
    obs = obs[obs["planted"].astype(str).isin(SCORED)]
    planted, reason = obs["planted"].astype(str), obs["label_reason"].astype(str)
    hidden, left_out = planted == "hidden_resistant", reason == INTRINSIC
    normal, called_normal = planted == "normal", reason.str.startswith(NORMAL)
    return {
        "hidden recall": float(left_out[hidden].mean()),
        "hidden precision": float(hidden[left_out].mean()),
        "normal recall": float(called_normal[normal].mean()),
        "normal precision": float(normal[called_normal].mean()),
        "surviving unlabelled": float((obs["response"] != 0)[planted == "surviving_sensitive"].mean()),
        "excluded": float(obs["response"].isna().mean()),
        "right labels": _right(obs["response"], obs["truth"]),
        "right labels, no exclusion": _right(obs["response_unfiltered"], obs["truth"]),
    }


def _right(response: pd.Series, truth: pd.Series) -> float:
    judged = response.notna() & truth.notna()
    return float((response == truth)[judged].mean())
