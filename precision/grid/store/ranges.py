"""Numbers of a trial that cannot be, whatever was computed: they are neither stored nor believed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

from precision.metrics import METRICS

_AMOUNT = (0.0, math.inf), False
_SHARE = METRICS["accuracy"].bounds, True
_ERROR = METRICS["rmse"].bounds, False
_OF_AN_EPOCH = {
    **{"accuracy": _SHARE, "val_accuracy": _SHARE, "rmse": _ERROR, "val_rmse": _ERROR},
    "seconds": _AMOUNT,
    "joules": _AMOUNT,
}


def misplaced(
    metrics: Mapping[str, float], history: Iterable[Mapping[str, float]], seconds: float = math.nan
) -> str:
    """Return in words the first number of a trial that cannot be, such as an accuracy above 1; or nothing.

    Args:
        metrics: by name; those that are not among METRICS may be anything.
        history: of each epoch, likewise.
        seconds: that all took.
    """
    for name, value, (low, high), required in _bounded(metrics, history, seconds):
        if not (low <= value <= high or (math.isnan(value) and not required)):
            limits = f"from {low:g} to {high:g}" if math.isfinite(high) else f"at least {low:g}"
            return f"{name} is {value!r}, but can only be {limits}"
    return ""


def _bounded(
    metrics: Mapping[str, float], history: Iterable[Mapping[str, float]], seconds: float
) -> Iterator[tuple[str, float, tuple[float, float], bool]]:
    """Yield name, value and bounds of what has any, and whether it is required."""
    for name, value in metrics.items():
        if name in METRICS:
            yield name, value, METRICS[name].bounds, METRICS[name].required
    for number, row in enumerate(history, 1):
        for name, limits in _OF_AN_EPOCH.items():
            if name in row:
                yield f"{name} of epoch {number}", row[name], *limits
    yield "seconds", seconds, *_AMOUNT
