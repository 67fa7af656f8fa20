"""Results made up for tests of what stores and reads them."""

import json
import math

import numpy as np

from precision.grid.store import sums
from precision.samples import Samples
from precision.trial import Choice, Training, Trial, TrialResult


def make_trial(seed=0, **changes):
    fields = {
        "dataset": Choice("digits"),
        "architecture": Choice("lenet", {"width": 0.5}),
        "method": Choice("ptq"),
        "policy": {"weights": "float16"},
        "training": Training(),
    }
    return Trial(**{**fields, **changes}, seed=seed)


def make_result(trial=None, status="ok", **changes):
    fields = {
        "metrics": {"accuracy": 0.5, "loss": math.nan, "weight_bytes": 12},
        "facts": {"timing": "emulated"},
        "history": [{"epoch": 1, "loss": math.inf}],
        "predictions": np.arange(5, dtype=np.uint8),
    }
    return TrialResult(trial or make_trial(), status, **{**fields, **changes})


def make_samples(number=4, rise=0.0):
    """Return samples of a process that uses 150 %, and whose memory grows by so many bytes each time."""
    steps = np.arange(number)
    series = {"cpu_percent": np.full(number, 150.0), "memory_bytes": 2.0**30 + rise * steps}
    return Samples(steps / 4, series, {"temperature_celsius": "no sensor tells a temperature"})


def rewrite(path, **changes):
    """Change what a result.json says, as if that had been stored: its sum is that of the new content."""
    content = {**json.loads(path.read_text()), **changes}
    del content["sha256"]
    path.write_text(sums.sealed(content))
