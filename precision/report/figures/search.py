"""What a search saw: cost against accuracy lost, with the front, the uniform formats and what was found."""

from __future__ import annotations

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from precision.report.figures.style import COLOURS, INK, STYLE, empty_figure, label

COSTS = {
    "memory": ("weight_bytes", 1024.0, "weight memory (KiB)"),
    "energy": ("energy_pj", 1e6, "modelled energy of one inference (µJ; a model, not measured)"),
}
LINEAR = 1.0  # percentage points below which the axis is linear, and beyond logarithmic
_TICKS = (-1, 0, 0.5, 1, 2, 5, 10, 20, 50, 100)


def search_figure(rows: pd.DataFrame, objective: str, tolerance: float, title: str) -> Figure:
    """Draw every evaluated assignment of one network.

    Args:
        rows: with ``SEARCH_COLUMNS``.
        objective: ``memory`` or ``energy``, the horizontal axis.
        tolerance: percentage points that may be lost, drawn as a line.
    """
    column, unit, name = COSTS[objective]
    rows = rows.assign(cost=rows[column] / unit)
    uniform = rows[rows["policy"] != ""].sort_values("cost")
    mixed = rows[rows["policy"] == ""]
    front = rows[rows["front"]].sort_values("cost")
    with mpl.rc_context(STYLE):
        figure = empty_figure(6.4, 4.1)
        axes = figure.subplots()
        axes.axhline(tolerance, color=COLOURS[1], linewidth=0.9, linestyle="--", zorder=1)
        axes.plot(
            mixed["cost"],
            mixed["accuracy_loss"],
            linestyle="",
            marker="o",
            markersize=3.2,
            color="#b0b0b0",
            label="mixed",
            zorder=2,
        )
        axes.step(
            front["cost"],
            front["accuracy_loss"],
            where="post",
            color=COLOURS[0],
            linewidth=1,
            label="front",
            zorder=3,
        )
        axes.plot(
            uniform["cost"],
            uniform["accuracy_loss"],
            linestyle="",
            marker="s",
            markersize=5,
            color=COLOURS[3],
            label="one policy",
            zorder=4,
        )
        chosen = rows[rows["chosen"]]
        axes.plot(
            chosen["cost"],
            chosen["accuracy_loss"],
            linestyle="",
            marker="*",
            markersize=13,
            color=COLOURS[2],
            label="found",
            zorder=5,
        )
        for row in uniform.itertuples():
            axes.annotate(
                label(row.policy),
                (row.cost, row.accuracy_loss),
                xytext=(4, 4),
                textcoords="offset points",
                fontsize=7.5,
                color=INK,
                zorder=6,
            )
        _scale(axes, rows["accuracy_loss"])
        axes.set_xlim(0, 1.1 * float(rows["cost"].max()))
        axes.set_xlabel(name)
        axes.set_ylabel("accuracy lost on training images\n(percentage points)")
        axes.text(
            0.008,
            tolerance,
            f"tolerance {tolerance:g}",
            transform=axes.get_yaxis_transform(),
            ha="left",
            va="bottom",
            fontsize=7.5,
            color=COLOURS[1],
        )
        axes.set_title(label(title), fontweight="bold")
        figure.legend(loc="outside lower center", ncols=4)
    return figure


def _scale(axes: Axes, losses: pd.Series) -> None:
    """Linear around no loss, where the decision is, and logarithmic where nothing works any more."""
    axes.set_yscale("symlog", linthresh=LINEAR, linscale=1.0)
    low, high = min(-0.1, float(losses.min()) * 1.2), max(1.5, float(losses.max()) * 1.3)
    axes.set_ylim(low, high)
    ticks = [tick for tick in _TICKS if low <= tick <= high]
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FixedFormatter([f"{tick:g}" for tick in ticks]))
    axes.grid(axis="y", color="#e4e4e4", linewidth=0.6)
    axes.set_axisbelow(True)
