"""Loss curves."""

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from bulk2sc.pl.look import RESISTANT, SENSITIVE


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
