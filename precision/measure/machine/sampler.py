"""What this process and its machine do while a trial runs, sampled in one thread beside it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from precision.measure.machine.energy import Meter
from precision.measure.machine.sources.found import Found, find
from precision.measure.machine.sources.source import Source, reason
from precision.samples import Recorder, Samples, combined

EVERY = 0.25
"""Seconds between two samples, as long as none of them is thinned."""
GLANCE = 0.02
"""Seconds between two looks at the memory alone, where its peak is asked for."""
TOLD = 1.0
"""Seconds between two rows that are told while the trial runs."""


class Sampler:
    """Context manager that asks every source again and again, never after the context has ended.

    A source that raises ends its own series, with the reason, and nothing else: no series and no trial
    depends on another one.

    Args:
        found: what there is to ask; None asks this machine.
        tell: called once a second with what was sampled since, from the thread of the sampler: ``seconds``
            since the beginning, and each quantity that is known.
        peaks: whether the memory is looked at every 20 ms where the kernel does not keep its peak.
        clock: in seconds; where it is set back, the time since the last look counts as none.
    """

    def __init__(
        self,
        found: Found | None = None,
        tell: Callable[[dict[str, float]], None] | None = None,
        peaks: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._found = find() if found is None else found
        self._sources = {source: -source.every for source in self._found.sources}  # when each was asked last
        self._memory = self._found.memory
        self._tell = tell
        self._peaks = peaks and self._memory is not None and not self._memory.exact
        self._now, self._steps = _Steady(clock), 0
        self._ended = dict(self._found.missing)
        self._recorder = Recorder()
        self._untold: list[dict[str, float]] = []
        self._looked = self._told = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self.meter = Meter(self._found.instruments, self._found.uncounted)

    @property
    def peak(self) -> int:
        """The largest resident set that was seen, in bytes; 0 where it is not told.

        It counts the whole process: the runtime, the data set and the model together, as the operating system
        sees them.
        """
        return self._memory.peak if self._memory else 0

    def samples(self) -> Samples:
        """Return what was sampled so far; whole after the context."""
        return self._recorder.samples(self._ended)

    def look(self) -> None:
        """Take one sample."""
        now = self._looked = self._now()
        if self._now.steps != self._steps:
            self._steps = self._now.steps
            for source in self._sources:
                source.forget()
        row = {}
        for source, asked in list(self._sources.items()):
            if now - asked >= source.every:
                try:
                    row[source.quantity] = source.read(now)
                    self._sources[source] = now
                except Exception as error:
                    self._end(source, error)
        self._recorder.add(now, row)
        self._untold.append(row)
        if now - self._told >= TOLD:
            self._tell_since(now)

    def _tell_since(self, now: float) -> None:
        row, self._untold, self._told = combined(self._untold), [], now
        if self._tell is not None:
            try:
                self._tell({"seconds": now, **row})
            except Exception:  # whoever wanted to know is gone
                self._tell = None

    def _end(self, source: Source, error: Exception) -> None:
        self._ended[source.quantity] = reason(error)
        del self._sources[source]
        if source is self._memory:
            self._peaks = False

    def _glance(self) -> None:
        assert self._memory is not None
        try:
            self._memory.glance()
        except Exception as error:
            self._end(self._memory, error)

    def _run(self) -> None:
        while not self._stop.wait(GLANCE if self._peaks else EVERY):
            if self._peaks:
                self._glance()
            if self._now() - self._looked >= 0.95 * EVERY:  # a look begins no later because of the last one
                self.look()

    def __enter__(self) -> Self:
        self.look()
        self._thread.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        self.look()
        self.meter.joules()  # from now on it tells what was counted, or that something ended
        with contextlib.suppress(Exception):
            self._found.close()


class _Steady:
    """Seconds since it was made, by a clock that may be set back: such a step counts as no time at all.

    Attributes:
        steps: how often it was set back.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last = clock()
        self._passed = 0.0
        self.steps = 0

    def __call__(self) -> float:
        now = self._clock()
        self._passed += max(0.0, now - self._last)
        self.steps += now < self._last
        self._last = now
        return self._passed
