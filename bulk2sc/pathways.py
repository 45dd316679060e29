"""The pathway mask: which genes each unit of the shared code may write to through the sparse decoder."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from bulk2sc.errors import Bulk2scError

FREE = "free_"  # with a number: a unit of the code that no pathway names


def pathway_mask(
    gene_sets: Mapping[str, Iterable[str]],
    genes: Iterable[str],
    *,
    min_genes: int = 10,
    max_size: int = 1000,
    n_free: int = 5,
) -> pd.DataFrame:
    """
    Build the mask of the sparse decoder (He et al. 2025, Eq. 8).

    Parameters
    ----------
    gene_sets
        Gene symbols by name of the pathway.
    genes
        The chosen genes, in the order of the data.
    min_genes
        Keep a pathway when at least this many of its genes are among the chosen ones.
    max_size
        Drop a pathway of more genes than this, chosen or not.
    n_free
        Rows of ones appended for what no pathway names.

    Returns
    -------
    (n_pathways + n_free, n_genes) float32 of 0 and 1: pathways by name, then ``free_1``, ``free_2``, ...
    Pathways with the same chosen genes are all kept.

    Raises
    ------
    Bulk2scError
        If no pathway is left.
    """
    genes = pd.Index(genes)
    members = {name: genes.isin(list(s)) for name, s in sorted(gene_sets.items()) if len(set(s)) <= max_size}
    kept = {name: member for name, member in members.items() if member.sum() >= min_genes}
    if not kept:
        most = max((int(member.sum()) for member in members.values()), default=0)
        raise Bulk2scError(
            f"None of {len(gene_sets)} pathways is left: {len(members)} have up to {max_size} genes, at "
            f"most {most} of one are among the {len(genes)} chosen; "
            f"lower min_genes={min_genes} or raise n_hvg (in chapters: min_pathway_genes)."
        )
    kept |= {f"{FREE}{i}": np.ones(len(genes), bool) for i in range(1, n_free + 1)}
    return pd.DataFrame(np.stack(list(kept.values())).astype("float32"), index=list(kept), columns=genes)


def random_mask(mask: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """
    Return a mask whose rows have as many genes as those of `mask`, but genes drawn at random: a control.

    Parameters
    ----------
    mask
        (n_rows, n_genes) from `pathway_mask`.
    seed
        Of the draw.
    """
    values = np.random.default_rng(seed).permuted(mask.to_numpy(), axis=1)
    return pd.DataFrame(values, index=mask.index, columns=mask.columns)
