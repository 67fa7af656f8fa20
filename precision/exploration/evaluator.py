"""Evaluate the trained networks of one architecture under many policies, each traced model used again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from precision.data import as_float
from precision.methods.evaluation import BATCH, Evaluation, judge
from precision.methods.traced import Traced
from precision.methods.training import prepare
from precision.methods.workbench import Workbench
from precision.quantization import Policy
from precision.quantization.layers.flat import address
from precision.quantization.model import wrapped
from precision.tasks import CLASSIFICATION, Task
from precision.trial import Trial

TRACED = 12  # models kept at a time; one of LeNet's size takes some ten megabytes


class Batch(NamedTuple):
    """Float32 images (N, H, W, C), of which the first ``meant`` are asked for; the others repeat them."""

    images: np.ndarray
    meant: int


def batch(part: np.ndarray, total: int) -> Batch:
    """Return a part of ``total`` images in a batch of the one size that a model is traced for."""
    # Another size would be another trace. Images that are there twice change no range.
    size = min(BATCH, total)
    return Batch(as_float(np.resize(part, (size, *part.shape[1:]))), len(part))


def switch(model: Any, on: Callable[[str, str], bool], seed: int) -> None:
    """Switch quantizers of a model on, and the others off, with noise from its start.

    Args:
        model: made ``switchable``.
        on: whether those of a layer and slot are, by their names.
    """
    for index, layer in enumerate(wrapped(model)):
        for site, quantizer in layer.quantizers.items():
            enabled: Any = quantizer.enabled
            enabled.assign(on(address(layer), layer.slot_of(site)))
        layer.seed(seed, index)


class Evaluator:
    """The seeds of one network on one set of images.

    Everything is done as ``ptq`` does it: folded where the policy folds, calibrated on the same images.

    Attributes:
        batches: the images in the batches in which they are evaluated.
        task: what the networks are asked.

    Args:
        trials: the float32 trainings by seed.
        images: uint8 or float32 (N, H, W, C).
        labels: (N,) of classes, or what the task wants.
        task: what the networks are asked.
        switchable: whether every quantizer of the models can be switched off.
    """

    def __init__(
        self,
        bench: Workbench,
        trials: Mapping[int, Trial],
        images: np.ndarray,
        labels: np.ndarray,
        *,
        task: Task = CLASSIFICATION,
        switchable: bool = False,
    ) -> None:
        self._bench, self._trials = bench, trials
        self._traced = Traced(bench.dataset, models=TRACED, revisits=True, switchable=switchable)
        self.batches = [
            batch(images[start : start + BATCH], len(images)) for start in range(0, len(images), BATCH)
        ]
        self._labels, self.task = labels, task
        self._exact: dict[int, np.ndarray] = {}
        self._sources: dict[tuple[Any, ...], Any] = {}

    def source(self, seed: int, policy: Policy) -> Any:
        """Return the trained float32 network of a seed, prepared as a policy says; it is kept."""
        key = seed, policy.preparation
        if key not in self._sources:
            source = self._bench.source(self._trials[seed], policy)
            prepare(source)
            self._sources[key] = source
        return self._sources[key]

    def model(self, seed: int, policy: Policy) -> Any:
        """Return the network of a seed under a policy; it is valid until the next call."""
        source = self.source(seed, policy)
        return self._traced.model(self._trials[seed], policy, source)

    def logits(self, model: Any) -> np.ndarray:
        """Return what a prepared model says about the images, float32 (N, outputs)."""
        return np.concatenate([model.predict_on_batch(batch.images)[: batch.meant] for batch in self.batches])

    def reference(self, seed: int) -> np.ndarray:
        """Return the logits of the float32 network of a seed; they are kept."""
        if seed not in self._exact:
            self._exact[seed] = self.logits(self.source(seed, Policy()))
        return self._exact[seed]

    def judged(self, logits: np.ndarray) -> Evaluation:
        """Return score and loss of what a model says about the images."""
        return judge(logits, self._labels, task=self.task)
