"""Accuracy and time of a network through each multiplier: bars and a line."""

from __future__ import annotations

import itertools
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure as Drawing

from precision.analysis import Results, pareto_front
from precision.registry import FIGURES
from precision.report.document import Figure, note, order
from precision.report.figures.page import short
from precision.report.figures.style import (
    COLOURS,
    INK,
    STYLE,
    empty_figure,
    label,
    log_ticks,
    set_lines,
    set_ticks,
)

BARS, HEIGHT, WIDTH = 60, 2.9, 7.2  # bars that a panel has room for; inches of a panel
_NOTE = """\
Bars: test accuracy, on the left. Line: seconds that the emulation takes for 10,000 test images, on the
right; they say what the emulation costs, not what hardware would."""

_POWER = """\
Power as the makers of the circuits published it, of a network with several multipliers the mean over its
multiplications. On the line are the multipliers that no other surpasses in power and accuracy at once. The
vertical axis is logarithmic in the error."""


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


@FIGURES.register("multiplier_power")
@order(58.6)
def accuracy_and_power(results: Results) -> Figure | None:
    """Return accuracy against the published power of multipliers; None where no table says any."""
    cells = results.cells()
    cells = cells[cells["accuracy"].notna() & cells["multiplier_power"].notna()]
    if cells.empty:
        return None
    return Figure(
        name="multiplier_power",
        title="Accuracy and power of multipliers",
        caption="Test accuracy against the published power of the multiplier, with the Pareto front",
        draw=draw_power,
        data={"frame": cells},
        notes=(note(_POWER),),
    )


def _networks(frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return the rows of each network under each method, which is named where there are several."""
    keys = ["dataset", "architecture", "method"][: 3 if frame["method"].nunique() > 1 else 2]
    return [(", ".join(map(str, key)), rows) for key, rows in frame.groupby(keys, sort=False)]


def draw_power(frame: pd.DataFrame) -> Drawing:
    """Draw the error of each multiplier (logarithmic) over its power, and the line that none surpasses."""
    networks = _networks(frame)
    with mpl.rc_context(STYLE):
        figure = empty_figure(WIDTH, HEIGHT * len(networks) + 0.3)
        axes: Any = figure.subplots(len(networks), 1, squeeze=False)[:, 0]
        for ax, (title, rows) in zip(axes, networks, strict=True):
            _draw_power(ax, rows, title)
    return figure


def _draw_power(ax: Any, rows: pd.DataFrame, title: str) -> None:
    means = rows.groupby("policy", sort=False)[["multiplier_power", "accuracy"]].mean()
    front = pareto_front(means, "multiplier_power", "accuracy")
    error = 100 * (1 - means["accuracy"])
    least = max(float(error[error > 0].min()) / 2 if (error > 0).any() else 0.01, 1e-3)
    error = error.clip(lower=least)
    line = means[front].sort_values("multiplier_power").index
    ax.step(
        means["multiplier_power"][line], error[line], where="post", color=COLOURS[1], linewidth=1, zorder=1
    )
    ax.plot(means["multiplier_power"], error, "o", color=COLOURS[0], markersize=4, zorder=2)
    ax.plot(means["multiplier_power"][line], error[line], "o", color=COLOURS[1], markersize=5, zorder=3)
    shared, names = _without_shared([_multiplier(str(policy)) for policy in means.index])
    by_power = sorted(zip(means["multiplier_power"], error, short(names, 24), strict=True))
    for number, (power, y, name) in enumerate(by_power):  # by turns above and below, where they are dense
        at, side = ((0, 5), "bottom") if number % 2 == 0 else ((0, -5), "top")
        ax.annotate(
            name, (power, y), at, textcoords="offset points", ha="center", va=side, fontsize=6.5, color=INK
        )
    ax.set_yscale("log")
    low, high = float(error.min()) / 1.5, float(error.max()) * 1.5
    ax.set_ylim(high, low)
    ticks = [tick for tick in log_ticks(low, high) if low <= tick <= min(high, 95)]
    set_ticks(ax.yaxis, ticks, [f"{100 - tick:g}" for tick in ticks])
    ax.set_ylabel("Accuracy in %")
    ax.set_xlabel("published power of the multiplier in mW")
    ax.set_xlim(left=0, right=1.12 * float(means["multiplier_power"].max()))
    ax.set_title(label(f"{title}, {shared}\N{HORIZONTAL ELLIPSIS}" if shared else title), loc="left")
    set_lines([ax])


def _without_shared(names: list[str]) -> tuple[str, list[str]]:
    """Return what all names begin with, up to the end of a word, and the names without it."""
    shared = ""
    if len(names) > 1:  # the first and the last in order differ no later than any two
        first, last = min(names), max(names)
        shared = "".join(
            a for a, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
        )
    end = max(shared.rfind(mark) for mark in " _(") + 1
    return shared[:end], [name[end:] for name in names]


def draw_multipliers(frame: pd.DataFrame) -> Drawing:
    """Draw a panel for each network, with the multipliers in the order of the grid."""
    networks = _networks(frame)
    with mpl.rc_context(STYLE):
        figure = empty_figure(WIDTH, HEIGHT * len(networks) + 0.9)
        axes: Any = figure.subplots(len(networks), 1, squeeze=False)[:, 0]
        for ax, (title, rows) in zip(axes, networks, strict=True):
            _draw(ax, rows, title)
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
