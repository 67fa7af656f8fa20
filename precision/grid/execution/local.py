"""Run trials in processes of this machine, each of which keeps what the next trial of its network can use."""

from __future__ import annotations

import concurrent.futures
import contextlib
import multiprocessing
import multiprocessing.context
import os
import signal
import sys
import threading
import time
from concurrent.futures import BrokenExecutor
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

import psutil
from pebble import ProcessExpired, ProcessPool

from precision.grid.execution import lost_trials
from precision.grid.execution.executor import Ended, Heard, group, outgrown
from precision.grid.execution.interrupt import end_with_parent
from precision.grid.execution.options import RunOptions, default_threads, share_of_cores
from precision.grid.execution.worker import Setup, start, work
from precision.grid.store import Store
from precision.trial import Trial

LOOK = 0.1  # seconds between two looks at the memory of the workers


class LocalWorkers:
    """Worker processes, each with its share of the cores. An ``Executor``."""

    def __init__(self, setup: Setup, options: RunOptions, store: Store) -> None:
        self._workers = [
            _Worker(replace(setup, checkpoint_seconds=options.checkpoint_seconds), options, store, index)
            for index in range(options.jobs)
        ]

    def __enter__(self) -> LocalWorkers:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.close()

    def free(self) -> list[str | None]:
        """Return what each idle worker has warm."""
        return [worker.group for worker in self._workers if worker.trial is None]

    def submit(self, trial: Trial, group: str | None, attempt: int) -> None:
        """Start a trial in an idle worker."""
        next(p for p in self._workers if p.trial is None and p.group == group).begin(trial, attempt)

    def poll(self, seconds: float) -> list[Ended | Heard]:
        """Return what happened since the last call."""
        events: list[Ended | Heard] = []
        deadline = time.monotonic() + seconds
        while not events:
            busy = [worker.future for worker in self._workers if worker.future is not None]
            pause = max(0.0, min(LOOK, deadline - time.monotonic()))
            if busy:
                concurrent.futures.wait(busy, pause, concurrent.futures.FIRST_COMPLETED)
            else:
                time.sleep(pause)
            for worker in self._workers:
                events += worker.happened()
            if time.monotonic() >= deadline:
                break
        return events


class _Worker:
    """A worker process and the trial that it runs.

    It goes on warm within one group. For another one it is replaced, because a process keeps much of the
    memory that it once had, and the next network's peak would be this one's.
    """

    def __init__(self, setup: Setup, options: RunOptions, store: Store, index: int) -> None:
        cores = share_of_cores(index, options.jobs) if options.jobs > 1 else ()
        self._setup, self._options, self._store = replace(setup, cores=cores), options, store
        self._pool: Any = None
        self._reader: Connection | None = None
        self._writer: Connection | None = None
        self._process: psutil.Process | None = None
        self._first_bytes = 0
        self._too_large = 0
        self._began = 0.0
        self._attempt = 1
        self.group: str | None = None
        self.trial: Trial | None = None
        self.future: Any = None

    def begin(self, trial: Trial, attempt: int) -> None:
        """Hand a trial to the worker, to a new one where the present one is of another group."""
        if self._pool is None or self.group != group(trial) or not self._pool.active:
            self.close()
            self._open(trial)
        self.trial, self._attempt, self._began = trial, attempt, time.monotonic()
        try:
            self._schedule()
        except BrokenExecutor:  # the worker died between two trials: this one has not begun
            self.close()
            self._open(trial)
            self._schedule()

    def _schedule(self) -> None:
        assert self.trial is not None
        self.future = self._pool.schedule(
            work, args=(self.trial.to_json(), self._attempt), timeout=self._options.timeout
        )

    def _open(self, trial: Trial) -> None:
        threads = trial.runtime.threads or self._setup.runtime.threads or default_threads()
        runtime = replace(trial.runtime, threads=threads)
        self._reader, self._writer = multiprocessing.Pipe(duplex=False)
        self._pool = ProcessPool(
            max_workers=1,
            context=_Context(),
            initializer=_start,
            initargs=(replace(self._setup, runtime=runtime), self._writer),
        )
        self.group = group(trial)

    def close(self) -> None:
        """Stop the worker at once, even in the middle of a trial."""
        if self._pool is not None:
            self._pool.stop()
            self._pool.join()
        for end in (self._reader, self._writer):
            if end is not None:
                end.close()
        self._pool = self._reader = self._writer = self._process = self.group = None
        self.trial = self.future = None
        self._first_bytes = self._too_large = 0

    def happened(self) -> list[Ended | Heard]:
        """Return what the worker told since the last call, and the end of its trial."""
        events: list[Ended | Heard] = []
        done = self.future is not None and self.future.done()  # before the pipe is emptied
        while self._reader is not None and self._reader.poll():
            kind, trial_id, row = self._reader.recv()
            if kind == "process":
                with contextlib.suppress(psutil.Error):
                    self._process = psutil.Process(row["pid"])
            elif self.trial is not None and trial_id == self.trial.id:
                events.append(Heard(kind, self.trial, row))
        if done and self.trial is not None:
            trial, seconds = self.trial, time.monotonic() - self._began
            status = self._outcome(trial)
            if status is not None:
                events.append(Ended(trial, status, seconds))
        elif self.trial is not None:
            self._weigh()
        return events

    def _outcome(self, trial: Trial) -> str | None:
        """Return what became of a trial whose future is done; None where it has to begin again."""
        error = self.future.exception()
        if error is None:
            status, size = self.future.result()
            self.trial = self.future = None
            self._first_bytes = self._first_bytes or size
            if outgrown(self._first_bytes, size):
                self.close()
            return str(status)
        large, limit = self._too_large, self._options.memory
        self.close()  # a worker that went wrong is not trusted with another trial, nor is its pipe
        if isinstance(error, OSError) and not isinstance(error, ProcessExpired | TimeoutError):
            raise lost_trials.full(self._store, error) from None
        if isinstance(error, BrokenExecutor):  # died idle, before it had taken the trial
            self._open(trial)
            self.trial = trial
            self._schedule()
            return None
        if large:
            status = "out_of_memory"
            reason = f"its process held {large / 2**30:.2f} GiB, above the limit of {limit / 2**30:.2f} GiB"
        elif isinstance(error, TimeoutError):
            status, reason = "timeout", f"it was not done after {self._options.timeout:g} s"
        elif isinstance(error, ProcessExpired):
            status, reason = "killed", lost_trials.death(error.exitcode)
        else:  # any other error costs one trial, never all
            status, reason = "failed", lost_trials.sentence(error)
        try:
            return lost_trials.record(self._store, trial, status, reason, self._attempt)
        except OSError as problem:
            raise lost_trials.full(self._store, problem) from None

    def _weigh(self) -> None:
        """Kill the worker when it holds more memory than it may."""
        if self._process is None or self._too_large:
            return
        with contextlib.suppress(psutil.Error):
            size = int(self._process.memory_info().rss)
            if size > self._options.memory:
                self._too_large = size
                self._process.kill()


def _start(setup: Setup, writer: Connection) -> None:
    """Begin in the new process."""
    lock = threading.Lock()  # of the threads of this process; a dead process leaves no lock behind

    def report(kind: str, trial_id: str, row: dict[str, float]) -> None:
        with lock, contextlib.suppress(OSError):  # the parent is gone
            # Far below 4096 bytes, which a pipe takes whole or not at all.
            writer.send((kind, trial_id, row))

    end_with_parent()
    report("process", "", {"pid": os.getpid()})
    start(setup, report)


_spawning = threading.Lock()


class _Process(multiprocessing.context.SpawnProcess):
    """A process that does not run the caller's script again, and that Ctrl-C does not reach.

    So ``precision.run`` works in a script without a ``__main__`` guard. The workers need nothing of it.
    """

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802
        with _spawning:  # pools start their processes from threads of their own
            main = vars(sys.modules["__main__"])
            kept: dict[str, Any] = {name: main[name] for name in ("__file__", "__spec__") if name in main}
            main.pop("__file__", None)
            main["__spec__"] = None
            # The new process inherits the mask: Ctrl-C on a terminal goes to all, and it may be importing.
            former = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                return multiprocessing.context.SpawnProcess._Popen(process_obj)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, former)
                main.update(kept)


class _Context(multiprocessing.context.SpawnContext):
    Process = _Process
