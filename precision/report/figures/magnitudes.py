"""How large the values of a network are beside those that a format has: small panels, one for each tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from precision.analysis.explanation import Histogram
from precision.report.figures.page import WIDTH, left_out, say, short
from precision.report.figures.style import INK, STYLE, empty_figure

COLUMNS, ROWS = 3, 5  # panels that a page has room for
_KEPT, _LOST = "#8AB8DC", "#A63600"  # told apart in black and white too
_RARE = 5e-4  # share of the values up to which a bar at the left end is left out


def draw_magnitudes(histograms: Sequence[Histogram]) -> Figure:
    """Draw a histogram of each tensor over powers of two, and ticks where its format has a magnitude.

    What lies beyond the format is drawn in another colour, to the left what becomes zero and to the right
    what overflows. Of more tensors than there are panels the first are shown; the figure says which are not.
    """
    shown, others = histograms[: COLUMNS * ROWS], histograms[COLUMNS * ROWS :]
    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    with mpl.rc_context(STYLE):
        figure = empty_figure(WIDTH * columns / COLUMNS if columns > 1 else 3.2, 1.75 * rows + 0.3)
        panels: Any = figure.subplots(rows, columns, squeeze=False)
        for axes in panels.flat[len(shown) :]:
            axes.set_visible(False)
        for axes, histogram in zip(panels.flat, shown, strict=False):
            _panel(axes, histogram)
        for axes in panels[:, 0]:
            axes.set_ylabel("share in %", fontsize=7)
        say(figure, left_out("tensors", [f"{h.slot} of {h.layer}" for h in others]))
    return figure


def _panel(axes: Any, histogram: Histogram) -> None:
    total = max(1, int(histogram.counts.sum()) + histogram.zeros)
    widths = np.diff(histogram.edges)
    middle = (histogram.edges[:-1] + histogram.edges[1:]) / 2 if len(widths) else np.zeros(0)
    values = histogram.values
    low, high = (values[0], values[-1]) if len(values) else (0.0, np.inf)
    with np.errstate(divide="ignore"):
        gone = (middle < np.log2(low / 2)) & (histogram.underflow > 0)  # of a posit nothing is
        beyond = gone | ((middle > np.log2(high)) & (histogram.overflow > 0))
    colours = np.where(beyond, _LOST, _KEPT)
    axes.bar(middle, 100 * histogram.counts / total, width=widths, color=colours, linewidth=0)
    common = np.flatnonzero(histogram.counts > _RARE * total)
    if common.size:
        axes.set_xlim(histogram.edges[common[0]] - 1, histogram.edges[-1] + 1)
    if len(values):
        at = np.log2(values)
        left, right = axes.get_xlim()
        at = at[(at >= left) & (at <= right)]
        axes.plot(at, np.zeros(len(at)), "|", color=INK, markersize=5, markeredgewidth=0.6, clip_on=False)
    axes.set_title(
        f"{short([histogram.layer], 20)[0]}, {histogram.slot}\n"
        f"overflow {_percent(histogram.overflow)}, zero {_percent(histogram.underflow)}",
        fontsize=7,
    )
    axes.tick_params(labelsize=6.5)
    axes.set_xlabel("magnitude as a power of two", fontsize=6.5)
    axes.locator_params(axis="x", integer=True, nbins=6)


def _percent(share: float) -> str:
    if 0 < share < 5e-4:
        return "< 0.1 %"
    return f"{100 * share:.1f} %" if share else "0"
