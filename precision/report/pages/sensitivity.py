"""The report of sensitivities: tables of layers by formats, the worst layers, and heat maps."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from precision.analysis.sensitivity import NETWORK, SENSITIVITY_COLUMNS, by_layer, pivot_layers, worst
from precision.report.document import (
    Cell,
    Code,
    Column,
    Document,
    Figure,
    Link,
    List,
    Listing,
    Note,
    Part,
    Quantity,
    Section,
    Table,
    Unit,
    Words,
    facts,
    joined,
    note,
)
from precision.report.pages.folder import file_stem, write_report
from precision.report.pages.made_from import MadeFrom
from precision.report.render import terminal
from precision.report.render.csv import to_csv
from precision.report.titles import score_column, scores_of
from precision.tasks import Task, of_all

SENSITIVITY = "sensitivity.md"
SLOTS = ("weights", "biases", "activations", "inputs")
_ABOUT = """\
One slot of one layer of a trained float32 network is rounded at a time, and nothing else. A loss is in
{unit} on the test images: {images} images, {seeds}. A negative loss is a gain, as a
rule noise. SQNR, the signal-to-quantisation-noise ratio, is 10 log10(sum y^2 / sum (y - y')^2) in
decibels: of the rounded tensor itself, and behind the slash of the network's logits, where y are those of the
float32 network. 6 dB are one bit; infinite means without any change."""
_WORST = "{unit} that the worst layers lose when they alone are rounded"
_WARNING = """\
The test images are looked at here. A format that is chosen by these tables is not tested by the same images;
{search} chooses on training images."""


def write_sensitivity(
    frame: pd.DataFrame,
    name: str,
    command: Sequence[str],
    output: Path,
    left_out: Sequence[str] = (),
    environment: Mapping[str, str] = MappingProxyType({}),
    made_from: MadeFrom | None = None,
    force: bool = False,
) -> Path:
    """Write sensitivity.md, sensitivity.csv and heat maps into a folder; return the path of sensitivity.md.

    Args:
        frame: rows with ``SENSITIVITY_COLUMNS``.
        name: of the grid.
        command: the words of the command that repeats it.
        output: an existing folder.
        left_out: sentences on what could not be measured.
        environment: where and with what it was measured.
        made_from, force: as of ``precision.report.pages.folder.write_report``.
    """
    parts: list[Part] = [*_about(frame), _formats(frame)]
    if left_out:
        parts += [note("Left out:"), List(tuple(left_out))]
    used: set[str] = set()
    for labels, own in by_layer(frame).groupby(NETWORK, sort=False):
        rows = frame[(frame[NETWORK] == list(labels)).all(axis=1)]
        parts.append(_network([str(part) for part in labels if part], rows, own, used))
    numbers = note(
        "The numbers of every seed are in {file}.", file=Link("sensitivity.csv", "sensitivity.csv")
    )
    repeat = (Listing(shlex.join(command)), facts(environment), numbers)
    parts.append(Section("How to reproduce", repeat))
    files = {"sensitivity.csv": to_csv(frame, SENSITIVITY_COLUMNS)}
    document = Document(f"{name}: sensitivity", tuple(parts))
    return write_report(document, output / SENSITIVITY, files, made_from, force)


def worst_text(frame: pd.DataFrame) -> str:
    """Return the layers that lose most as lines for a terminal."""
    parts: list[terminal.Shown] = [
        note(
            _WORST, unit=Words("percent of RMSE" if of_all(frame["task"]).relative else "points of accuracy")
        )
    ]
    for labels, own in by_layer(frame).groupby(NETWORK, sort=False):
        network = ", ".join(str(part) for part in labels if part)
        parts.append(Section(network, (_worst(own, "no layer loses anything alone"),)))
    return terminal.render(parts) + "\n"


_LOST = {False: "percentage points of accuracy", True: "per cent of the RMSE of float32"}


def _about(frame: pd.DataFrame) -> list[Note]:
    seeds = frame["seed"].nunique()
    tasks = scores_of(of_all([name]) for name in frame["task"].unique())
    unit = Words(" or ".join(_LOST[task.relative] for task in tasks))
    counts = joined((Quantity(value, Unit.COUNT) for value in frame["images"].unique()), " or ")
    return [
        note(_ABOUT, unit=unit, images=counts, seeds=f"mean of {seeds} seeds" if seeds > 1 else "one seed"),
        note(_WARNING, search=Code("precision search")),
    ]


def _formats(frame: pd.DataFrame) -> Table:
    """Return what each policy does to each slot, where it is the same in all layers."""
    rows = []
    for policy, own in frame.groupby("policy", sort=False):
        cells: list[Cell] = [str(policy)]
        for slot in SLOTS:
            settings = own.loc[own["slot"] == slot, "setting"].unique()
            cells.append("differs by layer" if len(settings) > 1 else "".join(settings) or None)
        rows.append(tuple(cells))
    return Table((Column("Policy"), *(Column(slot.capitalize()) for slot in SLOTS)), tuple(rows))


def _network(network: Sequence[str], rows: pd.DataFrame, own: pd.DataFrame, used: set[str]) -> Section:
    """Return the section of one network: its worst layers, and a heat map and tables per slot."""
    task = of_all(rows["task"])
    lost = f"{task.points[:1].upper()}{task.points[1:]} of {task.title if task.relative else task.score} lost"
    parts: list[Part] = [
        _baseline(rows, task),
        note("The layers that lose most when they are rounded alone, in {unit}:", unit=Words(task.points)),
        _worst(own, "no layer loses anything"),
    ]
    for slot in (slot for slot in SLOTS if (own["slot"] == slot).any()):
        losses = pivot_layers(own, slot, "lost")
        figure = Figure(
            name=_name([*network, slot], used),
            title="",
            caption=f"{lost} when the {slot} of one layer alone are rounded",
            draw=_heat_map,
            data={"losses": losses, "title": f"{', '.join(network)}: {slot}", "lost": lost},
        )
        table = (note("{what}:", what=Words(f"{task.title} lost, {task.points}")), _losses(losses))
        ratios = (note("SQNR of the tensor / of the logits, dB:"), _ratios(own, slot))
        parts.append(Section(slot.capitalize(), (figure, *table, *ratios)))
    return Section(", ".join(network), tuple(parts))


def _heat_map(losses: pd.DataFrame, title: str, lost: str) -> object:
    from precision.report.figures.heat_map import heat_map  # matplotlib takes most of a second to import

    return heat_map(losses, title, lost[:1].lower() + lost[1:] if lost[1:2].islower() else lost)


def _baseline(rows: pd.DataFrame, task: Task) -> Note:
    scores, unit = rows.drop_duplicates("seed")[task.baseline], score_column(task).unit or Unit.NUMBER
    each = joined((Quantity(value, unit) for value in scores), ", ")
    return note(
        "The RMSE of the float32 network on these images is {mean}{each}."
        if task.relative
        else "The float32 network classifies {mean} % of the images correctly{each}.",
        mean=Quantity(float(scores.mean()), unit),
        each=(Words(" ("), *each, Words(")")) if len(scores) > 1 else (),
    )


def _worst(own: pd.DataFrame, none: str) -> List:
    """Return a list of the layers that lose most, one item per policy."""
    bad = worst(own)
    items = []
    for policy in own["policy"].unique():
        texts = [
            (row.slot, Words(" of "), row.layer, Words(" "), Quantity(row.lost, Unit.PERCENT))
            for row in bad[bad["policy"] == policy].itertuples()
        ]
        items.append((policy, Words(": "), *(joined(texts, ", ") or (Words(none),))))
    return List(tuple(items))


def _losses(losses: pd.DataFrame) -> Table:
    return _table(losses, losses.to_numpy().tolist(), Unit.PERCENT)


def _ratios(own: pd.DataFrame, slot: str) -> Table:
    """Return the ratio of the tensor and that of the logits in each cell."""
    tensor, logits = (pivot_layers(own, slot, name) for name in ("tensor_sqnr", "logits_sqnr"))
    rows = [
        [
            joined((Quantity(a, Unit.DECIBELS), Quantity(b, Unit.DECIBELS)), " / ")
            for a, b in zip(*pair, strict=True)
        ]
        for pair in zip(tensor.to_numpy(), logits.to_numpy(), strict=True)
    ]
    return _table(tensor, rows, Unit.DECIBELS)


def _table(labels: pd.DataFrame, rows: Sequence[Sequence[Cell]], unit: Unit) -> Table:
    """Return rows under the names of the columns of a table and beside those of its layers."""
    columns = (Column("Layer"), *(Column(policy, unit) for policy in labels.columns))
    found = tuple((layer, *row) for layer, row in zip(labels.index, rows, strict=True))
    return Table(columns, found, across="Policy")


def _name(words: Sequence[str], used: set[str]) -> str:
    """Return a name for a figure that no other one has, whatever the labels are."""
    stem = file_stem("_".join(words))
    name, number = stem, 1
    while name.lower() in used:
        number += 1
        name = f"{stem}_{number}"
    used.add(name.lower())
    return name
