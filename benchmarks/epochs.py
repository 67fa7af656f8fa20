"""An epoch as it is fed here against one that Keras feeds from the same batches, to the same bits.

The network is small, so that what is timed is the way of the images and what happens when they end.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from timing import Row, paired, row

IMAGES, BATCH, ROUNDS = 60_000, 32, 12


def rows() -> list[Row]:
    import architectures
    from precision.methods.training import Batches, prepare
    from precision.trial import Training

    model: Any = architectures.build("mlp")
    prepare(model, Training(batch_size=BATCH), IMAGES // BATCH)
    rng = np.random.default_rng(0)
    batches = Batches(
        rng.random((IMAGES, 28, 28, 1), np.float32), rng.integers(0, 10, IMAGES), BATCH, seed=0, epoch=1
    )
    times = paired(
        lambda: model.fit(batches.fed(), shuffle=False, verbose=0),
        lambda: model.fit(batches, shuffle=False, verbose=0),
        ROUNDS,
    )
    return [row("epoch of a perceptron, 60,000 images", "Keras' own feeding", *times, limit=1.0, rate=False)]
