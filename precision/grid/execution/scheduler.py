"""Run the trials of a grid in a worker process, and lose nothing when one of them dies."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.context
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import Any

import filelock
from pebble import ProcessExpired, ProcessPool

from precision import plugins
from precision.errors import PrecisionError
from precision.grid.execution import worker
from precision.grid.execution.provenance import provenance
from precision.grid.execution.watcher import Watcher
from precision.grid.expression.expand import needs_baseline
from precision.grid.store import Store
from precision.trial import Trial, TrialResult


def run_trials(trials: Sequence[Trial], store: Store, data_dir: Path | None, watcher: Watcher) -> None:
    """Run every trial that the store does not have yet, baselines before what starts from them.

    A trial that raises or kills its worker is stored with its reason and the next one goes on. A trial that
    another process is running is left to it, and its result is awaited.

    Raises:
        PrecisionError: when results cannot be stored.
        KeyboardInterrupt: on Ctrl-C or SIGTERM, after the worker has been stopped; finished trials are kept.
    """
    queue = deque(trial for trial in trials if not store.finished(trial))
    workers = _Workers(store, data_dir, watcher, {trial.id: trial for trial in queue})
    passed_over = 0
    with _sigterm_as_interrupt(), workers:
        while queue:
            trial = queue.popleft()
            began = time.monotonic()
            status = _blocked(trial, store, queue) or workers.run(trial)
            if status != worker.BUSY:
                passed_over = 0
                result = store.load(trial.id) or TrialResult(
                    trial, "failed", reason="its result has vanished"
                )
                watcher.finished(trial, result, time.monotonic() - began)
                continue
            queue.append(trial)
            passed_over += 1
            if passed_over >= len(queue):  # all that is left is in other hands
                watcher.waiting(trial)
                time.sleep(1)


def _blocked(trial: Trial, store: Store, queue: deque[Trial]) -> str | None:
    """Return BUSY when a trial's baseline is still to come, ``failed`` when it gave nothing, else None."""
    if not needs_baseline(trial):
        return None
    baseline = store.load(trial.baseline.id)
    if store.finished(trial.baseline) and baseline is not None and baseline.status == "ok":
        return None
    if any(waiting.id == trial.baseline.id for waiting in queue):
        return worker.BUSY
    why = f"{baseline.status}: {baseline.reason}" if baseline else "left no result"
    return _record(TrialResult(trial, "failed", reason=f"its float32 baseline {why}"), store)


def _record(result: TrialResult, store: Store) -> str:
    """Store what became of a trial whose worker could not store it, unless another run did better."""
    result.provenance = provenance(result.trial)
    with contextlib.suppress(filelock.Timeout), store.lock(result.trial.id).acquire(timeout=0):
        if not store.finished(result.trial):
            store.save(result)
    return result.status


class _Workers:
    """The worker process, made anew for each network.

    Within one network a worker meets its trials warm. It does not go on to the next one, because a process
    keeps much of the memory that it once had, and the next network's peak would be this one's.
    """

    def __init__(
        self, store: Store, data_dir: Path | None, watcher: Watcher, trials: dict[str, Trial]
    ) -> None:
        self._store, self._data_dir, self._watcher, self._trials = store, data_dir, watcher, trials
        self._network = ""
        self._pool: Any = None
        self._events: Any = None

    def __enter__(self) -> _Workers:
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        self._close(at_once=kind is not None)

    def run(self, trial: Trial) -> str:
        """Run one trial and return its status, or BUSY when another process is at it."""
        self._watcher.started(trial)
        try:
            try:
                return self._result(trial)
            except BrokenExecutor:  # the worker died between two trials: this one has not begun
                self._close(at_once=True)
                return self._result(trial)
        except ProcessExpired as error:
            code = error.exitcode
            reason = f"the worker process died with exit code {code}{_signal_name(code)}"
            return _record(TrialResult(trial, "killed", reason=reason), self._store)
        except OSError as error:  # a full disk: nothing more could be stored
            raise PrecisionError(
                f"{self._store.root}: a result could not be stored ({error.strerror or error}); make room "
                "and run the same command again, finished trials are kept"
            ) from None
        except Exception as error:  # whatever else happened costs one trial, never all
            return _record(TrialResult(trial, "failed", reason=worker.sentence(error)), self._store)

    def _result(self, trial: Trial) -> str:
        future = self._pool_for(trial).schedule(worker.work, args=(trial.to_json(),))
        while not future.done():
            self._listen()
            time.sleep(0.05)
        self._listen()
        status: str = future.result()
        return status

    def _pool_for(self, trial: Trial) -> Any:
        network = repr((trial.dataset, trial.architecture))
        if self._pool is None or network != self._network or not self._pool.active:
            self._close()
            context = _Context()
            self._events = context.SimpleQueue()
            self._pool = ProcessPool(
                max_workers=1,
                context=context,
                initializer=worker.start,
                initargs=(self._store.root, self._data_dir, self._events, plugins.loaded()),
            )
            self._network = network
        return self._pool

    def _close(self, at_once: bool = False) -> None:
        if self._pool is not None:
            if at_once:
                self._pool.stop()
            self._pool.close()
            self._pool.join()
            self._pool = None

    def _listen(self) -> None:
        while not self._events.empty():
            trial_id, row = self._events.get()
            if trial_id in self._trials:
                self._watcher.epoch(self._trials[trial_id], row)


class _Process(multiprocessing.context.SpawnProcess):
    """A process that does not run the caller's script again, as spawning otherwise does.

    So ``precision.run`` works in a script without a ``__main__`` guard. The workers need nothing of it.
    """

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802
        main = vars(sys.modules["__main__"])
        kept: dict[str, Any] = {name: main[name] for name in ("__file__", "__spec__") if name in main}
        main.pop("__file__", None)
        main["__spec__"] = None
        try:
            return multiprocessing.context.SpawnProcess._Popen(process_obj)
        finally:
            main.update(kept)


class _Context(multiprocessing.context.SpawnContext):
    Process = _Process


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
