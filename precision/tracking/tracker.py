"""A watcher that hands everything to a tool in a thread of its own, so that no tool can harm a run.

The thread that runs the grid only puts notes into a queue: it never waits for a disk or a network, and sees
no exception of a tool. What fails is told once, as a warning.
"""

from __future__ import annotations

import contextlib
import queue
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from precision.grid.execution.watcher import Watcher
from precision.grid.plan.unrounded import epochs_before
from precision.printable import printable
from precision.tracking.description import Describer, End, epoch_metrics, sample_metrics
from precision.tracking.tool import Record, Tool
from precision.trial import Trial, TrialResult


@dataclass(frozen=True)
class _Note:
    """Something that happened to a trial; ``what`` is None for the end of the run."""

    what: str | None
    trial: Trial | None = None
    payload: Any = None
    attempt: int = 1
    began: float = 0.0
    time: float = 0.0


class Tracker(Watcher):
    """Tells one tool of every trial that is run. Used as a context, or closed at the end of the run.

    Trials that have a result already are not run, and so are not told again. A record is opened with the
    first news of a trial: a trial that another run is at leaves none.

    Args:
        connect: makes the tool; called in the thread.
        patience: seconds that ``close`` waits for the tool to write what is left.
    """

    LONGEST = 100_000  # notes that may wait for a tool which does not keep up
    FAILURES = 3  # in a row, after which a tool is left alone

    def __init__(
        self, name: str, connect: Callable[[], Tool], describer: Describer, patience: float = 30.0
    ) -> None:
        self.name = name
        self._connect, self._describer, self._patience = connect, describer, patience
        self._notes: queue.Queue[_Note] = queue.Queue(self.LONGEST)
        self._failures: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._warned = False
        self._attempts: Counter[str] = Counter()
        self._began: dict[str, float] = {}
        self._elsewhere: set[str] = set()  # trials that another run is at
        self._thread: threading.Thread | None = None
        self._closed = False

    def __enter__(self) -> Tracker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def started(self, trial: Trial) -> None:
        """Note the time."""
        self._elsewhere.discard(trial.id)
        self._began[trial.id] = time.time()

    def epoch(self, trial: Trial, row: dict[str, float]) -> None:
        """Pass on the row of a finished epoch."""
        self._put("epoch", trial, dict(row))

    def sample(self, trial: Trial, row: dict[str, float]) -> None:
        """Pass on what the trial's process uses."""
        self._put("sample", trial, dict(row))

    def waiting(self, trial: Trial) -> None:
        """Leave the trial to the other run, unless it is started here after all."""
        self._elsewhere.add(trial.id)

    def finished(self, trial: Trial, result: TrialResult, seconds: float) -> None:
        """Pass on what came of a trial."""
        if trial.id not in self._elsewhere:
            self._put("finished", trial, result)

    def retried(self, trial: Trial, result: TrialResult) -> None:
        """Complete the record of the attempt that failed; the next one gets its own."""
        self._put("retried", trial, result)
        self._attempts[trial.id] += 1

    def close(self) -> None:
        """Write what is left and complete open records as killed; waits a while, but not for ever."""
        if self._closed:
            return
        self._closed = True
        if self._thread is not None:
            deadline = time.monotonic() + self._patience
            with contextlib.suppress(queue.Full):
                self._notes.put(_Note(None, time=time.time()), timeout=self._patience)
            self._thread.join(max(0.0, deadline - time.monotonic()))
            if self._thread.is_alive():
                left = self._notes.qsize()
                self._failures.put(f"it is not done after {self._patience:.0f} s; {left} notes are lost")
        self._warn()

    def _put(self, what: str, trial: Trial, payload: Any) -> None:
        if self._thread is None:
            writer = _Writer(self._connect, self._describer, self._notes, self._failures.put, self.FAILURES)
            self._thread = threading.Thread(target=writer.run, name=f"tracking-{self.name}", daemon=True)
            self._thread.start()
        now = time.time()
        attempt = self._attempts[trial.id] + 1
        note = _Note(what, trial, payload, attempt, self._began.get(trial.id, now), now)
        try:
            self._notes.put_nowait(note)
        except queue.Full:
            if not self._warned:
                self._failures.put(f"it does not keep up, {self.LONGEST} notes are waiting")
        self._warn()

    def _warn(self) -> None:
        """Tell the first failure, from the thread that runs the grid."""
        if self._warned or self._failures.empty():
            return
        self._warned = True
        text = (
            f"tracking with {self.name} failed: {self._failures.get()}; the run goes on, and is not told of "
            "further failures"
        )
        try:
            warnings.warn(text, stacklevel=3)
        except Warning as warning:  # under -W error it is an exception, which must not end the run either
            print(f"precision: warning: {printable(warning)}", file=sys.stderr)


class _Writer:
    """The thread's side: opens records, fills them, and survives every error of a tool."""

    def __init__(
        self,
        connect: Callable[[], Tool],
        describer: Describer,
        notes: queue.Queue[_Note],
        failed: Callable[[str], None],
        failures: int,
    ) -> None:
        self._connect, self._describer, self._notes = connect, describer, notes
        self._failed, self._failures = failed, failures
        self._in_a_row = 0
        self._tool: Tool | None = None
        self._open: dict[str, Record] = {}
        self._epochs: dict[str, set[int]] = {}
        self._dropped: set[str] = set()  # attempts whose record failed: half a record is not continued

    def run(self) -> None:
        """Work off notes until the end of the run."""
        while (note := self._notes.get()).what is not None:
            assert note.trial is not None
            key = f"{note.trial.id} {note.attempt}"
            if key in self._dropped or self._in_a_row >= self._failures:
                continue
            try:
                self._write(key, note, note.trial)
            except BaseException as error:  # some tools raise SystemExit
                self._open.pop(key, None)
                self._dropped.add(key)
                self._in_a_row += 1
                self._failed(f"{_sentence(error)} (at trial {note.trial.id})")
            else:
                self._in_a_row = 0
        self._close(End("killed", note.time, "the run ended before the trial"))

    def _write(self, key: str, note: _Note, trial: Trial) -> None:
        if self._tool is None:
            self._tool = self._connect()
        if key not in self._open:
            self._open[key] = self._tool.begin(self._describer.begin(trial, note.attempt, note.began))
            self._epochs[key] = set()
        record = self._open[key]
        if note.what == "epoch":
            self._epoch(key, trial, note.payload, note.time)
        elif note.what == "sample":
            record.sample(float(note.payload.get("seconds", 0.0)), sample_metrics(note.payload), note.time)
        else:
            # Epochs of a training that was resumed were heard by an earlier run, or by none.
            for row in note.payload.history:
                self._epoch(key, trial, row, note.time)
            record.end(self._describer.end(note.payload, note.what == "retried", note.time))
            del self._open[key], self._epochs[key]

    def _epoch(self, key: str, trial: Trial, row: dict[str, float], time: float) -> None:
        number = int(row["epoch"]) + epochs_before(trial)
        if number not in self._epochs[key]:
            self._epochs[key].add(number)
            self._open[key].epoch(number, epoch_metrics(row), time)

    def _close(self, end: End) -> None:
        try:
            for record in self._open.values():
                record.end(end)
            if self._tool is not None:
                self._tool.close()
        except BaseException as error:
            self._failed(_sentence(error))


def _sentence(error: BaseException) -> str:
    """Return the kind of an error and the first line of its text, cut to what one can read."""
    text = printable((str(error).strip() or "without a text").splitlines()[0])
    return f"{type(error).__name__}: {text[:300]}"
