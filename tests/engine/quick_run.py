"""Runs trials of quick.py in a process that a test can kill: python quick_run.py STORE JSON."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import quick

from precision.errors import PrecisionError
from precision.grid import Store
from precision.grid.execution.options import RunOptions
from precision.grid.execution.scheduler import run_trials
from precision.grid.execution.watcher import Watcher
from precision.grid.execution.worker import Setup


class Print(Watcher):
    """Prints what happens; ``paced``, it waits for a byte from the test after every trial."""

    def __init__(self, paced=False):
        self.paced = paced

    def started(self, trial):
        print("started", trial.id, flush=True)

    def epoch(self, trial, row):
        print("epoch", trial.id, flush=True)

    def finished(self, trial, result, seconds):
        print("finished", trial.id, result.status, flush=True)
        if self.paced:
            sys.stdin.buffer.raw.read(1)

    def note(self, text):
        print("note", text, flush=True)


def trials(wanted):
    """Return the trials that a list of keyword arguments for ``quick.trial`` asks for, baselines first."""
    found = {}
    for words in wanted:
        trial = quick.trial(**words)
        if words.get("baseline", True):
            found.setdefault(trial.baseline.id, trial.baseline)
        found.setdefault(trial.id, trial)
    return list(found.values())


if __name__ == "__main__":
    asked = json.loads(sys.argv[2])
    store = Store(sys.argv[1])
    try:
        store.create()
        setup = Setup(store.root, runner="quick:runner")
        watcher, options = Print(asked.get("paced", False)), RunOptions(**asked.get("options", {}))
        run_trials(trials(asked["trials"]), store, setup, watcher, options)
    except PrecisionError as error:
        print("refused", error, flush=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
