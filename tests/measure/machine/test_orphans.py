"""A worker that does not outlive its parent."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from precision.grid.execution.orphans import end_with_parent


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
