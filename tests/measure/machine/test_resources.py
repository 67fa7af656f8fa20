"""Samples of what a process uses, and a worker that does not outlive its parent."""

import os
import queue
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

from precision.grid.execution.orphans import end_with_parent
from precision.measure.machine.sampler import ResourceSampler


def test_samples_tell_the_time_the_work_and_the_memory():
    samples = queue.Queue()
    with ResourceSampler(samples.put, every=0.05):
        block = np.ones(200 * 2**20, np.uint8)
        held = psutil.Process().memory_info().rss
        while not samples.empty():  # those from before the block was there
            samples.get()
        samples.get()
        rows = [samples.get()]
        while not any(row["cpu_percent"] for row in rows):
            block.sum()  # something to do
            rows += [samples.get()]
        rows += [samples.get()]
    assert all(set(row) == {"seconds", "cpu_percent", "memory_bytes"} for row in rows)
    assert all(row["memory_bytes"] > held - 100 * 2**20 for row in rows)
    times = [row["seconds"] for row in rows]
    assert times == sorted(set(times)) and times[0] > 0


def test_nothing_is_told_after_the_end():
    told = []
    with ResourceSampler(told.append, every=0.01) as sampler:
        while not told:
            time.sleep(0.01)
    count = len(told)
    assert not sampler._thread.is_alive()
    time.sleep(0.05)
    assert len(told) == count


def test_a_process_without_such_a_parent_goes_on():
    end_with_parent()


PARENT = """
import multiprocessing, time

def work(connection):
    from precision.grid.execution.orphans import end_with_parent
    end_with_parent()
    connection.send(1)
    time.sleep(600)

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=work, args=(theirs,))
    child.start()
    ours.recv()
    print(child.pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.faults("kill -9 of the parent of a worker")
def test_a_worker_ends_with_a_parent_that_was_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        assert child.is_running()
        os.kill(parent.pid, signal.SIGKILL)
        psutil.wait_procs([child], timeout=60)
        assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
