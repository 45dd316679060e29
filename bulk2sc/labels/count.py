"""Count cells as the study's Table 1 does, and say where those that are not counted went."""

from anndata import AnnData


def count_cells(raw: AnnData, kept: AnnData, labelled: AnnData) -> dict[str, int]:
    """
    Count the cells of one data set at every stage.

    Parameters
    ----------
    raw, kept, labelled
        The cells as delivered, those that pass quality control, and the labelled ones (`label_cells`).

    Returns
    -------
    ``delivered``; of these ``failed QC``, ``left out`` (by the rule, such as another time), ``excluded`` (by
    clusters or as normal cells) and ``unnamed`` (no arm and no literature names them); ``sensitive`` and
    ``resistant``, the rest.
    """
    response, unfiltered = labelled.obs["response"], labelled.obs["response_unfiltered"]
    reason = labelled.obs["label_reason"].astype(str)
    unlabelled = response.isna()
    unnamed = unlabelled & unfiltered.isna() & ~reason.str.startswith("normal")
    return {
        "delivered": raw.n_obs,
        "failed QC": raw.n_obs - kept.n_obs,
        "left out": kept.n_obs - labelled.n_obs,
        "excluded": int((unlabelled & ~unnamed).sum()),
        "unnamed": int(unnamed.sum()),
        "sensitive": int((response == 1).sum()),
        "resistant": int((response == 0).sum()),
    }
