"""Gene sets that the sparse decoder keeps to, against each other and random ones (Table 2 of the paper)."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pandas as pd
from anndata import AnnData

from bulk2sc import models, pathways
from bulk2sc.errors import Bulk2scError
from bulk2sc.experiments.trials import Variant, constant_variants

BRANCHES = {"go_cc": "GO:CC", "go_bp": "GO:BP", "go_mf": "GO:MF"}


def label(resource: str) -> str:
    """Return the name of a resource as tables have it: ``GO:CC``, ``Hallmark``, ``Reactome 2023.1``."""
    bare = resource.removesuffix("_2023")
    name = BRANCHES.get(bare, bare.capitalize())
    return name if bare == resource else f"{name} 2023.1"


def random_sets(resource: str) -> str:
    """Return the name of the variant whose sets have the sizes of a resource's and random genes."""
    return f"random like {label(resource)}"


def narrowed(mask: pd.DataFrame, n_pathways: int, seed: int = 0) -> pd.DataFrame:
    """Return a mask with so many of its pathways, drawn at random, and all its free rows.

    Raises
    ------
    Bulk2scError
        If it has fewer pathways.
    """
    free = mask.index.str.startswith(pathways.FREE)
    rows = np.flatnonzero(~free)
    if n_pathways > len(rows):
        raise Bulk2scError(
            f"mask: has {len(rows)} pathways, cannot be narrowed to {n_pathways}; ask for fewer"
        )
    kept = np.random.default_rng(seed).choice(rows, n_pathways, replace=False)
    return mask.iloc[[*np.sort(kept), *np.flatnonzero(free)]]


def width_control(masks: Mapping[str, pd.DataFrame], reference: str) -> tuple[str, str] | None:
    """Return the smallest resource and the name of the reference cut down to its size; None if it is that."""
    narrowest = min(masks, key=lambda resource: len(masks[resource]))
    if len(masks[narrowest]) == len(masks[reference]):
        return None
    return narrowest, f"{label(reference)} cut like {label(narrowest)}"


def variants(
    masks: Mapping[str, pd.DataFrame], lines: AnnData, cells: AnnData, reference: str, settings: Mapping
) -> Iterator[Variant]:
    """Yield each resource and its random sets, the reference cut down to the smallest, and constant answers.

    Random sets, and the pathways that a narrowed mask keeps, are drawn anew with every seed.

    Parameters
    ----------
    masks
        Mask by resource, all of the genes of `lines`.
    lines, cells
        The pair made by `pp.pair`.
    reference
        The resource in use.
    settings
        All settings of `models.SharedAutoencoder` but ``mask`` and ``seed``.

    Raises
    ------
    Bulk2scError
        If the reference is not among the masks.
    """
    if reference not in masks:
        raise Bulk2scError(
            f"resources: {', '.join(masks)} do not hold '{reference}', which the study uses; add it"
        )
    drawn: dict[str, Callable[[int], pd.DataFrame]] = {}
    for resource, mask in masks.items():
        drawn[label(resource)] = lambda seed, mask=mask: mask
        drawn[random_sets(resource)] = lambda seed, mask=mask: pathways.random_mask(mask, seed)
    if control := width_control(masks, reference):
        n_pathways = int((~masks[control[0]].index.str.startswith(pathways.FREE)).sum())
        drawn[control[1]] = lambda seed: narrowed(masks[reference], n_pathways, seed)
    for name, draw in drawn.items():
        yield Variant(name, lines, cells, lambda seed, draw=draw: _autoencoder(settings, draw(seed), seed))
    yield from constant_variants(lines, cells)


def _autoencoder(settings: Mapping, mask: pd.DataFrame, seed: int) -> models.SharedAutoencoder:
    return models.SharedAutoencoder(**{**settings, "mask": mask, "seed": seed})


def comparisons(methods: list[str], resources: list[str], reference: str) -> dict[str, list[tuple[str, str]]]:
    """List the pairs of variants that are compared, by question.

    Parameters
    ----------
    methods
        Names of the variants that were fitted.
    resources
        Resources by their setting's names.
    reference
        The resource in use.

    Returns
    -------
    dict
        ``random``: each resource and its random sets; ``reference``: each other resource and the reference;
        ``width``: the smallest resource and the reference cut down to it, and this and the full reference.
    """
    own = label(reference)
    pairs = {
        "random": [(label(r), random_sets(r)) for r in resources],
        "reference": [(label(r), own) for r in resources if r != reference],
        "width": [],
    }
    narrow = [method for method in methods if method.startswith(f"{own} cut like ")]
    for name in narrow:
        pairs["width"] = [(name.removeprefix(f"{own} cut like "), name), (name, own)]
    return pairs
