"""What errors take of a loss: alone, without them, and the part of each that adds up to the whole."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from precision.analysis.explanation import Explanation
from precision.report.figures.page import WIDTH, left_out, say, short
from precision.report.figures.style import COLOURS, INK, STYLE, empty_figure

ROWS = 20  # errors that a page has room for
_NAME = 44  # letters of an error


def draw_parts(found: Explanation) -> Figure:
    """Draw the part of each error as a bar, and what it takes alone and restores as an open and a full dot.

    Below the errors are all others together, and what is lost before any rounding. Where there are more
    errors than rows the first are shown; the figure says which are not.
    """
    shown, hidden = found.frame.head(ROWS), found.frame.iloc[ROWS:]
    rest = [("all others together", found.others)]
    rest += [("before any rounding", found.before)] if found.before else []
    names = short([*_names(shown), *(name for name, _ in rest)], _NAME)
    parts = np.concatenate([shown["part"].fillna(0), [value for _, value in rest]])
    unit = "per cent of the RMSE" if found.asks.relative else "percentage points"
    with mpl.rc_context(STYLE):
        figure = empty_figure(WIDTH, 1.1 + 0.21 * len(names))
        axes = figure.subplots()
        places = np.arange(len(names))
        own = len(shown)
        axes.barh(places[:own], parts[:own], color=COLOURS[0], alpha=0.75, label="part")
        axes.barh(places[own:], parts[own:], color="#9a9a9a")
        axes.hlines(places[:own], shown["alone"], shown["restored"], color=INK, linewidth=0.8)
        dots: dict[str, Any] = {"color": INK, "clip_on": False, "zorder": 3}
        alone, restored = shown["alone"], shown["restored"]
        axes.plot(alone, places[:own], "o", **dots, markerfacecolor="white", markersize=6, label="alone")
        axes.plot(restored, places[:own], "o", **dots, markersize=3.5, label="restored without it")
        axes.set_yticks(places, names, fontsize=7.5)
        axes.invert_yaxis()
        axes.axvline(0, color=INK, linewidth=0.7)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(f"{unit}; {found.whole:.2f} are lost in all")
        axes.grid(axis="x", color="#dddddd", linewidth=0.6)
        axes.set_axisbelow(True)
        figure.legend(loc="outside upper center", ncols=3)
        say(figure, left_out("errors", _names(hidden)))
    return figure


def _names(frame: object) -> list[str]:
    rows = frame.itertuples()  # type: ignore[attr-defined]
    return [f"{row.cause}, {row.slot} of {row.layer}" for row in rows]
