"""AttentionAE-sc against the same objective written plainly, and how its cost grows with the cells.

Plainly: n x n attention weights for every head, a dense graph, the whole n x n graph loss, log-gamma at every
entry. It has the same weights, noise and loss. Every cost is measured in a process of its own, so that peak
memory is its own; the two forms alternate, and the fastest epoch of each counts. Processor time, of all
threads, is given beside the clock's: on a busy machine it is the fair one.

    python benchmarks/attention.py cost       plain and exact in turn, 4,000 cells (some minutes)
    python benchmarks/attention.py growth     landmarks, 4,000 to 100,000 cells; exact, 20,000 (ten minutes)
    python benchmarks/attention.py quality    agreement with the cell lines over seeds (an hour)

Each puts its numbers into benchmarks/attention.json beside those of the others, measured on two cores of a
shared machine. `quality` has one thread there: on two, sums round otherwise and a single run may end
elsewhere; ``with other threads`` keeps one such run, whose fellow is in ``runs``.

`growth` draws rows of the simulated cells again, and a random graph of as many edges as neighbours give: an
epoch costs the same whatever the values. Making the graph is no part of an epoch.
"""

import argparse
import json
import multiprocessing
import os
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
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from bulk2sc import clustering, datasets, pp, train
from bulk2sc.clustering import attention_ae as module
from bulk2sc.clustering import parts
from bulk2sc.datasets.simulate import PLANTED_MARKERS

N_CELLS, N_GENES, DEPTH = 4000, 2500, 600  # UMIs over these genes
ROUNDS, SEEDS, EPOCHS = 3, 5, {"max_epochs": 20, "max_cluster_epochs": 10}
GROWTH = {n: "landmarks" for n in (4000, 8000, 16000, 32000, 100000)} | {20000: "exact"}
KEPT = Path(__file__).with_suffix(".json")


def plain_zinb(counts, factors, decoder, hidden):
    mean, dispersion, logit = decoder(hidden)
    mean, pi, eps = factors * mean, torch.sigmoid(logit), 1e-10
    negative_binomial = (
        torch.lgamma(dispersion)
        + torch.lgamma(counts + 1)
        - torch.lgamma(counts + dispersion)
        + (dispersion + counts) * torch.log1p(mean / dispersion)
        - counts * torch.log(mean / dispersion)
    )
    above_zero = negative_binomial - torch.log(1 - pi + eps)
    at_zero = -torch.log(pi + (1 - pi) * (dispersion / (dispersion + mean)) ** dispersion + eps)
    return torch.where(counts == 0, at_zero, above_zero).mean()


class Plain(module.AttentionAE):
    """The dense formulation."""

    def __init__(self, x, counts, similarity, **settings):
        super().__init__(x, counts, similarity, **settings)
        self.adjacency = self.adjacency.to_dense()
        self.similarity = torch.from_numpy(similarity.toarray())
        dense, factors = torch.from_numpy(counts.toarray()), parts.size_factors(counts)
        self.reconstruction = lambda decoder, hidden: plain_zinb(dense, factors, decoder, hidden)

    def forward(self):
        """Return the codes; the mathematical form of attention holds all weights."""
        with sdpa_kernel(SDPBackend.MATH):
            return super().forward()

    def graph_loss(self, graph):
        """Return the mean over the n x n matrix."""
        return F.mse_loss(torch.sigmoid(graph @ graph.T), self.similarity)


def simulated(seed: int = 0):
    """Return cells of 20 held-out lines of GDSC on the genes that vary most between lines."""
    bulk = datasets.load_bulk("gdsc2")
    markers = [gene for genes in PLANTED_MARKERS.values() for gene in genes]
    variable = bulk.var_names[np.argsort(-np.asarray(bulk.X).var(axis=0))[:N_GENES]]
    bulk = bulk[:, bulk.var_names.isin([*markers, *variable])].copy()
    raw = datasets.simulate(bulk, drug="Cisplatin", n_cells=N_CELLS, depth=DEPTH, low_quality=0, seed=seed)
    return pp.normalise(raw)


def write_inputs(folder: Path, drawn_to=()) -> None:
    """Write inputs, counts and graph of simulated cells; also drawn again to other numbers of cells."""
    cells = simulated()
    x, counts = parts.inputs(cells, name="benchmark", n_hvg=N_GENES, hidden=0)
    x = x.numpy()
    joblib.dump((x, counts, module.cell_similarity(x)), folder / str(N_CELLS))
    for n in drawn_to:
        rows = np.random.default_rng(0).integers(0, N_CELLS, n)
        joblib.dump((x[rows], counts[rows], random_graph(n)), folder / str(n))


def random_graph(n: int, n_neighbors: int = 15) -> sparse.csr_matrix:
    rng = np.random.default_rng(0)
    left, right = np.repeat(np.arange(n), n_neighbors), rng.integers(0, n, n * n_neighbors)
    graph = sparse.csr_matrix((rng.random(len(left), dtype=np.float32), (left, right)), shape=(n, n))
    return (graph.maximum(graph.T).minimum(1) + sparse.eye(n, dtype=np.float32)).minimum(1).tocsr()


def one_cost(file: Path, form: str, epochs: int) -> dict:
    """Train some epochs after one that warms up; return the fastest, and peak memory."""
    x, counts, similarity = joblib.load(file)
    before, clocks, losses = peak_mb(), [], []

    def watch(values):
        clocks.append((time.perf_counter(), time.process_time()))
        losses.append(values["total"])

    with train.seeded(0):
        kind, attention = (Plain, "exact") if form == "plain" else (module.AttentionAE, form)
        model = kind(torch.from_numpy(x), counts, similarity, attention=attention)
        train.fit_full_batch(model, model.loss, max_epochs=epochs + 1, until=watch)
    seconds, processor_seconds = np.diff(clocks, axis=0).min(axis=0)
    about = {"form": form, "cells": len(x), "seconds": seconds, "processor_seconds": processor_seconds}
    return about | {"peak_mb": peak_mb(), "before_mb": before, "loss": losses[-1]}


def one_quality(form: str, seed: int) -> dict:
    """Cluster the cells of one simulation; return the agreement with their lines."""
    cells, attention = simulated(seed), form
    if form == "plain":
        module.AttentionAE, attention = Plain, "exact"
    found = module.attention_ae(cells, attention=attention, seed=seed, **EPOCHS)
    known = {"form": form, "seed": seed, "cells": N_CELLS, "clusters": found.obs["cluster"].nunique()}
    return known | clustering.agreement(found.obs["cluster"], found.obs["cell_line"])


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def apart(function: Callable, *arguments):
    """Call a function in a process of its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        found = pool.submit(function, *arguments).result()
    print(found, f"load {os.getloadavg()[0]:.1f}", flush=True)
    return found


def cost(folder: Path) -> dict:
    apart(write_inputs, folder)
    forms = ("plain", "exact")
    rounds = [{f: apart(one_cost, folder / str(N_CELLS), f, 3) for f in forms} for _ in range(ROUNDS)]
    found = {"rounds": rounds}
    for value in ("seconds", "processor_seconds", "peak_mb"):
        found[value] = {form: min(r[form][value] for r in rounds) for form in forms}
        found[value]["ratio"] = found[value]["plain"] / found[value]["exact"]
    return found


def growth(folder: Path) -> dict:
    apart(write_inputs, folder, tuple(GROWTH))
    runs = [apart(one_cost, folder / str(n), form, 2) for n, form in GROWTH.items()]
    found = {"runs": runs}
    for value in ("seconds", "processor_seconds"):
        points = [(r["cells"], r[value]) for r in runs if r["form"] == "landmarks"]
        found[f"exponent of {value}"] = np.polyfit(*np.log(np.transpose(points)), 1)[0]
    return found


def quality(folder: Path) -> dict:
    forms = ("plain", "exact", "landmarks")
    runs = [apart(one_quality, form, seed) for seed in range(SEEDS) for form in forms]
    ari = {form: np.array([r["ARI"] for r in runs if r["form"] == form]) for form in forms}
    differences = {form: (ari[form] - ari["plain"]).round(4).tolist() for form in forms[1:]}
    means = {form: values.mean() for form, values in ari.items()}
    return EPOCHS | {"runs": runs, "mean ARI": means, "ARI minus plain": differences}


if __name__ == "__main__":
    tasks = {"cost": cost, "growth": growth, "quality": quality}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=tasks)
    task = parser.parse_args().task
    os.environ.setdefault("OMP_NUM_THREADS", "2")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # waiting threads leave the core to others
    with tempfile.TemporaryDirectory() as folder:
        found = tasks[task](Path(folder)) | {"threads": os.environ["OMP_NUM_THREADS"]}
    KEPT.write_text(json.dumps(json.loads(KEPT.read_text()) | {task: found}, indent=1) + "\n")
