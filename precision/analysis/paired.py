"""The interval of a difference in the score between two networks that were asked of the same test images.

Of classes and labels: where both say the same they are right or wrong together. So what the interval rests
on is the images on which one alone is right. Without the labels, as in older results, the two accuracies
tell by how many more of them one network is right than the other, and those on which they differ and are both
wrong count in pairs, one for either network, by which the interval is a little wide, never too narrow.

Of a regression: the errors of every image are stored, and the interval rests on their paired differences.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy import special

USUAL = 1.959963984540054  # standard errors of a two-sided 95 % interval


class Paired(NamedTuple):
    """A difference between two scores, as a fraction, over ``images`` test images.

    Attributes:
        low, high: its 95 % interval.
        error: its standard error.
        changed: images on which the two networks say different things; None of a regression.
        alone: images on which one of them alone is right; None without labels.
    """

    low: float
    high: float
    images: int
    error: float
    changed: int | None = None
    alone: int | None = None


def between(
    one: np.ndarray, other: np.ndarray, difference: float, labels: np.ndarray | None = None
) -> Paired | None:
    """Return the interval of the difference between the scores of two networks, by what is stored of them.

    Args:
        one, other: predicted classes (N,) or labels (N, labels), whole numbers; or errors (N, targets).
        difference: of the scores: of accuracies, or the rise of the RMSE as a share of that of the other.
        labels: what is right, in the shape of the predictions, where that is known.
    """
    if one.dtype.kind == "f":
        return over_errors(one, other)
    return over_images(one, other, difference, labels)


def over_errors(one: np.ndarray, other: np.ndarray) -> Paired | None:
    """Return the interval of the RMSE of one network over that of another, minus 1.

    A mean squared error is a mean over images, so that the logarithm of the ratio of two of them has, to
    first order, the standard error of the mean of the paired differences q / mean(q) - r / mean(r) of the
    squared errors q and r of each image (the delta method; W. G. Cochran 1977, "Sampling Techniques",
    chapter 6). Half of it is that of the ratio of the RMSE; the quantile is Student's. The interval is
    symmetric in the logarithm, in which a ratio and its inverse are alike.

    Args:
        one, other: errors of the same test images, (N, targets) each.

    Returns:
        None below two images, and where the other network has no error, or one of them no finite one.

    >>> import numpy as np
    >>> from precision.analysis.paired import over_errors
    >>> errors = np.random.default_rng(0).normal(size=(400, 1))
    >>> found = over_errors(1.02 * errors + 0.01, errors)
    >>> f"{found.low:+.3f} to {found.high:+.3f}"
    '+0.019 to +0.021'
    """
    if one.shape != other.shape or one.ndim != 2 or len(one) < 2:
        return None
    q, r = (np.square(errors, dtype=np.float64).mean(axis=1) for errors in (one, other))
    if not (np.isfinite(q).all() and np.isfinite(r).all() and q.any() and r.any()):
        return None
    images = len(q)
    middle = math.log(q.mean() / r.mean()) / 2
    deviation = float((q / q.mean() - r / r.mean()).std(ddof=1)) / 2
    width = float(special.stdtrit(images - 1, 0.975)) * deviation / math.sqrt(images)
    error = math.exp(middle) * deviation / math.sqrt(images)
    return Paired(math.expm1(middle - width), math.expm1(middle + width), images, error)


def over_images(
    one: np.ndarray, other: np.ndarray, difference: float, labels: np.ndarray | None = None
) -> Paired | None:
    """Return the interval of the accuracy of one network minus that of another; None without a common image.

    Args:
        one, other: the predicted classes of the same test images, shape (N,) each, or labels (N, labels).
        difference: of the accuracies, a fraction.
        labels: what is right, likewise. Labels by which the accuracies do not differ as they do are those of
            other images, and nothing is concluded from them.

    >>> import numpy as np
    >>> from precision.analysis.paired import over_images
    >>> found = over_images(np.array([1, 2, 3, 0] * 25), np.array([1, 2, 3, 0] * 24 + [1, 2, 3, 3]), 0.01)
    >>> f"{found.low:+.3f} to {found.high:+.3f}"
    '-0.027 to +0.054'
    """
    if one.shape != other.shape or one.ndim not in (1, 2) or not len(one):
        return None
    images = len(one)
    more = round(difference * images)  # images on which one is right, less those on which the other is
    differ = int((one != other).reshape(images, -1).any(axis=1).sum())
    signs = gains(one, other, labels)
    if signs is None or int(signs.sum()) != more:
        return of_counts(differ, more, images)
    alone = int(np.abs(signs).sum())
    return of_counts(alone, more, images)._replace(changed=differ, alone=alone)


def gains(one: np.ndarray, other: np.ndarray, labels: np.ndarray | None) -> np.ndarray | None:
    """Return of each image 1 where the first alone is right, -1 where the second alone is, else 0, int8 (N,).

    None without labels, and where they are not of so many images.
    """
    if labels is None or not labels.shape == one.shape == other.shape:
        return None
    right, before = ((said == labels).reshape(len(labels), -1).all(axis=1) for said in (one, other))
    return right.astype(np.int8) - before.astype(np.int8)


def of_counts(differ: int, more: int, images: int, z: float = USUAL) -> Paired:
    """Return the interval of a difference between two accuracies from three counts.

    Args:
        differ: images to which the two networks give different classes.
        more: images on which the first is right, less those on which the second is.
        images: in all.
        z: standard errors on either side; 1.96 for 95 %.
    """
    better, worse = split(differ, more)
    error = math.sqrt(max((better + worse) / images - (more / images) ** 2, 0.0) / images)
    return Paired(*score_interval(better, worse, images, z), images, error, differ)


def split(differ: int, more: int) -> tuple[int, int]:
    """Return on how many images only the first, and only the second of two networks is right.

    Args:
        differ, more: as of :func:`of_counts`. Where one is odd and the other even, both are wrong on an
        image.
    """
    differ = max(differ - (differ - more) % 2, abs(more))
    return (differ + more) // 2, (differ - more) // 2


def exact_p(better: int, worse: int) -> float:
    """Return the two-sided p of McNemar's exact test: whether two networks are right equally often.

    Q. McNemar 1947, "Note on the sampling error of the difference between correlated proportions",
    Psychometrika 12, 153-157. Of two equally good ones each is the only right one on half of the images on
    which one alone is right.

    Args:
        better, worse: images on which only the first, or only the second, is right.

    >>> from precision.analysis.paired import exact_p
    >>> exact_p(0, 5)
    0.0625
    """
    single = better + worse
    # scipy.special alone: importing scipy.stats takes about a second.
    return min(1.0, 2 * float(special.bdtr(min(better, worse), single, 0.5))) if single else 1.0


def score_interval(better: float, worse: float, images: float, z: float = USUAL) -> tuple[float, float]:
    """Return the ends of the score interval of a difference of paired proportions.

    T. Tango 1998, "Equivalence test and confidence interval for the difference in proportions for the
    paired-sample design", Statistics in Medicine 17, 891-908. Unlike mean ± 1.96 standard errors it has a
    width where no pair differs, and keeps its level where few do.

    Args:
        better, worse: pairs of which only the first, or only the second, is a success.
        images: pairs in all.
        z: standard errors on either side; 1.96 for 95 %.
    """
    mean = (better - worse) / images

    def end(low: float, high: float, wanted: float) -> float:
        for _ in range(80):  # the score falls from the low end to the high one
            middle = (low + high) / 2
            low, high = (middle, high) if _score(better, worse, images, middle) > wanted else (low, middle)
        return (low + high) / 2

    return end(-1.0, mean, z), end(mean, 1.0, -z)


def p_above(better: float, worse: float, images: float, difference: float) -> float:
    """Return the one-sided p of the score test of a true difference of at most ``difference``.

    It is below 0.025 where the 95 % interval of :func:`score_interval` lies above the difference.
    """
    return float(special.ndtr(-_score(better, worse, images, difference)))


def _score(better: float, worse: float, images: float, difference: float) -> float:
    """Return how far a supposed difference is from what was seen, in standard errors under it."""
    b = -better - worse + (2 * images - better + worse) * difference
    c = -worse * difference * (1 - difference)
    share = (math.sqrt(max(b * b - 8 * images * c, 0.0)) - b) / (4 * images)  # of pairs that are worse
    variance = images * (2 * share + difference * (1 - difference))
    distance = better - worse - images * difference
    return distance / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, distance)
