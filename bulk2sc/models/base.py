"""What every method has in common: settings, blinded fitting and scoring, saving without pickle."""

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
from anndata import AnnData
from sklearn.base import BaseEstimator

from bulk2sc import __version__
from bulk2sc.errors import Bulk2scError
from bulk2sc.pp import blind
from bulk2sc.settings import atomic

MIN_LINES_PER_CLASS = 5
FOLDS = 5  # of every cross-validation within a method
FILES = {"model.json", "arrays.npz", "history.csv", "classifier.skops"}  # all that the methods here write


class Model(BaseEstimator):
    """A method that learns drug response from bulk cell lines and scores single cells.

    Subclasses have keyword-only settings in their constructor and fill in `_fit`, `_score`, `_write`,
    `_read`. They never see an answer: cells reach them through `bulk2sc.pp.blind`, stripped to X, layers
    and var.

    Attributes
    ----------
    name
        Name of the method in tables and in `bulk2sc.models.METHODS`.
    learns_from_cells
        Whether `fit` learns from the cells too, and not from the lines alone.
    swept
        Setting -> values that the method chooses from by itself, on bulk lines.
    genes_
        Genes of the fitted model, in order.
    """

    name: str
    learns_from_cells = False
    swept: Mapping[str, Sequence[float]] = MappingProxyType({})

    def fit(self, bulk: AnnData, cells: AnnData) -> "Model":
        """Learn from labelled bulk lines and unlabelled cells.

        Parameters
        ----------
        bulk
            Lines x genes with ``layers["scaled"]``, ``obs["response"]`` (1 sensitive, 0 resistant, NaN
            unlabelled) and, for regressors, ``obs["auc"]``.
        cells
            Cells x the same genes with ``layers["scaled"]``. Their ``obs``, ``obsm``, ``uns`` are not seen.

        Raises
        ------
        Bulk2scError
            If the scaled layer or the labels are missing, the genes differ, or too few lines are labelled.
        """
        bulk, cells = self._prepare(bulk, cells)
        self._fit(bulk, cells)
        return self

    def score_cells(self, cells: AnnData) -> np.ndarray:
        """Return P(sensitive) of each cell, shape (n_cells,), in [0, 1]; higher means more sensitive.

        Bulk lines with ``layers["scaled"]`` are scored in the same way. The genes may be in any order, and
        more than those of the model.

        Raises
        ------
        Bulk2scError
            If the model is not fitted, or genes of the model are missing.
        """
        return np.asarray(self._score(self._align(blind(cells))), dtype=float)

    def save(self, folder: str | Path) -> None:
        """Write the fitted model into `folder` as JSON, CSV and arrays; a model already there is replaced.

        Raises
        ------
        Bulk2scError
            If the model is not fitted, or `folder` exists and holds something else.
        """
        self._check_fitted()
        folder = Path(folder)
        if not _replaceable(folder):
            raise Bulk2scError(f"{folder}: exists and is not a saved model; choose another folder")
        about = {"method": self.name, "version": __version__, "settings": self._settings()}
        with atomic(folder) as partial:
            partial.mkdir()
            (partial / "model.json").write_text(json.dumps(about | {"genes": list(self.genes_)}, indent=1))
            self._write(partial)

    @classmethod
    def load(cls, folder: str | Path) -> "Model":
        """Read a model that `save` wrote.

        Raises
        ------
        Bulk2scError
            If `folder` is no saved model, is damaged, or holds another method.
        """
        folder = Path(folder)
        about = read_about(folder)
        if about["method"] != cls.name:
            raise Bulk2scError(f"{folder}: holds the method '{about['method']}', not '{cls.name}'")
        try:
            model = cls(**about["settings"])
            model.genes_ = np.array(about["genes"])
            model._read(folder)
        # Each file format has its own exceptions for damage, down to zipfile.BadZipFile and XGBoostError.
        except Exception as error:
            raise Bulk2scError(
                f"{folder}: the saved model is damaged ({error}); fit and save it again"
            ) from error
        return model

    def _fit(self, bulk: AnnData, cells: AnnData) -> None:
        """Learn from checked bulk and blinded cells."""
        raise NotImplementedError

    def _score(self, cells: AnnData) -> np.ndarray:
        """Score blinded cells with the genes of the model."""
        raise NotImplementedError

    def _write(self, folder: Path) -> None:
        """Write what was learnt."""

    def _read(self, folder: Path) -> None:
        """Read what `_write` wrote."""

    def _settings(self) -> dict:
        """Return the settings as JSON takes them."""
        return self.get_params()

    def _check_fitted(self) -> None:
        if not hasattr(self, "genes_"):
            raise Bulk2scError(f"{self.name}: the model is not fitted; call fit(bulk, cells) first")

    def _prepare(self, bulk: AnnData, cells: AnnData) -> tuple[AnnData, AnnData]:
        """Blind the cells, check that both have the same genes, remember these."""
        cells = blind(cells)
        for name, adata in (("bulk", bulk), ("cells", cells)):
            scaled(adata, name)
        if not bulk.var_names.equals(cells.var_names):
            shared = len(bulk.var_names.intersection(cells.var_names))
            raise Bulk2scError(
                f"bulk has {bulk.n_vars} genes, cells have {cells.n_vars}, {shared} are in both: "
                "they must be the same in the same order; call pp.pair(bulk, cells) first"
            )
        self.genes_ = bulk.var_names.to_numpy(dtype=str)
        return bulk, cells

    def _align(self, adata: AnnData) -> AnnData:
        """Return `adata` with the genes of the model, in its order."""
        self._check_fitted()
        if np.array_equal(self.genes_, adata.var_names):
            return adata
        missing = self.genes_[~pd.Index(self.genes_).isin(adata.var_names)]
        if len(missing):
            raise Bulk2scError(
                f"{self.name}: {len(missing)} of the model's {len(self.genes_)} genes are missing "
                f"(such as {', '.join(missing[:3])}); pair the cells with the training bulk by pp.pair"
            )
        return adata[:, self.genes_]


class ArrayModel(Model):
    """A method that is fully described by a few arrays, `arrays_`: it needs no pickle to be kept."""

    def _write(self, folder: Path) -> None:
        write_arrays(folder, **self.arrays_)

    def _read(self, folder: Path) -> None:
        self.arrays_ = read_arrays(folder)


class BuiltModel(Model):
    """A method whose settings are those of `build`, which returns what is fitted: see `built`."""

    build: Callable

    def __init__(self, **settings):
        vars(self).update(settings)

    @classmethod
    def _get_param_names(cls) -> list[str]:
        return sorted(inspect.signature(cls).parameters)

    def _built(self):
        names = self._get_param_names()
        return self.build(**{name: getattr(self, name) for name in names if hasattr(self, name)})


def built(kind: type[BuiltModel], name: str, build: Callable, **facts) -> type[BuiltModel]:
    """Return the method `name` as a class of its own, with the settings of `build` and their defaults."""
    signature = inspect.signature(build)
    defaults = {p.name: p.default for p in signature.parameters.values() if p.default is not p.empty}
    facts |= {"name": name, "build": staticmethod(build), "__signature__": signature}
    return type(kind.__name__, (kind,), defaults | facts)


def _replaceable(folder: Path) -> bool:
    """Tell whether `folder` is a saved model, what a kill left of one, or nothing."""
    try:
        names = {file.name for file in folder.iterdir()}
    except FileNotFoundError:
        return True
    except NotADirectoryError:
        return False
    return "model.json" in names or names <= FILES


def scaled(adata: AnnData, name: str = "cells") -> np.ndarray:
    """Return ``layers["scaled"]`` as a float32 array (n_obs, n_vars), or raise naming what is wrong."""
    if "scaled" not in adata.layers:
        raise Bulk2scError(f"{name}: layers['scaled'] is missing; call pp.pair(bulk, cells) first")
    X = np.asarray(adata.layers["scaled"], dtype=np.float32)
    if not np.isfinite(X).all():
        raise Bulk2scError(
            f"{name}: layers['scaled'] holds NaN or infinite values; call pp.pair(bulk, cells) again"
        )
    return X


def labels(bulk: AnnData) -> np.ndarray:
    """Return ``obs["response"]`` as float32 (n_lines,): 1 sensitive, 0 resistant, NaN unlabelled.

    Raises
    ------
    Bulk2scError
        If it is missing, holds other values, or has fewer than 5 lines of a class.
    """
    if "response" not in bulk.obs:
        raise Bulk2scError("bulk: obs['response'] is missing; call labels.label_bulk(bulk, drug=...) first")
    return checked(bulk.obs["response"].to_numpy(dtype=np.float32), "bulk: obs['response']")


def checked(y: np.ndarray, where: str) -> np.ndarray:
    """Return labels (n_lines,) if they are 1, 0 and NaN with at least 5 lines of a class, or raise."""
    sensitive, resistant, unlabelled = int((y == 1).sum()), int((y == 0).sum()), int(np.isnan(y).sum())
    if sensitive + resistant + unlabelled != len(y):
        raise Bulk2scError(f"{where} holds values other than 1, 0 and NaN; use labels.label_bulk")
    if min(sensitive, resistant) < MIN_LINES_PER_CLASS:
        raise Bulk2scError(
            f"{where} has {sensitive} sensitive and {resistant} resistant lines, at least "
            f"{MIN_LINES_PER_CLASS} of each are needed; raise k or choose a drug tested on more lines"
        )
    return y


def labelled_lines(bulk: AnnData) -> tuple[np.ndarray, np.ndarray]:
    """Return scaled genes (n, n_genes) and labels (n,) of the lines of both tails."""
    y = labels(bulk)
    return scaled(bulk, "bulk")[~np.isnan(y)], y[~np.isnan(y)]


def read_about(folder: Path) -> dict:
    """Return the description of the model saved in `folder`, or raise `Bulk2scError` if there is none."""
    try:
        about = json.loads((folder / "model.json").read_text())
        return {key: about[key] for key in ("method", "settings", "genes")}
    except OSError as error:
        raise Bulk2scError(
            f"{folder}: no saved model here (model.json cannot be read); fit and save one"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise Bulk2scError(
            f"{folder}/model.json: damaged or not of bulk2sc ({error}); fit and save it again"
        ) from error


def write_arrays(folder: Path, **arrays: np.ndarray) -> None:
    """Write named arrays to ``arrays.npz`` in `folder`."""
    np.savez(folder / "arrays.npz", **arrays)


def read_arrays(folder: Path) -> dict[str, np.ndarray]:
    """Read what `write_arrays` wrote; anything that needs pickle is refused."""
    with np.load(folder / "arrays.npz", allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
