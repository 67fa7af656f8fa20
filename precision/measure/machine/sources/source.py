"""What a source of samples is: it tells one number again and again until it cannot any more."""

from __future__ import annotations

import math
import threading
from abc import ABC, abstractmethod

from precision.errors import said

SHORTEST = 0.1
"""Seconds from which on a counter tells a rate; those of processor time have steps of 10 ms."""


class GoneError(Exception):
    """Something cannot be told here, or not any longer; the text is the reason, as the end of a sentence."""


def reason(error: BaseException) -> str:
    """Return why a source ended: its own words, or those of the system."""
    if isinstance(error, PermissionError):
        return f"this user may not read {error.filename}" if error.filename else "it may not be read"
    if isinstance(error, FileNotFoundError) and error.filename:
        return f"{error.filename} is not there"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return said(error)


class Source(ABC):
    """Tells one quantity. Whatever it raises ends its own series, with the reason, and no other one.

    Attributes:
        quantity: its name among ``precision.samples.QUANTITIES``.
        every: seconds that pass at least between two times that it is asked.
    """

    quantity: str
    every: float = 0.0

    @abstractmethod
    def read(self, seconds: float) -> float:
        """Return the value now, or since the last time; NaN where there is none yet.

        Args:
            seconds: since the sampling began, by a clock that never goes back.

        Raises:
            Exception: when it cannot be told any longer.
        """

    def forget(self) -> None:  # noqa: B027 - only a rate has something to forget
        """Take note that nobody knows how long ago the last look was."""


class Rate(Source):
    """A quantity that is how fast a counter grows."""

    def __init__(self) -> None:
        self._last: tuple[float, float] | None = None

    @abstractmethod
    def count(self) -> float:
        """Return the counter, in the unit of the quantity times seconds."""

    def read(self, seconds: float) -> float:
        """Return the growth per second since the last rate; NaN when that is less than ``SHORTEST`` ago.

        Raises:
            GoneError: when the counter went back.
        """
        count = self.count()
        then, before = self._last or (seconds, count)
        if count < before:
            raise GoneError("its counter went back")
        if self._last is None or seconds - then >= SHORTEST:
            self._last = (seconds, count)
        return (count - before) / (seconds - then) if seconds - then >= SHORTEST else math.nan

    def forget(self) -> None:
        """Begin anew with the next look."""
        self._last = None


class Instrument(ABC):
    """Counts energy. It is asked by several threads, and once it failed it stays so: what it missed is lost.

    Attributes:
        name: what counts, in words.
    """

    name: str

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failed: Exception | None = None

    @abstractmethod
    def _joules(self) -> float:
        """Return the joules since it was made; called by one thread at a time."""

    def joules(self) -> float:
        """Return the joules since it was made.

        Raises:
            GoneError: when it cannot tell any longer.
        """
        with self._lock:
            if self._failed is None:
                try:
                    return self._joules()
                except Exception as error:
                    self._failed = error
            raise GoneError(reason(self._failed))


class Power(Rate):
    """Mean power since the last look, by an instrument that counts energy."""

    def __init__(self, quantity: str, instrument: Instrument) -> None:
        super().__init__()
        self.quantity, self._instrument = quantity, instrument

    def count(self) -> float:
        """Return the joules since the instrument was made."""
        return self._instrument.joules()
