"""LeNet in the computer's own 16 bits: compiled by XLA, as the method ``native`` runs it, and without XLA.

Training steps of 128 images and evaluation of 500, on batches that lie in memory; each also
against float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from timing import Row, paired, row

STEP, EVALUATION = 128, 500
ROUNDS = 9
# Of the time without XLA: what makes compiling worth its seconds.
PROMISED = {("float16", "training step"): 1.0, ("bfloat16", "training step"): 0.5}


def rows() -> list[Row]:
    import keras

    rng = np.random.default_rng(0)
    images = keras.ops.convert_to_tensor(rng.random((EVALUATION, 28, 28, 1)).astype(np.float32))
    labels = keras.ops.convert_to_tensor(rng.integers(0, 10, STEP))
    found = []
    plain = _calls(_network("float32", compiled=False), images, labels)
    for dtype in ("float16", "bfloat16", "mixed_float16", "mixed_bfloat16"):
        compiled = _calls(_network(dtype, compiled=True), images, labels)
        without = _calls(_network(dtype, compiled=False), images, labels)
        for name, call in compiled.items():
            words = f"lenet {name}, {dtype}, compiled"
            limit = PROMISED.get((dtype, name))
            times = paired(call, without[name], ROUNDS)
            found.append(row(words, "without XLA", *times, limit=limit, rate=False))
            times = paired(call, plain[name], ROUNDS)
            found.append(row(words, "float32", *times, limit=None, rate=False))
    return found


def _network(dtype: str, compiled: bool) -> Any:
    import keras

    import architectures
    from precision.methods import native_network
    from precision.methods.training import prepare
    from precision.trial import Training

    keras.config.set_dtype_policy(dtype)
    try:
        model = architectures.build("lenet")
    finally:
        keras.config.set_dtype_policy("float32")

    def change(optimizer: Any) -> Any:
        native_network.fit_optimizer(optimizer, model.variable_dtype)
        return optimizer

    with native_network.compiling(compiled):
        prepare(model, Training(), 1, change, compiled)
    return model


def _calls(model: Any, images: Any, labels: Any) -> dict[str, Callable[[], object]]:
    return {
        "training step": lambda: model.train_on_batch(images[:STEP], labels),
        "evaluation": lambda: model.predict_on_batch(images),
    }
