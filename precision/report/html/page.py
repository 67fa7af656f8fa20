"""The page: the document, a table of all trials to sort and filter, and a plot to hover over."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from string import Template
from typing import Any

from precision.analysis import Results
from precision.report.document import Document, Section
from precision.report.html.trials import trials
from precision.report.render.html import blocks, contents, escape
from precision.report.sections.experiment import TRIALS

PAGE = "report.html"
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
LIVE_POLICY = f"{POLICY}; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""Of a page that is served, which asks for trials; a header, as only there its last part counts."""


def page(
    results: Results, document: Document, pictures: Mapping[str, bytes], live: Mapping[str, Any] | None = None
) -> str:
    """Return the report of a grid as one page, with its pictures, styles and programs in it.

    Tabulator sorts and filters the table of trials and Chart.js draws the plot; both are part of the page,
    whose policy forbids it to load anything. What is text stays text: cells are escaped here, and the program
    of the page writes trials as text.

    Args:
        document: the report, whose own table of every trial the sortable one replaces.
        pictures: PNG files of its figures by their names.
        live: the trials of a page that is served, see ``live.content``: it asks for newer ones. None for a
            page that stands alone.
    """
    parts = tuple(part for part in document.parts if not (isinstance(part, Section) and part.title == TRIALS))
    known = trials(results) if live is None else live
    data = json.dumps(known, allow_nan=False, separators=(",", ":"))
    return Template(_asset("page.html")).substitute(
        title=escape(document.title),
        policy=POLICY if live is None else POLICY + "; connect-src 'self'",
        contents=contents(parts),
        report=blocks(parts, {name: _small(picture) for name, picture in pictures.items()}),
        trials=data.replace("<", "\\u003c"),  # as no label may end the element that holds it
        libraries=_asset("chart.min.js") + "\n" + _asset("tabulator.min.js"),
        program=_asset("page.js"),
        style=_asset("tabulator.min.css") + "\n" + _asset("page.css"),
    )


def _small(png: bytes) -> bytes:
    """Return a picture in a palette of 256 colours, more of which no figure has need of."""
    from PIL import Image

    kept = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(256).save(kept, "PNG", optimize=True)
    return min(kept.getvalue(), png, key=len)


@cache
def _asset(name: str) -> str:
    text = (resources.files("precision.report.html") / "assets" / name).read_text(encoding="utf-8")
    # Tools of developers would ask the network for these.
    return re.sub(r"^(//# sourceMappingURL=.*|/\*# sourceMappingURL=.*\*/)$", "", text, flags=re.M)
