"""Energy is what counters say, or not measurable; it is never 0 for want of a counter."""

import math
import sys
from pathlib import Path

import pytest
from measured import Clock, nvml, powercap

from precision.measure.machine.energy import Meter
from precision.measure.machine.sampler import Sampler
from precision.measure.machine.sources.found import find
from precision.measure.machine.sources.nvml import Devices, Energy


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    """As on a machine without one."""
    monkeypatch.setitem(sys.modules, "pynvml", None)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def meter(root):
    found = find(powercap=root)
    return Meter(found.instruments, found.uncounted)


def write(root, number, energy):
    (root / f"intel-rapl:{number}" / "energy_uj").write_text(f"{energy}\n")


def test_all_packages_are_counted_and_nothing_twice(tmp_path):
    more = [("intel-rapl:0:0", "core"), ("intel-rapl:7", "psys"), ("intel-rapl-mmio:0", "package-0")]
    root = powercap(tmp_path / "powercap", 100_000, 500_000, more=more)
    counted = meter(root)
    assert counted.joules() == 0.0
    write(root, 0, 350_000)
    write(root, 1, 600_000)
    assert counted.joules() == pytest.approx(0.35)
    assert counted.source == (
        "RAPL (package-0, package-1); not counted: GPU: the package nvidia-ml-py is not installed"
    )


def test_a_counter_that_wraps_around(tmp_path):
    root = powercap(tmp_path / "powercap", 900_000, most=1_000_000)
    counted = meter(root)
    for energy, total in ((950_000, 0.05), (20_000, 0.12), (900_000, 1.0), (0, 1.1)):
        write(root, 0, energy)
        assert counted.joules() == pytest.approx(total)


def test_the_sampler_reads_it_often_enough_for_every_wrap(tmp_path):
    """The reader at both ends of a long training would miss whole rounds of the counter."""
    root, clock = powercap(tmp_path / "powercap", 0, most=100_000), Clock()
    sampler = Sampler(find(powercap=root), clock=clock)
    sampler.look()
    for number in range(1, 41):
        write(root, 0, 30_000 * number % 100_000)
        clock.now += 0.25
        sampler.look()
    assert sampler.meter.joules() == pytest.approx(1.2)
    assert sampler.samples().series["cpu_watts"][1:].tolist() == pytest.approx([0.12] * 40)


@pytest.mark.parametrize("file", ["energy_uj", "max_energy_range_uj", "name"])
def test_a_counter_that_may_not_be_read(tmp_path, monkeypatch, file):
    root = powercap(tmp_path / "powercap", 1)
    path, read = root / "intel-rapl:0" / file, Path.read_text

    def refused(self, *args):
        if self == path:
            raise PermissionError(13, "Permission denied", str(self))
        return read(self, *args)

    monkeypatch.setattr(Path, "read_text", refused)
    counted = meter(root)
    assert math.isnan(counted.joules())
    assert counted.source.startswith(f"not measurable here: processor: this user may not read {path}; GPU: ")
    assert find(powercap=root).missing["cpu_watts"] == f"this user may not read {path}"


@pytest.mark.faults("a counter of energy that vanishes")
def test_a_counter_that_vanishes(tmp_path):
    root, clock = powercap(tmp_path / "powercap", 10, 10), Clock()
    sampler = Sampler(find(powercap=root), clock=clock)
    sampler.look()
    (root / "intel-rapl:1" / "energy_uj").unlink()
    clock.now += 1
    sampler.look()
    path = root / "intel-rapl:1" / "energy_uj"
    assert sampler.samples().ended["cpu_watts"] == f"{path} is not there"
    assert math.isnan(sampler.meter.joules())
    assert (
        sampler.meter.source == f"not measurable here: RAPL (package-0, package-1) ended: {path} is not there"
    )
    path.write_text("20")  # what it counted in the meantime may be any number of rounds
    assert math.isnan(sampler.meter.joules())


@pytest.mark.parametrize("text", ["", "many", "-5000000"])
def test_a_counter_that_says_something_else(tmp_path, text):
    root = powercap(tmp_path / "powercap", 10)
    counted = meter(root)
    (root / "intel-rapl:0" / "energy_uj").write_text(text)
    assert math.isnan(counted.joules()) and "ended: " in counted.source


def test_a_machine_that_tells_nothing(tmp_path):
    none = meter(tmp_path / "powercap")
    assert math.isnan(none.joules())
    assert none.source == (
        f"not measurable here: processor: {tmp_path}/powercap is not there, as on most virtual machines; "
        "GPU: the package nvidia-ml-py is not installed"
    )
    assert "has no processor package" in meter(powercap(tmp_path / "empty")).source


@pytest.fixture
def gpu(monkeypatch):
    def make(*args, visible=None, **options):
        module = nvml(*args, **options)
        monkeypatch.setitem(sys.modules, "pynvml", module)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        return module

    return make


def test_gpus_are_sampled(tmp_path, gpu):
    module = gpu(2)
    clock = Clock()
    sampler = Sampler(find(powercap=tmp_path), clock=clock)
    sampler.look()
    clock.now += 0.5
    sampler.look()
    series = sampler.samples().series
    assert series["gpu_percent"].tolist() == [50.0, 50.0]  # the mean of 30 and 70
    assert series["gpu_memory_bytes"].tolist() == [3 * 2**30] * 2
    # Two counters that are a joule further each time that one is asked.
    assert series["gpu_watts"][1] == 8.0
    assert sampler.meter.joules() == 12.0
    assert sampler.meter.source.startswith(
        "NVML, energy counter (Example GPU, Example GPU); not counted: proc"
    )
    sampler._found.close()
    assert module.calls["nvmlShutdown"] == 1


def test_the_gpus_that_the_process_sees(gpu):
    gpu(4, visible="1, GPU-0")
    assert Devices().handles == [1, 0]
    for visible in ("-1", ""):
        gpu(4, visible=visible)
        assert find().missing["gpu_watts"] == "this process is to see no GPU (CUDA_VISIBLE_DEVICES)"


def test_a_gpu_without_a_counter_has_its_power_over_time(gpu):
    module, clock = gpu(counter=False), Clock()
    counted = Energy(Devices(), clock)
    clock.now += 2
    assert counted.joules() == 200.0
    module.watts = 300
    clock.now += 2
    assert counted.joules() == 600.0  # the mean of the power at both ends, for two seconds
    clock.now -= 3600
    assert counted.joules() == 600.0  # a clock that is set back takes nothing away
    assert counted.name == "NVML, power over time (Example GPU)"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"driver": False}, "NVML does not start (Driver Not Loaded)"),
        ({"gpus": 0}, "there is no GPU that NVML knows"),
        ({"nvmlDeviceGetName": 0}, "NVML does not tell the GPUs (GPU is lost)"),
    ],
)
def test_a_library_without_gpus(gpu, options, why):
    gpu(**options)
    found = find()
    assert found.missing["gpu_percent"] == found.uncounted["GPU"] == why


@pytest.mark.faults("a GPU that is lost")
def test_a_gpu_that_is_lost(tmp_path, gpu):
    gpu(nvmlDeviceGetTotalEnergyConsumption=4, nvmlDeviceGetUtilizationRates=2)
    root, clock = powercap(tmp_path / "powercap", 0), Clock()
    sampler = Sampler(find(powercap=root), clock=clock)
    for _ in range(4):
        sampler.look()
        clock.now += 1
    kept = sampler.samples()
    assert kept.ended["gpu_percent"] == "GPU is lost"
    assert kept.ended["gpu_watts"] == "GPU is lost" and kept.series["gpu_watts"][1:3].tolist() == [1.0, 1.0]
    assert kept.series["cpu_watts"][1:].tolist() == [0, 0, 0]
    assert math.isnan(sampler.meter.joules())
    assert (
        sampler.meter.source == "not measurable here: NVML, energy counter (Example GPU) ended: GPU is lost"
    )


def test_a_gpu_that_does_not_tell_everything(gpu):
    """As a part of one does not."""
    gpu(nvmlDeviceGetPowerUsage=0, counter=False)
    found = find()
    assert found.missing["gpu_watts"] == "GPU is lost" and found.uncounted["GPU"] == "GPU is lost"
    assert {"gpu_percent", "gpu_memory_bytes"} <= {source.quantity for source in found.sources}
