"""A contact sheet of test images that get another class: the true one, that before and that after."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from precision.analysis.explanation import Flips
from precision.report.figures.page import say, short
from precision.report.figures.style import INK, STYLE, empty_figure

COLUMNS, MOST = 8, 24  # images side by side, and in all
_PANEL = 0.9  # inches
_NAME = 11  # letters of a class


def draw_flips(flips: Flips) -> Figure:
    """Draw images that flipped: first those that were right before alone, then those that are right after.

    Of more than fit, both kinds keep their share, evenly over the test images; the figure says how many
    there are.
    """
    chosen = _chosen(flips)
    rows = -(-len(chosen) // COLUMNS)
    columns = min(COLUMNS, len(chosen))
    with mpl.rc_context(STYLE):
        figure = empty_figure(max(3.0, _PANEL * columns + 0.2), (_PANEL + 0.42) * rows + 0.5)
        panels = figure.subplots(rows, columns, squeeze=False)
        for axes in panels.flat:
            axes.set_axis_off()
        for axes, place in zip(panels.flat, chosen, strict=False):
            _picture(axes, flips, int(place))
        left = len(flips.number) - len(chosen)
        say(
            figure,
            "Above each image its number and true class, below it the class before and after; what is right "
            "is bold.",
            f"{left} more images flipped." if left else "",
        )
    return figure


def _chosen(flips: Flips) -> np.ndarray:
    """Return the places of the images that are shown."""
    lost = np.flatnonzero(flips.before == flips.truth)
    won = np.flatnonzero((flips.after == flips.truth) & (flips.before != flips.truth))
    rest = np.setdiff1d(np.arange(len(flips.number)), np.concatenate([lost, won]))
    total = max(1, len(flips.number))
    if total <= MOST:
        return np.concatenate([lost, won, rest])
    room = [min(len(lost), max(1, round(MOST * len(lost) / total))) if len(lost) else 0]
    room.append(min(len(won), MOST - room[0], max(1, round(MOST * len(won) / total))) if len(won) else 0)
    room.append(min(len(rest), MOST - sum(room)))
    return np.concatenate([_spread(part, n) for part, n in zip((lost, won, rest), room, strict=True)])


def _spread(places: np.ndarray, number: int) -> np.ndarray:
    """Return so many of some places, evenly over them."""
    return places[np.linspace(0, len(places) - 1, number).round().astype(int)] if number else places[:0]


def _picture(axes: mpl.axes.Axes, flips: Flips, place: int) -> None:
    assert flips.images is not None
    image = flips.images[place]
    if image.dtype != np.uint8:
        low, high = float(image.min()), float(image.max())
        image = (image - low) / (high - low) if high > low else np.zeros_like(image)
    grey = image.shape[-1] not in (3, 4)
    axes.imshow(image[..., 0] if grey else image, cmap="gray_r" if grey else None, interpolation="nearest")
    truth, before, after = (
        short([str(names[place])], _NAME)[0] for names in (flips.truth, flips.before, flips.after)
    )
    axes.set_title(f"{flips.number[place]}: {truth}", fontsize=6.5, color=INK, pad=2, loc="center")
    right = flips.before[place] == flips.truth[place], flips.after[place] == flips.truth[place]
    for y, text, bold in ((-0.03, before, right[0]), (-0.17, f"\N{RIGHTWARDS ARROW} {after}", right[1])):
        axes.text(
            0.5,
            y,
            text,
            transform=axes.transAxes,
            ha="center",
            va="top",
            fontsize=6.5,
            color=INK,
            fontweight="bold" if bold else "normal",
        )
