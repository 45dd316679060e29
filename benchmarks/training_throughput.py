"""Throughput of training several seeds of the shared autoencoder against a plain loop, in the same run.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/training_throughput.py --out throughput.json
    python benchmarks/training_throughput.py --cells 1000 --seeds 2 --repeats 1       # smaller

The plain loop is what one writes first: a DataLoader per domain, a pass per domain, the difference loss from
its formula, loss values fetched at every step, float32, seed after seed with a thread for every core. The
package trains as the book runs it: a process with one thread for each seed, as many at a time as there are
cores. Two contestants lie between them, so that what each change brings can be told: the plain loop in
processes, and the package in float32. All build the same networks, hold out the same shares, train on the
same made-up data and validate after every epoch. They alternate, and the fastest run of each counts.

Clock times mean something on a quiet machine only: threads that wait for each other suffer most from
company, and spin unless told to be passive. Processor seconds (of all threads) are given beside them.
"""

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, RandomSampler, TensorDataset

from bulk2sc import train
from bulk2sc.models import SharedAutoencoder
from bulk2sc.models.autoencoder import WEIGHTS, Autoencoder

TOLERANCE = 0.02  # relative, of the mean loss over seeds on rows held out


def made_up(n: int, n_genes: int, seed: int) -> AnnData:
    """Rows of 20 hidden activities and noise, with a variance of one in every gene."""
    weights = np.random.default_rng(0).normal(size=(20, n_genes)) / 40**0.5
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 20)) @ weights + rng.normal(size=(n, n_genes)) / 2**0.5
    layers = {"scaled": X.astype(np.float32)}
    return AnnData(layers["scaled"], var=pd.DataFrame(index=[f"G{i}" for i in range(n_genes)]), layers=layers)


def made_up_mask(n_pathways: int, genes: pd.Index) -> pd.DataFrame:
    mask = np.random.default_rng(0).random((n_pathways, len(genes))) < 0.03
    return pd.DataFrame(mask.astype(np.float32), columns=genes, index=[f"P{i}" for i in range(n_pathways)])


def plain_loss(net: Autoencoder, bulk: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
    """Return the loss of a batch, and what of it is reconstruction."""
    total = reconstruction = 0.0
    for x, private_encoder in ((bulk, net.private_bulk), (cells, net.private_cells)):
        private, shared = private_encoder(x), net.shared(x)
        dense = net.dense(torch.cat([private, shared], dim=1))
        sparse = net.sparse(shared)
        S = shared / shared.norm(dim=1, keepdim=True).detach()
        P = private / private.norm(dim=1, keepdim=True).detach()
        terms = {
            "reconstruction": F.mse_loss(dense, x),
            "difference": (S.T @ P).square().mean() / len(x),
            "sparse": F.mse_loss(sparse, x),
        }
        total = total + sum(WEIGHTS["text"][name] * term for name, term in terms.items())
        reconstruction = reconstruction + terms["reconstruction"]
    return total, reconstruction


def plain_pretrain(bulk: AnnData, cells: AnnData, mask: pd.DataFrame, epochs: int, seed: int) -> float:
    """Train, and return the reconstruction loss of the rows held out."""
    torch.manual_seed(seed)
    parts = {"private": True, "sparse": True, "sparse_relu": False}
    net = Autoencoder(torch.from_numpy(mask.to_numpy()), hidden=512, dropout=0.1, batch_norm=False, **parts)
    fitting, held_out = [], []
    for adata in (bulk, cells):
        X = torch.from_numpy(adata.layers["scaled"])
        held_out.append(X[: len(X) // 10])
        fitting.append(TensorDataset(X[len(X) // 10 :]))
    n = max(len(domain) for domain in fitting)
    samplers = [RandomSampler(domain, replacement=len(domain) < n, num_samples=n) for domain in fitting]
    loaders = [
        DataLoader(domain, batch_size=256, sampler=sampler)
        for domain, sampler in zip(fitting, samplers, strict=True)
    ]
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
    lowest = float("inf")
    for _ in range(epochs):
        net.train()
        running = 0.0
        for (bulk_batch,), (cell_batch,) in zip(*loaders, strict=True):
            optimiser.zero_grad()
            loss, _ = plain_loss(net, bulk_batch, cell_batch)
            loss.backward()
            optimiser.step()
            running += loss.item()
        net.eval()
        with torch.no_grad():
            lowest = min(lowest, plain_loss(net, *held_out)[1].item())
    return lowest


def pretrain(bulk: AnnData, cells: AnnData, mask: pd.DataFrame, epochs: int, seed: int) -> float:
    """Train as the package does, and return the reconstruction loss of the rows held out."""
    model = SharedAutoencoder(mask=mask, max_epochs=epochs, seed=seed).pretrain(bulk, cells)
    return model.history_.query("split == 'validation' and term == 'reconstruction'")["value"].min()


DATA: tuple = ()  # lines, cells, mask: made once in each process


def prepare(threads: int, n_bulk: int, n_cells: int, n_genes: int, n_pathways: int) -> None:
    """Set the threads of this process and make its data."""
    global DATA
    torch.set_num_threads(threads)
    bulk, cells = made_up(n_bulk, n_genes, 1), made_up(n_cells, n_genes, 2)
    DATA = bulk, cells, made_up_mask(n_pathways, bulk.var_names)


def one(loop: Callable, precision: str, epochs: int, seed: int) -> tuple[float, float]:
    """Train one seed; return its loss and the processor seconds that it took."""
    os.environ["BULK2SC_PRECISION"] = precision
    start = time.process_time()
    return loop(*DATA, epochs, seed), time.process_time() - start


def contestants(pool: ProcessPoolExecutor) -> dict[str, Callable]:
    """Return what is compared: functions of epochs and seeds that give a loss and a cost for each seed."""

    def of(mapping: Callable, loop: Callable, precision: str) -> Callable:
        return lambda epochs, seeds: list(mapping(partial(one, loop, precision, epochs), range(seeds)))

    return {
        "plain": of(map, plain_pretrain, "float32"),
        "plain, a process a seed": of(pool.map, plain_pretrain, "float32"),
        "bulk2sc in float32": of(pool.map, pretrain, "float32"),
        "bulk2sc": of(pool.map, pretrain, "auto"),
    }


def measure(runs: dict[str, Callable], epochs: int, seeds: int, repeats: int, rows: int) -> pd.DataFrame:
    """Run each contestant in turn, again and again; return the best of each, with its ratio to the first.

    `rows` are those that an epoch trains on.
    """
    for run in runs.values():
        run(1, 2)  # warms up
    found = []
    for _ in range(repeats):
        for name, run in runs.items():
            start = time.perf_counter()
            losses, processor = zip(*run(epochs, seeds), strict=True)
            clock = time.perf_counter() - start
            found.append((name, clock, sum(processor), np.mean(losses)))
            print(f"{name}: {clock:.1f} s, {sum(processor):.1f} processor seconds", flush=True)
    columns = ["contestant", "seconds", "processor_seconds", "held_out_reconstruction"]
    table = pd.DataFrame(found, columns=columns).groupby("contestant", sort=False).min()
    table["samples_per_second"] = rows * epochs * seeds / table["seconds"]
    table["ratio"] = table["seconds"].iloc[0] / table["seconds"]
    table["processor_ratio"] = table["processor_seconds"].iloc[0] / table["processor_seconds"]
    apart = (table["held_out_reconstruction"] / table["held_out_reconstruction"].iloc[0] - 1).abs()
    if apart.max() > TOLERANCE:
        sys.exit(
            f"{apart.idxmax()} does not learn as the plain loop does: its loss differs by {apart.max():.1%}"
        )
    return table


def about_processor() -> dict:
    """Return what of the processor matters here, and whether bf16 is taken."""
    known = getattr(torch.cpu, "get_capabilities", dict)()
    features = ("cpu_name", "avx2", "avx512_f", "avx512_bf16", "amx_bf16")
    return {name: known.get(name) for name in features} | {"takes_bf16": train.takes_bf16()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    defaults = {"bulk": 900, "cells": 6000, "genes": 2500, "pathways": 500, "epochs": 3, "seeds": 5}
    for name, default in (defaults | {"repeats": 3, "cores": os.cpu_count()}).items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--out", type=Path, help="write the numbers to this JSON file")
    args = parser.parse_args()
    processor = about_processor()
    shape = args.bulk, args.cells, args.genes, args.pathways
    rows = 2 * max(n - round(n / 10) for n in (args.bulk, args.cells))
    prepare(args.cores, *shape)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(args.cores, spawn, initializer=prepare, initargs=(1, *shape)) as pool:
        table = measure(contestants(pool), args.epochs, args.seeds, args.repeats, rows)
    print(table.round(3).to_string())
    print("processor:", processor)
    if args.out:
        about = {key: value for key, value in vars(args).items() if key != "out"} | {"processor": processor}
        args.out.write_text(json.dumps(about | {"found": table.to_dict("index")}, indent=1) + "\n")


if __name__ == "__main__":
    main()
