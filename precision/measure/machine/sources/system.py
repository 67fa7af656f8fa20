"""What the operating system tells of the whole machine."""

from __future__ import annotations

import math
from typing import Any

import psutil

from precision.measure.machine.sources.source import SHORTEST, GoneError, Source

_OF_THE_PROCESSOR = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "soc_thermal", "cpu-thermal")
"""Drivers of Linux whose sensors lie in a processor."""


class MachineTime(Source):
    """Share of the time in which the processors of the machine are busy, in percent."""

    quantity = "machine_cpu_percent"

    def __init__(self) -> None:
        self._last: tuple[float, float] | None = None

    def read(self, seconds: float) -> float:
        """Return the share since the last one that was told; the machine's own counters are the clock."""
        times = self._times()
        busy, every = (now - before for now, before in zip(times, self._last or times, strict=True))
        if self._last is None or every >= SHORTEST:
            self._last = times
        return min(100.0, max(0.0, 100 * busy / every)) if every >= SHORTEST else math.nan

    @staticmethod
    def _times() -> tuple[float, float]:
        """Return the seconds in which a processor was busy, and all seconds, of all processors together."""
        times = psutil.cpu_times()._asdict()
        # Linux counts the time of guests as that of users, too.
        every = sum(times.values()) - times.get("guest", 0.0) - times.get("guest_nice", 0.0)
        return every - times["idle"] - times.get("iowait", 0.0), every


class Temperature(Source):
    """The hottest sensor of the processor in degrees Celsius."""

    quantity = "temperature_celsius"
    every = 1.0  # each sensor is a file that a driver answers in its own time

    def __init__(self) -> None:
        self.read(0.0)

    def read(self, seconds: float) -> float:
        """Return the temperature.

        Raises:
            GoneError: when no sensor tells one.
        """
        ask = getattr(psutil, "sensors_temperatures", None)
        if ask is None:
            raise GoneError("this system does not tell temperatures")
        found: dict[str, list[Any]] = ask()
        of_processor = [found[name] for name in _OF_THE_PROCESSOR if name in found]
        sensors = [sensor for group in of_processor or found.values() for sensor in group]
        known = [sensor.current for sensor in sensors if sensor.current and math.isfinite(sensor.current)]
        if not known:
            raise GoneError("no sensor tells a temperature, as on most virtual machines")
        return float(max(known))
