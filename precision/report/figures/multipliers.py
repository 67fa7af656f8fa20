"""Accuracy and time of a network through each multiplier: bars and a line."""

from __future__ import annotations

import itertools
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from precision.analysis import Results, pareto_front
from precision.registry import FIGURES
from precision.report.document import Figure, note, order
from precision.report.figures.names import name_points
from precision.report.figures.page import HEIGHT, LETTER, WIDTH, left_out, room, say, short
from precision.report.figures.style import (
    COLOURS,
    INK,
    STYLE,
    empty_figure,
    log_ticks,
    set_lines,
    set_ticks,
)

BARS = 60  # that a panel has room for
PANELS, POWER = 3, 3.1  # panels of accuracy over power that a page has room for, and inches of one
_BAR: dict[str, Any] = {"color": "#9cc5e6"}  # light, so that the line is seen before it
_TIME: dict[str, Any] = {"color": INK, "marker": ".", "linewidth": 1}
_KEY = [Patch(label="accuracy", **_BAR), Line2D([], [], label="time of the emulation", **_TIME)]
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
    """Draw the error of each multiplier (logarithmic) over its power, and the line that none surpasses.

    Names stand beside the points, those on the line first; a panel says how many it has no room for.
    """
    networks = _networks(frame)
    shown = networks[:PANELS]
    with mpl.rc_context(STYLE):
        figure = empty_figure(WIDTH, POWER * len(shown) + 0.4)
        axes: Any = figure.subplots(len(shown), 1, squeeze=False)[:, 0]
        drawn = [_draw_power(ax, rows, title) for ax, (title, rows) in zip(axes, shown, strict=True)]
        say(figure, left_out("networks", [title for title, _ in networks[PANELS:]]))
        figure.draw_without_rendering()  # from here on it is known where the panels stand
        for ax, (points, line) in zip(axes, drawn, strict=True):
            unnamed = name_points(ax, points, [line])
            if unnamed:
                ax.set_title(
                    f"{len(unnamed)} of {len(points)} have no room for a name", loc="right", fontsize=7
                )
    return figure


def _draw_power(ax: Any, rows: pd.DataFrame, title: str) -> tuple[list[tuple[float, float, str]], np.ndarray]:
    """Draw one network; return its points and their names, those on the line first, and its corners."""
    means = rows.groupby("policy", sort=False)[["multiplier_power", "accuracy"]].mean()
    front = pareto_front(means, "multiplier_power", "accuracy")
    error = 100 * (1 - means["accuracy"])
    least = max(float(error[error > 0].min()) / 2 if (error > 0).any() else 0.01, 1e-3)
    error = error.clip(lower=least)
    line = means[front].sort_values("multiplier_power").index
    power = means["multiplier_power"]
    ax.step(power[line], error[line], where="post", color=COLOURS[1], linewidth=1, zorder=1)
    ax.plot(power[~front], error[~front], "o", color=COLOURS[0], markersize=4, zorder=2)
    ax.plot(power[line], error[line], "s", color=COLOURS[1], markersize=5, zorder=3)
    ax.set_yscale("log")
    low, high = float(error.min()) / 1.5, float(error.max()) * 1.5
    ax.set_ylim(high, low)
    ticks = [tick for tick in log_ticks(low, high) if low <= tick <= min(high, 95)]
    set_ticks(ax.yaxis, ticks, [f"{100 - tick:g}" for tick in ticks])
    ax.set_ylabel("accuracy (%)")
    ax.set_xlabel("published power of the multiplier (mW)")
    ax.set_xlim(left=0, right=1.12 * float(power.max()))
    shared, names = _without_shared([_multiplier(str(policy)) for policy in means.index])
    ax.set_title(short([f"{title}, {shared}\N{HORIZONTAL ELLIPSIS}" if shared else title], 54)[0])
    set_lines([ax])
    points = list(zip(power, error, short(names, 24), strict=True))
    best = set(means.index.get_indexer(line))
    ordered = sorted(range(len(points)), key=lambda place: (place not in best, points[place]))
    return [points[place] for place in ordered], _corners(np.column_stack([power[line], error[line]]))


def _corners(places: np.ndarray) -> np.ndarray:
    """Return the corners of steps that change height at each place."""
    before = np.column_stack([places[1:, 0], places[:-1, 1]])
    return np.insert(before, range(len(places)), places, axis=0) if len(places) > 1 else places


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
    """Draw a panel for each network, with the multipliers in the order of the grid, named below the last."""
    networks = _networks(frame)
    policies = list(dict.fromkeys(str(policy) for policy in frame["policy"]))
    names = short([_multiplier(policy) for policy in policies[:BARS]])
    turned = max(map(len, names)) * LETTER > (WIDTH - 1.2) / len(names)
    below = 0.6 + (0.055 * max(map(len, names)) if turned else 0)
    panels = room(len(networks), HEIGHT - below - 0.5, 1.6, 1.1)
    missing = [left_out("networks", [title for title, _ in networks[panels.shown :]])]
    missing.append(left_out("multipliers", [_multiplier(policy) for policy in policies[BARS:]]))
    with mpl.rc_context(STYLE):
        figure = empty_figure(WIDTH, panels.size * panels.shown + below + 0.3 * any(missing))
        axes: Any = figure.subplots(panels.shown, 1, squeeze=False, sharex=True)[:, 0]
        for ax, (title, rows) in zip(axes, networks, strict=False):
            _draw(ax, rows, title, policies[:BARS])
        size = 6 if len(names) > 20 else 7
        axes[-1].set_xticks(range(len(names)), names, rotation=90 if turned else 0, fontsize=size)
        axes[-1].set_xlim(-0.7, len(names) - 0.3)
        axes[0].legend(handles=_KEY, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, borderaxespad=0.2)
        say(figure, *missing)
    return figure


def _draw(ax: Any, rows: pd.DataFrame, title: str, policies: list[str]) -> None:
    means = rows.groupby("policy", sort=False)[["accuracy", "inference_images_per_second"]].mean()
    own = means.reindex([policy for policy in policies if policy in means.index])
    places = [policies.index(policy) for policy in own.index]
    ax.bar(places, 100 * own["accuracy"], width=0.7, **_BAR)
    ax.set_ylim(0, 100)
    ax.set_ylabel("accuracy (%)")
    ax.set_title(short([title], 54)[0])
    ax.tick_params(axis="x", length=0)
    beside = ax.twinx()
    beside.plot(places, 1e4 / own["inference_images_per_second"], **_TIME)
    beside.set_ylim(bottom=0)
    beside.yaxis.set_major_locator(MaxNLocator(4))
    beside.set_ylabel("s per 10,000")
    beside.grid(visible=False)


def _multiplier(policy: str) -> str:
    """Return the part of a policy's name that says the multiplier, where it is an axis."""
    return policy.replace("multipliers=", "")
