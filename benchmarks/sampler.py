"""An epoch of LeNet with the sampler beside it, against one without, and the sampler's own processor time.

The sampler is that of a trial which is alone in its process, so that no peak of its memory may be missed.
Epochs on a machine that does other things differ by far more than a hundredth: the processor time of the
thread, which no neighbour disturbs, stands beside their ratio.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np
from timing import Row, row, seconds

IMAGES, BATCH, ROUNDS = 10_000, 128, 11
LIMIT = 1.01


def rows() -> list[Row]:
    import architectures
    from precision.measure.machine.sampler import Sampler
    from precision.methods.training import Batches, prepare
    from precision.trial import Training

    class Timed(Sampler):
        """Notes the processor time of its thread."""

        used = 0.0

        def _run(self) -> None:
            began = time.thread_time()
            super()._run()
            self.used = time.thread_time() - began

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (IMAGES, 28, 28, 1)).astype(np.uint8)
    labels = rng.integers(0, 10, IMAGES)
    model: Any = architectures.build("lenet")
    prepare(model, Training(), IMAGES // BATCH)
    shares: list[float] = []

    def epoch() -> None:
        model.fit(Batches(images, labels, BATCH, 0, 1, None).fed(), shuffle=False, verbose=0)

    def plain() -> float:
        return seconds(epoch)

    def sampled() -> float:
        # What begins and ends a sampler comes once in a trial, not once in an epoch.
        with Timed(peaks=True) as sampler:
            took = seconds(epoch)
        shares.append(sampler.used / took)
        return took

    plain(), sampled()
    shares.clear()
    # Which of the two comes first takes turns, or what the one leaves behind would count as the other's.
    pairs = []
    for number in range(ROUNDS):
        first, second = (sampled, plain) if number % 2 else (plain, sampled)
        one, other = first(), second()
        pairs.append((one, other) if number % 2 else (other, one))
    low, _, high = statistics.quantiles(shares, n=4)
    share = statistics.median(shares)
    return [
        row(
            "LeNet epoch, sampled",
            "without a sampler",
            [one for one, _ in pairs],
            [other for _, other in pairs],
            LIMIT,
            rate=False,
        ),
        Row(
            "processor time of the sampler",
            "LeNet epoch",
            share,
            low,
            high,
            LIMIT - 1,
            at_least=False,
            detail="of one core",
        ),
    ]
