"""Files and folders that are there whole or not at all, also after an error, Ctrl-C or a loss of power.

What is written has the name of a draft until it is finished. Only a writer that was killed leaves a draft
behind, which :func:`is_draft` tells from everything else.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

# Stores still hold drafts with the shorter name, which weights once had.
_DRAFT = re.compile(r"\..+\.[0-9a-f]{32}(\..+)?|draft\..+")


def write(path: Path, content: bytes | memoryview | Callable[[Path], Any]) -> None:
    """Write a file, or replace it: a reader sees the old or the new content, never a part.

    Its time of modification gets a random part below a millisecond, so that two files that follow each other
    within one tick of the file system's clock differ in it (see ``grid.store.index``).

    Args:
        path: in a folder that exists.
        content: bytes, or a function that writes the file whose path it is given, which has the ending of
            ``path``.

    Raises:
        OSError: when it cannot be written; what was there before stays.
    """
    with draft(path) as unfinished:
        if callable(content):
            content(unfinished)
        else:
            unfinished.write_bytes(content)
        with unfinished.open("rb+") as stream:
            os.fsync(stream.fileno())
        now = time.time_ns() - random.randrange(10**6)
        with suppress(OSError):
            os.utime(unfinished, ns=(now, now))
        unfinished.replace(path)
    _sync(path.parent)


def write_folder(path: Path, fill: Callable[[Path], Any]) -> None:
    """Write a folder with the files that ``fill`` writes into it, unless there is one.

    It appears whole, but is not forced to the disk: it is meant for copies. Of several processes that write
    it at once the fastest wins, and the others end without an error.

    Raises:
        OSError: when it cannot be written.
    """
    with draft(path) as unfinished:
        try:
            unfinished.mkdir(parents=True)
            fill(unfinished)
            unfinished.rename(path)
        except OSError:
            if not path.exists():
                raise


@contextmanager
def draft(path: Path) -> Iterator[Path]:
    """Yield a name beside ``path``, not taken yet; a file or folder that has it at the end is removed."""
    unfinished = draft_of(path)
    try:
        yield unfinished
    finally:
        if unfinished.is_dir():
            shutil.rmtree(unfinished, ignore_errors=True)
        with suppress(OSError):  # an error that brought us here says more
            unfinished.unlink(missing_ok=True)


def draft_of(path: Path) -> Path:
    """Return a name beside ``path`` for what is being written, or is about to be removed.

    It has the same ending: Keras insists on that of a model and of weights.
    """
    ending = "".join(path.suffixes)
    return path.with_name(f".{path.name.removesuffix(ending)}.{uuid.uuid4().hex}{ending}")


def is_draft(name: str) -> bool:
    """Return whether a file or folder of this name is one that a writer had not finished."""
    return _DRAFT.fullmatch(name) is not None


def check_room(folder: Path) -> None:
    """Write a few bytes into a folder, and remove them.

    Raises:
        OSError: when nothing can be written there; a full disk takes names, but no content.
    """
    with draft(folder / "room") as probe:
        probe.write_bytes(b"a few bytes")


def make_folder(folder: Path) -> None:
    """Make a folder, which then stays also when the power fails."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        _sync(folder.parent)


def _sync(folder: Path) -> None:
    """Force the names in a folder to the disk, where the system can."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    with suppress(OSError):  # some network file systems refuse, and do it themselves
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
