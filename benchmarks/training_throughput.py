"""Training throughput of the shared autoencoder against a plain loop of the same model, in the same run.

    python benchmarks/training_throughput.py --threads 1 --out throughput.json

Both build the same networks, hold out the same shares, train on made-up data and validate after every epoch.
They alternate, and the fastest run of each counts, so that a busy machine favours neither. The plain loop is
what one writes first: a DataLoader per domain, a pass per domain, the difference loss from its formula, loss
values fetched at every step.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from torch.nn import functional as F
from torch.utils.data import DataLoader, RandomSampler, TensorDataset

from bulk2sc.models import SharedAutoencoder
from bulk2sc.models.losses import WEIGHTS
from bulk2sc.models.shared_autoencoder import Autoencoder


def made_up(n: int, n_genes: int, seed: int) -> AnnData:
    X = np.random.default_rng(seed).normal(size=(n, n_genes)).astype(np.float32)
    return AnnData(X, var=pd.DataFrame(index=[f"G{i}" for i in range(n_genes)]), layers={"scaled": X})


def made_up_mask(n_pathways: int, genes: pd.Index) -> pd.DataFrame:
    mask = np.random.default_rng(0).random((n_pathways, len(genes))) < 0.03
    return pd.DataFrame(mask.astype(np.float32), columns=genes, index=[f"P{i}" for i in range(n_pathways)])


def plain_loss(net: Autoencoder, bulk: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
    total = 0.0
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
    return total


def plain_pretrain(bulk: AnnData, cells: AnnData, mask: pd.DataFrame, epochs: int) -> None:
    net = Autoencoder(
        torch.from_numpy(mask.to_numpy()), hidden=512, dropout=0.1, batch_norm=False, sparse_relu=False
    )
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
    for _ in range(epochs):
        net.train()
        running = 0.0
        for (bulk_batch,), (cell_batch,) in zip(*loaders, strict=True):
            optimiser.zero_grad()
            loss = plain_loss(net, bulk_batch, cell_batch)
            loss.backward()
            optimiser.step()
            running += loss.item()
        net.eval()
        with torch.no_grad():
            plain_loss(net, *held_out).item()


def measure(n_bulk: int, n_cells: int, n_genes: int, n_pathways: int, epochs: int, repeats: int) -> dict:
    """Return seconds per epoch and samples per second of both loops, and the ratio of these."""
    bulk, cells = made_up(n_bulk, n_genes, 0), made_up(n_cells, n_genes, 1)
    mask = made_up_mask(n_pathways, bulk.var_names)
    loops = {
        "bulk2sc": lambda n: SharedAutoencoder(mask=mask, max_epochs=n).pretrain(bulk, cells),
        "plain": lambda n: plain_pretrain(bulk, cells, mask, n),
    }
    seconds = {name: [] for name in loops}
    for run in range(repeats + 1):
        for name, loop in loops.items():
            start = time.perf_counter()
            loop(epochs if run else 1)
            if run:  # the first run warms up
                seconds[name].append((time.perf_counter() - start) / epochs)
    epoch = {name: min(values) for name, values in seconds.items()}
    samples = 2 * max(n - max(2, round(n / 10)) for n in (n_bulk, n_cells))
    rate = {name: samples / value for name, value in epoch.items()}
    return {
        "threads": torch.get_num_threads(),
        "bulk": n_bulk,
        "cells": n_cells,
        "genes": n_genes,
        "pathways": n_pathways,
        "seconds_per_epoch": {name: round(value, 3) for name, value in epoch.items()},
        "samples_per_second": {name: round(value) for name, value in rate.items()},
        "ratio": round(rate["bulk2sc"] / rate["plain"], 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sizes = {"bulk": 900, "cells": 1500, "genes": 2500, "pathways": 400, "epochs": 4, "repeats": 4}
    for name, default in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, help="write the numbers to this JSON file")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    numbers = measure(args.bulk, args.cells, args.genes, args.pathways, args.epochs, args.repeats)
    for name, rate in numbers["samples_per_second"].items():
        print(f"{name:8s} {rate:7d} samples/s   {numbers['seconds_per_epoch'][name]:.2f} s per epoch")
    print(f"ratio    {numbers['ratio']:.2f} at {numbers['threads']} thread(s)")
    if args.out:
        args.out.write_text(json.dumps(numbers, indent=1) + "\n")


if __name__ == "__main__":
    main()
