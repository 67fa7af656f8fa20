"""One class of several for an image: the network returns a logit for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from precision.errors import PrecisionError, short
from precision.tasks.base import Judged, Task
from precision.tasks.by_class import details

if TYPE_CHECKING:
    import numpy as np


class Shares(Task):
    """What is scored by the share of the test images that are answered correctly."""

    score = "accuracy"
    sign = 1
    relative = False
    title = "Accuracy"
    lost = "accuracy_loss"
    tested = "test accuracy in percent"
    compared = "Percentage points of test accuracy, each run minus the {baseline} run with the same seed."
    points = "percentage points"
    unit_of_loss = "nat"

    def said(self, score: float) -> str:
        """Return a fraction in percent."""
        return f"{100 * score:.2f} %"

    def changed(self, difference: float) -> str:
        """Return a difference of fractions in percentage points."""
        return f"{100 * difference:+.2f} points"

    def tolerated(self, tolerance: float) -> str:
        """Return ``1 percentage point`` or ``0.5 percentage points``."""
        return f"{tolerance:g} percentage point{'' if tolerance == 1 else 's'}"

    def bounded(self, tolerance: float) -> str:
        """Return ``lose at most 1 percentage point of test accuracy``."""
        return f"lose at most {self.tolerated(tolerance)} of test accuracy"


class Classification(Shares):
    """The targets are the numbers of classes (N,), int64; the loss is the cross-entropy of a softmax."""

    name = "classification"
    outputs = "classes"
    least = 2

    def check(self, location: str, targets: np.ndarray, names: Sequence[str]) -> None:
        """Refuse what are no numbers of classes."""
        import numpy as np

        if targets.ndim != 1:
            raise PrecisionError(f"{location} labels must have the shape (N,), but got {targets.shape}")
        if targets.dtype != np.int64 or targets.min() < 0 or targets.max() >= len(names):
            raise PrecisionError(
                f"{location} labels must be int64 in 0..{len(names) - 1}, "
                f"but got {targets.dtype} in {targets.min()}..{targets.max()}"
            )

    def strata(self, targets: np.ndarray) -> np.ndarray:
        """Return the classes."""
        return targets

    def described(self, targets: np.ndarray, names: Sequence[str]) -> str:
        """Return how many images each class has: ``cat 12, dog 30``; of very many classes the first ones."""
        import numpy as np

        numbers = np.bincount(targets, minlength=len(names))
        return short(", ".join(f"{name} {number}" for name, number in zip(names, numbers, strict=True)), 1000)

    def compiled(self) -> tuple[Any, Any]:
        """Return cross-entropy and accuracy."""
        import keras

        return keras.losses.SparseCategoricalCrossentropy(from_logits=True), "accuracy"

    def by_class(self, outputs: np.ndarray, targets: np.ndarray) -> Mapping[str, np.ndarray]:
        """Return the confusion matrix and the ROC of each class."""
        return details(outputs, targets)

    def judge(self, outputs: np.ndarray, targets: np.ndarray) -> Judged:
        """Return accuracy, balanced accuracy and mean cross-entropy in nats of logits.

        The loss is NaN when a logit is not finite. The prediction of an image is its class, uint8 (uint16
        from 256 classes on); the largest value of the type where a logit is NaN, which counts as wrong.
        """
        import numpy as np
        from scipy.special import logsumexp

        logits = outputs.astype(np.float64)
        valid = ~np.isnan(logits).any(axis=1)
        kind = np.uint8 if logits.shape[1] < 256 else np.uint16
        predictions = np.full(len(logits), np.iinfo(kind).max, kind)
        predictions[valid] = logits[valid].argmax(axis=1)
        with np.errstate(invalid="ignore"):
            losses = logsumexp(logits, axis=1) - logits[np.arange(len(targets)), targets]
        right = valid & (predictions == targets)
        metrics = {
            "accuracy": float(right.mean()),
            "balanced_accuracy": mean_recall(right, targets),
            "loss": float(losses.mean()),
        }
        return Judged(metrics, predictions)

    def scored(self, predictions: np.ndarray, targets: np.ndarray) -> float:
        """Return the accuracy."""
        return float((predictions == targets).mean())


def mean_recall(right: np.ndarray, targets: np.ndarray) -> float:
    """Return the mean over the classes that have images of the share of these that are right.

    Args:
        right: (N,) bool.
        targets: numbers of classes, (N,).
    """
    import numpy as np

    images, found = np.bincount(targets), np.bincount(targets, weights=right)
    return float((found[images > 0] / images[images > 0]).mean())
