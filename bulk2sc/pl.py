"""Plots of the book. Each takes tidy data and an optional Axes, and returns the Axes."""

from collections.abc import Sequence
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from bulk2sc import prose
from bulk2sc.pathways import FREE

SENSITIVE, RESISTANT, NEUTRAL = "#0173b2", "#de8f05", "#949494"
RESPONSE = {"sensitive": SENSITIVE, "resistant": RESISTANT, "not judged": "#d5d5d5"}

PLANTED = {  # what a simulated cell was made as
    "sensitive": SENSITIVE,
    "hidden_resistant": "#d55e00",
    "resistant": RESISTANT,
    "surviving_sensitive": "#56b4e9",
    "normal": "#029e73",
    "low_quality": NEUTRAL,
    "doublet": "#cc78bc",
}

DEPTH = {"total_counts": "counts of a cell", "n_genes_by_counts": "genes detected in a cell"}


def style() -> None:
    """Set the look of every figure: white background, colour-blind safe, sharp on screen."""
    sns.set_theme(context="notebook", style="ticks", palette="colorblind", font_scale=0.85)
    plt.rcParams.update({"figure.dpi": 110, "figure.constrained_layout.use": True, "legend.frameon": False})
    plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})


def response_names(response: Sequence[float]) -> pd.Categorical:
    """Turn 1, 0 and NaN into ``sensitive``, ``resistant`` and ``not judged``."""
    names = (
        pd.Series(np.asarray(response, float)).map({1.0: "sensitive", 0.0: "resistant"}).fillna("not judged")
    )
    return pd.Categorical(names, categories=list(RESPONSE))


def tails(
    auc: pd.Series, low: float, high: float, *, drug: str, measure: str = "AUC", ax: Axes | None = None
) -> Axes:
    """Draw the distribution of a drug's AUC over cell lines, and its two tails.

    Parameters
    ----------
    auc
        AUC of each line, NaN where untested; lower = more sensitive.
    low, high
        Thresholds: lines at or below `low` are sensitive, at or above `high` resistant.
    drug, measure
        For the axis; another measure than AUC is drawn alike.
    """
    ax = ax or plt.subplots(figsize=(6, 3.2))[1]
    auc = auc.dropna()
    groups = np.select([auc <= low, auc >= high], ["sensitive", "resistant"], "not used")
    palette = {"sensitive": SENSITIVE, "not used": "#d5d5d5", "resistant": RESISTANT}
    bins = np.histogram_bin_edges(auc, 50)
    sns.histplot(
        x=auc, hue=groups, hue_order=list(palette), palette=palette, multiple="stack", bins=bins, ax=ax
    )
    ax.get_legend().set_title(None)
    ax.set(xlabel=f"{measure} of {drug}  (lower = more sensitive)", ylabel="cell lines")
    return ax


def quality(obs: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw each cell's library size against its mitochondrial share, kept and removed cells apart.

    Parameters
    ----------
    obs
        Cells with `total_counts` (or else `n_genes_by_counts`), `pct_counts_mt` and `qc_pass`.
    """
    depth = "total_counts" if "total_counts" in obs else "n_genes_by_counts"
    ax = ax or plt.subplots(figsize=(6, 3.6))[1]
    kept = np.where(obs["qc_pass"], "kept", "removed")
    palette = {"kept": SENSITIVE, "removed": RESISTANT}
    sns.scatterplot(
        x=obs[depth],
        y=obs["pct_counts_mt"],
        hue=kept,
        palette=palette,
        s=9,
        linewidth=0,
        alpha=0.7,
        ax=ax,
    )
    ax.set(xlabel=f"{DEPTH[depth]} (log scale)", ylabel="mitochondrial counts (%)")
    ax.legend(title=None, loc="upper left", bbox_to_anchor=(1, 1), markerscale=2)
    return log_counts(ax)


def log_counts(ax: Axes) -> Axes:
    """Put the x axis on a log scale with plain numbers at 1, 2 and 5 of each power of ten."""
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}" if x >= 1 else f"{x:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    return ax


def embedding(
    coordinates: np.ndarray,
    values: Sequence,
    *,
    title: str,
    palette: dict | str | None = None,
    named: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw cells in two dimensions, coloured by a categorical or numeric value.

    Parameters
    ----------
    coordinates
        Array (n_cells, 2).
    values
        One value a cell; numbers get a continuous scale.
    named
        Write each group's name on its cells, in place of a legend: for more groups than colours.
    """
    ax = ax or plt.subplots(figsize=(4.2, 3.6))[1]
    values = pd.Series(values).reset_index(drop=True)
    numeric = pd.api.types.is_float_dtype(values)
    order = np.random.default_rng(0).permutation(
        len(values)
    )  # so that no group is drawn on top of the others
    many = named and values.nunique() > 10
    palette = palette or ("viridis" if numeric else "husl" if many else "colorblind")
    sns.scatterplot(
        x=coordinates[order, 0],
        y=coordinates[order, 1],
        hue=values.iloc[order].to_numpy(),
        hue_order=None if numeric else _levels(values),
        palette=palette,
        s=8,
        linewidth=0,
        ax=ax,
    )
    ax.set(title=title, xticks=[], yticks=[], xlabel="UMAP 1", ylabel="UMAP 2")
    ax.legend(title=None, fontsize="small", markerscale=2, loc="upper left", bbox_to_anchor=(1, 1))
    if named:
        ax.get_legend().remove()
        _name_groups(coordinates, values, ax)
    return ax


def _name_groups(coordinates: np.ndarray, values: pd.Series, ax: Axes) -> None:
    """Write each group's name on the cell nearest to the middle of its cells."""
    box = {"facecolor": "white", "alpha": 0.6, "pad": 0.5, "linewidth": 0}
    for name, rows in values.groupby(values, observed=True).groups.items():
        cells = coordinates[rows]
        x, y = cells[np.square(cells - np.median(cells, axis=0)).sum(axis=1).argmin()]
        ax.text(x, y, name, fontsize="xx-small", ha="center", va="center", bbox=box)


def composition(
    rows: Sequence[str], groups: Sequence[str], *, palette: dict | None = None, ax: Axes | None = None
) -> Axes:
    """Draw how many cells of each group a row holds, as stacked bars, the first row on top.

    Parameters
    ----------
    rows, groups
        Of each cell, say its sample and its cell line; rows that are categorical keep their order.
    palette
        Colour by group; its order is that of the stack.
    """
    table = pd.crosstab(np.asarray(rows, str), np.asarray(groups, str))
    table = table.loc[[str(row) for row in _levels(pd.Series(rows))]]
    names = [name for name in palette if name in table] if palette else list(table)
    ax = ax or plt.subplots(figsize=(7, 0.32 * len(table) + 1))[1]
    colours = [palette[n] for n in names] if palette else sns.color_palette("colorblind", len(names))
    table = table[names].rename(columns=lambda name: name.replace("_", " "))
    table.plot.barh(stacked=True, color=colours, width=0.75, ax=ax, edgecolor="white", linewidth=0.4)
    ax.legend(title=None, fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
    ax.set(xlabel="cells", ylabel="", ylim=(len(table) - 0.5, -0.5))
    return ax


def two_measures(
    x: pd.Series, y: pd.Series, response: Sequence[float] | None = None, *, ax: Axes | None = None
) -> Axes:
    """Draw two measures of the same lines against each other, coloured by response where it is given.

    Parameters
    ----------
    x, y
        By line; lines that lack one are left out. Their names label the axes.
    response
        1, 0 or NaN for each line.
    """
    ax = ax or plt.subplots(figsize=(4, 3.4))[1]
    names = response_names(response) if response is not None else None
    palette = RESPONSE if response is not None else None
    sns.scatterplot(
        x=x.to_numpy(), y=y.to_numpy(), hue=names, palette=palette, s=10, linewidth=0, alpha=0.8, ax=ax
    )
    if names is not None:
        ax.legend(title=None, fontsize="small", markerscale=2)
    ax.set(xlabel=x.name, ylabel=y.name)
    return ax


def mask_picture(mask: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw a pathway mask: a dark point where a pathway (row) names a gene (column).

    Large pathways stand on top and much-named genes on the left; free rows stay at the bottom.
    """
    ax = ax or plt.subplots(figsize=(8, 4))[1]
    free = mask.index.str.startswith(FREE)
    rows = np.argsort(np.where(free, np.inf, -mask.sum(axis=1).to_numpy()), kind="stable")
    columns = np.argsort(-mask[~free].sum(axis=0).to_numpy(), kind="stable")
    # As points, thin rows and single genes stay visible where an image would average them away.
    ax.spy(
        mask.to_numpy()[np.ix_(rows, columns)],
        markersize=0.5,
        color=SENSITIVE,
        aspect="auto",
        rasterized=True,
    )
    ax.xaxis.tick_bottom()
    ax.set(xlabel="genes, most often named first", ylabel="pathways, largest first")
    return ax


def _levels(values: pd.Series) -> list:
    if isinstance(values.dtype, pd.CategoricalDtype):
        present = set(values.dropna())
        return [level for level in values.cat.categories if level in present]
    return sorted(values.dropna().unique(), key=str)


def loss_curves(
    history: pd.DataFrame, *, term: str, stage: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw one term of the loss over epochs, training and validation apart, one line a seed.

    Parameters
    ----------
    history
        Tidy: stage, epoch, split, term, value and optionally seed, as `SharedAutoencoder.history_`.
    """
    ax = ax or plt.subplots(figsize=(4.5, 3))[1]
    rows = history[history["term"] == term]
    if stage is not None:
        rows = rows[rows["stage"] == stage]
    units = {"units": "seed", "estimator": None} if "seed" in rows else {"estimator": None}
    palette = {
        split: colour for split, colour in zip(rows["split"].unique(), (SENSITIVE, RESISTANT), strict=False)
    }
    sns.lineplot(rows, x="epoch", y="value", hue="split", palette=palette, ax=ax, **units)
    ax.get_legend().set_title(None)
    ax.set(title=term, xlabel="epoch", ylabel="loss")
    return ax


def intervals(
    table: pd.DataFrame,
    metric: str,
    *,
    chance: float | None = None,
    order: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw every method's metric: the mean over seeds with its interval, and every seed as a point.

    Parameters
    ----------
    table
        As `evaluate.judge` returns it.
    metric
        Which metric.
    chance
        Value of a constant answer, drawn as a dashed line.
    order
        Methods from top to bottom; default: as they come.
    """
    ax = ax or plt.subplots(figsize=(5, 0.35 * table["method"].nunique() + 1))[1]
    rows = table[table["metric"] == metric]
    order = list(order if order is not None else rows["method"].unique())
    seeds, mean = rows[rows["seed"] >= 0], rows[rows["seed"] == -1].set_index("method").reindex(order)
    position = np.arange(len(order))
    ax.scatter(
        seeds["value"], seeds["method"].map(order.index) + 0.18, s=10, color=NEUTRAL, alpha=0.7, linewidth=0
    )
    ax.hlines(position, mean["low"], mean["high"], color=SENSITIVE, linewidth=2)
    ax.scatter(mean["value"], position, s=32, color=SENSITIVE, zorder=3)
    if chance is not None:
        ax.axvline(chance, color="black", linestyle="--", linewidth=0.8)
    ax.set(
        yticks=position,
        yticklabels=order,
        xlabel=prose.LABELS.get(metric, metric),
        ylim=(len(order) - 0.5, -0.5),
    )
    return ax


def pathway_ranking(ranking: pd.DataFrame, *, top: int = 12, ax: Axes | None = None) -> Axes:
    """Draw the pathways with the largest mean absolute attribution (Fig. 6a of He et al. 2025).

    Parameters
    ----------
    ranking
        As `explain.rank_pathways` returns it.
    """
    ax = ax or plt.subplots(figsize=(7, 0.32 * top + 0.8))[1]
    rows = ranking.head(top).iloc[::-1]
    colours = np.where(rows["mean"] > 0, SENSITIVE, RESISTANT)
    ax.barh([short(name) for name in rows.index], rows["mean_abs"], color=colours)
    ax.set(xlabel="mean |integrated gradients|\n(blue: towards sensitive, orange: towards resistant)")
    return ax


def pathway_heatmap(values: pd.DataFrame, response: Sequence[float], *, ax: Axes | None = None) -> Axes:
    """Draw the attributions of single cells, sorted by their answer (Fig. 6b of He et al. 2025).

    Parameters
    ----------
    values
        Attributions (n_cells, n_pathways) of the pathways to show, in order.
    response
        Answer of each cell, 1, 0 or NaN; drawn as a strip of text under the groups.
    """
    ax = ax or plt.subplots(figsize=(8, 0.32 * values.shape[1] + 1.2))[1]
    names = response_names(response)
    order = np.argsort(names.codes, kind="stable")
    limit = np.quantile(np.abs(values.to_numpy()), 0.99)
    shown = values.iloc[order].T.rename(index=short)
    sns.heatmap(
        shown, cmap="vlag_r", center=0, vmin=-limit, vmax=limit, xticklabels=False, ax=ax, rasterized=True
    )
    edges = np.concatenate([[0], np.cumsum(np.bincount(names.codes, minlength=len(RESPONSE)))])
    ax.vlines(edges[1:-1], 0, values.shape[1], color="black", linewidth=0.8)
    present = [(start + end) / 2 for start, end in pairwise(edges) if end > start]
    labels = [name for name, (start, end) in zip(RESPONSE, pairwise(edges), strict=True) if end > start]
    ax.set(xlabel="cells, grouped by their known response", ylabel="")
    ax.set_xticks(present, labels, rotation=0)
    ax.tick_params(axis="x", length=0)
    return ax


def short(name: str, *, width: int = 46) -> str:
    """Shorten a gene-set name for an axis: no database prefix, no underscores, at most `width` characters."""
    for prefix in ("GOCC_", "GOBP_", "GOMF_", "HALLMARK_", "REACTOME_"):
        name = name.removeprefix(prefix)
    name = name.replace("_", " ").lower()
    return name if len(name) <= width else name[: width - 1].rstrip() + "…"


def mask_sizes(mask: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how many genes each pathway of a mask keeps; free rows are left out."""
    ax = ax or plt.subplots(figsize=(5, 3))[1]
    sizes = mask.sum(axis=1)[~mask.index.str.startswith(FREE)]
    sns.histplot(sizes, bins=40, log_scale=True, color=SENSITIVE, ax=ax)
    ax.set(xlabel="genes of a pathway among the chosen genes (log scale)", ylabel="pathways")
    return log_counts(ax)


def reliability(answer: np.ndarray, score: np.ndarray, *, bins: int = 8, ax: Axes | None = None) -> Axes:
    """Draw the share of sensitive cells against the predicted probability, in bins of equal size."""
    ax = ax or plt.subplots(figsize=(3.4, 3.2))[1]
    table = pd.DataFrame({"answer": answer, "score": score}).dropna()
    groups = table.groupby(pd.qcut(table["score"], bins, duplicates="drop"), observed=True).mean()
    ax.plot([0, 1], [0, 1], "--", color="black", linewidth=0.8)
    ax.plot(groups["score"], groups["answer"], "o-", color=SENSITIVE)
    ax.set(
        xlabel="predicted P(sensitive)", ylabel="share sensitive", xlim=(0, 1), ylim=(0, 1), aspect="equal"
    )
    return ax


def line_scores(scores: pd.Series, lines: Sequence[str], auc: pd.Series, *, ax: Axes | None = None) -> Axes:
    """Draw the scores of each line's cells, lines sorted from sensitive to resistant by AUC.

    Parameters
    ----------
    scores
        P(sensitive) of each cell.
    lines
        Cell line of each cell.
    auc
        Measured AUC by line; it is shown beside the name. Lines without one come last.
    """
    lines = pd.Series(np.asarray(lines, str))
    order = (
        pd.Series(lines.unique()).map(auc).set_axis(lines.unique()).sort_index().sort_values(kind="stable")
    )
    ax = ax or plt.subplots(figsize=(6, 0.26 * len(order) + 1))[1]
    table = pd.DataFrame({"score": np.asarray(scores), "line": lines})
    look = {"color": "#c9dcea", "fliersize": 1, "linewidth": 0.8}
    sns.boxplot(table, x="score", y="line", order=list(order.index), ax=ax, **look)
    names = [line if np.isnan(value) else f"{line}  ({value:.2f})" for line, value in order.items()]
    ax.set_yticks(range(len(order)), names)
    ax.set(xlabel="P(sensitive) of single cells", ylabel="cell line (measured AUC)", xlim=(0, 1))
    return ax


def over_settings(
    summary: pd.DataFrame, metrics: dict[str, str], *, log: Sequence[str] = (), base: dict | None = None
) -> Sequence[Axes]:
    """Draw shares over the values of each setting, one panel a setting, with intervals as bands.

    Parameters
    ----------
    summary
        As `label_sweep.over_seeds` returns it.
    metrics
        Colour by metric.
    log
        Settings on a log scale.
    base
        Setting -> value that it has in the other panels, drawn as a dotted line.
    """
    settings = list(summary["setting"].unique())
    columns = min(3, len(settings))
    shape = (-(-len(settings) // columns), columns)
    figure, axes = plt.subplots(*shape, figsize=(3.2 * columns, 2.6 * shape[0]), sharey=True, squeeze=False)
    for ax, setting in zip(axes.flat, settings, strict=False):
        for metric, colour in metrics.items():
            rows = summary[(summary["setting"] == setting) & (summary["metric"] == metric)]
            ax.fill_between(rows["value"], rows["low"], rows["high"], color=colour, alpha=0.15, linewidth=0)
            ax.plot(rows["value"], rows["mean"], "o-", color=colour, markersize=4, label=metric)
        if base:
            ax.axvline(base[setting], color=NEUTRAL, linestyle=":", linewidth=1)
        if setting in log:
            log_counts(ax)
        if setting in log and rows["value"].max() > 100 * rows["value"].min():
            ax.xaxis.set_major_locator(LogLocator())
        ax.set(xlabel=prose.SWEPT[setting], ylim=(-0.03, 1.03))
    for ax in axes.flat[len(settings) :]:
        ax.set_axis_off()
    for ax in axes[:, 0]:
        ax.set_ylabel("share of cells")
    handles = axes.flat[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=len(metrics), fontsize="small")
    return axes.flat[: len(settings)]


def by_answer(
    table: pd.DataFrame,
    metric: str,
    palette: dict[str, str],
    *,
    chance: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a metric of every method against several answers, with intervals side by side.

    Parameters
    ----------
    table
        Rows of `evaluate.judge` with a column ``against``, the answers' name.
    metric
        Which metric.
    palette
        Colour by answer.
    chance
        Value of a constant answer, drawn as a dashed line.
    """
    ax = ax or plt.subplots(figsize=(5, 3))[1]
    rows = table[(table["metric"] == metric) & (table["seed"] == -1)]
    methods = list(rows["method"].unique())
    for i, (answer, colour) in enumerate(palette.items()):
        found = rows[rows["against"] == answer].set_index("method").reindex(methods)
        y = np.arange(len(methods)) + (i - (len(palette) - 1) / 2) * 0.22
        ax.hlines(y, found["low"], found["high"], color=colour, linewidth=1.5)
        ax.scatter(found["value"], y, s=16, color=colour, label=answer, zorder=3)
    if chance is not None:
        ax.axvline(chance, color="black", linestyle="--", linewidth=0.8)
    ax.set(yticks=range(len(methods)), yticklabels=methods, ylim=(len(methods) - 0.5, -0.5))
    ax.set_xlabel(prose.LABELS.get(metric, metric))
    return ax


WIDTHS = {  # where an average silhouette width is taken, by (metric, stage): label, marker, colour
    ("ASW, PCA-50", "after"): ("50 principal components", "s", NEUTRAL),
    ("ASW, own code", "before"): ("own code, before training for clusters", "o", "#56b4e9"),
    ("ASW, own code", "after"): ("own code, as clustered", "o", SENSITIVE),
}


def widths(means: pd.DataFrame, *, claim: float, title: str = "", ax: Axes | None = None) -> Axes:
    """Draw the average silhouette width of each method's clusters in three spaces, with intervals over seeds.

    Parameters
    ----------
    means
        Means over seeds of one set of cells, as `clustering.compare.over_seeds` adds them.
    claim
        A width to compare with, drawn as a dashed line.
    """
    order = list(means["method"].unique())
    ax = ax or plt.subplots(figsize=(5, 0.4 * len(order) + 1))[1]
    for i, (key, (label, marker, colour)) in enumerate(WIDTHS.items()):
        rows = (
            means[(means["metric"] == key[0]) & (means["stage"] == key[1])].set_index("method").reindex(order)
        )
        y = np.arange(len(order)) + 0.2 * (i - 1)
        ax.hlines(y, rows["low"], rows["high"], color=colour, linewidth=1.5)
        ax.scatter(rows["value"], y, marker=marker, s=22, color=colour, label=label, zorder=3)
    ax.axvline(claim, color="black", linestyle="--", linewidth=0.8)
    ax.set(yticks=range(len(order)), yticklabels=order, ylim=(len(order) - 0.5, -0.5), title=title)
    ax.set(xlabel="average silhouette width")
    return ax
