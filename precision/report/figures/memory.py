"""What each format makes of the memory of a network: weights and activations, and the process around them."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure as Drawing
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from precision.analysis import Results
from precision.registry import FIGURES
from precision.report.document import Figure, note, order
from precision.report.figures.page import HEIGHT, NAME, WIDTH, left_out, room, say, short
from precision.report.figures.style import COLOURS, STYLE, empty_figure, label

NETWORKS = 6
_HEAD, _BAR, _LEAST = 0.75, 0.19, 0.14  # inches around the bars of a panel, and of a bar
_COUNTED = ["weight_bytes", "peak_activation_bytes"]
_LOOKS: list[dict[str, Any]] = [
    {"facecolor": COLOURS[0]},
    {"facecolor": COLOURS[4], "hatch": "//////", "edgecolor": "white"},
    {"facecolor": "#c8c8c8", "hatch": "....", "edgecolor": "white"},
]
_UNITS = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "bytes"))
_NOTE = """\
Counted: weights, packed in the bits of their formats, and the most that the activations of one image take at
once. Where a network ran natively, its process is drawn beside it as the system measured it, nearly all of
which is the framework, the images and the rest of the program. Where a page has no room for every format, one
bar stands for all that take the same memory."""


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
    inches = HEIGHT - 0.9 - _HEAD * len(tables)
    if sum(map(len, tables)) * _LEAST > inches:
        tables = [_merged(table) for table in tables]
    bars = room(sum(map(len, tables)), inches, _BAR, _LEAST)
    most = max(map(len, tables)) if bars.shown == sum(map(len, tables)) else bars.shown // len(tables)
    others = list(dict.fromkeys(name for table in tables for name in table.index[most:]))
    missing = [left_out("networks", [", ".join(map(str, key)) for key, _ in networks[NETWORKS:]])]
    missing.append(left_out("formats", others))
    tables = [table.head(most) for table in tables]
    native = any(table["peak_memory_bytes"].notna().any() for table in tables)
    with mpl.rc_context(STYLE):
        heights = [_HEAD + bars.size * len(table) for table in tables]
        figure = empty_figure(WIDTH, min(HEIGHT, sum(heights) + 0.6 + 0.3 * any(missing)))
        ratios: dict[str, Any] = {"height_ratios": heights, "width_ratios": [2, 1][: 1 + native]}
        rows = figure.subplots(len(tables), 1 + native, squeeze=False, gridspec_kw=ratios)
        for axes, ((dataset, architecture), _), table in zip(rows, shown, tables, strict=True):
            _bars(axes[0], table, table[_COUNTED])
            axes[0].set_title(label(f"{dataset}, {architecture}: counted"))
            if native:
                _process(axes[1], table)
        names = ["weights", "activations", "the rest of the process"][: 2 + native]
        handles = [Patch(label=name, **look) for name, look in zip(names, _LOOKS, strict=False)]
        figure.legend(handles=handles, loc="outside upper left", ncols=len(names))
        say(figure, *missing)
    return figure


def _means(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the bytes of each policy in the order of the grid, what seeds and methods have in the mean."""
    found = rows.groupby("policy", sort=False)[[*_COUNTED, "peak_memory_bytes"]].mean()
    return found.astype("float64")


def _merged(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row for all formats that take the same memory; its name says for how many it stands."""
    rows = {}
    for _, own in table.groupby(list(table), sort=False, dropna=False):
        (first,) = short([own.index[0]], NAME - 9)
        rows[f"{first} and {len(own) - 1} more" if len(own) > 1 else first] = own.iloc[0]
    return pd.DataFrame.from_dict(rows, orient="index")


def _process(axes: Any, table: pd.DataFrame) -> None:
    """Draw what the process of each native format held, on the line of the format."""
    if table["peak_memory_bytes"].isna().all():
        axes.set_visible(False)
        return
    rest = table["peak_memory_bytes"] - table[_COUNTED].sum(axis=1)
    parts = table[_COUNTED].assign(rest=rest.clip(lower=0)).where(rest.notna(), 0.0)
    _bars(axes, table, parts)
    axes.tick_params(labelleft=False)
    axes.set_title("the process, measured")


def _bars(axes: Any, table: pd.DataFrame, parts: pd.DataFrame) -> None:
    largest = float(parts.sum(axis=1).max())
    size, unit = next((size, unit) for size, unit in _UNITS if largest >= size or size == 1)
    places, left = range(len(table)), pd.Series(0.0, table.index)
    for (_, values), look in zip(parts.items(), _LOOKS, strict=False):
        axes.barh(places, values / size, left=left / size, height=0.75, linewidth=0, **look)
        left = left + values
    axes.set_yticks(list(places), short(list(table.index)), fontsize=7)
    axes.set_ylim(len(table) - 0.4, -0.6)
    axes.set_xlabel(unit)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlim(right=1.02 * largest / size)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
