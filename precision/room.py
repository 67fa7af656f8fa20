"""Disks without room: found in whatever error they led to, and told in one sentence."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from precision.errors import PrecisionError

# What helps, by the reason of the system.
_ADVICE = {
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room, or ask for a larger quota,",
    errno.EFBIG: "raise the limit of the size of files (ulimit -f)",
}
# HDF5 puts the number into its own text, and h5py not always into the exception.
_IN_TEXT = re.compile(r"\berrno = (\d+)")


class NoRoomError(PrecisionError, OSError):
    """A file cannot be written because the disk, a quota or the limit of a file's size is exhausted.

    It is a fault of the machine and of nothing that was computed: it ends a run, and not only a trial.

    Attributes:
        code, errno: ENOSPC, EDQUOT or EFBIG.
        filename: the file, by the name that it was to have.
    """

    def __init__(self, path: str | Path, code: int) -> None:
        super().__init__(
            f"{path}: cannot be written ({os.strerror(code)}); {_ADVICE[code]} and run the same command "
            "again, finished trials are kept"
        )
        self.code = code
        self.errno, self.strerror, self.filename = code, os.strerror(code), str(path)

    def __str__(self) -> str:
        return str(self.args[0])

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.filename, self.code)


def missing(error: BaseException, path: str | Path | None = None) -> NoRoomError | None:
    """Return what says that an error came of a disk without room; None when it did not.

    Libraries replace the error of the system by their own: those that it was raised from, or in place of,
    are looked at too.

    Args:
        path: of the file that was written; None for the one that the system names.
    """
    for link in _chain(error):
        if isinstance(link, NoRoomError):
            return link
        code = _code(link)
        if code in _ADVICE:
            name = path or getattr(link, "filename", None) or "the output"
            return NoRoomError(name, code)
    return None


def tried(error: BaseException, path: Path, unfinished: Path) -> NoRoomError | None:
    """Return the same of an error that has lost its reason, as of ``ndarray.tofile``: by writing some more.

    Args:
        path: the name that the file or folder was to have.
        unfinished: where it is being written.
    """
    if not isinstance(error, OSError) or error.errno is not None:
        return None
    try:
        with (unfinished / "more" if unfinished.is_dir() else unfinished).open("ab") as stream:
            stream.write(bytes(2**16))
    except OSError as reason:
        return missing(reason, path)
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    ahead: list[BaseException | None] = [error]
    while ahead:
        link = ahead.pop(0)
        if link is not None and link not in seen:
            seen.append(link)
            ahead += [link.__cause__, link.__context__]
            yield link


def _code(error: BaseException) -> int | None:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    said = _IN_TEXT.search(str(error))
    return int(said[1]) if said else None
