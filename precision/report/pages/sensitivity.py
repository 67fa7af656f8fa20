"""The report of sensitivities: tables of layers by formats, the worst layers, and heat maps."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from precision import files
from precision.analysis.sensitivity import NETWORK, SENSITIVITY_COLUMNS, by_layer, pivot_layers, worst
from precision.report.document import facts, table_text
from precision.report.figures.style import png
from precision.report.render.csv import to_csv
from precision.report.text import NONE, count, escape, percent, printable

SLOTS = ("weights", "biases", "activations", "inputs")
_ABOUT = """\
One slot of one layer of a trained float32 network is rounded at a time, and nothing else. A loss is in
percentage points of accuracy on the test images: {images} images, {seeds}. A negative loss is a gain, as a
rule noise. SQNR, the signal-to-quantisation-noise ratio, is 10 log10(sum y^2 / sum (y - y')^2) in
decibels: of the rounded tensor itself, and behind the slash of the network's logits, where y are those of the
float32 network. 6 dB are one bit; infinite means without any change.

The test images are looked at here. A format that is chosen by these tables is not tested by the same images;
`precision search` chooses on training images."""


def write_sensitivity(
    frame: pd.DataFrame,
    name: str,
    command: Sequence[str],
    output: Path,
    left_out: Sequence[str] = (),
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Path:
    """Write sensitivity.md, sensitivity.csv and heat maps into a folder; return the path of sensitivity.md.

    Args:
        frame: rows with ``SENSITIVITY_COLUMNS``.
        name: of the grid.
        command: the words of the command that repeats it.
        output: an existing folder.
        left_out: sentences on what could not be measured.
        environment: where and with what it was measured.
    """
    from precision.report.figures.heat_map import heat_map  # matplotlib takes most of a second to import

    table = by_layer(frame)
    parts = [f"# {escape(name)}: sensitivity", _about(frame), _formats(frame)]
    if left_out:
        parts += ["Left out:", "\n".join(f"- {escape(text)}" for text in left_out)]
    used: set[str] = set()
    for labels, own in table.groupby(NETWORK, sort=False):
        network = [str(part) for part in labels if part]
        rows = frame[(frame[NETWORK] == list(labels)).all(axis=1)]
        parts += [f"## {escape(', '.join(network))}", _baseline(rows), _worst(own)]
        for slot in (slot for slot in SLOTS if (own["slot"] == slot).any()):
            losses = pivot_layers(own, slot, "accuracy_loss")
            file = _file([*network, slot], used)
            files.write(output / file, png(heat_map(losses, f"{', '.join(network)}: {slot}")))
            parts += [f"### {slot.capitalize()}", f"![{_caption(slot)}]({file})"]
            parts += [f"Accuracy lost, percentage points:\n\n{_table(losses, _points)}"]
            ratios = _ratios(own, slot)
            parts += [f"SQNR of the tensor / of the logits, dB:\n\n{_table(ratios, str)}"]
    parts += [
        "## How to reproduce",
        f"```\n{shlex.join(command)}\n```",
        facts(environment),
    ]
    parts += ["The numbers of every seed are in [sensitivity.csv](sensitivity.csv)."]
    files.write(output / "sensitivity.csv", to_csv(frame, SENSITIVITY_COLUMNS).encode())
    path = output / "sensitivity.md"
    files.write(path, ("\n\n".join(filter(None, parts)) + "\n").encode())
    return path


def worst_text(frame: pd.DataFrame) -> str:
    """Return the layers that lose most as lines for a terminal."""
    lines = []
    for labels, own in by_layer(frame).groupby(NETWORK, sort=False):
        lines.append(", ".join(str(part) for part in labels if part))
        bad = worst(own)
        for policy in own["policy"].unique():
            rows = bad[bad["policy"] == policy]
            texts = [f"{row.slot} of {row.layer} {_points(row.accuracy_loss)}" for row in rows.itertuples()]
            lines.append(f"  {policy}: {', '.join(texts) or 'no layer loses anything alone'}")
    head = "points of accuracy that the worst layers lose when they alone are rounded\n"
    return head + "".join(f"{printable(line)}\n" for line in lines)


def _about(frame: pd.DataFrame) -> str:
    seeds = frame["seed"].nunique()
    images = " or ".join(count(value) for value in frame["images"].unique())
    return _ABOUT.format(images=images, seeds=f"mean of {seeds} seeds" if seeds > 1 else "one seed")


def _formats(frame: pd.DataFrame) -> str:
    """Return what each policy does to each slot, where it is the same in all layers."""
    rows = []
    for policy, own in frame.groupby("policy", sort=False):
        cells = [escape(policy)]
        for slot in SLOTS:
            settings = own.loc[own["slot"] == slot, "setting"].unique()
            cells.append("differs by layer" if len(settings) > 1 else escape("".join(settings)) or NONE)
        rows.append(cells)
    return table_text(["Policy", *(slot.capitalize() for slot in SLOTS)], rows, left=5)


def _baseline(rows: pd.DataFrame) -> str:
    seeds = rows.drop_duplicates("seed")["baseline_accuracy"]
    each = " (" + ", ".join(percent(value) for value in seeds) + ")" if len(seeds) > 1 else ""
    return f"The float32 network classifies {percent(float(seeds.mean()))} % of the images correctly{each}."


def _worst(own: pd.DataFrame) -> str:
    """Return a list of the layers that lose most, one line per policy."""
    bad = worst(own)
    lines = []
    for policy in own["policy"].unique():
        rows = bad[bad["policy"] == policy]
        texts = [
            f"{row.slot} of {escape(row.layer)} {_points(row.accuracy_loss)}" for row in rows.itertuples()
        ]
        lines.append(f"- {escape(policy)}: {', '.join(texts) or 'no layer loses anything'}")
    return "The layers that lose most when they are rounded alone, in percentage points:\n\n" + "\n".join(
        lines
    )


def _ratios(own: pd.DataFrame, slot: str) -> pd.DataFrame:
    tensor = pivot_layers(own, slot, "tensor_sqnr").map(_decibels)
    return tensor + " / " + pivot_layers(own, slot, "logits_sqnr").map(_decibels)


def _table(values: pd.DataFrame, text: Callable[[Any], str]) -> str:
    header = ["Layer", *(escape(name) for name in values.columns)]
    rows = [
        [escape(layer), *(text(v) for v in row)]
        for layer, row in zip(values.index, values.to_numpy(), strict=True)
    ]
    return table_text(header, rows)


def _points(loss: float) -> str:
    text = NONE if math.isnan(loss) else f"{loss:.2f}"
    return "0.00" if text == "-0.00" else text


def _decibels(value: float) -> str:
    if math.isnan(value):
        return NONE
    return f"{value:.1f}" if math.isfinite(value) else ("∞" if value > 0 else "-∞")


def _caption(slot: str) -> str:
    return f"Percentage points of accuracy lost when the {slot} of one layer alone are rounded"


def _file(words: Sequence[str], used: set[str]) -> str:
    """Return a name for a figure that no other one has, whatever the labels are."""
    stem = re.sub(r"[^A-Za-z0-9.-]+", "_", "_".join(words)).strip("_.")
    name, number = f"{stem}.png", 1
    while name.lower() in used:
        number += 1
        name = f"{stem}_{number}.png"
    used.add(name.lower())
    return name
