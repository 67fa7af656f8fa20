"""Parts of a report as plain text for a terminal, whatever control characters its labels have."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import tabulate

from precision.printable import printable
from precision.report.document import List, Listing, Note, Section, Table
from precision.report.render.cells import Form, cell_text, fitting, rows_text

GAP = "  "
Shown = Note | List | Listing | Table | Section
"""The parts that a terminal can show."""


FORM = Form(text=printable, words=str, code=str, link=lambda text, file: printable(text), strong=str)


def render(parts: Sequence[Shown], width: int | None = None) -> str:
    """Return parts as lines.

    Tables and listings have an empty line around them, all else follows line by line. The columns of a table
    that do not fit into ``width`` characters continue below, where a width is given.
    """
    text, apart = "", True
    for part in parts:
        wide = isinstance(part, Table | Listing)
        text += ("\n" * (1 + (wide or apart)) if text else "") + _block(part, width)
        apart = wide
    return text


def _block(part: Shown, width: int | None) -> str:
    match part:
        case Section(title, within):
            return render((Note(title), *within), width)  # type: ignore[arg-type]
        case Note(text):
            return cell_text(text, FORM)
        case List(items):
            return "\n".join(f"{GAP}{cell_text(item, FORM)}" for item in items)
        case Listing(text):
            return printable(text, lines=True)
        case Table():
            above = (Note(part.title),) if part.title else ()
            return render((*above, Listing(_table(part, width)), *part.notes))


def _table(table: Table, width: int | None) -> str:
    if width is not None:
        table = fitting(table, FORM, width, len(GAP))
    header = [printable(column.title) for column in table.columns]
    rows = rows_text(table, FORM)
    if width is not None:
        return _continued(header, rows, width)
    align = ["left" if column.unit is None else "right" for column in table.columns]
    if any(header):
        return tabulate(rows, headers=header, disable_numparse=True, colalign=align)
    return tabulate(rows, tablefmt="plain", disable_numparse=True, colalign=align)


def _continued(header: list[str], rows: list[list[str]], width: int) -> str:
    """Return an aligned table; columns that do not fit in ``width`` continue below, as pandas prints them."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    parts, part = [], [0]
    for column in range(1, len(header)):
        used = sum(widths[i] + len(GAP) for i in part)
        if len(part) > 1 and used + widths[column] > width:
            parts.append(part)
            part = [0]
        part.append(column)
    parts.append(part)
    return "\n\n".join("\n".join(_line(row, part, widths) for row in [header, *rows]) for part in parts)


def _line(row: list[str], part: list[int], widths: list[int]) -> str:
    """Return some columns of one row: the first flush left, the others flush right."""
    return GAP.join([row[0].ljust(widths[0]), *(row[i].rjust(widths[i]) for i in part[1:])])
