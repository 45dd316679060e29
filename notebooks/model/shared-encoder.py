# ---
# jupyter:
#   bulk2sc:
#     reads:
#     - pair
#     - mask
#     writes:
#     - autoencoder
#   jupytext:
#     formats: ipynb,py:percent
#     notebook_metadata_filter: kernelspec,jupytext,bulk2sc,-all
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
# A culture of a million cells gives one smooth profile; a {term}`single cell` gives a few thousand counts and many zeros.
# To carry what is learnt on one to the other, {cite:t}`he2025` train an autoencoder with a {term}`shared encoder` for both {term}`domains <Domain>`, a {term}`private encoder` for each, and a {term}`sparse decoder` that ties every dimension of the shared code to a pathway.
# The design follows CODE-AE {cite:p}`codeae2022`, which took the split into shared and private codes from domain separation networks {cite:p}`bousmalis2016`.
#
# **You will learn**
#
# - what the eleven equations of this part say, next to the few lines of code they become;
# - where the text of the paper and its public code disagree, and what that changes;
# - what the trained autoencoder explains of profiles it was not fitted to, and whether its shared code still tells the domains apart.

# %% tags=["parameters"]
edition: str = "demo"  # edition whose settings and results are used
drug: str = "Cisplatin"  # drug, by its GDSC name; it decides which lines are held out
weights: str = "text"  # preset of the loss weights, text or code
dropout: float = 0.1  # dropout on the hidden layers, from 0 to below 1
n_draws: int = 1000  # bootstrap draws over cell lines

# %%
import inspect

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown
from sklearn.decomposition import PCA

from bulk2sc import evaluate, latent, pl, prose
from bulk2sc.models.autoencoder import WEIGHTS, Autoencoder, MaskedLinear, difference_loss
from bulk2sc.study import Study

# %%
pl.style()
study = Study(edition=edition, drug=drug, weights=weights, dropout=dropout)
bulk, cells = study.read("pair")
mask = study.read("mask")

# %% tags=["remove-input"]
Markdown(
    f"{prose.origin_of_lines(bulk.uns)} {prose.origin_of_cells(cells.uns, bulk.uns, study.settings['cells_source'])} "
    f"There are {bulk.n_obs} training lines, {cells.n_obs} cells and {bulk.n_vars} genes, each z-scored within its domain."
)

# %% [markdown]
# ## Three encoders
#
# All encoders are two fully connected layers (Eq. 1 to 3).
# For cells,
#
# $$
# \begin{aligned}
# Z_{sc}^{p} &= \mathrm{ReLU}(X_{sc} W_{sc}^{p,1} + b^1)\, W_{sc}^{p,2} + b^2 , \\
# Z_{sc}^{s} &= \mathrm{ReLU}(X_{sc} W^{s,1} + b^1)\, W^{s,2} + b^2 ,
# \end{aligned}
# $$
#
# and the same for bulk with $W_{bulk}^{p}$ of its own but with **the same** $W^{s}$.
# That one reuse is all that is shared.
# Equation 2 is printed with a single matrix $W_s$ for both layers; their widths differ, so it must mean two.
#
# The width of every code is the number of rows of the {term}`pathway mask`: one dimension per pathway and a few {term}`free dimensions`.
#
# ## Two decoders
#
# The **dense decoder** (Eq. 4) sees both codes side by side and has the encoder's shape, $\bar X = \mathrm{ReLU}([Z^p, Z^s] W^{1} + b^1) W^{2} + b^2$.
# The **sparse decoder** (Eq. 8 and 9) sees the shared code alone and is a single layer whose weights are multiplied by the mask $M$ of pathways times genes,
#
# $$ \bar X^{sparse} = Z^{s} (W \odot M) + b . $$
#
# A dimension can therefore lower the loss only through the genes of its pathway, and that is what gives it a name.
# Nothing forces the *encoder* to look at those genes: it reads all of them.
# A dimension called after a pathway is a dimension that is used to *write* it.
#
# The forward pass in full; a batch is a stack of lines above cells:

# %% tags=["hide-input"]
print(inspect.getsource(MaskedLinear.forward))
print(inspect.getsource(Autoencoder.forward))

# %% [markdown]
# ## Three losses
#
# Reconstruction by the dense decoder (Eq. 5) and by the sparse decoder (Eq. 10) are mean squared errors, summed over both domains.
# The {term}`difference loss` (Eq. 6) asks the two codes of a sample to carry different things:
#
# $$
# \begin{aligned}
# \mathcal L_{recon} &= \sum_{d} \lVert X_d - \bar X_d \rVert^2 , \\
# \mathcal L_{sparse} &= \sum_{d} \lVert X_d - \bar X_d^{sparse} \rVert^2 , \\
# \mathcal L_{diff} &= \sum_{d} \lVert {Z_d^{s}}^{\!\top} Z_d^{p} \rVert^2 ,
# \end{aligned}
# $$
#
# $$ \mathcal L_{train} = \mathcal L_{recon} + r_1 \mathcal L_{diff} + r_2 \mathcal L_{sparse} , \qquad r_1 = r_2 = 0.1 $$
#
# (Eq. 7 and 11).
# Equation 6 is printed without the transpose; read as in CODE-AE, the entries of the product are overlaps between a shared and a private *dimension*, summed over the samples of a batch.
# In code:

# %% tags=["hide-input"]
print(inspect.getsource(difference_loss))

# %% [markdown]
# ## Where text and public code disagree
#
# **Weights.** The text lets the dense reconstruction lead; the public code lets the sparse one.
# Both are offered, as {term}`text preset` and {term}`code preset`, and {doc}`/notebooks/model/classifier` compares them.

# %% tags=["hide-input"]
pd.DataFrame(WEIGHTS).T.rename_axis("preset")

# %% [markdown]
# **A ReLU on the sparse decoder.** Equations 8 and 9 have one, the code does not.
# The target is a z-score, negative for a large part of its entries.
# A decoder that cannot go below zero can at best return $\max(X, 0)$, so its ceiling can be computed without training anything.

# %%
X = {"bulk": bulk.layers["scaled"], "cells": cells.layers["scaled"]}
ceiling = {domain: 1 - (np.minimum(x, 0) ** 2).sum() / (x**2).sum() for domain, x in X.items()}
negative = {domain: (x < 0).mean() for domain, x in X.items()}
Markdown(
    " ".join(
        f"In {domain}, {prose.percent(negative[domain])} of the entries are negative; with a ReLU, a perfect sparse "
        f"decoder explains {prose.percent(ceiling[domain])} of the variance."
        for domain in X
    )
)

# %% [markdown]
# The ReLU is left out here, and a parameter (`sparse_relu`) brings it back.
#
# **A loss that grows with the batch.** The sum in Eq. 6 runs over the samples of a batch, so the usual code gives a larger difference loss for a larger batch, and $r_1$ means something else whenever the batch size changes.
# Below, the same codes in batches of several sizes, as the formula has it and divided by the number of samples, as it is done here.

# %%
autoencoder = study.read("autoencoder")
with torch.no_grad():
    stacked = torch.from_numpy(np.concatenate(list(X.values())))
    private, shared, dense, sparse = (
        output.numpy() for output in autoencoder.autoencoder_(stacked, bulk.n_obs)
    )
order = torch.from_numpy(np.random.default_rng(0).permutation(bulk.n_obs))
sizes = [n for n in (25, 50, 100, 200, 400, 800) if n <= bulk.n_obs]
S, P = torch.from_numpy(shared), torch.from_numpy(private)
loss = [difference_loss(S[order[:n]], P[order[:n]]).item() for n in sizes]
growth = pd.DataFrame({"batch": sizes, "as in Eq. 6": np.multiply(loss, sizes), "divided by n": loss})
growth.set_index("batch").mul(1e4).map("{:.2f}".format).add_suffix(" (× 10⁻⁴)")

# %% tags=["remove-input"]
times = growth.iloc[-1] / growth.iloc[0]
Markdown(
    f"From batches of {sizes[0]} to batches of {sizes[-1]}, {times['batch']:.0f} times as large, the formula grows "
    f"{times['as in Eq. 6']:.0f}-fold; divided by the number of samples it grows {times['divided by n']:.1f}-fold."
)

# %% [markdown]
# For dimensions that have nothing to do with each other, an entry of the product is a sum of random terms, and its square grows like the batch: dividing takes that out.
# Where two dimensions do overlap, the square grows like the square of the batch, and what is left after dividing still grows.
#
# ## Training
#
# The autoencoder is trained on the expression of the training lines and of all cells, without a label.
# The paper does not say how long it trains or when it stops.
# Here Adam runs at a rate of .001 on batches of up to 256 rows per domain; an epoch is one pass over the larger domain.
# A tenth of each domain is held out, and training stops when the reconstruction of these rows has not improved for a number of epochs (`patience`); the weights of the best epoch are kept.

# %% mystnb={"figure": {"caption": "Loss curves of pretraining: the weighted total and each term before weighting, summed over both domains.", "name": "fig-pretraining-loss"}, "image": {"alt": "Four panels of loss against epoch, each with a training and a validation curve: total, reconstruction, sparse, difference."}} tags=["hide-input"]
figure, axes = plt.subplots(2, 2, figsize=(8, 5))
for ax, term in zip(axes.flat, ("total", "reconstruction", "sparse", "difference"), strict=True):
    pl.loss_curves(autoencoder.history_, term=term, stage="pretraining", ax=ax)
axes[1, 1].set_yscale("log")

# %% tags=["remove-input"]
curve = autoencoder.history_.query("stage == 'pretraining' and split == 'validation'")
curve = curve.pivot(index="epoch", columns="term", values="value")
best = curve.loc[curve["reconstruction"].idxmin()]
part = {name: w * best[name] / best["total"] for name, w in WEIGHTS[weights].items()}
Markdown(
    f"Training ran for {len(curve)} epochs and kept the weights of epoch {best.name}. There, the preset "
    f"*{weights}* makes up the loss of the held-out rows from "
    + prose.listing([f"{name} ({100 * part[name]:.2g} %)" for name in part])
    + "."
    + (
        " That was the last epoch: the held-out rows were still improving when training ended."
        if best.name == len(curve)
        else ""
    )
)

# %% [markdown]
# The shares say which terms can pull.
# A term that is a vanishing part of the total may still shape the codes if its gradient is cheap to follow, so what it achieved is measured below and not assumed.
#
# ## What does it rebuild?
#
# A reconstruction is worth something if it beats the mean profile.
# As every gene is z-scored, the mean profile is zero, and the share of variance explained is $R^2 = 1 - \sum (x - \bar x)^2 / \sum x^2$: zero for the mean, one if exact.
# It is computed on the held-out tenth.
# Principal components of the same width, fitted to the training rows of a domain, show what a linear code can do.


# %%
def components(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Rebuild held-out rows from principal components of the others."""
    fitted = np.delete(x, rows, axis=0)
    pca = PCA(min(len(mask), len(fitted) - 1), svd_solver="full").fit(fitted)
    return pca.inverse_transform(pca.transform(x[rows]))


# %%
lines = {"bulk": bulk.obs_names, "cells": cells.obs["cell_line"].astype(str)}
start, rows = {"bulk": 0, "cells": bulk.n_obs}, []
for domain, x in X.items():
    kept = autoencoder.held_out(len(x))
    rebuilt = {
        "dense decoder": dense[start[domain] + kept],
        "sparse decoder": sparse[start[domain] + kept],
        "principal components": components(x, kept),
    }
    for name, values in rebuilt.items():
        found = latent.explained(x[kept], values, np.asarray(lines[domain])[kept], n_draws=n_draws)
        rows.append({"domain": domain, "method": name, "seed": -1, "metric": "explained", **found})
explained = pd.DataFrame(rows)

# %% mystnb={"figure": {"caption": "Share of the variance of held-out rows that each reconstruction explains, with 95 % intervals over cell lines. Dashed: the mean profile.", "name": "fig-explained"}, "image": {"alt": "Two panels, bulk and cells, each with one dot and interval for the dense decoder, the sparse decoder and principal components."}} tags=["hide-input"]
figure, axes = plt.subplots(1, 2, figsize=(9, 1.9), sharey=True)
for ax, domain in zip(axes, X, strict=True):
    pl.intervals(explained[explained["domain"] == domain], "explained", chance=0, ax=ax).set_title(domain)

# %% tags=["remove-input"]
by_domain = {domain: part.set_index("method") for domain, part in explained.groupby("domain", sort=False)}
Markdown(
    "\n".join(f"- {domain}: {prose.reconstruction(part)}" for domain, part in by_domain.items())
    + f"\n\n{prose.against_components(by_domain)}"
)

# %% [markdown]
# Three things to keep in mind.
# The held-out rows decided when training stopped, which flatters the autoencoder a little.
# A held-out *cell* is new, its cell line is not; the interval resamples lines but cannot undo that.
# And a single cell is mostly noise of counting, which no code should reproduce: a low $R^2$ on cells is not in itself a fault.
#
# ## Are shared and private codes different?
#
# Two measures, on the same rows.
# *Overlap* is the mean absolute cosine between a shared and a private dimension, what the difference loss lowers; *shuffled* are its values when the private codes are dealt to other rows, twenty times.
# *Predictable* is the share of the shared code's variance that a linear regression finds in the private code of held-out rows.
# Orthogonal dimensions can still tell the same story, one as the curved image of the other or in sums of many small overlaps, so the second number matters more.

# %% tags=["hide-input"]
rng, table = np.random.default_rng(0), {}
for domain, x in X.items():
    s, p = (code[start[domain] :][: len(x)] for code in (shared, private))
    by_chance = [latent.overlap(s, rng.permutation(p)) for _ in range(20)]
    table[domain] = {
        "overlap": latent.overlap(s, p),
        "shuffled, lowest": min(by_chance),
        "shuffled, highest": max(by_chance),
        "predictable": latent.predictable(s, p),
    }
separation = pd.DataFrame(table).T.rename_axis("domain")
separation.round(3)

# %% tags=["remove-input"]
Markdown(" ".join(prose.redundancy(domain, row) for domain, row in separation.iterrows()))

# %% [markdown]
# ## Does the shared code know the domain?
#
# If lines and cells are to be read by one classifier, it should not matter to the code where a profile came from.
# A second classifier is asked to find out: bulk or cell?
# Its {term}`AUROC` is cross-validated with cell lines kept whole; one half means that the domains cannot be told apart.
# Where the cells come from few lines, each fold asks about cells of lines that it has not seen, and the interval is wide.
#
# Each gene is z-scored within its domain, so both domains have the same mean, and no straight boundary can part them.
# They may still differ in spread and in the way genes vary together, so the second classifier draws a curved one (a support vector machine with an RBF kernel).
# Principal components of the expression show what there was to be found before any encoder.

# %%
is_cell = np.arange(len(stacked)) >= bulk.n_obs
groups = np.concatenate([np.asarray(lines[domain], str) for domain in X])
asked = {
    "50 principal components": PCA(50, random_state=0).fit_transform(stacked.numpy()),
    "shared code": shared,
}
folds = [
    latent.domain_auroc(code, is_cell, groups).to_frame().assign(method=name) for name, code in asked.items()
]
domains = evaluate.over_folds(pd.concat(folds).rename_axis("fold").reset_index(), folds=5)

# %% mystnb={"figure": {"caption": "How well a classifier tells bulk from cells, from expression and from the shared code. Grey: folds; blue: mean with a 95 % interval; dashed: one half.", "name": "fig-domain-auroc"}, "image": {"alt": "Two rows of dots with intervals: AUROC of the domain from principal components and from the shared code."}} tags=["hide-input"]
_ = pl.intervals(domains, "auroc", chance=0.5).set_xlabel("AUROC of the domain")

# %% tags=["remove-input"]
means = domains[domains["seed"] == -1].set_index("method")
Markdown(prose.separation("shared code", means.loc["shared code"]))

# %% [markdown]
# A domain that can be told apart is no proof that transfer fails: the classifier of response may use directions that the domain does not.
# One that cannot be told apart is no proof that it works: a code that forgot everything would also mix.
# {doc}`/notebooks/interpretation/latent-space` looks at neighbourhoods, and {doc}`/notebooks/evaluation/baselines` at the only question that counts.
#
# ```{exercise}
# :label: exercise-private
# How much of the dense reconstruction comes from the shared code? Decode the lines twice, with the private code set to zero and with the shared code set to zero, and compute what is explained.
# ```
#
# ````{solution} exercise-private
# :class: dropdown
# ```python
# n = bulk.n_obs
# for keep_private, keep_shared in ((1, 1), (0, 1), (1, 0)):
#     codes = np.hstack([private[:n] * keep_private, shared[:n] * keep_shared])
#     with torch.no_grad():
#         rebuilt = autoencoder.autoencoder_.dense(torch.from_numpy(codes)).numpy()
#     print(keep_private, keep_shared, latent.explained(X["bulk"], rebuilt, bulk.obs_names))
# ```
# The two parts need not add up, because the decoder is not linear, and either can be worse than the mean profile: the decoder never saw a code of zeros.
# ````
#
# ## What was written
#
# The pretrained autoencoder, as the artefact `autoencoder`, and the tidy rows behind the figures, `shared-encoder.csv`.

# %%
orthogonality = separation.reset_index().melt("domain", var_name="metric")
domain_rows = domains.assign(metric="domain auroc")
prose.written(study.rows(pd.concat([explained, orthogonality, domain_rows], ignore_index=True)).tail(3))
