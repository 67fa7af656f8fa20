"""What the terminal and the documentation say of a number format."""

from __future__ import annotations

import inspect
import math
import textwrap
from collections.abc import Sequence

from tabulate import tabulate

from precision.errors import PrecisionError
from precision.formats import NumberFormat, parse
from precision.formats.comparison import Comparison
from precision.formats.properties import Properties, properties
from precision.registry import FORMATS
from precision.report.document import table_text
from precision.report.formats import number_line
from precision.report.formats.values import value_text
from precision.report.text import NONE, bits, count


def show_text(number_format: NumberFormat) -> str:
    """Return the table of properties of a format and its number lines, 80 columns wide at most."""
    p = properties(number_format)
    parts = [tabulate(_rows(p), tablefmt="plain", disable_numparse=True)]
    of = "elements" if p.block else "values"
    line = number_line.linear(number_format)
    if line:
        parts.append(f"the {of} from the least to the largest; height: how many, logarithmic\n\n{line}")
    bars = number_line.logarithmic(number_format)
    if bars:
        parts.append(f"positive {of} in each power of two; height: how many, logarithmic\n\n{bars}")
    return "\n\n".join(parts) + "\n"


def _rows(p: Properties) -> list[tuple[str, str]]:
    rows = [("format", p.text), ("bits", bits(p.bits))]
    if p.block:
        rows += [
            ("block", f"{p.block} neighbours share a scale"),
            ("scale", p.scale),
            ("largest element", value_text(p.element_max)),
            ("largest with its scale", value_text(p.max)),
        ]
    else:
        rows += [("largest value", value_text(p.max)), ("least value", value_text(p.lowest))]
    rows += [
        ("smallest normal", value_text(p.min_normal)),
        ("smallest subnormal", value_text(p.min_subnormal)),
        ("epsilon", value_text(p.eps)),
        ("dynamic range", NONE if math.isnan(p.decades) else f"{p.decades:.1f} decades"),
        ("finite values", "too many to list" if p.count is None else count(p.count)),
        ("NaN", _becomes(p.nan, math.isnan)),
        ("infinity", _becomes(p.infinity, math.isinf)),
        ("negative zero", "yes" if p.negative_zero else "no"),
        ("beyond the range", p.beyond),
        ("roundings", textwrap.fill(", ".join(p.roundings), 56)),
    ]
    return rows


def _becomes(value: float, kept: object) -> str:
    assert callable(kept)
    return "yes" if kept(value) else f"no, becomes {'NaN' if math.isnan(value) else value_text(value)}"


def compare_text(rows: Sequence[Comparison], source: str, fit: str) -> str:
    """Return the table of formats compared on the same samples; ``source`` says what these are."""
    header = ["format", "bits", "SQNR dB", "mean err", "max err", "rel. err", "clipped", "to zero"]
    lost = any(row.lost for row in rows)
    cells = [
        [
            row.name,
            bits(row.bits),
            _decibels(row.sqnr),
            _error(row.mean_error),
            _error(row.max_error),
            _error(row.relative_error),
            _share(row.clipped),
            _share(row.flushed),
            *([_share(row.lost)] if lost else []),
        ]
        for row in rows
    ]
    table = tabulate(
        cells,
        headers=header + (["lost"] if lost else []),
        disable_numparse=True,
        colalign=["left"] + ["right"] * (len(cells[0]) - 1),
    )
    notes = [source, _FITS[fit]]
    if lost:
        notes.append("lost: became NaN or infinity; the errors are those of the others")
    return "\n".join(notes) + f"\n\n{table}\n"


_FITS = {
    "none": "as they are",
    "max": "scaled, before rounding and back after it, so that the largest magnitude meets the format's "
    "largest\nvalue; formats with block scales take them as they are",
}


def _decibels(value: float) -> str:
    if math.isnan(value):
        return NONE
    return ("exact" if value > 0 else "-infinity") if math.isinf(value) else f"{value:.2f}"


def _error(value: float) -> str:
    return NONE if math.isnan(value) else f"{value:.3g}"


def _share(value: float) -> str:
    return (
        NONE
        if math.isnan(value)
        else "0"
        if value == 0
        else f"{100 * value:{'.1f' if value >= 0.1 else '.2g'}} %"
    )


COLUMNS = (
    "Format",
    "Bits",
    "Largest",
    "Smallest normal",
    "Smallest",
    "Epsilon",
    "Decades",
    "Values",
    "NaN",
    "Infinity",
    "-0",
    "Beyond the range",
)


def formats_document() -> str:
    """Return the table of every format whose name is its text, for the documentation."""
    return table_text(COLUMNS, [_document_row(properties(f)) for f in named_formats()], left=1)


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


def _document_row(p: Properties) -> Sequence[str]:
    return [
        f"`{p.text}`",
        bits(p.bits),
        value_text(p.element_max),
        value_text(p.min_normal),
        value_text(p.min_subnormal),
        value_text(p.eps),
        NONE if math.isnan(p.decades) else f"{p.decades:.1f}",
        NONE if p.count is None else str(p.count),
        "yes" if math.isnan(p.nan) else value_text(p.nan),
        "yes" if math.isinf(p.infinity) else "NaN" if math.isnan(p.infinity) else value_text(p.infinity),
        "yes" if p.negative_zero else "no",
        p.beyond,
    ]
