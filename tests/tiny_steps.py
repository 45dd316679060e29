"""Steps small enough to count: each call adds its name to the file that COUNT names."""

import os
import time

import pandas as pd


def _count(name: str) -> None:
    with open(os.environ["COUNT"], "a") as file:
        file.write(f"{name}\n")


def _wait() -> None:
    """Say that it has begun, and wait while the file that GATE names is there."""
    if gate := os.environ.get("GATE"):
        open(f"{gate}.reached", "w").close()
        while os.path.exists(gate):
            time.sleep(0.02)


def numbers(*, n: int = 3, start: int = 0):
    """Count up."""
    _count("numbers")
    _wait()
    return pd.DataFrame({"name": [f"0{i}" for i in range(n)], "value": range(start, start + n)})


def doubled(numbers, *, times: float = 2.0):
    """Double."""
    _count("doubled")
    return numbers.assign(value=numbers["value"] * times)


def both(numbers, doubled):
    """Pair."""
    _count("both")
    return numbers, doubled
