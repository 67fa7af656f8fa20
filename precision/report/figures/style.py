"""What the figures share: colours, markers, logarithmic ticks, and places for formats along an axis."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, NullLocator

from precision.printable import printable
from precision.report.text import bits

# Okabe and Ito's colours for all kinds of colour vision, without black (the baseline) and pale yellow;
# then wine and grey.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#7F7F7F"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "*", "h", "d"]
INK = "#404040"
TURNED: dict[str, Any] = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}
"""How long names stand below an axis."""
DPI = 200
STYLE: dict[Any, Any] = {
    "font.size": 8.5,
    "axes.titlesize": 9.5,
    "axes.labelsize": 8.5,
    "axes.edgecolor": "#808080",
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
}


def empty_figure(width: float, height: float) -> Figure:
    """Return a figure of a size in inches that draws without a display and that pyplot knows nothing of."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def label(text: object) -> str:
    """Return a user's text as it is: a dollar sign would otherwise start a formula."""
    return " ".join(printable(text).split()).replace("$", r"\$")


def colours(number: int) -> list[str]:
    """Return so many colours: six distinct ones, or an even ramp from dark to light."""
    if number <= 6:
        return COLOURS[:number]
    ramp = colormaps["viridis"]
    return [to_hex(ramp(0.92 * i / (number - 1))) for i in range(number)]


def marks(number: int, points: int, most: int) -> dict[str, Any]:
    """Return the marker of a line by its number, by which it is known without its colour.

    On a line of more than ``most`` points only some have one, and not those of its neighbours.
    """
    step = max(1, math.ceil(points / most))
    return {"marker": MARKERS[number % len(MARKERS)], "markevery": (number * 5 % step, step)}


def columns_of_legend(names: Sequence[str], width: float) -> int:
    """Return how many entries of a legend fit side by side in a figure so many inches wide."""
    entry = 0.65 + 0.068 * max(map(len, names))
    return max(1, min(len(names), int(width / entry)))


def log_ticks(low: float, high: float) -> list[float]:
    """Return round values between two positive bounds for a logarithmic axis: 1, 2, 5 times powers of ten.

    A range too narrow for three of them gets evenly spaced values.
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [m * 10.0**power for power in powers for m in (1, 2, 5)]
    ticks = [tick for tick in ticks if low <= tick <= high]
    if len(ticks) < 3:
        ticks = list(MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(low, high))
    ticks = [float(f"{tick:.10g}") for tick in ticks]
    return [tick for tick in ticks if low <= tick <= high]


def set_ticks(axis: Axis, ticks: Sequence[float], labels: Sequence[str] | None = None) -> None:
    """Put exactly these ticks on an axis, whatever its scale; their labels are their numbers if not given."""
    texts = [f"{tick:g}" for tick in ticks] if labels is None else list(labels)
    axis.set_major_locator(FixedLocator(list(ticks)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FixedFormatter(texts))


def set_lines(panels: Iterable[Axes], colour: str = "#dddddd") -> None:
    """Draw a faint line across the panels at every tick of the vertical axis."""
    for axes in panels:
        axes.grid(axis="y", color=colour, linewidth=0.6)
        axes.set_axisbelow(True)


def _band_label(values: pd.Series) -> str:
    """Return the bits of a band: one number, or its ends where networks differ; "?" when unknown."""
    if values.empty:
        return "?"
    low, high = (bits(round(value, 1)) for value in (values.min(), values.max()))
    return bits(values.min()) if low == high else f"{low}-{high}"


class Slots(NamedTuple):
    """Where each policy stands along an axis of bits.

    ``bands`` lists, for every group of policies with equal bits, its left and right edge and its label.
    """

    place: dict[str, float]
    bands: list[tuple[float, float, str]]


def slots(frame: pd.DataFrame, gap: float = 1.6) -> Slots:
    """Place the policies by the logarithm of their bits per weight, at least one unit apart.

    Formats of equal bits (float16, bfloat16, a 16-bit fixed point) would coincide on a plain axis of
    bits; here they stand side by side in one band, in grid order. Networks may give one policy different
    mean bits (some keep statistics in float32): its band is that of the lowest, its label the range.
    ``gap`` is that between two bands whose bits differ by a factor of two; 0 leaves only room to tell
    bands apart.
    """
    lowest = frame.groupby("policy", sort=False)["weight_bits"].min().round(1).fillna(math.inf)
    widths = sorted(set(lowest))
    place: dict[str, float] = {}
    spans = []
    apart = gap or 1.3
    position = -apart
    for width in widths:
        wanted = gap * math.log2(width / widths[0]) if math.isfinite(width) else position
        start = max(position + apart, wanted)
        members = [str(policy) for policy in lowest.index[lowest == width]]
        for i, policy in enumerate(members):
            place[policy] = position = start + i
        known = frame.loc[frame["policy"].isin(members), "weight_bits"].dropna()
        spans.append((start, position, _band_label(known)))
    edges = [-0.8, *((a[1] + b[0]) / 2 for a, b in itertools.pairwise(spans)), position + 0.8]
    return Slots(place, [(edges[i], edges[i + 1], span[2]) for i, span in enumerate(spans)])
