"""What other machines measured with bundles of these trials: never beside the times of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from precision.analysis import Results
from precision.analysis.deployed import Machine, Sent
from precision.registry import SECTIONS
from precision.report.document import Cell, Column, Section, Table, Unit, note, order
from precision.report.titles import columns_of

_NOTE = """\
Brought home from machines to which a bundle was copied: each measured the files itself, on some of the test
images. Same bits and same classes count the images on which a file gave the bits, and the class, that it gave
on the machine that made the bundle; between two run-times, or two processors, sums of real numbers may differ
in their last bits. Times are of that machine alone and are compared with no others; those of an emulated
processor are none, and are not shown."""
_COLUMNS = (
    *(Column("Architecture"), Column("Format"), Column("Method"), Column("File")),
    *(Column("Images", Unit.COUNT), Column("Accuracy %", Unit.ACCURACY)),
    *(Column("Same bits", Unit.COUNT), Column("Same classes", Unit.COUNT)),
    *(Column("Threads", Unit.COUNT), *columns_of("latency_ms", "latency_p95_ms").values()),
    *(Column("Peak memory", Unit.BYTES), Column("Run-time")),
)


@SECTIONS.register("elsewhere")
@order(56.5)
def elsewhere(results: Results) -> Section | None:
    """Return a table for each other machine and bundle; None where nothing was brought home."""
    if not results.machines:
        return None
    cells = results.cells().drop_duplicates("trial").set_index("trial")
    labels = {str(name): row.to_dict() for name, row in cells.iterrows()}
    tables = (_table(machine, labels) for machine in results.machines)
    return Section("Other machines", (note(_NOTE), *tables))


def _table(machine: Machine, labels: Mapping[str, Mapping[Any, Any]]) -> Table:
    rows = [row for sent in machine.sent if sent.trial in labels for row in _rows(sent, labels[sent.trial])]
    cores = f"{machine.cores} cores" if machine.cores else ""
    kind = "emulated processor" if machine.emulated else machine.processor
    words = (machine.name, machine.architecture, kind, cores, f"bundle {machine.bundle[:12]}")
    return Table(_COLUMNS, tuple(rows), ", ".join(word for word in words if word))


def _rows(sent: Sent, labels: Mapping[Any, Any]) -> list[tuple[Cell, ...]]:
    """Return a row for each number of threads; one without times where there are none."""
    same = sent.agreement
    seed = f", seed {labels['seed']}" if labels["seed"] else ""
    about: tuple[Cell, ...] = (
        *(str(labels[name]) for name in ("architecture", "policy")),
        f"{labels['method']}{seed}",
        sent.file.rpartition(".")[2],
        sent.images,
        sent.accuracy,
        *((None, None) if same is None else (same.bits, same.classes)),
    )
    times = sent.latency or ({},)
    return [
        (
            *about,
            *(row.get(name) for name in ("threads", "median_ms", "p95_ms")),
            sent.peak_bytes,
            sent.runtime,
        )
        for row in times
    ]
