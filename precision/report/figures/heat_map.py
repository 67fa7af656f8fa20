"""A heat map: what rounding one layer alone costs, layers by formats."""

from __future__ import annotations

import math

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure

from precision.report.figures.style import INK, STYLE, TURNED, empty_figure, label, set_ticks

LINEAR = 0.3  # percentage points below which colours grow in proportion, and beyond by the logarithm
_TICKS = (0.0, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
_MISSING = "#e8e8e8"
_DARK = 0.55  # share of the colour bar beyond which a text is white


def heat_map(losses: pd.DataFrame, title: str) -> Figure:
    """Draw the loss of accuracy in percentage points of every layer (row) and format (column).

    A cell without a value is grey. A gain, which is noise, has the colour of no loss.

    Args:
        losses: one row per layer and one column per format, in the order to be drawn.
    """
    values = losses.to_numpy(dtype="float64")
    known = values[np.isfinite(values)]
    top = max(1.0, float(known.max())) if known.size else 1.0
    colours = colormaps["YlOrRd"].with_extremes(bad=_MISSING)
    norm = SymLogNorm(linthresh=LINEAR, linscale=0.5, vmin=0.0, vmax=top)
    names = [label(name) for name in losses.columns]
    turned = max(map(len, names)) > 6
    with mpl.rc_context(STYLE):
        wide = 0.075 * max(len(label(name)) for name in losses.index)
        high = 0.05 * max(map(len, names)) if turned else 0.1
        width = max(4.2, 1.2 + wide + 0.52 * len(losses.columns))
        figure = empty_figure(width, 0.9 + high + 0.27 * len(losses))
        axes = figure.subplots()
        picture = axes.imshow(
            np.ma.masked_invalid(values), cmap=colours, norm=norm, aspect="auto", interpolation="nearest"
        )
        axes.set_xticks(range(len(names)), names, **(TURNED if turned else {}))
        axes.set_yticks(range(len(losses)), [label(name) for name in losses.index])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_xticks(np.arange(-0.5, len(names)), minor=True)
        axes.set_yticks(np.arange(-0.5, len(losses)), minor=True)
        axes.grid(which="minor", color="white", linewidth=1.2)
        axes.tick_params(which="minor", length=0)
        for (row, column), value in np.ndenumerate(values):
            dark = math.isfinite(value) and norm(max(0.0, value)) > _DARK
            colour = "white" if dark else INK
            axes.text(column, row, _text(value), ha="center", va="center", fontsize=7.5, color=colour)
        axes.set_title(f"{label(title)}\n", fontweight="bold")
        about = "percentage points of accuracy lost when nothing else is rounded"
        axes.text(0, 1.02, about, transform=axes.transAxes, fontsize=7.5, color=INK, va="bottom")
        bar = figure.colorbar(picture, ax=axes, fraction=0.05, pad=0.02, aspect=max(8, 3 * len(losses)))
        set_ticks(bar.ax.yaxis, [tick for tick in _TICKS if tick <= top])
        bar.ax.tick_params(length=2)
        bar.outline.set_visible(False)
    return figure


def _text(value: float) -> str:
    """Return a loss in a few characters; a dash without one."""
    if not math.isfinite(value):
        return "\N{EN DASH}"
    if abs(value) >= 9.95:
        return f"{value:.0f}".replace("-", "\N{MINUS SIGN}")
    text = f"{value:.2f}" if abs(value) < 0.995 else f"{value:.1f}"
    return "0" if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")
