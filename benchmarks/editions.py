"""Time and peak memory of each edition: built from nothing, and again with nothing changed.

    python benchmarks/editions.py smoke demo

Fetch the data first; what was built of these editions is removed. Prints a table, and writes tidy rows to
`_build/benchmarks/editions.csv`.
"""

import contextlib
import csv
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]


def measure(command: list[str]) -> tuple[float, float]:
    """Run a command; return its seconds, and the peak memory in MB that it and its children held together."""
    started, peak = time.monotonic(), 0
    process = psutil.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        time.sleep(0.2)
        with contextlib.suppress(psutil.NoSuchProcess):  # one that ended since it was listed
            held = [one.memory_info().rss for one in (process, *process.children(recursive=True))]
            peak = max(peak, sum(held))  # pages they share are counted once for each
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with code {process.returncode}")
    return time.monotonic() - started, peak / 1e6


def benchmark(edition: str) -> list[tuple[str, str, str, float]]:
    """Build an edition from nothing, then again; return tidy rows."""
    command = [sys.executable, "-m", "bulk2sc.cli", "book", "--edition", edition]
    shutil.rmtree(ROOT / "_build" / edition, ignore_errors=True)
    seconds, peak = measure(command)
    again, _ = measure(command)
    whole = {"seconds": seconds, "seconds, nothing changed": again, "peak memory, MB": peak}
    rows = [(edition, "", name, value) for name, value in whole.items()]
    for path in sorted((ROOT / "_build" / edition / "notebooks").rglob("*.provenance.json")):
        run, chapter = json.loads(path.read_text()), path.name.removesuffix(".provenance.json")
        parts = sum(run.get("seconds_of_parts", []))
        rows += [(edition, chapter, "seconds", run["seconds"]), (edition, chapter, "seconds of parts", parts)]
        rows += [(edition, chapter, "peak memory, MB", run["peak_memory_mb"])]
    return rows


if __name__ == "__main__":
    editions = sys.argv[1:] or ["smoke", "demo"]
    rows = [row for edition in editions for row in benchmark(edition)]
    for edition, chapter, metric, value in rows:
        print(f"{edition:10} {chapter or 'whole book':22} {metric:26} {value:9.1f}")
    print(f"on {os.cpu_count()} cores")
    target = ROOT / "_build" / "benchmarks" / "editions.csv"
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("w", newline="") as file:
        csv.writer(file).writerows([("edition", "chapter", "metric", "value"), *rows])
