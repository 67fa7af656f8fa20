"""What NVIDIA's management library (NVML) tells of the GPUs that this process sees; needs nvidia-ml-py."""

from __future__ import annotations

import contextlib
import importlib
import os
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from precision.measure.machine.sources.source import GoneError, Instrument, Source


class Devices:
    """The GPUs that ``CUDA_VISIBLE_DEVICES`` leaves to this process; closed when nobody asks any more.

    Args:
        environment: None for that of this process.

    Raises:
        GoneError: when there are none, or nothing that could ask them.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        given = os.environ if environment is None else environment
        visible = given.get("CUDA_VISIBLE_DEVICES")
        if visible is not None and visible.strip() in ("", "-1"):
            raise GoneError("this process is to see no GPU (CUDA_VISIBLE_DEVICES)")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a package of the same module asks for this one
                self.api: Any = importlib.import_module("pynvml")
        except ImportError:
            raise GoneError("the package nvidia-ml-py is not installed") from None
        try:
            self.api.nvmlInit()
        except Exception as error:  # no driver, or one that does not answer
            raise GoneError(f"NVML does not start ({error})") from None
        try:
            self.handles = self._handles(visible)
            names = [self.api.nvmlDeviceGetName(handle) for handle in self.handles]
        except Exception as error:
            self.close()
            raise GoneError(f"NVML does not tell the GPUs ({error})") from None
        if not self.handles:
            self.close()
            raise GoneError("there is no GPU that NVML knows")
        self.names = [name.decode() if isinstance(name, bytes) else name for name in names]

    def close(self) -> None:
        """Let go of the library."""
        with contextlib.suppress(Exception):
            self.api.nvmlShutdown()

    def _handles(self, visible: str | None) -> list[Any]:
        if visible is None:
            return [self.api.nvmlDeviceGetHandleByIndex(i) for i in range(self.api.nvmlDeviceGetCount())]
        words = [word.strip() for word in visible.split(",")]
        return [
            self.api.nvmlDeviceGetHandleByIndex(int(word))
            if word.isdecimal()
            else self.api.nvmlDeviceGetHandleByUUID(word)
            for word in words
        ]


class _OfDevices(Source):
    def __init__(self, devices: Devices) -> None:
        self._devices = devices
        self.read(0.0)  # a GPU may not tell everything, and one in parts tells little


class Utilisation(_OfDevices):
    """Share of the time in which a kernel ran, the mean over the GPUs, in percent."""

    quantity = "gpu_percent"

    def read(self, seconds: float) -> float:
        """Return the share in the last part of a second, which the GPU chooses."""
        ask = self._devices.api.nvmlDeviceGetUtilizationRates
        found = [float(ask(handle).gpu) for handle in self._devices.handles]
        return sum(found) / len(found)


class Memory(_OfDevices):
    """Memory of the GPUs that is taken, in bytes."""

    quantity = "gpu_memory_bytes"

    def read(self, seconds: float) -> float:
        """Return their sum."""
        ask = self._devices.api.nvmlDeviceGetMemoryInfo
        return float(sum(ask(handle).used for handle in self._devices.handles))


class Energy(Instrument):
    """Energy of the GPUs by their own counters; where they have none, their power over time.

    Args:
        clock: in seconds; only for power.
    """

    def __init__(self, devices: Devices, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._devices, self._clock = devices, clock
        self._total = 0.0
        self._began: float | None = None
        try:
            self._began = self._counted()
            how = "energy counter"
        except Exception:  # before Volta, and on what shares a GPU, there is no counter
            self._last = (clock(), self._watts())
            how = "power over time"
        self.name = f"NVML, {how} ({', '.join(devices.names)})"

    def _counted(self) -> float:
        ask = self._devices.api.nvmlDeviceGetTotalEnergyConsumption  # in millijoules, since the driver began
        return sum(ask(handle) for handle in self._devices.handles) / 1e3

    def _watts(self) -> float:
        ask = self._devices.api.nvmlDeviceGetPowerUsage  # in milliwatts
        return sum(ask(handle) for handle in self._devices.handles) / 1e3

    def _joules(self) -> float:
        if self._began is not None:
            now = self._counted()
            if now < self._began + self._total:
                raise GoneError("the energy counter of a GPU went back")
            self._total = now - self._began
            return self._total
        then, before = self._last
        self._last = (max(then, self._clock()), self._watts())
        self._total += (self._last[0] - then) * (before + self._last[1]) / 2
        return self._total
