"""What an audit found: the difference in accuracy of each format, with its interval."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from precision.report.figures.page import HEIGHT, left_out, room, say, short
from precision.report.figures.style import COLOURS, INK, MARKERS, STYLE, empty_figure, set_lines, set_ticks

LINEAR = 1.0  # percentage points below which the axis is linear, and beyond logarithmic
_TICKS = (-100, -50, -20, -10, -5, -2, -1, -0.5, 0, 0.5, 1, 2, 5, 10)
_AROUND = 1.6  # inches above and below the rows


def audit_figure(frame: pd.DataFrame, tolerance: float) -> Figure:
    """Draw a row for each format, one colour and marker for each target; those named are filled.

    On a page that is too small for all, the first ones are shown, and the figure says what is missing.

    Args:
        frame: with ``AUDIT_COLUMNS``, by target.
        tolerance: percentage points that may be lost, drawn as a line.
    """
    rows = room(len(frame), HEIGHT - _AROUND, 0.2, 0.14)
    missing = left_out("formats", list(frame["policy"].iloc[rows.shown :]))
    frame = frame.iloc[: rows.shown].reset_index(drop=True)
    change, low, high = (100 * frame[name] for name in ("accuracy_difference", "low", "high"))
    least, most = 1.3 * min(float(low.min()), -tolerance, -1.0), 1.3 * max(float(high.max()), 1.0)
    with mpl.rc_context(STYLE):
        figure = empty_figure(6.4, _AROUND + rows.size * len(frame))
        axes = figure.subplots()
        axes.axvline(-tolerance, color=INK, linewidth=0.9, linestyle="--", zorder=1)
        axes.axvline(0, color="#b0b0b0", linewidth=0.8, zorder=1)
        for number, target in enumerate(frame["target"].unique()):
            own = frame.index[frame["target"] == target]
            look: dict[str, Any] = {
                "linestyle": "",
                "marker": MARKERS[number % len(MARKERS)],
                "markersize": 5,
                "color": COLOURS[number % len(COLOURS)],
            }
            axes.hlines(own, low[own], high[own], color=look["color"], linewidth=1, zorder=2)
            axes.plot(change[own], own, markerfacecolor="white", label=target, zorder=3, **look)
            named = own[frame.loc[own, "named"].to_numpy(dtype=bool)]
            axes.plot(change[named], named, zorder=4, **look)
        axes.set_yticks(range(len(frame)), short(list(frame["policy"])), fontsize=8)
        axes.set_ylim(len(frame) - 0.3, -0.7)
        axes.set_xscale("symlog", linthresh=LINEAR, linscale=1.0)
        axes.set_xlim(least, most)
        set_ticks(axes.xaxis, [tick for tick in _TICKS if least <= tick <= most])
        set_lines([axes], "#e4e4e4")
        axes.set_xlabel(f"difference to float32 in percentage points (dashed: the tolerance, {tolerance:g})")
        figure.legend(loc="outside lower center", ncols=3)
        say(figure, missing)
    return figure
