"""Put a report into a folder, with its figures and other files beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from precision import files
from precision.report.document import Document
from precision.report.pages.made_from import FILE, MadeFrom, check, recorded
from precision.report.render.markdown import render


def write_report(
    document: Document,
    path: Path,
    beside: Mapping[str, str],
    made_from: MadeFrom | None = None,
    force: bool = False,
) -> Path:
    """Write a report in Markdown, its figures and other files, by their names; return the path of the report.

    The folder must exist. Everything is made before anything is written, and the report is written last, so
    that where it is new, everything it refers to is new.

    Args:
        made_from: what it was made from, where that is known; it is recorded beside the report.
        force: replace the report of another grid, or one with more results.

    Raises:
        PrecisionError: when a report is there that is not to be replaced.
    """
    if made_from is not None:
        check(path, made_from, force)
        beside = {**beside, FILE: recorded(path, made_from)}
    # Here, not at the top: matplotlib takes most of a second to import.
    from precision.report.figures.style import png

    text = render(document)
    drawn = {f.file: png(f.draw(**f.data)) if f.draw else None for f in document.figures()}
    for name, content in beside.items():
        files.write(path.parent / name, content.encode())
    for name, picture in drawn.items():
        if picture is None:
            # A figure of an earlier report in this folder would contradict this one.
            (path.parent / name).unlink(missing_ok=True)
        else:
            files.write(path.parent / name, picture)
    files.write(path, text.encode())
    return path


def file_stem(label: str) -> str:
    """Return a label as a part of a file's name, whatever it holds; it may be left with nothing."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", label).strip("_.")
