"""Processes that stop at a named point of the code, are interrupted or killed there, or find it late."""

import contextlib
import os
import signal
import time

from precision import points

STOP = "stopped"  # the folder in which a process that has stopped writes its id


def stop_at(folder, point, times=1):
    """Return the environment of a process that stops when it reaches a point so many times."""
    (folder / STOP).mkdir(exist_ok=True)
    return {**os.environ, points.VARIABLE: f"{point}:{times}={folder / STOP}"}


def await_stop(folder, process, count=1):
    """Return the ids of the processes that have stopped, as soon as there are so many."""
    while len(found := list((folder / STOP).iterdir())) < count:
        assert process.poll() is None, "it ended without reaching the point"
        time.sleep(0.01)
    return sorted(int(path.name) for path in found)


def let_go(folder):
    """Let all go on that have stopped."""
    for path in (folder / STOP).iterdir():
        path.unlink()


def hours_later(monkeypatch):
    """Return a function that sets the clock of this process ahead, so that no test waits for a timeout."""
    ahead, clock = [0.0], time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: clock() + ahead[0])

    def later():
        ahead[0] += 7200

    return later


@contextlib.contextmanager
def interrupted_at(point, times=1):
    """Press Ctrl-C in this process when it reaches a point so many times."""
    left = times

    def reached(name):
        nonlocal left
        left -= name == point
        if name == point and left == 0:
            signal.raise_signal(signal.SIGINT)

    original, points.reached = points.reached, reached
    # A shell starts its background jobs with Ctrl-C ignored, and these tests may be one.
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        points.reached = original
        signal.signal(signal.SIGINT, former)
    assert left <= 0, "the point was never reached"
