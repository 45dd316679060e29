"""Answers that need no expression: rows of every table, and what a method has to beat."""

import numpy as np
from anndata import AnnData

from bulk2sc.models.base import ArrayModel, Model, labels


class MeanEffect(ArrayModel):
    """Every cell gets the mean response of the labelled lines, the share of them that is sensitive.

    It knows the drug and nothing of the cell: it orders no cells, and its Brier score is what a calibrated
    method has to beat.
    """

    name = "mean effect"

    def _fit(self, bulk: AnnData, cells: AnnData) -> None:
        self.arrays_ = {"mean": np.nanmean(labels(bulk).astype(float), keepdims=True)}

    def _score(self, cells: AnnData) -> np.ndarray:
        return np.repeat(self.arrays_["mean"], cells.n_obs)


class AllSensitive(Model):
    """The constant answer "sensitive", a row of every table."""

    name = "all sensitive"

    def _fit(self, bulk: AnnData, cells: AnnData) -> None:
        """Learn nothing."""

    def _score(self, cells: AnnData) -> np.ndarray:
        return np.ones(cells.n_obs)


class AllResistant(Model):
    """The constant answer "resistant", a row of every table."""

    name = "all resistant"

    def _fit(self, bulk: AnnData, cells: AnnData) -> None:
        """Learn nothing."""

    def _score(self, cells: AnnData) -> np.ndarray:
        return np.zeros(cells.n_obs)
