"""Figures as files: PNG, which a report shows, SVG and PDF for papers. Equal figures are equal bytes."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from precision.report.figures import style

# Text stays text, which can be searched, edited and read out, in the fonts of the reader or embedded ones.
_VECTOR: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "precision", "pdf.fonttype": 42}


def png(figure: Figure) -> bytes:
    """Return the figure as PNG, without the name of the software.

    It is drawn once; ``savefig`` draws it twice, in case that its edges are cut.
    """
    buffer = io.BytesIO()
    figure.set_dpi(style.DPI)
    FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def svg(figure: Figure) -> bytes:
    """Return the figure as SVG, without a date; names of its parts come from their content."""
    buffer = io.BytesIO()
    with mpl.rc_context(_VECTOR):
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def pdf(figure: Figure) -> bytes:
    """Return the figure as PDF, without a date and the name of the software."""
    buffer = io.BytesIO()
    with mpl.rc_context(_VECTOR):
        nothing = {"Creator": None, "Producer": None, "CreationDate": None}
        FigureCanvasPdf(figure).print_pdf(buffer, metadata=nothing)
    return buffer.getvalue()


WRITERS: dict[str, Callable[[Figure], bytes]] = {"png": png, "svg": svg, "pdf": pdf}
"""What makes a file of a figure, by the ending of its name."""
