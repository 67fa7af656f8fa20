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
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from precision import room
from precision.errors import PrecisionError

# Stores still hold drafts with the shorter name, which weights once had.
_DRAFT = re.compile(r"\..+\.[0-9a-f]{32}(\..+)?|draft\.trained\.weights\.h5")


def write(path: Path, content: bytes | memoryview | Callable[[Path], Any]) -> None:
    """Write a file, or replace it: a reader sees the old or the new content, never a part.

    Its time of modification gets a random part below a millisecond, so that two files that follow each other
    within one tick of the file system's clock differ in it (see ``grid.store.index``).

    Args:
        path: in a folder that exists.
        content: bytes, or a function that writes the file whose path it is given, which has the ending of
            ``path``; not with HDF5, which ends the process when a disk fills up.

    Raises:
        NoRoomError: when the disk is full; what was there before stays.
        OSError: when it cannot be written for another reason; the same.
    """
    write_all(path.parent, {path.name: content})


def write_all(folder: Path, contents: Mapping[str, bytes | memoryview | Callable[[Path], Any]]) -> None:
    """Write files into a folder as :func:`write` does, and none of them unless there is room for all.

    Args:
        contents: by name, in the order in which they appear.

    Raises:
        NoRoomError, OSError: as :func:`write`.
    """
    with ExitStack() as stack:
        drafts = {}
        for name, content in contents.items():
            drafts[name] = stack.enter_context(draft(folder / name))
            _fill(drafts[name], content)
        for name, unfinished in drafts.items():
            unfinished.replace(folder / name)
    _sync(folder)


def _fill(path: Path, content: bytes | memoryview | Callable[[Path], Any]) -> None:
    if callable(content):
        content(path)
    else:
        path.write_bytes(content)
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())
    now = time.time_ns() - random.randrange(10**6)
    with suppress(OSError):
        os.utime(path, ns=(now, now))


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
def refused(path: Path | str, what: str, advice: str = "") -> Iterator[None]:
    """Tell in one sentence why the system does not let something be written.

    Args:
        path: which the sentence begins with; a file on a full disk is named instead.
        what: cannot be done, such as ``cannot be written``.
        advice: what helps where the disk is not full.

    Raises:
        NoRoomError: for a disk without room.
        PrecisionError: for any other OSError inside.
    """
    try:
        yield
    except OSError as error:
        missing = room.missing(error, path)
        ending = f"; {advice}" if advice else ""
        raise missing or PrecisionError(f"{path}: {what} ({error.strerror or error}){ending}") from None


@contextmanager
def draft(path: Path) -> Iterator[Path]:
    """Yield a name beside ``path``, not taken yet; a file or folder that has it at the end is removed.

    Raises:
        NoRoomError: for any error inside that came of a disk without room, with ``path``.
    """
    unfinished = draft_of(path)
    try:
        yield unfinished
    except Exception as error:
        missing = room.missing(error, path) or room.tried(error, path, unfinished)
        if missing is None:
            raise
        raise missing from None
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


def remove_drafts(folder: Path) -> None:
    """Remove what writers that were killed left in a folder; none may be at work there."""
    with suppress(OSError):
        for path in [entry for entry in folder.iterdir() if is_draft(entry.name)]:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


def check_room(folder: Path) -> None:
    """Write a few bytes into a folder, and remove them.

    Raises:
        OSError: when nothing can be written there; a full disk takes names, but no content.
    """
    try:
        with draft(folder / "room") as probe:
            probe.write_bytes(b"a few bytes")
    except room.NoRoomError as error:
        raise room.NoRoomError(folder, error.code) from None


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
