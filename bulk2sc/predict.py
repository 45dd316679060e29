"""Score anybody's cells for a drug: from a file of cells to a file of predictions."""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import joblib
import numpy as np
from anndata import AnnData

from bulk2sc import __version__, datasets, labels, models, pathways, pp
from bulk2sc.drugs import UNITS, leading_drugs, resolve_drug, score_all_drugs
from bulk2sc.errors import Bulk2scError, did_you_mean, refuse_unknown
from bulk2sc.settings import COMPUTING, arithmetic, file_digest, versions

# By the rule of benchmarks/default_model.py; a user is told WHY in one line.
DEFAULT_MODEL = "ridge"
WHY = "the default: best on real cells of lines among methods that do not take exposure for resistance"
N_HVG = 2500  # as in the paper, for what learns from cells; other methods take all shared genes
ALL = "all"  # in place of a drug
FEW_CELLS = 10  # below which standardising over cells says little
NOT_SCORED = "not scored"  # the response of cells with too few genes
NO_METRICS = (
    "no metrics: a prediction is not held against answers; cells with known answers are judged by "
    "bulk2sc run baselines -p cells_source CELLS.h5ad -p drug DRUG"
)
OWN_COLUMNS = ["bulk2sc_score", "bulk2sc_response", "bulk2sc_score_sd"]  # of obs
OWN_FIELDS = ["X_bulk2sc", "bulk2sc", "bulk2sc_drugs"]  # of obsm and uns


@dataclass
class Prediction:
    """Predictions for one file of cells, and how they came about.

    Attributes
    ----------
    cells
        The cells as given, with `obs["bulk2sc_score"]`, `obs["bulk2sc_response"]`, `uns["bulk2sc"]` and,
        where the method has a code, `obsm["X_bulk2sc"]`.
    notes
        What was found and done, one line each.
    """

    cells: AnnData
    notes: list[str]


def predict(
    path: str | Path,
    *,
    drug: str,
    out: str | Path,
    exclude_lines: Sequence[str] = (),
    seeds: int = 1,
    model: str = DEFAULT_MODEL,
    reading: Mapping[str, str] = MappingProxyType({}),
    pool: int = 0,
    by: str = "",
    progress: Callable[[str], None] = lambda message: None,
) -> Prediction:
    """Score the cells of a file and write them, with their scores, to an .h5ad file.

    Parameters
    ----------
    path
        Cells, as `datasets.read_cells` takes them: human genes named by symbols, Ensembl or Entrez ids;
        counts, log values or z-scores.
    drug
        Any drug of GDSC2, by its name or a synonym; ``all`` scores every drug by ridge regression, into
        ``obsm["bulk2sc_drugs"]`` (`drugs.score_all_drugs`), and takes no `model` and no `seeds`.
    out
        The .h5ad file to write; nothing is left there if anything fails.
    exclude_lines
        Cell lines that must not be trained on, for example because the cells come from them.
    seeds
        Number of models, with seeds 0, 1, …, whose scores are averaged.
    model
        Name of a method in `models.METHODS`.
    reading
        What `pp.check_cells` must be told of the cells: `gene_column`, `values`, `layer`, `sample`.
    pool
        Neighbours to average each cell with, as `pp.pool` does; 0 for none.
    by
        With all drugs: column of obs with groups of cells, whose leading drugs are listed.
    progress
        Called with one line of text for each step.

    Returns
    -------
    Prediction

    Raises
    ------
    Bulk2scError
        For an unknown drug, line or model, a file that cannot be used, or fewer than 200 shared genes.
    """
    out = Path(out)
    _check_request(out, seeds, model)
    given, mended = datasets.mend(datasets.read_cells(path))
    datasets.write_cells(given, out, trial=True)  # nothing may stop it after the training
    prediction = predict_cells(
        given,
        drug=drug,
        exclude_lines=exclude_lines,
        seeds=seeds,
        model=model,
        reading=reading,
        pool=pool,
        by=by,
        name=str(path),
        progress=progress,
    )
    prediction.notes += mended
    datasets.write_cells(prediction.cells, out)
    return prediction


def predict_cells(
    given: AnnData,
    *,
    drug: str,
    exclude_lines: Sequence[str] = (),
    seeds: int = 1,
    model: str = DEFAULT_MODEL,
    reading: Mapping[str, str] = MappingProxyType({}),
    pool: int = 0,
    by: str = "",
    bulk: AnnData | None = None,
    name: str = "cells",
    progress: Callable[[str], None] = lambda message: None,
) -> Prediction:
    """Score cells in memory, with the parameters of `predict`; `bulk` replaces GDSC2 as training data."""
    checked = pp.check_cells(given, name, **reading)
    found = list(checked.uns["notes"])
    progress(f"{name}: {given.n_obs} cells, {given.n_vars} genes; {found[0]}")
    if by:
        _check_groups(given, by)
    bulk = datasets.load_bulk("gdsc2") if bulk is None else bulk
    lines = pp.train_lines(bulk, exclude_lines)
    if drug != ALL:
        drug = resolve_drug(asked := drug, bulk.uns["drugs"])
        found += [f"drug: {asked} is called {drug} here"] if asked != drug else []
        lines = labels.label_bulk(lines, drug=drug)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", UserWarning)
        named = pp.resolve_symbols(checked)
        enough, told = _enough(named, name)
        cells = pp.normalise(named[enough].copy())
        few = drug != ALL and models.learns_from_cells(model)
        lines, cells = pp.pair(lines, cells, n_hvg=N_HVG if few else 0, pool=pool)
    facts = {
        "version": __version__,
        "drug": drug,
        "input": pp.detect_scale(checked),
        "pool": pool,
        "excluded_lines": np.array(
            sorted({pp.known_line(one, bulk.obs_names) for one in exclude_lines}), dtype=str
        ),
        "genes_used": cells.n_vars,
        "genes_shared": cells.uns["pair"]["shared"],
    }
    if few and facts["input"] == "z-scores":
        told.append(
            "warning: z-scores do not show which genes vary, so all are used; counts give other scores"
        )
    pooled = _pooled(cells.uns["pool"]) if pool else []
    told += [f"warning: {text}" for text in dict.fromkeys(str(one.message) for one in warned)]
    told += _own_lines(given, lines, bulk.obs_names)
    if drug == ALL:
        result, notes = _all_drugs(given, enough, lines, cells, by, facts)
        return Prediction(result, [*found, *notes, *pooled, *told])
    scores, code = _ensemble(lines, cells, model, seeds, progress)
    facts |= {"model": model, "seeds": seeds, **_counts(lines)}
    notes = [*found, *_notes(facts, lines, scores), *pooled, *told]
    return Prediction(_with_scores(given, enough, scores, code, facts), notes)


def _check_groups(given: AnnData, by: str) -> None:
    if by not in given.obs:
        raise Bulk2scError(f"--by '{by}': no column of obs.{did_you_mean(by, given.obs.columns)}")
    n = given.obs[by].nunique()
    if not 0 < n <= max(2, given.n_obs / 2):
        raise Bulk2scError(f"--by '{by}': {n} groups of {given.n_obs} cells; name a column of clusters")


def _all_drugs(
    given: AnnData, scored: np.ndarray, lines: AnnData, cells: AnnData, by: str, facts: dict
) -> tuple[AnnData, list[str]]:
    """Return a copy of the cells with scores for every drug, and what to say of it."""
    scores, result = score_all_drugs(lines, cells), _without_scores(given)
    result.obsm["bulk2sc_drugs"] = _of_all(scores.to_numpy("float32"), scored)
    result.uns["bulk2sc_drugs"] = facts | {"drugs": scores.columns.to_numpy(dtype=str), "units": UNITS}
    notes = [
        f"genes: {facts['genes_shared']} shared with the bulk lines, {facts['genes_used']} used",
        f"model: ridge regression of {scores.shape[1]} drugs, trained on {lines.n_obs} lines",
        f'written to obsm["bulk2sc_drugs"]: {UNITS}',
    ]
    if by:
        top = leading_drugs(scores, given.obs.loc[scored, by])
        result.uns["bulk2sc_drugs"]["leading"] = top
        if without := int(given.obs.loc[scored, by].isna().sum()):
            notes.append(
                f"warning: {without} cells have no group in obs['{by}'] and are left out of the list"
            )
        notes += ["leading drugs (rho: how well a drug is predicted for lines left out):"]
        notes += top.round(2).to_string(index=False).splitlines()
    return result, notes


def _enough(cells: AnnData, name: str) -> tuple[np.ndarray, list[str]]:
    """Return which cells are scored, those with enough genes, and warnings about the others."""
    enough = pp.enough_genes(cells)
    n = int(enough.sum())
    if n < 2:
        raise Bulk2scError(
            f"{name}: {n} of {len(enough)} cells have enough genes to be scored; are the cells in rows "
            "(obs), and are any of them more than empty droplets?"
        )
    told = []
    if n < len(enough):
        told.append(
            f"warning: {len(enough) - n} of {len(enough)} cells have too few genes, as empty droplets do: "
            "they are not scored, and the others are standardised without them"
        )
    if n < FEW_CELLS:
        told.append(f"warning: only {n} cells: genes are standardised over them, so the scores say little")
    return enough, told


def _notes(facts: dict, lines: AnnData, scores: np.ndarray) -> list[str]:
    """Return what was done and found, one line each."""
    seeds, called = facts["seeds"], (scores.mean(axis=0) >= 0.5).mean()
    return [
        f"genes: {facts['genes_shared']} shared with the bulk lines, {facts['genes_used']} used",
        f"model: {facts['model']}, {seeds} seed{'s' if seeds > 1 else ''}, trained on {_size(lines)}",
        *([f"why {DEFAULT_MODEL}, without pooling: {WHY}"] if facts["model"] == DEFAULT_MODEL else []),
        f"called sensitive to {facts['drug']}: {100 * called:.1f} % of {scores.shape[1]} cells; genes are "
        "standardised over the cells of this file, so a score orders them and says little of all together",
        NO_METRICS,
    ]


def _pooled(found: dict) -> list[str]:
    """Say what each cell was averaged with, and where a small sample allowed less than was asked for."""
    if not found["most"]:
        return ["warning: nothing was pooled: every sample is too small for a neighbour"]
    used = str(found["most"]) if found["fewest"] == found["most"] else f"{found['fewest']} to {found['most']}"
    asked = f" (of {found['k']} asked for: small samples allow fewer)" if found["fewest"] < found["k"] else ""
    return [f"pooled: each cell is the mean of itself and its {used} nearest in its sample{asked}"]


def _own_lines(given: AnnData, lines: AnnData, every: Iterable[str]) -> list[str]:
    """Warn of lines of the cells that were trained on, and of names that are none of `every` line."""
    tested = lines.obs_names[lines.obs["auc"].notna()] if "auc" in lines.obs else lines.obs_names
    column, known, unknown = pp.own_lines(given.obs, lines.obs_names)
    own = sorted(set(known.values()) & set(tested))
    notes = pp.line_notes(column, [name for name in unknown if pp.known_line(name, every) is None])
    if own:
        names = ",".join(own)
        notes.append(f"warning: trained on the cells' own lines; leave them out by --exclude-lines {names}")
    return notes


def _counts(lines: AnnData) -> dict[str, int]:
    """Count the lines, those tested with the drug, and those in its tails."""
    known = {"lines_tested": "auc", "lines_in_tails": "response"}
    counts = {name: int(lines.obs[column].notna().sum()) for name, column in known.items()}
    return {"training_lines": lines.n_obs} | counts


def _size(lines: AnnData) -> str:
    """Say how many lines there are, and how many of them have an answer."""
    every, tested, answers = _counts(lines).values()
    return f"{every} lines, {tested} of them tested with the drug and {answers} in its tails"


def _without_scores(given: AnnData) -> AnnData:
    """Return a copy without what an earlier prediction wrote."""
    result = given.copy()
    result.obs = result.obs.drop(columns=OWN_COLUMNS, errors="ignore")
    for field in (result.obsm, result.uns):
        for name in OWN_FIELDS:
            field.pop(name, None)
    return result


def _with_scores(
    given: AnnData, scored: np.ndarray, scores: np.ndarray, code: np.ndarray | None, facts: dict
) -> AnnData:
    """Return a copy with one prediction and without an earlier one: `uns["bulk2sc"]` describes one only."""
    result, mean = _without_scores(given), scores.mean(axis=0)
    result.obs["bulk2sc_score"] = _of_all(mean, scored)
    called = np.where(mean >= 0.5, "sensitive", "resistant").astype(object)
    result.obs["bulk2sc_response"] = _of_all(called, scored, NOT_SCORED)
    if len(scores) > 1:
        result.obs["bulk2sc_score_sd"] = _of_all(scores.std(axis=0, ddof=1), scored)
    if code is not None:
        result.obsm["X_bulk2sc"] = _of_all(code, scored)
    result.uns["bulk2sc"] = facts
    return result


def _of_all(values: np.ndarray, scored: np.ndarray, other: str | float = np.nan) -> np.ndarray:
    """Return values of the cells that were scored as values of all cells."""
    every = np.full((len(scored), *values.shape[1:]), other, dtype=values.dtype)
    every[scored] = values
    return every


def _check_request(out: Path, seeds: int, model: str) -> None:
    refuse_unknown(model, models.METHODS, "--model")
    if seeds < 1:
        raise Bulk2scError(f"--seeds is {seeds}; give 1 or more")
    if out.suffix != ".h5ad":
        raise Bulk2scError(f"--out {out}: the name must end in .h5ad")
    if out.is_dir():
        raise Bulk2scError(f"--out {out}: this is a folder; name a file")
    if not out.absolute().parent.is_dir():
        raise Bulk2scError(f"--out {out}: the folder {out.absolute().parent} does not exist; create it first")


def _ensemble(
    lines: AnnData, cells: AnnData, model: str, seeds: int, progress: Callable[[str], None]
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the scores of each seed (n_seeds, n_cells), and the first model's code where it has one."""
    settings = {}
    if models.takes(model, "mask"):
        settings["mask"] = pathways.pathway_mask(datasets.gene_sets("go_cc"), cells.var_names)
    fitted = [_trained(lines, cells, model, settings | {"seed": seed}, progress) for seed in range(seeds)]
    scores = np.array([one.score_cells(cells) for one in fitted])
    return scores, fitted[0].encode(cells) if hasattr(fitted[0], "encode") else None


def _trained(lines: AnnData, cells: AnnData, model: str, settings: dict, progress: Callable[[str], None]):
    """Return a fitted model, from the cache if it was trained on the same data."""
    folder = datasets.cache_dir() / "models" / _fingerprint(lines, cells, model, settings)
    if folder.exists():
        try:
            fitted = models.load_model(folder)
            progress(f"{model}, seed {settings['seed']}: trained before, taken from the cache")
            return fitted
        except Bulk2scError as error:
            progress(f"{error}: trained again")
    progress(f"{model}, seed {settings['seed']}: training on {_size(lines)}")
    fitted = models.make(model, **settings).fit(lines, cells)
    try:
        fitted.save(folder)
    except (OSError, Bulk2scError) as error:
        progress(f"warning: the model cannot be kept ({error})")
    return fitted


def _fingerprint(lines: AnnData, cells: AnnData, model: str, settings: dict) -> str:
    """Hash all that a fitted model depends on; the cells count only where the method learns from them."""
    folder = Path(models.__file__).parent
    code = file_digest(*sorted(folder.glob("*.py")), folder.with_name("train.py"))
    set_to = models.make(model, **settings).get_params()
    mask = set_to.pop("mask", None)
    seen = [code, versions(COMPUTING), arithmetic(), model, set_to]
    seen += [] if mask is None else [mask.to_numpy(), list(mask.index)]
    seen += [lines.layers["scaled"], lines.obs["auc"].to_numpy(), lines.obs["response"].to_numpy()]
    seen += [list(lines.var_names), cells.layers["scaled"] if models.learns_from_cells(model) else None]
    return f"{model.replace(' ', '-')}-{joblib.hash(seen)[:16]}"
