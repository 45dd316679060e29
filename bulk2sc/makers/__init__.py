"""The makers of artefacts, one file for each part of the study; importing them registers them."""

from bulk2sc.makers import comparison, data, model, sweeps

__all__ = ["comparison", "data", "model", "sweeps"]
