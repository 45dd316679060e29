"""AttentionAE-sc against the same objective written plainly, and how its cost grows with the cells.

Plainly: n x n attention weights for every head, a dense graph, the whole n x n graph loss, log-gamma at every
entry. It has the same weights, noise and loss. Every cost is measured in a process of its own, so that peak
memory is its own; the two forms alternate, and the fastest epoch of each counts. Processor time, of all
threads, is given beside the clock's: on a busy machine it is the fair one.

    python benchmarks/attention.py cost       plain and exact in turn, 4,000 cells
    python benchmarks/attention.py growth     landmarks, 4,000 to 100,000 cells; exact, 20,000
    python benchmarks/attention.py quality    agreement with the cell lines over seeds

`--out benchmarks/attention.json` puts the numbers beside those of the other two; what is there was measured
on two cores of a shared machine. `quality` takes many hours with all epochs; there it has 20 + 10, and one
thread. On two, sums round otherwise and a single run may end elsewhere: ``with other threads`` keeps one such
run, whose fellow is in ``runs``.

`growth` draws rows of the simulated cells again, and a random graph of as many edges as neighbours give: an
epoch costs the same whatever the values. Making the graph is no part of an epoch.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from scipy import sparse
from torch.nn import functional as F

from bulk2sc import clustering, datasets, pp, train
from bulk2sc.clustering import attention_ae as module
from bulk2sc.datasets.simulate import PLANTED_MARKERS

N_GENES = 2500
DEPTH = 600  # UMIs over these genes
GROWTH = {n: "landmarks" for n in (4000, 8000, 16000, 32000, 100000)} | {20000: "exact"}


# ---------------------------------------------------------------------------------------- the plain form


def plain_attention(query, key, value):
    query, key, value = (heads.transpose(-1, -2).contiguous() for heads in (query, key, value))
    weights = torch.softmax(query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5, dim=-1)
    return (weights @ value).transpose(0, 1).flatten(1)


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
        self.fuse_1.attend = self.fuse_2.attend = plain_attention
        self.adjacency = self.adjacency.to_dense()
        self.similarity = torch.from_numpy(similarity.toarray())
        dense, factors = torch.from_numpy(counts.toarray()), module.ZINBReconstruction(counts).factors
        self.reconstruction = lambda decoder, hidden: plain_zinb(dense, factors, decoder, hidden)

    def graph_loss(self, graph):
        """Return the mean over the n x n matrix."""
        return F.mse_loss(torch.sigmoid(graph @ graph.T), self.similarity)


# ---------------------------------------------------------------------------------------- data


def simulated(bulk, n_cells: int, seed: int = 0):
    """Return cells of 20 held-out lines of GDSC on the genes that vary most between lines."""
    markers = [gene for genes in PLANTED_MARKERS.values() for gene in genes]
    variable = bulk.var_names[np.argsort(-np.asarray(bulk.X).var(axis=0))[:N_GENES]]
    bulk = bulk[:, bulk.var_names.isin([*markers, *variable])].copy()
    raw = datasets.simulate(bulk, drug="Cisplatin", n_cells=n_cells, depth=DEPTH, low_quality=0, seed=seed)
    return pp.normalise(raw)


def write_inputs(folder: Path, n_cells: int, drawn_to: list[int]) -> None:
    """Write inputs, counts and graph of simulated cells; also drawn again to other numbers of cells."""
    cells = simulated(datasets.load_bulk("gdsc2"), n_cells)
    genes = module._variable_genes(cells, N_GENES)
    x, counts = module._inputs(cells, genes, None), cells.layers["counts"][:, genes]
    if not drawn_to:
        write(folder / str(n_cells), x, counts, module.cell_similarity(x))
    for n in drawn_to:
        rows = np.random.default_rng(0).integers(0, n_cells, n)
        write(folder / str(n), x[rows], counts[rows], random_graph(n))


def write(folder: Path, x, counts, similarity) -> None:
    folder.mkdir()
    np.save(folder / "x.npy", x)
    sparse.save_npz(folder / "counts.npz", counts, compressed=False)
    sparse.save_npz(folder / "similarity.npz", similarity, compressed=False)


def random_graph(n: int, n_neighbors: int = 15) -> sparse.csr_matrix:
    rng = np.random.default_rng(0)
    left, right = np.repeat(np.arange(n), n_neighbors), rng.integers(0, n, n * n_neighbors)
    graph = sparse.csr_matrix((rng.random(len(left), dtype=np.float32), (left, right)), shape=(n, n))
    return (graph.maximum(graph.T).minimum(1) + sparse.eye(n, dtype=np.float32)).minimum(1).tocsr()


# ---------------------------------------------------------------------------------------- one process


def one_cost(folder: Path, form: str, epochs: int) -> dict:
    """Train some epochs after one that warms up (it counts if alone); return the fastest, and peak memory."""
    x = torch.from_numpy(np.load(folder / "x.npy"))
    counts, similarity = (sparse.load_npz(folder / f"{name}.npz") for name in ("counts", "similarity"))
    before, seconds, losses = peak_mb(), [], []
    with train.seeded(0):
        kind = Plain if form == "plain" else module.AttentionAE
        model = kind(x, counts, similarity, attention="exact" if form == "plain" else form)
        last = clocks()

        def watch(values):
            nonlocal last
            now = clocks()
            seconds.append(now - last)
            losses.append(values["total"])
            last = now

        train.fit_full_batch(model, model.loss, max_epochs=epochs + 1, until=watch)
    return {
        "form": form,
        "cells": len(x),
        "zeros": round(1 - counts.nnz / np.prod(counts.shape), 3),
        "seconds": min(clock for clock, _ in seconds[1:] or seconds),
        "processor_seconds": min(processor for _, processor in seconds[1:] or seconds),
        "peak_mb": peak_mb(),
        "before_mb": before,
        "loss": losses[-1],
    }


def one_quality(bulk, form: str, seed: int, asked) -> dict:
    """Cluster the cells of one simulation; return the agreement with their lines."""
    cells, usual = simulated(bulk, asked.cells, seed), module.AttentionAE
    module.AttentionAE = Plain if form == "plain" else usual
    attention = "exact" if form == "plain" else form
    epochs = {"max_epochs": asked.epochs, "max_cluster_epochs": asked.cluster_epochs}
    found = module.attention_ae(cells, attention=attention, seed=seed, **epochs)
    module.AttentionAE = usual
    agreement = clustering.agreement(found.obs["cluster"], found.obs["cell_line"])
    known = {"form": form, "seed": seed, "cells": asked.cells, "threads": torch.get_num_threads()}
    known["clusters"] = found.obs["cluster"].nunique()
    print(json.dumps(known | agreement), flush=True)
    return known | agreement


def clocks() -> np.ndarray:
    return np.array([time.perf_counter(), time.process_time()])


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# ---------------------------------------------------------------------------------------- all of them


def run(folder: Path, task: str, *arguments) -> dict:
    """Run one task of this file in a process of its own; return what it prints."""
    command = [sys.executable, __file__, task, "--folder", folder, *arguments]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)  # noqa: S603
    if done.returncode:
        sys.exit(done.stderr)
    found = json.loads(done.stdout.splitlines()[-1]) if done.stdout else {}
    print(json.dumps(found | {"load": os.getloadavg()[0]}), flush=True)
    return found


def cost(asked, folder: Path) -> dict:
    run(folder, "inputs", "--cells", asked.cells)
    arguments = ["--cells", asked.cells, "--epochs", asked.epochs]
    rounds = [
        {form: run(folder, "one-cost", "--form", form, *arguments) for form in ("plain", "exact")}
        for _ in range(asked.rounds)
    ]
    found = {"rounds": rounds}
    for value in ("seconds", "processor_seconds", "peak_mb"):
        found[value] = {form: min(r[form][value] for r in rounds) for form in ("plain", "exact")}
        found[value]["ratio"] = found[value]["plain"] / found[value]["exact"]
    return found


def growth(asked, folder: Path) -> dict:
    run(folder, "inputs", "--cells", asked.cells, "--drawn-to", *GROWTH)
    runs = [
        run(folder, "one-cost", "--form", form, "--cells", n, "--epochs", asked.epochs)
        for n, form in GROWTH.items()
    ]
    found = {"runs": runs}
    for value in ("seconds", "processor_seconds"):
        points = [(r["cells"], r[value]) for r in runs if r["form"] == "landmarks"]
        found[f"exponent of {value}"] = np.polyfit(*np.log(np.transpose(points)), 1)[0]
    return found


def quality(asked, folder: Path) -> dict:
    warnings.simplefilter("ignore")
    bulk, forms = datasets.load_bulk("gdsc2"), ("plain", "exact", "landmarks")
    runs = [one_quality(bulk, form, seed, asked) for seed in range(asked.rounds) for form in forms]
    ari = {form: np.array([r["ARI"] for r in runs if r["form"] == form]) for form in forms}
    differences = {form: (ari[form] - ari["plain"]).round(4).tolist() for form in forms[1:]}
    epochs = {"epochs": asked.epochs, "cluster_epochs": asked.cluster_epochs}
    means = {form: values.mean() for form, values in ari.items()}
    return epochs | {"runs": runs, "mean ARI": means, "ARI minus plain": differences}


def record(path: Path, task: str, found: dict) -> None:
    """Put the numbers of a task beside those of the others."""
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(known | {task: found}, indent=1) + "\n")


def main() -> None:
    tasks = {"cost": cost, "growth": growth, "quality": quality}
    defaults = {"cost": (4000, 3, 3), "growth": (4000, 2), "quality": (4000, 200, 5)}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=[*tasks, "inputs", "one-cost"])
    parser.add_argument("--cells", type=int)
    parser.add_argument("--epochs", type=int, help="of stage 1")
    parser.add_argument("--rounds", type=int, help="how often the forms alternate, or number of seeds")
    parser.add_argument("--cluster-epochs", type=int, default=100, help="at most, of stage 2")
    parser.add_argument("--out", type=Path, help="put the numbers into this JSON file")
    for name, kind in {"form": str, "folder": Path}.items():
        parser.add_argument(f"--{name}", type=kind, help=argparse.SUPPRESS)
    parser.add_argument("--drawn-to", type=int, nargs="*", default=[], help=argparse.SUPPRESS)
    asked = parser.parse_args()
    for name, value in zip(("cells", "epochs", "rounds"), defaults.get(asked.task, ()), strict=False):
        setattr(asked, name, value if getattr(asked, name) is None else getattr(asked, name))
    if asked.task == "inputs":
        write_inputs(asked.folder, asked.cells, asked.drawn_to)
    elif asked.task == "one-cost":
        print(json.dumps(one_cost(asked.folder / str(asked.cells), asked.form, asked.epochs)))
    else:
        os.environ.setdefault("OMP_NUM_THREADS", "2")
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # waiting threads leave the core to others
        with tempfile.TemporaryDirectory() as folder:
            found = tasks[asked.task](asked, Path(folder)) | {"threads": os.environ["OMP_NUM_THREADS"]}
        print(
            json.dumps(
                {key: value for key, value in found.items() if key not in ("rounds", "runs")}, indent=1
            )
        )
        if asked.out:
            record(asked.out, asked.task, found)


if __name__ == "__main__":
    main()
