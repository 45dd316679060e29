"""The sweep of the chapter on labels with ten seeds, twice the cells and finer steps, for cisplatin.

It runs the chapter itself with longer lists and keeps its table. Run: python benchmarks/label_sweep.py
"""

import re
import subprocess
import sys

import pandas as pd

from bulk2sc.book import Study

LONGER = {
    "drug": "Cisplatin",
    "depths": [125, 250, 500, 1000, 2000, 5000],
    "shifts": [0, 0.25, 0.5, 1, 1.5, 2, 3],
    "hidden_shares": [0.05, 0.1, 0.15, 0.2, 0.25, 0.35],
    "resolutions": [0.001, 0.01, 0.1, 1, 10, 30, 100],
    "sweep_seeds": 10,
    "sweep_cells": 1200,
}


if __name__ == "__main__":
    command = [sys.executable, "-m", "bulk2sc.cli", "run", "labelling", "--edition", "demo"]
    command += [text for name, value in LONGER.items() for text in ("-p", name, str(value))]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
    folder = re.search(r"results: (.+)", done.stdout).group(1)
    table = pd.read_csv(f"{folder}/label-sweep.csv")
    Study("demo", drug=LONGER["drug"]).keep("label_sweep", table.round(4), reads=["bulk"])
