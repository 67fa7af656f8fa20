"""The report of an audit: what is named for each kind of hardware, and what that rests on."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from precision.analysis.audit import AUDIT_COLUMNS, LAYER_COLUMNS, Audited
from precision.report.document import (
    Cell,
    Code,
    Column,
    Document,
    Figure,
    Link,
    List,
    Listing,
    Part,
    Quantity,
    Section,
    Strong,
    Table,
    Unit,
    Words,
    facts,
    inline,
    note,
    table_of,
)
from precision.report.pages.audit_words import file_sentences, sentences
from precision.report.pages.folder import write_report
from precision.report.pages.made_from import MadeFrom
from precision.report.render import terminal
from precision.report.render.csv import to_csv
from precision.report.titles import columns_of
from precision.tasks import CLASSIFICATION

AUDIT, GRID = "audit.md", "audit.yaml"
_SHOWN = 15  # parts of a network
_ABOUT = """\
Safe is a format whose loss of accuracy against float32 is shown to be at most {tolerance}: the 95 % interval
of the difference, over the same test images, lies within. Every format was applied after training, without
any retraining, and emulated: accuracies are those of the format, and of its speed nothing is said."""
_LADDER = """\
Images are looked at in one random order. A format that certainly loses too much is given up early, at 99.9 %,
and one that is larger than a safe one has a first look only; what is called safe was evaluated on all
{images}. Better and worse count the images on which only the rounded, or only the float32 network is right; p
is that of McNemar's exact test, which asks whether there is any difference at all. Weights are packed, with
their scales; activations are what the layers hand on for one image."""
_LAYERS = """\
Each layer with a kernel, and what follows it up to the next one, rounded alone as {policy} does: SQNR of the
logits (6 dB are one bit), rise of the mean cross-entropy, and images that get another class, of {images}
training images. Wider formats for the first ones are worth a try: {hint} in a policy of the grid, or
{search}."""


_FILES = """\
Every file was written here to see whether it has words for the format and the network, and how large it is.
{deployment} says what runs them; what a file computes was not compared here: {certify} does that for a trial
of the grid."""


def write_audit(
    found: Audited,
    command: Sequence[str],
    output: Path,
    made_from: MadeFrom | None = None,
    force: bool = False,
) -> Path:
    """Write audit.md, audit.csv, layers.csv and the figure into a folder; return the path of audit.md.

    Args:
        command: the words of the command that repeats it.
        output: an existing folder, in which the grid file lies.
        made_from, force: as of ``precision.report.pages.folder.write_report``.
    """
    about: list[Part] = [note(_ABOUT, tolerance=CLASSIFICATION.tolerated(found.tolerance))]
    if found.notes:
        about.append(List(tuple(found.notes)))
    figure = Figure(
        name="audit",
        title="",
        caption="Difference in accuracy of every format to float32, with its interval",
        draw=_draw,
        data={"frame": found.frame, "tolerance": found.tolerance},
    )
    whole = int(found.frame["images"].max())
    ladder: list[Part] = [
        note(_LADDER, images=Quantity(whole, Unit.COUNT)),
        *(_formats(own, str(target)) for target, own in found.frame.groupby("target", sort=False)),
        figure,
    ]
    grid = note(
        "{grid} has all formats as a grid, ready to be refined and run; the numbers are in {formats} and "
        "{layers}.",
        grid=Link(GRID, GRID),
        formats=Link("audit.csv", "audit.csv"),
        layers=Link("layers.csv", "layers.csv"),
    )
    parts: list[Part] = [
        *about,
        Section("The answer", (List(sentences(found)), _answers(found))),
        *_files(found),
        Section("The model", (facts(found.model),)),
        Section("The data", (facts(found.data),)),
        Section("Formats", tuple(ladder)),
        *_layers(found),
        Section("How to go on", (Listing(shlex.join(command)), facts(found.environment), grid)),
    ]
    files = {
        "audit.csv": to_csv(found.frame, AUDIT_COLUMNS),
        "layers.csv": to_csv(found.layers, LAYER_COLUMNS),
    }
    document = Document(f"{found.name}: which number format", tuple(parts))
    return write_report(document, output / AUDIT, files, made_from, force)


def audit_text(found: Audited) -> str:
    """Return the answer as lines for a terminal."""
    model = List(tuple(inline("{name}: {value}", name=k, value=v) for k, v in found.model.items()))
    parts: list[terminal.Shown] = [model, List(sentences(found))]
    parts += [note("{doubt}", doubt=text) for text in found.notes]
    for sentence, command in file_sentences(found):
        parts.append(note("{sentence}", sentence=sentence))
        parts += [Listing(command)] if command else []
    if len(found.layers):
        worst = ", ".join(found.layers["part"].iloc[:3])
        parts.append(note("most sensitive, as {by} rounds them: {worst}", by=found.rounded, worst=worst))
    return terminal.render(parts) + "\n"


def _answers(found: Audited) -> Table:
    """Return the named formats, a row for each target."""
    rows: list[tuple[Cell, ...]] = []
    for _, answer in found.answers.iterrows():
        rows_of_it = found.frame[found.frame["target"] == answer["architecture"]]
        named = rows_of_it[rows_of_it["named"]]
        if named.empty:
            rows.append((answer["architecture"], Words(_NONE[answer["verdict"]]), *[None] * 7))
            continue
        row = named.iloc[0]
        numbers = (row[name] for name in _NUMBERS)
        rows.append((answer["architecture"], Strong(row["policy"]), *numbers))
    columns = (Column("Target"), Column("Smallest safe format"), *_NUMBERS.values())
    return Table(columns, tuple(rows))


def _files(found: Audited) -> tuple[Section, ...]:
    """Return the files that say the named formats, with their commands; nothing where no format is named."""
    if not found.files:
        return ()
    rows = tuple(
        (file.target, file.policy, file.kind, file.bytes, file.holds or file.needs or file.why)
        for file in found.files
    )
    columns = (
        Column("Target"),
        Column("Format"),
        Column("File"),
        Column("Bytes", Unit.COUNT),
        Column("What it holds, or why there is none"),
    )
    about = note(_FILES, deployment=Code("docs/deployment.md"), certify=Code("precision certify"))
    commands = "\n".join(file.portable for file in found.files if file.portable)
    listing = (Listing(commands),) if commands else ()
    return (Section("Files to deploy", (about, Table(columns, rows), *listing)),)


_NONE = {"not shown": "none is shown", "none": "none"}
_NUMBERS = {
    "accuracy": Column("Accuracy %", Unit.ACCURACY),
    "baseline_accuracy": Column("float32 %", Unit.ACCURACY),
    "accuracy_difference": Column("Difference", Unit.DIFFERENCE),
    "p": Column("p", Unit.ERROR),
    **columns_of("weight_bits", "activation_bits", "weight_bytes"),
}


def _formats(own: pd.DataFrame, target: str) -> Table:
    """Return the ladder of a target, the smallest format first."""
    interval: list[Any] = [
        inline("{low} to {high}", low=Quantity(low, Unit.DIFFERENCE), high=Quantity(high, Unit.DIFFERENCE))
        for low, high in zip(own["low"], own["high"], strict=True)
    ]
    name = own["policy"].mask(own["named"], own["policy"].map(Strong))
    columns = {
        "policy": Column("Policy"),
        "verdict": Column("Verdict"),
        "images": Column("Images", Unit.COUNT),
        "accuracy_difference": Column("Difference", Unit.DIFFERENCE),
        "interval": Column("Interval"),
        "better": Column("Better", Unit.COUNT),
        "worse": Column("Worse", Unit.COUNT),
        "p": Column("p", Unit.ERROR),
        **columns_of("weight_bits", "activation_bits", "weight_bytes"),
        "activation_bytes": Column("Activations", Unit.BYTES),
    }
    return table_of(own.assign(policy=name, interval=interval), columns, target)


def _layers(found: Audited) -> tuple[Section, ...]:
    if found.layers.empty:
        return ()
    columns = {
        "part": Column("Layer"),
        "logits_sqnr": Column("SQNR dB", Unit.DECIBELS),
        "loss_rise": Column("Loss", Unit.NUMBER),
        "changed": Column("Other class %", Unit.ACCURACY),
    }
    shown = found.layers.iloc[:_SHOWN]
    about = note(
        _LAYERS,
        policy=found.rounded,
        images=Quantity(int(found.layers["images"].iloc[0]), Unit.COUNT),
        hint=Code("layers:"),
        search=Code("precision search"),
    )
    left = len(found.layers) - len(shown)
    more = (note(f"The {left} others are less sensitive."),) if left else ()
    return (Section("The most sensitive layers", (about, table_of(shown, columns, "", more))),)


def _draw(frame: pd.DataFrame, tolerance: float) -> object:
    from precision.report.figures.audit import audit_figure  # matplotlib takes most of a second to import

    return audit_figure(frame, tolerance)
