"""One thread samples what runs beside it, and survives whatever its sources do."""

import os
import subprocess
import sys
import threading

import numpy as np
import psutil
import pytest
from measured import Clock, Told, machine

from precision.measure.machine.sampler import EVERY, Sampler
from precision.measure.machine.sources.found import Found, find
from precision.measure.machine.sources.process import ProcessorTime, ResidentMemory, Threads
from precision.measure.machine.sources.source import GoneError, Rate


def looked(found, looks, clock=None, step=EVERY, **more):
    """Return a sampler after so many looks, without any thread."""
    clock = clock or Clock()
    sampler = Sampler(found, clock=clock, **more)
    for _ in range(looks):
        sampler.look()
        clock.now += step
    return sampler


class Busy(Rate):
    """A counter that grows with the clock it is read by."""

    quantity = "cpu_percent"

    def __init__(self, clock):
        super().__init__()
        self._clock = clock

    def count(self):
        return 150 * self._clock.now


def test_this_process_is_sampled_in_one_thread():
    told, threads = [], threading.active_count()
    with Sampler(tell=told.append) as sampler:
        assert threading.active_count() == threads + 1
        sampler._stop.wait(2 * EVERY)
    assert threading.active_count() == threads
    kept = sampler.samples()
    assert len(kept) >= 3 and (np.diff(kept.seconds) >= 0).all()
    assert kept.peak("memory_bytes") <= psutil.Process().memory_info().rss * 1.5
    assert kept.peak("threads") >= 2
    assert {"memory_bytes", "threads"} <= set(kept.series)
    assert set(kept.ended) | set(kept.series) >= {"temperature_celsius", "cpu_watts", "gpu_watts"}
    assert len(sampler.samples()) == len(kept)  # nothing is sampled after the end


@pytest.mark.parametrize("kept", [True, False], ids=["by the kernel", "by looking"])
def test_a_peak_between_two_samples_is_seen(kept, monkeypatch):
    size = 200 * 2**20
    if not kept:
        monkeypatch.setattr(ResidentMemory, "_keeps", lambda memory: False)
    elif not ResidentMemory(psutil.Process()).exact:
        pytest.skip("this kernel does not keep the peak, or not for this user")
    with Sampler(peaks=True) as sampler:
        before = sampler.peak
        block = np.ones(size, np.uint8)
        sampler._stop.wait(0.1)  # less than there is from one sample to the next
        del block
    assert sampler.peak - before > 0.9 * size
    assert sampler.samples().peak("memory_bytes") == sampler.peak


def test_a_kernel_that_keeps_no_peak_is_looked_at(tmp_path):
    folder = tmp_path / str(os.getpid())
    folder.mkdir()
    process = psutil.Process()
    assert not ResidentMemory(process, tmp_path).exact  # no such files, as on other systems
    (folder / "status").write_text("Name: x\n")
    assert not ResidentMemory(process, tmp_path).exact
    (folder / "status").write_text("Name: x\nVmHWM:\t   4000000000 kB\n")
    memory = ResidentMemory(process, tmp_path)
    assert memory.exact and (folder / "clear_refs").read_bytes() == b"5"
    assert memory.read(0.0) == memory.peak == 1024 * 4_000_000_000
    (folder / "status").write_text("Name: x\nVmHWM:\t   4 kB\n")
    assert memory.read(0.25) <= process.memory_info().rss * 1.5 < memory.peak


def test_what_is_told_while_it_runs():
    told = []
    looked(
        machine(cpu_percent=float, memory_bytes=lambda look: 100.0 - look, threads=3), 10, tell=told.append
    )
    assert [row["seconds"] for row in told] == [1.0, 2.0]
    # The mean of the work, and the largest memory, of the looks since the last time; the first counts, too.
    assert [row["cpu_percent"] for row in told] == [2.0, 6.5]
    assert [row["memory_bytes"] for row in told] == [100.0, 95.0]


def test_whoever_does_not_want_to_know_any_more_ends_nothing():
    def gone(row):
        raise BrokenPipeError

    assert len(looked(machine(threads=3), 20, tell=gone).samples()) == 20


@pytest.mark.faults("a counter that vanishes while a trial is sampled")
@pytest.mark.parametrize(
    ("error", "why"),
    [
        (
            FileNotFoundError(2, "No such file or directory", "/sys/x/energy_uj"),
            "/sys/x/energy_uj is not there",
        ),
        (
            PermissionError(13, "Permission denied", "/sys/x/energy_uj"),
            "this user may not read /sys/x/energy_uj",
        ),
        (OSError(5, "Input/output error", "/sys/x"), "/sys/x: Input/output error"),
        (GoneError("its counter went back"), "its counter went back"),
        (ZeroDivisionError("division by zero"), "division by zero"),
        (psutil.NoSuchProcess(7, msg="process no longer exists"), "process no longer exists (pid=7)"),
    ],
)
def test_a_source_that_vanishes_ends_its_own_series(error, why):
    def vanishing(look):
        if look >= 3:
            raise error
        return 40.0

    kept = looked(machine(cpu_watts=vanishing, threads=2, memory_bytes=float), 8).samples()
    np.testing.assert_array_equal(kept.series["cpu_watts"], [40.0] * 3 + [np.nan] * 5)
    assert kept.series["threads"].tolist() == [2.0] * 8
    assert kept.series["memory_bytes"].tolist() == list(range(8))
    assert kept.ended == {"cpu_watts": why}


@pytest.mark.faults("a process that ends while it is sampled")
def test_a_process_that_ends():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        process = psutil.Process(child.pid)
        of_child = [ProcessorTime(process), ResidentMemory(process), Threads(process)]
        clock = Clock()
        sampler = looked(Found([*of_child, Told("gpu_percent", float)]), 3, clock, peaks=True)
        child.kill()
        child.wait()
        sampler._glance()
        for _ in range(4):
            sampler.look()
    kept = sampler.samples()
    assert len(kept) == 7 and kept.series["gpu_percent"].tolist() == list(range(7))
    assert np.isfinite(kept.series["threads"]).sum() == 3
    assert set(kept.ended) == {"cpu_percent", "memory_bytes", "threads"}
    assert all("process no longer exists" in why or "PID not found" in why for why in kept.ended.values())
    assert sampler.peak == kept.peak("memory_bytes") > 0


@pytest.mark.faults("a clock that is set back while a trial is sampled")
def test_a_clock_that_is_set_back():
    clock = Clock()
    sampler = looked(Found([Busy(clock), Told("threads", lambda look: 4.0)]), 4, clock)
    clock.now -= 3600
    for _ in range(4):
        sampler.look()
        clock.now += EVERY
    kept = sampler.samples()
    # No time passes with the step: the looks before and after it stand at one second.
    assert kept.seconds.tolist() == [0.0, 0.25, 0.5, 0.75, 0.75, 1.0, 1.25, 1.5]
    assert kept.series["threads"].tolist() == [4.0] * 8
    np.testing.assert_allclose(kept.series["cpu_percent"], [np.nan, *[150] * 3, np.nan, *[150] * 3])
    assert kept.ended == {}


def test_a_rate_needs_some_time():
    clock = Clock()
    sampler = looked(Found([Busy(clock)]), 3, clock, step=0.04)
    np.testing.assert_array_equal(sampler.samples().mean("cpu_percent"), np.nan)
    sampler.look()
    assert sampler.samples().series["cpu_percent"][-1] == pytest.approx(150)


def test_a_counter_that_goes_back_tells_no_rate():
    counts = iter([5, 6, 7, 1, 2])

    class Counter(Rate):
        quantity = "cpu_percent"

        def count(self):
            return next(counts)

    sampler = looked(Found([Counter(), Told("threads", lambda look: 1.0)]), 5)
    assert sampler.samples().ended == {"cpu_percent": "its counter went back"}
    assert len(sampler.samples().series["threads"]) == 5


def test_a_slow_source_is_asked_less_often():
    slow = Told("temperature_celsius", float)
    slow.every = 1.0
    kept = looked(Found([slow, Told("threads", float)]), 10).samples()
    told = kept.series["temperature_celsius"]
    assert np.flatnonzero(np.isfinite(told)).tolist() == [0, 4, 8]


def test_sensors(monkeypatch):
    sensor = psutil._ntuples.shwtemp if hasattr(psutil, "_ntuples") else psutil._common.shwtemp
    found = {
        "acpitz": [sensor("", 90.0, None, None)],
        "coretemp": [sensor("", 55.0, 100.0, 100.0), sensor("", 61.0, 100.0, 100.0)],
    }
    monkeypatch.setattr(psutil, "sensors_temperatures", lambda: found, raising=False)
    assert looked(find(), 1).samples().series["temperature_celsius"].tolist() == [61.0]
    del found["coretemp"]
    assert looked(find(), 1).samples().series["temperature_celsius"].tolist() == [90.0]
    found.clear()
    assert "no sensor tells a temperature" in find().missing["temperature_celsius"]
    monkeypatch.delattr(psutil, "sensors_temperatures")
    assert find().missing["temperature_celsius"] == "this system does not tell temperatures"


def test_the_whole_machine(monkeypatch):
    times = iter([(10.0, 90.0, 0.0), (11.0, 92.0, 1.0), (11.0, 92.0, 1.0), (15.0, 92.0, 1.0)])

    def cpu_times():
        user, idle, iowait = next(times)
        return psutil._pslinux.scputimes(user, 0, 0, idle, iowait, 0, 0, 0, 0, 0)

    monkeypatch.setattr(psutil, "cpu_times", cpu_times)
    sampler = looked(find(), 4)
    np.testing.assert_array_equal(
        sampler.samples().series["machine_cpu_percent"], [np.nan, 25.0, np.nan, 100.0]
    )
