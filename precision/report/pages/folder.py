"""Put a report into a folder, with its figures and other files beside it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from precision import files
from precision.errors import PrecisionError, line_in, shown, suggest, trouble
from precision.registry import foreign
from precision.report.document import Document, Figure
from precision.report.pages.made_from import FILE, MadeFrom, check, recorded
from precision.report.render.markdown import render

KINDS = ("png", "svg", "pdf")
"""Of files of a figure; the report shows the first."""


def write_report(
    document: Document,
    path: Path,
    beside: Mapping[str, str],
    made_from: MadeFrom | None = None,
    force: bool = False,
    page: tuple[str, Callable[[Mapping[str, bytes]], str]] | None = None,
    kinds: Collection[str] = (),
) -> Path:
    """Write a report in Markdown, its figures and other files, by their names; return the path of the report.

    The folder must exist. Everything is made before anything is written, and the report gets its name last,
    so that where it is new, everything it refers to is new. On a full disk the former report stays as it was.

    Args:
        made_from: what it was made from, where that is known; it is recorded beside the report.
        force: replace the report of another grid, or one with more results.
        page: name of a file that shows the same with its pictures in it, and what makes its text of the
            pictures, which are PNG files by their names.
        kinds: of files that each figure has beside the PNG file that the report shows: of ``KINDS``.

    Raises:
        PrecisionError: when a report is there that is not to be replaced, or nothing can be written here.
    """
    if made_from is not None:
        check(path, made_from, force)
        beside = {**beside, FILE: recorded(path, made_from)}
    text = render(document)
    contents = {name: content.encode() for name, content in beside.items()}
    figures = document.figures()
    for figure in figures:
        contents |= _pictures(figure, kinds)
    if page is not None:
        shown_there = {one.file: contents[one.file] for one in figures if one.file in contents}
        contents[page[0]] = page[1](shown_there).encode()
    with files.refused(path.parent, "the report cannot be written here", "give another --output"):
        files.write_all(path.parent, {**contents, path.name: text.encode()})
        for name in {f"{figure.name}.{kind}" for figure in figures for kind in KINDS} - contents.keys():
            # A figure of an earlier report in this folder would contradict this one.
            (path.parent / name).unlink(missing_ok=True)
    return path


def kinds_of(asked: Iterable[str]) -> tuple[str, ...]:
    """Return kinds of files of a figure, in small letters.

    Raises:
        PrecisionError: for one that is none of ``KINDS``.

    >>> from precision.report.pages.folder import kinds_of
    >>> kinds_of(["SVG", "pdf"])
    ('svg', 'pdf')
    """
    if isinstance(asked, str):
        raise PrecisionError(f"figures takes a list of texts such as svg, but got {shown(asked)}")
    found = [str(word).strip().lower() for word in asked]
    for word in found:
        if word not in KINDS:
            raise PrecisionError(f"figures: {shown(word)} is no kind of file; {suggest(word, KINDS)}")
    return tuple(dict.fromkeys(found))


def pictures(document: Document) -> dict[str, bytes]:
    """Return the PNG files of the figures of a report by their names."""
    found: dict[str, bytes] = {}
    for figure in document.figures():
        found |= _pictures(figure, ())
    return found


def _pictures(figure: Figure, kinds: Collection[str]) -> dict[str, bytes]:
    """Return the files of a figure by their names; none where there is nothing to draw."""
    if figure.draw is None:
        return {}
    # Here, not at the top: matplotlib takes most of a second to import.
    from precision.report.figures.files import WRITERS

    drawn = _drawn(figure)
    return {f"{figure.name}.{kind}": WRITERS[kind](drawn) for kind in KINDS if kind == "png" or kind in kinds}


def _drawn(figure: Figure) -> Any:
    """Return a figure drawn; a plugin's that cannot be drawn is refused with its line."""
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
    return drawn


def file_stem(label: str) -> str:
    """Return a label as a part of a file's name, whatever it holds; it may be left with nothing."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", label).strip("_.")
