"""Results for which every figure of a report has something to show, with as many formats as one likes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from reported import frame_of, results_of

from precision.analysis import Results
from precision.samples import QUANTITIES, Samples
from precision.tasks.by_class import details

TARGETS = np.arange(1000) % 10
FORMATS = {
    "float32": 32.0,
    "fixed(8,4)": 8.0,
    "bfloat16": 16.0,
    "posit(8,2)": 8.0,
    "float8_e4m3fn": 8.0,
    "mxfp4_e2m1": 4.25,
    "fixed(16,10,overflow=wrap)": 16.0,
    "int(8,symmetric=true)": 8.0,
    "float16": 16.0,
    "bfp(8,block=32)": 8.25,
    "nf4": 4.0,
    "fixed(6,3)": 6.0,
    "float(4,3)": 8.0,
    "posit(16,1)": 16.0,
    "int(4,symmetric=true) per channel": 4.0,
    "mxfp8_e4m3": 8.25,
    "mxfp6_e2m3": 6.25,
    "binary": 1.0,
    "ternary": 1.6,
    "weights=fixed(8,6) activations=float8_e4m3fn": 8.0,
    "float8_e5m2": 8.0,
    "fixed(12,8)": 12.0,
    "lns(8,3)": 8.0,
    "float(5,2)": 8.0,
    "mixed by layer": 5.4,
}
NETWORKS = ("lenet", "vgg")


def of_classes(formats: int) -> Results:
    """Return results of two networks that tell classes apart, in so many formats, by two methods."""
    policies = dict(list(FORMATS.items())[:formats])
    frame = frame_of(NETWORKS, policies, ("ptq", "qat"), (0, 1))
    spread = np.random.default_rng(1)
    others = frame["policy"] != "float32"
    frame["accuracy"] = (frame["accuracy"] - others * spread.exponential(0.004, len(frame))).clip(lower=0.1)
    frame["peak_activation_bytes"] = (frame["weight_bits"] * 900).round()
    frame["peak_memory_bytes"] = np.where(others, np.nan, 9e8)
    frame["multiplier_mean_error"] = np.where(others, 0.1, np.nan)
    names = list(policies)
    frame["multiplier_power"] = [
        0.05 + 0.02 * names.index(name) if name != "float32" else np.nan for name in frame["policy"]
    ]
    accuracies = frame.groupby("trial")["accuracy"].first()

    def by_class(trial: str) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(int(trial, 16) % 10_000)
        scores = rng.gumbel(size=(len(TARGETS), 10)) + np.eye(10)[TARGETS] * (2 + 9 * accuracies[trial] ** 4)
        return details(scores, TARGETS)

    def samples(trial: str) -> Samples:
        rng = np.random.default_rng(int(trial, 16) % 10_000)
        times = np.arange(0, 12 + 10 * rng.random(), 0.25)
        rise = 1 - np.exp(-times / 3)
        series = {
            name: (1.5e9 if "bytes" in name else 60) * (0.8 + 0.4 * rng.random()) * rise
            + rng.random(len(times))
            for name in list(QUANTITIES)[:4]
        }
        return Samples(times, series, {})

    return replace(results_of(frame), by_class=by_class, samples=samples, predictions=None)


def of_targets(formats: int) -> Results:
    """Return results of regressions."""
    frame = of_classes(formats).frame
    frame["task"] = "regression"
    frame["rmse"] = 4.0 * (1 - frame["accuracy"]) + 1.2
    frame["accuracy"] = frame["balanced_accuracy"] = np.nan
    return replace(results_of(frame), predictions=None)


def of_threads(formats: int) -> Results:
    """Return results of which the number of threads is an axis."""
    trainings = {f"device=cpu threads={number}": number for number in (1, 2, 4, 8)}
    policies = dict(list(FORMATS.items())[:formats])
    frame = frame_of(NETWORKS, policies, ("qat",), trainings=tuple(trainings))
    frame["threads"] = frame["training"].map(trainings)
    frame["device"], frame["cores"] = "cpu", 8
    serial = frame["policy"].map({name: 0.02 + 0.02 * place for place, name in enumerate(policies)})
    frame["train_seconds"] = 60 * (serial + (1 - serial) / frame["threads"])
    return replace(results_of(frame), predictions=None)


def losses(layers: int, formats: int) -> pd.DataFrame:
    """Return what each layer (row) loses in each format (column), in percentage points."""
    rng = np.random.default_rng(0)
    index = [f"stage{number // 4}_block{number % 4}_conv" for number in range(layers)]
    return pd.DataFrame(rng.exponential(2, (layers, formats)), index, list(FORMATS)[:formats])
