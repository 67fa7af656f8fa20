"""The figures of a race: a roofline, and the errors of the sums."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from precision.race.layers import Layer, Rate
from precision.race.limits import Limits
from precision.race.sums import TYPES, Error
from precision.report.figures.style import COLOURS, INK, MARKERS, STYLE, empty_figure, log_ticks, set_ticks


def draw_roofline(limits: Limits, layers: Sequence[Layer], rates: Sequence[Rate]) -> Figure:
    """Draw a panel for each layer: an algorithm is a point, below the slope of the memory and the level."""
    names = list(dict.fromkeys(one.algorithm for one in rates))
    points = np.array([[one.intensity, one.macs] for one in rates])
    low, high = points[:, 0].min() / 2, max(points[:, 0].max(), limits.macs / limits.moved) * 3
    with mpl.rc_context(STYLE):
        figure = empty_figure(8.4, 3.4)
        axes = figure.subplots(1, len(layers), sharey=True, squeeze=False)[0]
        for ax, layer in zip(axes, layers, strict=True):
            at = np.geomspace(low, high, 100)
            ax.plot(at, [limits.attainable(x) / 1e9 for x in at], color=INK, linewidth=1.2)
            for one in rates:
                if one.layer == layer.name:
                    number = names.index(one.algorithm)
                    ax.plot(
                        one.intensity,
                        one.macs / 1e9,
                        MARKERS[number],
                        color=COLOURS[number],
                        label=one.algorithm,
                    )
            ax.set_xscale("log")
            ax.set_yscale("log")
            bottom, top = points[:, 1].min() / 2e9, max(points[:, 1].max(), limits.macs) * 1.6 / 1e9
            ax.set_xlim(low, high)
            ax.set_ylim(bottom, top)
            set_ticks(ax.xaxis, log_ticks(low, high)[:: 1 + (high / low > 50)])
            set_ticks(ax.yaxis, log_ticks(bottom, top))
            kernel = f"{layer.w[0]}x{layer.w[1]}, {layer.w[2]} to {layer.w[3]} channels"
            ax.set_title(f"{layer.name}\n{kernel}", fontsize=8.5)
            ax.grid(color="#e6e6e6", linewidth=0.6)
            ax.set_axisbelow(True)
        axes[0].set_ylabel("GMAC/s on one core")
        axes[len(axes) // 2].set_xlabel("multiplications to a byte moved")
        handles = {
            text: handle for ax in axes for handle, text in zip(*ax.get_legend_handles_labels(), strict=True)
        }
        figure.legend(handles.values(), handles.keys(), loc="outside right center")
    return figure


def draw_errors(errors: Sequence[Error]) -> Figure:
    """Draw a panel for each convolution: a line for each algorithm, a point on it for each type."""
    cases = list(dict.fromkeys((one.kernel, one.channels) for one in errors))
    names = list(dict.fromkeys(one.algorithm for one in errors))
    all_units = [one.relative / one.unit for one in errors]
    low, high = min(all_units) / 1.5, max(all_units) * 1.5
    rows = -(-len(cases) // 2)
    with mpl.rc_context(STYLE):
        figure = empty_figure(7.2, rows * (0.9 + 0.19 * len(names)) + 0.4)
        grid = figure.subplots(rows, 2, sharex=True, sharey=True, squeeze=False).ravel()
        for ax, (kernel, channels) in zip(grid, cases, strict=False):
            for number, kind in enumerate(TYPES):
                own = [e for e in errors if (e.kernel, e.channels, e.sums) == (kernel, channels, kind)]
                ax.plot(
                    [e.relative / e.unit for e in own], [names.index(e.algorithm) for e in own],
                    MARKERS[number], color=COLOURS[number], label=kind, markersize=5, alpha=0.85,
                )  # fmt: skip
            ax.set_xscale("log")
            ax.set_xlim(low, high)
            set_ticks(ax.xaxis, log_ticks(low, high))
            ax.tick_params(labelbottom=True)
            ax.set_yticks(range(len(names)), names)
            ax.set_ylim(len(names) - 0.5, -0.5)
            ax.set_title(f"{kernel}x{kernel}, {channels} channels: {kernel * kernel * channels} products")
            ax.grid(color="#e6e6e6", linewidth=0.6)
            ax.set_axisbelow(True)
        for ax in grid[len(cases) :]:
            ax.set_visible(False)
        for ax in grid[-2:]:
            ax.set_xlabel("error, in multiples of the roundoff of the type")
        handles, texts = grid[0].get_legend_handles_labels()
        figure.legend(handles, texts, loc="outside upper center", ncols=len(TYPES))
    return figure
