"""Opening 10,000 results: from the index, without one, and against reading every file with ``json``."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from timing import Row, paired, row, seconds

from precision.grid.store import Store
from precision.grid.store.record import encode
from precision.trial import Choice, Training, Trial, TrialResult

COUNT = 10_000
SECONDS = 3
ROUNDS = 5


def fill(store: Store) -> None:
    """Write results of 20 epochs each, without waiting for the disk."""
    store.create()
    for seed in range(COUNT // 20):
        for width in range(2, 22):
            trial = Trial(
                Choice("mnist"),
                Choice("vgg", {"width": width / 20}),
                Choice("qat"),
                {"weights": "fixed(8,6)", "activations": "fixed(8,4)", "layers": [], "rounding": "nearest"},
                Training(epochs=20),
                seed,
            )
            numbers = {"loss": 0.1 + seed / 7, "accuracy": 0.9 + width / 700, "val_loss": 1 / 3}
            result = TrialResult(
                trial,
                "ok",
                metrics={f"metric_{n}": n + seed / 7 for n in range(10)} | {"accuracy": 0.9},
                facts={"dataset_title": "MNIST", "timing": "emulated", "data_digest": "0" * 64},
                history=[{"epoch": epoch, **numbers, "seconds": epoch / 3} for epoch in range(1, 21)],
                provenance={f"fact_{n}": "a short text of some words" for n in range(12)},
            )
            store.folder(trial.id).mkdir(parents=True)
            (store.folder(trial.id) / "result.json").write_text(encode(result, {}))


def rows() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "runs")
        fill(store)
        index = store.root / "index.sqlite"

        def every() -> None:
            assert len(store.results()) == COUNT

        def rebuilt() -> None:
            index.unlink(missing_ok=True)
            every()

        def parsed() -> None:
            paths = (store.root / "trials").glob("*/result.json")
            assert sum(json.loads(path.read_bytes())["status"] == "ok" for path in paths) == COUNT

        code = "from precision.cli import main; main()"
        command = [sys.executable, "-c", code, "results", "--store", str(store.root)]

        def printed() -> None:
            lines = subprocess.run(command, capture_output=True, check=True, text=True).stdout.splitlines()
            assert lines[-1] == f"{COUNT} of {COUNT} results", lines[-1]

        busy: list[float] = []

        def opened() -> None:
            began = time.process_time()
            every()
            busy.append(time.process_time() - began)

        cold = [seconds(rebuilt) for _ in range(ROUNDS)]
        warm, files = paired(opened, parsed, ROUNDS)
        process = [seconds(printed) for _ in range(ROUNDS)]
    name = f"{COUNT:,} results"
    return [
        _against_the_limit(f"{name}, opened", warm, 1, busy),
        _against_the_limit(f"{name}, opened without an index, which is made", cold, None),
        _against_the_limit(f"precision results of {name}, the whole process", process, None),
        row(f"{name}, opened", "json.loads of every file", warm, files, None, rate=False),
        row(f"{name}, index made", "json.loads of every file", cold, files, None, rate=False),
    ]


def _against_the_limit(
    what: str, times: list[float], limit: float | None, busy: list[float] | None = None
) -> Row:
    low, middle, high = statistics.quantiles([taken / SECONDS for taken in times], n=4)
    detail = f"{statistics.median(times):.3g} s"
    if busy:
        detail += f", of which {statistics.median(busy):.3g} s on a processor"
    return Row(what, f"{SECONDS} s", middle, low, high, limit, False, detail)
