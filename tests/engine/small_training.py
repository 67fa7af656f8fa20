"""A small training in a worker that was started as those of real trials are."""

from __future__ import annotations

import hashlib
import os

from precision.grid.execution import runner as real
from precision.trial import TrialResult

preload = real.preload


def runner(setup, report):
    """Train with the seed of each trial; the digest of the weights is the result's fact."""
    real.runner(setup, report)

    def run(trial):
        import keras
        import numpy as np

        keras.utils.set_random_seed(trial.seed)
        model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(4, 3), keras.layers.Flatten()])
        model.add(keras.layers.Dense(10))
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        draw = np.random.default_rng(trial.seed)
        model.fit(draw.random((64, 8, 8, 1), np.float32), draw.integers(0, 10, 64), batch_size=16, verbose=0)
        digest = hashlib.sha256(b"".join(w.tobytes() for w in model.get_weights())).hexdigest()
        facts = {"weights": digest, "parent": str(os.getppid())}
        return TrialResult(trial, "ok", metrics={"accuracy": 0.0}, facts=facts)

    return run
