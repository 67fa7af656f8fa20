"""Test accuracy, or RMSE, of every architecture and format, against the bits stored per weight."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D

from precision.analysis import Block, Results, blocks, rows_of
from precision.analysis.columns import UNRUN
from precision.registry import FIGURES
from precision.report.document import Figure, Words, note, order
from precision.report.figures.page import HEIGHT, LETTER, WIDTH, left_out, room, say, short
from precision.report.figures.style import (
    COLOURS,
    INK,
    MARKERS,
    STYLE,
    TURNED,
    Slots,
    columns_of_legend,
    empty_figure,
    label,
    log_ticks,
    set_lines,
    set_ticks,
    slots,
)
from precision.report.titles import method_in_words
from precision.tasks import CLASSIFICATION, TASKS, Task, of_all

EDGE, PLACE = 1.2, 0.68  # inches beside the panels, and for a format where there is room
FORMATS, PANELS = 22, 6  # that a page has room for
REGRESSION = TASKS["regression"]
_ERROR = {False: Words("error (100 % minus accuracy)"), True: Words("RMSE, least on top")}
_NOTE = """\
The vertical axis is logarithmic in the {error}, so that differences near the top stay
visible beside formats that fail altogether. With several seeds the bar spans all of them. Weights in formats
of equal size stand side by side within one band. Under a method that goes on training the baseline is the one
that went on likewise, with its own policy."""


@FIGURES.register("accuracy_vs_bits")
@order(60)
def accuracy_vs_bits(results: Results) -> Figure | None:
    """Return the figure of test accuracy against the bits stored per weight, if any network has one."""
    cells = _asked(results.cells(), CLASSIFICATION)
    alone = len(cells) and (cells["policy"] == results.settings.baseline).all()
    if alone or (cells.empty and len(results.cells())):
        return None  # nothing to hold the bits of one format against
    some = cells["accuracy"].notna().any()
    return Figure(
        name="accuracy_vs_bits",
        title="Accuracy against bits",
        caption="Test accuracy of every architecture and format, in order of the bits stored per weight",
        draw=draw_accuracy if some else None,
        data={"frame": cells, "baseline": results.settings.baseline},
        notes=(note(_NOTE if some else "There is no accuracy to show.", error=_ERROR[False]),),
    )


@FIGURES.register("rmse_vs_bits")
@order(60)
def rmse_vs_bits(results: Results) -> Figure | None:
    """Return the figure of the RMSE of regressions against the bits stored per weight, if there are any."""
    cells = _asked(results.cells(), REGRESSION)
    if cells.empty:
        return None
    some = cells["rmse"].notna().any()
    return Figure(
        name="rmse_vs_bits",
        title="RMSE against bits",
        caption="RMSE on the test images of every architecture and format, in order of the bits per weight",
        draw=draw_accuracy if some else None,
        data={"frame": cells, "baseline": results.settings.baseline, "task": REGRESSION},
        notes=(note(_NOTE if some else "There is no RMSE to show.", error=_ERROR[True]),),
    )


def _asked(cells: pd.DataFrame, task: Task) -> pd.DataFrame:
    """Return the rows of the data sets whose networks are compared by the score of a task."""
    by_dataset = {name: of_all(rows["task"]) for name, rows in cells.groupby("dataset", sort=False)}
    return cells[cells["dataset"].map(lambda name: by_dataset[name].score == task.score).astype("bool")]


class _Look(NamedTuple):
    """How one architecture is drawn, and how far it stands to the side within the place of a format."""

    colour: str
    marker: str
    shift: float


def draw_accuracy(frame: pd.DataFrame, baseline: str = "float32", task: Task = CLASSIFICATION) -> Drawing:
    """Draw test accuracy, or RMSE, of every architecture and format, formats in order of bits per weight.

    One panel per dataset, training and method; one colour and marker per architecture, filled and solid
    for ptq, hollow and dashed for methods that train with the format. The vertical axis is logarithmic
    in the error, so that 98.5 % and 99 % are told apart although another format sits at 10 %. Formats
    have places of their own along the axis, in bands of equal bits; architectures stand side by side
    within a place. A cross at the bottom is a format without a result. On a page that is too small for all,
    the first panels and the best formats are shown, and the figure says what is missing.

    >>> import precision
    >>> from precision.report.figures.accuracy import draw_accuracy
    >>> draw_accuracy(precision.load_results("grid.yaml")).savefig("accuracy.png")
    """
    frame, lacking = _best(frame, baseline, FORMATS, task)
    where = slots(frame)
    if EDGE + PLACE * _span(where) > WIDTH:
        where = slots(frame, gap=0)
    panels, others = _panels(frame, baseline)
    missing = (lacking, left_out("panels", others))
    looks = _looks(list(frame["architecture"].unique()))
    error = _errors(frame, task)
    faultless = _faultless(error)
    frame = frame.assign(error=error.clip(lower=faultless))
    low, high = _bounds(frame["error"])
    with mpl.rc_context(STYLE):
        width = min(WIDTH, max(5.5, EDGE + PLACE * _span(where)))
        legend_columns = columns_of_legend([*looks, "no result"], width)
        legend_rows = math.ceil((len(looks) + 1) / legend_columns)
        height = 0.8 + 0.2 * legend_rows + (0.4 if any(missing) else 0)
        tall = room(len(panels), HEIGHT - height, 2.7, 1.2).size
        figure = empty_figure(width, min(HEIGHT, height + tall * len(panels)))
        stack = figure.subplots(len(panels), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
        failed = False
        for axes, block in zip(stack, panels, strict=True):
            _prepare(axes, where, (width - EDGE) / _span(where), top=axes is stack[0])
            axes.set_ylim(high, low)
            rows = rows_of(frame, block, baseline)
            for name, look in looks.items():
                own = rows[rows["architecture"] == name]
                failed |= _draw(axes, own, where, look, hollow=block.method != "ptq")
            axes.set_title(_title(block, frame["dataset"].nunique() > 1))
            axes.set_ylabel("RMSE" if task.relative else "test accuracy (%)")
        ticks = _error_ticks if task.relative else _accuracy_ticks
        set_ticks(stack[0].yaxis, *ticks(low, high, faultless))
        set_lines(stack)
        handles = [
            Line2D([], [], color=look.colour, marker=look.marker, markersize=5, linewidth=1)
            for look in looks.values()
        ]
        names = short(list(looks))
        if failed:
            handles.append(Line2D([], [], color=INK, marker="x", markersize=5, linestyle=""))
            names.append("no result")
        figure.legend(handles, names, loc="outside upper left", ncols=legend_columns)
        say(figure, *missing)
    return figure


def _span(where: Slots) -> float:
    return where.bands[-1][1] - where.bands[0][0]


def _best(frame: pd.DataFrame, baseline: str, most: int, task: Task) -> tuple[pd.DataFrame, str]:
    """Return the rows of the baseline and of the best formats, and a sentence on the others."""
    means = frame.groupby("policy", sort=False)[task.score].mean().drop(baseline, errors="ignore")
    ranked = means.sort_values(ascending=task.sign < 0, kind="stable", na_position="last")
    others = list(ranked.index[most - 1 :])
    ordered = [name for name in means.index if name in others]
    why = ", which have a higher RMSE on average" if task.relative else ", which are less accurate on average"
    return frame[~frame["policy"].isin(others)], left_out("formats", ordered, why)


def _panels(frame: pd.DataFrame, baseline: str) -> tuple[list[Block], list[str]]:
    """Return the blocks that have a panel, and the names of the others."""
    found = list(blocks(frame, baseline))
    several = frame["dataset"].nunique() > 1
    return found[:PANELS], [_title(block, several) for block in found[PANELS:]]


def _looks(architectures: list[str]) -> dict[str, _Look]:
    """Return a look for each architecture; the pairs of colour and marker differ up to forty."""
    number = len(architectures)
    # Far enough to tell markers apart; all together narrower than the gap to the next format.
    step = min(0.15, 0.6 / max(number - 1, 1))
    shifts = step * (np.arange(number) - (number - 1) / 2)
    return {
        name: _Look(COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)], float(shifts[i]))
        for i, name in enumerate(architectures)
    }


def _errors(frame: pd.DataFrame, task: Task) -> pd.Series:
    """Return the RMSE, or the error in percent, of each ok run, NaN for the others."""
    error = frame[task.score] if task.relative else 100 * (1 - frame["accuracy"])
    return error.where(frame["status"] == "ok")


def _faultless(error: pd.Series) -> float:
    """Return where runs without any error stand: a logarithmic axis has no zero for them."""
    some = error[error > 0]
    return float(some.min()) / 3 if len(some) else 1.0


def _bounds(error: pd.Series) -> tuple[float, float]:
    """Return the ends of the axis of errors, with room beyond the outermost points."""
    if error.isna().all():
        return 1.0, 100.0
    low, high = float(error.min()), float(error.max())
    room = max(1.15, (high / low) ** 0.08)
    # Crosses of formats without a result stand below every point.
    return low / room, high * room**1.5


def _accuracy_ticks(low: float, high: float, faultless: float) -> tuple[list[float], list[str]]:
    """Return errors in percent whose accuracies are round, and those accuracies as text.

    10 % accuracy, chance of ten classes, is one. Nothing lies between the smallest error and none.
    """
    ticks = [tick for tick in log_ticks(low, high) if 2 * faultless < tick < 100]
    if high >= 90 and low < 40:
        ticks = [tick for tick in ticks if tick < 70] + [90.0]
    labels = [f"{100 - tick:g}" for tick in ticks]
    return ([faultless, *ticks], ["100", *labels]) if low < faultless else (ticks, labels)


def _error_ticks(low: float, high: float, faultless: float) -> tuple[list[float], list[str]]:
    """Return RMSEs that are round, and as text."""
    ticks = [tick for tick in log_ticks(low, high) if low <= tick <= high]
    return ticks, [f"{tick:g}" for tick in ticks]


def _title(block: Block, several_datasets: bool) -> str:
    parts = [block.dataset if several_datasets else "", method_in_words(block.method), block.training]
    return label(", ".join(part for part in parts if part))


def _prepare(axes: Axes, where: Slots, inches: float, *, top: bool) -> None:
    """Draw bands of equal bits, the policies' names below and the bits above; a place has so many inches."""
    axes.set_yscale("log")
    for i, (left, right, _) in enumerate(where.bands):
        if i % 2 == 0:
            axes.axvspan(left, right, color="#f3f3f3", linewidth=0, zorder=0)
    axes.set_xlim(where.bands[0][0], where.bands[-1][1])
    names = short(list(where.place))
    axes.set_xticks(
        list(where.place.values()), names, **(TURNED if max(map(len, names)) * LETTER > inches else {})
    )
    axes.tick_params(axis="x", length=0)
    if top:
        above = axes.secondary_xaxis("top")
        middles = [(left + right) / 2 for left, right, _ in where.bands]
        above.set_xticks(middles, [text for _, _, text in where.bands])
        above.tick_params(length=0)
        above.spines["top"].set_visible(False)
        above.set_xlabel("mean stored bits per weight")


def _draw(axes: Axes, rows: pd.DataFrame, where: Slots, look: _Look, *, hollow: bool) -> bool:
    """Draw one architecture in one panel; return whether any of its formats has no result."""
    xs, means, failures = [], [], []
    for policy, place in where.place.items():
        cell = rows[rows["policy"] == policy]
        if cell.empty:
            continue
        x = place + look.shift
        errors = cell["error"].dropna()
        xs.append(x)
        # A format without a result interrupts the line.
        means.append(float(errors.mean()) if len(errors) else math.nan)
        if errors.empty and not cell["status"].isin(["ok", *UNRUN]).all():
            failures.append(x)
        if len(errors) > 1:
            ends = [errors.min(), errors.max()]
            axes.plot([x, x], ends, color=look.colour, linewidth=1.4, alpha=0.6, zorder=2)
    dashes = "--" if hollow else "-"
    axes.plot(xs, means, color=look.colour, linewidth=0.8, linestyle=dashes, alpha=0.5, zorder=1)
    face = "white" if hollow else look.colour
    points: dict[str, Any] = {
        "linestyle": "",
        "color": look.colour,
        "markersize": 5,
        "markeredgewidth": 1.1,
        "zorder": 3,
    }
    axes.plot(xs, means, marker=look.marker, markerfacecolor=face, **points)
    if failures:
        # Height in fractions of the panel: a failure has a place, but no accuracy.
        heights = [0.035] * len(failures)
        axes.plot(failures, heights, marker="x", transform=axes.get_xaxis_transform(), **points)
    return bool(failures)
