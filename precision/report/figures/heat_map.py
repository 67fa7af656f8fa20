"""A heat map: what rounding one layer alone costs, layers by formats."""

from __future__ import annotations

import math

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure

from precision.report.figures.page import HEIGHT, LETTER, NAME, WIDTH, left_out, room, say, short, wrapped
from precision.report.figures.style import INK, STYLE, TURNED, empty_figure, set_ticks

LOST = "percentage points of accuracy lost"
LINEAR = 0.3  # percentage points below which colours grow in proportion, and beyond by the logarithm
_TICKS = (0.0, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
BAR, HEAD = 0.9, 0.9  # inches for the bar of colours, and for the title and the words below
_MISSING = "#e8e8e8"
_DARK = 0.55  # share of the colour bar beyond which a text is white


def heat_map(losses: pd.DataFrame, title: str, lost: str = LOST) -> Figure:
    """Draw the loss of accuracy in percentage points, or its like, of every layer (row) and format (column).

    A cell without a value is grey. A gain, which is noise, has the colour of no loss. On a page that is too
    small for all, the layers that lose most and the first formats are shown; the figure says what is missing.

    Args:
        losses: one row per layer and one column per format, in the order to be drawn.
        lost: what is lost, in words.
    """
    names_wide = 0.2 + LETTER * min(NAME, max(len(str(name)) for name in losses.index))
    columns = room(losses.shape[1], WIDTH - names_wide - BAR, 0.52, 0.3)
    formats = list(losses.columns[: columns.shown])
    high = 0.1 + 0.65 * LETTER * min(NAME, max(len(str(name)) for name in formats))
    rows = room(len(losses), HEIGHT - high - HEAD, 0.27, 0.15)
    missing = [left_out("formats", list(losses.columns[columns.shown :]))]
    losses, least = _worst(losses[formats], rows.shown)
    missing.append(least)
    values = losses.to_numpy(dtype="float64")
    known = values[np.isfinite(values)]
    top = max(1.0, float(known.max())) if known.size else 1.0
    colours = colormaps["YlOrRd"].with_extremes(bad=_MISSING)
    norm = SymLogNorm(linthresh=LINEAR, linscale=0.5, vmin=0.0, vmax=top)
    names = short(formats)
    turned = max(map(len, names)) * LETTER > columns.size
    with mpl.rc_context(STYLE):
        width = min(WIDTH, max(4.2, BAR + names_wide + columns.size * len(names)))
        figure = empty_figure(width, min(HEIGHT, HEAD + (high if turned else 0.2) + rows.size * len(losses)))
        axes = figure.subplots()
        picture = axes.imshow(
            np.ma.masked_invalid(values), cmap=colours, norm=norm, aspect="auto", interpolation="nearest"
        )
        axes.set_xticks(range(len(names)), names, **(TURNED if turned else {}))
        small = 8.5 if rows.size > 0.2 else 7
        axes.set_yticks(range(len(losses)), short(list(losses.index)), fontsize=small)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_xticks(np.arange(-0.5, len(names)), minor=True)
        axes.set_yticks(np.arange(-0.5, len(losses)), minor=True)
        axes.grid(which="minor", color="white", linewidth=1.2)
        axes.tick_params(which="minor", length=0)
        size = min(7.5, 7.5 * columns.size / 0.4, 7.5 * rows.size / 0.2)
        for (row, column), value in np.ndenumerate(values):
            dark = math.isfinite(value) and norm(max(0.0, value)) > _DARK
            colour = "white" if dark else INK
            axes.text(column, row, _text(value), ha="center", va="center", fontsize=size, color=colour)
        # Over the whole figure: where names are long and columns few, the axes are narrower than their title.
        about = f"{lost} when nothing else is rounded"
        lines = f"{wrapped(title, width, 0.085)}\n{wrapped(about, width, 0.075)}"
        figure.suptitle(lines, x=0.01, ha="left", fontsize=8.5)
        say(figure, *missing)
        bar = figure.colorbar(picture, ax=axes, fraction=0.05, pad=0.02, aspect=max(8, 3 * len(losses)))
        ticks = [tick for tick in _TICKS if tick <= top]
        set_ticks(bar.ax.yaxis, ticks if len(losses) > 3 else [ticks[0], ticks[-1]])
        bar.ax.tick_params(length=2)
        bar.outline.set_visible(False)
    return figure


def _worst(losses: pd.DataFrame, most: int) -> tuple[pd.DataFrame, str]:
    """Return the layers that lose most, in their order, and a sentence on the others."""
    largest = losses.max(axis="columns").fillna(-math.inf)
    others = largest.sort_values(kind="stable").index[: max(0, len(losses) - most)]
    if not len(others):
        return losses, ""
    bound = max(0.0, float(largest[others].max()))
    why = f", which lose at most {_text(bound)} each"
    return losses.drop(index=others), left_out("layers", list(others), why)


def _text(value: float) -> str:
    """Return a loss in a few characters; a dash without one."""
    if not math.isfinite(value):
        return "\N{EN DASH}"
    if abs(value) >= 9.95:
        return f"{value:.0f}".replace("-", "\N{MINUS SIGN}")
    text = f"{value:.2f}" if abs(value) < 0.995 else f"{value:.1f}"
    return "0" if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")
