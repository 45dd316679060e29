# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     notebook_metadata_filter: kernelspec,jupytext,-all
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Can one encoder read lines and cells?
#
# ## The idea
#
# A cell line gives one smooth profile; a {term}`single cell` gives a few thousand counts and many zeros.
# To carry what is learnt on lines over to cells, {cite:t}`he2025` train one autoencoder on both {term}`domains <Domain>`:
#
# - a {term}`shared encoder` reads lines and cells with the same weights, and a {term}`private encoder` of each domain takes up what is peculiar to it;
# - a dense decoder rebuilds a profile from both embeddings;
# - a {term}`sparse decoder` rebuilds it from the shared embedding $Z^s$ alone, and only along a {term}`pathway mask` $M$ of pathways times genes:
#
# $$ \bar X^{sparse} = Z^{s} (W \odot M) + b . $$
#
# A shared dimension can lower the loss only through the genes of its pathway, and that is what gives it a name.
# Only *writing* is masked: the encoder reads all genes.
# The design follows CODE-AE {cite:p}`codeae2022`, which took shared and private encoders from domain separation networks {cite:p}`bousmalis2016`.

# %% tags=["parameters"]
edition: str = "demo"  # edition whose settings and results are used
drug: str = "Cisplatin"  # drug, by its GDSC name; it decides which lines are held out
weights: str = "text"  # preset of the loss weights, text or code

# %% tags=["hide-input"]
import inspect

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.preprocessing import StandardScaler

from bulk2sc import compare, inference, pl, say
from bulk2sc.book import Study
from bulk2sc.models import autoencoder as ae

# %% [markdown]
# ## How it is done
#
# Genes are z-scored within each domain. A stack holds lines above cells.

# %%
study = Study(edition, drug=drug, weights=weights)
pl.style()
lines, cells = study.read("pair")
mask = study.read("mask")
X = {"lines": lines.layers["scaled"], "cells": cells.layers["scaled"]}
stack = torch.from_numpy(np.concatenate(list(X.values())))
print(f"{lines.n_obs} lines, {cells.n_obs} cells, {lines.n_vars} genes, {len(mask)} dimensions")


# %% [markdown]
# The source below is that of the package. The mask is one multiplication; an encoder is two layers.


# %%
def source(*objects):
    return Markdown("```python\n" + "\n".join(map(inspect.getsource, objects)) + "```")


source(ae.MaskedLinear.forward, ae.two_layers)

# %% [markdown]
# The shared encoder is *one* network that reads the whole stack:

# %%
source(ae.Autoencoder.forward)

# %% [markdown]
# The losses are the mean squared errors of both decoders, and the {term}`difference loss`, which asks shared and private dimensions to be orthogonal:
#
# $$ \mathcal L = \mathcal L_{recon} + r_1 \mathcal L_{diff} + r_2 \mathcal L_{sparse} , \qquad r_1 = r_2 = 0.1 \quad \text{(Eq. 7 and 11)}. $$

# %%
source(ae.difference_loss, ae.autoencoder_loss)

# %% [markdown]
# A hundred steps of training, by hand, with a smaller network. No label is used.

# %%
torch.manual_seed(0)
layers = {"hidden": 64, "dropout": 0.1, "batch_norm": False}
M, n = torch.tensor(mask[lines.var_names].to_numpy(np.float32)), lines.n_obs
network = ae.Autoencoder(M, private=True, sparse=True, sparse_relu=False, **layers)
optimiser, steps = torch.optim.Adam(network.parameters(), lr=1e-3), []
for _ in range(100):
    batch = stack[torch.cat([torch.randint(n, (64,)), torch.randint(n, len(stack), (64,))])]
    loss = ae.autoencoder_loss(network(batch, 64), batch, 64, ae.WEIGHTS[weights])
    optimiser.zero_grad(), loss["total"].backward(), optimiser.step()
    steps.append({name: term.item() for name, term in loss.items()})
pd.DataFrame(steps).iloc[[0, 9, 99]].round(4)

# %% [markdown]
# The autoencoder of the book is trained in the same way, in larger batches.
# The paper does not say when to stop; here training stops when the reconstruction of a held-out tenth has not improved for `patience` epochs, and the best weights are kept.

# %%
model = study.read("autoencoder")
with torch.no_grad():
    found = model.autoencoder_.cpu()(stack, n)
private, shared, dense, sparse = (output.numpy() for output in found)

# %% [markdown]
# What share of the variance of held-out rows does each decoder explain?
# Principal components of the same width, fitted to the other rows of the domain, show what a linear embedding can do.


# %%
def components(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    fitted = np.delete(x, rows, axis=0)
    pca = PCA(min(len(mask), *np.subtract(fitted.shape, 1)), svd_solver="full").fit(fitted)
    return pca.inverse_transform(pca.transform(x[rows]))


def explained(x: np.ndarray, rebuilt: dict, line: np.ndarray) -> compare.Draws:
    weight, known = inference.line_weights(line), inference.Evidence(sizes=(len(set(line)),))
    squares = weight @ (x**2).sum(axis=1)
    shares = {name: 1 - weight @ ((x - y) ** 2).sum(axis=1) / squares for name, y in rebuilt.items()}
    values = pd.DataFrame(shares)
    return compare.Draws("explained", values.iloc[0], pd.DataFrame(), values.iloc[1:], known)


# %%
names = {"lines": lines.obs_names, "cells": cells.obs["cell_line"].astype(str)}
start, draws = {"lines": 0, "cells": n}, {}
for domain, x in X.items():
    rows = model.held_out(len(x))
    rebuilt = {"principal components": components(x, rows)}
    rebuilt |= {"dense decoder": dense[start[domain] + rows], "sparse decoder": sparse[start[domain] + rows]}
    draws[domain] = explained(x[rows], rebuilt, np.asarray(names[domain])[rows])
levels = compare.levels(draws)
versus = compare.differences(draws, reference="principal components")

# %% [markdown]
# ## What else was found
#
# ### Shared and private embeddings
#
# *Overlap* is the mean absolute cosine of a shared and a private dimension, which the difference loss should lower; *permuted* is its value when private rows are permuted.
# *Predictable* is the share of the shared embedding's variance that a linear regression on the private one finds in held-out rows.


# %%
def overlap(s: np.ndarray, p: np.ndarray) -> float:
    s, p = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in (s, p))  # as in Eq. 6
    return np.abs(cosine_similarity(s.T, p.T)).mean()


def predictable(s: np.ndarray, p: np.ndarray) -> float:
    s, p = (StandardScaler().fit_transform(z) for z in (s, p))
    folds = KFold(5, shuffle=True, random_state=0)
    guess = cross_val_predict(Ridge(alpha=s.shape[1]), p, s, cv=folds)
    return 1 - ((s - guess) ** 2).sum() / (s**2).sum()


# %%
rng, table = np.random.default_rng(0), {}
for domain, part in {"lines": slice(n), "cells": slice(n, None)}.items():
    s, p = shared[part], private[part]
    table[domain] = [overlap(s, p), overlap(s, rng.permutation(p)), predictable(s, p)]
columns = ["overlap", "permuted", "predictable"]
separation = pd.DataFrame(table, index=columns).T.rename_axis("domain")
separation.round(3)

# %% tags=["remove-input"]
twice = separation["predictable"].clip(lower=0)
above = [domain for domain, row in separation.iterrows() if row["overlap"] > row["permuted"]]
Markdown(
    f"Overlap is {'above' if above else 'below'} that of permuted rows in {say.listing(above or separation.index)}. "
    f"A regression on the private embedding finds {say.percent(twice['lines'])} of the shared one in lines and {say.percent(twice['cells'])} in cells"
    + (": the two are not kept apart." if twice.max() > 0.1 else ": they carry different things.")
)

# %% [markdown]
# ### Where text and public code disagree
#
# **Weights.** In the text the dense decoder leads, in the public code the sparse one ({term}`text preset`, {term}`code preset`).

# %% tags=["hide-input"]
pd.DataFrame(ae.WEIGHTS).T.rename_axis("preset")

# %% [markdown]
# **A ReLU on the sparse decoder.** Equations 8 and 9 have one, the public code has none. Z-scores are often negative, and a decoder that cannot go below zero can at best return $\max(X, 0)$:

# %%
for domain, x in X.items():
    ceiling = 1 - (np.minimum(x, 0) ** 2).sum() / (x**2).sum()
    print(
        f"{domain}: at most {ceiling:.0%} of the variance; {(x < 0).mean():.0%} of the entries are negative"
    )

# %% [markdown]
# The book leaves it out (setting `sparse_relu`).
#
# **A loss that grows with the batch.** Equation 6 sums over the samples of a batch. The book divides by their number:

# %%
S, P = (torch.from_numpy(z[:n])[torch.randperm(n)] for z in (shared, private))
sizes = [size for size in (25, 100, 400) if size <= n]
per_sample = pd.Series({size: ae.difference_loss(S[:size], P[:size]).item() for size in sizes})
growth = pd.DataFrame({"as in Eq. 6": per_sample * sizes, "divided by n": per_sample})
growth.div(growth.iloc[0]).rename_axis("batch").round(1)

# %% mystnb={"figure": {"caption": "Loss curves of pretraining: each term before weighting, summed over both domains, on the rows of training (blue) and on the held-out tenth (orange).", "name": "fig-pretraining-loss"}, "image": {"alt": "Three panels of loss against epoch, each with a training and a validation curve: reconstruction, sparse, difference."}} tags=["hide-input"]
curves = model.history_.query("stage == 'pretraining'").pivot(
    index=["split", "epoch"], columns="term", values="value"
)
figure, axes = plt.subplots(1, 3, figsize=(6.6, 2.3))
for ax, term in zip(axes, ("reconstruction", "sparse", "difference"), strict=True):
    for split, colour in {"train": pl.SENSITIVE, "validation": pl.RESISTANT}.items():
        ax.plot(curves.loc[split, term], color=colour, label=split)
    ax.set(title=term, xlabel="epoch", yscale="log" if term == "difference" else "linear")
_ = axes[0].legend()

# %% tags=["remove-input"]
held_out = curves.loc["validation"]
best, last = held_out["reconstruction"].idxmin(), held_out.index.max()
kept = held_out.loc[best]
share = ae.WEIGHTS[weights]["difference"] * kept["difference"] / kept["total"]
Markdown(
    f"Training ran for {say.counted(last, 'epoch')} and kept the weights of epoch {best}"
    + (": longer training would rebuild more. " if best == last else ". ")
    + f"There, the difference loss is {100 * share:.2g} % of the total, and would be about {100 * share * model.batch_size:.2g} % undivided."
)

# %% [markdown]
# ## What could mislead us
#
# - The held-out rows decided when training stopped, which flatters the autoencoder a little.
# - A held-out cell is new, its line is not: other cells of it were in training.
# - A single cell is mostly noise of counting, which no embedding should rebuild: a low share is no fault in itself.
# - To rebuild both domains is not to put them in one space ({doc}`/notebooks/interpretation/latent-space`), nor to predict response ({doc}`/notebooks/model/classifier`).
#
# ```{exercise}
# :label: exercise-private
# How much of the dense reconstruction comes from the shared embedding? Decode the lines with the private one set to zero, then with the shared one set to zero.
# ```
#
# ````{solution} exercise-private
# :class: dropdown
# ```python
# for keep_private, keep_shared in ((1, 1), (0, 1), (1, 0)):
#     both = np.hstack([private[:n] * keep_private, shared[:n] * keep_shared])
#     with torch.no_grad():
#         rebuilt = model.autoencoder_.dense(torch.from_numpy(both)).numpy()
#     print(keep_private, keep_shared, explained(X["lines"], {"lines": rebuilt}, lines.obs_names).value)
# ```
# The parts need not add up, because the decoder is not linear, and either can be worse than the mean profile: it never saw an embedding of zeros.
# ````
#
# ```{admonition} Quiz
# :class: dropdown tip
# A dimension is called *ribosome*. Does it read ribosomal genes? **Answer:** not necessarily. The mask makes it *write* ribosomal genes in the sparse decoder; the encoder fills it from all genes.
# ```

# %% tags=["details", "hide-input"]
study.write("explained", levels)
study.write("differences", versus)
study.write("embeddings", separation.reset_index())
say.table({domain: compare.levels(found) for domain, found in draws.items()})

# %% tags=["in-short", "remove-input"]
kind = "simulated" if cells.uns.get("simulated") else "real"
at = levels.set_index(["group", "method"])["value"].map(say.percent)
Markdown(
    f"From the shared embedding alone, and only along pathways, the sparse decoder rebuilds {at['lines', 'sparse decoder']} of the variance of held-out lines and "
    f"{at['cells', 'sparse decoder']} of that of **{kind}** cells; the dense decoder {at['lines', 'dense decoder']} and {at['cells', 'dense decoder']}. "
    + say.effects(
        versus[versus["method"] == "dense decoder"],
        higher="That is more than principal components of the same width explain in {group}.",
        lower="Principal components of the same width explain more in {group}, by {by}.",
        equal="Principal components of the same width explain as much in {group}.",
        unclear="Whether principal components of the same width explain more in {group}, the lines do not decide.",
        untested="The lines of the {group} are too few to compare it with principal components.",
    )
    + f" {say.percent(twice.max())} of the shared embedding can be predicted from the private one."
)

# %% mystnb={"figure": {"caption": "Share of the variance of held-out rows that each reconstruction explains, with 95 % intervals over lines. Zero is the mean profile.", "name": "fig-explained"}, "image": {"alt": "Two panels, lines and cells, each with a dot and interval for principal components, the dense decoder and the sparse decoder."}} tags=["in-short", "hide-input"]
figure, axes = plt.subplots(1, 2, figsize=(6.2, 1.8), sharex=True, sharey=True)
for ax, (domain, rows) in zip(axes, levels.groupby("group", sort=False), strict=True):
    ax.hlines(rows["method"], rows["low"], rows["high"], color=pl.SENSITIVE, linewidth=2)
    ax.scatter(rows["value"], rows["method"], s=34, color=pl.SENSITIVE, zorder=3)
    ax.axvline(0, color="0.5", linestyle="--", linewidth=0.8)
    ax.set(title=domain, xlabel="variance explained", ylim=(2.5, -0.5))
