"""What landmarks change in AttentionAE-sc: how cost grows with the cells, and agreement with the cell lines.

    python benchmarks/attention.py growth     landmarks, 4,000 to 100,000 cells; exact, 20,000 (ten minutes)
    python benchmarks/attention.py quality    exact and landmarks over seeds (half an hour)

Each puts its numbers into benchmarks/attention.json beside those of the other. Every cost is measured in a
process of its own, so that peak memory is its own. Processor time, of all threads, is given beside the
clock's: on a busy machine it is the fair one.

`growth` draws rows of the simulated cells again, and a random graph of as many edges as neighbours give: an
epoch costs the same whatever the values. Making the graph is no part of an epoch.
"""

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import torch
from scipy import sparse

from bulk2sc import clustering, datasets, pp, train
from bulk2sc.clustering import attention_ae as module
from bulk2sc.clustering import parts
from bulk2sc.datasets.simulate import PLANTED_MARKERS

N_CELLS, N_GENES, DEPTH = 4000, 2500, 600  # UMIs over these genes
SEEDS, EPOCHS = 5, {"max_epochs": 20, "max_cluster_epochs": 10}
GROWTH = {n: "landmarks" for n in (4000, 8000, 16000, 32000, 100000)} | {20000: "exact"}
KEPT = Path(__file__).with_suffix(".json")


def simulated(seed: int = 0):
    """Return cells of 20 held-out lines of GDSC on the genes that vary most between lines."""
    bulk = datasets.load_bulk("gdsc2")
    markers = [gene for genes in PLANTED_MARKERS.values() for gene in genes]
    variable = bulk.var_names[np.argsort(-np.asarray(bulk.X).var(axis=0))[:N_GENES]]
    bulk = bulk[:, bulk.var_names.isin([*markers, *variable])].copy()
    raw = datasets.simulate(bulk, drug="Cisplatin", n_cells=N_CELLS, depth=DEPTH, low_quality=0, seed=seed)
    return pp.normalise(raw)


def write_inputs(folder: Path) -> None:
    """Write inputs, counts and graph of simulated cells, drawn again to each number of cells."""
    cells = simulated()
    x, counts = parts.inputs(cells, name="benchmark", n_hvg=N_GENES, hidden=0)
    for n in GROWTH:
        rows = np.random.default_rng(0).integers(0, N_CELLS, n)
        joblib.dump((x[rows], counts[rows], random_graph(n)), folder / str(n))


def random_graph(n: int, n_neighbors: int = 15) -> sparse.csr_matrix:
    rng = np.random.default_rng(0)
    left, right = np.repeat(np.arange(n), n_neighbors), rng.integers(0, n, n * n_neighbors)
    graph = sparse.csr_matrix((rng.random(len(left), dtype=np.float32), (left, right)), shape=(n, n))
    return (graph.maximum(graph.T).minimum(1) + sparse.eye(n, dtype=np.float32)).minimum(1).tocsr()


def one_cost(file: Path, attention: str, epochs: int = 2) -> dict:
    """Train some epochs after one that warms up; return the fastest, and peak memory."""
    x, counts, similarity = joblib.load(file)
    before, clocks = peak_mb(), []
    with train.seeded(0):
        model = module.AttentionAE(torch.from_numpy(x), counts, similarity, attention=attention)
        watch = lambda values: clocks.append((time.perf_counter(), time.process_time()))  # noqa: E731
        train.fit_full_batch(model, model.loss, max_epochs=epochs + 1, until=watch)
    seconds, processor_seconds = np.diff(clocks, axis=0).min(axis=0)
    about = {"form": attention, "cells": len(x), "seconds": seconds, "processor_seconds": processor_seconds}
    return about | {"peak_mb": peak_mb(), "before_mb": before}


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def apart(function: Callable, *arguments):
    """Call a function in a process of its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def growth() -> dict:
    """Measure an epoch at growing numbers of cells, and the exponent by which its cost grows."""
    with tempfile.TemporaryDirectory() as folder:
        apart(write_inputs, Path(folder))
        runs = [apart(one_cost, Path(folder, str(n)), form) for n, form in GROWTH.items()]
    found = {"threads": torch.get_num_threads(), "runs": runs}
    for value in ("seconds", "processor_seconds"):
        points = [(r["cells"], r[value]) for r in runs if r["form"] == "landmarks"]
        found[f"exponent of {value}"] = np.polyfit(*np.log(np.transpose(points)), 1)[0]
    return found


def quality() -> dict:
    """Cluster simulated cells, exactly and by landmarks; return the agreement with their lines."""
    runs = []
    for seed in range(SEEDS):
        cells = simulated(seed)
        for form in module.ATTENTION:
            found = module.attention_ae(cells, attention=form, seed=seed, **EPOCHS)
            known = {"form": form, "seed": seed, "clusters": found.obs["cluster"].nunique()}
            runs.append(known | clustering.agreement(found.obs["cluster"], found.obs["cell_line"]))
    return {"threads": torch.get_num_threads(), "cells": N_CELLS, "runs": runs} | EPOCHS


if __name__ == "__main__":
    tasks = {"growth": growth, "quality": quality}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=tasks)
    task = parser.parse_args().task
    KEPT.write_text(json.dumps(json.loads(KEPT.read_text()) | {task: tasks[task]()}, indent=1) + "\n")
