"""The makers of artefacts, one file for each part of the study; importing them registers them."""

from bulk2sc.makers import ablation, comparison, controls, data, model, sweeps
