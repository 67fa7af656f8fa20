"""What the terminal and the documentation say of a number format."""

from __future__ import annotations

import inspect
import math
import textwrap
from collections.abc import Sequence

from precision.errors import PrecisionError
from precision.formats import NumberFormat, parse, usage
from precision.formats.comparison import Comparison
from precision.formats.families.integers import needs_scale
from precision.formats.properties import Properties, properties
from precision.registry import FORMATS
from precision.report.document import (
    Cell,
    Code,
    Column,
    Listing,
    Note,
    Quantity,
    Table,
    Unit,
    Words,
    inline,
    note,
)
from precision.report.formats import number_line
from precision.report.render import terminal
from precision.report.render.markdown import table_text


def show_text(number_format: NumberFormat) -> str:
    """Return the table of properties of a format and its number lines, 80 columns wide at most."""
    p = properties(number_format)
    parts: list[terminal.Shown] = [Table((Column(""), Column("")), tuple(_rows(p)))]
    if needs_scale(number_format):
        parts.append(note(_WHOLE, format=number_format.name))
    of = "elements" if number_format.block else "values"
    line = number_line.linear(number_format)
    if line:
        about = note(f"the {of} from the least to the largest; height: how many, logarithmic")
        parts += [about, Listing(line)]
    bars = number_line.logarithmic(number_format)
    if bars:
        about = note(f"positive {of} in each power of two; height: how many, logarithmic")
        parts += [about, Listing(bars)]
    return terminal.render(parts) + "\n"


def _value(value: float) -> Quantity:
    return Quantity(value, Unit.VALUE)


def _rows(p: Properties) -> list[tuple[str, Cell]]:
    f = p.format
    rows: list[tuple[str, Cell]] = [("format", f.name), ("bits", Quantity(f.bits, Unit.BITS))]
    if f.block:
        rows += [
            ("block", f"{f.block} neighbours share a scale"),
            ("scale", p.scale),
            ("largest element", _value(p.element_max)),
            ("largest with its scale", _value(f.max)),
        ]
    else:
        rows += [("largest value", _value(f.max)), ("least value", _value(f.lowest))]
    decades = inline("{number} decades", number=Quantity(p.decades, Unit.DECADES))
    rows += [
        ("smallest normal", _value(p.min_normal)),
        ("smallest subnormal", _value(p.min_subnormal)),
        ("epsilon", _value(f.eps)),
        ("dynamic range", None if math.isnan(p.decades) else decades),
        ("finite values", "too many to list" if p.count is None else Quantity(p.count, Unit.COUNT)),
        ("NaN", "yes" if math.isnan(f.nan) else _becomes(f.nan)),
        ("infinity", "yes" if math.isinf(f.infinity) else _becomes(f.infinity)),
        ("negative zero", Quantity(p.negative_zero, Unit.FLAG)),
        ("beyond the range", p.beyond),
        ("roundings", Words(textwrap.fill(", ".join(f.roundings), 56))),
    ]
    return rows


def _becomes(value: float) -> Cell:
    return inline("no, becomes {value}", value="NaN" if math.isnan(value) else _value(value))


def compare_text(rows: Sequence[Comparison], source: str, fit: str) -> str:
    """Return the table of formats compared on the same samples; ``source`` says what these are."""
    columns = (
        Column("format"),
        Column("bits", Unit.BITS),
        Column("SQNR dB", Unit.DECIBELS, decimals=2),
        Column("mean err", Unit.ERROR),
        Column("max err", Unit.ERROR),
        Column("rel. err", Unit.ERROR),
        Column("clipped", Unit.SHARE),
        Column("to zero", Unit.SHARE),
        Column("lost", Unit.SHARE),
    )
    lost = any(row.lost for row in rows)
    shown = columns if lost else columns[:-1]
    cells = tuple(_compared(row)[: len(shown)] for row in rows)
    parts: list[terminal.Shown] = [Note(source), note(_FITS[fit])]
    if lost:
        parts.append(note("lost: became NaN or infinity; the errors are those of the others"))
    whole = [row.name for row in rows if needs_scale(parse(row.name))]
    if whole and fit == "none":
        parts.append(note(_UNFITTED, formats=", ".join(whole), format=whole[0]))
    return terminal.render([*parts, Table(shown, cells)]) + "\n"


def _compared(row: Comparison) -> tuple[Cell, ...]:
    sqnr: Cell = row.sqnr
    if math.isinf(row.sqnr):
        sqnr = "exact" if row.sqnr > 0 else "-infinity"
    errors = (row.mean_error, row.max_error, row.relative_error)
    return (row.name, row.bits, sqnr, *errors, row.clipped, row.flushed, row.lost)


_WHOLE = """\
whole numbers: in a policy it has a scale beside it, such as
{{format: "{format}", scaling: real}}, and is refused without one"""
_UNFITTED = """\
{formats}: rounded to whole numbers here; a policy puts a scale beside it, such as
{{format: "{format}", scaling: real}}, and --fit max compares it so"""


_FITS = {
    "none": "as they are",
    "max": "scaled, before rounding and back after it, so that the largest magnitude meets the format's "
    "largest\nvalue; formats with block scales take them as they are",
}


COLUMNS = {
    "code": Column("Format"),
    "bits": Column("Bits", Unit.BITS),
    "element_max": Column("Largest", Unit.VALUE),
    "min_normal": Column("Smallest normal", Unit.VALUE),
    "min_subnormal": Column("Smallest", Unit.VALUE),
    "eps": Column("Epsilon", Unit.VALUE),
    "decades": Column("Decades", Unit.DECADES),
    "count": Column("Values", Unit.VALUE),
    "nan": Column("NaN", Unit.VALUE),
    "infinity": Column("Infinity", Unit.VALUE),
    "negative_zero": Column("-0", Unit.FLAG),
    "beyond": Column("Beyond the range", Unit.VALUE),
}


def formats_document() -> str:
    """Return the table of every format whose name is its text, for the documentation."""
    return table_text(
        Table(tuple(COLUMNS.values()), tuple(_document_row(properties(f)) for f in named_formats()))
    )


def summaries_text() -> str:
    """Return the table of every registered format: how it is written, and what it is."""
    rows = tuple((usage(name), FORMATS.summary(name)) for name in FORMATS)
    return terminal.render([Table((Column("format"), Column("summary")), rows)]) + "\n"


def named_formats() -> list[NumberFormat]:
    """Return the built-in formats that need no arguments, in the order of their names."""
    found = []
    for name in FORMATS:
        parameters = inspect.signature(FORMATS[name]).parameters.values()
        if FORMATS.owner(name).builtin and all(p.default is not p.empty for p in parameters):
            try:
                found.append(parse(name))
            except PrecisionError:  # one that needs an extra that is not installed
                continue
    return found


def _document_row(p: Properties) -> tuple[Cell, ...]:
    f = p.format
    infinity = "yes" if math.isinf(f.infinity) else "NaN" if math.isnan(f.infinity) else f.infinity
    shown: dict[str, Cell] = {"code": Code(f.name), "bits": f.bits, "eps": f.eps, "infinity": infinity}
    shown["nan"] = "yes" if math.isnan(f.nan) else f.nan
    return tuple(shown[name] if name in shown else getattr(p, name) for name in COLUMNS)
