"""A cell or a paragraph as text: every form writes numbers alike, and words in its own way."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from precision.analysis import Estimate
from precision.report.document import (
    Cell,
    Code,
    Column,
    Failure,
    Link,
    Quantity,
    Runs,
    Strong,
    Table,
    Unit,
    Words,
)
from precision.report.text import NONE, missing, number


class Form(NamedTuple):
    """How one form, such as Markdown, writes what is not a number.

    Attributes:
        text: from outside, as one line that means only itself.
        words: of the project.
        code: a name in code.
        link: a text that leads to a file, given both.
        strong: a text, written already, that stands out.
    """

    text: Callable[[str], str]
    words: Callable[[str], str]
    code: Callable[[str], str]
    link: Callable[[str, str], str]
    strong: Callable[[str], str]


TEXT = Column("")


def cell_text(cell: Cell, form: Form, column: Column = TEXT, seeds: int = 0) -> str:
    """Return a cell of a column, or a paragraph; ``seeds`` is how many runs the other cells have."""
    match cell:
        case str():
            return form.text(cell)
        case Words(text):
            return form.words(text)
        case Code(text):
            return form.code(text)
        case Link(text, file):
            return form.link(text, file)
        case Quantity(value, unit, decimals):
            return number(value, unit, decimals)
        case Strong(content):
            return form.strong(cell_text(content, form, column, seeds))
        case Runs(estimate, failed):
            parts = [f"n = {estimate.n}"] if estimate.n != seeds else []
            parts += [f"{failed} failed"] if failed else []
            rest = f" ({', '.join(parts)})" if parts else ""
            return cell_text(estimate, form, column) + rest
        case Estimate():
            unit = column.unit or Unit.RATIO
            text = number(cell.mean, unit, column.decimals)
            # Half a width has no sign, unlike a difference.
            width = number(cell.ci95, Unit.ACCURACY if unit is Unit.DIFFERENCE else unit, column.decimals)
            return text if missing(cell.ci95) else f"{text} ± {width}"
        case Failure(status, _):
            return form.text(status)
        case tuple():
            return "".join(cell_text(span, form, column) for span in cell)
        case _ if missing(cell):
            return NONE
        case _:
            return form.text(str(cell)) if column.unit is None else number(cell, column.unit, column.decimals)


def fitting(table: Table, form: Form, width: int, gap: int) -> Table:
    """Return a table, with rows and columns exchanged where only that makes it fit, or less wide.

    Args:
        width: letters that it may take.
        gap: letters between two columns.
    """
    if not table.across or len(table.columns) < 3:
        return table
    here = _wide(table, form, gap)
    if here <= width:
        return table
    other = table.exchanged()
    return other if _wide(other, form, gap) < here else table


def _wide(table: Table, form: Form, gap: int) -> int:
    rows = [[column.title for column in table.columns], *rows_text(table, form)]
    return sum(max(map(len, column)) + gap for column in zip(*rows, strict=True))


def rows_text(table: Table, form: Form) -> list[list[str]]:
    """Return the cells of a table as texts."""
    return [
        [cell_text(cell, form, column, table.seeds) for cell, column in zip(row, table.columns, strict=True)]
        for row in table.rows
    ]
