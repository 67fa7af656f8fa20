"""Errors of multipliers as papers and libraries state them, beside those that are measured here.

A YAML file states them, with how far ours may be away:

    title: Errors of multipliers
    works:
      - name: DRUM
        source: S. Hashemi, R. Bahar, S. Reda, "DRUM", ICCAD 2015
        margins: {mean_relative_error: 0.03}
        multipliers:
          drum(16,3): {mean_relative_error: 11.90}
          drum(16,4): {mean_relative_error: 5.89}

A figure in quotes without a margin may be away by half a unit of its last digit, which is how it was rounded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError, model_validator

from precision import files
from precision.analysis.published import PublishedFigure, holds
from precision.arithmetic.multipliers import Errors, Multiplier, errors_of, parse_multiplier
from precision.arithmetic.multipliers.errors import EXHAUSTIVE
from precision.errors import LocatedError, PrecisionError, shown, suggest
from precision.grid.file.reader import read_file
from precision.grid.file.refusals import refusals
from precision.grid.file.source import Source, portable
from precision.options import Options
from precision.report.checks import WITHIN, Check, counted, table_of_checks
from precision.report.document import (
    Document,
    Listing,
    Markdown,
    Note,
    Quantity,
    Section,
    Table,
    Unit,
    inline,
    note,
)
from precision.report.multipliers.description import short_name
from precision.report.pages.folder import write_report
from precision.report.render import terminal

FIGURES: Mapping[str, Callable[[Errors, Multiplier], float]] = {
    "error_probability": lambda e, m: 100 * e.probability,
    "mean_error": lambda e, m: e.mean,
    "mean_error_share": lambda e, m: 100 * e.share,
    "worst_error": lambda e, m: e.worst,
    "worst_error_share": lambda e, m: 100 * e.worst / 2 ** sum(m.bits),
    "mean_square_error": lambda e, m: e.square,
    "mean_relative_error": lambda e, m: 100 * e.relative,
    "mean_relative_error_from_one": lambda e, m: 100 * e.relative_from_one,
    "worst_relative_error": lambda e, m: 100 * e.worst_relative,
}
"""What may be stated: probabilities, shares and relative errors in per cent, the others as they are."""


_ABOUT = """\
Probabilities, shares of 2^(bits of both operands) and relative errors are in per cent. Every pair of
operands is tried up to {most} bits of both together; of larger ones {samples} are drawn with seed {seed}."""


def _known(name: str) -> str:
    if name not in FIGURES:
        raise PrecisionError(f"unknown figure {shown(name)}; {suggest(name, FIGURES)}")
    return name


def _number(text: str) -> str:
    try:
        known = math.isfinite(float(text))
    except ValueError:
        known = False
    if not known:
        raise PrecisionError(f"a figure in quotes is a number such as '0.20', but got {shown(text)}")
    return text


def _multiplier(text: str) -> str:
    parse_multiplier(text)
    return text


Name = Annotated[str, AfterValidator(_known)]
Figure = Annotated[str, AfterValidator(_number)] | float
Text = Annotated[str, Field(min_length=1)]


class Work(Options):
    """What one work states of its multipliers.

    Attributes:
        name: above the table.
        margins: by figure, how far ours may be away, in its unit.
    """

    name: Text
    source: Text
    note: str = ""
    margins: dict[Name, Annotated[float, Field(ge=0)]] = Field(default={})
    multipliers: Annotated[
        dict[Annotated[str, AfterValidator(_multiplier)], dict[Name, Figure]], Field(min_length=1)
    ]

    @model_validator(mode="after")
    def _every_figure_has_a_margin(self) -> Work:
        for multiplier, figures in self.multipliers.items():
            for name, value in figures.items():
                if name not in self.margins and not isinstance(value, str):
                    raise LocatedError(
                        ("multipliers", multiplier, name),
                        f"{name} {value:g} has no margin; add 'margins: {{{name}: 0.01}}', or write the "
                        "figure in quotes, as it was printed, to allow half a unit of its last digit",
                    )
        return self


class PublishedErrors(Options):
    """A file of published errors."""

    title: Text
    description: str = ""
    works: Annotated[list[Work], Field(min_length=1)]


def read(path: Path) -> PublishedErrors:
    """Return a file of published errors.

    Raises:
        PrecisionError: one sentence with file, line, rule, received value and a suggestion.
    """
    source = Source.of(path, read_file(path, ("a file of published errors", "title and works")))
    try:
        return PublishedErrors.model_validate(source.data)
    except ValidationError as error:
        raise refusals(source, error, _suggest_key) from None


def _suggest_key(location: tuple[Any, ...]) -> str:
    return suggest(location[-1], (Work if "works" in location else PublishedErrors).model_fields)


def checks_of(work: Work, samples: int, seed: int) -> list[Check]:
    """Return every figure of a work beside ours."""
    found = []
    for text, figures in work.multipliers.items():
        multiplier = parse_multiplier(text)
        errors = errors_of(multiplier, samples, seed, ranks=False)
        for name, value in figures.items():
            found.append(_check(work, multiplier, errors, name, value))
    return found


def _check(work: Work, multiplier: Multiplier, errors: Errors, name: str, value: float | str) -> Check:
    digits = len(str(value).partition(".")[2])
    half = 0.5000001 * 10.0**-digits  # what is printed as a five at the end may be a little more
    margin, published = work.margins.get(name, half), float(value)
    ours = FIGURES[name](errors, multiplier)
    status = "pass" if holds(PublishedFigure(value=published, margin=margin), ours) else "fail"
    return Check(
        figure=name.replace("_", " "),
        of=short_name(multiplier),
        published=Quantity(published, Unit.NUMBER, digits),
        bound="within",
        ours=Quantity(ours, Unit.NUMBER, digits + 2),
        spread=() if errors.exhaustive else inline(" ({n} pairs)", n=Quantity(errors.pairs, Unit.COUNT)),
        away=Quantity(ours - published, Unit.NUMBER, digits + 2),
        margin=Quantity(margin, Unit.NUMBER),
        status=status,
    )


@dataclass(frozen=True)
class Compared:
    """A file of published errors beside ours: what is shown in a terminal, and the report of it."""

    document: Document
    parts: tuple[terminal.Shown, ...]
    passed: bool

    def text(self) -> str:
        """Return the tables for a terminal."""
        return terminal.render(self.parts) + "\n"

    def write(self, path: Path) -> None:
        """Write the report in Markdown; its folder is made if need be."""
        files.make_folder(path.parent)
        write_report(self.document, path, {})


def compared(path: Path, samples: int, seed: int) -> Compared:
    """Return every figure of a file beside ours."""
    given = read(path)
    parts: list[Section] = []
    plain: list[terminal.Shown] = []
    every: list[Check] = []
    for work in given.works:
        checks = checks_of(work, samples, seed)
        every += checks
        text = note("{source}. {note}", source=work.source.rstrip("."), note=work.note)
        counts = (counted(checks),) if len(given.works) > 1 else ()
        found: tuple[Note | Table, ...] = (text, *counts, table_of_checks(checks))
        parts.append(Section(work.name, found))
        plain += found
    about = note(_ABOUT, most=str(EXHAUSTIVE), samples=Quantity(samples, Unit.COUNT), seed=str(seed))
    again = Section("How to reproduce", (Listing(f"precision multipliers published {portable(path)}"),))
    head = (counted(every), note(WITHIN), about)
    report = Document(given.title, (Markdown(given.description), *head, *parts, again))
    return Compared(report, (*plain, counted(every)), all(one.status == "pass" for one in every))
