"""How soon a worker is ready, and the quickstart against the same trials one after another in one process."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from multiprocessing.connection import wait
from pathlib import Path

from timing import Row

LIMIT = 0.2  # seconds until a worker is ready
STARTS, ROUNDS = 21, 3
QUICKSTART = Path(__file__).parent.parent / "experiments" / "quickstart.yaml"


def rows() -> list[Row]:
    return [_start(), _quickstart()]


def _start() -> Row:
    """From the request to the word that TensorFlow is ready, of a server that has been asked once before."""
    from precision.grid.execution import launch
    from precision.grid.execution.worker import RUNNER, Setup, serve
    from precision.trial import Runtime

    def ready(setup: Setup) -> float:
        began = time.perf_counter()
        process = launch.WorkerProcess(launch.server(RUNNER), serve, (setup,))
        while "ready" not in [kind for kind, *_ in process.messages()]:
            wait(process.news, 60)
            process.look()
        took = time.perf_counter() - began
        process.close()
        return took

    with tempfile.TemporaryDirectory() as folder:
        setup = Setup(Path(folder), runtime=Runtime(threads=2))
        ready(setup)
        times = [ready(setup) for _ in range(STARTS)]
    low, middle, high = statistics.quantiles([time / LIMIT for time in times], n=4)
    detail = f"{statistics.median(times):.3g} s"
    return Row("a worker's start", f"{LIMIT} s", middle, low, high, 1, False, detail)


ONE_PROCESS = """
import sys
from pathlib import Path
from precision.grid import Store, expand, load_grid, schedule
from precision.methods.run import run_trial
from precision.methods.workbench import Workbench
from precision.startup import start_backend
start_backend(lean=True)
store = Store(sys.argv[2])
bench = Workbench(None, store.weights)
for trial in schedule(expand(*load_grid(sys.argv[1]))):
    result = run_trial(trial, bench)
    print(result.status, result.metrics["accuracy"])
"""


def _quickstart() -> Row:
    """Both as whole processes, in turn; the grid writes its store and its report too."""
    ours, theirs = [], []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            run = "from precision.cli import main; main()"
            options = ["run", str(QUICKSTART), "--store", f"{folder}/runs", "--output", f"{folder}/report"]
            ours.append(_seconds([sys.executable, "-c", run, *options]))
            theirs.append(_seconds([sys.executable, "-c", ONE_PROCESS, str(QUICKSTART), f"{folder}/one"]))
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    detail = f"{statistics.median(ours):.3g} s; {statistics.median(theirs):.3g} s"
    name, peer = "quickstart, with its report", "its trials in one process"
    return Row(name, peer, statistics.median(ratios), min(ratios), max(ratios), 1.15, False, detail)


def _seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began
