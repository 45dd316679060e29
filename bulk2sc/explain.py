"""Explain a prediction by pathway: integrated gradients on the shared code."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from captum.attr import IntegratedGradients

from bulk2sc.models.autoencoder import SharedAutoencoder


@dataclass
class Attribution:
    """Integrated gradients of many cells.

    Attributes
    ----------
    values
        DataFrame (n_cells, latent): contribution of each pathway dimension to the logit of P(sensitive).
    completeness
        Series (n_cells,): attributions summed, minus the logit's change from the baseline; 0 when exact.
    logit, baseline_logit
        Logit of each cell (n_cells,) and of the baseline.
    """

    values: pd.DataFrame
    completeness: pd.Series
    logit: pd.Series
    baseline_logit: float


def integrated_gradients(
    model: SharedAutoencoder, cells: AnnData, *, baseline: np.ndarray | None = None, n_steps: int = 64
) -> Attribution:
    """Attribute the logit of the classifier to the pathway dimensions of the shared code.

    Integrated gradients (Sundararajan et al. 2017) through captum, along the straight line from a baseline
    code to the cell's code. The logit is explained and not the probability, whose gradient vanishes for
    confident cells.

    Parameters
    ----------
    model
        A fitted `SharedAutoencoder`.
    cells
        Cells (or bulk lines) with the model's genes and `layers["scaled"]`.
    baseline
        Code (latent,) to start from; default: the code of a profile in which every gene has its mean.
    n_steps
        Steps of the Gauss-Legendre integration.

    Returns
    -------
    Attribution
    """
    code = torch.as_tensor(model.encode(cells), dtype=torch.float32)
    if baseline is None:
        mean_profile = AnnData(np.zeros((1, cells.n_vars), np.float32), var=cells.var[[]])
        mean_profile.layers["scaled"] = mean_profile.X
        baseline = model.encode(mean_profile)[0]
    start = torch.as_tensor(baseline, dtype=torch.float32)[None]
    values, delta = IntegratedGradients(model.code_logit).attribute(
        code, baselines=start, n_steps=n_steps, internal_batch_size=4096, return_convergence_delta=True
    )
    with torch.no_grad():
        logit, baseline_logit = model.code_logit(code), float(model.code_logit(start))
    return Attribution(
        pd.DataFrame(values.cpu().numpy(), index=cells.obs_names, columns=model.pathways_),
        pd.Series(delta.cpu().numpy(), index=cells.obs_names, name="completeness"),
        pd.Series(logit.cpu().numpy(), index=cells.obs_names, name="logit"),
        baseline_logit,
    )
