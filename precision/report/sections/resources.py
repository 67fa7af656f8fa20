"""What the trials used over time: processor, memory, threads, temperature, GPU, power."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

import pandas as pd

from precision.analysis import Results
from precision.errors import PrecisionError
from precision.registry import SECTIONS
from precision.report.document import Code, Figure, Note, Section, Words, joined, note, order
from precision.samples import QUANTITIES, Samples

FIGURES = 8  # networks that have one; reading what is drawn must not take long
CURVES = 10  # in each column of a figure, which can be told apart with and without colours

_NONE = """\
No samples are kept of these trials: they were stored by a version that took none, or failed."""
_ABOUT = """\
What the process of a trial and its machine did over the seconds since the trial began, the loading of its
data and its evaluation included: one line per format, of its first seed. 100 % of the process is one core.
The curves of an emulated format are those of the emulation. {page} says what each number means."""
_PAGE = Code("docs/resources.md")


class _Line(NamedTuple):
    """A line of a figure: the trial that it shows, its name, and the column of the figure that it is in."""

    trial: str
    name: str
    column: str
    strong: bool


@SECTIONS.register("resources")
@order(84)
def resources(results: Results) -> Section | None:
    """Return a figure for each network: processor, memory and what else was sampled, over time."""
    if results.samples is None:
        return None
    found = list(islice(_figures(results), FIGURES + 1))
    if not found:
        return Section("Resources over time", (note(_NONE),))
    shown, more = found[:FIGURES], found[FIGURES:]
    parts: list[Figure | Note] = [note(_ABOUT, page=_PAGE), *shown]
    if more:
        parts.append(note(f"Only the first {FIGURES} networks have a figure."))
    untold = _untold([curve.samples for figure in shown for curve in figure.data["curves"]])
    return Section("Resources over time", (*parts, *untold))


def _figures(results: Results) -> Iterator[Figure]:
    """Yield the figure of each network that has samples; those that nobody asks for are not read."""
    cells = results.cells()
    cells = cells[cells["status"] == "ok"]
    several = cells["dataset"].nunique() > 1, cells.groupby(["dataset", "architecture"]).ngroups > 1
    names: set[str] = set()
    for (dataset, architecture), rows in cells.groupby(["dataset", "architecture"], sort=False):
        lines = _lines(rows, results.settings.baseline)
        curves, missing = _curves(results, lines)
        if not curves:
            continue
        title = ", ".join([str(dataset)] * several[0] + [str(architecture)] * several[1])
        yield Figure(
            name=_name(title, names),
            title=title,
            caption="Processor, memory and what else was sampled over time, one line per format",
            draw=_draw,
            data={"curves": curves, "missing": missing},
        )


def _draw(**data: Any) -> Any:
    from precision.report.figures.resources import draw_resources

    return draw_resources(**data)


def _lines(rows: pd.DataFrame, baseline: str) -> list[_Line]:
    """Return the lines of a network, each of its first seed: the baseline, then from many bits to few."""
    formats, emulated = rows["policy"] != baseline, rows["timing"] == "emulated"
    several = rows.loc[emulated, "method"].nunique() > 1
    trainings = _told_apart(rows["training"].unique())
    ordered = rows.assign(other=formats).sort_values(
        ["other", "weight_bits"], ascending=[True, False], kind="stable"
    )
    lines: dict[tuple[str, str], _Line] = {}
    for row in ordered.drop_duplicates("trial").to_dict("records"):
        column = row["timing"]
        column += f", {row['method']}" if several and column == "emulated" else ""
        of_baseline = row["policy"] == baseline
        continued = row["method"] if row["control"] and of_baseline else ""
        more = [word for word in (continued, trainings[row["training"]]) if word]
        name = f"{row['policy']} ({', '.join(more)})" if more else row["policy"]
        line = _Line(row["trial"], name, column, of_baseline and not row["control"])
        lines.setdefault((name, column), line)
    return list(lines.values())


def _told_apart(labels: Iterable[str]) -> dict[str, str]:
    """Return of each label the words that not all of them have."""
    words = {label: label.split() for label in labels}
    common = set.intersection(*map(set, words.values()))
    return {label: " ".join(word for word in own if word not in common) for label, own in words.items()}


def _curves(results: Results, lines: list[_Line]) -> tuple[list[Any], list[str]]:
    """Return the curves of the lines, and the names of those for which there is no room."""
    from precision.report.figures.page import spread
    from precision.report.figures.resources import COLUMNS, Curve

    names = list(dict.fromkeys(line.name for line in lines))
    wanted = spread(names, CURVES)  # the others come in where these have no samples
    found: dict[_Line, Curve] = {}
    missing: list[_Line] = []
    counts: dict[str, int] = {}
    for line in sorted(lines, key=lambda one: one.name not in wanted):
        number = counts.get(line.column, 0)
        if number >= CURVES or (not number and len(counts) == COLUMNS):
            missing.append(line)
            continue
        samples = _read(results, line.trial)
        if samples is not None and len(samples) and samples.series:
            counts[line.column] = number + 1
            found[line] = Curve(line.name, line.column, samples, line.strong)
    others = [
        line.name if line.column in counts else f"{line.name} ({line.column})"
        for line in lines
        if line in missing
    ]
    return [found[line] for line in lines if line in found], list(dict.fromkeys(others))


def _read(results: Results, trial: str) -> Samples | None:
    assert results.samples is not None
    try:
        return results.samples(trial)
    except PrecisionError as error:
        warnings.warn(str(error), stacklevel=2)
        return None


def _untold(samples: list[Samples]) -> list[Note]:
    """Return which quantities no trial could tell, and why the first of them could not."""
    told = {name for one in samples for name in one.series}
    first = {name: one.ended[name] for one in reversed(samples) for name in one.ended if name not in told}
    why: dict[str, list[str]] = {}
    for name, quantity in QUANTITIES.items():
        if name in first:
            why.setdefault(first[name], []).append(quantity.title.lower().replace("gpu", "GPU"))
    items = [(Words(f"{', '.join(titles)} ("), reason, Words(")")) for reason, titles in why.items()]
    return [note("Not measurable here: {items}.", items=joined(items, "; "))] if items else []


def _name(title: str, names: set[str]) -> str:
    """Return a name for the file of a figure that no other one has, in capitals or not."""
    stem = "_".join(["resources", *re.findall(r"[\w.-]+", title, re.ASCII)])[:60]
    name, number = stem, 2
    while name.lower() in names:
        name, number = f"{stem}_{number}", number + 1
    names.add(name.lower())
    return name
