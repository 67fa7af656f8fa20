"""What a difference in the score rests on, in words, and what it would take to rest on enough."""

from __future__ import annotations

import math

import pandas as pd

from precision.analysis.seeds import quantile, share_of_seeds, spread
from precision.analysis.verdicts import LEVEL
from precision.tasks import CLASSIFICATION, Task, named

_MOST = 10_000  # seeds that are still worth a number


def within(worst: float, tolerance: float, task: Task = CLASSIFICATION) -> bool:
    """Return whether a difference, a fraction, loses at most a tolerance in hundredths; NaN does not.

    A loss of exactly the tolerance is within it, whatever the last binary digit says.
    """
    return bool(pd.notna(worst) and round(task.loss_of(worst), 9) <= tolerance)


def evidence(row: pd.Series) -> str:
    """Return what the mean difference in a row of the summary rests on."""
    task, pairs = named(row["task"]), int(row["pairs"])
    if pairs >= 2:
        return f"± {100 * row[f'{task.difference}_ci95']:.2f}, n = {pairs}"
    low, high = (row[end] for end in task.ends)
    if pd.isna(low):
        return "n = 1: no interval"
    return f"{100 * low:+.2f} to {100 * high:+.2f} over the test images, n = 1"


def wanted(row: pd.Series, tolerance: float, *, trained: bool = True) -> str:
    """Return what would show that a difference is within a tolerance, if its mean stays as it is.

    Args:
        row: of the summary with its verdicts, with a mean within the tolerance.
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
        return _more_seeds(row, margin, task)
    if pd.isna(row[task.worst]):
        return "several seeds could show it"
    return f"{_more_images(row, lost, margin, task)}, or several seeds could"


def _more_seeds(row: pd.Series, margin: float, task: Task) -> str:
    """Return how many seeds would show a difference, on the same test images."""
    pairs, variance = int(row["pairs"]), float(row[task.error]) ** 2
    own = share_of_seeds(row[task.freedom], pairs) * variance

    def enough(n: int) -> bool:
        error, freedom = spread(own * pairs / n, variance - own, n)
        return quantile(_level(row), freedom) * error <= margin

    if not enough(_MOST):
        return f"not even {_MOST:,} seeds on these test images would show it"
    low, high = pairs, _MOST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return f"about {high:,} seeds would show it"


def _level(row: pd.Series) -> float:
    """Return the quantile on one side, where as many formats are compared as in a row of the summary."""
    formats = row.get("compared")
    return 1 - LEVEL / 2 / (1 if formats is None or pd.isna(formats) else int(formats))


def _more_images(row: pd.Series, lost: float, margin: float, task: Task) -> str:
    """Return how many test images would show a difference, from its interval over those that there are."""
    if row["pairs"] >= 2 or pd.isna(row[task.worst]):
        return "more test images could show it; other seeds round the same weights"
    width, images = task.loss_of(row[task.worst]) / 100 - lost, int(row["test_images"])
    stricter = quantile(_level(row), math.inf) / quantile(1 - LEVEL / 2, math.inf)
    needed = _rounded(images * (stricter * width / margin) ** 2)
    return f"about {needed:,} test images in place of {images:,} would show it"


def images_wanted(mean: float, low: float, images: int, tolerance: float) -> int:
    """Return about how many test images would show a difference to be within a tolerance, if it stays so.

    Args:
        mean, low: the difference, a fraction within the tolerance, and the least end of its interval.
        images: on which it was seen.
        tolerance: in percentage points.
    """
    return _rounded(images * ((mean - low) / (tolerance / 100 + mean)) ** 2)


def _rounded(number: float) -> int:
    """Return a number rounded up to two digits."""
    step = 10 ** max(0, math.floor(math.log10(max(number, 1))) - 1)
    return math.ceil(number / step) * step
