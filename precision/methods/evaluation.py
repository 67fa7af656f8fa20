"""Evaluate a network on test images: one pass gives its metrics, predictions and speed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from precision.deploy.predictor import Predictor, Watching
from precision.tasks import CLASSIFICATION, Judged, Task

BATCH = 500  # images; a fixed size keeps one trace and bounds the memory


@dataclass(frozen=True)
class Evaluation(Judged):
    """What a network says about test images, see ``precision.tasks``, and how fast.

    Attributes:
        images_per_second: of the whole pass, after a warm-up that builds and compiles.
        joules: that the machine used for each image of that pass; NaN where it does not tell.
        by_class: what is kept of each class, see ``tasks.by_class``; empty of other tasks.
    """

    images_per_second: float = math.nan
    joules: float = math.nan
    by_class: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def accuracy(self) -> float:
        """Fraction of images that are answered correctly."""
        return self.metrics["accuracy"]

    @property
    def balanced_accuracy(self) -> float:
        """Mean over the classes that have images of that fraction among their images."""
        return self.metrics["balanced_accuracy"]

    @property
    def loss(self) -> float:
        """Mean of what training minimises."""
        return self.metrics["loss"]


def evaluate(
    predictor: Predictor,
    images: np.ndarray,
    targets: np.ndarray,
    task: Task = CLASSIFICATION,
    joules: Callable[[], float] = lambda: math.nan,
) -> Evaluation:
    """Return what a predictor says about images, uint8 or float32 (N, H, W, C), with these targets.

    Args:
        targets: labels (N,) of classes, or what another task wants.
        joules: returns the energy that was used so far, NaN where it is not known.
    """
    starts = range(0, len(images), BATCH)
    for start in {starts[0], starts[-1]}:  # the last batch may have another size
        predictor.logits(images[start : start + BATCH])
    if isinstance(predictor, Watching):
        predictor.forget()  # the warm-up
    used, began = joules(), time.perf_counter()
    parts = [predictor.logits(images[start : start + BATCH]) for start in starts]
    seconds, used = time.perf_counter() - began, joules() - used
    logits = np.concatenate(parts)
    found = judge(logits, targets, len(images) / seconds, task)
    return replace(found, joules=used / len(images), by_class=task.by_class(logits, targets))


def judge(
    logits: np.ndarray, targets: np.ndarray, rate: float = math.nan, task: Task = CLASSIFICATION
) -> Evaluation:
    """Return what logits, or what a regression returns, (N, outputs), say about images with these targets.

    Args:
        rate: images per second at which they were computed, if that was timed.
    """
    judged = task.judge(logits, targets)
    return Evaluation(judged.metrics, judged.predictions, judged.reason, rate)
