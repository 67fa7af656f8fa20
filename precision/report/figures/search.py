"""What a search saw: cost against what is lost, with the front, the uniform formats and what was found."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from precision.report.figures.names import name_points
from precision.report.figures.page import short, wrapped
from precision.report.figures.style import COLOURS, STYLE, empty_figure, set_lines, set_ticks
from precision.tasks import of_all

COSTS = {
    "memory": ("weight_bytes", 1024.0, "weight memory (KiB)"),
    "energy": ("energy_pj", 1e6, "modelled energy of one inference (µJ; a model, not measured)"),
    "activations": ("peak_activation_bytes", 1024.0, "activation memory at once (KiB)"),
    "bops": ("bops", 1e6, "bit operations of one inference (millions)"),
}
LINEAR = 1.0  # percentage points below which the axis is linear, and beyond logarithmic
_TICKS = (-1, 0, 0.5, 1, 2, 5, 10, 20, 50, 100)


def search_figure(rows: pd.DataFrame, objective: str, tolerance: float, title: str) -> Figure:
    """Draw every evaluated assignment of one network.

    Args:
        rows: with ``SEARCH_COLUMNS``.
        objective: one of ``COSTS``, the horizontal axis.
        tolerance: percentage points that may be lost, drawn as a line; or per cent of the RMSE.
    """
    task = of_all(rows["task"])
    column, unit, cost = COSTS[objective]
    rows = rows.assign(cost=rows[column] / unit)
    uniform = rows[rows["policy"] != ""].sort_values("cost")
    mixed = rows[rows["policy"] == ""]
    front = rows[rows["front"]].sort_values("cost")
    with mpl.rc_context(STYLE):
        figure = empty_figure(6.4, 4.1)
        axes = figure.subplots()
        axes.axhline(tolerance, color=COLOURS[1], linewidth=0.9, linestyle="--", zorder=1)
        series: dict[str, tuple[pd.DataFrame, dict[str, Any]]] = {
            "mixed": (mixed, {"linestyle": "", "marker": "o", "markersize": 3.2, "color": "#b0b0b0"}),
            "front": (front, {"drawstyle": "steps-post", "color": COLOURS[0], "linewidth": 1}),
            "one policy": (uniform, {"linestyle": "", "marker": "s", "markersize": 5, "color": COLOURS[3]}),
            "found": (
                rows[rows["chosen"]],
                {"linestyle": "", "marker": "*", "markersize": 13, "color": COLOURS[2]},
            ),
        }
        for height, (name, (points, look)) in enumerate(series.items(), 2):
            axes.plot(points["cost"], points[task.lost], label=name, zorder=height, **look)
        _scale(axes, rows[task.lost], tolerance)
        axes.set_xlim(0, 1.1 * float(rows["cost"].max()))
        axes.set_xlabel(cost)
        lost = "rise of the RMSE" if task.relative else "accuracy lost"
        axes.set_ylabel(f"{lost} on training images\n({task.points})")
        edge: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "ha": "left", "va": "bottom"}
        axes.text(0.008, tolerance, f"tolerance {tolerance:g}", **edge, fontsize=7.5, color=COLOURS[1])
        axes.set_title(wrapped(title, 5.6, 0.085), fontweight="bold")
        figure.legend(loc="outside lower center", ncols=4)
        figure.draw_without_rendering()  # from here on it is known where the panel stands
        names = short(list(uniform["policy"]))
        unnamed = name_points(
            axes, list(zip(uniform["cost"], uniform[task.lost], names, strict=True)), size=7.5
        )
        if unnamed:
            axes.set_xlabel(f"{cost} [{len(unnamed)} unnamed]")
    return figure


def _scale(axes: Axes, losses: pd.Series, tolerance: float) -> None:
    """Linear around no loss, where the decision is, and logarithmic where nothing works any more.

    The tolerance lies on the axis: a label beyond it would leave the panel no room.
    """
    axes.set_yscale("symlog", linthresh=LINEAR, linscale=1.0)
    low, high = min(-0.1, float(losses.min()) * 1.2), max(1.5, float(losses.max()) * 1.3, tolerance * 1.2)
    axes.set_ylim(low, high)
    set_ticks(axes.yaxis, [tick for tick in _TICKS if low <= tick <= high])
    set_lines([axes], "#e4e4e4")
