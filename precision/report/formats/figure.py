"""The number line of a format as a figure: every value, and how many in each power of two."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from precision import files
from precision.errors import PrecisionError
from precision.formats import NumberFormat
from precision.formats.properties import binades
from precision.report.figures.style import COLOURS, INK, STYLE, empty_figure, label
from precision.report.formats.number_line import points

_MANY = 600  # values that can still be told apart as strokes


def number_line(number_format: NumberFormat) -> Figure:
    """Return a figure of the values of a format on a linear axis and, counted, on a logarithmic one."""
    with rc_context(STYLE):
        figure = empty_figure(7.2, 3.6)
        upper, lower = figure.subplots(2, 1, height_ratios=[1, 2])
        _strokes(upper, number_format)
        of = "elements under a scale of 1" if number_format.block else "values"
        upper.set_title(f"{label(number_format.name)}: {of}")
        _bars(lower, number_format)
        lower.set_title(f"positive {of} in each power of two")
    return figure


def write_number_line(number_format: NumberFormat, path: Path) -> None:
    """Write the figure to a file whose suffix says in which form, for example .png, .pdf or .svg.

    Raises:
        PrecisionError: when the suffix is none that can be drawn, or the file cannot be written.
    """
    figure = number_line(number_format)
    known = figure.canvas.get_supported_filetypes()
    suffix = path.suffix.lstrip(".").lower()
    if suffix not in known:
        raise PrecisionError(f"--figure: the name must end in .png, .pdf or .svg, but got {str(path)!r}")
    with files.refused(path, "the figure cannot be written here", "give another --figure"):
        files.write(path, lambda draft: figure.savefig(draft, dpi=150))


def _strokes(axes: Axes, number_format: NumberFormat) -> None:
    values, weights = points(number_format)
    if len(values) <= _MANY:
        axes.vlines(values, 0, 1, color=COLOURS[0], linewidth=0.8)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
    else:
        counts, edges = np.histogram(values, bins=180, weights=weights)
        axes.stairs(counts, edges, fill=True, color=COLOURS[0])
        axes.set_yscale("log")
        axes.set_ylabel("how many", color=INK)
    axes.set_ylim(bottom=0 if len(values) <= _MANY else 0.5)
    span = float(values.max() - values.min()) or 1.0
    axes.set_xlim(float(values.min()) - 0.01 * span, float(values.max()) + 0.01 * span)


def _bars(axes: Axes, number_format: NumberFormat) -> None:
    found = binades(number_format)
    exponents = [e for e, _ in found]
    axes.bar(exponents, [n for _, n in found], width=0.9, color=COLOURS[0])
    axes.set_yscale("log", base=2)
    axes.set_ylim(bottom=0.5)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda n, _: f"{n:g}" if n >= 1 else ""))
    axes.xaxis.set_major_locator(MaxNLocator(12, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda e, _: f"$2^{{{e:.0f}}}$"))
    axes.set_ylabel("how many", color=INK)
