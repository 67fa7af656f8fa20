"""A heat map of the errors of a multiplier: activations by weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure

from precision import files
from precision.arithmetic.multipliers import Multiplier
from precision.errors import PrecisionError
from precision.report.figures.style import INK, STYLE, empty_figure, label
from precision.report.multipliers.description import short_name

MOST = 512  # operands along an axis; of more, so many evenly spaced ones are shown


def error_map(multiplier: Multiplier) -> Figure:
    """Return a figure of product less exact product: white where it is exact, blue below, red above.

    The colours grow with the error up to a tenth of the worst, and beyond with its logarithm.
    """
    (low_a, high_a), (low_w, high_w) = multiplier.own
    a, w = _spaced(low_a, high_a), _spaced(low_w, high_w)
    error = multiplier.multiply(a[:, None], w[None, :]) - np.multiply.outer(a, w)
    worst = max(1, int(np.abs(error).max()))
    with rc_context(STYLE):
        figure = empty_figure(6.2, 5.4)
        axes = figure.subplots()
        half = 0.5 * (high_a - low_a) / (len(a) - 1), 0.5 * (high_w - low_w) / (len(w) - 1)
        picture = axes.imshow(
            error,
            cmap="RdBu_r",
            norm=SymLogNorm(linthresh=max(1.0, worst / 10), vmin=-worst, vmax=worst, base=10),
            origin="lower",
            interpolation="nearest",
            aspect="auto",
            extent=(low_w - half[1], high_w + half[1], low_a - half[0], high_a + half[0]),
        )
        axes.spines[:].set_visible(True)
        axes.set_xlabel("weight", color=INK)
        axes.set_ylabel("activation", color=INK)
        some = "" if len(a) == high_a - low_a + 1 else f"; {len(a)} x {len(w)} evenly spaced pairs"
        some += "" if error.any() else "; all are exact"
        figure.suptitle(
            f"{label(short_name(multiplier))}: product less exact product{some}",
            x=0.01,
            ha="left",
            fontsize=9,
        )
        bar = figure.colorbar(picture, ax=axes, fraction=0.05, pad=0.02)
        bar.outline.set_visible(False)
    return figure


def write_error_map(multiplier: Multiplier, path: Path) -> None:
    """Write the figure to a file whose suffix says in which form, for example .png, .pdf or .svg.

    Raises:
        PrecisionError: when the suffix is none that can be drawn, or the file cannot be written.
    """
    figure = error_map(multiplier)
    if path.suffix.lstrip(".").lower() not in figure.canvas.get_supported_filetypes():
        raise PrecisionError(f"--figure: the name must end in .png, .pdf or .svg, but got {str(path)!r}")
    with files.refused(path, "the figure cannot be written here", "give another --figure"):
        files.write(path, lambda draft: figure.savefig(draft, dpi=150))


def _spaced(low: int, high: int) -> np.ndarray:
    count = min(MOST, high - low + 1)
    return np.linspace(low, high, count).round().astype(np.int64)
