"""What trials used over time: a panel for each quantity, a line for each format."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from precision.report.figures.page import HEIGHT, LEGEND, WIDTH, left_out, room, say, short
from precision.report.figures.style import (
    INK,
    STYLE,
    colours,
    columns_of_legend,
    empty_figure,
    log_ticks,
    marks,
    set_lines,
    set_ticks,
)
from precision.samples import QUANTITIES, Samples

POINTS = 100
"""Points that a line has at most: with more of them a few lines hide each other."""
COLUMNS, MARKED = 4, 4  # columns of panels, and points of a long line that have its marker
FAR = 12.0
"""How many times as long as the shortest trial the longest is where time is shown by its logarithm."""
_FROM_ZERO = ("%", "W")


_HEAD: dict[str, Any] = {"textcoords": "offset points", "ha": "right", "va": "bottom", "color": INK}


@dataclass(frozen=True)
class Curve:
    """What one trial used.

    Attributes:
        name: of its format, for the legend.
        column: whose panels it is in; what is native and what is emulated never share an axis.
        strong: whether it is that of the baseline.
    """

    name: str
    column: str
    samples: Samples
    strong: bool = False


def draw_resources(curves: Sequence[Curve], missing: Sequence[str] = ()) -> Drawing:
    """Draw a row of panels for each quantity that is known.

    Args:
        curves: of one network, from many bits to few, in at most ``COLUMNS`` columns.
        missing: names of formats for which there is no room.
    """
    known = [name for name in QUANTITIES if any(name in curve.samples.series for curve in curves)]
    columns = list(dict.fromkeys(curve.column for curve in curves))
    names = list(dict.fromkeys(curve.name for curve in sorted(curves, key=lambda one: not one.strong)))
    plain = names[1:] if any(curve.strong for curve in curves) else names
    colour = dict(zip(plain, colours(len(plain)), strict=True))
    order = {name: place for place, name in enumerate(plain, 1)}
    with mpl.rc_context(STYLE):
        texts = short(names, LEGEND)
        legend_columns = columns_of_legend(texts, WIDTH)
        around = 0.75 + 0.2 * math.ceil(len(texts) / legend_columns) + (0.4 if missing else 0)
        rows = room(len(known), HEIGHT - around, 1.35, 0.8)
        hidden = [QUANTITIES[name].title for name in known[rows.shown :]]
        known = known[: rows.shown]
        figure = empty_figure(WIDTH, around + rows.size * len(known))
        grid = figure.subplots(len(known), len(columns), sharex="col", sharey="row", squeeze=False)
        for number, column in enumerate(columns):
            here = [curve for curve in curves if curve.column == column]
            for axes, quantity in zip(grid[:, number], known, strict=True):
                for curve in here:
                    _draw(axes, curve, quantity, colour.get(curve.name, "black"), order.get(curve.name, 0))
            _set_time(grid[-1, number], here)
        for axes, quantity in zip(grid[:, 0], known, strict=True):
            _set_values(axes, quantity)
        heads = short(columns) if len(columns) > 1 else [""]
        for axes, head in zip(grid[0], heads, strict=True):  # above the title of the first quantity
            axes.annotate(head, (1, 1), xytext=(0, 18), xycoords="axes fraction", **_HEAD)
        set_lines(grid.flat)
        say(figure, left_out("formats", missing), left_out("quantities", hidden))
        handles = [
            Line2D(
                [],
                [],
                color=colour.get(name, "black"),
                linewidth=1.8,
                **marks(order.get(name, 0), 1, 1),
                markersize=4,
            )
            for name in names
        ]
        figure.legend(handles, texts, loc="outside upper left", ncols=legend_columns)
    return figure


def _draw(axes: Axes, curve: Curve, quantity: str, colour: str, number: int) -> None:
    """Draw one quantity of one trial; where it was not told the line has no point."""
    samples = curve.samples.thinned(POINTS)
    values = samples.series.get(quantity, np.empty(0))
    if not len(values):
        return
    told = np.isfinite(values)
    look: dict[str, Any] = (
        {"linewidth": 1.6, "zorder": 3} if curve.strong else {"linewidth": 1.1, "zorder": 2}
    )
    look |= marks(number, int(told.sum()), MARKED)
    axes.plot(samples.seconds[told], values[told] / _scale(quantity)[1], color=colour, markersize=2.8, **look)


def _scale(quantity: str) -> tuple[str, float]:
    """Return the unit in which the values of a quantity are shown, and how much one of it is."""
    unit = QUANTITIES[quantity].unit
    return ("GiB", 2.0**30) if unit == "byte" else (unit, 1.0)


def _set_values(axes: Axes, quantity: str) -> None:
    unit = _scale(quantity)[0]
    title = QUANTITIES[quantity].title
    axes.set_title(title if unit == title.lower() else f"{title} ({unit})")
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=unit == "threads", steps=[1, 2, 2.5, 5, 10]))
    if unit in _FROM_ZERO:
        axes.set_ylim(0, 1.05 * axes.get_ylim()[1])


def _set_time(axes: Axes, curves: Sequence[Curve]) -> None:
    """Label the seconds; by their logarithm where a trial is many times as long as another one."""
    ends = [float(curve.samples.seconds[-1]) for curve in curves if len(curve.samples)]
    axes.set_xlabel("seconds")
    if not ends or min(ends) <= 0 or max(ends) / min(ends) < FAR:
        axes.set_xlim(left=0)
        return
    axes.set_xscale("log")
    low = min(float(curve.samples.seconds[curve.samples.seconds > 0][0]) for curve in curves)
    axes.set_xlim(low, 1.1 * max(ends))
    set_ticks(axes.xaxis, log_ticks(low, 1.1 * max(ends)))
