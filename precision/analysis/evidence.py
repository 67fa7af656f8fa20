"""What a difference in the score rests on, in words, and what it would take to rest on enough."""

from __future__ import annotations

import math

import pandas as pd
from scipy import special

from precision.analysis.statistics import POWERED
from precision.tasks import CLASSIFICATION, Task, named

_MOST = 10_000  # seeds that are still worth a number
_LIKELY = 0.975


def within(worst: float, tolerance: float, task: Task = CLASSIFICATION) -> bool:
    """Return whether a difference, a fraction, loses at most a tolerance in hundredths; NaN does not.

    A loss of exactly the tolerance is within it, whatever the last binary digit says.
    """
    return bool(pd.notna(worst) and round(task.loss_of(worst), 9) <= tolerance)


def shown(row: pd.Series, tolerance: float) -> bool:
    """Return whether the interval of a difference in the summary lies within a tolerance."""
    task = named(row["task"])
    return within(row[task.worst], tolerance, task)


def evidence(row: pd.Series) -> str:
    """Return what the mean difference in a row of the summary rests on."""
    task, pairs = named(row["task"]), int(row["pairs"])
    if pairs >= 2:
        power = f", underpowered (n < {POWERED})" if pairs < POWERED else ""
        return f"± {100 * row[f'{task.difference}_ci95']:.2f}, n = {pairs}{power}"
    low, high = (row[end] for end in task.ends)
    if pd.isna(low):
        return "n = 1: no interval"
    return f"{100 * low:+.2f} to {100 * high:+.2f} over the test images, n = 1"


def wanted(row: pd.Series, tolerance: float, *, trained: bool = True) -> str:
    """Return what would show that a difference is within a tolerance, if its mean stays as it is.

    Args:
        row: of the summary, with a mean within the tolerance.
        tolerance: in percentage points, or in per cent of the baseline's score.
        trained: whether a seed makes another network; one that came with its weights is the same in all.
    """
    task, pairs = named(row["task"]), int(row["pairs"])
    lost = task.loss_of(row[f"{task.difference}_mean"]) / 100
    margin = tolerance / 100 - lost
    if margin <= 1e-9:
        return "its loss is the tolerance itself, which no number of runs can show"
    if not trained:
        return _more_images(row, lost, margin, task)
    if pairs >= 2:
        deviation = row[f"{task.difference}_ci95"] * math.sqrt(pairs) / special.stdtrit(pairs - 1, _LIKELY)
        seeds = _seeds(deviation, margin, pairs)
        return f"about {seeds:,} seeds would show it" if seeds else f"not even {_MOST:,} seeds would show it"
    if pd.isna(row[task.worst]):
        return "several seeds could show it"
    return f"{_more_images(row, lost, margin, task)}, or several seeds could"


def _more_images(row: pd.Series, lost: float, margin: float, task: Task) -> str:
    """Return how many test images would show a difference, from its interval over those that there are."""
    if row["pairs"] >= 2 or pd.isna(row[task.worst]):
        return "more test images could show it; other seeds round the same weights"
    width, images = task.loss_of(row[task.worst]) / 100 - lost, int(row["test_images"])
    needed = _rounded(images * (width / margin) ** 2)
    return f"about {needed:,} test images in place of {images:,} would show it"


def images_wanted(mean: float, low: float, images: int, tolerance: float) -> int:
    """Return about how many test images would show a difference to be within a tolerance, if it stays so.

    Args:
        mean, low: the difference, a fraction within the tolerance, and the least end of its interval.
        images: on which it was seen.
        tolerance: in percentage points.
    """
    return _rounded(images * ((mean - low) / (tolerance / 100 + mean)) ** 2)


def _seeds(deviation: float, margin: float, above: int) -> int:
    """Return how many seeds bring half the t-interval below a margin; 0 for more than ``_MOST``."""

    def enough(n: int) -> bool:
        return bool(special.stdtrit(n - 1, _LIKELY) * deviation / math.sqrt(n) <= margin)

    if not enough(_MOST):
        return 0
    low, high = above, _MOST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _rounded(number: float) -> int:
    """Return a number rounded up to two digits."""
    step = 10 ** max(0, math.floor(math.log10(max(number, 1))) - 1)
    return math.ceil(number / step) * step
