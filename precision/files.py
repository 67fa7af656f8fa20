"""Files that are there whole or not at all, also after the power fails."""

from __future__ import annotations

import os
import random
import re
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

# A file that is being written: of ours, and of Keras, which insists on the ending of a weights file.
_DRAFT = re.compile(r"\..+\.[0-9a-f]{32}|draft\..+")


def write(path: Path, fill: Callable[[IO[bytes]], Any]) -> None:
    """Write a file under another name, force it to the disk, and rename it.

    Its time of modification gets a random part below a millisecond, so that two files that follow each other
    within one tick of the file system's clock differ in it (see ``index``).

    Raises:
        OSError: when it cannot be written; what was there before stays.
    """
    draft = draft_of(path)
    try:
        with draft.open("wb") as stream:
            fill(stream)
            stream.flush()
            os.fsync(stream.fileno())
        now = time.time_ns() - random.randrange(10**6)
        with suppress(OSError):
            os.utime(draft, ns=(now, now))
        draft.replace(path)
    finally:
        with suppress(OSError):  # of the error that brought us here, not of this
            draft.unlink(missing_ok=True)
    sync_folder(path.parent)


def draft_of(path: Path) -> Path:
    """Return another name beside a file, under which it is written, or to which it is moved to be removed."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}")


def is_draft(name: str) -> bool:
    """Return whether a file or folder of this name is one that a writer had not finished."""
    return _DRAFT.fullmatch(name) is not None


def sync_folder(folder: Path) -> None:
    """Force the names in a folder to the disk, where the system can."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    with suppress(OSError):  # some network file systems refuse, and do it themselves
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def make_folder(folder: Path) -> None:
    """Make a folder, which then stays also when the power fails."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        sync_folder(folder.parent)
