"""Networks as files of a run-time beside the emulation of their formats: accuracy, size, latency."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from precision.analysis import Results
from precision.analysis.deployed import Deployed
from precision.errors import PrecisionError
from precision.metrics import METRICS, Metric
from precision.registry import SECTIONS
from precision.report.document import Cell, Column, Quantity, Section, Table, Unit, Words, inline, note, order
from precision.report.sections.times import MARK, disturbance, is_disturbed
from precision.report.titles import columns_of, score_column
from precision.tasks import of_all

_NOTE = """\
Files as a device runs them, each beside the emulation of the same format where the grid has one. Equal is the
share of the test images of which a file says the same as the emulation that went on training for as many
epochs. A file rounds its sums as its run-time does. One of integers has batch normalisation folded into its
weights before they are rounded, and before it goes on training; an emulation has that only where its policy
says fold_batch_norm, and is another network otherwise. precision certify compares a file with the network of
integers that it was written from.
Times are of this machine's run-time with so many threads, the median call with one image and what 95 % of the
calls do not exceed; an emulation has none to show. A file holds its graph, scales and biases beside the
weights."""
_AARCH64 = """\
aarch64: on how many images of a bundle an ARM processor, a real or an emulated one, gave the very bits that
the machine gave which made the bundle; of several such machines the one that agrees least."""
_TIMES = ("latency_ms", "latency_p95_ms", "inference_images_per_second")


@SECTIONS.register("deployed")
@order(56)
def deployed(results: Results) -> Section | None:
    """Return the files that a grid made; None where it made none."""
    cells = results.cells()
    cells = cells[cells["status"] == "ok"]
    files = cells[cells["file_bytes"].notna()]
    if files.empty:
        return None
    keys = ["dataset", "architecture", "training", "machine"]
    several = files["machine"].nunique() > 1
    tables = []
    for (dataset, architecture, training, machine), rows in files.groupby(keys, sort=False):
        same = (cells["dataset"] == dataset) & (cells["architecture"] == architecture)
        emulated = cells[same & (cells["training"] == training) & cells["file_bytes"].isna()]
        words = (dataset, architecture, training, f"machine {machine}" if several else "")
        tables.append(_table(results, rows, emulated, ", ".join(str(word) for word in words if word)))
    return Section("Deployed", (note(_NOTE), *tables))


def _table(results: Results, files: pd.DataFrame, emulated: pd.DataFrame, title: str) -> Table:
    task, known = of_all(files["task"]), results.deployed
    arm = any(trial in known and known[trial].aarch64 for trial in files["trial"])
    columns = (
        Column("Format"),
        Column("Method"),
        score_column(task),
        Column("Equal %", Unit.ACCURACY),
        *((Column("aarch64"),) if arm else ()),
        *columns_of("weight_bytes", "file_bytes").values(),
        Column("Threads", Unit.COUNT),
        *columns_of(*_TIMES).values(),
    )
    found: list[tuple[Cell, ...]] = []
    for policy, own in files.groupby("policy", sort=False):
        beside = emulated[emulated["policy"] == policy]
        for method, rows in beside.groupby("method", sort=False):
            first: list[Cell] = [str(policy), str(method), _mean(rows, task.score), None, *[None] * arm]
            blank = [None] * (len(columns) - len(first) - 1)
            found.append((*first, _mean(rows, "weight_bytes"), *blank))
        for method, rows in own.groupby("method", sort=False):
            told = [known[trial] for trial in rows["trial"] if trial in known]
            found.append(
                (
                    *(str(policy), str(method), _mean(rows, task.score), _equal(results, rows, beside)),
                    *([_same_bits(told)] if arm else []),
                    *(_mean(rows, name) for name in ("weight_bytes", "file_bytes")),
                    told[0].threads if told else None,
                    *(_time(rows, METRICS[name]) for name in _TIMES),
                )
            )
    notes = [note(_AARCH64)] if arm else []
    return Table(columns, tuple(found), title, (*notes, *disturbance(files, [METRICS[n] for n in _TIMES])))


def _same_bits(told: Sequence[Deployed]) -> Cell:
    """Return on how many images ARM processors gave the same bits, over the seeds."""
    counts = [one.aarch64 for one in told if one.aarch64 is not None]
    if not counts:
        return None
    bits, images = sum(one.bits for one in counts), sum(one.images for one in counts)
    return inline("{bits} of {images}", bits=Quantity(bits, Unit.COUNT), images=Quantity(images, Unit.COUNT))


def _time(rows: pd.DataFrame, metric: Metric) -> Cell:
    """Return the mean of a time over the seeds, with a mark where the machine was disturbed."""
    value, unit = _mean(rows, metric.name), columns_of(metric.name)[metric.name].unit
    if value is None or unit is None:
        return None
    if any(is_disturbed(row, metric.beside) for row in rows.to_dict("records")):
        return (Quantity(value, unit), Words(f" {MARK}"))
    return value


def _mean(rows: pd.DataFrame, name: str) -> float | None:
    """Return the mean over the seeds; None where nothing is known."""
    known = rows[name].dropna()
    return float(known.mean()) if len(known) else None


def _equal(results: Results, files: pd.DataFrame, emulated: pd.DataFrame) -> float | None:
    """Return the share of equal predictions of files and of emulations that were trained for as long."""
    if results.predictions is None:
        return None
    shares = []
    for seed, epochs, trial in zip(files["seed"], files["epochs"], files["trial"], strict=True):
        other = _emulation(emulated[emulated["seed"] == seed], epochs)
        if other is None:
            continue
        try:
            ours, theirs = results.predictions(other), results.predictions(trial)
        except (OSError, PrecisionError):
            continue
        shares.append(float((ours == theirs).reshape(len(ours), -1).all(axis=1).mean()))
    return float(np.mean(shares)) if shares else None


def _emulation(emulated: pd.DataFrame, epochs: int) -> str | None:
    """Return the first trial whose network went on training for as many epochs as that of a file.

    A float32 file trains nothing, and its network is that of the baseline, which did.
    """
    same = emulated[emulated["epochs"] == epochs]
    if same.empty and not epochs:
        same = emulated
    return None if same.empty else str(same["trial"].iloc[0])
