"""Simulated single cells: drawn from real, held-out bulk lines, so that the truth of every cell is known."""

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from bulk2sc.datasets.genes import MITOCHONDRIAL, gene_sets
from bulk2sc.errors import Bulk2scError, did_you_mean

# Not labels.MARKERS: the labelling must not be tested on the very list that was planted.
# Fibroblast and T cell: Tirosh et al. 2016 (doi:10.1126/science.aad0501). Endothelial: Ribatti et al. 2020
# (doi:10.1111/micc.12587), without PECAM1, VWF and CDH5, which the GDSC panel lacks.
PLANTED_MARKERS = {
    "fibroblast": ("COL1A1", "COL1A2", "COL3A1", "COL6A1", "COL6A2", "COL6A3", "DCN", "LUM", "FAP", "THY1"),
    "T cell": ("CD2", "CD3D", "CD3E", "CD3G", "CD247", "CD7", "LCK", "CD52", "PTPRC"),
    "endothelial": ("KDR", "ENG", "TEK", "TIE1", "ESAM", "EGFL7", "RAMP2"),
}
CYCLE = {"S": "HALLMARK_E2F_TARGETS", "G2M": "HALLMARK_G2M_CHECKPOINT"}
PHASES = {"G1": 0.6, "S": 0.2, "G2M": 0.2}  # a culture that grows; the same in all lines, treated or not

# One unit of bulk z-score in log2 units of expression: gives 86 % zeros at 2,000 UMIs over the GDSC panel.
LOG2_PER_Z = 2.2
CLONES = {"1": 0.5, "2": 0.3, "3": 0.2}  # clones of a line and their shares
CLONE_GENES, CLONE_SD = 0.1, 0.25  # share of genes that a clone changes, and by how much (z)
CYCLE_SIZE = 0.4  # z: a 1.8-fold change
SHIFT_GENES = 0.05  # share of genes that the drug moves
MARKER_LEVEL, MARKER_SILENT = 3.0, -0.8  # z: about 6 and 0.02 of 2,000 UMIs
LIBRARY_SD = 0.35  # of the natural log of a cell's depth
DISPERSION = 0.15  # negative binomial: variance = mean + 0.15 mean^2
DOUBLET_DEPTH = 1.5  # UMIs of two cells in one droplet, whose primers they share, over those of one
CHUNK = 1000  # cells captured at a time, to bound memory


def simulate(
    bulk: ad.AnnData,
    *,
    drug: str,
    n_cells: int = 1500,
    n_lines_per_tail: int = 10,
    k: float = 0.3,
    measure: str = "auc",
    depth: float = 2000,
    shift: float = 0.5,
    hidden_resistant: float = 0.15,
    surviving_sensitive: float = 0.15,
    normal: float = 0.08,
    low_quality: float = 0.05,
    doublets: float = 0.04,
    seed: int = 0,
) -> ad.AnnData:
    """
    Simulate a control and a treated experiment with cells of bulk lines that must then leave training.

    A cell takes the profile of its line as relative expression, 2^(2.2 z), changed by its clone and its phase
    of the cell cycle, and is captured at a log-normal depth with negative binomial counts. Its truth is its
    line's place in the tails of the response: no resistance programme is invented. Every line is in every
    sample, in different numbers. The held-out lines and all programmes are the same for any `n_cells`, and
    all cells but the doublets are the same for any `doublets`.

    Parameters
    ----------
    bulk
        Lines x genes, z-scored, with ``obsm[measure]`` and ``uns["drugs"]``.
    drug
        One of ``bulk.uns["drugs"]``.
    n_cells
        Number of cells, half of them treated; at least 10 for each held-out line.
    n_lines_per_tail
        Lines held out of each tail, at random; at least 2 and at most half of the tail. Lines are
        the units to resample.
    k
        Share of the tested lines that makes a tail, in (0, 0.5).
    measure
        What the tails are of, ``auc`` or ``ln_ic50``: that by which the study labels its lines.
    depth
        Mean number of UMIs of a good cell over the genes of `bulk`.
    shift
        Size of the change that the drug makes in all treated cells, whatever their truth, in units of z: 0.5
        moves 5 % of the genes, drawn without regard to response, 2.1-fold up or down. 0 = none.
    hidden_resistant
        Share of truly resistant lines among the control's tumour cells.
    surviving_sensitive
        Share of truly sensitive lines among the treated tumour cells.
    normal
        Share of fibroblasts, T cells and endothelial cells among all cells.
    low_quality
        Share of damaged cells (few UMIs, many of them mitochondrial) among all cells.
    doublets
        Share of droplets with two sound cells among all cells: of one sample but of different clones, their
        counts added, at 1.5 times the depth of one cell.
    seed
        Seed of all randomness.

    Returns
    -------
    Cells x (genes of `bulk` + 13 planted mitochondrial genes). ``layers["counts"]`` and ``X`` are raw counts
    (CSR, float32). ``obs``: cell_line (key, or "normal"), sample (control_1, ...), treated, planted (what the
    cell was made as), truth (1 sensitive, 0 resistant, NaN normal, low quality or doublet), clone (or type of
    a normal cell), cycle; line, clone and cycle of a doublet are those of one of its cells. ``var``: mt.
    ``uns``: held_out, simulated, simulation (the settings), shift (change by the drug in z, gene by gene; not
    in var, which models may see).

    Raises
    ------
    Bulk2scError
        If the drug is unknown, a setting is out of range, a tail has too few lines, or markers are missing.
    """
    settings = {name: value for name, value in locals().items() if name != "bulk"}
    _check(settings)
    streams = np.random.SeedSequence(seed).spawn(4)
    rng_lines, rng_programmes, rng_cells, rng_doublets = map(np.random.default_rng, streams)
    sensitive, resistant = _hold_out(rng_lines, bulk, drug, k, measure, n_lines_per_tail)
    held_out = [*sensitive, *resistant]
    states = pd.concat([_clones(rng_programmes, bulk[held_out]), _normal_types(bulk)])
    drug_effect = shift * _drug_programme(rng_programmes, bulk)

    obs = _plan(rng_cells, settings, sensitive, resistant)
    obs["clone"] = _assign_clones(rng_cells, obs)
    obs["cycle"] = np.where(
        obs["cell_line"] == "normal", "G1", rng_cells.choice([*PHASES], n_cells, p=[*PHASES.values()])
    )
    effects = states, _cycle_effect(bulk.var_names), drug_effect
    library, mito = _depths(rng_cells, obs, depth)
    counts = _capture(rng_cells, obs, *effects, library, mito)

    first, second = _pairs(rng_doublets, obs, round(doublets * n_cells))
    share = DOUBLET_DEPTH / 2
    added = _capture(rng_doublets, obs.iloc[second], *effects, share * library[second], share * mito[second])
    counts = _merge(rng_doublets, counts, first, share, added)
    obs.iloc[first, obs.columns.get_indexer(["planted", "truth"])] = ["doublet", np.nan]
    return _assemble(counts, obs, bulk.var_names, drug_effect, held_out, settings)


def _check(settings: dict) -> None:
    """Refuse settings out of range."""
    fewest = 20 * settings["n_lines_per_tail"]
    both = settings["low_quality"] + settings["doublets"]
    shares = ("hidden_resistant", "surviving_sensitive", "normal", "low_quality", "doublets")
    for name, fits, allowed in (
        *((name, 0 <= settings[name] < 1, "from 0 to below 1") for name in shares),
        ("doublets", both < 1, f"below 1 together with low_quality={settings['low_quality']}"),
        ("measure", settings["measure"] in ("auc", "ln_ic50"), "auc or ln_ic50"),
        ("k", 0 < settings["k"] < 0.5, "between 0 and 0.5"),
        ("depth", settings["depth"] > 0, "above 0"),
        ("n_lines_per_tail", settings["n_lines_per_tail"] >= 2, "at least 2"),
        ("n_cells", settings["n_cells"] >= fewest, f"at least {fewest}, 10 for each held-out line"),
    ):
        if not fits:
            raise Bulk2scError(f"Simulated cells: {name} is {settings[name]}, it must be {allowed}.")


def _hold_out(
    rng: np.random.Generator, bulk: ad.AnnData, drug: str, k: float, measure: str, n: int
) -> tuple[list[str], list[str]]:
    """Draw `n` lines of either tail at random: the most extreme ones would make the task too easy."""
    drugs = list(bulk.uns["drugs"])
    if drug not in drugs:
        raise Bulk2scError(
            f"Unknown drug '{drug}': the bulk lines have {len(drugs)} drugs." + did_you_mean(drug, drugs)
        )
    values = np.asarray(bulk.obsm[measure])[:, drugs.index(drug)]
    low, high = np.nanquantile(values, [k, 1 - k]) if np.isfinite(values).any() else (np.nan, np.nan)
    tails = bulk.obs_names[values <= low], bulk.obs_names[values >= high]
    fewest = min(map(len, tails))
    if fewest < 2 * n:  # as many must remain to train on
        raise Bulk2scError(
            f"{drug}: {np.isfinite(values).sum()} lines are tested and a tail (k={k}) has {fewest}, too few "
            f"to hold out n_lines_per_tail={n} and train on as many: lower it to {fewest // 2}, raise k or "
            "take another drug."
        )
    return tuple(sorted(rng.choice(tail, n, replace=False)) for tail in tails)


def _clones(rng: np.random.Generator, lines: ad.AnnData) -> pd.DataFrame:
    """Return the profiles (z) of each line's clones: small heritable changes, log-normal in expression."""
    profiles = np.repeat(np.asarray(lines.X, dtype=np.float32), len(CLONES), axis=0)
    changed = rng.random(profiles.shape) < CLONE_GENES
    names = [f"{line}/{clone}" for line in lines.obs_names for clone in CLONES]
    effect = changed * rng.normal(scale=CLONE_SD, size=profiles.shape)
    return pd.DataFrame(profiles + effect, index=names, columns=lines.var_names, dtype=np.float32)


def _normal_types(bulk: ad.AnnData) -> pd.DataFrame:
    """Return the profiles (z) of normal cells: the lines' median, own markers high, others' silent."""
    common = np.median(np.asarray(bulk.X, dtype=np.float32), axis=0)
    profiles = pd.DataFrame([common] * len(PLANTED_MARKERS), index=[*PLANTED_MARKERS], columns=bulk.var_names)
    profiles.loc[:, profiles.columns.isin(sum(PLANTED_MARKERS.values(), ()))] = MARKER_SILENT
    for cell_type, markers in PLANTED_MARKERS.items():
        present = profiles.columns.isin(markers)
        if not present.any():
            raise Bulk2scError(
                f"The genes of the bulk lines hold no {cell_type} marker ({', '.join(markers)}): "
                "name genes by HGNC symbol."
            )
        profiles.loc[cell_type, present] = MARKER_LEVEL
    return profiles


def _drug_programme(rng: np.random.Generator, bulk: ad.AnnData) -> np.ndarray:
    """Draw what the drug does to any cell: +1 or -1 in some expressed genes, chosen without seeing AUC."""
    level = np.median(np.asarray(bulk.X), axis=0)
    expressed = np.flatnonzero(level > np.median(level))
    genes = rng.choice(expressed, max(2, round(SHIFT_GENES * bulk.n_vars)), replace=False)
    programme = np.zeros(bulk.n_vars, dtype=np.float32)
    programme[genes] = np.resize([1.0, -1.0], len(genes))
    return programme


def _cycle_effect(genes: pd.Index) -> pd.DataFrame:
    """Return the changes (z) by phase: E2F targets rise in S, genes of the G2/M checkpoint in G2M."""
    hallmark = gene_sets("hallmark")
    effect = {phase: CYCLE_SIZE * genes.isin(hallmark.get(CYCLE.get(phase), [])) for phase in PHASES}
    return pd.DataFrame(effect, index=genes, dtype=np.float32).T


def _plan(
    rng: np.random.Generator, settings: dict, sensitive: list[str], resistant: list[str]
) -> pd.DataFrame:
    """Say for every cell what it is, of which line, in which sample; lines are even within a group."""
    n_cells = settings["n_cells"]
    n_normal = round(settings["normal"] * n_cells)
    n_control = (n_cells - n_normal) // 2
    n_treated = n_cells - n_normal - n_control
    n_hidden = round(settings["hidden_resistant"] * n_control)
    n_surviving = round(settings["surviving_sensitive"] * n_treated)
    groups = [
        ("sensitive", False, sensitive, n_control - n_hidden),
        ("hidden_resistant", False, resistant, n_hidden),
        ("resistant", True, resistant, n_treated - n_surviving),
        ("surviving_sensitive", True, sensitive, n_surviving),
        ("normal", False, ["normal"], n_normal // 2),
        ("normal", True, ["normal"], n_normal - n_normal // 2),
    ]
    obs = pd.concat(
        pd.DataFrame(
            {"cell_line": np.resize(rng.permutation(lines), n), "treated": treated, "planted": planted}
        )
        for planted, treated, lines, n in groups
        if n
    )
    obs = obs.iloc[rng.permutation(n_cells)]
    obs.index = [f"cell_{i + 1:05d}" for i in range(n_cells)]
    truth = obs["cell_line"].map({line: 1.0 for line in sensitive} | {line: 0.0 for line in resistant})
    damaged = rng.choice(obs.index, round(settings["low_quality"] * n_cells), replace=False)
    obs.loc[damaged, "planted"] = "low_quality"
    obs["truth"] = truth.where(obs["planted"] != "low_quality")
    # Two replicates of one pool of lines per arm: a sample tells nothing about the line.
    replicate = rng.choice(["1", "2"], n_cells)
    obs["sample"] = np.where(obs["treated"], "treated_", "control_").astype(object) + replicate
    return obs


def _assign_clones(rng: np.random.Generator, obs: pd.DataFrame) -> np.ndarray:
    """Draw the clone of each tumour cell and the type of each normal cell."""
    clones = obs["cell_line"] + "/" + rng.choice([*CLONES], len(obs), p=[*CLONES.values()])
    return np.where(obs["cell_line"] == "normal", rng.choice([*PLANTED_MARKERS], len(obs)), clones)


def _depths(rng: np.random.Generator, obs: pd.DataFrame, depth: float) -> tuple[np.ndarray, np.ndarray]:
    """Draw the expected UMIs of each cell over the genes, and over each mitochondrial gene."""
    low_quality = (obs["planted"] == "low_quality").to_numpy()
    library = depth * rng.lognormal(-(LIBRARY_SD**2) / 2, LIBRARY_SD, len(obs))
    library *= np.where(low_quality, rng.uniform(0.05, 0.3, len(obs)), 1)  # the cytoplasm has leaked out
    mito_share = np.where(
        low_quality, rng.beta(8, 12, len(obs)), rng.beta(5, 95, len(obs))
    )  # means 40 % and 5 %
    mito_library = library * mito_share / (1 - mito_share)
    return library, mito_library[:, None] * rng.dirichlet(np.full(len(MITOCHONDRIAL), 5.0))


def _capture(
    rng: np.random.Generator,
    obs: pd.DataFrame,
    states: pd.DataFrame,
    cycle_effect: pd.DataFrame,
    drug_effect: np.ndarray,
    library: np.ndarray,
    mito: np.ndarray,
) -> sparse.csr_matrix:
    """Draw UMI counts (n_cells, genes + mitochondrial genes)."""
    state = states.index.get_indexer(obs["clone"])
    phase = cycle_effect.index.get_indexer(obs["cycle"])
    treated = obs["treated"].to_numpy(dtype=np.float32)
    chunks = []
    for cells in np.array_split(np.arange(len(obs)), max(1, -(-len(obs) // CHUNK))):
        z = states.to_numpy()[state[cells]] + cycle_effect.to_numpy()[phase[cells]]
        expression = np.exp2(LOG2_PER_Z * (z + treated[cells, None] * drug_effect))
        mean = expression * (library[cells] / expression.sum(1))[:, None]
        mean *= rng.standard_gamma(1 / DISPERSION, mean.shape) * DISPERSION
        chunks.append(sparse.csr_matrix(rng.poisson(np.hstack([mean, mito[cells]])).astype(np.float32)))
    return sparse.vstack(chunks, format="csr")


def _pairs(rng: np.random.Generator, obs: pd.DataFrame, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw `n` sound cells and, for each, a sound one of its sample, but not of its clone, beside it."""
    sound = np.flatnonzero(obs["planted"] != "low_quality")
    first = rng.choice(sound, n, replace=False)
    sample, clone = obs["sample"].to_numpy(), obs["clone"].to_numpy()
    others = [sound[(sample[sound] == sample[i]) & (clone[sound] != clone[i])] for i in first]
    return first, np.array([rng.choice(beside) for beside in others], dtype=int)


def _merge(
    rng: np.random.Generator,
    counts: sparse.csr_matrix,
    rows: np.ndarray,
    share: float,
    added: sparse.csr_matrix,
) -> sparse.csr_matrix:
    """Keep a share of the UMIs of some rows, drawn one by one, and add the UMIs of other cells to them."""
    kept = counts[rows]
    kept.data = rng.binomial(kept.data.astype(int), share).astype(np.float32)
    places = sparse.csr_matrix(
        (np.ones(len(rows), np.float32), (rows, np.arange(len(rows)))), shape=(counts.shape[0], len(rows))
    )
    merged = counts + places @ (kept + added - counts[rows])
    merged.eliminate_zeros()
    return merged.sorted_indices()


def _assemble(
    counts: sparse.csr_matrix,
    obs: pd.DataFrame,
    genes: pd.Index,
    drug_effect: np.ndarray,
    held_out: list[str],
    settings: dict,
) -> ad.AnnData:
    """Put counts, truth and settings into one AnnData."""
    columns = ["cell_line", "sample", "treated", "planted", "truth", "clone", "cycle"]
    categories = ["cell_line", "sample", "planted", "clone", "cycle"]
    var = pd.DataFrame(index=pd.Index([*genes, *MITOCHONDRIAL], name=genes.name))
    var["mt"] = var.index.isin(MITOCHONDRIAL)
    shift = pd.DataFrame({"z": drug_effect}, index=genes)
    return ad.AnnData(
        X=counts,
        obs=obs[columns].astype(dict.fromkeys(categories, "category")),
        var=var,
        layers={"counts": counts.copy()},
        uns={"held_out": held_out, "simulated": True, "simulation": settings, "shift": shift},
    )
