"""The ladder of Table 3: every rung in both schedules, what each part adds, and how far its runs differ."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import stats

from bulk2sc import inference, latent, models
from bulk2sc.experiments import trials
from bulk2sc.experiments.trials import Variant

SCHEDULES = {"pretrained": "pretrain-then-classify", "joint": "joint"}
# The rows of Table 3; the variant with a domain classifier is not the paper's and stands with its like.
RUNGS = (*models.LADDER[:-1], "domain-classifier share AE", models.LADDER[-1])
ADVERSARIAL = ("adv AE", "adv share AE", "domain-classifier share AE")
# What is added -> the rung with it, the rung without. The last two are the neighbours in Table 3 and Fig. 5
# that differ in two parts at once.
STEPS = {
    "a critic": ("adv AE", "base AE"),
    "private encoders": ("base share AE", "base AE"),
    "a critic beside private encoders": ("adv share AE", "base share AE"),
    "a domain classifier beside private encoders": ("domain-classifier share AE", "base share AE"),
    "pathways": ("share AE + pathways", "base share AE"),
    "private encoders in place of a critic": ("base share AE", "adv AE"),
    "pathways in place of a critic": ("share AE + pathways", "adv share AE"),
}
ROWS_PER_DOMAIN = 300  # enough to tell domains apart, and few enough for sixty runs


def variant(rung: str, schedule: str) -> str:
    """Return the name of a rung in a schedule, ``"adv AE (joint)"``."""
    return f"{rung} ({schedule})"


def variants(bulk: AnnData, cells: AnnData, settings: Mapping) -> Iterator[Variant]:
    """Yield every rung in both schedules, then the constant answers.

    Parameters
    ----------
    bulk, cells
        As `pp.pair` makes them.
    settings
        Of the autoencoders, the same for all rungs; those that a rung does not have are left out.
    """
    for schedule, name in SCHEDULES.items():
        for rung in RUNGS:
            given = {**settings, "schedule": name}
            yield Variant(
                variant(rung, schedule),
                bulk,
                cells,
                lambda seed, rung=rung, given=given: models.make(rung, **given | {"seed": seed}),
            )
    yield from trials.constant_variants(bulk, cells)


def told_apart(model: models.Model, lines: AnnData, cells: AnnData) -> pd.DataFrame:
    """Measure how well the lines trained on and the cells can be told apart by the model's code.

    Returns
    -------
    DataFrame
        fold and auroc of `latent.domain_auroc` on at most `ROWS_PER_DOMAIN` random rows of either domain;
        no rows for a model without a code.
    """
    if not hasattr(model, "encode"):
        return pd.DataFrame(columns=["fold", "auroc"])
    rng = np.random.default_rng(0)
    some = [d[rng.permutation(d.n_obs)[:ROWS_PER_DOMAIN]] for d in (lines, cells)]
    is_cell = np.repeat([False, True], [d.n_obs for d in some])
    groups = np.concatenate([some[0].obs_names, some[1].obs["cell_line"].astype(str)])
    code = np.concatenate([model.encode(d) for d in some])
    return latent.domain_auroc(code, is_cell, groups).rename_axis("fold").reset_index()


def kept_losses(curves: pd.DataFrame) -> pd.DataFrame:
    """Return the losses of each run at the epoch whose weights each of its stages kept.

    That is the best epoch of a stage with early stopping, and the last of an adversarial stage, which has
    none. The term is the one that the stage's validation watches.

    Parameters
    ----------
    curves
        As `trials.run` returns them.

    Returns
    -------
    DataFrame
        method, seed, stage, term, epoch, train (mean over the epoch's batches) and validation.
    """
    rows = []
    for (method, seed, stage), part in curves.groupby(["method", "seed", "stage"], sort=False):
        validation = part[part["split"] == "validation"]
        term = validation["term"].iloc[0]
        watched = part[part["term"] == term].pivot(index="epoch", columns="split", values="value")
        epoch = watched.index[-1] if stage == "adversarial" else watched["validation"].idxmin()
        rows.append((method, seed, stage, term, epoch, *watched.loc[epoch, ["train", "validation"]]))
    return pd.DataFrame(rows, columns=["method", "seed", "stage", "term", "epoch", "train", "validation"])


def at_limit(curves: pd.DataFrame, max_epochs: int) -> float:
    """Return the share of runs whose first stage ended by the limit of epochs, not by early stopping."""
    last = curves.groupby(["method", "seed", "stage"], sort=False)["epoch"].max()
    return float((last.groupby(["method", "seed"], sort=False).first() >= max_epochs).mean())


def final_losses(kept: pd.DataFrame) -> pd.DataFrame:
    """Return what `kept_losses` says of the encoder as it is used: after its last stage.

    Returns
    -------
    DataFrame
        method, seed, metric (``validation loss``: of the reconstruction or, in the joint schedule, the
        cross-entropy; ``change by the adversary``: of that loss, within a run; ``overfitting``:
        cross-entropy of validation minus that of training) and value.
    """
    of_encoder = kept[kept["stage"] != "classifier"]
    runs = of_encoder.groupby(["method", "seed"], sort=False)["validation"]
    final = runs.last().rename("validation loss")
    change = (final - runs.first())[runs.size() > 1].rename("change by the adversary")
    entropy = kept[kept["term"] == "cross-entropy"].groupby(["method", "seed"], sort=False).last()
    gap = (entropy["validation"] - entropy["train"]).rename("overfitting")
    return pd.concat(
        [series.rename("value").reset_index().assign(metric=series.name) for series in (final, change, gap)],
        ignore_index=True,
    )


def over_seeds(table: pd.DataFrame) -> pd.DataFrame:
    """Add the mean over seeds (seed -1) of each method and metric, with its 95 % t interval (low, high).

    The seeds' models share most of their training lines, so the interval is about runs and not about lines.
    """
    rows = []
    for (method, metric), part in table.groupby(["method", "metric"], sort=False):
        rows.append({"method": method, "metric": metric, "seed": -1, **t_interval(part["value"])})
    return pd.concat([table, pd.DataFrame(rows)], ignore_index=True)


def t_interval(values: pd.Series) -> dict[str, float]:
    """Return the mean with its 95 % t interval: value, low, high (NaN for a single value)."""
    mean, half = values.mean(), float(inference.t_half(values.sem(), len(values)))
    return {"value": mean, "low": mean - half, "high": mean + half}


def paired_over_seeds(values: pd.DataFrame, pairs: Iterable[tuple[str, str]]) -> pd.DataFrame:
    """Compare variants seed by seed; like `over_seeds`, it is about other runs and not about other lines.

    Parameters
    ----------
    values
        Array (n_seeds, n_variants), indexed by seed.
    pairs
        Names of variants, (first, second).

    Returns
    -------
    DataFrame
        By first: value (first minus second) with its 95 % t interval, low and high; p of the paired t test
        after Holm's correction over all pairs. All but value are NaN for a single seed.
    """
    gaps = {first: values[first] - values[second] for first, second in pairs}
    table = pd.DataFrame([{**t_interval(gap), "p": _paired_p(gap)} for gap in gaps.values()], list(gaps))
    return table.assign(p=inference.holm(table["p"]))


def _paired_p(gaps: pd.Series) -> float:
    """Return the two-sided p-value of Student's t test that differences have mean 0."""
    if len(gaps) < 2:
        return np.nan
    error = gaps.sem()
    return 2 * stats.t.sf(abs(gaps.mean()) / error, len(gaps) - 1) if error > 0 else float(not gaps.any())


def spread(values: pd.Series) -> dict[str, float]:
    """Return the standard deviation over seeds with its 95 % chi-square interval: value, low, high."""
    n, sd = len(values), values.std()
    if n < 2:
        return {"value": np.nan, "low": np.nan, "high": np.nan}
    low, high = sd * np.sqrt((n - 1) / stats.chi2.ppf([0.975, 0.025], n - 1))
    return {"value": sd, "low": low, "high": high}


def spread_ratio(first: pd.Series, second: pd.Series) -> dict[str, float]:
    """Compare the spread of two methods over the same seeds.

    The seeds share their training lines, so the runs are paired; the interval is that of Morgan and Pitman
    (1939) for the ratio of two correlated variances, exact for normal values.

    Parameters
    ----------
    first, second
        One value a seed, indexed by seed.

    Returns
    -------
    dict
        value (standard deviation of `first` over that of `second`), low, high; all NaN where a spread is 0,
        and low and high for fewer than three seeds.
    """
    nothing = {"value": np.nan, "low": np.nan, "high": np.nan}
    pair = pd.concat([first, second], axis=1).dropna()
    n, sd = len(pair), pair.std().to_numpy()
    if n < 2 or not (sd > 0).all():
        return nothing
    ratio = sd[0] / sd[1]
    if n < 3:
        return nothing | {"value": ratio}
    r = np.corrcoef(pair.to_numpy().T)[0, 1]
    k = 1 + 2 * (1 - r**2) * stats.t.ppf(0.975, n - 2) ** 2 / (n - 2)
    width = np.sqrt(k + np.sqrt(k**2 - 1))
    return {"value": ratio, "low": ratio / width, "high": ratio * width}


def step_pairs() -> list[tuple[str, str]]:
    """Return all comparisons of `STEPS`, in both schedules, as pairs of variants."""
    return [(variant(a, s), variant(b, s)) for s in SCHEDULES for a, b in STEPS.values()]


def schedule_pairs() -> list[tuple[str, str]]:
    """Return the two variants of every rung, joint first."""
    return [(variant(rung, "joint"), variant(rung, "pretrained")) for rung in RUNGS]


def degenerate_seeds(table: pd.DataFrame, methods: Iterable[str]) -> pd.Series:
    """Name the degenerate runs of each method by their seeds, ``"0, 3"``; empty where there are none.

    Parameters
    ----------
    table
        As `evaluate.judge` returns it.
    """
    runs = table[(table["metric"] == "degenerate") & (table["seed"] >= 0) & (table["value"] > 0)]
    named = runs.groupby("method")["seed"].agg(lambda seeds: ", ".join(f"{seed:.0f}" for seed in seeds))
    return named.reindex(list(methods), fill_value="").rename("degenerate seeds")


def last_distances(curves: pd.DataFrame, method: str) -> pd.Series:
    """Return the distance that a method's critic estimates at the last epoch, by seed."""
    of_critic = curves[(curves["method"] == method) & (curves["term"] == "distance")]
    return of_critic.sort_values("epoch").groupby("seed")["value"].last()


def run(bulk: AnnData, cells: AnnData, *, settings: Mapping, seed: int, k: float) -> dict[str, pd.DataFrame]:
    """Fit all variants with one seed: tables of `trials.run`, whose ``looks`` are those of `told_apart`."""
    return trials.run(variants(bulk, cells, settings), seed=seed, k=k, look=told_apart)
