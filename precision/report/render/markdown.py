"""A report as one Markdown document."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tabulate import tabulate

from precision.printable import printable
from precision.report.document import (
    Document,
    Figure,
    List,
    Listing,
    Markdown,
    Note,
    Part,
    Section,
    Table,
)
from precision.report.render.cells import Form, cell_text, fitting, rows_text

WIDTH = 110
"""Letters of a row of a table that a page shows without scrolling."""


def escape(text: object) -> str:
    """Return a user's text as one line of Markdown that means only itself, in a table cell too.

    HTML, links, images, emphasis and cell borders lose their meaning; a line break becomes a space.
    """
    line = " ".join(printable(text).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _marks(line)


def _marks(text: str) -> str:
    text = re.sub(r"([\\`*\[\]|~])", r"\\\1", text)
    # An underscore within a word is literal in Markdown; elsewhere it would start emphasis.
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", text)


def document(text: str) -> str:
    """Return a user's Markdown document with HTML made harmless and an open code fence closed."""
    lines = text.strip().replace("&", "&amp;").replace("<", "&lt;").splitlines()
    fences = [line.strip()[:3] for line in lines if line.strip().startswith(("```", "~~~"))]
    if len(fences) % 2:
        lines.append(fences[-1])
    return "\n".join(lines)


def _words(text: str) -> str:
    """A lone "<" or "&", as in "n < 6", begins no tag and no entity."""
    return _marks(re.sub(r"<(?=[\w/!?])", "&lt;", re.sub(r"&(?=[\w#])", "&amp;", text)))


FORM = Form(
    text=escape,
    words=_words,
    code=lambda text: f"`{escape(text)}`",
    link=lambda text, file: f"[{escape(text)}]({file})",
    strong=lambda text: f"**{text}**",
)


def render(report: Document) -> str:
    """Return the report; its figures must lie beside it."""
    blocks = [f"# {escape(report.title)}", *_blocks(report.parts, level=2)]
    text = re.sub(r"\n{3,}", "\n\n", "\n\n".join(blocks)).strip() + "\n"
    return printable(text, lines=True)  # what is quoted as it stands, too


def _blocks(parts: Sequence[Part], level: int) -> list[str]:
    """Return what is separated by empty lines; ``level`` is that of the headings of sections."""
    blocks: list[str] = []
    for part in parts:
        match part:
            case Section(title, within):
                blocks += [f"{'#' * level} {escape(title)}", *_blocks(within, level + 1)]
            case Table():
                blocks += [*_title(part.title), table_text(part), _lines(part.notes)]
            case Figure():
                blocks += [*_title(part.title), f"![{escape(part.caption)}]({part.file})"]
                blocks.append(_lines(part.notes))
            case Note(text):
                blocks.append(cell_text(text, FORM))
            case List(items):
                blocks.append("\n".join(f"- {cell_text(item, FORM)}" for item in items))
            case Listing(text):
                blocks.append(f"```\n{text}\n```")
            case Markdown(text):
                blocks.append(document(text))
    return [block for block in blocks if block]


def _title(title: str) -> list[str]:
    return [f"**{escape(title)}**"] if title else []


def _lines(notes: Sequence[Note]) -> str:
    return "\n".join(cell_text(note.text, FORM) for note in notes)


def table_text(table: Table) -> str:
    """Return the rows and columns of a table, without its title and notes."""
    table = fitting(table, FORM, WIDTH, 3)
    header = [escape(column.title) for column in table.columns]
    return pipes(header, rows_text(table, FORM), [column.unit is None for column in table.columns])


def pipes(header: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[bool]) -> str:
    """Return a pipe table of cells that are escaped already, its source aligned too.

    ``left`` says which columns are flush left; the others are flush right.
    """
    align = ["left" if text else "right" for text in left]
    return tabulate(rows, headers=header, tablefmt="pipe", colalign=align, disable_numparse=True)
