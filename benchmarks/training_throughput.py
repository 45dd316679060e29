"""Throughput of training several seeds of the shared autoencoder against a plain loop, in the same run.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/training_throughput.py                # ten minutes
    python benchmarks/training_throughput.py --cells 1000 --seeds 2 --repeats 1       # smaller

The plain loop is what one writes first: a DataLoader per domain, a pass per domain, the difference loss from
its formula, loss values fetched at every step, float32, seed after seed with a thread for every core. The
package trains as the book runs it: a process with one thread for each seed, as many at a time as there are
cores; once more in float32, so that what bfloat16 brings can be told. All build the same networks, hold out
the same shares, train on the same made-up data and validate after every epoch. They alternate, and the
fastest run of each counts.

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
from bulk2sc.models.autoencoder import WEIGHTS, Autoencoder, SharedAutoencoder

N_BULK, N_GENES, N_PATHWAYS = 900, 2500, 500
FEATURES = ("cpu_name", "avx2", "avx512_f", "avx512_bf16", "amx_bf16")  # of a processor, that matter here
TOLERANCE = 0.02  # relative, of the mean loss over seeds on rows held out


def made_up(n: int, seed: int) -> AnnData:
    """Rows of 20 hidden activities and noise, with a variance of one in every gene."""
    weights = np.random.default_rng(0).normal(size=(20, N_GENES)) / 40**0.5
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 20)) @ weights + rng.normal(size=(n, N_GENES)) / 2**0.5
    layers = {"scaled": X.astype(np.float32)}
    return AnnData(layers["scaled"], var=pd.DataFrame(index=[f"G{i}" for i in range(N_GENES)]), layers=layers)


def plain_loss(net: Autoencoder, bulk: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
    """Return the loss of a batch, and what of it is reconstruction."""
    total = reconstruction = 0.0
    weights = WEIGHTS["text"]
    for x, private_encoder in ((bulk, net.private_bulk), (cells, net.private_cells)):
        private, shared = private_encoder(x), net.shared(x)
        error = F.mse_loss(net.dense(torch.cat([private, shared], dim=1)), x)
        S, P = (code / code.norm(dim=1, keepdim=True).detach() for code in (shared, private))
        difference = (S.T @ P).square().mean() / len(x)
        sparse = F.mse_loss(net.sparse(shared), x)
        total = total + weights["reconstruction"] * error
        total = total + weights["difference"] * difference + weights["sparse"] * sparse
        reconstruction = reconstruction + error
    return total, reconstruction


def plain_pretrain(bulk: AnnData, cells: AnnData, mask: pd.DataFrame, epochs: int, seed: int) -> float:
    """Train, and return the reconstruction loss of the rows held out."""
    torch.manual_seed(seed)
    parts = {"private": True, "sparse": True, "sparse_relu": False}
    net = Autoencoder(torch.from_numpy(mask.to_numpy()), hidden=512, dropout=0.1, batch_norm=False, **parts)
    rows = [torch.from_numpy(adata.layers["scaled"]) for adata in (bulk, cells)]
    held_out = [X[: len(X) // 10] for X in rows]
    fitting = [TensorDataset(X[len(X) // 10 :]) for X in rows]
    n = max(map(len, fitting))
    samplers = [RandomSampler(domain, replacement=len(domain) < n, num_samples=n) for domain in fitting]
    domains = zip(fitting, samplers, strict=True)
    loaders = [DataLoader(domain, batch_size=256, sampler=sampler) for domain, sampler in domains]
    optimiser, lowest = torch.optim.Adam(net.parameters(), lr=1e-3), float("inf")
    for _ in range(epochs):
        net.train()
        for (bulk_batch,), (cell_batch,) in zip(*loaders, strict=True):
            optimiser.zero_grad()
            loss, _ = plain_loss(net, bulk_batch, cell_batch)
            loss.backward()
            optimiser.step()
            loss.item()  # as for a running mean
        net.eval()
        with torch.no_grad():
            lowest = min(lowest, plain_loss(net, *held_out)[1].item())
    return lowest


def pretrain(bulk: AnnData, cells: AnnData, mask: pd.DataFrame, epochs: int, seed: int) -> float:
    """Train as the package does, and return the reconstruction loss of the rows held out."""
    model = SharedAutoencoder(mask=mask, max_epochs=epochs, seed=seed).pretrain(bulk, cells)
    return model.history_.query("split == 'validation' and term == 'reconstruction'")["value"].min()


DATA: tuple = ()  # lines, cells, mask: made once in each process


def prepare(threads: int, n_cells: int) -> None:
    """Set the threads of this process and make its data."""
    global DATA
    torch.set_num_threads(threads)
    bulk, cells = made_up(N_BULK, 1), made_up(n_cells, 2)
    mask = np.random.default_rng(0).random((N_PATHWAYS, N_GENES)) < 0.03
    names = [f"P{i}" for i in range(N_PATHWAYS)]
    DATA = bulk, cells, pd.DataFrame(mask.astype(np.float32), names, bulk.var_names)


def one(loop: Callable, precision: str, epochs: int, seed: int) -> tuple[float, float]:
    """Train one seed; return its loss and the processor seconds that it took."""
    os.environ["BULK2SC_PRECISION"] = precision
    start = time.process_time()
    return loop(*DATA, epochs, seed), time.process_time() - start


CONTESTANTS = {  # whether each seed has a process of its own, how it trains, and with what precision
    "plain": (False, plain_pretrain, "float32"),
    "bulk2sc in float32": (True, pretrain, "float32"),
    "bulk2sc": (True, pretrain, "auto"),
}


def measure(pool: ProcessPoolExecutor, epochs: int, seeds: int, repeats: int) -> pd.DataFrame:
    """Run each contestant in turn, again and again; return the best of each, with its ratio to the first."""
    found = []
    for turn in range(repeats + 1):
        for name, (apart, loop, precision) in CONTESTANTS.items():
            train_one = partial(one, loop, precision, epochs if turn else 1)
            start = time.perf_counter()
            trained = list((pool.map if apart else map)(train_one, range(seeds)))
            clock = time.perf_counter() - start
            losses, processor = zip(*trained, strict=True)
            if turn:  # the first warms up
                found.append((name, clock, sum(processor), np.mean(losses)))
                print(f"{name}: {clock:.1f} s, {sum(processor):.1f} processor seconds", flush=True)
    columns = ["contestant", "seconds", "processor_seconds", "held_out_reconstruction"]
    table = pd.DataFrame(found, columns=columns).groupby("contestant", sort=False).min()
    for value, ratio in (("seconds", "ratio"), ("processor_seconds", "processor_ratio")):
        table[ratio] = table[value].iloc[0] / table[value]
    off = (table["held_out_reconstruction"] / table["held_out_reconstruction"].iloc[0] - 1).abs()
    if off.max() > TOLERANCE:
        sys.exit(f"{off.idxmax()} does not learn as the plain loop does: its loss differs by {off.max():.1%}")
    return table


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in {"cells": 6000, "epochs": 3, "seeds": 5, "repeats": 3}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--out", type=Path, help="write the numbers to this JSON file")
    args = parser.parse_args()
    known = getattr(torch.cpu, "get_capabilities", dict)()
    processor = {name: known.get(name) for name in FEATURES} | {"takes_bf16": train.takes_bf16()}
    prepare(cores := os.cpu_count(), args.cells)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(cores, spawn, initializer=prepare, initargs=(1, args.cells)) as pool:
        table = measure(pool, args.epochs, args.seeds, args.repeats)
    print(table.round(3).to_string())
    print("processor:", processor)
    if args.out:
        about = {"cells": args.cells, "seeds": args.seeds, "cores": cores, "processor": processor}
        args.out.write_text(json.dumps(about | {"found": table.to_dict("index")}, indent=1) + "\n")
