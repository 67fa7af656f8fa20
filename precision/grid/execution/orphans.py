"""Processes that lose their parent: a worker ends with its run, what a trial started with the trial."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import threading
from multiprocessing.connection import wait

import psutil

ORPHANED = 70  # exit code of a process whose parent is gone; nobody is left to read it
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of Linux


def end_with_parent() -> None:
    """End this process at once when the one that started it is gone, however that ended.

    Without it a worker whose parent was killed would train on, for nobody, and hold the lock of its trial.
    A process that ``multiprocessing`` did not start has no such parent.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(ORPHANED)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def adopt_orphans() -> None:
    """Become the parent of descendants that lose theirs, where the system can do that."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)


def kill_with_descendants(process: psutil.Process) -> None:
    """Stop a process at once, and all that it started; nothing happens where it is gone."""
    with contextlib.suppress(psutil.Error):
        descendants = process.children(recursive=True)
        for each in (process, *descendants):
            with contextlib.suppress(psutil.Error):
                each.kill()


def living_children() -> list[psutil.Process]:
    """Return the processes that this one has started, or adopted, and that still run."""
    return [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
