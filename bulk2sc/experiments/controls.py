"""Controls: models that must lose their skill, and models that lose a part and may not miss it.

Each control changes one thing. Pretraining sees no labels, so where only labels change, the encoder stays and
the classifier alone is trained again.
"""

from collections.abc import Iterator

import anndata as ad
import numpy as np
import pandas as pd
from anndata import AnnData

from bulk2sc import evaluate, labels, models, pp
from bulk2sc.experiments import trials
from bulk2sc.pathways import random_mask

FULL, RIDGE = "full model", "ridge"
SHUFFLED, LEAKED = "shuffled labels", "tested lines left in"
RANDOM_MASK, UNTRAINED, NO_CELLS = "random pathways", "untrained encoder", "no single cells"
PARTS = {  # what each of these controls takes away
    RANDOM_MASK: "the pathways' own genes",
    UNTRAINED: "the training of the encoder",
    NO_CELLS: "single cells in training",
}
APART = 1000  # between the seeds of two shuffles of one part, whose first has the seed of the part


def of_ridge(control: str) -> str:
    """Return the name of a control's row for ridge regression."""
    return f"{RIDGE}, {control}"


class UntrainedAutoencoder(models.SharedAutoencoder):
    """The shared autoencoder as it was born: random weights, and a classifier trained on its codes."""

    def _pretrain(self, bulk: AnnData, cells: AnnData) -> None:
        asked = {"lr": self.lr, "max_epochs": self.max_epochs}
        self.set_params(lr=0.0, max_epochs=1)  # an epoch that changes no weight, and gives the loss at birth
        super()._pretrain(bulk, cells)
        self.set_params(**asked)


class InductiveAutoencoder(models.SharedAutoencoder):
    """The shared autoencoder that learns from no single cell: lines stand in for cells in pretraining."""

    def _pretrain(self, bulk: AnnData, cells: AnnData) -> None:
        super()._pretrain(bulk, bulk)


def with_lines(bulk: AnnData, tested: AnnData, k: float) -> AnnData:
    """Return the training lines and, with their response, the lines that the cells come from.

    Parameters
    ----------
    bulk
        Training lines, which scale the others and set the tails.
    tested
        Lines with the response that `bulk` is ranked by, and its genes.
    k
        Fraction of lines in each tail.
    """
    added = pp.scale_like(tested[:, bulk.var_names], bulk)
    ranked = labels.ranked_response(bulk)
    added.obs["response"] = labels.respond(added.obs[ranked.name], *labels.tails(ranked, k))
    return ad.concat([bulk, added])


def permuted(bulk: AnnData, rng: np.random.Generator) -> AnnData:
    """Return lines whose measured responses are dealt out anew among those that have one."""
    measured = np.flatnonzero(bulk.obs["auc"].notna())
    order = rng.permutation(measured)
    dealt = bulk.copy()
    for column in ("auc", "response"):
        values = bulk.obs[column].to_numpy(copy=True)
        values[measured] = values[order]
        dealt.obs[column] = values
    return dealt


def run(
    bulk: AnnData,
    cells: AnnData,
    tested: AnnData,
    *,
    settings: dict,
    seed: int,
    k: float,
    n_shuffles: int,
) -> dict[str, pd.DataFrame]:
    """Fit the full model, ridge regression and all their controls with one seed.

    Parameters
    ----------
    bulk, cells
        The pair made by `pp.pair`.
    tested
        The lines of the cells, as `with_lines` takes them; may be none.
    settings
        Of `models.SharedAutoencoder`, with its mask, in the schedule that pretrains.
    seed, k
        As for `trials.run`; seeds are below `APART`.
    n_shuffles
        How often the labels are shuffled. Each shuffle counts as a run of its own, with a seed `APART` from
        the one before, and scores the same lines left out.

    Returns
    -------
    dict
        ``cells`` and ``lines``, as `trials.run` returns them.
    """
    full = models.SharedAutoencoder(**settings | {"seed": seed})
    found = trials.run(_variants(full, bulk, cells, settings), seed=seed, k=k)
    training, left_out = evaluate.leave_out_fold(bulk, k=k, seed=seed, folds=trials.FOLDS)
    known = left_out.obs[["response", "auc"]].reset_index(drop=True).rename(columns={"response": "answer"})
    learn = {
        "{}": lambda lines, seed: full.set_params(seed=seed).fit_classifier(lines),
        of_ridge("{}"): lambda lines, seed: models.make(RIDGE, seed=seed).fit(lines, cells),
    }
    tables = {name: [found[name]] for name in ("cells", "lines")}
    for control, own_seed, lines in _taught(training, tested, k, seed, n_shuffles):
        for name, fit in learn.items():
            model, label = fit(lines, own_seed), {"method": name.format(control), "seed": own_seed}
            tables["cells"].append(_scores(model, cells, "cell").assign(**label))
            tables["lines"].append(_scores(model, left_out, "line").join(known).assign(**label))
    return {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}


def _variants(full: models.Model, bulk: AnnData, cells: AnnData, settings: dict) -> Iterator[trials.Variant]:
    """Yield what differs in the encoder, ridge regression, and the constant answers."""
    makers = {
        FULL: lambda seed: full,
        RANDOM_MASK: lambda seed: models.SharedAutoencoder(
            **settings | {"seed": seed, "mask": random_mask(settings["mask"], seed)}
        ),
        UNTRAINED: lambda seed: UntrainedAutoencoder(**settings | {"seed": seed}),
        NO_CELLS: lambda seed: InductiveAutoencoder(**settings | {"seed": seed}),
        RIDGE: lambda seed: models.make(RIDGE, seed=seed),
    }
    yield from (trials.Variant(name, bulk, cells, make) for name, make in makers.items())
    yield from trials.constant_variants(bulk, cells)


def _taught(
    training: AnnData, tested: AnnData, k: float, seed: int, n_shuffles: int
) -> Iterator[tuple[str, int, AnnData]]:
    """Yield the controls that differ in the labels they are taught: name, seed, lines."""
    for own_seed in range(seed, seed + n_shuffles * APART, APART):
        yield SHUFFLED, own_seed, permuted(training, np.random.default_rng(own_seed))
    if tested.n_obs:
        yield LEAKED, seed, with_lines(training, tested, k)


def _scores(model: models.Model, adata: AnnData, unit: str) -> pd.DataFrame:
    return pd.DataFrame({unit: adata.obs_names, "score": model.score_cells(adata)})


def by_fold(lines: pd.DataFrame) -> pd.DataFrame:
    """Judge all controls on the lines left out, one value a fold: the mean over the shuffles that share it.

    A shuffle without a value is left out of the mean.

    Parameters
    ----------
    lines
        Of several seeds, as `run` returns them.

    Returns
    -------
    DataFrame
        As `trials.validation`, of which it is a summary: seeds are those of the parts.
    """
    single = trials.validation(lines).query("seed >= 0")
    folds = single.assign(fold=single["seed"] % APART)
    means = folds.pivot_table(
        index=["method", "fold"], columns="metric", values="value", sort=False, dropna=False
    )
    return evaluate.over_folds(means.reset_index(), folds=trials.FOLDS)


def of_shuffles(table: pd.DataFrame) -> np.ndarray:
    """Return the AUROC of each shuffle of the labels, from a table as `evaluate.judge` returns it."""
    rows = table[(table["metric"] == "auroc") & (table["method"] == SHUFFLED) & (table["seed"] >= 0)]
    return rows["value"].dropna().to_numpy()
