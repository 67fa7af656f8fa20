"""The process that runs trials, one after another, and keeps what the next one can use."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock

from precision.errors import PrecisionError
from precision.grid.provenance import commit, provenance
from precision.grid.store import Store
from precision.trial import Trial, TrialResult

# Set once in each worker process by start().
_state: dict[str, Any] = {}

BUSY = "busy"  # another process is running the trial


def start(store: Path, data_dir: Path | None, events: Any) -> None:
    """Prepare this process: it leaves Ctrl-C to its parent and keeps TensorFlow's start-up messages quiet.

    Args:
        events: a queue that receives (trial id, row of the history) after every epoch.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    commit()  # of the code that is loaded now, whatever is edited while it runs
    with _silence():
        import tensorflow as tf

        tf.config.list_physical_devices()
        tf.function(lambda x: x + 1, jit_compile=True)(tf.constant(0.0))
    from precision.methods.workbench import Workbench

    _state["store"] = Store(store)
    _state["events"] = events
    _state["bench"] = Workbench(data_dir, _state["store"].weights)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Drop what C++ code writes to standard error; TensorFlow's start-up remarks heed no setting.

    A failure to import still raises.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def work(description: dict[str, Any]) -> str:
    """Run one trial and store its result, whatever comes of it; return its status or BUSY.

    Args:
        description: a trial as ``Trial.to_json`` gives it.
    """
    trial = Trial.from_json(description)
    store: Store = _state["store"]
    try:
        with store.lock(trial.id).acquire(timeout=0):
            if store.finished(trial):  # another run of this grid has done it in the meantime
                return store.load(trial.id).status  # type: ignore[union-attr]
            result = _attempt(trial)
            store.save(result)
            return result.status
    except filelock.Timeout:
        return BUSY


def _attempt(trial: Trial) -> TrialResult:
    from precision.methods.run import run_trial

    bench = _state["bench"]
    bench.report = lambda row: _state["events"].put((trial.id, row))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = run_trial(trial, bench)
    except MemoryError as error:
        result = TrialResult(trial, "out_of_memory", reason=sentence(error))
    except Exception as error:
        full = type(error).__name__ == "ResourceExhaustedError"  # TensorFlow's own
        result = TrialResult(trial, "out_of_memory" if full else "failed", reason=sentence(error))
    result.provenance = provenance()
    return result


def sentence(error: Exception) -> str:
    """Return an error as one line; what the user can mend speaks for itself."""
    text = " ".join(str(error).split())
    if isinstance(error, PrecisionError):
        return text
    return f"{type(error).__name__}: {text[:300]}"
