"""What a network says of each class: the confusion matrix, and the receiver operating characteristic (ROC).

The ROC is that of one class against the others (T. Fawcett, "An introduction to ROC analysis", Pattern
Recognition Letters 27, 2006). The score of an image is the logarithm of the odds of the class, as the softmax
of the logits has them: unlike a probability it does not run into 1, where the most certain images would tie.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

MOST = 100  # classes of which this is kept
_DECADES, _EACH = 4, 16  # false positive rates: from 10^-4 to 1, so many to a decade, and none


def rates() -> np.ndarray:
    """Return the false positive rates at which a curve is kept, float64 ascending from 0 to 1."""
    import numpy as np

    return np.concatenate([[0.0], np.logspace(-_DECADES, 0, _DECADES * _EACH + 1)])


def details(logits: np.ndarray, targets: np.ndarray) -> Mapping[str, np.ndarray]:
    """Return what is kept of each class; nothing where there are more than ``MOST``.

    Args:
        logits: (N, classes), of which some may not be finite.
        targets: numbers of classes, (N,).

    Returns:
        ``confusion``, int64 (classes, classes + 1): the images of a class (row) by what was predicted; the
        last column is no prediction, for a logit that is NaN. ``auc``, float64 (classes,): the area under
        each curve, ties counted half; NaN where no image, or every one, is of the class. ``roc``, float32
        (classes, rates): the largest share of the images of a class that is found while at most ``rates()``
        of the others are taken for it; NaN likewise.
    """
    import numpy as np

    classes = logits.shape[1]
    if classes > MOST:
        return {}
    lost = np.isnan(logits).any(axis=1)
    predicted = np.where(lost, classes, np.where(np.isnan(logits), -np.inf, logits).argmax(axis=1))
    confusion = np.zeros((classes, classes + 1), np.int64)
    np.add.at(confusion, (targets, predicted), 1)
    scores = log_odds(logits)
    curves = [_curve(scores[:, number], targets == number) for number in range(classes)]
    return {
        "confusion": confusion,
        "auc": np.array([area for area, _ in curves]),
        "roc": np.array([curve for _, curve in curves], np.float32),
    }


def log_odds(logits: np.ndarray) -> np.ndarray:
    """Return log(p / (1 - p)) of every class of a softmax, float64 (N, classes), accurate at both ends.

    Of an image with a logit that is no finite number, infinity for the logits that are infinity and minus
    infinity for the others.
    """
    import numpy as np
    from scipy.special import logsumexp

    z = logits.astype(np.float64)
    finite = np.isfinite(z).all(axis=1)
    odds = np.where(z == np.inf, np.inf, -np.inf)
    z = z[finite]
    rows, best = np.arange(len(z)), z.argmax(axis=1)
    top = z[rows, best][:, None]
    shares = np.exp(z - top)
    without = shares.sum(axis=1, keepdims=True) - shares  # at least 1 but for the best class
    with np.errstate(divide="ignore"):
        others = top + np.log(without)
    others[rows, best] = logsumexp(np.where(np.arange(z.shape[1]) == best[:, None], -np.inf, z), axis=1)
    odds[finite] = z - others
    return odds


def _curve(scores: np.ndarray, positive: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the area under the curve of a class, and the curve at the rates that are kept."""
    import numpy as np

    at, images = rates(), int(positive.sum())
    if images in (0, len(positive)):
        return float("nan"), np.full(len(at), np.nan)
    order = np.argsort(-scores, kind="stable")
    ends = np.append(
        np.flatnonzero(scores[order][1:] != scores[order][:-1]), len(order) - 1
    )  # of equal scores
    found = np.append(0, np.cumsum(positive[order])[ends])
    false = np.append(0, ends + 1) - found
    area = np.trapezoid(found, false) / (images * (len(positive) - images))
    last = np.searchsorted(false, np.floor(at * (len(positive) - images) + 1e-9), side="right") - 1
    return float(area), found[last] / images
