"""Speed-up against threads, with the ideal line and the fit of Amdahl's law."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing

from precision.analysis import Results
from precision.analysis.speedup import GROUP, fits, speedups
from precision.registry import FIGURES
from precision.report.document import Figure, note, order
from precision.report.figures.page import WIDTH, left_out, say, short, spread
from precision.report.figures.style import (
    COLOURS,
    INK,
    MARKERS,
    STYLE,
    empty_figure,
    label,
    log_ticks,
    set_ticks,
)

HEIGHT, LINES, PANELS = 3.0, 8, 3
_PANEL = ["dataset", "others", "timing", "machine"]
_NOTE = """\
Points: speed-up against the fewest threads of the CPU. Curve: the fit of Amdahl's law to as many threads as
there are cores. Dashes: the ideal. Dotted level: the best of another device, whatever its threads."""


@FIGURES.register("speedup")
@order(83.5)
def speedup_by_threads(results: Results) -> Figure | None:
    """Return the speed-up over threads by network and format; None where the threads do not vary."""
    table = speedups(results.cells())
    if table.empty or table["threads"].nunique() < 2:
        return None
    return Figure(
        name="speedup",
        title="Speed-up by threads",
        caption="Speed-up against the number of threads",
        draw=draw_speedup,
        data={"table": table},
        notes=(note(_NOTE),),
    )


def draw_speedup(table: pd.DataFrame) -> Drawing:
    """Draw a panel for each dataset and timing: what is emulated and what is native share none."""
    once = table.drop_duplicates(
        [name for name in table if name != "method"]
    )  # one baseline under all methods
    panels = list(once.groupby(_PANEL, sort=False))
    with mpl.rc_context(STYLE):
        shown = panels[:PANELS]
        figure = empty_figure(WIDTH, HEIGHT * len(shown) + 0.3)
        axes: Any = figure.subplots(len(shown), 1, squeeze=False)[:, 0]
        titles = [", ".join(str(part) for part in key[:3] if part) for key, _ in panels]
        for ax, title, (_, rows) in zip(axes, titles, shown, strict=False):
            _draw(ax, rows, title)
        say(figure, left_out("panels", titles[PANELS:]))
    return figure


def _draw(ax: Any, rows: pd.DataFrame, title: str) -> None:
    threads = sorted(rows["threads"].unique())
    found = fits(rows)
    groups = list(rows.groupby(GROUP, sort=False))
    shown = spread(groups, LINES)
    names = short([f"{own['architecture'].iloc[0]} {own['policy'].iloc[0]}" for _, own in shown])
    for index, (key, own) in enumerate(shown):
        colour, name = COLOURS[index % len(COLOURS)], names[index]
        base = own[own["speedup"] == 1].iloc[0]
        mine = own[own["device"] == base["device"]].sort_values("threads")
        marker = MARKERS[index % len(MARKERS)]
        ax.plot(mine["threads"], mine["speedup"], color=colour, marker=marker, linestyle="", label=name)
        fit = found.get((*key, base["device"]))
        if fit is not None:
            limit = mine["threads"][~(mine["threads"] > mine["cores"])].max()
            at = np.geomspace(base["threads"], limit, 50)
            scale = base["seconds"] / fit.one
            ax.plot(at, [scale * fit.speedup(n) for n in at], color=colour, linewidth=1)
        for device, others in own[own["device"] != base["device"]].groupby("device", sort=False):
            best = others["speedup"].max()
            ax.axhline(best, color=colour, linestyle=":", linewidth=1.2)
            ax.annotate(label(device), (threads[-1], best), ha="right", va="bottom", fontsize=7, color=colour)
    ideal = np.geomspace(threads[0], threads[-1], 2)
    ax.plot(ideal, ideal / threads[0], color=INK, linestyle="--", linewidth=0.8, zorder=0)
    left = f" ({len(groups) - LINES} more are in the table)" if len(groups) > LINES else ""
    ax.set_title(label(title) + left)
    ax.set_xscale("log")
    set_ticks(ax.xaxis, [float(n) for n in threads])
    ax.set_xlabel("threads")
    ax.set_ylabel("speed-up")
    ax.set_yscale("log")
    low = min(1.0, rows["speedup"].min()) / 1.15
    high = 1.15 * max(rows["speedup"].max(), threads[-1] / threads[0])
    ax.set_ylim(low, high)
    set_ticks(ax.yaxis, log_ticks(low, high))
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
