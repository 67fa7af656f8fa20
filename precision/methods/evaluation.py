"""Evaluate a network on test images: one pass gives accuracy, loss, predictions and speed."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from precision.deploy.predictor import Predictor, Watching

BATCH = 500  # images; a fixed size keeps one trace and bounds the memory


@dataclass(frozen=True)
class Evaluation:
    """What a network says about test images.

    Attributes:
        accuracy: fraction of images whose largest logit is the label's.
        balanced_accuracy: mean over the classes that have images of that fraction among their images.
        loss: mean cross-entropy in nats; NaN when a logit is not finite.
        predictions: class per image; the largest value of the type where a logit is NaN, which counts as
            wrong.
        images_per_second: of the whole pass, after a warm-up that builds and compiles.
    """

    accuracy: float
    balanced_accuracy: float
    loss: float
    predictions: np.ndarray
    images_per_second: float


def evaluate(predictor: Predictor, images: np.ndarray, labels: np.ndarray) -> Evaluation:
    """Return what a predictor says about images, uint8 or float32 (N, H, W, C), with labels (N,)."""
    starts = range(0, len(images), BATCH)
    for start in {starts[0], starts[-1]}:  # the last batch may have another size
        predictor.logits(images[start : start + BATCH])
    if isinstance(predictor, Watching):
        predictor.forget()  # the warm-up
    began = time.perf_counter()
    parts = [predictor.logits(images[start : start + BATCH]) for start in starts]
    seconds = time.perf_counter() - began
    return judge(np.concatenate(parts), labels, len(images) / seconds)


def judge(logits: np.ndarray, labels: np.ndarray, rate: float = math.nan) -> Evaluation:
    """Return what logits (N, classes) say about images with labels (N,).

    Args:
        rate: images per second at which they were computed, if that was timed.
    """
    logits = logits.astype(np.float64)
    valid = ~np.isnan(logits).any(axis=1)
    kind = np.uint8 if logits.shape[1] < 256 else np.uint16
    predictions = np.full(len(logits), np.iinfo(kind).max, kind)
    predictions[valid] = logits[valid].argmax(axis=1)
    with np.errstate(invalid="ignore"):
        losses = logsumexp(logits, axis=1) - logits[np.arange(len(labels)), labels]
    right = valid & (predictions == labels)
    return Evaluation(
        accuracy=float(right.mean()),
        balanced_accuracy=_mean_recall(right, labels),
        loss=float(losses.mean()),
        predictions=predictions,
        images_per_second=rate,
    )


def _mean_recall(right: np.ndarray, labels: np.ndarray) -> float:
    images, found = np.bincount(labels), np.bincount(labels, weights=right)
    return float((found[images > 0] / images[images > 0]).mean())
