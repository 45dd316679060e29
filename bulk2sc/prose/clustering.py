"""What clusters are worth."""

from collections.abc import Mapping

import pandas as pd

from bulk2sc import inference
from bulk2sc.prose.words import listing


def recovery(
    name: str, ari: pd.Series, truth: str, *, apart: pd.Series | None = None, bar: float = 0.95
) -> str:
    """Say which clustering agrees best with the truth, and whether the one called `name` reaches a bar.

    Parameters
    ----------
    ari
        Mean adjusted Rand index by method, all cells clustered at once.
    apart
        The same of clusters found sample by sample and joined, where that was done.
    """
    best, pooled = ari.idxmax(), "" if apart is None else " with all cells at once"
    text = f"Against the {truth}, **{best}** has the highest mean ARI{pooled} ({ari[best]:.3f})."
    if ari[name] >= bar:
        return (
            f"{text} {name} reaches {ari[name]:.3f}, at least the {bar:.2f} that this book calls recovered."
        )
    text += f" {name} reaches {ari[name]:.3f}, less than the {bar:.2f} that this book calls recovered"
    others = _reached(ari, bar)
    text += f"; {others} it." if others else "; no other method reaches it."
    if apart is None:
        return text
    joined = _reached(apart, bar) or "no method reaches"
    return f"{text} **Clustered sample by sample and joined, {joined} it**, see the section on samples below."


def normal_as_one(ari: float, n_cells: int, n_types: int, *, bar: float = 0.95) -> str:
    """Say what it costs a clustering to part the types of normal cells, which the truth counts as one line.

    Parameters
    ----------
    ari
        Adjusted Rand index, against the line, of the partition into lines and types of normal cells.
    """
    if n_types < 2:
        return ""
    text = (
        f"**An ARI of 1 is not the only good answer**: the {n_cells} normal cells count as one line, but are "
        f"of {n_types} types. A clustering that finds every line and every type has an ARI of {ari:.3f}"
    )
    if ari < bar:
        text += f", less than the {bar:.2f} that this book calls recovered"
    return f"{text}; more than that can mean that types were not told apart."


def _reached(ari: pd.Series, bar: float) -> str:
    """Name the methods at or above a bar, with their ARI and a verb; empty if none is."""
    those = [f"{method} ({value:.3f})" for method, value in ari.items() if value >= bar]
    return f"{listing(those)} reach{'es' if len(those) == 1 else ''}" if those else ""


def cut_short(epochs: int, full: int) -> str:
    """Warn where networks learn for fewer epochs than the paper gave them; empty where they do not."""
    if epochs >= full:
        return ""
    return (
        f"Networks learn for at most {epochs} epochs on this page, not {full}: their agreement is what this "
        "training gives and may be below what they can reach."
    )


def width_of_nothing(name: str, found: float, null: float, reference: float, *, claim: float) -> str:
    """Compare a method's ASW on its own code with what it reaches on permuted genes.

    Parameters
    ----------
    found, null
        Mean ASW on the own code: of the cells, and with genes permuted; NaN with one cluster.
    reference
        Mean ASW of the clusters of permuted genes on principal components.
    claim
        The width that is reported as a sign of quality.
    """
    real = f"On these cells the ASW of {name} on its own code is {found:.2f}"
    if pd.isna(found):
        real = f"On these cells {name} finds one cluster, which has no ASW"
    if pd.isna(null):
        return f"{real}; with permuted genes it finds one cluster, as it should."
    verdict = "no evidence of clusters" if null >= claim else "to be read against that and not against 0"
    return (
        f"{real}; with permuted genes, where there is nothing to find, it is **{null:.2f}**, while the same "
        f"clusters have {reference:.2f} on principal components. "
        f"An ASW of {claim:.2f} on the own code is therefore {verdict}."
    )


def widest_of_nothing(widths: pd.Series, *, claim: float) -> str:
    """Say which method makes the most compact clusters of permuted genes, on its own code; ASW by method."""
    if widths.isna().all():
        return "No method finds more than one cluster with permuted genes."
    name = widths.idxmax()
    side = "at or above" if widths[name] >= claim else "below"
    return (
        f"Of all methods **{name}** reaches the widest silhouette on permuted genes, {widths[name]:.2f}, "
        f"{side} {claim:.2f}."
    )


def compacted(before: pd.Series, after: pd.Series) -> str:
    """Say what training for clusters does to the width of the same clusters; both ASW by method."""
    changes = [f"{name} from {before[name]:.2f} to {after[name]:.2f}" for name in before.dropna().index]
    if not changes:
        return "No method found more than one cluster, so there are no widths to compare."
    rise = (after[before.dropna().index] > before.dropna()).all()
    verb = "raises" if rise else "changes"
    return f"Training for clusters {verb} the ASW of the same clusters on the own code: {listing(changes)}."


def false_clusters(clusters: pd.Series) -> str:
    """Say how many clusters the methods find where there is one; mean number by method."""
    right = list(clusters.index[clusters <= 1])
    wrong = [f"{name} ({value:.3g})" for name, value in clusters[clusters > 1].items()]
    if not wrong:
        return "With permuted genes every method finds one cluster, as it should."
    text = f"With permuted genes one cluster would be right; mean numbers found: {listing(wrong)}."
    return f"{text} {listing(right)} find{'s' if len(right) == 1 else ''} one." if right else text


def why_pooled(name: str, ari: Mapping[str, float], *, bar: float = 0.95) -> str:
    """
    Say why clusters of all cells at once recover the lines or do not, where lines were measured repeatedly.

    Parameters
    ----------
    ari
        ARI by what clusters are compared with: ``cell line``, ``sample``, and ``line x <place>``, the lines
        of each sample (experiment, protocol) taken apart.
    """
    line, places = ari["cell line"], {key: value for key, value in ari.items() if key.startswith("line x ")}
    text = f"All cells at once, clusters of {name} have an ARI of {line:.2f} with the line"
    if line >= bar:
        return f"{text}: no batch effect keeps them from it."
    best = max(places, key=places.get)
    place = best.removeprefix("line x ")
    listed = listing([f"{value:.2f} by {key.removeprefix('line x ')}" for key, value in places.items()])
    text += f", {ari['sample']:.2f} with the sample, and with lines taken apart {listed}"
    if places[best] <= line:
        return f"{text}: that lines were measured repeatedly does not explain what is missing."
    if places[best] >= bar:
        return f"{text}. They do find the lines, but **each line of each {place} as a cluster of its own**."
    return f"{text}. They part lines by {place}, but that alone does not explain what is missing."


def joined(name: str, together: float, apart: float, *, by: str = "sample", bar: float = 0.95) -> str:
    """Say what clustering part by part does to the ARI with the line: from `together` to `apart`."""
    verb = "takes" if apart > together else "does not raise, but takes"
    text = f"Clustering {by} by {by} {verb} the ARI of {name} from {together:.2f} to {apart:.2f}"
    return f"{text}, {'at least' if apart >= bar else 'below'} {bar:.2f}."


def few_runs(n: int, what: str) -> str:
    """Say what stands in place of an interval of `n` runs on `what`, with one or two; empty for more."""
    if n == 1:
        return f"On {what} each method runs once: there is no interval."
    if n == 2:
        return f"On {what} each method runs twice: bars are the range of the two, not an interval."
    return ""


def gain_of_exact(measured: Mapping[str, Mapping]) -> str:
    """
    Say what memory-efficient and landmark attention gain in time and memory.

    Parameters
    ----------
    measured
        ``cost`` and ``growth`` as `benchmarks/attention.py` writes them.
    """
    cost, growth = measured["cost"], measured["growth"]
    n = cost["rounds"][0]["exact"]["cells"]
    most = max(growth["runs"], key=lambda run: run["cells"])
    return (
        f"With {n:,} cells an epoch of the exact form is {cost['seconds']['ratio']:.1f} times as fast as the "
        f"same model written plainly, with n x n matrices, and its peak memory is smaller by a factor of "
        f"{cost['peak_mb']['ratio']:.1f}. With {most['form']} the processor time of an epoch grows as "
        f"n^{growth['exponent of processor_seconds']:.2f}; {most['cells']:,} cells take "
        f"{most['processor_seconds']:.0f} s of it an epoch and {most['peak_mb'] / 1000:.1f} GB."
    )


def quality_of_exact(quality: Mapping) -> str:
    """
    Say how clusters of exact and of landmark attention agree with the truth, beside those of the plain form.

    Parameters
    ----------
    quality
        ``runs``, ``epochs`` and ``cluster_epochs`` as `benchmarks/attention.py` writes them.
    """
    ari = pd.DataFrame(quality["runs"]).pivot(index="seed", columns="form", values="ARI")
    parts = [f"plain {ari['plain'].mean():.2f}"]
    for form in ("exact", "landmarks"):
        change = ari[form] - ari["plain"]
        half = float(inference.t_half(change.sem(), change.count()))
        parts.append(
            f"{form} {ari[form].mean():.2f} (mean difference {change.mean():+.3f}, 95 % interval "
            f"{change.mean() - half:+.3f} to {change.mean() + half:+.3f})"
        )
    return (
        f"The mean ARI with the line over {len(ari)} simulations is: {listing(parts)}. These runs have "
        f"{quality['epochs']} + {quality['cluster_epochs']} epochs, fewer than the model's 200 + 100."
    )


def widths_of_studies(table: pd.DataFrame, *, claim: float) -> str:
    """
    Say how many data sets reach the silhouette width that the paper reports, in either space.

    Parameters
    ----------
    table
        One row for each data set: ``ASW, own code`` and ``ASW, PCA-50``; empty without several data sets.
    claim
        The width that the paper reports for every data set.
    """
    if table.empty:
        return "This edition has one data set, which the sections above show."
    reached = {space: int((table[f"ASW, {space}"] >= claim).sum()) for space in ("own code", "PCA-50")}
    return (
        f"A silhouette width of {claim:g} is reached by {reached['own code']} of {len(table)} data sets in "
        f"the code that clusters were made in, and by {reached['PCA-50']} on principal components."
    )
