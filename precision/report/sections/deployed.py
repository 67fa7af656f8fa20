"""Networks as files of a run-time beside the emulation of their formats: accuracy, size, latency."""

from __future__ import annotations

import numpy as np
import pandas as pd

from precision.analysis import Results
from precision.errors import PrecisionError
from precision.registry import SECTIONS
from precision.report.document import Cell, Column, Section, Table, Unit, note, order
from precision.report.titles import columns_of, score_column
from precision.tasks import of_all

_NOTE = """\
Files as a device runs them, each beside the emulation of the same format where the grid has one. Equal is the
share of the test images of which both say the same; precision certify compares the codes of every tensor.
Times are of this machine's run-time; an emulation has none to show. A file holds its graph, scales and biases
beside the weights."""
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
    task = of_all(files["task"])
    columns = (
        Column("Format"),
        Column("Method"),
        score_column(task),
        Column("Equal %", Unit.ACCURACY),
        *columns_of("weight_bytes", "file_bytes", *_TIMES).values(),
    )
    found: list[tuple[Cell, ...]] = []
    for policy, own in files.groupby("policy", sort=False):
        beside = emulated[emulated["policy"] == policy]
        for method, rows in beside.groupby("method", sort=False):
            blank = (None,) * (len(columns) - 5)
            found.append(
                (str(policy), str(method), _mean(rows, task.score), None, _mean(rows, "weight_bytes"), *blank)
            )
        for method, rows in own.groupby("method", sort=False):
            numbers = (_mean(rows, name) for name in ("weight_bytes", "file_bytes", *_TIMES))
            equal = _equal(results, rows, beside)
            found.append((str(policy), str(method), _mean(rows, task.score), equal, *numbers))
    return Table(columns, tuple(found), title)


def _mean(rows: pd.DataFrame, name: str) -> float | None:
    """Return the mean over the seeds; None where nothing is known."""
    known = rows[name].dropna()
    return float(known.mean()) if len(known) else None


def _equal(results: Results, files: pd.DataFrame, emulated: pd.DataFrame) -> float | None:
    """Return the share of equal predictions of files and of the first emulation of each seed."""
    if results.predictions is None:
        return None
    first = emulated.drop_duplicates("seed").set_index("seed")["trial"]
    shares = []
    for seed, trial in zip(files["seed"], files["trial"], strict=True):
        if seed not in first.index:
            continue
        try:
            ours, theirs = results.predictions(first[seed]), results.predictions(trial)
        except (OSError, PrecisionError):
            continue
        shares.append(float((ours == theirs).reshape(len(ours), -1).all(axis=1).mean()))
    return float(np.mean(shares)) if shares else None
