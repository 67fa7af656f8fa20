"""Mean and interval of a few runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from scipy import special


class Estimate(NamedTuple):
    """Mean of ``n`` values, their sample standard deviation and the half width of its 95 % interval.

    ``mean`` is NaN without a value; ``std`` and ``ci95`` are NaN below two values.

    >>> from precision.analysis import estimate
    >>> estimate([0.5, 0.7]).n
    2
    """

    mean: float
    n: int
    std: float
    ci95: float


def estimate(values: Iterable[float]) -> Estimate:
    """Return the mean with its two-sided 95 % Student t-interval; values that are not finite are left out.

    >>> from precision.analysis import estimate
    >>> found = estimate([0.96, 0.97, 0.98])
    >>> print(f"{found.mean:.3f} ± {found.ci95:.3f}, n = {found.n}")
    0.970 ± 0.025, n = 3
    """
    known = np.asarray(list(values), dtype=np.float64)
    known = known[np.isfinite(known)]
    n = len(known)
    if n == 0:
        return Estimate(np.nan, 0, np.nan, np.nan)
    mean = float(known.mean())
    if n == 1:
        return Estimate(mean, 1, np.nan, np.nan)
    std = float(known.std(ddof=1))
    # scipy.special alone: importing scipy.stats takes about a second.
    quantile = float(special.stdtrit(n - 1, 0.975))
    return Estimate(mean, n, std, quantile * std / n**0.5)
