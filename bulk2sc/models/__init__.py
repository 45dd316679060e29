"""Every method under its name, with one interface: ``fit``, ``score_cells``, ``save`` and ``load``."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pandas as pd
from anndata import AnnData

from bulk2sc.errors import refuse_unknown
from bulk2sc.models.base import Model, read_about
from bulk2sc.models.baselines import BASELINES, Ridge, RidgeCV, Signature
from bulk2sc.models.own import own_method

NETWORKS = (
    "shared AE",
    "base AE",
    "adv AE",
    "base share AE",
    "adv share AE",
    "domain-classifier share AE",
)
SIMPLE: dict[str, type[Model]] = {m.name: m for m in (Ridge, RidgeCV, Signature, *BASELINES.values())}


@cache
def networks() -> dict[str, type[Model]]:
    """Return the autoencoders by name; torch takes two seconds, and is imported when they are asked for."""
    from bulk2sc.models import adversarial
    from bulk2sc.models.autoencoder import SharedAutoencoder

    found = (SharedAutoencoder, adversarial.BaseAutoencoder, adversarial.AdversarialAutoencoder)
    found += (adversarial.BaseShareAutoencoder, adversarial.AdversarialShareAutoencoder)
    found += (adversarial.DomainClassifierShareAutoencoder,)
    return {method.name: method for method in found}


class _Methods(Mapping):
    """Every method by name, the networks first."""

    def __getitem__(self, name: str) -> type[Model]:
        return networks()[name] if name in NETWORKS else SIMPLE[name]

    def __iter__(self) -> Iterator[str]:
        return iter((*NETWORKS, *SIMPLE))

    def __len__(self) -> int:
        return len(NETWORKS) + len(SIMPLE)


METHODS = _Methods()
ALIASES = {"share AE + pathways": NETWORKS[0]}  # the full model, as Table 3 names it


def make(name: str, **settings) -> Model:
    """Return the method called `name`, or the one in the Python file of that path, not fitted.

    Settings that only other methods have (such as `mask`) are left out, so that one loop makes them all.

    Raises
    ------
    Bulk2scError
        If there is no such method, or no method has such a setting.
    """
    method = _method(name)
    own = _settings_of(method)
    if others := set(settings) - own:
        known = own.union(*map(_settings_of, METHODS.values()))
        refuse_unknown(others, sorted(known), "methods: setting")
    return method(**{setting: value for setting, value in settings.items() if setting in own})


def makers(names: Iterable[str], **settings) -> dict[str, Callable[[int], Model]]:
    """Return, by name, a function of the seed that makes the method with `settings` as `make` does."""
    return {name: lambda seed, name=name: make(name, **settings | {"seed": seed}) for name in names}


def takes(name: str, setting: str) -> bool:
    """Tell whether the method called `name` has a setting.

    Raises
    ------
    Bulk2scError
        If there is no such method.
    """
    return setting in _settings_of(_method(name))


def learns_from_cells(name: str) -> bool:
    """Tell whether the method called `name` learns from the cells too; errors as for `takes`."""
    return _method(name).learns_from_cells


def described(names: Iterable[str], **settings) -> pd.DataFrame:
    """Say how methods are set, as read from the methods made with `settings` themselves.

    Returns
    -------
    DataFrame
        Indexed by method: what it is (the first line of its documentation), its settings but seed and mask,
        and what it chooses by itself on bulk lines, each as text.
    """
    rows = {}
    for name in names:
        model = make(name, **settings)
        fixed = {s: v for s, v in model.get_params().items() if s not in ("seed", "mask")}
        rows[name] = {
            "what it is": inspect.getdoc(type(model)).splitlines()[0],
            "settings": ", ".join(f"{s} {_short(v)}" for s, v in fixed.items()),
            "chosen on bulk lines": "; ".join(
                f"{s} from {', '.join(map(_short, values))}" for s, values in model.swept.items()
            ),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")


def load_model(folder: str | Path) -> Model:
    """Read any saved model; raises `Bulk2scError` if `folder` holds none or a damaged one."""
    return _known(read_about(Path(folder))["method"]).load(folder)


def _short(value: object) -> str:
    return f"{float(f'{value:.3g}'):g}" if isinstance(value, float) else str(value)


def _settings_of(method: type[Model]) -> set[str]:
    return set(inspect.signature(method).parameters)


def _method(name: str) -> type[Model]:
    return own_method(name) if name.endswith(".py") else _known(ALIASES.get(name, name))


def _known(name: str) -> type[Model]:
    refuse_unknown(name, METHODS, "method", also=", or the path of a Python file")
    return METHODS[name]
