"""How fast this machine trains: one second of training, kept with the machine."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from precision import kept
from precision.grid.execution.elsewhere import elsewhere
from precision.grid.forecast.work import epoch_seconds
from precision.measure.machine.environment import machine
from precision.measure.machine.processor import cores

NETWORK, SHAPE, CLASSES = "lenet", (28, 28, 1), 10
IMAGES, BATCH = 1280, 128
SECONDS = 1.0
FEWEST = 3  # epochs


def speed(backend: str | None = None, *, measure: bool = True) -> float | None:
    """Return the seconds that this machine takes for one second of ``forecast.work``.

    It is measured once, in a process with Keras, for each processor, number of cores and backend.

    Args:
        measure: whether to measure what is not known yet, or to return None.
    """
    key = (machine(), len(cores()), backend or "tensorflow", NETWORK, IMAGES, BATCH)
    found = kept.find("speed", *key)
    if not found and not measure:
        return None
    if not found:
        found = elsewhere(measured, backend=backend)
        kept.keep("speed", *key, value=found)
    return float(found["seconds"] / epoch_seconds(found["size"], IMAGES, BATCH))


def measured() -> dict[str, Any]:
    """Return the seconds of the fastest epoch, and the counts of the network. Imports Keras.

    Other work of the machine makes an epoch slower and never faster, and is gone when the trials run.
    """
    import numpy as np

    import architectures
    from precision.measure.counted.size import network_size
    from precision.methods.training import Batches, prepare
    from precision.trial import Training

    model = architectures.build(NETWORK, SHAPE, CLASSES)
    prepare(model, Training(batch_size=BATCH))
    draw = np.random.default_rng(0)
    images = draw.random((IMAGES, *SHAPE), np.float32)
    batches = Batches(images, draw.integers(0, CLASSES, IMAGES), BATCH, 0, 1)
    model.fit(batches.fed(), shuffle=False, verbose=0)  # traces
    seconds: list[float] = []
    while sum(seconds) < SECONDS or len(seconds) < FEWEST:
        began = time.perf_counter()
        model.fit(batches.fed(), shuffle=False, verbose=0)
        seconds.append(time.perf_counter() - began)
    return {"seconds": min(seconds), "size": asdict(network_size(model))}
