"""Loss per epoch on training and test images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator

from precision.analysis import Results
from precision.registry import FIGURES
from precision.report.document import Figure, note, order
from precision.report.figures.page import HEIGHT, LEGEND, WIDTH, left_out, room, say, short, spread
from precision.report.figures.style import (
    INK,
    MARKERS,
    STYLE,
    colours,
    columns_of_legend,
    empty_figure,
    log_ticks,
    marks,
    set_lines,
    set_ticks,
)
from precision.tasks import named

History = Sequence[Mapping[str, Any]]

COLUMNS = 3
PANELS = 15  # that a page has room for
CURVES = 12
"""Formats that can be told apart, with and without colours."""
DOTS = 12
"""Epochs up to which every epoch has a marker; a single epoch would have nothing else."""

_NOTE = """\
Only trials that train have a curve: the baseline, formats that are present while training, and the baseline
that goes on as they do. A training that goes on after n epochs begins at epoch n + 1. With several seeds a
curve is their mean."""


@FIGURES.register("loss_curves")
@order(70)
def loss_curves(results: Results) -> Figure:
    """Return the figure of the loss per epoch of every trial that trained."""
    cells = results.cells()
    some = cells["trial"].isin(list(results.histories)).any()
    return Figure(
        name="loss_curves",
        title="Loss curves",
        caption="Loss per epoch on training and test images, one panel per architecture",
        draw=draw_loss if some else None,
        data={"frame": cells, "histories": results.histories, "baseline": results.settings.baseline},
        notes=(note(_NOTE if some else "No trial of this grid trained."),),
    )


def draw_loss(frame: pd.DataFrame, histories: Mapping[str, History], baseline: str = "float32") -> Drawing:
    """Draw loss per epoch, training solid and test dashed, one panel per architecture.

    Only trials with a history appear: the baseline (black) and formats that are present while training.
    Several seeds are drawn as their mean. The vertical axis is logarithmic.

    >>> import precision
    >>> from precision.report.figures.loss import draw_loss
    >>> results = precision.run("grid.yaml", output="report", quiet=True)
    >>> draw_loss(results.cells(), results.histories).savefig("loss.png")
    """
    trained = frame[frame["trial"].isin(list(histories))]
    # The baseline serves several methods with one trial: it is one curve.
    trained = trained.drop_duplicates(["trial", "architecture", "policy"])
    if "control" not in trained:
        trained = trained.assign(control="")
    trained = trained.assign(curve=_curve_names(trained, baseline))
    # From many bits to few, as the ramp of colours goes.
    order = trained.sort_values("weight_bits", ascending=False, kind="stable")["curve"].unique()
    found = [str(name) for name in order if name != baseline]
    chosen = spread(sorted(found, key=_last_losses(trained, histories).__getitem__), CURVES)
    others = [name for name in found if name in chosen]
    between = ", whose last losses lie between those shown"
    missing = [left_out("formats", [name for name in found if name not in chosen], between)]
    trained = trained[trained["curve"].isin([baseline, *others])]
    curves = [baseline, *others] if (trained["curve"] == baseline).any() else others
    colour = {baseline: "black"} | dict(zip(others, colours(len(others)), strict=True))
    number = {name: place for place, name in enumerate([baseline, *others])}
    every = list(trained.groupby(["dataset", "training", "architecture"], sort=False))
    panels = every[:PANELS]
    several = frame["dataset"].nunique() > 1
    missing.append(left_out("panels", [_title(key, several) for key, _ in every[PANELS:]]))
    asked = [name for name in frame["task"].unique() if name] if "task" in frame else []
    units = {named(name).unit_of_loss for name in asked or [""]}
    unit = units.pop() if len(units) == 1 else ""
    epochs = max((int(h[-1]["epoch"]) for t in trained["trial"] if (h := histories[t])), default=1)

    with mpl.rc_context(STYLE):
        columns = max(1, min(COLUMNS, len(panels)))
        rows = max(1, math.ceil(len(panels) / columns))
        width = min(WIDTH, max(5.5, 3.2 * columns))
        texts = [*short(curves, LEGEND), "training", "test"]
        legend_columns = columns_of_legend(texts, width)
        legend_rows = math.ceil(len(texts) / legend_columns)
        height = 0.5 + 0.2 * legend_rows + (0.4 if any(missing) else 0)
        tall = room(rows, HEIGHT - height, 2.5, 1.0).size
        figure = empty_figure(width, min(HEIGHT, height + tall * rows))
        flat = list(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat)
        shown: list[float] = []
        for axes, (key, of_panel) in zip(flat, panels, strict=False):
            for name, of_curve in of_panel.groupby("curve", sort=False):
                own = [histories[trial] for trial in of_curve["trial"]]
                shift = _shift(curves.index(str(name)), len(curves)) if epochs == 1 else 0.0
                strong = name == baseline
                shown += _draw(axes, own, colour[str(name)], shift, number[str(name)], strong=strong)
            axes.set_title(short([_title(key, several)], int(width / columns / 0.085))[0])
        _finish(flat, len(panels), shown, epochs)
        say(figure, *missing)
        for axes in flat[columns * (rows - 1) : len(panels)]:
            axes.set_xlabel("epoch")
        for axes in flat[::columns]:
            axes.set_ylabel(f"loss ({unit})" if unit else "loss")
        handles = [
            Line2D([], [], color=colour[name], linewidth=1.8, marker=MARKERS[number[name]], markersize=4)
            for name in curves
        ]
        handles += [Line2D([], [], marker="o", **look) for look in _looks(INK)]
        figure.legend(handles, texts, loc="outside upper left", ncols=legend_columns)
    return figure


def _title(key: Sequence[object], several_datasets: bool) -> str:
    """Return what a panel is about, of its dataset, training and architecture."""
    dataset, training, architecture = map(str, key)
    parts = (dataset if several_datasets else "", architecture, training)
    return ", ".join(part for part in parts if part)


def _curve_names(trained: pd.DataFrame, baseline: str) -> pd.Series:
    """Return the policy of each row, with its method where formats of several methods were trained.

    The baseline has the method beside it where it went on training as the formats did.
    """
    of_formats = trained["policy"] != baseline
    named = ~of_formats & (trained["control"] != "")
    if trained.loc[of_formats, "method"].nunique() > 1:
        named |= of_formats
    return trained["policy"].where(~named, trained["policy"] + " (" + trained["method"] + ")")


def _last_losses(trained: pd.DataFrame, histories: Mapping[str, History]) -> dict[str, float]:
    """Return of each curve its mean loss on the test images in the last epoch; infinite where unknown."""
    found: dict[str, list[float]] = {}
    for trial, curve in zip(trained["trial"], trained["curve"], strict=True):
        last = histories[trial][-1] if histories[trial] else {}
        value = last.get("val_loss")
        found.setdefault(curve, []).append(math.inf if value is None or math.isnan(value) else float(value))
    return {curve: sum(values) / len(values) for curve, values in found.items()}


def _looks(colour: str) -> list[dict[str, Any]]:
    """Return how a curve of the training images is drawn, and one of the test images."""
    look = {"color": colour, "markersize": 3.4}
    styles = (("-", colour), ("--", "white"))
    return [{**look, "linestyle": dashes, "markerfacecolor": face} for dashes, face in styles]


def _shift(index: int, number: int) -> float:
    """Return a shift to the side: points of a single epoch would otherwise hide each other."""
    return 0.0 if number == 1 else 0.7 * (index / (number - 1) - 0.5)


def _mean_curve(histories: Sequence[History], series: str) -> tuple[list[int], list[float]]:
    """Return epochs and the mean over seeds of one series; what a logarithm cannot show is left out."""
    by_epoch: dict[int, list[float]] = {}
    for history in histories:
        for row in history:
            value = row.get(series)
            if value is not None and math.isfinite(value) and value > 0:
                by_epoch.setdefault(int(row["epoch"]), []).append(float(value))
    epochs = sorted(by_epoch)
    return epochs, [sum(by_epoch[epoch]) / len(by_epoch[epoch]) for epoch in epochs]


def _draw(
    axes: Axes, histories: Sequence[History], colour: str, shift: float, number: int, *, strong: bool
) -> list[float]:
    """Draw the training and the test curve of one format; return the values drawn."""
    drawn: list[float] = []
    width, height = (1.6, 3) if strong else (1.1, 2)
    for series, look in zip(("loss", "val_loss"), _looks(colour), strict=True):
        epochs, values = _mean_curve(histories, series)
        xs = [epoch + shift for epoch in epochs]
        look |= marks(number, len(xs), DOTS)
        axes.plot(xs, values, linewidth=width, markeredgewidth=0.9, zorder=height, **look)
        drawn += values
    return drawn


def _finish(flat: list[Axes], used: int, values: list[float], epochs: int) -> None:
    """Set scales, ticks and labels of the panels, and hide those that are not used."""
    low, high = (min(values), max(values)) if values else (0.1, 1.0)
    # A diverging run may reach any height: let it leave the panel rather than flatten all others.
    high = min(high, 30 * float(np.median(values))) if values else high
    low, high = low / 1.15, high * 1.15
    flat[0].set_yscale("log")
    flat[0].set_ylim(low, high)
    flat[0].set_xlim(*((0.4, 1.6) if epochs == 1 else (max(0.5, 1 - 0.04 * epochs), 1.04 * epochs)))
    flat[0].xaxis.set_major_locator(FixedLocator([1]) if epochs == 1 else MaxNLocator(6, integer=True))
    set_ticks(flat[0].yaxis, log_ticks(low, high))
    set_lines(flat)
    for number, axes in enumerate(flat):
        axes.set_visible(number < used)
        # With shared axes only the last row has numbers; above a hidden panel they are wanted too.
        if used < len(flat):
            axes.tick_params(labelbottom=True)
