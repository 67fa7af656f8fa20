"""What was sampled while a trial ran as the content of a file: JSON, numbers of six digits."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from precision.errors import short
from precision.printable import printable
from precision.samples import MOST, QUANTITIES, Samples

LARGEST = 2**20  # bytes of the file, at most; full it has less than half of that
_VERSION = 1
_DIGITS = 6
_QUANTITIES = 64  # at most, of which a newer precision may know more
_LONGEST = 300  # characters of a reason


def encode(samples: Samples) -> bytes:
    """Return the content of samples.json."""
    content = {
        "version": _VERSION,
        "seconds": [round(float(second), 3) for second in samples.seconds],
        "series": {name: [_plain(value) for value in values] for name, values in samples.series.items()},
        "ended": {name: short(printable(why), _LONGEST) for name, why in samples.ended.items()},
    }
    return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()


def decode(content: bytes) -> Samples:
    """Return the samples of :func:`encode`.

    Raises:
        ValueError: when it is something else.
    """
    try:
        found = json.loads(content)
        if found["version"] != _VERSION:
            raise ValueError(f"its version is {found['version']!r}")
        seconds = _numbers(found["seconds"])
        if len(seconds) > MOST or not np.isfinite(seconds).all() or (np.diff(seconds) < 0).any():
            raise ValueError(f"its seconds are not at most {MOST} numbers that never fall")
        every = {_name(name): _numbers(values) for name, values in found["series"].items()}
        ended = {_name(name): _text(why) for name, why in found["ended"].items()}
    except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"it does not hold samples ({type(error).__name__}: {error})") from None
    if max(len(every), len(ended)) > _QUANTITIES or any(len(v) != len(seconds) for v in every.values()):
        raise ValueError("its series are not as long as its seconds")
    # A newer precision may know more quantities.
    return Samples(seconds, {name: every[name] for name in every if name in QUANTITIES}, ended)


def _plain(value: float) -> float | None:
    if not math.isfinite(value):
        return None
    rounded = float(f"{value:.{_DIGITS}g}")
    return int(rounded) if rounded.is_integer() else rounded


def _numbers(values: Any) -> np.ndarray:
    if not isinstance(values, list) or any(type(v) not in (int, float, type(None)) for v in values):
        raise ValueError("a series is no list of numbers")
    return np.array([math.nan if value is None else float(value) for value in values], np.float64)


def _name(name: str) -> str:
    if not (name.isidentifier() and name.isascii()):
        raise ValueError(f"{short(name)!r} is no name of a quantity")
    return name


def _text(why: Any) -> str:
    if not isinstance(why, str):
        raise ValueError(f"{why!r} is no reason")
    return short(printable(why), _LONGEST)
