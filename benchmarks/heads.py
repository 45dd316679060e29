"""Classifiers of many drugs on one fixed code: stacked in one batched model, and one after another.

    python benchmarks/heads.py --out benchmarks/heads.json

Codes come from an encoder of made-up lines that is trained for one epoch; each drug's labels are the tails of
a hidden activity. Both ways train the same classifiers, in turn and in the same process; the fastest run of
each counts.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from training_throughput import about_processor, made_up, made_up_mask

from bulk2sc.models import SharedAutoencoder


def tails(bulk, n_drugs: int) -> pd.DataFrame:
    """Return lines x drugs: the upper three tenths of a random projection 1, the lower ones 0, others NaN."""
    rng = np.random.default_rng(0)
    activity = bulk.layers["scaled"] @ rng.normal(size=(bulk.n_vars, n_drugs))
    low, high = np.quantile(activity, [0.3, 0.7], axis=0)
    answers = np.select([activity >= high, activity <= low], [1.0, 0.0], np.nan)
    return pd.DataFrame(answers, bulk.obs_names, [f"drug {i}" for i in range(n_drugs)])


def one_by_one(model: SharedAutoencoder, bulk, responses: pd.DataFrame) -> np.ndarray:
    """Return the validation loss of each drug's classifier, fitted alone."""
    losses = []
    for drug in responses:
        bulk.obs["response"] = responses[drug]
        watched = model.fit_classifier(bulk).history_.query("stage == 'classifier' and split == 'validation'")
        losses.append(watched["value"].min())
    return np.array(losses)


def stacked(model: SharedAutoencoder, bulk, responses: pd.DataFrame) -> np.ndarray:
    """Return the same of all classifiers, fitted side by side."""
    return model.fit_classifiers(bulk, responses).validation_loss.to_numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in {"lines": 900, "genes": 2500, "pathways": 500, "drugs": 64, "repeats": 3}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--out", type=Path, help="write the numbers to this JSON file")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    bulk = made_up(asked.lines, asked.genes, seed=1)
    mask = made_up_mask(asked.pathways, bulk.var_names)
    model = SharedAutoencoder(mask=mask, max_epochs=1).pretrain(bulk, bulk).set_params(max_epochs=300)
    responses, seconds, losses = tails(bulk, asked.drugs), {}, {}
    for _ in range(asked.repeats):
        for fit in (one_by_one, stacked):
            start = time.perf_counter()
            losses[fit.__name__] = fit(model, bulk, responses)
            seconds.setdefault(fit.__name__, []).append(time.perf_counter() - start)
    best = {name: min(times) for name, times in seconds.items()}
    found = {"seconds": best, "ratio": best["one_by_one"] / best["stacked"]}
    found["largest_difference_of_loss"] = float(np.abs(losses["one_by_one"] - losses["stacked"]).max())
    about = {key: value for key, value in vars(asked).items() if key != "out"}
    print(json.dumps(found, indent=1))
    if asked.out:
        about |= {"threads": 1, "processor": about_processor()}
        asked.out.write_text(json.dumps(about | {"found": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
