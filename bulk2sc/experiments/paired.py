"""Variants of an experiment against each other: paired tests, corrected by Holm over the comparisons made."""

from collections.abc import Iterable, Iterator, Sequence

import pandas as pd
from anndata import AnnData

from bulk2sc import evaluate, inference, pathways
from bulk2sc.experiments.trials import FOLDS, Variant

Pairs = Sequence[tuple[str, str]]


def on_lines(validation: pd.DataFrame, pairs: Pairs, *, metric: str = "auroc") -> pd.DataFrame:
    """Compare variants on the lines left out, fold by fold.

    Parameters
    ----------
    validation
        From `trials.validation` or `controls.by_fold`.
    pairs
        Names of variants, (first, second).

    Returns
    -------
    DataFrame
        One row a pair: first, second, value (first minus second), low, high, and p after Holm's correction
        over all pairs. All but value are NaN where there is one fold only.
    """
    folds = validation[(validation["metric"] == metric) & (validation["seed"] >= 0)]
    folds = folds.rename(columns={"seed": "fold", "value": metric})
    gaps = [evaluate.fold_difference(folds, *pair, folds=FOLDS, metric=metric) for pair in pairs]
    table = pd.DataFrame(gaps, columns=["value", "low", "high", "p"])
    table["p"] = inference.holm(table["p"])
    return pd.DataFrame(list(pairs), columns=["first", "second"]).join(table)


def on_cells(
    scores: pd.DataFrame, cells: AnnData, pairs: Pairs, *, metric: str = "auroc", n_draws: int = 1000
) -> pd.DataFrame:
    """Compare variants on the cells, over the same bootstrap draws of lines; columns as for `on_lines`."""
    found = evaluate.paired_differences(scores, cells, pairs, metric=metric, n_draws=n_draws)
    return found.assign(p=found["holm"]).drop(columns="holm").reset_index()


def tidy(gaps: pd.DataFrame, against: str) -> pd.DataFrame:
    """Return differences between pairs of variants as tidy rows; the method is ``first minus second``.

    The p-value, corrected as it is, has the column ``holm``.
    """
    names = gaps["first"] + " minus " + gaps["second"]
    return (
        gaps.drop(columns=["first", "second"])
        .rename(columns={"p": "holm"})
        .assign(method=names, seed=-1, metric="difference in auroc", against=against)
    )


def noting_shapes(variants: Iterable[Variant], shapes: list[dict], *, seed: int) -> Iterator[Variant]:
    """Pass variants on; note of each with a mask its method, genes, those named by a pathway, and its rows.

    Masks are those of the seed's models: random ones differ from seed to seed.
    """
    for variant in variants:
        mask = getattr(variant.make(seed), "mask", None)
        if mask is not None:
            named = mask[~mask.index.str.startswith(pathways.FREE)]
            rows = {"pathways": len(named), "free": len(mask) - len(named), "code": len(mask)}
            genes = {"genes": mask.shape[1], "named": int(named.any().sum())}
            shapes.append({"method": variant.name} | genes | rows)
        yield variant
