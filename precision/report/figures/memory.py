"""What each format makes of the memory of a network: weights and activations, and the process around them."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure as Drawing

from precision.analysis import Results
from precision.registry import FIGURES
from precision.report.document import Figure, note, order
from precision.report.figures.page import HEIGHT, WIDTH, left_out, room, say, short
from precision.report.figures.style import COLOURS, INK, STYLE, empty_figure, label

NETWORKS, BARS = 6, 24
_HEAD, _BAR = 0.75, 0.17  # inches around the bars of a panel, and of a bar
_COUNTED = ["weight_bytes", "peak_activation_bytes"]
_UNITS = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "bytes"))
_NOTE = """\
Counted: weights, packed in the bits of their formats, and the most that the activations of one image take at
once. Where a network ran natively, its process is drawn beside it as the system measured it, nearly all of
which is the framework, the images and the rest of the program."""


@FIGURES.register("memory")
@order(79)
def memory(results: Results) -> Figure | None:
    """Return the bars of memory; None where no activations were counted."""
    cells = results.cells()
    cells = cells[cells["status"] == "ok"].assign(
        peak_activation_bytes=lambda f: f.get("peak_activation_bytes", pd.Series(float("nan"), f.index))
    )
    cells = cells[cells["peak_activation_bytes"].notna() & cells["weight_bytes"].notna()]
    if cells.empty:
        return None
    return Figure(
        name="memory",
        title="Memory by format",
        caption="Weights and peak activations of each format, and the process where it was measured",
        draw=draw_memory,
        data={"frame": cells},
        notes=(note(_NOTE),),
    )


def draw_memory(frame: pd.DataFrame) -> Drawing:
    """Draw a row for each network: stacked bars of what is counted, and of the process where it is known."""
    networks = list(frame.groupby(["dataset", "architecture"], sort=False))
    shown = networks[:NETWORKS]
    tables = [_means(rows) for _, rows in shown]
    bars = room(sum(map(len, tables)), HEIGHT - _HEAD * len(tables), _BAR, 0.09)
    most = BARS if bars.shown == sum(map(len, tables)) else max(2, bars.shown // len(tables))
    missing = [left_out("networks", [", ".join(map(str, key)) for key, _ in networks[NETWORKS:]])]
    missing += [left_out("formats", list(table.index[most:])) for table in tables]
    tables = [table.head(most) for table in tables]
    native = any(table["peak_memory_bytes"].notna().any() for table in tables)
    with mpl.rc_context(STYLE):
        heights = [_HEAD + bars.size * len(table) for table in tables]
        figure = empty_figure(WIDTH, min(HEIGHT, sum(heights) + 0.3))
        rows = figure.subplots(len(tables), 1 + native, squeeze=False, gridspec_kw={"height_ratios": heights})
        for axes, ((dataset, architecture), _), table in zip(rows, shown, tables, strict=True):
            _bars(axes[0], table, ["Weights", "Activations"], table[_COUNTED])
            axes[0].set_title(label(f"{dataset}, {architecture}: counted"))
            if native:
                _process(axes[1], table)
        say(figure, *missing)
    return figure


def _means(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the bytes of each policy in the order of the grid, what seeds and methods have in the mean."""
    found = rows.groupby("policy", sort=False)[[*_COUNTED, "peak_memory_bytes"]].mean()
    return found.astype("float64").drop_duplicates() if len(found) > BARS else found.astype("float64")


def _process(axes: Any, table: pd.DataFrame) -> None:
    """Draw what the process of each native format held, on the line of the format."""
    if table["peak_memory_bytes"].isna().all():
        axes.set_visible(False)
        return
    rest = table["peak_memory_bytes"] - table[_COUNTED].sum(axis=1)
    parts = table[_COUNTED].assign(rest=rest.clip(lower=0)).where(rest.notna(), 0.0)
    _bars(axes, table, ["Weights", "Activations", "The rest"], parts)
    axes.tick_params(labelleft=False)
    axes.set_title("the process, measured")


def _bars(axes: Any, table: pd.DataFrame, names: list[str], parts: pd.DataFrame) -> None:
    largest = float(parts.sum(axis=1).max())
    size, unit = next((size, unit) for size, unit in _UNITS if largest >= size or size == 1)
    places, left = range(len(table)), pd.Series(0.0, table.index)
    shades = [COLOURS[0], COLOURS[1], "#c8c8c8"]
    for (_, values), name, shade in zip(parts.items(), names, shades, strict=False):
        axes.barh(places, values / size, left=left / size, color=shade, height=0.75, label=name)
        left = left + values
    axes.set_yticks(list(places), short(list(table.index)), fontsize=7)
    axes.set_ylim(len(table) - 0.4, -0.6)
    axes.set_xlabel(unit)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlim(right=1.02 * largest / size)
    axes.legend(
        fontsize=7, loc="lower right", labelcolor=INK, frameon=True, framealpha=0.85, edgecolor="none"
    )
