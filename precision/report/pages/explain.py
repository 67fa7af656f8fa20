"""The report of why the format of a trial loses: parts of the loss, tensors, images that flipped."""

from __future__ import annotations

import json
import math
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from precision.analysis.explanation import EXPLANATION_COLUMNS, Explanation, Flips
from precision.report.document import (
    Cell,
    Column,
    Document,
    Figure,
    Link,
    Listing,
    Note,
    Part,
    Quantity,
    Section,
    Table,
    Unit,
    Words,
    facts,
    inline,
    joined,
    note,
)
from precision.report.pages.folder import write_report
from precision.report.pages.made_from import MadeFrom
from precision.report.render import terminal
from precision.report.render.csv import to_csv
from precision.report.sections.explained import answer, causes_table, parts_table

EXPLAIN, PARTS, JSON = "explain.md", "explain.csv", "explain.json"
_ABOUT = """\
The loss against {baseline}, {unit}, on {images}. A value of a tensor overflows where the format, under its
scale, ends too early for it; it is lost to underflow where it becomes zero; all else is rounding. In the
network in which an error is switched off, the values that suffer it stay as they are."""
_CAUSES = """\
What each kind of error takes, in all tensors at once: the Shapley value (Shapley 1953), the mean of what it
takes when it joins others, over all orders in which they may join. These parts add up to the whole."""
_PARTS = """\
Alone: what the network loses with this error and no other. Restored: what it no longer loses when this error
alone is taken from the rounded network. Where the two differ, errors hide behind each other or make up for
each other, and neither adds up. The parts do: they are Shapley values of the errors that take most, with all
others together as one more, over every set of them. Values: the share of the tensor that suffers the error.
One image is {one}."""
_SAME = "The rounded network says of every image what the stored trial says."
_OTHER = """\
The rounded network here and the stored trial say different things of {differing}: the whole loss is that of
the network here, and the store has {stored}."""
_TENSORS = """\
Magnitudes of the tensors in the rounded network, in units of their formats (under the scales that they have),
by powers of two; of activations those of the first batch of images, while the shares are of all. Ticks are
magnitudes that the format has; values right of the last overflow, and those far enough left of the first
become zero."""
_FLIPPED = """\
{changed} get another class: {lost} were right before alone, {won} are right after alone, and {rest} are wrong
both times."""


def write_explanation(
    found: Explanation,
    command: Sequence[str],
    output: Path,
    made_from: MadeFrom | None = None,
    force: bool = False,
) -> Path:
    """Write explain.md, explain.csv, explain.json and figures into a folder; return the path of explain.md.

    Args:
        command: the words of the command that repeats it.
        output: an existing folder.
        made_from, force: as of ``precision.report.pages.folder.write_report``.
    """
    about: list[Part] = [Note(answer(found)), _about(found), _reproduced(found)]
    bars = Figure(
        name="parts",
        title="",
        caption="What each error takes alone, what is restored without it, and the parts that add up",
        draw=_draw_parts,
        data={"found": found},
    )
    one = _in_points(found, 1 / found.images)
    loss: tuple[Part, ...] = (
        note(_CAUSES),
        causes_table(found),
        note(_PARTS, one=one),
        parts_table(found),
        bars,
    )
    numbers = note("All parts are in {table} and {data}.", table=Link(PARTS, PARTS), data=Link(JSON, JSON))
    parts: list[Part] = [
        *about,
        Section("The parts", loss),
        *_tensors(found),
        *_flips(found),
        Section("How to reproduce", (Listing(shlex.join(command)), facts(found.environment), numbers)),
    ]
    files = {PARTS: to_csv(found.frame, EXPLANATION_COLUMNS), JSON: json_text(found)}
    document = Document(f"{found.trial}: why the format loses", tuple(parts))
    return write_report(document, output / EXPLAIN, files, made_from, force)


def explanation_text(found: Explanation) -> str:
    """Return the answer and the largest parts as lines for a terminal."""
    each = (inline("{name} {part}", name=k, part=Quantity(v, Unit.PERCENT)) for k, v in found.causes.items())
    kinds = joined(each, ", ")
    parts: list[terminal.Shown] = [Note(answer(found)), note("by kind of error: {kinds}", kinds=kinds)]
    parts.append(parts_table(found))
    if found.differing != 0:
        parts.append(_reproduced(found))
    return terminal.render(parts) + "\n"


def json_text(found: Explanation) -> str:
    """Return scores and parts as JSON; a number that is none is null."""

    def plain(value: Any) -> Any:
        return None if isinstance(value, float) and not math.isfinite(value) else value

    rows = [{k: plain(v) for k, v in row.items()} for row in found.frame.to_dict("records")]
    data = {
        "trial": found.trial,
        "network": found.network,
        "policy": found.policy,
        "task": found.task,
        "images": found.images,
        **{name: plain(value) for name, value in found.scores._asdict().items()},
        "differing": found.differing,
        "whole": plain(found.whole),
        "before": plain(found.before),
        "causes": {cause: plain(part) for cause, part in found.causes.items()},
        "errors": rows,
        "others": plain(found.others),
    }
    return json.dumps(data, indent=1) + "\n"


def _about(found: Explanation) -> Note:
    unit = "in per cent of its RMSE" if found.asks.relative else "in percentage points of accuracy"
    return note(_ABOUT, baseline=Words(found.baseline), unit=Words(unit), images=_images(found.images))


def _images(number: int, what: str = "test image") -> tuple[Quantity, Words]:
    return Quantity(number, Unit.COUNT), Words(f" {what}{'' if number == 1 else 's'}")


def _in_points(found: Explanation, share: float) -> Words:
    return Words("no unit here") if found.asks.relative else Words(f"{100 * share:.2g} points")


def _reproduced(found: Explanation) -> Note:
    if found.differing is None:
        return note("The store has no predictions of the trial, with which the whole could be compared.")
    if found.differing == 0:
        return note(_SAME)
    return note(
        _OTHER, differing=_images(found.differing), stored=Words(found.asks.said(found.scores.stored))
    )


def _tensors(found: Explanation) -> list[Section]:
    shown = [one for one in found.histograms if one.slot in ("weights", "activations", "inputs")]
    if not shown:
        return []
    figure = Figure(
        name="magnitudes",
        title="",
        caption="Magnitudes of weights and activations over the magnitudes that their formats have",
        draw=_draw_magnitudes,
        data={"histograms": _worst_first(found)},
    )
    columns = (
        Column("Layer"),
        Column("Slot"),
        Column("Format"),
        Column("Overflow", Unit.SHARE),
        Column("Become zero", Unit.SHARE),
    )
    rows = tuple((h.layer, h.slot, h.setting, h.overflow, h.underflow) for h in found.histograms)
    return [Section("The tensors", (note(_TENSORS), figure, Table(columns, rows)))]


def _worst_first(found: Explanation) -> list[Any]:
    """Return the histograms of weights and activations, those first whose errors take most."""
    size = found.frame["part"].fillna(0) + 1e-3 * (found.frame["alone"] + found.frame["restored"])
    taken = size.groupby([found.frame["layer"], found.frame["slot"]]).sum().to_dict()
    shown = [one for one in found.histograms if one.slot in ("weights", "activations", "inputs")]
    return sorted(shown, key=lambda one: -taken.get((one.layer, one.slot), 0.0))


def _flips(found: Explanation) -> list[Section]:
    flips = found.flips
    if flips is None:
        return []
    changed = len(flips.number)
    rest = changed - flips.lost - flips.won
    about = note(
        _FLIPPED,
        changed=_images(changed),
        lost=Quantity(flips.lost, Unit.COUNT),
        won=Quantity(flips.won, Unit.COUNT),
        rest=Quantity(rest, Unit.COUNT),
    )
    parts: list[Part] = [about]
    if changed and flips.images is not None:
        parts.append(
            Figure(
                name="flipped",
                title="",
                caption="Test images whose class flipped, with the true class, that before and that after",
                draw=_draw_flips,
                data={"flips": flips},
            )
        )
    if changed:
        parts.append(_pairs(flips))
    return [Section("Images that flipped", tuple(parts))]


def _pairs(flips: Flips) -> Table:
    """Return which classes became which, the most frequent first."""
    pairs = Counter(zip(map(str, flips.before), map(str, flips.after), strict=True)).most_common(10)
    rows: list[tuple[Cell, ...]] = [(before, after, number) for (before, after), number in pairs]
    columns = (Column("Before"), Column("After"), Column("Images", Unit.COUNT))
    return Table(columns, tuple(rows))


def _draw_parts(found: Explanation) -> object:
    from precision.report.figures.parts import draw_parts  # matplotlib takes most of a second to import

    return draw_parts(found)


def _draw_magnitudes(histograms: Sequence[Any]) -> object:
    from precision.report.figures.magnitudes import draw_magnitudes

    return draw_magnitudes(histograms)


def _draw_flips(flips: Flips) -> object:
    from precision.report.figures.flips import draw_flips

    return draw_flips(flips)
