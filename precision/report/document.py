"""A report as data: sections of notes, lists, tables of raw cells, and figures.

Nothing here is escaped, formatted or drawn: a renderer does that, each for its own form. A text that comes
from outside, such as a label, is a plain ``str``; the project's own words are ``Words``, which may be wrapped
over several lines.

A section of the report of a grid is one registered function, in a file of ``precision/report/sections/``:

    @SECTIONS.register("machines")
    @order(85)
    def machines(results: Results) -> Section | None:
        rows = tuple((name,) for name in results.cells()["machine"].unique())
        return Section("Machines", (Table((Column("Machine"),), rows),))

A figure is one likewise, in a file of ``precision/report/figures/``; it has a section of its own.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

import pandas as pd

from precision.analysis import Estimate
from precision.errors import PrecisionError

LAST = 95.0
"""Where a section stands that says no order: above the table of every trial."""


def order(place: float) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that says where a section or the section of a figure stands, the smallest first."""

    if not isinstance(place, int | float):
        raise PrecisionError(f"the order of a section is a number, such as 15, but got {place!r}")

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        function.order = place  # type: ignore[attr-defined]
        return function

    return decorate


class Unit(Enum):
    """What a raw number is, from which a renderer knows how to write it."""

    ACCURACY = "a fraction of one, shown in percent"
    DIFFERENCE = "of two such fractions, shown in percentage points with its sign"
    PERCENT = "in percent or percentage points already"
    SHARE = "a fraction of one that may be tiny, shown in percent"
    BITS = "bits"
    BYTES = "bytes"
    RATIO = "a ratio"
    SECONDS = "seconds"
    COUNT = "a whole number"
    NATS = "nats, the unit of the loss"
    DECIBELS = "decibels"
    PICOJOULES = "picojoules"
    DECADES = "powers of ten"
    ERROR = "an error of rounding"
    VALUE = "a value of a number format"
    FLAG = "yes or no"
    NUMBER = "any other number, shown with four digits"


@dataclass(frozen=True)
class Words:
    """The project's own words; a line break is a place where they may be wrapped."""

    text: str


@dataclass(frozen=True)
class Code:
    """A name as it stands in code; it has no backtick and no line break."""

    text: str


@dataclass(frozen=True)
class Link:
    """A text that leads to a file beside the report."""

    text: str
    file: str


@dataclass(frozen=True)
class Quantity:
    """A number with its unit. ``decimals`` is how many are shown, where not as many as usual for the unit."""

    value: float | None
    unit: Unit
    decimals: int | None = None


@dataclass(frozen=True)
class Runs:
    """What the runs of one cell gave over their seeds, and how many of them failed."""

    estimate: Estimate
    failed: int = 0


@dataclass(frozen=True)
class Failure:
    """A cell without a result: how its runs ended, and why where that is known."""

    status: str
    reason: str = ""


@dataclass(frozen=True)
class Strong:
    """What stands out from its neighbours."""

    content: Cell


Span = str | Words | Code | Link | Quantity | Strong
Inline = Span | tuple[Span, ...]
Cell = Inline | float | bool | Estimate | Runs | Failure | None
"""What a table holds: a text, a number in the unit of its column, or None where there is nothing."""


@dataclass(frozen=True)
class Note:
    """A paragraph."""

    text: Inline


@dataclass(frozen=True)
class List:
    """Items, one below the other."""

    items: tuple[Inline, ...]


@dataclass(frozen=True)
class Listing:
    """Lines that stay as they are, such as a command."""

    text: str


@dataclass(frozen=True)
class Markdown:
    """A user's own text, in Markdown."""

    text: str


@dataclass(frozen=True)
class Column:
    """A column of a table: of texts when it has no unit, otherwise of numbers."""

    title: str
    unit: Unit | None = None
    decimals: int | None = None


@dataclass(frozen=True)
class Table:
    """Rows of raw cells under their columns, with a title above and notes below; the title may be empty.

    ``seeds`` is how many runs most cells have; one of ``Runs`` that has another number says its own.
    ``across`` is what the columns after the first are, where all hold the same kind of cell: a table that is
    too wide for its place is then shown with rows and columns exchanged.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    title: str = ""
    notes: tuple[Note, ...] = ()
    seeds: int = 0
    across: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                titles = ", ".join(column.title for column in self.columns)
                raise PrecisionError(
                    f"a table has a cell for each of its {len(self.columns)} columns ({titles}), but a row "
                    f"has {len(row)}"
                )

    def exchanged(self) -> Table:
        """Return the table with a row for each column after the first, and a column for each row."""
        first, *others = self.columns
        unit = others[0]
        columns = (Column(self.across), *(replace(unit, title=_plain(row[0])) for row in self.rows))
        rows = tuple(
            (column.title, *(row[number] for row in self.rows)) for number, column in enumerate(others, 1)
        )
        return replace(self, columns=columns, rows=rows, across=first.title)


def _plain(head: Cell) -> str:
    """Return the text at the head of a row."""
    return head.text if isinstance(head, Words | Code | Link) else str(head)


def table_of(
    frame: pd.DataFrame, columns: Mapping[str, Column], title: str = "", notes: tuple[Note, ...] = ()
) -> Table:
    """Return a table of columns of a frame, by their names there."""
    return Table(
        tuple(columns.values()), tuple(frame[list(columns)].itertuples(index=False, name=None)), title, notes
    )


@dataclass(frozen=True)
class Figure:
    """A picture that ``draw(**data)`` returns as a matplotlib figure.

    Attributes:
        name: of its file, without the ending; no other figure of the report has it.
        title: stands above; of a registered figure, the title of its section.
        caption: what the figure shows, for those who cannot see it.
        draw: None where there is nothing to draw.
        data: what is drawn.
        notes: how to read it, or why there is nothing to draw.
    """

    name: str
    title: str
    caption: str
    draw: Callable[..., Any] | None
    data: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not re.fullmatch(r"[\w.-]+", self.name):
            raise PrecisionError(
                f"the name of a figure is that of its file: letters, digits, '_', '-' and '.', but got "
                f"{self.name!r}"
            )

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.name}.png"


@dataclass(frozen=True)
class Section:
    """Parts under a title; a section among them is one level below."""

    title: str
    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        given: Any = self.parts
        wrong = [one for one in given if not isinstance(one, Part)] if isinstance(given, tuple) else [given]
        if wrong:
            kind = type(wrong[0]).__name__
            raise PrecisionError(
                f"the parts of the section {self.title!r} are a tuple of tables, figures, notes, lists or "
                f"sections, but got a {kind}; write (table,) for a table alone"
            )


Part = Note | List | Listing | Markdown | Table | Figure | Section


@dataclass(frozen=True)
class Document:
    """A report. ``more`` are figures that lie beside it and that it does not show."""

    title: str
    parts: tuple[Part, ...]
    more: tuple[Figure, ...] = ()

    def figures(self) -> tuple[Figure, ...]:
        """Return every figure, those first that the report shows."""
        return (*_figures(self.parts), *self.more)


def _figures(parts: tuple[Part, ...]) -> Iterator[Figure]:
    for part in parts:
        if isinstance(part, Figure):
            yield part
        elif isinstance(part, Section):
            yield from _figures(part.parts)


def note(text: str, **spans: Inline) -> Note:
    """Return a paragraph of the project's own words, with spans in the place of each ``{name}``."""
    return Note(inline(text, **spans))


def inline(text: str, **spans: Inline) -> tuple[Span, ...]:
    """Return the project's own words with spans in the place of each ``{name}``."""
    found: list[Span] = []
    for words, name, _, _ in string.Formatter().parse(text):
        found += [Words(words)] if words else []
        found += _spans(spans[name]) if name is not None else ()
    return tuple(found)


def joined(items: Iterable[Inline], between: str) -> tuple[Span, ...]:
    """Return items in one text, with the same words between any two."""
    found: list[Span] = []
    for item in items:
        found += [Words(between)] if found else []
        found += _spans(item)
    return tuple(found)


def _spans(text: Inline) -> tuple[Span, ...]:
    return text if isinstance(text, tuple) else (text,)


def facts(values: Mapping[str, str]) -> List:
    """Return names and values as a list."""
    return List(tuple(inline("{name}: {value}", name=name, value=value) for name, value in values.items()))
