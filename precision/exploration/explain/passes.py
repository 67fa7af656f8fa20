"""Evaluate a network whose errors are switched, on the test images in the batches of its trial.

What a batch gives may depend on the others in it, where ranges are those of the tensor at hand, and on how
many went before, where rounding draws noise. So the batches are those of the trial, and the noise of each
begins where it began there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from precision.data import as_float
from precision.methods.evaluation import BATCH, Evaluation, judge
from precision.quantization.model import wrapped
from precision.quantization.switched import Switch, Watch, turn, watch
from precision.tasks import Task


def everything(layer: str, slot: str, error: str) -> bool:
    """Switch every error on."""
    return True


def nothing(layer: str, slot: str, error: str) -> bool:
    """Switch every error off."""
    return False


class Passes:
    """The test images of a trial, and its network.

    Args:
        model: made switchable by ``quantization.switched``, and compiled.
        images, targets: all test images.
        count: how many are looked at, the first ones.
        task: what the network is asked.
    """

    def __init__(self, model: Any, images: np.ndarray, targets: np.ndarray, count: int, task: Task) -> None:
        self._model, self._images, self._targets, self._count = model, images, targets[:count], count
        self.task = task
        drawing = [q for layer in wrapped(model) for q in layer.quantizers.values() if q.stochastic]
        warmed = min(2, -(-len(images) // BATCH))  # by batches before the first, see ``evaluate``
        self._steps = [(quantizer.step, int(quantizer.step) + warmed) for quantizer in drawing]

    def logits(self, on: Switch) -> np.ndarray:
        """Return what the network says of the images, float32 (count, outputs), with some errors on."""
        turn(self._model, on)
        found = [np.asarray(self._model.predict_on_batch(batch)) for batch in self._batches()]
        return np.concatenate(found)[: self._count]

    def judged(self, on: Switch) -> Evaluation:
        """Return score, loss and predictions of the network with some errors on."""
        return judge(self.logits(on), self._targets, task=self.task)

    def watched(self, on: Switch, told: Watch) -> None:
        """Tell a function what is rounded on the way, see ``quantization.switched``."""
        turn(self._model, on)
        watch(self._model, told)
        try:
            for batch in self._batches():
                self._model(batch, training=False)
        finally:
            watch(self._model, None)

    def _batches(self) -> Iterator[np.ndarray]:
        for number, start in enumerate(range(0, self._count, BATCH)):
            for step, begun in self._steps:
                step.assign(np.int32(begun + number))
            yield as_float(self._images[start : start + BATCH])
