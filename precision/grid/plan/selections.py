"""What an entry of ``exclude`` or ``include`` means: which cells it selects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from precision.errors import Mistakes, shown, suggest
from precision.grid.file.entry import Location
from precision.grid.file.published import PublishedFigure
from precision.grid.file.report import ReportOptions, Requirement
from precision.grid.file.schema import Exclusion, Inclusion, Selection
from precision.grid.file.source import Source
from precision.grid.plan.axes import Axes
from precision.grid.plan.cell import Cell
from precision.grid.plan.only import value_of, word

_AXES = {"dataset": "datasets", "architecture": "architectures", "policy": "policies", "method": "methods"}


def labels_of(values: Iterable[Any]) -> list[str]:
    """Return the labels of the values of an axis."""
    return [value if isinstance(value, str) else value.label for value in values]


def check_selection(selection: Selection, axes: Axes, source: Source, location: Location) -> None:
    """Refuse a label or, where options select, a value that no cell of the product has.

    Raises:
        PrecisionError: with the location.
    """
    labels = {key: labels_of(axes[axis]) for key, axis in _AXES.items()}
    check_patterns(selection, labels, source, location)
    if isinstance(selection, Inclusion):
        return
    for part in ("training", "runtime"):
        for name, values in getattr(selection, part).given().items():
            known = axes[f"{part}.{name}"]
            for value in values:
                if value not in known:
                    words = [word(one) for one in known]
                    raise source.error(
                        (*location, part, name),
                        f"{part}.{name} {word(value)} is not in the grid; {suggest(word(value), words)}",
                    )


def check_patterns(
    selection: Selection | Requirement | PublishedFigure,
    labels: Mapping[str, Iterable[str]],
    source: Source,
    location: Location,
) -> None:
    """Refuse a pattern that is none of these labels, by the keys of a selection.

    Raises:
        PrecisionError: with the location.
    """
    for key, known in labels.items():
        patterns = getattr(selection, key)
        for pattern in patterns if isinstance(patterns, list) else []:
            if not any(matches(label, [pattern]) for label in known):
                raise source.error(
                    (*location, key), f"{key} {shown(pattern)} is not in the grid; {suggest(pattern, known)}"
                )


def check_report(report: ReportOptions, cells: Iterable[Cell], source: Source) -> None:
    """Refuse a requirement and a published figure that are about no cell of the grid."""
    published = report.published.figures if report.published else []
    asked: list[tuple[Location, Requirement | PublishedFigure]] = [
        *((("report", "require", index), one) for index, one in enumerate(report.require)),
        *((("report", "published", "figures", index), one) for index, one in enumerate(published)),
    ]
    if not asked:
        return
    known = list(cells)
    axes = ("dataset", "architecture", "policy", "method")
    labels = {axis: list(dict.fromkeys(getattr(cell, axis) for cell in known)) for axis in axes}
    mistakes = Mistakes()
    for location, one in asked:
        with mistakes.noted():
            check_patterns(one, labels, source, location)
    mistakes.tell()


def excluded_by(exclusion: Exclusion, axes: Axes) -> Callable[[Cell], bool]:
    """Return whether an exclusion is about a cell of the product."""
    admitted: dict[str, set[Any]] = {}
    for key, axis in _AXES.items():
        patterns = getattr(exclusion, key)
        if patterns != ["*"]:
            admitted[key] = {label for label in labels_of(axes[axis]) if matches(label, patterns)}
    if exclusion.seed is not None:
        admitted["seed"] = set(exclusion.seed)
    for part in ("training", "runtime"):
        for name, values in getattr(exclusion, part).given().items():
            admitted[f"{part}.{name}"] = set(values)

    def excluded(cell: Cell) -> bool:
        return all(value_of(cell, axis) in values for axis, values in admitted.items())

    return excluded


def matches(label: str, patterns: Iterable[str]) -> bool:
    """Return whether a label is, or as a wildcard fits, one of the patterns."""
    return any(label == pattern or fnmatchcase(label, pattern) for pattern in patterns)
