"""The interval of a difference in accuracy between two networks that classified the same test images.

Where both say the same class they are right or wrong together. So what the interval rests on is the images
on which they differ. Their labels are not stored, but the two accuracies tell by how many more of them one
network is right than the other. Those on which they differ and are both wrong cannot be told apart and count
in pairs, one for either network, by which the interval is a little wide, never too narrow.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

_Z = 1.959963984540054  # of a two-sided 95 % interval


class Paired(NamedTuple):
    """A 95 % interval of the difference between two accuracies, fractions, over ``images`` test images."""

    low: float
    high: float
    images: int


def over_images(one: np.ndarray, other: np.ndarray, difference: float) -> Paired | None:
    """Return the interval of the accuracy of one network minus that of another; None without a common image.

    Args:
        one, other: the predicted classes of the same test images, shape (N,) each.
        difference: of the accuracies, a fraction.

    >>> import numpy as np
    >>> from precision.analysis.paired import over_images
    >>> found = over_images(np.array([1, 2, 3, 0] * 25), np.array([1, 2, 3, 0] * 24 + [1, 2, 3, 3]), 0.01)
    >>> f"{found.low:+.3f} to {found.high:+.3f}"
    '-0.027 to +0.054'
    """
    if one.shape != other.shape or one.ndim != 1 or not len(one):
        return None
    images = len(one)
    more = round(difference * images)  # images on which one is right, less those on which the other is
    differ = int((one != other).sum())
    differ -= (differ - more) % 2  # an image on which both are wrong
    better, worse = (differ + more) // 2, (differ - more) // 2
    return Paired(*score_interval(better, worse, images), images)


def score_interval(better: float, worse: float, images: float) -> tuple[float, float]:
    """Return the ends of the score interval of a difference of paired proportions, 95 %.

    T. Tango 1998, "Equivalence test and confidence interval for the difference in proportions for the
    paired-sample design", Statistics in Medicine 17, 891-908. Unlike mean ± 1.96 standard errors it has a
    width where no pair differs, and keeps its level where few do.

    Args:
        better, worse: pairs of which only the first, or only the second, is a success.
        images: pairs in all.
    """
    mean = (better - worse) / images

    def end(low: float, high: float, wanted: float) -> float:
        for _ in range(80):  # the score falls from the low end to the high one
            middle = (low + high) / 2
            low, high = (middle, high) if _score(better, worse, images, middle) > wanted else (low, middle)
        return (low + high) / 2

    return end(-1.0, mean, _Z), end(mean, 1.0, -_Z)


def _score(better: float, worse: float, images: float, difference: float) -> float:
    """Return how far a supposed difference is from what was seen, in standard errors under it."""
    b = -better - worse + (2 * images - better + worse) * difference
    c = -worse * difference * (1 - difference)
    share = (math.sqrt(max(b * b - 8 * images * c, 0.0)) - b) / (4 * images)  # of pairs that are worse
    variance = images * (2 * share + difference * (1 - difference))
    distance = better - worse - images * difference
    return distance / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, distance)
