"""Every method under its name, with one interface: ``fit``, ``score_cells``, ``save`` and ``load``."""

import inspect
from pathlib import Path

from bulk2sc.errors import Bulk2scError, did_you_mean
from bulk2sc.models.base import Model, read_about
from bulk2sc.models.classifiers import SVM, LogisticRegression
from bulk2sc.models.constants import AllResistant, AllSensitive, MeanEffect
from bulk2sc.models.regressions import Ridge, RidgeCV, Signature
from bulk2sc.models.shared_autoencoder import SharedAutoencoder
from bulk2sc.models.trees import DecisionTree, GradientBoosting, RandomForest, TunedXGBoost, XGBoost

METHODS: dict[str, type[Model]] = {
    method.name: method
    for method in (
        SharedAutoencoder,
        LogisticRegression,
        SVM,
        DecisionTree,
        RandomForest,
        GradientBoosting,
        XGBoost,
        TunedXGBoost,
        Ridge,
        RidgeCV,
        Signature,
        MeanEffect,
        AllSensitive,
        AllResistant,
    )
}

__all__ = ["METHODS", "Model", "load_model", "make", *sorted(method.__name__ for method in METHODS.values())]


def make(name: str, **settings) -> Model:
    """Return the method called `name`, not fitted.

    Settings that only other methods have (such as `mask`) are left out, so that one loop makes them all.

    Raises
    ------
    Bulk2scError
        If there is no such method, or no method has such a setting.
    """
    taken = {method: set(inspect.signature(method).parameters) for method in METHODS.values()}
    for setting in settings:
        if not any(setting in names for names in taken.values()):
            raise Bulk2scError(
                f"no method has the setting '{setting}'."
                + did_you_mean(setting, set().union(*taken.values()))
            )
    method = _method(name)
    return method(**{setting: value for setting, value in settings.items() if setting in taken[method]})


def load_model(folder: str | Path) -> Model:
    """Read any saved model; raises `Bulk2scError` if `folder` holds none or a damaged one."""
    return _method(read_about(Path(folder))["method"]).load(folder)


def _method(name: str) -> type[Model]:
    if name not in METHODS:
        raise Bulk2scError(
            f"unknown method '{name}', use one of {', '.join(METHODS)}." + did_you_mean(name, METHODS)
        )
    return METHODS[name]
