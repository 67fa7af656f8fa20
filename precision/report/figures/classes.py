"""What became of each class: confusion matrices beside the baseline's, and ROC curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure as Drawing

from precision.analysis import Classes, Results, by_class
from precision.analysis.classes import NETWORKS
from precision.registry import FIGURES
from precision.report.document import Figure, note, order
from precision.report.figures.page import WIDTH, left_out, say, short
from precision.report.figures.style import INK, STYLE, colours, empty_figure, set_lines
from precision.tasks.by_class import rates

PANEL = 2.45  # inches of a panel's height
NUMBERED = 12  # classes up to which a matrix has its numbers, and curves are told apart by a legend
_DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1)), (0, (5, 1.5, 1, 1.5)))
"""By turns, so that two curves of one kind of line are far apart in the ramp of shades."""
_LOWEST = 0.98  # share found at which the axis of a network begins that finds more of everything
_LIGHT = np.array([0.2126, 0.7152, 0.0722])  # what red, green and blue give to the brightness
_DARK = 0.5  # brightness below which a text is white
_OTHERS = """\
Beside the baseline stand the least accurate formats that keep half of its accuracy."""
_CONFUSION = """\
Test images of each class (row) by the class that was predicted (column), means over the seeds; of formats
the difference to the baseline: orange where there are more images, purple where there are fewer. """
_ROC = """\
Share of a class's images that is found while at most so many of the other images are taken for it, whatever
the threshold; one curve per class, the mean over the seeds. The axis of false positives is logarithmic. """


@FIGURES.register("confusion")
@order(61)
def confusion(results: Results) -> Figure | None:
    """Return the figure of the confusion matrices; None where nothing of the classes is stored."""
    return _figure(results, "confusion", "Confusion of classes", _CONFUSION, draw_confusion)


@FIGURES.register("roc")
@order(62)
def roc(results: Results) -> Figure | None:
    """Return the figure of the ROC curves; None where nothing of the classes is stored."""
    return _figure(results, "roc", "ROC by class", _ROC, draw_roc)


def _figure(results: Results, name: str, title: str, text: str, draw: Any) -> Figure | None:
    networks = by_class(results)
    if not networks:
        return None
    caption = f"{title}: the baseline and the formats that lose most"
    cells = results.cells()
    pairs = cells[["dataset", "architecture"]].drop_duplicates().itertuples(index=False, name=None)
    names = [", ".join(map(str, pair)) for pair in pairs]
    others = names[names.index(list(networks)[-1]) + 1 :] if len(networks) == NETWORKS else []
    data = {"networks": networks, "others": others}
    return Figure(name, title, caption, draw, data, (note(text + _OTHERS),))


def draw_confusion(networks: Mapping[str, Sequence[Classes]], others: Sequence[str] = ()) -> Drawing:
    """Draw a row of matrices for each network: of its baseline, then differences to it."""
    with mpl.rc_context(STYLE):
        figure, rows = _panels(networks)
        for axes, (title, runs) in zip(rows, networks.items(), strict=True):
            counts = _counts(runs)
            changes = [more - counts[0] for more in counts[1:]]
            most = max(1.0, *(float(np.abs(change).max()) for change in changes)) if changes else 1.0
            _matrix(axes[0], counts[0], "Greys", SymLogNorm(1, vmin=0, vmax=1.6 * max(1.0, counts[0].max())))
            for ax, change in zip(axes[1:], changes, strict=False):
                _matrix(ax, change, "PuOr_r", SymLogNorm(1, vmin=-1.6 * most, vmax=1.6 * most), signed=True)
            _titled(axes, title, runs, lambda run: f"{100 * _right(run):.2f} % right")
        say(figure, left_out("networks", others))
        # The first layout does not know yet that the panels are square: titles would lie on the row above.
        figure.draw_without_rendering()
    return figure


def draw_roc(networks: Mapping[str, Sequence[Classes]], others: Sequence[str] = ()) -> Drawing:
    """Draw a row of panels for each network, each with a curve per class."""
    at = rates()[1:]  # a logarithmic axis has no zero
    with mpl.rc_context(STYLE):
        figure, rows = _panels(networks, sharey=True)
        classes = max(len(run.auc) for runs in networks.values() for run in runs)
        shades = colours(classes)
        for axes, (title, runs) in zip(rows, networks.items(), strict=True):
            for ax, run in zip(axes, runs, strict=False):
                for number, curve in enumerate(run.roc):
                    look: dict[str, Any] = {
                        "color": shades[number],
                        "linestyle": _DASHES[number % len(_DASHES)],
                    }
                    ax.step(at, curve[1:], where="post", linewidth=1, label=str(number), **look)
                ax.set_xscale("log")
                ax.set_xlim(at[0], 1)
                ax.set_xlabel("false positives")
            low = min(_LOWEST, *(float(np.nanmin(run.roc[:, 1:], initial=1)) for run in runs))
            axes[0].set_ylim(low - 0.04 * (1 - low), 1 + 0.04 * (1 - low))  # no share is above one
            axes[0].set_ylabel("share found")
            set_lines(axes)
            _titled(axes, title, runs, lambda run: f"mean area {np.nanmean(run.auc):.5f}")
            if classes <= NUMBERED and len(runs[0].auc) == classes:
                key = axes[0].get_legend_handles_labels()
        if classes <= NUMBERED:
            figure.legend(*key, title="class", loc="outside right upper", fontsize=7, title_fontsize=7)
        say(figure, left_out("networks", others))
    return figure


def _panels(networks: Mapping[str, Sequence[Classes]], sharey: bool = False) -> tuple[Drawing, Any]:
    """Return a figure with a row of panels for each network; those that stay empty are left out."""
    columns = max(map(len, networks.values()))
    width = WIDTH if columns > 1 else WIDTH / 2
    figure = empty_figure(width, (PANEL + 0.25) * len(networks) + 0.2)
    rows = figure.subplots(len(networks), columns, squeeze=False, sharey="row" if sharey else False)
    for axes, runs in zip(rows, networks.values(), strict=True):
        for ax in axes[len(runs) :]:
            ax.set_visible(False)
    return figure, rows


def _titled(axes: Any, title: str, runs: Sequence[Classes], said: Any) -> None:
    names = short([run.name.replace("multipliers=", "") for run in runs], 36)
    for ax, name, run in zip(axes, names, runs, strict=False):
        above = short([title], 40)[0] if run is runs[0] else ""
        ax.set_title(f"{above}\n{name}\n{said(run)}", fontsize=7)


def _counts(runs: Sequence[Classes]) -> list[np.ndarray]:
    """Return the matrices, without the column of no prediction where it is empty in all of them."""
    lost = any(run.confusion[:, -1].any() for run in runs)
    return [run.confusion if lost else run.confusion[:, :-1] for run in runs]


def _right(run: Classes) -> float:
    return float(np.trace(run.confusion) / run.confusion.sum())


def _matrix(ax: Any, values: np.ndarray, shades: str, norm: Any, signed: bool = False) -> None:
    picture = ax.imshow(values, cmap=shades, norm=norm, interpolation="nearest")
    ax.tick_params(length=0, labelsize=6.5)
    ax.spines[:].set_visible(False)
    if len(values) > NUMBERED:
        return
    names = [*map(str, range(len(values))), "none"]
    ax.set_xticks(range(values.shape[1]), names[: values.shape[1]])
    ax.set_yticks(range(len(values)), names[: len(values)])
    for (row, column), value in np.ndenumerate(values):
        number = round(float(value))
        if number:
            text = f"{number:+d}".replace("-", "\N{MINUS SIGN}") if signed else str(number)
            dark = _LIGHT @ picture.to_rgba(value)[:3] < _DARK
            size = 5.2 if len(text) < 4 else 4.4
            ax.text(
                column, row, text, ha="center", va="center", fontsize=size, color="white" if dark else INK
            )
