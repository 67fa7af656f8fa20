"""A length of time in words."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Return seconds as a person says them: ``8 s``, ``3 min 05 s``, ``2 h 10 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def roughly(seconds: float) -> str:
    """Return an estimate in no more words than it is worth: ``8 s``, ``35 min``, ``2 h 10 min``."""
    if seconds < 90:
        return f"{round(seconds)} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    if seconds >= 10 * 3600:
        return f"{round(seconds / 3600)} h"
    tens = round(seconds / 600)
    return f"{tens // 6} h {tens % 6 * 10:02d} min"


def between(low: float, high: float) -> str:
    """Return the bounds of an estimate: ``20 to 60 min``.

    >>> from precision.grid.progress.duration import between
    >>> between(1200, 3600), between(50, 200)
    ('20 to 60 min', '50 s to 3 min')
    """
    first, last = roughly(low), roughly(high)
    same = first.count(" ") == last.count(" ") == 1 and first.split()[1] == last.split()[1]
    return f"{first.split()[0] if same else first} to {last}"
