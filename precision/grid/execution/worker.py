"""The process that runs trials, one after another, and keeps what the next one can use."""

from __future__ import annotations

import contextlib
import importlib
import shutil
import signal
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

from precision import plugins, points, room
from precision.errors import AbsentError
from precision.grid.execution.executor import BUSY
from precision.grid.execution.lost_trials import sentence, unstored
from precision.grid.execution.orphans import living_children
from precision.grid.execution.provenance import provenance
from precision.grid.store import Store
from precision.grid.store.locks import granted
from precision.measure.machine.environment import commit
from precision.printable import printable
from precision.trial import Runtime, Trial, TrialResult

Report = Callable[[str, str, dict[str, float]], None]
"""Takes what a running trial tells: ``epoch`` or ``sample``, the trial's id, and a row."""

Run = Callable[[Trial], TrialResult]


RUNNER = "precision.grid.execution.runner:runner"


@dataclass(frozen=True)
class Setup:
    """What a worker process starts with: plain data, which can be sent to another machine.

    Attributes:
        store: folder of the results.
        data_dir: where the data sets lie; None searches the usual places.
        plugins: the plugins of the parent process, whose very bytes are run here.
        datasets: folders with the arrays of data sets that are already loaded, by the text of their choice.
        runtime: device, and the threads of one operation.
        checkpoint_seconds: see ``RunOptions``.
        runner: ``module:function``; the function takes (setup, report) and returns what runs one trial.
    """

    store: Path
    data_dir: Path | None = None
    plugins: tuple[plugins.Plugin, ...] = ()
    datasets: Mapping[str, Path] = field(default_factory=dict)
    runtime: Runtime = field(default_factory=Runtime)
    checkpoint_seconds: float = 60.0
    runner: str = RUNNER


# Set once in each worker process by start().
_state: dict[str, Any] = {}


def serve(connection: Connection, setup: Setup) -> None:
    """Run the trials that come through a connection, one after another, until it is closed.

    What goes back is always (kind, id of the trial, value): ``ready`` when this process is; for each trial
    (id, description, attempt) ``begun``, any number of ``epoch`` and ``sample``, and at last ``done`` with
    what :func:`work` returned and whether processes are left that the trial started, ``unstored`` with a
    sentence when the disk is full or the result could not be stored, or ``raised`` with a sentence.
    """
    lock = threading.Lock()  # of the threads of this process; a dead process leaves no lock behind

    def report(kind: str, trial_id: str, value: Any) -> None:
        with lock, contextlib.suppress(OSError):  # the parent is gone
            connection.send((kind, trial_id, value))

    points.reached("worker begun")
    start(setup, report)
    report("ready", "", None)
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            trial_id, description, attempt = connection.recv()
            report("begun", trial_id, None)
            try:
                status, size = work(description, attempt)
                report("done", trial_id, (status, size, bool(living_children())))
            except OSError as error:
                report("unstored", trial_id, str(unstored(_state["store"], error)))
            except Exception as error:
                report("raised", trial_id, sentence(error))


def start(setup: Setup, report: Report) -> None:
    """Prepare this process, which leaves Ctrl-C to its parent, and load what running a trial needs."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Should the machine run out of memory, this process is to die and not the one that would note it.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")
    commit()  # of the code that is loaded now, not of files edited while it runs
    module, _, function = setup.runner.partition(":")
    _state.update(store=Store(setup.store), setup=setup, report=report)
    try:
        _state["run"] = getattr(importlib.import_module(module), function)(setup, report)
    except Exception as error:  # each trial tells it, instead of a process that ends without a word
        _state["run"] = _unable(error)


def _unable(error: Exception) -> Run:
    def run(trial: Trial) -> TrialResult:
        raise error

    return run


def work(description: dict[str, Any], attempt: int = 1) -> tuple[str, int]:
    """Run one trial and store its result, a failure too.

    Args:
        description: a trial as ``Trial.to_json`` gives it.
        attempt: how often it was begun, this time included.

    Returns:
        The status, or BUSY when another process is running the trial; and the resident bytes of this one.

    Raises:
        NoRoomError: when the disk is full, wherever the trial met it.
        OSError: when the result cannot be stored for another reason.
    """
    trial = Trial.from_json(description)
    store: Store = _state["store"]
    status = BUSY
    with granted(store.lock(trial.id)) as free:
        if free:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the process of the command has told
                done = store.completed(trial)
            # Another run of this grid may have done it in the meantime.
            status = done.status if done is not None else _fresh(trial, store, attempt)
    return status, int(psutil.Process().memory_info().rss)


def _fresh(trial: Trial, store: Store, attempt: int) -> str:
    began = time.monotonic()
    result = _attempt(trial)
    result.attempts, result.seconds = attempt, time.monotonic() - began
    result.reason = printable(result.reason)
    result.facts = {printable(key): printable(text, lines=True) for key, text in result.facts.items()}
    result.provenance = provenance(trial, threads=_state["setup"].runtime.threads, ran_here=True)
    store.save(result)
    shutil.rmtree(store.checkpoint(trial.id), ignore_errors=True)
    return result.status


def _attempt(trial: Trial) -> TrialResult:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result: TrialResult = _state["run"](trial)
            return result
    except AbsentError as error:
        return TrialResult(trial, "skipped", reason=sentence(error))
    except MemoryError as error:
        return TrialResult(trial, "out_of_memory", reason=sentence(error))
    except Exception as error:
        missing = room.missing(error)
        if missing is not None:  # which every further trial would meet as well
            raise missing from None
        full = type(error).__name__ == "ResourceExhaustedError"  # TensorFlow's own
        return TrialResult(trial, "out_of_memory" if full else "failed", reason=sentence(error))
