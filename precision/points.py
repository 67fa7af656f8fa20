"""Named points at which a test can stop a process, so that what it finds does not depend on speed.

Who interrupts or kills a run wants it to be in the middle of something. ``PRECISION_STOP`` names a point, how
often it is to be reached, and a folder: ``epoch over:2=stopped``. A process that reaches the point for the
second time writes a file with its id as the name into that folder, and goes on when the file is gone. Without
the variable nothing happens at any point.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

VARIABLE = "PRECISION_STOP"
LOOK = 0.01  # seconds between two looks whether the file is gone

_asked: str | None = None
_left = 0


def reached(point: str) -> None:
    """Stop here until a test lets go, if it has asked for this point."""
    asked = os.environ.get(VARIABLE)
    if asked:
        _reached(point, asked)


def _reached(point: str, asked: str) -> None:
    global _asked, _left
    name, _, folder = asked.partition("=")
    name, _, times = name.partition(":")
    if asked != _asked:
        _asked, _left = asked, int(times or 1)
    if name != point:
        return
    _left -= 1
    if _left == 0:
        stopped = Path(folder) / str(os.getpid())
        stopped.touch()
        while stopped.exists():
            time.sleep(LOOK)
