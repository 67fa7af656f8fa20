"""Ctrl-C, twice: the first lets the trials in flight end, the second stops them."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any


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
