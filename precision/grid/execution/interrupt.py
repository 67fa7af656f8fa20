"""Ctrl-C, twice: the first lets the trials in flight end, the second stops them. A parent that is gone."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import wait
from types import FrameType
from typing import Any

ORPHANED = 70  # exit code of a process whose parent is gone; nobody is left to read it


class Interrupts:
    """Handles signals while a grid runs, where this thread may set handlers.

    ``asked`` is true after the first Ctrl-C; the second one, and SIGTERM at once, raise KeyboardInterrupt.
    """

    def __init__(self) -> None:
        self.asked = False
        self._former: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            # Who started this process with Ctrl-C ignored, as a shell does in the background, meant it.
            if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
                self._former[signal.SIGINT] = signal.signal(signal.SIGINT, self._interrupt)
            self._former[signal.SIGTERM] = signal.signal(signal.SIGTERM, self._terminate)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt


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
