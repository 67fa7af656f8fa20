"""The page of a race: times of steps, rates of layers below the roof of the machine, and errors of sums."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from precision.arithmetic.convolutions import CONVOLUTIONS
from precision.race.everything import Found
from precision.race.layers import Layer, Rate
from precision.race.steps import KERAS, SLOW, Step
from precision.race.sums import TYPES, Error
from precision.report.document import (
    Cell,
    Column,
    Document,
    Figure,
    Link,
    Listing,
    Part,
    Quantity,
    Section,
    Table,
    Unit,
    facts,
    inline,
    note,
)
from precision.report.pages.folder import write_report

PAGE, KEPT = "race.md", "race.json"
_ABOUT = """\
Training steps of {network} on images of {shape}: forward, backward and Adam, written out in NumPy with each
algorithm of convolution in its turn, beside Keras. Times are medians of {rounds} rounds, in which every
algorithm has its turn. Each number of workers has a process of its own with as many cores."""
_SCALED = """\
Loops of Python take too long for a batch: naive was timed on one image for each worker, once, and its time
multiplied by the images of the batch."""
_STEPS = """\
The speed-up is over naive with the same batch, one worker and no more; the efficiency is the speed-up over
one worker, shared among the workers. A GPU has no row here: benchmarks/gpu.py times the step on one."""
_LIMITS = """\
What this machine does at most: multiplications with their additions, in the product of two large matrices,
and bytes read and written by a copy, in float32 by NumPy."""
_LAYERS = """\
One layer on one core. A rate counts the multiplications of the definition, so that Winograd's algorithms and
the Fourier transform, which need fewer, can be above what the processor does. Intensity is multiplications
to a byte that the algorithm moves, counted as if nothing stayed in a cache from one of its steps to the next;
where a point is above the slope of the roof, the cache did keep it. Memory is what is held beside images,
kernel and sums: for im2col the unrolled matrix."""
_ERRORS = """\
Root of the mean square error over that of the sums, of normal images and a kernel as a network begins with,
both rounded to the type beforehand, against sums in float64. In float32 every algorithm adds in the order
that it has; in the narrow types each product and each sum is rounded, one after the other. A dash: sums in
code that is compiled for float32, or a kernel that the algorithm does not take. In brackets, multiples of the
roundoff of the type."""
_STUDY = """\
A reference study raced seven implementations of the same step: seconds per iteration, on its machines. Its
times and ours are of different machines and languages; what can be held side by side is the order."""
STUDY = (
    ("naive", "1 core", 262.0, 154.0),
    ("matrix product per pixel", "1 core", 12.71, 7.56),
    ("the same in parallel", "40 cores", 2.42, 1.61),
    ("the same in parallel", "4 cores", 7.12, 4.23),
    ("unrolled (im2col)", "1 core", 7.01, 4.94),
    ("the same in parallel", "40 cores", 3.02, 2.25),
    ("the same in parallel", "4 cores", 5.25, 3.0),
    ("CUDA", "GPU", 4.06, 2.83),
    ("Keras", "not said", 0.6, 0.45),
)
"""What the study reports: seconds per iteration with batches of 64 and of 32."""


def write_race(found: Found, command: Sequence[str], output: Path) -> Path:
    """Write race.md, race.json and two figures into a folder; return the path of race.md."""
    from precision.report.race.figures import draw_errors, draw_roofline

    shape = "x".join(map(str, found.setting.shape))
    rounds = Quantity(found.setting.rounds, Unit.COUNT)
    parts: list[Part] = [
        note(_ABOUT, network=found.setting.network, shape=shape, rounds=rounds),
        Section("Training steps", _steps(found.steps)),
        Section("The machine", (note(_LIMITS), _limits(found))),
        Section("Layers", (note(_LAYERS), *(_layer(one, found.rates) for one in found.layers))),
        Figure(
            name="roofline",
            title="Below the roof",
            caption="Multiplications a second of each algorithm by its arithmetic intensity, on one core",
            draw=draw_roofline,
            data={"limits": found.limits[0], "layers": found.layers, "rates": found.rates},
        ),
        Section("What the algorithms cost in precision", (note(_ERRORS), *_errors(found.errors))),
        Figure(
            name="errors",
            title="Errors of the sums",
            caption="Root mean square error of each algorithm in each type, in multiples of its roundoff",
            draw=draw_errors,
            data={"errors": found.errors},
        ),
        Section("A study's times", (note(_STUDY), _study())),
        Section(
            "How to reproduce",
            (
                Listing(shlex.join(command)),
                facts(found.environment),
                note("The numbers are in {file}.", file=Link(KEPT, KEPT)),
            ),
        ),
    ]
    return write_report(
        Document("The race of convolutions", tuple(parts)), output / PAGE, {KEPT: found.json()}
    )


def _steps(steps: Sequence[Step]) -> tuple[Part, ...]:
    counts = sorted({one.workers for one in steps})
    tables: list[Part] = [note(_STEPS)]
    if any(one.images < one.batch for one in steps):
        tables.append(note(_SCALED))
    for batch in dict.fromkeys(one.batch for one in steps):
        of = {(one.algorithm, one.workers): 1e3 * one.seconds for one in steps if one.batch == batch}
        names = list(dict.fromkeys(name for name, _ in of))
        columns = [Column("Algorithm"), *(Column(f"ms, {_workers(n)}", Unit.NUMBER, 1) for n in counts)]
        columns += [Column("Speed-up over naive", Unit.NUMBER, 0)]
        columns += [Column(f"Efficiency of {_workers(n)}", Unit.SHARE) for n in counts[1:]]
        rows = [_step(name, of, counts) for name in names]
        tables.append(Table(tuple(columns), tuple(rows), f"Batches of {batch}"))
    return tuple(tables)


def _step(name: str, of: dict[tuple[str, int], float], counts: Sequence[int]) -> tuple[Cell, ...]:
    one, slow = of.get((name, counts[0])), of.get((SLOW, counts[0]))
    shares = [
        one * counts[0] / (n * of[name, n]) if one is not None and (name, n) in of else None
        for n in counts[1:]
    ]
    label = "Keras" if name == KERAS else f"{name}: {CONVOLUTIONS[name].meaning}"
    return (label, *(of.get((name, n)) for n in counts), slow / one if slow and one else None, *shares)


def _workers(count: int) -> str:
    return "one core" if count == 1 else f"{count} cores"


def _limits(found: Found) -> Table:
    columns = (
        Column("Cores", Unit.COUNT),
        Column("GMAC/s", Unit.NUMBER),
        Column("GB/s", Unit.NUMBER),
        Column("Multiplications to a byte at which both limits meet", Unit.NUMBER),
    )
    rows = [(one.cores, one.macs / 1e9, one.moved / 1e9, one.macs / one.moved) for one in found.limits]
    return Table(columns, tuple(rows))


def _layer(layer: Layer, rates: Sequence[Rate]) -> Table:
    columns = (
        Column("Algorithm"),
        Column("Forward ms", Unit.NUMBER),
        Column("Backward ms", Unit.NUMBER),
        Column("GMAC/s, forward", Unit.NUMBER),
        Column("Multiplications to a byte", Unit.NUMBER),
        Column("Memory", Unit.BYTES),
    )
    rows = [
        (one.algorithm, 1e3 * one.forward, 1e3 * one.backward, one.macs / 1e9, one.intensity, one.held)
        for one in rates
        if one.layer == layer.name
    ]
    rows_, columns_, channels, filters = layer.w
    title = (
        f"{layer.name}: {rows_}x{columns_} kernel, {_channels(channels)}, {filters} filters, images of "
        f"{layer.x[1]}x{layer.x[2]}, batches of {layer.x[0]}, {layer.macs / 1e6:.1f} million multiplications"
    )
    return Table(columns, tuple(rows), title)


def _channels(count: int) -> str:
    return "1 channel" if count == 1 else f"{count} channels"


def _errors(errors: Sequence[Error]) -> list[Table]:
    tables = []
    for kernel, channels in dict.fromkeys((one.kernel, one.channels) for one in errors):
        own = {(e.algorithm, e.sums): e for e in errors if (e.kernel, e.channels) == (kernel, channels)}
        names = list(dict.fromkeys(name for name, _ in own))
        rows = [(name, *(_error(own.get((name, kind))) for kind in TYPES)) for name in names]
        title = (
            f"{kernel}x{kernel} kernel, {channels} channels: sums of {kernel * kernel * channels} products"
        )
        tables.append(Table((Column("Algorithm"), *map(Column, TYPES)), tuple(rows), title))
    return tables


def _error(one: Error | None) -> Cell:
    if one is None:
        return None
    return inline(
        "{error} ({units})",
        error=Quantity(one.relative, Unit.ERROR),
        units=Quantity(one.relative / one.unit, Unit.RATIO),
    )


def _study() -> Table:
    columns = (
        Column("Implementation"),
        Column("Processor"),
        Column("s per step, 64", Unit.SECONDS),
        Column("s per step, 32", Unit.SECONDS),
    )
    return Table(columns, STUDY)
