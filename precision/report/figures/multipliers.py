"""Accuracy and time of a network through each multiplier: bars and a line."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure as Drawing

from precision.analysis import Results
from precision.registry import FIGURES
from precision.report.document import Figure, note, order
from precision.report.figures.page import short
from precision.report.figures.style import COLOURS, INK, STYLE

BARS, HEIGHT, WIDTH = 60, 2.9, 7.2  # bars that a panel has room for; inches of a panel
_NOTE = """\
Bars: test accuracy, on the left. Line: seconds that the emulation takes for 10,000 test images, on the
right; they say what the emulation costs, not what hardware would."""


@FIGURES.register("multipliers")
@order(58.5)
def accuracy_and_time(results: Results) -> Figure | None:
    """Return the bars of accuracy and the line of time over the multipliers; None where there are none."""
    cells = results.cells()
    cells = cells[cells["accuracy"].notna() & cells["multiplier_mean_error"].notna()]
    if cells.empty:
        return None
    return Figure(
        name="multipliers",
        title="Accuracy and time by multiplier",
        caption="Test accuracy and time of the emulation through each multiplier",
        draw=draw_multipliers,
        data={"frame": cells},
        notes=(note(_NOTE),),
    )


def draw_multipliers(frame: pd.DataFrame) -> Drawing:
    """Draw a panel for each network, with the multipliers in the order of the grid."""
    networks = [(key, rows) for key, rows in frame.groupby(["dataset", "architecture"], sort=False)]
    with mpl.rc_context(STYLE):
        figure = Drawing(figsize=(WIDTH, HEIGHT * len(networks) + 0.9), layout="constrained")
        axes: Any = figure.subplots(len(networks), 1, squeeze=False)[:, 0]
        for ax, ((dataset, architecture), rows) in zip(axes, networks, strict=True):
            _draw(ax, rows, f"{dataset}, {architecture}")
    return figure


def _draw(ax: Any, rows: pd.DataFrame, title: str) -> None:
    means = rows.groupby("policy", sort=False)[["accuracy", "inference_images_per_second"]].mean()
    shown = means.head(BARS)
    places = range(len(shown))
    ax.bar(places, 100 * shown["accuracy"], color=COLOURS[0], width=0.7)
    ax.set_ylim(0, 100)
    ax.set_ylabel("Accuracy in %")
    left = f" ({len(means) - BARS} more are in the table)" if len(means) > BARS else ""
    ax.set_title(title + left, loc="left")
    names = short([_multiplier(str(policy)) for policy in shown.index])
    ax.set_xticks(list(places), names, rotation=90, fontsize=6 if len(shown) > 20 else 7)
    ax.set_xlim(-0.7, len(shown) - 0.3)
    beside = ax.twinx()
    beside.plot(places, 1e4 / shown["inference_images_per_second"], color=INK, marker=".", linewidth=1)
    beside.set_ylim(bottom=0)
    beside.set_ylabel("s per 10,000 images")
    beside.grid(visible=False)


def _multiplier(policy: str) -> str:
    """Return the part of a policy's name that says the multiplier, where it is an axis."""
    return policy.replace("multipliers=", "")
