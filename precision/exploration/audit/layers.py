"""Which layers a format harms: each with a kernel, and what follows it up to the next one, is rounded alone.

Training images are looked at, as the test images are to judge what one makes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

import numpy as np

from precision.errors import PrecisionError
from precision.exploration.assignment import units
from precision.exploration.evaluator import batch, switch
from precision.exploration.journal import Row
from precision.exploration.sqnr import Power
from precision.methods.evaluation import judge
from precision.methods.traced import Traced
from precision.methods.training import prepare
from precision.methods.workbench import Workbench
from precision.quantization import Policy
from precision.trial import Trial

IMAGES = 500
_STREAM = 0xA1A7E5  # sets the choice of images apart from all other random numbers


class Layers:
    """The parts of one network, each rounded alone.

    Args:
        trial: of a policy; all that are asked for fold normalisations as it does.

    Attributes:
        names: of the parts, by their layer with the kernel; empty where no layer has one.
    """

    def __init__(self, bench: Workbench, trial: Trial) -> None:
        self._bench = bench
        self._source = bench.source(trial, Policy.from_json(trial.policy))
        try:
            self._units = units(self._source)
        except PrecisionError:  # nothing but normalisations and functions
            self._units = {}
        self.names = list(self._units)

    def alone(self, trial: Trial, names: list[str]) -> Iterator[Row]:
        """Yield what rounding each of these parts alone does to the logits, the loss and the accuracy.

        Args:
            trial: whose policy rounds.
        """
        if not names:
            return
        dataset = self._bench.dataset(trial.dataset)
        chosen = np.random.default_rng(_STREAM).permutation(len(dataset.x_train))[:IMAGES]
        images, labels = batch(dataset.x_train[chosen], len(chosen)).images, dataset.y_train[chosen]
        traced = Traced(self._bench.dataset, switchable=True)
        model = traced.model(trial, Policy.from_json(trial.policy), self._source)
        prepare(self._source)
        exact = np.asarray(self._source.predict_on_batch(images))
        before = judge(exact, labels)
        for name in names:
            switch(model, _within(self._units[name]), trial.seed)
            logits = np.asarray(model.predict_on_batch(images))
            power = Power()
            power.add(exact, logits)
            after = judge(logits, labels)
            yield {
                "part": name,
                "layers": ", ".join(self._units[name]),
                "images": len(labels),
                "logits_sqnr": power.decibels,
                "loss_rise": after.loss - before.loss,
                "accuracy_loss": 100 * (before.accuracy - after.accuracy),
                "changed": float((after.predictions != before.predictions).mean()),
            }


def _within(layers: Collection[str]) -> Callable[[str, str], bool]:
    return lambda layer, slot: layer in layers
