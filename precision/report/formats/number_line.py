"""The number line of a format in characters: where its values lie, and how many in each power of two."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from precision.formats import NumberFormat
from precision.formats.properties import binades, listed
from precision.report.text import value_text

WIDTH = 72  # columns of a drawing, inside a terminal of 80
ROWS = 6
_BARS = " ▁▂▃▄▅▆▇█"
_DRAWN = 4096  # places in a power of two that are drawn of a format with more


def linear(number_format: NumberFormat, width: int = WIDTH) -> str:
    """Return the values from the least to the largest, each column as high as it has values (logarithmic)."""
    values, weights = points(number_format)
    if values.size < 2:
        return ""
    low, high = float(values.min()), float(values.max())
    place, width = _places(values, width)
    counts = np.bincount(place, weights, width)
    axis = ["─"] * width
    axis[0], axis[-1] = "└", "┘"
    labels = {0: value_text(low), width - 1: value_text(high)}
    if low < 0 < high:
        # Where 0 itself is a value, its column; the line is even enough to find it between two others.
        zero = round(float(np.interp(0.0, values, place)))
        axis[zero] = "┴"
        labels[zero] = "0"
    return "\n".join([_bars(counts, 2), "".join(axis), _labels(labels, width)])


def _places(values: np.ndarray, width: int) -> tuple[np.ndarray, int]:
    """Return the column of each value and the number of columns.

    Evenly spaced values get as many columns as let each hold equally many, or lie equally far apart.
    """
    gaps, n = np.diff(values), len(values)
    if gaps.min() > 0 and gaps.max() <= gaps.min() * (1 + 1e-9):
        if n <= width:
            step = (width - 1) // (n - 1)
            return np.arange(n) * step, step * (n - 1) + 1
        fitting = [w for w in range(width, width // 2, -1) if n % w == 0]
        if fitting:
            return np.arange(n) * fitting[0] // n, fitting[0]
    width -= width % 2 == 0  # a column in the middle
    share = (values - values.min()) / (values.max() - values.min())
    return np.floor(share * (width - 1) + 0.5).astype(int), width


def logarithmic(number_format: NumberFormat, width: int = WIDTH) -> str:
    """Return how many positive values lie in each power of two, as bars (their height logarithmic)."""
    found = binades(number_format)
    if not found:
        return ""
    group = math.ceil(len(found) / (width - 10))  # powers of two to a column
    groups = [found[i : i + group] for i in range(0, len(found), group)]
    counts = np.array([sum(n for _, n in part) / len(part) for part in groups])
    wide = max(1, min(8, (width - 10) // len(counts)))
    drawn = _bars(np.repeat(counts, wide), ROWS).split("\n")
    top = f"{counts.max():.0f}"
    names = [top, *[""] * (len(drawn) - 2), "1"][: len(drawn)]
    lines = [f"{name:>8} ┤{row}".rstrip() for name, row in zip(names, drawn, strict=True)]
    size = len(counts) * wide
    labels = {}
    step = max(1, math.ceil(9 / wide))  # so that a label of up to seven characters has room
    for i in range(0, len(counts), step):
        labels[i * wide] = f"2^{groups[i][0][0]}"
    axis = "".join("┬" if i in labels else "─" for i in range(size))
    ends = _labels(labels, size + 8, centred=False)
    note = f"each column is the mean of {group} powers of two" if group > 1 else ""
    return "\n".join([*lines, " " * 9 + "└" + axis, " " * 10 + ends] + ([" " * 10 + note] if note else []))


def points(number_format: NumberFormat) -> tuple[np.ndarray, np.ndarray]:
    """Return values to draw and how many each stands for, ascending."""
    values = listed(number_format)
    if values is not None:
        return values.astype(float), np.ones(len(values))
    places, weights = [np.zeros(1)], [np.ones(1)]
    for exponent, count in binades(number_format):
        drawn = min(count, _DRAWN)
        part = 2.0**exponent * (1 + np.arange(drawn) / drawn)
        part = np.minimum(part, number_format.max)
        for signed in (part, -part)[: 2 if number_format.lowest < 0 else 1]:
            places.append(signed)
            weights.append(np.full(drawn, count / drawn))
    place, weight = np.concatenate(places), np.concatenate(weights)
    order = np.argsort(place, kind="stable")
    return place[order], weight[order]


def _bars(counts: np.ndarray, rows: int) -> str:
    """Return bars over at most so many rows; a doubling of the count adds the same height everywhere."""
    doublings = np.log2(np.maximum(counts, 1)) + 1
    rows = min(rows, round(doublings.max()))
    heights = np.where(counts > 0, np.maximum(np.round(doublings / doublings.max() * rows * 8), 1), 0).astype(
        int
    )
    lines = []
    for row in range(rows - 1, -1, -1):
        lines.append("".join(_BARS[h] for h in np.clip(heights - 8 * row, 0, 8)))
    return "\n".join(line.rstrip() for line in lines)


def _labels(labels: dict[int, str], width: int, centred: bool = True) -> str:
    """Return a line with texts at columns; the outermost stay inside, and what would touch is left out."""
    line = [" "] * width
    order: Sequence[int] = sorted(labels, key=lambda column: (column not in (0, width - 1), column))
    for column in order:
        text = labels[column]
        start = column - len(text) // 2 if centred else column
        start = max(0, min(start, width - len(text)))
        if all(c == " " for c in line[max(start - 1, 0) : start + len(text) + 1]):
            line[start : start + len(text)] = text
    return "".join(line).rstrip()
