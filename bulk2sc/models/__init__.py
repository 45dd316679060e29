"""Every method under its name, with one interface: ``fit``, ``score_cells``, ``save`` and ``load``."""

import inspect
from pathlib import Path

from bulk2sc.errors import Bulk2scError, did_you_mean
from bulk2sc.models.base import Model, read_about
from bulk2sc.models.classifiers import SVM, LogisticRegression
from bulk2sc.models.constants import AllResistant, AllSensitive, MeanEffect
from bulk2sc.models.ladder import (
    AdversarialAutoencoder,
    AdversarialShareAutoencoder,
    BaseAutoencoder,
    BaseShareAutoencoder,
    DomainClassifierShareAutoencoder,
)
from bulk2sc.models.regressions import Ridge, RidgeCV, Signature
from bulk2sc.models.shared_autoencoder import SharedAutoencoder
from bulk2sc.models.trees import DecisionTree, GradientBoosting, RandomForest, TunedXGBoost, XGBoost

METHODS: dict[str, type[Model]] = {
    method.name: method
    for method in (
        SharedAutoencoder,
        BaseAutoencoder,
        AdversarialAutoencoder,
        BaseShareAutoencoder,
        AdversarialShareAutoencoder,
        DomainClassifierShareAutoencoder,
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
# The rows of Table 3, in its order; the last is the paper's name for the full model.
LADDER = ("base AE", "adv AE", "base share AE", "adv share AE", "share AE + pathways")
ALIASES = {"share AE + pathways": SharedAutoencoder.name}

__all__ = [
    "LADDER",
    "METHODS",
    "Model",
    "load_model",
    "make",
    "takes",
    *sorted(method.__name__ for method in METHODS.values()),
]


def make(name: str, **settings) -> Model:
    """Return the method called `name`, not fitted.

    Settings that only other methods have (such as `mask`) are left out, so that one loop makes them all.

    Raises
    ------
    Bulk2scError
        If there is no such method, or no method has such a setting.
    """
    known = set().union(*map(_settings_of, METHODS.values()))
    for setting in settings:
        if setting not in known:
            raise Bulk2scError(f"no method has the setting '{setting}'." + did_you_mean(setting, known))
    return _method(name)(**{setting: value for setting, value in settings.items() if takes(name, setting)})


def takes(name: str, setting: str) -> bool:
    """Tell whether the method called `name` has a setting; those with `mask` also learn from the cells.

    Raises
    ------
    Bulk2scError
        If there is no such method.
    """
    return setting in _settings_of(_method(name))


def load_model(folder: str | Path) -> Model:
    """Read any saved model; raises `Bulk2scError` if `folder` holds none or a damaged one."""
    return _method(read_about(Path(folder))["method"]).load(folder)


def _settings_of(method: type[Model]) -> set[str]:
    return set(inspect.signature(method).parameters)


def _method(name: str) -> type[Model]:
    name = ALIASES.get(name, name)
    if name not in METHODS:
        raise Bulk2scError(
            f"unknown method '{name}', use one of {', '.join(METHODS)}." + did_you_mean(name, METHODS)
        )
    return METHODS[name]
