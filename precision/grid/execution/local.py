"""Run trials in processes of this machine, each of which keeps what the next trial of its network can use."""

from __future__ import annotations

import time
from dataclasses import replace
from multiprocessing.connection import wait
from typing import Any

from precision.errors import PrecisionError
from precision.grid.execution import launch, lost_trials
from precision.grid.execution.executor import Ended, Heard, group, outgrown
from precision.grid.execution.launch import WorkerProcess
from precision.grid.execution.options import RunOptions, default_threads, share_of_cores
from precision.grid.execution.worker import Setup, serve
from precision.grid.store import Store
from precision.trial import Trial

LOOK = 0.1  # seconds between two looks at the memory of the workers
DEATHS = 3  # in a row of workers that had not begun a trial, after which nothing is expected of the next


class LocalWorkers:
    """Worker processes, each with its share of the cores. An ``Executor``."""

    def __init__(self, setup: Setup, options: RunOptions, store: Store) -> None:
        self._idle_deaths = 0
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
        """Return what happened since the last call.

        Raises:
            PrecisionError: when a result cannot be stored, or no worker lives until it has a trial.
        """
        events: list[Ended | Heard] = []
        deadline = time.monotonic() + seconds
        while not events:
            pause = max(0.0, min(LOOK, deadline - time.monotonic()))
            news = [end for worker in self._workers for end in worker.news()]
            if news:
                wait(news, pause)
            else:
                time.sleep(pause)
            for worker in self._workers:
                events += worker.happened()
                self._count(worker)
            if time.monotonic() >= deadline:
                break
        return events

    def _count(self, worker: _Worker) -> None:
        """Give up when worker after worker dies before it has begun a trial."""
        while worker.starts:
            death = worker.starts.pop(0)
            self._idle_deaths = 0 if death is None else self._idle_deaths + 1
            if self._idle_deaths >= DEATHS:
                raise PrecisionError(
                    f"no worker process lives until it has begun a trial: {death}, {DEATHS} times in a row; "
                    "see what python -c 'import tensorflow, keras' says here, and whether a limit of memory "
                    "or of processes is too tight"
                )


class _Worker:
    """A worker process and the trial that it runs.

    It goes on warm within one group. For another one it is replaced, because a process keeps much of the
    memory that it once had, and the next network's peak would be this one's.

    Attributes:
        starts: for every trial that it was given, None when it was begun, or else how the process ended.
    """

    def __init__(self, setup: Setup, options: RunOptions, store: Store, index: int) -> None:
        self._cores = share_of_cores(index, options.jobs) if options.jobs > 1 else ()
        self._setup, self._options, self._store = setup, options, store
        self._process: WorkerProcess | None = None
        self._ready = False
        self._first_bytes = self._too_large = 0
        self._handed = 0.0
        self._deadline: float | None = None
        self._attempt = 1
        self._begun = False
        self.starts: list[str | None] = []
        self.group: str | None = None
        self.trial: Trial | None = None

    def begin(self, trial: Trial, attempt: int) -> None:
        """Hand a trial to the worker, to a new one where the present one is of another group."""
        if self._process is not None:
            self._process.look()
        if self._process is None or self._process.over or self.group != group(trial):
            self.close()
            self._open(trial)
        self.trial, self._attempt, self._handed, self._begun = trial, attempt, time.monotonic(), False
        if self._ready:
            self._hand_over()

    def news(self) -> list[Any]:
        """Return what becomes readable when something happens."""
        return [] if self._process is None else self._process.news

    def _open(self, trial: Trial) -> None:
        threads = trial.runtime.threads or self._setup.runtime.threads or default_threads()
        self._setup = replace(self._setup, runtime=replace(trial.runtime, threads=threads))
        server = launch.server(self._setup.runner, trial.runtime.backend)
        self._process = WorkerProcess(server, serve, (self._setup,), self._cores)
        self.group = group(trial)

    def close(self) -> None:
        """Stop the worker at once, even in the middle of a trial."""
        if self._process is not None:
            self._process.close()
            if self.trial is not None:
                lost_trials.tidy(self._store, self.trial)
        self._process = self.group = self.trial = self._deadline = None
        self._ready = self._begun = False
        self._first_bytes = self._too_large = 0

    def _hand_over(self) -> None:
        assert self._process is not None
        assert self.trial is not None
        self._process.send((self.trial.id, self.trial.to_json(), self._attempt))

    def happened(self) -> list[Ended | Heard]:
        """Return what the worker told since the last call, and the end of its trial."""
        if self._process is None:
            return []
        self._process.look()  # before the messages are taken: those of a process that is over are all there
        over = self._process.over
        events: list[Ended | Heard] = []
        for kind, trial_id, value in self._process.messages():
            if kind == "ready":
                self._ready = True
                if self.trial is not None:
                    self._hand_over()
            elif self.trial is not None and trial_id == self.trial.id:
                events += self._heard(kind, self.trial, value)
        if over:
            events += self._died()
        elif self.trial is not None:
            events += self._watch()
        return events

    def _heard(self, kind: str, trial: Trial, value: Any) -> list[Ended | Heard]:
        if kind == "begun":
            self._begun = True
            self.starts.append(None)
            if self._options.timeout is not None:
                self._deadline = time.monotonic() + self._options.timeout
        elif kind == "done":
            status, size, strays = value
            self._first_bytes = self._first_bytes or size
            worn = strays or outgrown(self._first_bytes, size)
            return self._ended(trial, status, keep=not worn)
        elif kind == "unstored":
            raise PrecisionError(value)
        elif kind == "raised":
            return self._failed(trial, "failed", value)
        else:
            return [Heard("epoch" if kind == "epoch" else "sample", trial, value)]
        return []

    def _watch(self) -> list[Ended | Heard]:
        """Stop a worker that takes too long, or holds too much."""
        assert self._process is not None
        assert self.trial is not None
        if not self._ready and self._process.stuck():
            launch.distrust()
            self._again(self.trial)
        elif self._deadline is not None and time.monotonic() > self._deadline:
            return self._failed(self.trial, "timeout", f"it was not done after {self._options.timeout:g} s")
        elif not self._too_large and (size := self._process.bytes()) > self._options.memory:
            self._too_large = size
            self._process.kill()
        return []

    def _died(self) -> list[Ended | Heard]:
        process, trial = self._process, self.trial
        assert process is not None
        if trial is None:
            self.close()
            return []
        if self._too_large:
            held, limit = self._too_large / 2**30, self._options.memory / 2**30
            reason = f"its process held {held:.2f} GiB, above the limit of {limit:.2f} GiB"
            return self._failed(trial, "out_of_memory", reason)
        if self._begun and not process.lost:
            return self._failed(trial, "killed", lost_trials.death(process.exit_code))
        if process.preloaded and not self._ready and process.lost:
            launch.distrust()  # the server could not import, or must not fork
        else:
            self.starts.append(lost_trials.death(process.exit_code))
        self._again(trial)
        return []

    def _again(self, trial: Trial) -> None:
        """Begin the trial in another process; this one ended, or is ended, by no fault of it."""
        attempt, handed = self._attempt, self._handed
        self.close()
        self._open(trial)
        self.trial, self._attempt, self._handed = trial, attempt, handed

    def _failed(self, trial: Trial, status: str, reason: str) -> list[Ended | Heard]:
        """Note a trial whose worker could not; a worker that went wrong is not trusted with another one."""
        attempt = self._attempt
        if self._process is not None:
            self._process.close()  # which holds the lock of the trial
            lost_trials.tidy(self._store, trial)
        try:
            status = lost_trials.record(self._store, trial, status, reason, attempt)
        except OSError as problem:
            raise lost_trials.unstored(self._store, problem) from None
        return self._ended(trial, status, keep=False)

    def _ended(self, trial: Trial, status: str, *, keep: bool) -> list[Ended | Heard]:
        seconds = time.monotonic() - self._handed
        self.trial, self._deadline = None, None
        if not keep:
            self.close()
        return [Ended(trial, status, seconds)]
