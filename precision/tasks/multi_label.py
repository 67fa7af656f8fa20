"""Several labels for an image, each there or not: the network returns a logit for each.

Networks are compared by the share of the images with every label right (the subset accuracy, which
scikit-learn calls accuracy as well). An image is then right or wrong as a whole, so that the interval of the
difference between two networks is that of paired proportions, without any assumption on how labels depend on
each other, and a tolerance means the same as for classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from precision.errors import PrecisionError, short
from precision.tasks.base import Judged
from precision.tasks.classification import Shares

if TYPE_CHECKING:
    import numpy as np


class MultiLabel(Shares):
    """The targets are 0 and 1 (N, labels), uint8; the loss is the mean binary cross-entropy of sigmoids."""

    name = "multi_label"
    outputs = "labels"
    least = 2

    def check(self, location: str, targets: np.ndarray, names: Sequence[str]) -> None:
        """Refuse what is not 0 and 1 for each label."""
        import numpy as np

        if targets.ndim != 2 or targets.shape[1] != len(names):
            raise PrecisionError(
                f"{location} labels must have the shape (N, {len(names)}), but got {targets.shape}"
            )
        if targets.dtype != np.uint8 or targets.max() > 1:
            raise PrecisionError(
                f"{location} labels must be uint8, 0 or 1, but got {targets.dtype} up to {targets.max()}"
            )

    def described(self, targets: np.ndarray, names: Sequence[str]) -> str:
        """Return how many images have each label: ``cat 12, dog 30``."""
        pairs = zip(names, targets.sum(axis=0, dtype=int), strict=True)
        return short(", ".join(f"{name} {number}" for name, number in pairs), 1000)

    def compiled(self) -> tuple[Any, Any]:
        """Return binary cross-entropy and the share of images with every label right."""
        import keras
        from keras import ops

        def accuracy(targets: Any, logits: Any) -> Any:
            right = ops.equal(ops.greater(logits, 0), ops.greater(targets, 0))
            return ops.all(right, axis=-1)

        return keras.losses.BinaryCrossentropy(from_logits=True), accuracy

    def judge(self, outputs: np.ndarray, targets: np.ndarray) -> Judged:
        """Return subset accuracy, macro F1, mean average precision, Hamming loss and cross-entropy in nats.

        A label is predicted where its logit is above 0. Predictions are 0 and 1 (N, labels), uint8; 255 in
        all of an image with a logit that is NaN, which counts as wrong in every label.
        """
        import numpy as np

        logits, there = outputs.astype(np.float64), targets > 0
        valid = ~np.isnan(logits).any(axis=1, keepdims=True)
        predictions = np.where(valid, logits > 0, 255).astype(np.uint8)
        right = np.equal(predictions, targets)
        said = np.where(valid, predictions > 0, ~there)  # all wrong where there is none
        both, either = (said & there).sum(axis=0), said.sum(axis=0) + there.sum(axis=0)
        with np.errstate(invalid="ignore"):
            losses = np.logaddexp(0, logits) - np.where(there, logits, 0)
        metrics = {
            "accuracy": float(right.all(axis=1).mean()),
            "macro_f1": float((2 * both / np.maximum(either, 1)).mean()),
            "mean_average_precision": _mean_average_precision(logits, there),
            "hamming_loss": float((~right).mean()),
            "loss": float(losses.mean()),
        }
        return Judged(metrics, predictions)

    def scored(self, predictions: np.ndarray, targets: np.ndarray) -> float:
        """Return the share of images with every label right."""
        return float((predictions == targets).all(axis=1).mean())


def _mean_average_precision(logits: np.ndarray, there: np.ndarray) -> float:
    """Return the mean of the average precisions of the labels that some image has; NaN where a logit is."""
    import numpy as np

    if np.isnan(logits).any():
        return float("nan")
    some = np.flatnonzero(there.any(axis=0))
    return float(np.mean([average_precision(logits[:, k], there[:, k]) for k in some])) if len(some) else 0.0


def average_precision(scores: np.ndarray, there: np.ndarray) -> float:
    """Return the sum over thresholds of precision times the rise of recall.

    Images of equal scores, of which a narrow format makes many, come under one threshold.

    Args:
        scores: (N,).
        there: whether an image has the label, (N,); at least one has.
    """
    import numpy as np

    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)  # of each group of equal scores
    found = np.cumsum(there[order])[last]
    precision = found / (np.flatnonzero(last) + 1)
    return float((np.diff(found, prepend=0) / found[-1] * precision).sum())
