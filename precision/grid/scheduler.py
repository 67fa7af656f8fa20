"""Run the trials of a grid in a worker process, and lose nothing when one of them dies."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from pebble import ProcessExpired, ProcessPool

from precision.errors import PrecisionError
from precision.grid import worker
from precision.grid.expand import needs_baseline
from precision.grid.provenance import provenance
from precision.grid.store import Store
from precision.trial import Trial, TrialResult


class Watcher(Protocol):
    """What is told about a run while it goes on."""

    def started(self, trial: Trial) -> None:
        """Hear that a trial begins."""

    def epoch(self, trial: Trial, row: dict[str, float]) -> None:
        """Hear of a finished epoch."""

    def waiting(self, trial: Trial) -> None:
        """Hear that another process is running the next trial."""

    def finished(self, trial: Trial, result: TrialResult, seconds: float) -> None:
        """Hear what came of a trial."""


def run_trials(trials: Sequence[Trial], store: Store, data_dir: Path | None, watcher: Watcher) -> None:
    """Run every trial that the store does not have yet, baselines before what starts from them.

    A trial that raises or kills its worker is stored with its reason and the next one goes on. A trial that
    another process is running is left to it, and its result is awaited.

    Raises:
        KeyboardInterrupt: on Ctrl-C or SIGTERM, after the worker has been stopped; finished trials are kept.
    """
    queue = deque(trial for trial in trials if not store.finished(trial))
    if not queue:
        return
    context: Any = multiprocessing.get_context("spawn")
    events = context.SimpleQueue()
    pool = ProcessPool(
        max_workers=1, context=context, initializer=worker.start, initargs=(store.root, data_dir, events)
    )
    by_id = {trial.id: trial for trial in queue}
    passed_over = 0
    with _sigterm_as_interrupt():
        try:
            while queue:
                trial = queue.popleft()
                began = time.monotonic()
                status = _blocked(trial, store, queue) or _run(trial, pool, events, by_id, watcher, store)
                if status != worker.BUSY:
                    passed_over = 0
                    result = store.load(trial.id)
                    assert result is not None
                    watcher.finished(trial, result, time.monotonic() - began)
                    continue
                queue.append(trial)
                passed_over += 1
                if passed_over >= len(queue):  # all that is left is in other hands
                    watcher.waiting(trial)
                    time.sleep(1)
        except BaseException:
            pool.stop()
            raise
        finally:
            pool.close()
            pool.join()


def _blocked(trial: Trial, store: Store, queue: deque[Trial]) -> str | None:
    """Return BUSY when a trial's baseline is still to come, ``failed`` when it gave nothing, else None."""
    if not needs_baseline(trial) or store.finished(trial.baseline):
        baseline = store.load(trial.baseline.id) if needs_baseline(trial) else None
        if baseline is None or baseline.status == "ok":
            return None
        why = f"its float32 baseline {baseline.status}: {baseline.reason}"
    elif any(waiting.id == trial.baseline.id for waiting in queue):
        return worker.BUSY
    else:
        baseline = store.load(trial.baseline.id)
        why = f"its float32 baseline failed: {baseline.reason if baseline else 'it left no result'}"
    store.save(TrialResult(trial, "failed", reason=why, provenance=provenance()))
    return "failed"


def _run(
    trial: Trial, pool: Any, events: Any, by_id: dict[str, Trial], watcher: Watcher, store: Store
) -> str:
    watcher.started(trial)
    future = pool.schedule(worker.work, args=(trial.to_json(),))
    while not future.done():
        _listen(events, by_id, watcher)
        time.sleep(0.05)
    _listen(events, by_id, watcher)
    try:
        status: str = future.result()
        return status
    except ProcessExpired as error:
        reason = f"the worker process died with exit code {error.exitcode}{_signal_name(error.exitcode)}"
        store.save(TrialResult(trial, "killed", reason=reason, provenance=provenance()))
        return "killed"
    except OSError as error:  # a full disk: no further trial could be stored either
        raise PrecisionError(
            f"{store.root}: a result could not be stored ({error.strerror or error}); make room and run "
            "the same command again, finished trials are kept"
        ) from None


def _listen(events: Any, by_id: dict[str, Trial], watcher: Watcher) -> None:
    while not events.empty():
        trial_id, row = events.get()
        if trial_id in by_id:
            watcher.epoch(by_id[trial_id], row)


def _signal_name(code: int | None) -> str:
    if code is None or code >= 0:
        return ""
    with contextlib.suppress(ValueError):
        return (
            f" ({signal.Signals(-code).name}; out of memory is the usual cause)"
            if code == -9
            else (f" ({signal.Signals(-code).name})")
        )
    return ""


@contextlib.contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """End on SIGTERM as on Ctrl-C, where this thread may set a handler."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
