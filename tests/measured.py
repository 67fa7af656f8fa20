"""Machines made up for tests: a clock, sources, a powercap tree, a library of GPUs."""

import types

from precision.measure.machine.sources.found import Found
from precision.measure.machine.sources.source import Source


class Clock:
    """A clock that stands still until somebody moves it."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Told(Source):
    """Tells what a function says of each look, counted from 0."""

    def __init__(self, quantity, value):
        self.quantity, self._value, self._looks = quantity, value, 0

    def read(self, seconds):
        self._looks += 1
        return self._value(self._looks - 1)


def machine(**values):
    """A machine that tells these quantities: a number, or a function of how many looks there were."""
    sources = [
        Told(name, value if callable(value) else lambda look, v=value: v) for name, value in values.items()
    ]
    return Found(sources)


def powercap(root, *packages, most=1_000_000, more=()):
    """A powercap tree with a counter in each package, and further zones of other names."""
    root.mkdir()
    for number, energy in enumerate(packages):
        zone(root / f"intel-rapl:{number}", f"package-{number}", energy, most)
    for name, inside in more:
        zone(root / name, inside, 123, most)
    return root


def zone(folder, name, energy, most=1_000_000):
    folder.mkdir()
    (folder / "name").write_text(f"{name}\n")
    (folder / "energy_uj").write_text(f"{energy}\n")
    (folder / "max_energy_range_uj").write_text(f"{most}\n")


class NVMLError(Exception):
    pass


def nvml(gpus=1, counter=True, driver=True, **lost):
    """A module like pynvml, of GPUs with 100 W (``watts``) and 1 J per call of the counter.

    Args:
        counter: whether a GPU counts its energy.
        driver: whether the library starts.
        lost: by the name of a function, after how many calls it fails.
    """
    calls = {}

    def asked(name):
        calls[name] = calls.get(name, 0) + 1
        if calls[name] > lost.get(name, 10**9):
            raise NVMLError("GPU is lost")
        return calls[name]

    def init():
        asked("nvmlInit")
        if not driver:
            raise NVMLError("Driver Not Loaded")

    def energy(handle):
        number = asked("nvmlDeviceGetTotalEnergyConsumption")
        if not counter:
            raise NVMLError("Not Supported")
        return 1000 * number

    def value(name, result):
        def answer(handle):
            asked(name)
            return result(handle)

        return answer

    found = types.ModuleType("pynvml")
    found.NVMLError, found.calls, found.watts = NVMLError, calls, 100
    found.nvmlInit, found.nvmlShutdown = init, lambda: asked("nvmlShutdown")
    found.nvmlDeviceGetCount = lambda: gpus
    found.nvmlDeviceGetHandleByIndex = int
    found.nvmlDeviceGetHandleByUUID = lambda uuid: int(uuid.rpartition("-")[2])
    found.nvmlDeviceGetTotalEnergyConsumption = energy
    for name, result in {
        "nvmlDeviceGetName": lambda handle: b"Example GPU",
        "nvmlDeviceGetUtilizationRates": lambda handle: types.SimpleNamespace(gpu=30 + 40 * handle),
        "nvmlDeviceGetMemoryInfo": lambda handle: types.SimpleNamespace(used=2**30 * (1 + handle)),
        "nvmlDeviceGetPowerUsage": lambda handle: 1000 * found.watts,
    }.items():
        setattr(found, name, value(name, result))
    return found
