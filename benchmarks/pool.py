"""Time and memory of pooling many cells: python benchmarks/pool.py [--cells 100000] [--genes 5500] [--k 15].

Cells are made up: 25 kinds, each with rates of its own, Poisson counts, about a tenth of them above zero.
Memory is the peak of the whole process, its sparse input included.
"""

import argparse
import resource
import time

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from bulk2sc import pp


def made_up(n_cells: int, n_genes: int, seed: int = 0) -> AnnData:
    """Return normalised cells, sparse, with counts in a layer."""
    rng = np.random.default_rng(seed)
    rates = rng.gamma(0.15, 1.0, n_genes) * rng.lognormal(0, 0.7, (25, n_genes))
    kinds = np.arange(n_cells) % len(rates)
    parts = [
        sparse.csr_matrix(rng.poisson(rates[kinds[i : i + 2000]]).astype("float32"))
        for i in range(0, n_cells, 2000)
    ]
    obs = pd.DataFrame({"kind": kinds.astype(str)}, index=np.arange(n_cells).astype(str))
    return pp.normalise(AnnData(sparse.vstack(parts, format="csr"), obs=obs))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in {"cells": 100_000, "genes": 5500, "k": 15}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    cells = made_up(asked.cells, asked.genes)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    start, busy = time.perf_counter(), time.process_time()
    pooled = pp.pool(cells, asked.k)
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    density = cells.X.nnz / np.prod(cells.shape)
    print(f"{pooled.n_obs} cells x {pooled.n_vars} genes, {100 * density:.0f} % above zero, k {asked.k}:")
    print(f"{seconds:.0f} s ({busy:.0f} s of processors); peak {peak:.1f} GB, before pooling {before:.1f} GB")
