"""Everything that this machine tells, and why it does not tell the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from precision.measure.machine.sources import nvml, rapl
from precision.measure.machine.sources.process import ProcessorTime, ResidentMemory, Threads
from precision.measure.machine.sources.source import Instrument, Power, Source, reason
from precision.measure.machine.sources.system import MachineTime, Temperature


@dataclass
class Found:
    """What there is to ask.

    Attributes:
        sources: of samples.
        missing: by the name of a quantity why it is not told here.
        instruments: that count energy.
        uncounted: by what has no such instrument, the reason.
        close: lets go of what was opened.
    """

    sources: list[Source] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    instruments: list[Instrument] = field(default_factory=list)
    uncounted: dict[str, str] = field(default_factory=dict)
    close: Callable[[], None] = lambda: None

    @property
    def memory(self) -> ResidentMemory | None:
        """The source that also sees the peak of memory."""
        return next((source for source in self.sources if isinstance(source, ResidentMemory)), None)

    def add(self, quantity: str, make: Callable[[], Source]) -> None:
        """Take up a source, or the reason why there is none."""
        try:
            self.sources.append(make())
        except Exception as error:
            self.missing[quantity] = reason(error)

    def count(self, what: str, make: Callable[[], Instrument]) -> Instrument | None:
        """Take up an instrument, or the reason why there is none, and return it."""
        try:
            self.instruments.append(make())
        except Exception as error:
            self.uncounted[what] = reason(error)
            return None
        return self.instruments[-1]


def find(pid: int | None = None, powercap: Path = rapl.ROOT) -> Found:
    """Ask this machine what it tells of a process, of itself and of its GPUs; nothing of it is required.

    Args:
        pid: of the process; None for this one.
        powercap: where the counters of the processors lie.
    """
    found = Found()
    process = psutil.Process(pid)
    found.add("cpu_percent", lambda: ProcessorTime(process))
    found.add("machine_cpu_percent", MachineTime)
    found.add("memory_bytes", lambda: ResidentMemory(process))
    found.add("threads", lambda: Threads(process))
    found.add("temperature_celsius", Temperature)
    packages = found.count("processor", lambda: rapl.Packages(powercap))
    if packages is None:
        found.missing["cpu_watts"] = found.uncounted["processor"]
    else:
        found.add("cpu_watts", lambda: Power("cpu_watts", packages))
    try:
        devices = nvml.Devices()
    except Exception as error:
        why = reason(error)
        found.missing |= dict.fromkeys(("gpu_percent", "gpu_memory_bytes", "gpu_watts"), why)
        found.uncounted["GPU"] = why
        return found
    found.close = devices.close
    found.add("gpu_percent", lambda: nvml.Utilisation(devices))
    found.add("gpu_memory_bytes", lambda: nvml.Memory(devices))
    energy = found.count("GPU", lambda: nvml.Energy(devices))
    # Asked as a source, an instrument is asked often: counters wrap around, and power is summed up.
    if energy is None:
        found.missing["gpu_watts"] = found.uncounted["GPU"]
    else:
        found.add("gpu_watts", lambda: Power("gpu_watts", energy))
    return found
