"""Names beside points, each at a place where it covers neither a point nor another name."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from precision.report.figures.style import INK

_SIDES = ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1))
_GAP = 3.5  # points between a point and its name
_DENSE = 4.0  # pixels between two places of a line that no name may cover


def name_points(
    axes: Axes,
    points: Sequence[tuple[float, float, str]],
    lines: Sequence[np.ndarray] = (),
    size: float = 6.5,
) -> list[str]:
    """Write names beside points; return those for which there is no place, which get none.

    The limits and scales of the axes must be final, and the figure drawn once, so that its layout is known.

    Args:
        points: x, y and name; the first ones are placed first.
        lines: corners of lines that names must not cover either, (corners, 2) each.
    """
    figure: Any = axes.figure
    renderer, scale = figure.canvas.get_renderer(), figure.dpi / 72
    at = axes.transData.transform(np.array([point[:2] for point in points], np.float64).reshape(-1, 2))
    taken = [_around(place, 2.5 * scale, 2.5 * scale) for place in at]
    for line in lines:
        taken += [_around(place, 1, 1) for place in _along(axes.transData.transform(line))]
    page = axes.bbox
    without = []
    for (x, y, name), place in zip(points, at, strict=True):
        text = axes.annotate(
            name,
            (x, y),
            (0, 0),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=size,
            color=INK,
        )
        text.set_in_layout(False)  # it lies within the panel, whose place is settled
        box = text.get_window_extent(renderer)
        half = np.array([box.width, box.height]) / 2
        for side in _SIDES:
            middle = place + side * (half + _GAP * scale)
            found = _around(middle, *half)
            inside = (
                page.x0 <= found[0] and found[2] <= page.x1 and page.y0 <= found[1] and found[3] <= page.y1
            )
            if inside and not any(_meet(found, other) for other in taken):
                taken.append(found)
                text.set_position(tuple((middle - place) / scale))
                break
        else:
            text.remove()
            without.append(name)
    return without


def _around(place: np.ndarray, wide: float, high: float) -> tuple[float, float, float, float]:
    return place[0] - wide, place[1] - high, place[0] + wide, place[1] + high


def _meet(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _along(corners: np.ndarray) -> np.ndarray:
    """Return places along a line, close to one another."""
    parts = [corners[:1]]
    for one, other in itertools.pairwise(corners):
        steps = int(np.ceil(np.linalg.norm(other - one) / _DENSE)) + 1
        parts.append(np.linspace(one, other, steps)[1:] if steps > 1 else other[None])
    return np.concatenate(parts)
