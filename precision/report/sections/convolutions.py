"""Training that is written out: each algorithm of convolution beside Keras, and how far off it is."""

from __future__ import annotations

import numpy as np
import pandas as pd

from precision.analysis import Results
from precision.registry import SECTIONS
from precision.report.document import Cell, Column, Section, Table, Unit, note, order
from precision.report.titles import score_column
from precision.tasks import CLASSIFICATION

OWN = "written_out"
_NOTE = """\
Each algorithm trained the same network from the same weights over the same images as Keras, so that
accuracies and losses differ by the order of sums alone. Times are of training epochs, without evaluations,
the mean over the seeds; the speed-up is Keras' time over that of the algorithm. Keras computes with all
threads of the run, an algorithm with as many workers as it says."""


@SECTIONS.register("convolutions")
@order(57)
def convolutions(results: Results) -> Section | None:
    """Return the race of the algorithms; None where no trial has one."""
    cells = results.cells()
    cells = cells[cells["status"] == "ok"]
    own = cells[cells["control"].str.startswith(OWN)]
    if own.empty:
        return None
    keras = cells[(cells["policy"] == results.settings.baseline) & (cells["control"] == "")]
    tables = []
    for keys, rows in own.groupby(["dataset", "architecture", "training"], sort=False):
        title = ", ".join(str(part) for part in keys if part)
        tables.append(_table(results, rows, keras, title))
    return Section("Convolutions", (note(_NOTE), *tables))


def _table(results: Results, rows: pd.DataFrame, keras: pd.DataFrame, title: str) -> Table:
    columns = (
        Column("Algorithm"),
        score_column(CLASSIFICATION),
        Column("s per epoch", Unit.SECONDS),
        Column("Speed-up", Unit.RATIO),
        Column("Training loss", Unit.NATS),
        Column("Largest distance of an epoch's loss", Unit.NUMBER),
    )
    keys = ["dataset", "architecture", "training", "seed"]
    beside = keras[keras[keys].apply(tuple, axis=1).isin(rows[keys].apply(tuple, axis=1))]
    beside = beside.drop_duplicates(keys)
    found = [_row(results, "Keras", beside, beside)] if len(beside) else []
    found += [_row(results, str(method), own, beside) for method, own in rows.groupby("method", sort=False)]
    return Table(columns, tuple(found), title)


def _row(results: Results, name: str, rows: pd.DataFrame, keras: pd.DataFrame) -> tuple[Cell, ...]:
    seconds = float(rows["seconds_per_epoch"].mean())
    usual = float(keras["seconds_per_epoch"].mean()) if len(keras) else np.nan
    losses = [results.histories[trial][-1]["loss"] for trial in rows["trial"] if trial in results.histories]
    return (
        name,
        float(rows["accuracy"].mean()),
        seconds,
        usual / seconds if seconds else np.nan,
        float(np.mean(losses)) if losses else np.nan,
        _distance(results, rows, keras),
    )


def _distance(results: Results, rows: pd.DataFrame, keras: pd.DataFrame) -> float:
    """Return the largest distance between the training losses of an epoch of the same seed."""
    theirs = dict(zip(keras["seed"], keras["trial"], strict=True))
    found = [
        abs(mine["loss"] - other["loss"])
        for seed, trial in zip(rows["seed"], rows["trial"], strict=True)
        for mine, other in zip(
            results.histories.get(trial, ()), results.histories.get(theirs.get(seed, ""), ()), strict=False
        )
    ]
    return max(found, default=np.nan)
