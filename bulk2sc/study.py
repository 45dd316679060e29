"""One study: settings, and the artefacts (data, models, results) that follow from them.

An artefact is made by a small function, much like a pytest fixture: its positional arguments are the
artefacts it needs, its keyword-only arguments are its settings. `Study.read` loads an artefact where one with
the same settings, needs, code and data exists, and makes it where not.
"""

import inspect
import logging
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import anndata as ad
import pandas as pd

from bulk2sc.errors import Bulk2scError, did_you_mean
from bulk2sc.settings import (
    atomic,
    conform,
    data_digest,
    digest,
    file_digest,
    load_edition,
    project_root,
    read_json,
    write_json,
)

log = logging.getLogger("bulk2sc")

# The order in which data flow: no module imports one on its right.
FLOW = (
    "errors",
    "settings",
    "datasets",
    "pp",
    "labels",
    "pathways",
    "train",
    "clustering",
    "models",
    "evaluate",
    "explain",
)
# What runs chapters and shows them cannot change their outcome.
RUNNERS = {"cli.py", "pages.py", "plan.py", "workflow.py"}
OWN_FILES = (".h5ad", ".yml")  # endings of settings that name a file
COMPARED = ["shared AE", "LR", "SVM", "XGBoost", "ridge", "all sensitive", "all resistant"]
ROW_COLUMNS = ["edition", "chapter", "dataset", "drug", "method", "seed", "metric", "value"]


# ---------------------------------------------------------------------------------------------- the registry


@dataclass(frozen=True)
class Artefact:
    """How an artefact is made and kept.

    Attributes
    ----------
    file
        Name in the results folder; its ending says how it is written (see `FORMATS`).
    make
        The maker.
    upto
        Rightmost module of `FLOW` the maker uses: changed code on its right leaves it valid.
    """

    file: str
    make: Callable
    upto: str

    @property
    def needs(self) -> list[str]:
        """Names of the artefacts the maker takes."""
        arguments = inspect.signature(self.make).parameters.values()
        return [argument.name for argument in arguments if argument.kind is not argument.KEYWORD_ONLY]

    @property
    def settings(self) -> dict[str, inspect.Parameter]:
        """Settings of the maker by name."""
        arguments = inspect.signature(self.make).parameters.values()
        return {argument.name: argument for argument in arguments if argument.kind is argument.KEYWORD_ONLY}


ARTEFACTS: dict[str, Artefact] = {}


def artefact(file: str, upto: str) -> Callable:
    """Register the decorated function as the maker of the artefact of its name."""

    def register(make: Callable) -> Callable:
        ARTEFACTS[make.__name__] = Artefact(file, make, upto)
        return make

    return register


def setting_types() -> dict[str, str]:
    """Return the type of every setting of every maker, by name."""
    return {name: type_name(s.annotation) for a in ARTEFACTS.values() for name, s in a.settings.items()}


def default_settings() -> dict[str, Any]:
    """Return the default of every setting of every maker, by name."""
    return {name: s.default for a in ARTEFACTS.values() for name, s in a.settings.items()}


def type_name(annotation: Any) -> str:
    """Return ``"int"`` for `int` and ``"list[str]"`` for `list[str]`."""
    return annotation.__name__ if type(annotation) is type else str(annotation)


def closure(names: list[str]) -> list[str]:
    """Return `names` and every artefact they need, each after what it needs."""
    ordered: list[str] = []
    for name in names:
        if name not in ARTEFACTS:
            raise Bulk2scError(f"artefact '{name}' is unknown.{did_you_mean(name, ARTEFACTS)}")
        ordered += [n for n in [*closure(ARTEFACTS[name].needs), name] if n not in ordered]
    return ordered


@cache
def code_digest(upto: str | None = None) -> str:
    """Return the hash of the code: of `FLOW` up to a module, or all that can change a chapter's outcome."""
    package = Path(__file__).parent
    if upto is None:
        return file_digest(*(p for p in sorted(package.rglob("*.py")) if p.name not in RUNNERS))
    paths = [package / module for module in FLOW[: FLOW.index(upto) + 1]]
    return file_digest(
        *(f for p in paths for f in (sorted(p.rglob("*.py")) if p.is_dir() else [p.with_suffix(".py")]))
    )


# ---------------------------------------------------------------------------------------------- file formats


def _write_pair(pair: tuple[ad.AnnData, ad.AnnData], folder: Path) -> None:
    folder.mkdir()
    for name, adata in zip(("bulk", "cells"), pair, strict=True):
        adata.write_h5ad(folder / f"{name}.h5ad", compression="lzf")


def _read_pair(folder: Path) -> tuple[ad.AnnData, ad.AnnData]:
    return tuple(ad.read_h5ad(folder / f"{name}.h5ad") for name in ("bulk", "cells"))


def _read_table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, index_col=0, float_precision="round_trip")


def _read_model(folder: Path):
    from bulk2sc.models import load_model

    return load_model(folder)


# Ending of the file -> (write(value, path), read(path)).
FORMATS: dict[str, tuple[Callable, Callable]] = {
    ".h5ad": (lambda adata, path: adata.write_h5ad(path, compression="lzf"), ad.read_h5ad),
    ".gz": (lambda table, path: table.to_csv(path, compression={"method": "gzip", "mtime": 0}), _read_table),
    ".pair": (_write_pair, _read_pair),
    ".model": (lambda model, folder: model.save(folder), _read_model),
}


# ---------------------------------------------------------------------------------------------- the study


class Study:
    """Settings of one study, with its artefacts and results.

    Parameters
    ----------
    edition
        Edition whose shared settings hold, and whose artefacts are used where they fit.
    **settings
        Settings of this run, by the names the makers use; they go before those of the edition.

    Attributes
    ----------
    settings
        Every setting in force: defaults of the makers, then the edition, then `**settings`.
    results
        Folder this run writes to: ``BULK2SC_RESULTS`` if set, else ``_build/interactive/results``.

    Raises
    ------
    Bulk2scError
        If the edition or a setting is unknown, or a setting has the wrong type.

    Examples
    --------
    >>> study = Study(edition="smoke", drug="Lapatinib")  # doctest: +SKIP
    >>> bulk = study.read("bulk")  # doctest: +SKIP
    """

    def __init__(self, edition: str = "demo", **settings):
        root = project_root()
        shared, types = load_edition(edition, root).parameters, setting_types()
        for name in settings:
            if name not in types:
                raise Bulk2scError(f"Study: no artefact has the setting '{name}'.{did_you_mean(name, types)}")
        given = {name: value for name, value in shared.items() if name in types} | settings
        given = {
            name: conform(value, types[name], f"Study: setting '{name}'") for name, value in given.items()
        }
        self.edition = edition
        self.settings = default_settings() | given
        self.chapter = os.environ.get("BULK2SC_CHAPTER", "interactive")
        self.results = Path(os.environ.get("BULK2SC_RESULTS") or root / "_build" / "interactive" / "results")
        self._shelf = root / "_build" / edition / "results"
        self._apart = False
        self._rows: list[pd.DataFrame] = []

    def of(self, cells_source: str, drug: str) -> "Study":
        """Return the same study of other cells and their drug; its artefacts lie in a folder of their own.

        Raises
        ------
        Bulk2scError
            If a value has the wrong type; sources and drugs are checked when they are read.
        """
        other = Study(self.edition, **self.settings | {"cells_source": cells_source, "drug": drug})
        apart = Path("studies") / re.sub(r"[^\w-]+", "_", f"{cells_source}-{drug}")
        other.results, other._shelf, other._apart = self.results / apart, self._shelf / apart, True
        return other

    def read(self, name: str) -> Any:
        """Return an artefact; make it, and first what it needs, where none with these settings exists.

        Every call returns a new copy as read from the disk, so nothing done to it reaches another chapter.

        Raises
        ------
        Bulk2scError
            If the artefact is unknown; or, while an edition is built, if it belongs to another chapter that
            made it with other settings.
        """
        stamp = self.stamp(name)
        for folder in (self.results, self._shelf):
            value = _load(folder / ARTEFACTS[name].file, stamp)
            if value is not None:
                return value
        self._refuse_to_remake(name, stamp)
        needed = [self.read(need) for need in ARTEFACTS[name].needs]
        return self._keep(name, ARTEFACTS[name].make(*needed, **stamp["settings"]), stamp)

    def stamp(self, name: str) -> dict:
        """Return all that decides what an artefact is: settings, and hashes of needs, code and data."""
        if name not in ARTEFACTS:
            raise Bulk2scError(f"artefact '{name}' is unknown.{did_you_mean(name, ARTEFACTS)}")
        maker = ARTEFACTS[name]
        settings = {setting: self.settings[setting] for setting in maker.settings}
        return {
            "artefact": name,
            "settings": settings,
            "needs": {need: digest(self.stamp(need)) for need in maker.needs},
            "code": digest([code_digest(maker.upto), inspect.getsource(maker.make)]),
            "data": data_digest(),
            "files": input_files(settings),
        }

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """Add tidy results of this chapter to ``<chapter>.csv`` in the results folder; return them completed.

        Parameters
        ----------
        table
            At least the columns ``metric`` and ``value``. Edition, chapter, dataset and drug are filled in
            where they are missing; ``method`` and ``seed`` stay empty. Further columns are kept.

        Raises
        ------
        Bulk2scError
            If ``metric`` or ``value`` is missing.
        """
        for column in ("metric", "value"):
            if column not in table:
                raise Bulk2scError(
                    f"chapter '{self.chapter}': rows need '{column}', found {', '.join(table.columns)}"
                )
        filled = {"edition": self.edition, "chapter": self.chapter, "dataset": self.settings["cells_source"]}
        filled |= {"drug": self.settings["drug"], "method": "", "seed": pd.NA}
        table = table.assign(**{name: value for name, value in filled.items() if name not in table})
        table = table[ROW_COLUMNS + [column for column in table if column not in ROW_COLUMNS]]
        self._rows.append(table)
        with atomic(self.results / f"{self.chapter}.csv") as partial:
            pd.concat(self._rows, ignore_index=True).to_csv(partial, index=False)
        return table

    def rows_of(self, chapter: str) -> pd.DataFrame:
        """Return the tidy results of another chapter, of this run or else of the edition.

        Raises
        ------
        Bulk2scError
            If that chapter has not written any.
        """
        for folder in (self.results, self._shelf):
            if (folder / f"{chapter}.csv").exists():
                return pd.read_csv(folder / f"{chapter}.csv", float_precision="round_trip")
        raise Bulk2scError(
            f"chapter '{chapter}' has no results in edition '{self.edition}'; "
            f"run it first: bulk2sc book --edition {self.edition}"
        )

    def _refuse_to_remake(self, name: str, stamp: dict) -> None:
        """Stop a chapter of an edition from replacing an artefact that another chapter of it made."""
        if self._apart:
            return
        owned = os.environ.get("BULK2SC_OWNED")
        kept = _kept(self.results / ARTEFACTS[name].file).get("stamp")
        if owned is None or name in owned.split(",") or kept is None:
            return
        differing = [s for s, v in stamp["settings"].items() if kept["settings"].get(s, v) != v]
        if differing:
            raise Bulk2scError(
                f"chapter '{self.chapter}': artefact '{name}' was made by another chapter with "
                + " and ".join(
                    f"{s} = {kept['settings'][s]!r}, not {stamp['settings'][s]!r}" for s in differing
                )
                + f"; set it for all chapters under 'parameters' in editions/{self.edition}.yml"
            )

    def _keep(self, name: str, value: Any, stamp: dict) -> Any:
        """Write an artefact and its stamp, and return it as it will be read."""
        path = self.results / ARTEFACTS[name].file
        write, read = FORMATS[path.suffix]
        with atomic(path) as partial:
            write(value, partial)
            sha256 = file_digest(partial)  # another process may replace what is at `path`
            _stamp_file(path).unlink(missing_ok=True)  # a stamp never stands beside what it does not describe
        write_json(_stamp_file(path), {"stamp": stamp, "sha256": sha256})
        return read(path)


def own_file(value: Any) -> Path | None:
    """Return the file of one's own that a setting names, of cells or a rule, or None."""
    path = Path(_in_project(value)) if isinstance(value, str) and value.endswith(OWN_FILES) else None
    return path if path and path.exists() else None


def input_files(settings: dict[str, Any]) -> dict[str, str]:
    """Return a hash of each file that settings name, and of fetched data that the registry does not pin."""
    from bulk2sc.datasets import needed, noted

    own = {name: file_digest(path) for name, value in settings.items() if (path := own_file(value))}
    return own | {key: note for key in needed(settings) if (note := noted(key))}


def _in_project(source: str) -> str:
    """Return the path of one's own file taken from the project's folder, and any other source as it is."""
    return str(project_root() / source) if source.endswith(OWN_FILES) else source


def _stamp_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _kept(path: Path) -> dict:
    """Return what was noted of the artefact at `path`, its stamp and sha256, or nothing."""
    kept = read_json(_stamp_file(path))
    return kept if path.exists() and isinstance(kept, dict) else {}


def _load(path: Path, stamp: dict) -> Any:
    """Return what is kept at `path` if its stamp agrees and it is whole, else None."""
    kept = _kept(path)
    if kept.get("stamp") != stamp:
        return None
    if kept.get("sha256") != file_digest(path):
        log.warning("%s is damaged: it is made again", path)
        return None
    return FORMATS[path.suffix][1](path)


# ---------------------------------------------------------------------------------------------- the makers


@artefact("bulk.h5ad", upto="labels")
def bulk(
    *,
    bulk_source: str = "gdsc2",
    drug: str = "Cisplatin",
    k: float = 0.3,
    measure: str = "auc",
    data_seed: int = 0,
):
    """Load all bulk lines, with their response to the drug."""
    from bulk2sc import datasets, labels

    return labels.label_bulk(datasets.load_bulk(bulk_source, seed=data_seed), drug=drug, k=k, measure=measure)


@artefact("raw_cells.h5ad", upto="labels")
def raw_cells(
    bulk,
    *,
    cells_source: str = "simulated",
    drug: str = "Cisplatin",
    k: float = 0.3,
    measure: str = "auc",
    n_cells: int = 1500,
    n_lines_per_tail: int = 10,
    depth: float = 2000.0,
    shift: float = 0.5,
    hidden_resistant: float = 0.15,
    surviving_sensitive: float = 0.15,
    normal: float = 0.08,
    low_quality: float = 0.05,
    doublets: float = 0.04,
    data_seed: int = 0,
):
    """Load or simulate cells before any filter: counts, samples and, where lines are known, the truth."""
    from bulk2sc import datasets, labels, pp

    simulation = dict(
        n_cells=n_cells,
        n_lines_per_tail=n_lines_per_tail,
        depth=depth,
        shift=shift,
        hidden_resistant=hidden_resistant,
        surviving_sensitive=surviving_sensitive,
        normal=normal,
        low_quality=low_quality,
        doublets=doublets,
        seed=data_seed,
    )
    cells = datasets.load_cells(_in_project(cells_source), bulk=bulk, drug=drug, k=k, **simulation)
    cells = pp.resolve_symbols(pp.check_cells(cells, cells_source))
    cells = pp.hold_out_own_lines(cells, bulk)
    known = "truth" in cells.obs or "cell_line" not in cells.obs
    return cells if known else labels.truth_from_lines(cells, bulk, drug, k, measure)


@artefact("cells.h5ad", upto="pp")
def cells(
    raw_cells,
    *,
    min_genes: int = 200,
    max_mito: float = 20.0,
    nmads: float = 5.0,
    remove_doublets: bool = True,
    doublet_rate: float = 0.05,
    data_seed: int = 0,
):
    """Keep the cells that pass quality control, judged within each sample; normalise them."""
    from bulk2sc import pp

    by = "sample" if "sample" in raw_cells.obs else None
    flagged = pp.qc_flags(raw_cells, min_genes=min_genes, max_mito=max_mito, nmads=nmads, by=by)
    if remove_doublets:
        flagged = pp.doublets(flagged, by=by, expected_rate=doublet_rate, seed=data_seed)
    return pp.normalise(flagged[flagged.obs["qc_pass"]].copy())


@artefact("clustered.h5ad", upto="clustering")
def clustered(
    cells,
    *,
    clustering_method: str = "leiden",
    leiden_resolution: float = 1.0,
    clustering_hvg: int = 2500,
    clustering_epochs: int = 200,
    cluster_stage_epochs: int = 100,
    data_seed: int = 0,
):
    """Group the cells by ``leiden`` or, as the paper does, by ``attention_ae``; draw a UMAP."""
    from bulk2sc import clustering, pp

    if clustering_method not in ("leiden", "attention_ae"):
        raise Bulk2scError(f"clustering_method: '{clustering_method}' is neither leiden nor attention_ae.")
    if clustering_method == "leiden":
        return clustering.leiden(cells, resolution=leiden_resolution, seed=data_seed)
    from bulk2sc.clustering.attention_ae import attention_ae

    epochs = {"max_epochs": clustering_epochs, "max_cluster_epochs": cluster_stage_epochs}
    grouped = attention_ae(pp.with_counts(cells), n_hvg=clustering_hvg, seed=data_seed, **epochs)
    if grouped.uns["counts"] == "stand-in":
        del grouped.layers["counts"]  # nothing further on must take them for measured
    return clustering.umap(clustering.neighbours(grouped, "X_attention_ae", seed=data_seed), seed=data_seed)


@artefact("clusterings.csv.gz", upto="clustering")
def clusterings(
    cells,
    *,
    clustering_cells: int = 4000,
    clustering_hvg: int = 2500,
    clustering_epochs: int = 200,
    cluster_stage_epochs: int = 100,
    clustering_seeds: int = 5,
    clustering_nulls: int = 5,
):
    """Compare clusterings, of the cells and of cells whose genes are permuted."""
    from bulk2sc import pp
    from bulk2sc.clustering import compare

    methods = compare.methods(
        n_hvg=clustering_hvg, max_epochs=clustering_epochs, max_cluster_epochs=cluster_stage_epochs
    )
    few = pp.with_counts(compare.at_most(cells, clustering_cells))
    return compare.table_s2(few, methods, n_seeds=clustering_seeds, n_permuted=clustering_nulls)


@artefact("labelled.h5ad", upto="labels")
def labelled(
    clustered,
    *,
    cells_source: str = "simulated",
    rule: str = "",
    dominance: float = 0.0,
    min_score: float = 1.0,
    data_seed: int = 0,
):
    """Label the cells by the rule of their data set, or by one's own."""
    from bulk2sc import labels

    rule = labels.rule_for(cells_source, _in_project(rule))
    settings = {"dominance": dominance, "min_score": min_score, "seed": data_seed}
    return labels.answer(labels.label_cells(clustered, rule, **settings))


@artefact("training.pair", upto="labels")
def pair(bulk, labelled, *, n_hvg: int = 2500):
    """Pair training lines, with tails of their own, and cells: same genes, ``layers["scaled"]``."""
    from bulk2sc import labels, pp

    training = pp.train_lines(bulk, labelled.uns.get("held_out", []))
    asked = {name: bulk.uns["labels"][name] for name in ("drug", "k", "measure")}
    return pp.pair(labels.label_bulk(training, **asked), labelled, n_hvg=n_hvg)


@artefact("mask.csv.gz", upto="pathways")
def mask(
    pair,
    *,
    resource: str = "go_cc",
    min_pathway_genes: int = 10,
    max_pathway_genes: int = 1000,
    n_free: int = 5,
):
    """Build the mask of the sparse decoder, pathways x genes of 0 and 1."""
    from bulk2sc import datasets, pathways

    return pathways.pathway_mask(
        datasets.gene_sets(resource),
        pair[0].var_names,
        min_genes=min_pathway_genes,
        max_size=max_pathway_genes,
        n_free=n_free,
    )


@artefact("autoencoder.model", upto="models")
def autoencoder(
    pair,
    mask,
    *,
    hidden: int = 512,
    dropout: float = 0.1,
    batch_norm: bool = False,
    weights: str = "text",
    sparse_relu: bool = False,
    lr: float = 1e-3,
    batch_size: int = 256,
    max_epochs: int = 300,
    patience: int = 20,
    seed: int = 0,
):
    """Pretrain the shared autoencoder, without labels."""
    from bulk2sc.models import SharedAutoencoder

    return SharedAutoencoder(
        mask=mask,
        hidden=hidden,
        dropout=dropout,
        batch_norm=batch_norm,
        weights=weights,
        sparse_relu=sparse_relu,
        lr=lr,
        batch_size=batch_size,
        max_epochs=max_epochs,
        patience=patience,
        seed=seed,
    ).pretrain(*pair)


@artefact("fitted.model", upto="models")
def model(pair, autoencoder, *, schedule: str = "pretrain-then-classify"):
    """Fit the classifier on the codes, or everything together in the joint schedule."""
    if schedule == "pretrain-then-classify":
        return autoencoder.fit_classifier(pair[0])
    return autoencoder.set_params(schedule=schedule).fit(*pair)


@artefact("scores.csv.gz", upto="evaluate")
def scores(
    pair,
    autoencoder,
    *,
    schedule: str = "pretrain-then-classify",
    methods: list[str] = COMPARED,
    n_seeds: int = 3,
):
    """Score the cells with every method and seed; the shared autoencoder is set as its artefact was."""
    from bulk2sc import evaluate, models

    settings = autoencoder.set_params(schedule=schedule).get_params()
    makers = {m: lambda seed, m=m: models.make(m, **settings | {"seed": seed}) for m in methods}
    return evaluate.score_methods(*pair, methods=makers, seeds=range(n_seeds))


@artefact("attributions.csv.gz", upto="explain")
def attributions(model, pair, *, n_steps: int = 64):
    """Attribute each cell's logit to pathways; the last columns are ``logit`` and ``completeness``."""
    from bulk2sc import explain

    found = explain.integrated_gradients(model, pair[1], n_steps=n_steps)
    return found.values.assign(logit=found.logit, completeness=found.completeness)
