"""What a trial costs on a Ray cluster beside its own work: trials that do nothing, against local processes.

The cluster is this machine alone, so the time of a network for weights and images is not in it.
"""

from __future__ import annotations

import itertools
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from timing import Row

TRIALS = 60
ROOT = Path(__file__).parent.parent
QUICK = str(ROOT / "tests" / "engine")


def rows() -> list[Row]:
    sys.path.append(QUICK)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), QUICK])  # for the processes of the cluster
    with tempfile.TemporaryDirectory() as folder:
        local, start_local = _times(Path(folder), "local")
        far, start_far = _times(Path(folder), "ray")
    middle = statistics.median(local)
    low, ratio, high = (value / middle for value in statistics.quantiles(far, n=4))
    detail = (
        f"{ratio * middle * 1e3:.3g} ms, local {middle * 1e3:.3g} ms; the first one after {start_far:.2g} s, "
        f"local {start_local:.2g} s"
    )
    name = f"a fresh trial that does nothing on a Ray cluster, of {TRIALS}"
    return [Row(name, "local processes", ratio, low, high, None, False, detail)]


def _times(folder: Path, executor: str) -> tuple[list[float], float]:
    """Return the seconds from the end of one trial to that of the next, and until the first one ends."""
    import quick

    from precision.grid import Store
    from precision.grid.execution.options import RunOptions
    from precision.grid.execution.scheduler import run_trials
    from precision.grid.execution.watcher import Watcher
    from precision.grid.execution.worker import Setup

    ends: list[float] = []

    class Stamps(Watcher):
        def finished(self, trial, result, seconds) -> None:
            assert result.status == "ok", result.reason
            ends.append(time.perf_counter())

    store = Store(folder / executor)
    store.create()
    trials = [quick.trial(index, baseline=False) for index in range(TRIALS)]
    # One trial at a time, as with local processes: a reservation of all cores.
    options = RunOptions(executor=executor, cpus=float(os.cpu_count() or 1) if executor == "ray" else None)
    began = time.perf_counter()
    run_trials(trials, store, Setup(store.root, runner="quick:runner"), Stamps(), options)
    return [b - a for a, b in itertools.pairwise(ends)], ends[0] - began
