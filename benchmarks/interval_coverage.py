"""Measure how often the intervals of the one rule hold, and how often equal is called higher or lower.

Simulated studies with known truth. Four methods are compared with a fifth. Cells of a line share the line's
own deviation (half of the variance), and the methods share six tenths of all deviations, as methods do that
see the same expression. "equal": all have the same skill; "graded": their skills differ. Three ways to make
intervals from the same draws: cells drawn as if each were a line, lines drawn and each difference by itself
with plain percentiles, and the rule.
Run: python benchmarks/interval_coverage.py, about five minutes of one core.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from bulk2sc import compare, evaluate, inference

SKILLS = {"auroc": {"equal": [0.75] * 5, "graded": [0.75, 0.77, 0.85, 0.65, 0.95]}}
SKILLS["rho"] = {"equal": [0.3] * 5, "graded": [0.3, 0.33, 0.5, 0.1, 0.7]}
# lines, sensitive ones among them, and studies of equal and of graded skill
SIZES = {"auroc": [(5, 2, 10, 10), (8, 4, 200, 60), (10, 5, 200, 60), (20, 10, 200, 60)]}
SIZES["auroc"] += [(26, 13, 200, 60), (26, 4, 200, 60), (200, 100, 100, 20)]
SIZES["rho"] = [(5, 0, 200, 60), (8, 0, 200, 60), (10, 0, 200, 60), (20, 0, 200, 60), (26, 0, 200, 60)]
SIZES["rho"] += [(200, 0, 40, 20)]
N_DRUGS, N_DRAWS = 20, 400
METHODS = [f"method {i}" for i in range(5)]


def deviations(rng, shape, shared=0.6):
    """Return standard normal deviations of five methods, which share a part of the variance."""
    own, common = rng.normal(size=(5, *shape)), rng.normal(size=shape)
    return np.sqrt(shared) * common + np.sqrt(1 - shared) * own


def of_cells(rng, n_lines, n_sensitive, skills, also_cells):
    """Return draws of lines, and draws of cells if asked for, of one study: 5 to 25 cells a line."""
    answer = (np.arange(n_lines) < n_sensitive).astype(float)
    line = np.repeat(np.arange(n_lines), rng.integers(5, 26, n_lines))
    noise = np.sqrt(0.5) * (deviations(rng, (n_lines,))[:, line] + deviations(rng, line.shape))
    distance = np.sqrt(2) * stats.norm.ppf(skills)[:, None]  # binormal: AUROC = Phi(distance / sqrt(2))
    score = stats.norm.cdf(noise + distance * answer[line])
    answer, cells = answer[line], np.arange(len(line))
    return drawn(answer, score, line), drawn(answer, score, cells) if also_cells else None


def drawn(answer, score, unit):
    """Return what `compare.on_cells` does, of one seed and without a table of scores."""
    weight = inference.line_weights(unit, n_draws=N_DRAWS)
    metrics = [evaluate.weighted_metrics(answer, s, weight)["auroc"] for s in score]
    values = pd.DataFrame(dict(zip(METHODS, metrics, strict=True)))
    known = evaluate.evidence(answer, unit)
    return compare.Draws("auroc", values.iloc[0], None, values.iloc[1:].reset_index(drop=True), known)


def of_panel(rng, n_lines, n_sensitive, skills, also_cells):
    """Return draws of lines of one study: sensitivities share a factor, one in seven is not measured."""

    def correlated(values, factor):
        return np.sqrt(0.4) * factor[..., None] + np.sqrt(0.6) * values

    shape = (n_lines, N_DRUGS)
    sensitivity = correlated(rng.normal(size=shape), rng.normal(size=n_lines))
    noise = correlated(deviations(rng, shape), deviations(rng, (n_lines,)))
    r = 2 * np.sin(np.pi * np.asarray(skills) / 6)[:, None, None]  # Spearman's rho -> Pearson's r
    score = r * sensitivity + np.sqrt(1 - r**2) * noise
    auc = pd.DataFrame(np.where(rng.random(shape) < 1 / 7, np.nan, -sensitivity))
    index = pd.MultiIndex.from_product(
        [METHODS, range(n_lines), range(N_DRUGS)], names=["method", "line", "drug"]
    )
    tidy = pd.Series(score.ravel(), index, name="score").reset_index().assign(seed=0)
    return compare.on_panel(tidy, auc, n_draws=N_DRAWS), None


def by_itself(draws):
    """Return the differences with plain percentiles of each, as many studies report them."""
    table = compare.differences(draws, METHODS[0])
    gaps = draws.draws[METHODS[1:]].sub(draws.draws[METHODS[0]], axis=0)
    low, high = gaps.quantile([0.025, 0.975]).to_numpy()
    margin = compare.MARGINS[draws.metric]
    verdict = [compare.decide(*ends, margin) for ends in zip(low, high, strict=True)]
    return table.assign(low=low, high=high, verdict=verdict)


def judged(table, true, margin):
    """Return what came of one study: intervals that hold, and verdicts that are wrong or right."""
    known = table["verdict"] != "cannot be tested"
    sign = table["verdict"].map({"higher": 1, "lower": -1}).fillna(0).to_numpy()
    same = (table["verdict"] == "practically equal").to_numpy()
    held = ((table["low"] - 1e-12 <= true) & (true <= table["high"] + 1e-12)).to_numpy()
    return {
        "tested": known.all(),
        "all_hold": float(held.all()) if known.all() else np.nan,
        "false_side": ((sign != 0) & (sign != np.sign(true))).any(),
        "false_equal": (same & (np.abs(true) > margin + 1e-12)).any(),
        "found": (sign[true != 0] == np.sign(true[true != 0])).mean() if true.any() else np.nan,
        "called_equal": same.mean(),
        "width": (table["high"] - table["low"]).mean(),
    }


def rows(metric, scenario, n_lines, n_sensitive, n_studies):
    skills = np.array(SKILLS[metric][scenario])
    true, rng = skills[1:] - skills[0], np.random.default_rng([n_lines, n_sensitive])
    for _ in range(n_studies):
        make = of_cells if metric == "auroc" else of_panel
        lines, cells = make(rng, n_lines, n_sensitive, skills, scenario == "equal")
        ways = {"the rule": compare.differences(lines, METHODS[0]), "each by itself": by_itself(lines)}
        if cells is not None:
            ways["cells drawn"] = by_itself(cells)
        for way, table in ways.items():
            yield {"way": way, **judged(table, true, compare.MARGINS[metric])}


if __name__ == "__main__":
    tables = []
    for metric, sizes in SIZES.items():
        for n_lines, n_sensitive, *studies in sizes:
            for scenario, n_studies in zip(SKILLS[metric], studies, strict=True):
                found = pd.DataFrame(rows(metric, scenario, n_lines, n_sensitive, n_studies))
                means = found.groupby("way", sort=False).mean().reset_index()
                about = {"metric": metric, "scenario": scenario, "lines": n_lines, "sensitive": n_sensitive}
                for at, (name, value) in enumerate((about | {"studies": n_studies}).items()):
                    means.insert(at, name, value)
                tables.append(means)
                print(means.round(3).to_string(), flush=True)
    pd.concat(tables).round(4).to_csv(Path(__file__).with_suffix(".csv"), index=False)
