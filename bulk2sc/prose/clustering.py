"""What clusters are worth."""

import pandas as pd

from bulk2sc.prose.words import listing


def recovery(name: str, ari: pd.Series, truth: str, *, bar: float = 0.95) -> str:
    """Say which clustering agrees best with the truth, and whether the one called `name` reaches a bar.

    Parameters
    ----------
    ari
        Mean adjusted Rand index by method.
    """
    best = ari.idxmax()
    text = f"Against the {truth}, **{best}** has the highest mean ARI ({ari[best]:.2f})."
    if ari[name] >= bar:
        return (
            f"{text} {name} reaches {ari[name]:.2f}, at least the {bar:.2f} that this book calls recovered."
        )
    text += f" {name} reaches {ari[name]:.2f}, less than the {bar:.2f} that this book calls recovered"
    others = [f"{other} ({value:.2f})" for other, value in ari.items() if value >= bar]
    return (
        f"{text}; {listing(others)} reach{'es' if len(others) == 1 else ''} it."
        if others
        else (f"{text}; no other method reaches it.")
    )


def cut_short(epochs: int, full: int) -> str:
    """Warn where networks learn for fewer epochs than the study gave them; empty where they do not."""
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


def line_or_sample(name: str, line: float, sample: float) -> str:
    """Say whether clusters follow the cell line or the sample it was measured in, by ARI."""
    if line >= sample:
        return f"Clusters of {name} follow the line (ARI {line:.2f}) more than the sample ({sample:.2f})."
    return f"Clusters of {name} follow the sample (ARI {sample:.2f}) more than the line ({line:.2f})."


def joined(name: str, together: float, apart: float, *, bar: float = 0.95) -> str:
    """Say what clustering sample by sample does to the ARI with the line: from `together` to `apart`."""
    verb = "takes" if apart > together else "does not raise, but takes"
    text = f"Clustering sample by sample {verb} the ARI of {name} from {together:.2f} to {apart:.2f}"
    return f"{text}, {'at least' if apart >= bar else 'below'} {bar:.2f}."


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
