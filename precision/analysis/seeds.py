"""The interval of a mean difference over seeds and test images together: both are samples of more.

The difference of a seed on an image is taken as a sum: of the mean, of a part of the seed, of one of the
image, which all seeds meet alike, and of a rest. The spread of the seeds' differences has the part of the
seed and the rest in it, but not that of the image, which is the same for all of them: it is what the
differences of two seeds over the same images have in common, their covariance. Neither is estimated from
the other, so that the variance of the mean is a sum of two independent parts. That of the seeds has few
degrees of freedom, as one less than there are seeds, and that of the images has many.

A bootstrap of three seeds draws each of them a third of the time and finds two thirds of their variance; a
mixed model is fitted by iterations, to the same two parts where every seed meets every image. The parts
themselves need one pass over what is stored, and give the same numbers every time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import special

UNSEEN = 2.0
"""Images that count as changed beside those that were: one for either side, so that none is no certainty."""
_WEIGHT = 1.5  # power of the share of a variance, by which its degrees of freedom count


class Combined(NamedTuple):
    """A mean over seeds, its standard error and the degrees of freedom of that.

    ``error`` and ``freedom`` are NaN below two values.
    """

    mean: float
    error: float
    freedom: float

    def half(self, confidence: float = 0.95) -> float:
        """Return the half width of an interval; NaN without an error."""
        return quantile((1 + confidence) / 2, self.freedom) * self.error


def quantile(probability: float, freedom: float) -> float:
    """Return a quantile of Student's t, or of the normal distribution where the freedom is infinite."""
    # scipy.special alone: importing scipy.stats takes about a second.
    exact = special.ndtri(probability) if math.isinf(freedom) else special.stdtrit(freedom, probability)
    return float(exact)


def tail(t: float, freedom: float) -> float:
    """Return the probability of more than ``t`` under Student's t, likewise."""
    if math.isnan(t):
        return math.nan
    exact = special.ndtr(-t) if math.isinf(freedom) else special.stdtr(freedom, -t)
    return float(exact)


def combined(differences: Sequence[float], shared: float, images: float = math.inf) -> Combined:
    """Return the mean of the differences of several seeds, with what both seeds and images leave open.

    The degrees of freedom are those of the two variances, weighted by their shares in the sum. F. E.
    Satterthwaite 1946, "An approximate distribution of estimates of variance components", Biometrics Bulletin
    2, 110-114, weights by the squares of the shares, which is too bold with few seeds (94.3 % in place of 95
    with three, less where the seeds differ more), and the shares themselves are too careful (96.2 %). Their
    power of 3/2 holds 95 to 96 % with three seeds, five and ten (``make statistics``).

    Args:
        differences: of each seed, finite.
        shared: mean covariance of two of them over the test images, see :func:`covariance`; NaN where nothing
            of the images is known, and the interval is over the seeds alone.
        images: on which they were tested.

    >>> from precision.analysis.seeds import combined
    >>> found = combined([-0.004, -0.006, -0.005], shared=1e-7, images=10_000)
    >>> f"{found.mean:.4f} ± {found.half():.4f}"
    '-0.0050 ± 0.0021'
    """
    values = np.asarray(differences, dtype=np.float64)
    if len(values) < 2:
        return Combined(float(values[0]) if len(values) else math.nan, math.nan, math.nan)
    own = float(values.var(ddof=1)) / len(values)
    common = 0.0 if math.isnan(shared) else max(shared, 0.0)
    return Combined(float(values.mean()), *spread(own, common, len(values), images))


def spread(own: float, common: float, seeds: int, images: float = math.inf) -> tuple[float, float]:
    """Return the standard error of a mean and its degrees of freedom, from the two parts of its variance.

    Args:
        own: part of the seeds, of which there are ``seeds``.
        common: part of the test images.
        images: how many of them.
    """
    variance = own + common
    if variance == 0:
        return 0.0, seeds - 1.0
    inverse = (own / variance) ** _WEIGHT / (seeds - 1) + (common / variance) ** _WEIGHT / max(images - 1, 1)
    return math.sqrt(variance), 1 / inverse if inverse else math.inf


def share_of_seeds(freedom: float, seeds: int) -> float:
    """Return about which share of a variance is the part of the seeds, from the degrees of freedom."""
    return min(1.0, (seeds - 1) / freedom) ** (1 / _WEIGHT)


def covariance(common: float, images: int, one: float, other: float) -> float:
    """Return the covariance of two differences of accuracies over the test images that they share.

    Args:
        common: images that change alike with both seeds.
        images: in all.
        one, other: the differences, fractions.

    One image more counts on either side, after D. G. Bonett and R. M. Price 2012, "Adjusted Wald confidence
    interval for a difference of binomial proportions based on paired data", Journal of Educational and
    Behavioral Statistics 37, 479-488.
    """
    return ((common + UNSEEN) / (images + UNSEEN) - one * other) / images
