"""Put a report into a folder, with its figures and other files beside it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from precision import files
from precision.errors import PrecisionError, line_in, shown, trouble
from precision.registry import foreign
from precision.report.document import Document, Figure
from precision.report.pages.made_from import FILE, MadeFrom, check, recorded
from precision.report.render.markdown import render


def write_report(
    document: Document,
    path: Path,
    beside: Mapping[str, str],
    made_from: MadeFrom | None = None,
    force: bool = False,
    page: tuple[str, Callable[[Mapping[str, bytes]], str]] | None = None,
) -> Path:
    """Write a report in Markdown, its figures and other files, by their names; return the path of the report.

    The folder must exist. Everything is made before anything is written, and the report gets its name last,
    so that where it is new, everything it refers to is new. On a full disk the former report stays as it was.

    Args:
        made_from: what it was made from, where that is known; it is recorded beside the report.
        force: replace the report of another grid, or one with more results.
        page: name of a file that shows the same with its pictures in it, and what makes its text of the
            pictures, which are PNG files by their names.

    Raises:
        PrecisionError: when a report is there that is not to be replaced, or nothing can be written here.
    """
    if made_from is not None:
        check(path, made_from, force)
        beside = {**beside, FILE: recorded(path, made_from)}
    # Here, not at the top: matplotlib takes most of a second to import.
    from precision.report.figures.style import png

    text = render(document)
    drawn = {f.file: _picture(f, png) if f.draw else None for f in document.figures()}
    contents = {name: content.encode() for name, content in beside.items()}
    pictures = {name: picture for name, picture in drawn.items() if picture is not None}
    contents |= pictures
    if page is not None:
        contents[page[0]] = page[1](pictures).encode()
    with files.refused(path.parent, "the report cannot be written here", "give another --output"):
        files.write_all(path.parent, {**contents, path.name: text.encode()})
        for name in drawn.keys() - contents.keys():
            # A figure of an earlier report in this folder would contradict this one.
            (path.parent / name).unlink(missing_ok=True)
    return path


def _picture(figure: Figure, png: Callable[[Any], bytes]) -> bytes:
    """Return the picture of a figure; a plugin's that cannot be drawn is refused with its line."""
    code = getattr(figure.draw, "__code__", None)
    file = code.co_filename if code else ""
    try:
        drawn = figure.draw(**figure.data) if figure.draw else None
    except Exception as error:
        if file not in {registry.owner(name).file for registry, name in foreign()}:
            raise
        line = line_in(error, file) or (code.co_firstlineno if code else 0)
        raise PrecisionError(
            f"{file}:{line}: drawing the figure {figure.name!r} with its data "
            f"({', '.join(figure.data)}) raised {trouble(error)}; correct this line"
        ) from error
    if not hasattr(drawn, "savefig"):
        raise PrecisionError(
            f"{file}:{code.co_firstlineno if code else 0}: drawing the figure {figure.name!r} must return a "
            f"matplotlib figure, but it returned {shown(drawn)}"
        )
    return png(drawn)


def file_stem(label: str) -> str:
    """Return a label as a part of a file's name, whatever it holds; it may be left with nothing."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", label).strip("_.")
